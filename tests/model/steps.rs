//! Relaxation: where every entry should stand among the steps of its queue, by looking at everyone.

use std::sync::Arc;

use usher::engine::contact::ContactState;
use usher::engine::id::{AgentId, ContactId, QueueId, Text};
use usher::engine::policy::{Exhausted, Queue};
use usher::engine::requirement::{Expr, Requirement};
use usher::engine::time::Span;

use super::matching::meets;
use super::{Contact, Entry, Model, must};

type Check = Result<(), String>;

/// A step, the queue's own requirement and "anyone in the queue" among them.
struct Tier {
    after: Span,
    require: Option<Arc<Requirement>>,
    /// What the contact does without; none is without all it asks.
    drop: Option<Vec<Text>>,
    prefer: bool,
    skips: bool,
}

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Stand {
    pub step: u8,
    pub skipped: Vec<u8>,
    pub advanced: Span,
}

fn tiers(rules: &Queue) -> Vec<Tier> {
    let mut all = Vec::new();
    let own = rules.require.clone();
    if rules.steps.first().is_none_or(|first| first.after > Span::ZERO) {
        let drop = Some(Vec::new());
        all.push(Tier { after: Span::ZERO, require: own.clone(), drop, prefer: false, skips: false });
    }
    for step in &rules.steps {
        all.push(Tier {
            after: step.after,
            require: step.require.clone().or(own.clone()),
            drop: Some(step.drop.clone()),
            prefer: step.prefer,
            skips: step.skip_if.is_some(),
        });
    }
    if let Exhausted::AnyInQueue(after) = rules.exhausted {
        all.push(Tier { after, require: None, drop: None, prefer: false, skips: false });
    }
    all
}

fn overflows_at(rules: &Queue) -> Option<Span> {
    match rules.exhausted {
        Exhausted::Overflow(after) => Some(after),
        _ => None,
    }
}

/// Whether a test is of something dropped.
fn mentions(expr: &Expr, drop: &[Text]) -> bool {
    let dropped = |name: String| drop.iter().any(|held| **held == *name);
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().any(|part| mentions(part, drop)),
        Expr::Not(part) => mentions(part, drop),
        Expr::Skill { skill, .. } => dropped(skill.to_string()),
        Expr::Attribute { name, .. } | Expr::In { name, .. } | Expr::Has { name, .. } => {
            dropped(format!("attr.{name}"))
        }
        Expr::Agents(_) => false,
    }
}

/// What is left to be met: a test of what is dropped always is.
fn left(expr: &Expr, drop: &[Text]) -> Expr {
    let met = || Expr::All(Vec::new());
    match expr {
        _ if !mentions(expr, drop) => expr.clone(),
        Expr::All(parts) => Expr::All(parts.iter().map(|part| left(part, drop)).collect()),
        Expr::Any(parts) => {
            let parts: Vec<Expr> = parts.iter().map(|part| left(part, drop)).collect();
            let nothing = |part: &Expr| matches!(part, Expr::All(parts) if parts.iter().all(is_met));
            if parts.iter().zip(0..).any(|(part, _)| nothing(part)) { met() } else { Expr::Any(parts) }
        }
        _ => met(),
    }
}

/// Whether nothing is left of a part.
fn is_met(expr: &Expr) -> bool {
    matches!(expr, Expr::All(parts) if parts.iter().all(is_met))
}

/// The agents a step is for alone.
fn alone(expr: &Expr) -> Vec<Text> {
    match expr {
        Expr::Agents(agents) => agents.clone(),
        Expr::All(parts) => parts.iter().map(alone).find(|agents| !agents.is_empty()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

impl Model {
    fn tiers(&self, queue: QueueId) -> Vec<Tier> {
        tiers(&self.queues[queue.index()])
    }

    fn meets_tier(&self, agent: AgentId, tier: &Tier, contact: &Contact) -> bool {
        let profile = &self.agents[&agent].profile;
        let own = contact.requirement.as_ref().zip(tier.drop.as_ref());
        tier.require.as_ref().is_none_or(|asked| meets(profile, &asked.expr))
            && (!tier.prefer || profile.agent_id == contact.preferred)
            && own.is_none_or(|(asked, drop)| meets(profile, &left(&asked.expr, drop)))
    }

    /// The first step in force by which an agent may take a contact.
    pub fn tier_met(&self, agent: AgentId, contact: &Contact) -> Option<u8> {
        let entry = contact.entry.as_ref()?;
        let begun = (0..=entry.step).zip(self.tiers(entry.queue)).filter(|(at, _)| !entry.skipped.contains(at));
        begun.into_iter().find(|(_, tier)| self.meets_tier(agent, tier, contact)).map(|(at, _)| at)
    }

    /// The steps by which an agent may take a contact now or later: all but those passed over.
    pub fn steps_left(&self, contact: &Contact) -> Vec<u8> {
        let Some(entry) = &contact.entry else { return Vec::new() };
        (0..self.tiers(entry.queue).len() as u8).filter(|at| !entry.skipped.contains(at)).collect()
    }

    /// Whether an agent may take a contact by a step of its queue.
    pub fn meets_step(&self, agent: AgentId, step: u8, contact: &Contact) -> bool {
        let Some(entry) = &contact.entry else { return false };
        self.meets_tier(agent, &self.tiers(entry.queue)[usize::from(step)], contact)
    }

    /// The skills that the steps in force name.
    pub fn skills_named(&self, contact: &Contact) -> Vec<Text> {
        let mut named = Vec::new();
        let Some(entry) = &contact.entry else { return named };
        let begun = (0..=entry.step).zip(self.tiers(entry.queue)).filter(|(at, _)| !entry.skipped.contains(at));
        for (_, tier) in begun {
            let mut see = |expr: &Expr| expr.each_skill(&mut |skill| named.push(skill.clone()));
            tier.require.iter().for_each(|asked| see(&asked.expr));
            if let Some((asked, drop)) = contact.requirement.as_ref().zip(tier.drop.as_ref()) {
                see(&left(&asked.expr, drop));
            }
        }
        named
    }

    /// Whether a step names agents, none of whom is signed in and may take the contact.
    fn for_nobody(&self, queue: QueueId, tier: &Tier, contact: &Contact) -> bool {
        let named = match (tier.prefer, &tier.require) {
            (true, _) => vec![contact.preferred.clone()],
            (false, Some(asked)) => alone(&asked.expr),
            (false, None) => Vec::new(),
        };
        let may = |(&id, agent): (&AgentId, &super::Agent)| {
            named.contains(&agent.profile.agent_id)
                && agent.presence != usher::engine::agent::Presence::Offline
                && !agent.deleted
                && self.band(id, queue).is_some()
                && self.meets_tier(id, tier, contact)
        };
        !named.is_empty() && !self.agents.iter().any(may)
    }

    /// Whether a step is passed over because nobody it is for is signed in.
    fn passed_over(&self, queue: QueueId, tier: &Tier) -> bool {
        let on_duty = |(&id, agent): (&AgentId, &super::Agent)| {
            agent.presence != usher::engine::agent::Presence::Offline
                && !agent.deleted
                && self.band(id, queue).is_some()
                && tier.require.as_ref().is_none_or(|asked| meets(&agent.profile, &asked.expr))
        };
        tier.skips && !self.agents.iter().any(on_duty)
    }

    /// Where an entry should stand after a wait; `enters` says that it begins just now.
    pub fn stand(&self, queue: QueueId, contact: &Contact, from: Stand, when: (Span, bool)) -> Stand {
        self.stand_after(queue, contact, from, when, &mut 0)
    }

    /// Where an entry comes to when a rule ends the step the clock has it in; none on the last.
    pub fn hurried(&self, contact: &Contact) -> Option<Stand> {
        let entry = contact.entry.as_ref()?;
        let from = Stand { step: entry.step, skipped: entry.skipped.clone(), advanced: entry.advanced };
        let (when, mut cuts) = ((entry.wait(self.now), self.now == entry.since), 1);
        let to = self.stand_after(entry.queue, contact, from, when, &mut cuts);
        (cuts == 0).then_some(to)
    }

    /// The same, so many steps ended before their time.
    fn stand_after(
        &self,
        queue: QueueId,
        contact: &Contact,
        from: Stand,
        (wait, enters): (Span, bool),
        cuts: &mut u32,
    ) -> Stand {
        let tiers = self.tiers(queue);
        let more = overflows_at(&self.queues[queue.index()]).is_some();
        let mut at = from;
        loop {
            let here = usize::from(at.step);
            let Some(next) = tiers.get(here + 1) else { return at };
            let nobody = self.for_nobody(queue, &tiers[here], contact);
            if enters && here == 0 && !at.skipped.contains(&0) && (nobody || self.passed_over(queue, &tiers[0])) {
                at.skipped.push(0);
            }
            let due = Span(next.after.0.saturating_sub(at.advanced.0));
            let cut = nobody || at.skipped.contains(&at.step);
            if due > wait && !cut {
                if *cuts == 0 {
                    return at;
                }
                *cuts -= 1;
            }
            if due > wait {
                at.advanced = Span(at.advanced.0 + due.0 - wait.0);
            }
            at.step += 1;
            let last = here + 2 == tiers.len() && !more;
            if !last && (self.for_nobody(queue, next, contact) || self.passed_over(queue, next)) {
                at.skipped.push(at.step);
            }
        }
    }

    fn stands(&self, contact: &Contact, entry: &Entry, enters: bool) -> Stand {
        let from = Stand { step: entry.step, skipped: entry.skipped.clone(), advanced: entry.advanced };
        self.stand(entry.queue, contact, from, (entry.wait(self.now), enters))
    }

    /// Whether all steps are over and overflow rules are still to be looked at.
    fn over(&self, contact: &Contact, entry: &Entry, wait: Span) -> bool {
        let tiers = self.tiers(entry.queue);
        let Some(after) = overflows_at(&self.queues[entry.queue.index()]) else { return false };
        let last = usize::from(entry.step) + 1 == tiers.len();
        let cut = entry.skipped.contains(&entry.step)
            || self.for_nobody(entry.queue, &tiers[usize::from(entry.step)], contact);
        last && !entry.exhausted && (cut || after.0.saturating_sub(entry.advanced.0) <= wait.0)
    }

    /// A step begins as it should.
    pub fn relaxed(&mut self, id: ContactId, said: (u8, &Stand)) -> Check {
        let contact = &self.contacts[&id];
        let entry = contact.entry.as_ref().ok_or("no entry is relaxed")?;
        must(self.state(id) == ContactState::Queued, || format!("{id:?} is relaxed out of line"))?;
        let by_rule = self.hurries.take();
        must(by_rule.is_none_or(|rule| rule == id), || format!("{by_rule:?} is not relaxed by its rule"))?;
        let should = match by_rule {
            Some(_) => self.hurried(contact).ok_or("a rule relaxes on the last step")?,
            None => self.stands(contact, entry, self.now == entry.since),
        };
        must(said.0 == entry.step && said.0 < said.1.step && should == *said.1, || {
            format!("{id:?} comes from {} to {:?}, should to {should:?}", said.0, said.1)
        })?;
        let entry = self.contacts.get_mut(&id).and_then(|held| held.entry.as_mut()).expect("it was there");
        (entry.step, entry.skipped, entry.advanced) = (should.step, should.skipped, should.advanced);
        entry.skips_first = false;
        Ok(())
    }

    /// All steps are over when they should be.
    pub fn steps_over(&mut self, id: ContactId) -> Check {
        let contact = &self.contacts[&id];
        let entry = contact.entry.as_ref().ok_or("no entry is exhausted")?;
        must(self.over(contact, entry, entry.wait(self.now)), || format!("the steps of {id:?} are not over"))?;
        self.contacts.get_mut(&id).and_then(|held| held.entry.as_mut()).expect("it was there").exhausted = true;
        self.exhausted.push(id);
        Ok(())
    }

    /// An entry begins: whether its first step is to be passed over.
    pub fn enters_steps(&mut self, id: ContactId) {
        let contact = &self.contacts[&id];
        let Some(entry) = &contact.entry else { return };
        let tiers = self.tiers(entry.queue);
        let skips = tiers.len() > 1 && self.passed_over(entry.queue, &tiers[0]);
        self.contacts.get_mut(&id).and_then(|held| held.entry.as_mut()).expect("it was there").skips_first = skips;
    }

    /// Queues that ask otherwise: their entries stand where the wait leads.
    pub fn restep(&mut self, queue: QueueId) {
        let tiers = self.tiers(queue);
        let now = self.now;
        for entry in self.contacts.values_mut().filter_map(|held| held.entry.as_mut()) {
            if entry.queue == queue {
                let wait = entry.wait(now);
                let at = tiers.iter().rposition(|tier| tier.after <= wait).unwrap_or(0);
                (entry.step, entry.skipped, entry.advanced, entry.exhausted) =
                    (at as u8, Vec::new(), Span::ZERO, false);
                entry.skips_first = false;
            }
        }
    }

    /// After a batch: nobody waits on in a step that is over. `due` says that time has been looked at too.
    pub fn check_steps(&self, due: bool) -> Check {
        for (id, contact) in &self.contacts {
            let Some(entry) = &contact.entry else { continue };
            if self.state(*id) != ContactState::Queued {
                continue;
            }
            must(!entry.skips_first, || format!("{id:?} waits in a step that is to be passed over"))?;
            let wait = if due { entry.wait(self.now) } else { Span::ZERO };
            let from = Stand { step: entry.step, skipped: entry.skipped.clone(), advanced: entry.advanced };
            let should = self.stand(entry.queue, contact, from, (wait, false));
            must(should.step == entry.step, || format!("{id:?} waits in step {}, should in {should:?}", entry.step))?;
            must(!self.over(contact, entry, wait), || format!("{id:?} waits, its steps over"))?;
        }
        Ok(())
    }

    /// How an entry of a contact in another queue would begin.
    pub fn stands_in(&self, queue: QueueId, contact: &Contact) -> Stand {
        let from = Stand { step: 0, skipped: Vec::new(), advanced: Span::ZERO };
        self.stand(queue, contact, from, (Span::ZERO, true))
    }
}

//! Relaxation: the steps of a queue by which more agents may take a contact the longer it waits.
//!
//! A contact may be taken by whoever meets any step that has begun and was not passed over; the class it waits in asks
//! for just that, so that steps cost nothing where there are none. A step ends early when it names agents and none of
//! them is signed in and may take the contact: [`State::relaxation`] is looked at whenever that may have become so.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Passed, State};
use crate::engine::agent::AgentProfile;
use crate::engine::contact::{Contact, Entry};
use crate::engine::id::{AgentId, ContactId, QueueId, Text};
use crate::engine::policy::{Exhausted, Queue, Step};
use crate::engine::requirement::{Comparison, Expr, Requirement};
use crate::engine::time::{Span, Time};

/// What of its own requirement a contact does without.
#[derive(Clone, Debug)]
enum Dropped {
    /// Tests of these skills and attributes; none of them is nothing.
    Names(Vec<Text>),
    /// All of it.
    All,
}

/// A step as compiled.
#[derive(Clone, Debug)]
pub(in crate::engine) struct StepRules {
    after: Span,
    /// What it asks instead of the queue; none asks nothing.
    require: Option<Arc<Requirement>>,
    dropped: Dropped,
    prefer: bool,
    /// The agents it names, if it is for them alone.
    names: Vec<Text>,
    /// Its number among the steps for which those on duty are counted, if it may be passed over.
    pub(super) duty: Option<u32>,
    /// Whether it is passed over while nobody is on duty for it.
    skips: bool,
    /// Whether it asks just what the queue asks.
    own: bool,
}

/// Where an entry stands among the steps of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Relaxation {
    pub(in crate::engine) step: u8,
    pub(in crate::engine) skipped: u32,
    pub(in crate::engine) advanced: Span,
}

/// A contact's own part of what is asked.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Own<'a> {
    pub(in crate::engine) requirement: Option<&'a Arc<Requirement>>,
    pub(in crate::engine) preferred: &'a Text,
}

impl<'a> Own<'a> {
    pub(in crate::engine) fn of(contact: &'a Contact) -> Own<'a> {
        Own { requirement: contact.requirement.as_ref(), preferred: &contact.profile.preferred_agent_id }
    }
}

/// What an entry asks: the class it waits in, its queue and channel left aside.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is asked; none asks nothing.
    pub requirement: Option<Arc<Requirement>>,
    /// Whether that is all: the queue's own `require` is not asked beside it.
    pub whole: bool,
}

/// The steps of a queue as compiled; the wait at which its overflow rules act, the last of them over.
pub(super) fn compile(queue: &Queue) -> (Vec<StepRules>, Option<Span>) {
    if queue.steps.is_empty() && queue.exhausted == Exhausted::StayOnLast {
        return (Vec::new(), None);
    }
    let own = Step { after: Span::ZERO, require: None, drop: Vec::new(), prefer: false, skip_if: None };
    let implicit = queue.steps.first().is_none_or(|first| !first.after.is_zero());
    let listed = implicit.then_some(&own).into_iter().chain(&queue.steps);
    let mut steps: Vec<StepRules> = listed.map(|step| step_rules(queue, step)).collect();
    let mut overflow = None;
    match queue.exhausted {
        Exhausted::StayOnLast => {}
        Exhausted::AnyInQueue(after) => {
            let (names, dropped) = (Vec::new(), Dropped::All);
            let prefer = false;
            let last = StepRules { after, require: None, dropped, prefer, names, duty: None, skips: false, own: false };
            steps.push(last);
        }
        Exhausted::Overflow(after) => overflow = Some(after),
    }
    (steps, overflow)
}

fn step_rules(queue: &Queue, step: &Step) -> StepRules {
    let Step { after, require, drop, prefer, skip_if } = step;
    let own = require.is_none() && drop.is_empty() && !prefer;
    let require = require.as_ref().or(queue.require.as_ref()).cloned();
    let names = require.as_ref().map_or_else(Vec::new, |asked| named_alone(&asked.expr));
    let dropped = Dropped::Names(drop.clone());
    StepRules { after: *after, require, dropped, prefer: *prefer, names, duty: None, skips: skip_if.is_some(), own }
}

/// The agents a requirement is for alone; empty when others may meet it.
fn named_alone(expr: &Expr) -> Vec<Text> {
    match expr {
        Expr::Agents(agents) => agents.clone(),
        Expr::All(parts) => parts.iter().map(named_alone).find(|names| !names.is_empty()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

impl Dropped {
    fn has(&self, expr: &Expr) -> bool {
        let is = |name: &Text, attribute: bool| match self {
            Dropped::All => true,
            Dropped::Names(names) => names.iter().any(|dropped| match dropped.strip_prefix("attr.") {
                Some(bare) => attribute && *bare == **name,
                None => !attribute && dropped == name,
            }),
        };
        match expr {
            Expr::All(parts) | Expr::Any(parts) => parts.iter().any(|part| self.has(part)),
            Expr::Not(part) => self.has(part),
            Expr::Skill { skill, .. } => is(skill, false),
            Expr::Attribute { name, .. } | Expr::In { name, .. } | Expr::Has { name, .. } => is(name, true),
            Expr::Agents(_) => matches!(self, Dropped::All),
        }
    }

    /// What is left of a requirement; none when nothing is. A test that is dropped counts as met, whichever way it is
    /// meant, so that what is left never asks for more.
    fn rest(&self, expr: &Expr) -> Option<Expr> {
        match expr {
            _ if matches!(self, Dropped::All) => None,
            Expr::All(parts) => {
                let mut left: Vec<Expr> = parts.iter().filter_map(|part| self.rest(part)).collect();
                match left.len() {
                    0 => None,
                    1 => left.pop(),
                    _ => Some(Expr::All(left)),
                }
            }
            Expr::Any(parts) => parts.iter().map(|part| self.rest(part)).collect::<Option<Vec<Expr>>>().map(Expr::Any),
            other => (!self.has(other)).then(|| other.clone()),
        }
    }
}

impl StepRules {
    /// Whether an agent meets what it asks of whoever takes this contact.
    fn met_by(&self, agent: &AgentProfile, own: Own<'_>) -> bool {
        self.asks(agent)
            && (!self.prefer || agent.agent_id == *own.preferred)
            && own.requirement.is_none_or(|asked| self.dropped.rest(&asked.expr).is_none_or(|rest| rest.met_by(agent)))
    }

    /// Whether an agent meets what it asks by itself.
    fn asks(&self, agent: &AgentProfile) -> bool {
        self.require.as_ref().is_none_or(|asked| asked.expr.met_by(agent))
    }

    /// Whether it may be passed over.
    pub(super) fn skips(&self) -> bool {
        self.skips
    }

    fn expr(&self, own: Own<'_>) -> Expr {
        let mut parts: Vec<Expr> = self.require.iter().map(|asked| asked.expr.clone()).collect();
        parts.extend(own.requirement.and_then(|asked| self.dropped.rest(&asked.expr)));
        if self.prefer {
            parts.push(Expr::Agents(alloc::vec![own.preferred.clone()]));
        }
        if parts.len() == 1 { parts.swap_remove(0) } else { Expr::All(parts) }
    }

    /// A text by which equal steps for equal contacts are known.
    fn describe(&self, own: Own<'_>, out: &mut String) {
        let part = |text: &str| format!("{}:{text},", text.len());
        out.push_str(&part(self.require.as_ref().map_or("", |asked| &asked.text)));
        match (&self.dropped, own.requirement) {
            (Dropped::Names(names), Some(asked)) => {
                out.push_str(&part(&asked.text));
                names.iter().for_each(|name| out.push_str(&part(name)));
            }
            (Dropped::All, _) | (_, None) => {}
        }
        if self.prefer {
            out.push('@');
            out.push_str(&part(own.preferred));
        }
        out.push(';');
    }
}

/// The steps of one queue.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Steps<'a> {
    pub(super) all: &'a [StepRules],
    /// The wait at which overflow rules act, all steps over.
    pub(super) overflow: Option<Span>,
}

impl<'a> Steps<'a> {
    pub(in crate::engine) fn is_empty(self) -> bool {
        self.all.is_empty()
    }

    /// The steps in force at one, with their numbers.
    fn begun(self, step: u8, skipped: u32) -> impl Iterator<Item = (u8, &'a StepRules)> {
        let upto = self.all.len().min(usize::from(step) + 1);
        (0..).zip(&self.all[..upto]).filter(move |(number, _)| skipped & bit(*number) == 0)
    }

    /// What an entry asks at a step.
    pub(in crate::engine) fn asked(self, own: Own<'_>, step: u8, skipped: u32) -> Asked {
        let ordinary = Asked { requirement: own.requirement.cloned(), whole: false };
        if self.is_empty() {
            return ordinary;
        }
        let mut begun = self.begun(step, skipped);
        if let (Some((_, only)), None) = (begun.next(), begun.next())
            && only.own
        {
            return ordinary;
        }
        // No requirement that is read begins like this.
        let mut text = String::from("|");
        let mut parts = Vec::new();
        for (_, rules) in self.begun(step, skipped) {
            rules.describe(own, &mut text);
            parts.push(rules.expr(own));
        }
        Asked { requirement: Some(Arc::new(Requirement { text: text.into(), expr: Expr::Any(parts) })), whole: true }
    }

    /// The first step in force by which an agent may take a contact.
    fn first_met(self, agent: &AgentProfile, own: Own<'_>, entry: &Entry) -> u8 {
        let mut begun = self.begun(entry.step, entry.skipped);
        begun.find(|(_, rules)| rules.met_by(agent, own)).map_or(entry.step, |(number, _)| number)
    }

    /// The measured wait at which the next step begins, or the last is over, if any.
    pub(in crate::engine) fn next(self, entry: &Entry) -> Option<Span> {
        let next = self.all.get(usize::from(entry.step) + 1).map(|rules| rules.after);
        let over = self.overflow.filter(|_| !entry.exhausted && !self.all.is_empty());
        next.or(over).map(|after| after - entry.advanced)
    }
}

fn bit(step: u8) -> u32 {
    1 << step
}

/// Leaves out what is met only by who meets another part too.
pub(super) fn widest(parts: &[Expr]) -> Expr {
    let mut kept: Vec<&Expr> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let wider = |(other_at, other): (usize, &Expr)| {
            other_at != at && implies(part, other) && (other_at > at || !implies(other, part))
        };
        if !parts.iter().enumerate().any(wider) {
            kept.push(part);
        }
    }
    match kept.as_slice() {
        [one] => (*one).clone(),
        _ => Expr::Any(kept.into_iter().cloned().collect()),
    }
}

/// Whether whoever meets `narrow` is plainly seen to meet `wide`.
fn implies(narrow: &Expr, wide: &Expr) -> bool {
    let (mut asked, mut wanted) = (Vec::new(), Vec::new());
    conjuncts(narrow, &mut asked);
    conjuncts(wide, &mut wanted);
    let covers = |held: &Expr, wanted: &Expr| match (held, wanted) {
        (
            Expr::Skill { skill, comparison: Comparison::AtLeast, level },
            Expr::Skill { skill: other, comparison: Comparison::AtLeast, level: least },
        ) => skill == other && level >= least,
        _ => held == wanted,
    };
    wanted.into_iter().all(|wanted| asked.iter().any(|held| covers(held, wanted)))
}

fn conjuncts<'a>(expr: &'a Expr, out: &mut Vec<&'a Expr>) {
    match expr {
        Expr::All(parts) => parts.iter().for_each(|part| conjuncts(part, out)),
        other => out.push(other),
    }
}

impl State {
    /// The steps of a queue.
    pub(in crate::engine) fn steps(&self, queue: QueueId) -> Steps<'_> {
        self.registry.queues[queue.index()].steps()
    }

    /// The step further on to which an entry that waits comes now, if to any.
    pub(in crate::engine) fn relaxation(&self, now: Time, held: &Contact) -> Option<Relaxation> {
        let entry = held.entry.filter(|entry| entry.parked_since.is_none() && held.entry_leg.is_none())?;
        if self.steps(entry.queue).is_empty() {
            return None;
        }
        let from = Relaxation { step: entry.step, skipped: entry.skipped, advanced: entry.advanced };
        let found = self.walk(entry.queue, Own::of(held), from, (entry.wait(now), entry.enter == now), &mut false);
        (found.step != entry.step).then_some(found)
    }

    /// The step to which an entry that waits comes when the one in force ends now, before its time; none when there is no
    /// step after it but what the clock brings anyway.
    pub(in crate::engine) fn hurried(&self, now: Time, held: &Contact) -> Option<Relaxation> {
        let entry = held.entry.filter(|entry| entry.parked_since.is_none() && held.entry_leg.is_none())?;
        let from = Relaxation { step: entry.step, skipped: entry.skipped, advanced: entry.advanced };
        let mut cut = true;
        let found = self.walk(entry.queue, Own::of(held), from, (entry.wait(now), entry.enter == now), &mut cut);
        (!cut).then_some(found)
    }

    /// Where a contact stands that has just come into a queue.
    pub(in crate::engine) fn entering(&self, queue: QueueId, own: Own<'_>) -> Relaxation {
        let from = Relaxation { step: 0, skipped: 0, advanced: Span::ZERO };
        self.walk(queue, own, from, (Span::ZERO, true), &mut false)
    }

    /// Follows the steps as far as a wait leads. `cut` ends one step more before its time, and is false once it has.
    fn walk(
        &self,
        queue: QueueId,
        own: Own<'_>,
        from: Relaxation,
        (wait, enters): (Span, bool),
        cut: &mut bool,
    ) -> Relaxation {
        let steps = self.steps(queue);
        let mut at = from;
        while let Some(next) = steps.all.get(usize::from(at.step) + 1) {
            let current = &steps.all[usize::from(at.step)];
            let begins = enters && at.step == 0;
            let passed = begins && (self.nobody_named(queue, current, own) || self.nobody_on_duty(current));
            if passed {
                at.skipped |= bit(0);
            }
            let due = next.after - at.advanced;
            if due > wait {
                let stays = at.skipped & bit(at.step) == 0 && !self.nobody_named(queue, current, own);
                if stays && !core::mem::take(cut) {
                    break;
                }
                at.advanced += due - wait;
            }
            at.step += 1;
            let is_last = usize::from(at.step) + 1 == steps.all.len() && steps.overflow.is_none();
            if !is_last && (self.nobody_named(queue, next, own) || self.nobody_on_duty(next)) {
                at.skipped |= bit(at.step);
            }
        }
        at
    }

    /// Whether the time of the last step is over and overflow rules have not been looked at for it.
    pub(in crate::engine) fn exhausts(&self, now: Time, held: &Contact) -> bool {
        let Some(entry) = held.entry.filter(|entry| entry.parked_since.is_none() && held.entry_leg.is_none()) else {
            return false;
        };
        let steps = self.steps(entry.queue);
        let last = usize::from(entry.step) + 1 == steps.all.len();
        let Some(after) = steps.overflow.filter(|_| last && !entry.exhausted) else { return false };
        let current = &steps.all[usize::from(entry.step)];
        after - entry.advanced <= entry.wait(now)
            || entry.skipped & bit(entry.step) != 0
            || self.nobody_named(entry.queue, current, Own::of(held))
    }

    /// Whether a step is for agents it names and none of them is signed in and may take the contact.
    fn nobody_named(&self, queue: QueueId, step: &StepRules, own: Own<'_>) -> bool {
        let names = match step.prefer {
            true => core::slice::from_ref(own.preferred),
            false => &step.names,
        };
        let may = |name: &Text| {
            self.find_agent(name).map(|agent| self.agent(agent)).is_some_and(|agent| {
                agent.signed_in() && self.registry.band(agent.team, queue).is_some() && step.met_by(&agent.profile, own)
            })
        };
        !names.is_empty() && !names.iter().any(may)
    }

    fn nobody_on_duty(&self, step: &StepRules) -> bool {
        step.skips && step.duty.is_some_and(|duty| self.step_duty[duty as usize] == 0)
    }

    /// The first step in force by which an agent may take a contact that waits: those of an earlier one go first.
    #[must_use]
    pub fn step_of(&self, contact: ContactId, agent: AgentId) -> u8 {
        self.step_met(self.contact(contact), agent)
    }

    pub(super) fn step_met(&self, held: &Contact, agent: AgentId) -> u8 {
        let Some(entry) = &held.entry else { return 0 };
        match entry.step {
            0 => 0,
            _ => self.steps(entry.queue).first_met(&self.agents[agent.0].profile, Own::of(held), entry),
        }
    }

    /// When a contact's next step begins, or its last is over, if nothing cuts one short: only while it waits in line.
    #[must_use]
    pub fn next_step(&self, contact: ContactId) -> Option<Time> {
        let held = self.contact(contact);
        let entry = held.entry.filter(|_| held.links.is_in())?;
        self.steps(entry.queue).next(&entry).map(|wait| entry.enter + entry.parked + wait)
    }

    /// What a contact's open entry asks of an agent, its queue's part included: at its step, or at another one.
    #[must_use]
    pub fn asks(&self, contact: ContactId, step: Option<u8>) -> Expr {
        let held = self.contact(contact);
        let Some(entry) = &held.entry else { return Expr::All(Vec::new()) };
        let asked = self.steps(entry.queue).asked(Own::of(held), step.unwrap_or(entry.step), entry.skipped);
        let queue = self.queue(entry.queue).require.as_ref().filter(|_| !asked.whole);
        let parts = queue.into_iter().chain(&asked.requirement);
        Expr::All(parts.map(|asked| asked.expr.clone()).collect())
    }

    // ---- what is kept for it

    /// What a contact asks in a queue at a step, and what it comes to ask by the steps, where there are some.
    pub(super) fn asked_in(&self, held: &Contact, queue: QueueId, step: u8, skipped: u32) -> (Asked, Option<Asked>) {
        let (steps, own) = (self.steps(queue), Own::of(held));
        (steps.asked(own, step, skipped), (!steps.is_empty()).then(|| steps.asked(own, u8::MAX, skipped)))
    }

    /// Puts an open entry in the class of what it asks at its step.
    pub(super) fn reclass(&mut self, contact: ContactId) {
        let waits = self.contacts.at(contact.slot()).links.is_in();
        self.step_out(contact);
        let held = self.contacts.at(contact.slot());
        let Some(entry) = held.entry else { return };
        let asked = self.asked_in(held, entry.queue, entry.step, entry.skipped);
        let (class, last) = self.intern_classes(entry.queue, held.channel, &asked);
        let entry = self.contacts.at_mut(contact.slot()).entry.as_mut().expect("it was there");
        (entry.class, entry.last) = (class, last);
        if waits {
            self.line_up(contact);
        }
    }

    /// A contact comes to a step.
    pub(super) fn relax(&mut self, contact: ContactId, step: u8, skipped: u32, advanced: Span) {
        let waits = self.contacts.at(contact.slot()).links.is_in();
        self.step_out(contact);
        let entry = self.contacts.at_mut(contact.slot()).entry.as_mut().expect("only an entry is relaxed");
        (entry.step, entry.skipped, entry.advanced) = (step, skipped, advanced);
        self.reclass(contact);
        if waits {
            self.line_up(contact);
        }
        self.arm_contact(contact);
    }

    /// The steps of a contact are over: overflow rules are looked at.
    pub(super) fn exhaust(&mut self, contact: ContactId) {
        let held = self.contacts.at_mut(contact.slot());
        held.entry.as_mut().expect("only an entry has steps").exhausted = true;
        self.agenda.passed.push((contact, Passed::Exhausted));
        self.arm_contact(contact);
        self.check_if_due(contact);
    }

    /// A contact was transferred: it is not to come back first to whoever has just passed it on.
    pub(super) fn forget_preferred(&mut self, contact: ContactId) {
        let held = self.contacts.at_mut(contact.slot());
        if !held.profile.preferred_agent_id.is_empty() {
            Arc::make_mut(&mut held.profile).preferred_agent_id = Text::default();
        }
    }

    /// A policy came into force: entries of queues that ask otherwise now stand where their wait leads by the new steps,
    /// each in its class by now. Linear in the contacts where any queue has or had steps.
    pub(super) fn restep(&mut self, changed: &[QueueId]) {
        self.awaited.clear();
        for slot in 0..self.contacts.slots() {
            let Some((held, entry)) = self.contacts.peek(slot).and_then(|held| Some((held, held.entry?))) else {
                continue;
            };
            let now = self.now;
            if self.steps(entry.queue).is_empty() && !changed.contains(&entry.queue) {
                continue;
            }
            let contact = self.contact_at(slot);
            let mut next = entry;
            if changed.contains(&entry.queue) {
                next.step = self.queue(entry.queue).step_at(entry.wait(now));
                (next.skipped, next.advanced, next.exhausted) = (0, Span::ZERO, false);
            }
            let (asked, last) = self.asked_in(held, entry.queue, next.step, next.skipped);
            let channel = held.channel;
            next.class = self.index.class_of(entry.queue, channel, &asked);
            next.last = last.map_or(next.class, |last| self.index.class_of(entry.queue, channel, &last));
            let in_line = held.links.is_in() && entry.only.is_none();
            if in_line {
                self.index.unwait(&mut self.contacts, entry.class, slot);
            }
            self.contacts.at_mut(slot).entry = Some(next);
            if in_line {
                self.index.wait(&mut self.contacts, next.class, slot);
            }
            self.await_named(contact);
            self.agenda.checks.push(contact);
            self.agenda.unservable.push(contact);
        }
    }

    /// Remembers a contact in line by the agents its step names: their going ends the step.
    pub(super) fn await_named(&mut self, contact: ContactId) {
        self.each_named(contact, |awaited, name| {
            awaited.insert((name, contact.slot()));
        });
    }

    /// Forgets that.
    pub(super) fn await_no_more(&mut self, contact: ContactId) {
        self.each_named(contact, |awaited, name| {
            awaited.remove(&(name, contact.slot()));
        });
    }

    fn each_named(&mut self, contact: ContactId, mut see: impl FnMut(&mut super::Awaited, Text)) {
        let held = self.contacts.at(contact.slot());
        let Some(entry) = held.entry.filter(|_| held.links.is_in()) else { return };
        let Some(step) = self.registry.queues[entry.queue.index()].steps().all.get(usize::from(entry.step)) else {
            return;
        };
        if step.prefer {
            see(&mut self.awaited, held.profile.preferred_agent_id.clone());
        } else {
            step.names.iter().for_each(|name| see(&mut self.awaited, name.clone()));
        }
    }

    /// Looks again at the contacts whose step names an agent, after he changed or went.
    pub(super) fn check_awaiting(&mut self, agent: AgentId) {
        if self.awaited.is_empty() {
            return;
        }
        let name = self.agents[agent.0].profile.agent_id.clone();
        let own = self.awaited.range((name.clone(), 0)..=(name, u32::MAX));
        let waiting: Vec<ContactId> = own.map(|(_, slot)| self.contact_at(*slot)).collect();
        self.agenda.checks.extend(waiting);
    }

    /// Counts an agent as on duty for the steps that are passed over when nobody is, or no longer: around every change
    /// of his presence or profile.
    pub(super) fn count_steps(&mut self, agent: AgentId, on: bool) {
        if self.step_duty.len() != self.registry.duties.len() || !self.agents[agent.0].signed_in() {
            return;
        }
        let held = &self.agents[agent.0];
        for (count, &(queue, step)) in self.step_duty.iter_mut().zip(&self.registry.duties) {
            let rules = &self.registry.queues[queue.index()].steps().all[usize::from(step)];
            if !held.deleted && self.registry.band(held.team, queue).is_some() && rules.asks(&held.profile) {
                *count = if on { *count + 1 } else { *count - 1 };
            }
        }
    }

    /// Counts everyone anew, under a policy just put in force.
    pub(super) fn recount_steps(&mut self) {
        self.step_duty = alloc::vec![0; self.registry.duties.len()];
        for agent in (0..self.agents.len()).map(AgentId) {
            self.count_steps(agent, true);
        }
    }
}

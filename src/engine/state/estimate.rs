//! Estimates of waits: how the drains of queues learn, and what is said from them.

use alloc::sync::Arc;

use super::{Asked, Own, State};
use crate::engine::agent::Presence;
use crate::engine::contact::Contact;
use crate::engine::estimate::{Drain, Estimate, PPM};
use crate::engine::id::{AgentId, ChannelId, ClassId, ContactId, QueueId, TeamId, Text};
use crate::engine::limits;
use crate::engine::rank::{Aging, ContactRank};
use crate::engine::requirement::{Expr, Requirement};
use crate::engine::time::{Span, Time};

/// What is said of a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitView {
    /// The estimate; none while too little was seen, nobody is ready, or the contact does not wait in line.
    pub estimate: Option<Estimate>,
    /// Place in line, 1 first; 0 when not in line, or past [`limits::POSITION_SEARCH`].
    pub position: u32,
    /// Entries in line of the queue.
    pub waiting: u32,
    /// Agents signed in who may serve it.
    pub eligible: u32,
    /// The queue.
    pub queue: QueueId,
}

impl State {
    // ---- learning, from `evolve`

    /// The line of a queue is about to change.
    pub(super) fn pass_drain(&mut self, queue: QueueId) {
        if self.drains.len() <= queue.index() {
            self.drains.resize(queue.index() + 1, Drain::default());
        }
        let (now, queued) = (self.now, self.queued(queue));
        if self.drains[queue.index()].since == now {
            return;
        }
        // Most contacts are taken in the instant in which they come: nobody waited, and nobody is counted.
        match queued {
            0 => self.drains[queue.index()].skip(now),
            queued => {
                let ready = self.ready(queue);
                self.drains[queue.index()].pass(now, queued, ready);
            }
        }
    }

    /// A contact out of line is offered to an agent.
    pub(super) fn turn_drain(&mut self, contact: ContactId) {
        let Some(entry) = self.contacts.at(contact.slot()).entry else { return };
        if entry.wait(self.now) > Span::ZERO {
            self.drains[entry.queue.index()].turn();
        }
    }

    /// The queue in whose line a contact stands and has waited.
    pub(super) fn waits_in_line(&self, contact: ContactId) -> Option<QueueId> {
        let held = self.contacts.at(contact.slot());
        let entry = held.entry.filter(|_| held.links.is_in())?;
        (entry.wait(self.now) > Span::ZERO).then_some(entry.queue)
    }

    /// Agents of the teams that serve a queue who are AVAILABLE, whatever they do. O(teams).
    fn ready(&self, queue: QueueId) -> u32 {
        let of = |team: TeamId| self.team_ready.get(team.index()).copied().unwrap_or(0);
        self.registry.teams_of(queue).map(of).sum()
    }

    // ---- telling

    /// A queue of the policy in force by its id.
    #[must_use]
    pub fn find_queue(&self, queue: &str) -> Option<QueueId> {
        self.registry.queue(queue)
    }

    /// A channel of the policy in force by its id.
    #[must_use]
    pub fn find_channel(&self, channel: &str) -> Option<ChannelId> {
        self.registry.channel(channel)
    }

    /// The estimate for a contact that stands in line. The share of agents who may serve it is taken from how many have
    /// the rarest skill it names; [`State::wait_of`] counts them one by one. Looks at no more than
    /// [`limits::POSITION_SEARCH`] others.
    #[must_use]
    pub fn estimate(&self, now: Time, contact: ContactId) -> Option<Estimate> {
        let entry = self.contact(contact).entry.filter(|entry| entry.only.is_none())?;
        if !self.drains.get(entry.queue.index())?.knows() {
            return None;
        }
        let share = self.share(entry.class);
        self.estimate_in_line(now, contact, share)
    }

    /// The estimate for a contact that has just come to stand at the end of its line: those of other priorities are
    /// counted like it. O(teams).
    #[must_use]
    pub(in crate::engine) fn estimate_at_end(&self, contact: ContactId) -> Option<Estimate> {
        let held = self.contact(contact);
        let entry = held.entry.filter(|entry| entry.only.is_none() && held.links.is_in())?;
        let drain = self.drains.get(entry.queue.index()).filter(|drain| drain.knows())?;
        let ahead = u64::from(self.queued(entry.queue).saturating_sub(1));
        drain.estimate(ahead * PPM, self.ready(entry.queue), self.share(entry.class))
    }

    /// What is said of a contact's wait. O(agents) where it asks for more than its queue.
    #[must_use]
    pub fn wait_of(&self, now: Time, contact: ContactId) -> Option<WaitView> {
        let held = self.contact(contact);
        let entry = held.entry?;
        let (eligible, share) = self.eligible(entry.queue, &self.index().class(entry.class).asked());
        let estimate = self.estimate_in_line(now, contact, share);
        let (position, queue) = (self.position(now, contact), entry.queue);
        Some(WaitView { estimate, position, waiting: self.queued(queue), eligible, queue })
    }

    /// What would be said of a contact that came now. O(agents).
    #[must_use]
    pub fn wait_on_arrival(
        &self,
        now: Time,
        (queue, channel): (QueueId, ChannelId),
        priority: i8,
        requirement: Option<&Arc<Requirement>>,
    ) -> WaitView {
        let own = Own { requirement, preferred: &Text::default() };
        let begins = self.entering(queue, own);
        let asked = self.steps(queue).asked(own, begins.step, begins.skipped);
        let (eligible, share) = self.eligible(queue, &asked);
        let rank = Aging::of(self.queue(queue)).rank(now, 0, i16::from(priority), now, u64::MAX);
        let class = self.find_class(queue, channel, asked.requirement.as_deref());
        let ahead = self.ahead(now, queue, class, rank);
        let at_once = eligible > 0 && self.taken_at_once(queue, channel, own);
        let drain = self.drains.get(queue.index()).copied().unwrap_or_default();
        let estimate = ahead.and_then(|(own, others)| {
            let ahead = u64::from(own) * PPM + u64::from(others) * share;
            let found = drain.estimate(ahead, self.ready(queue), share)?;
            // Nobody is before who finds an agent.
            Some(if at_once { Estimate { ahead_ppm: 0, turn: Span::ZERO, ..found } } else { found })
        });
        let position = if at_once { 1 } else { ahead.map_or(0, |(own, others)| own + others + 1) };
        WaitView { estimate, position, waiting: self.queued(queue), eligible, queue }
    }

    fn estimate_in_line(&self, now: Time, contact: ContactId, share: u64) -> Option<Estimate> {
        let held = self.contact(contact);
        let entry = held.entry.filter(|entry| entry.only.is_none() && held.links.is_in())?;
        let (own, others) =
            self.ahead(now, entry.queue, Some(entry.class), self.rank_in_queue(now, held, entry.queue))?;
        let ahead = u64::from(own) * PPM + u64::from(others) * share;
        self.drains.get(entry.queue.index())?.estimate(ahead, self.ready(entry.queue), share)
    }

    /// The order of a contact within its queue.
    pub(super) fn rank_in_queue(&self, now: Time, held: &Contact, queue: QueueId) -> ContactRank {
        Aging::of(self.queue(queue)).rank(now, 0, i16::from(held.priority), held.adjusted_arrival, held.serial)
    }

    /// How many in line of a queue rank before one, those of its class and those of others; none when they are too many
    /// to be counted.
    pub(super) fn ahead(
        &self,
        now: Time,
        queue: QueueId,
        own: Option<ClassId>,
        rank: ContactRank,
    ) -> Option<(u32, u32)> {
        let (mut ahead, mut same) = (0, 0);
        for (id, class) in self.index.iter().filter(|(_, class)| class.queue == queue) {
            let of = |held: &Contact| self.rank_in_queue(now, held, queue);
            let more = class.waiting.before(&self.contacts, of, rank, limits::POSITION_SEARCH - ahead);
            ahead += more;
            same += if Some(id) == own { more } else { 0 };
            if ahead >= limits::POSITION_SEARCH {
                return None;
            }
        }
        Some((same, ahead - same))
    }

    /// The share of a queue's agents who may serve a class, in millionths, by the skills the class asks for beside its
    /// queue. O(skills named).
    fn share(&self, class: ClassId) -> u64 {
        let class = self.index().class(class);
        let Some(asked) = &class.requirement else { return PPM };
        let all: u32 = self.team_on_duty.iter().sum();
        let of = |skill: &Text| {
            let have = self.registry.skills.find(skill).and_then(|skill| self.on_duty.get(skill as usize)).copied();
            u64::from(have.unwrap_or(0)) * PPM / u64::from(all.max(1))
        };
        share_of(&asked.expr, &of)
    }

    /// Agents signed in who may serve a contact of a queue that asks for this, and their share of those who may serve the
    /// queue, in millionths. O(agents).
    fn eligible(&self, queue: QueueId, asked: &Asked) -> (u32, u64) {
        let (mut serve, mut eligible) = (0_u64, 0_u32);
        let meets = |asked: Option<&Requirement>, agent: AgentId| {
            asked.is_none_or(|asked| asked.expr.met_by(&*self.agent(agent).profile))
        };
        for id in self.agents_from(0) {
            let agent = self.agent(id);
            if agent.signed_in() && self.registry.band(agent.team, queue).is_some() {
                let serves = meets(self.queue(queue).require.as_deref(), id);
                serve += u64::from(serves);
                eligible += u32::from((serves || asked.whole) && meets(asked.requirement.as_deref(), id));
            }
        }
        (eligible, (u64::from(eligible) * PPM / serve.max(1)).min(PPM))
    }

    /// Counts an agent who is AVAILABLE in his team, or no longer: where his skills are counted.
    pub(super) fn count_ready(&mut self, agent: AgentId, on: bool) {
        let held = &self.agents[agent.0];
        let Some(team) = held.team.filter(|_| held.presence == Presence::Available) else { return };
        if self.team_ready.len() <= team.index() {
            self.team_ready.resize(team.index() + 1, 0);
        }
        let count = &mut self.team_ready[team.index()];
        *count = if on { *count + 1 } else { *count - 1 };
    }
}

/// The share of agents who meet a requirement, taken from the shares who have each skill: the rarest of those it needs
/// together, the commonest of those of which one is enough.
fn share_of(asked: &Expr, of: &dyn Fn(&Text) -> u64) -> u64 {
    match asked {
        Expr::All(parts) => parts.iter().map(|part| share_of(part, of)).min().unwrap_or(PPM),
        Expr::Any(parts) => parts.iter().map(|part| share_of(part, of)).max().unwrap_or(PPM),
        Expr::Skill { skill, .. } => of(skill),
        Expr::Not(_) | Expr::Attribute { .. } | Expr::In { .. } | Expr::Has { .. } | Expr::Agents(_) => PPM,
    }
}

//! Who may take what, and in which order: by looking at everyone.

use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::contact::{AssignCause, LegState};
use usher::engine::id::{AgentId, ContactId, QueueId, Text};
use usher::engine::policy::{Membership, Team};
use usher::engine::requirement::{Comparison, Expr, Value};
use usher::engine::time::{Span, Time};

use super::{Contact, Entry, Leg, Model, must};

/// Whether a profile meets a requirement.
pub fn meets(profile: &AgentProfile, expr: &Expr) -> bool {
    let attribute = |name: &Text| profile.attributes.iter().find(|held| held.0 == *name).map(|held| &held.1);
    match expr {
        Expr::All(parts) => !parts.iter().any(|part| !meets(profile, part)),
        Expr::Any(parts) => parts.iter().any(|part| meets(profile, part)),
        Expr::Not(part) => !meets(profile, part),
        Expr::Skill { skill, comparison, level } => {
            let held = profile.skills.iter().find(|held| held.0 == *skill).map_or(0, |held| held.1);
            stands(*comparison, held.cmp(level))
        }
        Expr::Attribute { name, comparison, value } => match (attribute(name), value) {
            (Some(Value::Str(held)), Value::Str(asked)) => stands(*comparison, held.cmp(asked)),
            (Some(Value::Int(held)), Value::Int(asked)) => stands(*comparison, held.cmp(asked)),
            _ => false,
        },
        Expr::In { name, values } => attribute(name).is_some_and(|held| values.contains(held)),
        Expr::Has { name, item } => match attribute(name) {
            Some(Value::List(items)) => items.contains(item),
            _ => false,
        },
        Expr::Agents(agents) => agents.contains(&profile.agent_id),
    }
}

pub fn stands(comparison: Comparison, order: std::cmp::Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
    }
}

impl Model {
    /// The line of a queue in an agent's team: its own, or else that of `*`.
    pub fn membership(&self, agent: AgentId, queue: QueueId) -> Option<&Membership> {
        let team = self.team(agent)?;
        let name = &self.queues[queue.index()].id;
        let own = team.queues.iter().find(|line| line.queue == *name);
        own.or(team.queues.iter().find(|line| &*line.queue == "*"))
    }

    /// An agent's team, if the policy in force has it.
    pub fn team(&self, agent: AgentId) -> Option<&Team> {
        let team = self.agents[&agent].profile.team.as_ref()?;
        self.policy.teams.iter().find(|known| known.id == *team)
    }

    /// The membership priority of a queue in an agent's team.
    pub fn band(&self, agent: AgentId, queue: QueueId) -> Option<u8> {
        self.membership(agent, queue).map(|line| line.priority)
    }

    /// Whether an agent is eligible for the open entry of a contact.
    pub fn eligible(&self, agent: AgentId, contact: &Contact) -> bool {
        let Some(entry) = &contact.entry else { return false };
        let listed = match entry.only {
            Some((only, _)) => only == agent,
            None => self.band(agent, entry.queue).is_some(),
        };
        listed && self.tier_met(agent, contact).is_some()
    }

    /// Whether an agent gets new offers at all.
    pub fn takes_offers(&self, id: AgentId) -> bool {
        let agent = &self.agents[&id];
        agent.presence == Presence::Available
            && agent.next.is_none()
            && agent.session
            && agent.away.is_none()
            && !agent.removed
            && !agent.deleted
    }

    fn has_room(&self, id: AgentId, channel: &Text) -> bool {
        if !self.pools_allow(id, channel) {
            return false;
        }
        let all: Vec<&Leg> = self.agent_legs(id).collect();
        // As it is; or all that may be interrupted given way, and what is interrupted in nobody's way.
        self.fits_as_is(id, channel)
            || self.interrupts_any(channel) && {
                let stay = all.iter().copied().filter(|leg| !self.gives_way(leg, channel) && leg.interrupted.is_none());
                let claimed: u32 = all.iter().filter(|leg| leg.interrupted.is_some()).map(|leg| leg.cost).sum();
                self.fits(id, channel, &stay.collect::<Vec<_>>(), claimed)
            }
    }

    /// Whether one more contact of a channel fits beside all an agent holds.
    pub fn fits_as_is(&self, id: AgentId, channel: &Text) -> bool {
        self.fits(id, channel, &self.agent_legs(id).collect::<Vec<_>>(), 0)
    }

    /// Whether one more contact of a channel fits beside these legs of an agent and so many units more.
    fn fits(&self, id: AgentId, channel: &Text, beside: &[&Leg], more: u32) -> bool {
        let rules = &self.channels[channel];
        let used: u32 = more + beside.iter().map(|leg| leg.cost).sum::<u32>();
        let in_hand = self.agent_legs(id).filter(|leg| leg.channel == *channel).count();
        let apart = |leg: &Leg| {
            let live = |id: &Text| self.policy.channels.iter().find(|known| known.id == *id);
            let names = |one: &Text, other: &Text| live(one).is_some_and(|known| known.excludes.contains(other));
            names(channel, &leg.channel) || names(&leg.channel, channel)
        };
        used + rules.cost <= self.agents[&id].profile.capacity
            && in_hand < rules.max as usize
            && !beside.iter().copied().any(apart)
    }

    /// Whether an agent stands ready for a contact that waits: eligible, offers wanted, room.
    fn ready(&self, agent: AgentId, contact: &Contact) -> bool {
        self.takes_offers(agent)
            && self.agents[&agent].rests.is_empty()
            && self.eligible(agent, contact)
            && self.has_room(agent, &contact.channel)
    }

    /// Whether this pair could be matched now.
    pub fn could(&self, agent: AgentId, contact: &Contact) -> bool {
        let Some(entry) = &contact.entry else { return false };
        entry.parked_at.is_none()
            && self.wants(contact, entry)
            && !entry.open.iter().any(|open| open.1 == agent)
            && !entry.bars.iter().any(|bar| bar.1 == agent)
            && self.ready(agent, contact)
            && (entry.only.is_some() || self.let_go(agent, contact, entry))
    }

    /// To how many at once a contact is offered: at least, and at most; none when to one alone.
    pub fn several(&self, contact: &Contact) -> Option<(usize, usize)> {
        let entry = contact.entry.as_ref()?;
        let rule = self.queues[entry.queue.index()].broadcast?;
        let one = entry.only.is_some() || self.channels[&contact.channel].auto_accept;
        (!one).then_some((rule.min as usize, rule.max as usize))
    }

    /// Whether a contact wants an agent, or one more of several.
    fn wants(&self, contact: &Contact, entry: &Entry) -> bool {
        let Some(leg) = entry.leg else { return true };
        let rings = self.legs[&leg].state == LegState::Offered;
        let wanted = |(min, max): (usize, usize)| entry.open.len() < if entry.filling { max } else { min };
        rings && self.several(contact).is_some_and(wanted)
    }

    /// The batch is over: who is offered to as many as there were is content.
    pub fn content(&mut self) {
        self.contacts.values_mut().filter_map(|held| held.entry.as_mut()).for_each(|entry| entry.filling = false);
    }

    /// Whether a team's delay is over and its agents are not kept back.
    fn let_go(&self, agent: AgentId, contact: &Contact, entry: &Entry) -> bool {
        let delay = self.membership(agent, entry.queue).map_or(Span::ZERO, |line| line.delay);
        let name = &self.queues[entry.queue.index()].id;
        let team = self.agents[&agent].profile.team.as_ref();
        let mut reserves = self.policy.reserves.iter();
        let reserve = reserves.find(|reserve| reserve.queue == *name && Some(&reserve.team) == team);
        let idle = || {
            let of_team = |id: &&AgentId| self.agents[id].profile.team.as_ref() == team && self.ready(**id, contact);
            self.agents.keys().filter(of_team).count()
        };
        entry.reached >= delay
            && reserve.is_none_or(|reserve| {
                reserve.release_after.is_some_and(|after| entry.reached >= after)
                    || self.lends(reserve) && idle() > reserve.keep_idle as usize
            })
    }

    /// An offer is right when the pair may be matched and each is the other's first; or, where the firsts of contacts
    /// and agents go round in a circle, when the pair is on it.
    pub fn check_offer(&self, now: Time, id: ContactId, agent: AgentId) -> Result<(), String> {
        must(self.could(agent, &self.contacts[&id]), || format!("{id:?} may not be offered to {agent:?}"))?;
        let first = self.first_agent(id);
        must(first == Some(agent), || format!("{id:?} goes to {agent:?}, its first is {first:?}"))?;
        let (mut at, mut way) = (agent, Vec::new());
        loop {
            let next = self.first_contact(now, at).ok_or("an agent cannot find what he is offered")?;
            if next == id {
                return Ok(());
            }
            must(!way.contains(&next), || format!("{agent:?} gets {id:?}, {way:?} come first for him"))?;
            way.push(next);
            at = self.first_agent(next).ok_or("a contact cannot find its agent")?;
        }
    }

    /// Work is given to who is there; what waits is picked by who may serve it and has room, and forced on anybody.
    pub fn check_given(&self, id: ContactId, agent: AgentId, cause: AssignCause) -> Result<(), String> {
        let (contact, held) = (&self.contacts[&id], &self.agents[&agent]);
        let there = held.presence != Presence::Offline && held.session && held.next.is_none() && !held.removed;
        must(there, || format!("{agent:?} is given {id:?} and is not there"))?;
        let waits = matches!(cause, AssignCause::Forced | AssignCause::Picked);
        must(waits == contact.entry.is_some(), || format!("{id:?} is given as {cause:?}"))?;
        let Some(entry) = &contact.entry else { return Ok(()) };
        must(entry.leg.is_none() && entry.parked_at.is_none(), || format!("{id:?} is given over something open"))?;
        must(entry.only.is_none_or(|(only, _)| only == agent), || format!("{id:?} stays with another"))?;
        let suits = self.eligible(agent, contact) && self.has_room(agent, &contact.channel);
        must(cause == AssignCause::Forced || suits, || format!("{agent:?} may not pick {id:?}"))
    }

    /// QUEUED and PARKED entries of a queue.
    pub fn places(&self, queue: QueueId) -> usize {
        let waits = |contact: &&Contact| contact.entry.as_ref().is_some_and(|at| at.queue == queue && at.leg.is_none());
        self.contacts.values().filter(waits).count()
    }

    /// Whether more would wait in a queue, or a group it is in, than there are places, with so many more.
    pub fn overfull(&self, queue: QueueId, more: usize) -> bool {
        let held = &self.queues[queue.index()];
        let named = |name: &Text| self.queues.iter().position(|known| known.id == *name).map(|at| QueueId(at as u32));
        let live = self.policy.queues.iter().any(|known| known.id == held.id);
        let groups = self.policy.queue_groups.iter().filter(|group| live && group.queues.contains(&held.id));
        held.limit.is_some_and(|limit| self.places(queue) + more > limit as usize)
            || groups.into_iter().any(|group| {
                let taken: usize = group.queues.iter().filter_map(named).map(|queue| self.places(queue)).sum();
                taken + more > group.limit as usize
            })
    }

    /// A refusal is right for who came in just now, when nobody could take him and there is no place.
    pub fn check_refusal(&self, id: ContactId) -> Result<(), String> {
        let contact = &self.contacts[&id];
        let queue = contact.entry.as_ref().ok_or("refused without an entry")?.queue;
        must(self.arrivals.contains(&id), || format!("{id:?} is refused, and did not come in just now"))?;
        let free = self.agents.keys().find(|&&agent| self.could(agent, contact));
        must(free.is_none(), || format!("{id:?} is refused while {free:?} could take it"))?;
        must(self.due_rule(id).is_none(), || format!("{id:?} is refused before its rules"))?;
        must(self.overfull(queue, 0), || format!("{id:?} is refused by a queue with a place"))
    }

    /// Whether a queue takes arrivals.
    pub fn is_open(&self, queue: QueueId) -> bool {
        self.gates.get(&queue).is_none_or(|gate| gate.0)
    }

    /// Whether a contact has just come to a queue that is closed to it.
    pub fn shut_out(&self, id: ContactId) -> bool {
        let contact = &self.contacts[&id];
        let came = self.arrivals.contains(&id) && !contact.callback;
        came && contact.entry.as_ref().is_some_and(|entry| !self.is_open(entry.queue))
    }

    /// A queue that is closed refuses whoever comes, once its rules have let him be.
    pub fn check_turned_away(&self, id: ContactId) -> Result<(), String> {
        must(self.shut_out(id), || format!("{id:?} is turned away by a queue that is open to it"))?;
        must(self.due_rule(id).is_none(), || format!("{id:?} is turned away before its rules"))
    }

    /// Whoever came in and waits has a place.
    pub fn check_arrivals(&mut self) -> Result<(), String> {
        for id in std::mem::take(&mut self.arrivals) {
            let Some(entry) = self.contacts.get(&id).and_then(|contact| contact.entry.as_ref()) else { continue };
            let closed = !self.is_open(entry.queue) && !self.contacts[&id].callback;
            must(!closed, || format!("{id:?} came into a closed queue"))?;
            let waits = entry.leg.is_none() && entry.parked_at.is_none();
            must(!waits || !self.overfull(entry.queue, 0), || format!("{id:?} waits without a place"))?;
        }
        Ok(())
    }

    /// Nobody who could serve is left idle while someone he could serve waits.
    pub fn check_nothing_left(&self) -> Result<(), String> {
        for (id, contact) in &self.contacts {
            let free = self.agents.keys().find(|&&agent| self.could(agent, contact));
            must(free.is_none(), || format!("{id:?} waits while {free:?} could take it"))?;
        }
        Ok(())
    }
}

//! Waiting places: how many entries wait in each queue, and whether one more may.
//!
//! A place is taken by an entry that is QUEUED or PARKED, and free while it is OFFERED or ASSIGNED. Counted as events are
//! taken in, so that looking costs O(groups of the queue).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Own, State};
use crate::engine::agent::Agent;
use crate::engine::contact::{Contact, ContactState, Direction};
use crate::engine::id::{ChannelId, ContactId, QueueId, TeamId};

impl State {
    /// QUEUED and PARKED entries of a queue.
    #[must_use]
    pub fn places_taken(&self, queue: QueueId) -> u32 {
        self.places.get(queue.index()).copied().unwrap_or(0)
    }

    /// Whether a queue, or a group it is in, would hold more than its limit with `more` entries beside those there.
    pub(in crate::engine) fn overfull(&self, queue: QueueId, more: u32) -> bool {
        let rules = &self.registry.queues[queue.index()];
        let over = |taken: u32, limit: u32| taken + more > limit;
        let taken = |group: u32| -> u32 {
            self.registry.groups[group as usize].queues.iter().map(|&queue| self.places_taken(queue)).sum()
        };
        rules.rules.limit.is_some_and(|limit| over(self.places_taken(queue), limit))
            || rules.groups.iter().any(|&group| over(taken(group), self.registry.groups[group as usize].limit))
    }

    /// Whether somebody could take a contact at once, were it in a queue. By the default rules it looks at heads for a
    /// class that was seen before, else at all who stand in line or, for a class never seen, at all agents.
    pub(in crate::engine) fn taken_at_once(&self, queue: QueueId, channel: ChannelId, own: Own<'_>) -> bool {
        let begins = self.entering(queue, own);
        let asks = self.steps(queue).asked(own, begins.step, begins.skipped);
        let class = self.find_class(queue, channel, asks.requirement.as_deref());
        let asked = [self.queue(queue).require.as_deref().filter(|_| !asks.whole), asks.requirement.as_deref()];
        let ready = |agent: &Agent| {
            agent.may_be_offered()
                && self.has_room(agent, channel)
                && self.registry.band(agent.team, queue).is_some()
                && asked.iter().flatten().all(|asked| asked.expr.met_by(&*agent.profile))
        };
        // Who was freed in this very batch stands in no line before it is known whether anything waits for him.
        let apart = |agent: &&Agent| agent.in_line & (1 << channel.0) == 0 && ready(agent);
        let mut freed = self.agenda.agents.iter().map(|&id| self.agent(id)).filter(apart);
        if let Some(class) = class.filter(|_| self.registry.plain) {
            return freed.next().is_some() || self.longest_idle(class, |_| true).is_some();
        }
        let teams: Vec<Option<TeamId>> = match class {
            Some(class) => {
                self.in_line(class).map(|rank| self.agent(rank.agent).team).chain(freed.map(|it| it.team)).collect()
            }
            None => {
                self.agents_from(0).map(|id| self.agent(id)).filter(|agent| ready(agent)).map(|it| it.team).collect()
            }
        };
        teams.iter().any(|&team| {
            let idle = || teams.iter().filter(|&&other| other == team).count() as u32;
            self.registry.more(team, queue).delay.is_zero()
                && self.reserve(queue, team).is_none_or(|it| self.lends(&it) && idle() > it.keep_idle)
        })
    }

    /// Takes a place for a contact whose entry waits.
    pub(super) fn take_place(&mut self, queue: QueueId) {
        if self.places.len() <= queue.index() {
            self.places.resize(queue.index() + 1, 0);
        }
        self.places[queue.index()] += 1;
    }

    /// Gives back the place of a contact's entry, if it has one.
    pub(super) fn leave_place(&mut self, contact: ContactId) {
        let held = self.contacts.at(contact.slot());
        if let Some(entry) = held.entry.filter(|_| held.entry_leg.is_none()) {
            self.places[entry.queue.index()] -= 1;
        }
    }

    /// Visits every contact with an open entry in a queue, in no order: those in line by its lines, those parked by the
    /// queue's own list, and those offered or assigned by the agents who have them, if there are any.
    pub(in crate::engine) fn each_open(&self, queue: QueueId, mut visit: impl FnMut(ContactId)) {
        let mut seen = 0;
        for (_, class) in self.index.iter().filter(|(_, class)| class.queue == queue) {
            for slot in class.waiting.iter(&self.contacts) {
                seen += 1;
                visit(self.contact_at(slot));
            }
        }
        for &(_, slot) in self.parked.range((queue, 0)..=(queue, u32::MAX)) {
            seen += 1;
            visit(self.contact_at(slot));
        }
        let open: u64 = Direction::ALL.iter().map(|&direction| self.tally.books(queue, direction).waiting).sum();
        let here = |contact: &Contact| contact.entry.filter(|entry| entry.queue == queue);
        let mut in_hand: BTreeSet<ContactId> = BTreeSet::new();
        for agent in self.agents_from(0) {
            if seen + in_hand.len() as u64 >= open {
                break;
            }
            for slot in
                self.agent(agent).only.iter(&self.contacts).filter(|&slot| here(self.contacts.at(slot)).is_some())
            {
                seen += 1;
                visit(self.contact_at(slot));
            }
            for contact in self.agent_legs(agent).map(|leg| self.leg(leg).contact) {
                let held = self.contact(contact);
                if !held.links.is_in() && here(held).is_some_and(|entry| entry.parked_since.is_none()) {
                    in_hand.insert(contact);
                }
            }
        }
        in_hand.into_iter().for_each(visit);
    }

    /// Whether a contact waits and has a place.
    pub(in crate::engine) fn has_place(&self, contact: ContactId) -> bool {
        matches!(self.contact_state(contact), ContactState::Queued | ContactState::Parked)
    }
}

//! Broadcast: contacts offered to several agents at once, of whom the first to accept wins.
//!
//! A contact wants an agent while it is QUEUED. One that is broadcast wants more of them: in the batch in which an offer
//! of it is issued, as many as `max`; afterwards, whenever fewer than `min` of its offers stay open. Until it has them it
//! is matched like one that waits, by the same keys, though it stands in no line.

use super::State;
use crate::engine::contact::{Contact, Entry, LegState};
use crate::engine::id::{AgentId, ContactId, LegId};
use crate::engine::policy::Broadcast;

impl State {
    /// To how many at once a contact is offered; none when to one alone: also where its channel accepts for the agent,
    /// or it is kept for one.
    pub(in crate::engine) fn broadcast(&self, contact: &Contact, entry: &Entry) -> Option<Broadcast> {
        let rule = self.queue(entry.queue).broadcast?;
        (entry.only.is_none() && !self.channel(contact.channel).auto_accept).then_some(rule)
    }

    /// Whether a contact is to be matched: it waits, or wants more agents to be offered to.
    pub(in crate::engine) fn wants(&self, contact: ContactId) -> bool {
        let Some(held) = self.contacts.get(contact.0) else { return false };
        let Some(entry) = held.entry.filter(|entry| entry.parked_since.is_none()) else { return false };
        match held.entry_leg {
            None => true,
            Some(leg) => self.legs.at(leg.slot()).state == LegState::Offered && self.wants_more(contact, held, &entry),
        }
    }

    fn wants_more(&self, contact: ContactId, held: &Contact, entry: &Entry) -> bool {
        let filling = self.filling.contains(&contact);
        let rule = self.broadcast(held, entry);
        rule.is_some_and(|rule| u32::from(entry.offers) < if filling { rule.max } else { rule.min })
    }

    /// Whether it is noted that a contact wants more agents.
    pub(in crate::engine) fn is_short(&self, contact: ContactId) -> bool {
        self.short.contains(&contact)
    }

    /// The contacts that wait in no line and are to be matched.
    pub(super) fn short(&self) -> impl Iterator<Item = (ContactId, &Contact, &Entry)> {
        self.short.iter().map(|&contact| {
            let held = self.contacts.at(contact.slot());
            (contact, held, held.entry.as_ref().expect("only an entry is offered"))
        })
    }

    /// Whether an offer of a contact is open to an agent.
    pub(in crate::engine) fn is_offered(&self, contact: &Contact, agent: AgentId) -> bool {
        contact.entry_leg.is_some() && self.open_legs(contact).any(|leg| self.legs.at(leg.slot()).agent == agent)
    }

    /// The open offers of a contact, newest first.
    pub(super) fn open_legs(&self, contact: &Contact) -> impl Iterator<Item = LegId> {
        let mut next = contact.last_leg;
        let legs = core::iter::from_fn(move || {
            let leg = next?;
            next = self.legs.at(leg.slot()).older;
            Some(leg)
        });
        legs.filter(|leg| self.legs.at(leg.slot()).state == LegState::Offered)
    }

    /// Notes whether a contact that is OFFERED wants more agents, after anything that may change it.
    pub(super) fn note_short(&mut self, contact: ContactId) {
        let offered = self.contacts.at(contact.slot()).entry_leg.is_some();
        if offered && self.wants(contact) {
            self.short.insert(contact);
            self.agenda.contacts.push(contact);
            self.agenda.sorted = false;
        } else {
            self.short.remove(&contact);
        }
    }

    /// The batch is over: what was offered to as many as there were is content with fewer from now on.
    pub(in crate::engine) fn end_filling(&mut self) {
        while let Some(contact) = self.filling.pop_first() {
            if !self.wants(contact) {
                self.short.remove(&contact);
            }
        }
    }

    /// Other rules are in force: looks at every contact that is OFFERED. A pass over the contacts where any queue
    /// broadcasts.
    pub(super) fn renew_short(&mut self) {
        let any = self.registry.queues.iter().any(|queue| queue.rules.broadcast.is_some());
        if !any && self.short.is_empty() {
            return;
        }
        for slot in 0..self.contacts.slots() {
            if self.contacts.peek(slot).is_some_and(|held| held.entry_leg.is_some()) {
                let contact = self.contact_at(slot);
                self.note_short(contact);
            }
        }
    }
}

//! Contacts that nobody can ever serve: they wait for the policy or for an agent to change, and are flagged.
//!
//! A contact is unservable while it is QUEUED or PARKED, open to more than one agent, and no agent there is could take it
//! either now or by a later step of its queue. An agent counts if his team serves the queue and he meets what is asked,
//! with what was set for a time over his skills; whether he is signed in, has room, rests or is kept back is left aside,
//! and so are his capacity and what overflow rules would do. One who is to go with his last leg counts until he is gone.
//!
//! What is asked by the last step is a class like any other ([`Entry::last`]). A class knows whether any agent has a place
//! in its lines; that turns only when a line gets its first member or loses its last one, so a change costs by class, and
//! looks at the contacts of those classes alone whose answer is another one.

use alloc::vec::Vec;

use super::State;
use crate::engine::contact::{Contact, Entry};
use crate::engine::id::{AgentId, ClassId, ContactId};
use crate::engine::matcher::Class;

impl State {
    /// Whether a contact waits and no agent there is could ever serve it.
    #[must_use]
    pub fn is_unservable(&self, held: &Contact) -> bool {
        let entry = held.entry.filter(|entry| entry.only.is_none() && held.entry_leg.is_none());
        entry.is_some_and(|entry| !self.index.class(entry.last).is_staffed())
    }

    /// The same by looking at every agent: for audits.
    pub(in crate::engine) fn could_never_be_served(&self, contact: ContactId) -> bool {
        let held = self.contact(contact);
        let entry = held.entry.filter(|entry| entry.only.is_none() && held.entry_leg.is_none());
        entry.is_some_and(|entry| !self.agents_from(0).any(|agent| self.meets(agent, entry.last)))
    }

    /// Judges the classes in whose lines the first member came or the last one left. Every event does.
    pub(super) fn judge_turned(&mut self) {
        loop {
            let mut classes = self.index.pools.turned();
            if classes.is_empty() {
                return;
            }
            classes.sort_unstable();
            classes.dedup();
            classes.into_iter().for_each(|class| self.judge_class(class));
        }
    }

    /// Finds out whether any agent may serve a class, and puts its contacts on the agenda when the answer is another one.
    /// Cost: the lines of its pool; while that is not filled, a walk over the agents to the first who may, who is then
    /// given his place before his turn.
    pub(super) fn judge_class(&mut self, class: ClassId) {
        let mut staffed = self.index.has_members(class);
        if !staffed && !self.index.is_filled(class) && !self.index.lacks_a_skill(class) {
            let first = (0..self.agents.len()).map(AgentId).find(|&agent| self.meets(agent, class));
            if let Some(first) = first {
                self.join_compound(first, self.index.class(class).pool());
                staffed = true;
            }
        }
        let held = self.index.class_mut(class);
        if core::mem::replace(&mut held.staffed, staffed) != staffed {
            let turned = self.coming_to(class);
            self.agenda.unservable.extend(turned);
        }
    }

    /// The contacts that wait and come to ask what a class asks.
    fn coming_to(&self, class: ClassId) -> Vec<ContactId> {
        let queue = self.index.class(class).queue;
        let parked = self.parked.range((queue, 0)..=(queue, u32::MAX)).map(|(_, slot)| *slot);
        let comes = |slot: &u32| self.contacts.at(*slot).entry.is_some_and(|entry| entry.last == class);
        let mut slots: Vec<u32> = parked.filter(comes).collect();
        if self.steps(queue).is_empty() {
            slots.extend(self.index.class(class).waiting.iter(&self.contacts).filter(comes));
        } else {
            let others = self.index.iter().filter(|(_, other)| other.queue == queue);
            slots.extend(others.flat_map(|(_, other)| other.waiting.iter(&self.contacts)).filter(comes));
        }
        slots.into_iter().map(|slot| self.contact_at(slot)).collect()
    }

    /// The contacts in line for a class.
    pub(in crate::engine) fn waiting_in<'a>(&'a self, class: &'a Class) -> impl Iterator<Item = &'a Contact> {
        class.waiting.iter(&self.contacts).map(|slot| self.contacts.at(slot))
    }

    /// The contacts PARKED.
    pub(in crate::engine) fn parked(&self) -> impl Iterator<Item = &Contact> {
        self.parked.iter().map(|(_, slot)| self.contacts.at(*slot))
    }

    /// Puts a contact on the agenda whose flag does not say how it is.
    pub(super) fn note_unservable(&mut self, contact: ContactId) {
        let held = self.contacts.at(contact.slot());
        if held.entry.is_some_and(|entry| entry.unservable != self.is_unservable(held)) {
            self.agenda.unservable.push(contact);
        }
    }

    /// Sets a contact's flag.
    pub(super) fn flag_unservable(&mut self, contact: ContactId, unservable: bool) {
        if let Some(Entry { unservable: flag, .. }) = &mut self.contacts.at_mut(contact.slot()).entry {
            *flag = unservable;
        }
    }

    /// Takes from the agenda the contacts whose flag is to change, in order of their slots.
    pub(in crate::engine) fn each_unservable_changed(&mut self, mut see: impl FnMut(ContactId, bool)) {
        if self.agenda.unservable.is_empty() {
            return;
        }
        let mut contacts = core::mem::take(&mut self.agenda.unservable);
        contacts.sort_unstable();
        contacts.dedup();
        for contact in contacts {
            let Some(held) = self.try_contact(contact) else { continue };
            let unservable = self.is_unservable(held);
            if held.entry.is_some_and(|entry| entry.unservable != unservable) {
                see(contact, unservable);
            }
        }
    }
}

//! Contacts that nobody can ever serve, by looking at every agent and every step.

use usher::engine::id::{AgentId, ContactId};
use usher::engine::state::State;

use super::{Model, must};

type Check = Result<(), String>;

impl Model {
    /// Whether a contact waits, for more than one agent, and nobody could take it now or by a later step.
    fn nobody_ever(&self, id: ContactId) -> bool {
        let contact = &self.contacts[&id];
        let Some(entry) = contact.entry.as_ref().filter(|entry| entry.leg.is_none() && entry.only.is_none()) else {
            return false;
        };
        let steps = self.steps_left(contact);
        let could = |agent: &AgentId| {
            !self.agents[agent].deleted
                && self.band(*agent, entry.queue).is_some()
                && steps.iter().any(|step| self.meets_step(*agent, *step, contact))
        };
        !self.agents.keys().any(could)
    }

    /// Notes what an event says of it by being what it is: whoever comes in or is changed is judged at once.
    pub fn judge_at_once(&mut self, id: ContactId) {
        let nobody = self.nobody_ever(id);
        if let Some(entry) = self.contacts.get_mut(&id).and_then(|held| held.entry.as_mut()) {
            entry.unservable = nobody;
        }
    }

    /// It is said that nobody can ever serve a contact, or that someone can again.
    pub fn unservable_changed(&mut self, id: ContactId, said: bool) -> Check {
        let nobody = self.nobody_ever(id);
        let entry = self.entry(id)?;
        must(said == nobody && said != entry.unservable, || {
            format!("{id:?} is said to be unservable: {said}, as before or wrongly")
        })?;
        entry.unservable = said;
        Ok(())
    }

    /// After a batch: what was said is so, for everyone, and the engine knows it.
    pub fn check_unservable(&self, state: &State) -> Check {
        for (&id, contact) in &self.contacts {
            let said = contact.entry.as_ref().is_some_and(|entry| entry.unservable);
            must(said == self.nobody_ever(id), || format!("{id:?} is not unservable: {said}"))?;
            let held = state.contact(id).entry.is_some_and(|entry| entry.unservable);
            must(held == said, || format!("{id:?} is unservable for the engine: {held}"))?;
        }
        Ok(())
    }
}

//! Overflow rules: what each event of theirs must be, and that none is left out.

use usher::engine::contact::{ContactState, LegState};
use usher::engine::id::{ContactId, QueueId};
use usher::engine::policy::{Action, Trigger};
use usher::engine::time::Span;

use super::{Contact, Entry, Model, must};

impl Model {
    /// Whether a rule is set off for a contact that waits, by what has just come upon it.
    fn set_off(&self, id: ContactId, entry: &Entry, trigger: Trigger) -> bool {
        if self.shut_out(id) {
            return trigger == Trigger::QueueClosed;
        }
        let came_in = self.arrivals.contains(&id);
        match trigger {
            Trigger::QueueLength(Some(length)) => came_in && self.places(entry.queue) > length as usize,
            Trigger::QueueLength(None) => came_in && self.overfull(entry.queue, 0),
            Trigger::NobodySignedIn => came_in && self.nobody_signed_in(entry.queue),
            Trigger::Wait(wait) => self.passed.iter().any(|(passed, before)| {
                *passed == id && before.is_some_and(|before| before < wait && wait <= entry.reached)
            }),
            Trigger::QueueClosed => false,
            Trigger::NoWillingAgent => self.passed.contains(&(id, None)),
            Trigger::StepsExhausted => self.exhausted.contains(&id),
        }
    }

    fn nobody_signed_in(&self, queue: QueueId) -> bool {
        use usher::engine::agent::Presence;
        let mut serving = self.agents.keys().filter(|&&agent| self.band(agent, queue).is_some());
        serving.all(|agent| self.agents[agent].presence == Presence::Offline)
    }

    /// Whether an action can be done.
    fn possible(&self, id: ContactId, contact: &Contact, action: &Action) -> bool {
        let name = match action {
            Action::Queue(name) => name,
            Action::Relax => return !self.shut_out(id) && self.hurried(contact).is_some(),
            _ => return true,
        };
        let Some(to) = self.queues.iter().position(|queue| queue.id == *name) else { return false };
        let to = QueueId(to as u32);
        let here = contact.entry.as_ref().expect("it waits");
        if to == here.queue || !self.is_open(to) || !self.policy.queues.iter().any(|queue| queue.id == *name) {
            return false;
        }
        let mut there = contact.clone();
        let (bars, leg, only, reached) = (Vec::new(), None, None, Span::ZERO);
        let (open, filling) = (Vec::new(), false);
        let begins = self.stands_in(to, contact);
        let (step, skipped) = (begins.step, begins.skipped);
        there.entry = Some(Entry { queue: to, bars, leg, open, filling, only, reached, step, skipped, ..here.clone() });
        !self.overfull(to, 1) || self.agents.keys().any(|&agent| self.could(agent, &there))
    }

    /// The first rule that must act on a contact that waits, if one must.
    pub fn due_rule(&self, id: ContactId) -> Option<u32> {
        let contact = self.contacts.get(&id)?;
        let entry = contact.entry.as_ref().filter(|_| self.state(id) == ContactState::Queued)?;
        let rules = self.queues[entry.queue.index()].overflow.iter().zip(0..);
        let due = rules.filter(|(rule, at)| !entry.acted.contains(at) && self.set_off(id, entry, rule.trigger));
        due.filter(|(rule, _)| self.possible(id, contact, &rule.action)).map(|(_, at)| at).next()
    }

    /// A rule that acts is the one that must.
    pub fn check_overflow(&self, id: ContactId, rule: u32, said: (Trigger, &Action)) -> Result<(), String> {
        let due = self.due_rule(id);
        must(due == Some(rule), || format!("rule {rule} acts on {id:?}, but {due:?} is due"))?;
        let contact = &self.contacts[&id];
        let queue = contact.entry.as_ref().ok_or("it overflows from nowhere")?.queue;
        let known = &self.queues[queue.index()].overflow[rule as usize];
        must((known.trigger, &known.action) == said, || format!("rule {rule} of {queue:?} says otherwise"))?;
        let came_in = matches!(said.0, Trigger::QueueLength(_) | Trigger::NobodySignedIn);
        let tried = came_in || self.relaxed_now.contains(&id);
        let free = self.agents.keys().find(|&&agent| tried && self.could(agent, contact));
        must(free.is_none(), || format!("{id:?} overflows while {free:?} could take it"))
    }

    /// A contact has just passed a wait or was declined by all: its rules are judged now. Where none is possible the moment
    /// is gone: room that comes up later in the same batch is too late.
    pub fn came_to(&mut self, id: ContactId, before: Option<Span>) {
        self.passed.push((id, before));
        self.moment_over(id);
    }

    /// A contact's rules were judged by what it came to, or one of them has acted: no other is to act unless it must now.
    pub fn moment_over(&mut self, id: ContactId) {
        if self.due_rule(id).is_none() {
            self.passed.retain(|(passed, _)| *passed != id);
        }
    }

    /// Before anybody is matched no rule is left that must act on who passed a wait or was declined by all; one that a
    /// rule relaxed is looked at again once nobody took it.
    pub fn check_passed(&mut self) -> Result<(), String> {
        let later = |id: &ContactId| self.arrivals.contains(id) || self.relaxed_now.contains(id);
        let (kept, passed): (Vec<_>, Vec<_>) = self.passed.iter().copied().partition(|(id, _)| later(id));
        for (id, _) in passed {
            let due = self.due_rule(id);
            must(due.is_none(), || format!("{due:?} does not act on {id:?} before anybody is matched"))?;
        }
        self.passed = kept;
        Ok(())
    }

    /// After a batch no rule is left that must act.
    pub fn check_none_due(&mut self) -> Result<(), String> {
        let passed: Vec<ContactId> = self.passed.iter().map(|(id, _)| *id).collect();
        for id in self.arrivals.iter().copied().chain(passed).chain(self.exhausted.iter().copied()) {
            let due = self.due_rule(id);
            must(due.is_none(), || format!("{due:?} does not act on {id:?}"))?;
        }
        self.passed.clear();
        self.exhausted.clear();
        self.relaxed_now.clear();
        must(self.hurries.is_none(), || format!("{:?} is not relaxed by its rule", self.hurries))?;
        Ok(())
    }

    /// Whether an entry that begins follows one that was being left.
    pub fn leave_for(&mut self, id: ContactId) -> Result<(), String> {
        let held = self.contacts.get_mut(&id).ok_or("an unknown contact")?;
        let Some(entry) = held.entry.take_if(|entry| entry.leaving) else { return Ok(()) };
        let live = entry.leg.is_some_and(|leg| self.legs[&leg].state != LegState::Ended);
        must(!live, || "a contact is moved over its leg".into())
    }
}

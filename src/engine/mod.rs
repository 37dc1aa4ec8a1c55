//! The routing engine of one tenant: a value. The same commands at the same times give the same events on any machine.
//!
//! It reaches no clock, thread, file or chance, and the compiler says so (`tests/engine_is_pure.rs`). `decide` looks at
//! the state and refuses or says what happens; `evolve` (in `state`) is the only thing that changes it; the matcher then
//! looks again until it is quiet. Read in this order: `command`, `event`, `contact`, `agent`, `decide`, `state`, `matcher`.

pub mod agent;
pub mod audit;
pub mod command;
pub mod contact;
mod decide;
pub mod estimate;
pub mod event;
pub mod explain;
pub mod id;
pub mod limits;
pub mod matcher;
pub mod occupancy;
pub mod order;
pub mod policy;
pub mod pools;
pub mod publish;
pub mod rank;
pub mod read;
pub mod receipts;
pub mod reject;
pub mod requirement;
pub mod score;
pub mod slab;
pub mod state;
pub mod table;
pub mod tally;
pub mod time;
pub mod timers;

use alloc::vec::Vec;

use command::{Command, Request};
use event::{Event, Facts, Recorded};
use id::{AgentId, ContactId};
use reject::Reject;
use state::State;
use time::Time;

/// What an accepted command is answered with; the reader renders the contact or agent it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Sequence of the last event of its batch; of the last before it when it changed nothing.
    pub sequence: u64,
    /// The contact it was about.
    pub contact: Option<ContactId>,
    /// The agent it was about.
    pub agent: Option<AgentId>,
    /// Whether it created that contact or agent.
    pub created: bool,
    /// Contacts a MoveContacts moved, or a ForgetCustomer concerned.
    pub moved: u32,
    /// Contacts it left, because they are answered or ended by now.
    pub skipped: u32,
    /// The classification rule that matched, by its place in the policy.
    pub rule: Option<u32>,
    /// Whether this is the answer to an earlier, identical request.
    pub repeated: bool,
}

/// The engine of one tenant.
pub struct Engine {
    state: State,
    scratch: Vec<Event>,
}

/// Whether a command would be accepted now. Changes nothing.
///
/// # Errors
/// As [`Engine::apply`].
pub fn check(state: &State, now: Time, command: &Command) -> Result<(), Reject> {
    decide::decide(state, now, command, &mut Vec::new()).map(drop)
}

impl Engine {
    /// An engine that has seen nothing. `seed` keys its hash tables.
    #[must_use]
    pub fn new(seed: u64) -> Engine {
        Engine { state: State::new(seed), scratch: Vec::with_capacity(64) }
    }

    /// An engine that stands where another stood when its state was made an image; none when the image is of no state.
    #[must_use]
    pub fn from_image(seed: u64, image: state::image::Image) -> Option<Engine> {
        Some(Engine { state: State::from_image(seed, image)?, scratch: Vec::with_capacity(64) })
    }

    /// Stands where another stood when its state was made an image; false, and as before, when the image is of no state.
    pub fn restore(&mut self, image: state::image::Image) -> bool {
        match State::from_image(self.state.seed(), image) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// The state, to read.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Carries out one command at `now`, and pushes what happened to `out`.
    ///
    /// Deadlines due at `now` must have been fired first ([`Self::fire_due`]). Cost: O(log n) and the agent's classes.
    ///
    /// # Errors
    /// The first of [`Reject`] in its order that applies; then nothing has changed and `out` is as it was.
    ///
    /// # Panics
    /// On a bug: an invariant does not hold.
    pub fn apply(&mut self, now: Time, request: &Request, out: &mut Vec<Recorded>) -> Result<Reply, Reject> {
        assert!(now >= self.state.now(), "engine time went backwards");
        if let Some(stamp) = &request.stamp
            && let Some(first) = self.state.receipts().find(now, stamp)?
        {
            return Ok(first);
        }
        let mut events = core::mem::take(&mut self.scratch);
        let subject = match decide::decide(&self.state, now, &request.command, &mut events) {
            Ok(subject) => subject,
            Err(reject) => {
                events.clear();
                self.scratch = events;
                return Err(reject);
            }
        };
        let contact = subject.contact;
        self.emit_all(now, &mut events, out);
        self.scratch = events;
        self.lease(now, &request.command);
        self.settle(now, out);
        if let Some(stamp) = &request.stamp {
            // Last in its batch, so that a repeat is told the sequence that covers all of it.
            let event = Event::RequestRemembered {
                stamp: stamp.clone(),
                contact,
                agent: subject.agent,
                created: subject.created,
                moved: subject.moved,
                skipped: subject.skipped,
                rule: subject.rule,
            };
            self.emit(now, event, out);
        }
        let sequence = self.state.sequence();
        let decide::Subject { agent, created, moved, skipped, rule, .. } = subject;
        Ok(Reply { sequence, contact, agent, created, moved, skipped, rule, repeated: false })
    }

    /// Fires deadlines due at or before `now`, at most `max` of them; whether more are due.
    pub fn fire_due(&mut self, now: Time, max: usize, out: &mut Vec<Recorded>) -> bool {
        assert!(now >= self.state.now(), "engine time went backwards");
        for _ in 0..max {
            let Some(due) = self.state.pop_due(now) else { return false };
            let mut events = core::mem::take(&mut self.scratch);
            decide::deadline(&self.state, now, due, &mut events);
            self.emit_all(now, &mut events, out);
            self.scratch = events;
            self.state.rearm(due);
            self.settle(now, out);
        }
        self.state.next_deadline().is_some_and(|next| next <= now)
    }

    /// When the engine wants to be called next, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.state.next_deadline()
    }

    /// Takes over an event another engine recorded: recovery is a fold of this.
    ///
    /// # Panics
    /// When the event is not the next in the total order.
    pub fn fold(&mut self, recorded: &Recorded) {
        assert_eq!(recorded.sequence, self.state.sequence() + 1, "a gap in the events");
        self.state.evolve(recorded.time, recorded.sequence, &recorded.event);
        self.state.forget_agenda();
    }

    /// As [`Self::fold`], and finds again what stood beside the event.
    ///
    /// # Panics
    /// As [`Self::fold`].
    pub fn recover(&mut self, recorded: &mut Recorded) {
        assert_eq!(recorded.sequence, self.state.sequence() + 1, "a gap in the events");
        self.take(recorded.time, recorded);
        self.state.forget_agenda();
    }

    /// Goes on after an outage, from the last time in the journal until `now`; to be called once after a fold, before
    /// anything else. Nothing happens to an engine that has seen nothing.
    pub fn resume(&mut self, now: Time, last: Time, out: &mut Vec<Recorded>) {
        assert!(now >= self.state.now(), "engine time went backwards");
        if self.state.sequence() == 0 {
            return;
        }
        let outage = now.since(last.max(self.state.now()));
        let (contacts, offers) = (self.state.live_contact_count(), self.state.open_offers());
        self.emit(now, Event::Resumed { outage, contacts, offers }, out);
        self.settle(now, out);
    }

    fn emit_all(&mut self, now: Time, events: &mut Vec<Event>, out: &mut Vec<Recorded>) {
        for event in events.drain(..) {
            self.emit(now, event, out);
        }
    }

    fn emit(&mut self, now: Time, event: Event, out: &mut Vec<Recorded>) {
        let sequence = self.state.sequence() + 1;
        let facts = Facts::default();
        let mut recorded =
            Recorded { sequence, time: now, policy_version: 0, contact_states: None, facts, earlier: None, event };
        self.take(now, &mut recorded);
        out.push(recorded);
    }

    /// Takes in an event and notes what stands beside it.
    fn take(&mut self, now: Time, recorded: &mut Recorded) {
        let event = &recorded.event;
        let contact = event.contact();
        let before = contact.and_then(|contact| self.state.state_before(contact));
        let entry = contact.and_then(|contact| self.state.entry_facts(now, contact));
        let within = self.state.is_within_capacity(event);
        recorded.earlier = self.state.earlier(event);
        self.state.evolve(now, recorded.sequence, event);
        recorded.contact_states = match (contact, before) {
            (Some(contact), Some(before)) => self.state.state_before(contact).map(|after| (before, after)),
            (Some(contact), None) => self.state.state_before(contact).map(|after| (after, after)),
            (None, _) => None,
        };
        recorded.facts = self.state.facts(now, event, entry);
        recorded.facts.over_capacity = self.state.carried_over(event, within);
        recorded.policy_version = self.state.policy_version();
    }

    /// What follows by itself: contacts and agents that may now be matched, contacts that may now close, agents whose
    /// waiting presence or routing word changed. Loops until quiet.
    fn settle(&mut self, now: Time, out: &mut Vec<Recorded>) {
        loop {
            let mut events = core::mem::take(&mut self.scratch);
            decide::follow_up(&mut self.state, now, &mut events);
            let quiet = events.is_empty();
            self.emit_all(now, &mut events, out);
            self.scratch = events;
            if quiet {
                self.state.end_filling();
                return;
            }
        }
    }

    /// Leases are the one thing not folded from events: a sign of life only moves its deadline, and after a restart
    /// every lease starts anew.
    fn lease(&mut self, now: Time, command: &Command) {
        match command {
            Command::SignIn { agent_id, .. } | Command::Heartbeat { agent_id } => {
                self.state.renew_lease(now, agent_id, 0)
            }
            Command::OpenAgentSession { agent_id } => self.state.renew_lease(now, agent_id, 1),
            Command::CloseAgentSession { agent_id } => self.state.renew_lease(now, agent_id, -1),
            Command::OpenGatewaySession { gateway_id, .. } => self.state.renew_gateway(now, gateway_id, 1),
            Command::RenewGatewaySession { gateway_id } => self.state.renew_gateway(now, gateway_id, 0),
            Command::CloseGatewaySession { gateway_id } => self.state.renew_gateway(now, gateway_id, -1),
            _ => {}
        }
    }
}

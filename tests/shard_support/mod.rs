//! A shard to be stepped by hand: its time, its journal and its engines are the test's.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact, Request};
use usher::engine::contact::{CancelCause, ContactProfile};
use usher::engine::event::Recorded;
use usher::engine::id::{LegId, Text};
use usher::engine::policy::{Channel, Membership, Policy, Queue, Team};
use usher::engine::publish::Shared;
use usher::engine::reject::Reject;
use usher::engine::state::State;
use usher::engine::time::{Span, Time};
use usher::engine::{Engine, Reply};
use usher::journal::{Batch, Completion, Fault, Journal, Notify, Position};
use usher::shard::{
    Done, Envelope, Limits, Machine, Order, Outputs, Pending, Refused, SeatId, Shard, Show, Subscription,
};

/// The instant the tests begin at.
pub const BEGIN: Time = Time(1_700_000_000_000_000);

// ---- a journal that does as it is told

#[derive(Default)]
pub struct Kept {
    pub appended: u64,
    pub durable: u64,
    /// Tenant and events of each batch, in order.
    pub batches: Vec<(Text, Vec<Recorded>)>,
    /// Whether it is durable only when told.
    pub late: bool,
    pub ready: Option<Fault>,
    pub refuse_append: Option<Fault>,
    pub forgets: bool,
    pub notify: Option<Notify>,
}

#[derive(Clone, Default)]
pub struct TestJournal(pub Arc<Mutex<Kept>>);

impl TestJournal {
    pub fn late() -> TestJournal {
        let journal = TestJournal::default();
        journal.with(|kept| kept.late = true);
        journal
    }

    pub fn with<R>(&self, change: impl FnOnce(&mut Kept) -> R) -> R {
        change(&mut self.0.lock().expect("no test panics in here"))
    }

    /// Everything appended is on disk.
    pub fn catch_up(&self) -> Completion {
        self.with(|kept| {
            kept.durable = kept.appended;
            Completion::Durable(Position(kept.durable))
        })
    }

    /// What was not durable is lost.
    pub fn fail(&self) -> Completion {
        self.with(|kept| {
            kept.appended = kept.durable;
            kept.batches.truncate(kept.durable as usize);
        });
        Completion::Failed(Fault::Unavailable)
    }

    pub fn sequences(&self, tenant: &str) -> Vec<u64> {
        let of = |(name, events): &(Text, Vec<Recorded>)| match **name == *tenant {
            true => events.iter().map(|recorded| recorded.sequence).collect(),
            false => Vec::new(),
        };
        self.with(|kept| kept.batches.iter().flat_map(of).collect())
    }
}

impl Journal for TestJournal {
    fn attach(&mut self, notify: Notify) {
        self.with(|kept| kept.notify = Some(notify));
    }

    fn ready(&self) -> Result<(), Fault> {
        self.with(|kept| kept.ready.map_or(Ok(()), Err))
    }

    fn append(&mut self, batch: &Batch<'_>) -> Result<Position, Fault> {
        self.with(|kept| {
            if let Some(fault) = kept.refuse_append.take() {
                kept.appended = kept.durable;
                kept.batches.truncate(kept.durable as usize);
                return Err(fault);
            }
            kept.appended += 1;
            kept.batches.push((batch.tenant.clone(), batch.events.to_vec()));
            Ok(Position(kept.appended))
        })
    }

    fn commit(&mut self) -> Result<Position, Fault> {
        self.with(|kept| {
            if !kept.late {
                kept.durable = kept.appended;
            }
            Ok(Position(kept.durable))
        })
    }

    fn replay(&mut self, tenant: &str, fold: &mut dyn FnMut(&mut Recorded)) -> Result<(), Fault> {
        self.with(|kept| {
            if kept.forgets {
                return Err(Fault::NotKept);
            }
            for (_, events) in kept.batches[..kept.durable as usize].iter().filter(|(name, _)| **name == *tenant) {
                events.iter().for_each(|recorded| fold(&mut recorded.clone()));
            }
            Ok(())
        })
    }
}

// ---- an engine that breaks

/// Contact id that makes [`Fragile`] panic after its events were pushed.
pub const POISON: &str = "poison";

pub struct Fragile(pub Engine);

impl Machine for Fragile {
    fn apply(&mut self, now: Time, request: &Request, out: &mut Vec<Recorded>) -> Result<Reply, Reject> {
        let applied = self.0.apply(now, request, out);
        if let Command::CreateContact(new) = &request.command {
            assert!(*new.profile.contact_id != *POISON, "poisoned, with its events half out");
        }
        applied
    }

    fn fire_due(&mut self, now: Time, max: usize, out: &mut Vec<Recorded>) -> bool {
        self.0.fire_due(now, max, out)
    }

    fn next_deadline(&self) -> Option<Time> {
        self.0.next_deadline()
    }

    fn state(&self) -> &State {
        self.0.state()
    }

    fn recover(&mut self, recorded: &mut Recorded) {
        self.0.recover(recorded);
    }

    fn resume(&mut self, now: Time, last: Time, out: &mut Vec<Recorded>) {
        self.0.resume(now, last, out);
    }
}

// ---- the shard

pub struct World {
    pub shard: Shard,
    pub inbox: VecDeque<Envelope>,
    pub completions: Vec<Completion>,
    pub out: Outputs,
    pub now: Time,
}

pub fn new_shard(journal: TestJournal, limits: Limits) -> Shard {
    Shard::new(Box::new(journal), Box::new(|_| Box::new(Fragile(Engine::new(7)))), limits)
}

impl World {
    pub fn new(journal: TestJournal) -> World {
        World::with(journal, Limits::default())
    }

    pub fn with(journal: TestJournal, limits: Limits) -> World {
        World {
            shard: new_shard(journal, limits),
            inbox: VecDeque::new(),
            completions: Vec::new(),
            out: Outputs::default(),
            now: BEGIN,
        }
    }

    /// Opens a tenant with one queue, one channel and an agent who is AVAILABLE.
    pub fn tenant(&mut self, name: &str) -> SeatId {
        let seat = self.shard.open(&name.into());
        let mut done: Vec<_> = setup(name).into_iter().map(|command| self.put(seat, command)).collect();
        self.step();
        // With a late journal the answers are held.
        for (at, pending) in done.iter_mut().enumerate() {
            if let Some(answer) = pending.now() {
                answer.unwrap_or_else(|refused| panic!("setup {at}: {refused}"));
            }
        }
        seat
    }

    pub fn put(&mut self, seat: SeatId, command: Command) -> Pending<Done> {
        let (envelope, pending) = Envelope::call(seat, command.into(), Show::ALL);
        self.inbox.push_back(envelope);
        pending
    }

    pub fn ask<R: Send + 'static>(
        &mut self,
        seat: SeatId,
        read: impl FnOnce(&State, Time) -> R + Send + 'static,
    ) -> Pending<R> {
        let (envelope, pending) = Envelope::query(seat, read);
        self.inbox.push_back(envelope);
        pending
    }

    pub fn subscribe(&mut self, seat: SeatId, order: Order) -> Result<(u64, Subscription), Refused> {
        let (envelope, mut pending) = Envelope::subscribe(seat, order, |state, _| state.sequence());
        self.inbox.push_back(envelope);
        self.step();
        pending.now().expect("settled at once")
    }

    /// One step, and its answers delivered.
    pub fn step_once(&mut self) {
        self.shard.step(self.now, &mut self.inbox, &mut self.completions, &mut self.out);
        self.out.deliver();
    }

    /// Steps until the shard wants no more at this instant.
    pub fn step(&mut self) {
        self.step_once();
        while self.out.again {
            self.step_once();
        }
    }

    pub fn after(&mut self, span: Span) {
        self.now = self.now + span;
        self.step();
    }

    pub fn run(&mut self, seat: SeatId, command: Command) -> Result<Done, Refused> {
        let mut pending = self.put(seat, command);
        self.step();
        pending.now().expect("settled at once")
    }
}

// ---- commands

pub fn policy(tenant: &str) -> Policy {
    let team = Team { queues: vec![Membership::new("*".into(), 1)], ..Team::named("team".into()) };
    Policy {
        tenant: tenant.into(),
        channels: vec![Channel::named("voice".into()), Channel::named("chat".into())],
        queues: vec![Queue::named("sales".into())],
        teams: vec![team],
        ..Policy::default()
    }
}

pub fn agent(agent_id: &str) -> Command {
    let profile =
        AgentProfile { agent_id: agent_id.into(), team: Some("team".into()), capacity: 100, ..AgentProfile::default() };
    Command::UpsertAgent { profile: Arc::new(profile) }
}

pub fn sign_in(agent_id: &str) -> Command {
    Command::SignIn { agent_id: agent_id.into(), presence: Presence::Available, lease: Some(Span::ZERO) }
}

pub fn setup(tenant: &str) -> Vec<Command> {
    vec![Command::apply(policy(tenant)), agent("ana"), sign_in("ana")]
}

pub fn contact(contact_id: &str) -> Command {
    contact_from(contact_id, "")
}

pub fn contact_from(contact_id: &str, gateway_id: &str) -> Command {
    let profile = ContactProfile {
        contact_id: contact_id.into(),
        gateway_id: gateway_id.into(),
        channel: "voice".into(),
        ..ContactProfile::default()
    };
    Command::CreateContact(Arc::new(NewContact {
        profile: Arc::new(profile),
        queue: "sales".into(),
        ..NewContact::default()
    }))
}

pub fn accept(agent_id: &str, offer: LegId) -> Command {
    Command::AcceptOffer { agent_id: agent_id.into(), offer }
}

pub fn cancel(contact_id: &str) -> Command {
    Command::CancelContact { contact_id: contact_id.into(), cause: CancelCause::CustomerLeft }
}

/// The events that wait for a reader.
pub fn drain(stream: &mut Subscription) -> Vec<Shared> {
    std::iter::from_fn(|| stream.try_next()).map_while(Result::ok).collect()
}

pub fn sequences(events: &[Shared]) -> Vec<u64> {
    events.iter().map(|event| event.sequence()).collect()
}

//! The steppable loop: a function of the time, the inbox and the journal's completions.
//!
//! One step fires what is due, carries out a bounded batch of work at one instant, appends one batch per tenant touched,
//! and lets out whatever no longer depends on anything that is not durable. It reads no clock and starts no thread;
//! `host.rs` does that around it.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::command::{Command, Request};
use crate::engine::event::Recorded;
use crate::engine::id::{LegId, Text};
use crate::engine::publish::Published;
use crate::engine::time::{Span, Time};
use crate::journal::{Batch, Completion, Fault, Journal, Position};
use crate::wire::{Malformed, Reader};

use super::call::{Done, Envelope, Maker, Query, Refused, Reply, SeatId, Show, Work};
use super::memory::{Gate, Memory};
use super::seat::{Seat, Status};
use super::stream::{Ended, Lags, Order};

/// Bounds of one step, and what is kept for readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Work taken from the inbox in one step: what a caller may have to wait for.
    pub batch: usize,
    /// Deadlines fired per tenant in one step; with more due, no work is taken.
    pub fire: usize,
    /// Recent events kept per tenant for readers that come back. 0 keeps none.
    pub recent: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { batch: 256, fire: 256, recent: 16_384 }
    }
}

/// How long deadlines rest while the journal takes nothing, before it is asked again.
const RETRY: Span = Span::from_millis(100);

/// How often the time is noted in the journal while deadlines run that an outage would move.
const MARK: Span = Span::from_secs(1);

/// A step this late, although one was due to note the time, ends an outage like any other: the process was stopped, or the
/// journal took nothing.
const PAUSE: Span = Span::from_secs(5);

/// Who follows everything that is published, on the writer: it must be quick and must not wait.
pub trait Sink: Send {
    /// One tenant's events, durable, in order.
    fn published(&mut self, tenant: &Text, events: &Arc<Vec<Published>>);

    /// One tenant is brought back from a snapshot; `beside` is what was kept for readers then, written. They may have come
    /// further already.
    ///
    /// # Errors
    /// When it is not what was written.
    fn restored(&mut self, tenant: &Text, beside: &mut Reader<'_>) -> Result<(), Malformed> {
        let _ = (tenant, beside);
        Ok(())
    }

    /// An event of one tenant that was brought back from the journal, in order; also one that was published before.
    fn recovered(&mut self, tenant: &Text, recorded: &Recorded) {
        let _ = (tenant, recorded);
    }

    /// A step that carried out `commands` took this long.
    fn decided(&mut self, commands: usize, nanos: u64) {
        let _ = (commands, nanos);
    }
}

/// What went wrong or was turned away, counted since the shard began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands carried out or refused by an engine.
    pub commands: u64,
    /// Batches appended.
    pub batches: u64,
    /// Panics caught in engines.
    pub panics: u64,
    /// Times the journal failed.
    pub journal_faults: u64,
    /// Offers that reached no stream of their agent.
    pub undelivered: u64,
}

/// An answer on its way out.
enum Effect {
    Answer(Reply<Done>, Result<Box<Done>, Refused>),
    Asked(Box<dyn Query>, Result<(), Refused>),
    Drained(Reply<()>),
    Publish(SeatId, Arc<Vec<Published>>),
}

/// What a step gives back.
#[derive(Default)]
pub struct Outputs {
    answers: Vec<Effect>,
    /// Commands carried out in this step.
    pub commands: usize,
    /// Whether there is more to do at once.
    pub again: bool,
}

impl Outputs {
    /// Hands the answers to whoever waits for them.
    pub fn deliver(&mut self) {
        for answer in self.answers.drain(..) {
            match answer {
                // Who asked may have gone: the work is done all the same.
                Effect::Answer(reply, answer) => drop(reply.send(answer)),
                Effect::Asked(query, verdict) => query.settle(verdict),
                Effect::Drained(reply) => drop(reply.send(Ok(Box::new(())))),
                Effect::Publish(..) => {}
            }
        }
    }
}

/// The engines of some tenants, and everything between them and the outside.
pub struct Shard {
    now: Time,
    journal: Box<dyn Journal>,
    make: Maker,
    sink: Option<Box<dyn Sink>>,
    limits: Limits,
    seats: Vec<Seat>,
    lags: Lags,
    /// Seats with something recorded in this step.
    touched: Vec<SeatId>,
    /// When each seat wants to be called.
    due: BTreeSet<(Time, SeatId)>,
    /// What this step lets out once it is durable.
    fresh: Vec<Effect>,
    /// What earlier steps would let out, with what it depends on; in order.
    held: VecDeque<(Position, Effect)>,
    appended: Position,
    durable: Position,
    fault: Option<Fault>,
    /// Seats to be folded again.
    waiting: Vec<SeatId>,
    /// Who waits for everything to be settled; told after what this step publishes.
    drains: Vec<Reply<()>>,
    undelivered: Vec<(SeatId, Text, LegId)>,
    /// When to ask the journal again, and whether deadlines rest until then.
    retry: Option<Time>,
    blocked: bool,
    /// Seats with deadlines that an outage would move, and the last time the journal knows.
    ticking: usize,
    noted: Time,
    counts: Counts,
    gate: Gate,
}

impl Shard {
    /// A shard without tenants. `make` gives the engine of a tenant its beginning.
    #[must_use]
    pub fn new(mut journal: Box<dyn Journal>, make: Maker, limits: Limits) -> Shard {
        assert!(limits.batch > 0 && limits.fire > 0, "a step does something");
        // What it has already is durable; a journal that fails here will say so again.
        let durable = journal.commit().unwrap_or_default();
        Shard {
            now: journal.last_time(),
            noted: journal.last_time(),
            journal,
            make,
            sink: None,
            limits,
            seats: Vec::new(),
            lags: Lags::default(),
            touched: Vec::new(),
            due: BTreeSet::new(),
            fresh: Vec::new(),
            held: VecDeque::new(),
            appended: durable,
            durable,
            fault: None,
            waiting: Vec::new(),
            drains: Vec::new(),
            undelivered: Vec::new(),
            retry: None,
            blocked: false,
            ticking: 0,
            counts: Counts::default(),
            gate: Gate::default(),
        }
    }

    /// Lets a sink follow what is published. Call it before the first step.
    pub fn follow(&mut self, sink: Box<dyn Sink>) {
        self.sink = Some(sink);
        self.seats.iter_mut().for_each(|seat| seat.observed = true);
    }

    /// Has it refuse new contacts and agents by what is measured there. Call it before the first step.
    pub fn heed(&mut self, memory: Arc<Memory>) {
        self.gate = Gate::new(memory);
    }

    pub(super) fn memory(&self) -> &Arc<Memory> {
        self.gate.memory()
    }

    /// Its bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn sink(&mut self) -> Option<&mut (dyn Sink + 'static)> {
        self.sink.as_deref_mut()
    }

    pub(super) fn journal(&mut self) -> &mut dyn Journal {
        self.journal.as_mut()
    }

    /// Opens a tenant, from what the journal has of it. Linear in that.
    pub fn open(&mut self, tenant: &Text) -> SeatId {
        let id = SeatId(u32::try_from(self.seats.len()).expect("fewer tenants than that"));
        self.seats.push(Seat::new(tenant.clone(), (self.limits.recent, self.lags.clone()), self.sink.is_some()));
        self.waiting.push(id);
        self.refold();
        self.reorder(id);
        id
    }

    /// Time of the last step, or of the last event folded when that is later: no step is earlier.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The tenants opened so far.
    pub fn tenants(&self) -> impl Iterator<Item = (&Text, SeatId)> {
        self.seats.iter().zip(0..).map(|(seat, id)| (&seat.name, SeatId(id)))
    }

    /// Whether a tenant has been given up.
    #[must_use]
    pub fn is_stopped(&self, seat: SeatId) -> bool {
        self.seats[seat.0 as usize].is_stopped()
    }

    /// How often a tenant's engine was dropped and folded again since the shard began.
    #[must_use]
    pub fn restarts(&self, tenant: &str) -> u64 {
        self.seats.iter().find(|seat| *seat.name == *tenant).map_or(0, |seat| seat.restarts)
    }

    /// How far behind the readers of streams are.
    pub(super) fn lags(&self) -> Lags {
        self.lags.clone()
    }

    /// Streams registered. Linear in them.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.seats.iter().map(|seat| seat.publisher.readers()).sum()
    }

    /// When a step is needed though nothing comes in.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let next = self.due.first().map(|(time, _)| *time);
        let mark = (self.ticking > 0).then(|| self.noted + MARK);
        let next = mark.map_or(next, |mark| Some(next.map_or(mark, |next| next.min(mark))));
        // While the journal takes nothing, being due changes nothing before it is asked again.
        let next = next.filter(|_| !self.blocked);
        self.retry.map_or(next, |retry| Some(next.map_or(retry, |next| next.min(retry))))
    }

    /// One step. Takes from the front of `inbox` what it gets done, empties `completions`, and adds to `out`.
    ///
    /// `now` earlier than the last step's counts as the same instant.
    pub fn step(
        &mut self,
        now: Time,
        inbox: &mut VecDeque<Envelope>,
        completions: &mut Vec<Completion>,
        out: &mut Outputs,
    ) {
        self.now = self.now.max(now);
        (out.again, out.commands) = (false, 0);
        (self.retry, self.blocked) = (None, false);
        for completion in completions.drain(..) {
            self.complete(completion, out);
        }
        let ready = self.journal.ready();
        if ready.is_ok() {
            self.fault = None;
            self.refold();
        }
        match self.fault.map_or(ready, Err) {
            Ok(()) => {
                self.resume();
                self.fail_offers();
                if self.fire() {
                    out.again = true;
                } else {
                    self.work(inbox, None, out);
                }
            }
            Err(fault) => {
                (self.retry, self.blocked) = (Some(self.now + RETRY), true);
                self.work(inbox, Some(fault), out);
            }
        }
        self.append(out);
        self.note_time();
        self.release(out);
        if self.fault.is_none() && !self.waiting.is_empty() {
            self.refold();
        }
        out.again |= !inbox.is_empty() || !self.undelivered.is_empty();
        self.counts.commands += out.commands as u64;
    }

    // ---- what comes in

    fn work(&mut self, inbox: &mut VecDeque<Envelope>, fault: Option<Fault>, out: &mut Outputs) {
        let room = self.journal.room().err();
        for _ in 0..self.limits.batch {
            let Some(Envelope { seat, work }) = inbox.pop_front() else { return };
            match work {
                Work::Call { request, show, reply } => match self.no_room(&request.command, fault, room) {
                    None => {
                        out.commands += 1;
                        let answer = self.call(seat, &request, show);
                        self.fresh.push(Effect::Answer(reply, answer));
                    }
                    Some(refused) => out.answers.push(Effect::Answer(reply, Err(refused))),
                },
                Work::Query(query, order) => self.query(seat, query, order, out),
                Work::Drain(reply) => self.drains.push(reply),
            }
        }
    }

    /// Why a command is not even tried: the journal takes nothing, or nothing new; or memory does not.
    fn no_room(&mut self, command: &Command, fault: Option<Fault>, room: Option<Fault>) -> Option<Refused> {
        if let Some(fault) = fault.or(room.filter(|_| command.begins_work())) {
            return Some(refused(fault));
        }
        let Shard { gate, seats, .. } = self;
        let held = || seats.iter().filter_map(Seat::state).map(|state| u64::from(state.contact_count())).sum();
        (command.takes_memory() && !gate.admits(held)).then_some(Refused::MemoryFull)
    }

    fn call(&mut self, id: SeatId, request: &Request, show: Show) -> Result<Box<Done>, Refused> {
        let now = self.now;
        let seat = &mut self.seats[id.0 as usize];
        let was_running = matches!(seat.status, Status::Running(_));
        let answer = seat.apply(now, request, show);
        self.after(id, was_running);
        answer
    }

    fn query(&mut self, id: SeatId, mut query: Box<dyn Query>, order: Option<Box<Order>>, out: &mut Outputs) {
        let now = self.now;
        let seat = &mut self.seats[id.0 as usize];
        if let Some(fault) = self.fault {
            out.answers.push(Effect::Asked(query, Err(refused(fault))));
            return;
        }
        let Status::Running(machine) = &seat.status else {
            out.answers.push(Effect::Asked(query, Err(Refused::TenantStopped)));
            return;
        };
        let state = machine.state();
        let stream = match order.map(|order| seat.publisher.subscribe(*order, state.sequence())).transpose() {
            Ok(stream) => stream,
            Err(refused) => {
                out.answers.push(Effect::Asked(query, Err(refused)));
                return;
            }
        };
        // A query borrows the state immutably: its panic leaves the tenant whole.
        let ran = catch_unwind(AssertUnwindSafe(|| query.run(state, now, stream)));
        self.fresh.push(Effect::Asked(query, ran.map_err(|_| Refused::QueryFailed)));
    }

    /// Sets going the clocks of tenants that were folded. Before anything is due: after an outage much would be.
    fn resume(&mut self) {
        let paused = self.ticking > 0 && self.now.since(self.noted) >= PAUSE;
        if paused {
            self.seats.iter_mut().for_each(|seat| seat.stands |= seat.state().is_some());
        }
        for at in 0..self.seats.len() {
            if self.seats[at].stands {
                let last = self.noted.max(self.journal.last_time());
                self.seats[at].resume(self.now, last);
                self.after(SeatId(at as u32), true);
            }
        }
    }

    /// Notes the time, when nothing else has for a while and it would be missed.
    fn note_time(&mut self) {
        if self.ticking > 0 && self.now.since(self.noted) >= MARK && !self.blocked {
            self.noted = self.now;
            self.journal.mark(self.now);
        }
    }

    /// Fires what is due; whether more is.
    fn fire(&mut self) -> bool {
        let (now, mut more) = (self.now, false);
        let due: Vec<SeatId> = self.due.iter().take_while(|(time, _)| *time <= now).map(|(_, seat)| *seat).collect();
        for id in due {
            let seat = &mut self.seats[id.0 as usize];
            let was_running = matches!(seat.status, Status::Running(_));
            more |= seat.fire_due(now, self.limits.fire);
            self.after(id, was_running);
        }
        more
    }

    fn fail_offers(&mut self) {
        for (id, agent_id, offer) in std::mem::take(&mut self.undelivered) {
            let now = self.now;
            let seat = &mut self.seats[id.0 as usize];
            let was_running = matches!(seat.status, Status::Running(_));
            // What is due comes first, at every instant.
            while seat.fire_due(now, self.limits.fire) {}
            seat.fail_offer(now, agent_id, offer);
            self.counts.undelivered += 1;
            self.after(id, was_running);
        }
    }

    /// Puts a seat in its place after its engine has run.
    fn after(&mut self, id: SeatId, was_running: bool) {
        let seat = &mut self.seats[id.0 as usize];
        if was_running && !matches!(seat.status, Status::Running(_)) {
            self.counts.panics += 1;
            if !seat.is_stopped() {
                self.waiting.push(id);
            }
        }
        if !seat.events.is_empty() && !seat.touched {
            seat.touched = true;
            self.touched.push(id);
        }
        self.reorder(id);
    }

    fn reorder(&mut self, id: SeatId) {
        let keeps = self.journal.keeps();
        let seat = &mut self.seats[id.0 as usize];
        let ticks = keeps && seat.is_ticking();
        if std::mem::replace(&mut seat.ticks, ticks) != ticks {
            self.ticking = if ticks { self.ticking + 1 } else { self.ticking - 1 };
        }
        let next = seat.next_deadline();
        if next == seat.deadline {
            return;
        }
        if let Some(old) = seat.deadline {
            self.due.remove(&(old, id));
        }
        if let Some(next) = next {
            self.due.insert((next, id));
        }
        seat.deadline = next;
    }

    // ---- what goes out

    /// Appends what the step recorded, one batch per tenant, and asks for its commit.
    fn append(&mut self, out: &mut Outputs) {
        let mut failed = None;
        for id in self.touched.drain(..) {
            let seat = &mut self.seats[id.0 as usize];
            seat.touched = false;
            if failed.is_some() {
                continue;
            }
            match self.journal.append(&Batch { tenant: &seat.name, time: self.now, events: &seat.events }) {
                Ok(position) => {
                    assert!(position > self.appended, "the journal went backwards");
                    (self.appended, seat.position, self.noted) = (position, position, self.now);
                    self.counts.batches += 1;
                    let published = seat.take_published();
                    if !published.is_empty() {
                        self.fresh.push(Effect::Publish(id, published));
                    }
                }
                Err(fault) => failed = Some(fault),
            }
        }
        self.fresh.extend(self.drains.drain(..).map(Effect::Drained));
        // After a failure none of the step's outputs ever leaves: what it recorded is not in the journal.
        let needs = if failed.is_some() { Position(u64::MAX) } else { self.appended };
        self.held.extend(self.fresh.drain(..).map(|effect| (needs, effect)));
        let committed = match failed {
            Some(fault) => Err(fault),
            None if self.appended > self.durable => self.journal.commit(),
            None => return,
        };
        self.complete(committed.map_or_else(Completion::Failed, Completion::Durable), out);
    }

    fn complete(&mut self, completion: Completion, out: &mut Outputs) {
        match completion {
            Completion::Durable(position) => {
                assert!(position <= self.appended, "durable before it was appended");
                self.durable = self.durable.max(position);
            }
            Completion::Failed(fault) => self.fail(fault, out),
        }
    }

    /// The journal has lost what was not durable: nobody is told of it, and its tenants go back.
    fn fail(&mut self, fault: Fault, out: &mut Outputs) {
        self.counts.journal_faults += 1;
        self.fault = Some(fault);
        self.release(out);
        for (_, effect) in self.held.drain(..) {
            match effect {
                Effect::Answer(reply, _) => out.answers.push(Effect::Answer(reply, Err(refused(fault)))),
                Effect::Asked(query, _) => out.answers.push(Effect::Asked(query, Err(refused(fault)))),
                Effect::Drained(reply) => out.answers.push(Effect::Drained(reply)),
                Effect::Publish(..) => {}
            }
        }
        for at in 0..self.seats.len() {
            let id = SeatId(at as u32);
            let seat = &mut self.seats[at];
            if seat.position > self.durable || !seat.events.is_empty() {
                seat.rewind();
                seat.position = seat.position.min(self.durable);
                if !seat.is_stopped() && !self.waiting.contains(&id) {
                    self.waiting.push(id);
                }
                self.reorder(id);
            }
        }
        self.undelivered.clear();
        self.appended = self.durable;
        (self.retry, self.blocked) = (Some(self.now + RETRY), true);
    }

    /// Lets out what is durable, in order.
    fn release(&mut self, out: &mut Outputs) {
        while self.held.front().is_some_and(|(needs, _)| *needs <= self.durable) {
            let Some((_, effect)) = self.held.pop_front() else { return };
            match effect {
                Effect::Publish(id, events) => self.publish(id, &events),
                Effect::Drained(reply) => {
                    self.seats.iter_mut().for_each(|seat| seat.publisher.end_all(Ended::Draining));
                    out.answers.push(Effect::Drained(reply));
                }
                answer => out.answers.push(answer),
            }
        }
    }

    fn publish(&mut self, id: SeatId, events: &Arc<Vec<Published>>) {
        let seat = &mut self.seats[id.0 as usize];
        let mut undelivered = Vec::new();
        seat.publisher.publish(events, &mut undelivered);
        self.undelivered.extend(undelivered.into_iter().map(|(agent_id, leg)| (id, agent_id, leg)));
        if let Some(sink) = &mut self.sink {
            sink.published(&seat.name, events);
        }
    }

    /// Brings back tenants whose engine was dropped, as soon as the journal has all that was recorded before.
    fn refold(&mut self) {
        for id in std::mem::take(&mut self.waiting) {
            let seat = &mut self.seats[id.0 as usize];
            if seat.is_stopped() {
                continue;
            }
            if seat.position > self.durable {
                // A completion is on its way, and a step with it.
                self.waiting.push(id);
                continue;
            }
            let machine = (self.make)(&seat.name);
            if seat.refold(machine, self.journal.as_mut(), &mut self.sink) == Err(Fault::Unavailable) {
                self.waiting.push(id);
                self.retry = Some(self.now + RETRY);
            }
            self.now = seat.state().map_or(self.now, |state| state.now().max(self.now));
            self.reorder(id);
        }
    }
}

fn refused(fault: Fault) -> Refused {
    match fault {
        Fault::Full => Refused::JournalFull,
        Fault::Unavailable | Fault::NotKept | Fault::Corrupt => Refused::JournalUnavailable,
    }
}

//! The engine in virtual time: a loop that moves the clock to whatever comes next, a person's plan or a deadline of the
//! engine's own, and lets people react to the engine's events.
//!
//! It decides nothing about routing and keeps no books: what happened goes to a [`Watch`], folded from the engine's
//! events.

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::engine::Engine;
use crate::engine::command::{Command, NewContact, Request};
use crate::engine::contact::Outcome;
use crate::engine::event::{Event, Recorded};
use crate::engine::id::{AgentId, ContactId, LegId, Text};
use crate::engine::policy::{Connect, Rules};
use crate::engine::time::{Span, Time};

use super::agenda::{Agenda, Plan};
use super::arrivals::Arrivals;
use super::law::Law;
use super::random::{Cause, Stream};
use super::scene::{Run, Scene};

/// Deadlines fired in one step at most; the rest follows in the next.
const DEADLINES: usize = 1_000;

/// How an agent spends his time, as occupancy counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Not ready for work.
    #[default]
    Off,
    /// Ready, nothing to do.
    Idle,
    /// An offer rings and nothing else is in hand.
    Ringing,
    /// At least one leg ASSIGNED, CONNECTED or ON_HOLD.
    Busy,
    /// Only wrapping legs.
    WrapUp,
}

/// One call of a customer, and where it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visit {
    /// His slot: free for the next once his contact is forgotten.
    pub slot: u32,
    /// Place of his flow.
    pub flow: usize,
    /// Which customer of the flow, from 0.
    pub serial: u64,
    /// Which arrival of the run, from 0, over all flows and retries.
    pub number: u64,
    /// Which call of his, from 1.
    pub attempt: u32,
    /// When this call came.
    pub arrived: Time,
    /// Waits of his earlier calls.
    pub waited: Span,
    /// Place of the queue he is or was in.
    pub queue: usize,
    /// When his present entry began.
    pub entered: Time,
}

/// Who keeps the books of a run. Every method tells one fact of the engine's events, at the instant it happened.
pub trait Watch {
    /// A customer calls.
    fn arrived(&mut self, now: Time, visit: &Visit);
    /// He finds no line.
    fn blocked(&mut self, now: Time, visit: &Visit);
    /// A queue entry began.
    fn queued(&mut self, now: Time, visit: &Visit);
    /// It was not offered to anybody in the batch of its arrival.
    fn waits(&mut self, now: Time, visit: &Visit, estimate: Option<Span>);
    /// Whether `waits` is to be told the engine's estimate of the wait.
    fn wants_estimates(&self) -> bool {
        false
    }
    /// It was answered by an agent of a team, after this wait.
    fn answered(&mut self, now: Time, visit: &Visit, team: usize, wait: Span);
    /// It left unanswered, after this wait.
    fn left(&mut self, now: Time, visit: &Visit, outcome: Outcome, wait: Span);
    /// The last leg of an answered entry ended: its times, and the queue it was answered in.
    fn handled(&mut self, now: Time, visit: &Visit, times: Times);
    /// An agent of a team spends his time otherwise than before.
    fn duty(&mut self, now: Time, team: usize, before: Duty, after: Duty);
    /// An interval begins.
    fn interval(&mut self, now: Time, index: usize);
    /// Whether enough was seen.
    fn done(&self) -> bool;
}

/// Where the time of a leg went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// In conversation.
    pub talk: Span,
    /// On hold.
    pub hold: Span,
    /// Wrapping up.
    pub wrap_up: Span,
}

/// A customer, on one call or between two.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) visit: Visit,
    pub(super) new: Arc<NewContact>,
    pub(super) contact: Option<ContactId>,
    /// Counts his calls, and those of everyone who had the slot before.
    pub(super) spell: u32,
    pub(super) waiting: bool,
    pub(super) offered: bool,
    pub(super) offers: u64,
    pub(super) retrying: bool,
}

/// The virtual-time host of one run.
pub struct Host<'s, W> {
    pub(super) scene: &'s Scene,
    pub(super) seed: u64,
    pub(super) engine: Engine,
    pub(super) now: Time,
    pub(super) agenda: Agenda,
    pub(super) arrivals: Vec<Arrivals>,
    pub(super) streams: Vec<Stream>,
    pub(super) serials: Vec<u64>,
    pub(super) number: u64,
    pub(super) customers: Vec<Customer>,
    /// Free slots, by flow: a contact's profile is made once a slot and shared by all who use it.
    pub(super) free: Vec<Vec<u32>>,
    /// Customer of each contact, by the contact's slot in the engine.
    pub(super) of_contact: Vec<u32>,
    pub(super) agents: Vec<(usize, Duty)>,
    pub(super) served: Vec<Vec<usize>>,
    pub(super) waiting: Vec<u32>,
    pub(super) leavers: Vec<(Text, usize)>,
    pub(super) in_center: u32,
    /// Slot of the customer who calls just now.
    pub(super) calling: u32,
    pub(super) explicit: Vec<bool>,
    pub(super) auto_accept: Vec<bool>,
    pub(super) empty: Text,
    pub(super) out: Vec<Recorded>,
    pub(super) commands: u64,
    pub(super) audit_every: Option<u64>,
    pub(super) audits: u64,
    /// Who keeps the books.
    pub watch: W,
}

impl<'s, W: Watch> Host<'s, W> {
    /// Sets a run up: the policy in force, nobody signed in, nobody there.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn new(run: Run<'s>, watch: W) -> Result<Host<'s, W>> {
        let Run { scene, seed, arrivals } = run;
        let channel = |id: &Text| scene.policy.channels.iter().find(|channel| channel.id == *id);
        let explicit =
            scene.flows.iter().map(|flow| channel(&flow.channel).is_some_and(|c| c.connect == Connect::Explicit));
        let auto_accept = scene.flows.iter().map(|flow| channel(&flow.channel).is_some_and(|c| c.auto_accept));
        let mut host = Host {
            scene,
            seed,
            engine: Engine::new(seed),
            now: scene.start,
            agenda: Agenda::default(),
            streams: scene.flows.iter().map(|flow| Stream::new(seed, Cause::Arrival, flow.key, 0)).collect(),
            arrivals,
            serials: vec![0; scene.flows.len()],
            number: 0,
            customers: Vec::new(),
            free: vec![Vec::new(); scene.flows.len()],
            of_contact: Vec::new(),
            agents: Vec::new(),
            served: scene.served(),
            waiting: vec![0; scene.policy.queues.len()],
            leavers: Vec::new(),
            in_center: 0,
            calling: 0,
            explicit: explicit.collect(),
            auto_accept: auto_accept.collect(),
            empty: Text::default(),
            out: Vec::with_capacity(64),
            commands: 0,
            audit_every: None,
            audits: 0,
            watch,
        };
        host.open()?;
        Ok(host)
    }

    /// Checks every invariant of the engine after each `every`-th command, and at the end.
    pub fn audit_every(&mut self, every: u64) {
        self.audit_every = Some(every.max(1));
    }

    /// How often invariants were checked.
    #[must_use]
    pub fn audits(&self) -> u64 {
        self.audits
    }

    /// Commands the engine was given.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// The time it has come to.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The engine, to read.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn open(&mut self) -> Result<()> {
        let scene = self.scene;
        let mut policy = (*scene.policy).clone();
        // Nobody reads ended contacts here, or sends a sign of life: keys of the configuration say so.
        policy.rules = Rules { retention: Span::ZERO, retained_contacts: 0, session_lease: Span::ZERO, ..policy.rules };
        self.apply(Command::apply(policy))?;
        for profile in &scene.agents {
            self.apply(Command::UpsertAgent { profile: profile.clone() })?;
        }
        self.agents = vec![(usize::MAX, Duty::Off); self.engine.state().agent_slots() as usize];
        for profile in scene.everyone() {
            let team = profile.team.as_ref().and_then(|team| scene.team(team)).unwrap_or(usize::MAX);
            let Some(agent) = self.engine.state().find_agent(&profile.agent_id) else {
                bail!("agent `{}` is not there", profile.agent_id);
            };
            self.agents[usize::from(agent)].0 = team;
        }
        for (change, planned) in scene.roster.iter().enumerate() {
            self.agenda.add(planned.at, Plan::Duty { change: change as u32 });
        }
        for (closing, planned) in scene.closings.iter().enumerate() {
            self.agenda.add(planned.at, Plan::Close { closing: closing as u32 });
        }
        if let Some(&first) = scene.intervals.first() {
            self.agenda.add(first, Plan::Interval { index: 0 });
        }
        for flow in 0..scene.flows.len() {
            self.plan_arrival(flow);
        }
        Ok(())
    }

    /// Plays until nothing is planned, the watch has seen enough, or `end` is reached; whether there is more.
    ///
    /// # Errors
    /// A command of the scene's that the engine refuses, or an invariant that does not hold.
    pub fn run_until(&mut self, end: Time) -> Result<bool> {
        while !self.watch.done() {
            let planned = self.agenda.next();
            let due = self.engine.next_deadline();
            match (planned, due) {
                (_, Some(due)) if planned.is_none_or(|planned| due <= planned) => {
                    // Without plans what is left is the engine's: wrap-ups to end, contacts to forget.
                    if due > end {
                        return Ok(planned.is_some());
                    }
                    self.now = self.now.max(due);
                    self.fire()?;
                }
                (Some(planned), _) => {
                    if planned > end {
                        return Ok(true);
                    }
                    self.now = self.now.max(planned);
                    if let Some((_, plan)) = self.agenda.pop() {
                        self.carry_out(plan)?;
                    }
                }
                (None, _) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Checks every invariant now.
    ///
    /// # Errors
    /// Those that do not hold.
    pub fn audit(&mut self) -> Result<()> {
        self.audits += 1;
        if let Err(faults) = self.engine.state().audit(self.now) {
            bail!("invariants broken at {:?}: {}", self.now, faults.join("; "));
        }
        Ok(())
    }

    // ---- commands

    pub(super) fn apply(&mut self, command: Command) -> Result<()> {
        let request = Request::from(command);
        let mut out = self.take_out();
        let reply = match self.engine.apply(self.now, &request, &mut out) {
            Ok(reply) => reply,
            Err(reject) => bail!("{:?} is refused: {reject:?}", request.command),
        };
        self.commands += 1;
        if let (Command::CreateContact(_), Some(contact)) = (&request.command, reply.contact) {
            self.meet(contact);
        }
        self.read(out)?;
        match self.audit_every {
            Some(every) if self.commands.is_multiple_of(every) => self.audit(),
            _ => Ok(()),
        }
    }

    fn fire(&mut self) -> Result<()> {
        let mut out = self.take_out();
        while self.engine.fire_due(self.now, DEADLINES, &mut out) {}
        self.read(out)
    }

    fn take_out(&mut self) -> Vec<Recorded> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out
    }

    // ---- what the engine says

    /// Lets everyone concerned react to what happened, in its order, and tells the watch.
    fn read(&mut self, mut out: Vec<Recorded>) -> Result<()> {
        for recorded in &out {
            match &recorded.event {
                Event::ContactQueued { contact, queue, .. } => self.on_queued(*contact, queue.index()),
                Event::OfferIssued { contact, leg, agent, .. } => self.on_offer(*contact, *leg, *agent),
                Event::OfferAccepted { contact, leg, .. } | Event::LegAssigned { contact, leg, .. } => {
                    self.on_assigned(*contact, *leg);
                }
                Event::LegConnected { contact, leg, answer } => {
                    self.on_connected(*contact, *leg, answer.map(|answer| answer.wait));
                }
                Event::LegWrapUpStarted { contact, leg, .. } => {
                    self.on_wrap_up(*contact, *leg);
                    self.on_duty(recorded.facts.agent);
                }
                Event::LegEnded { contact, .. } => {
                    let facts = &recorded.facts;
                    if facts.handled {
                        let times = Times { talk: facts.talk, hold: facts.hold, wrap_up: facts.wrap_up };
                        let customer = self.of_contact[contact.slot() as usize];
                        self.watch.handled(self.now, &self.customers[customer as usize].visit, times);
                    }
                    self.on_duty(facts.agent);
                }
                Event::ContactEnded { contact, outcome, exit, .. } => {
                    self.on_ended(*contact, *outcome, exit.map(|exit| exit.wait));
                }
                Event::ContactForgotten { contact } => self.on_forgotten(*contact),
                Event::AgentRoutingChanged { agent, .. } => self.on_duty(Some(*agent)),
                _ => {}
            }
        }
        out.clear();
        self.out = out;
        if self.leavers.is_empty() { Ok(()) } else { self.let_go() }
    }

    fn on_queued(&mut self, contact: ContactId, queue: usize) {
        let customer = &mut self.customers[self.of_contact[contact.slot() as usize] as usize];
        customer.visit.queue = queue;
        customer.visit.entered = self.now;
        customer.waiting = true;
        self.waiting[queue] += 1;
        self.watch.queued(self.now, &customer.visit);
    }

    fn on_connected(&mut self, contact: ContactId, leg: LegId, answer: Option<Span>) {
        let slot = self.of_contact[contact.slot() as usize] as usize;
        let agent = self.engine.state().leg(leg).agent;
        let team = self.agents[usize::from(agent)].0;
        let customer = &mut self.customers[slot];
        if let Some(wait) = answer {
            customer.waiting = false;
            self.waiting[customer.visit.queue] -= 1;
            self.watch.answered(self.now, &customer.visit, team, wait);
        }
        let Visit { flow, serial, .. } = customer.visit;
        let flow = &self.scene.flows[flow];
        let given = flow.given.get(serial as usize).and_then(|given| given.handle_time);
        let talk =
            given.unwrap_or_else(|| draw(&flow.handle_time[team], self.seed, Cause::HandleTime, flow.key, serial));
        self.agenda.add(self.now + talk, Plan::Finish(leg));
    }

    fn on_ended(&mut self, contact: ContactId, outcome: Outcome, exit: Option<Span>) {
        self.in_center -= 1;
        let slot = self.of_contact[contact.slot() as usize];
        let customer = &mut self.customers[slot as usize];
        let Some(wait) = exit else { return };
        customer.waiting = false;
        self.waiting[customer.visit.queue] -= 1;
        self.watch.left(self.now, &customer.visit, outcome, wait);
        if outcome == Outcome::Abandoned {
            self.plan_retry(slot, wait);
        }
    }

    fn on_forgotten(&mut self, contact: ContactId) {
        let slot = self.of_contact[contact.slot() as usize];
        let customer = &mut self.customers[slot as usize];
        customer.contact = None;
        if !customer.retrying {
            self.free[customer.visit.flow].push(slot);
        }
    }

    /// Looks how an agent spends his time after the batch, whatever his routing word.
    fn on_duty(&mut self, agent: Option<AgentId>) {
        let Some(agent) = agent else { return };
        let held = self.engine.state().agent(agent);
        let after = if held.busy > 0 {
            Duty::Busy
        } else if held.wrapping > 0 {
            Duty::WrapUp
        } else if held.offering > 0 {
            Duty::Ringing
        } else if held.takes_offers() {
            Duty::Idle
        } else {
            Duty::Off
        };
        let Some((team, duty)) = self.agents.get_mut(usize::from(agent)) else { return };
        if *duty != after && *team != usize::MAX {
            self.watch.duty(self.now, *team, *duty, after);
            *duty = after;
        }
    }
}

/// Draws the time of one customer for one cause.
pub(super) fn draw(law: &Law, seed: u64, cause: Cause, flow: u64, serial: u64) -> Span {
    law.draw(&mut Stream::new(seed, cause, flow, serial))
}

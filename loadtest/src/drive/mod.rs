//! Drives a scenario: its gateways and agents, through real gRPC, on one thread.
//!
//! What was planned is sent when it is due, whatever the server does meanwhile (open loop). What the server says goes
//! into the books. `gateway` and `desk` say what a gateway and an agent do; both are the same by unary calls and by
//! streams, which differ in `line`.

mod desk;
mod gateway;
mod line;
mod pacer;
mod processors;
mod refusal;
mod timers;

pub mod meters;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use tokio::sync::Notify;
use tonic::transport::Channel;
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;

use crate::books::Entry;
use crate::books::audit::{Asked, Creation, Evidence};
use crate::progress;
use crate::scenario::Scenario;
use crate::scenario::center::Center;
use crate::scenario::schedule::Schedule;
use crate::scene;
use crate::server::connect;
use crate::throughput::open_contacts;
use desk::Desk;
use gateway::Gateway;
use meters::Meters;
use processors::Processors;
use timers::Timers;

/// Time between everything being ready and the first planned instant.
const LEAD: Duration = Duration::from_millis(100);
/// How long events that are on their way may take when everything else is over.
const FLUSH: Duration = Duration::from_secs(5);

/// What a run is made of.
pub struct Plan {
    /// The scenario.
    pub scenario: Scenario,
    /// Its center.
    pub center: Center,
    /// What chance decided.
    pub schedule: Schedule,
}

/// What a run left.
pub struct Driven {
    /// What was measured.
    pub meters: Meters,
    /// The books.
    pub entries: Vec<Entry>,
    /// The contacts as they were asked for.
    pub contacts: Vec<Asked>,
    /// Agents whose streams were never broken.
    pub steady: Vec<bool>,
    /// When each interval begins, in microseconds of the scenario's time.
    pub intervals: Vec<u64>,
    /// How long contacts arrived, in real time.
    pub arriving: Duration,
    /// How long the whole run took.
    pub elapsed: Duration,
    /// Contacts that were not over when the run was.
    pub unfinished: usize,
}

impl Driven {
    /// The evidence for the audit.
    pub fn evidence<'a>(&mut self, center: &'a Center) -> Evidence<'a> {
        Evidence {
            center,
            contacts: std::mem::take(&mut self.contacts),
            entries: std::mem::take(&mut self.entries),
            steady: std::mem::take(&mut self.steady),
            intervals: self.intervals.clone(),
        }
    }
}

/// Something due later.
enum Due {
    /// A customer's patience is over.
    Patience(u32),
    /// A conversation is over.
    Handled(u32),
    /// An agent answers an offer.
    Answer { agent: u32, offer_id: String, accept: bool },
    /// An agent has wrapped up.
    WrappedUp { agent: u32, contact: u32 },
    /// A second is over.
    Second,
}

/// Where a contact stands, as its gateway sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Planned,
    /// It waits for an agent.
    Waiting,
    /// The agent has it and the gateway bridges.
    Connecting,
    Talking,
    /// Its end was asked for.
    Leaving,
    Over,
}

/// A contact of the run.
#[derive(Clone, Copy, Default)]
struct Live {
    phase: Phase,
    creation: Creation,
    /// The customer's patience is over.
    impatient: bool,
    /// When it was sent, after the beginning.
    sent: Duration,
    /// The agent who accepted it last.
    holder: u32,
}

/// What everyone in the run shares.
struct World {
    plan: Plan,
    run: u32,
    start: Cell<Instant>,
    meters: RefCell<Meters>,
    entries: RefCell<Vec<Entry>>,
    live: RefCell<Vec<Live>>,
    timers: Timers<Due>,
    /// Contacts sent and not over, and contacts not yet sent.
    open: Cell<usize>,
    unsent: Cell<usize>,
    /// When each agent's last contact ended, where he is free with that.
    freed: RefCell<Vec<Option<Instant>>>,
    /// Offers the gateways heard of, less those the agents heard of.
    unheard: Cell<i64>,
    settled: Notify,
    broken: RefCell<Option<String>>,
}

impl World {
    /// A time of the scenario, in real time.
    fn real(&self, micros: u64) -> Duration {
        Duration::from_secs_f64(micros as f64 / 1e6 / self.plan.scenario.run.speed)
    }

    /// When something was planned.
    fn planned(&self, at: u64) -> Instant {
        self.start.get() + self.real(at - self.plan.schedule.from)
    }

    fn id(&self, contact: u32) -> String {
        scene::contact_id(self.run, contact as usize)
    }

    /// The number of a contact of this run.
    fn contact(&self, id: &str) -> Option<u32> {
        let number = u32::try_from(scene::contact_number(id)?).ok()?;
        ((number as usize) < self.plan.schedule.contacts.len()).then_some(number)
    }

    fn priority(&self, contact: u32) -> i32 {
        let kind = self.plan.schedule.contacts[contact as usize].kind as usize;
        self.plan.scenario.contact_classes[self.plan.center.kinds[kind].class].priority
    }

    fn note(&self, entry: Entry) {
        self.entries.borrow_mut().push(entry);
    }

    /// Moves a contact from one phase to another and counts it.
    fn enter(&self, contact: u32, phase: Phase) {
        let before = std::mem::replace(&mut self.live.borrow_mut()[contact as usize].phase, phase);
        if before == phase {
            return;
        }
        let mut meters = self.meters.borrow_mut();
        let waits = |phase: Phase| u64::from(matches!(phase, Phase::Waiting | Phase::Connecting));
        meters.waiting = meters.waiting + waits(phase) - waits(before).min(meters.waiting + waits(phase));
        let talks = |phase: Phase| u64::from(phase == Phase::Talking);
        meters.talking = meters.talking + talks(phase) - talks(before).min(meters.talking + talks(phase));
        if phase == Phase::Over {
            meters.closed();
            drop(meters);
            self.open.set(self.open.get() - 1);
            self.look();
        }
    }

    /// A contact's end was asked for: its agent is free with that, unless he wraps up.
    fn free(&self, contact: u32) {
        let holder = self.live.borrow()[contact as usize].holder as usize;
        let kind = self.plan.schedule.contacts[contact as usize].kind as usize;
        if self.plan.center.queues[self.plan.center.kinds[kind].queue].wraps_up {
            return;
        }
        if let Some(freed) = self.freed.borrow_mut().get_mut(holder) {
            *freed = Some(Instant::now());
        }
    }

    fn phase(&self, contact: u32) -> Phase {
        self.live.borrow()[contact as usize].phase
    }

    fn heard(&self, change: i64) {
        self.unheard.set(self.unheard.get() + change);
        self.look();
    }

    fn look(&self) {
        if self.open.get() == 0 && self.unsent.get() == 0 {
            self.settled.notify_one();
        }
    }

    /// The run cannot go on.
    fn broke(&self, why: String) {
        self.broken.borrow_mut().get_or_insert(why);
        self.settled.notify_one();
    }

    /// A command was refused.
    fn refused(&self, verb: &str, refusal: &refusal::Refusal) {
        let mut meters = self.meters.borrow_mut();
        if refusal.is_race() {
            *meters.races.entry(format!("{verb} {}", refusal.reason)).or_default() += 1;
        } else {
            *meters.refusals.entry(format!("{verb} {}: {}", refusal.reason, refusal.message)).or_default() += 1;
        }
    }
}

/// Drives the plan against the server at `addr`; `server` is its process where it is ours.
///
/// # Errors
/// When a connection or a stream fails, or the server refuses what a run cannot do without.
pub async fn drive(plan: Plan, addr: &str, server: Option<u32>, run: u32) -> anyhow::Result<(Plan, Driven)> {
    let contacts = plan.schedule.contacts.len();
    let now = Instant::now();
    let agents = plan.center.agents.len();
    let world = Rc::new(World {
        plan,
        run,
        start: Cell::new(now),
        meters: RefCell::new(Meters::new(now, now)),
        entries: RefCell::new(Vec::with_capacity(contacts * 8)),
        live: RefCell::new(vec![Live::default(); contacts]),
        timers: Timers::new(),
        open: Cell::new(0),
        unsent: Cell::new(contacts),
        freed: RefCell::new(vec![None; agents]),
        unheard: Cell::new(0),
        settled: Notify::new(),
        broken: RefCell::new(None),
    });
    let settings = &world.plan.scenario.run;
    let shared = connect(addr, settings.connections).await?;
    sign_in(&world, shared[0].clone()).await?;
    let mut desks = Vec::new();
    for number in 0..world.plan.center.agents.len() {
        desks.push(Desk::open(number as u32, shared[number % shared.len()].clone(), world.clone()).await?);
    }
    let mut gateways = Vec::new();
    for (number, channel) in connect(addr, settings.gateways).await?.into_iter().enumerate() {
        gateways.push(Gateway::open(number as u32, channel, world.clone()).await?);
    }
    let (gateways, desks) = (Rc::new(gateways), Rc::new(desks));
    let arriving = conduct(&world, &gateways, &desks, server).await?;
    let unfinished = world.open.get();
    let elapsed = world.start.get().elapsed();
    let open = open_contacts(shared[0].clone(), run).await?;
    desks.iter().for_each(|desk| desk.close());
    gateways.iter().for_each(|gateway| gateway.close());
    drop((gateways, desks));
    // Tasks that end with their streams hold the world for a moment longer.
    let world = loop {
        if Rc::strong_count(&world) == 1 {
            break Rc::into_inner(world).context("the world is held")?;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let mut driven = take(&world, open);
    (driven.arriving, driven.elapsed, driven.unfinished) = (arriving, elapsed, unfinished);
    driven.meters = world.meters.into_inner();
    driven.entries = world.entries.into_inner();
    Ok((world.plan, driven))
}

/// Lets everything happen; says how long contacts arrived.
async fn conduct(
    world: &Rc<World>,
    gateways: &Rc<Vec<Rc<Gateway>>>,
    desks: &Rc<Vec<Rc<Desk>>>,
    server: Option<u32>,
) -> anyhow::Result<Duration> {
    let start = Instant::now() + LEAD;
    world.start.set(start);
    let warm = start + world.real(world.plan.scenario.run.warm_up.0.0);
    *world.meters.borrow_mut() = Meters::new(start, warm);
    world.timers.set(start + Duration::from_secs(1), Due::Second);
    let timers = tokio::task::spawn_local(serve_timers(world.clone(), gateways.clone(), desks.clone(), server));
    let (order, offsets) = order(world);
    let bar = progress::bar(world.plan.schedule.contacts.len() as u64, "contacts");
    let mut due = pacer::pace(start, offsets);
    let mut next = 0;
    while let Some(until) = due.recv().await {
        for planned in &order[next..until] {
            fire(world, gateways, desks, *planned);
        }
        next = until;
        bar.set_position((world.plan.schedule.contacts.len() - world.unsent.get()) as u64);
        if world.broken.borrow().is_some() {
            break;
        }
    }
    let arriving = world.real(world.plan.schedule.to - world.plan.schedule.from);
    let settled = settle(world, &bar).await;
    timers.abort();
    // It is awaited so that it lets go of the world.
    drop(timers.await);
    bar.finish_and_clear();
    settled?;
    Ok(arriving)
}

/// Waits until every contact is over, or as long as the scenario says.
async fn settle(world: &World, bar: &ProgressBar) -> anyhow::Result<()> {
    bar.set_message("waiting for what is under way");
    let over = async {
        while world.open.get() > 0 && world.broken.borrow().is_none() {
            world.settled.notified().await;
        }
    };
    // Whatever is open then is looked for in the server's list, and judged by the audit.
    let _ = tokio::time::timeout(world.real(world.plan.scenario.run.settle.0.0), over).await;
    let heard = async {
        while world.unheard.get() > 0 && world.broken.borrow().is_none() {
            world.settled.notified().await;
        }
    };
    // Offers whose agents were gone are never heard of.
    let _ = tokio::time::timeout(FLUSH.min(world.real(5_000_000)), heard).await;
    match &*world.broken.borrow() {
        Some(why) => bail!("{why}"),
        None => Ok(()),
    }
}

/// Something planned: a contact, or what an agent does.
#[derive(Clone, Copy)]
enum Planned {
    Contact(u32),
    Move(u32),
}

/// Everything planned in the order of its time, and when, after the beginning.
fn order(world: &World) -> (Vec<Planned>, Vec<Duration>) {
    let schedule = &world.plan.schedule;
    let contacts = schedule.contacts.iter().enumerate().map(|(n, planned)| (planned.at, Planned::Contact(n as u32)));
    let moves = schedule.moves.iter().enumerate().map(|(n, away)| (away.at, Planned::Move(n as u32)));
    let mut all: Vec<(u64, Planned)> = contacts.chain(moves).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, planned)| (planned, world.real(at - schedule.from))).unzip()
}

fn fire(world: &World, gateways: &[Rc<Gateway>], desks: &[Rc<Desk>], planned: Planned) {
    let late_after = Duration::from_micros(world.plan.scenario.run.late_after.0.0);
    let at = match planned {
        Planned::Contact(contact) => {
            let at = world.plan.schedule.contacts[contact as usize].at;
            gateways[contact as usize % gateways.len()].create(contact);
            at
        }
        Planned::Move(number) => {
            let away = world.plan.schedule.moves[number as usize];
            desks[away.agent as usize].go(away.what);
            away.at
        }
    };
    world.meters.borrow_mut().sent(world.planned(at), late_after);
}

async fn serve_timers(world: Rc<World>, gateways: Rc<Vec<Rc<Gateway>>>, desks: Rc<Vec<Rc<Desk>>>, server: Option<u32>) {
    let mut processors = Processors::new(server);
    loop {
        for due in world.timers.due().await {
            match due {
                Due::Patience(contact) => gateways[contact as usize % gateways.len()].impatient(contact),
                Due::Handled(contact) => gateways[contact as usize % gateways.len()].complete(contact),
                Due::Answer { agent, offer_id, accept } => desks[agent as usize].answer(offer_id, accept),
                Due::WrappedUp { agent, contact } => desks[agent as usize].wrapped_up(contact),
                Due::Second => {
                    let (server, client) = processors.since();
                    let mut meters = world.meters.borrow_mut();
                    meters.tick(server, client);
                    let next = meters.start + Duration::from_secs(meters.seconds.len() as u64 + 1);
                    world.timers.set(next, Due::Second);
                }
            }
        }
    }
}

async fn sign_in(world: &World, channel: Channel) -> anyhow::Result<()> {
    let mut agents = AgentServiceClient::new(channel);
    for agent in &world.plan.center.agents {
        let mut sign_in = pb::SignInRequest { agent_id: agent.id.clone(), ..Default::default() };
        sign_in.set_presence(pb::Presence::Available);
        let signed_in = agents.sign_in(sign_in).await;
        signed_in.with_context(|| format!("failed to sign {} in; is the scenario's center the server's?", agent.id))?;
    }
    Ok(())
}

/// What is left of the world, but for what it measured.
fn take(world: &World, open: Vec<pb::Contact>) -> Driven {
    let plan = &world.plan;
    let mut listed = vec![false; plan.schedule.contacts.len()];
    for contact in open.iter().filter_map(|contact| world.contact(&contact.contact_id)) {
        listed[contact as usize] = true;
    }
    let interval = plan.scenario.run.interval.0.0;
    let first = plan.schedule.from / interval;
    let last = (plan.schedule.to - 1) / interval;
    let live = world.live.borrow();
    let contacts = plan.schedule.contacts.iter().enumerate().map(|(number, planned)| Asked {
        kind: planned.kind,
        priority: world.priority(number as u32),
        interval: (planned.at / interval - first) as u32,
        creation: live[number].creation,
        open: listed[number],
    });
    let groups = &plan.scenario.agent_groups;
    Driven {
        meters: Meters::new(world.start.get(), world.start.get()),
        entries: Vec::new(),
        contacts: contacts.collect(),
        steady: plan.center.agents.iter().map(|agent| groups[agent.group].lost_sessions.is_none()).collect(),
        intervals: (first..=last).map(|number| number * interval).collect(),
        arriving: Duration::ZERO,
        elapsed: Duration::ZERO,
        unfinished: 0,
    }
}

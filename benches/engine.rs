//! The engine alone: whole lifecycles (create, offer, accept, connect, complete, wrap-up ends; all events evolved) at
//! several sizes, single decisions, the first sight of a class, memory, a stampede, and a linear scan beside it.
//!
//! ```text
//! cargo bench --bench engine -- [--agents 1000,100000] [--waiting 0,1000000] [--classes 200,2000]
//!                               [--lifecycles 200000] [--short]
//! ```
//!
//! 200 skills, 5 levels, 8 random skills per agent, every profile distinct. A class asks for one skill at a level; past
//! 1000 classes a second queue asks the same. Where nobody waits half the agents talk, else all do. CPU time is the
//! thread's own (`/proc/thread-self/schedstat`), which moves in steps of a few milliseconds. What it times it also checks: at the end every contact is CLOSED and the
//! books of every queue close.

use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;
use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact, Request};
use usher::engine::contact::{CancelCause, ContactProfile, Direction};
use usher::engine::event::{Event, Recorded};
use usher::engine::id::{AgentId, ContactId, LegId, QueueId, Text};
use usher::engine::policy::{Channel, Membership, Policy, Queue, Rules, Skill, Team, WrapUp};
use usher::engine::requirement::{Comparison, Expr, Requirement};
use usher::engine::time::{Span, Time};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKILLS: u64 = 200;
const LEVELS: u64 = 5;
const SKILLS_PER_AGENT: usize = 8;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * u128::from(sides)) >> 64) as u64
    }
}

/// CPU time of this thread in nanoseconds.
fn cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// One size to measure.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Size {
    agents: usize,
    waiting: usize,
    classes: usize,
}

/// A class: a queue and what is asked.
struct Class {
    queue: Text,
    skill: u64,
    level: u8,
    requirement: Arc<Requirement>,
}

fn skill_id(skill: u64) -> Text {
    format!("s{skill:03}").into()
}

fn classes(count: usize) -> Vec<Class> {
    let class = |at: u64| {
        let (skill, turn) = (at % SKILLS, at / SKILLS);
        let level = ((skill + turn) % LEVELS + 1) as u8;
        let expr = Expr::Skill { skill: skill_id(skill), comparison: Comparison::AtLeast, level };
        let requirement = Arc::new(Requirement { text: format!("{} >= {level}", skill_id(skill)).into(), expr });
        Class { queue: format!("q{}", turn / LEVELS).into(), skill, level, requirement }
    };
    (0..count as u64).map(class).collect()
}

fn policy(classes: &[Class]) -> Policy {
    let mut names: Vec<Text> = classes.iter().map(|class| class.queue.clone()).collect();
    names.dedup();
    let queue = |id: &Text| Queue { wrap_up: WrapUp::Timed(Span::from_secs(3_600)), ..Queue::named(id.clone()) };
    Policy {
        tenant: "default".into(),
        skills: (0..SKILLS).map(|skill| Skill { id: skill_id(skill), display_name: skill_id(skill) }).collect(),
        channels: vec![Channel { offer_timeout: Span::from_secs(3_600), ..Channel::named("voice".into()) }],
        queues: names.iter().map(queue).collect(),
        teams: vec![Team { queues: vec![Membership::new("*".into(), 1)], ..Team::named("all".into()) }],
        rules: Rules { session_lease: Span::ZERO, retained_contacts: 1_000, ..Rules::default() },
        ..Policy::default()
    }
}

fn profile(at: usize, dice: &mut Dice) -> AgentProfile {
    let mut skills: Vec<(Text, u8)> = Vec::with_capacity(SKILLS_PER_AGENT);
    while skills.len() < SKILLS_PER_AGENT {
        let skill = skill_id(dice.roll(SKILLS));
        if !skills.iter().any(|(held, _)| *held == skill) {
            skills.push((skill, (dice.roll(LEVELS) + 1) as u8));
        }
    }
    skills.sort();
    AgentProfile {
        agent_id: format!("agent-{at}").into(),
        team: Some("all".into()),
        skills,
        capacity: 100,
        ..AgentProfile::default()
    }
}

/// An engine with its agents, and the client's side of it.
struct World {
    engine: Engine,
    now: Time,
    out: Vec<Recorded>,
    classes: Vec<Class>,
    agents: Vec<Text>,
    dice: Dice,
    serial: u64,
    talking: Vec<(Text, AgentId)>,
    offers: Vec<(LegId, AgentId, ContactId)>,
    seconds: Option<Histogram<u64>>,
    served: u64,
}

impl World {
    fn new(size: Size) -> World {
        let classes = classes(size.classes);
        let mut world = World {
            engine: Engine::new(42),
            now: Time(1_000_000_000_000),
            out: Vec::with_capacity(256),
            agents: Vec::new(),
            dice: Dice(7),
            serial: 0,
            talking: Vec::new(),
            offers: Vec::new(),
            seconds: None,
            served: 0,
            classes,
        };
        let policy = Arc::new(policy(&world.classes));
        world.apply(Command::apply(policy).into());
        let shared: HashMap<Text, Text> = (0..SKILLS).map(|skill| (skill_id(skill), skill_id(skill))).collect();
        for at in 0..size.agents {
            let mut profile = profile(at, &mut world.dice);
            profile.skills.iter_mut().for_each(|(skill, _)| *skill = shared[skill].clone());
            world.agents.push(profile.agent_id.clone());
            world.apply(Command::UpsertAgent { profile: Arc::new(profile) }.into());
        }
        world
    }

    fn sign_in(&mut self) {
        for agent in 0..self.agents.len() {
            let (agent_id, presence) = (self.agents[agent].clone(), Presence::Available);
            self.apply(Command::SignIn { agent_id, presence, lease: None }.into());
        }
    }

    /// What a host does with a command: fires what is due, applies it. Offers made are kept for the client.
    fn apply(&mut self, request: Request) {
        self.now = Time(self.now.0 + 1);
        self.out.clear();
        let begun = self.seconds.is_some().then(Instant::now);
        while self.engine.fire_due(self.now, 64, &mut self.out) {}
        self.engine.apply(self.now, &request, &mut self.out).expect("nothing is refused");
        if let (Some(begun), Some(histogram)) = (begun, &mut self.seconds) {
            histogram.saturating_record(begun.elapsed().as_nanos() as u64);
        }
        for recorded in &self.out {
            if let Event::OfferIssued { leg, agent, contact, .. } = recorded.event {
                self.offers.push((leg, agent, contact));
            }
        }
    }

    fn contact(&mut self) -> Request {
        let class = &self.classes[self.dice.roll(self.classes.len() as u64) as usize];
        self.serial += 1;
        let profile = ContactProfile {
            contact_id: format!("contact-{}", self.serial).into(),
            channel: "voice".into(),
            ..ContactProfile::default()
        };
        let new = NewContact {
            profile: Arc::new(profile),
            queue: class.queue.clone(),
            requirement: Some(class.requirement.clone()),
            ..NewContact::default()
        };
        Command::CreateContact(Arc::new(new)).into()
    }

    /// The agents take what they are offered.
    fn answer(&mut self) {
        while let Some((offer, agent, contact)) = self.offers.pop() {
            let agent_id = self.agents[agent.index()].clone();
            let contact_id = self.engine.state().contact(contact).profile.contact_id.clone();
            self.apply(Command::AcceptOffer { agent_id, offer }.into());
            self.apply(Command::ConnectContact { contact_id: contact_id.clone() }.into());
            self.talking.push((contact_id, agent));
        }
    }

    /// A conversation ends, wrap-up and all.
    fn finish(&mut self, at: usize) {
        let (contact_id, agent) = self.talking.swap_remove(at);
        self.apply(Command::CompleteContact { contact_id: contact_id.clone(), disposition: Text::default() }.into());
        let (agent_id, disposition) = (self.agents[agent.index()].clone(), Text::default());
        self.apply(Command::CompleteWrapUp { agent_id, contact_id, disposition, resolved: None }.into());
        self.served += 1;
    }

    /// One contact comes; one conversation, chosen by lot, ends.
    fn lifecycle(&mut self, arrival: Request) {
        self.apply(arrival);
        self.answer();
        if !self.talking.is_empty() {
            let at = self.dice.roll(self.talking.len() as u64) as usize;
            self.finish(at);
        }
        self.answer();
    }

    /// Lifecycles, the commands built beforehand; CPU nanoseconds for each.
    fn run(&mut self, lifecycles: usize) -> f64 {
        let (mut spent, served) = (0, self.served);
        let mut left = lifecycles;
        while left > 0 {
            let batch = left.min(10_000);
            let arrivals: Vec<Request> = (0..batch).map(|_| self.contact()).collect();
            let begun = cpu();
            for arrival in arrivals {
                self.lifecycle(arrival);
            }
            spent += cpu() - begun;
            left -= batch;
        }
        spent as f64 / (self.served - served).max(1) as f64
    }

    /// Everybody who waits leaves, everybody who talks is done: then all is closed.
    fn close(mut self) -> f64 {
        let waiting: Vec<Text> = self
            .engine
            .state()
            .contacts_from(0)
            .filter(|(_, contact)| contact.entry.is_some())
            .map(|(_, contact)| contact.profile.contact_id.clone())
            .collect();
        let begun = cpu();
        let left = waiting.len().max(1);
        for contact_id in waiting {
            self.apply(Command::CancelContact { contact_id, cause: CancelCause::CustomerLeft }.into());
        }
        let each = (cpu() - begun) as f64 / left as f64;
        self.offers.clear();
        while !self.talking.is_empty() {
            self.finish(0);
        }
        let state = self.engine.state();
        assert_eq!(state.live_contact_count(), 0, "every contact is closed");
        let mut offered = 0;
        for queue in 0..state.queue_count() {
            let books = state.tally().books(QueueId(queue as u32), Direction::Inbound);
            assert!(books.close() && books.waiting == 0, "the books close: {books:?}");
            offered += books.offered;
        }
        assert_eq!(offered, self.serial, "every contact was offered once");
        each
    }
}

/// What one size showed, in the order of `COLUMNS`.
type Row = (Size, [f64; COLUMNS]);

const COLUMNS: usize = 12;
/// The column that growth is told of.
const LIFECYCLE: usize = 0;

fn measure(size: Size, lifecycles: usize) -> [f64; COLUMNS] {
    let empty = resident();
    let mut world = World::new(size);
    let (sight_mean, sight_max) = first_sights(&mut world);
    world.sign_in();
    let agent_bytes = resident().saturating_sub(empty) as f64 / size.agents as f64;
    let before = resident();
    // Half the agents talk where nobody is to wait; where many do, all talk and the rest of the contacts wait.
    let backlog = if size.waiting == 0 { size.agents / 2 } else { size.agents + size.waiting };
    for _ in 0..backlog {
        let arrival = world.contact();
        world.apply(arrival);
        world.answer();
    }
    let waiting = world.engine.state().live_contact_count() as usize - world.talking.len();
    let waiting_bytes = match size.waiting {
        0 => 0.0,
        _ => resident().saturating_sub(before) as f64 / waiting as f64,
    };
    world.run(lifecycles / 4);
    let lifecycle = world.run(lifecycles);
    world.seconds = Some(Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("these bounds can be kept"));
    world.run(lifecycles / 2);
    let decisions = world.seconds.take().expect("it was set above");
    let leaving = world.close();
    let at = |quantile: f64| decisions.value_at_quantile(quantile) as f64;
    let most = decisions.max() as f64;
    let (arrival, freed) = scan(size);
    let (arrival, freed) = (arrival / lifecycle, freed / lifecycle);
    [
        lifecycle,
        at(0.5),
        at(0.99),
        at(0.999),
        most,
        sight_mean,
        sight_max,
        agent_bytes,
        waiting_bytes,
        leaving,
        arrival,
        freed,
    ]
}

/// The cost of a contact whose class was never seen, over all classes: mean and most, in microseconds.
fn first_sights(world: &mut World) -> (f64, f64) {
    let (mut total, mut most) = (0.0, 0.0f64);
    for at in 0..world.classes.len() {
        let class = &world.classes[at];
        let contact_id: Text = format!("first-{at}").into();
        let profile =
            ContactProfile { contact_id: contact_id.clone(), channel: "voice".into(), ..ContactProfile::default() };
        let new = NewContact {
            profile: Arc::new(profile),
            queue: class.queue.clone(),
            requirement: Some(class.requirement.clone()),
            ..NewContact::default()
        };
        world.serial += 1;
        let begun = Instant::now();
        world.apply(Command::CreateContact(Arc::new(new)).into());
        let spent = begun.elapsed().as_nanos() as f64 / 1_000.0;
        (total, most) = (total + spent, most.max(spent));
        world.apply(Command::CancelContact { contact_id, cause: CancelCause::CustomerLeft }.into());
    }
    (total / world.classes.len() as f64, most)
}

/// 1,000 agents become available at once over 5,000 waiting contacts: milliseconds for all offers.
fn stampede() -> f64 {
    let (agents, waiting) = (1_000, 5_000);
    let mut world = World::new(Size { agents, waiting, classes: 200 });
    for _ in 0..waiting {
        let arrival = world.contact();
        world.apply(arrival);
    }
    let signs: Vec<Request> = world
        .agents
        .iter()
        .map(|agent_id| {
            Command::SignIn { agent_id: agent_id.clone(), presence: Presence::Available, lease: None }.into()
        })
        .collect();
    let begun = Instant::now();
    for sign_in in signs {
        world.apply(sign_in);
    }
    let spent = begun.elapsed().as_nanos() as f64 / 1e6;
    // The few whose eight skills nobody waiting asks for at their level stay idle.
    assert!(world.offers.len() >= agents * 98 / 100, "{} agents are offered a contact", world.offers.len());
    world.answer();
    world.close();
    spent
}

/// What a linear scan takes for the two picks of a lifecycle: the longest idle of the agents, half of them busy, who may
/// take a contact; and, where contacts wait, the first of those an agent may take. Nanoseconds for each.
fn scan(size: Size) -> (f64, f64) {
    let mut dice = Dice(7);
    let classes = classes(size.classes);
    let mut levels = vec![[0u8; SKILLS as usize]; size.agents];
    for held in &mut levels {
        for _ in 0..SKILLS_PER_AGENT {
            held[dice.roll(SKILLS) as usize] = (dice.roll(LEVELS) + 1) as u8;
        }
    }
    let idle: Vec<Option<u64>> = (0..size.agents).map(|at| (at % 2 == 0).then(|| dice.roll(1 << 40))).collect();
    let waiting: Vec<(u64, u32)> =
        (0..size.waiting as u64).map(|at| (at, dice.roll(size.classes as u64) as u32)).collect();
    let rounds = (200_000_000 / size.agents) as u64;
    let begun = cpu();
    for round in 0..rounds {
        let class = &classes[(round % size.classes as u64) as usize];
        let able =
            |&(at, since): &(usize, &Option<u64>)| since.is_some() && levels[at][class.skill as usize] >= class.level;
        black_box(idle.iter().enumerate().filter(able).min_by_key(|(at, since)| (**since, *at)));
    }
    let arrival = (cpu() - begun) as f64 / rounds as f64;
    let rounds = 100;
    let begun = cpu();
    for round in 0..rounds {
        let held = &levels[(round as usize * 31) % size.agents];
        let able = |(_, class): &&(u64, u32)| {
            let class = &classes[*class as usize];
            held[class.skill as usize] >= class.level
        };
        black_box(waiting.iter().filter(able).min());
    }
    (arrival, (cpu() - begun) as f64 / rounds as f64)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Process::new(program).args(arguments).output().ok();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let dirty = if output("git", &["status", "--porcelain"]).is_empty() { "" } else { " and changes" };
    format!("{cpus} x {model}; commit {}{dirty}", output("git", &["rev-parse", "--short", "HEAD"]))
}

fn numbers(arguments: &[String], name: &str, otherwise: &[usize]) -> Vec<usize> {
    let at = arguments.iter().position(|argument| argument == name);
    let Some(list) = at.and_then(|at| arguments.get(at + 1)) else { return otherwise.to_vec() };
    list.split(',').map(|number| number.parse().unwrap_or_else(|_| panic!("{name} takes numbers"))).collect()
}

/// Measures one size in a process of its own, so that no memory freed by another is taken for free.
fn apart(size: Size, lifecycles: usize) -> Row {
    let Size { agents, waiting, classes } = size;
    let numbers = [agents, waiting, classes, lifecycles].map(|number| number.to_string());
    let program = std::env::current_exe().expect("this program has a path");
    let output = Process::new(program).arg("--one").args(numbers).output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let mut columns = [0.0; COLUMNS];
    let mut words = text.split_whitespace();
    columns.fill_with(|| words.next().and_then(|word| word.parse().ok()).expect("a row has all its columns"));
    (size, columns)
}

fn one(arguments: &[String]) {
    let numbers: Vec<usize> = arguments.iter().map(|word| word.parse().expect("sizes are numbers")).collect();
    let [agents, waiting, classes, lifecycles] = numbers[..] else { panic!("--one takes four numbers") };
    let columns = measure(Size { agents, waiting, classes }, lifecycles);
    println!("{}", columns.map(|column| column.to_string()).join(" "));
}

fn head() {
    println!(
        "{:>7} {:>8} {:>7} | {:>9} | {:>6} {:>6} {:>6} {:>8} | {:>14} | {:>7} {:>7} | {:>8} | {:>9} {:>10}",
        "agents",
        "waiting",
        "classes",
        "lifecycle",
        "p50",
        "p99",
        "p99.9",
        "max",
        "first sight",
        "B/agent",
        "B/wait",
        "leaving",
        "scan agt",
        "scan wait"
    );
}

fn print((Size { agents, waiting, classes }, columns): &Row) {
    let [lifecycle, p50, p99, p999, most, sight, sight_most, agent, wait, leaving, arrival, freed] = columns;
    println!(
        "{agents:>7} {waiting:>8} {classes:>7} | {lifecycle:>6.0} ns | {p50:>6} {p99:>6} {p999:>6} {most:>8} | \
         {sight:>6.1} {sight_most:>4.0} µs | {agent:>7.0} {wait:>7.0} | {leaving:>5.0} ns | {arrival:>8.1}x {freed:>9.1}x"
    );
}

fn legend() {
    println!("lifecycle: CPU per lifecycle (5 commands). p50 to max: one command with what fell due, ns of wall time.");
    println!("first sight: mean and most for a class never seen. leaving: CPU per contact when all who wait leave.");
    println!("scan: a linear scan's pick alone over the engine's whole lifecycle.");
}

fn growth(rows: &[Row]) {
    let few = rows.iter().map(|(size, _)| size.agents).min().unwrap_or(0);
    for (size, columns) in rows.iter().filter(|(size, _)| size.agents != few) {
        if let Some((_, small)) = rows.iter().find(|(other, _)| *other == Size { agents: few, ..*size }) {
            let Size { agents, waiting, classes } = size;
            let growth = columns[LIFECYCLE] / small[LIFECYCLE];
            println!("growth {few} -> {agents} agents, {waiting} waiting, {classes} classes: {growth:.2}x");
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--one") {
        return one(&arguments[at + 1..]);
    }
    let short = arguments.iter().any(|argument| argument == "--short");
    let (agents, waiting) = if short { (&[1_000, 10_000], &[0, 20_000]) } else { (&[1_000, 100_000], &[0, 1_000_000]) };
    let agents = numbers(&arguments, "--agents", agents);
    let waiting = numbers(&arguments, "--waiting", waiting);
    let counts = numbers(&arguments, "--classes", &[200, 2_000]);
    let lifecycles = numbers(&arguments, "--lifecycles", &[if short { 20_000 } else { 200_000 }])[0];
    println!("engine bench: {}", machine());
    println!(
        "{SKILLS} skills, {LEVELS} levels, {SKILLS_PER_AGENT} random skills per agent, a class asks for one; \
         {lifecycles} lifecycles; sizes in bytes: contact {}, leg {}, agent {}, recorded event {}",
        size_of::<usher::engine::contact::Contact>(),
        size_of::<usher::engine::contact::Leg>(),
        size_of::<usher::engine::agent::Agent>(),
        size_of::<Recorded>(),
    );
    let mut rows = Vec::new();
    head();
    for &agents in &agents {
        for &waiting in &waiting {
            for &classes in &counts {
                rows.push(apart(Size { agents, waiting, classes }, lifecycles));
                print(&rows[rows.len() - 1]);
            }
        }
    }
    legend();
    growth(&rows);
    let stampedes = std::iter::repeat_with(stampede).take(5).collect::<Vec<f64>>();
    let (least, most) =
        (stampedes.iter().copied().fold(f64::MAX, f64::min), stampedes.iter().copied().fold(0.0, f64::max));
    println!("stampede: 1000 agents sign in over 5000 waiting: all offers in {least:.2} to {most:.2} ms");
}

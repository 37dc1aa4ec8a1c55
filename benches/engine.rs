//! The engine alone: whole lifecycles (create, offer, accept, connect, complete, wrap-up ends; all events evolved) at
//! several sizes, single decisions, the first sight of a class, memory, a stampede, and a linear scan beside it.
//!
//! ```text
//! cargo bench --bench engine -- --strategies [--lifecycles 20000]
//! cargo bench --bench engine -- [--agents 1000,100000] [--waiting 0,1000000] [--classes 200,2000]
//!                               [--lifecycles 100000] [--short]
//! ```
//!
//! With `--strategies` every selection of agents, rule and order of contacts is run beside the default policy instead,
//! and printed as a ratio of the same run.
//!
//! 200 skills, 5 levels, 8 random skills per agent, every profile distinct. A class asks for one skill at a level; past
//! 1000 classes a second queue asks the same. Where nobody waits half the agents talk, else all do. Every size runs in
//! processes of its own, with the allocator's huge pages off (`MIMALLOC_ALLOW_THP=0`). CPU time is the thread's own
//! (`/proc/thread-self/schedstat`), which moves in steps of a few milliseconds. What it times it also checks: at the end
//! every contact is CLOSED and the books of every queue close.

use std::fs;
use std::hint::black_box;
use std::ops::Range;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Instant;

use usher::config::score;
use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact, Request};
use usher::engine::contact::{CancelCause, ContactProfile, Direction};
use usher::engine::event::{Event, Recorded};
use usher::engine::id::{AgentId, ContactId, LegId, QueueId, Text};
use usher::engine::policy::{
    Channel, ContactOrder, Hysteresis, IdleClock, Membership, OfferRate, Policy, Queue, Reserve, Rules, Selection,
    Skill, Team, WrapUp,
};
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

/// `names` are those of all skills, shared by all agents.
fn profile(at: usize, names: &[Text], dice: &mut Dice) -> AgentProfile {
    let mut skills: Vec<(Text, u8)> = Vec::with_capacity(SKILLS_PER_AGENT);
    while skills.len() < SKILLS_PER_AGENT {
        let skill = &names[dice.roll(SKILLS) as usize];
        if !skills.iter().any(|(held, _)| held == skill) {
            skills.push((skill.clone(), (dice.roll(LEVELS) + 1) as u8));
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

/// What a strategy changes in the policy.
type Change = fn(&mut Policy);

/// An engine with its agents, and the client's side of it.
struct World {
    engine: Engine,
    now: Time,
    out: Vec<Recorded>,
    classes: Vec<Class>,
    dice: Dice,
    serial: u64,
    talking: Vec<(Text, AgentId)>,
    offers: Vec<(LegId, AgentId, ContactId)>,
    voice: Text,
    /// Nanoseconds of wall time of each step, while they are recorded.
    steps: Option<Vec<u32>>,
    served: u64,
}

impl World {
    fn new(size: Size) -> World {
        World::under(size, |_| {})
    }

    /// Under the policy of all sizes with something else in it.
    fn under(size: Size, change: Change) -> World {
        let classes = classes(size.classes);
        let mut world = World {
            engine: Engine::new(42),
            now: Time(1_000_000_000_000),
            out: Vec::with_capacity(256),
            dice: Dice(7),
            serial: 0,
            talking: Vec::new(),
            offers: Vec::new(),
            voice: "voice".into(),
            steps: None,
            served: 0,
            classes,
        };
        let mut policy = policy(&world.classes);
        change(&mut policy);
        world.apply(Command::apply(Arc::new(policy)).into());
        world.hire(size.agents);
        world
    }

    fn hire(&mut self, agents: usize) {
        let names: Vec<Text> = (0..SKILLS).map(skill_id).collect();
        for at in 0..agents {
            let profile = profile(at, &names, &mut self.dice);
            self.apply(Command::UpsertAgent { profile: Arc::new(profile) }.into());
        }
    }

    fn sign_in(&mut self) {
        for agent in (0..self.engine.state().agent_slots()).map(AgentId) {
            let (agent_id, presence) = (self.agent_id(agent), Presence::Available);
            self.apply(Command::SignIn { agent_id, presence, lease: None }.into());
        }
    }

    fn agent_id(&self, agent: AgentId) -> Text {
        self.engine.state().agent(agent).profile.agent_id.clone()
    }

    /// What a host does with a command: fires what is due, applies it. Offers made are kept for the client.
    fn apply(&mut self, request: Request) {
        self.now = Time(self.now.0 + 1);
        self.out.clear();
        let begun = self.steps.is_some().then(Instant::now);
        while self.engine.fire_due(self.now, 64, &mut self.out) {}
        self.engine.apply(self.now, &request, &mut self.out).expect("nothing is refused");
        if let (Some(begun), Some(steps)) = (begun, &mut self.steps) {
            steps.push(begun.elapsed().as_nanos() as u32);
        }
        for recorded in &self.out {
            if let Event::OfferIssued { leg, agent, contact, .. } = recorded.event {
                self.offers.push((leg, agent, contact));
            }
        }
    }

    fn contact(&mut self) -> Request {
        let class = self.dice.roll(self.classes.len() as u64) as usize;
        self.contact_of(class).1
    }

    fn contact_of(&mut self, class: usize) -> (Text, Request) {
        let class = &self.classes[class];
        self.serial += 1;
        let contact_id: Text = format!("contact-{}", self.serial).into();
        let (profile, channel) = (ContactProfile::default(), self.voice.clone());
        let new = NewContact {
            profile: Arc::new(ContactProfile { contact_id: contact_id.clone(), channel, ..profile }),
            queue: class.queue.clone(),
            requirement: Some(class.requirement.clone()),
            ..NewContact::default()
        };
        (contact_id, Command::CreateContact(Arc::new(new)).into())
    }

    /// The agents take what they are offered.
    fn answer(&mut self) {
        while let Some((offer, agent, contact)) = self.offers.pop() {
            let agent_id = self.agent_id(agent);
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
        let (agent_id, disposition) = (self.agent_id(agent), Text::default());
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

/// What one size showed.
struct Row {
    size: Size,
    /// CPU nanoseconds per lifecycle.
    lifecycle: f64,
    /// Nanoseconds of each step of a run, sorted.
    steps: Vec<u32>,
    /// Those of each class first seen that asks for one skill, and for two.
    sights: [Vec<u32>; 2],
    /// CPU nanoseconds per contact that leaves the line.
    leaving: f64,
    /// A linear scan's pick over the whole lifecycle: of an agent, of a contact.
    scan: (f64, f64),
}

/// Runs one size: lifecycle, leaving, then the steps and first sights, a line each.
fn measure(size: Size, lifecycles: usize) {
    let mut world = World::new(size);
    world.sign_in();
    let plain = world.first_sights(0..size.classes);
    // Half the agents talk where nobody is to wait; where many do, all talk and the rest of the contacts wait.
    let backlog = if size.waiting == 0 { size.agents / 2 } else { size.agents + size.waiting };
    for _ in 0..backlog {
        let arrival = world.contact();
        world.apply(arrival);
        world.answer();
    }
    world.run(lifecycles / 4);
    let lifecycle = world.run(lifecycles);
    world.steps = Some(Vec::with_capacity(lifecycles * 6));
    world.run(lifecycles / 2);
    let steps = world.steps.take().expect("it was set above");
    let two = world.ask_for_two();
    let compound = world.first_sights(two);
    println!("{lifecycle} {}", world.close());
    for steps in [steps, plain, compound] {
        println!("{}", steps.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    }
}

impl World {
    /// A contact of each of these classes, none of which was seen, comes and leaves: the nanoseconds each takes to come.
    fn first_sights(&mut self, classes: Range<usize>) -> Vec<u32> {
        let mut sights = Vec::new();
        for class in classes {
            let (contact_id, arrival) = self.contact_of(class);
            self.steps = Some(Vec::with_capacity(1));
            self.apply(arrival);
            sights.append(&mut self.steps.take().expect("it was set above"));
            self.offers.clear();
            self.apply(Command::CancelContact { contact_id, cause: CancelCause::CustomerLeft }.into());
        }
        sights
    }

    /// Adds classes that ask for two skills: which of all there are.
    fn ask_for_two(&mut self) -> Range<usize> {
        let begun = self.classes.len();
        for at in 0..200 {
            let (one, other) = (self.classes[at % begun].requirement.clone(), (at as u64 * 7 + 3) % SKILLS);
            let second = Expr::Skill { skill: skill_id(other), comparison: Comparison::AtLeast, level: 2 };
            let text = format!("{} and {} >= 2", one.text, skill_id(other)).into();
            let requirement = Arc::new(Requirement { text, expr: Expr::All(vec![one.expr.clone(), second]) });
            self.classes.push(Class { queue: self.classes[0].queue.clone(), skill: other, level: 2, requirement });
        }
        begun..self.classes.len()
    }
}

/// Resident bytes that agents who are signed in add to an engine, each; then what contacts that wait add.
fn memory(size: Size) {
    let mut world = World::new(Size { agents: 0, ..size });
    world.first_sights(0..size.classes);
    let empty = resident();
    world.hire(size.agents);
    world.sign_in();
    let agents = resident();
    // More than the agents can take, so that all talk before the line is measured.
    for _ in 0..size.agents * 2 {
        let arrival = world.contact();
        world.apply(arrival);
        world.answer();
    }
    let (talking, before) = (world.talking.len(), resident());
    for _ in 0..size.waiting {
        let arrival = world.contact();
        world.apply(arrival);
        world.answer();
    }
    let waiting = size.waiting - (world.talking.len() - talking);
    let each = |bytes: u64, count: usize| bytes as f64 / count.max(1) as f64;
    println!("{} {}", each(agents - empty, size.agents), each(resident() - before, waiting));
}

/// 100,000 contacts wait and no agent is there: when the engine wants to be called next, in seconds, and the
/// nanoseconds a call before that takes, which nobody needs to make.
fn quiet() -> (f64, f64) {
    let mut world = World::new(Size { agents: 0, waiting: 0, classes: 200 });
    for _ in 0..100_000 {
        let arrival = world.contact();
        world.apply(arrival);
    }
    let next = world.engine.next_deadline().expect("those who wait do not wait for ever");
    world.out.clear();
    let (calls, begun) = (1_000_000, cpu());
    for _ in 0..calls {
        assert!(!world.engine.fire_due(black_box(world.now), 64, &mut world.out));
    }
    let spent = (cpu() - begun) as f64 / f64::from(calls);
    assert!(world.out.is_empty(), "nothing is due");
    let until = next.since(world.now).0 as f64 / 1e6;
    world.close();
    (until, spent)
}

/// 1,000 agents become available at once over 5,000 waiting contacts: milliseconds for all offers.
fn stampede() -> f64 {
    let (agents, waiting) = (1_000, 5_000);
    let mut world = World::new(Size { agents, waiting, classes: 200 });
    for _ in 0..waiting {
        let arrival = world.contact();
        world.apply(arrival);
    }
    let sign_in = |agent| {
        let (agent_id, presence) = (world.agent_id(AgentId(agent)), Presence::Available);
        Command::SignIn { agent_id, presence, lease: None }.into()
    };
    let signs: Vec<Request> = (0..agents as u32).map(sign_in).collect();
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

/// Selections of agents, and rules about them: what each changes.
// tidy: table
const SELECTIONS: [(&str, Change); 17] = [
    ("idle_clock inbound", |policy| policy.queues[0].idle_clock = IdleClock::Inbound),
    ("ranked", |policy| policy.queues[0].selection = Selection::Ranked),
    ("least_occupied", |policy| policy.queues[0].selection = Selection::LeastOccupied),
    ("least_loaded", |policy| policy.queues[0].selection = Selection::LeastLoaded),
    ("best_skilled", |policy| policy.queues[0].selection = Selection::BestSkilled),
    ("least_skilled", |policy| policy.queues[0].selection = Selection::LeastSkilled),
    ("fewest_contacts", |policy| policy.queues[0].selection = Selection::FewestContacts),
    ("round_robin", |policy| policy.queues[0].selection = Selection::RoundRobin),
    ("ordered", |policy| policy.queues[0].selection = Selection::Ordered),
    ("random", |policy| policy.queues[0].selection = Selection::Random),
    ("best_score", |policy| {
        policy.queues[0].selection = Selection::BestScore;
        policy.queues[0].score = score::parse("10 * s000 + attr.years - s001", &|_| true).ok().map(Arc::new);
    }),
    ("reserve keep_idle 1", |policy| policy.reserves.push(reserve(1))),
    ("reserve with hysteresis, within target", |policy| {
        let hysteresis = Some(Hysteresis { start: 0, stop: 0, ratio_ppm: 0 });
        policy.reserves.push(Reserve { hysteresis, lender_within_target: true, ..reserve(0) });
    }),
    ("excludes", |policy| {
        policy.channels.push(Channel { excludes: vec!["voice".into()], ..Channel::named("chat".into()) });
    }),
    ("max_occupancy", |policy| policy.teams[0].max_occupancy = Some(1_000_000)),
    ("offer_rate_limit", |policy| {
        policy.teams[0].offer_rate_limit = Some(OfferRate { offers: 100, per: Span(1) });
    }),
    ("the default again", |_| {}),
];

fn reserve(keep_idle: u32) -> Reserve {
    let (team, queue) = ("all".into(), "q0".into());
    Reserve { team, queue, keep_idle, release_after: None, lender_within_target: false, hysteresis: None }
}

/// Orders of contacts.
const ORDERS: [(&str, Change); 7] = [
    ("aging_per_minute", |policy| policy.queues[0].aging = 500_000),
    ("max_wait_first", |policy| policy.queues[0].max_wait_first = Some(Span::from_secs(60))),
    ("service_level_urgency", |policy| policy.teams[0].contact_order = ContactOrder::ServiceLevelUrgency),
    ("cmu_theta", |policy| policy.teams[0].contact_order = ContactOrder::CmuTheta),
    ("queue_ratio by count", |policy| policy.teams[0].contact_order = ContactOrder::QueueRatioCount),
    ("queue_ratio by delay", |policy| policy.teams[0].contact_order = ContactOrder::QueueRatioDelay),
    ("the default again", |_| {}),
];

/// CPU nanoseconds per lifecycle under a strategy.
fn cost(size: Size, lifecycles: usize, change: Change) -> f64 {
    let mut world = World::under(size, change);
    world.sign_in();
    let backlog = if size.waiting == 0 { size.agents / 2 } else { size.agents + size.waiting };
    for _ in 0..backlog {
        let arrival = world.contact();
        world.apply(arrival);
        world.answer();
    }
    world.run(lifecycles / 4);
    let cost = world.run(lifecycles);
    world.close();
    cost
}

/// Every strategy beside the default, as the middle of three ratios, each of two runs one after the other.
fn strategies(size: Size, lifecycles: usize, of: &[(&str, Change)]) {
    let Size { agents, waiting, classes } = size;
    println!("lifecycle over that of the default policy: {agents} agents, {waiting} waiting, {classes} classes");
    for (name, change) in of {
        let ratio = |_| {
            let default = cost(size, lifecycles, |_| {});
            cost(size, lifecycles, *change) / default
        };
        let mut ratios: Vec<f64> = (0..RUNS).map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        println!("{name:<40} | {:>6.2}x ({:.2} to {:.2})", ratios[RUNS / 2], ratios[0], ratios[RUNS - 1]);
    }
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

/// Runs this program again with these arguments, so that no memory freed by another size is taken for free.
fn apart(arguments: &[&str], size: Size, lifecycles: usize) -> String {
    let Size { agents, waiting, classes } = size;
    let program = std::env::current_exe().expect("this program has a path");
    let mut child = Process::new(program);
    // Huge pages off: the kernel clears 2 MB when the first byte of one is touched, which takes milliseconds at worst and
    // counts whole as memory.
    child.env("MIMALLOC_ALLOW_THP", "0");
    let numbers = [agents, waiting, classes, lifecycles].map(|number| number.to_string());
    let output = child.args(arguments).args(numbers).output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn words<T: std::str::FromStr>(line: &str) -> Vec<T> {
    line.split_whitespace().map(|word| word.parse().ok().expect("a number")).collect()
}

/// Three runs of one size. They take the same steps, so the least that each step took is what it costs without what
/// else the machine did meanwhile.
fn row(size: Size, lifecycles: usize) -> Row {
    let mut costs: Vec<(f64, f64)> = Vec::new();
    let mut least: [Vec<u32>; 3] = Default::default();
    for _ in 0..RUNS {
        let text = apart(&["--one"], size, lifecycles);
        let mut lines = text.lines();
        let cost: Vec<f64> = words(lines.next().expect("a line of costs"));
        costs.push((cost[0], cost[1]));
        for least in &mut least {
            let steps: Vec<u32> = words(lines.next().expect("a line of steps"));
            assert!(least.is_empty() || least.len() == steps.len(), "the runs take the same steps");
            match least.is_empty() {
                true => *least = steps,
                false => least.iter_mut().zip(steps).for_each(|(least, step)| *least = step.min(*least)),
            }
        }
    }
    least.iter_mut().for_each(|steps| steps.sort_unstable());
    costs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (lifecycle, leaving) = costs[RUNS / 2];
    let [steps, plain, compound] = least;
    let (agent, contact) = scan(size);
    Row { size, lifecycle, steps, sights: [plain, compound], leaving, scan: (agent / lifecycle, contact / lifecycle) }
}

const RUNS: usize = 3;

fn child(kind: &str, arguments: &[String]) {
    let numbers: Vec<usize> = arguments.iter().map(|word| word.parse().expect("sizes are numbers")).collect();
    let [agents, waiting, classes, lifecycles] = numbers[..] else { panic!("{kind} takes four numbers") };
    let size = Size { agents, waiting, classes };
    match kind {
        "--one" => measure(size, lifecycles),
        _ => memory(size),
    }
}

fn head() {
    println!(
        "{:>7} {:>8} {:>7} | {:>9} | {:>6} {:>6} {:>6} {:>7} | {:>13} {:>13} | {:>8} | {:>8} {:>9}",
        "agents",
        "waiting",
        "classes",
        "lifecycle",
        "p50",
        "p99",
        "p99.9",
        "max",
        "1st, 1 skill",
        "1st, 2 skills",
        "leaving",
        "scan agt",
        "scan wait"
    );
}

fn quantile(sorted: &[u32], quantile: f64) -> f64 {
    f64::from(sorted[((sorted.len() - 1) as f64 * quantile).round() as usize])
}

fn print(row: &Row) {
    let Row { size: Size { agents, waiting, classes }, lifecycle, steps, sights, leaving, scan } = row;
    let [p50, p99, p999, most] = [0.5, 0.99, 0.999, 1.0].map(|at| quantile(steps, at));
    let sight = |steps: &[u32]| {
        let mean = steps.iter().map(|&step| f64::from(step)).sum::<f64>() / steps.len() as f64;
        format!("{:.1} {:>5.1} µs", mean / 1e3, quantile(steps, 1.0) / 1e3)
    };
    println!(
        "{agents:>7} {waiting:>8} {classes:>7} | {lifecycle:>6.0} ns | {p50:>6} {p99:>6} {p999:>6} {most:>7} | {:>13} {:>13} | \
         {leaving:>5.0} ns | {:>7.1}x {:>8.1}x",
        sight(&sights[0]),
        sight(&sights[1]),
        scan.0,
        scan.1,
    );
}

fn legend() {
    println!(
        "lifecycle: CPU per lifecycle (5 commands), the middle of {RUNS} runs. p50 to max: one command with what fell"
    );
    println!("due, ns of wall time; every run takes the same steps, and of each step the least of {RUNS} counts.");
    println!("1st: a class never seen, mean and most. leaving: CPU per contact when all who wait leave.");
    println!("scan: a linear scan's pick alone over the engine's whole lifecycle.");
}

/// What was asked for beside what was reached.
fn asked(what: &str, asked: f64, reached: f64, unit: &str) {
    let verdict = if reached <= asked { "met" } else { "missed" };
    println!("{what:<64} | {asked:>6} {unit:<3} | {reached:>8.2} {unit:<3} | {verdict}");
}

fn verdicts(rows: &[Row]) {
    println!("{:<64} | {:>10} | {:>12} |", "what", "asked", "reached");
    for Row { size: Size { agents, waiting, classes }, lifecycle, steps, sights, .. } in rows {
        let at = format!("{agents} agents, {waiting} waiting, {classes} classes");
        let aim = if *agents <= 1_000 { 2.0 } else { 4.0 };
        asked(&format!("lifecycle, {at}"), aim, lifecycle / 1e3, "µs");
        asked(&format!("one command p99.9, {at}"), 5.0, quantile(steps, 0.999) / 1e3, "µs");
        asked(&format!("longest step, {at}"), 50.0, quantile(steps, 1.0) / 1e3, "µs");
        for (sights, skills) in sights.iter().zip(["one skill", "two skills"]) {
            asked(&format!("class never seen, {skills}, {at}"), 50.0, quantile(sights, 1.0) / 1e3, "µs");
        }
    }
}

fn growth(rows: &[Row]) {
    let few = rows.iter().map(|row| row.size.agents).min().unwrap_or(0);
    for row in rows.iter().filter(|row| row.size.agents != few) {
        if let Some(small) = rows.iter().find(|other| other.size == Size { agents: few, ..row.size }) {
            let Size { agents, waiting, classes } = row.size;
            let what = format!("growth {few} -> {agents} agents, {waiting} waiting, {classes} classes");
            asked(&what, 3.0, row.lifecycle / small.lifecycle, "x");
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| ["--one", "--memory"].contains(&argument.as_str())) {
        return child(&arguments[at], &arguments[at + 1..]);
    }
    let short = arguments.iter().any(|argument| argument == "--short");
    if arguments.iter().any(|argument| argument == "--strategies") {
        println!("engine bench: {}", machine());
        let lifecycles = numbers(&arguments, "--lifecycles", &[20_000])[0];
        strategies(Size { agents: 1_000, waiting: 0, classes: 200 }, lifecycles, &SELECTIONS);
        return strategies(Size { agents: 1_000, waiting: 5_000, classes: 200 }, lifecycles, &ORDERS);
    }
    let (agents, waiting) = if short { (&[1_000, 10_000], &[0, 20_000]) } else { (&[1_000, 100_000], &[0, 1_000_000]) };
    let agents = numbers(&arguments, "--agents", agents);
    let waiting = numbers(&arguments, "--waiting", waiting);
    let counts = numbers(&arguments, "--classes", &[200, 2_000]);
    let lifecycles = numbers(&arguments, "--lifecycles", &[if short { 20_000 } else { 100_000 }])[0];
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
                rows.push(row(Size { agents, waiting, classes }, lifecycles));
                print(&rows[rows.len() - 1]);
            }
        }
    }
    legend();
    verdicts(&rows);
    growth(&rows);
    let most = |numbers: &[usize]| numbers.iter().copied().max().unwrap_or(0);
    for &classes in &counts {
        let size = Size { agents: most(&agents), waiting: most(&waiting), classes };
        let bytes: Vec<f64> = words(&apart(&["--memory"], size, 0));
        asked(&format!("memory per agent, {} agents, {classes} classes", size.agents), 1_024.0, bytes[0], "B");
        if size.waiting > 0 {
            asked(&format!("memory per waiting contact, {} waiting", size.waiting), 512.0, bytes[1], "B");
        }
    }
    let mut stampedes: Vec<f64> = std::iter::repeat_with(stampede).take(5).collect();
    stampedes.sort_by(f64::total_cmp);
    asked("stampede: 1000 agents sign in over 5000 waiting", 5.0, stampedes[2], "ms");
    println!("  (the middle of five from {:.2} to {:.2} ms)", stampedes[0], stampedes[4]);
    let (until, call) = quiet();
    asked("CPU with 100000 waiting and no agent, until the next call", 0.01, call / 1e9 / until * 100.0, "%");
    println!("  (it wants to be called next in {until:.0} s; a call before that takes {call:.0} ns and does nothing)");
}

//! A large configuration: how long it takes to load, and how long each kind of change of it holds the engine.
//!
//! ```text
//! cargo bench --bench reload -- [--queues 5000] [--agents 100000] [--classes 2000] [--short]
//! ```
//!
//! One team per 25 queues, 200 skills, 8 random skills per agent, a requirement on every other queue. The agents of half
//! the teams are signed in and talk; in the queues of the others contacts wait. A change is made in the text, which is
//! read again; what is done beside the writer (reading, comparing, digest) and what holds it (the look ahead, the command
//! with all that follows from it, its events as the journal writes them) are told apart. What it times it also checks: each
//! change makes one version, contacts keep waiting, and the engine's audit finds nothing.

use std::sync::Arc;
use std::time::Instant;

use usher::config::{self, canonical, diff};
use usher::engine::Engine;
use usher::engine::agent::Presence;
use usher::engine::command::{Command, NewContact, Request};
use usher::engine::contact::ContactProfile;
use usher::engine::event::{Event, Recorded};
use usher::engine::id::Text;
use usher::engine::policy::{Policy, PolicyChange};
use usher::engine::time::Time;
use usher::journal::codec;
use usher::wire::Writer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKILLS: usize = 200;
const SKILLS_PER_AGENT: usize = 8;
const QUEUES_PER_TEAM: usize = 25;

struct Size {
    queues: usize,
    agents: usize,
    classes: usize,
}

/// The configuration as an operator's tool would write it.
fn text(size: &Size) -> String {
    let mut text = String::from("[[tenants]]\nid = \"default\"\nsession_lease = \"0s\"\n");
    text +=
        "[[tenants.channels]]\nid = \"voice\"\noffer_timeout = \"1h\"\nconnect = \"on_accept\"\nauto_accept = true\n";
    for skill in 0..SKILLS {
        text += &format!("[[tenants.skills]]\nid = \"s{skill}\"\n");
    }
    for queue in 0..size.queues {
        text += &format!("[[tenants.queues]]\nid = \"q{queue}\"\nservice_level = {{ threshold = \"20s\" }}\n");
        if queue.is_multiple_of(2) {
            text += &format!("require = \"s{} >= {}\"\n", queue / 2 % SKILLS, queue % 3 + 1);
        }
    }
    let teams = size.queues / QUEUES_PER_TEAM;
    for team in 0..teams {
        let served = (0..QUEUES_PER_TEAM).map(|at| format!("{{ id = \"q{}\" }}", team * QUEUES_PER_TEAM + at));
        let served = served.collect::<Vec<_>>().join(", ");
        text += &format!("[[tenants.teams]]\nid = \"t{team}\"\nqueues = [{served}]\n");
    }
    let mut dice = 7u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    for agent in 0..size.agents {
        let first = roll(SKILLS);
        // Steps of 25 go round the skills and never meet.
        let skills = (0..SKILLS_PER_AGENT).map(|at| format!("s{} = {}", (first + at * 25) % SKILLS, 3 + roll(3)));
        let skills = skills.collect::<Vec<_>>().join(", ");
        text +=
            &format!("[[tenants.agents]]\nid = \"a{agent}\"\nteam = \"t{}\"\nskills = {{ {skills} }}\n", agent % teams);
    }
    text
}

fn read(text: &str) -> Policy {
    let read = config::parse(text, "large.toml").unwrap_or_else(|faults| panic!("{faults}"));
    read.tenants.into_iter().next().expect("one tenant")
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed().as_secs_f64() * 1e3)
}

struct World {
    engine: Engine,
    now: Time,
    out: Vec<Recorded>,
}

impl World {
    fn apply(&mut self, request: Request) {
        self.now = Time(self.now.0 + 1);
        self.out.clear();
        while self.engine.fire_due(self.now, 64, &mut self.out) {}
        self.engine.apply(self.now, &request, &mut self.out).expect("nothing is refused");
    }

    fn waiting(&self) -> u32 {
        self.engine.state().index().iter().map(|(_, class)| class.waiting()).sum()
    }

    /// Agents of even teams come; then contacts, so many classes in all, each asking for something beside its queue.
    fn live(&mut self, size: &Size) {
        let teams = size.queues / QUEUES_PER_TEAM;
        for agent in (0..size.agents).filter(|agent| (agent % teams).is_multiple_of(2)) {
            let agent_id: Text = format!("a{agent}").into();
            self.apply(Command::SignIn { agent_id, presence: Presence::Available, lease: None }.into());
        }
        for at in 0..2 * size.classes {
            let (class, queue) = (at % size.classes, at % size.classes % size.queues);
            let asked = format!("s{} >= {}", (class * 7) % SKILLS, class % 3 + 1);
            let asked = config::requirement::parse(&asked, &|_| true).expect("a requirement");
            let profile = ContactProfile {
                contact_id: format!("c{at}").into(),
                channel: "voice".into(),
                ..ContactProfile::default()
            };
            let new = NewContact {
                profile: Arc::new(profile),
                queue: format!("q{queue}").into(),
                requirement: Some(Arc::new(asked)),
                ..NewContact::default()
            };
            self.apply(Command::CreateContact(Arc::new(new)).into());
        }
    }

    /// One reload: milliseconds beside the writer, and of each step on it.
    fn reload(&mut self, policy: &str) -> (f64, [f64; 3]) {
        let before = self.engine.state().policy().clone();
        let ((policy, digest, differences), beside) = timed(|| {
            let mut policy = read(policy);
            policy.share_agents(&before);
            let (differences, digest) = (diff::policies(&before, &policy).len(), canonical::digest(&policy));
            (Arc::new(policy), digest, differences)
        });
        assert!(differences > 0, "something changes");
        let change = PolicyChange { digest, ..PolicyChange::default() };
        let (preview, look) = timed(|| self.engine.state().preview_policy(&policy, &change, 0).expect("it may change"));
        let waiting = self.waiting();
        let command = Command::ApplyPolicy { policy, change: Arc::new(change), expected_version: 0 };
        let ((), apply) = timed(|| self.apply(command.into()));
        assert_eq!(self.engine.state().policy_version(), preview.version_after, "one change is one version");
        let offers = self.out.iter().filter(|told| matches!(told.event, Event::OfferIssued { .. })).count() as u32;
        assert_eq!(self.waiting() + offers, waiting, "nobody is lost");
        let (bytes, write) = timed(|| {
            let mut out = Writer::default();
            codec::put_batch(&"default".into(), self.now, &self.out, &mut out);
            out.bytes.len()
        });
        assert!(bytes > 0, "it is written");
        (beside, [look, apply, write])
    }
}

fn number(name: &str, otherwise: usize) -> usize {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == name);
    at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let (queues, agents, classes) = if short { (500, 5_000, 200) } else { (5_000, 100_000, 2_000) };
    let size = Size {
        queues: number("--queues", queues),
        agents: number("--agents", agents),
        classes: number("--classes", classes),
    };
    let whole = text(&size);
    println!(
        "{} queues, {} agents, {} classes: {:.1} MB of TOML",
        size.queues,
        size.agents,
        size.classes,
        whole.len() as f64 / 1e6
    );
    let mut world = World { engine: Engine::new(42), now: Time(1_000_000_000_000), out: Vec::new() };
    let (policy, parse) = timed(|| read(&whole));
    let ((), digest) = timed(|| assert_ne!(canonical::digest(&policy), [0; 16], "a digest"));
    let ((), first) = timed(|| world.apply(Command::apply(Arc::new(policy)).into()));
    let load = parse + digest + first;
    println!("load: read and check {parse:.0} ms, digest {digest:.0} ms, into force {first:.0} ms");
    println!("{:<40} | asked 5000 ms | {load:.0} ms | {}", "load", if load <= 5_000.0 { "met" } else { "missed" });
    world.live(&size);
    let count = world.engine.state().index().len();
    assert!(count >= size.classes, "{count} classes");
    println!("{count} classes, {} contacts wait", world.waiting());
    let last = size.queues - 1;
    let one = |from: &str, to: &str| whole.replacen(from, to, 1);
    let changes = [
        ("a service level", one("threshold = \"20s\"", "threshold = \"25s\"")),
        ("a queue's requirement", one("require = \"s0 >= 1\"", "require = \"s0 >= 2\"")),
        ("an agent's level", one("team = \"t1\"\nskills = { s", "team = \"t1\"\ncapacity = 90\nskills = { s")),
        ("an agent less", whole[..whole.rfind("[[tenants.agents]]").expect("agents")].to_owned()),
        (
            "what a team serves",
            one("queues = [{ id = \"q0\" }, ", &format!("queues = [{{ id = \"q{last}\" }}, {{ id = \"q0\" }}, ")),
        ),
        (
            "a queue more",
            one(
                "[[tenants.teams]]",
                "[[tenants.queues]]\nid = \"new\"\n[[tenants.teams]]\nid = \"tn\"\nqueues = [{ id = \"new\" }]\n[[tenants.teams]]",
            ),
        ),
        (
            "a channel more: all made anew",
            one("[[tenants.skills]]", "[[tenants.channels]]\nid = \"chat\"\n[[tenants.skills]]"),
        ),
    ];
    println!("{:<40} | beside | look ahead | command | journal | longest", "change, ms");
    for (what, changed) in changes {
        let (beside, steps) = world.reload(&changed);
        // Back again, so that each change is measured against the same.
        let (_, back) = world.reload(&whole);
        let longest = steps.iter().chain(&back).copied().fold(0.0, f64::max);
        let [look, apply, write] = steps;
        let verdict = match longest {
            ..=5.0 => "aim of 5 ms met",
            ..=50.0 => "50 ms met",
            _ => "50 ms missed",
        };
        println!("{what:<40} | {beside:>6.0} | {look:>10.2} | {apply:>7.2} | {write:>7.2} | {longest:>7.2} {verdict}");
    }
    world.engine.state().audit(world.now).expect("the audit finds nothing");
}

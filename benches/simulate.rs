//! Virtual time: simulated contacts per second on one core, with everything a run has (customers who give up, agents,
//! books), at two sizes. What it times it also checks: every contact is accounted for, and one queue agrees with the
//! Erlang A formula of Garnett, Mandelbaum and Reiman.
//!
//! ```text
//! cargo bench --bench simulate -- [--contacts 1000000]
//! ```
//!
//! `one queue`: 1,000 agents, offered load 980 erlang, handle time and patience exponential (300 s, 180 s). `many
//! classes`: 5,000 agents with 6 of 50 skills each, 4 queues, 200 classes (each asks one skill of one queue), load 0.9.
//! Agents take what is offered at once. CPU time is the thread's own (`/proc/thread-self/schedstat`).

use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use usher::config;
use usher::engine::contact::Outcome;
use usher::engine::id::Text;
use usher::engine::time::{Span, Time};
use usher::sim::arrivals::{Arrivals, Stretch};
use usher::sim::host::{Duty, Host, Times, Visit, Watch};
use usher::sim::law::Law;
use usher::sim::random::{Cause, Stream};
use usher::sim::scene::{Change, Conduct, Flow, Run, Scene, To, key_of};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START: Time = Time(1_704_067_200_000_000);
const END: Time = Time(u64::MAX / 4);
const SECOND: f64 = 1e6;

/// CPU time of this thread in nanoseconds.
fn cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Counts, and stops after so many arrivals.
#[derive(Default)]
struct Counts {
    wanted: u64,
    arrived: u64,
    waited: u64,
    answered: u64,
    left: u64,
    wait_us: u64,
}

impl Watch for Counts {
    fn arrived(&mut self, _: Time, _: &Visit) {
        self.arrived += 1;
    }
    fn blocked(&mut self, _: Time, _: &Visit) {}
    fn queued(&mut self, _: Time, _: &Visit) {}
    fn waits(&mut self, _: Time, _: &Visit, _: Option<Span>) {
        self.waited += 1;
    }
    fn answered(&mut self, _: Time, _: &Visit, _: usize, wait: Span) {
        self.answered += 1;
        self.wait_us += wait.0;
    }
    fn left(&mut self, _: Time, _: &Visit, _: Outcome, wait: Span) {
        self.left += 1;
        self.wait_us += wait.0;
    }
    fn handled(&mut self, _: Time, _: &Visit, _: Times) {}
    fn duty(&mut self, _: Time, _: usize, _: Duty, _: Duty) {}
    fn interval(&mut self, _: Time, _: usize) {}
    fn done(&self) -> bool {
        self.arrived >= self.wanted
    }
}

const TENANT: &str = "[[tenants]]\nid = \"default\"\n[[tenants.channels]]\nid = \"voice\"\nconnect = \"on_accept\"\n\
    auto_accept = true\nmax_wait = \"90d\"\nmax_handle = \"90d\"\n[[tenants.teams]]\nid = \"all\"\nqueues = [{ id = \"*\" }]\n";

fn one_queue() -> String {
    let mut text = format!("{TENANT}[[tenants.queues]]\nid = \"calls\"\n");
    for agent in 0..1_000 {
        let _ = write!(text, "[[tenants.agents]]\nid = \"a{agent}\"\nteam = \"all\"\n");
    }
    text
}

fn many_classes() -> String {
    let mut text = TENANT.to_owned();
    for skill in 0..50 {
        let _ = write!(text, "[[tenants.skills]]\nid = \"s{skill}\"\n");
    }
    for queue in 0..4 {
        let _ = write!(text, "[[tenants.queues]]\nid = \"q{queue}\"\n");
    }
    for agent in 0..5_000u64 {
        let mut stream = Stream::new(1, Cause::Run, 1, agent);
        let mut skills: Vec<usize> = Vec::new();
        while skills.len() < 6 {
            let skill = stream.below(50);
            if !skills.contains(&skill) {
                skills.push(skill);
            }
        }
        let skills: Vec<String> = skills.iter().map(|skill| format!("s{skill} = 5")).collect();
        let skills = skills.join(", ");
        let _ = write!(text, "[[tenants.agents]]\nid = \"a{agent}\"\nteam = \"all\"\nskills = {{ {skills} }}\n");
    }
    text
}

fn flow(id: String, queue: &str, requirement: Option<&str>) -> Flow {
    let parsed = requirement.map(|text| Arc::new(config::requirement::parse(text, &|_| true).expect("a requirement")));
    Flow {
        key: key_of(&id),
        id: Text::from(id),
        queue: queue.into(),
        channel: "voice".into(),
        priority: 0,
        requirement: parsed,
        attributes: Vec::new(),
        patience: Some(Law::Exponential { mean: 180.0 * SECOND }),
        handle_time: vec![Law::Exponential { mean: 300.0 * SECOND }],
        wrap_up: Vec::new(),
        retry: None,
        given: Vec::new(),
    }
}

fn scene(text: &str, flows: Vec<Flow>) -> Scene {
    let config = config::parse(text, "bench.toml").unwrap_or_else(|faults| panic!("{faults}"));
    let policy = Arc::new(config.tenants.into_iter().next().expect("a tenant"));
    let come = |agent: &Arc<usher::engine::agent::AgentProfile>| Change {
        at: START,
        agent_id: agent.agent_id.clone(),
        to: To::In,
    };
    Scene {
        start: START,
        end: END,
        flows,
        conduct: vec![Conduct::default()],
        roster: policy.agents.iter().map(come).collect(),
        policy,
        ..Scene::default()
    }
}

/// Plays a scene with so many erlang offered, and tells contacts per second of CPU and of wall time.
fn time(name: &str, asked: u32, scene: &Scene, offered: f64, contacts: u64) -> Counts {
    let rate = offered / (300.0 * SECOND) / scene.flows.len() as f64;
    let arrivals = scene.flows.iter().map(|_| Arrivals::poisson([Stretch { from: START, to: END, rate }])).collect();
    let warm = contacts / 10;
    let watch = Counts { wanted: warm, ..Counts::default() };
    let mut host = Host::new(Run { scene, seed: 1, arrivals }, watch).expect("a run");
    host.run_until(END).expect("warm");
    host.watch.wanted += contacts;
    let (wall, begun) = (Instant::now(), cpu());
    host.run_until(END).expect("run");
    let (cpu, wall) = ((cpu() - begun) as f64 / 1e9, wall.elapsed().as_secs_f64());
    host.audit().expect("every invariant holds");
    let waiting = host.engine().state().tally().iter().map(|(_, _, books)| books.waiting).sum::<u64>();
    let counts = host.watch;
    assert_eq!(counts.arrived, counts.answered + counts.left + waiting, "every contact is accounted for");
    println!(
        "{name:<13} asked {asked:>7}/s  reached {:>7.0}/s of CPU, {:>7.0}/s of wall time  ({contacts} contacts, {:.1} % waited, {:.2} us each)",
        contacts as f64 / cpu,
        contacts as f64 / wall,
        100.0 * counts.waited as f64 / counts.arrived as f64,
        cpu * 1e6 / contacts as f64,
    );
    counts
}

/// Mean wait of all in M/M/n+M, in seconds, by its birth and death process.
fn erlang_a(agents: u32, rate: f64, handle: f64, patience: f64) -> f64 {
    let (mut mass, mut total, mut waiting) = (1.0f64, 1.0f64, 0.0f64);
    for present in 1..agents * 2 {
        let busy = f64::from(present.min(agents));
        let queued = f64::from(present.saturating_sub(agents));
        mass *= rate / (busy / handle + queued / patience);
        total += mass;
        waiting += mass * queued;
        if total > 1e200 {
            (mass, total, waiting) = (mass / 1e200, total / 1e200, waiting / 1e200);
        }
    }
    waiting / total / rate
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--contacts").skip(1);
    let contacts = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);

    let one = scene(&one_queue(), vec![flow("calls".into(), "calls", None)]);
    let counts = time("one queue", 400_000, &one, 980.0, contacts);
    let wait = counts.wait_us as f64 / SECOND / (counts.answered + counts.left) as f64;
    let expected = erlang_a(1_000, 980.0 / 300.0, 300.0, 180.0);
    println!("{:<13} mean wait {wait:.3} s, by the formula {expected:.3} s", "");
    let off = (wait - expected).abs();
    assert!(contacts < 500_000 || off < 0.25 * expected, "{wait} s is not {expected} s");

    let class = |at: usize| {
        let (skill, queue) = (at % 50, at / 50);
        flow(format!("c{at}"), &format!("q{queue}"), Some(&format!("s{skill} >= 3")))
    };
    let many = scene(&many_classes(), (0..200).map(class).collect());
    time("many classes", 200_000, &many, 4_500.0, contacts);
}

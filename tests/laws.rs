//! Laws that hold for any parameters, on random systems: the seven of `tests/oracles/README.md`.
//!
//! Two systems of each by default; `USHER_SYSTEMS=N` takes N, each run six times as long (`scripts/test long`).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use usher::sim::oracle::{self, Options};
use usher::sim::random::{Cause, Stream};

/// How many random systems, and how many contacts of each.
fn extent() -> (u64, u64) {
    match std::env::var("USHER_SYSTEMS").ok().and_then(|text| text.parse().ok()) {
        Some(systems) => (systems, 60_000),
        None => (2, 10_000),
    }
}

/// How far apart two means of a queue may be by chance alone, as a share: five standard deviations at these loads.
fn apart(contacts: u64) -> f64 {
    35.0 / (contacts as f64).sqrt()
}

struct Chance(Stream);

impl Chance {
    fn of(law: u64, system: u64) -> Chance {
        Chance(Stream::new(2_026, Cause::Run, law, system))
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.unit()
    }

    fn whole(&mut self, low: u32, high: u32) -> u32 {
        low + self.0.below((high - low + 1) as usize) as u32
    }
}

/// A V system: classes that one pool serves, with loads that make up `load` of its agents.
fn v_system(chance: &mut Chance, classes: u32, load: f64) -> Value {
    let agents = chance.whole(3, 8);
    let handle = chance.between(60.0, 300.0);
    let shares: Vec<f64> = (0..classes).map(|_| chance.between(0.5, 1.5)).collect();
    let total: f64 = shares.iter().sum();
    let ids: Vec<String> = (0..classes).map(|at| char::from(b'a' + at as u8).to_string()).collect();
    let class = |(id, share): (&String, &f64)| {
        let rate = load * f64::from(agents) / handle * share / total;
        json!({"id": id, "arrivals": "poisson", "arrival_rate_per_s": rate, "patience": null})
    };
    let means: BTreeMap<String, f64> = ids.iter().map(|id| (format!("{id},s1"), handle)).collect();
    json!({
        "classes": ids.iter().zip(&shares).map(class).collect::<Vec<_>>(),
        "pools": [{"id": "s1", "agents": agents, "serves": ids}],
        "handle_time": {"distribution": "exp", "mean_s": means},
        "waiting_places": null,
        "agent_selection": "longest_idle",
        "contact_selection": "fcfs: oldest",
        "answer_threshold_T_s": 20.0,
    })
}

/// Runs a system and reads metrics; all of one seed meet the same customers.
fn measure(system: &Value, contacts: u64, seed: u64, metrics: &[&str]) -> Vec<f64> {
    let told = |metric: &&str| (metric.to_string(), json!({"value": 0.0, "kind": "exact", "accept_abs": null}));
    let expected: serde_json::Map<String, Value> = metrics.iter().map(told).collect();
    let case = json!({
        "id": "law", "system": system, "expected": expected,
        "run": {"warmup_contacts": contacts / 10, "measured_contacts": contacts},
    });
    let file = oracle::read(&json!({"format": 1, "cases": [case]}).to_string()).expect("a file of cases");
    let mut found = Vec::new();
    oracle::run(&file, &Options { scale: 1.0, seed, case: None, jobs: 1 }, &|| 0.0, |outcome| {
        assert_eq!(outcome.error, None, "{system:#}");
        let read = |metric: &&str| outcome.measures[*metric].measured.unwrap_or_else(|| panic!("no {metric}"));
        found = metrics.iter().map(read).collect();
    })
    .expect("run");
    found
}

fn near(found: f64, expected: f64, share: f64, least: f64, what: &str, system: &Value) {
    let off = (found - expected).abs();
    assert!(off <= share * expected.abs() + least, "{what}: {found}, expected {expected}\n{system:#}");
}

fn rate(system: &Value, class: usize) -> f64 {
    system["classes"][class]["arrival_rate_per_s"].as_f64().expect("a rate")
}

fn agents(system: &Value) -> f64 {
    system["pools"][0]["agents"].as_f64().expect("agents")
}

fn classes(system: &Value) -> usize {
    system["classes"].as_array().expect("classes").len()
}

fn handle(system: &Value) -> f64 {
    system["handle_time"]["mean_s"]["a,s1"].as_f64().expect("a mean")
}

fn set_each(system: &mut Value, key: &str, value: impl Fn(usize) -> Value) {
    for (at, class) in system["classes"].as_array_mut().expect("classes").iter_mut().enumerate() {
        class[key] = value(at);
    }
}

fn with(system: &Value, selection: &str, key: &str, value: impl Fn(usize) -> Value) -> Value {
    let mut changed = system.clone();
    changed["contact_selection"] = json!(selection);
    set_each(&mut changed, key, value);
    changed
}

/// Agents busy of `n` with no waiting places, at an offered load (Erlang 1917).
fn erlang_b(n: u32, load: f64) -> f64 {
    (1..=n).fold(1.0, |blocked, k| load * blocked / (f64::from(k) + load * blocked))
}

/// Law 1: Little: those who wait are the rate times the wait, of each class and of all.
#[test]
fn the_queue_is_the_rate_times_the_wait() {
    let (systems, contacts) = extent();
    for at in 0..systems {
        let mut chance = Chance::of(1, at);
        let load = chance.between(0.7, 1.1);
        let mut system = v_system(&mut chance, 2, load);
        let patience = chance.between(60.0, 600.0);
        set_each(&mut system, "patience", |_| json!({"distribution": "exponential", "mean_s": patience}));
        let metrics = ["mean_queue[a]", "mean_wait_all_s[a]", "mean_queue[b]", "mean_wait_all_s[b]", "mean_queue"];
        let found = measure(&system, contacts, at, &metrics);
        let share = 8.0 / (contacts as f64).sqrt();
        near(found[0], rate(&system, 0) * found[1], share, 0.01, "queue of a", &system);
        near(found[2], rate(&system, 1) * found[3], share, 0.01, "queue of b", &system);
        near(found[4], found[0] + found[2], 1e-9, 1e-9, "queue of all", &system);
    }
}

/// Law 2: Flow: everybody is served, gives up or is refused; with exponential patience the share that gives up is the queue
/// over rate times patience.
#[test]
fn nobody_is_lost() {
    let (systems, contacts) = extent();
    for at in 0..systems {
        let mut chance = Chance::of(2, at);
        let load = chance.between(0.9, 1.4);
        let mut system = v_system(&mut chance, 1, load);
        let patience = chance.between(30.0, 300.0);
        set_each(&mut system, "patience", |_| json!({"distribution": "exponential", "mean_s": patience}));
        let places = chance.whole(2, 30);
        system["waiting_places"] = json!(places);
        let found = measure(&system, contacts, at, &["p_served", "p_abandon", "p_blocked", "mean_queue"]);
        near(found[0] + found[1] + found[2], 1.0, 1e-12, 0.0, "all of them", &system);
        let share = 5.0 / (contacts as f64 * found[1].max(0.01)).sqrt();
        near(found[1], found[3] / (rate(&system, 0) * patience), share, 0.002, "those who give up", &system);
    }
}

/// Law 3: Conservation: with one exponential handle time, no patience and everybody able to serve everything, the order of
/// service moves no work: the sum of rate times wait, the share that waits and the occupancy stay.
#[test]
fn the_order_of_service_moves_no_work() {
    let (systems, contacts) = extent();
    for at in 0..systems {
        let mut chance = Chance::of(3, at);
        let fcfs = v_system(&mut chance, 3, 0.75);
        let orders = [
            with(&fcfs, "static_priority: lowest", "priority", |at| json!(at)),
            with(&fcfs, "accumulating_priority: largest", "aging_rate", |at| json!([8.0, 2.0, 1.0][at])),
            with(&fcfs, "fixed_queue_ratio: largest", "queue_ratio", |at| json!([0.2, 0.3, 0.5][at])),
        ];
        let metrics = ["p_wait", "occupancy", "mean_wait_all_s[a]", "mean_wait_all_s[b]", "mean_wait_all_s[c]"];
        let work = |found: &[f64]| (0..classes(&fcfs)).map(|at| rate(&fcfs, at) * found[2 + at]).sum::<f64>();
        let base = measure(&fcfs, contacts, at, &metrics);
        for system in &orders {
            let found = measure(system, contacts, at, &metrics);
            let share = apart(contacts);
            near(found[0], base[0], share / 3.0, 0.0, "share that waits", system);
            near(found[1], base[1], share / 8.0, 0.0, "occupancy", system);
            near(work(&found), work(&base), share, 0.0, "work that waits", system);
            assert!(found[2] < found[4], "the order has an effect: {found:?}\n{system:#}");
        }
    }
}

/// Law 4: Erlang's loss formula knows the handle time by its mean alone.
#[test]
fn loss_depends_on_the_mean_alone() {
    let (systems, contacts) = extent();
    for at in 0..systems {
        let mut chance = Chance::of(4, at);
        let load = chance.between(0.6, 1.2);
        let mut system = v_system(&mut chance, 1, load);
        system["waiting_places"] = json!(0);
        let expected = erlang_b(agents(&system) as u32, load * agents(&system));
        let mean = handle(&system);
        for (law, key, value) in [
            ("exp", "note", json!("")),
            ("det", "note", json!("")),
            ("lognormal", "sd_s", json!(1.5 * mean)),
            ("h2", "scv", json!(4.0)),
            ("erlang", "k", json!(3)),
        ] {
            system["handle_time"] = json!({"distribution": law, "mean_s": {"a,s1": mean}, key: value});
            let found = measure(&system, contacts, at, &["p_blocked"])[0];
            let spread = 12.0 * (expected * (1.0 - expected) / contacts as f64).sqrt();
            near(found, expected, 0.0, spread, law, &system);
        }
    }
}

/// Law 5: Where customers are as patient as conversations are long, nobody notices how many agents there are: the number
/// at the center is Poisson with the offered load as its mean.
#[test]
fn patience_like_handle_time_is_a_center_without_limits() {
    let (systems, contacts) = extent();
    for at in 0..systems {
        let mut chance = Chance::of(5, at);
        let load = chance.between(0.8, 1.5);
        let mut system = v_system(&mut chance, 1, load);
        let mean = handle(&system);
        set_each(&mut system, "patience", |_| json!({"distribution": "exponential", "mean_s": mean}));
        let found = measure(&system, contacts, at, &["mean_queue", "occupancy", "p_wait"]);
        let (n, offered) = (agents(&system), load * agents(&system));
        near(found[0] + found[1] * n, offered, 10.0 / (contacts as f64).sqrt(), 0.0, "at the center", &system);
        let below: f64 = (0..n as u32)
            .scan((-offered).exp(), |mass, k| {
                let here = *mass;
                *mass *= offered / f64::from(k + 1);
                Some(here)
            })
            .sum();
        near(found[2], 1.0 - below, 0.0, 15.0 / (contacts as f64).sqrt(), "share that waits", &system);
    }
}

/// Law 6: Limits: equal aging is first come first served, to the last digit; very unequal aging is static priority; pools
/// that serve everything at one speed are one pool, and Erlang's delay formula holds.
#[test]
fn rules_meet_at_their_limits() {
    let (systems, contacts) = extent();
    for at in 0..systems {
        let mut chance = Chance::of(6, at);
        let fcfs = v_system(&mut chance, 2, 0.8);
        let metrics = ["mean_wait_all_s[a]", "mean_wait_all_s[b]", "p_wait", "mean_wait_all_s"];
        let base = measure(&fcfs, contacts, at, &metrics);
        let equal = with(&fcfs, "accumulating_priority: largest", "aging_rate", |_| json!(2.0));
        assert_eq!(measure(&equal, contacts, at, &metrics), base, "{fcfs:#}");
        let strict = with(&fcfs, "static_priority: lowest", "priority", |at| json!(at));
        let steep = with(&fcfs, "accumulating_priority: largest", "aging_rate", |at| json!([1000.0, 0.01][at]));
        let (strict, steep) = (measure(&strict, contacts, at, &metrics), measure(&steep, contacts, at, &metrics));
        near(steep[0], strict[0], 0.02, 0.01, "wait of the first", &fcfs);
        near(steep[1], strict[1], 0.02, 0.01, "wait of the second", &fcfs);
        // The same agents in two pools.
        let mut split = fcfs.clone();
        let all = agents(&fcfs) as u32;
        split["pools"] = json!([
            {"id": "s1", "agents": all - 1, "serves": ["a", "b"]}, {"id": "s2", "agents": 1, "serves": ["a", "b"]},
        ]);
        let mean = handle(&fcfs);
        split["handle_time"]["mean_s"] = json!({"a,s1": mean, "b,s1": mean, "a,s2": mean, "b,s2": mean});
        assert_eq!(measure(&split, contacts, at, &metrics), base, "{split:#}");
        let blocked = erlang_b(all, 0.8 * f64::from(all));
        let delayed = blocked / (1.0 - 0.8 * (1.0 - blocked));
        near(base[2], delayed, apart(contacts) / 3.0, 0.0, "Erlang C", &fcfs);
        let wait = delayed * mean / (0.2 * f64::from(all));
        near(base[3], wait, apart(contacts), 0.0, "mean wait", &fcfs);
    }
}

/// Law 7: One more agent who serves everything lowers the wait of all together, whatever the structure.
#[test]
fn one_more_agent_for_everything_helps() {
    let (systems, contacts) = extent();
    for at in 0..systems {
        let mut chance = Chance::of(7, at);
        let (few, more) = (chance.whole(2, 4), chance.whole(2, 4));
        let mean = chance.between(60.0, 300.0);
        let n_system = |flexible: u32| {
            let arriving = |id: &str, load: f64| json!({"id": id, "arrivals": "poisson", "arrival_rate_per_s": load / mean, "patience": null});
            json!({
                "classes": [arriving("a", 0.85 * f64::from(few)), arriving("b", 0.75 * f64::from(more))],
                "pools": [
                    {"id": "s1", "agents": few, "serves": ["a"]}, {"id": "s2", "agents": more, "serves": ["a", "b"]},
                    {"id": "s3", "agents": flexible, "serves": ["a", "b"]},
                ],
                "handle_time": {"distribution": "exp", "mean_s": {
                    "a,s1": mean, "a,s2": mean, "b,s2": mean, "a,s3": mean, "b,s3": mean,
                }},
                "waiting_places": null,
                "agent_selection": "longest_idle",
                "contact_selection": "fcfs: oldest",
            })
        };
        let wait = |flexible: u32| measure(&n_system(flexible), contacts, at, &["mean_wait_all_s"])[0];
        let (one, two) = (wait(1), wait(2));
        assert!(two < one, "{two} with one more, {one} without\n{:#}", n_system(1));
    }
}

//! Steps the rate up until the server is past its knee: until the 99th percentile of offer latency is over a bound, or
//! what arrives is no longer served. Then it looks between the last rate that was good and the first that was not.

use clap::Args;
use serde::Serialize;
use toml::Spanned;
use usher::config::duration::Duration;
use usher::engine::time::Span;

use crate::drive::meters::Latency;
use crate::outcome::{Outcome, Verdict};
use crate::run::{self, measure};
use crate::scenario::arrivals::{Arrivals, Pattern};
use crate::scenario::{self, Scenario};

/// Contacts closed per second, over those sent, that is still keeping up.
const KEEPS_UP: f64 = 0.95;
/// Seconds of each step before latencies count.
const WARM_UP: u64 = 1;

/// How to search.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    #[allow(missing_docs, reason = "its fields are the options")]
    pub run: run::Options,
    /// The bound of the 99th percentile of offer latency, such as "5ms".
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = Duration::parse)]
    pub p99: Duration,
    /// Contacts per second of real time in the first step.
    #[arg(long, value_name = "RATE", default_value_t = 500.0)]
    pub start: f64,
    /// What the rate is multiplied with from step to step.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.5)]
    pub growth: f64,
    /// Seconds of real time each step measures.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub seconds: u64,
    /// Steps between the last good rate and the first bad one.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub refine: u32,
    /// Steps at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub steps: u32,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
struct Step {
    /// Contacts per second asked for.
    rate: f64,
    /// Contacts per second closed.
    closed_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    /// Share of the contacts that found no agent free.
    delayed_share: f64,
    late_share: f64,
    server_cpu: f64,
    client_cpu: f64,
    verdict: Verdict,
    /// Why it is not good; none when it is.
    limit: Option<String>,
}

/// Searches and prints; says the exit code.
///
/// # Errors
/// When a step could not run to its end.
pub fn capacity(options: &Options) -> anyhow::Result<u8> {
    anyhow::ensure!(options.growth > 1.01 && options.growth <= 10.0, "--growth must be above 1.01 and at most 10");
    anyhow::ensure!(options.start > 0.0 && options.start <= 1e6, "--start must be above 0 and at most 1000000");
    let (scenario, digest) = options.run.scenario()?;
    if !options.run.json {
        print_head(options, &scenario);
    }
    let mut steps = Vec::new();
    let (mut good, mut bad) = (0.0, f64::INFINITY);
    let (mut rate, mut refined) = (options.start, 0);
    while steps.len() < options.steps as usize {
        let step = take(options, &scenario, &digest, rate)?;
        if !options.run.json {
            print_step(&step);
        }
        let (broken, is_good) = (step.verdict == Verdict::Broken, step.limit.is_none());
        steps.push(step);
        if broken {
            break;
        }
        if is_good {
            good = rate;
        } else {
            bad = rate;
        }
        if bad.is_finite() {
            refined += 1;
            if good == 0.0 || refined > options.refine {
                break;
            }
            rate = f64::midpoint(good, bad);
        } else {
            rate *= options.growth;
        }
    }
    Ok(conclude(options, &scenario, &steps, good))
}

/// Runs one step against a server of its own.
fn take(options: &Options, scenario: &Scenario, digest: &str, rate: f64) -> anyhow::Result<Step> {
    let mut scenario = scenario.clone();
    let speed = scenario.run.speed;
    let life = |seconds: u64| Duration(Span((seconds as f64 * 1e6 * speed) as u64));
    scenario.run.duration = life(options.seconds + WARM_UP);
    scenario.run.warm_up = life(WARM_UP);
    scenario.run.interval = scenario.run.duration;
    scenario.thresholds = scenario::Thresholds::default();
    let pattern = Spanned::new(0..0, Pattern::Rate { per_second: rate / speed, even: false });
    scenario.arrivals = vec![Arrivals { pattern, classes: Vec::new() }];
    let (outcome, _) = measure(options.run.plan(scenario)?, &options.run, digest.to_owned())?;
    Ok(judge(options, rate, &outcome))
}

fn judge(options: &Options, rate: f64, outcome: &Outcome) -> Step {
    let offer = &outcome.latencies[Latency::Offer.name()];
    let mean = |value: &dyn Fn(&crate::drive::meters::Second) -> Option<f64>| {
        let seconds = outcome.seconds.iter().filter(|second| second.at_s <= outcome.arriving_s + 0.5);
        let shares: Vec<f64> = seconds.filter_map(value).collect();
        shares.iter().sum::<f64>() / shares.len().max(1) as f64
    };
    let bound = options.p99.0.0 as f64;
    let limit = match outcome.verdict {
        Verdict::Broken => Some("an invariant is broken".to_owned()),
        Verdict::Invalid => Some("the load test itself was late".to_owned()),
        _ if offer.p99_us > bound => Some(format!("p99 over {}", options.p99)),
        _ if outcome.closed_per_s < outcome.offered_per_s * KEEPS_UP => Some("it does not keep up".to_owned()),
        _ => None,
    };
    Step {
        rate,
        closed_per_s: outcome.closed_per_s,
        p50_us: offer.p50_us,
        p99_us: offer.p99_us,
        p999_us: offer.p999_us,
        delayed_share: outcome.balance.total.delayed_share(),
        late_share: outcome.sends.late_share,
        server_cpu: mean(&|second| second.server_cpu),
        client_cpu: mean(&|second| second.client_cpu),
        verdict: outcome.verdict,
        limit,
    }
}

fn print_head(options: &Options, scenario: &Scenario) {
    println!("{}: {}; the bound is p99 of offer latency <= {}", scenario.name, scenario.description, options.p99);
    println!(
        "{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>8}{:>10}{:>10}",
        "rate/s", "closed/s", "p50 us", "p99 us", "p99.9 us", "waited", "late", "server", "client"
    );
}

fn print_step(step: &Step) {
    println!(
        "{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>7.1} %{:>6.2} %{:>8.0} %{:>8.0} %  {}",
        step.rate,
        step.closed_per_s,
        step.p50_us,
        step.p99_us,
        step.p999_us,
        step.delayed_share * 100.0,
        step.late_share * 100.0,
        step.server_cpu * 100.0,
        step.client_cpu * 100.0,
        step.limit.as_deref().unwrap_or("good")
    );
}

/// Says where the knee is, and the exit code: 99 when not even the first rate was good.
fn conclude(options: &Options, scenario: &Scenario, steps: &[Step], good: f64) -> u8 {
    let broken = steps.iter().any(|step| step.verdict == Verdict::Broken);
    let first_bad = steps.iter().filter(|step| step.limit.is_some() && step.rate > good);
    let first_bad = first_bad.min_by(|one, other| one.rate.total_cmp(&other.rate));
    let code = match (broken, good > 0.0) {
        (true, _) => Verdict::Broken.code(),
        (false, true) => 0,
        (false, false) => Verdict::Missed.code(),
    };
    if options.run.json {
        let told = serde_json::json!({
            "scenario": scenario.name, "p99_bound_us": options.p99.0.0, "knee_per_s": good,
            "next_bad_per_s": first_bad.map(|step| step.rate), "limit": first_bad.and_then(|step| step.limit.clone()),
            "machine": crate::machine::Machine::here(), "steps": steps, "exit_code": code,
        });
        println!("{told}");
        return code;
    }
    match first_bad {
        Some(bad) => println!(
            "the knee is at {good:.0} contacts per second; at {:.0}: {}",
            bad.rate,
            bad.limit.as_deref().unwrap_or_default()
        ),
        None => println!("{good:.0} contacts per second are good, and no rate tried was not"),
    }
    code
}

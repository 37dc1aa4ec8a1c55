//! What a run came to: figures, judgement, and the forms they are written in.

mod chart;
pub mod erlang;
mod hlog;
mod html;
mod print;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::books::balance::{Balance, Counts};
use crate::drive::meters::{Latency, Meters, Second};
use crate::drive::{Driven, Plan};
use crate::machine::{Machine, cpu_time};
use crate::scenario::distribution::Distribution;
use crate::scenario::{Journal, Mode, Thresholds};
use erlang::ErlangA;

pub use print::print;

/// A run with a larger share of late sends is invalid: what was late is the generator, not the server.
const LATE_SHARE: f64 = 0.001;
/// Points of a percentile curve: up to 99.999 %.
const CURVE: f64 = 100_000.0;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is well.
    #[default]
    Passed,
    /// The server did what cannot be.
    Broken,
    /// The generator was too slow to say anything about the server.
    Invalid,
    /// It was right, and missed a threshold.
    Missed,
}

impl Verdict {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Broken => 1,
            Verdict::Invalid => 98,
            Verdict::Missed => 99,
        }
    }

    /// For people.
    pub fn what(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Broken => "an invariant is broken",
            Verdict::Invalid => "invalid: too many sends were late, so the generator was measured",
            Verdict::Missed => "a threshold was missed",
        }
    }
}

/// Latencies of one kind, in microseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many.
    pub count: u64,
    /// The mean.
    pub mean_us: f64,
    /// The median.
    pub p50_us: f64,
    /// The 90th percentile.
    pub p90_us: f64,
    /// The 99th percentile.
    pub p99_us: f64,
    /// The 99.9th percentile.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Points of the whole curve: quantile and microseconds.
    pub curve: Vec<(f64, f64)>,
}

impl Percentiles {
    /// Of a histogram in nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Percentiles {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile: f64| micros(histogram.value_at_quantile(quantile));
        let mut curve = Vec::new();
        let mut beyond = 1.0_f64;
        while !histogram.is_empty() && beyond >= 1.0 / CURVE && beyond * histogram.len() as f64 >= 0.5 {
            curve.push((1.0 - beyond, at(1.0 - beyond)));
            beyond /= 1.15;
        }
        if !histogram.is_empty() {
            curve.push((1.0, micros(histogram.max())));
        }
        Percentiles {
            count: histogram.len(),
            mean_us: histogram.mean() / 1e3,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: micros(histogram.max()),
            curve,
        }
    }
}

/// How well the plan was kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sends {
    /// Things planned and sent.
    pub count: u64,
    /// Those sent later than the scenario allows.
    pub late: u64,
    /// Their share.
    pub late_share: f64,
    /// What late means, in milliseconds of real time.
    pub late_after_ms: f64,
    /// How long after its planned instant a send was: the 99.9th percentile, in microseconds.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// A threshold and what was reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Its name in the scenario.
    pub name: String,
    /// What was asked for.
    pub bound: f64,
    /// What was reached.
    pub reached: f64,
    /// In which unit both are.
    pub unit: String,
    /// Whether more is better.
    pub at_least: bool,
    /// Whether it is met.
    pub pass: bool,
}

/// Contacts that arrived in one interval.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// The time of day it begins at.
    pub begins: String,
    /// How they went.
    pub counts: Counts,
    /// What Erlang A expects of it in its stationary state, where the scenario has its form.
    pub erlang_a: Option<ErlangA>,
}

/// Everything a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// The exit code.
    pub exit_code: u8,
    /// What the server calls itself.
    pub server: String,
    /// The version of this program.
    pub loadtest: String,
    /// Where it ran.
    pub machine: Machine,
    /// The scenario's name.
    pub scenario: String,
    /// What it is for.
    pub description: String,
    /// Digest of the scenario's text, so that two results can be seen to be of the same.
    pub scenario_digest: String,
    /// What chance began with.
    pub seed: u64,
    /// How many times faster than life.
    pub speed: f64,
    /// Unary or stream.
    pub mode: Mode,
    /// The server's journal; none when it is as the server's configuration has it.
    pub journal: Option<Journal>,
    /// Agents.
    pub agents: usize,
    /// Gateways.
    pub gateways: u32,
    /// Contacts planned.
    pub contacts: usize,
    /// How long they arrived, in seconds of real time.
    pub arriving_s: f64,
    /// How long the run took.
    pub elapsed_s: f64,
    /// Contacts sent per second of real time, while they arrived.
    pub offered_per_s: f64,
    /// Contacts closed per second of real time, while they arrived.
    pub closed_per_s: f64,
    /// Contacts that had not ended when the run did.
    pub unfinished: usize,
    /// Conversations per agent, on average while contacts arrived.
    pub talking_per_agent: f64,
    /// How well the plan was kept.
    pub sends: Sends,
    /// Latencies by name.
    pub latencies: BTreeMap<String, Percentiles>,
    /// The thresholds of the scenario.
    pub thresholds: Vec<Check>,
    /// The books.
    pub balance: Balance,
    /// The queues' ids, in the order of `balance.queues`.
    pub queues: Vec<String>,
    /// By interval of arrival.
    pub intervals: Vec<Interval>,
    /// By the second.
    pub seconds: Vec<Second>,
    /// Refusals that a race between two parties explains.
    pub races: BTreeMap<String, u64>,
    /// Other refusals.
    pub refusals: BTreeMap<String, u64>,
    /// Times of the configuration that could not be divided as they should.
    pub unscaled: Vec<String>,
    /// Processor time of the server per contact, in microseconds.
    pub server_cpu_us: Option<f64>,
    /// Processor time of this program per contact, in microseconds.
    pub client_cpu_us: Option<f64>,
}

/// What stands around a run.
pub struct Frame {
    /// What the server calls itself.
    pub server: String,
    /// Digest of the scenario's text.
    pub scenario_digest: String,
    /// Processor time the server used.
    pub server_cpu: Option<Duration>,
}

impl Outcome {
    /// Of a run and its books.
    pub fn new(plan: &Plan, driven: &Driven, balance: Balance, frame: Frame) -> Outcome {
        let run = &plan.scenario.run;
        let contacts = plan.schedule.contacts.len();
        let arriving_s = driven.arriving.as_secs_f64();
        let meters = &driven.meters;
        let within: Vec<&Second> = meters.seconds.iter().filter(|second| second.at_s <= arriving_s + 0.5).collect();
        let closed: u64 = within.iter().map(|second| second.closed).sum();
        let talking: u64 = within.iter().map(|second| second.talking).sum();
        let agents = plan.center.agents.len();
        let micros_each = |time: Option<Duration>| Some(time?.as_secs_f64() * 1e6 / contacts.max(1) as f64);
        let latencies = Latency::ALL
            .iter()
            .map(|latency| (latency.name().to_owned(), Percentiles::of(&meters.latencies[*latency as usize])));
        let scaled = &plan.center.scaled;
        let clamped = scaled.clamped.iter().map(|path| format!("{path}: the server takes no shorter time"));
        let left = scaled.left.iter().map(|path| format!("{path}: its default is not told"));
        let mut outcome = Outcome {
            verdict: Verdict::Passed,
            exit_code: 0,
            server: frame.server,
            loadtest: env!("CARGO_PKG_VERSION").to_owned(),
            machine: Machine::here(),
            scenario: plan.scenario.name.clone(),
            description: plan.scenario.description.clone(),
            scenario_digest: frame.scenario_digest,
            seed: run.seed,
            speed: run.speed,
            mode: run.mode,
            journal: run.journal,
            agents,
            gateways: run.gateways,
            contacts,
            arriving_s,
            elapsed_s: driven.elapsed.as_secs_f64(),
            offered_per_s: contacts as f64 / arriving_s,
            closed_per_s: closed as f64 / within.last().map_or(arriving_s, |second| second.at_s),
            unfinished: driven.unfinished,
            talking_per_agent: talking as f64 / (within.len().max(1) * agents.max(1)) as f64,
            sends: sends(driven, run.late_after.0.0 as f64 / 1e3),
            latencies: latencies.collect(),
            thresholds: Vec::new(),
            intervals: intervals(plan, &balance),
            queues: plan.center.queues.iter().map(|queue| queue.id.clone()).collect(),
            balance,
            seconds: meters.seconds.clone(),
            races: meters.races.clone(),
            refusals: meters.refusals.clone(),
            unscaled: clamped.chain(left).collect(),
            server_cpu_us: micros_each(frame.server_cpu),
            client_cpu_us: micros_each(cpu_time(None)),
        };
        outcome.judge(&plan.scenario.thresholds);
        outcome
    }

    /// Writes `result.json`, `report.html` and `latency.hlog` into a directory, which is made if it is not there.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, dir: &Path, meters: &Meters) -> anyhow::Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            fs::write(&path, bytes).with_context(|| format!("failed to write {}", path.display()))
        };
        write("result.json", &serde_json::to_vec(self)?)?;
        write("report.html", html::report(self).as_bytes())?;
        write("latency.hlog", &hlog::log(meters)?)
    }

    /// The journal, for people.
    pub fn journal_name(&self) -> &'static str {
        match self.journal {
            None => "as configured",
            Some(Journal::Memory) => "in memory",
            Some(Journal::Write) => "on disk without fsync",
            Some(Journal::Fsync) => "on disk with fsync",
        }
    }

    /// A wrong answer fails first; then a run that says nothing; then thresholds count.
    fn judge(&mut self, thresholds: &Thresholds) {
        self.thresholds = self.checks(thresholds);
        self.verdict = if self.balance.faults.count() > 0 || !self.balance.total.close() || !self.refusals.is_empty() {
            Verdict::Broken
        } else if self.sends.late_share > LATE_SHARE {
            Verdict::Invalid
        } else if self.thresholds.iter().any(|check| !check.pass) {
            Verdict::Missed
        } else {
            Verdict::Passed
        };
        self.exit_code = self.verdict.code();
    }

    fn checks(&self, asked: &Thresholds) -> Vec<Check> {
        let offer = &self.latencies[Latency::Offer.name()];
        let create = &self.latencies[Latency::Create.name()];
        let most = |name: &str, bound: Option<f64>, reached: f64, unit: &str| {
            let name = name.to_owned();
            bound.map(|bound| Check {
                name,
                bound,
                reached,
                unit: unit.into(),
                at_least: false,
                pass: reached <= bound,
            })
        };
        let least = |name: &str, bound: Option<f64>, reached: f64, unit: &str| {
            let check = most(name, bound, reached, unit)?;
            Some(Check { at_least: true, pass: check.reached >= check.bound, ..check })
        };
        let total = &self.balance.total;
        let checks = [
            most("offer_p50", asked.offer_p50.map(|span| span.micros()), offer.p50_us, "us"),
            most("offer_p99", asked.offer_p99.map(|span| span.micros()), offer.p99_us, "us"),
            most("offer_p999", asked.offer_p999.map(|span| span.micros()), offer.p999_us, "us"),
            most("create_p99", asked.create_p99.map(|span| span.micros()), create.p99_us, "us"),
            least("rate", asked.rate, self.closed_per_s, "per second"),
            least("service_level", asked.service_level, total.service_level(), "of offered"),
            most("abandonment", asked.abandonment, total.abandonment(), "of offered"),
        ];
        checks.into_iter().flatten().collect()
    }
}

fn sends(driven: &Driven, late_after_ms: f64) -> Sends {
    let delays = &driven.meters.delays;
    Sends {
        count: delays.len(),
        late: driven.meters.late,
        late_share: driven.meters.late as f64 / delays.len().max(1) as f64,
        late_after_ms,
        p999_us: delays.value_at_quantile(0.999) as f64 / 1e3,
        max_us: delays.max() as f64 / 1e3,
    }
}

fn intervals(plan: &Plan, balance: &Balance) -> Vec<Interval> {
    let run = &plan.scenario.run;
    let means = erlang_means(plan);
    let (from, to) = (plan.schedule.from, plan.schedule.to);
    let interval = |(begins, counts): &(u64, Counts)| {
        let at = run.starts_at.0 + begins;
        let seconds = at / 1_000_000;
        let begins_text = match run.interval.0.0.is_multiple_of(60_000_000) {
            true => format!("{:02}:{:02}", seconds / 3_600, seconds / 60 % 60),
            false => format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
        };
        let length = (begins + run.interval.0.0).min(to) - (*begins).max(from);
        let per_second = counts.offered as f64 / (length as f64 / 1e6);
        let erlang_a =
            means.and_then(|(handle, patience)| ErlangA::new(per_second, handle, patience, plan.center.agents.len()));
        Interval { begins: begins_text, counts: counts.clone(), erlang_a }
    };
    balance.intervals.iter().map(interval).collect()
}

/// Mean handle time and mean patience where all agents may serve everyone and patience is exponential: what Erlang A
/// is about.
fn erlang_means(plan: &Plan) -> Option<(f64, f64)> {
    let everyone = plan.center.may_serve.iter().all(|serves| serves.iter().all(|priority| *priority > 0));
    let classes = &plan.scenario.contact_classes;
    let shares: f64 = classes.iter().map(|class| class.share).sum();
    let (mut handle, mut patience) = (0.0, 0.0);
    for class in classes {
        let Some(Distribution::Exponential { mean }) = class.patience else { return None };
        handle += class.share / shares * class.handle_time.mean_seconds()?;
        patience += class.share / shares * (mean.0.0 as f64 / 1e6);
    }
    everyone.then_some((handle, patience))
}

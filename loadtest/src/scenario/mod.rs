//! A scenario: the contact center, who works in it, who arrives, and what is expected of the server.
//!
//! [`load`] reads and checks the file. `center` makes the server's configuration of it, `scale` divides that
//! configuration's times, and `schedule` draws everything that chance decides before a run begins.

pub mod arrivals;
pub mod center;
pub mod chance;
pub mod distribution;
pub mod scale;
pub mod schedule;

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use toml::Spanned;
use usher::config::duration::Duration;
use usher::config::fault::Gathered;
use usher::config::{Faults, nearest};

use arrivals::Arrivals;
use distribution::Distribution;

/// A scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, in reports.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// How it runs.
    pub run: Run,
    /// Further keys of the server's `[[tenants]]`, such as `retry_time`.
    #[serde(default)]
    pub tenant: toml::Table,
    /// The server's `[[tenants.skills]]`; `count` repeats one with `{n}` counted from 1.
    #[serde(default)]
    pub skills: Vec<toml::Table>,
    /// The server's `[[tenants.channels]]`.
    #[serde(default)]
    pub channels: Vec<toml::Table>,
    /// The server's `[[tenants.queues]]`; `count` as with skills.
    #[serde(default)]
    pub queues: Vec<toml::Table>,
    /// Who works there.
    #[serde(default)]
    pub agent_groups: Vec<AgentGroup>,
    /// Who arrives.
    pub contact_classes: Vec<ContactClass>,
    /// When they arrive: the streams add up.
    pub arrivals: Vec<Arrivals>,
    /// What is expected of the server.
    #[serde(default)]
    pub thresholds: Thresholds,
}

/// How a scenario runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// How long contacts arrive, in the scenario's time.
    pub duration: Duration,
    /// How long from the start latencies are left out, in the scenario's time. Default none.
    #[serde(default)]
    pub warm_up: Duration,
    /// How many times faster than life it runs: every time of the scenario and of the server's configuration is divided
    /// by it. Default 1.
    #[serde(default = "one")]
    pub speed: f64,
    /// What chance begins with. Default 1.
    #[serde(default = "first_seed")]
    pub seed: u64,
    /// How gateways and agents talk to the server. Default streams.
    #[serde(default)]
    pub mode: Mode,
    /// What the server's journal is. Default as the server's configuration has it: on disk, with fsync.
    pub journal: Option<Journal>,
    /// Gateways; contacts take turns. Default 4.
    #[serde(default = "four")]
    pub gateways: u32,
    /// Connections the agents share. Default 4.
    #[serde(default = "four")]
    pub connections: u32,
    /// How long what is under way may take to end, in the scenario's time. Default an hour.
    #[serde(default = "hour")]
    pub settle: Duration,
    /// A send later than this after its planned instant is late, in real time. Default 10 ms.
    #[serde(default = "ten_millis")]
    pub late_after: Duration,
    /// Figures are also given per interval of this length, in the scenario's time. Default half an hour.
    #[serde(default = "half_hour")]
    pub interval: Duration,
    /// The time of day the scenario begins at, such as "07:00", for those intervals. Default midnight.
    #[serde(default)]
    pub starts_at: ClockTime,
}

fn one() -> f64 {
    1.0
}

fn first_seed() -> u64 {
    1
}

fn four() -> u32 {
    4
}

fn hour() -> Duration {
    Duration(usher::engine::time::Span::from_secs(3_600))
}

fn half_hour() -> Duration {
    Duration(usher::engine::time::Span::from_secs(1_800))
}

fn ten_millis() -> Duration {
    Duration(usher::engine::time::Span(10_000))
}

/// How gateways and agents talk to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Unary calls; events by WatchContacts and WatchAgent.
    Unary,
    /// Everything on bidirectional sessions.
    #[default]
    Stream,
}

/// What the server's journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Journal {
    /// In memory: nothing is kept.
    Memory,
    /// On disk, handed to the system: survives the death of the process.
    Write,
    /// On disk, with fsync: survives the loss of power.
    Fsync,
}

/// A time of day, in microseconds since midnight; written "HH:MM".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ClockTime(pub u64);

impl std::str::FromStr for ClockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<ClockTime, String> {
        let wrong = || format!("{text:?} is no time of day: write \"HH:MM\"");
        let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
        let part = |text: &str, most: u64| match text.parse::<u64>() {
            Ok(number) if text.len() == 2 && number <= most => Ok(number),
            _ => Err(wrong()),
        };
        Ok(ClockTime((part(hours, 24)? * 60 + part(minutes, 59)?) * 60_000_000))
    }
}

impl TryFrom<String> for ClockTime {
    type Error = String;

    fn try_from(text: String) -> Result<ClockTime, String> {
        text.parse()
    }
}

impl std::fmt::Display for ClockTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minutes = self.0 / 60_000_000;
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Agents who are alike: a team of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentGroup {
    /// The team's id; agents are called after it.
    pub id: Spanned<String>,
    /// How many there are; with a configuration taken, the team's agents are those of the file and this is left out.
    #[serde(default)]
    pub size: u32,
    /// The team's queues, as the server's `[[tenants.teams]]` lists them. Default all.
    #[serde(default)]
    pub queues: Vec<toml::Table>,
    /// The skills each has.
    #[serde(default)]
    pub skills: toml::Table,
    /// Skills drawn for each beside those.
    pub any_skills: Option<AnySkills>,
    /// Capacity units each has. Default the server's.
    pub capacity: Option<u32>,
    /// How long from hearing of an offer to accepting it. Default at once.
    pub accept_delay: Option<Distribution>,
    /// How long wrap-up takes, where the queue has it end by the agent; it ends by the queue's own time without this.
    pub wrap_up: Option<Distribution>,
    /// Probability that an offer is declined. Default 0.
    #[serde(default)]
    pub decline: f64,
    /// Probability that an offer is not answered at all. Default 0.
    #[serde(default)]
    pub no_answer: f64,
    /// Times of being not ready.
    pub breaks: Option<Absences>,
    /// Times of being signed out.
    pub log_outs: Option<Absences>,
    /// Times without a session, the connection gone without a word.
    pub lost_sessions: Option<Absences>,
}

/// Skills drawn for each agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnySkills {
    /// What the ids of the skills to draw from begin with. Default all.
    #[serde(default)]
    pub of: String,
    /// How many different ones each agent gets.
    pub each: u32,
    /// The levels they are drawn from, both inclusive. Default 1 to 10.
    #[serde(default = "all_levels")]
    pub levels: [u8; 2],
}

fn all_levels() -> [u8; 2] {
    [1, 10]
}

/// Times away, at random.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absences {
    /// Mean time between the end of one and the next, exponential.
    pub every: Duration,
    /// How long one lasts.
    pub lasting: Distribution,
}

/// Contacts that are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactClass {
    /// Its name, for `arrivals`.
    pub id: String,
    /// The queues its contacts go to, evenly; a `*` at the end stands for any rest.
    pub queues: Spanned<Vec<String>>,
    /// Their channel.
    pub channel: Spanned<String>,
    /// Its share of the arrivals, beside the others' shares. Default 1.
    #[serde(default = "one")]
    pub share: f64,
    /// Their priority. Default 0.
    #[serde(default)]
    pub priority: i32,
    /// What they ask of an agent beside their queue, in the server's requirement language. Default nothing.
    #[serde(default)]
    pub requirements: String,
    /// Talk and hold together.
    pub handle_time: Distribution,
    /// How long customers wait before they leave. Default for ever.
    pub patience: Option<Distribution>,
}

/// What is expected of the server: a run that misses one ends with 99.
#[derive(Clone, Debug, Default, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Longest 50th percentile of offer latency, from the planned arrival to the agent's hearing of it.
    pub offer_p50: Option<Span>,
    /// Longest 99th percentile of it.
    pub offer_p99: Option<Span>,
    /// Longest 99.9th percentile of it.
    pub offer_p999: Option<Span>,
    /// Longest 99th percentile of creation, from the planned arrival to the answer.
    pub create_p99: Option<Span>,
    /// Lowest rate of lifecycles per second.
    pub rate: Option<f64>,
    /// Lowest share of offered contacts that is answered within the queues' thresholds, 0 to 1.
    pub service_level: Option<f64>,
    /// Highest share of offered contacts that leaves, 0 to 1.
    pub abandonment: Option<f64>,
}

/// A length of real time in a threshold, such as "5ms".
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Span(pub Duration);

impl Span {
    /// In microseconds.
    pub fn micros(self) -> f64 {
        self.0.0.0 as f64
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Reads a scenario and checks it.
///
/// # Errors
/// When it cannot be read, or with all its faults, each with line, column and caret.
pub fn load(path: &Path) -> anyhow::Result<Scenario> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let file = path.display().to_string();
    read(&text, &file).map_err(|faults| anyhow::anyhow!("the scenario is at fault\n{}", faults.render("error", false)))
}

/// Reads a scenario's text; `file` is its name in faults.
///
/// # Errors
/// All its faults.
pub fn read(text: &str, file: &str) -> Result<Scenario, Faults> {
    let mut faults = Gathered::new(text);
    match toml::from_str::<Scenario>(text) {
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let hint = unknown_key(error.message());
            faults.maybe(span, error.message(), hint);
            Err(faults.finish(file))
        }
        Ok(scenario) => {
            check(&scenario, &mut faults);
            if faults.count() == 0 { Ok(scenario) } else { Err(faults.finish(file)) }
        }
    }
}

/// What a key that serde does not know was perhaps meant to be.
fn unknown_key(message: &str) -> Option<String> {
    let (unknown, known) = message.strip_prefix("unknown field `")?.split_once("`, expected ")?;
    let near = nearest(unknown, known.split('`').skip(1).step_by(2))?;
    Some(format!("did you mean `{near}`?"))
}

fn check(scenario: &Scenario, faults: &mut Gathered<'_>) {
    let run = &scenario.run;
    let mut need = |good: bool, what: &str| {
        if !good {
            faults.add(0..0, what);
        }
    };
    need(run.speed.is_finite() && run.speed > 0.0 && run.speed <= 1_000.0, "run.speed must be above 0, at most 1000");
    need((1..=64).contains(&run.gateways), "run.gateways must be 1 to 64");
    need((1..=64).contains(&run.connections), "run.connections must be 1 to 64");
    need(run.interval.0.0 >= 1_000_000, "run.interval must be a second at least");
    need(!scenario.contact_classes.is_empty(), "there must be a [[contact_classes]]");
    need(!scenario.arrivals.is_empty(), "there must be an [[arrivals]]");
    for group in &scenario.agent_groups {
        let span = group.id.span();
        let probabilities = [group.decline, group.no_answer, group.decline + group.no_answer];
        if probabilities.iter().any(|share| !(0.0..=1.0).contains(share)) {
            faults.add(span.clone(), "decline and no_answer are probabilities that add up to 1 at most");
        }
        let absences = [&group.breaks, &group.log_outs, &group.lost_sessions];
        let absences = absences.into_iter().flatten();
        if absences.clone().any(|absence| absence.every.0.0 < 1_000) {
            faults.add(span.clone(), "absences come every 1 ms at most");
        }
        let drawn = [&group.accept_delay, &group.wrap_up].into_iter().flatten();
        for distribution in drawn.chain(absences.map(|absence| &absence.lasting)) {
            if let Err(what) = distribution.check() {
                faults.add(span.clone(), what);
            }
        }
    }
    for class in &scenario.contact_classes {
        let span = class.channel.span();
        if !(class.share.is_finite() && class.share > 0.0) {
            faults.add(span.clone(), "share must be above 0");
        }
        for distribution in [Some(&class.handle_time), class.patience.as_ref()].into_iter().flatten() {
            if let Err(what) = distribution.check() {
                faults.add(span.clone(), what);
            }
        }
    }
    let classes = || scenario.contact_classes.iter().map(|class| class.id.as_str());
    for arrivals in &scenario.arrivals {
        for class in &arrivals.classes {
            if !classes().any(|known| known == class.get_ref()) {
                faults.unknown(class.span(), "contact class", class.get_ref(), classes());
            }
        }
        if let Err(what) = arrivals.check() {
            faults.add(arrivals.pattern.span(), what);
        }
    }
}

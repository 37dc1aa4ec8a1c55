//! The shape of a scenario file: every key there is, its type and what it means. `compile` gives it its meaning.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::config::Kind;
use crate::config::duration::Duration;
use crate::config::schema::{At, Attribute, Id, Label, Level, TimeOfDay, Weekday, schema, schema_of};

/// Scenario files.
pub static SCENARIO: Kind = Kind {
    schema: || &SCHEMA,
    root: "Scenario",
    later_keys: &[],
    later_values: &[],
    headers: &[
        ("Scenario", "the top of the file"),
        ("Flow", "[[flows]]"),
        ("Arrivals", "arrivals = [{ … }] of [[flows]]"),
        ("Law", "a law of times: { law = … }"),
        ("TeamLaw", "handle_time_by_team or wrap_up_by_team of [[flows]]"),
        ("Retry", "retry = { … } of [[flows]]"),
        ("Agents", "[[agents]]"),
        ("Staffing", "[[staffing]]"),
        ("Shift", "[[shifts]]"),
        ("Pause", "breaks = [{ … }] of [[shifts]]"),
        ("Conduct", "[[conduct]]"),
        ("Closing", "[[closings]]"),
    ],
};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema_of::<Scenario>("usher scenario"));

/// A scenario: who comes, who works when, and what people do. Times of day are those of the tenant's zone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is, for the report. Default: the file's name.
    pub name: Option<Label>,
    /// The tenant of the configuration. Default: its first.
    pub tenant: Option<At<String>>,
    /// The first day.
    #[schemars(extend("x-usher" = "date"))]
    pub start: At<String>,
    /// Days in a row. Default 1.
    #[schemars(range(min = 1, max = 366))]
    pub days: Option<u32>,
    /// Independent runs, each with chance of its own; intervals of confidence are taken over them. Default 10.
    #[schemars(range(min = 1, max = 100_000))]
    pub runs: Option<u32>,
    /// Length of the report's intervals. Default "30m".
    #[schemars(extend("x-min" = "1m", "x-max" = "1d"))]
    pub interval: Option<At<Duration>>,
    /// What the service level is a share of. Default "of_offered".
    pub service_level: Option<ServiceLevel>,
    /// Contacts at the center at once, waiting or in conversation; a further one is blocked. Default: any number.
    #[schemars(range(min = 1, max = 4_000_000))]
    pub lines: Option<u32>,
    /// Who comes.
    #[schemars(length(min = 1))]
    pub flows: Vec<Flow>,
    /// Agents beside those of the configuration.
    #[serde(default)]
    pub agents: Vec<Agents>,
    /// How many agents of a team work, interval by interval. A team without staffing and shifts works all the time.
    #[serde(default)]
    pub staffing: Vec<Staffing>,
    /// Shifts with breaks.
    #[serde(default)]
    pub shifts: Vec<Shift>,
    /// What agents do with offers. Default: accepted and connected at once.
    #[serde(default)]
    pub conduct: Vec<Conduct>,
    /// When those who wait are told to go. Default: never.
    #[serde(default)]
    pub closings: Vec<Closing>,
}

/// What a service level is a share of: W answered within the threshold, A answered, B abandoned, B_T abandoned within
/// the threshold, B_s short abandonments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceLevel {
    /// W / offered.
    #[default]
    OfOffered,
    /// W / A.
    OfAnswered,
    /// W / (A + B).
    OfAnsweredAbandoned,
    /// W / (A + B - B_s).
    ExcludingShort,
    /// (W + B_T) / (A + B).
    AbandonsMet,
    /// W / (A + B - B_T).
    ExcludingEarlyAbandons,
}

impl ServiceLevel {
    /// Its name, as in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ServiceLevel::OfOffered => "of_offered",
            ServiceLevel::OfAnswered => "of_answered",
            ServiceLevel::OfAnsweredAbandoned => "of_answered_abandoned",
            ServiceLevel::ExcludingShort => "excluding_short",
            ServiceLevel::AbandonsMet => "abandons_met",
            ServiceLevel::ExcludingEarlyAbandons => "excluding_early_abandons",
        }
    }
}

/// A stream of customers of one kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// The id.
    pub id: At<Id>,
    /// The queue its contacts come to.
    pub queue: At<String>,
    /// The channel they come by. Default "voice".
    pub channel: Option<At<String>>,
    /// Their priority, higher first. Default 0.
    #[schemars(range(min = -100, max = 100))]
    pub priority: Option<i32>,
    /// What they ask of an agent beside their queue, such as "french >= 3". Default: nothing.
    pub require: Option<At<String>>,
    /// Their attributes.
    #[serde(default)]
    pub attributes: BTreeMap<At<String>, Attribute>,
    /// When they come: all of these together.
    #[schemars(length(min = 1))]
    pub arrivals: Vec<At<Arrivals>>,
    /// How long a conversation takes.
    pub handle_time: At<Law>,
    /// How long it takes with agents of some teams.
    #[serde(default)]
    pub handle_time_by_team: Vec<TeamLaw>,
    /// When the agent ends his wrap-up, if the queue's rule has one. Default: the queue's rule.
    pub wrap_up: Option<At<Law>>,
    /// The same for some teams.
    #[serde(default)]
    pub wrap_up_by_team: Vec<TeamLaw>,
    /// How long a customer waits before giving up. Default: for ever.
    pub patience: Option<At<Law>>,
    /// What a customer does who gave up. Default: nothing.
    pub retry: Option<Retry>,
}

/// A source of arrivals.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// What kind.
    pub kind: ArrivalKind,
    /// On which days of the week. Default: all.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// Poisson, constant, even: from when. Default "00:00".
    pub from: Option<TimeOfDay>,
    /// Constant, even: until when. Default "24:00".
    pub to: Option<TimeOfDay>,
    /// Poisson: length of the intervals. Default "30m".
    #[schemars(extend("x-min" = "1m", "x-max" = "1d"))]
    pub interval: Option<Duration>,
    /// Poisson: contacts expected in each interval, from `from` on.
    pub per_interval: Option<Vec<Rate>>,
    /// Constant, even: contacts an hour.
    pub per_hour: Option<Rate>,
    /// Burst: when.
    pub at: Option<TimeOfDay>,
    /// Burst: how many.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub count: Option<u32>,
    /// Burst: spread evenly by chance over this time. Default "0s".
    #[schemars(extend("x-max" = "1d"))]
    pub over: Option<Duration>,
    /// Counts, contacts: CSV file with a header line; relative to the scenario, or given with --data NAME=FILE.
    pub file: Option<At<String>>,
    /// Counts, contacts: column with the local time. Default: the first.
    pub time_column: Option<At<String>>,
    /// Counts: column with the number of contacts. Default: the second.
    pub count_column: Option<At<String>>,
    /// Counts: length of the intervals counted. Default "30m".
    #[schemars(extend("x-min" = "1s", "x-max" = "1d"))]
    pub every: Option<Duration>,
    /// Contacts: column with the handle time in seconds, where known. Default: drawn from `handle_time`.
    pub handle_time_column: Option<At<String>>,
    /// Contacts: column with the patience in seconds, where known. Default: drawn from `patience`.
    pub patience_column: Option<At<String>>,
    /// Times as many. Default 1.
    pub scale: Option<Rate>,
    /// How busy a day is as a whole: a factor drawn for each day. Default: none.
    pub day_factor: Option<DayFactor>,
}

/// A kind of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalKind {
    /// A Poisson process with a rate for each interval.
    Poisson,
    /// A Poisson process with one rate.
    Constant,
    /// Evenly spaced.
    Even,
    /// Many at once.
    Burst,
    /// As many as were counted, by chance within each interval.
    Counts,
    /// One by one, as listed.
    Contacts,
}

/// A factor of the rates of a whole day: gamma distributed with mean 1.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DayFactor {
    /// Shape: the factor's variance is 1 / shape.
    pub shape: Rate,
    /// Flows that name the same share the factor. Default: the flow has its own.
    pub shared: Option<Id>,
}

/// A number above or at 0.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub f64);

/// A share, 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Share(pub f64);

/// A law of times.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Law {
    /// Which.
    pub law: LawName,
    /// Mean of exponential, lognormal, deterministic, Erlang and hyperexponential.
    pub mean: Option<Duration>,
    /// Standard deviation of lognormal.
    pub sd: Option<Duration>,
    /// Stages of Erlang.
    #[schemars(range(min = 1, max = 1000))]
    pub stages: Option<u32>,
    /// Squared coefficient of variation of hyperexponential, 1 or more.
    #[schemars(range(min = 1, max = 10_000))]
    pub scv: Option<f64>,
    /// Scale of Weibull.
    pub scale: Option<Duration>,
    /// Shape of Weibull.
    #[schemars(range(min = 0.05, max = 100))]
    pub shape: Option<f64>,
    /// Least of uniform.
    pub min: Option<Duration>,
    /// Most of uniform.
    pub max: Option<Duration>,
    /// Values of empirical.
    pub values: Option<Vec<Duration>>,
    /// File of empirical: one number of seconds a line; relative to the scenario, or given with --data NAME=FILE.
    pub file: Option<At<String>>,
}

/// A law's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LawName {
    /// Memoryless: `mean`.
    Exponential,
    /// Its logarithm is normal: `mean`, `sd` of the time itself.
    Lognormal,
    /// Always `mean`.
    Deterministic,
    /// The sum of `stages` exponentials: `mean` of the sum.
    Erlang,
    /// One of two exponentials with balanced means: `mean`, `scv`.
    Hyperexponential,
    /// `scale`, `shape`.
    Weibull,
    /// `min`, `max`.
    Uniform,
    /// One of `values`, or of the numbers in `file`.
    Empirical,
}

/// A law for the agents of a team.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamLaw {
    /// The team.
    pub team: At<String>,
    /// The law.
    pub time: At<Law>,
}

/// Calling again after giving up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The chance, each time.
    pub probability: Share,
    /// After how long.
    pub delay: At<Law>,
    /// Calls in all at most. Default 100.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<u32>,
    /// Whether the waits of all calls of a customer count together against the threshold. Default false.
    pub waits_add_up: Option<bool>,
}

/// Agents beside those of the configuration, all alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// Their team.
    pub team: At<String>,
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Their ids are this, a hyphen and a number. Default: the team's id.
    pub prefix: Option<At<Id>>,
    /// Their skills with levels.
    #[serde(default)]
    pub skills: BTreeMap<At<String>, Level>,
    /// Their site.
    pub site: Option<Label>,
    /// Their capacity units. Default 100.
    #[schemars(range(min = 1, max = 10_000))]
    pub capacity: Option<u32>,
}

/// How many agents of a team work, interval by interval: the first of its list come first and go last.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Staffing {
    /// The team.
    pub team: At<String>,
    /// On which days of the week. Default: all.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// From when. Default "00:00".
    pub from: Option<TimeOfDay>,
    /// Length of the intervals. Default "30m".
    #[schemars(extend("x-min" = "1m", "x-max" = "1d"))]
    pub interval: Option<Duration>,
    /// Agents at work in each interval, from `from` on; none after the last.
    pub agents: Vec<u32>,
    /// Whether they stay at the end while somebody waits in their queues. Default false.
    pub stay: Option<bool>,
}

/// A shift of some agents of a team.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// The team.
    pub team: At<String>,
    /// How many of its agents; they are taken in order from those no earlier shift of the day has. Default: all left.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: Option<u32>,
    /// These agents. Default: by `count`.
    #[serde(default)]
    pub agents: Vec<At<String>>,
    /// On which days of the week. Default: all.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// From when.
    pub from: TimeOfDay,
    /// Until when; work in hand is finished.
    pub to: TimeOfDay,
    /// Breaks.
    #[serde(default)]
    pub breaks: Vec<Pause>,
    /// Whether they stay at the end while somebody waits in their queues. Default false.
    pub stay: Option<bool>,
}

/// A break in a shift.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// When.
    pub at: TimeOfDay,
    /// How long.
    #[schemars(extend("x-min" = "1s", "x-max" = "1d"))]
    pub lasts: Duration,
    /// The NOT_READY reason. Default: the tenant's first, or "break".
    pub reason: Option<At<String>>,
}

/// What the agents of a team do with offers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conduct {
    /// The team, or "*" for all.
    pub team: At<String>,
    /// How long until an offer is answered. Default: at once.
    pub accept_delay: Option<At<Law>>,
    /// Share of offers declined. Default 0.
    pub decline: Option<Share>,
    /// Share of offers left to ring. Default 0.
    pub no_answer: Option<Share>,
    /// From accept to connect where the channel's `connect` is "explicit". Default: at once.
    pub connect_delay: Option<At<Law>>,
}

/// An instant at which those who wait are disconnected.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// Which queues; "*" for all.
    pub queues: Vec<At<String>>,
    /// When.
    pub at: TimeOfDay,
    /// On which days of the week. Default: all.
    #[serde(default)]
    pub days: Vec<Weekday>,
}

schema!(Rate, { "description": "A number, 0 or above.", "type": "number", "minimum": 0, "maximum": 1e9 });
schema!(Share, { "description": "A share, 0 to 1.", "type": "number", "minimum": 0, "maximum": 1 });

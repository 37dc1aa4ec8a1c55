//! A file of cases: systems with results known from elsewhere, in the format of `tests/oracles/README.md`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::sim::law::Law;

/// A file of cases.
#[derive(Debug, Deserialize)]
pub struct File {
    /// Version of the format: 1.
    pub format: u32,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// The id.
    pub id: String,
    /// What it is.
    #[serde(default)]
    pub title: String,
    /// Where its results come from.
    #[serde(default)]
    pub source: String,
    /// The system.
    pub system: Value,
    /// How long to run it.
    pub run: Length,
    /// What must come out, by metric.
    pub expected: BTreeMap<String, Expected>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Length {
    /// Contacts before anything is measured.
    #[serde(default)]
    pub warmup_contacts: u64,
    /// Contacts measured.
    #[serde(default)]
    pub measured_contacts: u64,
    /// Independent days, for cases that are whole days.
    #[serde(default)]
    pub independent_days: u64,
}

/// What must come out of one metric.
#[derive(Clone, Debug, Deserialize)]
pub struct Expected {
    /// The value.
    pub value: f64,
    /// `exact`, `simulated` or `published`.
    #[serde(default)]
    pub kind: String,
    /// How far off a run of the case's length may be; none is printed and not judged.
    pub accept_abs: Option<f64>,
    /// Half width of the value's own interval, where it was simulated.
    #[serde(default)]
    pub ci99_half_width: f64,
}

/// A system of classes and pools. Unknown keys are refused: each might change what the system does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Kinds of contacts.
    pub classes: Vec<Class>,
    /// Kinds of agents.
    pub pools: Vec<Pool>,
    /// How long conversations take.
    pub handle_time: HandleTime,
    /// Contacts that may wait at once, over all classes; none for any number.
    pub waiting_places: Option<u64>,
    /// How an arriving contact's agent is chosen, in words.
    pub agent_selection: String,
    /// How a free agent's contact is chosen, in words.
    pub contact_selection: String,
    /// The threshold of service levels.
    #[serde(rename = "answer_threshold_T_s")]
    pub threshold_s: Option<f64>,
    /// Said about it.
    #[serde(default)]
    pub note: Value,
}

/// A kind of contacts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The id.
    pub id: String,
    /// `poisson`.
    pub arrivals: String,
    /// Arrivals per second.
    pub arrival_rate_per_s: f64,
    /// When customers give up; none never.
    pub patience: Option<Distribution>,
    /// Lower first, for static priorities.
    pub priority: Option<i64>,
    /// Growth of priority with time waited.
    pub aging_rate: Option<f64>,
    /// Share of all who wait, for queue ratios.
    pub queue_ratio: Option<f64>,
    /// Pools in order of preference, lower first.
    #[serde(default)]
    pub pool_rank: BTreeMap<String, u32>,
    /// Agents of a pool that must stay idle.
    #[serde(default)]
    pub reserve_idle_in_pool: BTreeMap<String, u32>,
    /// Said about it.
    #[serde(default)]
    pub note: Value,
}

/// A kind of agents.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The id.
    pub id: String,
    /// How many.
    pub agents: u32,
    /// The classes they serve.
    pub serves: Vec<String>,
    /// In which order, where they have their own.
    pub class_order: Option<Vec<String>>,
    /// Said about it.
    #[serde(default)]
    pub note: Value,
}

/// How long conversations take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandleTime {
    /// The law.
    pub distribution: String,
    /// Means, by `class,pool`.
    pub mean_s: BTreeMap<String, f64>,
    /// Standard deviation.
    pub sd_s: Option<f64>,
    /// Squared coefficient of variation.
    pub scv: Option<f64>,
    /// Stages.
    pub k: Option<u32>,
    /// Said about it.
    #[serde(default)]
    pub note: Value,
}

impl HandleTime {
    /// The law of one pair; none when the pool has no mean for the class.
    ///
    /// # Errors
    /// A law that is not known or lacks a parameter.
    pub fn law(&self, class: &str, pool: &str) -> Result<Option<Law>> {
        let Some(&mean_s) = self.mean_s.get(&format!("{class},{pool}")) else { return Ok(None) };
        let HandleTime { distribution, sd_s, scv, k, .. } = self;
        let full = Distribution {
            distribution: distribution.clone(),
            mean_s: Some(mean_s),
            sd_s: *sd_s,
            scv: *scv,
            k: *k,
            ..Distribution::default()
        };
        full.law().map(Some)
    }
}

/// A law of times.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Its name.
    pub distribution: String,
    /// Mean.
    pub mean_s: Option<f64>,
    /// Standard deviation of the time itself.
    pub sd_s: Option<f64>,
    /// Squared coefficient of variation.
    pub scv: Option<f64>,
    /// Stages.
    pub k: Option<u32>,
    /// Scale, of Weibull.
    pub scale_s: Option<f64>,
    /// Shape, of Weibull.
    pub shape: Option<f64>,
    /// Lower bound, of uniform.
    pub low_s: Option<f64>,
    /// Upper bound, of uniform.
    pub high_s: Option<f64>,
    /// Said about it.
    #[serde(default)]
    pub note: Value,
}

impl Distribution {
    /// The law.
    ///
    /// # Errors
    /// A law that is not known or lacks a parameter.
    pub fn law(&self) -> Result<Law> {
        let name = self.distribution.as_str();
        let second = |given: Option<f64>, what: &str| {
            given.map(|s| s * 1e6).with_context(|| format!("the law `{name}` lacks `{what}`"))
        };
        let mean = || second(self.mean_s, "mean_s");
        Ok(match name {
            "exp" | "exponential" => Law::Exponential { mean: mean()? },
            "det" | "deterministic" => Law::Deterministic { value: mean()? },
            "lognormal" => match (self.sd_s, self.scv) {
                (None, Some(scv)) => Law::lognormal(mean()?, mean()? * libm::sqrt(scv)),
                (sd, _) => Law::lognormal(mean()?, second(sd, "sd_s")?),
            },
            "h2" | "hyperexponential" => {
                let of_sd = self.sd_s.zip(self.mean_s).map(|(sd, mean)| (sd / mean) * (sd / mean));
                Law::hyperexponential(mean()?, self.scv.or(of_sd).context("the law `h2` lacks `scv`")?)
            }
            "erlang" => {
                let of_scv = self.scv.map(|scv| (1.0 / scv).round() as u32);
                let of_sd = self.sd_s.zip(self.mean_s).map(|(sd, mean)| (mean * mean / (sd * sd)).round() as u32);
                let k = self.k.or(of_scv).or(of_sd).context("the law `erlang` lacks `k`")?;
                Law::Erlang { k: k.max(1), mean: mean()? }
            }
            "weibull" => Law::Weibull {
                scale: second(self.scale_s, "scale_s")?,
                shape: self.shape.context("the law `weibull` lacks `shape`")?,
            },
            "uniform" => Law::Uniform { low: second(self.low_s, "low_s")?, high: second(self.high_s, "high_s")? },
            other => bail!("there is no law `{other}`"),
        })
    }
}

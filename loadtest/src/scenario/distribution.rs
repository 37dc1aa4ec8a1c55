//! Distributions of lengths of time: handle times, patience, delays.

use rand_distr::{Distribution as _, Exp1, LogNormal, Weibull};
use serde::Deserialize;
use usher::config::duration::Duration;

use super::chance::Chance;

/// A distribution of lengths of time, as a scenario writes it: `{ distribution = "lognormal", mean = "190s" }`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "distribution", rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always the same.
    Constant {
        /// The length.
        mean: Duration,
    },
    /// Any length between two is as likely as any other.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Memoryless, as patience and arrivals are in Erlang's models.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// What conversations are found to follow (Brown et al. 2005, section 4.3).
    Lognormal {
        /// The mean, not of the logarithm.
        mean: Duration,
        /// Standard deviation over mean. Default 1.
        #[serde(default = "one")]
        cv: f64,
    },
    /// Patience with a hazard that falls (shape under 1) or rises (over 1).
    Weibull {
        /// The scale: 63 % are shorter.
        scale: Duration,
        /// The shape.
        shape: f64,
    },
}

fn one() -> f64 {
    1.0
}

impl Distribution {
    /// Whether its figures make sense; else what does not.
    pub fn check(&self) -> Result<(), String> {
        let positive = |name: &str, figure: f64| {
            let good = figure.is_finite() && figure > 0.0 && figure <= 100.0;
            if good { Ok(()) } else { Err(format!("{name} is {figure}: it must be above 0 and at most 100")) }
        };
        match self {
            Distribution::Uniform { min, max } if min > max => Err(format!("min {min} is longer than max {max}")),
            Distribution::Lognormal { cv, .. } => positive("cv", *cv),
            Distribution::Weibull { shape, .. } => positive("shape", *shape),
            Distribution::Constant { .. } | Distribution::Uniform { .. } | Distribution::Exponential { .. } => Ok(()),
        }
    }

    /// Draws a length, in microseconds of the scenario's time; never longer than ten years.
    pub fn draw(&self, chance: &mut Chance) -> u64 {
        let micros = |span: &Duration| span.0.0 as f64;
        let drawn = match self {
            Distribution::Constant { mean } => micros(mean),
            Distribution::Uniform { min, max } => micros(min) + (micros(max) - micros(min)) * chance.unit(),
            Distribution::Exponential { mean } => {
                let unit: f64 = Exp1.sample(&mut chance.0);
                micros(mean) * unit
            }
            Distribution::Lognormal { mean, cv } => {
                let variance = (1.0 + cv * cv).ln();
                let location = micros(mean).max(1.0).ln() - variance / 2.0;
                LogNormal::new(location, variance.sqrt()).map_or(micros(mean), |law| law.sample(&mut chance.0))
            }
            Distribution::Weibull { scale, shape } => {
                Weibull::new(micros(scale).max(1.0), *shape).map_or(micros(scale), |law| law.sample(&mut chance.0))
            }
        };
        drawn.clamp(0.0, 3.2e14) as u64
    }

    /// The mean, in seconds of the scenario's time, where it has a closed form.
    pub fn mean_seconds(&self) -> Option<f64> {
        let seconds = |span: &Duration| span.0.0 as f64 / 1e6;
        match self {
            Distribution::Constant { mean }
            | Distribution::Exponential { mean }
            | Distribution::Lognormal { mean, .. } => Some(seconds(mean)),
            Distribution::Uniform { min, max } => Some(f64::midpoint(seconds(min), seconds(max))),
            Distribution::Weibull { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::chance::Chance;

    fn mean_of(text: &str) -> f64 {
        #[derive(Deserialize)]
        struct One {
            time: Distribution,
        }
        let one: One = toml::from_str(&format!("time = {text}")).expect("a distribution");
        one.time.check().expect("in order");
        let mut chance = Chance::new(7, "test", 0);
        (0..200_000).map(|_| one.time.draw(&mut chance) as f64 / 1e6).sum::<f64>() / 200_000.0
    }

    #[test]
    fn means_are_what_was_asked_for() {
        // The standard error of the mean of 200,000 draws with a cv of 1 is 0.22 %; these bounds are beyond four of it.
        for (text, mean) in [
            (r#"{ distribution = "constant", mean = "3s" }"#, 3.0),
            (r#"{ distribution = "uniform", min = "1s", max = "3s" }"#, 2.0),
            (r#"{ distribution = "exponential", mean = "240s" }"#, 240.0),
            (r#"{ distribution = "lognormal", mean = "190s" }"#, 190.0),
            (r#"{ distribution = "weibull", scale = "100s", shape = 2.0 }"#, 88.622_7),
        ] {
            let drawn = mean_of(text);
            assert!((drawn / mean - 1.0).abs() < 0.01, "{text}: {drawn}");
        }
    }
}

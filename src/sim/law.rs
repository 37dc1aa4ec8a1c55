//! Laws of times: how long people wait, talk and wrap up. All in microseconds.

use crate::engine::time::Span;

use super::random::Stream;

/// A law a time is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Memoryless, with this mean.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// Its logarithm is normal.
    Lognormal {
        /// Mean of the logarithm.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Always the same.
    Deterministic {
        /// The time.
        value: f64,
    },
    /// The sum of `k` exponential stages.
    Erlang {
        /// How many stages.
        k: u32,
        /// The mean of their sum.
        mean: f64,
    },
    /// One of two exponentials, each with half of the mean (balanced means).
    Hyperexponential {
        /// Chance of the first.
        p: f64,
        /// Mean of the first.
        first: f64,
        /// Mean of the second.
        second: f64,
    },
    /// Weibull.
    Weibull {
        /// Scale.
        scale: f64,
        /// Shape: below 1 many are short and few very long.
        shape: f64,
    },
    /// Evenly between two bounds.
    Uniform {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// One of the values observed, each as likely.
    Empirical {
        /// The values.
        values: Vec<f64>,
    },
}

impl Law {
    /// Lognormal with the mean and standard deviation of the time itself.
    #[must_use]
    pub fn lognormal(mean: f64, sd: f64) -> Law {
        let variance = libm::log(1.0 + (sd / mean) * (sd / mean));
        Law::Lognormal { mu: libm::log(mean) - variance / 2.0, sigma: libm::sqrt(variance) }
    }

    /// Hyperexponential with balanced means and a squared coefficient of variation of at least 1.
    #[must_use]
    pub fn hyperexponential(mean: f64, scv: f64) -> Law {
        let p = (1.0 + libm::sqrt((scv - 1.0) / (scv + 1.0))) / 2.0;
        Law::Hyperexponential { p, first: mean / (2.0 * p), second: mean / (2.0 * (1.0 - p)) }
    }

    /// The mean, in microseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Law::Exponential { mean } | Law::Erlang { mean, .. } => *mean,
            Law::Lognormal { mu, sigma } => libm::exp(mu + sigma * sigma / 2.0),
            Law::Deterministic { value } => *value,
            Law::Hyperexponential { p, first, second } => p * first + (1.0 - p) * second,
            Law::Weibull { scale, shape } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Law::Uniform { low, high } => (low + high) / 2.0,
            Law::Empirical { values } => values.iter().sum::<f64>() / values.len().max(1) as f64,
        }
    }

    /// Draws one.
    #[must_use]
    pub fn draw(&self, stream: &mut Stream) -> Span {
        let micros = match self {
            Law::Exponential { mean } => mean * stream.exponential(),
            Law::Lognormal { mu, sigma } => libm::exp(mu + sigma * stream.normal()),
            Law::Deterministic { value } => *value,
            Law::Erlang { k, mean } => (0..*k).map(|_| stream.exponential()).sum::<f64>() * mean / f64::from(*k),
            Law::Hyperexponential { p, first, second } => {
                let mean = if stream.unit() < *p { first } else { second };
                mean * stream.exponential()
            }
            Law::Weibull { scale, shape } => scale * libm::pow(stream.exponential(), 1.0 / shape),
            Law::Uniform { low, high } => low + (high - low) * stream.unit(),
            Law::Empirical { values } => values[stream.below(values.len())],
        };
        // What no center lasts is cut off at ten years, long before times overflow.
        Span(micros.clamp(0.0, 3.2e14).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::random::Cause;

    #[test]
    fn means_and_deviations_are_those_asked_for() {
        let second = 1e6;
        for (law, mean, sd) in [
            (Law::Exponential { mean: 300.0 * second }, 300.0, 300.0),
            (Law::lognormal(300.0 * second, 360.0 * second), 300.0, 360.0),
            (Law::Deterministic { value: 240.0 * second }, 240.0, 0.0),
            (Law::Erlang { k: 4, mean: 100.0 * second }, 100.0, 50.0),
            (Law::hyperexponential(200.0 * second, 4.0), 200.0, 400.0),
            (Law::Weibull { scale: 200.0 * second, shape: 2.0 }, 177.245, 92.65),
            (Law::Uniform { low: 180.0 * second, high: 420.0 * second }, 300.0, 69.28),
            (Law::Empirical { values: vec![10.0 * second, 30.0 * second] }, 20.0, 10.0),
        ] {
            assert!((law.mean() / second - mean).abs() < 0.01, "{law:?}");
            let mut stream = Stream::new(3, Cause::HandleTime, 0, 0);
            let drawn: Vec<f64> = (0..200_000).map(|_| law.draw(&mut stream).0 as f64 / second).collect();
            let found = drawn.iter().sum::<f64>() / drawn.len() as f64;
            let spread = (drawn.iter().map(|x| (x - found) * (x - found)).sum::<f64>() / drawn.len() as f64).sqrt();
            assert!((found - mean).abs() < 0.015 * mean, "{law:?}: mean {found}");
            assert!((spread - sd).abs() < 0.03 * mean, "{law:?}: sd {spread}");
        }
    }
}

//! When the contacts of a flow arrive.

use crate::engine::time::Time;

use super::random::Stream;

/// A stretch of time with a constant rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// When it begins.
    pub from: Time,
    /// When it ends.
    pub to: Time,
    /// Arrivals per microsecond.
    pub rate: f64,
}

/// The arrivals of one flow in one run, in order.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// A Poisson process whose rate is constant by stretches.
    Poisson {
        /// The stretches, in order, not overlapping.
        stretches: Vec<Stretch>,
        /// The one arrivals have come to.
        at: usize,
        /// How far into it, in microseconds.
        into: f64,
    },
    /// Known beforehand.
    Listed {
        /// The instants, in order.
        times: Vec<Time>,
        /// The next of them.
        at: usize,
    },
}

impl Arrivals {
    /// A Poisson process. Stretches without arrivals are left out.
    #[must_use]
    pub fn poisson(stretches: impl IntoIterator<Item = Stretch>) -> Arrivals {
        let stretches = stretches.into_iter().filter(|stretch| stretch.rate > 0.0 && stretch.from < stretch.to);
        Arrivals::Poisson { stretches: stretches.collect(), at: 0, into: 0.0 }
    }

    /// Instants known beforehand, in any order.
    #[must_use]
    pub fn listed(mut times: Vec<Time>) -> Arrivals {
        times.sort_unstable();
        Arrivals::Listed { times, at: 0 }
    }

    /// The next arrival, if there is one.
    pub fn next(&mut self, stream: &mut Stream) -> Option<Time> {
        match self {
            Arrivals::Listed { times, at } => {
                *at += 1;
                times.get(*at - 1).copied()
            }
            Arrivals::Poisson { stretches, at, into } => {
                // By the time change: what is drawn is used up at the rate of each stretch.
                let mut left = stream.exponential();
                while let Some(stretch) = stretches.get(*at) {
                    let length = stretch.to.since(stretch.from).0 as f64;
                    let step = left / stretch.rate;
                    if *into + step < length {
                        *into += step;
                        return Some(Time(stretch.from.0 + into.round() as u64));
                    }
                    left -= (length - *into) * stretch.rate;
                    *at += 1;
                    *into = 0.0;
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::random::Cause;

    #[test]
    fn a_changing_rate_gives_its_counts() {
        let hour = |hour: u64| Time(hour * 3_600_000_000);
        let stretch = |from: u64, to: u64, per_hour: f64| Stretch {
            from: hour(from),
            to: hour(to),
            rate: per_hour / 3_600_000_000.0,
        };
        let mut arrivals = Arrivals::poisson([stretch(1, 2, 3_000.0), stretch(2, 3, 0.0), stretch(3, 4, 9_000.0)]);
        let mut stream = Stream::new(11, Cause::Arrival, 0, 0);
        let mut counts = [0u32; 5];
        let mut last = Time(0);
        while let Some(time) = arrivals.next(&mut stream) {
            assert!(time >= last);
            last = time;
            counts[(time.0 / 3_600_000_000) as usize] += 1;
        }
        assert_eq!((counts[0], counts[2], counts[4]), (0, 0, 0));
        assert!((2_800..3_200).contains(&counts[1]), "{counts:?}");
        assert!((8_600..9_400).contains(&counts[3]), "{counts:?}");
    }

    #[test]
    fn listed_instants_come_in_order() {
        let mut arrivals = Arrivals::listed(vec![Time(3), Time(1), Time(2)]);
        let mut stream = Stream::new(1, Cause::Arrival, 0, 0);
        let found: Vec<Time> = std::iter::from_fn(|| arrivals.next(&mut stream)).collect();
        assert_eq!(found, [Time(1), Time(2), Time(3)]);
    }
}

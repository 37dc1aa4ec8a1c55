//! How long things take, by HDR histogram: exact to 1 % from a nanosecond to a minute, in 30 KiB that never grow.
//!
//! A reading takes a copy under the lock, a few microseconds; nothing else ever waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::names::Metric;
use super::text::Page;

/// Longest time told apart; what takes longer is counted as this long.
const LONGEST: Duration = Duration::from_secs(60);

/// A distribution of times.
#[derive(Debug)]
pub struct Latency {
    held: Mutex<Held>,
}

#[derive(Clone, Debug)]
struct Held {
    times: Histogram<u64>,
    sum: Duration,
}

impl Default for Latency {
    fn default() -> Latency {
        let most = LONGEST.as_nanos() as u64;
        let times = Histogram::new_with_bounds(1, most, 2).expect("the bounds are in order");
        Latency { held: Mutex::new(Held { times, sum: Duration::ZERO }) }
    }
}

impl Latency {
    /// Counts one.
    pub fn record(&self, time: Duration) {
        self.share(time, 1);
    }

    /// Counts several that took `time` together, in equal parts; nothing when there is none.
    pub fn share(&self, time: Duration, several: u64) {
        let Some(each) = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).checked_div(several) else { return };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.times.saturating_record_n(each, several);
        held.sum += time;
    }

    /// The time at or under which a share of them is; zero when there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(held.times.value_at_quantile(share))
    }

    /// All of them as they stand.
    #[must_use]
    pub fn distribution(&self) -> Histogram<u64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).times.clone()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).times.len()
    }

    /// Writes it as a classic histogram with these bounds, in seconds, ascending.
    pub fn write(&self, page: &mut Page, metric: &Metric, bounds: &[f64]) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut counts = vec![0u64; bounds.len()];
        for recorded in held.times.iter_recorded() {
            // The middle of what one slot stands for: its ends may lie on either side of a bound.
            let seconds = held.times.median_equivalent(recorded.value_iterated_to()) as f64 / 1e9;
            if let Some(count) = counts.get_mut(bounds.partition_point(|bound| *bound < seconds)) {
                *count += recorded.count_at_value();
            }
        }
        let mut running = 0;
        let buckets = bounds.iter().zip(counts).map(|(bound, count)| {
            running += count;
            (*bound, running)
        });
        page.histogram(metric, buckets, held.times.len(), held.sum.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_the_sum_is_exact() {
        let latency = Latency::default();
        for micros in [1, 200, 90_000_000] {
            latency.record(Duration::from_micros(micros));
        }
        latency.share(Duration::from_micros(8), 2);
        latency.share(Duration::from_micros(8), 0);
        assert_eq!(latency.count(), 5);
        assert!(latency.quantile(0.5).abs_diff(Duration::from_micros(4)) < Duration::from_nanos(50));
        let mut page = Page::default();
        latency.write(&mut page, &names::DECISION, &[1e-5, 1e-3]);
        let text = page.finish();
        for line in ["le=\"0.00001\"} 3", "le=\"0.001\"} 4", "le=\"+Inf\"} 5", "_sum 90.000209", "_count 5"] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}

//! Counters and histograms of what happened, by metric and label values: registered once, then counted through handles.
//!
//! They hold whole numbers, microseconds in the histograms, so that what a snapshot has of them comes back exactly; the
//! common exporters take samples and cannot be set to what was counted before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::cells::seconds;
use super::lock;
use super::names::{self, Metric};
use super::text::{self, Page};
use crate::engine::time::Span;

/// A series that only grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts several.
    pub(super) fn increment(&self, several: u64) {
        self.0.fetch_add(several, Ordering::Relaxed);
    }

    /// What it stands at.
    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are in one bucket, and their sum in microseconds.
pub(super) type Bucket = (u64, u64);

/// Times by bucket.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: Arc<[Bound]>,
    /// One more than there are bounds.
    held: Box<[(AtomicU64, AtomicU64)]>,
}

/// The upper end of a bucket, and as it is shown: in seconds.
#[derive(Clone, Debug)]
struct Bound(Span, String);

impl Histogram {
    fn new(bounds: Arc<[Bound]>) -> Histogram {
        let held = (0..=bounds.len()).map(|_| Default::default()).collect();
        Histogram(Arc::new(Buckets { bounds, held }))
    }

    /// Counts one.
    pub(super) fn record(&self, span: Span) {
        self.add(span, (1, span.0));
    }

    /// Counts several where one of `span` belongs.
    fn add(&self, span: Span, (count, sum): Bucket) {
        let (of, total) = &self.0.held[self.0.bounds.partition_point(|bound| bound.0 < span)];
        of.fetch_add(count, Ordering::Relaxed);
        total.fetch_add(sum, Ordering::Relaxed);
    }

    /// The buckets that have any, from the lowest.
    pub(super) fn totals(&self) -> Vec<Bucket> {
        self.buckets().filter(|(count, _)| *count > 0).collect()
    }

    /// Counts what [`Self::totals`] gave. Exact while the bounds are the same; where one is new, what a bucket had goes
    /// to where its mean belongs.
    pub(super) fn restore(&self, totals: &[Bucket]) {
        for &(count, sum) in totals {
            self.add(Span(sum.checked_div(count).unwrap_or(0)), (count, sum));
        }
    }

    fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.0.held.iter().map(|(count, sum)| (count.load(Ordering::Relaxed), sum.load(Ordering::Relaxed)))
    }

    fn write(&self, page: &mut Page, metric: &Metric, labels: &str) {
        let held: Vec<Bucket> = self.buckets().collect();
        let (count, sum) = held.iter().fold((0, 0), |(count, sum), more| (count + more.0, sum + more.1));
        let mut running = 0;
        let buckets = self.0.bounds.iter().zip(held).map(|(bound, (count, _))| {
            running += count;
            (&bound.1, running)
        });
        page.buckets(metric, labels, buckets, count, seconds(Span(sum)));
    }
}

/// The series of each metric, by their labels as they are shown. Each metric's are shared with who writes them: one that
/// is registered meanwhile has them copied.
type Series<T> = BTreeMap<&'static str, Arc<BTreeMap<Arc<str>, T>>>;

/// All series there are.
#[derive(Debug)]
pub(super) struct Registry {
    /// The bounds of every histogram, by name.
    bounds: BTreeMap<&'static str, Arc<[Bound]>>,
    counters: Mutex<Series<Counter>>,
    histograms: Mutex<Series<Histogram>>,
}

impl Registry {
    /// Nothing counted yet. `more` are bounds of waits and handle times besides the usual ones.
    pub(super) fn new(more: &[Span]) -> Registry {
        let bounds = |metric: &Metric, usual: &[f64], more: &[Span]| {
            let usual = usual.iter().map(|bound| Span((bound * 1e6).round() as u64));
            let mut bounds: Vec<Span> = usual.chain(more.iter().copied()).collect();
            bounds.sort_unstable();
            bounds.dedup();
            let shown = bounds.into_iter().map(|bound| Bound(bound, seconds(bound).to_string()));
            (metric.name, shown.collect())
        };
        let handle = [&names::TALK, &names::HOLD, &names::WRAP_UP, &names::HANDLE];
        let bounds = handle
            .map(|metric| bounds(metric, names::HANDLE_BOUNDS, more))
            .into_iter()
            .chain([bounds(&names::WAIT, names::WAIT_BOUNDS, more)])
            .chain([bounds(&names::ESTIMATED_WAIT_ERROR, names::ERROR_BOUNDS, &[])])
            .collect();
        Registry { bounds, counters: Mutex::default(), histograms: Mutex::default() }
    }

    /// Another one with the same bounds and nothing counted.
    pub(super) fn apart(&self) -> Registry {
        Registry { bounds: self.bounds.clone(), counters: Mutex::default(), histograms: Mutex::default() }
    }

    /// The counter with these labels.
    pub(super) fn counter(&self, metric: &Metric, values: &[&str]) -> Counter {
        let mut counters = lock(&self.counters);
        series(&mut counters, metric).entry(text::labels(metric, values).into()).or_default().clone()
    }

    /// The histogram with these labels.
    pub(super) fn histogram(&self, metric: &Metric, values: &[&str]) -> Histogram {
        let new = || Histogram::new(self.bounds[metric.name].clone());
        let mut histograms = lock(&self.histograms);
        series(&mut histograms, metric).entry(text::labels(metric, values).into()).or_insert_with(new).clone()
    }

    /// Writes all of them, as they stand.
    pub(super) fn write(&self, page: &mut Page) {
        // Shared, so that nobody who registers one waits for the writing.
        let (counters, histograms) = (lock(&self.counters).clone(), lock(&self.histograms).clone());
        for metric in names::ALL {
            if let Some(series) = counters.get(metric.name) {
                page.begin(metric);
                series.iter().for_each(|(labels, counter)| page.labelled(metric, labels, counter.total()));
            }
            if let Some(series) = histograms.get(metric.name) {
                page.begin(metric);
                series.iter().for_each(|(labels, histogram)| histogram.write(page, metric, labels));
            }
        }
    }
}

fn series<'a, T: Clone>(all: &'a mut Series<T>, metric: &Metric) -> &'a mut BTreeMap<Arc<str>, T> {
    Arc::make_mut(all.entry(metric.name).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_comes_back_exactly_and_new_bounds_are_met_as_well_as_can_be() {
        let one = Registry::new(&[Span::from_secs(20)]).histogram(&names::HOLD, &["a", "b", "c", "d"]);
        for micros in [0, 1, 15_000_000, 15_000_001, 19_999_999, 20_000_000, 20_000_001, 29_000_000, 90_000_000_000] {
            one.record(Span(micros));
        }
        let same = Registry::new(&[Span::from_secs(20)]).histogram(&names::HOLD, &["a", "b", "c", "d"]);
        same.restore(&one.totals());
        assert_eq!(same.totals(), one.totals());
        assert_eq!(same.buckets().collect::<Vec<_>>(), one.buckets().collect::<Vec<_>>());
        let other = Registry::new(&[Span::from_secs(25)]).histogram(&names::HOLD, &["a", "b", "c", "d"]);
        other.restore(&one.totals());
        let sum = |of: &Histogram| of.buckets().fold((0, 0), |(count, sum), more| (count + more.0, sum + more.1));
        assert_eq!(sum(&other), sum(&one));
        let counts: Vec<u64> = other.buckets().map(|(count, _)| count).take(3).collect();
        assert_eq!(counts, [3, 5, 0], "the bucket up to 30 s goes by its mean of 24.5 s");
    }
}

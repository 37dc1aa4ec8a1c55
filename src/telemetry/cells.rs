//! The counters and histograms of one queue, channel and direction, registered once and kept as handles: counting an
//! event looks nothing up by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::names::{self, Metric, OfferResult};
use crate::engine::contact::{Direction, Outcome};
use crate::engine::event::{Answer, EntryExit, Facts};
use crate::engine::id::Text;
use crate::engine::time::Span;

/// Registers series with the exporter, and says who has some of his own.
#[derive(Clone)]
pub(super) struct Registrar {
    recorder: Arc<PrometheusRecorder>,
    taken: Arc<AtomicUsize>,
    cap: usize,
}

impl Registrar {
    pub(super) fn new(recorder: Arc<PrometheusRecorder>, cap: usize) -> Registrar {
        Registrar { recorder, taken: Arc::default(), cap }
    }

    /// Whether one more queue, channel and direction has series of its own.
    pub(super) fn admit(&self) -> bool {
        self.taken.fetch_add(1, Ordering::Relaxed) < self.cap
    }

    /// How many have none.
    pub(super) fn overflow(&self) -> usize {
        self.taken.load(Ordering::Relaxed).saturating_sub(self.cap)
    }

    fn key(metric: &Metric, values: &[&str]) -> Key {
        assert_eq!(metric.labels.len(), values.len(), "{} has other labels", metric.name);
        let label = |(name, value): (&&'static str, &&str)| Label::new(*name, (*value).to_owned());
        Key::from_parts(metric.name, metric.labels.iter().zip(values).map(label).collect::<Vec<_>>())
    }

    pub(super) fn counter(&self, metric: &Metric, values: &[&str]) -> Counter {
        self.recorder.register_counter(&Self::key(metric, values), &METADATA)
    }

    fn histogram(&self, metric: &Metric, values: &[&str]) -> Histogram {
        self.recorder.register_histogram(&Self::key(metric, values), &METADATA)
    }
}

static METADATA: Metadata<'static> = Metadata::new("usher", Level::INFO, None);

/// A span as Prometheus wants it.
pub(super) fn seconds(span: Span) -> f64 {
    span.0 as f64 / 1e6
}

/// The series of one queue, channel and direction.
pub(super) struct Series {
    labels: [Text; 4],
    registrar: Registrar,
    pub(super) offered: Counter,
    answered: Counter,
    answered_within: Counter,
    /// By kind (normal, short), then by within threshold (no, yes).
    abandoned: [[Counter; 2]; 2],
    /// Those seen so far.
    exits: Vec<(&'static str, Counter, Histogram)>,
    handled: Counter,
    pub(super) transferred: Counter,
    pub(super) transfers: Counter,
    offers: [Counter; names::OFFER_RESULTS.len()],
    wait_answered: Histogram,
    wait_abandoned: Histogram,
    estimate_error: Histogram,
    talk: Histogram,
    hold: Histogram,
    wrap_up: Histogram,
    handle: Histogram,
}

impl Series {
    pub(super) fn new(
        registrar: &Registrar,
        tenant: &Text,
        queue: &Text,
        channel: &Text,
        direction: Direction,
    ) -> Series {
        let own = [&**tenant, &**queue, &**channel, names::direction(direction)];
        let counter = |metric: &Metric| registrar.counter(metric, &own);
        let histogram = |metric: &Metric| registrar.histogram(metric, &own);
        let more = |rest: &[&'static str]| own.iter().copied().chain(rest.iter().copied()).collect::<Vec<&str>>();
        let abandoned = |kind, within| registrar.counter(&names::CONTACTS_ABANDONED, &more(&[kind, within]));
        Series {
            labels: [tenant.clone(), queue.clone(), channel.clone(), names::direction(direction).into()],
            registrar: registrar.clone(),
            offered: counter(&names::CONTACTS_OFFERED),
            answered: counter(&names::CONTACTS_ANSWERED),
            answered_within: counter(&names::CONTACTS_ANSWERED_WITHIN_THRESHOLD),
            abandoned: ["normal", "short"].map(|kind| ["false", "true"].map(|within| abandoned(kind, within))),
            exits: Vec::new(),
            handled: counter(&names::CONTACTS_HANDLED),
            transferred: counter(&names::CONTACTS_TRANSFERRED),
            transfers: counter(&names::TRANSFERS),
            offers: names::OFFER_RESULTS.map(|result| registrar.counter(&names::OFFERS, &more(&[result]))),
            wait_answered: registrar.histogram(&names::WAIT, &more(&[names::ANSWERED])),
            wait_abandoned: registrar.histogram(&names::WAIT, &more(&[names::outcome(Outcome::Abandoned)])),
            estimate_error: histogram(&names::ESTIMATED_WAIT_ERROR),
            talk: histogram(&names::TALK),
            hold: histogram(&names::HOLD),
            wrap_up: histogram(&names::WRAP_UP),
            handle: histogram(&names::HANDLE),
        }
    }

    /// An entry was answered.
    pub(super) fn answer(&self, answer: &Answer) {
        self.answered.increment(1);
        self.answered_within.increment(u64::from(answer.within_threshold));
        self.wait_answered.record(seconds(answer.wait));
    }

    /// An entry was answered that had waited and was told how long it would.
    pub(super) fn estimated(&self, estimate: Span, wait: Span) {
        self.estimate_error.record(seconds(Span(estimate.0.abs_diff(wait.0))));
    }

    /// An entry was left unanswered.
    pub(super) fn exit(&mut self, reason: &'static str, exit: &EntryExit) {
        if reason == names::outcome(Outcome::Abandoned) {
            self.abandoned[usize::from(exit.short)][usize::from(exit.within_threshold)].increment(1);
            return self.wait_abandoned.record(seconds(exit.wait));
        }
        let at = self.exits.iter().position(|(seen, ..)| *seen == reason).unwrap_or_else(|| {
            let [tenant, queue, channel, direction] = &self.labels;
            let values = [&**tenant, queue, channel, direction, reason];
            let counter = self.registrar.counter(&names::CONTACTS_EXITS, &values);
            self.exits.push((reason, counter, self.registrar.histogram(&names::WAIT, &values)));
            self.exits.len() - 1
        });
        let (_, counter, wait) = &self.exits[at];
        counter.increment(1);
        wait.record(seconds(exit.wait));
    }

    /// An offer ended.
    pub(super) fn offer(&self, result: OfferResult) {
        self.offers[result as usize].increment(1);
    }

    /// The last leg of an answered entry ended.
    pub(super) fn handle(&self, facts: &Facts) {
        self.handled.increment(1);
        self.talk.record(seconds(facts.talk));
        self.hold.record(seconds(facts.hold));
        self.wrap_up.record(seconds(facts.wrap_up));
        self.handle.record(seconds(facts.talk + facts.hold + facts.wrap_up));
    }
}

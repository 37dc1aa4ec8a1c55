//! The counters and histograms of one queue, channel and direction, registered once and kept as handles: counting an
//! event looks nothing up by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::names::{self, Metric, OfferResult};
use super::registry::{Bucket, Counter, Histogram, Registry};
use super::text::Page;
use crate::engine::contact::{Direction, Outcome};
use crate::engine::event::{Answer, EntryExit, Facts};
use crate::engine::id::Text;
use crate::engine::time::Span;
use crate::wire::{Malformed, Reader, Wire, Writer, record};

/// Registers series, and says who has some of his own.
#[derive(Clone)]
pub(super) struct Registrar {
    registry: Arc<Registry>,
    taken: Arc<AtomicUsize>,
    cap: usize,
}

impl Registrar {
    pub(super) fn new(registry: Registry, cap: usize) -> Registrar {
        Registrar { registry: Arc::new(registry), taken: Arc::default(), cap }
    }

    /// One with series of its own for everybody, which nobody is shown.
    pub(super) fn apart(&self) -> Registrar {
        Registrar::new(self.registry.apart(), usize::MAX)
    }

    /// Writes all series.
    pub(super) fn write(&self, page: &mut Page) {
        self.registry.write(page);
    }

    /// Whether one more queue, channel and direction has series of its own.
    pub(super) fn admit(&self) -> bool {
        self.taken.fetch_add(1, Ordering::Relaxed) < self.cap
    }

    /// How many have none.
    pub(super) fn overflow(&self) -> usize {
        self.taken.load(Ordering::Relaxed).saturating_sub(self.cap)
    }

    pub(super) fn counter(&self, metric: &Metric, values: &[&str]) -> Counter {
        self.registry.counter(metric, values)
    }

    fn histogram(&self, metric: &Metric, values: &[&str]) -> Histogram {
        self.registry.histogram(metric, values)
    }
}

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
        self.wait_answered.record(answer.wait);
    }

    /// An entry was answered that had waited and was told how long it would.
    pub(super) fn estimated(&self, estimate: Span, wait: Span) {
        self.estimate_error.record(Span(estimate.0.abs_diff(wait.0)));
    }

    /// An entry was left unanswered.
    pub(super) fn exit(&mut self, reason: &'static str, exit: &EntryExit) {
        if reason == names::outcome(Outcome::Abandoned) {
            self.abandoned[usize::from(exit.short)][usize::from(exit.within_threshold)].increment(1);
            return self.wait_abandoned.record(exit.wait);
        }
        let at = self.exit_at(reason);
        let (_, counter, wait) = &self.exits[at];
        counter.increment(1);
        wait.record(exit.wait);
    }

    /// The place of a reason among those seen.
    fn exit_at(&mut self, reason: &'static str) -> usize {
        self.exits.iter().position(|(seen, ..)| *seen == reason).unwrap_or_else(|| {
            let [tenant, queue, channel, direction] = &self.labels;
            let values = [&**tenant, queue, channel, direction, reason];
            let counter = self.registrar.counter(&names::CONTACTS_EXITS, &values);
            self.exits.push((reason, counter, self.registrar.histogram(&names::WAIT, &values)));
            self.exits.len() - 1
        })
    }

    /// An offer ended.
    pub(super) fn offer(&self, result: OfferResult) {
        self.offers[result as usize].increment(1);
    }

    /// The last leg of an answered entry ended.
    pub(super) fn handle(&self, facts: &Facts) {
        self.handled.increment(1);
        self.talk.record(facts.talk);
        self.hold.record(facts.hold);
        self.wrap_up.record(facts.wrap_up);
        self.handle.record(facts.talk + facts.hold + facts.wrap_up);
    }

    fn counters(&self) -> impl Iterator<Item = &Counter> {
        let one = [&self.offered, &self.answered, &self.answered_within, &self.handled];
        let two = [&self.transferred, &self.transfers];
        one.into_iter().chain(two).chain(self.abandoned.iter().flatten()).chain(&self.offers)
    }

    fn histograms(&self) -> [&Histogram; 7] {
        let waits = [&self.wait_answered, &self.wait_abandoned, &self.estimate_error];
        let [answered, abandoned, error] = waits;
        [answered, abandoned, error, &self.talk, &self.hold, &self.wrap_up, &self.handle]
    }

    /// What was counted so far.
    pub(super) fn totals(&self) -> SeriesTotals {
        let exits = self.exits.iter().map(|(reason, count, wait)| ((*reason).into(), count.total(), wait.totals()));
        SeriesTotals {
            counts: self.counters().map(Counter::total).collect(),
            times: self.histograms().map(Histogram::totals).into(),
            exits: exits.collect(),
        }
    }

    /// Counts what [`Self::totals`] gave.
    pub(super) fn restore(&mut self, totals: &SeriesTotals) {
        self.counters().zip(&totals.counts).for_each(|(counter, total)| counter.increment(*total));
        self.histograms().iter().zip(&totals.times).for_each(|(histogram, total)| histogram.restore(total));
        for (reason, count, waits) in &totals.exits {
            if let Some(known) = names::exit_reasons().find(|known| *known == &**reason) {
                let at = self.exit_at(known);
                let (_, counter, wait) = &self.exits[at];
                counter.increment(*count);
                wait.restore(waits);
            }
        }
    }
}

/// What the series of one queue, channel and direction stand at.
#[derive(Debug, Default)]
pub(super) struct SeriesTotals {
    counts: Vec<u64>,
    times: Vec<Vec<Bucket>>,
    exits: Vec<(Text, u64, Vec<Bucket>)>,
}

record!(SeriesTotals { counts, times, exits });

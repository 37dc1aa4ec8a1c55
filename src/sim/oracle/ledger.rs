//! The books of a case: what the metrics of `tests/oracles/README.md` are computed from.

use hdrhistogram::Histogram;

use crate::engine::contact::Outcome;
use crate::engine::time::{Span, Time};
use crate::sim::host::{Duty, Times, Visit, Watch};

use super::ewt::Estimates;

/// Counts of one class.
#[derive(Clone, Debug, Default)]
struct Class {
    arrived: u64,
    waited: u64,
    refused: u64,
    abandoned: u64,
    served: u64,
    wait_served: u64,
    wait_abandoned: u64,
    served_within: u64,
    abandoned_within: u64,
    by_pool: Vec<u64>,
    waiting: Level,
}

/// A level and its area over time.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    level: u64,
    since: Time,
    area: f64,
}

impl Level {
    fn settle(&mut self, now: Time) {
        self.area += self.level as f64 * now.since(self.since).0 as f64;
        self.since = now;
    }

    fn up(&mut self, now: Time) {
        self.settle(now);
        self.level += 1;
    }

    fn down(&mut self, now: Time) {
        self.settle(now);
        self.level -= 1;
    }
}

/// The names and sizes a case's metrics are told with.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Classes, in order.
    pub classes: Vec<String>,
    /// Pools, with their agents, in order.
    pub pools: Vec<(String, u32)>,
    /// The threshold of service levels.
    pub threshold: Span,
}

/// The books of a case: of the contacts after the warm-up, and of the time in which they arrived.
pub(super) struct Ledger {
    names: Names,
    first: u64,
    last: u64,
    opened: Option<Time>,
    closed: Option<Time>,
    outstanding: u64,
    classes: Vec<Class>,
    busy: Vec<Level>,
    waits: Option<Histogram<u64>>,
    estimates: Option<Estimates>,
}

impl Ledger {
    /// Measures `measured` contacts after the first `warmup`; quantiles and estimates only where asked for.
    pub fn new(names: Names, warmup: u64, measured: u64, quantiles: bool, estimates: Option<Estimates>) -> Ledger {
        let class = Class { by_pool: vec![0; names.pools.len()], ..Class::default() };
        Ledger {
            first: warmup,
            last: warmup + measured,
            opened: None,
            closed: None,
            outstanding: 0,
            classes: vec![class; names.classes.len()],
            busy: vec![Level::default(); names.pools.len()],
            waits: quantiles.then(|| Histogram::new(3).ok()).flatten(),
            estimates,
            names,
        }
    }

    fn counts(&self, visit: &Visit) -> bool {
        (self.first..self.last).contains(&visit.number)
    }

    fn settle(&mut self, now: Time) {
        for level in self.classes.iter_mut().map(|class| &mut class.waiting).chain(&mut self.busy) {
            level.settle(now);
        }
    }

    fn note_wait(&mut self, wait: Span) {
        if let Some(waits) = &mut self.waits {
            // It grows as it needs to; only a wait of centuries would not fit.
            let _ = waits.record(wait.0.max(1));
        }
    }

    /// How long was measured, in microseconds.
    fn window(&self) -> f64 {
        let (Some(opened), Some(closed)) = (self.opened, self.closed) else { return f64::NAN };
        closed.since(opened).0 as f64
    }

    /// The measured value of a metric such as `p_wait[a]`, `match[a,s1]` or `occupancy`; none when it is not known.
    pub fn measure(&self, metric: &str) -> Option<f64> {
        let (name, of) = match metric.split_once('[') {
            Some((name, rest)) => (name, rest.strip_suffix(']')?),
            None => (metric, ""),
        };
        match name {
            "occupancy" => self.occupancy(of),
            "match" => {
                let (class, pool) = of.split_once(',')?;
                let class = &self.classes[self.class(class)?];
                Some(ratio(class.by_pool[self.pool(pool)?], class.served))
            }
            _ if name.starts_with("wait_quantile_") && of.is_empty() => {
                let percent: f64 = name.strip_prefix("wait_quantile_")?.strip_suffix("_s")?.parse().ok()?;
                Some(self.waits.as_ref()?.value_at_quantile(percent / 100.0) as f64 / 1e6)
            }
            _ if name.contains("_given_") && !name.starts_with("mean_wait") => self.estimates.as_ref()?.measure(name),
            _ if of.is_empty() => total(&self.classes, name, self.window()),
            _ => total(std::slice::from_ref(&self.classes[self.class(of)?]), name, self.window()),
        }
    }

    fn class(&self, id: &str) -> Option<usize> {
        self.names.classes.iter().position(|name| name == id)
    }

    fn pool(&self, id: &str) -> Option<usize> {
        self.names.pools.iter().position(|(name, _)| name == id)
    }

    fn occupancy(&self, pool: &str) -> Option<f64> {
        let (area, agents) = match pool {
            "" => (
                self.busy.iter().map(|level| level.area).sum::<f64>(),
                self.names.pools.iter().map(|(_, agents)| *agents).sum(),
            ),
            pool => {
                let pool = self.pool(pool)?;
                (self.busy[pool].area, self.names.pools[pool].1)
            }
        };
        Some(area / (self.window() * f64::from(agents)))
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// A metric over some classes together; `window` in microseconds.
fn total(classes: &[Class], name: &str, window: f64) -> Option<f64> {
    let sum = |field: fn(&Class) -> u64| classes.iter().map(field).sum::<u64>();
    let arrived = sum(|class| class.arrived);
    let served = sum(|class| class.served);
    let abandoned_within = sum(|class| class.abandoned_within);
    let served_within = sum(|class| class.served_within);
    let waits = sum(|class| class.wait_served + class.wait_abandoned);
    let mean_s = |sum: u64, count: u64| ratio(sum, count) / 1e6;
    Some(match name {
        "p_wait" => ratio(sum(|class| class.waited), arrived),
        "p_abandon" => ratio(sum(|class| class.abandoned), arrived),
        "p_blocked" => ratio(sum(|class| class.refused), arrived),
        "p_served" => ratio(served, arrived),
        "mean_wait_all_s" => mean_s(waits, arrived - sum(|class| class.refused)),
        "asa_served_s" => mean_s(sum(|class| class.wait_served), served),
        "mean_wait_given_wait_s" => mean_s(waits, sum(|class| class.waited)),
        "mean_wait_abandoned_s" => mean_s(sum(|class| class.wait_abandoned), sum(|class| class.abandoned)),
        "mean_queue" => classes.iter().map(|class| class.waiting.area).sum::<f64>() / window,
        "sl_served_T_over_offered" => ratio(served_within, arrived),
        "sl_served_T_over_served" => ratio(served_within, served),
        "abandon_within_T" => ratio(abandoned_within, arrived),
        "sl_excluding_short_abandons" => ratio(served_within, arrived - abandoned_within),
        _ => return None,
    })
}

impl Watch for Ledger {
    fn arrived(&mut self, now: Time, visit: &Visit) {
        if visit.number == self.first {
            self.settle(now);
            for level in self.classes.iter_mut().map(|class| &mut class.waiting).chain(&mut self.busy) {
                level.area = 0.0;
            }
            self.opened = Some(now);
        }
        if visit.number == self.last {
            self.settle(now);
            self.closed = Some(now);
        }
        if self.counts(visit) {
            self.classes[visit.flow].arrived += 1;
        }
    }

    fn blocked(&mut self, _: Time, visit: &Visit) {
        if self.counts(visit) {
            self.classes[visit.flow].refused += 1;
        }
    }

    fn queued(&mut self, now: Time, visit: &Visit) {
        if self.closed.is_none() {
            self.classes[visit.flow].waiting.up(now);
        }
        self.outstanding += u64::from(self.counts(visit));
    }

    fn wants_estimates(&self) -> bool {
        self.estimates.is_some()
    }

    fn waits(&mut self, now: Time, visit: &Visit, estimate: Option<Span>) {
        let counts = self.counts(visit);
        self.classes[visit.flow].waited += u64::from(counts);
        if let Some(estimates) = &mut self.estimates {
            estimates.waits(now, visit, counts, estimate);
        }
    }

    fn answered(&mut self, now: Time, visit: &Visit, team: usize, wait: Span) {
        let counts = self.counts(visit);
        let class = &mut self.classes[visit.flow];
        if self.closed.is_none() {
            class.waiting.down(now);
        }
        if let Some(estimates) = &mut self.estimates {
            estimates.answered(now, visit, team, wait);
        }
        if counts {
            class.served += 1;
            class.wait_served += wait.0;
            class.served_within += u64::from(wait <= self.names.threshold);
            class.by_pool[team] += 1;
            self.outstanding -= 1;
            self.note_wait(wait);
        }
    }

    fn left(&mut self, now: Time, visit: &Visit, outcome: Outcome, wait: Span) {
        let counts = self.counts(visit);
        let class = &mut self.classes[visit.flow];
        if self.closed.is_none() {
            class.waiting.down(now);
        }
        if let Some(estimates) = &mut self.estimates {
            estimates.left(visit, outcome);
        }
        if !counts {
            return;
        }
        self.outstanding -= 1;
        match outcome {
            Outcome::Refused => class.refused += 1,
            _ => {
                class.abandoned += 1;
                class.wait_abandoned += wait.0;
                class.abandoned_within += u64::from(wait <= self.names.threshold);
                self.note_wait(wait);
            }
        }
    }

    fn handled(&mut self, _: Time, _: &Visit, _: Times) {}

    fn duty(&mut self, now: Time, team: usize, before: Duty, after: Duty) {
        if self.closed.is_none() {
            if before == Duty::Busy {
                self.busy[team].down(now);
            }
            if after == Duty::Busy {
                self.busy[team].up(now);
            }
        }
        if let Some(estimates) = &mut self.estimates
            && after == Duty::Idle
        {
            estimates.idle(now, team);
        }
    }

    fn interval(&mut self, _: Time, _: usize) {}

    fn done(&self) -> bool {
        self.closed.is_some()
            && self.outstanding == 0
            && self.estimates.as_ref().is_none_or(|estimates| estimates.settled())
    }
}

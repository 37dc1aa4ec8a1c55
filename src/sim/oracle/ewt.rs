//! Estimates of the wait given to an arriving contact, scored by their squared error. Each is computed from what the
//! engine lets see at that instant: who waits, how long the first of them has waited, how long the last answered had.
//! Beside them stands the engine's own, which is told nothing beforehand and has learnt from what happened: `usher`.
//!
//! The wait that would have been offered to a contact that gave up ends when an agent turns to one behind it, or to
//! nobody. The estimators are those of Ibrahim and Whitt 2009; `tests/oracles/README.md` has the formulas.

use std::collections::VecDeque;

use crate::engine::contact::Outcome;
use crate::engine::time::{Span, Time};
use crate::sim::host::Visit;

/// What a class' estimators know of its agents and customers, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Arrivals per second.
    pub arrival_rate: f64,
    /// Agents who serve it.
    pub agents: f64,
    /// Mean handle time.
    pub handle: f64,
    /// Mean patience; none when nobody gives up.
    pub patience: Option<f64>,
    /// The pools that serve it.
    pub pools: Vec<bool>,
}

/// What was seen when a contact arrived.
#[derive(Clone, Copy, Debug)]
struct Seen {
    arrived: Time,
    number: u64,
    ahead: u32,
    head: f64,
    last: f64,
    own: f64,
    counts: bool,
    gone: bool,
}

/// The estimators, in the order of their sums.
const ESTIMATORS: [&str; 6] = ["ql", "ql_abandon_aware", "hol", "hol_refined", "les", OWN];
/// The engine's own.
pub(super) const OWN: &str = "usher";

/// Sums over contacts of one condition.
#[derive(Clone, Debug, Default)]
struct Sums {
    count: u64,
    squared: [f64; ESTIMATORS.len()],
    actual: f64,
    actual_squared: f64,
}

#[derive(Clone, Debug, Default)]
struct Line {
    /// Who waits, and who gave up and whose turn has not come, in order of arrival.
    seen: VecDeque<Seen>,
    waiting: u32,
}

/// The estimates of a case.
#[derive(Clone, Debug)]
pub(super) struct Estimates {
    known: Vec<Known>,
    lines: Vec<Line>,
    last_wait: Vec<f64>,
    pending: u64,
    given_wait: Sums,
    given_queue: Sums,
}

impl Estimates {
    /// Nothing seen yet of these classes.
    pub fn new(known: Vec<Known>) -> Estimates {
        let count = known.len();
        Estimates {
            known,
            lines: vec![Line::default(); count],
            last_wait: vec![0.0; count],
            pending: 0,
            given_wait: Sums::default(),
            given_queue: Sums::default(),
        }
    }

    /// Whether every contact that counts has its wait.
    pub fn settled(&self) -> bool {
        self.pending == 0
    }

    /// A contact arrived and found no agent.
    pub fn waits(&mut self, now: Time, visit: &Visit, counts: bool, own: Option<Span>) {
        let line = &mut self.lines[visit.flow];
        let first = line.seen.iter().find(|seen| !seen.gone);
        let head = first.map_or(0.0, |first| now.since(first.arrived).0 as f64 / 1e6);
        let seen = Seen {
            arrived: now,
            number: visit.number,
            ahead: line.waiting,
            head,
            last: self.last_wait[visit.flow],
            // An estimator that says nothing has no score.
            own: own.map_or(f64::NAN, |Span(micros)| micros as f64 / 1e6),
            counts,
            gone: false,
        };
        line.seen.push_back(seen);
        line.waiting += 1;
        self.pending += u64::from(counts);
    }

    /// An agent of a pool turned to a contact.
    pub fn answered(&mut self, now: Time, visit: &Visit, pool: usize, wait: Span) {
        self.last_wait[visit.flow] = wait.0 as f64 / 1e6;
        let line = &mut self.lines[visit.flow];
        if let Some(at) = line.seen.iter().position(|seen| seen.number == visit.number) {
            line.waiting -= 1;
            if let Some(seen) = line.seen.remove(at) {
                self.score(visit.flow, seen, wait.0 as f64 / 1e6);
            }
        }
        self.turn(now, pool, visit.entered);
    }

    /// A contact left; its turn is still to come.
    pub fn left(&mut self, visit: &Visit, outcome: Outcome) {
        let line = &mut self.lines[visit.flow];
        if outcome != Outcome::Refused
            && let Some(seen) = line.seen.iter_mut().find(|seen| seen.number == visit.number)
        {
            seen.gone = true;
            line.waiting -= 1;
        }
    }

    /// An agent of a pool found nobody to turn to.
    pub fn idle(&mut self, now: Time, pool: usize) {
        self.turn(now, pool, now);
    }

    /// An agent of a pool has passed all who came before `entered`: it would have been the turn of those who are gone.
    fn turn(&mut self, now: Time, pool: usize, entered: Time) {
        for flow in 0..self.lines.len() {
            if !self.known[flow].pools[pool] {
                continue;
            }
            while let Some(&first) = self.lines[flow].seen.front().filter(|seen| seen.gone && seen.arrived < entered) {
                self.lines[flow].seen.pop_front();
                self.score(flow, first, now.since(first.arrived).0 as f64 / 1e6);
            }
        }
    }

    fn score(&mut self, flow: usize, seen: Seen, actual: f64) {
        if !seen.counts {
            return;
        }
        self.pending -= 1;
        let Known { arrival_rate, agents, handle, patience, .. } = &self.known[flow];
        let (ahead, step) = (f64::from(seen.ahead), handle / agents);
        let aware = match patience {
            Some(patience) => (0..=seen.ahead).map(|place| 1.0 / (agents / handle + f64::from(place) / patience)).sum(),
            None => (ahead + 1.0) * step,
        };
        let refined = arrival_rate * step * seen.head + 2.0 * step;
        let estimates = [(ahead + 1.0) * step, aware, seen.head, refined, seen.last, seen.own];
        self.given_wait.add(&estimates, actual);
        if seen.ahead > 0 {
            self.given_queue.add(&estimates, actual);
        }
    }

    /// The measured value of a metric such as `mse_les_given_wait`.
    pub fn measure(&self, name: &str) -> Option<f64> {
        let (what, sums) = match name.strip_suffix("_given_wait") {
            Some(what) => (what, &self.given_wait),
            None => (name.strip_suffix("_given_queue")?, &self.given_queue),
        };
        let count = sums.count as f64;
        let mean = sums.actual / count;
        match what.strip_prefix("mse_") {
            Some("ni") => Some(sums.actual_squared / count - mean * mean),
            Some("ql_naive") => Some(sums.squared[0] / count),
            Some(estimator) => {
                let at = ESTIMATORS.iter().position(|name| *name == estimator)?;
                Some(sums.squared[at] / count)
            }
            None => (what == "mean_offered_wait").then_some(mean),
        }
    }
}

impl Sums {
    fn add(&mut self, estimates: &[f64; ESTIMATORS.len()], actual: f64) {
        self.count += 1;
        self.actual += actual;
        self.actual_squared += actual * actual;
        for (sum, estimate) in self.squared.iter_mut().zip(estimates) {
            *sum += (estimate - actual) * (estimate - actual);
        }
    }
}

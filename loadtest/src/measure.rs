//! Figures of slices, and of the classes they belong to.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tonic::{Code, Status};

use crate::machine::cpu_time;

/// The longest latency told apart, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;

/// What came back, and how long it took.
pub struct Tally {
    /// Operations done.
    pub done: u64,
    /// Operations the server refused, with a reason.
    pub refused: u64,
    /// Operations that failed in another way.
    pub failed: u64,
    /// The first failure or refusal.
    pub first: Option<String>,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Tally {
        let latency = Histogram::new_with_bounds(1, LONGEST, 3).expect("three digits are allowed");
        Tally { done: 0, refused: 0, failed: 0, first: None, latency }
    }

    /// An operation that began at `begun` is done.
    pub fn done(&mut self, begun: Instant) {
        self.done += 1;
        self.latency.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    /// A unary call was not answered as hoped.
    pub fn status(&mut self, status: &Status) {
        // Every refusal of usher carries details; what the transport makes up has none.
        if status.details().is_empty() || status.code() == Code::Internal {
            self.failed(status.to_string());
        } else {
            self.refused(status.to_string());
        }
    }

    /// An operation was refused.
    pub fn refused(&mut self, why: String) {
        self.refused += 1;
        self.first.get_or_insert(why);
    }

    /// An operation failed.
    pub fn failed(&mut self, why: String) {
        self.failed += 1;
        self.first.get_or_insert(why);
    }
}

/// One slice of a class.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Operations per second.
    pub rate: f64,
    /// How long it took, what was under way at its end included.
    pub elapsed: Duration,
}

/// A kind of operation and all its slices.
pub struct Class {
    /// Its name.
    pub name: &'static str,
    /// Slices, one per round.
    pub slices: Vec<Slice>,
    /// What came back in all of them.
    pub tally: Tally,
    /// Processor time the server used, where it is known.
    pub server_cpu: Option<Duration>,
    /// Processor time this program used.
    pub client_cpu: Option<Duration>,
}

/// A slice that runs.
pub struct Running {
    begun: Instant,
    done: u64,
    server: Option<u32>,
    server_cpu: Option<Duration>,
    client_cpu: Option<Duration>,
}

impl Class {
    /// A class without slices.
    pub fn new(name: &'static str) -> Class {
        let none = Some(Duration::ZERO);
        Class { name, slices: Vec::new(), tally: Tally::new(), server_cpu: none, client_cpu: none }
    }

    /// Begins a slice; `server` is the server's process where it is ours.
    pub fn begin(&self, server: Option<u32>) -> Running {
        Running {
            done: self.tally.done,
            server,
            server_cpu: server.and_then(|pid| cpu_time(Some(pid))),
            client_cpu: cpu_time(None),
            begun: Instant::now(),
        }
    }

    /// Ends a slice.
    pub fn end(&mut self, running: &Running) {
        let elapsed = running.begun.elapsed();
        let spent = |before: Option<Duration>, after: Option<Duration>| Some(after?.saturating_sub(before?));
        let server = spent(running.server_cpu, running.server.and_then(|pid| cpu_time(Some(pid))));
        let client = spent(running.client_cpu, cpu_time(None));
        self.server_cpu = self.server_cpu.zip(server).map(|(sum, more)| sum + more);
        self.client_cpu = self.client_cpu.zip(client).map(|(sum, more)| sum + more);
        let done = self.tally.done - running.done;
        self.slices.push(Slice { rate: done as f64 / elapsed.as_secs_f64(), elapsed });
    }

    /// Time of all slices.
    pub fn elapsed(&self) -> Duration {
        self.slices.iter().map(|slice| slice.elapsed).sum()
    }

    /// Operations per second over all slices.
    pub fn rate(&self) -> f64 {
        self.tally.done as f64 / self.elapsed().as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// A latency in microseconds.
    pub fn latency(&self, quantile: f64) -> f64 {
        self.tally.latency.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Microseconds of processor time per operation.
    pub fn micros_each(&self, cpu: Option<Duration>) -> Option<f64> {
        Some(cpu?.as_secs_f64() * 1e6 / self.tally.done.max(1) as f64)
    }
}

/// One class against another, slice by slice.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Ratio {
    /// The median of the rounds: what thresholds are held against.
    pub median: f64,
    /// The lowest round.
    pub min: f64,
    /// The highest round.
    pub max: f64,
    /// All operations of one over all of the other.
    pub overall: f64,
    /// Server processor time per operation of the other over that of the one: free of whatever else ran.
    pub by_server_cpu: Option<f64>,
}

impl Ratio {
    /// How `one` does against `other`.
    pub fn of(one: &Class, other: &Class) -> Ratio {
        let pairs = one.slices.iter().zip(&other.slices);
        let mut rounds: Vec<f64> = pairs.map(|(one, other)| one.rate / other.rate).collect();
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap_or(f64::NAN);
        let cpu = other.micros_each(other.server_cpu).zip(one.micros_each(one.server_cpu));
        Ratio {
            median: f64::midpoint(at(rounds.len().saturating_sub(1) / 2), at(rounds.len() / 2)),
            min: at(0),
            max: at(rounds.len().saturating_sub(1)),
            overall: one.rate() / other.rate(),
            by_server_cpu: cpu.map(|(other, one)| other / one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(rates: &[f64]) -> Class {
        let mut class = Class::new("test");
        class.slices = rates.iter().map(|rate| Slice { rate: *rate, elapsed: Duration::from_secs(1) }).collect();
        class.tally.done = rates.iter().sum::<f64>() as u64;
        class
    }

    #[test]
    fn the_median_of_rounds_is_taken() {
        let ratio = Ratio::of(&class(&[50.0, 80.0, 90.0]), &class(&[100.0, 100.0, 100.0]));
        assert!((ratio.median - 0.8).abs() < 1e-9, "{ratio:?}");
        let ratio = Ratio::of(&class(&[80.0, 90.0]), &class(&[100.0, 100.0]));
        assert!((ratio.median - 0.85).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.overall - 0.85).abs() < 1e-9, "{ratio:?}");
    }
}

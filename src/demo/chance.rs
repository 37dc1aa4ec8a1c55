//! Chance in seconds, from the streams of `sim`: keyed by what is drawn, so that a customer is the same in every run of
//! a seed, whatever agents and the machine do meanwhile.

use crate::sim::law::Law;
use crate::sim::random::{Cause, Stream};

/// One person's chance, or one flow's.
pub struct Chance(Stream);

impl Chance {
    /// When the customers of a flow come.
    pub fn of_flow(seed: u64, flow: usize) -> Chance {
        Chance(Stream::new(seed, Cause::Arrival, flow as u64, 0))
    }

    /// What one customer of a flow is like.
    pub fn of_customer(seed: u64, flow: usize, number: usize) -> Chance {
        Chance(Stream::new(seed, Cause::HandleTime, flow as u64, number as u64))
    }

    /// What an agent does.
    pub fn of_agent(seed: u64, number: usize) -> Chance {
        Chance(Stream::new(seed, Cause::Offer, number as u64, 0))
    }

    /// Evenly between 0 and 1, neither included.
    pub fn unit(&mut self) -> f64 {
        self.0.unit()
    }

    /// True with this likelihood.
    pub fn happens(&mut self, likelihood: f64) -> bool {
        self.unit() < likelihood
    }

    /// One of `0..count`, each as likely; `count` is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        self.0.below(count)
    }

    /// Exponential: memoryless, as patience and the gaps between strangers are.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        self.0.exponential() * mean
    }

    /// Lognormal with this mean and standard deviation, as times of work are.
    pub fn lognormal(&mut self, (mean, deviation): (f64, f64)) -> f64 {
        Law::lognormal(mean * 1e6, deviation * 1e6).draw(&mut self.0).0 as f64 / 1e6
    }
}

//! Scenarios: a file says who comes, who works when and what people do; the configuration says the rules.
//!
//! `schema` has the keys, `compile` their meaning (with `calendar`, `roster`, `sources` and `data`).

mod calendar;
mod compile;
mod data;
mod roster;
pub mod schema;
mod sources;

use crate::engine::time::Span;

use super::arrivals::Arrivals;
use super::scene::{Run, Scene};
pub use compile::compile;
pub use data::Files;
pub use schema::ServiceLevel;
pub use sources::Source;

/// A scenario, ready to be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is.
    pub name: String,
    /// Independent runs.
    pub runs: u32,
    /// Its days, as dates.
    pub dates: Vec<String>,
    /// Length of the report's intervals.
    pub interval: Span,
    /// What the service level is a share of.
    pub definition: ServiceLevel,
    /// By flow: whether the waits of all calls of a customer count together against the threshold.
    pub adds_up: Vec<bool>,
    /// What is simulated.
    pub scene: Scene,
    /// Where the contacts of each flow come from.
    pub sources: Vec<Vec<Source>>,
}

impl Scenario {
    /// One run with chance of its own.
    #[must_use]
    pub fn run(&self, seed: u64) -> Run<'_> {
        let flows = self.scene.flows.iter().zip(&self.sources);
        let arrivals: Vec<Arrivals> = flows.map(|(flow, sources)| sources::arrivals(sources, flow.key, seed)).collect();
        Run { scene: &self.scene, seed, arrivals }
    }
}

//! Two configurations before the same customers: the difference of each figure, repetition by repetition, with its
//! interval. What both have in common by chance drops out of it.

use std::fmt::Write;

use serde::Serialize;

use super::books::{Cell, Load, Played};
use super::report::{FIGURES, Units, parts, plural, shown, table};
use super::scenario::{Scenario, ServiceLevel};
use super::stats::{Estimate, Ratio};

/// One figure under both configurations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its name.
    pub figure: &'static str,
    /// Under the first.
    pub first: Estimate,
    /// Under the second.
    pub second: Estimate,
    /// Second less first.
    pub difference: Estimate,
    /// Whether the interval of the difference leaves out 0.
    pub significant: bool,
}

/// The figures of a queue, or of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// The queue's id; `all` for all together.
    pub queue: String,
    /// Its figures.
    pub figures: Vec<Difference>,
}

/// Two configurations before the same customers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The scenario.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// Independent runs of each.
    pub runs: usize,
    /// What intervals are taken over.
    pub repetitions: &'static str,
    /// The first configuration.
    pub first: String,
    /// The second.
    pub second: String,
    /// What the service level is a share of.
    pub service_level_definition: &'static str,
    /// All queues together, then each that both have.
    pub parts: Vec<Part>,
}

/// A scenario played under one configuration.
pub struct Side<'s> {
    /// The configuration's name.
    pub name: String,
    /// The scenario compiled for it.
    pub scenario: &'s Scenario,
    /// Its runs.
    pub runs: &'s [Played],
}

impl Comparison {
    /// Compares two sides that were run with the same seed and as often.
    #[must_use]
    pub fn new(seed: u64, first: &Side<'_>, second: &Side<'_>) -> Comparison {
        let (units, others) = (Units::new(first.scenario, first.runs), Units::new(second.scenario, second.runs));
        let definition = first.scenario.definition;
        let part = |queue: &str, own: &[usize], other: &[usize]| Part {
            queue: queue.to_owned(),
            figures: differences(units.totals(own).zip(others.totals(other)), definition),
        };
        let (queues, other) = (&first.scenario.scene.policy.queues, &second.scenario.scene.policy.queues);
        let all = |count: usize| (0..count).collect::<Vec<_>>();
        let mut parts = vec![part("all", &all(queues.len()), &all(other.len()))];
        for (at, queue) in queues.iter().enumerate() {
            if let Some(there) = other.iter().position(|other| other.id == queue.id) {
                parts.push(part(&queue.id, &[at], &[there]));
            }
        }
        Comparison {
            name: first.scenario.name.clone(),
            seed,
            runs: first.runs.len(),
            repetitions: units.name(),
            first: first.name.clone(),
            second: second.name.clone(),
            service_level_definition: definition.name(),
            parts,
        }
    }

    /// The comparison as JSON, on one line.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The comparison as a table for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out =
            format!("{}: {} of each, the same customers, seed {}\n", self.name, plural(self.runs, "run"), self.seed);
        let _ = writeln!(out, "first:  {}\nsecond: {}", self.first, self.second);
        let _ = writeln!(
            out,
            "service level {}; ± is half the 95 % interval over {}; * the difference is told from 0",
            self.service_level_definition, self.repetitions
        );
        for part in &self.parts {
            let _ = writeln!(out, "\n{}", part.queue);
            let mut rows = vec![["", "first", "second", "difference", ""].map(str::to_owned).to_vec()];
            for difference in &part.figures {
                let (scale, decimals, unit) = match difference.figure {
                    "service_level" | "abandonment" | "occupancy" => (100.0, 2, " %"),
                    "asa_s" | "aht_s" | "longest_wait_s" => (1.0, 2, " s"),
                    _ => (1.0, 1, ""),
                };
                rows.push(vec![
                    format!("  {}", difference.figure.trim_end_matches("_s")),
                    shown(difference.first, scale, decimals) + unit,
                    shown(difference.second, scale, decimals) + unit,
                    shown(difference.difference, scale, decimals) + unit,
                    if difference.significant { "*".into() } else { String::new() },
                ]);
            }
            out.push_str(&table(&rows));
        }
        out
    }
}

fn differences(units: impl Iterator<Item = ((Cell, Load), (Cell, Load))>, definition: ServiceLevel) -> Vec<Difference> {
    let mut sums = [(Ratio::default(), Ratio::default(), Ratio::default()); FIGURES.len()];
    for ((cell, load), (other_cell, other_load)) in units {
        let both = parts(&cell, &load, definition).into_iter().zip(parts(&other_cell, &other_load, definition));
        for ((first, second, difference), (one, other)) in sums.iter_mut().zip(both) {
            first.add(one.0, one.1);
            second.add(other.0, other.1);
            if one.1 > 0.0 && other.1 > 0.0 {
                difference.add(other.0 / other.1 - one.0 / one.1, 1.0);
            }
        }
    }
    let told = |(figure, (first, second, difference)): (&'static str, (Ratio, Ratio, Ratio))| {
        let difference = difference.estimate();
        let apart = difference.mean.zip(difference.half_width).is_some_and(|(mean, half)| mean.abs() > half);
        Difference { figure, first: first.estimate(), second: second.estimate(), difference, significant: apart }
    };
    FIGURES.into_iter().zip(sums).map(told).collect()
}

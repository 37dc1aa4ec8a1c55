//! Attempts to change the configuration while the server runs, counted by how they ended and what set them off.

use std::sync::Mutex;

use super::text::Page;
use super::{lock, names};
use crate::engine::policy::PolicyTrigger;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// A version came into force.
    Applied,
    /// There was nothing to change.
    Unchanged,
    /// It was refused, and the old stays in force.
    Refused,
}

const RESULTS: [(ReloadResult, &str); 3] =
    [(ReloadResult::Applied, "applied"), (ReloadResult::Unchanged, "unchanged"), (ReloadResult::Refused, "refused")];

/// What sets a change off while the server runs.
const TRIGGERS: [(PolicyTrigger, &str); 4] = [
    (PolicyTrigger::Signal, "sighup"),
    (PolicyTrigger::File, "file"),
    (PolicyTrigger::Request, "rpc"),
    (PolicyTrigger::Rollback, "rollback"),
];

/// The attempts of a process.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    ended: [[u64; RESULTS.len()]; TRIGGERS.len()],
    refused: bool,
}

impl Reloads {
    /// Counts one.
    ///
    /// # Panics
    /// When the start of the server is given as its trigger: that is no change.
    pub fn count(&self, trigger: PolicyTrigger, result: ReloadResult) {
        let row = TRIGGERS.iter().position(|(known, _)| *known == trigger).expect("a start is no reload");
        let column = RESULTS.iter().position(|(known, _)| *known == result).expect("every result has a column");
        let mut counts = lock(&self.0);
        counts.ended[row][column] += 1;
        counts.refused = result == ReloadResult::Refused;
    }

    pub(super) fn write(&self, page: &mut Page) {
        let counts = lock(&self.0);
        page.begin(&names::CONFIG_RELOADS);
        for ((_, trigger), row) in TRIGGERS.iter().zip(counts.ended) {
            for ((_, result), count) in RESULTS.iter().zip(row) {
                page.sample(&names::CONFIG_RELOADS, &[result, trigger], count);
            }
        }
        page.single(&names::CONFIG_LAST_RELOAD, u64::from(!counts.refused));
    }
}

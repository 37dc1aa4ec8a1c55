//! What the books come to: per queue, per interval, and what cannot be.

use serde::{Deserialize, Serialize};

/// Faults shown; the rest are counted.
const SHOWN: usize = 20;

/// What cannot be, by kind and in words.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Faults {
    /// How many there are of each kind.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// The first of them.
    pub first: Vec<String>,
}

impl Faults {
    /// Notes one. `kind` is the invariant that is broken.
    pub fn add(&mut self, kind: &str, text: impl FnOnce() -> String) {
        *self.counts.entry(kind.to_owned()).or_default() += 1;
        if self.first.len() < SHOWN {
            self.first.push(format!("{kind}: {}", text()));
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// How queue entries went, of one queue or one interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Entries.
    pub offered: u64,
    /// Answered.
    pub answered: u64,
    /// Answered within the queue's threshold.
    pub within_threshold: u64,
    /// The customer left.
    pub abandoned: u64,
    /// Sent elsewhere by a rule.
    pub overflowed: u64,
    /// Taken back.
    pub cancelled: u64,
    /// Refused at the door of the queue.
    pub refused: u64,
    /// Waited too long.
    pub expired: u64,
    /// Went on in another queue.
    pub moved: u64,
    /// Still waiting at the end.
    pub waiting: u64,
    /// Not offered to an agent in the instant they came.
    pub delayed: u64,
    /// Measured waits of those answered, added up, in microseconds of real time.
    pub answered_wait_us: u64,
    /// Measured waits of all that left the line, added up.
    pub wait_us: u64,
}

impl Counts {
    /// Whether every entry is accounted for.
    pub fn close(&self) -> bool {
        self.offered == self.left() + self.waiting
    }

    /// Entries that left the line.
    pub fn left(&self) -> u64 {
        self.answered + self.abandoned + self.overflowed + self.cancelled + self.refused + self.expired + self.moved
    }

    /// Answered within the threshold, of all offered.
    pub fn service_level(&self) -> f64 {
        share(self.within_threshold, self.offered)
    }

    /// Abandoned, of all offered.
    pub fn abandonment(&self) -> f64 {
        share(self.abandoned, self.offered)
    }

    /// Entries that had to wait for an agent, of all offered.
    pub fn delayed_share(&self) -> f64 {
        share(self.delayed, self.offered)
    }

    /// Mean wait of all that left the line, in seconds of the scenario's time.
    pub fn mean_wait_s(&self, speed: f64) -> f64 {
        self.wait_us as f64 / 1e6 * speed / self.left().max(1) as f64
    }

    /// Mean wait of those answered (average speed of answer), in seconds of the scenario's time.
    pub fn asa_s(&self, speed: f64) -> f64 {
        self.answered_wait_us as f64 / 1e6 * speed / self.answered.max(1) as f64
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// What the books come to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Balance {
    /// Contacts the server said it created.
    pub received: u64,
    /// Contacts it refused to take.
    pub turned_away: u64,
    /// Contacts it said it closed, by outcome.
    pub closed: std::collections::BTreeMap<String, u64>,
    /// Contacts that were open at the end, waiting or not.
    pub open: u64,
    /// All queue entries.
    pub total: Counts,
    /// The same by queue, in the order of the configuration.
    pub queues: Vec<Counts>,
    /// The same by interval of arrival, and when each begins, in microseconds of the scenario's time.
    pub intervals: Vec<(u64, Counts)>,
    /// Offers issued.
    pub offers: u64,
    /// Offers accepted.
    pub accepts: u64,
    /// Offers agents did not hear of because their sessions were gone.
    pub unheard: u64,
    /// The largest share of his capacity an agent had in use.
    pub peak_load: f64,
    /// Offers that were held against every contact then waiting.
    pub orders_checked: u64,
    /// What cannot be.
    pub faults: Faults,
}

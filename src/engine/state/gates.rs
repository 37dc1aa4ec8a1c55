//! Whether queues are open: by hand for a time, or as their calendars say; a queue without one is open.

use super::{Due, State};
use crate::engine::id::QueueId;
use crate::engine::time::Time;

/// What a supervisor set a queue to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Open or closed; none when nothing is set.
    pub set: Option<bool>,
    /// When that ends by itself, if it does.
    pub until: Option<Time>,
}

impl State {
    /// What a queue is set to by hand.
    #[must_use]
    pub fn gate(&self, queue: QueueId) -> Gate {
        self.gates.get(queue.index()).copied().unwrap_or_default()
    }

    /// Whether a queue takes arrivals.
    #[must_use]
    pub fn is_open(&self, queue: QueueId) -> bool {
        self.gate(queue).set.unwrap_or(true)
    }

    pub(super) fn set_gate(&mut self, queue: QueueId, gate: Gate) {
        if self.gates.len() <= queue.index() {
            self.gates.resize(queue.index() + 1, Gate::default());
        }
        self.gates[queue.index()] = gate;
        self.arm(Due::Queue, queue.0, gate.until);
    }

    /// Takes back what was set for queues the policy in force no longer has.
    pub(super) fn forget_gates(&mut self) {
        for queue in (0..self.gates.len() as u32).map(QueueId) {
            if !self.registry.queues[queue.index()].live {
                self.set_gate(queue, Gate::default());
            }
        }
    }
}

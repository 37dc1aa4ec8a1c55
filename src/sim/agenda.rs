//! What people will do and when: a heap of plans, first due first, in the order they were made where due together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::id::LegId;
use crate::engine::time::Time;

/// Something planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Plan {
    /// The next contact of a flow arrives.
    Arrive {
        /// The flow.
        flow: u32,
    },
    /// A customer gives up waiting.
    GiveUp(Who),
    /// A conversation ends.
    Finish(LegId),
    /// An agent answers an offer.
    Answer {
        /// The offer.
        leg: LegId,
        /// Whether he declines it.
        declines: bool,
    },
    /// Customer and agent are bridged.
    Connect(LegId),
    /// A wrap-up ends.
    WrapUp(LegId),
    /// A customer who gave up calls again.
    Retry(Who),
    /// An agent comes, goes, takes a break or is back.
    Duty {
        /// Place in the roster.
        change: u32,
    },
    /// Those who wait are told the center closes.
    Close {
        /// Place among the closings.
        closing: u32,
    },
    /// An interval of the report begins.
    Interval {
        /// Which.
        index: u32,
    },
}

/// A customer on one of his calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    /// Slot.
    pub slot: u32,
    /// The call; a plan for an earlier one is void.
    pub spell: u32,
}

/// The plans.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Time, u64, Plan)>>,
    made: u64,
}

impl Agenda {
    /// Plans something.
    pub fn add(&mut self, at: Time, plan: Plan) {
        self.made += 1;
        self.heap.push(Reverse((at, self.made, plan)));
    }

    /// When the next is due.
    pub fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes the next.
    pub fn pop(&mut self) -> Option<(Time, Plan)> {
        self.heap.pop().map(|Reverse((at, _, plan))| (at, plan))
    }
}

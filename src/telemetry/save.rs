//! What was counted, in bytes: it is kept with a snapshot, so that totals go on after a start that reads no further back.
//!
//! Only what events count is in it. What is going on comes back with the view; what tells of the process, as the time of
//! decisions and commits, begins anew with it.

use std::collections::BTreeSet;

use super::agents::StateTime;
use super::cells::SeriesTotals;
use super::record::Key;
use crate::engine::contact::{Direction, Outcome};
use crate::engine::id::{ChannelId, QueueId};
use crate::wire::{Malformed, Reader, Wire, Writer, record};

/// One queue, channel and direction.
#[derive(Debug)]
pub(super) struct CellTotals {
    pub(super) key: Key,
    pub(super) series: SeriesTotals,
}

/// One step of a queue: by place in [`super::names::STEPS`].
#[derive(Debug)]
pub(super) struct Step {
    pub(super) metric: usize,
    pub(super) queue: QueueId,
    pub(super) step: u8,
    pub(super) total: u64,
}

/// One tenant's totals.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) cells: Vec<CellTotals>,
    pub(super) doors: Vec<((ChannelId, Direction), u64)>,
    pub(super) closed: Vec<((ChannelId, Direction, Outcome), u64)>,
    pub(super) steps: Vec<Step>,
    pub(super) carried_over: (u64, u64),
    pub(super) times: Vec<StateTime>,
    /// Live legs in conversation past the `max_handle` of their time, by slot.
    pub(super) over_max_handle: BTreeSet<u32>,
}

record!(CellTotals { key, series });
record!(Step { metric, queue, step, total });
record!(StateTime { team, state, reason, time });
record!(Totals { cells, doors, closed, steps, carried_over, times, over_max_handle });

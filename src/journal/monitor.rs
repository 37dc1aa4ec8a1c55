//! How a journal is, for those who look after it: asked at any time, from any thread, without waiting for the disk's writes.

use std::sync::Arc;

use super::Fault;
use super::disk::Disk;
use super::embedded::Shared;
use crate::engine::time::Time;

/// Looks at a journal.
#[derive(Clone)]
pub struct Monitor {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<dyn Disk>,
    /// Batches that were there when it was opened.
    pub(super) found: u64,
}

/// How it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Batches made durable since it was opened.
    pub records: u64,
    /// Batches handed over and not durable yet.
    pub lag: u64,
    /// Time of the last batch that was made durable since it was opened.
    pub last_commit: Option<Time>,
    /// Bytes of its segments and snapshots.
    pub bytes: u64,
    /// Bytes free where it is; none when that cannot be told.
    pub free_bytes: Option<u64>,
    /// Its segments, those a snapshot stands for included.
    pub segments: u64,
    /// Its snapshots.
    pub snapshots: u64,
    /// How far the newest of them goes.
    pub last_snapshot: Option<Time>,
    /// Why it does not take all work.
    pub fault: Option<Fault>,
}

impl Monitor {
    /// How the journal is now.
    #[must_use]
    pub fn look(&self) -> Condition {
        let free_bytes = self.disk.free();
        let state = self.shared.state();
        let segments: u64 = state.segments.iter().map(|segment| segment.end).sum();
        let snapshots: u64 = state.snapshots.iter().map(|kept| kept.size).sum();
        Condition {
            records: state.durable - self.found,
            lag: state.appended - state.durable,
            last_commit: state.committed,
            bytes: segments + snapshots,
            free_bytes,
            segments: state.segments.len() as u64,
            snapshots: state.snapshots.len() as u64,
            last_snapshot: state.snapshots.last().map(|kept| kept.time),
            fault: match () {
                () if state.broken || state.lost => Some(Fault::Unavailable),
                () if state.stuck || state.scarce => Some(Fault::Full),
                () => None,
            },
        }
    }
}

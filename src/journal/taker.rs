//! The thread that makes snapshots and lets go of what is older than `retention`.
//!
//! It looks whenever a segment is full. When enough was written since the last snapshot it folds the segments from there
//! up to the one that is being written, and checks them once more: what is damaged stops it, is said, and stays.

use std::sync::{Arc, PoisonError};

use tracing::{error, info, warn};

use super::codec;
use super::disk::Disk;
use super::embedded::{Keep, Kept, Shared, State};
use super::frame::{self, HEADER, Header};
use super::scan::{self, Damage, Segment};
use super::snapshot::{self, Fold, Head, Snapshot};
use super::vault::{Known, Vault};
use crate::engine::time::Time;
use crate::wire::Seal;

/// Snapshots that stay whatever their age: one may be damaged.
const SPARE: usize = 2;
/// Why a fold is broken off.
const STOPS: &str = "the journal is closed";

pub(super) struct Taker {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) vault: Arc<Vault>,
    pub(super) keep: Keep,
}

impl Taker {
    pub(super) fn run(self) {
        let mut state = self.shared.state();
        // The segment looked at last: one that could not be made is tried again when the next is full.
        let (mut looked, mut said) = (0, false);
        while !state.stop {
            let now = state.segments.last().map_or(0, |last| last.number);
            if now == looked || !self.is_due(&state) {
                looked = now;
                state = self.shared.sealed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            looked = now;
            let from = state.snapshots.last().map(|kept| kept.number);
            drop(state);
            if !(self.keep.memory)() {
                if !std::mem::replace(&mut said, true) {
                    warn!("no snapshot is made while memory has no room for a second state: a start has more to read");
                }
                state = self.shared.state();
                continue;
            }
            said = false;
            match self.take(from, now) {
                Ok(Some(kept)) => {
                    info!(before = %frame::segment_name(kept.number), bytes = kept.size, "snapshot made");
                    self.shared.state().snapshots.push(kept);
                    self.retire(kept.time);
                }
                Ok(None) => {}
                Err(damage) => error!(%damage, "no snapshot can be made"),
            }
            state = self.shared.state();
        }
    }

    /// Whether enough was written since the last snapshot, and there is room for one.
    fn is_due(&self, state: &State) -> bool {
        let (from, least) = state.snapshots.last().map_or((0, 0), |kept| (kept.number, kept.size));
        let Some((_, sealed)) = state.segments.split_last() else { return false };
        let since = |segment: &&Segment| segment.number >= from;
        let written: u64 = sealed.iter().filter(since).map(|segment| segment.end - HEADER as u64).sum();
        !state.scarce && written > 0 && written >= self.keep.snapshot_bytes.max(least)
    }

    /// Makes the snapshot that stands before a segment; none when it is to stop, or the disk does not take it.
    fn take(&self, from: Option<u64>, before: u64) -> Result<Option<Kept>, Damage> {
        if self.vault.owes() {
            // What says that a customer is forgotten is read again at a start until his key is destroyed.
            return Ok(None);
        }
        let (mut fold, head) = match from {
            Some(from) => self.fold_of(from).inspect_err(|_| {
                // The next is made from the one before it.
                self.shared.state().snapshots.retain(|kept| kept.number != from);
            })?,
            None => (Fold::new(self.keep.beside.clone()), None),
        };
        let vault: &dyn Seal = self.vault.as_ref();
        let read = scan::scan(self.disk.as_ref(), (head.as_ref(), Some(before)), &mut |header, offset, frame| {
            if self.shared.state().stop {
                return Err(STOPS.into());
            }
            codec::each_event(frame, (header.version, offset), Some(vault), &mut |tenant, recorded| {
                fold.take(tenant, recorded)
            })
        });
        match read {
            Err(damage) if damage.what == STOPS => return Ok(None),
            read => read?,
        };
        let name = frame::segment_name(before);
        let at = |what: String| Damage { file: self.disk.place(&name), offset: None, what };
        let header = self.disk.read_first(&name, HEADER).map_err(|error| at(format!("cannot be read: {error}")))?;
        let header = Header::decode(&header).map_err(at)?;
        let bytes = fold.encode(&header, Some(Arc::new(Known(self.vault.clone()))));
        match snapshot::store(self.disk.as_ref(), before, &bytes) {
            Ok(()) => Ok(Some(Kept { number: before, size: bytes.len() as u64, time: header.time })),
            Err(fault) => {
                warn!(%fault, "a snapshot cannot be written; it is tried again when the next segment is full");
                Ok(None)
            }
        }
    }

    /// A fold that stands where a snapshot does.
    fn fold_of(&self, number: u64) -> Result<(Fold, Option<Head>), Damage> {
        let snapshot = Snapshot::read(self.disk.as_ref(), number).map_err(|unusable| unusable.damage)?;
        let fold = Fold::of(&snapshot, Some(self.vault.as_ref()), self.keep.beside.clone());
        let fold = fold.map_err(|fault| snapshot.damage(self.disk.as_ref(), fault))?;
        Ok((fold, Some(snapshot.head)))
    }

    /// Lets go of the segments that are older than `retention` and that a snapshot stands for, and of the snapshots before
    /// that one. Oldest first, so that what is left never has a hole.
    fn retire(&self, now: Time) {
        let mut state = self.shared.state();
        let old = now - self.keep.retention;
        let Some(most) = (state.snapshots.len() + 1).checked_sub(SPARE) else { return };
        let base = state.snapshots[..most].iter().rev().find(|kept| kept.time <= old);
        let Some(base) = base.map(|kept| kept.number) else { return };
        let gone: Vec<u64> = state.segments.iter().map(|segment| segment.number).filter(|&at| at < base).collect();
        let stale: Vec<u64> = state.snapshots.iter().map(|kept| kept.number).filter(|&at| at < base).collect();
        state.segments.retain(|segment| segment.number >= base);
        state.snapshots.retain(|kept| kept.number >= base);
        drop(state);
        let names = stale.iter().map(|&at| snapshot::name(at)).chain(gone.iter().map(|&at| frame::segment_name(at)));
        for name in names {
            if let Err(fault) = self.disk.remove(&name) {
                warn!(file = %self.disk.place(&name), %fault, "what is older than retention cannot be removed");
                return;
            }
        }
        if !gone.is_empty() {
            info!(segments = gone.len(), "let go of what is older than retention");
        }
    }
}

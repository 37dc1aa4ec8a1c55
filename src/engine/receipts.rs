//! Requests remembered, so that a repeat gets the first answer: also after a restart, since they come from events.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Reply;
use super::command::RequestStamp;
use super::id::ContactId;
use super::reject::Reject;
use super::slab::Slab;
use super::table::{IdTable, hash_bytes};
use super::time::{Span, Time};

/// One request remembered.
#[derive(Clone, Debug)]
struct Receipt {
    stamp: Arc<RequestStamp>,
    first: Reply,
    time: Time,
    newer: u32,
}

const NONE: u32 = u32::MAX;

/// The requests remembered, oldest first.
pub struct Receipts {
    held: Slab<Receipt>,
    by_id: IdTable,
    oldest: u32,
    newest: u32,
    seed: u64,
    window: Span,
}

impl Receipts {
    pub(super) fn new(seed: u64, window: Span) -> Receipts {
        Receipts { held: Slab::new(), by_id: IdTable::new(), oldest: NONE, newest: NONE, seed, window }
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.held.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn set_window(&mut self, window: Span) {
        self.window = window;
    }

    fn hash(&self, stamp: &RequestStamp) -> u64 {
        hash_bytes(self.seed ^ u64::from(stamp.method), stamp.request_id.as_bytes())
    }

    /// The first answer to this request, if it was accepted within the window.
    ///
    /// # Errors
    /// [`Reject::IdempotencyMismatch`] when the id was used with another payload.
    pub fn find(&self, now: Time, stamp: &RequestStamp) -> Result<Option<Reply>, Reject> {
        let same = |slot: u32| {
            let held = &self.held.at(slot).stamp;
            held.method == stamp.method && held.request_id == stamp.request_id
        };
        let Some(receipt) = self.by_id.find(self.hash(stamp), same).map(|slot| self.held.at(slot)) else {
            return Ok(None);
        };
        if now.since(receipt.time) > self.window {
            return Ok(None);
        }
        if receipt.stamp.digest != stamp.digest {
            return Err(Reject::IdempotencyMismatch);
        }
        Ok(Some(receipt.first))
    }

    pub(super) fn remember(&mut self, now: Time, stamp: &Arc<RequestStamp>, first: Reply) {
        let receipt = Receipt { stamp: stamp.clone(), first, time: now, newer: NONE };
        let hash = self.hash(stamp);
        self.drop_same(hash, stamp);
        let slot = self.held.insert(receipt).slot;
        self.by_id.insert(hash, slot);
        self.append(slot);
    }

    /// A request id past its window may come again: the old receipt goes.
    fn drop_same(&mut self, hash: u64, stamp: &RequestStamp) {
        let held = &self.held;
        let same = |slot: u32| {
            held.at(slot).stamp.method == stamp.method && held.at(slot).stamp.request_id == stamp.request_id
        };
        if let Some(slot) = self.by_id.find(hash, same) {
            self.by_id.remove(hash, |other| other == slot);
            // It stays in the list as a husk, no longer found, until its turn to be dropped comes.
            self.held.at_mut(slot).time = Time(0);
        }
    }

    fn append(&mut self, slot: u32) {
        match self.newest {
            NONE => self.oldest = slot,
            newest => self.held.at_mut(newest).newer = slot,
        }
        self.newest = slot;
    }

    /// Forgets what is past the window, and the oldest above `most`: those whose contact has ended first, looking no
    /// further than 8 at a time. `open` says whether a contact has not ended.
    pub(super) fn trim(&mut self, now: Time, most: u32, open: impl Fn(ContactId) -> bool) {
        let mut spared = 0;
        while self.oldest != NONE {
            let slot = self.oldest;
            let receipt = self.held.at(slot);
            let over = self.held.len() > most;
            if now.since(receipt.time) <= self.window && !over {
                return;
            }
            let keep = over
                && spared < 8
                && now.since(receipt.time) <= self.window
                && receipt.first.contact.is_some_and(&open);
            self.oldest = receipt.newer;
            if self.oldest == NONE {
                self.newest = NONE;
            }
            if keep {
                spared += 1;
                self.held.at_mut(slot).newer = NONE;
                self.append(slot);
            } else {
                let hash = self.hash(&self.held.at(slot).stamp);
                self.by_id.remove(hash, |other| other == slot);
                let key = self.held.key_of(slot);
                self.held.remove(key);
            }
        }
    }

    /// What is remembered as plain data, oldest first: the request, its first answer, and when that was given; at 0 for one
    /// whose id came again.
    pub(super) fn image(&self) -> Vec<(Arc<RequestStamp>, Reply, Time)> {
        let (mut all, mut slot) = (Vec::with_capacity(self.len() as usize), self.oldest);
        while slot != NONE {
            let Receipt { stamp, first, time, newer } = self.held.at(slot);
            all.push((stamp.clone(), *first, *time));
            slot = *newer;
        }
        all
    }

    /// Remembers what [`Self::image`] says.
    pub(super) fn recall(&mut self, all: Vec<(Arc<RequestStamp>, Reply, Time)>) {
        for (stamp, first, time) in all {
            let hash = self.hash(&stamp);
            let slot = self.held.insert(Receipt { stamp, first, time, newer: NONE }).slot;
            if time != Time(0) {
                self.by_id.insert(hash, slot);
            }
            self.append(slot);
        }
    }

    /// The sequences and digests remembered, oldest first, for comparing two engines.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(u64, [u8; 16])> {
        let (mut all, mut slot) = (Vec::new(), self.oldest);
        while slot != NONE {
            let receipt = self.held.at(slot);
            all.push((receipt.first.sequence, receipt.stamp.digest));
            slot = receipt.newer;
        }
        all
    }
}

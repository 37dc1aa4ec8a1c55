//! The one way in: a bounded queue that turns work away when it is full, and counts what it turned away.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;

use super::call::Envelope;

/// Work on its way to a shard, first in first out.
pub struct Ingress {
    queue: ArrayQueue<Envelope>,
    refused: AtomicU64,
}

impl Ingress {
    /// Room for what comes in during a few milliseconds of a busy writer. More waiting would only be later refusals.
    pub const CAPACITY: usize = 8_192;

    /// A queue for at most `capacity`, at least 1.
    #[must_use]
    pub fn new(capacity: usize) -> Ingress {
        Ingress { queue: ArrayQueue::new(capacity.max(1)), refused: AtomicU64::new(0) }
    }

    /// Hands work in; whether there was room. Never waits.
    pub fn try_send(&self, envelope: Envelope) -> bool {
        let sent = self.queue.push(envelope).is_ok();
        if !sent {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Moves what waits to `inbox` until that holds `most`.
    pub fn drain_to(&self, inbox: &mut VecDeque<Envelope>, most: usize) {
        while inbox.len() < most {
            let Some(envelope) = self.queue.pop() else { return };
            inbox.push_back(envelope);
        }
    }

    /// Drops what waits.
    pub fn clear(&self) {
        while self.queue.pop().is_some() {}
    }

    /// How much waits.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether there is no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// How much was ever turned away.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

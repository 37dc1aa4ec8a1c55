//! The journal: what must be safe before anyone is told.
//!
//! The shard appends batches of events and holds back every output that depends on them until the journal reports them
//! durable (the output-commit rule). Appending never waits: it gives a [`Position`], and durability is told later, by
//! what [`Journal::commit`] returns or by a [`Completion`]. The journal knows nothing of who reads its batches.
//!
//! `embedded.rs` keeps it on this machine's disk: `codec.rs` is the format of events, `frame.rs` that of
//! segments, `vault.rs` the keys of what identifies customers; `log.rs` writes them, `scan.rs` reads and checks them, `snapshot.rs`
//! has states as they stood between two of them, `state.rs` their format, `taker.rs` the thread that makes them and lets
//! go of what is old; `disk.rs` is all that any of them asks of the outside.
//! `tool.rs` is what can be done to it by hand. `memory.rs` keeps nothing.

pub mod codec;
pub mod disk;
mod embedded;
pub mod frame;
mod log;
mod memory;
mod monitor;
pub mod scan;
pub mod snapshot;
mod state;
mod taker;
pub mod tool;
pub mod vault;

use std::fmt;
use std::sync::Arc;

use crate::engine::event::Recorded;
use crate::engine::id::Text;
use crate::engine::state::image::Image;
use crate::engine::time::Time;
use crate::wire::{Reader, Seal};

pub use embedded::{Durability, EmbeddedJournal, Keep, Observe, OpenError, Options};
pub use memory::MemoryJournal;
pub use monitor::{Condition, Monitor};

/// How far the journal has come: batches ever appended, over all tenants. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// What one tenant's engine recorded at one instant: recovered whole or not at all.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Whose events.
    pub tenant: &'a Text,
    /// When; the same for all of them.
    pub time: Time,
    /// The events in order, without a gap; at least one.
    pub events: &'a [Recorded],
}

impl Batch<'_> {
    /// Sequence of the first event; 0 in a batch without events, which is never appended.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.events.first().map_or(0, |recorded| recorded.sequence)
    }

    /// Sequence of the last event.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.events.last().map_or(0, |recorded| recorded.sequence)
    }
}

/// Why the journal does not do what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room for more.
    Full,
    /// It cannot be written just now.
    Unavailable,
    /// It does not keep what is asked for.
    NotKept,
    /// What it keeps cannot be understood.
    Corrupt,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Full => "the journal is full",
            Fault::Unavailable => "the journal cannot be written",
            Fault::NotKept => "the journal does not keep its events",
            Fault::Corrupt => "the journal cannot be understood",
        })
    }
}

impl std::error::Error for Fault {}

/// What became of batches appended earlier. May come late and out of step; the furthest position counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Everything up to this position is durable.
    Durable(Position),
    /// What was not durable before is lost; the journal will not bring it back. No completion for any of it follows,
    /// and positions go on above the last durable one.
    Failed(Fault),
}

/// How completions reach whoever hosts the shard. Called from the journal's own thread; must not block.
pub type Notify = Arc<dyn Fn(Completion) + Send + Sync>;

/// A tenant as it stood at a snapshot.
pub struct Start {
    /// Its state.
    pub image: Image,
    /// What was kept beside it, written by this version of the format under these keys; empty when nothing was.
    pub beside: Vec<u8>,
    /// See `beside`.
    pub version: u16,
    /// See `beside`.
    pub keys: Option<Arc<dyn Seal>>,
}

impl Start {
    /// Reads what was kept beside the state.
    #[must_use]
    pub fn beside(&self) -> Reader<'_> {
        Reader::new(&self.beside, self.version).with(self.keys.as_deref())
    }
}

/// An append-only record of every tenant's batches, in one order.
pub trait Journal: Send {
    /// Where completions that come after [`Self::commit`] has returned are to be told. Called once, before the first
    /// append. A journal that is durable at once has no use for it.
    fn attach(&mut self, notify: Notify) {
        drop(notify);
    }

    /// Whether a batch can be appended now. Asked before a command is carried out, because a decision cannot be undone.
    ///
    /// # Errors
    /// [`Fault::Full`] or [`Fault::Unavailable`].
    fn ready(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether work that is new may be begun, beside what ends work that was begun. Asked like [`Self::ready`].
    ///
    /// # Errors
    /// [`Fault::Full`]: what room is left is kept for what was begun.
    fn room(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Takes over one batch. It is not durable yet. Must not wait for the disk.
    ///
    /// # Errors
    /// Then the batch is not in the journal, and nothing appended after the last durable position is relied on.
    fn append(&mut self, batch: &Batch<'_>) -> Result<Position, Fault>;

    /// Asks that everything appended so far be made durable, and tells how far it is already. Must not wait.
    ///
    /// # Errors
    /// As [`Completion::Failed`].
    fn commit(&mut self) -> Result<Position, Fault>;

    /// Whether it brings tenants back after a restart, and so wants to know the time.
    fn keeps(&self) -> bool {
        false
    }

    /// Notes the time, so that after an outage it is known how long it was. Not waited for by anything.
    fn mark(&mut self, time: Time) {
        let _ = time;
    }

    /// The last time noted or recorded before this journal was opened; 0 when there was none.
    fn last_time(&self) -> Time {
        Time(0)
    }

    /// The tenant as it stood at the journal's newest snapshot that is good; none when it has none of it. What
    /// [`Self::replay`] hands over then begins after it.
    ///
    /// # Errors
    /// As [`Self::replay`].
    fn begin(&mut self, tenant: &str) -> Result<Option<Start>, Fault> {
        let _ = tenant;
        Ok(None)
    }

    /// Hands a tenant's durable events to `fold`, from the first on or from where [`Self::begin`] stood, in order. Linear in
    /// their number. What stood beside
    /// an event may be left out; the engine finds it again.
    ///
    /// # Errors
    /// [`Fault::NotKept`] when the journal keeps none, [`Fault::Unavailable`] when they cannot be read now,
    /// [`Fault::Corrupt`] when they are not what they were.
    fn replay(&mut self, tenant: &str, fold: &mut dyn FnMut(&mut Recorded)) -> Result<(), Fault>;
}

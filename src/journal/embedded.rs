//! The journal on this machine's disk: batches are handed over in memory, a thread of its own makes them durable.
//!
//! The thread commits at once when nothing came while it slept, and about once a millisecond while work keeps coming:
//! one commit costs some 50 us of CPU whatever is in it. What is being committed and what waits are two buffers that
//! change places, so handing over never waits for the disk. Read `log.rs` for what the thread does with a frame.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{error, info, warn};

use super::codec;
use super::disk::{Directory, Disk};
use super::frame::{self, CellId, FRAME, HEADER};
use super::log::{self, Log, Trouble};
use super::scan::{self, Damage, Found, Segment};
use super::snapshot::{self, Head, MakeBeside, Snapshot, Unusable};
use super::taker::Taker;
use super::vault::Vault;
use super::{Batch, Completion, Fault, Journal, Monitor, Notify, Position, Start};
use crate::engine::event::{Event, Recorded};
use crate::engine::time::{Span, Time};
use crate::wire::{Malformed, Reader, Seal, Writer};

/// Batches in a commit from which on work is taken to keep coming.
const BUSY: u32 = 4;
/// Bytes that are committed without waiting for more.
const LARGE: usize = 256 << 10;
/// How long before a disk that failed or was full is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// How often what is only written is made durable all the same.
const FLUSH: Duration = Duration::from_secs(1);

/// What an answered command survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The loss of power: it is on the disk.
    #[default]
    Fsync,
    /// The death of the process, not of the machine: the system has it, and the disk within about a second.
    Write,
}

/// What happened to a commit, for the metrics.
pub type Observe = Arc<dyn Fn(Duration) + Send + Sync>;

/// How long, and in what form, a journal keeps what is past.
#[derive(Clone)]
pub struct Keep {
    /// Bytes of segments after which a snapshot is made: about what a start has to read. No fewer than the last snapshot
    /// has, so that snapshots are never most of what is written.
    pub snapshot_bytes: u64,
    /// How long segments that a snapshot stands for stay.
    pub retention: Span,
    /// What is folded beside the states, and saved with them.
    pub beside: Option<MakeBeside>,
    /// Whether there is memory for a second state now, which a snapshot is folded into.
    pub memory: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep {
            snapshot_bytes: 16 << 20,
            retention: Span::from_secs(8 * 86_400),
            beside: None,
            memory: Arc::new(|| true),
        }
    }
}

/// How a journal is kept.
#[derive(Clone)]
pub struct Options {
    /// What an answered command survives.
    pub durability: Durability,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// The least time from one commit to the next while work keeps coming.
    pub pace: Duration,
    /// Bytes that may wait for the disk before more is refused.
    pub waiting_bytes: usize,
    /// A monotonic clock, in nanoseconds.
    pub nanos: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Told how long each commit took, from the first of its batches being handed over until it was durable.
    pub observe: Observe,
    /// What is past.
    pub keep: Keep,
}

/// Why a journal cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Something in it does not fit.
    Damage(Damage),
    /// It cannot be read or written, or another process has it.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Damage(damage) => write!(f, "{damage}"),
            OpenError::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// What the writer and the threads share.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// A segment is full, or it is to stop: for the thread that makes snapshots.
    pub(super) sealed: Condvar,
}

pub(super) struct State {
    /// Batches that wait, after room for a frame's head.
    waiting: Writer,
    batches: u32,
    /// When the first of them was handed over.
    since: u64,
    /// Time of the last thing handed over.
    time: Time,
    /// Whether the time alone is to be written.
    mark: bool,
    pub(super) appended: u64,
    pub(super) durable: u64,
    /// Time of the last batch made durable since it was opened.
    pub(super) committed: Option<Time>,
    pub(super) segments: Vec<Segment>,
    /// The snapshots that are good, oldest first.
    pub(super) snapshots: Vec<Kept>,
    /// What was not durable is lost, and the writer has not been told.
    pub(super) lost: bool,
    /// The disk fails.
    pub(super) broken: bool,
    /// A frame does not fit on the disk.
    pub(super) stuck: bool,
    /// There is no reserve: only what ends work is taken.
    pub(super) scarce: bool,
    /// The thread sleeps until there is something to do; while it waits for more to come it is not woken for it.
    asleep: bool,
    pub(super) stop: bool,
}

/// A snapshot that is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    /// Its bytes.
    pub(super) size: u64,
    /// Time of the last thing before it.
    pub(super) time: Time,
}

/// The journal on this machine's disk.
pub struct EmbeddedJournal {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    nanos: Arc<dyn Fn() -> u64 + Send + Sync>,
    waiting_bytes: usize,
    vault: Arc<Vault>,
    start: Option<(Log, Options)>,
    thread: Option<JoinHandle<()>>,
    taker: Option<JoinHandle<()>>,
    /// The snapshot from which the next replay goes on.
    from: Option<u64>,
    last: Time,
    found: Option<Found>,
}

impl EmbeddedJournal {
    /// Opens the journal in a directory, or begins one there. All of it from its newest snapshot on is read and checked; a
    /// snapshot that is damaged is said and left aside. The directory is this process's alone until the journal is dropped.
    ///
    /// # Errors
    /// When another process has it, it cannot be read or written, or it does not fit together.
    pub fn open(path: &Path, options: Options) -> Result<EmbeddedJournal, OpenError> {
        let at = |error| OpenError::Io(path.to_owned(), error);
        let directory = Directory::lock(path).map_err(at)?;
        EmbeddedJournal::on(Arc::new(directory), options).map_err(|error| match error {
            OpenError::Io(_, error) => at(error),
            damage => damage,
        })
    }

    /// As [`Self::open`], on any disk.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn on(disk: Arc<dyn Disk>, options: Options) -> Result<EmbeddedJournal, OpenError> {
        let io = |error| OpenError::Io(PathBuf::new(), error);
        let snapshots = good_snapshots(disk.as_ref()).map_err(OpenError::Damage)?;
        let newest = snapshots.last().map(|(head, _)| head);
        let found = scan::scan(disk.as_ref(), (newest, None), &mut |_, _, _| Ok(())).map_err(OpenError::Damage)?;
        let vault = Arc::new(Vault::open(disk.clone()).map_err(io)?);
        let (size, sync) = (options.segment_bytes, options.durability == Durability::Fsync);
        let log = match found.clone() {
            Some(found) => Log::resume(disk.clone(), found, size, sync),
            None => Log::create(disk.clone(), new_cell().map_err(io)?, size, sync),
        };
        let log = log.map_err(io)?;
        if let Some(Found { torn, .. }) = found
            && torn > 0
        {
            warn!(bytes = torn, "cut off the end of the journal, which nobody was told of");
        }
        let position = log.position();
        let state = State {
            waiting: room(&vault),
            batches: 0,
            since: 0,
            time: Time(0),
            mark: false,
            appended: position,
            durable: position,
            committed: None,
            segments: log.segments(),
            snapshots: snapshots.iter().map(|(_, kept)| *kept).collect(),
            lost: false,
            broken: false,
            stuck: false,
            scarce: false,
            asleep: false,
            stop: false,
        };
        Ok(EmbeddedJournal {
            shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), sealed: Condvar::new() }),
            disk,
            nanos: options.nanos.clone(),
            waiting_bytes: options.waiting_bytes,
            vault,
            start: Some((log, options)),
            thread: None,
            taker: None,
            from: None,
            last: found.as_ref().map_or(Time(0), |found| found.time),
            found,
        })
    }

    /// What was there when it was opened; none when it began then.
    #[must_use]
    pub fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// Looks at it while it works.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        let found = self.found.as_ref().map_or(0, |found| found.position);
        Monitor { shared: self.shared.clone(), disk: self.disk.clone(), found }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

/// The snapshots that are good, oldest first. One that is damaged is said: an older one, or the segments from the first,
/// say the same.
///
/// # Errors
/// When one does not belong here, or what a damaged one stood for is gone.
fn good_snapshots(disk: &dyn Disk) -> Result<Vec<(Head, Kept)>, Damage> {
    let listed =
        |error: io::Error| Damage { file: disk.place(""), offset: None, what: format!("cannot be read: {error}") };
    let mut good: Vec<(Head, Kept)> = Vec::new();
    let mut bad = None;
    for number in snapshot::list(disk).map_err(listed)?.into_iter().rev() {
        let head = match good.is_empty() {
            // Of those before one that is good no more is read than what they are.
            false => snapshot::peek(disk, number),
            true => match Snapshot::read(disk, number) {
                Ok(snapshot) => Some(snapshot.head),
                Err(Unusable { damage, stops: true }) => return Err(damage),
                Err(Unusable { damage, .. }) => {
                    error!(%damage, "a snapshot is damaged and not used");
                    bad.get_or_insert(damage);
                    None
                }
            },
        };
        good.extend(head.map(|head| (head, Kept { number, size: head.size(), time: head.time })));
    }
    good.reverse();
    let first = disk.list().map_err(listed)?.iter().filter_map(|name| frame::segment_number(name)).min();
    match bad {
        Some(damage) if good.is_empty() && first != Some(1) => {
            let what = format!("{}; no other snapshot is whole, and what came before it is gone", damage.what);
            Err(Damage { what, ..damage })
        }
        _ => Ok(good),
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, state: &mut State) {
        if std::mem::take(&mut state.asleep) {
            self.changed.notify_one();
        }
    }
}

/// A buffer with room for a frame's head.
fn room(vault: &Arc<Vault>) -> Writer {
    Writer { bytes: vec![0; FRAME], vault: Some(vault.clone()), ..Writer::default() }
}

/// A journal's id, by chance.
fn new_cell() -> io::Result<CellId> {
    let mut cell = [0; 16];
    let chance = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&chance, &mut cell)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(cell)
}

impl Journal for EmbeddedJournal {
    fn attach(&mut self, notify: Notify) {
        let Some((log, options)) = self.start.take() else { return };
        let (shared, vault, keep) = (self.shared.clone(), self.vault.clone(), options.keep.clone());
        let thread = std::thread::Builder::new().name("usher-journal".into());
        let work = move || Committer { shared, log, vault, options, notify }.run();
        self.thread = Some(thread.spawn(work).expect("a process may have a thread"));
        let taker = Taker { shared: self.shared.clone(), disk: self.disk.clone(), vault: self.vault.clone(), keep };
        let thread = std::thread::Builder::new().name("usher-snapshot".into());
        self.taker = Some(thread.spawn(move || taker.run()).expect("a process may have a thread"));
    }

    fn ready(&self) -> Result<(), Fault> {
        let state = self.state();
        match () {
            () if state.broken || state.lost => Err(Fault::Unavailable),
            () if state.stuck => Err(Fault::Full),
            () if state.waiting.bytes.len() > self.waiting_bytes => Err(Fault::Unavailable),
            () => Ok(()),
        }
    }

    fn room(&self) -> Result<(), Fault> {
        if self.state().scarce { Err(Fault::Full) } else { Ok(()) }
    }

    fn append(&mut self, batch: &Batch<'_>) -> Result<Position, Fault> {
        debug_assert_eq!(batch.last() - batch.first() + 1, batch.events.len() as u64, "a batch has no gap");
        let mut state = self.state();
        state.appended += 1;
        // What comes after a loss and before it is told depends on what was lost: it goes the same way.
        if !state.lost {
            if state.batches == 0 {
                state.since = (self.nanos)();
            }
            codec::put_batch(batch.tenant, batch.time, batch.events, &mut state.waiting);
            state.batches += 1;
            state.time = batch.time;
        }
        Ok(Position(state.appended))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn mark(&mut self, time: Time) {
        let mut state = self.state();
        (state.time, state.mark) = (time, true);
        self.shared.wake(&mut state);
    }

    fn commit(&mut self) -> Result<Position, Fault> {
        let mut state = self.state();
        if state.lost {
            state.lost = false;
            state.appended = state.durable;
            return Err(Fault::Unavailable);
        }
        if state.batches > 0 {
            self.shared.wake(&mut state);
        }
        Ok(Position(state.durable))
    }

    fn last_time(&self) -> Time {
        self.last
    }

    fn begin(&mut self, tenant: &str) -> Result<Option<Start>, Fault> {
        self.from = None;
        let kept: Vec<Kept> = self.state().snapshots.iter().rev().copied().collect();
        let whole = self.state().segments.first().is_none_or(|first| first.number == 1);
        for Kept { number, .. } in kept {
            let read = Snapshot::read(self.disk.as_ref(), number).map_err(|unusable| unusable.damage.to_string());
            match read.and_then(|snapshot| self.start_of(&snapshot, tenant)) {
                Ok(start) => {
                    self.from = Some(number);
                    return Ok(start);
                }
                Err(fault) => {
                    error!(file = %self.disk.place(&snapshot::name(number)), %fault, "a snapshot is not used")
                }
            }
        }
        if whole { Ok(None) } else { Err(Fault::Corrupt) }
    }

    fn replay(&mut self, tenant: &str, fold: &mut dyn FnMut(&mut Recorded)) -> Result<(), Fault> {
        let from = self.from.unwrap_or(0);
        let segments: Vec<Segment> =
            self.state().segments.iter().filter(|segment| segment.number >= from).copied().collect();
        // Whoever was forgotten and can still be read: the end came before his key was destroyed.
        let mut forgotten = Vec::new();
        let mut fold = |recorded: &mut Recorded| {
            if let Event::CustomerForgotten { customer, .. } = &recorded.event
                && !customer.customer_id.is_empty()
            {
                forgotten.push(customer.customer_id.clone());
            }
            fold(recorded);
        };
        for segment in segments {
            let name = frame::segment_name(segment.number);
            let told = |what: &str| error!(file = %self.disk.place(&name), what, "the journal cannot be read");
            let bytes = self.disk.read(&name).map_err(|fault| {
                told(&fault.to_string());
                Fault::Unavailable
            })?;
            let end = usize::try_from(segment.end).unwrap_or(usize::MAX).min(bytes.len());
            each_batch(&bytes[..end], (segment.version, self.vault.as_ref()), tenant, &mut fold).map_err(
                |(offset, what)| {
                    told(&format!("offset {offset}: {what}"));
                    Fault::Corrupt
                },
            )?;
        }
        forgotten.iter().for_each(|customer| self.vault.forget(tenant, customer));
        Ok(())
    }
}

impl EmbeddedJournal {
    fn start_of(&self, snapshot: &Snapshot, tenant: &str) -> Result<Option<Start>, String> {
        let said = |fault: Malformed| format!("offset {}: {}", fault.at, fault.what);
        let Some(held) = snapshot.tenant(tenant).map_err(said)? else { return Ok(None) };
        let image = held.image(Some(self.vault.as_ref())).map_err(said)?;
        let keys: Arc<dyn Seal> = self.vault.clone();
        Ok(Some(Start { image, beside: held.beside.to_vec(), version: snapshot.head.version, keys: Some(keys) }))
    }
}

/// Hands a tenant's events in a segment to `fold`.
fn each_batch(
    bytes: &[u8],
    (version, vault): (u16, &Vault),
    tenant: &str,
    fold: &mut dyn FnMut(&mut Recorded),
) -> Result<(), (usize, &'static str)> {
    let mut at = HEADER;
    while at < bytes.len() {
        let frame = frame::read(&bytes[at..]).map_err(|what| (at, what))?;
        let inside = |fault: Malformed| (at + FRAME + fault.at, fault.what);
        let mut batches = Reader::new(frame.payload, version).with(Some(vault));
        for _ in 0..frame.batches {
            let batch = codec::get_batch(&mut batches, version).map_err(inside)?;
            if batch.tenant == tenant {
                batch.each(&mut *fold).map_err(inside)?;
            }
        }
        at += frame.size();
    }
    Ok(())
}

impl Drop for EmbeddedJournal {
    fn drop(&mut self) {
        self.state().stop = true;
        self.shared.changed.notify_all();
        self.shared.sealed.notify_all();
        if self.taker.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the thread that makes snapshots has met a bug");
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the journal's thread has met a bug");
        }
        if let Some((log, _)) = self.start.take()
            && let Err(fault) = log.close()
        {
            warn!(%fault, "the journal was not closed");
        }
    }
}

/// The thread that makes what was handed over durable.
struct Committer {
    shared: Arc<Shared>,
    log: Log,
    vault: Arc<Vault>,
    options: Options,
    notify: Notify,
}

/// A frame on its way.
struct Load {
    bytes: Writer,
    batches: u32,
    since: u64,
    time: Time,
}

impl Committer {
    fn run(mut self) {
        let mut spare = room(&self.vault);
        let mut busy = false;
        let mut begun = 0;
        let mut flushed = 0;
        while let Some(mut load) = self.next(spare, busy, begun) {
            begun = (self.options.nanos)();
            let batches = load.batches;
            let alive = self.write(&mut load);
            let since = load.since;
            spare = load.bytes;
            spare.bytes.truncate(FRAME);
            if !alive {
                break;
            }
            let mut state = self.shared.state();
            state.scarce = !self.log.has_reserve();
            busy = batches >= BUSY || state.batches > 0;
            drop(state);
            if batches > 0 {
                (self.options.observe)(Duration::from_nanos((self.options.nanos)().saturating_sub(since)));
            }
            let now = (self.options.nanos)();
            if self.options.durability == Durability::Write && now.saturating_sub(flushed) > FLUSH.as_nanos() as u64 {
                flushed = now;
                if let Err(fault) = self.log.flush() {
                    self.fail(&fault);
                }
            }
        }
        if let Err(fault) = self.log.close() {
            warn!(%fault, "the journal was not closed");
        }
    }

    /// Waits for the next frame and takes it; none when there is nothing left and the journal is to stop.
    fn next(&self, spare: Writer, busy: bool, begun: u64) -> Option<Load> {
        let mut state = self.shared.state();
        while state.batches == 0 && !state.mark {
            if state.stop {
                return None;
            }
            state.asleep = true;
            state = self.wait(state, RETRY * 5);
            state.asleep = false;
            state.scarce = !self.log.has_reserve();
        }
        let pace = self.options.pace.as_nanos() as u64;
        let early = |state: &State| {
            let passed = (self.options.nanos)().saturating_sub(begun);
            let waits = busy && state.waiting.bytes.len() < LARGE && !state.stop;
            (waits && passed < pace).then(|| Duration::from_nanos(pace - passed))
        };
        while let Some(left) = early(&state) {
            state = self.wait(state, left);
        }
        state.mark = false;
        Some(Load {
            bytes: std::mem::replace(&mut state.waiting, spare),
            batches: std::mem::take(&mut state.batches),
            since: state.since,
            time: state.time,
        })
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.shared.changed.wait_timeout(state, most).map_or_else(|broken| broken.into_inner().0, |woken| woken.0)
    }

    /// Makes a frame durable and tells, or loses it and tells. False when the journal is to stop with it unwritten.
    fn write(&mut self, load: &mut Load) -> bool {
        loop {
            let saved = self.vault.save().map_err(log::no_room);
            match saved.and_then(|()| self.log.write(&mut load.bytes.bytes, load.batches, load.time)) {
                Ok(()) => {
                    if let Err(fault) = self.vault.shred() {
                        error!(%fault, "a forgotten customer's key is not destroyed yet; it will be tried again");
                    }
                    self.told((load.batches > 0).then_some(load.time));
                    return true;
                }
                Err(Trouble::Failed(fault)) => {
                    self.fail(&fault);
                    return !self.shared.state().stop;
                }
                Err(Trouble::Full) => {
                    let mut state = self.shared.state();
                    if !state.stuck {
                        error!("the journal's disk is full: what was begun waits until there is room");
                    }
                    (state.stuck, state.scarce) = (true, true);
                    if state.stop {
                        return false;
                    }
                    drop(self.wait(state, RETRY));
                }
            }
        }
    }

    fn told(&mut self, committed: Option<Time>) {
        let mut state = self.shared.state();
        state.committed = committed.or(state.committed);
        if std::mem::take(&mut state.stuck) {
            info!("the journal's disk has room again");
        }
        state.durable = self.log.position();
        self.follow(&mut state);
        drop(state);
        (self.notify)(Completion::Durable(Position(self.log.position())));
    }

    /// Notes how far the segments have come.
    fn follow(&self, state: &mut State) {
        let (sealed, open) = self.log.ends();
        match state.segments.last_mut() {
            Some(last) if last.number == open.number => *last = open,
            last => {
                let from = last.map_or(0, |last| last.number);
                state.segments.pop();
                state.segments.extend(sealed.iter().filter(|segment| segment.number >= from));
                state.segments.push(open);
                self.shared.sealed.notify_all();
            }
        }
    }

    /// The disk has failed: what was not durable is lost. Stays until a new segment can be begun, or it is to stop.
    fn fail(&mut self, fault: &io::Error) {
        error!(%fault, "the journal's disk fails: what nobody was told of is taken back");
        let mut state = self.shared.state();
        state.waiting.bytes.truncate(FRAME);
        state.batches = 0;
        state.broken = true;
        state.lost = state.appended > state.durable;
        drop(state);
        if let Err(fault) = self.vault.reload() {
            error!(%fault, "the customers' keys cannot be read again");
        }
        loop {
            // Wakes the writer, who learns of the loss when he asks how far things are.
            (self.notify)(Completion::Durable(Position(self.log.position())));
            let renewed = self.log.renew();
            let mut state = self.shared.state();
            match renewed {
                Ok(()) => {
                    state.broken = false;
                    self.follow(&mut state);
                    info!("the journal is written again");
                    return;
                }
                Err(_) if state.stop => return,
                Err(_) => drop(self.wait(state, RETRY)),
            }
        }
    }
}

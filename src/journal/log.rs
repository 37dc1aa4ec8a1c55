//! The segments as they are written: one frame at a time, each durable before the next.
//!
//! Segments are filled with zeros before they are used, so that a commit writes data and nothing about the file. The next
//! one is made ready by a thread of its own while this one is written; it is also the reserve that is left to end what
//! was begun when the disk is full. After an error nobody may ask the same descriptor again what is durable: the segment
//! ends where it was last known to be, and a new one goes on.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::codec::VERSION;
use super::disk::{Disk, DiskFile};
use super::frame::{self, CellId, Chain, HEADER, Header};
use super::scan::{Found, Mark, MarkFile, Segment};
use crate::engine::time::Time;

/// The name of the segment that is ready and not yet used.
const SPARE: &str = "spare";
/// The name of one made at once, because there was none.
const NEXT: &str = "next";
/// Zeros written at a time.
const ZEROS: usize = 1 << 20;
/// How long before a disk that was full is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Why a frame is not written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no room. Nothing is lost: the same frame may be written later.
    Full,
    /// What became of it is unknown. The segment is given up.
    Failed(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Failed(error)
    }
}

/// An error of a write: one for want of room leaves things as they were.
pub(super) fn no_room(error: io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Trouble::Full,
        _ => Trouble::Failed(error),
    }
}

/// The journal's end, open for writing.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    mark: MarkFile,
    cell: CellId,
    epoch: u64,
    segment: Segment,
    /// Segments before the one that is written.
    sealed: Vec<Segment>,
    position: u64,
    time: Time,
    chain: Chain,
    size: u64,
    spare: Spare,
    /// Whether frames are made durable, or only written.
    sync: bool,
}

impl Log {
    /// Begins a journal on an empty disk.
    pub(super) fn create(disk: Arc<dyn Disk>, cell: CellId, size: u64, sync: bool) -> io::Result<Log> {
        let found = Found {
            cell,
            epoch: 1,
            segments: Vec::new(),
            position: 0,
            time: Time(0),
            chain: Chain::default(),
            torn: 0,
            frames: 0,
        };
        Log::start(disk, found, size, sync)
    }

    /// Goes on where a journal ends. A torn end is cut off first.
    pub(super) fn resume(disk: Arc<dyn Disk>, found: Found, size: u64, sync: bool) -> io::Result<Log> {
        if let Some(last) = found.segments.last() {
            let mut file = disk.open(&frame::segment_name(last.number))?;
            if file.length()? != last.end {
                file.resize(last.end)?;
                file.sync()?;
            }
        }
        Log::start(disk, found, size, sync)
    }

    /// Every start begins a segment: what was written before is read and never written to again.
    fn start(disk: Arc<dyn Disk>, found: Found, size: u64, sync: bool) -> io::Result<Log> {
        let Found { cell, epoch, segments, position, time, chain, .. } = found;
        let number = segments.last().map_or(1, |last| last.number + 1);
        let before = segments.last().map_or(0, |last| last.end);
        let header = Header { version: VERSION, number, cell, epoch, position, time, chain, before };
        // A spare left by a process that was killed is the reserve: its room comes free first.
        match disk.remove(SPARE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = enter(disk.as_ref(), NEXT, zeroed(disk.as_ref(), NEXT, size)?, &header)?;
        let segment = Segment { number, version: VERSION, end: HEADER as u64 };
        let mark = Mark { cell, segment: number, end: segment.end, position };
        let mark = MarkFile::create(disk.as_ref(), &mark)?;
        let spare = Spare::start(disk.clone(), size);
        Ok(Log { disk, file, mark, cell, epoch, segment, sealed: segments, position, time, chain, size, spare, sync })
    }

    /// Writes one frame and makes it durable. Its batches stand in `bytes` after the room for its head.
    ///
    /// # Errors
    /// [`Trouble::Full`]: nothing has changed. Else the segment is to be given up by [`Self::renew`].
    pub(super) fn write(&mut self, bytes: &mut [u8], batches: u32, time: Time) -> Result<(), Trouble> {
        let length = bytes.len() as u64;
        if self.segment.end + length > self.size && self.segment.end > HEADER as u64 {
            self.roll()?;
        }
        let position = self.position + u64::from(batches);
        let chain = frame::seal(bytes, batches, position, time, &self.chain);
        self.file.write(self.segment.end, bytes).map_err(no_room)?;
        if self.sync {
            self.file.sync()?;
        }
        self.segment.end += length;
        (self.position, self.time, self.chain) = (position, time, chain);
        self.mark.set(&self.told())?;
        Ok(())
    }

    fn told(&self) -> Mark {
        Mark { cell: self.cell, segment: self.segment.number, end: self.segment.end, position: self.position }
    }

    /// Goes on in the next segment.
    fn roll(&mut self) -> Result<(), Trouble> {
        let (name, next) = match self.spare.take() {
            Some(file) => (SPARE, file),
            None => (NEXT, zeroed(self.disk.as_ref(), NEXT, self.size).map_err(no_room)?),
        };
        if !self.sync {
            self.file.sync()?;
        }
        self.file.resize(self.segment.end)?;
        self.go_on(name, next)?;
        Ok(())
    }

    fn go_on(&mut self, name: &str, next: Box<dyn DiskFile>) -> io::Result<()> {
        let number = self.segment.number + 1;
        let header = Header {
            version: VERSION,
            number,
            cell: self.cell,
            epoch: self.epoch,
            position: self.position,
            time: self.time,
            chain: self.chain,
            before: self.segment.end,
        };
        self.file = enter(self.disk.as_ref(), name, next, &header)?;
        self.sealed.push(self.segment);
        self.segment = Segment { number, version: VERSION, end: HEADER as u64 };
        self.spare.want();
        self.mark.set(&self.told())
    }

    /// After a failure: gives up the segment where it was last durable and goes on in a new one, on a new descriptor.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        let next = zeroed(self.disk.as_ref(), NEXT, self.size)?;
        self.mark = MarkFile::create(self.disk.as_ref(), &self.told())?;
        self.go_on(NEXT, next)
    }

    /// Makes durable what was only written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    /// Whether there is a segment in reserve, or one will come: without it new work is refused.
    pub(super) fn has_reserve(&self) -> bool {
        !self.spare.lock().full
    }

    /// The segments to be read, each to its end.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let mut all = self.sealed.clone();
        all.push(self.segment);
        all
    }

    /// The segments before the one that is written, and that one.
    pub(super) fn ends(&self) -> (&[Segment], Segment) {
        (&self.sealed, self.segment)
    }

    /// Position of the last batch.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Leaves the room that was not used.
    pub(super) fn close(mut self) -> io::Result<()> {
        self.spare.stop();
        self.file.resize(self.segment.end)?;
        self.file.sync()?;
        match self.disk.remove(SPARE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A new file of zeros, durable; nothing is left of it when that fails.
fn zeroed(disk: &dyn Disk, name: &str, size: u64) -> io::Result<Box<dyn DiskFile>> {
    let fill = || {
        let mut file = disk.create(name)?;
        let zeros = vec![0; ZEROS];
        let mut at = 0;
        while at < size {
            let count = (size - at).min(ZEROS as u64);
            file.write(at, &zeros[..count as usize])?;
            at += count;
        }
        file.sync()?;
        Ok(file)
    };
    let made = fill();
    if made.is_err() {
        // What was written of it is room that others may need more.
        let _ = disk.remove(name);
    }
    made
}

/// Makes a file of zeros the segment that its header says.
fn enter(disk: &dyn Disk, name: &str, mut file: Box<dyn DiskFile>, header: &Header) -> io::Result<Box<dyn DiskFile>> {
    file.write(0, &header.encode())?;
    file.sync()?;
    disk.rename(name, &frame::segment_name(header.number))?;
    disk.sync()?;
    Ok(file)
}

/// The thread that makes the next segment ready.
struct Spare {
    shared: Arc<(Mutex<Stock>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stock {
    file: Option<Box<dyn DiskFile>>,
    wanted: bool,
    /// The disk had no room for it when it was last tried.
    full: bool,
    stop: bool,
}

impl Spare {
    fn start(disk: Arc<dyn Disk>, size: u64) -> Spare {
        let stock = Stock { wanted: true, ..Stock::default() };
        let shared = Arc::new((Mutex::new(stock), Condvar::new()));
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("usher-spare".into());
        let thread = thread.spawn(move || keep(&theirs.0, &theirs.1, disk.as_ref(), size)).ok();
        Spare { shared, thread }
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, if it is ready or being made: to make it a second time would take no less long.
    fn take(&self) -> Option<Box<dyn DiskFile>> {
        let mut stock = self.lock();
        while stock.wanted && !stock.full && self.thread.is_some() {
            stock = self.shared.1.wait(stock).unwrap_or_else(PoisonError::into_inner);
        }
        stock.file.take()
    }

    fn want(&self) {
        let mut stock = self.lock();
        stock.wanted = stock.file.is_none();
        self.shared.1.notify_all();
    }

    fn stop(&mut self) {
        self.lock().stop = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.stop();
    }
}

fn keep(stock: &Mutex<Stock>, changed: &Condvar, disk: &dyn Disk, size: u64) {
    let mut held = stock.lock().unwrap_or_else(PoisonError::into_inner);
    while !held.stop {
        if !held.wanted {
            held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(held);
        let made = zeroed(disk, SPARE, size);
        held = stock.lock().unwrap_or_else(PoisonError::into_inner);
        held.full = made.is_err();
        if let Ok(file) = made {
            (held.file, held.wanted) = (Some(file), false);
        }
        changed.notify_all();
        if held.full && !held.stop {
            held = changed.wait_timeout(held, RETRY).map_or_else(|broken| broken.into_inner().0, |woken| woken.0);
        }
    }
}

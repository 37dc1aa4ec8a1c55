//! Reading a journal from end to end: what is whole, what was torn off, and what must not be there.
//!
//! A torn end that nobody was told of is counted and cut. Everything else that does not fit stops the reading with the
//! file and the offset: a history is never served shorter than it was. Two things tell the one from the other. The file
//! `durable` says how far was told ([`Mark`]), exactly so after a process was killed; and a frame is only written once
//! the one before it is durable, so that a broken frame with a whole one after it was durable.

use std::fmt;
use std::io;

use super::disk::{Disk, DiskFile};
use super::frame::{self, CellId, Chain, Frame, HEADER, Header};
use super::snapshot::Head;
use crate::engine::time::Time;

/// The name of the file that says how far was told.
pub const MARK: &str = "durable";
const SLOT: usize = 64;

/// Something that does not fit, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// The byte in it, when it is about one.
    pub offset: Option<u64>,
    /// What is wrong, a fragment that goes on after the file's name.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{}: offset {offset}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for Damage {}

/// A segment as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// The format of its frames.
    pub version: u16,
    /// How many of its bytes count.
    pub end: u64,
}

/// A journal as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which journal.
    pub cell: CellId,
    /// Its term.
    pub epoch: u64,
    /// Its segments, in order, without a gap.
    pub segments: Vec<Segment>,
    /// Position of the last batch.
    pub position: u64,
    /// Time of the last thing in it.
    pub time: Time,
    /// The hash of everything.
    pub chain: Chain,
    /// Bytes at the end that were torn off: written, and never told of.
    pub torn: u64,
    /// Frames read.
    pub frames: u64,
}

/// How far a journal had told that it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which journal.
    pub cell: CellId,
    /// The segment.
    pub segment: u64,
    /// How many of its bytes.
    pub end: u64,
    /// Position of the last batch.
    pub position: u64,
}

impl Mark {
    fn encode(&self) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        bytes[..16].copy_from_slice(&self.cell);
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.position.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Mark> {
        let bytes = bytes.get(..SLOT)?;
        let number = |from: usize| u64::from_le_bytes(frame::array(&bytes[from..from + 8]));
        let whole = crc32fast::hash(&bytes[..60]).to_le_bytes() == bytes[60..];
        whole.then(|| Mark {
            cell: frame::array(&bytes[..16]),
            segment: number(16),
            end: number(24),
            position: number(32),
        })
    }

    /// The furthest of the two slots that is whole; none when there is no such file or neither is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(disk: &dyn Disk) -> io::Result<Option<Mark>> {
        let bytes = match disk.read(MARK) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let slots = [Mark::decode(&bytes), bytes.get(SLOT..).and_then(Mark::decode)];
        Ok(slots.into_iter().flatten().max_by_key(|mark| (mark.segment, mark.end)))
    }
}

/// The file of marks, open: two slots written in turn, so that one is whole at every instant.
pub(super) struct MarkFile {
    file: Box<dyn DiskFile>,
    second: bool,
}

impl MarkFile {
    /// Opens it anew, with one mark in it.
    pub(super) fn create(disk: &dyn Disk, mark: &Mark) -> io::Result<MarkFile> {
        let part = format!("{MARK}.part");
        let mut file = disk.create(&part)?;
        file.write(0, &mark.encode())?;
        file.write(SLOT as u64, &[0; SLOT])?;
        file.sync()?;
        disk.rename(&part, MARK)?;
        disk.sync()?;
        Ok(MarkFile { file, second: true })
    }

    /// Says how far is durable. Not made durable itself: after a loss of power it may say less, never more.
    pub(super) fn set(&mut self, mark: &Mark) -> io::Result<()> {
        let offset = if self.second { SLOT as u64 } else { 0 };
        self.second = !self.second;
        self.file.write(offset, &mark.encode())
    }
}

/// Who is shown every frame: the segment's header, the frame's offset, the frame.
pub type See<'a> = &'a mut dyn FnMut(&Header, u64, &Frame<'_>) -> Result<(), String>;

/// Where to read from and to: from a snapshot on or from the first segment; up to a segment, that one left out, or to the
/// end.
pub type Range<'a> = (Option<&'a Head>, Option<u64>);

/// From the first segment to the end.
pub const WHOLE: Range<'_> = (None, None);

/// Reads a journal and checks all of it from where it is asked; of segments before that only the headers are looked at.
/// None when there is none.
///
/// # Errors
/// The first thing that does not fit.
pub fn scan(disk: &dyn Disk, (from, until): Range<'_>, see: See<'_>) -> Result<Option<Found>, Damage> {
    let at = |name: &str, offset: Option<u64>, what: String| Damage { file: disk.place(name), offset, what };
    let broken = |name: &str, error: io::Error| at(name, None, format!("cannot be read: {error}"));
    let names = disk.list().map_err(|error| broken("", error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| frame::segment_number(name)).collect();
    numbers.sort_unstable();
    let mark = Mark::read(disk).map_err(|error| broken(MARK, error))?;
    let last = numbers.last().copied().unwrap_or(0);
    // What a snapshot stands for may be gone, the oldest first.
    let begin = from.map_or(1, |from| from.number);
    let first = numbers.first().copied().unwrap_or(1).min(begin);
    let missing = |wanted: &u64| numbers.binary_search(wanted).is_err();
    if let Some(missing) = (first..=last.max(mark.map_or(0, |mark| mark.segment))).find(missing) {
        return Err(at(&frame::segment_name(missing), None, "is missing".into()));
    }
    let mut reading = from.map(Reading::after);
    archived(disk, &numbers, begin, reading.as_mut())?;
    let mut next: Option<(Header, Vec<u8>)> = None;
    for number in numbers.into_iter().filter(|&number| number >= begin && until.is_none_or(|until| number < until)) {
        let name = frame::segment_name(number);
        let (header, bytes) = match next.take() {
            Some(read) => read,
            None => head(disk, number)?,
        };
        let own = header.cell;
        let state = reading.get_or_insert_with(|| Reading::new(&header));
        state.enter(&header).map_err(|what| at(&name, None, what))?;
        if number < last {
            let after = head(disk, number + 1)?;
            state
                .whole(&header, &bytes, after.0.before, see)
                .map_err(|(offset, what)| at(&name, Some(offset), what))?;
            next = Some(after);
        } else {
            if let Some(mark) = mark.filter(|mark| mark.cell != own) {
                let what = format!("is of journal {}, and the segments are of {}", hex(&mark.cell), hex(&own));
                return Err(at(MARK, None, what));
            }
            let told = mark.filter(|mark| mark.segment == number).map_or(0, |mark| mark.end);
            state.tail(&header, &bytes, told, see).map_err(|(offset, what)| at(&name, Some(offset), what))?;
        }
    }
    Ok(reading.map(|reading| reading.found))
}

/// Looks at the headers of segments that a snapshot stands for: they are this journal's, and each says where the one before
/// it ends.
fn archived(disk: &dyn Disk, numbers: &[u64], begin: u64, reading: Option<&mut Reading>) -> Result<(), Damage> {
    let Some(reading) = reading else { return Ok(()) };
    let mut before: Option<Header> = None;
    for &number in numbers.iter().filter(|&&number| number <= begin) {
        let name = frame::segment_name(number);
        let at = |what: String| Damage { file: disk.place(&name), offset: None, what };
        let bytes = disk.read_first(&name, HEADER).map_err(|error| at(format!("cannot be read: {error}")))?;
        let header = Header::decode(&bytes).map_err(at)?;
        if header.number != number {
            return Err(at(format!("is segment {} under another name", header.number)));
        }
        let found = &mut reading.found;
        if header.cell != found.cell {
            return Err(at(format!("belongs to journal {}, and this is {}", hex(&header.cell), hex(&found.cell))));
        }
        if let Some(before) = before {
            let (number, version) = (before.number, before.version);
            found.segments.push(Segment { number, version, end: header.before });
        }
        before = Some(header);
    }
    Ok(())
}

/// A segment's header and bytes.
fn head(disk: &dyn Disk, number: u64) -> Result<(Header, Vec<u8>), Damage> {
    let name = frame::segment_name(number);
    let at = |what: String| Damage { file: disk.place(&name), offset: None, what };
    let bytes = disk.read(&name).map_err(|error| at(format!("cannot be read: {error}")))?;
    let header = Header::decode(&bytes).map_err(at)?;
    match header.number == number {
        true => Ok((header, bytes)),
        false => Err(at(format!("is segment {} under another name", header.number))),
    }
}

struct Reading {
    found: Found,
}

type Fault = (u64, String);

impl Reading {
    fn new(first: &Header) -> Reading {
        let Header { cell, epoch, position, time, chain, .. } = *first;
        Reading { found: Found { cell, epoch, segments: Vec::new(), position, time, chain, torn: 0, frames: 0 } }
    }

    /// What follows a snapshot.
    fn after(snapshot: &Head) -> Reading {
        let Head { cell, epoch, position, time, chain, .. } = *snapshot;
        Reading { found: Found { cell, epoch, segments: Vec::new(), position, time, chain, torn: 0, frames: 0 } }
    }

    fn enter(&mut self, header: &Header) -> Result<(), String> {
        let found = &mut self.found;
        if header.cell != found.cell {
            return Err(format!("belongs to journal {}, and this is {}", hex(&header.cell), hex(&found.cell)));
        }
        if header.chain != found.chain || header.position != found.position || header.epoch < found.epoch {
            return Err("does not follow the segment before it".into());
        }
        found.epoch = header.epoch;
        Ok(())
    }

    /// The frames from a place on, up to the first that is not one; where that is and why.
    fn frames(&mut self, header: &Header, bytes: &[u8], see: See<'_>) -> Result<(usize, &'static str), Fault> {
        let mut at = HEADER;
        loop {
            let rest = &bytes[at.min(bytes.len())..];
            let frame = match frame::read(rest) {
                Ok(frame) => frame,
                Err(what) => return Ok((at, what)),
            };
            frame::follows(rest, &frame, &self.found.chain).map_err(|what| (at as u64, what.to_owned()))?;
            see(header, at as u64, &frame).map_err(|what| (at as u64, what))?;
            let found = &mut self.found;
            (found.chain, found.position, found.time) = (frame.chain, frame.position, frame.time);
            found.frames += 1;
            at += frame.size();
        }
    }

    fn leave(&mut self, header: &Header, end: u64) {
        self.found.segments.push(Segment { number: header.number, version: header.version, end });
    }

    /// A segment with another after it: all of it counts.
    fn whole(&mut self, header: &Header, bytes: &[u8], end: u64, see: See<'_>) -> Result<(), Fault> {
        let length = bytes.len() as u64;
        let Some(counts) = bytes.get(..usize::try_from(end).unwrap_or(usize::MAX)) else {
            return Err((length, format!("ends here, and {end} bytes of it were durable")));
        };
        let (at, what) = self.frames(header, counts, see)?;
        if at as u64 != end {
            return Err((at as u64, what.to_owned()));
        }
        self.leave(header, end);
        Ok(())
    }

    /// The last segment, of which `told` bytes are known to have been told of.
    fn tail(&mut self, header: &Header, bytes: &[u8], told: u64, see: See<'_>) -> Result<(), Fault> {
        let (at, what) = self.frames(header, bytes, see)?;
        let rest = &bytes[at.min(bytes.len())..];
        if (at as u64) < told {
            return Err((at as u64, format!("{what}, and {told} bytes of the file were durable")));
        }
        if !frame::is_blank(rest) {
            if let Some(next) = rest.get(1..).and_then(frame::find) {
                let next = at + 1 + next;
                return Err((at as u64, format!("{what}, and a whole one follows at offset {next}: it was durable")));
            }
            let written = rest.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            self.found.torn = written as u64;
        }
        self.leave(header, at as u64);
        Ok(())
    }
}

/// Bytes for people.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

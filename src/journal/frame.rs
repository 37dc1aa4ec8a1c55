//! The format of segments: a header, then frames, then zeros that wait for more.
//!
//! A frame is what one commit wrote: any number of batches, recovered whole or not at all. It carries a checksum of its
//! own and the hash of everything before it, so that what is damaged is told from what is out of its place. All numbers
//! are little-endian. Read `scan.rs` next, which reads them, and `log.rs`, which writes them.

use super::codec::{OLDEST, VERSION};
use crate::engine::time::Time;

/// The hash of all frames so far: the first half of BLAKE3 over the last one's hash and the frame.
pub type Chain = [u8; 16];

/// A journal's own id, made by chance when it begins: a segment of another journal is not taken for one of its own.
pub type CellId = [u8; 16];

/// Bytes of a segment's header.
pub const HEADER: usize = 96;
/// Bytes before a frame's batches.
pub const FRAME: usize = 56;
/// The largest frame: more than is ever waiting to be written.
pub const FRAME_BYTES: usize = 256 << 20;

const MAGIC: [u8; 8] = *b"USHERJNL";
const FRAME_MAGIC: [u8; 4] = *b"frm\x01";

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format of what follows.
    pub version: u16,
    /// Its place among the segments, from 1.
    pub number: u64,
    /// Which journal it belongs to.
    pub cell: CellId,
    /// The owner's term: goes up when a journal is restored from a backup, so that the old owner's segments are refused.
    pub epoch: u64,
    /// Position of the last batch before it.
    pub position: u64,
    /// Time of the last thing before it.
    pub time: Time,
    /// The hash of everything before it.
    pub chain: Chain,
    /// How many bytes of the segment before it count: what a failed disk left after them is void.
    pub before: u64,
}

impl Header {
    /// As it stands in a file.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.cell);
        bytes[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.position.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.time.0.to_le_bytes());
        bytes[64..80].copy_from_slice(&self.chain);
        bytes[80..88].copy_from_slice(&self.before.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..92]);
        bytes[92..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it. A version from the future is told before the checksum, whose place it may have moved.
    pub fn decode(bytes: &[u8]) -> Result<Header, String> {
        if bytes.len() < HEADER {
            return Err(format!("is {} bytes long, and a segment's header has {HEADER}", bytes.len()));
        }
        if bytes[..8] != MAGIC {
            return Err("is no journal segment".into());
        }
        let version = u16::from_le_bytes(array(&bytes[8..10]));
        if version > VERSION {
            return Err(format!("is of format version {version}, and this usher reads up to {VERSION}: it is too old"));
        }
        if crc32fast::hash(&bytes[..92]).to_le_bytes() != bytes[92..HEADER] {
            return Err("has a damaged header".into());
        }
        if version < OLDEST {
            return Err(format!("is of format version {version}, and this usher reads from {OLDEST} on"));
        }
        let number = |from: usize| u64::from_le_bytes(array(&bytes[from..from + 8]));
        Ok(Header {
            version,
            number: number(16),
            cell: array(&bytes[24..40]),
            epoch: number(40),
            position: number(48),
            time: Time(number(56)),
            chain: array(&bytes[64..80]),
            before: number(80),
        })
    }
}

/// A frame that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How many batches.
    pub batches: u32,
    /// Position of its last batch; of the last before it when it has none.
    pub position: u64,
    /// Time of the last thing in it.
    pub time: Time,
    /// The hash of everything up to and with it.
    pub chain: Chain,
    /// Its batches.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Its bytes in the file.
    #[must_use]
    pub fn size(&self) -> usize {
        FRAME + self.payload.len()
    }
}

/// Finishes a frame whose batches stand in `bytes` after [`FRAME`] bytes of room for its head; the hash with it.
pub fn seal(bytes: &mut [u8], batches: u32, position: u64, time: Time, before: &Chain) -> Chain {
    let length = u32::try_from(bytes.len() - FRAME).expect("a frame is smaller than that");
    bytes[..4].copy_from_slice(&FRAME_MAGIC);
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[12..16].copy_from_slice(&batches.to_le_bytes());
    bytes[16..24].copy_from_slice(&position.to_le_bytes());
    bytes[24..32].copy_from_slice(&time.0.to_le_bytes());
    bytes[32..40].fill(0);
    let chain = link(before, &bytes[8..40], &bytes[FRAME..]);
    bytes[40..56].copy_from_slice(&chain);
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    chain
}

fn link(before: &Chain, head: &[u8], payload: &[u8]) -> Chain {
    let hash = blake3::Hasher::new().update(before).update(head).update(payload).finalize();
    array(&hash.as_bytes()[..16])
}

/// Whether there is nothing: room not yet written to, or the end of the file.
#[must_use]
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// Reads the frame at the beginning of `bytes`, checksum and all, whatever it follows.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Frame<'_>, &'static str> {
    if bytes.len() < FRAME {
        return Err("ends within the head of a frame");
    }
    if bytes[..4] != FRAME_MAGIC {
        return Err("has no frame where one should begin");
    }
    let length = u32::from_le_bytes(array(&bytes[8..12])) as usize;
    let Some(end) = FRAME.checked_add(length).filter(|&end| end <= bytes.len() && length <= FRAME_BYTES) else {
        return Err("has a frame that is longer than the file");
    };
    if crc32fast::hash(&bytes[8..end]).to_le_bytes() != bytes[4..8] {
        return Err("has a frame whose checksum does not fit");
    }
    Ok(Frame {
        batches: u32::from_le_bytes(array(&bytes[12..16])),
        position: u64::from_le_bytes(array(&bytes[16..24])),
        time: Time(u64::from_le_bytes(array(&bytes[24..32]))),
        chain: array(&bytes[40..56]),
        payload: &bytes[FRAME..end],
    })
}

/// Whether a frame read from `bytes` follows what `before` is the hash of.
///
/// # Errors
/// When it does not.
pub fn follows(bytes: &[u8], frame: &Frame<'_>, before: &Chain) -> Result<(), &'static str> {
    match link(before, &bytes[8..40], frame.payload) == frame.chain {
        true => Ok(()),
        false => Err("has a frame that does not follow the one before it"),
    }
}

/// Where in `bytes` the next whole frame begins, if one does.
#[must_use]
pub fn find(bytes: &[u8]) -> Option<usize> {
    let first = FRAME_MAGIC[0];
    let begins = (0..bytes.len().saturating_sub(FRAME)).filter(|&at| bytes[at] == first);
    begins.into_iter().find(|&at| read(&bytes[at..]).is_ok())
}

/// How a segment's file is called.
#[must_use]
pub fn segment_name(number: u64) -> String {
    format!("{number:016}.journal")
}

/// The number in a segment's name, if it is one.
#[must_use]
pub fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".journal")?;
    (digits.len() == 16).then(|| digits.parse().ok()).flatten()
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the slice has that length")
}

//! Snapshots: the state of every tenant as it stands where a segment begins, so that a start reads what follows and no more.
//!
//! A thread of its own makes them, from the last snapshot and the segments after it: nobody who decides waits for one, no
//! state is copied while it is in use, and every segment is read and checked once more before it may go. What is kept
//! beside a tenant's state for those who read (its [`Beside`]) is folded from the same events and saved with it.
//!
//! A snapshot is a head, then for each tenant its name, its state (`state.rs`) and what is beside it. It is written under
//! another name and renamed when it is durable. One that is damaged is never used: an older one and the segments since
//! then say the same. Segments that a snapshot stands for stay until they are older than `retention`; then they go, with
//! the snapshots before them, so that a directory begins with segment 1 or with a snapshot.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::codec::{OLDEST, VERSION};
use super::disk::Disk;
use super::frame::{self, CellId, Chain, HEADER, Header, array};
use super::scan::Damage;
use crate::engine::Engine;
use crate::engine::event::Recorded;
use crate::engine::id::Text;
use crate::engine::state::image::Image;
use crate::engine::time::Time;
use crate::wire::{Malformed, Reader, Seal, Wire, Writer};

/// Bytes of a snapshot's head.
pub const HEAD: usize = 160;
const MAGIC: [u8; 8] = *b"USHERSNP";
/// The name of one that is being written.
const PART: &str = "snapshot.part";
/// Bytes written at a time, so that whoever shares the disk gets his turn.
const PIECE: usize = 1 << 20;

/// What is kept beside a tenant's state for those who read it.
pub trait Beside: Send {
    /// Takes in the next event, in order.
    fn take(&mut self, recorded: &Recorded);
    /// Writes all of it.
    fn put(&self, out: &mut Writer);
}

/// Makes a tenant's: empty, or what was written.
///
/// # Errors
/// When it is not what was written.
pub type MakeBeside = Arc<dyn Fn(&Text, Option<&mut Reader<'_>>) -> Result<Box<dyn Beside>, Malformed> + Send + Sync>;

/// What a snapshot says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The format of what follows.
    pub version: u16,
    /// The segment before whose first frame it stands.
    pub number: u64,
    /// Which journal it belongs to.
    pub cell: CellId,
    /// The owner's term then.
    pub epoch: u64,
    /// Position of the last batch before it.
    pub position: u64,
    /// Time of the last thing before it.
    pub time: Time,
    /// The hash of everything before it.
    pub chain: Chain,
    /// Bytes that follow.
    pub length: u64,
    /// Their SHA-256.
    pub digest: [u8; 32],
}

impl Head {
    /// As it stands in a file.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.cell);
        bytes[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.position.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.time.0.to_le_bytes());
        bytes[64..80].copy_from_slice(&self.chain);
        bytes[80..88].copy_from_slice(&self.length.to_le_bytes());
        bytes[88..120].copy_from_slice(&self.digest);
        let crc = crc32fast::hash(&bytes[..HEAD - 4]);
        bytes[HEAD - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and whether it is of a version that is not read here.
    pub fn decode(bytes: &[u8]) -> Result<Head, (String, bool)> {
        let bad = |what: String| (what, false);
        if bytes.len() < HEAD {
            return Err(bad(format!("is {} bytes long, and a snapshot's head has {HEAD}", bytes.len())));
        }
        if bytes[..8] != MAGIC {
            return Err(bad("is no snapshot".into()));
        }
        let version = u16::from_le_bytes(array(&bytes[8..10]));
        if version > VERSION {
            let what = format!("is of format version {version}, and this usher reads up to {VERSION}: it is too old");
            return Err((what, true));
        }
        if crc32fast::hash(&bytes[..HEAD - 4]).to_le_bytes() != bytes[HEAD - 4..HEAD] {
            return Err(bad("has a damaged head".into()));
        }
        if version < OLDEST {
            let what = format!("is of format version {version}, and this usher reads from {OLDEST} on: it is too new");
            return Err((what, true));
        }
        let number = |from: usize| u64::from_le_bytes(array(&bytes[from..from + 8]));
        Ok(Head {
            version,
            number: number(16),
            cell: array(&bytes[24..40]),
            epoch: number(40),
            position: number(48),
            time: Time(number(56)),
            chain: array(&bytes[64..80]),
            length: number(80),
            digest: array(&bytes[88..120]),
        })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        HEAD as u64 + self.length
    }

    /// Whether it stands before a segment with this header.
    fn stands_before(&self, header: &Header) -> bool {
        let own = (self.number, self.cell, self.position, self.chain);
        own == (header.number, header.cell, header.position, header.chain)
    }
}

/// How a snapshot's file is called.
#[must_use]
pub fn name(number: u64) -> String {
    format!("{number:016}.snapshot")
}

/// The number in a snapshot's name, if it is one.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".snapshot")?;
    (digits.len() == 16).then(|| digits.parse().ok()).flatten()
}

/// A snapshot that was read and is whole.
pub struct Snapshot {
    /// What it says about itself.
    pub head: Head,
    bytes: Vec<u8>,
}

/// One tenant in a snapshot.
pub struct Tenant<'a> {
    /// Its name.
    pub tenant: &'a str,
    /// Its state, written.
    pub state: Reader<'a>,
    /// What is beside it, written.
    pub beside: &'a [u8],
    /// Where in the file its state begins.
    at: u64,
}

/// Why a snapshot is not used.
#[derive(Clone, Debug)]
pub struct Unusable {
    /// What is wrong.
    pub damage: Damage,
    /// Whether that must stop a start: it is not damaged, but does not belong here.
    pub stops: bool,
}

impl Snapshot {
    /// Reads one and checks every byte of it, and that the segment it stands before is there.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(disk: &dyn Disk, number: u64) -> Result<Snapshot, Unusable> {
        let file = name(number);
        let bad = |stops: bool, offset: Option<u64>, what: String| Unusable {
            damage: Damage { file: disk.place(&file), offset, what },
            stops,
        };
        let bytes = disk.read(&file).map_err(|error| bad(false, None, format!("cannot be read: {error}")))?;
        let head = Head::decode(&bytes).map_err(|(what, stops)| bad(stops, Some(0), what))?;
        if head.number != number {
            return Err(bad(false, Some(16), format!("is snapshot {} under another name", head.number)));
        }
        let rest = &bytes[HEAD..];
        if rest.len() as u64 != head.length {
            let what = format!("ends here, and {} bytes of it were written", HEAD as u64 + head.length);
            return Err(bad(false, Some(bytes.len() as u64), what));
        }
        if Sha256::digest(rest)[..] != head.digest {
            return Err(bad(false, Some(HEAD as u64), "has content that its hash does not fit".into()));
        }
        let snapshot = Snapshot { head, bytes };
        let segment = frame::segment_name(number);
        let header = match disk.read_first(&segment, HEADER) {
            Ok(bytes) => Header::decode(&bytes).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = format!(
                    "is of a later state than the journal, which ends before {segment}: the segments are of an older \
                     backup than this snapshot"
                );
                return Err(bad(true, None, what));
            }
            Err(error) => {
                return Err(bad(false, None, format!("stands before {segment}, which cannot be read: {error}")));
            }
        };
        match header {
            Some(header) if !head.stands_before(&header) => Err(bad(
                true,
                None,
                format!("does not fit {segment}, before which it stands: they are of two journals"),
            )),
            // A segment whose header is damaged is for the reading of segments to tell.
            _ => Ok(snapshot),
        }
    }

    /// What it says, tenant by tenant.
    ///
    /// # Errors
    /// When that is not what this version reads.
    pub fn each<'a>(&'a self, mut see: impl FnMut(Tenant<'a>) -> Result<(), Malformed>) -> Result<(), Malformed> {
        let mut from = Reader::new(&self.bytes, self.head.version);
        from.take(HEAD)?;
        for _ in 0..from.number()? {
            let tenant = std::str::from_utf8(from.blob()?).map_err(|_| from.fault("a tenant is not UTF-8"))?;
            let state = from.blob()?;
            let at = (from.at() - state.len()) as u64;
            let state = Reader::new(state, self.head.version);
            see(Tenant { tenant, state, beside: from.blob()?, at })?;
        }
        match from.is_at_end() {
            true => Ok(()),
            false => Err(from.fault("a snapshot has bytes after its last tenant")),
        }
    }

    /// The tenant of that name.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn tenant(&self, name: &str) -> Result<Option<Tenant<'_>>, Malformed> {
        let mut found = None;
        self.each(|tenant| {
            if tenant.tenant == name {
                found = Some(tenant);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Something in it that is not as this version reads it, with its place.
    #[must_use]
    pub fn damage(&self, disk: &dyn Disk, fault: Malformed) -> Damage {
        Damage { file: disk.place(&name(self.head.number)), offset: Some(fault.at as u64), what: fault.what.into() }
    }
}

impl Tenant<'_> {
    /// The state, under the customers' keys there are.
    ///
    /// # Errors
    /// When it is no state that this version reads.
    pub fn image(&self, vault: Option<&dyn Seal>) -> Result<Image, Malformed> {
        let mut from = self.state.clone().with(vault);
        let image = Image::get(&mut from).map_err(|fault| Malformed { at: fault.at + self.at as usize, ..fault })?;
        match from.is_at_end() {
            true => Ok(image),
            false => Err(Malformed { at: self.at as usize + from.at(), what: "a state has bytes after its last" }),
        }
    }
}

/// Reads a snapshot's head alone; none when it is not one.
#[must_use]
pub fn peek(disk: &dyn Disk, number: u64) -> Option<Head> {
    let bytes = disk.read_first(&name(number), HEAD).ok()?;
    Head::decode(&bytes).ok().filter(|head| head.number == number)
}

/// The numbers of the snapshots there are, oldest first.
///
/// # Errors
/// When the disk cannot be listed.
pub fn list(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk.list()?.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// A tenant being folded.
struct Held {
    engine: Engine,
    beside: Option<Box<dyn Beside>>,
}

/// A fold of every tenant, from a snapshot or from the beginning: what a snapshot is made of.
pub struct Fold {
    tenants: BTreeMap<Text, Held>,
    make: Option<MakeBeside>,
}

impl Fold {
    /// A fold of nothing.
    #[must_use]
    pub fn new(make: Option<MakeBeside>) -> Fold {
        Fold { tenants: BTreeMap::new(), make }
    }

    /// A fold that goes on where a snapshot stands.
    ///
    /// # Errors
    /// When it is not what this version reads, or no state.
    pub fn of(snapshot: &Snapshot, vault: Option<&dyn Seal>, make: Option<MakeBeside>) -> Result<Fold, Malformed> {
        let mut fold = Fold::new(make);
        snapshot.each(|tenant| {
            let name: Text = tenant.tenant.into();
            let no_state = || Malformed { at: tenant.at as usize, what: "a tenant's state does not add up" };
            let engine = Engine::from_image(0, tenant.image(vault)?).ok_or_else(no_state)?;
            engine.state().audit(engine.state().now()).map_err(|_| no_state())?;
            let mut written = Reader::new(tenant.beside, snapshot.head.version).with(vault);
            let beside = fold.make.as_ref().map(|make| make(&name, Some(&mut written))).transpose()?;
            fold.tenants.insert(name, Held { engine, beside });
            Ok(())
        })?;
        Ok(fold)
    }

    /// Takes in an event.
    ///
    /// # Errors
    /// When it is not the tenant's next.
    pub fn take(&mut self, tenant: &str, recorded: &mut Recorded) -> Result<(), String> {
        if !self.tenants.contains_key(tenant) {
            let name: Text = tenant.into();
            let beside = self.make.as_ref().map(|make| make(&name, None)).transpose();
            let beside = beside.map_err(|fault| fault.what.to_owned())?;
            self.tenants.insert(name, Held { engine: Engine::new(0), beside });
        }
        let held = self.tenants.get_mut(tenant).expect("it is there now");
        let last = held.engine.state().sequence();
        if recorded.sequence != last + 1 {
            return Err(format!("tenant {tenant:?} goes from event {last} to {}", recorded.sequence));
        }
        held.engine.recover(recorded);
        if let Some(beside) = &mut held.beside {
            beside.take(recorded);
        }
        Ok(())
    }

    /// The tenants with their engines, by name.
    pub fn engines(&self) -> impl Iterator<Item = (&Text, &Engine)> {
        self.tenants.iter().map(|(name, held)| (name, &held.engine))
    }

    /// Every tenant's state, written in clear: to compare two folds.
    #[must_use]
    pub fn states(&self) -> Vec<(Text, Vec<u8>)> {
        let state = |engine: &Engine| {
            let mut out = Writer::default();
            engine.state().image().put(&mut out);
            out.bytes
        };
        self.engines().map(|(name, engine)| (name.clone(), state(engine))).collect()
    }

    /// The snapshot's file where a segment with this header begins.
    #[must_use]
    pub fn encode(&self, before: &Header, vault: Option<Arc<dyn Seal>>) -> Vec<u8> {
        let mut out = Writer { bytes: vec![0; HEAD], vault, ..Writer::default() };
        out.number(self.tenants.len() as u64);
        for (tenant, held) in &self.tenants {
            tenant.put(&mut out);
            out.tenant = tenant.clone();
            sized(&mut out, |out| held.engine.state().image().put(out));
            sized(&mut out, |out| {
                if let Some(beside) = &held.beside {
                    beside.put(out);
                }
            });
        }
        let Header { number, cell, epoch, position, time, chain, .. } = *before;
        let digest = array(&Sha256::digest(&out.bytes[HEAD..]));
        let length = (out.bytes.len() - HEAD) as u64;
        let head = Head { version: VERSION, number, cell, epoch, position, time, chain, length, digest };
        out.bytes[..HEAD].copy_from_slice(&head.encode());
        out.bytes
    }
}

/// Writes something with its length before it.
fn sized(out: &mut Writer, put: impl FnOnce(&mut Writer)) {
    let mut inner = Writer { vault: out.vault.clone(), tenant: out.tenant.clone(), ..Writer::default() };
    put(&mut inner);
    out.blob(&inner.bytes);
}

/// Makes a snapshot a file, whole or not at all.
///
/// # Errors
/// Then there is none, and nothing is left of it.
pub fn store(disk: &dyn Disk, number: u64, bytes: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = disk.create(PART)?;
        for (at, piece) in (0..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
            file.write(at, piece)?;
        }
        file.sync()?;
        disk.rename(PART, &name(number))?;
        disk.sync()
    };
    let written = write();
    if written.is_err() {
        // What was written of it is room that others may need more.
        let _ = disk.remove(PART);
    }
    written
}

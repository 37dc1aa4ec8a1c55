//! What can be done to a journal while nobody serves from it: verify, dump, repair, restore.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OpenError;
use super::codec;
use super::disk::{Directory, Disk};
use super::frame::{self, HEADER};
use super::log::Log;
pub use super::scan::hex;
use super::scan::{self, Damage, Found, MARK, Mark, MarkFile};
use super::snapshot::{self, Fold, Head, Snapshot};
use crate::engine::event::Recorded;
use crate::engine::time::Time;

/// Bytes of the segment that a restored journal begins; a server makes those that follow as its configuration says.
const SEGMENT: u64 = 1 << 20;

/// What a journal holds of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantReport {
    /// The tenant.
    pub tenant: String,
    /// Its events that are there.
    pub events: u64,
    /// Sequence of the last.
    pub sequence: u64,
    /// Time of the last.
    pub time: Time,
    /// Contacts not ended.
    pub live: u32,
    /// Contacts kept, ended ones included.
    pub contacts: u32,
    /// Agents.
    pub agents: u32,
}

/// What was found in a journal that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The journal.
    pub found: Found,
    /// Its tenants, by name.
    pub tenants: Vec<TenantReport>,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<Head>,
}

/// Reads a journal from its first segment, or from its oldest snapshot where those before it are gone; checks every byte
/// of it, folds it as a start would, and looks whether every snapshot says what the fold comes to.
///
/// # Errors
/// The first thing that does not fit, with its file and offset.
pub fn verify(path: &Path) -> Result<Report, OpenError> {
    let disk = Directory::read_only(path).map_err(|error| OpenError::Io(path.to_owned(), error))?;
    let snapshots = snapshots(&disk).map_err(OpenError::Damage)?;
    let base = base(&disk, &snapshots).map_err(OpenError::Damage)?;
    let mut fold = match base {
        Some(base) => Fold::of(base, None, None).map_err(|fault| OpenError::Damage(base.damage(&disk, fault)))?,
        None => Fold::new(None),
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut next = snapshots.iter().filter(|snapshot| base.is_none_or(|base| snapshot.head.number > base.head.number));
    let mut due = next.next();
    let mut events = |header: &frame::Header, offset: u64, frame: &frame::Frame<'_>| {
        while let Some(snapshot) = due.filter(|snapshot| snapshot.head.number <= header.number) {
            same(&disk, snapshot, &fold)?;
            due = next.next();
        }
        codec::each_event(frame, (header.version, offset), None, &mut |tenant, recorded| {
            *counts.entry(tenant.to_owned()).or_default() += 1;
            fold.take(tenant, recorded)
        })
    };
    let head = base.map(|base| &base.head);
    let found = walk(&disk, head, &mut events)?;
    for snapshot in due.into_iter().chain(next) {
        same(&disk, snapshot, &fold).map_err(|what| {
            OpenError::Damage(Damage { file: disk.place(&snapshot::name(snapshot.head.number)), offset: None, what })
        })?;
    }
    let mut tenants = Vec::new();
    for (tenant, engine) in fold.engines() {
        let state = engine.state();
        if let Err(broken) = state.audit(state.now()) {
            let what = format!("the events of tenant {tenant:?} do not add up: {broken:?}");
            return Err(OpenError::Damage(Damage { file: path.display().to_string(), offset: None, what }));
        }
        tenants.push(TenantReport {
            tenant: tenant.to_string(),
            events: counts.get(&**tenant).copied().unwrap_or(0),
            sequence: state.sequence(),
            time: state.now(),
            live: state.live_contact_count(),
            contacts: state.contact_count(),
            agents: u32::try_from(state.agents_from(0).count()).unwrap_or(u32::MAX),
        });
    }
    Ok(Report { found, tenants, snapshots: snapshots.iter().map(|snapshot| snapshot.head).collect() })
}

/// Every snapshot, oldest first, each whole.
fn snapshots(disk: &dyn Disk) -> Result<Vec<Snapshot>, Damage> {
    let listed =
        |error: io::Error| Damage { file: disk.place(""), offset: None, what: format!("cannot be read: {error}") };
    let numbers = snapshot::list(disk).map_err(listed)?;
    numbers.into_iter().map(|number| Snapshot::read(disk, number).map_err(|unusable| unusable.damage)).collect()
}

/// Where reading begins: at the first segment, or at the oldest snapshot where the segments before it are gone.
fn base<'a>(disk: &dyn Disk, snapshots: &'a [Snapshot]) -> Result<Option<&'a Snapshot>, Damage> {
    let listed =
        |error: io::Error| Damage { file: disk.place(""), offset: None, what: format!("cannot be read: {error}") };
    let whole = disk.list().map_err(listed)?.iter().any(|name| frame::segment_number(name) == Some(1));
    Ok(snapshots.first().filter(|_| !whole))
}

/// Whether a snapshot says what a fold has come to.
fn same(disk: &dyn Disk, snapshot: &Snapshot, fold: &Fold) -> Result<(), String> {
    let other = Fold::of(snapshot, None, None).map_err(|fault| snapshot.damage(disk, fault).to_string())?;
    match other.states() == fold.states() {
        true => Ok(()),
        false => {
            let name = disk.place(&snapshot::name(snapshot.head.number));
            Err(format!("the events up to here do not come to what {name} says"))
        }
    }
}

/// Who is shown every event, with its tenant.
pub type SeeEvent<'a> = &'a mut dyn FnMut(&str, &mut Recorded) -> Result<(), String>;

/// Shows every event of a journal in order, from its first segment or where its oldest snapshot stands, each before what
/// comes after it is looked at.
///
/// # Errors
/// The first thing that does not fit, and what `see` refuses.
pub fn dump(path: &Path, see: SeeEvent<'_>) -> Result<Found, OpenError> {
    let disk = Directory::read_only(path).map_err(|error| OpenError::Io(path.to_owned(), error))?;
    let snapshots = snapshots(&disk).map_err(OpenError::Damage)?;
    let base = base(&disk, &snapshots).map_err(OpenError::Damage)?.map(|snapshot| &snapshot.head);
    walk(&disk, base, &mut |header, offset, frame| codec::each_event(frame, (header.version, offset), None, &mut *see))
}

fn walk(disk: &dyn Disk, from: Option<&Head>, see: scan::See<'_>) -> Result<Found, OpenError> {
    let none = || Damage { file: disk.place(""), offset: None, what: "there is no journal here".into() };
    scan::scan(disk, (from, None), see).map_err(OpenError::Damage)?.ok_or_else(|| OpenError::Damage(none()))
}

/// What a repair would do, or has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The journal is in order, but for this many torn bytes that a start cuts by itself.
    Nothing {
        /// The bytes.
        torn: u64,
    },
    /// Everything from a place on goes.
    Cut {
        /// What is wrong.
        damage: Damage,
        /// Segments that are put aside whole.
        aside: Vec<String>,
        /// Batches that are left.
        position: u64,
    },
}

/// Says what is wrong with a journal, and with `cut` takes away everything from there on: what comes after a damaged place
/// cannot be relied on. What is taken away stays in the directory under names that end in `.cut`.
///
/// # Errors
/// When another process has the journal, it cannot be read or written, or nothing of it is whole.
pub fn repair(path: &Path, cut: bool) -> Result<Repair, OpenError> {
    let at = |error| OpenError::Io(path.to_owned(), error);
    let disk = Directory::lock(path).map_err(at)?;
    let (good, bad) = judged(&disk).map_err(at)?;
    let base = base(&disk, &good).map_err(OpenError::Damage)?.map(|snapshot| snapshot.head);
    let mut last = None;
    let scanned = scan::scan(&disk, (base.as_ref(), None), &mut |header, offset, frame| {
        last = Some((*header, offset + frame.size() as u64, frame.position));
        Ok(())
    });
    let damage = match (scanned, bad.first()) {
        (Ok(found), None) => return Ok(Repair::Nothing { torn: found.map_or(0, |found| found.torn) }),
        (Ok(found), Some((_, damage))) => {
            // The segments say all that the snapshot would.
            let aside: Vec<String> = bad.iter().map(|(number, _)| snapshot::name(*number)).collect();
            if cut {
                put_aside(&disk, &aside).map_err(at)?;
            }
            let position = found.map_or(0, |found| found.position);
            return Ok(Repair::Cut { damage: damage.clone(), aside, position });
        }
        (Err(damage), _) => damage,
    };
    let Some((header, end, position)) = last else { return Err(OpenError::Damage(damage)) };
    let names = disk.list().map_err(at)?;
    let number = |name: &String| frame::segment_number(name).or_else(|| snapshot::number(name));
    let after = |name: &String| number(name).is_some_and(|number| number > header.number);
    let mut aside: Vec<String> = names.into_iter().filter(after).collect();
    aside.sort();
    if cut {
        // Aside first: a journal whose middle is cut and whose end is there could not be told from one that is whole.
        put_aside(&disk, &aside).map_err(at)?;
        let name = frame::segment_name(header.number);
        let bytes = disk.read(&name).map_err(at)?;
        let end_of = usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
        let mut kept = disk.create(&format!("{name}.cut")).map_err(at)?;
        kept.write(0, &bytes[end_of..]).and_then(|()| kept.sync()).map_err(at)?;
        let mut file = disk.open(&name).map_err(at)?;
        file.resize(end).and_then(|()| file.sync()).map_err(at)?;
        MarkFile::create(&disk, &Mark { cell: header.cell, segment: header.number, end, position }).map_err(at)?;
    }
    Ok(Repair::Cut { damage, aside, position })
}

/// The snapshots that are whole and belong here, oldest first, and those that are not.
type Judged = (Vec<Snapshot>, Vec<(u64, Damage)>);

fn judged(disk: &dyn Disk) -> io::Result<Judged> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for number in snapshot::list(disk)? {
        match Snapshot::read(disk, number) {
            Ok(snapshot) => good.push(snapshot),
            Err(unusable) => bad.push((number, unusable.damage)),
        }
    }
    Ok((good, bad))
}

fn put_aside(disk: &dyn Disk, names: &[String]) -> io::Result<()> {
    names.iter().try_for_each(|name| disk.rename(name, &format!("{name}.cut")))
}

/// Brings a backup back: copies it to a directory that has no journal, checks it there, and begins a new term, so that
/// what the old owner may still write is not taken for part of it.
///
/// # Errors
/// When the backup does not fit together, or the directory has a journal or cannot be written.
pub fn restore(backup: &Path, path: &Path) -> Result<Report, OpenError> {
    verify(backup)?;
    let at = |error| OpenError::Io(path.to_owned(), error);
    let disk = Directory::lock(path).map_err(at)?;
    let names = disk.list().map_err(at)?;
    let belongs =
        |name: &str| frame::segment_number(name).is_some() || snapshot::number(name).is_some() || name == MARK;
    if names.iter().any(|name| belongs(name)) {
        return Err(at(io::Error::new(io::ErrorKind::AlreadyExists, "there is a journal here already")));
    }
    let from = Directory::read_only(backup).map_err(|error| OpenError::Io(backup.to_owned(), error))?;
    for name in from.list().map_err(at)? {
        if belongs(&name) {
            let (source, target): (PathBuf, PathBuf) = (backup.join(&name), path.join(&name));
            fs::copy(source, target).map_err(at)?;
        }
    }
    disk.sync().map_err(at)?;
    let snapshots = snapshots(&disk).map_err(OpenError::Damage)?;
    let newest = snapshots.last().map(|snapshot| &snapshot.head);
    let found = scan::scan(&disk, (newest, None), &mut |_, _, _| Ok(())).map_err(OpenError::Damage)?;
    if let Some(found) = found {
        let found = Found { epoch: found.epoch + 1, ..found };
        let log = Log::resume(Arc::new(disk), found, SEGMENT.max(HEADER as u64), true).map_err(at)?;
        log.close().map_err(at)?;
    }
    verify(path)
}

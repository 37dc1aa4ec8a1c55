//! What can be done to a journal while nobody serves from it: verify, dump, repair, restore.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OpenError;
use super::codec;
use super::disk::{Directory, Disk};
use super::frame::{self, FRAME, HEADER};
use super::log::Log;
pub use super::scan::hex;
use super::scan::{self, Damage, Found, MARK, Mark, MarkFile};
use super::wire::{Malformed, Reader};
use crate::engine::Engine;
use crate::engine::event::Recorded;
use crate::engine::time::Time;

/// Bytes of the segment that a restored journal begins; a server makes those that follow as its configuration says.
const SEGMENT: u64 = 1 << 20;

/// What a journal holds of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantReport {
    /// The tenant.
    pub tenant: String,
    /// Its events.
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
}

/// Reads a journal, checks every byte of it, and folds it as a start would.
///
/// # Errors
/// The first thing that does not fit, with its file and offset.
pub fn verify(path: &Path) -> Result<Report, OpenError> {
    let disk = Directory::read_only(path).map_err(|error| OpenError::Io(path.to_owned(), error))?;
    let mut engines: BTreeMap<String, Engine> = BTreeMap::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let found = walk(&disk, &mut |tenant, recorded| {
        let engine = engines.entry(tenant.to_owned()).or_insert_with(|| Engine::new(0));
        if recorded.sequence != engine.state().sequence() + 1 {
            return Err(format!(
                "tenant {tenant:?} goes from event {} to {}",
                engine.state().sequence(),
                recorded.sequence
            ));
        }
        *counts.entry(tenant.to_owned()).or_default() += 1;
        engine.fold(recorded);
        Ok(())
    })?;
    let mut tenants = Vec::new();
    for (tenant, engine) in engines {
        let state = engine.state();
        if let Err(broken) = state.audit(state.now()) {
            let what = format!("the events of tenant {tenant:?} do not add up: {broken:?}");
            return Err(OpenError::Damage(Damage { file: path.display().to_string(), offset: None, what }));
        }
        tenants.push(TenantReport {
            events: counts[&tenant],
            tenant,
            sequence: state.sequence(),
            time: state.now(),
            live: state.live_contact_count(),
            contacts: state.contact_count(),
            agents: u32::try_from(state.agents_from(0).count()).unwrap_or(u32::MAX),
        });
    }
    Ok(Report { found, tenants })
}

/// Who is shown every event, with its tenant.
pub type SeeEvent<'a> = &'a mut dyn FnMut(&str, &mut Recorded) -> Result<(), String>;

/// Shows every event of a journal in order, each before what comes after it is looked at.
///
/// # Errors
/// The first thing that does not fit, and what `see` refuses.
pub fn dump(path: &Path, see: SeeEvent<'_>) -> Result<Found, OpenError> {
    let disk = Directory::read_only(path).map_err(|error| OpenError::Io(path.to_owned(), error))?;
    walk(&disk, see)
}

fn walk(disk: &dyn Disk, see: SeeEvent<'_>) -> Result<Found, OpenError> {
    let none = || Damage { file: disk.place(""), offset: None, what: "there is no journal here".into() };
    let found = scan::scan(disk, &mut |header, offset, frame| {
        let inside = |fault: Malformed| format!("byte {}: {}", offset as usize + FRAME + fault.at, fault.what);
        let mut batches = Reader::new(frame.payload, header.version);
        for _ in 0..frame.batches {
            let batch = codec::get_batch(&mut batches, header.version).map_err(inside)?;
            let (tenant, mut verdict) = (batch.tenant, Ok(()));
            batch
                .each(|recorded| {
                    if verdict.is_ok() {
                        verdict = see(tenant, recorded);
                    }
                })
                .map_err(inside)?;
            verdict?;
        }
        Ok(())
    });
    found.map_err(OpenError::Damage)?.ok_or_else(|| OpenError::Damage(none()))
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
    let mut last = None;
    let damage = match scan::scan(&disk, &mut |header, offset, frame| {
        last = Some((*header, offset + frame.size() as u64, frame.position));
        Ok(())
    }) {
        Ok(found) => return Ok(Repair::Nothing { torn: found.map_or(0, |found| found.torn) }),
        Err(damage) => damage,
    };
    let Some((header, end, position)) = last else { return Err(OpenError::Damage(damage)) };
    let names = disk.list().map_err(at)?;
    let after = |name: &String| frame::segment_number(name).is_some_and(|number| number > header.number);
    let mut aside: Vec<String> = names.into_iter().filter(after).collect();
    aside.sort();
    if cut {
        // Aside first: a journal whose middle is cut and whose end is there could not be told from one that is whole.
        for name in &aside {
            disk.rename(name, &format!("{name}.cut")).map_err(at)?;
        }
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
    if names.iter().any(|name| frame::segment_number(name).is_some() || name == MARK) {
        return Err(at(io::Error::new(io::ErrorKind::AlreadyExists, "there is a journal here already")));
    }
    let from = Directory::read_only(backup).map_err(|error| OpenError::Io(backup.to_owned(), error))?;
    for name in from.list().map_err(at)? {
        if frame::segment_number(&name).is_some() || name == MARK {
            let (source, target): (PathBuf, PathBuf) = (backup.join(&name), path.join(&name));
            fs::copy(source, target).map_err(at)?;
        }
    }
    disk.sync().map_err(at)?;
    let found = scan::scan(&disk, &mut |_, _, _| Ok(())).map_err(OpenError::Damage)?;
    if let Some(found) = found {
        let found = Found { epoch: found.epoch + 1, ..found };
        let log = Log::resume(Arc::new(disk), found, SEGMENT.max(HEADER as u64), true).map_err(at)?;
        log.close().map_err(at)?;
    }
    verify(path)
}

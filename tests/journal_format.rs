//! The format of the journal: every event comes back as it went, and what older versions wrote is still read.
//!
//! `tests/journal/vN.journal` is a segment as version N wrote it and `vN.txt` what it says; `vN.snapshot` and
//! `vN.snapshot.txt` are the same of a snapshot. When this fails after a
//! change of events: a new event or a field added as `; N: field` leaves the files of older versions as they are; run
//! with UPDATE_EXPECT=1 to write the file of the version being made anew, and look at what changed. A file of a version
//! that was released is never written again.

#[allow(dead_code, unused_imports, reason = "only what tapes record is looked at")]
mod tape;

mod journal_support;
mod shard_support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use journal_support::{FakeDisk, beside};
use tape::op::Tape;
use tape::run::Run;
use usher::engine::event::{Event, Facts, Recorded};
use usher::engine::time::{Span, Time};
use usher::journal::codec::{self, EVENTS, OLDEST, VERSION};
use usher::journal::frame::{self, FRAME, HEADER, Header};
use usher::journal::snapshot::{self, Fold, Snapshot};
use usher::wire::{Reader, Wire, Writer};

const TAPES: u64 = 120;

fn written(event: &Event) -> Vec<u8> {
    let mut out = Writer::default();
    event.put(&mut out);
    out.bytes
}

/// One example of every event that tapes reach, and of those that no command leads to, by number.
fn examples() -> BTreeMap<u64, Event> {
    let mut found = BTreeMap::new();
    let mut keep = |event: &Event| {
        let number = Reader::new(&written(event), VERSION).number().expect("a number comes first");
        found.entry(number).or_insert_with(|| event.clone());
    };
    for seed in 0..TAPES {
        let tape = Tape::draw(seed, 75);
        let run = Run::tape(&tape, &mut ()).expect("a tape runs");
        run.recorded.iter().for_each(|recorded| keep(&recorded.event));
    }
    keep(&Event::Resumed { outage: Span::from_secs(7), contacts: 3, offers: 1 });
    keep(&Event::PolicySourced { file: [9; 32] });
    found
}

#[test]
fn every_event_comes_back_as_it_went() {
    let mut events = 0;
    for seed in 0..TAPES {
        let tape = Tape::draw(seed, 75);
        let run = Run::tape(&tape, &mut ()).expect("a tape runs");
        for recorded in &run.recorded {
            let bytes = written(&recorded.event);
            let mut from = Reader::new(&bytes, VERSION);
            let back = Event::get(&mut from).expect("it can be read");
            assert!(from.is_at_end(), "{back:?} leaves bytes");
            assert_eq!(format!("{back:?}"), format!("{:?}", recorded.event));
            events += 1;
        }
    }
    assert!(events > 10_000, "it was not about nothing: {events}");
}

#[test]
fn a_cut_event_is_refused_and_never_a_panic() {
    for event in examples().values() {
        let bytes = written(event);
        for cut in 0..bytes.len() {
            assert!(Event::get(&mut Reader::new(&bytes[..cut], VERSION)).is_err(), "{event:?} cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0xff;
            // Whatever it says, it says it without a panic.
            let _ = Event::get(&mut Reader::new(&other, VERSION));
        }
    }
}

#[test]
fn numbers_of_events_are_unique() {
    let mut numbers: Vec<u64> = EVENTS.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), EVENTS.len());
    let seen = examples();
    let unseen: Vec<_> = EVENTS.iter().filter(|(number, _)| !seen.contains_key(number)).collect();
    assert!(unseen.len() * 4 < EVENTS.len(), "no example of {unseen:?}");
}

fn file(version: u16, end: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/journal/v{version}.{end}"))
}

/// A segment with one frame of all examples.
fn segment() -> Vec<u8> {
    let (time, chain) = (Time(1_700_000_000_000_000), [3; 16]);
    let cell = *b"golden file cell";
    let header = Header { version: VERSION, number: 1, cell, epoch: 1, position: 0, time, chain, before: 0 };
    let recorded: Vec<Recorded> = (1..)
        .zip(examples().into_values())
        .map(|(sequence, event)| Recorded {
            sequence,
            time,
            policy_version: 0,
            contact_states: None,
            facts: Facts::default(),
            earlier: None,
            event,
        })
        .collect();
    let mut out = Writer { bytes: vec![0; FRAME], ..Writer::default() };
    codec::put_batch(&"golden".into(), time, &recorded, &mut out);
    frame::seal(&mut out.bytes, 1, 1, time, &chain);
    [header.encode().as_slice(), &out.bytes].concat()
}

/// What a segment says, a line for each event.
fn said(bytes: &[u8]) -> String {
    let header = Header::decode(bytes).expect("a header");
    let frame = frame::read(&bytes[HEADER..]).expect("a frame");
    frame::follows(&bytes[HEADER..], &frame, &header.chain).expect("it follows its header");
    let mut from = Reader::new(frame.payload, header.version);
    let mut text = format!("{header:?}\n");
    for _ in 0..frame.batches {
        let batch = codec::get_batch(&mut from, header.version).expect("a batch");
        let _ = writeln!(text, "{} {:?} {}+{}", batch.tenant, batch.time, batch.first, batch.count);
        let mut line = |recorded: &mut Recorded| {
            let _ = writeln!(text, "{} {:?}", recorded.sequence, recorded.event);
        };
        batch.each(&mut line).expect("events");
    }
    assert!(from.is_at_end());
    text
}

#[test]
fn row_26_what_older_versions_wrote_is_read() {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(file(VERSION, "journal"), segment()).expect("written");
        for version in OLDEST..=VERSION {
            let text = said(&std::fs::read(file(version, "journal")).expect("read"));
            std::fs::write(file(version, "txt"), text).expect("written");
        }
    }
    for version in OLDEST..=VERSION {
        let bytes = std::fs::read(file(version, "journal")).expect("each version has its file");
        let expected = std::fs::read_to_string(file(version, "txt")).expect("and what it says");
        assert!(
            said(&bytes) == expected,
            "v{version}.journal no longer says v{version}.txt: see the head of this file"
        );
    }
}

/// Where the golden snapshot stands.
fn before() -> Header {
    let (time, chain) = (Time(1_700_000_000_000_000), [3; 16]);
    Header { version: VERSION, number: 2, cell: *b"golden file cell", epoch: 1, position: 1, time, chain, before: 0 }
}

/// A snapshot of some tenants, each where a tape leaves it.
fn taken() -> Vec<u8> {
    let mut fold = Fold::new(Some(beside()));
    for seed in 0..6 {
        let tape = Tape::draw(seed, 40);
        let run = Run::tape(&tape, &mut ()).expect("a tape runs");
        let tenant = format!("t{seed}");
        for mut recorded in run.recorded.clone() {
            fold.take(&tenant, &mut recorded).expect("the next");
        }
    }
    fold.encode(&before(), None)
}

/// What a snapshot says, a line for each contact and agent.
fn told(bytes: Vec<u8>) -> String {
    let disk = FakeDisk::default();
    disk.put(&snapshot::name(2), bytes);
    disk.put(&frame::segment_name(2), before().encode().to_vec());
    let snapshot = Snapshot::read(&disk, 2).unwrap_or_else(|unusable| panic!("{}", unusable.damage));
    let fold = Fold::of(&snapshot, None, Some(beside())).expect("a state, and what is beside it");
    let mut text = String::new();
    for (tenant, engine) in fold.engines() {
        let state = engine.state();
        let _ =
            writeln!(text, "{tenant} {:?} event {} policy {}", state.now(), state.sequence(), state.policy_version());
        let (contacts, _) = state.contacts_page(state.now(), None, usize::MAX, &|_, _, _| true);
        let (agents, _) = state.agents_page(state.now(), None, usize::MAX, &|_| true);
        contacts.iter().for_each(|contact| _ = writeln!(text, "{contact:?}"));
        agents.iter().for_each(|agent| _ = writeln!(text, "{agent:?}"));
    }
    text
}

#[test]
fn row_26_a_snapshot_that_an_older_version_wrote_is_read() {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(file(VERSION, "snapshot"), taken()).expect("written");
        for version in OLDEST..=VERSION {
            let text = told(std::fs::read(file(version, "snapshot")).expect("read"));
            std::fs::write(file(version, "snapshot.txt"), text).expect("written");
        }
    }
    for version in OLDEST..=VERSION {
        let bytes = std::fs::read(file(version, "snapshot")).expect("each version has its file");
        let expected = std::fs::read_to_string(file(version, "snapshot.txt")).expect("and what it says");
        assert!(
            told(bytes) == expected,
            "v{version}.snapshot no longer says v{version}.snapshot.txt: see the head of this file"
        );
    }
}

#[test]
fn a_snapshot_comes_back_byte_for_byte() {
    let bytes = taken();
    assert_eq!(taken(), bytes, "and is written the same each time");
    let disk = FakeDisk::default();
    disk.put(&snapshot::name(2), bytes.clone());
    disk.put(&frame::segment_name(2), before().encode().to_vec());
    let snapshot = Snapshot::read(&disk, 2).unwrap_or_else(|unusable| panic!("{}", unusable.damage));
    let fold = Fold::of(&snapshot, None, Some(beside())).expect("a state, and what is beside it");
    assert_eq!(fold.encode(&before(), None), bytes);
}

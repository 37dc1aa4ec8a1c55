//! Snapshots: a start from one comes to the same as a fold of everything, a bad one is never trusted, and what is old goes.

mod journal_support;
mod shard_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use journal_support::{FakeDisk, Stand, options};
use shard_support::{BEGIN, cancel, contact};
use usher::engine::state::State;
use usher::engine::time::{Span, Time};
use usher::journal::{Keep, OpenError, Options};
use usher::shard::Refused;
use usher::wire::{Wire, Writer};

/// How long anything may take that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);
const SEGMENT: u64 = 4 << 10;

/// A journal of small segments, with a snapshot for every few of them.
fn small(retention: Span) -> Options {
    Options { keep: Keep { snapshot_bytes: 3 * SEGMENT, retention, ..Keep::default() }, ..options(SEGMENT) }
}

fn open(disk: &FakeDisk) -> Result<Stand, OpenError> {
    Stand::with(disk, Time(0), small(Span::from_secs(86_400)))
}

fn begin(disk: &FakeDisk, retention: Span) -> Stand {
    let mut stand = Stand::with(disk, BEGIN, small(retention)).expect("an empty disk");
    for command in shard_support::setup("one") {
        stand.run(command).expect("the setup is in order");
    }
    stand
}

fn snapshots(disk: &FakeDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.ends_with(".snapshot")).collect()
}

/// Takes contacts in until that many snapshots are there; they are made on another thread, which is waited for.
fn until_snapshots(stand: &mut Stand, disk: &FakeDisk, count: usize) {
    let begun = Instant::now();
    let mut number = 0;
    while snapshots(disk).len() < count {
        assert!(begun.elapsed() < PATIENCE, "no snapshot is made");
        let contact_id = format!("c{}-{number}", disk.segments().len());
        number += 1;
        stand.run(contact(&contact_id)).expect("taken");
        if number % 3 > 0 {
            stand.run(cancel(&contact_id)).expect("it ends");
        }
    }
}

fn image(state: &State) -> Vec<u8> {
    let mut out = Writer::default();
    state.image().put(&mut out);
    out.bytes
}

/// All of a state that a start from this disk comes to.
fn state_of(disk: &FakeDisk) -> Vec<u8> {
    open(&disk.after_a_kill()).expect("it opens").read(|state, _| image(state))
}

fn without_snapshots(disk: &FakeDisk) -> FakeDisk {
    let other = disk.after_a_kill();
    snapshots(&other).iter().for_each(|name| drop(other.take(name)));
    other
}

#[test]
fn a_start_from_a_snapshot_comes_to_what_all_events_come_to() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::from_secs(86_400));
    until_snapshots(&mut stand, &disk, 3);
    let killed = disk.after_a_kill();
    assert_eq!(state_of(&killed), state_of(&without_snapshots(&killed)));
    // Each of them, as if those after it had never been made.
    for _ in 0..3 {
        let last = snapshots(&killed).pop().expect("there is one");
        killed.take(&last);
        assert_eq!(state_of(&killed), state_of(&without_snapshots(&killed)), "without {last}");
    }
}

#[test]
fn a_start_reads_no_segment_that_a_snapshot_stands_for() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::from_secs(86_400));
    until_snapshots(&mut stand, &disk, 2);
    let killed = disk.after_a_kill();
    let last = snapshots(&killed).pop().expect("there is one");
    let old: Vec<String> = killed.segments().into_iter().filter(|name| name[..16] < last[..16]).collect();
    assert!(old.len() >= 6, "it stands for some: {old:?}");
    let before = state_of(&killed);
    for name in &old {
        // Its header stays: who it belongs to is still looked at.
        let mut bytes = killed.take(name);
        bytes[100..].fill(0xa5);
        killed.put(name, bytes);
    }
    assert_eq!(state_of(&killed), before);
}

#[test]
fn row_24_a_snapshot_that_is_damaged_or_cut_is_not_used() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::from_secs(86_400));
    until_snapshots(&mut stand, &disk, 2);
    let killed = disk.after_a_kill();
    let right = state_of(&killed);
    let last = snapshots(&killed).pop().expect("there is one");
    let bytes = killed.bytes(&last);
    for at in (0..bytes.len()).step_by(bytes.len() / 97).chain(0..160) {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        killed.take(&last);
        killed.put(&last, other);
        // The version alone is no damage but a reason to stop: it is older or newer than what is read here.
        match open(&killed.after_a_kill()) {
            Ok(_) => assert_eq!(state_of(&killed), right, "bit {at}"),
            Err(OpenError::Damage(damage)) if (8..10).contains(&at) => {
                assert!(damage.what.contains("version"), "{damage}")
            }
            Err(error) => panic!("bit {at}: {error}"),
        }
    }
    for length in (0..bytes.len()).step_by(bytes.len() / 31) {
        killed.take(&last);
        killed.put(&last, bytes[..length].to_vec());
        assert_eq!(state_of(&killed), right, "cut at {length}");
    }
}

#[test]
fn row_24_without_another_snapshot_or_the_segments_a_damaged_one_stops_the_start() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::ZERO);
    until_snapshots(&mut stand, &disk, 2);
    // Old segments go once a second snapshot is there.
    let begun = Instant::now();
    while disk.segments()[0].starts_with("0000000000000001") {
        assert!(begun.elapsed() < PATIENCE, "what is old stays");
        stand.run(contact(&format!("more-{}", disk.asked()))).expect("taken");
        std::thread::yield_now();
    }
    let killed = disk.after_a_kill();
    for name in snapshots(&killed) {
        let mut bytes = killed.take(&name);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        killed.put(&name, bytes);
    }
    let Err(OpenError::Damage(damage)) = open(&killed) else { panic!("it opens") };
    assert!(damage.file.ends_with(".snapshot") && damage.offset == Some(160), "{damage}");
    assert!(damage.what.contains("what came before it is gone"), "{damage}");
}

#[test]
fn row_25_a_snapshot_that_is_newer_than_the_journal_stops_the_start() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::from_secs(86_400));
    until_snapshots(&mut stand, &disk, 2);
    let killed = disk.after_a_kill();
    let last = snapshots(&killed).pop().expect("there is one");
    for name in killed.segments().into_iter().filter(|name| name[..16] >= last[..16]) {
        killed.take(&name);
    }
    killed.take("durable");
    let Err(OpenError::Damage(damage)) = open(&killed) else { panic!("it opens") };
    assert!(damage.file == last && damage.what.contains("later state than the journal"), "{damage}");
    // The segment it stands before is there, and another one.
    let killed = disk.after_a_kill();
    let segment = format!("{}.journal", &last[..16]);
    let mut bytes = killed.take(&segment);
    bytes[64] ^= 1;
    let crc = crc32fast::hash(&bytes[..92]).to_le_bytes();
    bytes[92..96].copy_from_slice(&crc);
    killed.put(&segment, bytes);
    let Err(OpenError::Damage(damage)) = open(&killed) else { panic!("it opens") };
    assert!(damage.file == last && damage.what.contains("does not fit"), "{damage}");
}

#[test]
fn what_is_older_than_retention_goes_and_the_rest_is_enough() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::ZERO);
    until_snapshots(&mut stand, &disk, 2);
    let begun = Instant::now();
    while disk.segments()[0].starts_with("0000000000000001") {
        assert!(begun.elapsed() < PATIENCE, "what is old stays");
        stand.run(contact(&format!("more-{}", disk.asked()))).expect("taken");
        std::thread::yield_now();
    }
    let contacts = stand.contacts();
    let mut back = open(&disk.after_a_kill()).expect("it opens");
    assert_eq!(back.contacts(), contacts);
    // It goes on, through another kill.
    back.run(contact("after")).expect("taken");
}

#[test]
fn a_kill_at_any_point_of_the_making_of_a_snapshot_loses_nothing() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::ZERO);
    let mut known = 0;
    let begun = Instant::now();
    let mut looked = 0;
    while looked < 60 {
        assert!(begun.elapsed() < PATIENCE, "it goes on");
        stand.run(contact(&format!("k{known}"))).expect("taken");
        known += 1;
        if known % 10 == 0 {
            let mut back = open(&disk.after_a_kill()).expect("it opens");
            let there = back.contacts();
            assert!(
                (0..known).all(|at| there.contains(&format!("k{at}"))),
                "{known} were told, {} are there",
                there.len()
            );
            looked += 1;
        }
    }
    assert!(snapshots(&disk).len() >= 2, "some were made");
}

#[test]
fn row_08_no_snapshot_is_made_while_memory_has_no_room_for_a_second_state() {
    let disk = FakeDisk::default();
    let (room, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (theirs, count) = (room.clone(), asked.clone());
    let memory = Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        theirs.load(Ordering::SeqCst)
    });
    let small = small(Span::from_secs(86_400));
    let options = Options { keep: Keep { memory, ..small.keep.clone() }, ..small };
    let mut stand = Stand::with(&disk, BEGIN, options).expect("an empty disk");
    for command in shard_support::setup("one") {
        stand.run(command).expect("the setup is in order");
    }
    let (begun, mut number) = (Instant::now(), 0);
    while asked.load(Ordering::SeqCst) < 3 {
        assert!(begun.elapsed() < PATIENCE, "it is not asked whether there is memory");
        stand.run(contact(&format!("c{number}"))).expect("taken all the same");
        number += 1;
    }
    assert_eq!(snapshots(&disk), Vec::<String>::new());
    room.store(true, Ordering::SeqCst);
    until_snapshots(&mut stand, &disk, 1);
}

#[test]
fn row_88_a_disk_that_fills_up_because_no_snapshot_can_be_made_is_told_before_and_refused_after() {
    let disk = FakeDisk::default();
    let mut stand = begin(&disk, Span::ZERO);
    let room = 64 * SEGMENT;
    disk.bound(Some(room), Some("snapshot.part"));
    let (mut number, mut told) = (0, Vec::new());
    let refused = loop {
        told.push(stand.monitor.look());
        number += 1;
        match stand.run(contact(&format!("c{number}"))) {
            Ok(_) => assert!(number < 10_000, "it never runs out"),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::JournalFull);
    // Nothing went that no snapshot stands for, and what it came to could be seen all the way.
    assert_eq!(snapshots(&disk), Vec::<String>::new());
    assert!(disk.segments()[0].starts_with("0000000000000001"), "{:?}", disk.segments());
    let free: Vec<u64> = told.iter().map(|held| held.free_bytes.expect("it is told")).collect();
    // What a segment did not use comes back when it is full, and no more than that.
    assert!(free.windows(2).all(|two| two[1] < two[0] + SEGMENT), "{free:?}");
    assert!(free[free.len() / 2] < free[0] - room / 4, "{free:?}");
    let low = free.iter().position(|free| *free < room / 4).expect("it came to a quarter");
    assert!(told[low].fault.is_none() && free.len() - low > 20, "there was time: {low} of {}", free.len());
    assert!(told.iter().any(|held| held.bytes > room / 2), "and its own bytes are told");
    for at in 1..=10 {
        stand.run(cancel(&format!("c{at}"))).expect("there is a reserve for what ends work");
    }
    // With room for a snapshot it goes on by itself, and what is old goes.
    disk.bound(Some(4 * room), None);
    let begun = Instant::now();
    while disk.segments()[0].starts_with("0000000000000001") {
        assert!(begun.elapsed() < PATIENCE, "what is old stays");
        number += 1;
        match stand.run(contact(&format!("c{number}"))) {
            Ok(_) | Err(Refused::JournalFull) => std::thread::yield_now(),
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

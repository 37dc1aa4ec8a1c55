//! The embedded journal on a disk that breaks: rows 5, 12 to 22, 26 and 90 of the fault matrix, each by its number.
//!
//! The disk is one in memory, so that every failure comes at the instant that is meant. `journal_kill.rs` has the rows
//! that need the whole server.

mod journal_support;
mod shard_support;

use std::io::ErrorKind;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use journal_support::{Ask, FakeDisk, Fate, Stand, options};
use shard_support::{BEGIN, cancel, contact};
use usher::engine::time::Span;
use usher::journal::frame::{FRAME, HEADER};
use usher::journal::scan::{MARK, WHOLE, scan};
use usher::shard::Refused;

const LATER: Span = Span::from_secs(60);

/// What the refusal to open says.
fn refusal(disk: &FakeDisk) -> String {
    match Stand::open(disk, BEGIN) {
        Ok(_) => panic!("it opens"),
        Err(error) => error.to_string(),
    }
}

/// A journal with some contacts, as a kill leaves it, and their ids.
fn killed(contacts: usize) -> (FakeDisk, Vec<String>) {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let ids: Vec<String> = (0..contacts).map(|at| format!("c{at}")).collect();
    for id in &ids {
        stand.run(contact(id)).expect("answered");
    }
    (disk.after_a_kill(), ids)
}

/// The segment that was written last, and how many of its bytes count.
fn last_segment(disk: &FakeDisk) -> (String, usize) {
    let found = scan(disk, WHOLE, &mut |_, _, _| Ok(())).expect("whole").expect("there");
    let last = found.segments.last().expect("one");
    (usher::journal::frame::segment_name(last.number), last.end as usize)
}

#[test]
fn row_01_a_kill_loses_nothing_that_was_answered() {
    let (disk, ids) = killed(20);
    let mut stand = Stand::open(&disk, BEGIN + LATER).expect("it opens");
    assert_eq!(stand.contacts(), ids);
}

#[test]
fn row_02_a_kill_during_recovery_changes_nothing() {
    let (mut disk, ids) = killed(5);
    for _ in 0..20 {
        // Opened, and killed before anything else is done.
        let stand = Stand::open(&disk, BEGIN + LATER).expect("it opens");
        disk = disk.after_a_kill();
        drop(stand);
    }
    let mut stand = Stand::open(&disk, BEGIN + LATER).expect("it opens");
    assert_eq!(stand.contacts(), ids);
}

#[test]
fn row_05_power_loss_keeps_what_was_answered() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    for number in 0..30 {
        stand.run(contact(&format!("c{number}"))).expect("answered");
        let mut after = Stand::open(&disk.after_power_loss(), BEGIN + LATER).expect("it opens");
        assert_eq!(after.contacts().len(), number + 1);
    }
}

#[test]
fn row_90_a_crash_at_every_point_of_input_and_output() {
    let mut points = 0;
    for crash in 1.. {
        let disk = FakeDisk::default();
        disk.judged(move |_, number| if number >= crash { Fate::Fails(ErrorKind::Other) } else { Fate::Done });
        let mut answered = Vec::new();
        let mut whole = false;
        if let Ok(mut stand) = Stand::open(&disk, BEGIN) {
            let setup = shard_support::setup("one").into_iter().map(|command| (None, command));
            let contacts = (0..8).map(|at| (Some(format!("c{at}")), contact(&format!("c{at}"))));
            whole = setup.chain(contacts).all(|(id, command)| {
                let done = stand.run(command).is_ok();
                if done {
                    answered.extend(id);
                }
                done
            });
        }
        for left in [disk.after_a_kill(), disk.after_power_loss()] {
            let mut stand =
                Stand::open(&left, BEGIN + LATER).unwrap_or_else(|error| panic!("crash at {crash}: {error}"));
            let kept = stand.contacts();
            assert!(kept.starts_with(&answered), "crash at {crash}: {answered:?} answered, {kept:?} kept");
            assert!(kept.len() <= answered.len() + 1, "crash at {crash}: more than was asked");
        }
        points = crash;
        if whole {
            break;
        }
    }
    assert!(points > 40, "only {points} points");
}

#[test]
fn row_12_a_full_disk_refuses_what_is_new_and_lets_what_was_begun_end() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("before")).expect("there is room");
    while !disk.names().iter().any(|name| name == "spare") {
        // The reserve is begun by a thread of its own.
        std::thread::yield_now();
    }
    // No new file finds room: what is left is the segment being written and the one in reserve.
    let full = |what, _| if what == Ask::Create { Fate::Fails(ErrorKind::StorageFull) } else { Fate::Done };
    disk.judged(full);
    let mut number = 0;
    let refused = loop {
        number += 1;
        match stand.run(contact(&format!("c{number}"))) {
            Ok(_) => assert!(number < 10_000, "it never runs out"),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::JournalFull);
    for at in 1..number {
        stand.run(cancel(&format!("c{at}"))).expect("there is a reserve for what ends work");
    }
    assert_eq!(stand.run(contact("new")), Err(Refused::JournalFull));
    assert!(stand.read(|state, _| state.find_contact("before").is_some()), "it can be asked");
    disk.heal();
    while stand.run(contact("after")) == Err(Refused::JournalFull) {
        std::thread::yield_now();
    }
    let mut after = Stand::open(&disk.after_power_loss(), BEGIN + LATER).expect("it opens");
    assert!(after.read(|state, _| state.find_contact("after").is_some()), "it went on without a restart");
}

#[test]
fn row_13_a_short_write_is_written_again_at_its_place() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let tries = Arc::new(Mutex::new(0));
    let seen = tries.clone();
    disk.judged(move |what, _| {
        let mut tries = seen.lock().expect("no panic");
        *tries += u32::from(what == Ask::Write);
        if what == Ask::Write && *tries <= 3 { Fate::Short(30, ErrorKind::StorageFull) } else { Fate::Done }
    });
    stand.run(contact("c")).expect("answered once there was room");
    assert!(*tries.lock().expect("no panic") > 3);
    let mut after = Stand::open(&disk.after_a_kill(), BEGIN + LATER).expect("it opens");
    assert_eq!(after.contacts(), ["c"]);
}

#[test]
fn row_14_a_failed_fsync_is_never_asked_again_on_the_same_file() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("before")).expect("answered");
    let segments = disk.segments().len();
    let failed = Arc::new(Mutex::new(false));
    let seen = failed.clone();
    disk.judged(move |what, _| {
        let mut failed = seen.lock().expect("no panic");
        let fails = what == Ask::Sync && !*failed;
        *failed |= fails;
        if fails { Fate::Fails(ErrorKind::Other) } else { Fate::Done }
    });
    assert_eq!(stand.run(contact("lost")), Err(Refused::JournalUnavailable));
    // It goes on in a new segment, with what was durable and nothing else.
    while stand.run(contact("after")) == Err(Refused::JournalUnavailable) {
        std::thread::yield_now();
        stand.world.now = stand.world.now + Span::from_millis(100);
    }
    assert_eq!(stand.contacts(), ["before", "after"]);
    assert_eq!(disk.segments().len(), segments + 1);
    for left in [disk.after_a_kill(), disk.after_power_loss()] {
        let mut after = Stand::open(&left, BEGIN + LATER).expect("it opens");
        assert_eq!(after.contacts(), ["before", "after"]);
    }
}

#[test]
fn row_15_a_disk_that_cannot_be_read_is_not_served_from() {
    let (disk, _) = killed(3);
    disk.judged(|what, _| if what == Ask::Read { Fate::Fails(ErrorKind::Other) } else { Fate::Done });
    assert!(refusal(&disk).contains("cannot be read"));
}

#[test]
fn row_16_every_bit_of_one_record_is_guarded() {
    let (disk, _) = killed(6);
    let (name, _) = last_segment(&disk);
    let bytes = disk.bytes(&name);
    // The frames of this segment: the third is in the middle.
    let mut offsets = Vec::new();
    scan(&disk, WHOLE, &mut |_, offset, frame| {
        offsets.push((offset as usize, frame.size()));
        Ok(())
    })
    .expect("whole");
    let (start, size) = offsets[offsets.len() / 2];
    for bit in 0..size * 8 {
        let mut flipped = bytes.clone();
        flipped[start + bit / 8] ^= 1 << (bit % 8);
        let hurt = disk.after_a_kill();
        hurt.put(&name, flipped);
        let said = refusal(&hurt);
        assert!(said.contains(&format!("offset {start}:")), "bit {bit}: {said}");
    }
}

#[test]
fn row_16_every_bit_of_the_last_record_is_guarded() {
    let (disk, _) = killed(3);
    let (name, end) = last_segment(&disk);
    let bytes = disk.bytes(&name);
    let mut last = 0;
    scan(&disk, WHOLE, &mut |_, offset, _| {
        last = offset as usize;
        Ok(())
    })
    .expect("whole");
    for bit in 0..(end - last) * 8 {
        let mut flipped = bytes.clone();
        flipped[last + bit / 8] ^= 1 << (bit % 8);
        let hurt = disk.after_a_kill();
        hurt.put(&name, flipped);
        let said = refusal(&hurt);
        assert!(said.contains(&format!("offset {last}:")), "bit {bit}: {said}");
    }
}

#[test]
fn row_17_a_torn_end_that_nobody_was_told_of_is_cut_and_counted() {
    let (disk, mut ids) = killed(4);
    let (name, end) = last_segment(&disk);
    let whole = disk.bytes(&name);
    // A frame on its way when the process died: any part of it may be there. The process had told of all before it.
    let mut stand = Stand::open(&disk, BEGIN + LATER).expect("it opens");
    stand.run(contact("kept")).expect("answered");
    ids.push("kept".into());
    stand.run(contact("torn")).expect("answered");
    let after = disk.after_a_kill();
    let (next, next_end) = last_segment(&after);
    assert_ne!(name, next, "every start begins a segment");
    assert!(frames_in(&after, &next) >= 2);
    let written = after.bytes(&next);
    let last = last_offset(&after);
    for cut in last..next_end {
        let torn = disk.after_a_kill();
        let mut bytes = written.clone();
        bytes[cut..].fill(0);
        if bytes == written {
            continue; // Its last bytes are zeros: it is whole.
        }
        torn.put(&next, bytes);
        torn.put(MARK, disk_mark(&after, last as u64));
        let found = scan(&torn, WHOLE, &mut |_, _, _| Ok(())).expect("readable").expect("there");
        let nonzero = written[last..cut].iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        assert_eq!(found.torn, nonzero as u64, "cut at {cut}");
        let mut stand = Stand::open(&torn, BEGIN + LATER).expect("it opens");
        assert_eq!(stand.contacts(), ids);
    }
    ids.push("torn".into());
    assert_eq!(Stand::open(&after, BEGIN + LATER).expect("it opens").contacts(), ids);
    assert_eq!(whole[..end], after.bytes(&name)[..end], "what was written is never written to again");
}

/// How many frames a segment has.
fn frames_in(disk: &FakeDisk, name: &str) -> usize {
    let mut count = 0;
    scan(disk, WHOLE, &mut |header, _, _| {
        count += usize::from(usher::journal::frame::segment_name(header.number) == name);
        Ok(())
    })
    .expect("whole");
    count
}

/// Where the last frame begins.
fn last_offset(disk: &FakeDisk) -> usize {
    let mut last = 0;
    scan(disk, WHOLE, &mut |_, offset, _| {
        last = offset as usize;
        Ok(())
    })
    .expect("whole");
    last
}

/// The file that says how far was told, as it was when `end` bytes of the last segment were durable.
fn disk_mark(disk: &FakeDisk, end: u64) -> Vec<u8> {
    let bytes = disk.bytes(MARK);
    let mut slot = bytes[..64].to_vec();
    slot[24..32].copy_from_slice(&end.to_le_bytes());
    let crc = crc32fast::hash(&slot[..60]);
    slot[60..64].copy_from_slice(&crc.to_le_bytes());
    slot.resize(128, 0);
    slot
}

#[test]
fn row_18_a_cut_at_every_byte_of_the_last_segment_is_refused_with_its_offset() {
    let (disk, ids) = killed(4);
    let (name, end) = last_segment(&disk);
    let bytes = disk.bytes(&name);
    let mut starts = Vec::new();
    scan(&disk, WHOLE, &mut |_, offset, _| {
        starts.push(offset as usize);
        Ok(())
    })
    .expect("whole");
    for cut in 0..end {
        let hurt = disk.after_a_kill();
        hurt.put(&name, bytes[..cut].to_vec());
        let said = refusal(&hurt);
        assert!(said.contains(&name), "{said}");
        if cut >= HEADER {
            // Where reading stops: the last frame that begins at or before the cut.
            let stop = starts.iter().rev().find(|&&start| start <= cut).expect("the first begins there");
            assert!(said.contains(&format!("offset {stop}:")), "cut at {cut}: {said}");
        }
    }
    // Without the file that says how far was told, a cut between two frames cannot be told from an end; one within a
    // frame can, and what is left is a prefix.
    for cut in [starts[2], starts[2] + FRAME / 2] {
        let hurt = disk.after_a_kill();
        hurt.put(&name, bytes[..cut].to_vec());
        hurt.take(MARK);
        let kept = Stand::open(&hurt, BEGIN + LATER).expect("it opens").contacts();
        assert!(ids.starts_with(&kept), "{kept:?}");
    }
}

#[test]
fn row_19_a_segment_that_is_missing_renamed_or_doubled_is_refused_by_name() {
    let (disk, _) = killed(2);
    drop(Stand::open(&disk, BEGIN + LATER).expect("it opens"));
    drop(Stand::open(&disk, BEGIN + LATER).expect("it opens"));
    let segments = disk.segments();
    assert_eq!(segments.len(), 3);
    for name in &segments {
        let hurt = disk.after_a_kill();
        hurt.take(name);
        let said = refusal(&hurt);
        assert!(said.contains(name) && said.contains("is missing"), "{said}");
    }
    let renamed = disk.after_a_kill();
    let first = renamed.take(&segments[0]);
    let second = renamed.take(&segments[1]);
    renamed.put(&segments[0], second);
    renamed.put(&segments[1], first);
    assert!(refusal(&renamed).contains("under another name"));
    let doubled = disk.after_a_kill();
    doubled.put(&segments[2], disk.bytes(&segments[1]));
    assert!(refusal(&doubled).contains("under another name"));
}

#[test]
fn row_20_a_segment_of_another_journal_is_refused() {
    let ((one, _), (other, _)) = (killed(2), killed(2));
    for disk in [&one, &other] {
        drop(Stand::open(disk, BEGIN + LATER).expect("it opens"));
    }
    let name = one.segments()[1].clone();
    one.put(&name, other.bytes(&name));
    let said = refusal(&one);
    assert!(said.contains(&name) && said.contains("belongs to journal"), "{said}");
}

#[test]
fn row_21_a_slow_disk_bounds_what_waits_and_decides_on() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let (release, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    disk.judged(move |what, _| {
        if what == Ask::Sync {
            // As slow as the test likes; once it no longer holds the gate, as fast as any.
            let _ = gate.lock().expect("no panic").recv();
        }
        Fate::Done
    });
    let mut waiting = Vec::new();
    let refused = loop {
        let mut pending = stand.world.put(stand.seat, contact(&format!("c{}", waiting.len())));
        stand.step();
        match pending.now() {
            None => waiting.push(pending),
            Some(answer) => break answer.expect_err("nothing is answered before it is durable"),
        }
        assert!(waiting.len() < 1_000_000, "what waits is not bounded");
    };
    assert_eq!(refused, Refused::JournalUnavailable);
    drop(release);
    for mut pending in waiting {
        while pending.now().map(|answer| answer.expect("what was taken is done")).is_none() {
            stand.wait();
        }
    }
    stand.run(contact("after")).expect("it goes on");
}

#[test]
fn row_22_a_disk_that_turns_read_only_refuses_and_comes_back() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("before")).expect("answered");
    disk.judged(|what, _| if what == Ask::Read { Fate::Done } else { Fate::Fails(ErrorKind::ReadOnlyFilesystem) });
    assert_eq!(stand.run(contact("lost")), Err(Refused::JournalUnavailable));
    assert_eq!(stand.run(contact("refused")), Err(Refused::JournalUnavailable));
    disk.heal();
    while stand.run(contact("after")) == Err(Refused::JournalUnavailable) {
        std::thread::yield_now();
    }
    assert_eq!(stand.contacts(), ["before", "after"]);
}

#[test]
fn row_26_a_newer_format_is_refused_by_its_number() {
    let (disk, _) = killed(1);
    let name = disk.segments()[0].clone();
    let mut bytes = disk.bytes(&name);
    bytes[8..10].copy_from_slice(&99_u16.to_le_bytes());
    disk.put(&name, bytes);
    let said = refusal(&disk);
    assert!(said.contains("format version 99") && said.contains("too old"), "{said}");
}

#[test]
fn segments_follow_each_other_and_are_folded_as_one() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let ids: Vec<String> = (0..1_500).map(|at| format!("contact-with-a-long-name-{at}")).collect();
    for id in &ids {
        stand.run(contact(id)).expect("answered");
    }
    assert!(disk.segments().len() > 3, "{:?}", disk.segments());
    assert_eq!(Stand::open(&disk.after_power_loss(), BEGIN + LATER).expect("it opens").contacts(), ids);
}

#[test]
fn what_is_only_written_survives_a_kill() {
    let disk = FakeDisk::default();
    let written = usher::journal::Options { durability: usher::journal::Durability::Write, ..options(64 << 10) };
    let mut stand = Stand::with(&disk, BEGIN, written).expect("an empty disk");
    for command in shard_support::setup("one") {
        stand.run(command).expect("in order");
    }
    stand.run(contact("c")).expect("answered");
    assert_eq!(Stand::open(&disk.after_a_kill(), BEGIN + LATER).expect("it opens").contacts(), ["c"]);
}

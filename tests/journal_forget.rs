//! What identifies a customer is on the disk only under his key, and gone with it.

mod journal_support;
mod shard_support;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal_support::{FakeDisk, Fate, Stand, beside, options};
use shard_support::{BEGIN, cancel};
use tempfile::TempDir;
use usher::engine::command::{Command, NewContact};
use usher::engine::contact::{ContactProfile, Customer, Direction};
use usher::engine::id::QueueId;
use usher::engine::requirement::Value;
use usher::engine::state::State;
use usher::engine::time::{Span, Time};
use usher::journal::vault::KEYS;
use usher::journal::{Keep, Options};

const LATER: Span = Span::from_secs(60);
const MARKERS: [&str; 3] = ["cust-0815", "+351 912 345 678", "Grace Hopper"];

fn customer(customer_id: &str) -> Arc<Customer> {
    Arc::new(Customer {
        customer_id: customer_id.into(),
        address: MARKERS[1].into(),
        attributes: vec![("name".into(), Value::Str(MARKERS[2].into()))],
    })
}

fn call(contact_id: &str, customer_id: &str) -> Command {
    let profile = ContactProfile {
        contact_id: contact_id.into(),
        channel: "voice".into(),
        customer: Some(customer(customer_id)),
        ..ContactProfile::default()
    };
    let new = NewContact { profile: Arc::new(profile), queue: "sales".into(), ..NewContact::default() };
    Command::CreateContact(Arc::new(new))
}

fn forget(customer_id: &str) -> Command {
    Command::ForgetCustomer { customer_id: customer_id.into() }
}

/// The customer's part of a contact.
fn shown(stand: &mut Stand, contact_id: &'static str) -> Arc<Customer> {
    stand.read(move |state, _| {
        let contact = state.find_contact(contact_id).expect("there");
        state.contact(contact).profile.customer.clone().expect("it has one")
    })
}

/// The marks of a customer anywhere on the disk.
fn leaks(disk: &FakeDisk) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for name in disk.names() {
        let bytes = disk.bytes(&name);
        for marker in MARKERS {
            if bytes.windows(marker.len()).any(|window| window == marker.as_bytes()) {
                found.push((name.clone(), marker));
            }
        }
    }
    found
}

fn totals(state: &State, _: Time) -> (u64, u64, u32) {
    let books = state.tally().books(QueueId(0), Direction::Inbound);
    (books.offered, books.abandoned, state.contact_count())
}

#[test]
fn what_identifies_a_customer_is_never_in_clear_and_comes_back() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(call("c1", MARKERS[0])).expect("created");
    assert_eq!(leaks(&disk), []);
    let mut stand = Stand::open(&disk.after_power_loss(), BEGIN + LATER).expect("it opens");
    assert_eq!(shown(&mut stand, "c1"), customer(MARKERS[0]));
}

#[test]
fn a_forgotten_customer_is_gone_and_the_totals_stay() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    for (id, of) in [("c1", MARKERS[0]), ("c2", MARKERS[0]), ("c3", "another")] {
        stand.run(call(id, of)).expect("created");
    }
    stand.run(cancel("c2")).expect("it left");
    let before = stand.read(totals);
    let keys = disk.bytes(KEYS);
    assert_eq!(stand.run(forget(MARKERS[0])).expect("forgotten").reply.moved, 2);
    assert_ne!(disk.bytes(KEYS), keys, "the key is gone when it is answered");
    let check = |stand: &mut Stand| {
        assert_eq!(*shown(stand, "c1"), Customer::default());
        assert_eq!(*shown(stand, "c2"), Customer::default());
        assert_eq!(shown(stand, "c3"), customer("another"));
        assert_eq!(stand.read(totals), before);
    };
    check(&mut stand);
    for left in [disk.after_a_kill(), disk.after_power_loss()] {
        check(&mut Stand::open(&left, BEGIN + LATER).expect("it opens"));
    }
    // Not even the keys of before the request would help a journal that has begun anew since: but they would this one,
    // and so they are to be kept apart from a backup.
    let old = disk.after_a_kill();
    old.put(KEYS, keys);
    let mut stand = Stand::open(&old, BEGIN + LATER).expect("it opens");
    assert_eq!(*shown(&mut stand, "c1"), Customer::default(), "what says that he is forgotten is still obeyed");
}

#[test]
fn whoever_comes_back_has_another_key() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(call("c1", MARKERS[0])).expect("created");
    stand.run(forget(MARKERS[0])).expect("forgotten");
    stand.run(call("c2", MARKERS[0])).expect("created");
    stand.run(forget("never-seen")).expect("that is no error");
    for left in [disk.after_a_kill(), disk.after_power_loss()] {
        let mut stand = Stand::open(&left, BEGIN + LATER).expect("it opens");
        assert_eq!(*shown(&mut stand, "c1"), Customer::default());
        assert_eq!(shown(&mut stand, "c2"), customer(MARKERS[0]));
    }
}

#[test]
fn a_crash_at_every_point_forgets_whom_it_said_and_nobody_else() {
    let mut points = 0;
    for crash in 1.. {
        let disk = FakeDisk::default();
        let mut stand = Stand::begin(&disk);
        stand.run(call("c1", MARKERS[0])).expect("created");
        stand.run(call("c2", "another")).expect("created");
        let asked = disk.asked();
        disk.judged(move |_, number| match number >= asked + crash {
            true => Fate::Fails(ErrorKind::Other),
            false => Fate::Done,
        });
        let forgotten = stand.run(forget(MARKERS[0])).is_ok();
        let whole = forgotten && stand.run(call("c3", "third")).is_ok();
        for left in [disk.after_a_kill(), disk.after_power_loss()] {
            let mut stand = Stand::open(&left, BEGIN + LATER).expect("it opens");
            let held = shown(&mut stand, "c1");
            assert!(*held == Customer::default() || (!forgotten && held == customer(MARKERS[0])), "crash at {crash}");
            assert_eq!(shown(&mut stand, "c2"), customer("another"), "crash at {crash}");
        }
        points = crash;
        if whole {
            break;
        }
    }
    assert!(points > 5, "only {points} points");
}

/// A journal of small segments, with a snapshot for every few of them, as the server makes them.
fn small() -> Options {
    let beside = Some(beside());
    let keep = Keep { snapshot_bytes: 12 << 10, retention: Span::from_secs(86_400), beside, ..Keep::default() };
    Options { keep, ..options(4 << 10) }
}

/// Takes in calls of the customer until that many snapshots are there.
fn until_snapshots(stand: &mut Stand, disk: &FakeDisk, of: &str, count: usize) {
    let begun = Instant::now();
    let snapshots = || disk.names().iter().filter(|name| name.ends_with(".snapshot")).count();
    while snapshots() < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "no snapshot is made");
        stand.run(call(&format!("s{}", disk.asked()), of)).expect("created");
    }
}

/// What `usher journal` says, with both its outputs.
fn journal(words: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_usher")).arg("journal").args(words).output();
    let output = output.expect("the binary starts");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

#[test]
fn whoever_is_forgotten_is_in_no_snapshot_archive_dump_or_backup() {
    let disk = FakeDisk::default();
    let mut stand = Stand::with(&disk, BEGIN, small()).expect("an empty disk");
    for command in shard_support::setup("one") {
        stand.run(command).expect("the setup is in order");
    }
    stand.run(call("c1", MARKERS[0])).expect("created");
    until_snapshots(&mut stand, &disk, MARKERS[0], 2);
    assert_eq!(leaks(&disk), [], "under his key in the snapshots too");
    let back = |disk: &FakeDisk| Stand::with(&disk.after_a_kill(), BEGIN + LATER, small()).expect("it opens");
    assert_eq!(shown(&mut back(&disk), "c1"), customer(MARKERS[0]), "and whole after a start from one");
    stand.run(forget(MARKERS[0])).expect("forgotten");
    // From a snapshot of before the request, and from one of after it.
    assert_eq!(*shown(&mut back(&disk), "c1"), Customer::default());
    until_snapshots(&mut stand, &disk, "another", 4);
    assert_eq!(*shown(&mut back(&disk), "c1"), Customer::default());
    drop(stand);
    // His key is gone, so that of a copy of all the files nothing of him is read either.
    assert_eq!(leaks(&disk), []);
    let (dir, other) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    let copy = dir.path().join("journal");
    std::fs::create_dir(&copy).expect("writable");
    let left = disk.after_a_kill();
    for name in left.names().iter().filter(|name| *name != KEYS) {
        std::fs::write(copy.join(name), left.bytes(name)).expect("writable");
    }
    let restored = other.path().join("journal");
    let (copy, restored) = (copy.to_str().expect("UTF-8"), restored.to_str().expect("UTF-8"));
    journal(&["restore", copy, restored]);
    for place in [copy, restored] {
        for said in [journal(&["dump", place]), journal(&["dump", place, "--json"]), journal(&["verify", place])] {
            assert!(MARKERS.iter().all(|marker| !said.contains(marker)), "{said}");
        }
        for entry in std::fs::read_dir(place).expect("listed") {
            let bytes = std::fs::read(entry.expect("named").path()).expect("read");
            for marker in MARKERS {
                assert!(!bytes.windows(marker.len()).any(|window| window == marker.as_bytes()), "{marker}");
            }
        }
    }
}

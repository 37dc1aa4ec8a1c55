//! Real filesystems: a disk that is full, and one that turns read-only. Mounting needs rights; where it is not permitted
//! these say so and pass, and `journal_disk.rs` has the same faults on a disk in memory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use usher::engine::event::{Event, Facts, Recorded};
use usher::engine::id::{ContactId, Text};
use usher::engine::time::Time;
use usher::journal::{Batch, Completion, Durability, EmbeddedJournal, Fault, Journal, Keep, Options, Position};

/// How long anything may take that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);
const SEGMENT: u64 = 1 << 20;

/// A small filesystem of its own, gone with this.
struct Mount {
    at: TempDir,
}

impl Mount {
    /// None, and a word, where mounting is not permitted.
    fn new(bytes: u64) -> Option<Mount> {
        let at = TempDir::new().expect("a directory");
        let size = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Mount { at }),
            other => {
                eprintln!("skipped: mounting is not permitted here ({other:?})");
                None
            }
        }
    }

    fn remount(&self, mode: &str) {
        let option = format!("remount,{mode}");
        let output = Command::new("mount").args(["-o", &option]).arg(self.at.path()).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
    }

    fn journal(&self) -> PathBuf {
        self.at.path().join("journal")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The directory under it is removed next; what is left mounted is seen there.
        let _ = Command::new("umount").arg("-l").arg(self.at.path()).status();
    }
}

fn options() -> Options {
    let begun = Instant::now();
    Options {
        durability: Durability::Fsync,
        segment_bytes: SEGMENT,
        pace: Duration::ZERO,
        waiting_bytes: 16 << 20,
        nanos: Arc::new(move || begun.elapsed().as_nanos() as u64),
        observe: Arc::new(|_| {}),
        keep: Keep { snapshot_bytes: u64::MAX, ..Keep::default() },
    }
}

fn open(path: &Path) -> (EmbeddedJournal, Receiver<Completion>) {
    let mut journal = EmbeddedJournal::open(path, options()).expect("it opens");
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    journal.attach(Arc::new(move |completion| {
        // A test that is over no longer listens.
        let _ = tell.lock().expect("no test panics in here").send(completion);
    }));
    (journal, told)
}

/// One event of about a hundred KiB.
fn append(journal: &mut EmbeddedJournal, sequence: u64) -> Result<Position, Fault> {
    let tenant: Text = "one".into();
    let event = Event::ContactTransferred {
        contact: ContactId::from_u64(1 << 32),
        from: None,
        to: None,
        to_agent: None,
        again: false,
        reason: "x".repeat(100_000).as_str().into(),
    };
    let (time, facts) = (Time(1_700_000_000_000_000), Facts::default());
    let events = [Recorded { sequence, time, policy_version: 0, contact_states: None, facts, earlier: None, event }];
    journal.append(&Batch { tenant: &tenant, time, events: &events })
}

fn wait(told: &Receiver<Completion>, wanted: impl Fn(Completion) -> bool) {
    while !wanted(told.recv_timeout(PATIENCE).expect("the journal goes on")) {}
}

/// Waits for something that another thread brings about.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn row_12_a_small_disk_that_fills_up_refuses_new_work_and_goes_on_when_there_is_room() {
    let Some(mount) = Mount::new(8 << 20) else { return };
    let filler = mount.at.path().join("filler");
    std::fs::write(&filler, vec![1; 4 << 20]).expect("there is room");
    let (mut journal, told) = open(&mount.journal());
    let mut sequence = 0;
    let mut last = Position(0);
    // Room for about four segments: the reserve cannot be made again at some point.
    until("the disk fills up", || {
        if journal.room().is_err() {
            return true;
        }
        sequence += 1;
        last = append(&mut journal, sequence).expect("taken");
        journal.commit().expect("no fault");
        wait(&told, |completion| {
            matches!(completion, Completion::Durable(at) if at >= last) || journal.ready().is_err()
        });
        journal.ready().is_err()
    });
    assert_eq!(journal.room(), Err(Fault::Full), "new work is refused");
    std::fs::remove_file(&filler).expect("removed");
    until("there is room again", || journal.ready().is_ok() && journal.room().is_ok());
    sequence += 1;
    let after = append(&mut journal, sequence).expect("taken again");
    journal.commit().expect("no fault");
    wait(&told, |completion| matches!(completion, Completion::Durable(at) if at >= after));
    drop(journal);
    let (mut journal, _told) = open(&mount.journal());
    let mut found = 0;
    journal.replay("one", &mut |_| found += 1).expect("it reads");
    assert_eq!(found, sequence, "nothing that was told is missing");
}

#[test]
fn row_22_a_filesystem_that_turns_read_only_refuses_and_comes_back() {
    let Some(mount) = Mount::new(32 << 20) else { return };
    let (mut journal, told) = open(&mount.journal());
    let first = append(&mut journal, 1).expect("taken");
    journal.commit().expect("no fault");
    wait(&told, |completion| matches!(completion, Completion::Durable(at) if at >= first));
    drop(journal);
    // A file open for writing keeps a filesystem from turning read-only; what a server meets then is that it cannot open.
    mount.remount("ro");
    let refused = EmbeddedJournal::open(&mount.journal(), options()).err().expect("it cannot be written").to_string();
    assert!(refused.contains("Read-only"), "{refused}");
    mount.remount("rw");
    let (mut journal, told) = open(&mount.journal());
    let mut found = 0;
    journal.replay("one", &mut |_| found += 1).expect("it reads");
    assert_eq!(found, 1);
    let second = append(&mut journal, 2).expect("taken");
    journal.commit().expect("no fault");
    wait(&told, |completion| matches!(completion, Completion::Durable(at) if at >= second));
}

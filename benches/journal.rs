//! The embedded journal beside what it is measured against, in ratios of one run: a bare log (the same bytes into a file
//! of zeros, then `fdatasync`), and redb, a well-kept embedded database. And how long recovery takes.
//!
//! The bare log writes one file over and over, so it never pays for room; a log that keeps what it has must fill its next
//! file with zeros while it writes this one, and the bare log is measured so too. The journal is measured twice: handing a
//! batch over and waiting until it is durable, which adds two wake-ups of a thread to each commit, and handing the next one
//! over meanwhile, which is what the server does: it decides while the disk works.
//!
//! `cargo bench --bench journal` prints the table; `-- --rounds 9 --millis 500 --events 1000000` makes it longer. Files
//! are made in USHER_BENCH_DIR, or else the directory for temporary files: take one on the disk that is meant.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::{Duration, Instant};

use redb::{Database, TableDefinition};
use tempfile::TempDir;
use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact};
use usher::engine::contact::ContactProfile;
use usher::engine::event::{Event, Facts, Recorded};
use usher::engine::id::{ContactId, Text};
use usher::engine::policy::{Channel, Membership, Policy, Queue, Team};
use usher::engine::time::{Span, Time};
use usher::journal::codec::put_batch;
use usher::journal::{Batch, Completion, Durability, EmbeddedJournal, Journal, Keep, Options, Position};
use usher::wire::Writer;

/// As the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of a record.
const RECORD: usize = 200;
/// Bytes of the bare log, and of a segment of the journal.
const FILE: u64 = 64 << 20;
const START: Time = Time(1_700_000_000_000_000);
const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

fn main() {
    let (rounds, millis, events) =
        (argument("--rounds", 5), argument("--millis", 300), argument("--events", 1_000_000));
    println!(
        "records of {RECORD} bytes, {rounds} rounds of {millis} ms, medians; ratios to the bare log of the same round"
    );
    println!(
        "| records per commit | bare records/s | p50 us | bare, new files | journal | p50 | one ahead | to new files | redb |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for batch in [1, 10, 100, 1_000] {
        compare(batch, rounds as usize, Duration::from_millis(millis));
    }
    recovery(events);
}

fn argument(name: &str, known: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().map_or(known, |value| value.parse().expect("a number"))
}

fn directory() -> TempDir {
    match std::env::var_os("USHER_BENCH_DIR") {
        Some(place) => TempDir::new_in(place),
        None => TempDir::new(),
    }
    .expect("a directory")
}

/// Records per second, and the median time of a commit in microseconds.
type Figures = (f64, f64);

/// Commits over and over for some time, after as long a time that does not count: the next file is filled at the beginning.
fn measure(batch: usize, length: Duration, mut commit: impl FnMut()) -> Figures {
    let begun = Instant::now();
    while begun.elapsed() < length {
        commit();
    }
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < length {
        let one = Instant::now();
        commit();
        times.push(one.elapsed());
    }
    let rate = (times.len() * batch) as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    (rate, times[times.len() / 2].as_secs_f64() * 1e6)
}

fn compare(batch: usize, rounds: usize, length: Duration) {
    let mut rows = Vec::new();
    for _ in 0..rounds {
        let dir = directory();
        let over = bare(dir.path(), batch, length, None);
        let new = bare(dir.path(), batch, length, Some(&Filler::start(dir.path())));
        let (waits, ahead) = (own(dir.path(), batch, length, 0), own(dir.path(), batch, length, 1));
        let library = library(dir.path(), batch, length);
        let ratio = |figures: Figures| figures.0 / over.0;
        rows.push([
            over.0,
            over.1,
            ratio(new),
            ratio(waits),
            waits.1 / over.1,
            ratio(ahead),
            ahead.0 / new.0,
            ratio(library),
        ]);
    }
    let median = |at: usize| {
        let mut values: Vec<f64> = rows.iter().map(|row| row[at]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let shown: Vec<String> = (2..8).map(|at| format!("{:.2}", median(at))).collect();
    println!("| {batch} | {:.0} | {:.0} | {} |", median(0), median(1), shown.join(" | "));
}

/// A file of zeros, on the disk.
fn zeros(path: &Path) -> File {
    let file = File::create(path).expect("created");
    for at in 0..FILE >> 20 {
        file.write_all_at(&vec![0; 1 << 20], at << 20).expect("written");
    }
    file.sync_all().expect("synced");
    file
}

/// A thread that has the next file ready.
struct Filler(Receiver<File>);

impl Filler {
    fn start(dir: &Path) -> Filler {
        let (give, files) = sync_channel(0);
        let dir = dir.to_owned();
        std::thread::spawn(move || {
            for number in 0.. {
                let path = dir.join(format!("bare-{number}"));
                let file = zeros(&path);
                // Room comes back as soon as the file is let go of; the measurement is over when nobody takes it.
                std::fs::remove_file(path).expect("removed");
                if give.send(file).is_err() {
                    return;
                }
            }
        });
        Filler(files)
    }
}

/// The same bytes into a file of zeros: the same one over and over, or new ones.
fn bare(dir: &Path, batch: usize, length: Duration, filler: Option<&Filler>) -> Figures {
    let next = || filler.map(|filler| filler.0.recv().expect("the filler goes on"));
    let mut file = next().unwrap_or_else(|| zeros(&dir.join("bare")));
    let bytes = vec![7; batch * RECORD];
    let mut at = 0;
    measure(batch, length, || {
        if at + bytes.len() as u64 > FILE {
            at = 0;
            if let Some(next) = next() {
                file = next;
            }
        }
        file.write_all_at(&bytes, at).expect("written");
        file.sync_data().expect("synced");
        at += bytes.len() as u64;
    })
}

fn options() -> Options {
    let begun = Instant::now();
    Options {
        durability: Durability::Fsync,
        segment_bytes: FILE,
        pace: Duration::ZERO,
        waiting_bytes: 64 << 20,
        nanos: Arc::new(move || begun.elapsed().as_nanos() as u64),
        observe: Arc::new(|_| {}),
        // The records measured tell of contacts that never came: they cannot be folded.
        keep: Keep { snapshot_bytes: u64::MAX, ..Keep::default() },
    }
}

fn attached(journal: &mut EmbeddedJournal) -> Receiver<Completion> {
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    journal.attach(Arc::new(move |completion| {
        // Nobody listens once the measurement is over.
        let _ = tell.lock().expect("no panic").send(completion);
    }));
    told
}

fn wait(told: &Receiver<Completion>, position: Position) {
    let far = |completion| matches!(completion, Completion::Durable(durable) if durable >= position);
    while !far(told.recv().expect("the journal goes on")) {}
}

/// A record of the size that is meant, as the journal writes it.
fn record(tenant: &Text, sequence: u64) -> Recorded {
    let of = |reason: usize| Recorded {
        sequence,
        time: START,
        policy_version: 0,
        contact_states: None,
        facts: Facts::default(),
        earlier: None,
        event: Event::ContactTransferred {
            contact: ContactId::from_u64(1 << 32),
            from: None,
            to: None,
            to_agent: None,
            again: false,
            reason: "x".repeat(reason).as_str().into(),
        },
    };
    let mut out = Writer::default();
    put_batch(tenant, START, &[of(100)], &mut out);
    of(100 + RECORD - out.bytes.len())
}

/// Hands batches over and waits until all but the last `ahead` are durable.
fn own(dir: &Path, batch: usize, length: Duration, ahead: usize) -> Figures {
    let mut journal = EmbeddedJournal::open(&dir.join("journal"), options()).expect("an empty directory");
    let told = attached(&mut journal);
    let tenant: Text = "bench".into();
    let events = [record(&tenant, 1)];
    let mut open = VecDeque::new();
    let measured = measure(batch, length, || {
        let mut last = Position(0);
        for _ in 0..batch {
            let taken = Batch { tenant: &tenant, time: START, events: &events };
            last = journal.append(&taken).expect("taken");
        }
        journal.commit().expect("no fault");
        open.push_back(last);
        if open.len() > ahead {
            wait(&told, open.pop_front().expect("some are open"));
        }
    });
    drop(journal);
    std::fs::remove_dir_all(dir.join("journal")).expect("removed");
    measured
}

fn library(dir: &Path, batch: usize, length: Duration) -> Figures {
    let database = Database::create(dir.join("redb")).expect("created");
    let bytes = vec![7_u8; RECORD];
    let mut next = 0;
    measure(batch, length, || {
        let write = database.begin_write().expect("begun");
        {
            let mut table = write.open_table(TABLE).expect("a table");
            for _ in 0..batch {
                table.insert(next, bytes.as_slice()).expect("inserted");
                next += 1;
            }
        }
        write.commit().expect("committed");
    })
}

// ---- recovery

/// Takes contacts through their lives until that many events are in the journal; then reads and folds it.
fn recovery(events: u64) {
    let dir = directory();
    let path = dir.path().join("journal");
    let tenant: Text = "bench".into();
    let mut journal = EmbeddedJournal::open(&path, options()).expect("an empty directory");
    let told = attached(&mut journal);
    let mut engine = Engine::new(1);
    let mut now = START;
    let mut out = Vec::new();
    let mut last = Position(0);
    let mut written = 0;
    let mut number = 0;
    for command in setup(&tenant) {
        engine.apply(now, &command.into(), &mut out).expect("in order");
    }
    while written < events {
        now = now + Span::from_millis(1);
        engine.fire_due(now, usize::MAX, &mut out);
        live(&mut engine, now, number, &mut out);
        number += 1;
        written += out.len() as u64;
        last = journal.append(&Batch { tenant: &tenant, time: now, events: &out }).expect("taken");
        out.clear();
        if number % 1_000 == 0 {
            journal.commit().expect("no fault");
            wait(&told, last);
        }
    }
    journal.commit().expect("no fault");
    wait(&told, last);
    drop(journal);
    let bytes: u64 = std::fs::read_dir(&path)
        .expect("readable")
        .map(|entry| entry.expect("an entry").metadata().expect("known").len())
        .sum();
    let begun = Instant::now();
    let mut journal = EmbeddedJournal::open(&path, options()).expect("in order");
    let checked = begun.elapsed();
    let mut folded = Engine::new(1);
    journal.replay(&tenant, &mut |recorded| folded.recover(recorded)).expect("replayed");
    let all = begun.elapsed();
    assert_eq!(folded.state().sequence(), engine.state().sequence());
    assert_eq!(folded.state().live_contact_count(), engine.state().live_contact_count());
    println!(
        "recovery of {written} events ({} MB, warm): checked in {checked:.2?}, folded after {all:.2?}; {:.2} s per million",
        bytes / 1_000_000,
        all.as_secs_f64() * 1e6 / written as f64,
    );
}

fn setup(tenant: &Text) -> Vec<Command> {
    let team = Team {
        id: "team".into(),
        display_name: "team".into(),
        queues: vec![Membership::new("*".into(), 1)],
        ..Team::default()
    };
    let mut channel = Channel::named("voice".into());
    channel.auto_accept = true;
    let policy = Policy {
        tenant: tenant.clone(),
        channels: vec![channel],
        queues: vec![Queue::named("sales".into())],
        teams: vec![team],
        ..Policy::default()
    };
    let mut commands = vec![Command::apply(policy)];
    for at in 0..1_000 {
        let agent_id: Text = format!("a{at}").as_str().into();
        let (team, capacity) = (Some("team".into()), 100);
        let profile = AgentProfile { agent_id: agent_id.clone(), team, capacity, ..AgentProfile::default() };
        commands.push(Command::UpsertAgent { profile: Arc::new(profile) });
        commands.push(Command::SignIn { agent_id, presence: Presence::Available, lease: Some(Span::ZERO) });
    }
    commands
}

/// A contact comes, is given to an agent, talks and ends.
fn live(engine: &mut Engine, now: Time, number: u64, out: &mut Vec<Recorded>) {
    let contact_id: Text = format!("contact-{number}").as_str().into();
    let profile =
        ContactProfile { contact_id: contact_id.clone(), channel: "voice".into(), ..ContactProfile::default() };
    let new = NewContact { profile: Arc::new(profile), queue: "sales".into(), ..NewContact::default() };
    let commands = [
        Command::CreateContact(Arc::new(new)),
        Command::ConnectContact { contact_id: contact_id.clone() },
        Command::CompleteContact { contact_id, disposition: "".into() },
    ];
    for command in commands {
        engine.apply(now, &command.into(), out).expect("in order");
    }
}

//! A disk in memory that breaks on demand, and a shard over a journal on it, stepped by hand.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use usher::engine::Engine;
use usher::engine::command::Command;
use usher::engine::event::Recorded;
use usher::engine::time::{Span, Time};
use usher::journal::disk::{Disk, DiskFile};
use usher::journal::snapshot::{Beside, MakeBeside};
use usher::journal::{Completion, Durability, EmbeddedJournal, Journal, Keep, Monitor, OpenError, Options};
use usher::shard::{Done, Limits, Outputs, Refused, SeatId, Shard};

use usher::telemetry::{Fold, Telemetry};
use usher::view::fold::Books;
use usher::wire::{Wire, Writer};

use crate::shard_support::{BEGIN, World};

/// How long anything may take that should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

// ---- the disk

/// What is asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Read,
    Open,
    Create,
    Rename,
    Remove,
    SyncNames,
    Write,
    Sync,
    Resize,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    Fails(io::ErrorKind),
    /// So many bytes are written, then it fails.
    Short(usize, io::ErrorKind),
}

type Judge = Arc<dyn Fn(Ask, u64) -> Fate + Send + Sync>;

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Default)]
struct Files {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    contents: Vec<Content>,
    asked: u64,
}

/// Files in memory, with what of them would survive the loss of power.
#[derive(Clone)]
pub struct FakeDisk {
    files: Arc<Mutex<Files>>,
    judge: Arc<Mutex<Judge>>,
    limits: Arc<Mutex<Bounds>>,
}

/// What a disk does not take.
#[derive(Clone, Default)]
struct Bounds {
    /// Bytes of all its files.
    room: Option<u64>,
    /// A file that cannot be made.
    never: Option<&'static str>,
}

impl Default for FakeDisk {
    fn default() -> FakeDisk {
        FakeDisk {
            files: Arc::default(),
            judge: Arc::new(Mutex::new(Arc::new(|_, _| Fate::Done))),
            limits: Arc::default(),
        }
    }
}

struct FakeFile {
    disk: FakeDisk,
    content: usize,
}

impl FakeDisk {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().expect("no test panics in here")
    }

    /// From now on this says what becomes of everything; it is given the number of what is asked, from 1.
    pub fn judged(&self, judge: impl Fn(Ask, u64) -> Fate + Send + Sync + 'static) {
        *self.judge.lock().expect("no test panics in here") = Arc::new(judge);
    }

    pub fn heal(&self) {
        self.judged(|_, _| Fate::Done);
    }

    /// From now on it has room for so many bytes, and a file of that name cannot be made.
    pub fn bound(&self, room: Option<u64>, never: Option<&'static str>) {
        *self.limits.lock().expect("no test panics in here") = Bounds { room, never };
    }

    /// Bytes there is room for, where that is bounded.
    fn left(&self) -> Option<u64> {
        let room = self.limits.lock().expect("no test panics in here").room?;
        let files = self.files();
        let used: usize = files.names.values().map(|content| files.contents[*content].now.len()).sum();
        Some(room.saturating_sub(used as u64))
    }

    /// How often anything was asked.
    pub fn asked(&self) -> u64 {
        self.files().asked
    }

    fn ask(&self, what: Ask) -> io::Result<Option<usize>> {
        let number = {
            let mut files = self.files();
            files.asked += 1;
            files.asked
        };
        let judge = self.judge.lock().expect("no test panics in here").clone();
        match judge(what, number) {
            Fate::Done => Ok(None),
            Fate::Fails(kind) => Err(kind.into()),
            Fate::Short(bytes, _) if what == Ask::Write => Ok(Some(bytes)),
            Fate::Short(_, kind) => Err(kind.into()),
        }
    }

    /// What is left when the process dies at this instant.
    pub fn after_a_kill(&self) -> FakeDisk {
        let files = self.files().clone();
        FakeDisk { files: Arc::new(Mutex::new(files)), ..FakeDisk::default() }
    }

    /// What is left when the power goes at this instant: what was made durable, of the files whose names were.
    pub fn after_power_loss(&self) -> FakeDisk {
        let mut files = self.files().clone();
        files.names = files.durable_names.clone();
        files.contents.iter_mut().for_each(|content| content.now = content.durable.clone());
        FakeDisk { files: Arc::new(Mutex::new(files)), ..FakeDisk::default() }
    }

    pub fn names(&self) -> Vec<String> {
        self.files().names.keys().cloned().collect()
    }

    /// The names of its segments, in order.
    pub fn segments(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name.ends_with(".journal")).collect()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let files = self.files();
        files.contents[files.names[name]].now.clone()
    }

    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut files = self.files();
        files.contents.push(Content { now: bytes.clone(), durable: bytes });
        let content = files.contents.len() - 1;
        files.names.insert(name.to_owned(), content);
        files.durable_names.insert(name.to_owned(), content);
    }

    pub fn take(&self, name: &str) -> Vec<u8> {
        let bytes = self.bytes(name);
        let mut files = self.files();
        files.names.remove(name);
        files.durable_names.remove(name);
        bytes
    }
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no {name}"))
}

impl Disk for FakeDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.ask(Ask::Read)?;
        let files = self.files();
        let content = files.names.get(name).ok_or_else(|| not_found(name))?;
        Ok(files.contents[*content].now.clone())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.ask(Ask::Open)?;
        let content = *self.files().names.get(name).ok_or_else(|| not_found(name))?;
        Ok(Box::new(FakeFile { disk: self.clone(), content }))
    }

    fn free(&self) -> Option<u64> {
        self.left()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.ask(Ask::Create)?;
        if self.limits.lock().expect("no test panics in here").never == Some(name) || self.left() == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut files = self.files();
        files.contents.push(Content::default());
        let content = files.contents.len() - 1;
        files.names.insert(name.to_owned(), content);
        Ok(Box::new(FakeFile { disk: self.clone(), content }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.ask(Ask::Rename)?;
        let mut files = self.files();
        let content = files.names.remove(from).ok_or_else(|| not_found(from))?;
        files.names.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.ask(Ask::Remove)?;
        self.files().names.remove(name).map(drop).ok_or_else(|| not_found(name))
    }

    fn sync(&self) -> io::Result<()> {
        self.ask(Ask::SyncNames)?;
        let mut files = self.files();
        files.durable_names = files.names.clone();
        Ok(())
    }

    fn place(&self, name: &str) -> String {
        name.to_owned()
    }
}

impl DiskFile for FakeFile {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let short = self.disk.ask(Ask::Write)?;
        let written = short.unwrap_or(bytes.len()).min(bytes.len());
        let mut files = self.disk.files();
        let content = &mut files.contents[self.content].now;
        let (from, to) = (offset as usize, offset as usize + written);
        if content.len() < to {
            content.resize(to, 0);
        }
        content[from..to].copy_from_slice(&bytes[..written]);
        if short.is_some() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.ask(Ask::Sync)?;
        let content = &mut self.disk.files().contents[self.content];
        content.durable = content.now.clone();
        Ok(())
    }

    fn resize(&mut self, length: u64) -> io::Result<()> {
        self.disk.ask(Ask::Resize)?;
        let grows = length.saturating_sub(self.length()?);
        if self.disk.left().is_some_and(|left| grows > left) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.files().contents[self.content].now.resize(length as usize, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.files().contents[self.content].now.len() as u64)
    }
}

// ---- the journal and the shard over it

pub fn options(segment_bytes: u64) -> Options {
    let begun = Instant::now();
    Options {
        durability: Durability::Fsync,
        segment_bytes,
        pace: Duration::ZERO,
        waiting_bytes: 64 << 10,
        nanos: Arc::new(move || begun.elapsed().as_nanos() as u64),
        observe: Arc::new(|_| {}),
        keep: Keep::default(),
    }
}

/// A shard over a journal on a disk, with one tenant.
pub struct Stand {
    pub world: World,
    pub seat: SeatId,
    pub monitor: Monitor,
    completed: Receiver<Completion>,
}

impl Stand {
    /// Opens the journal and folds the tenant; its clocks are set going at the first step.
    pub fn open(disk: &FakeDisk, now: Time) -> Result<Stand, OpenError> {
        Stand::with(disk, now, options(64 << 10))
    }

    pub fn with(disk: &FakeDisk, now: Time, options: Options) -> Result<Stand, OpenError> {
        let mut journal = EmbeddedJournal::on(Arc::new(disk.clone()), options)?;
        let monitor = journal.monitor();
        let (tell, completed) = channel();
        let tell = Mutex::new(tell);
        journal.attach(Arc::new(move |completion| {
            // A test that is over no longer listens.
            let _ = tell.lock().expect("no test panics in here").send(completion);
        }));
        let mut shard = Shard::new(Box::new(journal), Box::new(|_| Box::new(Engine::new(7))), Limits::default());
        let seat = shard.open(&"one".into());
        assert!(!shard.is_stopped(seat), "the tenant cannot be folded");
        let now = now.max(shard.now());
        let (inbox, completions, out) = (VecDeque::new(), Vec::new(), Outputs::default());
        Ok(Stand { world: World { shard, inbox, completions, out, now }, seat, monitor, completed })
    }

    /// A journal that begins, with a queue and one agent who is signed in.
    pub fn begin(disk: &FakeDisk) -> Stand {
        let mut stand = Stand::open(disk, BEGIN).expect("an empty disk");
        for command in crate::shard_support::setup("one") {
            stand.run(command).expect("the setup is in order");
        }
        stand
    }

    /// Waits for something of the journal and takes a step.
    pub fn wait(&mut self) {
        self.world.completions.push(self.completed.recv_timeout(PATIENCE).expect("the journal goes on"));
        self.world.step();
    }

    /// Takes what the journal has told meanwhile, and a step.
    pub fn step(&mut self) {
        self.world.completions.extend(self.completed.try_iter());
        self.world.step();
    }

    /// Lets the time come, deadline by deadline, as the host would.
    pub fn until(&mut self, time: Time) {
        while let Some(next) = self.world.shard.next_deadline().filter(|&next| next < time) {
            self.world.now = next.max(self.world.now);
            self.step();
        }
        self.world.now = time;
        self.step();
    }

    /// Carries a command out and waits for its answer.
    pub fn run(&mut self, command: Command) -> Result<Done, Refused> {
        let mut pending = self.world.put(self.seat, command);
        self.step();
        loop {
            if let Some(answer) = pending.now() {
                return answer;
            }
            self.wait();
        }
    }

    /// Reads the state, all of it durable.
    pub fn read<R: Send + 'static>(
        &mut self,
        read: impl FnOnce(&usher::engine::state::State, Time) -> R + Send + 'static,
    ) -> R {
        let mut pending = self.world.ask(self.seat, read);
        self.step();
        loop {
            if let Some(answer) = pending.now() {
                return answer.expect("the tenant is served");
            }
            self.wait();
        }
    }

    /// The ids of the contacts there are, in the order they were created.
    pub fn contacts(&mut self) -> Vec<String> {
        self.read(|state, now| {
            state.audit(now).expect("every invariant holds");
            let mut all: Vec<_> = state.contacts_from(0).map(|(_, held)| held).collect();
            all.sort_by_key(|held| held.serial);
            all.iter().map(|held| held.profile.contact_id.to_string()).collect()
        })
    }
}

// ---- what is kept beside a tenant's state

/// What reports and metrics keep, as the server does.
struct History {
    view: Books,
    counted: Fold,
}

impl Beside for History {
    fn take(&mut self, recorded: &Recorded) {
        self.view.take(recorded);
        self.counted.take([recorded]);
    }

    fn put(&self, out: &mut Writer) {
        self.view.put(out);
        self.counted.put(out);
    }
}

/// Makes what the server keeps beside a tenant's state.
pub fn beside() -> MakeBeside {
    let telemetry = Telemetry::new([Span::from_secs(20)]);
    Arc::new(move |tenant, written| {
        let counted = telemetry.apart(tenant);
        let view = match written {
            Some(written) => {
                let view = Wire::get(written)?;
                counted.restore(&view, written)?;
                view
            }
            None => Books::new(tenant.clone()),
        };
        Ok(Box::new(History { view, counted }) as Box<dyn Beside>)
    })
}

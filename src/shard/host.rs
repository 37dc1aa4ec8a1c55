//! Who runs the shard: whoever brings it work (flat combining), and one task for its deadlines.
//!
//! A caller leaves its work in the ingress and tries the lock. Finding the shard free it steps it, for itself and for
//! all who have queued meanwhile; finding it taken it goes away at once, for whoever has it looks into the ingress once
//! more after letting go. Nobody waits for the lock to decide, no thread is woken to decide, and one writer at a time
//! it is all the same. `benches/thread_model.rs` measures it against a lock that is waited for and a thread of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crossbeam::queue::SegQueue;
use tokio::sync::{Notify, watch};

use crate::engine::command::Request;
use crate::engine::id::Text;
use crate::engine::state::State;
use crate::engine::time::Time;
use crate::journal::Completion;

use super::call::{Done, Envelope, Pending, Refused, Show};
use super::clock::Clock;
use super::directory::Directory;
use super::ingress::Ingress;
use super::memory::Memory;
use super::run::{Counts, Outputs, Shard};
use super::stream::{Lags, Order, Subscription};

/// Steps in a row by one caller before it leaves the rest to the deadline task: a caller that serves others for ever
/// gets no answer of its own out.
const STEPS: usize = 64;
/// No deadline is set.
const NEVER: u64 = u64::MAX;

struct Core {
    shard: Shard,
    inbox: VecDeque<Envelope>,
    completions: Vec<Completion>,
    out: Outputs,
}

struct Host {
    core: Mutex<Core>,
    ingress: Ingress,
    directory: Directory,
    lags: Lags,
    memory: Arc<Memory>,
    completed: SegQueue<Completion>,
    clock: Clock,
    batch: usize,
    /// A step is wanted though nothing waits: something is due or durable.
    kicked: AtomicBool,
    draining: AtomicBool,
    /// A client wants the server to stop, and how long connections get; who runs the server looks here.
    stop: watch::Sender<Option<Stop>>,
    /// The instant the deadline task sleeps until.
    armed: AtomicU64,
    alarm: Notify,
}

/// How a server is to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// How long connections get to go.
    pub grace: std::time::Duration,
}

/// The way to a shard, for many threads. Cloning is cheap.
#[derive(Clone)]
pub struct ShardHandle {
    host: Arc<Host>,
    /// Whether what is handed in waits for [`Self::go`].
    gathers: bool,
}

/// The task that wakes the shard at its deadlines, to be spawned on any runtime with time enabled.
#[must_use = "without it no deadline fires"]
pub struct Deadlines {
    host: Arc<Host>,
}

/// Puts a shard into service. `clock` must have begun at [`Shard::now`] or later; `capacity` bounds the ingress.
pub fn start(shard: Shard, clock: Clock, capacity: usize) -> (ShardHandle, Deadlines) {
    let batch = shard.limits().batch;
    let (lags, memory) = (shard.lags(), shard.memory().clone());
    let core = Core { shard, inbox: VecDeque::new(), completions: Vec::new(), out: Outputs::default() };
    let host = Arc::new(Host {
        core: Mutex::new(core),
        ingress: Ingress::new(capacity),
        directory: Directory::default(),
        lags,
        memory,
        completed: SegQueue::new(),
        clock,
        batch,
        kicked: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        stop: watch::Sender::new(None),
        armed: AtomicU64::new(NEVER),
        alarm: Notify::new(),
    });
    for (tenant, seat) in host.core().shard.tenants() {
        host.directory.enter(tenant.clone(), seat);
    }
    host.arm(host.core().shard.next_deadline());
    // What was folded is to be resumed before anybody asks.
    host.kicked.store(true, Ordering::SeqCst);
    host.alarm.notify_one();
    let weak = Arc::downgrade(&host);
    host.core().shard.journal().attach(Arc::new(move |completion| {
        // The step is left to the alarm's task: answers wake their callers from within the runtime, which costs them
        // next to nothing, and the journal's thread goes back to the disk.
        if let Some(host) = weak.upgrade() {
            host.completed.push(completion);
            host.kicked.store(true, Ordering::SeqCst);
            host.alarm.notify_one();
        }
    }));
    (ShardHandle { host: host.clone(), gathers: false }, Deadlines { host })
}

impl Host {
    fn kick(&self) {
        self.kicked.store(true, Ordering::SeqCst);
        self.serve();
    }

    fn is_wanted(&self) -> bool {
        !self.ingress.is_empty() || self.kicked.load(Ordering::SeqCst)
    }

    /// Steps the shard until nothing is left, unless somebody else does.
    fn serve(&self) {
        for _ in 0..STEPS {
            // Work is put in before the lock is tried, and looked for after it is let go: with both in one total order,
            // either this caller gets the lock or its holder sees the work.
            fence(Ordering::SeqCst);
            let again = match self.core.try_lock() {
                Ok(mut core) => self.step(&mut core),
                Err(TryLockError::WouldBlock) => return,
                Err(TryLockError::Poisoned(_)) => return self.give_up(),
            };
            fence(Ordering::SeqCst);
            if !again && !self.is_wanted() {
                return;
            }
        }
        self.kicked.store(true, Ordering::SeqCst);
        self.alarm.notify_one();
    }

    /// The shard itself has met a bug and its step broke off: nothing in it can be relied on. Whoever waits learns that
    /// the tenant has stopped.
    fn give_up(&self) {
        self.kicked.store(false, Ordering::SeqCst);
        self.ingress.clear();
    }

    /// Waits for the shard. One that broke off is still good enough to be asked for its figures.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// One step; whether another is wanted at once.
    fn step(&self, core: &mut Core) -> bool {
        self.kicked.store(false, Ordering::SeqCst);
        self.ingress.drain_to(&mut core.inbox, self.batch);
        while let Some(completion) = self.completed.pop() {
            core.completions.push(completion);
        }
        let begun = core.shard.sink().map(|_| self.clock.nanos());
        core.shard.step(self.clock.now(), &mut core.inbox, &mut core.completions, &mut core.out);
        core.out.deliver();
        let commands = core.out.commands;
        if let (Some(begun), Some(sink)) = (begun.filter(|_| commands > 0), core.shard.sink()) {
            sink.decided(commands, self.clock.nanos() - begun);
        }
        self.arm(core.shard.next_deadline());
        core.out.again
    }

    /// Moves the alarm forward. It is never moved back: it rings for nothing then, once, and is set anew.
    fn arm(&self, next: Option<Time>) {
        if let Some(Time(next)) = next
            && next < self.armed.load(Ordering::SeqCst)
        {
            self.armed.store(next, Ordering::SeqCst);
            self.alarm.notify_one();
        }
    }
}

impl Deadlines {
    /// Sleeps until the shard's next deadline and steps it, for ever. Uses no CPU while there is none.
    pub async fn run(self) {
        let host = self.host;
        loop {
            match host.armed.load(Ordering::SeqCst) {
                NEVER => host.alarm.notified().await,
                armed => {
                    tokio::select! {
                        () = host.alarm.notified() => {}
                        () = tokio::time::sleep(host.clock.until(Time(armed))) => {}
                    }
                }
            }
            if host.armed.load(Ordering::SeqCst) <= host.clock.now().0 {
                // A step that runs meanwhile may not see the deadline as due; the kick makes another one follow, and
                // that sets the alarm.
                host.armed.store(NEVER, Ordering::SeqCst);
                host.kick();
            } else if host.is_wanted() {
                host.serve();
            }
            tokio::task::yield_now().await;
        }
    }
}

impl ShardHandle {
    /// Has a command carried out and its contact and agent shown as it leaves them.
    ///
    /// It is handed in when this returns; dropping the answer takes nothing back.
    pub fn call(&self, tenant: &str, request: Request) -> Pending<Done> {
        self.ask(tenant, request, Show::ALL)
    }

    /// As [`Self::call`], with the engine's own answer only: cheaper where nobody looks at more.
    pub fn tell(&self, tenant: &str, request: Request) -> Pending<Done> {
        self.ask(tenant, request, Show::NOTHING)
    }

    /// As [`Self::call`], showing what is asked for.
    pub fn ask(&self, tenant: &str, request: Request, show: Show) -> Pending<Done> {
        if self.is_draining() {
            return Pending::refused(Refused::Draining);
        }
        let Some(seat) = self.host.directory.find(tenant) else { return Pending::refused(Refused::TenantUnknown) };
        self.hand_in(Envelope::call(seat, request, show))
    }

    /// Reads a tenant's state, after every command handed in before. `read` must be bounded: it holds up everyone.
    pub fn query<R, F>(&self, tenant: &str, read: F) -> Pending<R>
    where
        R: Send + 'static,
        F: FnOnce(&State, Time) -> R + Send + 'static,
    {
        let Some(seat) = self.host.directory.find(tenant) else { return Pending::refused(Refused::TenantUnknown) };
        self.hand_in(Envelope::query(seat, read))
    }

    /// Takes a snapshot and begins a stream with the event after it.
    pub fn subscribe<R, F>(&self, tenant: &str, order: Order, read: F) -> Pending<(R, Subscription)>
    where
        R: Send + 'static,
        F: FnOnce(&State, Time) -> R + Send + 'static,
    {
        if self.is_draining() {
            return Pending::refused(Refused::Draining);
        }
        let Some(seat) = self.host.directory.find(tenant) else { return Pending::refused(Refused::TenantUnknown) };
        self.hand_in(Envelope::subscribe(seat, order, read))
    }

    /// A handle by which several pieces of work go in together: they wait for its [`Self::go`], or for whoever steps the
    /// shard before, and are then done in one step, as far as [`super::Limits::batch`] goes.
    #[must_use]
    pub fn gathering(&self) -> ShardHandle {
        ShardHandle { host: self.host.clone(), gathers: true }
    }

    /// Sees to it that everything handed in is done.
    pub fn go(&self) {
        self.host.serve();
    }

    fn hand_in<T>(&self, (envelope, answer): (Envelope, Pending<T>)) -> Pending<T> {
        if self.gathers && self.host.ingress.is_full() {
            // What it handed in before may be what fills it.
            self.host.serve();
        }
        let sent = self.host.ingress.try_send(envelope);
        if !self.gathers {
            self.host.serve();
        }
        if sent { answer } else { Pending::refused(Refused::IngressFull) }
    }

    /// Opens a tenant, from what the journal has of it; nothing when it is open already. Waits for the shard: for the
    /// server's start and for a configuration with a new tenant, not for requests.
    pub fn open(&self, tenant: &str) {
        let mut core = self.host.core();
        if self.host.directory.find(tenant).is_none() {
            let name: Text = tenant.into();
            let seat = core.shard.open(&name);
            self.host.directory.enter(name, seat);
            self.host.arm(core.shard.next_deadline());
        }
        drop(core);
        self.host.kick();
    }

    /// Takes no more commands, and tells when all that were taken are settled and every stream has had its last event
    /// and is ended. Queries are served on.
    pub fn drain(&self) -> Pending<()> {
        self.host.draining.store(true, Ordering::SeqCst);
        let (envelope, answer) = Envelope::drain();
        let mut core = self.host.core();
        // Past the bound, and after everything that was handed in before.
        self.host.ingress.drain_to(&mut core.inbox, usize::MAX);
        core.inbox.push_back(envelope);
        drop(core);
        self.host.kick();
        answer
    }

    /// Asks whoever runs the server to stop it. The first to ask says how long connections get.
    pub fn ask_to_stop(&self, stop: Stop) {
        self.host.stop.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert(stop);
            first
        });
    }

    /// Waits until somebody asks for a stop.
    pub async fn stop_asked(&self) -> Stop {
        let mut asked = self.host.stop.subscribe();
        let asked = asked.wait_for(Option::is_some).await;
        // The sender is this handle's own.
        asked.ok().and_then(|asked| *asked).unwrap_or_default()
    }

    /// Whether [`Self::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.host.draining.load(Ordering::SeqCst)
    }

    /// Work that waits in the ingress.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.host.ingress.depth()
    }

    /// Work the ingress has turned away.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.host.ingress.refused()
    }

    /// What the process uses and may use.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.host.memory
    }

    /// Events that wait for the reader of a stream who is furthest behind; waits for nobody. Linear in streams.
    #[must_use]
    pub fn stream_lag(&self) -> usize {
        self.host.lags.most()
    }

    /// What the shard has counted. Waits for it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.host.core().shard.counts()
    }

    /// How often a tenant's engine was dropped and folded again. Waits for the shard.
    #[must_use]
    pub fn restarts(&self, tenant: &str) -> u64 {
        self.host.core().shard.restarts(tenant)
    }

    /// Streams registered. Waits for the shard.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.host.core().shard.readers()
    }

    /// All tenants, by name.
    #[must_use]
    pub fn tenants(&self) -> Vec<Text> {
        self.host.directory.tenants().into_iter().map(|(tenant, _)| tenant).collect()
    }

    /// The server's time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.host.clock.now()
    }
}

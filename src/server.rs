//! The assembly: the only file that names every room. Start order, signals, drain, stop; no logic of its own.
//!
//! Start: telemetry, the shard with every tenant's policy, the gRPC listener, the HTTP listener, the ready file, then
//! READY. Stop: `/readyz` and health say so first, new work is refused DRAINING, what was taken is settled and every
//! stream ends after its last event, connections get `drain_grace` to go, and HTTP goes last so that the drain can be
//! watched. A second signal ends it at once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tracing::{error, info, warn};

use crate::config::{Backend, Config, Durability, Server};
use crate::engine::Engine;
use crate::engine::contact::Direction;
use crate::engine::event::{Event, Recorded};
use crate::engine::id::{QueueId, Text};
use crate::engine::limits;
use crate::engine::policy::PolicyTrigger;
use crate::engine::publish::Published;
use crate::engine::tally::Books;
use crate::engine::time::{Span, Time};
use crate::http::{self, Site, listener, live::Live, ready::Readiness};
use crate::journal::snapshot::{Beside, MakeBeside};
use crate::journal::{self, EmbeddedJournal, Journal, MemoryJournal};
use crate::reload::{self, Ended, Reload};
use crate::rpc;
use crate::shard::{self, Clock, Limits, Memory, Shard, ShardHandle, Sink};
use crate::telemetry::{self, Fold, ReloadResult, Shell, Telemetry};
use crate::view::{self, View, Views};
use crate::wire::{Malformed, Reader, Wire, Writer};

/// What the server lacks until everything listens, and once it goes.
const STARTED: &str = "starting";
const DRAINING: &str = "draining";
/// Who health is told about: the server as a whole and each service.
const SERVICES: [&str; 5] =
    ["", "usher.v1.ContactService", "usher.v1.AgentService", "usher.v1.SupervisorService", "usher.v1.AdminService"];
/// The least time from one commit of the journal to the next while work keeps coming: a commit costs some 50 us of CPU.
const COMMIT_PACE: Duration = Duration::from_millis(1);
/// Bytes that may wait for a slow disk before work is refused: some hundred thousand events.
const WAITING_BYTES: usize = 8 << 20;
/// How often some contacts are looked at for any that is stuck.
const SWEEP: Duration = Duration::from_secs(1);
/// How often memory is measured: what comes in meanwhile is a small part of what the bound leaves free.
const MEASURE: Duration = Duration::from_millis(250);
/// How long HTTP gets to end.
const LEAVE: Duration = Duration::from_millis(500);

/// Serves until a signal says stop, then drains.
///
/// # Errors
/// When a listener cannot be opened or a tenant's policy is refused.
pub fn serve(config: Config, path: PathBuf, ready_file: Option<PathBuf>) -> anyhow::Result<()> {
    // One thread runs everything: the engine is stepped by whoever brings it work, and on few cores waking another
    // thread costs more than all of usher's own work (ARCHITECTURE.md, thread model).
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config, &path, ready_file.as_deref()))
}

async fn run(config: Config, path: &Path, ready_file: Option<&Path>) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let mut hangups = signal(SignalKind::hangup())?;
    let mut running = Running::start(&config).await?;
    let (grpc, http) = (running.grpc(), running.http());
    if let Some(ready_file) = ready_file {
        write_ready(ready_file, &grpc.to_string(), &http.to_string())?;
    }
    info!(config = %path.display(), %grpc, %http, tenants = config.tenants.len(), "listening");
    let (reload, shard) = (running.reload.clone(), running.shard.clone());
    if config.server.watch_config {
        tokio::spawn(reload::watch(reload.clone(), path.to_owned()));
    }
    notify(sd_notify::NotifyState::Ready);
    loop {
        tokio::select! {
            () = stop.wait() => return running.drain(stop.wait()).await,
            asked = shard.stop_asked() => {
                running.grace = asked.grace;
                return running.drain(stop.wait()).await;
            }
            ended = running.ended() => return ended,
            _ = hangups.recv() => {
                let (reload, path) = (reload.clone(), path.to_owned());
                tokio::spawn(async move { reload.again(&path, PolicyTrigger::Signal).await });
            }
        }
    }
}

/// A server that listens.
pub struct Running {
    grpc: SocketAddr,
    http: SocketAddr,
    shard: ShardHandle,
    reload: Arc<Reload>,
    telemetry: Arc<Telemetry>,
    health: tonic_health::server::HealthReporter,
    ready: Arc<Readiness>,
    /// Tells gRPC to go, and HTTP after it.
    drain: watch::Sender<bool>,
    leave: watch::Sender<bool>,
    serving: Serving,
    watched: JoinHandle<std::io::Result<()>>,
    grace: Duration,
}

impl Running {
    /// Starts it on this runtime; both doors are open when this returns.
    ///
    /// # Errors
    /// When the journal cannot be opened, a listener cannot, or a tenant's policy is refused.
    pub async fn start(config: &Config) -> anyhow::Result<Running> {
        let server = &config.server;
        check_doors(server)?;
        let telemetry = Arc::new(Telemetry::new(thresholds(config)));
        let views = Arc::new(Views::default());
        tokio::spawn(keep_views(views.clone()));
        let (shard, deadlines, look) = start_shard(config, telemetry.clone(), views.clone())?;
        tokio::spawn(deadlines.run());
        tokio::spawn(measure(shard.clone()));
        tokio::spawn(sweep(shard.clone(), telemetry.clone(), views.clone()));
        let reload = Arc::new(Reload::new(shard.clone(), config, report(telemetry.clone())));
        reload.start(config).await?;
        let grpc = bind("server.grpc_listen", server.grpc_listen).await?;
        let http = bind("server.http_listen", server.http_listen).await?;
        let (grpc_addr, http_addr) = (grpc.local_addr()?, http.local_addr()?);
        let (health, health_service) = tonic_health::server::health_reporter();
        let (drain, drained) = watch::channel(false);
        let metrics = page(telemetry.clone(), views.clone(), shard.clone(), look.monitor.clone());
        let serving = rpc::serve(
            grpc,
            (shard.clone(), views.clone(), reload.clone(), probe(config, &shard, telemetry.clone(), look)),
            options(server),
            health.clone(),
            health_service,
            told(drained),
        );
        let serving = tokio::spawn(serving);
        let ready = Arc::new(Readiness::missing_all(&[STARTED]));
        let (leave, left) = watch::channel(false);
        let clock = shard.clone();
        let live = Live::new(views.clone(), Arc::new(move || clock.now()));
        let site = Site { metrics, ready: ready.clone(), live };
        let http = listener::Bounded::with(http, doors().1, listener::IDLE);
        let watched = tokio::spawn(http::serve(http, site, told(left)));
        ready.done(STARTED);
        let (grpc, http, grace) = (grpc_addr, http_addr, server.drain_grace);
        Ok(Running { grpc, http, shard, reload, telemetry, health, ready, drain, leave, serving, watched, grace })
    }

    /// Where gRPC is served.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where HTTP is served.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The metrics of the process.
    #[must_use]
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// The books of a tenant's queues, all directions together, and the sequence of the last event they hold.
    ///
    /// # Errors
    /// When there is no such tenant, or it has stopped.
    pub async fn books(&self, tenant: &str) -> anyhow::Result<(u64, Vec<(Text, Books)>)> {
        let read = self.shard.query(tenant, |state, _| {
            let queues = (0..state.queue_count() as u32).map(QueueId);
            let books = |queue| Direction::ALL.iter().map(|direction| state.tally().books(queue, *direction)).sum();
            (state.sequence(), queues.map(|queue| (state.queue_id(queue).clone(), books(queue))).collect())
        });
        read.await.with_context(|| format!("failed to read the books of {tenant:?}"))
    }

    /// Waits until gRPC ends unasked.
    ///
    /// # Errors
    /// What it ended with.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        broke_down((&mut self.serving).await)
    }

    /// Takes no more work, has what was taken settled and every stream end after its last event, and gives connections
    /// `drain_grace` to go; `hurry` cuts that short.
    ///
    /// # Errors
    /// When the gRPC server failed meanwhile.
    pub async fn drain(mut self, hurry: impl Future<Output = ()>) -> anyhow::Result<()> {
        info!(grace = ?self.grace, "draining");
        notify(sd_notify::NotifyState::Stopping);
        self.ready.lacks(DRAINING);
        for service in SERVICES {
            self.health.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
        }
        tokio::select! {
            drained = shut(&self.shard, &self.drain, &mut self.serving) => drained?,
            () = tokio::time::sleep(self.grace) => warn!("connections were still open after drain_grace"),
            () = hurry => {
                warn!("told to stop twice");
                return Ok(());
            }
        }
        // Whoever watches has seen the drain until now; a page half written is not waited for.
        self.leave.send(true).ok();
        tokio::time::timeout(LEAVE, self.watched).await.ok();
        let (median, tail) = (self.telemetry.decisions.quantile(0.5), self.telemetry.decisions.quantile(0.999));
        info!(commands = self.telemetry.decisions.count(), decision_p50 = ?median, decision_p999 = ?tail, "stopped");
        Ok(())
    }
}

/// Takes no more work, lets what was taken be settled and every stream have its last event, then waits for the
/// connections to end.
async fn shut(shard: &ShardHandle, drain: &watch::Sender<bool>, serving: &mut Serving) -> anyhow::Result<()> {
    // A shard that has broken off has nothing left to settle.
    shard.drain().await.ok();
    drain.send(true).ok();
    broke_down(serving.await)
}

/// The gRPC server in its task.
type Serving = JoinHandle<anyhow::Result<()>>;

fn broke_down(ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    ended.context("the gRPC server broke down")?.context("the gRPC server failed")
}

/// Without authentication only this machine may connect, unless configuration says that anybody may.
fn check_doors(server: &Server) -> anyhow::Result<()> {
    for (key, addr) in [("grpc_listen", server.grpc_listen), ("http_listen", server.http_listen)] {
        anyhow::ensure!(
            server.insecure || addr.ip().is_loopback(),
            "server.{key} = \"{addr}\" is open to other machines without authentication; set server.insecure = true to allow it"
        );
    }
    Ok(())
}

fn thresholds(config: &Config) -> impl Iterator<Item = Span> + '_ {
    config.tenants.iter().flat_map(|policy| policy.queues.iter().map(|queue| queue.service_level.threshold))
}

/// Has the views take in what has come, also when nobody looks.
async fn keep_views(views: Arc<Views>) {
    let mut every = tokio::time::interval(Duration::from_micros(view::EVERY.0));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let views = views.clone();
        // Only a bug in a view ends it early; the next tick tries again.
        tokio::task::spawn_blocking(move || views.catch_up()).await.ok();
    }
}

/// Looks at all contacts, a few each second, for any that is past its deadline: there must be none. A query each, so
/// that nobody waits long for one.
async fn sweep(shard: ShardHandle, telemetry: Arc<Telemetry>, views: Arc<Views>) {
    let mut every = tokio::time::interval(SWEEP);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next: HashMap<Text, u32> = HashMap::new();
    loop {
        every.tick().await;
        for tenant in shard.tenants() {
            let from = next.get(&tenant).copied().unwrap_or_default();
            let found = shard.query(&tenant, move |state, now| state.sweep(now, from, limits::SWEEP)).await;
            // A tenant that is stopped, or a journal that fails, is looked at again the next time.
            let Ok((stuck, on)) = found else { continue };
            views.open(&tenant).stuck(stuck.len() as u64);
            for state in stuck {
                error!(%tenant, ?state, "stuck past its deadline");
                telemetry.stuck(&tenant, state, 1);
            }
            next.insert(tenant, on.unwrap_or_default());
        }
    }
}

/// Has the shard know how much memory is in use.
async fn measure(shard: ShardHandle) {
    let mut every = tokio::time::interval(MEASURE);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        shard.memory().note(telemetry::process::resident_bytes().unwrap_or(0));
    }
}

/// The bound on memory: what is configured, else four fifths of what the process may have.
fn memory(config: &Config) -> Arc<Memory> {
    let allowed = telemetry::process::allowed_bytes().unwrap_or(u64::MAX);
    let memory = Memory::new(allowed / 5 * 4);
    memory.set_most(config.server.limits.max_memory_bytes);
    Arc::new(memory)
}

/// Whether a second state fits in, of which nobody knows more than that it is smaller than all that is in memory.
fn fits_twice(memory: &Memory) -> bool {
    telemetry::process::resident_bytes().unwrap_or(0) <= memory.most() / 2
}

/// What `/metrics` shows.
fn page(
    telemetry: Arc<Telemetry>,
    views: Arc<Views>,
    shard: ShardHandle,
    monitor: Option<journal::Monitor>,
) -> Arc<dyn Fn() -> String + Send + Sync> {
    Arc::new(move || {
        let held = monitor.as_ref().map(journal::Monitor::look);
        let shell = Shell {
            ingress_depth: shard.depth() as u64,
            ingress_refused: shard.refused(),
            stream_lag: shard.stream_lag() as u64,
            journal_bytes: held.map(|held| held.bytes),
            journal_free: held.and_then(|held| held.free_bytes),
            memory_limit: shard.memory().most(),
            memory_refused: shard.memory().refused(),
        };
        let now = shard.now();
        let snapshots: Vec<_> = views.all().iter().map(|view| view.snapshot(now)).collect();
        telemetry.render(now, shell, &snapshots)
    })
}

/// Hands what a shard publishes to the metrics. Runs on the writer: it counts, and waits for nothing but the copy that
/// a scrape takes.
struct Counting {
    telemetry: Arc<Telemetry>,
    views: Arc<Views>,
    folds: Vec<(Text, Fold, Arc<View>)>,
    clock: Clock,
}

impl Counting {
    fn fold(&mut self, tenant: &Text) -> &(Text, Fold, Arc<View>) {
        let at = self.folds.iter().position(|(known, ..)| known == tenant).unwrap_or_else(|| {
            self.folds.push((tenant.clone(), self.telemetry.fold(tenant), self.views.open(tenant)));
            self.folds.len() - 1
        });
        &self.folds[at]
    }
}

impl Sink for Counting {
    fn published(&mut self, tenant: &Text, events: &Arc<Vec<Published>>) {
        let (_, fold, view) = self.fold(tenant);
        view.push(events);
        fold.take(events.iter().map(|event| &event.recorded));
        for event in events.iter() {
            if let Event::OfferIssued { .. } = event.recorded.event {
                let Span(micros) = self.clock.now().since(event.recorded.time);
                self.telemetry.offers.record(Duration::from_micros(micros));
            }
        }
    }

    fn restored(&mut self, tenant: &Text, beside: &mut Reader<'_>) -> Result<(), Malformed> {
        let (_, fold, view) = self.fold(tenant);
        view.restore(beside)?;
        view.read(Time(0), |books| fold.restore(books, beside))
    }

    fn recovered(&mut self, tenant: &Text, recorded: &Recorded) {
        let (_, fold, view) = self.fold(tenant);
        fold.take([recorded]);
        view.take(recorded);
    }

    fn decided(&mut self, commands: usize, nanos: u64) {
        self.telemetry.decisions.share(Duration::from_nanos(nanos), commands as u64);
    }
}

/// What supervisors read and what metrics have counted, kept beside the snapshots of the engines' states.
struct History {
    view: view::fold::Books,
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

impl History {
    /// One that is empty, or as it was written.
    fn of(counted: Fold, tenant: &Text, written: Option<&mut Reader<'_>>) -> Result<History, Malformed> {
        let Some(written) = written else {
            return Ok(History { view: view::fold::Books::new(tenant.clone()), counted });
        };
        let view = Wire::get(written)?;
        counted.restore(&view, written)?;
        Ok(History { view, counted })
    }
}

fn beside(telemetry: Arc<Telemetry>) -> MakeBeside {
    Arc::new(move |tenant, written| Ok(Box::new(History::of(telemetry.apart(tenant), tenant, written)?)))
}

/// A journal, and who looks at it while the shard has it; nobody when there is nothing to see.
type Opened = (Box<dyn Journal>, Option<journal::Monitor>);

/// The journal as it was found, and who looks at it.
struct Recovered {
    took: Duration,
    monitor: Option<journal::Monitor>,
}

/// What GetStatus is told beside what the shard knows.
fn probe(config: &Config, shard: &ShardHandle, telemetry: Arc<Telemetry>, found: Recovered) -> rpc::Probe {
    let (start, ingress_capacity) = (shard.now(), config.server.limits.ingress);
    let (backend, durability) = match (config.journal.backend, config.journal.durability) {
        (Backend::Memory, _) => ("memory", ""),
        (Backend::Embedded, Durability::Fsync) => ("embedded", "fsync"),
        (Backend::Embedded, Durability::Write) => ("embedded", "write"),
    };
    Arc::new(move || {
        let held = found.monitor.as_ref().map(journal::Monitor::look).unwrap_or_default();
        let journal = rpc::Journal {
            backend,
            durability,
            records: held.records,
            lag: held.lag,
            last_commit: held.last_commit,
            bytes: held.bytes,
            free_bytes: held.free_bytes,
            segments: held.segments,
            snapshots: held.snapshots,
            last_snapshot: held.last_snapshot,
            commit: [telemetry.commits.quantile(0.5), telemetry.commits.quantile(0.99)],
            recovery: found.took,
            error: held.fault.map(|fault| fault.to_string()).unwrap_or_default(),
        };
        let memory_bytes = telemetry::process::resident_bytes().unwrap_or(0);
        rpc::Machine { start, ingress_capacity, memory_bytes, stuck: telemetry.stuck_total(), journal }
    })
}

/// The journal that configuration asks for. Its clock, like every other, is the shard's.
fn open_journal(config: &Config, telemetry: &Arc<Telemetry>, memory: &Arc<Memory>) -> anyhow::Result<Opened> {
    let settings = &config.journal;
    match settings.backend {
        Backend::Memory => Ok((Box::new(MemoryJournal::new()), None)),
        Backend::Embedded => {
            let (clock, beside, telemetry) = (Clock::start(Time(0)), beside(telemetry.clone()), telemetry.clone());
            let memory = memory.clone();
            let options = journal::Options {
                durability: match settings.durability {
                    Durability::Fsync => journal::Durability::Fsync,
                    Durability::Write => journal::Durability::Write,
                },
                segment_bytes: settings.segment_bytes,
                pace: COMMIT_PACE,
                waiting_bytes: WAITING_BYTES,
                nanos: Arc::new(move || clock.nanos()),
                observe: Arc::new(move |took| telemetry.commits.record(took)),
                keep: journal::Keep {
                    retention: Span(u64::try_from(settings.retention.as_micros()).unwrap_or(u64::MAX)),
                    beside: Some(beside),
                    memory: Arc::new(move || fits_twice(&memory)),
                    ..journal::Keep::default()
                },
            };
            let begun = clock.nanos();
            let journal = EmbeddedJournal::open(&settings.path, options)
                .with_context(|| format!("failed to open the journal in {}", settings.path.display()))?;
            let took = Duration::from_nanos(clock.nanos() - begun);
            match journal.found() {
                Some(found) => {
                    let (batches, segments) = (found.position, found.segments.len());
                    info!(path = %settings.path.display(), batches, segments, torn = found.torn, ?took, "journal read");
                }
                None => info!(path = %settings.path.display(), "journal begun"),
            }
            let monitor = journal.monitor();
            Ok((Box::new(journal), Some(monitor)))
        }
    }
}

fn start_shard(
    config: &Config,
    telemetry: Arc<Telemetry>,
    views: Arc<Views>,
) -> anyhow::Result<(ShardHandle, shard::Deadlines, Recovered)> {
    // The seed keys hash tables; it is the tenant's name, so that a replay of its events lays them out the same.
    let make = |tenant: &Text| {
        let seed = tenant
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Box::new(Engine::new(seed)) as Box<dyn shard::Machine>
    };
    let begun = Clock::start(Time(0));
    let memory = memory(config);
    let (journal, monitor) = open_journal(config, &telemetry, &memory)?;
    let mut shard = Shard::new(journal, Box::new(make), Limits::default());
    let clock = Clock::start(shard.now());
    shard.heed(memory);
    shard.follow(Box::new(Counting { telemetry, views, folds: Vec::new(), clock }));
    for tenant in &config.tenants {
        let seat = shard.open(&tenant.tenant);
        anyhow::ensure!(!shard.is_stopped(seat), "the journal of tenant {:?} cannot be folded", tenant.tenant);
    }
    let took = Duration::from_nanos(begun.nanos());
    let (shard, deadlines) = shard::start(shard, clock, config.server.limits.ingress);
    Ok((shard, deadlines, Recovered { took, monitor }))
}

/// Counts how changes of the configuration end.
fn report(telemetry: Arc<Telemetry>) -> reload::Report {
    Box::new(move |trigger, ended| {
        let result = match ended {
            Ended::Applied => ReloadResult::Applied,
            Ended::Unchanged => ReloadResult::Unchanged,
            Ended::Refused => ReloadResult::Refused,
        };
        telemetry.reloads.count(trigger, result);
    })
}

async fn bind(key: &str, addr: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr).await.with_context(|| format!("failed to listen on {addr} ({key})"))
}

fn options(server: &Server) -> rpc::Options {
    rpc::Options {
        connections: doors().0,
        max_message_bytes: server.limits.max_message_bytes,
        max_streams: server.limits.max_streams,
        stream_buffer: server.limits.stream_buffer,
        request_timeout: server.request_timeout,
        keepalive_interval: server.keepalive.interval,
        keepalive_timeout: server.keepalive.timeout,
    }
}

/// Files for all but connections: the journal's segments and snapshots, its lock, what the runtime polls with, and those that
/// are read for a moment, as the configuration.
const OWN_FILES: usize = 48;

/// Connections by gRPC and by HTTP, of the files that the process may open besides its own.
fn doors() -> (usize, usize) {
    let files = telemetry::process::max_fds().map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let free = files.saturating_sub(OWN_FILES).max(8);
    let http = listener::CONNECTIONS.min(free / 4);
    (free - http, http)
}

async fn told(mut drained: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say either.
    drained.wait_for(|drained| *drained).await.ok();
}

/// Says where the server listens, in one file that is never seen half written.
fn write_ready(path: &Path, grpc: &str, http: &str) -> anyhow::Result<()> {
    let text = serde_json::json!({ "grpc": grpc, "http": http }).to_string();
    let part = path.with_extension("part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .with_context(|| format!("failed to write the ready file {}", path.display()))
}

fn notify(state: sd_notify::NotifyState<'_>) {
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(&[state]);
}

/// The signals that stop a server.
pub struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Takes the signals from now on.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn listen() -> anyhow::Result<Stop> {
        Ok(Stop { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

//! Who should run the shard: measured over real gRPC on the loopback device, with the real engine behind it.
//!
//! Candidates: `lock` (the caller waits for a mutex and steps the shard), `combine` (flat combining, the product's host),
//! `thread` (a thread of its own that spins for a while before it parks). Each is compared with a no-op RPC of the same
//! server in the round next to it, for cells move by a quarter between runs: only ratios are worth reading, and
//! those of CPU time where others use the machine. An RPC is one
//! command of a contact's life (create, accept, connect, complete) and its answer shows contact and agent.
//!
//! `cargo bench --bench thread_model` prints the table; `-- --rounds 9 --millis 1000` makes it longer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact};
use usher::engine::contact::{ContactProfile, LegState};
use usher::engine::id::LegId;
use usher::engine::policy::{Channel as Media, Membership, Policy, Queue, Team};
use usher::engine::time::Span;
use usher::journal::MemoryJournal;
use usher::shard::ingress::Ingress;
use usher::shard::{Clock, Done, Envelope, Limits, Outputs, Pending, Refused, SeatId, Shard, ShardHandle, Show};

/// As the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AGENTS: usize = 1_000;
const CALLERS: usize = 64;
const CONNECTIONS: usize = 4;
const TENANT: &str = "bench";
/// Bytes of a request and of a reply.
const SIZES: (usize, usize) = (200, 100);
/// How long the thread of `thread` spins for work before it parks.
const SPIN: Duration = Duration::from_micros(50);

// ---- the candidates

struct Locked {
    shard: Shard,
    inbox: VecDeque<Envelope>,
    out: Outputs,
}

impl Locked {
    fn step(&mut self, clock: &Clock) {
        loop {
            self.shard.step(clock.now(), &mut self.inbox, &mut Vec::new(), &mut self.out);
            self.out.deliver();
            if !self.out.again {
                return;
            }
        }
    }
}

struct Parked {
    ingress: Ingress,
    asleep: AtomicBool,
    stop: AtomicBool,
    thread: thread::Thread,
}

#[derive(Clone)]
enum Model {
    Noop,
    Lock(Arc<Mutex<Locked>>, Clock),
    Combine(ShardHandle),
    Thread(Arc<Parked>),
}

impl Model {
    fn call(&self, command: Command) -> Pending<Done> {
        match self {
            Model::Noop => Pending::refused(Refused::Draining),
            Model::Combine(shard) => shard.call(TENANT, command.into()),
            Model::Lock(locked, clock) => {
                let (envelope, answer) = Envelope::call(SeatId(0), command.into(), Show::ALL);
                let mut locked = locked.lock().unwrap_or_else(PoisonError::into_inner);
                locked.inbox.push_back(envelope);
                locked.step(clock);
                answer
            }
            Model::Thread(parked) => {
                let (envelope, answer) = Envelope::call(SeatId(0), command.into(), Show::ALL);
                assert!(parked.ingress.try_send(envelope), "the ingress holds every caller");
                if parked.asleep.swap(false, Ordering::SeqCst) {
                    parked.thread.unpark();
                }
                answer
            }
        }
    }
}

/// Takes work until told to stop: spins first, then parks.
fn serve_parked(parked: &Parked, mut locked: Locked, clock: &Clock) {
    let mut since = Instant::now();
    while !parked.stop.load(Ordering::SeqCst) {
        parked.ingress.drain_to(&mut locked.inbox, 256);
        if !locked.inbox.is_empty() {
            locked.step(clock);
            since = Instant::now();
        } else if since.elapsed() < SPIN {
            std::hint::spin_loop();
        } else {
            parked.asleep.store(true, Ordering::SeqCst);
            if parked.ingress.is_empty() {
                thread::park_timeout(Duration::from_millis(100));
            }
            parked.asleep.store(false, Ordering::SeqCst);
            since = Instant::now();
        }
    }
}

fn new_shard() -> Shard {
    Shard::new(Box::new(MemoryJournal::new()), Box::new(|_| Box::new(Engine::new(7))), Limits::default())
}

fn setup() -> Vec<Command> {
    let team = Team { queues: vec![Membership::new("*".into(), 1)], ..Team::named("team".into()) };
    let policy = Policy {
        tenant: TENANT.into(),
        channels: vec![Media::named("voice".into())],
        queues: vec![Queue::named("sales".into())],
        teams: vec![team],
        ..Policy::default()
    };
    let mut commands = vec![Command::apply(policy)];
    for at in 0..AGENTS {
        let agent_id: Arc<str> = format!("agent-{at}").into();
        let team = Some("team".into());
        let profile = AgentProfile { agent_id: agent_id.clone(), team, capacity: 100, ..AgentProfile::default() };
        commands.push(Command::UpsertAgent { profile: Arc::new(profile) });
        commands.push(Command::SignIn { agent_id, presence: Presence::Available, lease: Some(Span::ZERO) });
    }
    commands
}

/// A shard with its agents signed in, not yet hosted.
fn prepared(clock: &Clock) -> Locked {
    let mut locked = Locked { shard: new_shard(), inbox: VecDeque::new(), out: Outputs::default() };
    let seat = locked.shard.open(&TENANT.into());
    let mut answers = Vec::new();
    for command in setup() {
        let (envelope, answer) = Envelope::call(seat, command.into(), Show::NOTHING);
        locked.inbox.push_back(envelope);
        answers.push(answer);
    }
    locked.step(clock);
    for mut answer in answers {
        answer.now().expect("settled").expect("accepted");
    }
    locked
}

fn model(name: &str, runtime: &Runtime) -> (Model, Option<JoinHandle<()>>) {
    let clock = Clock::start(usher::engine::time::Time::default());
    match name {
        "no-op" => (Model::Noop, None),
        "lock" => (Model::Lock(Arc::new(Mutex::new(prepared(&clock))), clock), None),
        "combine" => {
            let (handle, deadlines) = usher::shard::start(new_shard(), clock, Ingress::CAPACITY);
            handle.open(TENANT);
            for command in setup() {
                handle.tell(TENANT, command.into()).now().expect("settled").expect("accepted");
            }
            runtime.spawn(deadlines.run());
            (Model::Combine(handle), None)
        }
        _ => {
            let (sender, receiver) = std::sync::mpsc::channel::<Arc<Parked>>();
            let locked = prepared(&clock);
            let thread = thread::spawn(move || {
                let parked = receiver.recv().expect("it is sent at once");
                serve_parked(&parked, locked, &clock);
            });
            let parked = Arc::new(Parked {
                ingress: Ingress::new(Ingress::CAPACITY),
                asleep: AtomicBool::new(false),
                stop: AtomicBool::new(false),
                thread: thread.thread().clone(),
            });
            sender.send(parked.clone()).expect("the thread waits");
            (Model::Thread(parked), Some(thread))
        }
    }
}

// ---- the service: bytes in, bytes out

#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[derive(Clone)]
struct Service {
    model: Model,
}

impl tonic::server::NamedService for Service {
    const NAME: &'static str = "bench.Bench";
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tonic::codegen::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method(self.model.clone());
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(method, request).await) })
    }
}

struct Method(Model);

impl tonic::server::UnaryService<Bytes> for Method {
    type Response = Bytes;
    type Future = BoxFuture<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let model = self.0.clone();
        Box::pin(async move { Ok(Response::new(answer(&model, request.get_ref()).await?)) })
    }
}

async fn answer(model: &Model, request: &[u8]) -> Result<Bytes, Status> {
    if matches!(model, Model::Noop) {
        return Ok(padded("", SIZES.1));
    }
    let text = std::str::from_utf8(request).map_err(|_| Status::invalid_argument("text"))?;
    let command = parse(text).ok_or_else(|| Status::invalid_argument("command"))?;
    let done = model.call(command).await.map_err(|refused| Status::aborted(refused.to_string()))?;
    let contact = done.contact.as_ref().ok_or_else(|| Status::internal("no view"))?;
    let live = contact.legs.iter().find(|leg| leg.state != LegState::Ended);
    let shown = live.map_or_else(String::new, |leg| format!("{} {}", leg.agent_id, leg.leg.to_u64()));
    Ok(padded(&shown, SIZES.1))
}

fn parse(text: &str) -> Option<Command> {
    let mut words = text.split_whitespace();
    let (verb, contact_id) = (words.next()?, words.next()?);
    Some(match verb {
        "create" => {
            let (contact_id, channel) = (contact_id.into(), "voice".into());
            let profile = ContactProfile { contact_id, channel, ..ContactProfile::default() };
            let (profile, queue) = (Arc::new(profile), "sales".into());
            Command::CreateContact(Arc::new(NewContact { profile, queue, ..NewContact::default() }))
        }
        "accept" => {
            let (agent_id, offer) = (words.next()?.into(), LegId::from_u64(words.next()?.parse().ok()?));
            Command::AcceptOffer { agent_id, offer }
        }
        "connect" => Command::ConnectContact { contact_id: contact_id.into() },
        _ => Command::CompleteContact { contact_id: contact_id.into(), disposition: "".into() },
    })
}

fn padded(text: &str, size: usize) -> Bytes {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(size.max(text.len()), b' ');
    bytes.into()
}

// ---- the load

/// One caller: the lives of contacts, one after the other, each step of them an RPC.
async fn caller(channel: Channel, name: usize, until: Instant, noop: bool, times: Option<Arc<Mutex<Vec<u64>>>>) -> u64 {
    let mut client = tonic::client::Grpc::new(channel);
    let (mut done, mut life) = (0, 0);
    while Instant::now() < until {
        life += 1;
        let mut offer = String::new();
        for verb in ["create", "accept", "connect", "complete"] {
            let request = padded(&format!("{verb} c{name}-{life} {offer}"), SIZES.0);
            let begun = Instant::now();
            client.ready().await.expect("connected");
            let path = PathAndQuery::from_static("/bench.Bench/Step");
            let reply = client.unary(Request::new(request), path, Raw).await.expect("answered").into_inner();
            if let Some(times) = &times {
                let nanos = begun.elapsed().as_nanos() as u64;
                times.lock().unwrap_or_else(PoisonError::into_inner).push(nanos);
            }
            offer = std::str::from_utf8(&reply).expect("text").trim().to_owned();
            assert!(noop || verb == "complete" || !offer.is_empty(), "an agent was free");
            done += 1;
        }
    }
    done
}

fn runtime(workers: usize) -> Runtime {
    let mut builder = if workers == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().build().expect("a runtime")
}

struct Cell {
    per_second: f64,
    /// CPU of the whole process per RPC, client included: what is compared when others use the machine too.
    cpu_us: f64,
    /// Median with a single caller, in microseconds.
    alone_us: f64,
}

/// Serves on a thread of its own, so that a current-thread runtime serves while the load runs on another.
fn measure(name: &str, workers: usize, length: Duration) -> Cell {
    let server = runtime(workers);
    let (model, thread) = model(name, &server);
    let (address, listening) = std::sync::mpsc::channel::<SocketAddr>();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = Service { model: model.clone() };
    let serving = thread::spawn(move || {
        server.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            address.send(listener.local_addr().expect("bound")).expect("the bench waits");
            let serve = Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
            tokio::select! {
                served = serve => served.expect("served"),
                _ = stopped => {}
            }
        });
    });
    let address = listening.recv().expect("it listens");
    let client = runtime(workers);
    let noop = name == "no-op";
    let cell = client.block_on(async {
        let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(endpoint.connect().await.expect("connected"));
        }
        let load = |callers: std::ops::Range<usize>, length: Duration, times: Option<Arc<Mutex<Vec<u64>>>>| {
            let until = Instant::now() + length;
            let tasks: Vec<_> = callers
                .map(|at| tokio::spawn(caller(channels[at % CONNECTIONS].clone(), at, until, noop, times.clone())))
                .collect();
            async move {
                let mut done = 0;
                for task in tasks {
                    done += task.await.expect("no panic");
                }
                done
            }
        };
        load(CALLERS..2 * CALLERS, length / 4, None).await;
        let (begun, cpu) = (Instant::now(), cpu_nanos());
        let done: u64 = load(0..CALLERS, length, None).await;
        let cpu_us = (cpu_nanos() - cpu) as f64 / 1_000.0 / done as f64;
        let per_second = done as f64 / begun.elapsed().as_secs_f64();
        let times = Arc::new(Mutex::new(Vec::new()));
        load(2 * CALLERS..2 * CALLERS + 1, length / 2, Some(times.clone())).await;
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        times.sort_unstable();
        Cell { per_second, cpu_us, alone_us: times[times.len() / 2] as f64 / 1_000.0 }
    });
    check(&model, &client);
    stop.send(()).expect("it serves");
    serving.join().expect("no panic");
    if let (Model::Thread(parked), Some(thread)) = (&model, thread) {
        parked.stop.store(true, Ordering::SeqCst);
        parked.thread.unpark();
        thread.join().expect("no panic");
    }
    cell
}

/// A fast wrong answer is no answer: every contact that was begun has been served, and the books say so.
fn check(model: &Model, client: &Runtime) {
    let Model::Combine(shard) = model else { return };
    let (closed, waiting) = client
        .block_on(shard.query(TENANT, |state, _| (state.contact_count() as usize, state.live_contact_count() as usize)))
        .expect("read");
    assert!(closed > 0 && waiting == 0, "{waiting} of {closed} contacts were left");
}

/// CPU time of all threads of this process so far, in nanoseconds. Zero where the kernel does not tell.
fn cpu_nanos() -> u64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.filter_map(of).sum()
}

/// What a command costs in this process without gRPC: through a model, views and publication included. In nanoseconds.
fn in_process(model: &Model, lives: std::ops::Range<usize>) -> f64 {
    let call = |command: Command| {
        let mut answer = model.call(command);
        loop {
            // At once, but for a thread of its own.
            match answer.now() {
                Some(answer) => return answer.expect("accepted"),
                None => std::hint::spin_loop(),
            }
        }
    };
    let begun = Instant::now();
    for life in lives.clone() {
        let created = call(parse(&format!("create p-{life}")).expect("a command"));
        let leg = created.contact.expect("a view").legs.remove(0);
        let offer = format!("{} {}", leg.agent_id, leg.leg.to_u64());
        for verb in ["accept", "connect", "complete"] {
            call(parse(&format!("{verb} p-{life} {offer}")).expect("a command"));
        }
    }
    begun.elapsed().as_nanos() as f64 / (4 * lives.len()) as f64
}

fn argument(name: &str, otherwise: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(otherwise, |value| value.parse().expect("a number"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = argument("--rounds", 5);
    let length = Duration::from_millis(argument("--millis", 1_000));
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, {AGENTS} agents, {CALLERS} callers on {CONNECTIONS} connections, {rounds} rounds");
    let lives = argument("--lives", 50_000) as usize;
    for name in ["lock", "combine"] {
        let runtime = runtime(0);
        let (model, _) = model(name, &runtime);
        in_process(&model, 0..10_000);
        println!("in process, {name}: {:.0} ns a command", in_process(&model, 10_000..10_000 + lives));
    }
    if rounds == 0 {
        return;
    }
    println!("each figure the median of the rounds, beside it the median of its ratio to the no-op of the same round");
    println!(
        "{:<24} {:<8} {:>8} {:>6} {:>8} {:>6} {:>9} {:>6}",
        "runtime", "host", "RPC/s", "ratio", "cpu us", "ratio", "alone us", "ratio"
    );
    for (runtime, workers) in [("current-thread", 0), ("multi-thread, 2 workers", 2)] {
        let names = ["no-op", "lock", "combine", "thread"];
        let mut cells = names.map(|_| Vec::<Cell>::new());
        for _ in 0..rounds {
            for (at, name) in names.iter().enumerate() {
                cells[at].push(measure(name, workers, length));
            }
        }
        for (at, name) in names.iter().enumerate() {
            let of = |figure: fn(&Cell) -> f64, at: usize| cells[at].iter().map(figure).collect::<Vec<_>>();
            let ratio = |figure: fn(&Cell) -> f64| {
                median(of(figure, at).iter().zip(of(figure, 0)).map(|(mine, noop)| mine / noop).collect())
            };
            let (rate, cpu, alone) =
                (|cell: &Cell| cell.per_second, |cell: &Cell| cell.cpu_us, |cell: &Cell| cell.alone_us);
            println!(
                "{runtime:<24} {name:<8} {:>8.0} {:>6.2} {:>8.1} {:>6.2} {:>9.0} {:>6.2}",
                median(of(rate, at)),
                ratio(rate),
                median(of(cpu, at)),
                ratio(cpu),
                median(of(alone, at)),
                ratio(alone),
            );
        }
    }
}

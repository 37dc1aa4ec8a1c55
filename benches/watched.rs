//! What watching costs: a server of two thousand queues under load, by itself and while it is scraped every second and
//! watched by fifty clients, half of them by gRPC (`WatchSnapshot`), half by server-sent events (`/api/events`).
//!
//! `cargo bench --bench watched` prints how long `/metrics` takes and how many series it has, and the time a decision takes
//! at its 99th percentile, watched over unwatched in rounds that follow each other. `-- --rounds 9 --seconds 10 --rate 800
//! --queues 500 --watchers 10` changes the shape. The clients run in this process, on the same cores.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tonic::transport::Channel;
use usher::server::Running;
use usher::telemetry::Telemetry;
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::supervisor_service_client::SupervisorServiceClient;

/// As the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AGENTS: usize = 200;
const TEAMS: usize = 4;
/// Of ten queues, one has nobody to serve it: contacts wait there.
const UNSERVED: usize = 10;
/// How long a conversation lasts.
const TALK: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return Ok(());
    }
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (rounds, seconds) = (number("--rounds", 7), Duration::from_secs(number("--seconds", 8)));
    let (queues, watchers) = (number("--queues", 2_000) as usize, number("--watchers", 50));
    let rate = number("--rate", 400);
    let server = Server::start(&config(queues))?;
    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    clients.block_on(fill(&server, queues))?;
    let load = Load::start(&server, queues, rate)?;
    println!("{queues} queues, {rate} contacts/s, {watchers} watchers, rounds of {} s", seconds.as_secs());
    page(&clients, &server)?;
    if rounds == 0 {
        load.stop();
        server.stop();
        return Ok(());
    }
    println!(
        "| round | p99 quiet us | p99 watched us | ratio | decisions | slowest scrape ms | messages per watcher |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let quiet = server.decisions_over(|| thread::sleep(seconds))?;
        let (watched, slowest, told) = watch(&clients, &server, watchers, seconds)?;
        let p99 = |times: &Histogram<u64>| times.value_at_quantile(0.99) as f64 / 1e3;
        let ratio = p99(&watched) / p99(&quiet);
        println!(
            "| {round} | {:.1} | {:.1} | {ratio:.2} | {} + {} | {:.0} | {told:.1} |",
            p99(&quiet),
            p99(&watched),
            quiet.len(),
            watched.len(),
            slowest.as_secs_f64() * 1e3
        );
        ratios.push(ratio);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    println!("median ratio {:.2} (asked for: at most 1.10)", ratios[ratios.len() / 2]);
    let (done, late) = load.stop();
    println!("{done} contacts served meanwhile, {late} answers refused");
    ensure!(late == 0, "the load was not carried");
    server.stop();
    Ok(())
}

// ---- the server

fn config(queues: usize) -> String {
    let mut text = "[server]\ngrpc_listen = \"127.0.0.1:0\"\nhttp_listen = \"127.0.0.1:0\"\n[journal]\nbackend = \"memory\"\n\
         [[tenants]]\nid = \"default\"\nsession_lease = \"0s\"\n[[tenants.channels]]\nid = \"voice\"\ncost = 1\nmax = 1000\n\
         connect = \"on_accept\"\nauto_accept = true\n"
        .to_owned();
    for queue in 0..queues {
        let _ = writeln!(text, "[[tenants.queues]]\nid = \"q{queue:04}\"");
    }
    for team in 0..=TEAMS {
        let served = |queue: &usize| queue.is_multiple_of(UNSERVED) == (team == TEAMS);
        let list: Vec<String> = (0..queues).filter(served).map(|queue| format!("{{ id = \"q{queue:04}\" }}")).collect();
        let _ = writeln!(text, "[[tenants.teams]]\nid = \"t{team}\"\nqueues = [{}]", list.join(", "));
    }
    for agent in 0..AGENTS {
        let _ = writeln!(text, "[[tenants.agents]]\nid = \"a{agent}\"\nteam = \"t{}\"", agent % TEAMS);
    }
    let _ = writeln!(text, "[[tenants.agents]]\nid = \"absent\"\nteam = \"t{TEAMS}\"");
    text
}

/// The server on a thread of its own, as `usher serve` runs it.
struct Server {
    grpc: String,
    http: String,
    telemetry: Arc<Telemetry>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Server {
    fn start(text: &str) -> anyhow::Result<Server> {
        let config = usher::config::parse(text, "the benchmark").map_err(|faults| anyhow::anyhow!("{faults}"))?;
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let running = Running::start(&config).await.expect("it starts");
                tell.send((running.grpc(), running.http(), running.telemetry().clone())).expect("somebody waits");
                // Whoever is gone has stopped it too.
                let _ = stopped.await;
                running.drain(std::future::pending()).await.expect("it drains");
            });
        });
        let (grpc, http, telemetry) = told.recv().context("the server did not start")?;
        Ok(Server { grpc: format!("http://{grpc}"), http: http.to_string(), telemetry, stop, thread })
    }

    async fn channel(&self) -> anyhow::Result<Channel> {
        Ok(Channel::from_shared(self.grpc.clone())?.connect().await?)
    }

    /// The times of the decisions made while something is done.
    fn decisions_over(&self, during: impl FnOnce()) -> anyhow::Result<Histogram<u64>> {
        let before = self.telemetry.decisions.distribution();
        during();
        let mut after = self.telemetry.decisions.distribution();
        after.subtract(&before)?;
        Ok(after)
    }

    fn stop(self) {
        // It may have ended by itself, which the thread tells.
        let _ = self.stop.send(());
        self.thread.join().expect("the server ended well");
    }
}

fn contact(queue: usize, number: u64) -> pb::CreateContactRequest {
    let contact = pb::Contact {
        contact_id: format!("c{number}"),
        channel: "voice".to_owned(),
        queue: format!("q{queue:04}"),
        direction: pb::Direction::Inbound as i32,
        ..pb::Contact::default()
    };
    pb::CreateContactRequest { contact: Some(contact), ..pb::CreateContactRequest::default() }
}

/// Everybody signs in, and every queue has seen one answered, or one abandoned and one who waits.
async fn fill(server: &Server, queues: usize) -> anyhow::Result<()> {
    let channel = server.channel().await?;
    let (mut gateway, mut desk) = (ContactServiceClient::new(channel.clone()), AgentServiceClient::new(channel));
    for agent in 0..AGENTS {
        let presence = pb::Presence::Available as i32;
        let agent_id = format!("a{agent}");
        desk.sign_in(pb::SignInRequest { agent_id, presence, ..Default::default() }).await?;
    }
    for queue in 0..queues {
        let number = 1_000_000_000 + 2 * queue as u64;
        gateway.create_contact(contact(queue, number)).await?;
        let contact_id = format!("c{number}");
        if queue.is_multiple_of(UNSERVED) {
            let cause = pb::CancelCause::CustomerLeft as i32;
            gateway.cancel_contact(pb::CancelContactRequest { contact_id, cause, ..Default::default() }).await?;
            gateway.create_contact(contact(queue, number + 1)).await?;
        } else {
            gateway.complete_contact(pb::CompleteContactRequest { contact_id, ..Default::default() }).await?;
        }
    }
    Ok(())
}

// ---- the load

/// Contacts that come at a steady rate, whatever the server does, each to another queue, and end a second later.
struct Load {
    over: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    thread: thread::JoinHandle<u64>,
}

impl Load {
    fn start(server: &Server, queues: usize, rate: u64) -> anyhow::Result<Load> {
        let (over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ending, counted, addr) = (over.clone(), refused.clone(), server.grpc.clone());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                let channel = Channel::from_shared(addr).expect("an address").connect().await.expect("it listens");
                let gateway = ContactServiceClient::new(channel);
                let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
                let mut talking: VecDeque<(Instant, u64)> = VecDeque::new();
                let mut number = 0;
                while !ending.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    // Every queue in turn, the unserved ones left out.
                    let place = (number as usize * 7_919) % (queues - queues / UNSERVED);
                    let queue = place / (UNSERVED - 1) * UNSERVED + place % (UNSERVED - 1) + 1;
                    let create = gateway.clone();
                    let asked = contact(queue, number);
                    note(counted.clone(), async move { { create }.create_contact(asked).await.map(drop) });
                    talking.push_back((Instant::now() + TALK, number));
                    number += 1;
                    while let Some((_, ended)) = talking.pop_front_if(|(until, _)| *until <= Instant::now()) {
                        let end = gateway.clone();
                        let asked =
                            pb::CompleteContactRequest { contact_id: format!("c{ended}"), ..Default::default() };
                        note(counted.clone(), async move { { end }.complete_contact(asked).await.map(drop) });
                    }
                }
                number
            })
        });
        Ok(Load { over, refused, thread })
    }

    /// Contacts that came, and requests that were refused.
    fn stop(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        let done = self.thread.join().expect("the load ended well");
        (done, self.refused.load(Ordering::Relaxed))
    }
}

/// Sends a request without waiting for it; a refusal is counted.
fn note(refused: Arc<AtomicU64>, request: impl Future<Output = Result<(), tonic::Status>> + Send + 'static) {
    tokio::spawn(async move {
        let bad = request.await.is_err();
        refused.fetch_add(u64::from(bad), Ordering::Relaxed);
    });
}

// ---- who looks

/// Reads a page, and how long it took.
async fn get(door: &str, path: &str) -> anyhow::Result<(String, Duration)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(door).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok((String::from_utf8(answer)?, begun.elapsed()))
}

/// Prints what `/metrics` is.
fn page(clients: &Runtime, server: &Server) -> anyhow::Result<()> {
    let mut times = Vec::new();
    let mut text = String::new();
    for _ in 0..9 {
        let (page, took) = clients.block_on(get(&server.http, "/metrics"))?;
        (text, times) = (page, [times, vec![took]].concat());
        thread::sleep(Duration::from_millis(200));
    }
    times.sort_unstable();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let cells = text.lines().filter(|line| line.starts_with("usher_contacts_offered_total{")).count();
    println!(
        "/metrics: {series} series of {cells} queues, {:.1} MB, median {:.0} ms, slowest {:.0} ms (asked for: 200 ms)",
        text.len() as f64 / 1e6,
        times[times.len() / 2].as_secs_f64() * 1e3,
        times[times.len() - 1].as_secs_f64() * 1e3
    );
    Ok(())
}

/// The decisions made while it is scraped and watched, the slowest scrape, and how often a watcher was told something.
fn watch(
    clients: &Runtime,
    server: &Server,
    watchers: u64,
    length: Duration,
) -> anyhow::Result<(Histogram<u64>, Duration, f64)> {
    let told = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for number in 0..watchers {
        let (grpc, http, told) = (server.grpc.clone(), server.http.clone(), told.clone());
        tasks.push(clients.spawn(async move {
            match number.is_multiple_of(2) {
                true => by_grpc(grpc, told).await,
                false => by_events(http, told).await,
            }
        }));
    }
    // Each has been told the whole.
    while told.load(Ordering::SeqCst) < watchers {
        ensure!(tasks.iter().all(|task| !task.is_finished()), "a watcher was refused");
        thread::sleep(Duration::from_millis(20));
    }
    told.store(0, Ordering::SeqCst);
    let mut slowest = Duration::ZERO;
    let mut failed = None;
    let times = server.decisions_over(|| {
        let begun = Instant::now();
        while begun.elapsed() < length {
            let next = Instant::now() + Duration::from_secs(1);
            match clients.block_on(get(&server.http, "/metrics")) {
                Ok((_, took)) => slowest = slowest.max(took),
                Err(error) => failed = Some(error),
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    })?;
    let heard = told.load(Ordering::SeqCst) as f64 / watchers as f64;
    ensure!(tasks.iter().all(|task| !task.is_finished()), "a watcher was cut off");
    tasks.iter().for_each(|task| task.abort());
    failed.map_or(Ok((times, slowest, heard)), Err)
}

async fn by_grpc(grpc: String, told: Arc<AtomicU64>) -> anyhow::Result<()> {
    let mut supervisor = SupervisorServiceClient::connect(grpc).await?.max_decoding_message_size(256 << 20);
    let mut stream = supervisor.watch_snapshot(pb::WatchSnapshotRequest::default()).await?.into_inner();
    while stream.message().await?.is_some() {
        told.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

async fn by_events(http: String, told: Arc<AtomicU64>) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(&http).await?;
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: usher\r\n\r\n").await?;
    let mut buffer = vec![0; 1 << 18];
    let mut last = 0;
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        // An event ends with an empty line.
        let ends = buffer[..read].windows(2).filter(|pair| pair == b"\n\n").count();
        let split = last == b'\n' && buffer[0] == b'\n';
        told.fetch_add(ends as u64 + u64::from(split), Ordering::SeqCst);
        last = buffer[read - 1];
    }
}

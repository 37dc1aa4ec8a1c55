//! A server that is killed and started again on one journal, clients that work with it meanwhile, and their notes: only
//! what was answered is noted.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use usher_proto::v1;
pub use usher_proto::v1::Contact;
use usher_proto::v1::admin_service_client::AdminServiceClient;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::{event::Payload, watch_agent_response::Item};

/// How long anything may take that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);
const AGENTS: usize = 4;
const GATEWAYS: usize = 4;
pub const COMPLETED: i32 = v1::Outcome::Completed as i32;

const CENTER: &str = r#"
[[tenants]]
id = "default"
session_lease = "0s"
[[tenants.channels]]
id = "voice"
connect = "explicit"
offer_timeout = "10m"
connect_timeout = "10m"
rona = 0
[[tenants.queues]]
id = "sales"
[[tenants.teams]]
id = "desk"
queues = [{ id = "sales" }]
"#;

/// How many kills: USHER_KILLS, or 10.
pub fn kills() -> u64 {
    std::env::var("USHER_KILLS").map_or(10, |count| count.parse().expect("USHER_KILLS is a number"))
}

/// What chance begins with: USHER_SEED, or 1.
pub fn seed() -> u64 {
    std::env::var("USHER_SEED").map_or(1, |seed| seed.parse().expect("USHER_SEED is a number"))
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Chance.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

// ---- the server

/// The server, its configuration and its journal. Killed when dropped.
pub struct Server {
    dir: TempDir,
    child: Option<Child>,
    /// What the shell does before it becomes the server.
    first: String,
    grpc: String,
    http: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl Server {
    /// A server with a journal that begins.
    pub fn begin() -> Server {
        Server::with("")
    }

    /// As [`Self::begin`], with more lines in the table of the journal.
    pub fn with(journal: &str) -> Server {
        let dir = TempDir::new().expect("a directory");
        let agents: String =
            (0..AGENTS).map(|at| format!("[[tenants.agents]]\nid = \"a{at}\"\nteam = \"desk\"\n")).collect();
        let doors = "[server]\ngrpc_listen = \"127.0.0.1:0\"\nhttp_listen = \"127.0.0.1:0\"\ndrain_grace = \"5s\"\n";
        let journal = format!("[journal]\nsegment_bytes = 1048576\n{journal}\n");
        let text = format!("{doors}{journal}[telemetry]\nlog = \"warn\"\n{CENTER}{agents}");
        std::fs::write(dir.path().join("usher.toml"), text).expect("a writable directory");
        let mut server = Server { dir, child: None, first: ":".into(), grpc: String::new(), http: String::new() };
        server.start();
        server
    }

    /// More lines in its configuration, from the next start on.
    pub fn append(&self, lines: &str) {
        let path = self.dir.path().join("usher.toml");
        let text = std::fs::read_to_string(&path).expect("readable");
        std::fs::write(&path, format!("{text}{lines}")).expect("writable");
    }

    /// Other words in its configuration, which it finds by itself or at the next start.
    pub fn replace(&self, from: &str, to: &str) {
        let path = self.dir.path().join("usher.toml");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.contains(from), "{from:?} is in the file");
        std::fs::write(&path, text.replace(from, to)).expect("writable");
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        let dir = self.dir.path();
        command
            .arg("-c")
            .arg(format!("{}; exec \"$0\" \"$@\"", self.first))
            .arg(env!("CARGO_BIN_EXE_usher"))
            .arg("serve")
            .arg("--config")
            .arg(dir.join("usher.toml"))
            .arg("--ready-file")
            .arg(dir.join("ready.json"));
        command.current_dir(dir).stdin(Stdio::null());
        command
    }

    /// What the shell does before each start from now on: `ulimit`, for example.
    pub fn limited(&mut self, first: &str) {
        self.first = first.into();
    }

    /// Connections by gRPC that say nothing.
    pub fn knock(&self, count: usize) -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(&self.grpc).expect("the kernel takes it")).collect()
    }

    /// Starts it and does not wait.
    pub fn spawn(&mut self) {
        self.end();
        // The file of the last start says nothing of this one.
        let _ = std::fs::remove_file(self.dir.path().join("ready.json"));
        self.child = Some(self.command().spawn().expect("the binary starts"));
    }

    /// Starts it; how long until it served.
    pub fn start(&mut self) -> Duration {
        let begun = Instant::now();
        self.spawn();
        let ready = self.dir.path().join("ready.json");
        while !ready.exists() {
            let child = self.child.as_mut().expect("spawned");
            assert!(child.try_wait().expect("a child").is_none(), "it ended before it was ready");
            assert!(begun.elapsed() < PATIENCE, "it is not ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        let took = begun.elapsed();
        let text = std::fs::read_to_string(&ready).expect("the ready file");
        let doors: serde_json::Value = serde_json::from_str(&text).expect("JSON, whole");
        let door = |name: &str| doors[name].as_str().expect(name).to_owned();
        (self.grpc, self.http) = (door("grpc"), door("http"));
        took
    }

    /// A second one on the same journal; what it says.
    pub fn second(&self) -> String {
        let output = self.command().output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let child = self.child.as_mut().expect("running");
        assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
        self.end();
    }

    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("running");
        let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Asks it to drain; the sequence it told.
    pub async fn drain(&self) -> u64 {
        let mut admin = AdminServiceClient::new(self.channel().await);
        admin.drain(v1::DrainRequest::default()).await.expect("it drains").into_inner().sequence
    }

    /// SIGTERM; it ends with 0.
    pub fn stop(&mut self) {
        self.signal("TERM");
        self.ended();
    }

    /// It ends with 0.
    pub fn ended(&mut self) {
        let status = self.child.take().expect("running").wait().expect("a child");
        assert_eq!(status.code(), Some(0));
    }

    pub async fn channel(&self) -> Channel {
        connect(&self.grpc).await.expect("it listens")
    }

    pub async fn gateway(&self) -> ContactServiceClient<Channel> {
        ContactServiceClient::new(self.channel().await)
    }

    /// What /metrics shows.
    pub async fn page(&self) -> String {
        let door = self.http.clone();
        let ask = move || {
            let mut stream = TcpStream::connect(door).expect("HTTP listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").expect("room");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            answer
        };
        tokio::task::spawn_blocking(ask).await.expect("asked")
    }

    /// Contacts ever received.
    pub async fn received(&self) -> u64 {
        let page = self.page().await;
        let lines = page.lines().filter(|line| line.starts_with("usher_contacts_received_total"));
        lines.map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).expect("a number")).sum()
    }

    /// Every contact, ended ones too.
    pub async fn contacts(&self) -> BTreeMap<String, Contact> {
        let states = (1..=9).collect();
        self.list(states).await.into_iter().map(|held| (held.contact_id.clone(), held)).collect()
    }

    async fn list(&self, states: Vec<i32>) -> Vec<Contact> {
        let (mut gateway, mut all, mut page_token) = (self.gateway().await, Vec::new(), String::new());
        loop {
            let request =
                v1::ListContactsRequest { states: states.clone(), page_size: 1_000, page_token, ..Default::default() };
            let page = gateway.list_contacts(request).await.expect("listed").into_inner();
            all.extend(page.contacts);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }
}

async fn connect(addr: &str) -> Option<Channel> {
    Endpoint::from_shared(format!("http://{addr}")).expect("an address").connect().await.ok()
}

// ---- those who wait

/// Has contacts wait, nobody there to take them; their ids in order.
pub async fn wait_in_line(server: &Server, count: usize) -> Vec<String> {
    more(server.gateway().await, 0..count).await;
    line(server).await
}

/// Has more contacts wait, by their numbers.
pub async fn more(gateway: ContactServiceClient<Channel>, numbers: std::ops::Range<usize>) {
    let ids: Vec<String> = numbers.map(|at| format!("w{at:05}")).collect();
    // One after another they would each wait for the disk.
    for some in ids.chunks(256) {
        let mut asked = JoinSet::new();
        for id in some {
            let mut gateway = gateway.clone();
            let request = create(id);
            asked.spawn(async move { gateway.create_contact(request).await.map(drop) });
        }
        while let Some(answer) = asked.join_next().await {
            answer.expect("no panic").expect("acknowledged");
        }
    }
}

/// The ids of those who wait, by their place in line, which has no gap.
pub async fn line(server: &Server) -> Vec<String> {
    let mut waiting = server.list(vec![v1::ContactState::Queued as i32]).await;
    waiting.sort_by_key(|held| held.position);
    assert!(waiting.iter().zip(1..).all(|(held, place)| held.position == place), "the line has gaps");
    waiting.into_iter().map(|held| held.contact_id).collect()
}

fn create(contact_id: &str) -> v1::CreateContactRequest {
    let contact = Contact {
        contact_id: contact_id.to_owned(),
        channel: "voice".to_owned(),
        queue: "sales".to_owned(),
        ..Contact::default()
    };
    v1::CreateContactRequest { contact: Some(contact), request_id: contact_id.to_owned(), ..Default::default() }
}

/// Those of one gateway who still wait stand in the order in which it created them, one after the other.
pub fn in_order(truth: &BTreeMap<String, Contact>) {
    let mut waiting: Vec<&Contact> = truth.values().filter(|held| held.position > 0).collect();
    waiting.sort_by_key(|held| held.position);
    for gateway in 0..GATEWAYS {
        let own = format!("g{gateway}-");
        let ids: Vec<&str> = waiting.iter().map(|held| &*held.contact_id).filter(|id| id.starts_with(&own)).collect();
        assert!(ids.is_sorted(), "gateway {gateway}: {ids:?}");
    }
}

// ---- those who work

/// What was acknowledged.
#[derive(Default)]
pub struct Notes {
    pub created: BTreeSet<String>,
    /// Who was told that a contact is his.
    pub accepted: BTreeMap<String, Vec<String>>,
    pub completed: BTreeSet<String>,
}

/// Gateways and agents at work, wherever the server is.
pub struct Center {
    shared: Arc<Shared>,
    addr: watch::Sender<String>,
    people: JoinSet<()>,
}

struct Shared {
    notes: Mutex<Notes>,
    done: AtomicU64,
    over: AtomicBool,
}

impl Shared {
    fn note(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.notes.lock().expect("no panic"));
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

impl Center {
    pub async fn open(server: &Server) -> Center {
        let shared =
            Arc::new(Shared { notes: Mutex::default(), done: AtomicU64::new(0), over: AtomicBool::new(false) });
        let (addr, place) = watch::channel(server.grpc.clone());
        let mut people = JoinSet::new();
        for gateway in 0..GATEWAYS {
            people.spawn(calls(gateway, shared.clone(), place.clone()));
        }
        for agent in 0..AGENTS {
            people.spawn(works(format!("a{agent}"), shared.clone(), place.clone()));
        }
        Center { shared, addr, people }
    }

    /// The server is back, elsewhere.
    pub fn moved_to(&self, server: &Server) {
        self.addr.send_replace(server.grpc.clone());
    }

    /// Waits until more was acknowledged to the clients: they have found the server.
    pub async fn works(&self) {
        let before = self.shared.done.load(Ordering::SeqCst);
        let begun = Instant::now();
        while self.shared.done.load(Ordering::SeqCst) < before + 20 {
            assert!(begun.elapsed() < PATIENCE, "nothing is acknowledged");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Everybody goes home; what they noted.
    pub async fn close(mut self) -> Notes {
        self.shared.over.store(true, Ordering::SeqCst);
        // Agents wait for events that no longer come.
        self.people.abort_all();
        while self.people.join_next().await.is_some() {}
        std::mem::take(&mut self.shared.notes.lock().expect("no panic"))
    }
}

/// A connection to wherever the server is, once it is there.
async fn find(place: &mut watch::Receiver<String>) -> Channel {
    loop {
        let addr = place.borrow_and_update().clone();
        if let Some(channel) = connect(&addr).await {
            return channel;
        }
        // It comes back elsewhere.
        let _ = tokio::time::timeout(Duration::from_millis(20), place.changed()).await;
    }
}

/// A gateway: one contact after the other, each asked for until it is acknowledged.
async fn calls(gateway: usize, shared: Arc<Shared>, mut place: watch::Receiver<String>) {
    let mut number = 0;
    let mut client = ContactServiceClient::new(find(&mut place).await);
    while !shared.is_over() {
        let contact_id = format!("g{gateway}-{number:06}");
        match client.create_contact(create(&contact_id)).await {
            Ok(answer) => {
                assert_eq!(answer.into_inner().contact.expect("shown").contact_id, contact_id);
                shared.note(|notes| {
                    notes.created.insert(contact_id);
                });
                number += 1;
            }
            Err(_) => client = ContactServiceClient::new(find(&mut place).await),
        }
    }
}

/// An agent: takes what is offered, talks, ends it.
async fn works(agent_id: String, shared: Arc<Shared>, mut place: watch::Receiver<String>) {
    while !shared.is_over() {
        let channel = find(&mut place).await;
        // The server may go at any point: then he looks for it again.
        let _ = shift(&agent_id, channel, &shared).await;
    }
}

async fn shift(agent_id: &str, channel: Channel, shared: &Shared) -> Result<(), tonic::Status> {
    let (mut desk, mut gateway) = (AgentServiceClient::new(channel.clone()), ContactServiceClient::new(channel));
    let agent = agent_id.to_owned();
    let request = v1::WatchAgentRequest { agent_id: agent.clone(), ..Default::default() };
    let mut stream = desk.watch_agent(request).await?.into_inner();
    let presence = v1::Presence::Available as i32;
    let session_lease = Some(prost_types::Duration::default());
    desk.sign_in(v1::SignInRequest { agent_id: agent, presence, session_lease, ..Default::default() }).await?;
    while let Some(message) = stream.message().await? {
        match message.item {
            Some(Item::Snapshot(snapshot)) => {
                for leg in snapshot.legs {
                    serve(&mut gateway, &leg.contact.unwrap_or_default().contact_id, shared).await?;
                }
                for offer in snapshot.offers {
                    take(agent_id, &mut desk, &mut gateway, (offer.offer_id, offer.contact_id), shared).await?;
                }
            }
            Some(Item::Event(v1::Event { payload: Some(Payload::OfferIssued(issued)), .. })) => {
                take(agent_id, &mut desk, &mut gateway, (issued.offer_id, issued.contact_id), shared).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn take(
    agent_id: &str,
    desk: &mut AgentServiceClient<Channel>,
    gateway: &mut ContactServiceClient<Channel>,
    (offer_id, contact_id): (String, String),
    shared: &Shared,
) -> Result<(), tonic::Status> {
    let request = v1::AcceptOfferRequest { agent_id: agent_id.to_owned(), offer_id, ..Default::default() };
    match desk.accept_offer(request).await {
        Ok(_) => shared.note(|notes| {
            let agents = notes.accepted.entry(contact_id.clone()).or_default();
            if !agents.contains(&agent_id.to_owned()) {
                agents.push(agent_id.to_owned());
            }
        }),
        // It ended before he took it.
        Err(status) if status.code() == tonic::Code::FailedPrecondition => return Ok(()),
        Err(status) => return Err(status),
    }
    serve(gateway, &contact_id, shared).await
}

async fn serve(
    gateway: &mut ContactServiceClient<Channel>,
    contact_id: &str,
    shared: &Shared,
) -> Result<(), tonic::Status> {
    let id = contact_id.to_owned();
    gateway.connect_contact(v1::ConnectContactRequest { contact_id: id.clone(), ..Default::default() }).await?;
    gateway.complete_contact(v1::CompleteContactRequest { contact_id: id.clone(), ..Default::default() }).await?;
    shared.note(|notes| {
        notes.completed.insert(id);
    });
    Ok(())
}

//! A hundred thousand contacts wait in the real server and no agent is there: what that costs while nothing happens.
//!
//! `cargo bench --bench idle` creates them through a gateway's session and then reads the server's CPU time over some
//! seconds in which nobody asks for anything. `-- --contacts 1000000 --seconds 20` makes it larger and longer.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio_stream::iter;
use usher_proto::v1 as pb;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::contact_session_command::Command as Asked;
use usher_proto::v1::contact_session_item::Item;

const FRAME: usize = 1000;
const CONFIG: &str = r#"
[server]
grpc_listen = "127.0.0.1:0"
http_listen = "127.0.0.1:0"
[journal]
backend = "memory"
[telemetry]
log = "warn"
[[tenants]]
id = "default"
[[tenants.queues]]
id = "sales"
[[tenants.teams]]
id = "team"
queues = [{ id = "sales" }]
"#;

/// Ends the server with this, however it ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return Ok(());
    }
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (contacts, seconds) = (number("--contacts", 100_000), number("--seconds", 10));
    let dir = tempfile::tempdir()?;
    let (config, ready) = (dir.path().join("usher.toml"), dir.path().join("ready.json"));
    fs::write(&config, CONFIG)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.arg("serve").arg("--config").arg(&config).arg("--ready-file").arg(&ready);
    let server = Server(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    let addr = wait_ready(&ready)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let session = runtime.block_on(fill(&addr, contacts))?;
    println!("{contacts} contacts wait, created in {:.1} s", begun.elapsed().as_secs_f64());
    let before = cpu_time(server.0.id())?;
    let since = Instant::now();
    sleep(Duration::from_secs(seconds as u64));
    let spent = cpu_time(server.0.id())?.saturating_sub(before);
    let share = spent.as_secs_f64() / since.elapsed().as_secs_f64() * 100.0;
    println!("idle for {seconds} s: {:.0} ms of CPU, {share:.2} % (asked for: 0 %)", spent.as_secs_f64() * 1e3);
    // Until here the session's lease must hold: a lost gateway's contacts would end.
    drop(session);
    Ok(())
}

fn wait_ready(ready: &Path) -> anyhow::Result<String> {
    let since = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(ready) {
            let said: serde_json::Value = serde_json::from_str(&text)?;
            return Ok(said["grpc"].as_str().context("the ready file names no gRPC address")?.to_owned());
        }
        ensure!(since.elapsed() < Duration::from_secs(30), "the server was not ready within 30 s");
        sleep(Duration::from_millis(10));
    }
}

/// Creates the contacts in one session and gives it back open.
async fn fill(addr: &str, contacts: usize) -> anyhow::Result<impl Sized> {
    let create = |number: usize| {
        let contact = pb::Contact {
            contact_id: format!("c{number}"),
            channel: "voice".to_owned(),
            queue: "sales".to_owned(),
            direction: pb::Direction::Inbound as i32,
            ..pb::Contact::default()
        };
        let request = pb::CreateContactRequest { contact: Some(contact), ..pb::CreateContactRequest::default() };
        // Only the last one's reply is wanted.
        let correlation_id = if number == contacts { 2 } else { 0 };
        pb::ContactSessionCommand { correlation_id, command: Some(Asked::CreateContact(request)) }
    };
    let open = pb::ContactSessionOpen {
        gateway_id: "gateway".to_owned(),
        brief_replies: true,
        event_names: vec!["contact_closed".to_owned()],
        ..pb::ContactSessionOpen::default()
    };
    let open = pb::ContactSessionCommand { correlation_id: 1, command: Some(Asked::Open(open)) };
    let frame = |commands| pb::ContactServiceSessionRequest { commands };
    let numbers: Vec<usize> = (1..=contacts).collect();
    let frames: Vec<_> = numbers.chunks(FRAME).map(|some| frame(some.iter().copied().map(create).collect())).collect();
    let (keep, open_end) = tokio::sync::oneshot::channel::<()>();
    let frames = async_end(frame(vec![open]), frames, open_end);
    let mut client = ContactServiceClient::connect(format!("http://{addr}")).await?;
    let mut answers = client.session(frames).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        for item in answer.items {
            let Some(Item::Reply(reply)) = item.item else { continue };
            if let Some(pb::contact_session_reply::Result::Error(error)) = reply.result {
                anyhow::bail!("a contact was refused: {}", error.message);
            }
            if reply.correlation_id == 2 {
                return Ok((keep, answers));
            }
        }
    }
    anyhow::bail!("the server ended the session")
}

/// Frames, and then silence until the other end of `until` is dropped.
fn async_end(
    open: pb::ContactServiceSessionRequest,
    frames: Vec<pb::ContactServiceSessionRequest>,
    until: tokio::sync::oneshot::Receiver<()>,
) -> impl tokio_stream::Stream<Item = pb::ContactServiceSessionRequest> + Send + 'static {
    use tokio_stream::StreamExt as _;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        // Dropped with its sender, it ends the stream: then the gateway has taken leave.
        let _ = until.await;
        drop(sender);
    });
    iter(std::iter::once(open).chain(frames)).chain(tokio_stream::wrappers::ReceiverStream::new(receiver))
}

/// User and system time of a process.
fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after) = stat.rsplit_once(')').context("a stat line names its command")?;
    let ticks = |at: usize| after.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("a stat line has times")?;
    // Linux counts them in hundredths of a second for everybody.
    Ok(Duration::from_millis((user + system) * 10))
}

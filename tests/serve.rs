//! The binary as a whole: it starts, says where it listens, is watched over HTTP, drains at a signal and ends with 0.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const TENANT: &str = r#"
[[tenants]]
id = "default"
[[tenants.queues]]
id = "sales"
service_level = { threshold = "7s", target = 0.8 }
[[tenants.teams]]
id = "desk"
queues = [{ id = "sales" }]
[[tenants.agents]]
id = "ana"
team = "desk"
"#;

/// A running server. Killed when dropped, so that a failed test leaves none behind.
struct Server {
    child: Child,
    dir: TempDir,
    grpc: String,
    http: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &Path, server: &str) -> Command {
    std::fs::write(dir.join("usher.toml"), format!("{server}\n{TENANT}")).expect("a writable directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.arg("serve").arg("--config").arg(dir.join("usher.toml")).arg("--ready-file").arg(dir.join("ready.json"));
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

const DOORS: &str = "[server]\ngrpc_listen = \"127.0.0.1:0\"\nhttp_listen = \"127.0.0.1:0\"\ndrain_grace = \"5s\"\n";

impl Server {
    fn start() -> Server {
        let dir = TempDir::new().expect("a directory");
        let child = command(dir.path(), DOORS).spawn().expect("the binary starts");
        Server::await_ready(child, dir)
    }

    fn await_ready(mut child: Child, dir: TempDir) -> Server {
        let ready = dir.path().join("ready.json");
        for _ in 0..1_000 {
            if ready.exists() {
                break;
            }
            assert!(child.try_wait().expect("a child").is_none(), "it ended before it was ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        let text = std::fs::read_to_string(&ready).expect("the ready file");
        let doors: serde_json::Value = serde_json::from_str(&text).expect("JSON, whole");
        let door = |name: &str| doors[name].as_str().expect(name).to_owned();
        Server { child, grpc: door("grpc"), http: door("http"), dir }
    }

    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.http).expect("HTTP listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        stream.write_all(format!("{request}\r\nHost: usher\r\nConnection: close\r\n\r\n").as_bytes()).expect("room");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect(head), body.to_owned())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    fn end(&mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        (self.child.wait().expect("a child"), said)
    }
}

#[test]
fn it_serves_is_watched_and_drains() {
    let mut server = Server::start();
    assert_eq!(server.ask("GET /healthz HTTP/1.1"), (200, "alive\n".to_owned()));
    assert_eq!(server.ask("GET /readyz HTTP/1.1"), (200, "ready\n".to_owned()));
    assert_eq!(server.ask("GET /nowhere HTTP/1.1").0, 404);
    assert_eq!(server.ask("POST /metrics HTTP/1.1").0, 405);
    assert_eq!(server.ask("GET /metrics HTTP/1.1\r\nContent-Length: 5").0, 413);
    let (status, page) = server.ask("GET /metrics HTTP/1.1");
    assert_eq!(status, 200);
    for line in [
        "usher_config_version_info{tenant=\"default\",version=\"1\"} 1",
        "usher_agents{tenant=\"default\",team=\"desk\",state=\"off_queue\"} 1",
        "usher_decision_seconds_count 1",
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "{line} in\n{page}");
    }
    assert!(TcpStream::connect(&server.grpc).is_ok());
    server.signal("TERM");
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let at = |word: &str| said.find(word).unwrap_or_else(|| panic!("{word} in\n{said}"));
    assert!(at("listening") < at("draining") && at("draining") < at("stopped"), "{said}");
    assert!(server.dir.path().join("ready.json").exists() && TcpStream::connect(&server.http).is_err());
}

#[test]
fn while_it_drains_it_is_alive_and_not_ready() {
    let mut server = Server::start();
    // A request whose body is still to come keeps its connection, and so the drain, open. The server has it in hand when
    // it says that the body may come.
    let mut half = TcpStream::connect(&server.grpc).expect("gRPC listens");
    let head = "POST /usher.v1.ContactService/GetContact HTTP/1.1\r\nHost: usher\r\nContent-Length: 64\r\n\
        Content-Type: application/grpc-web+proto\r\nExpect: 100-continue\r\n\r\n";
    half.write_all(head.as_bytes()).expect("room");
    let mut go_on = [0; 21];
    half.read_exact(&mut go_on).expect("the server answers");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue");
    server.signal("TERM");
    let mut seen = server.ask("GET /readyz HTTP/1.1");
    for _ in 0..100 {
        if seen.0 == 503 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        seen = server.ask("GET /readyz HTTP/1.1");
    }
    assert_eq!(seen, (503, "not ready: draining\n".to_owned()));
    assert_eq!(server.ask("GET /healthz HTTP/1.1").0, 200);
    server.signal("INT");
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("told to stop twice"), "{said}");
}

#[test]
fn it_does_not_open_to_strangers_unasked() {
    let dir = TempDir::new().expect("a directory");
    for door in ["grpc_listen", "http_listen"] {
        let open = format!("[server]\n{door} = \"0.0.0.0:0\"\n");
        let output = command(dir.path(), &open).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("insecure"), "{said}");
    }
    assert!(!dir.path().join("ready.json").exists());
}

#[test]
fn a_door_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let dir = TempDir::new().expect("a directory");
    let door = taken.local_addr().expect("bound");
    let server = format!("[server]\ngrpc_listen = \"127.0.0.1:0\"\nhttp_listen = \"{door}\"\n");
    let output = command(dir.path(), &server).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("failed to listen on {door} (server.http_listen)")), "{said}");
}

#[test]
fn it_tells_a_service_manager_when_it_is_ready_and_when_it_stops() {
    let dir = TempDir::new().expect("a directory");
    let heard = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
    heard.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    let hear = || {
        let mut message = [0; 256];
        let length = heard.recv(&mut message).expect("it says something");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = command(dir.path(), DOORS);
    let child = command.env("NOTIFY_SOCKET", dir.path().join("notify")).spawn().expect("the binary starts");
    let mut server = Server { child, dir, grpc: String::new(), http: String::new() };
    assert!(hear().contains("READY=1"));
    let ready = std::fs::read_to_string(server.dir.path().join("ready.json")).expect("the ready file");
    let doors: serde_json::Value = serde_json::from_str(&ready).expect("JSON, whole");
    assert!(TcpStream::connect(doors["grpc"].as_str().expect("a door")).is_ok(), "ready is when it listens");
    server.signal("TERM");
    assert!(hear().contains("STOPPING=1"));
    assert_eq!(server.end().0.code(), Some(0));
}

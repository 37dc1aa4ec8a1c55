//! What rules the process as a whole, with its defaults: each is written here, once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use super::schema::{Backend, Durability, LogFormat};

/// The doors of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where gRPC is served.
    pub grpc_listen: SocketAddr,
    /// Where HTTP is served.
    pub http_listen: SocketAddr,
    /// Whether other machines may connect although there is no authentication.
    pub insecure: bool,
    /// Time a unary request may take.
    pub request_timeout: Duration,
    /// Time open streams and requests get to end after SIGTERM.
    pub drain_grace: Duration,
    /// Whether a change of the file is applied as soon as it is saved.
    pub watch_config: bool,
    /// Bounds of what clients may take.
    pub limits: Limits,
    /// Signs of life on connections.
    pub keepalive: Keepalive,
}

impl Default for Server {
    fn default() -> Server {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Server {
            grpc_listen: local(50_051),
            http_listen: local(8_080),
            insecure: false,
            request_timeout: Duration::from_secs(30),
            drain_grace: Duration::from_secs(30),
            watch_config: true,
            limits: Limits::default(),
            keepalive: Keepalive::default(),
        }
    }
}

/// Bounds of what clients may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request or response.
    pub max_message_bytes: usize,
    /// Requests and streams open at once on one connection.
    pub max_streams: u32,
    /// Events held for a reader that does not keep up, before it is cut off.
    pub stream_buffer: usize,
    /// Commands held between gRPC and the engine, before new ones are refused INGRESS_FULL.
    pub ingress: usize,
    /// Bytes of memory in use from which on new contacts and agents are refused MEMORY_FULL; 0 leaves it to the server.
    pub max_memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_message_bytes: 4 << 20,
            max_streams: 1_024,
            stream_buffer: 1_024,
            ingress: 65_536,
            max_memory_bytes: 0,
        }
    }
}

/// Signs of life on connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Time between pings.
    pub interval: Duration,
    /// Time a ping may go unanswered before the connection is closed.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) }
    }
}

/// What the server tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// A level, or levels by module as in `info,usher=debug`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry { log: "info".into(), log_format: LogFormat::default() }
    }
}

/// Where events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The kind of journal.
    pub backend: Backend,
    /// Directory of the embedded journal.
    pub path: PathBuf,
    /// What an answered command survives.
    pub durability: Durability,
    /// Bytes of one file of the embedded journal.
    pub segment_bytes: u64,
    /// How long files stay after a snapshot stands for them.
    pub retention: Duration,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal {
            backend: Backend::default(),
            path: PathBuf::from("journal"),
            durability: Durability::default(),
            segment_bytes: 16 << 20,
            retention: Duration::from_secs(8 * 86_400),
        }
    }
}

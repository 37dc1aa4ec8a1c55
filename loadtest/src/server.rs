//! The server under test: a child of this process with a configuration of its own, or one that runs elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tonic::transport::{Channel, Endpoint};

use crate::Size;
use crate::scene;

/// How long a server may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(40);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);
/// How much of a stream may be on its way to us: more than a slice's worth, so that flow control measures nothing.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A server that listens.
pub struct Server {
    /// Address and port of its gRPC.
    pub addr: String,
    /// What it calls itself.
    pub version: String,
    child: Option<Running>,
}

/// A child and its directory; both go with this.
struct Running {
    child: Child,
    dir: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whichever is gone already needs nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Server {
    /// Starts a server for `throughput` and waits until it is ready.
    ///
    /// # Errors
    /// As [`Server::start_with`].
    pub fn start(binary: &Path, size: &Size) -> anyhow::Result<Server> {
        Server::start_with(binary, &scene::config(size))
    }

    /// Starts a server with a configuration and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or is not ready in time.
    pub fn start_with(binary: &Path, config_text: &str) -> anyhow::Result<Server> {
        let asked = Command::new(binary).arg("--version").output();
        let asked = asked.with_context(|| format!("failed to run {}", binary.display()))?;
        let version = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("usher-loadtest-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("failed to make {}", dir.display()))?;
        let (config, ready) = (dir.join("usher.toml"), dir.join("ready.json"));
        fs::write(&config, config_text).with_context(|| format!("failed to write {}", config.display()))?;
        // What it writes is its own: its working directory goes with it.
        let binary = fs::canonicalize(binary).with_context(|| format!("failed to find {}", binary.display()))?;
        let mut command = Command::new(&binary);
        command.current_dir(&dir);
        command.arg("serve").arg("--config").arg(&config).arg("--ready-file").arg(&ready).stdin(Stdio::null());
        // Standard output may be ours to fill with JSON.
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.with_context(|| format!("failed to start {}", binary.display()))?;
        let mut child = Running { child, dir };
        let addr = wait_ready(&mut child.child, &ready)?;
        Ok(Server { addr, version, child: Some(child) })
    }

    /// A server that runs already.
    pub fn at(addr: &str) -> Server {
        Server { addr: addr.to_owned(), version: format!("(server at {addr})"), child: None }
    }

    /// Its process, where it is ours.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(|running| running.child.id())
    }

    /// How it ended, where it is ours and has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.child.try_wait().ok()?
    }

    /// Tells it to drain and waits until it has ended well. A server that is not ours is left alone.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let Some(mut running) = self.child.take() else { return Ok(()) };
        let pid = running.child.id().to_string();
        // The standard library only knows how to kill.
        let told = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
        ensure!(told.context("failed to run sh")?.success(), "failed to signal the server");
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(status) = running.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status} after SIGTERM");
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        bail!("the server had not ended {} s after SIGTERM", PATIENCE.as_secs())
    }
}

/// The binary to start: the one named, or the one beside this program.
///
/// # Errors
/// When there is none.
pub fn binary(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(binary) = named {
        return Ok(binary.to_owned());
    }
    let here = std::env::current_exe().context("failed to find this program")?;
    let binary = here.with_file_name("usher");
    ensure!(binary.exists(), "there is no {}; build it, or name a server with --server or --addr", binary.display());
    Ok(binary)
}

/// Opens connections to a server.
///
/// # Errors
/// When one cannot be opened.
pub async fn connect(addr: &str, count: u32) -> anyhow::Result<Vec<Channel>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let endpoint = Endpoint::from_shared(format!("http://{addr}"))
            .with_context(|| format!("{addr:?} is no address"))?
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(5))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        connections.push(endpoint.connect().await.with_context(|| format!("failed to connect to {addr}"))?);
    }
    Ok(connections)
}

fn wait_ready(child: &mut Child, ready: &Path) -> anyhow::Result<String> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Ok(text) = fs::read_to_string(ready) {
            let said: serde_json::Value = serde_json::from_str(&text).context("the ready file is not JSON")?;
            return Ok(said["grpc"].as_str().context("the ready file names no gRPC address")?.to_owned());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server ended with {status} before it was ready");
        }
        std::thread::sleep(LOOK);
    }
    bail!("the server was not ready within {} s", PATIENCE.as_secs())
}

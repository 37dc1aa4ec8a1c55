//! The server under test: a child of this process with a configuration of its own, or one that runs elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::Size;
use crate::scene;

/// How long a server may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(40);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

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
    /// Starts a server and waits until it is ready.
    pub fn start(binary: &Path, size: &Size) -> anyhow::Result<Server> {
        let asked = Command::new(binary).arg("--version").output();
        let asked = asked.with_context(|| format!("failed to run {}", binary.display()))?;
        let version = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        let dir = std::env::temp_dir().join(format!("usher-loadtest-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("failed to make {}", dir.display()))?;
        let (config, ready) = (dir.join("usher.toml"), dir.join("ready.json"));
        fs::write(&config, scene::config(size)).with_context(|| format!("failed to write {}", config.display()))?;
        let mut command = Command::new(binary);
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

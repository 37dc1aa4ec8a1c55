//! The assembly: the only file that names every room. Start order, signals, drain, stop; no logic of its own.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::config::Server;
use crate::engine::Engine;
use crate::engine::command::Command;
use crate::engine::policy::Policy;
use crate::journal::MemoryJournal;
use crate::rpc;
use crate::shard::{self, Clock, Limits, Shard, ShardHandle};

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
    let (shard, deadlines) = start_shard(&config);
    tokio::spawn(deadlines.run());
    for policy in &config.tenants {
        apply(&shard, policy).await?;
    }
    let grpc = bind("server.grpc_listen", config.server.grpc_listen).await?;
    let grpc_addr = grpc.local_addr()?;
    let (health, health_service) = tonic_health::server::health_reporter();
    let (drain, drained) = watch::channel(false);
    let options = options(&config.server);
    let serving = rpc::serve(grpc, shard.clone(), options, health.clone(), health_service, told(drained));
    let serving = tokio::spawn(serving);
    if let Some(ready_file) = ready_file {
        write_ready(ready_file, &grpc_addr.to_string(), "")?;
    }
    info!(config = %path.display(), grpc = %grpc_addr, tenants = config.tenants.len(), "listening");
    notify(sd_notify::NotifyState::Ready);

    stop.wait().await;
    info!("draining");
    notify(sd_notify::NotifyState::Stopping);
    health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    shard.drain().await.ok();
    drain.send(true).ok();
    tokio::select! {
        ended = serving => ended.context("the gRPC server broke down")??,
        () = tokio::time::sleep(config.server.drain_grace) => warn!("connections were still open after drain_grace"),
        () = stop.wait() => warn!("told to stop twice"),
    }
    info!("stopped");
    Ok(())
}

fn start_shard(config: &Config) -> (ShardHandle, shard::Deadlines) {
    // The seed keys hash tables; it is the tenant's name, so that a replay of its events lays them out the same.
    let make = |tenant: &crate::engine::id::Text| {
        let seed = tenant
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Box::new(Engine::new(seed)) as Box<dyn shard::Machine>
    };
    let shard = Shard::new(Box::new(MemoryJournal::new()), Box::new(make), Limits::default());
    let clock = Clock::start(shard.now());
    let (handle, deadlines) = shard::start(shard, clock, config.server.limits.ingress);
    for tenant in &config.tenants {
        handle.open(&tenant.tenant);
    }
    (handle, deadlines)
}

async fn apply(shard: &ShardHandle, policy: &Policy) -> anyhow::Result<()> {
    let command = Command::ApplyPolicy { policy: Arc::new(policy.clone()) };
    let tenant = policy.tenant.clone();
    shard.call(&tenant, command.into()).await.with_context(|| format!("failed to apply the policy of {tenant:?}"))?;
    Ok(())
}

async fn bind(key: &str, addr: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr).await.with_context(|| format!("failed to listen on {addr} ({key})"))
}

fn options(server: &Server) -> rpc::Options {
    rpc::Options {
        max_message_bytes: server.limits.max_message_bytes,
        max_streams: server.limits.max_streams,
        stream_buffer: server.limits.stream_buffer,
        request_timeout: server.request_timeout,
        keepalive_interval: server.keepalive.interval,
        keepalive_timeout: server.keepalive.timeout,
    }
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
struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Stop> {
        Ok(Stop { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    fn wait(&mut self) -> impl Future<Output = ()> + '_ {
        async {
            tokio::select! {
                _ = self.term.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }
    }
}

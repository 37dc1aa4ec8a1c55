//! How the server is, for GetStatus: what the shard and the tenants say, and what only who put the server together knows.

use std::sync::Arc;
use std::time::Duration;

use usher_proto::v1 as pb;

use super::Edge;
use super::convert::{config as render, input, span, time};
use super::status::{Problem, refused};
use crate::engine::id::Text;
use crate::engine::state::State;
use crate::engine::time::{Span, Time};
use crate::shard::Refused;

/// What GetStatus asks of whoever put the server together. Must not block for long.
pub type Probe = Arc<dyn Fn() -> Machine + Send + Sync>;

/// What the shard does not know.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// When the server started.
    pub start: Time,
    /// Commands the ingress holds at most.
    pub ingress_capacity: usize,
    /// Memory in use, in bytes; 0 when unknown.
    pub memory_bytes: u64,
    /// Contacts found past their deadline, by tenant.
    pub stuck: Vec<(Text, u64)>,
    /// The journal.
    pub journal: Journal,
}

/// How the journal is.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Its kind.
    pub backend: &'static str,
    /// What an answered command survives; empty in memory.
    pub durability: &'static str,
    /// Records made durable since the start.
    pub records: u64,
    /// Records handed over and not durable yet.
    pub lag: u64,
    /// Time of the last that was made durable since the start.
    pub last_commit: Option<Time>,
    /// Bytes it holds.
    pub bytes: u64,
    /// Bytes free where it is; none when unknown.
    pub free_bytes: Option<u64>,
    /// Segments it holds.
    pub segments: u64,
    /// Snapshots it holds.
    pub snapshots: u64,
    /// How far the newest of them goes.
    pub last_snapshot: Option<Time>,
    /// Median and 99th percentile of the time from hand-over to durable.
    pub commit: [Duration; 2],
    /// How long reading it took at the start.
    pub recovery: Duration,
    /// What fails; empty when nothing does.
    pub error: String,
}

impl Edge {
    /// Answers how the server is.
    ///
    /// # Errors
    /// When the tenant named is not there.
    pub(super) async fn condition(&self, tenant: &str) -> Result<pb::ServerStatus, Problem> {
        let tenants = self.shard.tenants();
        if !tenants.iter().any(|known| **known == *input::tenant(tenant)) {
            return Err(refused(Refused::TenantUnknown));
        }
        let machine = (self.probe)();
        let draining = self.shard.is_draining();
        let last_error = self.reload.last_error();
        let mut told = Vec::new();
        for tenant in &tenants {
            let asked = self.query(tenant, move |state, _| tenant_status(state)).await;
            // A tenant that is stopped, or that can only be asked when the journal works again, is told by its name.
            let mut status = asked.unwrap_or_default();
            status.tenant = tenant.to_string();
            status.stuck = machine.stuck.iter().find(|(known, _)| known == tenant).map_or(0, |(_, count)| wide(*count));
            status.restarts = wide(self.shard.restarts(tenant));
            status.last_reload_error.clone_from(&last_error);
            told.push(status);
        }
        let state = match () {
            () if draining => pb::ServerState::Draining,
            () if !machine.journal.error.is_empty() => pb::ServerState::ReadOnly,
            () => pb::ServerState::Serving,
        };
        Ok(pb::ServerStatus {
            state: state as i32,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("USHER_COMMIT").unwrap_or_default().to_owned(),
            start_time: Some(time(machine.start)),
            server_time: Some(time(self.shard.now())),
            tenants: told,
            journal: Some(journal(machine.journal)),
            ingress_depth: wide(self.shard.depth() as u64),
            ingress_capacity: wide(machine.ingress_capacity as u64),
            streams: wide(self.shard.readers() as u64),
            memory_bytes: wide(machine.memory_bytes),
            memory_limit_bytes: wide(self.shard.memory().most()),
            memory_full: self.shard.memory().is_short(),
            memory_refused: wide(self.shard.memory().refused()),
        })
    }
}

fn tenant_status(state: &State) -> pb::TenantStatus {
    let books = state.tally().iter().map(|(_, _, books)| books.waiting).sum();
    let signed_in = state.agents_from(0).filter(|&agent| state.agent(agent).signed_in()).count();
    pb::TenantStatus {
        policy: state.policy_versions().next_back().map(|held| render::version(&held.policy.tenant, held)),
        sequence: state.sequence(),
        contacts: i64::from(state.live_contact_count()),
        waiting: wide(books),
        retained: i64::from(state.contact_count() - state.live_contact_count()),
        agents: wide(state.agents_from(0).count() as u64),
        signed_in: wide(signed_in as u64),
        classes: wide(state.index().len() as u64),
        ..pb::TenantStatus::default()
    }
}

fn journal(held: Journal) -> pb::JournalStatus {
    let shown = |took: Duration| Some(span(Span(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))));
    pb::JournalStatus {
        backend: held.backend.to_owned(),
        durability: held.durability.to_owned(),
        records: wide(held.records),
        bytes: wide(held.bytes),
        free_bytes: wide(held.free_bytes.unwrap_or(0)),
        segments: wide(held.segments),
        last_snapshot_time: held.last_snapshot.map(time),
        commit_p50: shown(held.commit[0]),
        commit_p99: shown(held.commit[1]),
        recovery: shown(held.recovery),
        error: held.error,
        last_commit_time: held.last_commit.map(time),
        lag: wide(held.lag),
        snapshots: wide(held.snapshots),
    }
}

fn wide(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

//! What a file means: settings of the process and policies, and the faults that only meaning shows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;

use crate::engine::policy::{Policy, RemovedQueue};

use super::fault::{Code, Gathered};
use super::schema::{self, At, Id, Listen};
use super::settings::{Journal, Keepalive, Limits, Server, Telemetry};
use super::tenant;

/// What a document without faults becomes.
pub(super) struct Checked {
    /// The doors of the server.
    pub server: Server,
    /// What the server tells about itself.
    pub telemetry: Telemetry,
    /// Where events are kept.
    pub journal: Journal,
    /// One policy per tenant.
    pub tenants: Vec<Policy>,
    /// Where contacts of queues go that are gone, by tenant.
    pub removed_queues: Vec<Vec<RemovedQueue>>,
}

/// Gives a document its meaning. What is returned is of use only if no fault was added.
pub(super) fn document(document: schema::Document, faults: &mut Gathered<'_>, warnings: &mut Gathered<'_>) -> Checked {
    let whole = faults.count() == 0;
    let server = server(document.server.unwrap_or_default(), faults);
    let telemetry = document.telemetry.unwrap_or_default();
    let journal = document.journal.unwrap_or_default();
    let known = Telemetry::default();
    unique("tenant", document.tenants.iter().map(|tenant| &tenant.id), faults);
    let removed_queues = document.tenants.iter().map(|table| tenant::removed_queues(table, faults)).collect();
    let tenants = document.tenants.into_iter().map(|table| tenant::policy(table, whole, faults, warnings)).collect();
    Checked {
        server,
        telemetry: Telemetry {
            log: telemetry.log.unwrap_or(known.log),
            log_format: telemetry.log_format.unwrap_or(known.log_format),
        },
        journal: self::journal(journal),
        tenants,
        removed_queues,
    }
}

fn journal(table: schema::Journal) -> Journal {
    let known = Journal::default();
    Journal {
        backend: table.backend.unwrap_or(known.backend),
        path: table.path.unwrap_or(known.path),
        durability: table.durability.unwrap_or(known.durability),
        segment_bytes: table.segment_bytes.unwrap_or(known.segment_bytes),
        retention: table.retention.map_or(known.retention, |given| given.std()),
    }
}

fn server(table: schema::Server, faults: &mut Gathered<'_>) -> Server {
    let known = Server::default();
    let insecure = table.insecure.unwrap_or(known.insecure);
    for (key, address) in [("grpc_listen", &table.grpc_listen), ("http_listen", &table.http_listen)] {
        let Some(address) = address else { continue };
        if !insecure && !address.get().0.ip().is_loopback() {
            let message = format!("`{key}` is open to other machines, and there is no authentication");
            let hint = "listen on 127.0.0.1 or [::1], or set `insecure = true` if the network is trusted";
            faults.hinted(address.span(), message, hint);
        }
    }
    let at = |address: &Option<At<Listen>>, known: SocketAddr| address.as_ref().map_or(known, |given| given.get().0);
    let grpc_listen = at(&table.grpc_listen, known.grpc_listen);
    let http_listen = at(&table.http_listen, known.http_listen);
    if grpc_listen == http_listen && grpc_listen.port() != 0 {
        let span = table.http_listen.as_ref().or(table.grpc_listen.as_ref()).map_or(0..0, At::span);
        faults.add(span, format!("gRPC and HTTP cannot both listen on {grpc_listen}"));
    }
    let limits = table.limits.unwrap_or_default();
    let keepalive = table.keepalive.unwrap_or_default();
    Server {
        grpc_listen,
        http_listen,
        insecure,
        request_timeout: table.request_timeout.map_or(known.request_timeout, |given| given.std()),
        drain_grace: table.drain_grace.map_or(known.drain_grace, |given| given.std()),
        watch_config: table.watch_config.unwrap_or(known.watch_config),
        limits: Limits {
            max_message_bytes: limits.max_message_bytes.unwrap_or(known.limits.max_message_bytes),
            max_streams: limits.max_streams.unwrap_or(known.limits.max_streams),
            stream_buffer: limits.stream_buffer.unwrap_or(known.limits.stream_buffer),
            ingress: limits.ingress.unwrap_or(known.limits.ingress),
            max_memory_bytes: limits.max_memory_bytes.unwrap_or(known.limits.max_memory_bytes),
        },
        keepalive: Keepalive {
            interval: keepalive.interval.map_or(known.keepalive.interval, |given| given.std()),
            timeout: keepalive.timeout.map_or(known.keepalive.timeout, |given| given.std()),
        },
    }
}

/// The names of one kind of thing, in the file's order.
pub(super) struct Names {
    order: Vec<String>,
    first: HashMap<String, Range<usize>>,
}

impl Names {
    /// Whether something has this name.
    pub fn has(&self, name: &str) -> bool {
        self.first.contains_key(name)
    }

    /// All names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// Collects names and reports each that was there before. An empty one stands for a wrong one, reported already.
pub(super) fn unique<'a>(what: &str, ids: impl Iterator<Item = &'a At<Id>>, faults: &mut Gathered<'_>) -> Names {
    let mut names = Names { order: Vec::new(), first: HashMap::new() };
    for id in ids.filter(|id| !id.get().0.is_empty()) {
        let name = &id.get().0;
        if let Some(first) = names.first.get(name) {
            let line = faults.line(first.start);
            faults.coded(
                Code::Duplicate,
                id.span(),
                format!("there are two {what}s `{name}`; the first is on line {line}"),
                None,
            );
            continue;
        }
        names.first.insert(name.clone(), id.span());
        names.order.push(name.clone());
    }
    names
}

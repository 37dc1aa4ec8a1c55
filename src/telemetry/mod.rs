//! What the server tells about itself: metrics for Prometheus, folded from the events of every tenant, and log lines.
//!
//! [`Telemetry`] holds it all; each tenant's events are handed to its [`Fold`], batch by batch and in order. A reading
//! takes a copy of the figures of this instant and writes them after the events have gone on, so it never holds them
//! up for longer than that copy. This room knows the engine's types and nothing of shards or gRPC: what those can tell
//! comes in as plain numbers ([`Shell`]). Read `names` for what there is, `record` for how it is counted.

mod agents;
mod cells;
mod figures;
pub mod latency;
pub mod logging;
pub mod names;
pub mod process;
mod record;
mod registry;
mod reloads;
mod save;
mod text;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::contact::ContactState;
use crate::engine::event::Recorded;
use crate::engine::id::Text;
use crate::engine::time::{Span, Time};
use crate::view::snapshot::Snapshot;
use crate::wire::{Malformed, Reader, Wire, Writer};
use cells::{Registrar, seconds};
use latency::Latency;
use record::{Books, CellFigures, Figures};
use registry::Registry;
pub use reloads::{ReloadResult, Reloads};
use text::Page;

/// Combinations of queue, channel and direction that have series of their own, unless told otherwise.
pub const QUEUE_SERIES: usize = 2_000;
/// Thresholds of the configuration that become buckets, at most: each is a series per queue.
const THRESHOLDS: usize = 32;

/// Figures of the process that no event tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shell {
    /// Commands taken in and not yet looked at.
    pub ingress_depth: u64,
    /// Commands refused because the ingress was full.
    pub ingress_refused: u64,
    /// Events that wait for the reader of a stream who is furthest behind.
    pub stream_lag: u64,
    /// Bytes of the journal, where there is one.
    pub journal_bytes: Option<u64>,
    /// Bytes free on its disk; none when that cannot be told.
    pub journal_free: Option<u64>,
    /// Resident memory from which on new contacts and agents are refused.
    pub memory_limit: u64,
    /// Contacts and agents refused for it.
    pub memory_refused: u64,
}

/// The metrics of the process.
pub struct Telemetry {
    registrar: Registrar,
    tenants: Mutex<Vec<(Text, Arc<Mutex<Books>>)>>,
    stuck: Mutex<Vec<(Text, u64)>>,
    /// Attempts to change the configuration.
    pub reloads: Reloads,
    /// Time a command took.
    pub decisions: Latency,
    /// Time from what made an offer possible to the offer.
    pub offers: Latency,
    /// Time from a batch being handed to the journal until it was durable.
    pub commits: Latency,
    /// How long the last page was, in bytes.
    page: AtomicUsize,
}

/// One tenant's events on their way into the metrics.
pub struct Fold {
    books: Arc<Mutex<Books>>,
}

impl Fold {
    /// Takes in the next events, in order. Those seen already change nothing.
    pub fn take<'a>(&self, events: impl IntoIterator<Item = &'a Recorded>) {
        let mut books = lock(&self.books);
        for recorded in events {
            books.take(recorded);
        }
    }

    /// Writes what was counted so far, to be kept with the view that has come as far.
    pub fn put(&self, out: &mut Writer) {
        lock(&self.books).totals().put(out);
    }

    /// Goes on from where a view stands that was brought back, with what was counted until then as [`Self::put`] wrote it.
    ///
    /// # Errors
    /// When that is not what was written; then nothing has changed.
    pub fn restore(&self, view: &crate::view::fold::Books, from: &mut Reader<'_>) -> Result<(), Malformed> {
        let totals = Wire::get(from)?;
        lock(&self.books).restore(view, &totals);
        Ok(())
    }
}

impl Telemetry {
    /// Nothing counted yet. `thresholds` are the service-level thresholds of the configuration in force at start.
    #[must_use]
    pub fn new(thresholds: impl IntoIterator<Item = Span>) -> Telemetry {
        Telemetry::with_cap(thresholds, QUEUE_SERIES)
    }

    /// The same with another cap on the combinations of queue, channel and direction that have series of their own.
    #[must_use]
    pub fn with_cap(thresholds: impl IntoIterator<Item = Span>, cap: usize) -> Telemetry {
        let mut more: Vec<Span> = thresholds.into_iter().filter(|bound| *bound > Span::ZERO).collect();
        more.sort_unstable();
        more.dedup();
        more.truncate(THRESHOLDS);
        Telemetry {
            registrar: Registrar::new(Registry::new(&more), cap),
            tenants: Mutex::default(),
            stuck: Mutex::default(),
            reloads: Reloads::default(),
            decisions: Latency::default(),
            offers: Latency::default(),
            commits: Latency::default(),
            page: AtomicUsize::new(0),
        }
    }

    /// Where a tenant's events go, from its first. Asked again for the same tenant, it begins anew: its counters go on,
    /// its books are empty.
    #[must_use]
    pub fn fold(&self, tenant: &Text) -> Fold {
        let books = Arc::new(Mutex::new(Books::new(self.registrar.clone(), tenant.clone())));
        for (state, _) in names::STUCK_KINDS {
            self.stuck(tenant, state, 0);
        }
        let mut tenants = lock(&self.tenants);
        tenants.retain(|(known, _)| known != tenant);
        tenants.push((tenant.clone(), books.clone()));
        Fold { books }
    }

    /// A tenant's events counted apart, to be kept with a snapshot: nothing of it is shown.
    #[must_use]
    pub fn apart(&self, tenant: &Text) -> Fold {
        Fold { books: Arc::new(Mutex::new(Books::new(self.registrar.apart(), tenant.clone()))) }
    }

    /// What audit sweeps found past its deadline so far, by tenant.
    #[must_use]
    pub fn stuck_total(&self) -> Vec<(Text, u64)> {
        lock(&self.stuck).clone()
    }

    /// Counts what an audit sweep found past its deadline.
    pub fn stuck(&self, tenant: &str, state: ContactState, several: u64) {
        let mut found = lock(&self.stuck);
        match found.iter_mut().find(|(known, _)| **known == *tenant) {
            Some((_, count)) => *count += several,
            None => found.push((tenant.into(), several)),
        }
        drop(found);
        if let Some((_, kind)) = names::STUCK_KINDS.iter().find(|(known, _)| *known == state) {
            self.registrar.counter(&names::STUCK, &[tenant, kind]).increment(several);
        }
    }

    /// Everything, in the text format, as it stands at `now`; `snapshots` are the views of the tenants.
    #[must_use]
    pub fn render(&self, now: Time, shell: Shell, snapshots: &[Arc<Snapshot>]) -> String {
        let tenants = lock(&self.tenants).clone();
        let figures: Vec<Figures> = tenants.iter().map(|(_, books)| lock(books).figures(now)).collect();
        // As long as the last one was, and a little more.
        let last = self.page.load(Ordering::Relaxed);
        let mut page = Page::with_capacity(last + last / 16);
        self.registrar.write(&mut page);
        write_queues(&mut page, &figures);
        let past = figures.iter().map(|tenant| {
            let cells = tenant.past.iter().map(|(queue, channel, direction)| (&**queue, &**channel, *direction));
            (&*tenant.tenant, cells.collect())
        });
        figures::write(&mut page, snapshots, &past.collect());
        page.single(&names::SERIES_OVERFLOW, self.registrar.overflow());
        write_agents(&mut page, &figures);
        page.begin(&names::CONFIG_VERSION);
        for tenant in figures.iter().filter(|tenant| tenant.version > 0) {
            page.sample(&names::CONFIG_VERSION, &[&tenant.tenant, &tenant.version.to_string()], 1);
        }
        self.reloads.write(&mut page);
        self.decisions.write(&mut page, &names::DECISION, names::DECISION_BOUNDS);
        self.offers.write(&mut page, &names::OFFER_LATENCY, names::OFFER_BOUNDS);
        self.commits.write(&mut page, &names::JOURNAL_COMMIT, names::JOURNAL_COMMIT_BOUNDS);
        for (metric, bytes) in
            [(&names::JOURNAL_BYTES, shell.journal_bytes), (&names::JOURNAL_FREE, shell.journal_free)]
        {
            if let Some(bytes) = bytes {
                page.single(metric, bytes);
            }
        }
        page.single(&names::INGRESS_DEPTH, shell.ingress_depth);
        page.single(&names::INGRESS_REFUSED, shell.ingress_refused);
        page.single(&names::MEMORY_LIMIT, shell.memory_limit);
        page.single(&names::MEMORY_REFUSED, shell.memory_refused);
        page.single(&names::STREAM_LAG, shell.stream_lag);
        page.begin(&names::BUILD);
        page.sample(&names::BUILD, &[env!("CARGO_PKG_VERSION")], 1);
        process::write(&mut page);
        let page = page.finish();
        self.page.store(page.len(), Ordering::Relaxed);
        page
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_queues(page: &mut Page, figures: &[Figures]) {
    let each = |visit: &mut dyn FnMut(&[&str], &CellFigures)| {
        for tenant in figures {
            for cell in &tenant.cells {
                visit(&[&tenant.tenant, &cell.queue, &cell.channel, cell.direction], cell);
            }
        }
    };
    page.begin(&names::CONTACTS_WAITING);
    each(&mut |own, cell| {
        for ((_, state), count) in names::WAITING.iter().zip(cell.waiting) {
            page.sample(&names::CONTACTS_WAITING, &[own, &[*state]].concat(), count);
        }
    });
    page.begin(&names::CONTACTS_UNSERVABLE);
    each(&mut |own, cell| page.sample(&names::CONTACTS_UNSERVABLE, own, cell.unservable));
    page.begin(&names::LONGEST_WAIT);
    each(&mut |own, cell| page.sample(&names::LONGEST_WAIT, own, seconds(cell.longest)));
    page.begin(&names::CONTACTS_OVER_MAX_HANDLE);
    for tenant in figures {
        for cell in tenant.cells.iter().chain(&tenant.direct) {
            let own = [&*tenant.tenant, &cell.queue, &cell.channel, cell.direction];
            page.sample(&names::CONTACTS_OVER_MAX_HANDLE, &own, cell.over_max_handle);
        }
    }
}

fn write_agents(page: &mut Page, figures: &[Figures]) {
    let teams = || figures.iter().flat_map(|tenant| tenant.teams.iter().map(|team| (&*tenant.tenant, team)));
    page.begin(&names::AGENTS);
    for (tenant, team) in teams() {
        for (state, count) in names::AGENT_STATES.iter().zip(team.states) {
            page.sample(&names::AGENTS, &[tenant, &team.team, state], count);
        }
    }
    page.begin(&names::AGENT_STATE_SECONDS);
    for tenant in figures {
        for time in &tenant.times {
            let own = [&*tenant.tenant, &time.team, names::AGENT_STATES[time.state], &time.reason];
            page.sample(&names::AGENT_STATE_SECONDS, &own, seconds(time.time));
        }
    }
    page.begin(&names::CAPACITY_USED);
    for (tenant, team) in teams() {
        page.sample(&names::CAPACITY_USED, &[tenant, &team.team], team.used);
    }
    page.begin(&names::CAPACITY);
    for (tenant, team) in teams() {
        page.sample(&names::CAPACITY, &[tenant, &team.team], team.capacity);
    }
}

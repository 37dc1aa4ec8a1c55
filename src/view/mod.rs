//! What supervisors look at: queues, teams, agents and intervals, as a fold of the published events.
//!
//! The writer only hands events over ([`View::push`]); they are folded by whoever reads next, or by the upkeep at least
//! every [`EVERY`], on threads of their own. A reader first takes in what has come, so it sees its own writes. The
//! snapshot is built at most every [`EVERY`] and shared. This room knows the engine's types and nothing of shards, gRPC
//! or metrics. Read `counts`, `kpi` (the formulas) and `fold`, then `snapshot` and `report`; `save` has the books
//! in bytes.

pub mod agents;
pub mod calendar;
pub mod counts;
pub mod estimate;
pub mod fold;
pub mod json;
pub mod kpi;
pub mod names;
pub mod recontact;
pub mod record;
pub mod report;
mod save;
pub mod shifts;
pub mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::engine::event::Recorded;
use crate::engine::id::Text;
use crate::engine::publish::Published;
use crate::engine::time::{Span, Time};
use crate::wire::{Malformed, Reader, Wire};
use fold::Books;
use snapshot::Snapshot;

/// Longest age of what is read.
pub const EVERY: Span = Span::from_millis(100);

/// The views of every tenant.
#[derive(Default)]
pub struct Views {
    tenants: Mutex<Vec<Arc<View>>>,
}

/// One tenant's view.
pub struct View {
    tenant: Text,
    inbox: Mutex<Vec<Arc<Vec<Published>>>>,
    books: Mutex<Books>,
    last: Mutex<Option<Arc<Snapshot>>>,
    /// What audits found past its deadline: no event tells of it.
    stuck: AtomicI64,
}

impl Views {
    /// The view of a tenant, made at first sight.
    #[must_use]
    pub fn open(&self, tenant: &Text) -> Arc<View> {
        let mut tenants = self.tenants.lock();
        if let Some(view) = tenants.iter().find(|view| view.tenant == *tenant) {
            return view.clone();
        }
        let view = Arc::new(View {
            tenant: tenant.clone(),
            inbox: Mutex::default(),
            books: Mutex::new(Books::new(tenant.clone())),
            last: Mutex::default(),
            stuck: AtomicI64::new(0),
        });
        tenants.push(view.clone());
        view
    }

    /// The view of a tenant, if there is one.
    #[must_use]
    pub fn find(&self, tenant: &str) -> Option<Arc<View>> {
        self.tenants.lock().iter().find(|view| *view.tenant == *tenant).cloned()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<View>> {
        self.tenants.lock().clone()
    }

    /// Takes in what has come for any tenant.
    pub fn catch_up(&self) {
        self.all().iter().for_each(|view| view.catch_up());
    }
}

impl View {
    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &Text {
        &self.tenant
    }

    /// Hands events over. Runs on the writer: it waits for no reader.
    pub fn push(&self, step: &Arc<Vec<Published>>) {
        self.inbox.lock().push(step.clone());
    }

    /// Takes in what has come.
    pub fn catch_up(&self) {
        drop(self.up_to_date());
    }

    /// Takes in an event that comes from elsewhere, in order: from a journal, from a test.
    pub fn take(&self, recorded: &Recorded) {
        self.up_to_date().take(recorded);
    }

    /// Goes on from what [`Books`] were written once, unless they have come as far already.
    ///
    /// # Errors
    /// When it is not what was written.
    pub fn restore(&self, written: &mut Reader<'_>) -> Result<(), Malformed> {
        let restored = Books::get(written)?;
        let mut books = self.up_to_date();
        if books.sequence < restored.sequence {
            *books = restored;
        }
        Ok(())
    }

    fn up_to_date(&self) -> parking_lot::MutexGuard<'_, Books> {
        let mut books = self.books.lock();
        let steps = std::mem::take(&mut *self.inbox.lock());
        steps.iter().flat_map(|step| step.iter()).for_each(|event| books.take(&event.recorded));
        books
    }

    /// Reads the books as they stand at `now`.
    pub fn read<T>(&self, now: Time, read: impl FnOnce(&mut Books) -> T) -> T {
        let mut books = self.up_to_date();
        books.move_to(now);
        read(&mut books)
    }

    /// Counts what an audit sweep found past its deadline.
    pub fn stuck(&self, several: u64) {
        self.stuck.fetch_add(i64::try_from(several).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn shot(&self, now: Time) -> Arc<Snapshot> {
        let shot = self.read(now, |books| books.snapshot(now));
        Arc::new(Snapshot { stuck: self.stuck.load(Ordering::Relaxed), ..shot })
    }

    /// The state of the tenant, at most [`EVERY`] old.
    pub fn snapshot(&self, now: Time) -> Arc<Snapshot> {
        let mut last = self.last.lock();
        if let Some(snapshot) = last.as_ref().filter(|snapshot| now.since(snapshot.time) < EVERY) {
            return snapshot.clone();
        }
        let fresh = self.shot(now);
        *last = Some(fresh.clone());
        fresh
    }

    /// The state of the tenant at this very instant, for who must see what it has just done.
    pub fn fresh_snapshot(&self, now: Time) -> Arc<Snapshot> {
        let fresh = self.shot(now);
        *self.last.lock() = Some(fresh.clone());
        fresh
    }
}

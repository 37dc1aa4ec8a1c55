//! The reader's side of a subscription: what is ordered, what arrives, how it ends.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::engine::id::Text;
use crate::engine::publish::Published;

/// Chooses events. Runs on the writer for every event of the tenant: it must be quick and must not wait.
pub type Filter = Box<dyn FnMut(&Published) -> bool + Send>;

/// Which events are wanted.
pub enum Topic {
    /// One agent's. A delivery of offers: an offer that none of his streams takes fails.
    Agent {
        /// The agent.
        agent_id: Text,
        /// Whether it is his one session, which replaces an earlier one.
        session: bool,
    },
    /// Those of one gateway's contacts, and its own.
    Gateway(Text),
    /// All.
    Everything,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topic::Agent { agent_id, session } => write!(f, "agent {agent_id} session {session}"),
            Topic::Gateway(gateway_id) => write!(f, "gateway {gateway_id}"),
            Topic::Everything => f.write_str("everything"),
        }
    }
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// After the snapshot that goes with it.
    #[default]
    Now,
    /// After the event with this sequence; 0 for the tenant's first.
    After(u64),
}

/// A stream as ordered.
pub struct Order {
    /// Which events.
    pub topic: Topic,
    /// Of those, only the ones it accepts; all without it. An offer it leaves out counts as delivered.
    pub only: Option<Filter>,
    /// From where on.
    pub start: Start,
    /// How many events may wait for the reader before it is too slow; at least 1.
    pub capacity: usize,
}

impl Order {
    /// Room for a reader that is served every few milliseconds.
    pub const CAPACITY: usize = 1024;

    /// What happens from now on.
    #[must_use]
    pub fn new(topic: Topic) -> Order {
        Order { topic, only: None, start: Start::Now, capacity: Order::CAPACITY }
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Order { topic, only, start, capacity } = self;
        write!(f, "{topic:?} filtered {} {start:?} capacity {capacity}", only.is_some())
    }
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ended {
    /// The reader fell behind by more than its capacity.
    SlowReader = 1,
    /// A newer session of the same agent took its place.
    Replaced,
    /// The server is draining.
    Draining,
    /// The tenant has stopped, or goes back to what is durable.
    TenantStopped,
}

const OPEN: u8 = 0;
const LEFT: u8 = u8::MAX;

/// What both ends see of each other: why the writer closed, or that the reader took leave.
#[derive(Debug, Default)]
pub(super) struct Link(AtomicU8);

impl Link {
    pub(super) fn end(&self, why: Ended) {
        // Whoever ends it first has said why.
        let _ = self.0.compare_exchange(OPEN, why as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(super) fn has_left(&self) -> bool {
        self.0.load(Ordering::Acquire) == LEFT
    }

    fn ended(&self) -> Option<Ended> {
        let all = [Ended::SlowReader, Ended::Replaced, Ended::Draining, Ended::TenantStopped];
        let code = self.0.load(Ordering::Acquire);
        all.into_iter().find(|why| *why as u8 == code)
    }
}

/// The streams that are open, for who wants to know how far behind their readers are without stopping the writer.
#[derive(Clone, Debug, Default)]
pub(super) struct Lags(Arc<Mutex<Vec<mpsc::WeakSender<Arc<Published>>>>>);

impl Lags {
    fn held(&self) -> MutexGuard<'_, Vec<mpsc::WeakSender<Arc<Published>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self, events: &mpsc::Sender<Arc<Published>>) {
        self.held().push(events.downgrade());
    }

    /// Events that wait for the reader who is furthest behind; 0 when nobody reads. Linear in streams.
    pub(super) fn most(&self) -> usize {
        let mut most = 0;
        self.held().retain(|events| {
            let open = events.upgrade().filter(|events| !events.is_closed());
            most = most.max(open.as_ref().map_or(0, |events| events.max_capacity() - events.capacity()));
            open.is_some()
        });
        most
    }
}

/// A stream of events. Ends with the reason as its last item.
///
/// Dropping it is a lost connection: an offer then made to an agent who has no other stream fails. [`Self::leave`] is
/// taking leave: he is from then on as one who has no stream.
#[derive(Debug)]
pub struct Subscription {
    backlog: VecDeque<Arc<Published>>,
    events: mpsc::Receiver<Arc<Published>>,
    link: Arc<Link>,
    sequence: u64,
    finished: bool,
}

impl Subscription {
    pub(super) fn new(
        backlog: VecDeque<Arc<Published>>,
        events: mpsc::Receiver<Arc<Published>>,
        link: Arc<Link>,
        sequence: u64,
    ) -> Subscription {
        Subscription { backlog, events, link, sequence, finished: false }
    }

    /// Sequence after which it begins: that of the snapshot, or the token given.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Events that wait for the reader.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.backlog.len() + self.events.len()
    }

    /// The next event; an error once, when the stream has ended and all before it is read; then none.
    pub async fn next(&mut self) -> Option<Result<Arc<Published>, Ended>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The next event, if it is there already.
    pub fn try_next(&mut self) -> Option<Result<Arc<Published>, Ended>> {
        if let Some(event) = self.backlog.pop_front() {
            return Some(Ok(event));
        }
        match self.events.try_recv() {
            Ok(event) => Some(Ok(event)),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => self.finish().map(Err),
        }
    }

    /// Ends it as its reader wishes.
    pub fn leave(self) {
        self.link.0.store(LEFT, Ordering::Release);
    }

    fn finish(&mut self) -> Option<Ended> {
        // A writer that is gone without a word has been shut down.
        let first = !std::mem::replace(&mut self.finished, true);
        first.then(|| self.link.ended().unwrap_or(Ended::Draining))
    }
}

impl Stream for Subscription {
    type Item = Result<Arc<Published>, Ended>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(event) = self.backlog.pop_front() {
            return Poll::Ready(Some(Ok(event)));
        }
        match self.events.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(event)) => Poll::Ready(Some(Ok(event))),
            Poll::Ready(None) => Poll::Ready(self.finish().map(Err)),
        }
    }
}

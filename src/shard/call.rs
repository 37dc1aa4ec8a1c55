//! What is put to a shard and how it is answered.
//!
//! Work goes in as an [`Envelope`] and its answer comes back by a [`Pending`]. Dropping the `Pending` takes nothing back:
//! what was handed in is carried out whole, as if its client had gone away after it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::engine;
use crate::engine::command::Request;
use crate::engine::id::{LegId, Text};
use crate::engine::read::{AgentView, ContactBrief, ContactView, LegView};
use crate::engine::reject::Reject;
use crate::engine::state::State;
use crate::engine::time::Time;

use super::stream::{Order, Subscription};

/// A tenant's place in its shard, from [`super::Shard::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatId(pub u32);

/// What the answer to a command is to show. What nobody looks at is not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// How much of the contact it was about.
    pub contact: Detail,
    /// Whether the agent it was about, with all his legs.
    pub agent: bool,
    /// A leg.
    pub leg: Option<LegId>,
    /// The newest leg of that contact with that agent.
    pub newest_leg: bool,
}

impl Show {
    /// The engine's own answer alone.
    pub const NOTHING: Show = Show { contact: Detail::Nothing, agent: false, leg: None, newest_leg: false };
    /// Contact and agent.
    pub const ALL: Show = Show { contact: Detail::Whole, agent: true, ..Show::NOTHING };
}

/// How much of a contact is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    #[default]
    Nothing,
    /// What a client needs that hears the events: [`ContactBrief`].
    Brief,
    /// Everything.
    Whole,
}

/// What an accepted command is answered with, as things stood when it was carried out. Small: it changes hands several
/// times on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The engine's own answer.
    pub reply: engine::Reply,
    /// The contact it was about, when shown whole.
    pub contact: Option<Box<ContactView>>,
    /// The contact it was about, when shown in brief.
    pub brief: Option<Box<ContactBrief>>,
    /// The agent it was about, when shown.
    pub agent: Option<Box<AgentView>>,
    /// The leg asked for.
    pub leg: Option<Box<LegView>>,
}

/// Why work was not done. But for the two marked, nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server is draining and takes no more work.
    Draining,
    /// No such tenant.
    TenantUnknown,
    /// Too much waits already; try again.
    IngressFull,
    /// The tenant has stopped after a bug; the command that met it has no effect.
    TenantStopped,
    /// The journal has no room.
    JournalFull,
    /// Memory has reached its bound.
    MemoryFull,
    /// The journal cannot be written. When it failed after the command was carried out, the outcome is not known.
    JournalUnavailable,
    /// The engine refuses.
    Reject(Reject),
    /// The events after the token are no longer kept, or were never there.
    OutOfRange {
        /// The smallest token that would be served.
        oldest: u64,
    },
    /// A query met a bug in itself.
    QueryFailed,
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Refused {
        Refused::Reject(reject)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Draining => f.write_str("the server is draining"),
            Refused::TenantUnknown => f.write_str("no such tenant"),
            Refused::IngressFull => f.write_str("the ingress is full"),
            Refused::TenantStopped => f.write_str("the tenant is stopped"),
            Refused::JournalFull => f.write_str("the journal is full"),
            Refused::MemoryFull => f.write_str("memory is full"),
            Refused::JournalUnavailable => f.write_str("the journal cannot be written"),
            Refused::Reject(reject) => write!(f, "the engine refuses: {reject:?}"),
            Refused::OutOfRange { oldest } => write!(f, "the token is out of range, the oldest kept is {oldest}"),
            Refused::QueryFailed => f.write_str("the query failed"),
        }
    }
}

impl std::error::Error for Refused {}

/// A reading of one tenant's state, carried out in its turn among the commands. Must be bounded; is never journalled.
pub trait Query: Send {
    /// Reads, and keeps what it found. `stream` is there when one was ordered.
    fn run(&mut self, state: &State, now: Time, stream: Option<Subscription>);
    /// Tells whoever asked: what was found, once everything it depends on is durable, or why not.
    fn settle(self: Box<Self>, verdict: Result<(), Refused>);
}

/// Where an answer goes. Boxed, because it changes hands several times on its way and is large.
pub type Reply<T> = oneshot::Sender<Result<Box<T>, Refused>>;

/// Something to be done by the shard.
pub enum Work {
    /// A command.
    Call {
        /// What is asked.
        request: Request,
        /// What the answer is to show.
        show: Show,
        /// Where the answer goes.
        reply: Reply<Done>,
    },
    /// A query, with the stream to begin where it reads, if one is ordered.
    Query(Box<dyn Query>, Option<Box<Order>>),
    /// Everything before it is to be settled, and every stream of the shard ended.
    Drain(Reply<()>),
}

/// Work with the tenant it is for.
pub struct Envelope {
    /// The tenant.
    pub seat: SeatId,
    /// What is to be done.
    pub work: Work,
}

impl Envelope {
    /// A command, and where its answer will be.
    pub fn call(seat: SeatId, request: Request, show: Show) -> (Envelope, Pending<Done>) {
        let (reply, answer) = oneshot::channel();
        (Envelope { seat, work: Work::Call { request, show, reply } }, Pending(Stage::Waiting(answer)))
    }

    /// A query, and where its answer will be.
    pub fn query<R, F>(seat: SeatId, read: F) -> (Envelope, Pending<R>)
    where
        R: Send + 'static,
        F: FnOnce(&State, Time) -> R + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let query = Box::new(Reading { read: Some(move |state: &State, now, _| read(state, now)), found: None, reply });
        (Envelope { seat, work: Work::Query(query, None) }, Pending(Stage::Waiting(answer)))
    }

    /// A query and the stream of what comes after it, in one.
    pub fn subscribe<R, F>(seat: SeatId, order: Order, read: F) -> (Envelope, Pending<(R, Subscription)>)
    where
        R: Send + 'static,
        F: FnOnce(&State, Time) -> R + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read = move |state: &State, now, stream: Option<Subscription>| {
            (read(state, now), stream.expect("a stream was ordered with the query"))
        };
        let query = Box::new(Reading { read: Some(read), found: None, reply });
        (Envelope { seat, work: Work::Query(query, Some(Box::new(order))) }, Pending(Stage::Waiting(answer)))
    }

    /// Ends the shard's service, and where the end of it will be told.
    pub fn drain() -> (Envelope, Pending<()>) {
        let (reply, answer) = oneshot::channel();
        (Envelope { seat: SeatId(0), work: Work::Drain(reply) }, Pending(Stage::Waiting(answer)))
    }
}

struct Reading<R, F> {
    read: Option<F>,
    found: Option<Box<R>>,
    reply: Reply<R>,
}

impl<R, F> Query for Reading<R, F>
where
    R: Send,
    F: FnOnce(&State, Time, Option<Subscription>) -> R + Send,
{
    fn run(&mut self, state: &State, now: Time, stream: Option<Subscription>) {
        if let Some(read) = self.read.take() {
            self.found = Some(Box::new(read(state, now, stream)));
        }
    }

    fn settle(self: Box<Self>, verdict: Result<(), Refused>) {
        let Reading { found, reply, .. } = *self;
        let answer = verdict.and_then(|()| found.ok_or(Refused::QueryFailed));
        // Whoever asked may have gone; then nobody wants to know.
        let _ = reply.send(answer);
    }
}

enum Stage<T> {
    Refused(Option<Refused>),
    Waiting(oneshot::Receiver<Result<Box<T>, Refused>>),
}

/// An answer to come. The work was handed in when this was made, not when it is first polled, so that calls of one
/// client are carried out in the order they were made.
#[must_use = "the answer says whether the work was done"]
pub struct Pending<T>(Stage<T>);

impl<T> Pending<T> {
    /// Work that was never handed in.
    pub fn refused(why: Refused) -> Pending<T> {
        Pending(Stage::Refused(Some(why)))
    }

    /// The answer, if it is there already. To be asked no more once it was.
    pub fn now(&mut self) -> Option<Result<T, Refused>> {
        match &mut self.0 {
            Stage::Refused(why) => why.take().map(Err),
            Stage::Waiting(answer) => match answer.try_recv() {
                Ok(answer) => Some(answer.map(|answer| *answer)),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => Some(Err(Refused::TenantStopped)),
            },
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Stage::Refused(why) => Poll::Ready(Err(why.take().expect("polled after it was ready"))),
            Stage::Waiting(answer) => match Pin::new(answer).poll(cx) {
                Poll::Pending => Poll::Pending,
                // The shard went without an answer: it is gone.
                Poll::Ready(Err(_)) => Poll::Ready(Err(Refused::TenantStopped)),
                Poll::Ready(Ok(answer)) => Poll::Ready(answer.map(|answer| *answer)),
            },
        }
    }
}

/// Makes the engine of a tenant by its name.
pub type Maker = Box<dyn FnMut(&Text) -> Box<dyn super::Machine> + Send>;

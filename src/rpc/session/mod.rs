//! Bidirectional sessions: every verb and event on one stream. One task per session reads frames, hands their commands
//! in in order, all of a frame together, and writes replies and events as they come: a reply that waits for the journal
//! holds up neither the next frame nor the events. What gateways and agents have in
//! common is here; `contact` and `agent` say what differs, as a [`Side`].

pub(super) mod agent;
pub(super) mod contact;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use usher_proto::v1 as pb;

use super::Edge;
use super::convert::event;
use super::status::Problem;
use super::verbs::{Addressed, Verb};
use super::watch::{Messages, OUTBOX, ended, messages};
use crate::engine::publish::{Published, Shared};
use crate::shard::{Ended, Filter, Subscription};

/// Commands in one frame at most.
const FRAME: usize = 1000;
/// Commands under way at which a session reads no further frame.
const UNDER_WAY: usize = 4 * FRAME;
/// Events told in one frame at most.
const EVENTS: usize = 256;

/// A reply on its way: the command was handed in already.
type Reply<T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send>>;

/// Where a session's frames go.
pub(super) struct Outbox<S: Side>(mpsc::Sender<Result<S::Response, Status>>);

impl<S: Side> Outbox<S> {
    /// Sends one frame, unless there is nothing in it.
    async fn send(&self, items: Vec<S::Item>, resume_token: String) -> Result<(), Problem> {
        if items.is_empty() {
            return Ok(());
        }
        let gone = |_| Problem::new(Code::Cancelled, "CANCELLED", "the client is gone");
        self.0.send(Ok(S::frame(items, resume_token))).await.map_err(gone)
    }
}

/// Whose session it is: what gateways and agents do not have in common.
pub(super) trait Side: Send + Sized + 'static {
    /// A client's frame.
    type Request: Send + 'static;
    /// One of its commands.
    type Asked: Send;
    /// What a command is answered with.
    type Answer: Send;
    /// A server's frame.
    type Response: Send + 'static;
    /// What it is made of.
    type Item: Send;

    /// The commands of a frame, with their correlation ids.
    fn commands(frame: Self::Request) -> impl ExactSizeIterator<Item = (u64, Option<Self::Asked>)> + Send;
    /// Opens it by its first command, and says what there is to say at the beginning.
    fn open(
        edge: Edge,
        asked: Self::Asked,
        outbox: &Outbox<Self>,
    ) -> impl Future<Output = Result<Self, Problem>> + Send;
    /// The way in.
    fn edge(&self) -> &Edge;
    /// Hands a command in at `edge`.
    fn hand_in(&self, edge: &Edge, asked: Self::Asked) -> Reply<Self::Answer>;
    /// A refusal as an answer.
    fn refusal(error: pb::CommandError) -> Self::Answer;
    /// An answer in a frame.
    fn reply(correlation_id: u64, answer: Self::Answer) -> Self::Item;
    /// What it hears.
    fn events(&mut self) -> &mut Subscription;
    /// An event in a frame; none when it is not told.
    fn event(&self, published: &Published) -> Option<Self::Item>;
    /// The token after an event.
    fn token(&self, sequence: u64) -> String;
    /// A frame.
    fn frame(items: Vec<Self::Item>, resume_token: String) -> Self::Response;
}

/// Serves one session until either side ends it.
pub(super) fn serve<S: Side>(edge: Edge, mut frames: Streaming<S::Request>) -> Messages<S::Response> {
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    tokio::spawn(async move {
        let outbox = Outbox::<S>(outbox);
        if let Err(problem) = run(edge, &mut frames, &outbox).await {
            // The client may have gone already.
            let _ = outbox.0.send(Err(problem.into())).await;
        }
    });
    messages(inbox)
}

async fn run<S: Side>(edge: Edge, frames: &mut Streaming<S::Request>, outbox: &Outbox<S>) -> Result<(), Problem> {
    let Ok(Some(first)) = frames.message().await else { return Ok(()) };
    let mut commands = S::commands(first);
    let Some((_, Some(open))) = commands.next() else { return Err(not_open()) };
    let mut session = S::open(edge, open, outbox).await?;
    let mut replies = Replies::<S>::new();
    hand_in(&session, commands, &mut replies)?;
    loop {
        // What is ready goes at once; what is not does not hold up the frames behind it, nor the events.
        let items = replies.ready(false).await;
        if !items.is_empty() {
            let next = session.events().try_next();
            tell(&mut session, next, items, outbox).await?;
            continue;
        }
        tokio::select! {
            frame = frames.message(), if replies.0.len() < UNDER_WAY => match frame {
                Ok(Some(frame)) => hand_in(&session, S::commands(frame), &mut replies)?,
                // The client has said all it had to say, and is owed the answers.
                Ok(None) => return finish(&mut session, replies, outbox).await,
                Err(_) => return Ok(()),
            },
            next = session.events().next() => match next {
                Some(next) => tell(&mut session, Some(next), Vec::new(), outbox).await?,
                None => return Ok(()),
            },
            items = replies.ready(true), if !replies.0.is_empty() => {
                let next = session.events().try_next();
                tell(&mut session, next, items, outbox).await?;
            }
        }
    }
}

async fn finish<S: Side>(session: &mut S, mut replies: Replies<S>, outbox: &Outbox<S>) -> Result<(), Problem> {
    while !replies.0.is_empty() {
        let items = replies.ready(true).await;
        tell(session, None, items, outbox).await?;
    }
    Ok(())
}

/// Replies on their way, in the order their commands were handed in.
struct Replies<S: Side>(VecDeque<(u64, Reply<S::Answer>)>);

impl<S: Side> Replies<S> {
    fn new() -> Replies<S> {
        Replies(VecDeque::new())
    }

    /// Those that are ready up to the first that is not; `wait` waits for one at least. A correlation id of 0 wants a
    /// reply only when it is a refusal. May be dropped: what is not given yet stays.
    fn ready(&mut self, wait: bool) -> impl Future<Output = Vec<S::Item>> + Send {
        poll_fn(move |cx| {
            let (mut items, mut taken) = (Vec::new(), 0);
            while let Some((correlation_id, reply)) = self.0.front_mut() {
                let Poll::Ready(answer) = reply.as_mut().poll(cx) else { break };
                match answer {
                    Ok(_) if *correlation_id == 0 => {}
                    Ok(answer) => items.push(S::reply(*correlation_id, answer)),
                    Err(problem) => items.push(S::reply(*correlation_id, S::refusal(problem.into()))),
                }
                self.0.pop_front();
                taken += 1;
            }
            if taken > 0 || !wait { Poll::Ready(items) } else { Poll::Pending }
        })
    }
}

/// Hands the commands of a frame in, in order and together.
fn hand_in<S: Side>(
    session: &S,
    commands: impl ExactSizeIterator<Item = (u64, Option<S::Asked>)>,
    replies: &mut Replies<S>,
) -> Result<(), Problem> {
    if commands.len() > FRAME {
        return Err(Problem::field("commands", &format!("be at most {FRAME} in a frame")));
    }
    if commands.len() == 0 {
        return Ok(());
    }
    let together = session.edge().gathering();
    replies.0.extend(commands.map(|(correlation_id, asked)| match asked {
        Some(asked) => (correlation_id, session.hand_in(&together, asked)),
        None => (correlation_id, refuse(Problem::field("command", "be set"))),
    }));
    together.shard.go();
    Ok(())
}

/// Sends `items` and, with them, the events that are there, `next` on.
async fn tell<S: Side>(
    session: &mut S,
    mut next: Option<Result<Shared, Ended>>,
    mut items: Vec<S::Item>,
    outbox: &Outbox<S>,
) -> Result<(), Problem> {
    let most = items.len() + EVENTS;
    let (mut sequence, mut over) = (None, None);
    while let Some(told) = next {
        match told {
            Ok(published) => {
                sequence = sequence.max(Some(published.recorded.sequence));
                items.extend(session.event(&published));
            }
            Err(why) => {
                over = Some(why);
                break;
            }
        }
        next = if items.len() < most { session.events().try_next() } else { None };
    }
    let token = sequence.map_or_else(String::new, |sequence| session.token(sequence));
    outbox.send(items, token).await?;
    over.map_or(Ok(()), |why| Err(ended(why)))
}

/// Puts the session's tenant where none is named, and refuses another one.
fn settle_tenant(request: &mut impl Addressed, tenant: &str) -> Result<(), Problem> {
    let named = request.tenant_mut();
    if named.is_empty() {
        tenant.clone_into(named);
    }
    if named == tenant {
        return Ok(());
    }
    let field = Some("tenant".to_owned());
    Err(Problem { field, ..Problem::new(Code::NotFound, "TENANT_NOT_FOUND", "the session is another tenant's") })
}

/// Hands a verb in and says how its reply will be had.
fn submit<V, T>(edge: &Edge, tenant: &str, verb: V, brief: bool, wrap: fn(V::Response) -> T) -> Reply<T>
where
    V: Verb + 'static,
    V::Response: 'static,
    T: Send + 'static,
{
    inquire(tenant, verb, |verb| edge.verb(tenant, verb, brief), wrap)
}

/// Hands anything else in by `ask`.
fn inquire<Q, R, T, F>(tenant: &str, mut request: Q, ask: impl FnOnce(Q) -> F, wrap: fn(R) -> T) -> Reply<T>
where
    Q: Addressed,
    F: Future<Output = Result<R, Problem>> + Send + 'static,
    R: 'static,
    T: Send + 'static,
{
    match settle_tenant(&mut request, tenant) {
        Ok(()) => {
            let answer = ask(request);
            Box::pin(async move { answer.await.map(wrap) })
        }
        Err(problem) => refuse(problem),
    }
}

/// A reply that is there already.
fn refuse<T: Send + 'static>(problem: Problem) -> Reply<T> {
    Box::pin(async move { Err(problem) })
}

fn later<T: Send + 'static>(method: &str) -> Reply<T> {
    refuse(Problem::unimplemented(method))
}

fn not_open() -> Problem {
    Problem::new(Code::FailedPrecondition, "SESSION_NOT_OPEN", "the first command of a session must be `open`")
}

fn open_twice() -> Problem {
    Problem::new(Code::FailedPrecondition, "SESSION_OPEN", "the session is open already")
}

/// An id in a session: its own when it is left empty.
fn own(id: &mut String, session: &str) {
    if id.is_empty() {
        session.clone_into(id);
    }
}

/// Lets the events through that are wanted, by their names in the oneof of Event, before anything is made of them; all
/// when none is named.
///
/// # Errors
/// FIELD_INVALID when a name is not known.
pub(super) fn wanted(names: &[String]) -> Result<Option<Filter>, Problem> {
    let known = |asked: &String| {
        let known = event::payload_names().iter().find(|known| *known == asked);
        known.map(String::as_str).ok_or_else(|| {
            Problem::field("event_names", &format!("be names of Event's payloads; {asked:?} is not one"))
        })
    };
    if names.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = names.iter().map(known).collect::<Result<_, _>>()?;
    let has =
        move |published: &Published| event::name(&published.recorded.event).is_some_and(|name| names.contains(&name));
    Ok(Some(Box::new(has)))
}

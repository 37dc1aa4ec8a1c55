//! Server streams: a snapshot of what concerns the client, then events; resumable; never slower than the writer allows.

use std::collections::HashMap;
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use usher_proto::v1::{self as pb, watch_agent_response, watch_contacts_response};

use super::Edge;
use super::agents::AgentWithContacts;
use super::convert::{event::event, input, output, time};
use super::status::{Problem, refused, rejected};
use crate::engine::command::Command;
use crate::engine::contact::ContactState;
use crate::engine::id::{ContactId, Text};
use crate::engine::publish::{Published, Shared};
use crate::engine::reject::Reject;
use crate::engine::time::Time;
use crate::shard::{Ended, Filter, Order, Start, Subscription, Topic};

/// The messages of a server stream.
pub type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Messages that may wait for the network.
pub(super) const OUTBOX: usize = 64;
/// Ids one watch or list may choose by.
pub(super) const CHOSEN: usize = 1000;
/// Contacts per message of a snapshot.
const PAGE: usize = 128;

pub(super) fn messages<T: Send + 'static>(outbox: mpsc::Receiver<Result<T, Status>>) -> Messages<T> {
    Box::pin(ReceiverStream::new(outbox))
}

/// Why a stream ended, for its reader.
pub(super) fn ended(why: Ended) -> Problem {
    match why {
        Ended::SlowReader => Problem::new(Code::ResourceExhausted, "SLOW_READER", "the stream was read too slowly"),
        Ended::Replaced => Problem::new(Code::Aborted, "SESSION_REPLACED", "a newer session took its place"),
        Ended::Draining => {
            Problem { retry: true, ..Problem::new(Code::Unavailable, "DRAINING", "the server is draining") }
        }
        Ended::TenantStopped => Problem {
            retry: true,
            ..Problem::new(Code::Unavailable, "TENANT_STOPPED", "the tenant is stopped after an internal fault")
        },
    }
}

/// A token of a stream or a list: the sequence or row seen last, and what was asked for.
pub(super) fn token(sequence: u64, watched: u64) -> String {
    format!("{sequence:x}.{watched:x}")
}

/// Where a token goes on; from now when it is empty.
///
/// # Errors
/// RESUME_TOKEN_INVALID when it is not one, or one of another watch.
pub(super) fn start(token: &str, watched: u64) -> Result<Start, Problem> {
    if token.is_empty() {
        return Ok(Start::Now);
    }
    number_in(token, watched).map(Start::After).ok_or_else(|| Problem {
        field: Some("resume_token".to_owned()),
        ..Problem::new(Code::InvalidArgument, "RESUME_TOKEN_INVALID", "resume_token is not one of this watch")
    })
}

/// The number in a token, if it is one of this watch or list.
pub(super) fn number_in(token: &str, watched: u64) -> Option<u64> {
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let (number, of) = token.split_once('.')?;
    hex(number).filter(|_| hex(of) == Some(watched))
}

/// Tells one watch from another: first 8 bytes of the request's digest.
pub(super) fn watched(request: &impl prost::Message) -> u64 {
    let digest = input::digest(request);
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 16 bytes"))
}

/// A session seen alive while it is held: its end is told to the engine.
pub(super) struct Alive {
    edge: Edge,
    tenant: String,
    close: Option<Command>,
}

impl Alive {
    /// Opens a session.
    pub(super) async fn open(edge: &Edge, tenant: &str, open: Command, close: Command) -> Result<Alive, Problem> {
        edge.shard.tell(tenant, open.into()).await.map_err(refused)?;
        Ok(Alive { edge: edge.clone(), tenant: tenant.to_owned(), close: Some(close) })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            // It is carried out whether or not anybody waits for the answer.
            drop(self.edge.shard.tell(&self.tenant, close.into()));
        }
    }
}

// ---- contacts

/// What a gateway or an integration watches.
#[derive(Clone)]
pub(super) struct ContactsWanted {
    pub(super) gateway_id: String,
    pub(super) queues: Vec<String>,
    pub(super) contact_ids: Vec<String>,
}

impl ContactsWanted {
    fn accepts(&self, contact_id: &str, gateway_id: &str, queue: &str) -> bool {
        (self.gateway_id.is_empty() || self.gateway_id == gateway_id)
            && (self.queues.is_empty() || self.queues.iter().any(|asked| asked == queue))
            && (self.contact_ids.is_empty() || self.contact_ids.iter().any(|asked| asked == contact_id))
    }

    fn accepts_event(&self, published: &Published) -> bool {
        published.contact.as_ref().is_some_and(|contact| {
            self.accepts(&contact.profile.contact_id, &contact.profile.gateway_id, &published.queue)
        })
    }
}

/// A snapshot of many contacts taken page by page while their events are held back: what a page already shows is not
/// told again.
pub(super) struct CatchUp {
    edge: Edge,
    tenant: String,
    wanted: ContactsWanted,
    after: Option<ContactId>,
    shown: HashMap<ContactId, u64>,
    complete: bool,
    contacts: usize,
}

impl CatchUp {
    pub(super) fn new(edge: Edge, tenant: String, wanted: ContactsWanted) -> CatchUp {
        CatchUp { edge, tenant, wanted, after: None, shown: HashMap::new(), complete: false, contacts: 0 }
    }

    /// The next page, and whether it was the last.
    pub(super) async fn page(&mut self) -> Result<pb::ContactsSnapshot, Problem> {
        let (wanted, after) = (self.wanted.clone(), self.after);
        let page = self.edge.query(&self.tenant, move |state, now| {
            let page = state.contacts_page(now, after, PAGE, &|state, held, id| {
                let queue = held.queue().map_or("", |queue| &**state.queue_id(queue));
                state.contact_state(id) != ContactState::Closed
                    && wanted.accepts(&held.profile.contact_id, &held.profile.gateway_id, queue)
            });
            (page, state.sequence())
        });
        let ((contacts, next), sequence) = page.await?;
        self.shown.extend(contacts.iter().map(|view| (view.contact, sequence)));
        self.contacts += contacts.len();
        self.after = next;
        self.complete = next.is_none();
        Ok(pb::ContactsSnapshot { contacts: contacts.iter().map(output::contact).collect() })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether an event was already shown by a page.
    pub(super) fn has_shown(&self, published: &Published) -> bool {
        let contact = published.contact.as_ref().and_then(|contact| self.shown.get(&contact.id));
        contact.is_some_and(|sequence| published.recorded.sequence <= *sequence)
    }

    pub(super) fn closing(&self, sequence: u64, now: Time) -> pb::SnapshotComplete {
        pb::SnapshotComplete { sequence, snapshot_time: Some(time(now)), contacts: self.contacts as i32 }
    }
}

/// `WatchContacts`.
pub(super) async fn contacts(
    edge: Edge,
    mut request: pb::WatchContactsRequest,
) -> Result<Messages<pb::WatchContactsResponse>, Problem> {
    input::optional_id("gateway_id", request.gateway_id.clone())?;
    input::ids("queues", &request.queues, CHOSEN)?;
    input::ids("contact_ids", &request.contact_ids, CHOSEN)?;
    let resume = std::mem::take(&mut request.resume_token);
    let watched = watched(&request);
    let start = start(&resume, watched)?;
    let tenant = input::tenant(&request.tenant).to_owned();
    let wanted =
        ContactsWanted { gateway_id: request.gateway_id, queues: request.queues, contact_ids: request.contact_ids };
    let filter = wanted.clone();
    let only = Some(Box::new(move |published: &Published| filter.accepts_event(published)) as Filter);
    let order = Order { topic: Topic::Everything, only, start, capacity: edge.options.stream_buffer };
    let (now, events) = edge.shard.subscribe(&tenant, order, |_, now| now).await.map_err(refused)?;
    let catch_up = (start == Start::Now).then(|| CatchUp::new(edge, tenant.clone(), wanted));
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    tokio::spawn(async move {
        let watch = ContactsWatch { outbox: outbox.clone(), tenant, watched };
        if let Err(problem) = watch.run(events, catch_up, now).await {
            let _ = outbox.send(Err(problem.into())).await;
        }
    });
    Ok(messages(inbox))
}

struct ContactsWatch {
    outbox: mpsc::Sender<Result<pb::WatchContactsResponse, Status>>,
    tenant: String,
    watched: u64,
}

impl ContactsWatch {
    /// Sends the snapshot and then events until either side ends.
    async fn run(&self, mut events: Subscription, catch_up: Option<CatchUp>, now: Time) -> Result<(), Problem> {
        use watch_contacts_response::Item;
        let from = events.sequence();
        let mut held: Vec<Shared> = Vec::new();
        let mut shown = None;
        if let Some(mut catch_up) = catch_up {
            while !catch_up.is_complete() {
                let page = catch_up.page().await?;
                if !page.contacts.is_empty() && !self.send(Some(Item::Snapshot(page)), String::new()).await {
                    return Ok(());
                }
                while let Some(next) = events.try_next() {
                    held.push(next.map_err(ended)?);
                }
            }
            let complete = Item::SnapshotComplete(catch_up.closing(from, now));
            if !self.send(Some(complete), token(from, self.watched)).await {
                return Ok(());
            }
            shown = Some(catch_up);
        }
        for published in held {
            let repeated = shown.as_ref().is_some_and(|shown| shown.has_shown(&published));
            if !repeated && !self.event(&published).await {
                return Ok(());
            }
        }
        loop {
            let next = tokio::select! {
                next = events.next() => next,
                () = self.outbox.closed() => return Ok(()),
            };
            match next {
                Some(Ok(published)) => {
                    let repeated = shown.as_ref().is_some_and(|shown| shown.has_shown(&published));
                    if !repeated && !self.event(&published).await {
                        return Ok(());
                    }
                }
                Some(Err(why)) => return Err(ended(why)),
                None => return Ok(()),
            }
        }
    }

    async fn event(&self, published: &Published) -> bool {
        let resume = token(published.recorded.sequence, self.watched);
        let item = event(&self.tenant, published).map(watch_contacts_response::Item::Event);
        item.is_none() || self.send(item, resume).await
    }

    async fn send(&self, item: Option<watch_contacts_response::Item>, resume_token: String) -> bool {
        self.outbox.send(Ok(pb::WatchContactsResponse { item, resume_token })).await.is_ok()
    }
}

// ---- agents

/// An agent's stream: his snapshot (none after a resume), his events, and the session that is alive with them.
pub(super) struct AgentStream {
    pub(super) snapshot: Option<AgentWithContacts>,
    pub(super) events: Subscription,
    pub(super) watched: u64,
    pub(super) tenant: String,
    pub(super) agent_id: Text,
    _alive: Alive,
}

impl AgentStream {
    /// Opens it; an earlier one of the same agent is replaced.
    pub(super) async fn open(
        edge: &Edge,
        tenant: &str,
        agent_id: String,
        resume: &str,
        only: Option<Filter>,
    ) -> Result<AgentStream, Problem> {
        let tenant = input::tenant(tenant).to_owned();
        let agent_id = input::id("agent_id", agent_id)?;
        let watched = watched(&pb::GetAgentRequest { tenant: tenant.clone(), agent_id: agent_id.to_string() });
        let start = start(resume, watched)?;
        let alive = Alive::open(
            edge,
            &tenant,
            Command::OpenAgentSession { agent_id: agent_id.clone() },
            Command::CloseAgentSession { agent_id: agent_id.clone() },
        )
        .await?;
        let topic = Topic::Agent { agent_id: agent_id.clone(), session: true };
        let order = Order { topic, only, start, capacity: edge.options.stream_buffer };
        let id = agent_id.clone();
        let read = move |state: &crate::engine::state::State, now| AgentWithContacts::read(state, now, &id);
        let (snapshot, events) = edge.shard.subscribe(&tenant, order, read).await.map_err(refused)?;
        let snapshot = snapshot.ok_or_else(|| rejected(&Reject::AgentNotFound))?;
        let snapshot = (start == Start::Now).then_some(snapshot);
        Ok(AgentStream { snapshot, events, watched, tenant, agent_id, _alive: alive })
    }

    /// The token after an event.
    pub(super) fn token(&self, sequence: u64) -> String {
        token(sequence, self.watched)
    }
}

/// `WatchAgent`.
pub(super) async fn agent(
    edge: Edge,
    request: pb::WatchAgentRequest,
) -> Result<Messages<pb::WatchAgentResponse>, Problem> {
    use watch_agent_response::Item;
    let mut stream = AgentStream::open(&edge, &request.tenant, request.agent_id, &request.resume_token, None).await?;
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    tokio::spawn(async move {
        if let Some(snapshot) = stream.snapshot.take() {
            let resume_token = stream.token(snapshot.sequence);
            let item = Some(Item::Snapshot(snapshot.snapshot()));
            if outbox.send(Ok(pb::WatchAgentResponse { item, resume_token })).await.is_err() {
                return;
            }
        }
        loop {
            let next = tokio::select! {
                next = stream.events.next() => next,
                () = outbox.closed() => return,
            };
            let message = match next {
                Some(Ok(published)) => {
                    let resume_token = stream.token(published.recorded.sequence);
                    let Some(event) = event(&stream.tenant, &published) else { continue };
                    Ok(pb::WatchAgentResponse { item: Some(Item::Event(event)), resume_token })
                }
                Some(Err(why)) => Err(ended(why).into()),
                None => return,
            };
            let last = message.is_err();
            if outbox.send(message).await.is_err() || last {
                return;
            }
        }
    });
    Ok(messages(inbox))
}

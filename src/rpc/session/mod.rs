//! Bidirectional sessions: every verb and event on one stream. One task per session reads frames, hands their commands
//! in in order, and writes replies and events as they come.

pub(super) mod agent;
pub(super) mod contact;

use std::pin::Pin;
use std::sync::Arc;

use tonic::Code;
use usher_proto::v1 as pb;

use super::Edge;
use super::convert::input;
use super::status::Problem;
use super::verbs::Verb;
use crate::engine::publish::Published;
use crate::shard::{Ended, Subscription};

/// Commands in one frame at most.
const FRAME: usize = 1000;
/// Events told in one frame at most.
const EVENTS: usize = 256;

/// A reply on its way: the command was handed in already.
type Reply<T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send>>;

/// A request whose tenant may be left to its session.
trait InSession {
    fn tenant_mut(&mut self) -> &mut String;
}

macro_rules! in_session {
    ($($request:ident)*) => {
        $(impl InSession for pb::$request {
            fn tenant_mut(&mut self) -> &mut String {
                &mut self.tenant
            }
        })*
    };
}

in_session! {
    CreateContactRequest GetContactRequest ListContactsRequest UpdateContactRequest ConnectContactRequest
    HoldContactRequest ResumeContactRequest CompleteContactRequest CancelContactRequest TransferContactRequest
    RequeueContactRequest ParkContactRequest UnparkContactRequest RequestCallbackRequest SubmitSurveyRequest
    HeartbeatRequest SignInRequest SignOutRequest SetPresenceRequest AcceptOfferRequest DeclineOfferRequest
    CompleteWrapUpRequest GetAgentRequest
}

/// Puts the session's tenant where none is named, and refuses another one.
fn settle_tenant(request: &mut impl InSession, tenant: &str) -> Result<(), Problem> {
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
fn submit<V, T>(
    edge: &Edge,
    tenant: &str,
    mut verb: V,
    wrap: impl FnOnce(V::Response) -> T + Send + 'static,
) -> Reply<T>
where
    V: Verb + InSession,
{
    let handed_in = settle_tenant(&mut verb, tenant).and_then(|()| edge.submit(verb));
    Box::pin(async move { Ok(wrap(V::render(handed_in?.await.map_err(V::problem)?))) })
}

/// A reply that is there already.
fn refuse<T: Send + 'static>(problem: Problem) -> Reply<T> {
    Box::pin(async move { Err(problem) })
}

fn later<T: Send + 'static>(method: &str) -> Reply<T> {
    refuse(Problem::unimplemented(method))
}

/// Awaits the replies of a frame in the order its commands were handed in. A correlation id of 0 wants a reply only when
/// it is a refusal.
async fn answers<A>(handed_in: Vec<(u64, Reply<A>)>, refused: fn(pb::CommandError) -> A) -> Vec<(u64, A)> {
    let mut answers = Vec::with_capacity(handed_in.len());
    for (correlation_id, reply) in handed_in {
        match reply.await {
            Ok(_) if correlation_id == 0 => {}
            Ok(answer) => answers.push((correlation_id, answer)),
            Err(problem) => answers.push((correlation_id, refused(problem.into()))),
        }
    }
    answers
}

/// Events that are there, told from the first on; the last one's sequence, and why the stream ended if it did.
pub(super) fn gather<T>(
    events: &mut Subscription,
    first: Arc<Published>,
    tell: impl Fn(&Published) -> Option<T>,
) -> (Vec<T>, u64, Option<Ended>) {
    let (mut told, mut sequence, mut next) = (Vec::new(), 0, first);
    loop {
        sequence = next.recorded.sequence.max(sequence);
        told.extend(tell(&next));
        if told.len() >= EVENTS {
            return (told, sequence, None);
        }
        next = match events.try_next() {
            Some(Ok(published)) => published,
            Some(Err(why)) => return (told, sequence, Some(why)),
            None => return (told, sequence, None),
        };
    }
}

fn too_many() -> Problem {
    Problem::field("commands", &format!("be at most {FRAME} in a frame"))
}

fn not_open() -> Problem {
    Problem::new(Code::FailedPrecondition, "SESSION_NOT_OPEN", "the first command of a session must be `open`")
}

fn open_twice() -> Problem {
    Problem::new(Code::FailedPrecondition, "SESSION_OPEN", "the session is open already")
}

/// Leaves in a reply's contact only what a client that hears the events needs.
fn brief(contact: &mut Option<pb::Contact>) {
    if let Some(whole) = contact.take() {
        *contact = Some(pb::Contact {
            contact_id: whole.contact_id,
            state: whole.state,
            outcome: whole.outcome,
            reason: whole.reason,
            queue: whole.queue,
            ..pb::Contact::default()
        });
    }
}

/// An id in a session: its own when it is left empty.
fn own(id: &mut String, session: &str) {
    if id.is_empty() {
        session.clone_into(id);
    }
}

/// The settled tenant of a session.
fn tenant_of(tenant: &str) -> String {
    input::tenant(tenant).to_owned()
}

//! Every mutation as one entry: its number, how its request becomes a command, and how its reply is rendered.
//!
//! Unary methods and sessions both go through here, so that they cannot differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic::Code;
use usher_proto::v1;

use super::convert::{hex, input, offer_from, output};
use super::names;
use super::status::{Problem, refused};
use crate::engine::command::{ChangeCause, Command, ContactChange, MoveWhich, Request, RequestStamp, TransferTarget};
use crate::engine::contact::{DeclineReason, RequeueCause};
use crate::engine::id::{LegId, Text};
use crate::engine::limits;
use crate::engine::time::Time;
use crate::shard::{Detail, Done, Refused, Show};

/// What verbs need beside their request.
pub struct Context {
    /// Requirement texts parsed before.
    pub requirements: input::Requirements,
    /// When the server began, in microseconds: no two servers make the same ids.
    began: u64,
    made: AtomicU64,
}

impl Context {
    /// A context of a server that began at `began`.
    #[must_use]
    pub fn new(began: Time) -> Context {
        Context { requirements: input::Requirements::default(), began: began.0, made: AtomicU64::new(0) }
    }

    /// An id for a contact whose client gave none.
    fn make_id(&self) -> String {
        format!("u{:x}-{:x}", self.began, self.made.fetch_add(1, Ordering::Relaxed))
    }
}

/// A request that names its tenant.
pub trait Addressed {
    /// The tenant it names.
    fn tenant_mut(&mut self) -> &mut String;
}

/// A request that may carry a request id.
pub trait Stamped: Addressed {
    /// Its request id, taken out so that the digest is of the payload alone.
    fn take_request_id(&mut self) -> String;
}

macro_rules! addressed {
    ($($request:ident)*) => {
        $(impl Addressed for v1::$request {
            fn tenant_mut(&mut self) -> &mut String {
                &mut self.tenant
            }
        })*
    };
}

macro_rules! stamped {
    ($($request:ident)*) => {
        addressed! { $($request)* }
        $(impl Stamped for v1::$request {
            fn take_request_id(&mut self) -> String {
                std::mem::take(&mut self.request_id)
            }
        })*
    };
}

stamped! {
    CreateContactRequest UpdateContactRequest ConnectContactRequest HoldContactRequest ResumeContactRequest
    CompleteContactRequest CancelContactRequest TransferContactRequest RequeueContactRequest ParkContactRequest
    UnparkContactRequest ReclassifyContactRequest PickContactRequest AssignContactRequest UpsertAgentRequest
    DeleteAgentRequest SignInRequest SignOutRequest SetPresenceRequest AcceptOfferRequest DeclineOfferRequest
    CompleteWrapUpRequest SetAgentPresenceRequest SetAgentSkillsRequest SetQueueOpenRequest SetContactPriorityRequest
    MoveContactsRequest SubmitSurveyRequest RequestCallbackRequest ForgetCustomerRequest
}
addressed! { EstimateWaitRequest GetContactRequest ListContactsRequest GetAgentRequest HeartbeatRequest }

/// A mutation of `usher.v1`.
pub trait Verb: prost::Message + Stamped + Sized {
    /// What it is answered with.
    type Response;
    /// Its number in request stamps: never changed, never reused.
    const METHOD: u16;
    /// What its reply shows; `brief` when a session asked for brief replies.
    fn show(&self, brief: bool) -> Show;
    /// The command it asks for.
    fn command(self, context: &Context) -> Result<Command, Problem>;
    /// The reply.
    fn render(done: Done) -> Self::Response;
    /// A refusal, with the path its field has in this request.
    fn problem(refusal: Refused) -> Problem {
        refused(refusal)
    }
}

/// The stamped request of a verb.
pub fn request<V: Verb>(mut verb: V, context: &Context) -> Result<Request, Problem> {
    // Request ids are the tenant's own, and his name may be left out or written.
    verb.tenant_mut().clear();
    let request_id = input::request_id(&verb.take_request_id())?;
    let stamp = request_id
        .map(|request_id| Arc::new(RequestStamp { method: V::METHOD, request_id, digest: input::digest(&verb) }));
    Ok(Request { stamp, command: verb.command(context)? })
}

/// A reply that shows the contact, or what a client needs of it that hears the events.
fn contact_in(brief: bool) -> Show {
    Show { contact: if brief { Detail::Brief } else { Detail::Whole }, ..Show::NOTHING }
}

/// A reply that shows the agent.
pub const AGENT: Show = Show { agent: true, ..Show::NOTHING };

fn contact_of(done: &Done) -> Option<v1::Contact> {
    let brief = || done.brief.as_deref().map(output::brief);
    done.contact.as_deref().map(output::contact).or_else(brief)
}

fn agent_of(done: &Done) -> Option<v1::Agent> {
    done.agent.as_deref().map(output::agent)
}

/// Names a request refers to are its fault when they are unknown; what it is about is simply not found.
fn referred(problem: Problem, reason: &str, field: &str) -> Problem {
    if problem.reason != reason {
        return problem;
    }
    Problem { code: Code::InvalidArgument, field: Some(field.to_owned()), ..problem }
}

/// A requirement that names a skill the tenant does not have is not a valid requirement.
pub(super) fn unknown_skill(problem: Problem, field: &str) -> Problem {
    Problem { reason: "REQUIREMENT_INVALID", field: Some(field.to_owned()), ..problem }
}

fn under_contact(problem: Problem) -> Problem {
    match problem.reason {
        "CHANNEL_NOT_FOUND" | "QUEUE_NOT_FOUND" => problem.under("contact"),
        "SKILL_NOT_FOUND" => unknown_skill(problem, "contact.requirements"),
        _ => problem,
    }
}

/// A verb that is answered with `{contact, sequence}`.
macro_rules! contact_verb {
    ($request:ident, $response:ident, $method:literal, |$verb:ident, $context:ident| $command:expr
        $(, |$problem:ident| $refine:expr)?) => {
        impl Verb for v1::$request {
            type Response = v1::$response;
            const METHOD: u16 = $method;
            fn show(&self, brief: bool) -> Show {
                contact_in(brief)
            }
            fn command(self, $context: &Context) -> Result<Command, Problem> {
                let $verb = self;
                let _ = $context;
                $command
            }
            fn render(done: Done) -> v1::$response {
                v1::$response { contact: contact_of(&done), sequence: done.reply.sequence }
            }
            $(fn problem(refusal: Refused) -> Problem {
                let $problem = refused(refusal);
                $refine
            })?
        }
    };
}

/// A verb that is answered with `{agent, sequence}`.
macro_rules! agent_verb {
    ($request:ident, $response:ident, $method:literal, |$verb:ident| $command:expr) => {
        impl Verb for v1::$request {
            type Response = v1::$response;
            const METHOD: u16 = $method;
            fn show(&self, _: bool) -> Show {
                AGENT
            }
            fn command(self, _: &Context) -> Result<Command, Problem> {
                let $verb = self;
                $command
            }
            fn render(done: Done) -> v1::$response {
                v1::$response { agent: agent_of(&done), sequence: done.reply.sequence }
            }
        }
    };
}

fn contact_id(contact_id: String) -> Result<Text, Problem> {
    input::id("contact_id", contact_id)
}

fn agent_id(agent_id: String) -> Result<Text, Problem> {
    input::id("agent_id", agent_id)
}

fn whole_contact(leg_number: i32) -> Result<(), Problem> {
    match leg_number {
        0 => Ok(()),
        ..0 => Err(Problem::field("leg_number", "not be negative")),
        _ => Err(Problem { field: Some("leg_number".to_owned()), ..Problem::unimplemented("a leg of a conference") }),
    }
}

contact_verb!(
    CreateContactRequest,
    CreateContactResponse,
    1,
    |verb, context| {
        let new = input::new_contact(&context.requirements, verb.contact, || context.make_id())?;
        Ok(Command::CreateContact(Arc::new(new)))
    },
    |problem| under_contact(referred(problem, "AGENT_NOT_FOUND", "contact.agent_id"))
);

contact_verb!(
    UpdateContactRequest,
    UpdateContactResponse,
    2,
    |verb, context| {
        let mut contact = verb.contact.ok_or_else(|| Problem::field("contact", "be set"))?;
        let contact_id = input::id("contact.contact_id", std::mem::take(&mut contact.contact_id))?;
        let change = Arc::new(input::contact_change(&context.requirements, contact, verb.update_mask)?);
        Ok(Command::UpdateContact { contact_id, change })
    },
    |problem| under_contact(match problem.reason {
        "CONTACT_NOT_FOUND" => problem.under("contact"),
        _ => problem,
    })
);

contact_verb!(ConnectContactRequest, ConnectContactResponse, 3, |verb, context| {
    whole_contact(verb.leg_number)?;
    Ok(Command::ConnectContact { contact_id: contact_id(verb.contact_id)? })
});

contact_verb!(HoldContactRequest, HoldContactResponse, 4, |verb, context| {
    whole_contact(verb.leg_number)?;
    Ok(Command::HoldContact { contact_id: contact_id(verb.contact_id)? })
});

contact_verb!(ResumeContactRequest, ResumeContactResponse, 5, |verb, context| {
    whole_contact(verb.leg_number)?;
    Ok(Command::ResumeContact { contact_id: contact_id(verb.contact_id)? })
});

contact_verb!(CompleteContactRequest, CompleteContactResponse, 6, |verb, context| {
    whole_contact(verb.leg_number)?;
    let disposition = input::words("disposition", verb.disposition)?;
    Ok(Command::CompleteContact { contact_id: contact_id(verb.contact_id)?, disposition })
});

contact_verb!(CancelContactRequest, CancelContactResponse, 7, |verb, context| {
    let contact_id = contact_id(verb.contact_id)?;
    let cause = names::cancel_from(verb.cause);
    let cause = cause.ok_or_else(|| Problem::field("cause", "be CUSTOMER_LEFT or SYSTEM"))?;
    Ok(Command::CancelContact { contact_id, cause })
});

contact_verb!(
    TransferContactRequest,
    TransferContactResponse,
    8,
    |verb, context| {
        use v1::transfer_contact_request::Target;
        let contact_id = contact_id(verb.contact_id)?;
        let target = match verb.target {
            Some(Target::Queue(queue)) => TransferTarget::Queue(input::id("queue", queue)?),
            Some(Target::AgentId(agent)) => TransferTarget::Agent(agent_id(agent)?),
            Some(Target::ConsultContactId(_)) => {
                let field = Some("consult_contact_id".to_owned());
                return Err(Problem { field, ..Problem::unimplemented("a consult transfer") });
            }
            None => return Err(Problem::field("target", "be a queue or an agent")),
        };
        let requirement = match (&verb.requirements, &verb.requirement) {
            (None, None) => None,
            (asked, structured) => Some(context.requirements.either(
                ("requirements", asked.as_deref().unwrap_or_default()),
                ("requirement", structured.as_ref()),
            )?),
        };
        Ok(Command::TransferContact { contact_id, target, requirement, reason: input::words("reason", verb.reason)? })
    },
    |problem| match problem.reason {
        "SKILL_NOT_FOUND" => unknown_skill(problem, "requirements"),
        _ => referred(problem, "AGENT_NOT_FOUND", "agent_id"),
    }
);

contact_verb!(RequeueContactRequest, RequeueContactResponse, 9, |verb, context| {
    let contact_id = contact_id(verb.contact_id)?;
    let cause = match verb.cause {
        0 => RequeueCause::Normal,
        cause => names::requeue_from(cause)
            .ok_or_else(|| Problem::field("cause", "be NORMAL, AGENT_UNREACHABLE or MEDIA_FAILED"))?,
    };
    Ok(Command::RequeueContact { contact_id, cause })
});

contact_verb!(ParkContactRequest, ParkContactResponse, 10, |verb, context| {
    Ok(Command::ParkContact { contact_id: contact_id(verb.contact_id)? })
});

contact_verb!(UnparkContactRequest, UnparkContactResponse, 11, |verb, context| {
    Ok(Command::UnparkContact { contact_id: contact_id(verb.contact_id)? })
});

contact_verb!(CompleteWrapUpRequest, CompleteWrapUpResponse, 12, |verb, context| {
    Ok(Command::CompleteWrapUp {
        agent_id: agent_id(verb.agent_id)?,
        contact_id: contact_id(verb.contact_id)?,
        disposition: input::words("disposition", verb.disposition)?,
        resolved: verb.resolved,
    })
});

impl Verb for v1::UpsertAgentRequest {
    type Response = v1::UpsertAgentResponse;
    const METHOD: u16 = 20;
    fn show(&self, _: bool) -> Show {
        AGENT
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        Ok(Command::UpsertAgent { profile: Arc::new(input::agent_profile(self.agent)?) })
    }
    fn render(done: Done) -> v1::UpsertAgentResponse {
        let (sequence, created) = (done.reply.sequence, done.reply.created);
        v1::UpsertAgentResponse { agent: agent_of(&done), sequence, created }
    }
    fn problem(refusal: Refused) -> Problem {
        let problem = refused(refusal);
        match problem.reason {
            "TEAM_NOT_FOUND" | "SKILL_NOT_FOUND" => problem.under("agent"),
            _ => problem,
        }
    }
}

agent_verb!(DeleteAgentRequest, DeleteAgentResponse, 21, |verb| {
    Ok(Command::DeleteAgent { agent_id: agent_id(verb.agent_id)? })
});

agent_verb!(SignInRequest, SignInResponse, 22, |verb| {
    Ok(Command::SignIn {
        agent_id: agent_id(verb.agent_id)?,
        presence: input::presence("presence", verb.presence, verb.reason)?,
        lease: input::lease("session_lease", verb.session_lease)?,
    })
});

agent_verb!(SignOutRequest, SignOutResponse, 23, |verb| {
    Ok(Command::SignOut { agent_id: agent_id(verb.agent_id)?, force: verb.force })
});

agent_verb!(SetPresenceRequest, SetPresenceResponse, 24, |verb| {
    Ok(Command::SetPresence {
        agent_id: agent_id(verb.agent_id)?,
        presence: input::presence("presence", verb.presence, verb.reason)?,
    })
});

fn offer(offer_id: &str) -> Result<LegId, Problem> {
    if offer_id.is_empty() {
        return Err(Problem::field("offer_id", "not be empty"));
    }
    offer_from(offer_id).ok_or_else(|| Problem {
        field: Some("offer_id".to_owned()),
        ..Problem::new(Code::NotFound, "OFFER_NOT_FOUND", "no such offer")
    })
}

impl Verb for v1::AcceptOfferRequest {
    type Response = v1::AcceptOfferResponse;
    const METHOD: u16 = 25;
    fn show(&self, brief: bool) -> Show {
        Show { leg: offer_from(&self.offer_id), ..contact_in(brief) }
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        Ok(Command::AcceptOffer { agent_id: agent_id(self.agent_id)?, offer: offer(&self.offer_id)? })
    }
    fn render(done: Done) -> v1::AcceptOfferResponse {
        let (sequence, leg_number) = (done.reply.sequence, leg_number(&done));
        v1::AcceptOfferResponse { contact: contact_of(&done), sequence, leg_number }
    }
}

impl Verb for v1::DeclineOfferRequest {
    type Response = v1::DeclineOfferResponse;
    const METHOD: u16 = 26;
    fn show(&self, _: bool) -> Show {
        // The offer shows the contact's attributes, which are in its profile.
        Show { leg: offer_from(&self.offer_id), ..contact_in(true) }
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        let agent_id = agent_id(self.agent_id)?;
        let offer = offer(&self.offer_id)?;
        let reason: Option<DeclineReason> = names::decline_from(self.reason);
        let reason = reason.ok_or_else(|| Problem::field("reason", "be REJECTED, BUSY or UNREACHABLE"))?;
        let retry_time = input::span("retry_time", self.retry_time)?;
        Ok(Command::DeclineOffer { agent_id, offer, reason, retry_time })
    }
    fn render(done: Done) -> v1::DeclineOfferResponse {
        let profile = done.brief.as_ref().map(|contact| &*contact.profile);
        let offer = done.leg.as_ref().map(|leg| output::offer(leg, profile));
        v1::DeclineOfferResponse { offer, sequence: done.reply.sequence }
    }
}

/// A reply that shows the contact and the leg it began with an agent.
fn begun(contact: Show) -> Show {
    Show { newest_leg: true, ..contact }
}

fn leg_number(done: &Done) -> i32 {
    done.leg.as_ref().map_or(0, |leg| leg.number as i32)
}

impl Verb for v1::PickContactRequest {
    type Response = v1::PickContactResponse;
    const METHOD: u16 = 28;
    fn show(&self, brief: bool) -> Show {
        begun(contact_in(brief))
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        Ok(Command::PickContact { agent_id: agent_id(self.agent_id)?, contact_id: contact_id(self.contact_id)? })
    }
    fn render(done: Done) -> v1::PickContactResponse {
        let (sequence, leg_number) = (done.reply.sequence, leg_number(&done));
        v1::PickContactResponse { contact: contact_of(&done), sequence, leg_number }
    }
}

impl Verb for v1::AssignContactRequest {
    type Response = v1::AssignContactResponse;
    const METHOD: u16 = 40;
    fn show(&self, brief: bool) -> Show {
        begun(Show { agent: true, ..contact_in(brief) })
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        let (contact_id, agent_id) = (contact_id(self.contact_id)?, agent_id(self.agent_id)?);
        Ok(Command::AssignContact { contact_id, agent_id, force: self.force.unwrap_or(true) })
    }
    fn render(done: Done) -> v1::AssignContactResponse {
        let (sequence, leg_number) = (done.reply.sequence, leg_number(&done));
        let over_capacity = done.agent.as_ref().is_some_and(|agent| agent.used > agent.profile.capacity);
        v1::AssignContactResponse { contact: contact_of(&done), sequence, leg_number, over_capacity }
    }
}

agent_verb!(SetAgentPresenceRequest, SetAgentPresenceResponse, 27, |verb| {
    Ok(Command::SetAgentPresence {
        agent_id: agent_id(verb.agent_id)?,
        presence: input::presence("presence", verb.presence, verb.reason)?,
    })
});

agent_verb!(SetAgentSkillsRequest, SetAgentSkillsResponse, 42, |verb| {
    let agent_id = agent_id(verb.agent_id)?;
    let skills = input::skill_levels("skills", verb.skills, 0)?;
    Ok(Command::SetAgentSkills { agent_id, skills, until: input::time("expire_time", verb.expire_time)? })
});

contact_verb!(
    SetContactPriorityRequest,
    SetContactPriorityResponse,
    30,
    |verb, context| {
        let priority = Some(verb.priority);
        let change = Arc::new(ContactChange { priority, cause: ChangeCause::Supervisor, ..ContactChange::default() });
        Ok(Command::UpdateContact { contact_id: contact_id(verb.contact_id)?, change })
    },
    |problem| match problem.field.as_deref() {
        Some("contact.priority") => Problem::field("priority", "be -100 to 100"),
        _ => problem,
    }
);

impl Verb for v1::MoveContactsRequest {
    type Response = v1::MoveContactsResponse;
    const METHOD: u16 = 31;
    fn show(&self, _: bool) -> Show {
        Show::NOTHING
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        let to = input::id("to_queue", self.to_queue)?;
        if !self.contact_ids.is_empty() {
            if self.contact_ids.len() > limits::MOVE_NAMES {
                return Err(Problem::field("contact_ids", &format!("name at most {}", limits::MOVE_NAMES)));
            }
            if !self.from_queue.is_empty() || !self.channel.is_empty() || self.limit != 0 {
                return Err(Problem::field("contact_ids", "stand without from_queue, channel and limit"));
            }
            let named = self.contact_ids.into_iter().map(|id| input::id("contact_ids", id));
            return Ok(Command::MoveContacts { to, which: MoveWhich::Named(named.collect::<Result<_, _>>()?) });
        }
        let from = input::id("from_queue", self.from_queue)?;
        let channel = input::optional_id("channel", self.channel)?;
        let limit = u32::try_from(self.limit).map_err(|_| Problem::field("limit", "not be negative"))?;
        Ok(Command::MoveContacts { to, which: MoveWhich::Waiting { from, channel, limit } })
    }
    fn render(done: Done) -> v1::MoveContactsResponse {
        let crate::engine::Reply { sequence, moved, skipped, .. } = done.reply;
        v1::MoveContactsResponse { moved: moved as i32, sequence, skipped: skipped as i32 }
    }
}

impl Verb for v1::ReclassifyContactRequest {
    type Response = v1::ReclassifyContactResponse;
    const METHOD: u16 = 43;
    fn show(&self, brief: bool) -> Show {
        contact_in(brief)
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        let queue = input::optional_id("queue", self.queue)?;
        Ok(Command::ReclassifyContact { contact_id: contact_id(self.contact_id)?, queue })
    }
    fn render(done: Done) -> v1::ReclassifyContactResponse {
        let (sequence, rule) = (done.reply.sequence, done.reply.rule.map(|rule| rule as i32));
        v1::ReclassifyContactResponse { contact: contact_of(&done), sequence, rule }
    }
}

impl Verb for v1::SetQueueOpenRequest {
    type Response = v1::SetQueueOpenResponse;
    const METHOD: u16 = 41;
    fn show(&self, _: bool) -> Show {
        Show::NOTHING
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        let (queue, open) = (input::id("queue", self.queue)?, self.open);
        Ok(Command::SetQueueOpen { queue, open, until: input::time("expire_time", self.expire_time)? })
    }
    fn render(done: Done) -> v1::SetQueueOpenResponse {
        v1::SetQueueOpenResponse { sequence: done.reply.sequence, ..Default::default() }
    }
    fn problem(refusal: Refused) -> Problem {
        let problem = refused(refusal);
        match problem.reason {
            // Here the queue is what the request is about.
            "QUEUE_NOT_FOUND" => Problem { code: Code::NotFound, ..problem },
            _ => problem,
        }
    }
}

impl Verb for v1::SubmitSurveyRequest {
    type Response = v1::SubmitSurveyResponse;
    const METHOD: u16 = 32;
    fn show(&self, brief: bool) -> Show {
        contact_in(brief)
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        let contact_id = contact_id(self.contact_id)?;
        let kind = names::survey_from(self.kind).ok_or_else(|| Problem::field("kind", "be CSAT or NPS"))?;
        Ok(Command::SubmitSurvey { contact_id, kind, score: self.score })
    }
    fn render(done: Done) -> v1::SubmitSurveyResponse {
        v1::SubmitSurveyResponse { contact: contact_of(&done), sequence: done.reply.sequence, result: 0 }
    }
}

impl Verb for v1::RequestCallbackRequest {
    type Response = v1::RequestCallbackResponse;
    const METHOD: u16 = 33;
    fn show(&self, brief: bool) -> Show {
        contact_in(brief)
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        Ok(Command::RequestCallback {
            callback_id: callback_id(&self)?,
            contact_id: contact_id(self.contact_id)?,
            schedule: input::time("callback_time", self.callback_time)?,
            address: input::address("customer_address", self.customer_address)?,
        })
    }
    fn render(done: Done) -> v1::RequestCallbackResponse {
        v1::RequestCallbackResponse { contact: contact_of(&done), sequence: done.reply.sequence, callback: None }
    }
    fn problem(refusal: Refused) -> Problem {
        let problem = refused(refusal);
        match problem.reason {
            "CONTACT_EXISTS" => Problem { field: Some("new_contact_id".to_owned()), ..problem },
            _ => problem,
        }
    }
}

/// The id of the callback a request asks for. One that was not given follows from the contact's, so that a repeat of
/// the request names the same.
pub fn callback_id(request: &v1::RequestCallbackRequest) -> Result<Text, Problem> {
    if !request.new_contact_id.is_empty() {
        return input::id("new_contact_id", request.new_contact_id.clone());
    }
    let own = format!("{}.callback", request.contact_id);
    match own.len() <= limits::ID_BYTES {
        true => Ok(own.into()),
        false => {
            let digest = input::digest(&v1::GetContactRequest { contact_id: own, ..Default::default() });
            Ok(format!("callback-{}", hex(&digest)).into())
        }
    }
}

impl Verb for v1::ForgetCustomerRequest {
    type Response = v1::ForgetCustomerResponse;
    const METHOD: u16 = 60;
    fn show(&self, _: bool) -> Show {
        Show::NOTHING
    }
    fn command(self, _: &Context) -> Result<Command, Problem> {
        Ok(Command::ForgetCustomer { customer_id: input::id("customer_id", self.customer_id)? })
    }
    fn render(done: Done) -> v1::ForgetCustomerResponse {
        v1::ForgetCustomerResponse { contacts: done.reply.moved as i32, sequence: done.reply.sequence }
    }
}

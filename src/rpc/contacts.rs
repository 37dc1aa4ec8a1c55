//! `ContactService`: what gateways call.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};
use usher_proto::v1::contact_service_server::ContactService;
use usher_proto::v1::{self as pb};

use super::agents::unknown_skill;
use super::convert::{input, output, span};
use super::session::{self, contact::Session};
use super::status::{Problem, rejected};
use super::{Edge, names, verbs, watch};
use crate::engine::contact::{Contact, ContactState, Direction};
use crate::engine::id::{ContactId, Text};
use crate::engine::reject::Reject;
use crate::engine::requirement::Requirement;
use crate::engine::state::{State, WaitView};
use crate::engine::time::Time;

type Answer<T> = Result<Response<T>, Status>;

impl Edge {
    /// `GetContact`: handed in when this returns.
    pub(super) fn get_contact(
        &self,
        request: pb::GetContactRequest,
    ) -> impl Future<Output = Result<pb::GetContactResponse, Problem>> + Send + use<> {
        let found = input::id("contact_id", request.contact_id)
            .map(|id| self.query(&request.tenant, move |state, now| (state.contact_view(now, &id), state.sequence())));
        async {
            let (view, sequence) = found?.await?;
            let view = view.ok_or_else(|| rejected(&Reject::ContactNotFound))?;
            Ok(pb::GetContactResponse { contact: Some(output::contact(&view)), sequence })
        }
    }

    /// `EstimateWait`: handed in when this returns.
    pub(super) fn estimate_wait(
        &self,
        request: pb::EstimateWaitRequest,
    ) -> impl Future<Output = Result<pb::EstimateWaitResponse, Problem>> + Send + use<> {
        let told = self.wait_subject(request.subject).map(|subject| {
            self.query(&request.tenant, move |state, now| {
                let found = subject.look(state, now)?;
                Ok((state.queue_id(found.queue).to_string(), found))
            })
        });
        async {
            let (queue, WaitView { estimate, position, waiting, eligible, .. }) =
                told?.await?.map_err(|reject: Reject| of_hypothetical(rejected(&reject)))?;
            Ok(pb::EstimateWaitResponse {
                estimated_wait: estimate.as_ref().map(output::estimated_wait),
                mean: estimate.map(|estimate| span(estimate.mean())),
                position: position as i32,
                waiting: waiting as i32,
                eligible_agents: eligible as i32,
                queue,
            })
        }
    }

    fn wait_subject(&self, subject: Option<pb::estimate_wait_request::Subject>) -> Result<WaitSubject, Problem> {
        use pb::estimate_wait_request::Subject;
        match subject.ok_or_else(|| Problem::field("subject", "be set"))? {
            Subject::ContactId(contact_id) => Ok(WaitSubject::Waiting(input::id("contact_id", contact_id)?)),
            Subject::Hypothetical(asked) => {
                // What it is judged by one day is in order today.
                input::attributes("hypothetical.attributes", asked.attributes)?;
                Ok(WaitSubject::Coming {
                    channel: input::id("hypothetical.channel", asked.channel)?,
                    queue: input::id("hypothetical.queue", asked.queue)?,
                    priority: i8::try_from(asked.priority)
                        .ok()
                        .filter(|priority| (-100..=100).contains(priority))
                        .ok_or_else(|| Problem::field("hypothetical.priority", "be -100 to 100"))?,
                    requirement: self.context.requirements.either(
                        ("hypothetical.requirements", &asked.requirements),
                        ("hypothetical.requirement", asked.requirement.as_ref()),
                    )?,
                })
            }
        }
    }

    /// `SubmitSurvey`, with how the answer counts: handed in when this returns.
    pub(super) fn submit_survey(
        &self,
        request: pb::SubmitSurveyRequest,
        brief: bool,
    ) -> impl Future<Output = Result<pb::SubmitSurveyResponse, Problem>> + Send + use<> {
        let counts = names::survey_from(request.kind).and_then(|kind| kind.result(request.score));
        let result = counts.map_or(0, |result| names::survey_result_to(result) as i32);
        let tenant = request.tenant.clone();
        let response = self.verb(&tenant, request, brief);
        async move { Ok(pb::SubmitSurveyResponse { result, ..response.await? }) }
    }

    /// `RequestCallback`, which shows both contacts: handed in when this returns.
    pub(super) fn request_callback(
        &self,
        request: pb::RequestCallbackRequest,
        brief: bool,
    ) -> impl Future<Output = Result<pb::RequestCallbackResponse, Problem>> + Send + use<> {
        let (tenant, callback) = (request.tenant.clone(), verbs::callback_id(&request));
        let response = self.verb(&tenant, request, brief);
        let made = callback.map(|id| self.query(&tenant, move |state, now| state.contact_view(now, &id)));
        async {
            let response = response.await?;
            let callback = made?.await?.as_ref().map(output::contact);
            Ok(pb::RequestCallbackResponse { callback, ..response })
        }
    }

    /// `ListContacts`: handed in when this returns.
    pub(super) fn list_contacts(
        &self,
        mut request: pb::ListContactsRequest,
    ) -> impl Future<Output = Result<pb::ListContactsResponse, Problem>> + Send + use<> {
        let page_token = std::mem::take(&mut request.page_token);
        let listed = watch::watched(&request);
        let asked = ContactPage::read(&request, &page_token, listed);
        let page = asked.map(|ContactPage { size, after, wanted }| {
            self.query(&request.tenant, move |state, now| {
                state.contacts_page(now, after, size, &|state, held, id| wanted.accepts(state, held, id))
            })
        });
        async move {
            let (contacts, next) = page?.await?;
            Ok(pb::ListContactsResponse {
                contacts: contacts.iter().map(output::contact).collect(),
                next_page_token: next.map_or_else(String::new, |id| watch::token(id.to_u64(), listed)),
            })
        }
    }
}

/// Names in a hypothetical contact are the request's fault when they are unknown.
fn of_hypothetical(problem: Problem) -> Problem {
    match problem.reason {
        "CHANNEL_NOT_FOUND" | "QUEUE_NOT_FOUND" => problem.under("hypothetical"),
        "SKILL_NOT_FOUND" => verbs::unknown_skill(problem, "hypothetical.requirements"),
        _ => problem,
    }
}

/// Whose wait is asked for.
enum WaitSubject {
    /// A contact that waits.
    Waiting(Text),
    /// One that would come now.
    Coming { channel: Text, queue: Text, priority: i8, requirement: Option<Arc<Requirement>> },
}

impl WaitSubject {
    fn look(&self, state: &State, now: Time) -> Result<WaitView, Reject> {
        match self {
            WaitSubject::Waiting(contact_id) => {
                let contact = state.find_contact(contact_id).ok_or(Reject::ContactNotFound)?;
                state.wait_of(now, contact).ok_or_else(|| match state.contact_state(contact) {
                    ContactState::Closed => Reject::ContactClosed,
                    at => Reject::ContactState { state: at },
                })
            }
            WaitSubject::Coming { channel, queue, priority, requirement } => {
                let found = state.find_queue(queue).ok_or_else(|| Reject::QueueNotFound { queue: queue.clone() })?;
                let channel =
                    state.find_channel(channel).ok_or_else(|| Reject::ChannelNotFound { channel: channel.clone() })?;
                if let Some(skill) = requirement.as_ref().and_then(|asked| unknown_skill(state, asked)) {
                    return Err(Reject::SkillNotFound { skill });
                }
                Ok(state.wait_on_arrival(now, (found, channel), *priority, requirement.as_ref()))
            }
        }
    }
}

/// One page of a list of contacts, as asked for.
struct ContactPage {
    size: usize,
    after: Option<ContactId>,
    wanted: ContactFilter,
}

impl ContactPage {
    fn read(request: &pb::ListContactsRequest, page_token: &str, listed: u64) -> Result<ContactPage, Problem> {
        Ok(ContactPage {
            size: input::page_size(request.page_size)?,
            after: page_from(page_token, listed)?.map(ContactId::from_u64),
            wanted: ContactFilter::read(request)?,
        })
    }
}

/// Where a page goes on; `listed` is the digest of all else that is asked for.
pub(super) fn page_from(token: &str, listed: u64) -> Result<Option<u64>, Problem> {
    if token.is_empty() {
        return Ok(None);
    }
    watch::number_in(token, listed).map(Some).ok_or_else(|| Problem {
        field: Some("page_token".to_owned()),
        ..Problem::new(tonic::Code::InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one of this list")
    })
}

/// What a list asks for; all must hold, an empty one does not count.
struct ContactFilter {
    states: Vec<i32>,
    queues: Vec<String>,
    channel: String,
    direction: Option<Direction>,
    gateway_id: String,
    agent_id: String,
    customer_id: String,
    conversation_id: String,
}

impl ContactFilter {
    fn read(request: &pb::ListContactsRequest) -> Result<ContactFilter, Problem> {
        input::members::<pb::ContactState>("states", &request.states)?;
        input::ids("queues", &request.queues, watch::CHOSEN)?;
        for (field, asked) in [
            ("channel", &request.channel),
            ("gateway_id", &request.gateway_id),
            ("agent_id", &request.agent_id),
            ("customer_id", &request.customer_id),
            ("conversation_id", &request.conversation_id),
        ] {
            input::optional_id(field, asked.clone())?;
        }
        match pb::ContactKind::try_from(request.kind) {
            Ok(pb::ContactKind::Unspecified | pb::ContactKind::Standard) => {}
            Ok(_) => {
                let field = Some("kind".to_owned());
                return Err(Problem { field, ..Problem::unimplemented("a kind other than STANDARD") });
            }
            Err(_) => return Err(Problem::field("kind", "be a contact kind")),
        }
        let direction = match request.direction {
            0 => None,
            direction => {
                Some(names::direction_from(direction).ok_or_else(|| Problem::field("direction", "be a direction"))?)
            }
        };
        let request = request.clone();
        Ok(ContactFilter {
            states: request.states,
            queues: request.queues,
            channel: request.channel,
            direction,
            gateway_id: request.gateway_id,
            agent_id: request.agent_id,
            customer_id: request.customer_id,
            conversation_id: request.conversation_id,
        })
    }

    fn accepts(&self, state: &State, held: &Contact, id: ContactId) -> bool {
        let profile = &held.profile;
        let is = |asked: &str, found: &str| asked.is_empty() || asked == found;
        let customer = profile.customer.as_ref().map_or("", |customer| &*customer.customer_id);
        let queue = held.queue().map_or("", |queue| &**state.queue_id(queue));
        is(&self.channel, &profile.channel)
            && is(&self.gateway_id, &profile.gateway_id)
            && is(&self.conversation_id, &profile.conversation_id)
            && is(&self.customer_id, customer)
            && self.direction.is_none_or(|direction| direction == profile.direction)
            && (self.queues.is_empty() || self.queues.iter().any(|asked| asked == queue))
            && self.has_state(state.contact_state(id))
            && (self.agent_id.is_empty() || has_agent(state, id, &self.agent_id))
    }

    /// No state asked for means all but CLOSED.
    fn has_state(&self, state: ContactState) -> bool {
        match self.states.is_empty() {
            true => state != ContactState::Closed,
            false => self.states.contains(&(names::state_to(state) as i32)),
        }
    }
}

/// Whether an agent holds a live leg of a contact.
fn has_agent(state: &State, id: ContactId, agent_id: &str) -> bool {
    let live = state.contact_legs(id).filter(|(_, leg)| leg.ended.is_none());
    live.into_iter().any(|(_, leg)| *state.agent(leg.agent).profile.agent_id == *agent_id)
}

#[tonic::async_trait]
impl ContactService for Edge {
    super::verb_methods! {
        create_contact(CreateContactRequest) -> CreateContactResponse;
        update_contact(UpdateContactRequest) -> UpdateContactResponse;
        connect_contact(ConnectContactRequest) -> ConnectContactResponse;
        hold_contact(HoldContactRequest) -> HoldContactResponse;
        resume_contact(ResumeContactRequest) -> ResumeContactResponse;
        complete_contact(CompleteContactRequest) -> CompleteContactResponse;
        cancel_contact(CancelContactRequest) -> CancelContactResponse;
        transfer_contact(TransferContactRequest) -> TransferContactResponse;
        requeue_contact(RequeueContactRequest) -> RequeueContactResponse;
        park_contact(ParkContactRequest) -> ParkContactResponse;
        unpark_contact(UnparkContactRequest) -> UnparkContactResponse;
        reclassify_contact(ReclassifyContactRequest) -> ReclassifyContactResponse;
    }

    async fn get_contact(&self, request: Request<pb::GetContactRequest>) -> Answer<pb::GetContactResponse> {
        Ok(Response::new(Edge::get_contact(self, request.into_inner()).await?))
    }

    async fn estimate_wait(&self, request: Request<pb::EstimateWaitRequest>) -> Answer<pb::EstimateWaitResponse> {
        Ok(Response::new(Edge::estimate_wait(self, request.into_inner()).await?))
    }

    async fn list_contacts(&self, request: Request<pb::ListContactsRequest>) -> Answer<pb::ListContactsResponse> {
        Ok(Response::new(Edge::list_contacts(self, request.into_inner()).await?))
    }

    async fn request_callback(
        &self,
        request: Request<pb::RequestCallbackRequest>,
    ) -> Answer<pb::RequestCallbackResponse> {
        Ok(Response::new(Edge::request_callback(self, request.into_inner(), false).await?))
    }

    async fn submit_survey(&self, request: Request<pb::SubmitSurveyRequest>) -> Answer<pb::SubmitSurveyResponse> {
        Ok(Response::new(Edge::submit_survey(self, request.into_inner(), false).await?))
    }

    super::later_methods! {
        consult_contact(ConsultContactRequest) -> ConsultContactResponse, "ConsultContact";
        explain_contact(ExplainContactRequest) -> ExplainContactResponse, "ExplainContact";
    }

    type WatchContactsStream = watch::Messages<pb::WatchContactsResponse>;

    async fn watch_contacts(
        &self,
        request: Request<pb::WatchContactsRequest>,
    ) -> Result<Response<Self::WatchContactsStream>, Status> {
        Ok(Response::new(watch::contacts(self.clone(), request.into_inner()).await?))
    }

    type SessionStream = watch::Messages<pb::ContactServiceSessionResponse>;

    async fn session(
        &self,
        request: Request<Streaming<pb::ContactServiceSessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Ok(Response::new(session::serve::<Session>(self.clone(), request.into_inner())))
    }
}

//! `ContactService`: what gateways call.

use tonic::{Request, Response, Status, Streaming};
use usher_proto::v1::contact_service_server::ContactService;
use usher_proto::v1::{self as pb};

use super::convert::{input, output};
use super::session::contact as session;
use super::status::{Problem, rejected};
use super::{Edge, names, verbs, watch};
use crate::engine::contact::{Contact, ContactState, Direction};
use crate::engine::id::ContactId;
use crate::engine::reject::Reject;
use crate::engine::state::State;

type Answer<T> = Result<Response<T>, Status>;

impl Edge {
    pub(super) async fn get_contact(&self, request: pb::GetContactRequest) -> Result<pb::GetContactResponse, Problem> {
        let id = input::id("contact_id", request.contact_id)?;
        let found = self.query(&request.tenant, move |state, now| (state.contact_view(now, &id), state.sequence()));
        let (view, sequence) = found.await?;
        let view = view.ok_or_else(|| rejected(&Reject::ContactNotFound))?;
        Ok(pb::GetContactResponse { contact: Some(output::contact(&view)), sequence })
    }

    /// Records a survey answer, and says how it counts.
    pub(super) async fn submit_survey(
        &self,
        request: pb::SubmitSurveyRequest,
    ) -> Result<pb::SubmitSurveyResponse, Problem> {
        let counts = names::survey_from(request.kind).and_then(|kind| kind.result(request.score));
        let response = self.verb(request).await?;
        let result = counts.map_or(0, |result| names::survey_result_to(result) as i32);
        Ok(pb::SubmitSurveyResponse { result, ..response })
    }

    /// Turns a waiting contact into a callback, and shows both.
    pub(super) async fn request_callback(
        &self,
        request: pb::RequestCallbackRequest,
    ) -> Result<pb::RequestCallbackResponse, Problem> {
        let (tenant, callback) = (request.tenant.clone(), verbs::callback_id(&request)?);
        let response = self.verb(request).await?;
        let callback = self.query(&tenant, move |state, now| state.contact_view(now, &callback)).await?;
        Ok(pb::RequestCallbackResponse { callback: callback.as_ref().map(output::contact), ..response })
    }

    pub(super) async fn list_contacts(
        &self,
        request: pb::ListContactsRequest,
    ) -> Result<pb::ListContactsResponse, Problem> {
        let size = input::page_size(request.page_size)?;
        let after = page_from(&request.page_token)?.map(ContactId::from_u64);
        let wanted = ContactFilter::read(&request)?;
        let page = self.query(&request.tenant, move |state, now| {
            state.contacts_page(now, after, size, &|state, held, id| wanted.accepts(state, held, id))
        });
        let (contacts, next) = page.await?;
        Ok(pb::ListContactsResponse {
            contacts: contacts.iter().map(output::contact).collect(),
            next_page_token: next.map_or_else(String::new, |id| format!("{:x}", id.to_u64())),
        })
    }
}

/// Where a page goes on.
pub(super) fn page_from(token: &str) -> Result<Option<u64>, Problem> {
    if token.is_empty() {
        return Ok(None);
    }
    u64::from_str_radix(token, 16).map(Some).map_err(|_| Problem {
        field: Some("page_token".to_owned()),
        ..Problem::new(tonic::Code::InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one this server gave")
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
        if request
            .states
            .iter()
            .any(|state| matches!(pb::ContactState::try_from(*state), Err(_) | Ok(pb::ContactState::Unspecified)))
        {
            return Err(Problem::field("states", "be contact states"));
        }
        if !matches!(
            pb::ContactKind::try_from(request.kind),
            Ok(pb::ContactKind::Unspecified | pb::ContactKind::Standard)
        ) {
            return Err(Problem {
                field: Some("kind".to_owned()),
                ..Problem::unimplemented("a kind other than STANDARD")
            });
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
    }

    async fn get_contact(&self, request: Request<pb::GetContactRequest>) -> Answer<pb::GetContactResponse> {
        Ok(Response::new(Edge::get_contact(self, request.into_inner()).await?))
    }

    async fn list_contacts(&self, request: Request<pb::ListContactsRequest>) -> Answer<pb::ListContactsResponse> {
        Ok(Response::new(Edge::list_contacts(self, request.into_inner()).await?))
    }

    async fn request_callback(
        &self,
        request: Request<pb::RequestCallbackRequest>,
    ) -> Answer<pb::RequestCallbackResponse> {
        Ok(Response::new(Edge::request_callback(self, request.into_inner()).await?))
    }

    async fn submit_survey(&self, request: Request<pb::SubmitSurveyRequest>) -> Answer<pb::SubmitSurveyResponse> {
        Ok(Response::new(Edge::submit_survey(self, request.into_inner()).await?))
    }

    super::later_methods! {
        reclassify_contact(ReclassifyContactRequest) -> ReclassifyContactResponse, "ReclassifyContact";
        consult_contact(ConsultContactRequest) -> ConsultContactResponse, "ConsultContact";
        estimate_wait(EstimateWaitRequest) -> EstimateWaitResponse, "EstimateWait";
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
        Ok(Response::new(session::serve(self.clone(), request.into_inner())))
    }
}

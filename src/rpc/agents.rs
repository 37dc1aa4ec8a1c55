//! `AgentService`: what agents' desktops and bots call.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};
use usher_proto::v1::agent_service_server::AgentService;
use usher_proto::v1::{self as pb};

use super::contacts::page_from;
use super::convert::{input, output, time};
use super::names;
use super::session::{self, agent::Session};
use super::status::{Problem, refused, rejected};
use super::{Edge, verbs, watch};
use crate::engine::command::Command;
use crate::engine::contact::LegState;
use crate::engine::id::{AgentId, Text};
use crate::engine::read::{AgentView, ContactView};
use crate::engine::reject::Reject;
use crate::engine::requirement::Requirement;
use crate::engine::state::State;
use crate::engine::time::Time;

type Answer<T> = Result<Response<T>, Status>;

/// An agent with the contacts of his live legs.
pub(super) struct AgentWithContacts {
    pub(super) agent: AgentView,
    pub(super) contacts: Vec<ContactView>,
    pub(super) sequence: u64,
    pub(super) now: Time,
}

impl AgentWithContacts {
    /// Reads one agent; none when he is not there.
    pub(super) fn read(state: &State, now: Time, agent_id: &str) -> Option<AgentWithContacts> {
        let agent = state.agent_view(now, agent_id)?;
        let contacts = agent.legs.iter().filter_map(|leg| state.contact_view(now, &leg.contact_id)).collect();
        Some(AgentWithContacts { agent, contacts, sequence: state.sequence(), now })
    }

    /// His open offers.
    pub(super) fn offers(&self) -> Vec<pb::Offer> {
        let legs = self.agent.legs.iter().zip(&self.contacts);
        let open = legs.filter(|(leg, _)| leg.state == LegState::Offered);
        open.map(|(leg, contact)| output::offer(leg, Some(&contact.profile))).collect()
    }

    /// His live legs, offers left out.
    pub(super) fn legs(&self) -> Vec<pb::LiveLeg> {
        let legs = self.agent.legs.iter().zip(&self.contacts);
        let live = legs.filter(|(leg, _)| leg.state != LegState::Offered);
        live.map(|(leg, contact)| pb::LiveLeg {
            contact: Some(output::contact(contact)),
            leg_number: leg.number as i32,
        })
        .collect()
    }

    /// What a stream begins with.
    pub(super) fn snapshot(&self) -> pb::AgentSnapshot {
        pb::AgentSnapshot {
            agent: Some(output::agent(&self.agent)),
            offers: self.offers(),
            legs: self.legs(),
            sequence: self.sequence,
            snapshot_time: Some(time(self.now)),
            session_lease: Some(super::convert::span(self.agent.lease)),
        }
    }
}

impl Edge {
    /// `GetAgent`: handed in when this returns.
    pub(super) fn get_agent(
        &self,
        request: pb::GetAgentRequest,
    ) -> impl Future<Output = Result<pb::GetAgentResponse, Problem>> + Send + use<> {
        let found = input::id("agent_id", request.agent_id)
            .map(|id| self.query(&request.tenant, move |state, now| AgentWithContacts::read(state, now, &id)));
        async {
            let found = found?.await?.ok_or_else(|| rejected(&Reject::AgentNotFound))?;
            Ok(pb::GetAgentResponse {
                agent: Some(output::agent(&found.agent)),
                sequence: found.sequence,
                offers: found.offers(),
                legs: found.legs(),
            })
        }
    }

    /// `Heartbeat`: handed in when this returns.
    pub(super) fn heartbeat(
        &self,
        request: pb::HeartbeatRequest,
    ) -> impl Future<Output = Result<pb::HeartbeatResponse, Problem>> + Send + use<> {
        let done = input::id("agent_id", request.agent_id).map(|agent_id| {
            let command = Command::Heartbeat { agent_id };
            self.shard.ask(input::tenant(&request.tenant), command.into(), verbs::AGENT)
        });
        async {
            let done = done?.await.map_err(refused)?;
            let lease_expire_time = done.agent.and_then(|agent| agent.lease_expires).map(time);
            Ok(pb::HeartbeatResponse { lease_expire_time, sequence: done.reply.sequence })
        }
    }

    async fn list_agents(&self, request: pb::ListAgentsRequest) -> Result<pb::ListAgentsResponse, Problem> {
        let mut request = request;
        let page_token = std::mem::take(&mut request.page_token);
        let listed = watch::watched(&request);
        let size = input::page_size(request.page_size)?;
        let after = page_from(&page_token, listed)?.map(|slot| AgentId(slot as u32));
        input::ids("teams", &request.teams, watch::CHOSEN)?;
        input::optional_id("site", request.site.clone())?;
        input::members::<pb::Presence>("presences", &request.presences)?;
        input::members::<pb::Routing>("routings", &request.routings)?;
        if request.r#type != 0 {
            input::members::<pb::AgentType>("type", &[request.r#type])?;
        }
        let requirement = self
            .context
            .requirements
            .either(("requirements", &request.requirements), ("requirement", request.requirement.as_ref()))?;
        let tenant = request.tenant.clone();
        let page = self.query(&tenant, move |state, now| {
            if let Some(skill) = requirement.as_ref().and_then(|asked| unknown_skill(state, asked)) {
                return Err(Reject::SkillNotFound { skill });
            }
            Ok(state.agents_page(now, after, size, &|view| wanted(&request, requirement.as_ref(), view)))
        });
        let page = page.await?.map_err(|reject| verbs::unknown_skill(rejected(&reject), "requirements"));
        let (agents, next) = page?;
        Ok(pb::ListAgentsResponse {
            agents: agents.iter().map(output::agent).collect(),
            next_page_token: next.map_or_else(String::new, |agent| watch::token(u64::from(agent.0), listed)),
        })
    }
}

/// A skill a requirement names and the policy in force does not have.
pub(super) fn unknown_skill(state: &State, asked: &Requirement) -> Option<Text> {
    let mut unknown = None;
    asked.expr.each_skill(&mut |skill| {
        if !state.policy().skills.iter().any(|known| known.id == *skill) {
            unknown.get_or_insert_with(|| skill.clone());
        }
    });
    unknown
}

fn wanted(request: &pb::ListAgentsRequest, requirement: Option<&Arc<Requirement>>, view: &AgentView) -> bool {
    let profile = &view.profile;
    let agent_type = names::agent_type_to(profile.agent_type) as i32;
    let team = profile.team.as_deref().unwrap_or_default();
    (request.teams.is_empty() || request.teams.iter().any(|asked| asked == team))
        && (request.site.is_empty() || profile.site.as_deref() == Some(&*request.site))
        && (request.presences.is_empty() || request.presences.contains(&(names::presence_to(&view.presence) as i32)))
        && (request.routings.is_empty() || request.routings.contains(&(names::routing_to(view.routing) as i32)))
        && (request.r#type == 0 || request.r#type == agent_type)
        && requirement.is_none_or(|requirement| requirement.expr.met_by(&**profile))
}

#[tonic::async_trait]
impl AgentService for Edge {
    async fn get_agent(&self, request: Request<pb::GetAgentRequest>) -> Answer<pb::GetAgentResponse> {
        Ok(Response::new(Edge::get_agent(self, request.into_inner()).await?))
    }

    async fn list_agents(&self, request: Request<pb::ListAgentsRequest>) -> Answer<pb::ListAgentsResponse> {
        Ok(Response::new(Edge::list_agents(self, request.into_inner()).await?))
    }

    async fn heartbeat(&self, request: Request<pb::HeartbeatRequest>) -> Answer<pb::HeartbeatResponse> {
        Ok(Response::new(Edge::heartbeat(self, request.into_inner()).await?))
    }

    super::verb_methods! {
        sign_in(SignInRequest) -> SignInResponse;
        sign_out(SignOutRequest) -> SignOutResponse;
        set_presence(SetPresenceRequest) -> SetPresenceResponse;
        accept_offer(AcceptOfferRequest) -> AcceptOfferResponse;
        decline_offer(DeclineOfferRequest) -> DeclineOfferResponse;
        pick_contact(PickContactRequest) -> PickContactResponse;
        complete_wrap_up(CompleteWrapUpRequest) -> CompleteWrapUpResponse;
    }

    super::later_methods! {
        handoff_contact(HandoffContactRequest) -> HandoffContactResponse, "HandoffContact";
    }

    type WatchAgentStream = watch::Messages<pb::WatchAgentResponse>;

    async fn watch_agent(
        &self,
        request: Request<pb::WatchAgentRequest>,
    ) -> Result<Response<Self::WatchAgentStream>, Status> {
        Ok(Response::new(watch::agent(self.clone(), request.into_inner()).await?))
    }

    type SessionStream = watch::Messages<pb::AgentServiceSessionResponse>;

    async fn session(
        &self,
        request: Request<Streaming<pb::AgentServiceSessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Ok(Response::new(session::serve::<Session>(self.clone(), request.into_inner())))
    }
}

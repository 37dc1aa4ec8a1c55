//! `SupervisorService`: agents as data, what supervisors look at (`reports`), and how they step in.

use tonic::{Request, Response, Status};
use usher_proto::v1::supervisor_service_server::SupervisorService;
use usher_proto::v1::{self as pb};

use super::convert::{output, time};
use super::status::Problem;
use super::verbs::{self, Verb};
use super::{Edge, reports, watch};
use crate::engine;
use crate::engine::command::Command;
use crate::engine::id::QueueId;
use crate::engine::reject::Reject;
use crate::shard::Refused;

type Answer<T> = Result<Response<T>, Status>;

impl Edge {
    /// `UpsertAgent` that only checks: answers as if it were done, changes nothing and is not remembered.
    async fn validate_agent(&self, mut request: pb::UpsertAgentRequest) -> Result<pb::UpsertAgentResponse, Problem> {
        let tenant = std::mem::take(&mut request.tenant);
        let command = verbs::request(request, &self.context)?.command;
        let Command::UpsertAgent { profile } = command.clone() else { unreachable!("an upsert asks for an upsert") };
        let checked = self.query(&tenant, move |state, now| {
            engine::check(state, now, &command)?;
            let mut view = state.agent_view(now, &profile.agent_id);
            if let Some(view) = &mut view {
                view.profile = profile.clone();
            }
            let agent = view.as_ref().map_or_else(|| output::agent_profile(&profile), output::agent);
            Ok((agent, state.sequence(), view.is_none()))
        });
        let (agent, sequence, created) = checked
            .await?
            .map_err(|reject: Reject| <pb::UpsertAgentRequest as Verb>::problem(Refused::Reject(reject)))?;
        Ok(pb::UpsertAgentResponse { agent: Some(agent), sequence, created })
    }
}

#[tonic::async_trait]
impl SupervisorService for Edge {
    super::verb_methods! {
        delete_agent(DeleteAgentRequest) -> DeleteAgentResponse;
        set_contact_priority(SetContactPriorityRequest) -> SetContactPriorityResponse;
        set_agent_presence(SetAgentPresenceRequest) -> SetAgentPresenceResponse;
        assign_contact(AssignContactRequest) -> AssignContactResponse;
        set_agent_skills(SetAgentSkillsRequest) -> SetAgentSkillsResponse;
    }

    async fn move_contacts(&self, request: Request<pb::MoveContactsRequest>) -> Answer<pb::MoveContactsResponse> {
        let mut request = request.into_inner();
        let (tenant, from) = (std::mem::take(&mut request.tenant), request.from_queue.clone());
        // The refusal says which queue is not there; the request says as what it was named.
        let named = |problem: Problem| match problem.reason {
            "QUEUE_NOT_FOUND" => {
                let is_from = problem.metadata.iter().any(|(key, queue)| *key == "queue" && *queue == from);
                let field = Some(if is_from { "from_queue" } else { "to_queue" }.to_owned());
                Problem { field, ..problem }
            }
            _ => problem,
        };
        Ok(Response::new(self.verb(&tenant, request, false).await.map_err(named)?))
    }

    async fn set_queue_open(&self, request: Request<pb::SetQueueOpenRequest>) -> Answer<pb::SetQueueOpenResponse> {
        let mut request = request.into_inner();
        let (tenant, name) = (std::mem::take(&mut request.tenant), request.queue.clone());
        let done = self.verb(&tenant, request, false).await?;
        let gate = self.query(&tenant, move |state, _| {
            let found = (0..state.queue_count() as u32).map(QueueId).find(|&queue| **state.queue_id(queue) == *name);
            found.map(|queue| (state.is_open(queue), state.gate(queue).until))
        });
        let (open, until) = gate.await?.unwrap_or((true, None));
        Ok(Response::new(pb::SetQueueOpenResponse { open, expire_time: until.map(time), ..done }))
    }

    async fn upsert_agent(&self, request: Request<pb::UpsertAgentRequest>) -> Answer<pb::UpsertAgentResponse> {
        if request.get_ref().validate_only {
            return Ok(Response::new(self.validate_agent(request.into_inner()).await?));
        }
        self.unary(request).await
    }

    super::later_methods! {
        monitor_contact(MonitorContactRequest) -> MonitorContactResponse, "MonitorContact";
    }

    async fn get_snapshot(&self, request: Request<pb::GetSnapshotRequest>) -> Answer<pb::GetSnapshotResponse> {
        Ok(Response::new(Edge::get_snapshot(self, request.into_inner()).await?))
    }

    async fn get_interval_report(
        &self,
        request: Request<pb::GetIntervalReportRequest>,
    ) -> Answer<pb::GetIntervalReportResponse> {
        Ok(Response::new(Edge::get_interval_report(self, request.into_inner()).await?))
    }

    async fn get_agent_report(
        &self,
        request: Request<pb::GetAgentReportRequest>,
    ) -> Answer<pb::GetAgentReportResponse> {
        Ok(Response::new(Edge::get_agent_report(self, request.into_inner()).await?))
    }

    async fn list_contact_records(
        &self,
        request: Request<pb::ListContactRecordsRequest>,
    ) -> Answer<pb::ListContactRecordsResponse> {
        Ok(Response::new(Edge::list_contact_records(self, request.into_inner()).await?))
    }

    type WatchSnapshotStream = watch::Messages<pb::WatchSnapshotResponse>;

    async fn watch_snapshot(&self, request: Request<pb::WatchSnapshotRequest>) -> Answer<Self::WatchSnapshotStream> {
        Ok(Response::new(reports::watch_snapshot(self.clone(), request.into_inner()).await?))
    }

    type WatchEventsStream = watch::Messages<pb::WatchEventsResponse>;

    async fn watch_events(&self, request: Request<pb::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        Ok(Response::new(reports::watch_events(self.clone(), request.into_inner()).await?))
    }
}

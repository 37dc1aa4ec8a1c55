//! `SupervisorService`: agents as data, what supervisors look at (`reports`), and how they step in.

use tonic::{Request, Response, Status};
use usher_proto::v1::supervisor_service_server::SupervisorService;
use usher_proto::v1::{self as pb};

use super::{Edge, reports, watch};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl SupervisorService for Edge {
    super::verb_methods! {
        upsert_agent(UpsertAgentRequest) -> UpsertAgentResponse;
        delete_agent(DeleteAgentRequest) -> DeleteAgentResponse;
        move_contacts(MoveContactsRequest) -> MoveContactsResponse;
        set_contact_priority(SetContactPriorityRequest) -> SetContactPriorityResponse;
        set_agent_presence(SetAgentPresenceRequest) -> SetAgentPresenceResponse;
    }

    super::later_methods! {
        assign_contact(AssignContactRequest) -> AssignContactResponse, "AssignContact";
        set_agent_skills(SetAgentSkillsRequest) -> SetAgentSkillsResponse, "SetAgentSkills";
        set_queue_open(SetQueueOpenRequest) -> SetQueueOpenResponse, "SetQueueOpen";
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

//! `SupervisorService`: agents as data. What supervisors look at and change comes with later releases.

use tonic::{Request, Response, Status};
use usher_proto::v1::supervisor_service_server::SupervisorService;
use usher_proto::v1::{self as pb};

use super::{Edge, later, watch};

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
        get_snapshot(GetSnapshotRequest) -> GetSnapshotResponse, "GetSnapshot";
        get_interval_report(GetIntervalReportRequest) -> GetIntervalReportResponse, "GetIntervalReport";
        get_agent_report(GetAgentReportRequest) -> GetAgentReportResponse, "GetAgentReport";
        list_contact_records(ListContactRecordsRequest) -> ListContactRecordsResponse, "ListContactRecords";
        assign_contact(AssignContactRequest) -> AssignContactResponse, "AssignContact";
        set_agent_skills(SetAgentSkillsRequest) -> SetAgentSkillsResponse, "SetAgentSkills";
        set_queue_open(SetQueueOpenRequest) -> SetQueueOpenResponse, "SetQueueOpen";
        monitor_contact(MonitorContactRequest) -> MonitorContactResponse, "MonitorContact";
    }

    type WatchSnapshotStream = watch::Messages<pb::WatchSnapshotResponse>;

    async fn watch_snapshot(&self, _: Request<pb::WatchSnapshotRequest>) -> Answer<Self::WatchSnapshotStream> {
        later("WatchSnapshot")
    }

    type WatchEventsStream = watch::Messages<pb::WatchEventsResponse>;

    async fn watch_events(&self, _: Request<pb::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        later("WatchEvents")
    }
}

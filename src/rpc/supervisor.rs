//! `SupervisorService`: agents as data. What supervisors look at and change comes with later releases.

use tonic::{Request, Response, Status};
use usher_proto::v1::supervisor_service_server::SupervisorService;
use usher_proto::v1::{self as pb};

use super::{Edge, later, watch};

type Answer<T> = Result<Response<T>, Status>;

/// Methods of later releases.
macro_rules! later {
    ($($method:ident($request:ident) -> $response:ident, $name:literal;)*) => {
        $(fn $method<'life0, 'async_trait>(
            &'life0 self,
            _: Request<pb::$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Answer<pb::$response>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { later($name) })
        })*
    };
}
pub(super) use later as later_methods;

#[tonic::async_trait]
impl SupervisorService for Edge {
    async fn upsert_agent(&self, request: Request<pb::UpsertAgentRequest>) -> Answer<pb::UpsertAgentResponse> {
        self.unary(request).await
    }

    async fn delete_agent(&self, request: Request<pb::DeleteAgentRequest>) -> Answer<pb::DeleteAgentResponse> {
        self.unary(request).await
    }

    later! {
        get_snapshot(GetSnapshotRequest) -> GetSnapshotResponse, "GetSnapshot";
        get_interval_report(GetIntervalReportRequest) -> GetIntervalReportResponse, "GetIntervalReport";
        get_agent_report(GetAgentReportRequest) -> GetAgentReportResponse, "GetAgentReport";
        list_contact_records(ListContactRecordsRequest) -> ListContactRecordsResponse, "ListContactRecords";
        move_contacts(MoveContactsRequest) -> MoveContactsResponse, "MoveContacts";
        set_contact_priority(SetContactPriorityRequest) -> SetContactPriorityResponse, "SetContactPriority";
        assign_contact(AssignContactRequest) -> AssignContactResponse, "AssignContact";
        set_agent_presence(SetAgentPresenceRequest) -> SetAgentPresenceResponse, "SetAgentPresence";
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

//! History comes back: a real server with its journal is killed and started again, and what it says of the time before,
//! interval by interval, agent by agent and contact by contact, is what it said.

mod killed;

use killed::{Center, Server};
use usher_proto::v1;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::supervisor_service_client::SupervisorServiceClient;

/// What a supervisor reads of a time that is over.
#[derive(Debug, PartialEq)]
struct Told {
    intervals: v1::GetIntervalReportResponse,
    agents: Vec<v1::AgentRow>,
    records: Vec<v1::ContactRecord>,
    day: Vec<v1::DirectionSnapshot>,
}

async fn told(server: &Server, now: prost_types::Timestamp) -> Told {
    let mut supervisor = SupervisorServiceClient::new(server.channel().await);
    let day = prost_types::Timestamp { seconds: now.seconds / 86_400 * 86_400, nanos: 0 };
    let by = [v1::ReportDimension::Queue, v1::ReportDimension::Team, v1::ReportDimension::Channel];
    let asked = v1::GetIntervalReportRequest {
        start_time: Some(day),
        interval: Some(prost_types::Duration { seconds: 900, nanos: 0 }),
        dimensions: by.map(|dimension| dimension as i32).into(),
        ..Default::default()
    };
    let mut intervals = supervisor.get_interval_report(asked).await.expect("a report").into_inner();
    // What a restart itself records is no figure.
    intervals.sequence = 0;
    let asked = v1::GetAgentReportRequest { start_time: Some(day), ..Default::default() };
    let mut agents = supervisor.get_agent_report(asked).await.expect("a report").into_inner().rows;
    for row in &mut agents {
        // They end now, which is later after a restart.
        (row.end_time, row.load) = (None, None);
    }
    let (mut records, mut page_token) = (Vec::new(), String::new());
    loop {
        let asked = v1::ListContactRecordsRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = supervisor.list_contact_records(asked).await.expect("a page").into_inner();
        records.extend(page.records);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let snapshot = supervisor.get_snapshot(v1::GetSnapshotRequest::default()).await.expect("one").into_inner();
    let mut day = snapshot.snapshot.expect("one").totals;
    day.iter_mut().for_each(|direction| direction.windows.clear());
    Told { intervals, agents, records, day }
}

fn now() -> prost_types::Timestamp {
    std::time::SystemTime::now().into()
}

#[test]
fn what_was_reported_before_a_kill_is_reported_after_it() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let center = Center::open(&server).await;
        for _ in 0..20 {
            center.works().await;
        }
        let notes = center.close().await;
        // Nobody is ready and nobody talks any more: what is told from here on does not move.
        let mut desks = AgentServiceClient::new(server.channel().await);
        let listed = desks.list_agents(v1::ListAgentsRequest::default()).await.expect("listed").into_inner();
        for agent in listed.agents {
            let agent_id = agent.agent_id;
            desks.sign_out(v1::SignOutRequest { agent_id, force: true, ..Default::default() }).await.expect("out");
        }
        let mut gateway = server.gateway().await;
        for contact_id in server.contacts().await.into_keys() {
            let cause = v1::CancelCause::System as i32;
            let end = v1::CancelContactRequest { contact_id, cause, ..Default::default() };
            gateway.cancel_contact(end).await.expect("it ends, or has ended");
        }
        let begun = now();
        let before = told(&server, begun).await;
        assert!(!notes.completed.is_empty() && before.records.len() >= notes.completed.len());
        let handled = |row: &v1::IntervalRow| row.figures.as_ref().expect("figures").handled;
        assert!(before.intervals.rows.iter().map(handled).sum::<i64>() > 0, "{:?}", before.intervals);
        for _ in 0..2 {
            server.kill();
            server.start();
            let after = told(&server, begun).await;
            assert_eq!(after.intervals.rows, before.intervals.rows);
            assert_eq!(after.records, before.records);
            assert_eq!(after, before);
        }
        server.stop();
    });
}

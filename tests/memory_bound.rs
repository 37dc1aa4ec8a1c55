//! Row 8 of the fault matrix: new work is refused before memory runs out, what is held goes on, and nothing sticks.

mod killed;
mod shard_support;

use std::sync::Arc;

use killed::Server;
use shard_support::{TestJournal, World, accept, agent, cancel, contact, policy, sign_in};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use usher::engine::command::Command;
use usher::shard::{Memory, Refused};
use usher_proto::v1;
use usher_proto::v1::admin_service_client::AdminServiceClient;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::supervisor_service_client::SupervisorServiceClient;

#[test]
fn row_08_short_of_memory_only_what_is_new_is_refused() {
    let mut world = World::new(TestJournal::default());
    let memory = Arc::new(Memory::new(1_000));
    world.shard.heed(memory.clone());
    let seat = world.tenant("one");
    let first = world.run(seat, contact("c0")).expect("offered").contact.expect("shown");
    for number in 1..32 {
        world.run(seat, contact(&format!("c{number}"))).expect("there is memory");
    }
    memory.note(1_000);
    assert_eq!(world.run(seat, contact("new")), Err(Refused::MemoryFull));
    assert_eq!(world.run(seat, agent("new")), Err(Refused::MemoryFull));
    assert_eq!(memory.refused(), 2);
    world.run(seat, accept("ana", first.legs[0].leg)).expect("what is held goes on");
    world.run(seat, sign_in("ana")).expect("so do agents");
    world.run(seat, Command::apply(policy("one"))).expect("rules may change: they are how the operator helps himself");
    // Of 32 contacts three must go; those that ended are kept for an hour, and memory does not fall.
    for number in 1..4 {
        world.run(seat, cancel(&format!("c{number}"))).expect("it ends");
    }
    assert_eq!(world.run(seat, contact("new")), Err(Refused::MemoryFull), "they are kept still");
    world.after(usher::engine::time::Span::from_secs(3_601));
    world.run(seat, contact("new")).expect("their room is given to it");
    assert!(memory.is_short(), "though memory is as full as it was");
}

/// A contact with sixty attributes of a thousand bytes.
fn large(contact_id: &str) -> v1::CreateContactRequest {
    let value = v1::Value { kind: Some(v1::value::Kind::StringValue("x".repeat(1_000))) };
    let attributes = (0..60).map(|at| (format!("a{at}"), value.clone())).collect();
    let (contact_id, channel, queue) = (contact_id.into(), "voice".into(), "sales".into());
    let contact = v1::Contact { contact_id, channel, queue, attributes, ..Default::default() };
    v1::CreateContactRequest { contact: Some(contact), ..Default::default() }
}

fn is_memory_full(refused: &Status) {
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(refused.get_details_error_info().expect("said why").reason, "MEMORY_FULL");
    assert!(refused.get_details_retry_info().expect("said when to try again").retry_delay.is_some());
}

async fn status(channel: &Channel) -> v1::ServerStatus {
    let asked = v1::GetStatusRequest::default();
    let told = AdminServiceClient::new(channel.clone()).get_status(asked).await.expect("told");
    told.into_inner().status.expect("told")
}

/// Creates contacts until one is refused; how many there are then. `most` is far more than fit in.
async fn fill(gateway: &mut ContactServiceClient<Channel>, from: usize, most: usize) -> usize {
    for number in from..most {
        if let Err(refused) = gateway.create_contact(large(&format!("c{number}"))).await {
            is_memory_full(&refused);
            return number;
        }
    }
    panic!("{most} contacts were taken and none was refused");
}

/// Has the bound changed by the file, and waits until it is in force.
async fn bound(server: &Server, channel: &Channel, from: &str, bytes: i64) -> String {
    let text = format!("max_memory_bytes = {bytes}\n");
    server.replace(from, &text);
    while status(channel).await.memory_limit_bytes != bytes {
        tokio::task::yield_now().await;
    }
    text
}

#[test]
fn row_08_a_server_at_its_bound_on_memory_keeps_what_it_has_and_serves_again() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        server.append("[server.limits]\nmax_memory_bytes = 0\n");
        server.kill();
        server.start();
        let channel = server.channel().await;
        let mut gateway = ContactServiceClient::new(channel.clone());
        let mut desk = AgentServiceClient::new(channel.clone());
        let presence = v1::Presence::Available as i32;
        desk.sign_in(v1::SignInRequest { agent_id: "a0".into(), presence, ..Default::default() }).await.expect("in");
        let first = status(&channel).await;
        assert!(first.memory_limit_bytes > first.memory_bytes && !first.memory_full, "{first:?}");
        let limit = first.memory_bytes + (32 << 20);
        let text = bound(&server, &channel, "max_memory_bytes = 0\n", limit).await;

        // Load until it refuses: with no more memory than it may have, and what is between two measurements.
        let held = fill(&mut gateway, 0, 5_000).await;
        let told = status(&channel).await;
        assert!(held > 50 && told.memory_full && told.memory_refused > 0, "{held}: {told:?}");
        assert!(told.memory_bytes < limit + limit / 4, "{} of {limit}", told.memory_bytes);
        let page = server.page().await;
        assert!(page.contains(&format!("usher_memory_limit_bytes {limit}")), "{page}");
        assert!(page.lines().any(|line| line.starts_with("usher_memory_refused_total ") && !line.ends_with(" 0")));
        let agent = v1::Agent { agent_id: "b0".into(), team: "desk".into(), ..Default::default() };
        let upsert = v1::UpsertAgentRequest { agent: Some(agent), ..Default::default() };
        let mut supervisor = SupervisorServiceClient::new(channel.clone());
        is_memory_full(&supervisor.upsert_agent(upsert).await.expect_err("nobody new either"));

        // What it holds goes on: accepted, connected, completed, wrapped up; he is offered the next.
        let asked = v1::GetContactRequest { contact_id: "c0".into(), ..Default::default() };
        let shown = gateway.get_contact(asked).await.expect("kept").into_inner().contact.expect("shown");
        let (agent_id, contact_id) = ("a0".to_owned(), "c0".to_owned());
        let offer_id = shown.legs[0].offer_id.clone();
        let accepted = v1::AcceptOfferRequest { agent_id: agent_id.clone(), offer_id, ..Default::default() };
        desk.accept_offer(accepted).await.expect("his");
        let connect = v1::ConnectContactRequest { contact_id: contact_id.clone(), ..Default::default() };
        gateway.connect_contact(connect).await.expect("connected");
        desk.heartbeat(v1::HeartbeatRequest { agent_id: agent_id.clone(), ..Default::default() }).await.expect("alive");
        let complete = v1::CompleteContactRequest { contact_id: contact_id.clone(), ..Default::default() };
        gateway.complete_contact(complete).await.expect("completed");
        let wrapped = v1::CompleteWrapUpRequest { agent_id, contact_id, ..Default::default() };
        desk.complete_wrap_up(wrapped).await.expect("wrapped up");
        for number in held / 2..held {
            let cause = v1::CancelCause::CustomerLeft as i32;
            let left = v1::CancelContactRequest { contact_id: format!("c{number}"), cause, ..Default::default() };
            gateway.cancel_contact(left).await.expect("it may leave");
        }

        // What ended is let go of by a change of the rules, which is not refused; that makes room, whatever memory shows.
        server.replace("session_lease = \"0s\"", "session_lease = \"0s\"\nretention = \"0s\"");
        while gateway.create_contact(large("again")).await.is_err() {
            tokio::task::yield_now().await;
        }
        // More memory opens it altogether, as soon as the file says so.
        bound(&server, &channel, &text, limit * 4).await;
        for number in held..held + 50 {
            gateway.create_contact(large(&format!("c{number}"))).await.expect("there is room");
        }
        assert!(!status(&channel).await.memory_full);

        server.kill();
        server.start();
        let mut gateway = server.gateway().await;
        let kept = (1..held / 2).chain(held..held + 50).map(|number| format!("c{number}"));
        for contact_id in kept.chain(["again".to_owned()]) {
            let asked = v1::GetContactRequest { contact_id: contact_id.clone(), ..Default::default() };
            gateway.get_contact(asked).await.unwrap_or_else(|lost| panic!("{contact_id} was acknowledged: {lost}"));
        }
        server.stop();
    });
}

//! Rows of the fault matrix about what a real server is given: too few files, too little CPU, requests that do not add up.

mod killed;

use std::collections::HashMap;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use killed::{Center, Server};
use tonic::Code;
use tonic_types::StatusExt;
use usher_proto::v1;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;

const LOST: i32 = v1::LegEndCause::SessionLost as i32;

/// A contact for everybody, with attributes to fill a journal.
fn large(contact_id: &str) -> v1::CreateContactRequest {
    let value = v1::Value { kind: Some(v1::value::Kind::StringValue("x".repeat(1_000))) };
    let attributes: HashMap<String, v1::Value> = (0..60).map(|at| (format!("a{at}"), value.clone())).collect();
    let contact = v1::Contact {
        contact_id: contact_id.into(),
        channel: "voice".into(),
        queue: "sales".into(),
        attributes: attributes.into_iter().collect(),
        ..Default::default()
    };
    v1::CreateContactRequest { contact: Some(contact), ..Default::default() }
}

#[test]
fn row_09_a_server_short_of_files_keeps_its_streams_and_its_journal() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        server.kill();
        server.limited("ulimit -n 128");
        server.start();
        let channel = server.channel().await;
        let mut gateway = ContactServiceClient::new(channel.clone());
        let watched = v1::WatchAgentRequest { agent_id: "a0".into(), ..Default::default() };
        let mut stream =
            AgentServiceClient::new(channel.clone()).watch_agent(watched).await.expect("open").into_inner();
        assert!(stream.message().await.expect("served").is_some(), "its snapshot");
        // More than it may open files for: those it does not accept wait in the kernel, which has room for 128 of them.
        let strangers: Vec<TcpStream> = server.knock(125);
        let segments = || {
            let names =
                std::fs::read_dir(server.journal()).expect("listed").map(|entry| entry.expect("named").file_name());
            names.filter(|name| name.to_string_lossy().ends_with(".journal")).count()
        };
        let before = segments();
        for number in 0..60 {
            gateway.create_contact(large(&format!("c{number}"))).await.expect("acknowledged");
        }
        assert!(segments() >= before + 3, "new segments were begun meanwhile");
        let mut agents = AgentServiceClient::new(channel);
        let presence = v1::Presence::Available as i32;
        let sign_in = v1::SignInRequest { agent_id: "a0".into(), presence, ..Default::default() };
        agents.sign_in(sign_in).await.expect("signed in");
        assert!(stream.message().await.expect("the stream is live").is_some());
        drop(strangers);
        assert_eq!(server.contacts().await.len(), 60, "a new connection is served again");
        server.stop();
    });
}

/// Processes that use all the CPU there is, until they are dropped.
struct Spinners(Vec<Child>);

impl Spinners {
    fn begin(count: usize) -> Spinners {
        let spin = |_| Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().expect("sh");
        Spinners((0..count).map(spin).collect())
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It ends only this way.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn row_11_a_server_that_gets_hardly_any_cpu_is_slow_and_loses_nothing() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        server.kill();
        server.limited("renice -n 19 -p $$ >/dev/null");
        server.start();
        let center = Center::open(&server).await;
        center.works().await;
        let spinners = Spinners::begin(4);
        center.works().await;
        center.works().await;
        server.kill();
        drop(spinners);
        server.start();
        center.moved_to(&server);
        center.works().await;
        let notes = center.close().await;
        let truth = server.contacts().await;
        let lost: Vec<_> = notes.created.iter().filter(|id| !truth.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        for (contact_id, agents) in &notes.accepted {
            assert_eq!(agents.len(), 1, "{contact_id} was given to {agents:?}");
        }
        // Nobody lost his session for want of CPU.
        let failed = truth.values().flat_map(|held| &held.legs).filter(|leg| leg.end_cause == LOST);
        assert_eq!(failed.count(), 0);
        killed::in_order(&truth);
        server.stop();
    });
}

#[test]
fn row_54_a_request_id_with_another_payload_is_refused() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let mut gateway = server.gateway().await;
        let asked = |contact_id: &str, queue: &str| {
            let (contact_id, queue, channel) = (contact_id.into(), queue.into(), "voice".into());
            let contact = v1::Contact { contact_id, channel, queue, ..Default::default() };
            v1::CreateContactRequest { contact: Some(contact), request_id: "r1".into(), ..Default::default() }
        };
        let first = gateway.create_contact(asked("c1", "sales")).await.expect("taken").into_inner();
        for _ in 0..10 {
            let again = gateway.create_contact(asked("c1", "sales")).await.expect("the same").into_inner();
            assert_eq!(again.contact.expect("shown").contact_id, first.contact.as_ref().expect("shown").contact_id);
        }
        for restarted in [false, true] {
            if restarted {
                server.kill();
                server.start();
                gateway = server.gateway().await;
            }
            let refused = gateway.create_contact(asked("c2", "sales")).await.expect_err("another payload");
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert_eq!(refused.get_details_error_info().expect("said why").reason, "IDEMPOTENCY_MISMATCH");
            assert_eq!(server.contacts().await.len(), 1, "restarted: {restarted}");
        }
        server.stop();
    });
}

#[test]
fn row_66_what_is_no_value_is_refused_with_its_field_and_never_clamped() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let mut gateway = server.gateway().await;
        let good = || v1::Contact {
            contact_id: "c".into(),
            channel: "voice".into(),
            queue: "sales".into(),
            ..Default::default()
        };
        let time = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
        let span = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let bad: [(&str, v1::Contact); 14] = [
            ("contact.contact_id", v1::Contact { contact_id: "a\u{0}b".into(), ..good() }),
            ("contact.contact_id", v1::Contact { contact_id: "c".repeat(129), ..good() }),
            ("contact.channel", v1::Contact { channel: String::new(), ..good() }),
            ("contact.priority", v1::Contact { priority: i32::MIN, ..good() }),
            ("contact.priority", v1::Contact { priority: 101, ..good() }),
            ("contact.direction", v1::Contact { direction: 99, ..good() }),
            ("contact.age_credit", v1::Contact { age_credit: span(-1, 0), ..good() }),
            ("contact.age_credit", v1::Contact { age_credit: span(i64::MIN, i32::MIN), ..good() }),
            ("contact.age_credit", v1::Contact { age_credit: span(1_000_000_000_000_000_000, 0), ..good() }),
            ("contact.arrival_time", v1::Contact { arrival_time: time(i64::MIN, 0), ..good() }),
            ("contact.expire_time", v1::Contact { expire_time: time(1, -1), ..good() }),
            ("contact.schedule_time", v1::Contact { schedule_time: time(i64::MAX, 0), ..good() }),
            ("contact.requirements", v1::Contact { requirements: "french >= NaN".into(), ..good() }),
            ("contact.requirements", v1::Contact { requirements: "french >= 99999999999".into(), ..good() }),
        ];
        for (field, contact) in bad {
            let text = format!("{field}: {contact:?}");
            let asked = v1::CreateContactRequest { contact: Some(contact), ..Default::default() };
            let refused = gateway.create_contact(asked).await.expect_err(&text);
            assert_eq!(refused.code(), Code::InvalidArgument, "{text}: {refused:?}");
            let fields =
                refused.get_details_bad_request().unwrap_or_else(|| panic!("{text}: {refused:?}")).field_violations;
            assert!(fields.iter().any(|violation| violation.field == field), "{text}: {fields:?}");
        }
        let refused = gateway.create_contact(v1::CreateContactRequest::default()).await.expect_err("no contact");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(server.contacts().await.is_empty(), "nothing of it was taken");
        server.stop();
    });
}

//! The scripted day as everybody sees it: the same figures from gRPC, `/metrics`, `usher report` and the snapshot JSON.

mod center;

use std::process::Command as Process;
use std::sync::Arc;

use center::{Center, TENANT, day};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;
use usher::engine::Engine;
use usher::engine::command::Command;
use usher::engine::id::Text;
use usher::engine::time::Time;
use usher::http::listener::Bounded;
use usher::http::live::Live;
use usher::http::ready::Readiness;
use usher::http::{self, Site};
use usher::journal::MemoryJournal;
use usher::rpc;
use usher::shard::{self, Clock, Limits, Machine, Shard, ShardHandle};
use usher_proto::v1 as pb;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::supervisor_service_client::SupervisorServiceClient;

/// The doors of a server that shows a center's past.
struct Doors {
    grpc: String,
    http: String,
    channel: Channel,
    shard: ShardHandle,
}

impl Doors {
    fn supervisor(&self) -> SupervisorServiceClient<Channel> {
        SupervisorServiceClient::new(self.channel.clone())
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("room");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    /// The rows of `usher report`, as JSON.
    async fn report(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.usher(&[&["report", "--json"], arguments].concat()).await;
        let report: Value = serde_json::from_str(&text).expect("one JSON object");
        report["rows"].as_array().expect("rows").clone()
    }

    async fn usher(&self, arguments: &[&str]) -> String {
        let mut process = Process::new(env!("CARGO_BIN_EXE_usher"));
        process.args(arguments).args(["--tenant", TENANT, "--addr", &self.grpc]);
        let output = tokio::task::spawn_blocking(move || process.output().expect("it runs")).await.expect("no panic");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}

/// Opens the doors over a center's view and metrics. The shard behind them has a tenant of the same name.
async fn open(center: &Center) -> Doors {
    let make = |_: &Text| Box::new(Engine::new(1)) as Box<dyn Machine>;
    let mut shard = Shard::new(Box::new(MemoryJournal::new()), Box::new(make), Limits::default());
    shard.open(&TENANT.into());
    let (handle, deadlines) = shard::start(shard, Clock::start(center.now), 1_024);
    tokio::spawn(deadlines.run());
    let policy = day::scripted_policy("UTC");
    handle.call(TENANT, Command::apply(policy).into()).await.expect("a policy");
    let (grpc, http) = (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
    let (grpc, http) = (grpc.expect("a port"), http.expect("a port"));
    let address = |listener: &TcpListener| listener.local_addr().expect("bound").to_string();
    let (grpc_addr, http_addr) = (address(&grpc), address(&http));
    let second = std::time::Duration::from_secs(60);
    let options = rpc::Options {
        connections: 100,
        max_message_bytes: 4 << 20,
        max_streams: 100,
        stream_buffer: 1_024,
        request_timeout: second,
        keepalive_interval: second,
        keepalive_timeout: second,
    };
    let (health, service) = tonic_health::server::health_reporter();
    let views = center.views.clone();
    let settings = usher::config::parse(usher::config::EXAMPLE, "the example").expect("it is in order");
    let reload = Arc::new(usher::reload::Reload::new(handle.clone(), &settings, Box::new(|_, _| {})));
    let probe: rpc::Probe = Arc::new(rpc::Machine::default);
    let rooms = (handle.clone(), views.clone(), reload, probe);
    let serving = rpc::serve(grpc, rooms, options, health, service, std::future::pending());
    tokio::spawn(serving);
    let (telemetry, told) = (center.telemetry.clone(), center.views.clone());
    let clock = handle.clone();
    let live = Live::new(views, Arc::new(move || clock.now()));
    let clock = handle.clone();
    let metrics = Arc::new(move || {
        let now = clock.now();
        let snapshots: Vec<_> = told.all().iter().map(|view| view.snapshot(now)).collect();
        telemetry.render(now, usher::telemetry::Shell::default(), &snapshots)
    });
    let site = Site { metrics, ready: Arc::new(Readiness::missing_all(&[])), live };
    tokio::spawn(http::serve(Bounded::new(http), site, std::future::pending()));
    let channel = Channel::from_shared(format!("http://{grpc_addr}")).expect("an address").connect().await;
    Doors { grpc: grpc_addr, http: http_addr, channel: channel.expect("it listens"), shard: handle }
}

/// The scripted day, played so that it ends about now and at noon of the center's own time: the doors tell the time of
/// this machine, and no midnight comes in between. With it its date.
fn today() -> (Center, String) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let now = Time(now.as_micros() as u64);
    let ahead = 12 - (now.0 / 3_600_000_000 % 24) as i64;
    // The names of these zones count westwards.
    let zone = format!("Etc/GMT{}{}", if ahead < 0 { '+' } else { '-' }, ahead.abs());
    let center = day::play(now - day::LENGTH, &zone);
    assert!(center.now < now, "the day is longer than it was thought to be");
    let local = now.0.saturating_add_signed(ahead * 3_600_000_000);
    let date = jiff::Timestamp::from_microsecond(local as i64).expect("a time").to_string();
    (center, date[..10].to_owned())
}

/// The figures of the day, by the names of `usher report`.
const EXPECTED: [(&str, f64); 25] = [
    ("received", 100.0),
    ("offered", 100.0),
    ("answered", 80.0),
    ("answered_within_threshold", 72.0),
    ("abandoned", 14.0),
    ("abandoned_within_threshold", 6.0),
    ("abandoned_short", 4.0),
    ("overflowed", 6.0),
    ("handled", 80.0),
    ("contacts_transferred", 8.0),
    ("contacts_resolved", 60.0),
    ("talk_seconds", 14_400.0),
    ("hold_seconds", 1_600.0),
    ("wrap_up_seconds", 3_200.0),
    ("cost", 560.0),
    ("average_handle_time_seconds", 240.0),
    ("abandonment", 0.14),
    ("transfer_rate", 0.10),
    ("cost_per_contact", 7.0),
    ("fcr_of_contacts", 0.60),
    ("fcr_of_handled", 0.75),
    ("csat", 0.90),
    ("service_level_of_offered", 0.72),
    ("service_level_of_answered", 0.90),
    ("service_level_excluding_short", 0.80),
];

/// The service levels that are no whole percent, to a tenth of one.
const TENTHS: [(&str, f64); 3] =
    [("of_answered_abandoned", 76.6), ("abandons_met", 83.0), ("excluding_early_abandons", 81.8)];

#[track_caller]
fn same(of: &str, name: &str, found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-9, "{of}: {name} is {found}, not {wanted}");
}

fn tenths(share: f64) -> f64 {
    (share * 1e3).round() / 10.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripted_day_is_the_same_from_every_door() {
    let (center, date) = today();
    let doors = open(&center).await;
    // usher report
    let rows = doors.report(&["--day", &date]).await;
    let sales = rows.iter().find(|row| row["queue"] == "sales").expect("a row");
    for (name, wanted) in EXPECTED {
        same("usher report", name, sales[name].as_f64().expect(name), wanted);
    }
    for (name, wanted) in TENTHS {
        let level = sales[format!("service_level_{name}")].as_f64().expect(name);
        assert_eq!(tenths(level), wanted, "usher report: {name}");
    }
    // gRPC, by the same names
    let asked = pb::GetIntervalReportRequest {
        tenant: TENANT.into(),
        date,
        interval: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        ..Default::default()
    };
    let report = doors.supervisor().get_interval_report(asked).await.expect("a report").into_inner();
    let of_sales = report.rows.iter().find(|row| row.queue == "sales").expect("a row");
    check_grpc("gRPC", of_sales.figures.as_ref().expect("figures"), of_sales.kpis.as_ref().expect("ratios"));
    let snapshot = pb::GetSnapshotRequest { tenant: TENANT.into(), ..Default::default() };
    let snapshot = doors.supervisor().get_snapshot(snapshot).await.expect("a snapshot").into_inner().snapshot;
    let snapshot = snapshot.expect("one");
    let queue = snapshot.queues.iter().find(|queue| queue.queue == "sales").expect("a queue");
    let inbound = &queue.directions[0];
    check_grpc("snapshot", inbound.day.as_ref().expect("figures"), inbound.day_kpis.as_ref().expect("ratios"));
    // JSON
    let page = doors.get("/api/snapshot.json?tenant=acme").await;
    let body = page.split_once("\r\n\r\n").expect("a body").1;
    check_json(body);
    // metrics
    check_metrics(&doors.get("/metrics").await);
}

fn check_grpc(of: &str, figures: &pb::Figures, kpis: &pb::Kpis) {
    let seconds = |span: &Option<prost_types::Duration>| {
        let span = span.expect("a span");
        span.seconds as f64 + f64::from(span.nanos) / 1e9
    };
    let levels = kpis.service_level.expect("levels");
    let found = [
        figures.received as f64,
        figures.offered as f64,
        figures.answered as f64,
        figures.answered_within_threshold as f64,
        figures.abandoned as f64,
        figures.abandoned_within_threshold as f64,
        figures.abandoned_short as f64,
        figures.overflowed as f64,
        figures.handled as f64,
        figures.contacts_transferred as f64,
        figures.contacts_resolved as f64,
        seconds(&figures.talk),
        seconds(&figures.hold),
        seconds(&figures.wrap_up),
        figures.cost_millionths as f64 / 1e6,
        seconds(&kpis.average_handle_time),
        kpis.abandonment.expect("set"),
        kpis.transfer_rate.expect("set"),
        kpis.cost_per_contact_millionths.expect("set") as f64 / 1e6,
        kpis.fcr_of_contacts.expect("set"),
        kpis.fcr_of_handled.expect("set"),
        kpis.csat.expect("set"),
        levels.of_offered.expect("set"),
        levels.of_answered.expect("set"),
        levels.excluding_short.expect("set"),
    ];
    for ((name, wanted), found) in EXPECTED.iter().zip(found) {
        same(of, name, found, *wanted);
    }
    let others = [levels.of_answered_abandoned, levels.abandons_met, levels.excluding_early_abandons];
    for ((name, wanted), found) in TENTHS.iter().zip(others) {
        assert_eq!(tenths(found.expect("set")), *wanted, "{of}: {name}");
    }
    assert_eq!(figures.exits.get("callback"), Some(&6));
}

fn check_json(body: &str) {
    let snapshot: Value = serde_json::from_str(body).expect("JSON");
    let queues = snapshot["queues"].as_array().expect("queues");
    let sales = queues.iter().find(|queue| queue["queue"] == "sales").expect("a queue");
    let inbound = &sales["directions"][0];
    assert_eq!(inbound["direction"], "inbound");
    let (day, kpis) = (&inbound["day"], &inbound["day_kpis"]);
    for (name, wanted) in EXPECTED {
        let found = match name.strip_prefix("service_level_") {
            Some(definition) => &kpis["service_level"][definition],
            None if day.get(name).is_some() => &day[name],
            None => &kpis[name],
        };
        same("snapshot JSON", name, found.as_f64().expect(name), wanted);
    }
    for (name, wanted) in TENTHS {
        assert_eq!(tenths(kpis["service_level"][name].as_f64().expect(name)), wanted, "snapshot JSON: {name}");
    }
}

fn check_metrics(page: &str) {
    let own = r#"tenant="acme",queue="sales",channel="voice",direction="inbound""#;
    let value = |series: String| -> f64 {
        let line = page.lines().find(|line| line.strip_prefix(&series).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|number| number.parse().ok()).expect(&series)
    };
    let sales = |name: &str, more: &str| value(format!("usher_{name}{{{own}{more}}}"));
    let abandoned = |kind: &str, within: &str| {
        sales("contacts_abandoned_total", &format!(r#",kind="{kind}",within_threshold="{within}""#))
    };
    let found = [
        (
            "received",
            value(r#"usher_contacts_received_total{tenant="acme",channel="voice",direction="inbound"}"#.into()),
        ),
        ("offered", sales("contacts_offered_total", "")),
        ("answered", sales("contacts_answered_total", "")),
        ("answered_within_threshold", sales("contacts_answered_within_threshold_total", "")),
        ("abandoned_short", abandoned("short", "true")),
        ("abandoned_within_threshold", abandoned("short", "true") + abandoned("normal", "true")),
        ("abandoned", abandoned("short", "true") + abandoned("normal", "true") + abandoned("normal", "false")),
        ("overflowed", sales("contacts_exits_total", r#",reason="overflowed""#)),
        ("handled", sales("contacts_handled_total", "")),
        ("contacts_transferred", sales("contacts_transferred_total", "")),
        ("contacts_resolved", sales("contacts_resolved_total", "")),
        ("talk_seconds", sales("talk_seconds_sum", "")),
        ("hold_seconds", sales("hold_seconds_sum", "")),
        ("wrap_up_seconds", sales("wrap_up_seconds_sum", "")),
        ("cost", sales("handling_cost_total", "")),
        ("average_handle_time_seconds", sales("handle_seconds_sum", "") / sales("handle_seconds_count", "")),
    ];
    for (name, found) in found {
        let wanted = EXPECTED.iter().find(|(known, _)| *known == name).expect(name).1;
        same("/metrics", name, found, wanted);
    }
    let survey = |result: &str| sales("survey_answers_total", &format!(r#",kind="csat",result="{result}""#));
    same("/metrics", "csat", survey("positive") / (survey("positive") + survey("negative")), 0.9);
    let level = |definition: &str| {
        let own = r#"tenant="acme",queue="sales",direction="inbound",window="day""#;
        value(format!(r#"usher_service_level_ratio{{{own},definition="{definition}"}}"#))
    };
    for (name, wanted) in EXPECTED {
        if let Some(definition) = name.strip_prefix("service_level_") {
            same("/metrics", name, level(definition), wanted);
        }
    }
    for (name, wanted) in TENTHS {
        assert_eq!(tenths(level(name)), wanted, "/metrics: {name}");
    }
    let callbacks = r#"usher_callbacks_total{tenant="acme",queue="sales",channel="voice",result="requested"}"#;
    assert_eq!(value(callbacks.into()), 6.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_come_in_pages_and_refuse_what_makes_no_sense() {
    let (center, date) = today();
    let doors = open(&center).await;
    let mut supervisor = doors.supervisor();
    let mut asked = pb::GetIntervalReportRequest { tenant: TENANT.into(), page_size: 5, ..Default::default() };
    let mut rows = Vec::new();
    loop {
        let page = supervisor.get_interval_report(asked.clone()).await.expect("a page").into_inner();
        assert_eq!(page.totals.is_empty(), !asked.page_token.is_empty(), "totals on the first page alone");
        rows.extend(page.rows);
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            break;
        }
    }
    let offered: i64 = rows.iter().map(|row| row.figures.as_ref().expect("figures").offered).sum();
    assert_eq!(offered, 109, "100 in sales, 8 in billing, 1 in support");
    assert!(rows.iter().is_sorted_by_key(|row| (row.start_time.expect("set").seconds, row.queue.clone())));
    let agents = pb::GetAgentReportRequest { tenant: TENANT.into(), page_size: 2, ..Default::default() };
    let first = supervisor.get_agent_report(agents.clone()).await.expect("a page").into_inner();
    let ids = |rows: &[pb::AgentRow]| rows.iter().map(|row| row.agent_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first.rows), ["ana", "ben"]);
    let next = pb::GetAgentReportRequest { page_token: first.next_page_token, ..agents.clone() };
    assert_eq!(ids(&supervisor.get_agent_report(next).await.expect("a page").into_inner().rows), ["cleo"]);
    let records = pb::ListContactRecordsRequest { tenant: TENANT.into(), page_size: 64, ..Default::default() };
    let first = supervisor.list_contact_records(records.clone()).await.expect("a page").into_inner();
    let next = pb::ListContactRecordsRequest { page_token: first.next_page_token, ..records.clone() };
    let second = supervisor.list_contact_records(next).await.expect("a page").into_inner();
    assert_eq!((first.records.len(), second.records.len(), &*second.next_page_token), (64, 36, ""));
    let wrong = [
        pb::GetIntervalReportRequest { date: "2026-02-30".into(), ..asked.clone() },
        pb::GetIntervalReportRequest { page_token: "5.0".into(), ..asked.clone() },
        pb::GetIntervalReportRequest { page_size: -1, ..asked.clone() },
        pb::GetIntervalReportRequest { dimensions: vec![0], ..asked.clone() },
        pb::GetIntervalReportRequest {
            interval: Some(prost_types::Duration { seconds: 7, nanos: 0 }),
            ..asked.clone()
        },
    ];
    for asked in wrong {
        let status = supervisor.get_interval_report(asked.clone()).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{asked:?}: {status:?}");
    }
    let unknown = pb::GetSnapshotRequest { tenant: "nobody".into(), ..Default::default() };
    assert_eq!(supervisor.get_snapshot(unknown).await.expect_err("refused").code(), Code::NotFound);
    // Tables for people.
    let table = doors.usher(&["report", "--day", &date, "--by", "agent"]).await;
    assert!(table.lines().count() == 4 && table.contains("ana"), "{table}");
    let csv = doors.usher(&["report", "--day", &date, "--by", "team", "--csv"]).await;
    assert!(csv.lines().any(|line| line.starts_with("desk,")), "{csv}");
    let status = doors.usher(&["status", "--once"]).await;
    assert!(status.starts_with("tenant acme\nwaiting 0   offered 109"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_tell_what_changes_and_go_on_after_a_token() {
    let (center, _) = today();
    let doors = open(&center).await;
    let watch = pb::WatchEventsRequest {
        tenant: TENANT.into(),
        event_names: vec!["contact_queued".into(), "contact_closed".into()],
        ..Default::default()
    };
    let mut events = doors.supervisor().watch_events(watch.clone()).await.expect("a stream").into_inner();
    let first = events.next().await.expect("a message").expect("a token");
    assert!(first.events.is_empty() && !first.resume_token.is_empty());
    let mut contacts = ContactServiceClient::new(doors.channel.clone());
    let contact = |id: &str| pb::CreateContactRequest {
        tenant: TENANT.into(),
        contact: Some(pb::Contact {
            contact_id: id.into(),
            channel: "voice".into(),
            queue: "sales".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    contacts.create_contact(contact("e1")).await.expect("created");
    let told = events.next().await.expect("a message").expect("events");
    let names = |told: &pb::WatchEventsResponse| {
        let name = |event: &pb::Event| match &event.payload {
            Some(pb::event::Payload::ContactQueued(queued)) => format!("queued {}", queued.contact_id),
            Some(pb::event::Payload::ContactClosed(closed)) => format!("closed {}", closed.contact_id),
            other => format!("{other:?}"),
        };
        told.events.iter().map(name).collect::<Vec<String>>()
    };
    assert_eq!(names(&told), ["queued e1"]);
    drop(events);
    let cancel =
        pb::CancelContactRequest { tenant: TENANT.into(), contact_id: "e1".into(), cause: 1, ..Default::default() };
    contacts.cancel_contact(cancel).await.expect("cancelled");
    let again = pb::WatchEventsRequest { resume_token: told.resume_token.clone(), ..watch.clone() };
    let mut events = doors.supervisor().watch_events(again).await.expect("a stream").into_inner();
    let mut seen = Vec::new();
    while seen.is_empty() {
        seen = names(&events.next().await.expect("a message").expect("events"));
    }
    assert_eq!(seen, ["closed e1"]);
    let other = pb::WatchEventsRequest { resume_token: told.resume_token, tenant: TENANT.into(), ..Default::default() };
    let refused = doors.supervisor().watch_events(other).await.expect_err("another watch's token");
    assert_eq!(refused.code(), Code::InvalidArgument);
    // The snapshot's stream: a whole one, then what changed. Events go into the view by hand here.
    let watch = pb::WatchSnapshotRequest {
        tenant: TENANT.into(),
        min_interval: Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 }),
        ..Default::default()
    };
    let mut snapshots = doors.supervisor().watch_snapshot(watch.clone()).await.expect("a stream").into_inner();
    use pb::watch_snapshot_response::Item;
    let Some(Item::Snapshot(whole)) = snapshots.next().await.expect("a message").expect("one").item else {
        panic!("a whole snapshot comes first")
    };
    assert_eq!(whole.queues.len(), 3);
    let mut center = center;
    center.call("late", "billing");
    let Some(Item::Diff(diff)) = snapshots.next().await.expect("a message").expect("one").item else {
        panic!("then what changed")
    };
    let changed = diff.changed.expect("rows");
    let queues: Vec<&str> = changed.queues.iter().map(|queue| queue.queue.as_str()).collect();
    assert_eq!(queues, ["billing"]);
    let fast =
        pb::WatchSnapshotRequest { min_interval: Some(prost_types::Duration { seconds: 0, nanos: 1_000 }), ..watch };
    let refused = doors.supervisor().watch_snapshot(fast).await.expect_err("too fast");
    assert_eq!(refused.code(), Code::InvalidArgument);
    // And for pages.
    let mut page = TcpStream::connect(&doors.http).await.expect("it listens");
    page.write_all(b"GET /api/events?tenant=acme HTTP/1.1\r\nHost: usher\r\n\r\n").await.expect("room");
    let mut text = String::new();
    let mut buffer = vec![0; 65_536];
    while !text.contains("event: snapshot") {
        let read = page.read(&mut buffer).await.expect("it goes on");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    center.leave("late");
    while !text.contains("event: diff") {
        let read = page.read(&mut buffer).await.expect("it goes on");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(text.contains("text/event-stream"), "{}", &text[..200]);
    assert!(doors.get("/api/events?tenant=nobody").await.starts_with("HTTP/1.1 404"));
    doors.shard.drain().await.expect("drained");
}

/// A contact in sales, created through the shard.
async fn comes(doors: &Doors, id: &str) {
    let mut contacts = ContactServiceClient::new(doors.channel.clone());
    let contact =
        pb::Contact { contact_id: id.into(), channel: "voice".into(), queue: "sales".into(), ..Default::default() };
    let request = pb::CreateContactRequest { tenant: TENANT.into(), contact: Some(contact), ..Default::default() };
    contacts.create_contact(request).await.expect("created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_are_estimated_by_grpc() {
    let (center, _) = today();
    let doors = open(&center).await;
    let mut contacts = ContactServiceClient::new(doors.channel.clone());
    let command = async |command: Command| {
        doors.shard.call(TENANT, command.into()).await.expect("carried out");
    };
    let lease = Some(usher::engine::time::Span::ZERO);
    let presence = usher::engine::agent::Presence::Available;
    command(Command::SignIn { agent_id: "ana".into(), presence, lease }).await;
    comes(&doors, "w0").await;
    let estimate = |subject| pb::EstimateWaitRequest { tenant: TENANT.into(), subject: Some(subject) };
    use pb::estimate_wait_request::Subject;
    let coming = || {
        let contact = pb::Contact { channel: "voice".into(), queue: "sales".into(), ..Default::default() };
        estimate(Subject::Hypothetical(contact))
    };
    let early = contacts.estimate_wait(coming()).await.expect("answered").into_inner();
    assert_eq!((early.estimated_wait, early.mean, early.eligible_agents), (None, None, 1), "nothing was seen yet");
    for number in 0..12 {
        let id: Text = format!("w{number}").as_str().into();
        comes(&doors, &format!("w{}", number + 1)).await;
        let offer = doors.shard.query(TENANT, |state, now| state.agent_view(now, "ana").map(|view| view.legs[0].leg));
        let offer = offer.await.expect("a query").expect("an agent");
        command(Command::AcceptOffer { agent_id: "ana".into(), offer }).await;
        command(Command::ConnectContact { contact_id: id.clone() }).await;
        command(Command::CompleteContact { contact_id: id.clone(), disposition: Text::default() }).await;
        let (disposition, resolved) = (Text::default(), None);
        command(Command::CompleteWrapUp { agent_id: "ana".into(), contact_id: id, disposition, resolved }).await;
    }
    comes(&doors, "last").await;
    let told = contacts.estimate_wait(coming()).await.expect("answered").into_inner();
    assert_eq!((told.position, told.waiting, told.eligible_agents, &*told.queue), (2, 1, 1, "sales"));
    let (mean, shown) = (told.mean.expect("enough was seen"), told.estimated_wait.expect("enough was seen"));
    let seconds = |span: &prost_types::Duration| span.seconds as f64 + f64::from(span.nanos) / 1e9;
    let (half, most) = (shown.p50.expect("set"), shown.p90.expect("set"));
    assert!(0.0 < seconds(&half) && seconds(&half) < seconds(&mean) && seconds(&mean) < seconds(&most), "{told:?}");
    let waits =
        contacts.estimate_wait(estimate(Subject::ContactId("last".into()))).await.expect("answered").into_inner();
    assert_eq!((waits.position, waits.estimated_wait.is_some()), (1, true));
    let asked = pb::GetContactRequest { tenant: TENANT.into(), contact_id: "last".into() };
    let contact = contacts.get_contact(asked).await.expect("found").into_inner().contact.expect("shown");
    assert!(contact.estimated_wait.is_some(), "{contact:?}");
    let elsewhere = pb::Contact { channel: "voice".into(), queue: "nowhere".into(), ..Default::default() };
    for (subject, code) in [
        (Some(Subject::ContactId("nobody".into())), Code::NotFound),
        (Some(Subject::ContactId("w1".into())), Code::FailedPrecondition),
        (Some(Subject::Hypothetical(elsewhere)), Code::InvalidArgument),
        (Some(Subject::Hypothetical(pb::Contact::default())), Code::InvalidArgument),
        (None, Code::InvalidArgument),
    ] {
        let asked = pb::EstimateWaitRequest { tenant: TENANT.into(), subject };
        let status = contacts.estimate_wait(asked.clone()).await.expect_err("refused");
        assert_eq!(status.code(), code, "{asked:?}: {status:?}");
    }
}

//! `usher demo` as whoever tries it first has it: a process that shows a living center, says where to look, and ends
//! with books that close.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;
use usher_proto::v1 as pb;
use usher_proto::v1::contact_service_client::ContactServiceClient;

fn demo(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.arg("demo").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

/// Reads where gRPC is served; what else is said is handed back with it.
fn door(errors: &mut BufReader<ChildStderr>) -> (String, String) {
    let mut said = String::new();
    loop {
        let begun = said.len();
        assert!(errors.read_line(&mut said).expect("text") > 0, "it ended after {said}");
        let line = &said[begun..];
        if let Some(rest) = line.trim_start().strip_prefix("gRPC") {
            return (rest.split_whitespace().next().expect("an address").to_owned(), said);
        }
    }
}

fn count(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("{name} in {summary}"))
}

/// What must hold of any summary.
fn check_books(summary: &Value) {
    assert_eq!(summary["books_close"], true, "{summary}");
    assert_eq!(summary["faults"], serde_json::json!([]), "{summary}");
    let exits = ["answered", "abandoned", "overflowed", "cancelled", "refused", "expired", "moved", "waiting"];
    let queues = summary["queues"].as_array().expect("queues");
    for books in queues.iter().chain([summary]) {
        let sum: u64 = exits.iter().map(|exit| count(books, exit)).sum();
        assert_eq!(count(books, "offered"), sum, "{books}");
    }
    for name in exits.iter().chain(&["offered", "answered_within_threshold"]) {
        let sum: u64 = queues.iter().map(|queue| count(queue, name)).sum();
        assert_eq!(count(summary, name), sum, "{name} in {summary}");
    }
    let level = count(summary, "answered_within_threshold") as f64 / count(summary, "offered") as f64;
    // serde_json reads a fraction to its last digit but one.
    let told = summary["service_level"].as_f64().expect("a share");
    assert!((told - level).abs() < 1e-12, "{level} in {summary}");
}

#[test]
fn it_runs_for_a_while_and_its_books_close() {
    let output = demo(&["--for", "3s", "--speed", "120", "--seed", "7", "--json"]).wait_with_output().expect("a child");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else");
    check_books(&summary);
    assert!(count(&summary, "answered") > 0, "six minutes without a customer: {summary}");
    assert_eq!((count(&summary, "seed"), count(&summary, "speed")), (7, 120));
    let agents: u64 = summary["agents"].as_object().expect("agents").values().filter_map(Value::as_u64).sum();
    assert_eq!(agents, 20, "{summary}");
    assert!(said.contains("buf curl") && said.contains("ContactService/CreateContact"), "{said}");
    assert!(!said.contains('\x1b'), "a pipe is no terminal: {said}");
}

#[test]
fn it_makes_agents_where_the_file_has_none() {
    let minimal = concat!(env!("CARGO_MANIFEST_DIR"), "/config/minimal.toml");
    let output =
        demo(&["--config", minimal, "--for", "2s", "--speed", "120", "--json"]).wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    check_books(&summary);
    assert!(count(&summary, "answered") > 0, "{summary}");
}

/// Ctrl-C ends it well, with a guest's contact in the books that nobody has ended.
#[tokio::test]
async fn ctrl_c_closes_the_books_with_a_guest_in_them() {
    let mut child = demo(&["--json"]);
    let mut errors = BufReader::new(child.stderr.take().expect("piped"));
    let (addr, mut said) = door(&mut errors);
    let mut contacts = ContactServiceClient::connect(format!("http://{addr}")).await.expect("gRPC listens");
    let watch = pb::WatchContactsRequest { contact_ids: vec!["me".to_owned()], ..Default::default() };
    let mut events = contacts.watch_contacts(watch).await.expect("a stream").into_inner();
    let me = pb::Contact {
        contact_id: "me".to_owned(),
        channel: "chat".to_owned(),
        queue: "sales".to_owned(),
        priority: 100,
        ..pb::Contact::default()
    };
    let create = pb::CreateContactRequest { contact: Some(me), ..Default::default() };
    contacts.create_contact(create).await.expect("a guest is welcome");
    // One of the demo's agents takes the guest.
    loop {
        let message = events.message().await.expect("a stream").expect("more to come");
        if let Some(pb::watch_contacts_response::Item::Event(event)) = message.item
            && let Some(pb::event::Payload::LegConnected(_)) = event.payload
        {
            break;
        }
    }
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
    // The guest hangs up too: the server waits for open connections as long as drain_grace.
    drop((events, contacts));
    errors.read_to_string(&mut said).expect("text");
    let output = child.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(0), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    check_books(&summary);
    assert!(count(&summary, "answered") > 0 && count(&summary, "talking") > 0, "{summary}");
}

#[test]
fn what_it_cannot_do_is_said() {
    for (arguments, code, wanted) in [
        (&["--for", "soon"][..], 2, "`soon` is not a duration"),
        (&["--for", "0s"], 2, "nothing happens in no time"),
        (&["--speed", "0"], 2, "0 is not in 1..=600"),
        (&["--config", "nowhere.toml"], 1, "cannot be read"),
    ] {
        let output = demo(arguments).wait_with_output().expect("a child");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

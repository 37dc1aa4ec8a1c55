//! The load test against a real server, as its user starts it: it passes where all is well, and turns red where a
//! server gives one contact to two agents.

mod relay;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A server of this process, with the configuration of a scenario.
struct Server {
    addr: String,
    _dir: TempDir,
}

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

fn loadtest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_usher-loadtest")).args(arguments).output().expect("the load test runs")
}

/// Starts a server. It ends with the process of the test.
fn serve(scenario: &Path) -> Server {
    let printed = loadtest(&["config", scenario.to_str().expect("a path")]);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let text = String::from_utf8(printed.stdout).expect("text");
    let dir = TempDir::new().expect("a directory");
    let (path, ready) = (dir.path().join("usher.toml"), dir.path().join("ready.json"));
    let mut config = usher::config::parse(&text, "scenario").expect("a configuration");
    config.journal.path = dir.path().join("journal");
    let told = ready.clone();
    std::thread::spawn(move || usher::server::serve(config, path, Some(told)).expect("the server serves"));
    for _ in 0..3_000 {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            let said: Value = serde_json::from_str(&text).expect("JSON, whole");
            return Server { addr: said["grpc"].as_str().expect("an address").to_owned(), _dir: dir };
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the server was not ready within 30 s");
}

fn outcome(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_center_where_everything_goes_wrong_passes_by_streams_and_by_unary_calls() {
    let smoke = scenario("smoke.toml");
    for mode in ["stream", "unary"] {
        let server = serve(&smoke);
        let ran = loadtest(&["run", smoke.to_str().expect("a path"), "--addr", &server.addr, "--mode", mode, "--json"]);
        let outcome = outcome(&ran);
        assert_eq!(outcome["balance"]["faults"]["counts"], serde_json::json!({}), "{mode}: {outcome}");
        assert_eq!(ran.status.code(), Some(0), "{mode}: {}", outcome["verdict"]);
        let total = &outcome["balance"]["total"];
        let figure = |name: &str| total[name].as_u64().expect(name);
        assert_eq!(figure("offered"), outcome["contacts"].as_u64().expect("contacts"), "{mode}: {total}");
        assert!(figure("answered") > 0 && figure("abandoned") > 0 && figure("refused") > 0, "{mode}: {total}");
        assert!(outcome["latencies"]["offer"]["count"].as_u64() > Some(0), "{mode}: {outcome}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_sent_to_two_agents_turns_it_red() {
    let smoke = scenario("smoke.toml");
    for (nth, code) in [(None, 0), (Some(20), 1)] {
        let server = serve(&smoke);
        let addr = relay::start(&server.addr, nth, "reliable").await;
        let path = smoke.to_str().expect("a path").to_owned();
        let run = move || loadtest(&["run", &path, "--addr", &addr.to_string(), "--mode", "stream", "--json"]);
        let ran = tokio::task::spawn_blocking(run).await.expect("the load test ends");
        let outcome = outcome(&ran);
        assert_eq!(ran.status.code(), Some(code), "{nth:?}: {} {}", outcome["verdict"], outcome["balance"]["faults"]);
        let twice = outcome["balance"]["faults"]["counts"]["assigned twice"].as_u64();
        assert_eq!(twice.is_some(), nth.is_some(), "{nth:?}: {}", outcome["balance"]["faults"]);
    }
}

#[test]
fn a_missed_threshold_and_a_late_generator_have_exit_codes_of_their_own() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("short.toml");
    let text = std::fs::read_to_string(scenario("smoke.toml")).expect("the scenario").replacen("\"60s\"", "\"20s\"", 1);
    let missed = format!("{text}\n[thresholds]\nrate = 1000000.0\nabandonment = 1.0\n");
    let late = text.replacen("late_after = \"10s\"", "late_after = \"0s\"", 1);
    for (text, code, verdict) in [(missed, 99, "missed"), (late, 98, "invalid")] {
        std::fs::write(&path, text).expect("a file");
        let server = serve(&path);
        let out = dir.path().join(verdict);
        let arguments = ["run", path.to_str().expect("a path"), "--addr", &server.addr, "--json", "--out"];
        let ran = loadtest(&[&arguments[..], &[out.to_str().expect("a path")]].concat());
        let outcome = outcome(&ran);
        assert_eq!((ran.status.code(), outcome["verdict"].as_str()), (Some(code), Some(verdict)), "{outcome}");
        let report = std::fs::read_to_string(out.join("report.html")).expect("a report");
        assert!(report.contains("<svg") && report.contains("</html>"), "{report}");
        for beyond in ["<script", "http://", "https://", "src="] {
            assert!(!report.contains(beyond), "the report needs {beyond}");
        }
        assert!(out.join("latency.hlog").exists());
        let result = out.join("result.json");
        let result = result.to_str().expect("a path");
        let same = loadtest(&["compare", result, result, "--json"]);
        // A run that did not pass is no better for being the same.
        assert_eq!(same.status.code(), Some(99), "{}", String::from_utf8_lossy(&same.stdout));
    }
}

#[test]
fn a_scenario_without_its_file_of_arrivals_is_skipped_with_a_word() {
    let day = scenario("bank-day.toml");
    for arguments in [&["--arrivals", "no-such-file.csv"][..], &[]] {
        let ran = loadtest(&[&["run", day.to_str().expect("a path")], arguments].concat());
        assert_eq!(ran.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&ran.stdout).starts_with("skipped"), "{arguments:?}");
    }
}

#[test]
fn a_fault_in_a_scenario_is_shown_with_a_caret_and_the_nearest_name() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("wrong.toml");
    let text = std::fs::read_to_string(scenario("smoke.toml")).expect("the scenario");
    for (right, wrong, said) in [
        ("speed = 20", "spead = 20", "did you mean `speed`?"),
        ("classes = [\"calls\", \"chats\"]", "classes = [\"calls\", \"chat\"]", "there is no contact class `chat`"),
        ("decline = 0.15", "decline = 1.5", "probabilities"),
        ("require = \"skill-6\"", "require = \"skil-6\"", "skil-6"),
    ] {
        std::fs::write(&path, text.replacen(right, wrong, 1)).expect("a file");
        let ran = loadtest(&["run", path.to_str().expect("a path"), "--addr", "127.0.0.1:1"]);
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(said) && stderr.contains('^'), "{wrong}: {stderr}");
    }
}

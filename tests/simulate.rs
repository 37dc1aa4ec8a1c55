//! Scenarios: what a file may say, what is told of it, and that chance is the customers' own.

use std::process::Command;

use usher::config;
use usher::sim::books::{Cell, Played};
use usher::sim::compare::{Comparison, Side};
use usher::sim::play::{Options, play};
use usher::sim::report::Report;
use usher::sim::scenario::{Scenario, compile};

const CONFIG: &str = r#"
[[tenants]]
id = "default"
time_zone = "Europe/Lisbon"
not_ready_reasons = ["lunch"]
skills = [{ id = "french" }]
channels = [{ id = "voice" }, { id = "chat" }]
[[tenants.queues]]
id = "sales"
wrap_up = { mode = "manual", duration = "5m" }
[[tenants.queues]]
id = "chat"
[[tenants.teams]]
id = "front"
queues = [{ id = "sales" }]
[[tenants.teams]]
id = "digital"
queues = [{ id = "chat" }]
"#;

const SCENARIO: &str = r#"start = "2026-03-02"
runs = 3
[[flows]]
id = "calls"
queue = "sales"
arrivals = [{ kind = "constant", per_hour = 120, from = "08:00", to = "12:00" }]
handle_time = { law = "lognormal", mean = "3m", sd = "2m" }
wrap_up = { law = "exponential", mean = "20s" }
patience = { law = "exponential", mean = "1m" }
retry = { probability = 0.5, delay = { law = "exponential", mean = "5m" } }
[[agents]]
team = "front"
count = 7
[[shifts]]
team = "front"
from = "08:00"
to = "12:00"
breaks = [{ at = "10:00", lasts = "15m" }]
stay = true
[[conduct]]
team = "*"
accept_delay = { law = "uniform", min = "1s", max = "4s" }
connect_delay = { law = "deterministic", mean = "1s" }
decline = 0.02
no_answer = 0.02
"#;

fn none(name: &str) -> Result<String, String> {
    Err(format!("no such file: {name}"))
}

fn scenario(config: &str, text: &str) -> Scenario {
    let config = config::parse(config, "c.toml").unwrap_or_else(|faults| panic!("{faults}"));
    compile(text, "s.toml", &config, &none).unwrap_or_else(|faults| panic!("{faults}"))
}

fn options(seed: u64, runs: u32) -> Options {
    Options { seed, runs, jobs: 2, audit: None }
}

fn report(config: &str, text: &str, options: &Options) -> Report {
    let scenario = scenario(config, text);
    let (runs, work) = play(&scenario, options, |_| {}).expect("played");
    Report::new(&scenario, options.seed, &runs, work)
}

#[test]
fn a_day_is_told_in_figures() {
    let report = report(CONFIG, SCENARIO, &Options { audit: Some(50), ..options(1, 5) });
    let mean = |estimate: usher::sim::stats::Estimate| estimate.mean.expect("a mean");
    let sales = &report.queues[0].figures;
    assert_eq!(report.queues[0].queue, "sales");
    let first_calls = mean(report.door.received) - mean(report.door.again);
    assert!((450.0..510.0).contains(&first_calls) && mean(report.door.again) > 20.0, "{:?}", report.door);
    assert!(sales.offered.half_width.is_some_and(|half| half > 0.0));
    assert_eq!(mean(sales.offered), mean(sales.answered) + mean(sales.abandoned) + mean(sales.other));
    // 3 min, 20 s of wrap-up, up to 4 s to accept.
    assert!((190.0..215.0).contains(&mean(sales.aht_s)), "{:?}", sales.aht_s);
    assert!((0.7..1.0).contains(&mean(sales.occupancy)), "{:?}", sales.occupancy);
    assert!(mean(sales.asa_s) > 2.0 && mean(sales.longest_wait_s) > mean(sales.asa_s));
    assert!(report.audits > 5, "{} audits", report.audits);
    let times: Vec<&str> = report.intervals.iter().map(|interval| interval.time.as_str()).collect();
    assert_eq!(times[..8], ["08:00", "08:30", "09:00", "09:30", "10:00", "10:30", "11:00", "11:30"]);
    let staffed = |at: usize| mean(report.teams[0].intervals[at].figures.staffed);
    assert!((6.9..7.01).contains(&staffed(0)), "{}", staffed(0));
    assert!((3.4..4.9).contains(&staffed(4)), "a break of a quarter of an hour: {}", staffed(4));
    assert!(report.queues[1].figures.service_level.mean.is_none(), "nobody chats");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let told = |seed, jobs| {
        let report = report(CONFIG, SCENARIO, &Options { jobs, ..options(seed, 4) });
        (report.json(), report.html(), report.text())
    };
    assert_eq!(told(5, 1), told(5, 3), "also on other threads");
    assert_ne!(told(5, 1).0, told(6, 1).0);
}

#[test]
fn a_changed_policy_keeps_the_same_customers() {
    let longer = CONFIG.replace("id = \"front\"\n", "id = \"front\"\ncost_per_hour = 20.0\n");
    let (first, same) = (scenario(CONFIG, SCENARIO), scenario(&longer, SCENARIO));
    let fewer = scenario(CONFIG, &SCENARIO.replace("count = 7", "count = 8"));
    let other_flow = SCENARIO.replace(
        "[[agents]]",
        "[[flows]]\nid = \"chats\"\nqueue = \"chat\"\nchannel = \"chat\"\nhandle_time = { law = \"exponential\", mean = \"5m\" }\n\
         arrivals = [{ kind = \"constant\", per_hour = 60 }]\n[[agents]]",
    );
    let beside = scenario(CONFIG, &other_flow);
    let played = |scenario: &Scenario| play(scenario, &options(9, 4), |_| {}).expect("played").0;
    let (runs, again, more, mixed) = (played(&first), played(&same), played(&fewer), played(&beside));
    let compared = |scenario, others: &[Played]| {
        fn side<'s>(scenario: &'s Scenario, runs: &'s [Played]) -> Side<'s> {
            Side { name: String::new(), scenario, runs }
        }
        Comparison::new(9, &side(&first, &runs), &side(scenario, others))
    };
    for difference in &compared(&same, &again).parts[0].figures {
        assert_eq!(difference.difference.mean.unwrap_or(0.0), 0.0, "{}", difference.figure);
    }
    let comparison = compared(&fewer, &more);
    let figure = |name: &str| comparison.parts[0].figures.iter().find(|part| part.figure == name).expect("a figure");
    let level = figure("service_level");
    assert!(
        level.difference.mean.is_some_and(|gain| gain > 0.0) && level.significant,
        "an agent more helps: {level:?}"
    );
    let half = |estimate: usher::sim::stats::Estimate| estimate.half_width.expect("an interval");
    assert!(half(level.difference) < half(level.second), "common chance drops out: {level:?}");
    // First calls are the same in every run, whatever else there is.
    let first_calls =
        |runs: &[Played]| runs.iter().map(|run| run.doors[0].received - run.doors[0].again).collect::<Vec<_>>();
    assert_eq!(first_calls(&runs), first_calls(&more));
    assert_eq!(first_calls(&runs), first_calls(&mixed));
}

#[test]
fn lines_closings_and_listed_contacts() {
    let config = config::parse(CONFIG, "c.toml").expect("a configuration");
    let text = r#"start = "2026-03-02"
days = 2
lines = 3
[[flows]]
id = "calls"
queue = "sales"
arrivals = [{ kind = "contacts", file = "calls.csv", time_column = "at", handle_time_column = "handle", patience_column = "patience" }]
handle_time = { law = "deterministic", mean = "1h" }
[[agents]]
team = "front"
count = 1
[[closings]]
queues = ["sales"]
at = "09:10"
days = ["mon"]
"#;
    let csv = "at,handle,patience\n2026-03-02T09:00:00,1200,\n2026-03-02T09:01:00,60,120\n2026-03-02T09:02:00,60,\n\
               2026-03-02T09:02:30,60,\n2026-03-03T09:00:00,90,\n2026-03-09T09:00:00,1,1\n";
    let read = |name: &str| if name == "calls.csv" { Ok(csv.to_owned()) } else { none(name) };
    let scenario = compile(text, "s.toml", &config, &read).unwrap_or_else(|faults| panic!("{faults}"));
    let (runs, _) = play(&scenario, &Options { audit: Some(1), ..options(1, 1) }, |_| {}).expect("played");
    let mut total = Cell::default();
    runs[0].cells.iter().for_each(|cell| total.add(cell));
    // The first talks, the second gives up after 120 s, the third is sent away at closing, the fourth found no line, the
    // fifth is answered the next day, the sixth belongs to another week. Nobody ends the wrap-up before its 5 minutes.
    assert_eq!((runs[0].doors[0].received, runs[0].doors[0].blocked), (5, 1));
    assert_eq!((total.offered, total.answered, total.abandoned, total.other), (4, 2, 1, 1));
    assert_eq!((total.longest_wait, total.handle_time), (8 * 60_000_000, (1_200 + 90 + 2 * 300) * 1_000_000));
}

/// Faults: what is put in place of what, with line, column and words.
const FAULTS: &[(&str, &str, u32, u32, &[&str])] = &[
    ("runs = 3", "rnus = 3", 2, 1, &["unknown key `rnus` at the top of the file", "did you mean `runs`"]),
    ("\"sales\"", "\"slaes\"", 5, 9, &["there is no queue `slaes`", "did you mean `sales`"]),
    ("2026-03-02", "2026-13-02", 1, 9, &["not a date", "such as"]),
    ("kind = \"constant\"", "kind = \"constnat\"", 6, 22, &["cannot be \"constnat\"", "did you mean \"constant\""]),
    ("per_hour = 120, ", "", 6, 13, &["`per_hour` is missing"]),
    ("per_hour = 120", "per_hour = 120, count = 3", 6, 13, &["`count` means nothing to this kind of arrivals"]),
    ("\"12:00\" }]\nh", "\"12:61\" }]\nh", 6, 71, &["`12:61` is not a time of day", "24:00"]),
    ("sd = \"2m\"", "scv = 2", 7, 15, &["`scv` means nothing to this law"]),
    ("mean = \"3m\", sd", "sd", 7, 15, &["`mean` is missing"]),
    ("\"1m\" }", "\"1\" }", 9, 42, &["has a number without a unit"]),
    ("team = \"front\"\ncount", "team = \"frnt\"\ncount", 12, 8, &["there is no team `frnt`", "did you mean `front`"]),
    (
        "count = 7\n[",
        "count = 7\n[[staffing]]\nteam = \"front\"\nagents = [9]\n[",
        15,
        8,
        &["team `front` has 7 agents, not 9"],
    ),
    ("at = \"10:00\"", "at = \"11:50\"", 18, 18, &["the break is not within the shift"]),
    ("\"15m\" }", "\"15m\", reason = \"tea\" }", 18, 51, &["there is no not-ready reason `tea`"]),
    (
        "to = \"12:00\"\nb",
        "to = \"12:00\"\ncount = 8\nb",
        15,
        8,
        &["8 agents of team `front` are asked for, 7 are left"],
    ),
    ("decline = 0.02", "decline = 1.5", 24, 11, &["not within 0 to 1"]),
    (
        "queue = \"sales\"\na",
        "queue = \"chat\"\nrequire = \"frnch >= 2\"\na",
        6,
        12,
        &["frnch", "did you mean `french`"],
    ),
    ("queue = \"sales\"\na", "queue = \"sales\"\nchannel = \"fax\"\na", 6, 11, &["there is no channel `fax`"]),
    (
        "kind = \"constant\", per_hour = 120, from = \"08:00\", to = \"12:00\"",
        "kind = \"counts\", file = \"x.csv\"",
        6,
        39,
        &["x.csv: no such file"],
    ),
];

#[test]
fn faults_have_line_column_and_the_nearest_name() {
    let config = config::parse(CONFIG, "c.toml").expect("a configuration");
    for (from, to, line, column, words) in FAULTS {
        let text = SCENARIO.replacen(from, to, 1);
        assert_ne!(text, SCENARIO, "`{from}` is not there");
        let Err(faults) = compile(&text, "s.toml", &config, &none) else { panic!("accepted: {to}") };
        let shown = faults.to_string();
        let hit = faults.faults.iter().any(|fault| (fault.line, fault.column) == (*line, *column));
        assert!(hit, "{to}: wanted at {line}:{column}:\n{shown}");
        for word in *words {
            assert!(shown.contains(word), "{to}: wanted `{word}`:\n{shown}");
        }
    }
    let text = SCENARIO.replace("queue = \"sales\"", "queue = \"chat\"");
    let faults = compile(&text, "s.toml", &config, &none).expect_err("no wrap-up there");
    assert!(faults.to_string().contains("queue `chat` has no wrap-up"), "{faults}");
}

#[test]
fn the_verb_prints_and_refuses() {
    let usher = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_usher")).arg("simulate").args(arguments).output().expect("run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (config, good) = (file("c.toml", CONFIG), file("s.toml", SCENARIO));
    let bad = file("bad.toml", &SCENARIO.replace("\"sales\"", "\"slaes\""));
    let page = dir.path().join("r.html").display().to_string();
    let (code, out, err) = usher(&["--config", &config, "--scenario", &good, "--runs", "2", "--html", &page, "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "no progress in a pipe");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((report["runs"].as_u64(), report["service_level_definition"].as_str()), (Some(2), Some("of_offered")));
    let html = std::fs::read_to_string(&page).expect("a page");
    assert!(html.contains("<svg") && !html.contains("http://") && !html.contains("https://"), "it needs no network");
    let (code, out, _) = usher(&["--config", &config, "--scenario", &good, "--compare", &config, "--runs", "2"]);
    assert!(code == Some(0) && out.contains("service_level"), "{out}");
    let (code, out, err) = usher(&["--config", &config, "--scenario", &bad]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("bad.toml:5:9") && err.contains("did you mean `sales`?"), "{err}");
    for wrong in [&[][..], &["--config", &config], &["--oracle", "x", "--runs", "3"], &["--scenario", &good]] {
        assert_eq!(usher(wrong).0, Some(2), "{wrong:?}");
    }
}

/// The scenario files that come with the product are in order.
#[test]
fn shipped_scenarios_are_in_order() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/config/scenarios");
    let read = |name: &str| std::fs::read_to_string(format!("{dir}/{name}")).expect("a file");
    let csv = |_: &str| Ok("interval_start,calls\n2003-03-03T07:00,111\n".to_owned());
    for (config, scenario) in [
        ("center.toml", "center-week.toml"),
        ("center-spanish.toml", "center-week.toml"),
        ("bank.toml", "bank-week.toml"),
    ] {
        let config = config::parse(&read(config), config).unwrap_or_else(|faults| panic!("{faults}"));
        let compiled = compile(&read(scenario), scenario, &config, &csv).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(compiled.dates.len(), 5);
    }
}

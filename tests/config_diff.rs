//! Policies written back as canonical TOML, and what one changes against another.

use usher::config::{self, canonical, diff};
use usher::engine::policy::Policy;

fn policy(text: &str) -> Policy {
    let read = config::parse(text, "test.toml").unwrap_or_else(|faults| panic!("{faults}"));
    read.tenants.into_iter().next().expect("one tenant")
}

/// The differences as lines: `path: before -> after`.
fn changes(before: &str, after: &str) -> Vec<String> {
    let found = diff::policies(&policy(before), &policy(after));
    assert!(found.iter().all(|difference| !difference.restart_only));
    let show = |difference: &diff::Difference| {
        let diff::Difference { path, before, after, .. } = difference;
        format!("{path}: {before} -> {after}").trim_end().to_owned()
    };
    found.iter().map(show).collect()
}

const BASE: &str = r#"
[[tenants]]
id = "default"
[[tenants.skills]]
id = "french"
[[tenants.queues]]
id = "sales"
require = "french >= 3"
[[tenants.queues]]
id = "care"
[[tenants.teams]]
id = "front"
queues = [{ id = "sales" }, { id = "care", priority = 2 }]
[[tenants.agents]]
id = "ana"
team = "front"
skills = { french = 5 }
attributes = { rating = 4.75, products = ["mobile", "fibre"], mentor = true, years = 6 }
[[tenants.agents]]
id = "bo"
team = "front"
"#;

/// Every choice there is, one queue or team each.
fn choices() -> String {
    let mut text = String::from(
        "[[tenants]]\nid = \"default\"\nreserve = [{ team = \"t0\", queue = \"q0\", keep_idle = 2, release_after = \"1m\", lender_within_target = true, hysteresis = { start = 4, stop = 1, ratio = 0.25 } }]\n",
    );
    text += "queue_groups = [{ id = \"all\", queues = [\"q0\", \"q1\"], limit = 30 }]\n";
    let selections = [
        "longest_idle",
        "ranked",
        "least_occupied",
        "least_loaded",
        "best_skilled",
        "least_skilled",
        "fewest_contacts",
        "round_robin",
        "ordered",
        "random",
    ];
    for (at, selection) in selections.iter().enumerate() {
        text += &format!("[[tenants.queues]]\nid = \"q{at}\"\nselection = \"{selection}\"\nlimit = {at}\n");
    }
    for (at, clock) in ["any", "inbound", "available"].iter().enumerate() {
        text += &format!("[[tenants.queues]]\nid = \"c{at}\"\nidle_clock = \"{clock}\"\naging_per_minute = 0.{at}5\n");
        text += "aging_cap = 12.5\nmax_wait = \"9m\"\nmax_wait_first = \"5m\"\nwrap_up = { mode = \"manual\" }\n";
        text += "waiting_cost = 2.25\nexpected_handle = \"3m20s\"\nexpected_patience = \"90s\"\n";
    }
    for (at, order) in ["priority", "service_level_urgency", "cmu_theta"].iter().enumerate() {
        text += &format!("[[tenants.teams]]\nid = \"t{at}\"\ncontact_order = \"{order}\"\ncost_per_hour = 31.5\n");
        text += "queues = [{ id = \"q0\", priority = 3, delay = \"20s\", rank = 7 }]\n";
    }
    text += "[[tenants.queues]]\nid = \"s\"\nselection = \"best_score\"\n";
    text += "score = \"3 * attr.years - (contact.site = 'porto') * (1 - attr.grade)\"\n";
    text += "[[tenants.queues]]\nid = \"o\"\noverflow = [{ when = \"queue_length\", length = 9, then = \"queue\", queue = \"q0\" }, ";
    text += "{ when = \"wait\", after = \"2m\", then = \"priority\", priority = 50 }, ";
    text += "{ when = \"nobody_signed_in\", then = \"external\", destination = \"+351 1\" }, ";
    text += "{ when = \"no_willing_agent\", then = \"refuse\" }]\n";
    text += "[[tenants.channels]]\nid = \"voice\"\nexcludes = [\"chat\"]\ninterrupts = [\"chat\"]\n[[tenants.channels]]\nid = \"chat\"\n";
    text += "pools = [\"calm\", \"total\"]\n[[tenants.pools]]\nid = \"calm\"\nmax = 2\n";
    text += "[[tenants.pools]]\nid = \"total\"\nper_day = 5\nreset = \"06:30\"\n";
    text += "[[tenants.teams]]\nid = \"m\"\nmax_occupancy = 0.85\noffer_rate_limit = { offers = 3, per = \"30s\" }\n";
    text += "[[tenants.teams]]\nid = \"r0\"\ncontact_order = \"queue_ratio\"\nqueue_ratio = { measure = \"count\" }\n";
    text += "queues = [{ id = \"q0\", ratio = 0.25 }, { id = \"q1\", ratio = 0.75 }]\n";
    text += "[[tenants.teams]]\nid = \"r1\"\ncontact_order = \"queue_ratio\"\nqueue_ratio = { measure = \"delay\" }\n";
    text + "queues = [{ id = \"*\" }]\n"
}

#[test]
fn what_is_written_back_reads_the_same() {
    for text in [config::EXAMPLE, BASE, &choices(), include_str!("../config/minimal.toml")] {
        let read = policy(text);
        let written = canonical::text(&read);
        let again = policy(&written);
        assert_eq!(again, read, "{written}");
        assert_eq!(canonical::text(&again), written);
        assert_eq!(canonical::digest(&again), canonical::digest(&read));
        assert!(diff::policies(&read, &again).is_empty());
    }
    assert_ne!(canonical::digest(&policy(BASE)), canonical::digest(&policy(config::EXAMPLE)));
}

#[test]
fn a_change_is_told_key_by_key() {
    let after = BASE
        .replace("french >= 3", "french >= 4")
        .replace("priority = 2", "priority = 3")
        .replace("french = 5", "french = 7")
        .replace("rating = 4.75, ", "");
    assert_eq!(
        changes(BASE, &after),
        [
            "agents.ana.attributes.rating: 4.75 ->",
            "agents.ana.skills.french: 5 -> 7",
            "queues.sales.require: \"french >= 3\" -> \"french >= 4\"",
            "teams.front.queues.care.priority: 2 -> 3",
        ]
    );
    assert!(changes(BASE, BASE).is_empty());
    let spelt = BASE.replace("french >= 3", "(french>=3)").replace("id = \"care\"\n", "id = \"care\" # calls\n");
    assert!(changes(BASE, &spelt).is_empty(), "spelling is no change");
}

#[test]
fn what_is_new_or_gone_is_told_whole() {
    let after = BASE.replace("[[tenants.agents]]\nid = \"bo\"\nteam = \"front\"\n", "")
        + "[[tenants.skills]]\nid = \"german\"\n";
    let found = changes(BASE, &after);
    assert_eq!(found[0], "agents.bo.capacity: 100 ->");
    assert_eq!(found[found.len() - 1], "skills.german.display_name:  -> \"german\"");
    let gone = diff::policies(&policy(BASE), &policy(&after));
    assert!(
        gone.iter().filter(|one| one.path.starts_with("agents.bo.")).all(|one| one.change == diff::Change::Removed)
    );
    assert!(gone.iter().filter(|one| one.path.starts_with("skills.")).all(|one| one.change == diff::Change::Added));
}

#[test]
fn another_order_is_a_change_of_the_list() {
    let swapped = BASE.replace(
        "id = \"sales\" }, { id = \"care\", priority = 2 }",
        "id = \"care\", priority = 2 }, { id = \"sales\" }",
    );
    assert_eq!(changes(BASE, &swapped), ["teams.front.queues: [\"sales\", \"care\"] -> [\"care\", \"sales\"]"]);
}

/// Programs are told the key and the kind of fault beside the words.
#[test]
fn faults_name_key_and_kind() {
    let broken = BASE
        .replace("priority = 2", "priority = 200")
        .replace("french >= 3", "frensh >= 3")
        .replace("team = \"front\"\n", "teem = \"front\"\n");
    let faults = config::parse(&broken, "test.toml").expect_err("it is broken").faults;
    let told: Vec<_> =
        faults.iter().map(|fault| (fault.path.as_str(), fault.code.name(), fault.suggestion())).collect();
    assert_eq!(
        told,
        [
            ("tenants[0].queues[0].require", "INVALID", Some("french")),
            ("tenants[0].teams[0].queues[1].priority", "OUT_OF_RANGE", None),
            ("tenants[0].agents[0].teem", "UNKNOWN_KEY", Some("team")),
            ("tenants[0].agents[1].teem", "UNKNOWN_KEY", Some("team")),
        ]
    );
}

#[test]
fn settings_of_the_process_take_a_restart() {
    let read = |text: &str| config::parse(text, "test.toml").expect("good");
    let (before, after) = (read(BASE), read(&format!("[server]\ndrain_grace = \"5s\"\n{BASE}")));
    let found = diff::settings(&before, &after);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].path.as_str(), found[0].restart_only), ("server.drain_grace", true));
    assert_eq!((found[0].before.as_str(), found[0].after.as_str()), ("\"30s\"", "\"5s\""));
}

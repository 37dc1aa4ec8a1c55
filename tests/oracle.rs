//! Results known from elsewhere, at a fraction of their length; `scripts/test oracles` runs them whole.

use usher::sim::oracle::{self, Options, Outcome};

const FAMILIES: [(&str, &str); 7] = [
    ("erlang", include_str!("oracles/erlang.json")),
    ("fcfs_alis", include_str!("oracles/fcfs_alis.json")),
    ("priority", include_str!("oracles/priority.json")),
    ("policies", include_str!("oracles/policies.json")),
    ("wallace_whitt", include_str!("oracles/wallace_whitt.json")),
    ("ewt", include_str!("oracles/ewt.json")),
    ("published", include_str!("oracles/published.json")),
];

fn options(case: Option<&str>, scale: f64, seed: u64) -> Options {
    Options { scale, seed, case: case.map(str::to_owned), jobs: 2 }
}

fn text(family: &str) -> &'static str {
    FAMILIES.iter().find(|(name, _)| *name == family).expect("a family").1
}

fn outcomes(text: &str, options: &Options) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let file = oracle::read(text).expect("a file of cases");
    oracle::run(&file, options, &|| 0.0, |outcome| outcomes.push(outcome.clone())).expect("run");
    outcomes
}

fn one(family: &str, case: &str, scale: f64, seed: u64) -> Outcome {
    outcomes(text(family), &options(Some(case), scale, seed)).remove(0)
}

/// A few contacts of each suffice here: the tolerance widens as the run shrinks.
#[test]
fn closed_forms_are_reproduced() {
    for (family, case) in [
        ("erlang", "erla-03"),
        ("erlang", "mg1-03"),
        ("fcfs_alis", "alis-N-1+1"),
        ("priority", "prio-1"),
        ("ewt", "ewt-7"),
    ] {
        let outcome = one(family, case, 0.05, 3);
        assert!(outcome.pass, "{}", serde_json::to_string_pretty(&outcome).expect("JSON"));
        assert!(outcome.measures.len() >= 4, "{case}: {} metrics", outcome.measures.len());
    }
}

/// Told, not judged: so it is looked at here. Erlang C: P(W > t) = C exp(-(n - a) t / h).
#[test]
fn quantiles_are_told() {
    let measure = one("erlang", "erlc-03", 0.1, 2).measures["wait_quantile_90_s"].clone();
    let measured = measure.measured.expect("a quantile");
    assert!(measure.accept.is_none() && measure.pass);
    assert!(
        (measured - measure.expected).abs() < 0.1 * measure.expected,
        "{measured}, by the formula {}",
        measure.expected
    );
}

#[test]
fn every_shared_file_is_read() {
    for (family, text) in FAMILIES {
        let file = oracle::read(text).unwrap_or_else(|error| panic!("{family}: {error:#}"));
        assert!(file.cases.iter().all(|case| !case.expected.is_empty()), "{family}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| serde_json::to_string(&one("erlang", "erla-05", 0.01, seed)).expect("JSON");
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

/// A router that does something else is caught: the numbers of one system are held against another.
#[test]
fn a_wrong_system_fails() {
    let wrong = text("priority").replace("static_priority: lowest", "fcfs: lowest");
    let outcome = outcomes(&wrong, &options(Some("prio-1"), 0.05, 1)).remove(0);
    assert!(!outcome.pass && outcome.error.is_none());
    let missed: Vec<&String> = outcome.measures.iter().filter(|(_, m)| !m.pass).map(|(name, _)| name).collect();
    assert!(missed.iter().any(|name| *name == "mean_wait_all_s[a]"), "{missed:?}");
    assert!(outcome.measures["p_wait"].pass, "what does not depend on the order still holds");
}

#[test]
fn what_cannot_be_expressed_says_so() {
    for (from, to, words) in [
        ("static_priority: lowest", "coin_toss: lowest", "there is no contact selection `coin_toss`"),
        ("\"longest_idle\"", "\"tallest\"", "there is no agent selection `tallest`"),
        ("\"distribution\": \"exp\"", "\"distribution\": \"zipf\"", "there is no law `zipf`"),
        ("\"patience\": null", "\"moods\": null", "unknown field `moods`"),
        ("\"arrivals\": \"poisson\"", "\"arrivals\": \"hawkes\"", "`hawkes`, not `poisson`"),
    ] {
        let outcome = outcomes(&text("priority").replace(from, to), &options(Some("prio-1"), 0.01, 1)).remove(0);
        assert!(!outcome.pass);
        let error = outcome.error.unwrap_or_default();
        assert!(error.contains(words), "wanted `{words}`: {error}");
    }
    let file = oracle::read(text("erlang")).expect("a file of cases");
    let error = oracle::run(&file, &options(Some("erlc-02x"), 1.0, 1), &|| 0.0, |_| {}).expect_err("no such case");
    assert!(error.to_string().contains("did you mean `erlc-0"), "{error}");
    assert!(oracle::read("{\"format\": 2, \"cases\": []}").is_err());
}

/// The days others have printed are three scenarios that anyone can run; `UPDATE_EXPECT=1` writes them.
#[test]
fn published_days_are_scenario_files() {
    let file = oracle::read(text("published")).expect("a file of cases");
    for case in &file.cases {
        let files = oracle::published::files(&case.system).unwrap_or_else(|error| panic!("{}: {error:#}", case.id));
        let head = |what: &str| {
            format!(
                "# {}: the {what} of case {} of tests/oracles/published.json.\n# {}\n\n",
                case.title, case.id, case.source
            )
        };
        for (name, what, body) in [
            (format!("{}.toml", case.id), "configuration", &files.configuration),
            (format!("{}-day.toml", case.id), "scenario", &files.scenario),
        ] {
            let path = format!("{}/config/scenarios/published/{name}", env!("CARGO_MANIFEST_DIR"));
            let wanted = head(what) + body;
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &wanted).expect("written");
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), wanted, "{path}");
        }
    }
}

/// A handful of days suffices here: what is sized for a thousand is only looked at.
#[test]
fn published_days_are_played() {
    let few = text("published").replace("\"independent_days\": 1000", "\"independent_days\": 2");
    for outcome in outcomes(&few, &options(None, 1.0, 1)) {
        assert_eq!(outcome.error, None, "{}", outcome.id);
        for (metric, measure) in &outcome.measures {
            let measured = measure.measured.unwrap_or_else(|| panic!("{}: no {metric}", outcome.id));
            let off = (measured - measure.expected).abs();
            assert!(off < 0.35 * measure.expected, "{} {metric}: {measured}, printed {}", outcome.id, measure.expected);
        }
    }
}

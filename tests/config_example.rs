//! The files in `config/`: they are in order, complete, and say what the code does.

use std::path::Path;

use serde_json::Value;
use usher::config::{self, Config, schema};

const MINIMAL: &str = include_str!("../config/minimal.toml");

fn good(text: &str) -> Config {
    config::parse(text, "usher.toml").unwrap_or_else(|faults| panic!("{faults}"))
}

/// The example with the line breaks of its commented defaults kept, so that places stay the same.
fn with_defaults_written() -> String {
    let is_default =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    let line = |line: &str| if is_default(line) { line[1..].to_owned() } else { line.to_owned() };
    config::EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_runs_without_a_warning() {
    let config = good(config::EXAMPLE);
    assert!(config.warnings.faults.is_empty(), "{}", config.warnings);
    let [tenant] = config.tenants.as_slice() else { panic!("one tenant") };
    assert_eq!((tenant.queues.len(), tenant.skills.len(), tenant.teams.len()), (4, 8, 4));
    assert_eq!(tenant.agents.len(), 20);
    assert_eq!(tenant.version, 0);
    assert!(tenant.agents.iter().all(|agent| agent.managed_by_config));
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let written = good(&with_defaults_written());
    let left_out = good(config::EXAMPLE);
    assert_ne!(written.hash, left_out.hash, "the defaults were written out");
    assert_eq!(written.server, left_out.server);
    assert_eq!(written.telemetry, left_out.telemetry);
    assert_eq!(written.journal, left_out.journal);
    assert_eq!(written.tenants, left_out.tenants);
}

#[test]
fn every_key_of_the_schema_is_in_the_example() {
    let written = with_defaults_written();
    let document: toml::Table = written.parse().expect("toml");
    let mut keys = std::collections::BTreeSet::new();
    keys_of(&toml::Value::Table(document), &mut keys);
    let defs = schema::SCHEMA["$defs"].as_object().expect("definitions");
    let tables = defs.values().chain([&*schema::SCHEMA]);
    for key in tables.filter_map(|table| table["properties"].as_object()).flatten().map(|(key, _)| key) {
        assert!(keys.contains(key), "`{key}` is not in config/usher.toml");
    }
}

fn keys_of(value: &toml::Value, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                keys.insert(key.clone());
                keys_of(value, keys);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| keys_of(item, keys)),
        _ => {}
    }
}

#[test]
fn the_minimal_file_is_good() {
    let config = good(MINIMAL);
    assert_eq!(config.server, config::Server::default());
    assert_eq!(config.tenants.len(), 1);
    assert_eq!(config.tenants[0].channels.len(), 7);
    assert_eq!(&*config.tenants[0].time_zone, "UTC");
}

#[test]
fn the_schema_file_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/usher.schema.json");
    let text = schema::schema_text();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "config/usher.schema.json is out of date: run this test with UPDATE_EXPECT=1");
}

#[test]
fn both_files_begin_with_their_schema() {
    for text in [config::EXAMPLE, MINIMAL] {
        assert_eq!(text.lines().next(), Some("#:schema ./usher.schema.json"));
    }
}

#[test]
fn the_schema_knows_no_null() {
    fn search(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text == "null",
            Value::Array(items) => items.iter().any(search),
            Value::Object(object) => object.values().any(search),
            _ => false,
        }
    }
    assert!(!search(&schema::SCHEMA));
}

//! Divides every time of a server's configuration by the speed of a run: those the file writes, and those it leaves to
//! their defaults, which it then writes.
//!
//! The configuration's JSON schema says which keys are times, what their least value is, and, in words, their default. The
//! doors of the server (`[server]`, `[telemetry]`, `[journal]`) are of this world and stay as they are.

use serde_json::Value as Schema;
use toml::{Table, Value};
use usher::config::duration::Duration;
use usher::config::schema::SCHEMA;
use usher::engine::time::Span;

/// Channels a tenant has that lists none.
const CHANNELS: [&str; 7] = ["voice", "chat", "email", "sms", "social", "video", "task"];

/// Times that could not be divided as they should.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Scaled {
    /// Times that the server takes no shorter than they are now.
    pub clamped: Vec<String>,
    /// Times left at a default that the schema does not tell.
    pub left: Vec<String>,
}

/// Divides the times of a configuration.
pub fn scale(document: &mut Table, speed: f64) -> Scaled {
    let mut walk = Walk { speed, scaled: Scaled::default() };
    let Some(Value::Array(tenants)) = document.get_mut("tenants") else { return walk.scaled };
    for tenant in tenants.iter_mut().filter_map(Value::as_table_mut) {
        if !tenant.contains_key("channels") {
            let named = |id: &&str| Value::Table(Table::from_iter([("id".to_owned(), Value::from(*id))]));
            tenant.insert("channels".to_owned(), Value::Array(CHANNELS.iter().map(named).collect()));
        }
        walk.table(tenant, definition("Tenant"), "tenants");
    }
    walk.scaled.clamped.dedup();
    walk.scaled.left.dedup();
    walk.scaled
}

fn definition(name: &str) -> &'static Schema {
    &SCHEMA["$defs"][name]
}

/// The definition a property refers to, or itself.
fn target(property: &'static Schema) -> (&'static str, &'static Schema) {
    match property["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        Some(name) => (name, definition(name)),
        None => ("", property),
    }
}

struct Walk {
    speed: f64,
    scaled: Scaled,
}

impl Walk {
    fn table(&mut self, table: &mut Table, schema: &'static Schema, path: &str) {
        let id = table.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            let (name, meant) = target(property);
            if name == "Duration" {
                self.time(table, key, property, &id, &path);
            } else if let Some(Value::Table(inner)) = table.get_mut(key) {
                self.table(inner, meant, &path);
            } else if let Some(Value::Array(items)) = table.get_mut(key) {
                let (_, of) = target(&property["items"]);
                for item in items.iter_mut().filter_map(Value::as_table_mut) {
                    self.table(item, of, &path);
                }
            } else if meant["properties"].is_object() && meant["required"].is_null() {
                // Left out as a whole, with times among its defaults.
                let mut inner = Table::new();
                self.table(&mut inner, meant, &path);
                if !inner.is_empty() {
                    table.insert(key.clone(), Value::Table(inner));
                }
            }
        }
    }

    fn time(&mut self, table: &mut Table, key: &str, property: &Schema, id: &str, path: &str) {
        let said = property["description"].as_str().unwrap_or_default();
        let written = table.get(key).and_then(Value::as_str).and_then(|text| Duration::parse(text).ok());
        let Some(time) = written.or_else(|| default_of(said, id)) else {
            // A default that stands elsewhere is divided there; a value that is no time is the server's to refuse.
            if said.contains("Default \"") && !table.contains_key(key) {
                self.scaled.left.push(path.to_owned());
            }
            return;
        };
        let mut micros = (time.0.0 as f64 / self.speed).round() as u64;
        let least = property["x-min"].as_str().and_then(|text| Duration::parse(text).ok());
        if let Some(least) = least.filter(|least| time.0 >= least.0 && micros < least.0.0) {
            micros = least.0.0;
            self.scaled.clamped.push(path.to_owned());
        }
        table.insert(key.to_owned(), Value::from(Duration(Span(micros)).to_string()));
    }
}

/// The default that a description tells: `Default "20s" for voice and video, "30s" for chat, "2m" for others.`
fn default_of(said: &str, id: &str) -> Option<Duration> {
    let mut rest = said.split_once("Default \"")?.1;
    loop {
        let (value, after) = rest.split_once('"')?;
        let time = Duration::parse(value).ok()?;
        let Some(after) = after.strip_prefix(" for ") else { return Some(time) };
        let (whom, next) = match after.split_once(", \"") {
            Some((whom, next)) => (whom, Some(next)),
            None => (after.split('.').next().unwrap_or(after), None),
        };
        if whom == "others" || whom.split(" and ").any(|named| named == id) {
            return Some(time);
        }
        rest = next?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(text: &str, speed: f64) -> (Table, Scaled) {
        let mut document: Table = text.parse().expect("TOML");
        let scaled = scale(&mut document, speed);
        (document, scaled)
    }

    #[test]
    fn written_times_and_defaults_are_divided() {
        let text = r#"
            [server]
            request_timeout = "30s"
            [[tenants]]
            id = "default"
            retry_time = "1m"
            [[tenants.channels]]
            id = "voice"
            [[tenants.channels]]
            id = "chat"
            rona_reset = "2m"
            [[tenants.queues]]
            id = "sales"
            wrap_up = { mode = "timed", duration = "30s" }
        "#;
        let (document, told) = scaled(text, 10.0);
        let tenant = &document["tenants"][0];
        assert_eq!(document["server"]["request_timeout"].as_str(), Some("30s"), "a door is left alone");
        assert_eq!(tenant["retry_time"].as_str(), Some("6s"));
        assert_eq!(tenant["session_lease"].as_str(), Some("3s"));
        assert_eq!(tenant["channels"][0]["offer_timeout"].as_str(), Some("2s"));
        assert_eq!(tenant["channels"][1]["offer_timeout"].as_str(), Some("3s"));
        assert_eq!(tenant["channels"][1]["rona_reset"].as_str(), Some("12s"));
        assert_eq!(tenant["channels"][1]["max_wait"].as_str(), Some("1d9h36m"));
        assert_eq!(tenant["queues"][0]["wrap_up"]["duration"].as_str(), Some("3s"));
        assert_eq!(tenant["queues"][0]["short_abandon"].as_str(), Some("500ms"));
        assert_eq!(tenant["queues"][0]["service_level"]["threshold"].as_str(), Some("2s"));
        assert!(tenant["queues"][0].get("max_wait").is_none(), "the channel's is meant");
        assert_eq!((told.clamped.len(), told.left.len()), (0, 0), "{told:?}");
        usher::config::parse(&document.to_string(), "scaled").expect("the server takes it");
    }

    #[test]
    fn no_default_of_a_time_is_overlooked() {
        for (of, definition) in SCHEMA["$defs"].as_object().expect("definitions") {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                let said = property["description"].as_str().unwrap_or_default();
                if target(property).0 == "Duration" && said.contains("Default \"") {
                    assert!(default_of(said, "other").is_some(), "{of}.{key}: {said}");
                }
            }
        }
    }

    #[test]
    fn the_example_runs_a_hundred_times_faster() {
        let (document, told) = scaled(usher::config::EXAMPLE, 100.0);
        usher::config::parse(&document.to_string(), "scaled").expect("the server takes it");
        assert!(told.left.is_empty(), "{told:?}");
        let (_, told) = scaled(usher::config::EXAMPLE, 1_000.0);
        assert!(told.clamped.iter().any(|path| path.ends_with("offer_timeout")), "{told:?}");
    }
}

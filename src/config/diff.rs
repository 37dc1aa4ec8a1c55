//! What one policy changes against another, key by key, as an operator would say it.
//!
//! Both are looked at in their canonical form. Tables in lists are known by their `id`, so that moving one is not
//! removing it; where only the order differs, the list itself is what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use toml::{Table, Value};

use super::{Config, canonical};
use crate::engine::agent::AgentProfile;
use crate::engine::policy::Policy;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another value.
    Changed,
}

/// One difference between two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Path by id, such as `queues.sales.service_level.threshold`.
    pub path: String,
    /// What happened.
    pub change: Change,
    /// The value before, as TOML; empty when it is new.
    pub before: String,
    /// The value after, as TOML; empty when it is gone.
    pub after: String,
    /// Whether it takes a restart to come into force.
    pub restart_only: bool,
}

/// What `after` changes against `before`, sorted by path. Agents that are equal cost one comparison each.
#[must_use]
pub fn policies(before: &Policy, after: &Policy) -> Vec<Difference> {
    let mut found = Found::default();
    let bare = |policy: &Policy| canonical::tenant(&Policy { agents: Vec::new(), ..policy.clone() });
    found.tables("", &bare(before), &bare(after));
    let agents = |policy: &'_ Policy| -> BTreeMap<_, _> {
        policy.agents.iter().map(|profile| (profile.agent_id.clone(), profile.clone())).collect()
    };
    let (old, new) = (agents(before), agents(after));
    for id in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (one, other) = (old.get(id), new.get(id));
        if one != other {
            let table = |held: Option<&Arc<AgentProfile>>| held.map(|profile| Value::Table(canonical::agent(profile)));
            found.value(&format!("agents.{id}"), table(one).as_ref(), table(other).as_ref());
        }
    }
    let order = |policy: &Policy| policy.agents.iter().map(|profile| profile.agent_id.to_string()).collect();
    found.order("agents", order(before), order(after));
    found.finish(false)
}

/// What a file changes of the settings of the process, sorted by path: all of it takes a restart.
#[must_use]
pub fn settings(before: &Config, after: &Config) -> Vec<Difference> {
    let mut found = Found::default();
    found.tables("", &canonical::settings(before), &canonical::settings(after));
    found.finish(true)
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn tables(&mut self, path: &str, before: &Table, after: &Table) {
        for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.value(&path, before.get(key), after.get(key));
        }
    }

    fn value(&mut self, path: &str, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (one, other) if one == other => {}
            (Some(Value::Table(before)), Some(Value::Table(after))) => self.tables(path, before, after),
            (Some(Value::Table(before)), None) => self.whole(path, Change::Removed, before),
            (None, Some(Value::Table(after))) => self.whole(path, Change::Added, after),
            _ => match (rows(before), rows(after)) {
                (Some(old), Some(new)) if !(old.is_empty() && new.is_empty()) => {
                    for id in old.iter().chain(&new).map(|(id, _)| *id).collect::<BTreeSet<_>>() {
                        let find = |rows: &[(&str, &Value)]| rows.iter().position(|(held, _)| *held == id);
                        let (one, other) = (find(&old).map(|at| old[at].1), find(&new).map(|at| new[at].1));
                        self.value(&format!("{path}.{id}"), one, other);
                    }
                    let ids = |rows: &[(&str, &Value)]| rows.iter().map(|(id, _)| (*id).to_owned()).collect();
                    self.order(path, ids(&old), ids(&new));
                }
                _ => self.leaf(path, before, after),
            },
        }
    }

    /// A table that is new or gone is told key by key, its `id` left out: the path has it.
    fn whole(&mut self, path: &str, change: Change, table: &Table) {
        if table.is_empty() {
            self.push(path, change, "{}".into());
        }
        for (key, value) in table.iter().filter(|(key, _)| key.as_str() != "id" || table.len() == 1) {
            let path = format!("{path}.{key}");
            match (value, change) {
                (Value::Table(inner), _) if inner.is_empty() => {}
                (value, Change::Removed) => self.value(&path, Some(value), None),
                (value, _) => self.value(&path, None, Some(value)),
            }
        }
    }

    fn leaf(&mut self, path: &str, before: Option<&Value>, after: Option<&Value>) {
        let text = |value: Option<&Value>| value.map(ToString::to_string).unwrap_or_default();
        match (before, after) {
            (None, Some(after)) => self.push(path, Change::Added, after.to_string()),
            (Some(before), None) => self.push(path, Change::Removed, before.to_string()),
            _ => self.changed(path, text(before), text(after)),
        }
    }

    /// Two lists of the same ids in another order.
    fn order(&mut self, path: &str, before: Vec<String>, after: Vec<String>) {
        let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        if before != after && set(&before) == set(&after) {
            self.changed(path, format!("{before:?}"), format!("{after:?}"));
        }
    }

    fn push(&mut self, path: &str, change: Change, value: String) {
        let (before, after) = if change == Change::Removed { (value, String::new()) } else { (String::new(), value) };
        self.0.push(Difference { path: path.into(), change, before, after, restart_only: false });
    }

    fn changed(&mut self, path: &str, before: String, after: String) {
        self.0.push(Difference { path: path.into(), change: Change::Changed, before, after, restart_only: false });
    }

    fn finish(mut self, restart_only: bool) -> Vec<Difference> {
        self.0.iter_mut().for_each(|difference| difference.restart_only = restart_only);
        self.0.sort_by(|one, other| one.path.cmp(&other.path));
        self.0
    }
}

/// The rows of a list of tables with their ids; none when it is another kind of value. A list that is not there has no
/// rows.
fn rows(value: Option<&Value>) -> Option<Vec<(&str, &Value)>> {
    let Some(value) = value else { return Some(Vec::new()) };
    value.as_array()?.iter().map(|row| Some((row.as_table()?.get("id")?.as_str()?, row))).collect()
}

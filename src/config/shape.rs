//! Checks a file's keys, types and bounds against the schema, all of them at once.
//!
//! serde stops at the first fault, so the document is walked here first. What is at fault is reported and taken out;
//! what is left is certain to be read by serde, and `validate` looks for faults of meaning in it.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::duration::{self, Duration};
use super::fault::{Code, Gathered};
use super::requirement;
use super::schema;
use super::{nearest, text_rules};

/// A kind of file: its keys and values, and what helps with those that are none.
pub struct Kind {
    /// Its JSON schema.
    pub schema: fn() -> &'static Value,
    /// Name of its top table.
    pub root: &'static str,
    /// Keys of later releases, by the table they will stand in.
    pub later_keys: &'static [(&'static str, &'static [&'static str])],
    /// Values of later releases, by the type they will belong to.
    pub later_values: &'static [(&'static str, &'static [&'static str])],
    /// Tables and their headers, to say where a key belongs.
    pub headers: &'static [(&'static str, &'static str)],
}

/// Configuration files.
pub(super) static CONFIGURATION: Kind = Kind {
    schema: || &schema::SCHEMA,
    root: "Document",
    later_keys: &schema::LATER_KEYS,
    later_values: &schema::LATER_VALUES,
    headers: &[
        ("Server", "[server]"),
        ("Limits", "[server.limits]"),
        ("Keepalive", "[server.keepalive]"),
        ("Telemetry", "[telemetry]"),
        ("Journal", "[journal]"),
        ("Tenant", "[[tenants]]"),
        ("Skill", "[[tenants.skills]]"),
        ("Channel", "[[tenants.channels]]"),
        ("Queue", "[[tenants.queues]]"),
        ("QueueGroup", "[[tenants.queue_groups]]"),
        ("Reserve", "[[tenants.reserve]]"),
        ("Classification", "[tenants.classification]"),
        ("ClassRule", "[[tenants.classification.rules]]"),
        ("Pool", "[[tenants.pools]]"),
        ("Team", "[[tenants.teams]]"),
        ("Agent", "[[tenants.agents]]"),
    ],
};

/// Checks the document, reports faults and takes the values at fault out. `whole` is false for a document that was
/// cut short by a syntax error, in which missing keys mean nothing. False when too little is left to be read.
pub(super) fn check(
    document: &mut Spanned<DeTable<'_>>,
    of: &'static Kind,
    whole: bool,
    faults: &mut Gathered<'_>,
) -> bool {
    let mut walk = Walk { faults, path: Vec::new(), of, whole };
    let span = document.span().start..document.span().start;
    let schema = (of.schema)();
    walk.table(document.get_mut(), span, Node { here: schema, target: schema, name: of.root, schema })
}

/// A place in the schema: what a key says, and the definition it refers to.
#[derive(Clone, Copy)]
struct Node {
    here: &'static Value,
    target: &'static Value,
    name: &'static str,
    schema: &'static Value,
}

impl Node {
    /// The place of a part.
    fn part(&self, here: &'static Value) -> Node {
        let name = here.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()).unwrap_or("");
        let target = self.schema.get("$defs").and_then(|defs| defs.get(name)).unwrap_or(here);
        Node { here, target, name, schema: self.schema }
    }

    fn get(&self, key: &str) -> Option<&'static Value> {
        self.here.get(key).or_else(|| self.target.get(key))
    }

    fn text(&self, key: &str) -> Option<&'static str> {
        self.get(key).and_then(Value::as_str)
    }

    fn properties(&self) -> Option<&'static serde_json::Map<String, Value>> {
        self.target.get("properties").and_then(Value::as_object)
    }

    /// The words of an enumeration.
    fn words(&self) -> Option<Vec<&'static str>> {
        if let Some(words) = self.target.get("enum").and_then(Value::as_array) {
            return Some(words.iter().filter_map(Value::as_str).collect());
        }
        let parts = self.target.get("oneOf").and_then(Value::as_array)?;
        let word = |part: &'static Value| part.get("const").and_then(Value::as_str);
        Some(parts.iter().filter_map(word).collect())
    }

    fn accepts(&self, kind: &str) -> bool {
        match self.get("type") {
            Some(Value::String(one)) => one == kind || (one == "number" && kind == "integer"),
            Some(Value::Array(several)) => several.iter().any(|one| one == kind),
            _ => self.words().is_some() && kind == "string",
        }
    }
}

struct Walk<'f, 't> {
    faults: &'f mut Gathered<'t>,
    path: Vec<String>,
    of: &'static Kind,
    whole: bool,
}

impl Walk<'_, '_> {
    /// Checks a table; false when it lacks something it cannot be understood without.
    fn table(&mut self, table: &mut DeTable<'_>, span: Range<usize>, node: Node) -> bool {
        let mut wrong = Vec::new();
        let keys: Vec<(String, Range<usize>)> =
            table.keys().map(|key| (key.get_ref().to_string(), key.span())).collect();
        for (key, key_span) in keys {
            let listed = node.properties().and_then(|properties| properties.get(&key));
            let open = node.target.get("additionalProperties").filter(|child| child.is_object());
            let Some(child) = listed.or(open).map(|part| node.part(part)) else {
                self.unknown_key(&key, key_span, node);
                table.remove(key.as_str());
                continue;
            };
            self.path.push(key.clone());
            let good = table.get_mut(key.as_str()).is_none_or(|value| self.value(value, child));
            self.path.pop();
            if !good {
                table.remove(key.as_str());
                if !stand_in(table, &key, key_span, child) {
                    wrong.push(key);
                }
            }
        }
        self.required(table, span, node, &wrong)
    }

    /// Reports keys that must be there and are not, but for those that were there and wrong.
    fn required(&mut self, table: &mut DeTable<'_>, span: Range<usize>, node: Node, wrong: &[String]) -> bool {
        let required = node.target.get("required").and_then(Value::as_array).into_iter().flatten();
        let mut good = true;
        for key in required.filter_map(Value::as_str) {
            if table.contains_key(key) {
                continue;
            }
            if wrong.iter().any(|wrong| wrong == key) {
                good = false;
                continue;
            }
            let child =
                node.properties().and_then(|properties| properties.get(key)).map_or(node, |part| node.part(part));
            if self.whole {
                self.missing(key, span.clone(), child);
            }
            good &= stand_in(table, key, span.clone(), child);
        }
        good
    }

    fn missing(&mut self, key: &str, span: Range<usize>, node: Node) {
        if self.path.is_empty() && key == "tenants" {
            let hint = "add one: [[tenants]] with id = \"default\", then [[tenants.queues]] and [[tenants.teams]]; \
                        `usher config example` prints a complete file";
            return self.faults.coded(Code::MissingKey, span, "there is no [[tenants]]", Some(hint.into()));
        }
        let meaning = node.target.get("description").and_then(Value::as_str);
        let hint = meaning.map(|text| format!("`{key}`: {text}"));
        let message = format!("`{key}` is missing {}", self.place());
        self.faults.coded(Code::MissingKey, span, message, hint);
    }

    fn unknown_key(&mut self, key: &str, span: Range<usize>, node: Node) {
        let later = self.of.later_keys.iter().any(|(table, keys)| *table == node.name && keys.contains(&key));
        if later {
            let message = format!("`{key}` is known, but not available in this release");
            return self.faults.coded(Code::NotAvailable, span, message, Some("take it out for now".into()));
        }
        let known: Vec<&str> = node.properties().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let message = format!("unknown key `{key}` {}", self.place());
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match elsewhere(self.of, key) {
                Some(table) => format!("`{key}` belongs to {table}"),
                None => format!("known here: {}", known.join(", ")),
            },
        };
        self.faults.coded(Code::UnknownKey, span, message, Some(hint));
    }

    /// The table being looked at, for messages.
    fn place(&self) -> String {
        if self.path.is_empty() { "at the top of the file".into() } else { format!("in `{}`", self.path.join(".")) }
    }

    /// Checks a value; false when it is of no use.
    fn value(&mut self, value: &mut Spanned<DeValue<'_>>, node: Node) -> bool {
        let span = value.span();
        let kind = kind(value.get_ref());
        if !node.accepts(kind) {
            self.wrong_type(value.get_ref(), span, node);
            return false;
        }
        match value.get_mut() {
            DeValue::Table(table) => self.table(table, span, node),
            DeValue::Array(array) => self.array(array, span, node),
            DeValue::String(text) => self.text(text, span, node),
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.bounds(read.map(|number| number as f64), &number.to_string(), span, node)
            }
            DeValue::Float(number) if node.text("x-usher") == Some("attribute") => {
                let good = exact(number.as_str());
                if !good {
                    let message = format!("decimal `{number}` cannot be held exactly");
                    self.faults.hinted(span, message, "at most six places and fifteen digits, without exponent");
                }
                good
            }
            DeValue::Float(number) => {
                let read = number.as_str().parse().ok().filter(|number: &f64| number.is_finite());
                self.bounds(read, number.as_str(), span, node)
            }
            DeValue::Boolean(_) | DeValue::Datetime(_) => true,
        }
    }

    fn wrong_type(&mut self, value: &DeValue<'_>, span: Range<usize>, node: Node) {
        // Behind a broken header, tables are not what they were meant to be.
        if !self.whole && value.is_table() {
            return;
        }
        let message = format!("expected {}, found {}", wanted(node), found(value));
        let path = self.path.join(".");
        let hint = match value {
            DeValue::Table(_) if node.accepts("array") => Some(format!("write it with two brackets: [[{path}]]")),
            DeValue::Array(items) if node.accepts("object") && items.iter().any(|item| item.get_ref().is_table()) => {
                Some(format!("write it with one bracket: [{path}]"))
            }
            _ if node.text("x-usher") == Some("duration") => Some(duration::HOW.into()),
            _ => node.text("description").map(str::to_owned),
        };
        self.faults.coded(Code::WrongType, span, message, hint);
    }

    fn array<'i>(&mut self, array: &mut DeArray<'i>, span: Range<usize>, node: Node) -> bool {
        let Some(items) = node.get("items").map(|part| node.part(part)) else { return true };
        let unique = node.get("uniqueItems").is_some();
        let mut seen = std::collections::HashSet::new();
        let taken = std::mem::replace(array, DeArray::new());
        for mut item in taken {
            if !self.value(&mut item, items) {
                continue;
            }
            if unique && item.get_ref().as_str().is_some_and(|text| !seen.insert(text.to_owned())) {
                let text = item.get_ref().as_str().unwrap_or_default();
                self.faults.coded(Code::Duplicate, item.span(), format!("`{text}` is listed twice"), None);
                continue;
            }
            array.push(item);
        }
        if array.is_empty() && node.get("minItems").is_some() && self.faults.count() == 0 {
            self.faults.add(span, format!("`{}` is empty: there must be at least one", self.path.join(".")));
        }
        true
    }

    fn bounds(&mut self, read: Option<f64>, written: &str, span: Range<usize>, node: Node) -> bool {
        let bound = |key| node.get(key).and_then(Value::as_f64);
        let (low, high) = (bound("minimum"), bound("maximum"));
        let within = |value: f64| low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high);
        if read.is_some_and(within) {
            return true;
        }
        let key = self.path.last().map_or("value", String::as_str);
        let message = match (low, high) {
            (Some(low), Some(high)) => format!("`{key}` is {written}, which is not within {low} to {high}"),
            _ => format!("`{key}` is {written}, which is too large"),
        };
        self.faults.coded(Code::OutOfRange, span, message, None);
        false
    }

    fn text(&mut self, text: &str, span: Range<usize>, node: Node) -> bool {
        if let Some(words) = node.words() {
            return self.word(text, span, node, &words);
        }
        let checked = match node.text("x-usher") {
            Some("duration") => self.duration(text, node),
            Some(rule) => text_rules::check(rule, text),
            None => Ok(()),
        };
        let Err((message, hint)) = checked else { return true };
        self.faults.maybe(span, message, hint);
        // A wrong id is still the name its references mean.
        node.text("x-usher") == Some("id")
    }

    fn word(&mut self, text: &str, span: Range<usize>, node: Node, words: &[&str]) -> bool {
        if words.contains(&text) {
            return true;
        }
        let all = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        if self.of.later_values.iter().any(|(name, later)| *name == node.name && later.contains(&text)) {
            let message = format!("\"{text}\" is known, but not available in this release");
            self.faults.coded(Code::NotAvailable, span, message, Some(format!("available: {all}")));
            return false;
        }
        let key = self.path.last().map_or("value", String::as_str);
        let hint = match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("one of {all}"),
        };
        self.faults.hinted(span, format!("`{key}` cannot be \"{text}\""), hint);
        false
    }

    fn duration(&self, text: &str, node: Node) -> Result<(), text_rules::Wrong> {
        let read = Duration::parse(text).map_err(|message| (message, Some(duration::HOW.to_owned())))?;
        let bound = |key| node.text(key).and_then(|text| Duration::parse(text).ok());
        let low = bound("x-min").unwrap_or_default();
        let high = bound("x-max").unwrap_or(read);
        if read >= low && read <= high {
            return Ok(());
        }
        let key = self.path.last().map_or("value", String::as_str);
        Err((format!("`{key}` is {text}, which is not within {low} to {high}"), None))
    }
}

/// Puts an empty id where a wrong one was, so that the rest of the table is still looked at; false for other keys.
fn stand_in(table: &mut DeTable<'_>, key: &str, span: Range<usize>, node: Node) -> bool {
    let is_id = node.text("x-usher") == Some("id");
    if is_id {
        let empty = Spanned::new(span.clone(), DeValue::String("".into()));
        table.insert(Spanned::new(span, key.to_owned().into()), empty);
    }
    is_id
}

/// Whether a decimal survives being read as a binary number.
fn exact(written: &str) -> bool {
    let written = written.strip_prefix('+').unwrap_or(written);
    let read = written.parse::<f64>().ok().map(requirement::decimal);
    matches!((requirement::number(written), read), (Some(a), Some(Some(b))) if a == b)
}

/// Where else a key stands, as a table's header.
fn elsewhere(of: &Kind, key: &str) -> Option<&'static str> {
    let schema = (of.schema)();
    let has = |name: &str| schema["$defs"][name]["properties"].get(key).is_some();
    of.headers.iter().find(|(name, _)| has(name)).map(|(_, header)| *header)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "datetime",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn wanted(node: Node) -> &'static str {
    if node.text("x-usher") == Some("duration") {
        return "a duration";
    }
    if node.words().is_some() {
        return "a text";
    }
    match node.text("type") {
        Some("string") => "a text",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => "a table",
        _ => "a text, a number, true or false, or a list of texts",
    }
}

//! Agents listed as CSV, for `usher agents import`: a header names the columns, each row is an agent, whole.
//!
//! | column | holds |
//! | --- | --- |
//! | `agent_id` | the id, required |
//! | `display_name`, `team`, `site` | texts |
//! | `type` | `human` (when empty) or `ai` |
//! | `capacity` | units, 1-10000; 100 when empty |
//! | `skills` | levels such as `french=5 billing=2` |
//! | `skill.NAME` | the level in one skill; empty when he has not got it |
//! | `attribute.NAME` | a text; `attribute.NAME:KIND` is an `int64`, `bool`, `decimal` or `list` (texts with `;` between them) |
//!
//! Fields are separated by commas, semicolons or tabs, whichever the header has. Blank rows say nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use serde::Deserialize;
use toml::Deserializer;

use super::fault::{Code, Faults, Gathered};
use super::requirement;
use crate::engine::agent::{AgentProfile, AgentType};
use crate::engine::id::Text;
use crate::engine::limits;
use crate::engine::requirement::Value;

/// Longest display name in bytes.
const NAME_BYTES: usize = 256;

/// Columns that stand by themselves, as they are suggested.
const COLUMNS: [&str; 9] =
    ["agent_id", "display_name", "team", "site", "type", "capacity", "skills", "skill.", "attribute."];

/// What a list of agents may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Ids of teams.
    pub teams: BTreeSet<String>,
    /// Ids of skills.
    pub skills: BTreeSet<String>,
}

impl Known {
    /// The names in a tenant's policy as canonical TOML; keys that other releases have beside them do not matter.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(policy: &str) -> Result<Known, String> {
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        #[derive(Deserialize)]
        struct Tenant {
            #[serde(default)]
            teams: Vec<Named>,
            #[serde(default)]
            skills: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Held {
            tenants: Vec<Tenant>,
        }
        let read = Deserializer::parse(policy).and_then(Held::deserialize).map_err(|error| error.to_string())?;
        let mut known = Known::default();
        for tenant in read.tenants {
            known.teams.extend(tenant.teams.into_iter().map(|team| team.id));
            known.skills.extend(tenant.skills.into_iter().map(|skill| skill.id));
        }
        Ok(known)
    }
}

/// An agent of the list, and where he stands in it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who he is.
    pub profile: AgentProfile,
    cells: Vec<Range<usize>>,
}

/// A list that was read, with the faults found so far.
pub struct List<'t> {
    /// The agents in order of the list; of no use once there is a fault.
    pub rows: Vec<Row>,
    columns: Vec<Column>,
    heads: Vec<String>,
    faults: Gathered<'t>,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
enum Column {
    AgentId,
    DisplayName,
    Team,
    Site,
    Type,
    Capacity,
    Skills,
    Skill(Text),
    Attribute(Text, Kind),
    /// Its head is at fault.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Bool,
    Decimal,
    List,
}

/// A field: its text and where that stands.
#[derive(Clone, Debug)]
struct Cell {
    text: String,
    span: Range<usize>,
}

impl<'t> List<'t> {
    /// Reads a list. Every fault is kept, to be told by [`List::finish`].
    #[must_use]
    pub fn read(text: &'t str, known: &Known) -> List<'t> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut faults = Gathered::new(text);
        let mut records = records(text, &mut faults).into_iter();
        let Some(head) = records.next() else {
            faults.hinted(0..0, "there is no header", "the first line names the columns: agent_id,team,skill.french");
            return List { rows: Vec::new(), columns: Vec::new(), heads: Vec::new(), faults };
        };
        let columns = columns(&head, known, &mut faults);
        let heads = head.into_iter().map(|cell| cell.text).collect();
        let mut list = List { rows: Vec::new(), columns, heads, faults };
        let mut seen: HashMap<String, usize> = HashMap::new();
        for record in records {
            list.row(&record, known, &mut seen);
        }
        if list.rows.is_empty() && list.faults.count() == 0 {
            list.faults.add(text.len()..text.len(), "there is no agent under the header");
        }
        list
    }

    /// Whether no fault was found so far.
    #[must_use]
    pub fn good(&self) -> bool {
        self.faults.count() == 0
    }

    /// Adds what somebody else has against an agent of the list; `field` is a path such as `agent.team`.
    pub fn refuse(&mut self, row: usize, field: &str, message: &str) {
        let field = field.strip_prefix("agent.").unwrap_or(field);
        let name = field.split(['.', '[']).next().unwrap_or_default();
        let at = self.column(name).or_else(|| self.column("agent_id")).unwrap_or(0);
        let span = self.rows[row].cells.get(at).cloned().unwrap_or(0..0);
        self.faults.add(span, message);
    }

    /// The line an agent of the list stands in, from 1.
    #[must_use]
    pub fn line(&self, row: usize) -> usize {
        self.faults.line(self.rows[row].cells.first().map_or(0, |cell| cell.start))
    }

    /// The faults with their places; `file` is the list's name in them.
    #[must_use]
    pub fn finish(self, file: &str) -> Faults {
        let cells: Vec<Vec<Range<usize>>> = self.rows.into_iter().map(|row| row.cells).collect();
        let heads = self.heads;
        self.faults.finish_by(file, |spans| {
            let path = |span: &Range<usize>| {
                let row = cells.partition_point(|row| row.first().is_some_and(|cell| cell.start <= span.start));
                let at = cells
                    .get(row.checked_sub(1)?)?
                    .iter()
                    .position(|cell| cell.start <= span.start && span.end <= cell.end)?;
                heads.get(at).cloned()
            };
            spans.iter().map(|span| path(span).unwrap_or_default()).collect()
        })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.heads.iter().position(|head| head == name)
    }

    fn row(&mut self, record: &[Cell], known: &Known, seen: &mut HashMap<String, usize>) {
        if record.iter().all(|cell| cell.text.is_empty()) {
            return;
        }
        let (held, wanted) = (record.len(), self.columns.len());
        if let Some(more) = record.get(wanted) {
            let hint = "a field with the separator in it is put in quotes";
            self.faults.hinted(more.span.clone(), format!("{held} fields under a header of {wanted}"), hint);
        } else if held < wanted {
            let last = record.last().map_or(0..0, |cell| cell.span.clone());
            self.faults.add(last, format!("{held} fields under a header of {wanted}"));
        }
        let mut profile = AgentProfile {
            agent_id: "".into(),
            display_name: "".into(),
            team: None,
            site: None,
            agent_type: AgentType::Human,
            skills: Vec::new(),
            attributes: Vec::new(),
            capacity: AgentProfile::CAPACITY,
            managed_by_config: false,
        };
        let mut skills = BTreeMap::new();
        for (column, cell) in self.columns.iter().zip(record) {
            fill(&mut profile, &mut skills, column, cell, known, &mut self.faults);
        }
        profile.skills = skills.into_iter().collect();
        profile.attributes.sort_by(|one, other| one.0.cmp(&other.0));
        if profile.display_name.is_empty() {
            profile.display_name = profile.agent_id.clone();
        }
        if let Some(id) = self.column("agent_id").and_then(|at| record.get(at)).filter(|id| !id.text.is_empty()) {
            let line = self.faults.line(id.span.start);
            if let Some(first) = seen.get(&id.text) {
                let message = format!("agent `{}` stands in line {first} already", id.text);
                self.faults.coded(Code::Duplicate, id.span.clone(), message, None);
            } else {
                seen.insert(id.text.clone(), line);
            }
        }
        self.rows.push(Row { profile, cells: record.iter().map(|cell| cell.span.clone()).collect() });
    }
}

// ---- the header

fn columns(head: &[Cell], known: &Known, faults: &mut Gathered<'_>) -> Vec<Column> {
    let mut seen = HashSet::new();
    let mut columns = Vec::with_capacity(head.len());
    for cell in head {
        let column = column(cell, known, faults);
        let plain = cell.text.split(':').next().unwrap_or_default();
        if column != Column::Unknown && !seen.insert(plain) {
            faults.coded(Code::Duplicate, cell.span.clone(), format!("there are two columns `{plain}`"), None);
        }
        columns.push(column);
    }
    if !columns.contains(&Column::AgentId) {
        let first = head.first().map_or(0..0, |cell| cell.span.clone());
        faults.coded(Code::MissingKey, first, "there is no column `agent_id`", None);
    }
    columns
}

fn column(cell: &Cell, known: &Known, faults: &mut Gathered<'_>) -> Column {
    let name = cell.text.as_str();
    let under = |lead: &str| cell.span.start + lead.len()..cell.span.end;
    if let Some(skill) = name.strip_prefix("skill.") {
        if known.skills.contains(skill) {
            return Column::Skill(skill.into());
        }
        faults.unknown(under("skill."), "skill", skill, known.skills.iter().map(String::as_str));
        return Column::Unknown;
    }
    if let Some(attribute) = name.strip_prefix("attribute.") {
        return attribute_column(attribute, under("attribute."), faults);
    }
    match name {
        "agent_id" => Column::AgentId,
        "display_name" => Column::DisplayName,
        "team" => Column::Team,
        "site" => Column::Site,
        "type" => Column::Type,
        "capacity" => Column::Capacity,
        "skills" => Column::Skills,
        "" => {
            faults.add(cell.span.clone(), "a column without a name");
            Column::Unknown
        }
        other => {
            faults.unknown(cell.span.clone(), "column", other, COLUMNS);
            Column::Unknown
        }
    }
}

fn attribute_column(attribute: &str, span: Range<usize>, faults: &mut Gathered<'_>) -> Column {
    let (name, kind) = attribute.split_once(':').unwrap_or((attribute, "text"));
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=limits::CONFIG_ID_BYTES).contains(&name.len()) || !name.bytes().all(letters) {
        let hint = format!("1-{} letters, digits, `.`, `_` or `-`", limits::CONFIG_ID_BYTES);
        faults.hinted(span.start..span.start + name.len(), format!("`{name}` is no name of an attribute"), hint);
        return Column::Unknown;
    }
    let kind = match kind {
        "text" => Kind::Text,
        "int64" => Kind::Int,
        "bool" => Kind::Bool,
        "decimal" => Kind::Decimal,
        "list" => Kind::List,
        other => {
            let known = ["text", "int64", "bool", "decimal", "list"];
            faults.unknown(span.end - other.len()..span.end, "kind of attribute", other, known);
            return Column::Unknown;
        }
    };
    Column::Attribute(name.into(), kind)
}

// ---- the fields

fn fill(
    profile: &mut AgentProfile,
    skills: &mut BTreeMap<Text, u8>,
    column: &Column,
    cell: &Cell,
    known: &Known,
    faults: &mut Gathered<'_>,
) {
    let text = cell.text.as_str();
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        faults.add(cell.span.clone(), format!("control character `{}` in a field", bad.escape_debug()));
        return;
    }
    match column {
        Column::AgentId if text.is_empty() => {
            faults.coded(Code::MissingKey, cell.span.clone(), "an agent without an id", None)
        }
        Column::AgentId => profile.agent_id = short(cell, limits::ID_BYTES, faults),
        _ if text.is_empty() => {}
        Column::DisplayName => profile.display_name = short(cell, NAME_BYTES, faults),
        Column::Site => profile.site = Some(short(cell, limits::CONFIG_ID_BYTES, faults)),
        Column::Team if known.teams.contains(text) => profile.team = Some(text.into()),
        Column::Team => faults.unknown(cell.span.clone(), "team", text, known.teams.iter().map(String::as_str)),
        Column::Type => match text {
            "human" => {}
            "ai" => profile.agent_type = AgentType::Ai,
            other => faults.unknown(cell.span.clone(), "type of agent", other, ["human", "ai"]),
        },
        Column::Capacity => match text.parse().ok().filter(|units| (1..=limits::CAPACITY).contains(units)) {
            Some(units) => profile.capacity = units,
            None => {
                let message = format!("`{text}` is not a capacity of 1 to {} units", limits::CAPACITY);
                faults.coded(Code::OutOfRange, cell.span.clone(), message, None);
            }
        },
        Column::Skill(skill) => {
            if let Some(level) = level(text, cell.span.clone(), faults) {
                skill_once(skills, skill.clone(), level, cell.span.clone(), faults);
            }
        }
        Column::Skills => listed(skills, cell, known, faults),
        Column::Attribute(name, kind) => {
            if let Some(value) = value(cell, *kind, faults) {
                profile.attributes.push((name.clone(), value));
            }
        }
        Column::Unknown => {}
    }
}

fn short(cell: &Cell, most: usize, faults: &mut Gathered<'_>) -> Text {
    if cell.text.len() > most {
        let message = format!("{} bytes where at most {most} may be", cell.text.len());
        faults.coded(Code::OutOfRange, cell.span.clone(), message, None);
    }
    cell.text.as_str().into()
}

fn level(text: &str, span: Range<usize>, faults: &mut Gathered<'_>) -> Option<u8> {
    let level = text.parse().ok().filter(|level| (1..=limits::SKILL_LEVEL).contains(level));
    if level.is_none() {
        let hint = "a level is 1 to 10; it is left empty where he has not got the skill";
        faults.coded(Code::OutOfRange, span, format!("`{text}` is not a level"), Some(hint.into()));
    }
    level
}

fn skill_once(skills: &mut BTreeMap<Text, u8>, skill: Text, level: u8, span: Range<usize>, faults: &mut Gathered<'_>) {
    if skills.insert(skill.clone(), level).is_some() {
        faults.coded(Code::Duplicate, span, format!("the level in `{skill}` is said twice"), None);
    }
}

/// Skills in one field: `french=5 billing=2`, with blanks, commas or semicolons between them.
fn listed(skills: &mut BTreeMap<Text, u8>, cell: &Cell, known: &Known, faults: &mut Gathered<'_>) {
    let text = cell.text.as_str();
    // A field with doubled quotes is longer in the file than as read: then the whole of it is shown.
    let exact = cell.span.len() == text.len();
    let words = text.split([' ', ',', ';']).filter(|word| !word.is_empty());
    for word in words {
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        let inside = |from: usize, to: usize| match exact {
            true => cell.span.start + at + from..cell.span.start + at + to,
            false => cell.span.clone(),
        };
        let Some((skill, given)) = word.split_once('=') else {
            faults.hinted(inside(0, word.len()), format!("`{word}` has no level"), "write it as french=5");
            continue;
        };
        if !known.skills.contains(skill) {
            faults.unknown(inside(0, skill.len()), "skill", skill, known.skills.iter().map(String::as_str));
            continue;
        }
        if let Some(level) = level(given, inside(skill.len() + 1, word.len()), faults) {
            skill_once(skills, skill.into(), level, inside(0, word.len()), faults);
        }
    }
}

fn value(cell: &Cell, kind: Kind, faults: &mut Gathered<'_>) -> Option<Value> {
    let text = cell.text.as_str();
    let (value, is) = match kind {
        Kind::Text | Kind::List if text.len() > limits::ATTRIBUTE_BYTES => {
            short(cell, limits::ATTRIBUTE_BYTES, faults);
            return None;
        }
        Kind::Text => return Some(Value::Str(text.into())),
        Kind::List => return Some(Value::List(text.split(';').map(|item| item.trim().into()).collect())),
        Kind::Int => (text.parse().ok().map(Value::Int), "a whole number"),
        Kind::Bool => (text.parse().ok().map(Value::Bool), "`true` or `false`"),
        Kind::Decimal => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            (number.and_then(requirement::decimal), "a decimal of at most six places")
        }
    };
    if value.is_none() {
        faults.coded(Code::WrongType, cell.span.clone(), format!("`{text}` is not {is}"), None);
    }
    value
}

// ---- the file

/// The records of a file, blank lines left out.
fn records(text: &str, faults: &mut Gathered<'_>) -> Vec<Vec<Cell>> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [b',', b';', b'\t'].into_iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(b',');
    let mut reader: Reader = ReaderBuilder::new().delimiter(delimiter).build();
    let (mut records, mut record) = (Vec::new(), Vec::new());
    let mut field = vec![0; 256];
    let (mut start, mut at, mut held) = (0, 0, 0);
    loop {
        let (result, read, written) = reader.read_field(&text.as_bytes()[at..], &mut field[held..]);
        at += read;
        held += written;
        match result {
            ReadFieldResult::InputEmpty => {}
            ReadFieldResult::OutputFull => field.resize(field.len() * 2, 0),
            ReadFieldResult::Field { record_end } => {
                let read = String::from_utf8_lossy(&field[..held]);
                // Line ends before the first are those of blank lines and of the record before.
                let blank = text[start..at].bytes().take_while(|byte| record.is_empty() && is_end(*byte)).count();
                record.push(cell(text, start + blank..at, &read, delimiter, faults));
                (start, held) = (at, 0);
                if record_end {
                    records.push(std::mem::take(&mut record));
                }
            }
            ReadFieldResult::End => return records,
        }
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// A field as read, and where its text stands without quotes, blanks and what ends it.
fn cell(text: &str, taken: Range<usize>, read: &str, delimiter: u8, faults: &mut Gathered<'_>) -> Cell {
    let mut span = taken;
    let bytes = text.as_bytes();
    if span.start < span.end && bytes[span.end - 1] == delimiter {
        span.end -= 1;
    }
    while span.start < span.end && is_end(bytes[span.end - 1]) {
        span.end -= 1;
    }
    if bytes.get(span.start) == Some(&b'"') && span.start < span.end {
        if span.len() > 1 && bytes[span.end - 1] == b'"' {
            span = span.start + 1..span.end - 1;
        } else if span.end == text.trim_end_matches(['\r', '\n']).len() {
            faults.coded(Code::Syntax, span.start..span.start + 1, "the quote that opens here is never closed", None);
        }
    }
    while span.start < span.end && bytes[span.start] == b' ' {
        span.start += 1;
    }
    while span.start < span.end && bytes[span.end - 1] == b' ' {
        span.end -= 1;
    }
    Cell { text: read.trim().to_owned(), span }
}

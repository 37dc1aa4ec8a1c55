//! Faults of a configuration file: where, what, and what to write instead.

use std::fmt;
use std::io::IsTerminal;
use std::ops::Range;

use serde::Serialize;
use toml::de::{DeTable, DeValue};

/// Faults reported of one file at most: more help nobody.
pub const FAULTS: usize = 1000;

/// Characters of a source line shown at most.
const SHOWN: usize = 160;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, counted from 1; 0 when the fault is the file's as a whole.
    pub line: u32,
    /// The character in the line, counted from 1; 0 when the fault is the file's as a whole.
    pub column: u32,
    /// How many characters are at fault, at least 1.
    pub width: u32,
    /// The key it concerns, such as `tenants[0].queues[2].require`; empty when none can be told.
    pub path: String,
    /// What kind of fault it is.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line's text.
    pub source: String,
}

impl Fault {
    /// The nearest known name, where the hint names one.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        let quoted = self.hint.as_deref()?.strip_prefix("did you mean ")?.strip_suffix('?')?;
        Some(quoted.trim_matches(['`', '"']))
    }
}

/// What kind of fault it is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The file cannot be read at all.
    Unreadable,
    /// It is not TOML.
    Syntax,
    /// There is no such key.
    UnknownKey,
    /// A key or value of a later release.
    NotAvailable,
    /// A key that must be there is not.
    MissingKey,
    /// The value is of another kind.
    WrongType,
    /// The value is out of its range.
    OutOfRange,
    /// A name that nothing answers to.
    UnknownName,
    /// Two things have one name.
    Duplicate,
    /// Anything else that cannot be.
    Invalid,
}

impl Code {
    /// Its name, in upper snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Code::Unreadable => "UNREADABLE",
            Code::Syntax => "SYNTAX",
            Code::UnknownKey => "UNKNOWN_KEY",
            Code::NotAvailable => "NOT_AVAILABLE",
            Code::MissingKey => "MISSING_KEY",
            Code::WrongType => "WRONG_TYPE",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::UnknownName => "UNKNOWN_NAME",
            Code::Duplicate => "DUPLICATE",
            Code::Invalid => "INVALID",
        }
    }
}

/// All faults of one file, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// The file, as it was named.
    pub file: String,
    /// The faults.
    pub faults: Vec<Fault>,
    /// How many more there are than are kept.
    pub more: usize,
}

impl Faults {
    /// A fault of the file as a whole, such as one that cannot be read.
    #[must_use]
    pub fn whole(file: &str, message: String) -> Faults {
        let (code, path) = (Code::Unreadable, String::new());
        let fault = Fault { line: 0, column: 0, width: 1, path, code, message, hint: None, source: String::new() };
        Faults { file: file.to_owned(), faults: vec![fault], more: 0 }
    }

    /// No fault at all.
    #[must_use]
    pub fn none(file: &str) -> Faults {
        Faults { file: file.to_owned(), faults: Vec::new(), more: 0 }
    }

    /// How many faults there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.faults.len() + self.more
    }

    /// The faults as text, each with its line and a caret; `label` is what each is called, in colour if asked.
    #[must_use]
    pub fn render(&self, label: &str, colour: bool) -> String {
        let paint =
            if colour { Paint { loud: "\x1b[1;31m", dim: "\x1b[2m", off: "\x1b[0m" } } else { Paint::default() };
        let mut out = String::new();
        for fault in &self.faults {
            self.render_one(fault, label, &paint, &mut out);
        }
        if self.more > 0 {
            out.push_str(&format!("and {} more\n", self.more));
        }
        out
    }

    fn render_one(&self, fault: &Fault, label: &str, paint: &Paint, out: &mut String) {
        let Paint { loud, dim, off } = paint;
        if fault.line == 0 {
            out.push_str(&format!("{}: {loud}{label}:{off} {}\n", self.file, fault.message));
        } else {
            let place = format!("{}:{}:{}", self.file, fault.line, fault.column);
            out.push_str(&format!("{place}: {loud}{label}:{off} {}\n", fault.message));
            let (line, lead) = window(&fault.source, fault.column.saturating_sub(1) as usize);
            let number = fault.line.to_string();
            let margin = " ".repeat(number.len());
            let width = (fault.width as usize).min(line.chars().count().saturating_sub(lead.chars().count())).max(1);
            out.push_str(&format!("{dim}{number} |{off} {line}\n"));
            out.push_str(&format!("{dim}{margin} |{off} {lead}{loud}{}{off}\n", "^".repeat(width)));
        }
        if let Some(hint) = &fault.hint {
            out.push_str(&format!("  {dim}={off} {hint}\n"));
        }
    }
}

#[derive(Default)]
struct Paint {
    loud: &'static str,
    dim: &'static str,
    off: &'static str,
}

/// The part of a line to show, and the blanks that lead to the caret under it; tabs stay tabs so that both line up.
fn window(line: &str, before: usize) -> (String, String) {
    let skipped = if before > SHOWN / 2 && line.chars().count() > SHOWN { before - SHOWN / 2 } else { 0 };
    let clean = |c: char| if c.is_control() && c != '\t' { ' ' } else { c };
    let shown: String = line.chars().skip(skipped).take(SHOWN).map(clean).collect();
    let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
    let lead = shown.chars().map(blank).chain(std::iter::repeat(' ')).take(before - skipped).collect();
    (shown, lead)
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render("error", false).trim_end())
    }
}

impl std::error::Error for Faults {}

/// Whether text on standard error may be coloured.
#[must_use]
pub fn colour_wanted() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Gathers faults by byte range while a text is looked at; past [`FAULTS`] they are only counted.
pub struct Gathered<'t> {
    lines: Lines<'t>,
    found: Vec<(Range<usize>, Code, String, Option<String>)>,
    more: usize,
}

impl<'t> Gathered<'t> {
    /// Nothing found yet in this text.
    pub fn new(text: &'t str) -> Gathered<'t> {
        Gathered { lines: Lines::new(text), found: Vec::new(), more: 0 }
    }

    /// Adds a fault.
    pub fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.maybe(span, message, None);
    }

    /// Adds a fault with a hint.
    pub fn hinted(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.maybe(span, message, Some(hint.into()));
    }

    /// Adds a fault with a hint, if there is one.
    pub fn maybe(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.coded(Code::Invalid, span, message, hint);
    }

    /// Adds a fault of a kind of its own.
    pub fn coded(&mut self, code: Code, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        if self.found.len() < FAULTS {
            self.found.push((span, code, message.into(), hint));
        } else {
            self.more += 1;
        }
    }

    /// Adds a name that nothing answers to, with the nearest that something does.
    pub fn unknown<'a>(
        &mut self,
        span: Range<usize>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        // The search costs a pass over all names, so it stops when nobody will see its result.
        let near = if self.found.len() < FAULTS { super::nearest(name, known) } else { None };
        let message = format!("there is no {what} `{name}`");
        self.coded(Code::UnknownName, span, message, near.map(|near| format!("did you mean `{near}`?")));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.found.len() + self.more
    }

    /// The text that is looked at.
    pub fn text(&self) -> &'t str {
        self.lines.text
    }

    /// The line a byte is in, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.lines.line(at) + 1
    }

    /// Keeps what can be believed of a text with errors of syntax, which are the first `errors` found: one fault a
    /// line, and nothing else past a broken header, behind which keys are not where they were meant to be.
    pub fn believable(&mut self, errors: usize) {
        let lines = &self.lines;
        let syntax = self.found.iter().take(errors).map(|(span, ..)| lines.line(span.start));
        let broken = syntax.filter(|line| lines.source(*line).trim_start().starts_with('[')).min();
        let mut seen = std::collections::HashSet::new();
        let mut index = 0;
        self.found.retain(|(span, ..)| {
            let line = lines.line(span.start);
            index += 1;
            seen.insert(line) && (index <= errors || broken.is_none_or(|broken| line < broken))
        });
    }

    /// The faults of a TOML file with lines, columns and keys, in the order of their places.
    pub fn finish(self, file: &str) -> Faults {
        let text = self.lines.text;
        self.finish_by(file, |spans| paths(text, spans))
    }

    /// The same of any file: `paths` says for sorted places which key or column each is of.
    pub fn finish_by(mut self, file: &str, paths: impl FnOnce(&[Range<usize>]) -> Vec<String>) -> Faults {
        self.found.sort_by_key(|(span, ..)| (span.start, span.end));
        let spans: Vec<Range<usize>> = self.found.iter().map(|(span, ..)| span.clone()).collect();
        let mut paths = paths(&spans).into_iter();
        let fault = |(span, code, message, hint)| Fault {
            path: paths.next().unwrap_or_default(),
            code,
            message,
            hint,
            ..self.lines.place(span)
        };
        Faults { file: file.to_owned(), faults: self.found.into_iter().map(fault).collect(), more: self.more }
    }
}

/// The path of the key each span stands in, or the deepest table around it. One pass over the document; `spans` are
/// sorted.
fn paths(text: &str, spans: &[Range<usize>]) -> Vec<String> {
    if spans.is_empty() {
        return Vec::new();
    }
    let (document, _) = DeTable::parse_recoverable(text);
    let mut told: Vec<(usize, String)> = vec![(usize::MAX, String::new()); spans.len()];
    tell(document.get_ref(), "", spans, &mut told);
    told.into_iter().map(|(_, path)| path).collect()
}

/// Notes for each span the narrowest key or value of a table that holds its start.
fn tell(table: &DeTable<'_>, under: &str, spans: &[Range<usize>], told: &mut [(usize, String)]) {
    let mut see = |at: Range<usize>, path: &str| {
        let within = |edge: usize| spans.partition_point(|span| span.start < edge);
        for (width, best) in &mut told[within(at.start)..within(at.end).max(within(at.start))] {
            if at.len() <= *width {
                (*width, *best) = (at.len(), path.to_owned());
            }
        }
    };
    let mut inner: Vec<(&DeTable<'_>, String)> = Vec::new();
    for (key, value) in table {
        let dot = if under.is_empty() { "" } else { "." };
        let path = format!("{under}{dot}{}", key.get_ref());
        see(key.span(), &path);
        see(value.span(), &path);
        match value.get_ref() {
            DeValue::Table(held) => inner.push((held, path)),
            DeValue::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    see(item.span(), &path);
                    if let DeValue::Table(held) = item.get_ref() {
                        inner.push((held, path));
                    }
                }
            }
            _ => {}
        }
    }
    for (held, path) in inner {
        tell(held, &path, spans, told);
    }
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Lines<'a> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    /// The line a byte is in, from 0.
    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The text of a line counted from 0, without its end.
    fn source(&self, line: usize) -> &'a str {
        let stop = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        self.text[self.starts[line]..stop].trim_end_matches('\r')
    }

    /// A fault that knows its place and nothing more.
    fn place(&self, span: Range<usize>) -> Fault {
        let at = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let end = self.text.floor_char_boundary(span.end.clamp(at, self.text.len()));
        let line = self.line(at);
        let start = self.starts[line];
        let source = self.source(line);
        let stop = start + source.len();
        let width = self.text[at..end.min(stop).max(at)].chars().count().max(1);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Fault {
            line: count(line + 1),
            column: count(self.text[start..at].chars().count() + 1),
            width: count(width),
            path: String::new(),
            code: Code::Invalid,
            message: String::new(),
            hint: None,
            source: source.to_owned(),
        }
    }
}

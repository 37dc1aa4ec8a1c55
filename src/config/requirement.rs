//! The requirement language: what a queue or a contact asks of an agent, as text.
//!
//! One grammar for configuration, gRPC and the command line:
//!
//! ```text
//! requirement = part { "or" part } ;
//! part        = test { "and" test } ;
//! test        = "not" test | "(" requirement ")" | "true" | "false" | skill | attribute | agents ;
//!
//! skill       = name                                         (* the same as name >= 1 *)
//!             | name sign level
//!             | name "in" ( range | "(" level { "," level } ")" ) ;
//! attribute   = "attr." name sign value
//!             | "attr." name "in" ( range | "(" value { "," value } ")" )
//!             | "attr." name "has" text ;                    (* a text list holds this text *)
//! agents      = "agent" ( "=" | "!=" ) name
//!             | "agent" "in" "(" name { "," name } ")" ;
//!
//! sign        = "=" | "!=" | "<" | "<=" | ">" | ">=" ;
//! range       = number ".." number ;                         (* both ends included *)
//! level       = 1 to 10 ;
//! value       = text | number | "true" | "false" | "[" [ text { "," text } ] "]" ;
//! number      = [ "-" ] digits [ "." 1 to 6 digits ] ;       (* without a point whole, with one decimal *)
//! text        = word | quoted ;
//! name        = word | quoted ;                              (* quotes for a name that is also a keyword *)
//! word        = letters, digits, ".", "_" and "-" ;
//! quoted      = '"' characters '"' | "'" characters "'" ;    (* escapes: \\ \" \' \n \t *)
//! ```
//!
//! Keywords may be written in capitals. `not` binds closest, then `and`, then `or`. An agent without a skill has level
//! 0 in it; an agent without an attribute, or with one of another type, meets no comparison with it, `!=` included.
//!
//! What is read is put in canonical form, by which equal requirements are known to be equal: parts sorted and each kept
//! once, nested `and` and `or` flattened, ranges and level lists written out as comparisons, double negation removed.
//! For every text that is read, `parse(canonical(x)) == x`.

use std::fmt;
use std::sync::Arc;

use crate::engine::id::Text;
use crate::engine::limits;
use crate::engine::requirement::{Comparison, Expr, Requirement, Value};

use super::lexer::{Kind, Token, sign_text, tokens, word_char};

/// Parentheses and negations within one another at most; a list or a range counts as one.
pub const DEPTH: usize = 32;

/// Words that are never names without quotes.
const KEYWORDS: [&str; 8] = ["and", "or", "not", "in", "has", "true", "false", "agent"];

/// Why a text is not a requirement, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequirementError {
    /// The character at fault, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The skill that is not known, if that is the fault.
    pub unknown_skill: Option<String>,
    /// The same place in bytes from 0, for carets in files.
    offset: usize,
}

impl RequirementError {
    pub(super) fn at(text: &str, offset: usize, message: String) -> RequirementError {
        let column = text[..offset].chars().count() + 1;
        RequirementError {
            column: u32::try_from(column).unwrap_or(u32::MAX),
            message,
            hint: None,
            unknown_skill: None,
            offset,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> RequirementError {
        self.hint = Some(hint.into());
        self
    }

    /// The byte at fault, counted from 0.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Names the nearest of the known skills in the hint, if the fault is an unknown skill and one is near.
    #[must_use]
    pub fn suggest<'a>(mut self, known: impl IntoIterator<Item = &'a str>) -> RequirementError {
        if let Some(near) = self.unknown_skill.as_deref().and_then(|name| super::nearest(name, known)) {
            self.hint = Some(format!("did you mean `{near}`?"));
        }
        self
    }

    /// The text with a caret under the fault, as two lines; a text of several lines is shown as one.
    #[must_use]
    pub fn caret(&self, text: &str) -> String {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{line}\n{}^", " ".repeat(self.column.saturating_sub(1) as usize))
    }
}

impl fmt::Display for RequirementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RequirementError {}

/// Reads a requirement. `skills` says whether a name is a known skill. Linear in the text but for sorting.
///
/// # Errors
///
/// The first fault: text or canonical text longer than [`limits::REQUIREMENT_BYTES`], a character, word or order of
/// words outside the grammar, more than [`DEPTH`] levels, a level outside 1-10, an empty range or an unknown skill.
pub fn parse(text: &str, skills: &dyn Fn(&str) -> bool) -> Result<Requirement, RequirementError> {
    fits(text)?;
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, next: 0, depth: 0, skills };
    let expr = parser.requirement()?;
    if parser.peek() != &Kind::End {
        return Err(parser.expected("`and`, `or` or the end"));
    }
    let expr = normal(expr);
    Ok(Requirement { text: fits_canonical(text, canonical(&expr))?, expr })
}

/// Refuses a text that is too long to be read.
pub(super) fn fits(text: &str) -> Result<(), RequirementError> {
    if text.len() > limits::REQUIREMENT_BYTES {
        let message = format!("longer than {} bytes", limits::REQUIREMENT_BYTES);
        return Err(RequirementError::at(text, text.floor_char_boundary(limits::REQUIREMENT_BYTES), message));
    }
    Ok(())
}

/// The canonical form of a text, refused when it is too long to be read back: quotes inside quotes make it longer.
pub(super) fn fits_canonical(text: &str, canonical: String) -> Result<Text, RequirementError> {
    if canonical.len() > limits::REQUIREMENT_BYTES {
        let message = format!("longer than {} bytes in canonical form", limits::REQUIREMENT_BYTES);
        return Err(RequirementError::at(text, 0, message));
    }
    Ok(canonical.into())
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    skills: &'a dyn Fn(&str) -> bool,
}

type Parsed<T> = Result<T, RequirementError>;

impl Parser<'_> {
    fn token(&self) -> &Token {
        // The last token is `End` and is never passed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> &Kind {
        &self.token().kind
    }

    fn take(&mut self) -> Token {
        let token = self.token().clone();
        self.next += 1;
        token
    }

    fn eat(&mut self, kind: &Kind) -> bool {
        let found = self.peek() == kind;
        self.next += usize::from(found);
        found
    }

    fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(found);
        found
    }

    fn expected(&self, what: &str) -> RequirementError {
        self.fault(self.token().at, format!("expected {what}, found {}", self.peek().shown()))
    }

    fn fault(&self, at: usize, message: String) -> RequirementError {
        RequirementError::at(self.text, at, message)
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH {
            return Err(self.fault(self.token().at, format!("nested deeper than {DEPTH} levels")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn requirement(&mut self) -> Parsed<Expr> {
        let mut parts = vec![self.part()?];
        while self.eat_keyword("or") {
            parts.push(self.part()?);
        }
        Ok(Expr::Any(parts))
    }

    fn part(&mut self) -> Parsed<Expr> {
        let mut parts = vec![self.test()?];
        while self.eat_keyword("and") {
            parts.push(self.test()?);
        }
        Ok(Expr::All(parts))
    }

    fn test(&mut self) -> Parsed<Expr> {
        if self.eat_keyword("not") {
            return Ok(Expr::Not(Arc::new(self.deeper(Self::test)?)));
        }
        if self.eat(&Kind::Open) {
            let inner = self.deeper(Self::requirement)?;
            if !self.eat(&Kind::Close) {
                return Err(self.expected("`and`, `or` or `)`"));
            }
            return Ok(inner);
        }
        let Token { kind, at, end } = self.take();
        match kind {
            Kind::Text(name) => self.skill(&name, at),
            Kind::Word(word) => self.word(&word, at, end),
            _ => {
                self.next -= 1;
                Err(self.expected("a skill, `attr.NAME`, `agent`, `not` or `(`"))
            }
        }
    }

    fn word(&mut self, word: &str, at: usize, end: usize) -> Parsed<Expr> {
        if let Some(name) = word.strip_prefix("attr.") {
            let name = if name.is_empty() { self.quoted_attribute(end)? } else { name.to_owned() };
            return self.attribute(&name, at);
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "true" => Ok(Expr::All(Vec::new())),
            "false" => Ok(Expr::Any(Vec::new())),
            "agent" => self.agents(),
            keyword if KEYWORDS.contains(&keyword) => {
                let message = format!("expected a skill, `attr.NAME`, `agent`, `not` or `(`, found `{word}`");
                Err(self.fault(at, message))
            }
            _ => self.skill(word, at),
        }
    }

    /// The name in `attr."name"`, which follows the dot at once.
    fn quoted_attribute(&mut self, after: usize) -> Parsed<String> {
        match self.take() {
            Token { kind: Kind::Text(name), at, .. } if at == after && !name.is_empty() => Ok(name),
            _ => Err(self.fault(after, "expected the attribute's name after `attr.`".into())),
        }
    }

    fn skill(&mut self, name: &str, at: usize) -> Parsed<Expr> {
        if !(self.skills)(name) {
            let mut error = self.fault(at, format!("unknown skill `{name}`"));
            error.hint = Some(format!("an attribute is written `attr.{name}`"));
            error.unknown_skill = Some(name.to_owned());
            return Err(error);
        }
        let skill: Text = name.into();
        let test = |comparison, level| Expr::Skill { skill: skill.clone(), comparison, level };
        if let Kind::Sign(comparison) = *self.peek() {
            self.next += 1;
            return Ok(test(comparison, self.level()?));
        }
        if !self.eat_keyword("in") {
            return Ok(test(Comparison::AtLeast, 1));
        }
        self.deeper(|parser| {
            if parser.eat(&Kind::Open) {
                let levels = parser.list(Self::level)?;
                return Ok(Expr::Any(levels.into_iter().map(|level| test(Comparison::Equal, level)).collect()));
            }
            let at = parser.token().at;
            let (low, high) = parser.range()?;
            let (low, high) = (parser.as_level(&low, at)?, parser.as_level(&high, at)?);
            Ok(Expr::All(vec![test(Comparison::AtLeast, low), test(Comparison::AtMost, high)]))
        })
    }

    fn level(&mut self) -> Parsed<u8> {
        let at = self.token().at;
        match self.peek().clone() {
            Kind::Word(word) if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                self.next += 1;
                let value = number(&word).ok_or_else(|| self.fault(at, format!("`{word}` is not a level")))?;
                self.as_level(&value, at)
            }
            _ => Err(self.expected("a level (1-10)")),
        }
    }

    fn as_level(&self, value: &Value, at: usize) -> Parsed<u8> {
        match value {
            Value::Int(level @ 1..=10) => Ok(u8::try_from(*level).unwrap_or(limits::SKILL_LEVEL)),
            _ => {
                let error = self.fault(at, format!("level {} is not within 1-10", shown(value)));
                Err(error.with_hint("levels are whole numbers; `not NAME` is for an agent without the skill"))
            }
        }
    }

    fn attribute(&mut self, name: &str, at: usize) -> Parsed<Expr> {
        if name.len() > limits::ATTRIBUTE_BYTES {
            return Err(self.fault(at, format!("attribute name longer than {} bytes", limits::ATTRIBUTE_BYTES)));
        }
        let name: Text = name.into();
        let test = |comparison, value| Expr::Attribute { name: name.clone(), comparison, value };
        if let Kind::Sign(comparison) = *self.peek() {
            self.next += 1;
            return Ok(test(comparison, self.value()?));
        }
        if self.eat_keyword("has") {
            return Ok(Expr::Has { name, item: self.text("the text the list should hold")? });
        }
        if !self.eat_keyword("in") {
            return Err(self.expected("a comparison, `in` or `has`"));
        }
        self.deeper(|parser| {
            if parser.eat(&Kind::Open) {
                return Ok(Expr::In { name: name.clone(), values: parser.list(Self::value)? });
            }
            let (low, high) = parser.range()?;
            Ok(Expr::All(vec![test(Comparison::AtLeast, low), test(Comparison::AtMost, high)]))
        })
    }

    fn agents(&mut self) -> Parsed<Expr> {
        if self.eat(&Kind::Sign(Comparison::Equal)) {
            return Ok(Expr::Agents(vec![self.text("an agent's id")?]));
        }
        if self.eat(&Kind::Sign(Comparison::NotEqual)) {
            let agent = self.deeper(|parser| parser.text("an agent's id"))?;
            return Ok(Expr::Not(Arc::new(Expr::Agents(vec![agent]))));
        }
        if !self.eat_keyword("in") {
            return Err(self.expected("`=`, `!=` or `in` after `agent`"));
        }
        if !self.eat(&Kind::Open) {
            return Err(self.expected("`(` and a list of agents"));
        }
        Ok(Expr::Agents(self.list(|parser| parser.text("an agent's id"))?))
    }

    /// The rest of a list whose `(` has been read.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat(&Kind::Comma) {
            items.push(item(self)?);
        }
        if self.eat(&Kind::Close) { Ok(items) } else { Err(self.expected("`,` or `)`")) }
    }

    fn text(&mut self, what: &str) -> Parsed<Text> {
        match self.peek().clone() {
            Kind::Text(text) | Kind::Word(text) if !text.is_empty() => {
                self.next += 1;
                Ok(text.into())
            }
            _ => Err(self.expected(what)),
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        let token = self.take();
        match token.kind {
            Kind::Text(text) => Ok(Value::Str(text.into())),
            Kind::Word(word) => self.word_value(&word, token.at),
            Kind::OpenList => self.text_list(),
            _ => {
                self.next -= 1;
                Err(self.expected("a text, a number, `true`, `false` or a list"))
            }
        }
    }

    fn word_value(&self, word: &str, at: usize) -> Parsed<Value> {
        if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") {
            return Ok(Value::Bool(word.eq_ignore_ascii_case("true")));
        }
        if let Some(value) = number(word) {
            return Ok(value);
        }
        let numeric = word.strip_prefix('-').unwrap_or(word);
        if word.starts_with('-') || numeric.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            let error = self.fault(at, format!("`{word}` is not a number that can be held"));
            return Err(
                error.with_hint("a decimal has at most 6 places; a text that looks like a number goes in quotes")
            );
        }
        if KEYWORDS.contains(&word.to_ascii_lowercase().as_str()) {
            return Err(self
                .fault(at, format!("expected a value, found `{word}`"))
                .with_hint("put the text in quotes"));
        }
        Ok(Value::Str(word.into()))
    }

    fn text_list(&mut self) -> Parsed<Value> {
        let mut items = Vec::new();
        while !self.eat(&Kind::CloseList) {
            if !items.is_empty() && !self.eat(&Kind::Comma) {
                return Err(self.expected("`,` or `]`"));
            }
            items.push(self.text("a text")?);
        }
        Ok(Value::List(items))
    }

    /// `low..high`, with or without spaces round the dots.
    fn range(&mut self) -> Parsed<(Value, Value)> {
        let at = self.token().at;
        let mut written = String::new();
        while let Kind::Word(word) = self.peek() {
            let joins = written.is_empty() || written.ends_with("..") || word.starts_with("..");
            if !joins {
                break;
            }
            written.push_str(word);
            self.next += 1;
        }
        if written.ends_with("..") && self.peek() == &Kind::Sign(Comparison::Equal) {
            return Err(self.expected("a number").with_hint("both ends of a range are included: write `3..7`"));
        }
        let ends = written.split_once("..").and_then(|(low, high)| Some((number(low)?, number(high)?)));
        let Some((low, high)) = ends else {
            let message = "expected a range such as `3..7` or a list such as `(3, 5)`".into();
            return Err(self.fault(at, message));
        };
        if std::mem::discriminant(&low) != std::mem::discriminant(&high) {
            return Err(self.fault(at, "the ends of a range are both whole or both decimal".into()));
        }
        if low > high {
            return Err(self
                .fault(at, format!("the range `{written}` is empty"))
                .with_hint("write the lower end first"));
        }
        Ok((low, high))
    }
}

/// A whole number, or a decimal of at most six places, exactly.
pub(super) fn number(word: &str) -> Option<Value> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (negative, size) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let Some((whole, fraction)) = size.split_once('.') else {
        return if digits(size) { word.parse().ok().map(Value::Int) } else { None };
    };
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let millionths = format!("{}{whole}{fraction:0<6}", if negative { "-" } else { "" });
    millionths.parse().ok().map(Value::Decimal)
}

/// A binary number as a decimal of at most six places, if it is one.
pub(super) fn decimal(number: f64) -> Option<Value> {
    let mut text = number.to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    self::number(&text)
}

/// Puts a tree in canonical form: see the module's documentation. Idempotent.
#[must_use]
pub fn normal(expr: Expr) -> Expr {
    match expr {
        Expr::All(parts) => combined(parts, true),
        Expr::Any(parts) => combined(parts, false),
        Expr::Not(part) => negated(normal(Arc::unwrap_or_clone(part))),
        Expr::In { name, mut values } => {
            values.sort_unstable();
            values.dedup();
            match <[Value; 1]>::try_from(values) {
                Ok([value]) => Expr::Attribute { name, comparison: Comparison::Equal, value },
                Err(values) if values.is_empty() => Expr::Any(Vec::new()),
                Err(values) => Expr::In { name, values },
            }
        }
        Expr::Agents(mut agents) => {
            agents.sort_unstable();
            agents.dedup();
            if agents.is_empty() { Expr::Any(Vec::new()) } else { Expr::Agents(agents) }
        }
        other => other,
    }
}

/// `All` (or `Any`) of the parts: flat, sorted, each once, without parts that decide nothing.
fn combined(parts: Vec<Expr>, all: bool) -> Expr {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match normal(part) {
            Expr::All(inner) if all => flat.extend(inner),
            Expr::Any(inner) if !all => flat.extend(inner),
            Expr::Any(inner) if inner.is_empty() => return Expr::Any(inner),
            Expr::All(inner) if inner.is_empty() => return Expr::All(inner),
            other => flat.push(other),
        }
    }
    flat.sort_unstable();
    flat.dedup();
    match <[Expr; 1]>::try_from(flat) {
        Ok([one]) => one,
        Err(flat) if all => Expr::All(flat),
        Err(flat) => Expr::Any(flat),
    }
}

/// The contrary of a tree in canonical form.
fn negated(expr: Expr) -> Expr {
    match expr {
        Expr::Not(part) => Arc::unwrap_or_clone(part),
        Expr::All(parts) if parts.is_empty() => Expr::Any(parts),
        Expr::Any(parts) if parts.is_empty() => Expr::All(parts),
        // Every agent has a level (0 without the skill), so the contrary of a level test is a level test. That is not
        // so with attributes: an agent without one meets neither a comparison nor its contrary.
        Expr::Skill { skill, comparison, level } => Expr::Skill { skill, comparison: contrary(comparison), level },
        other => Expr::Not(Arc::new(other)),
    }
}

fn contrary(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::AtLeast,
        Comparison::AtLeast => Comparison::Less,
        Comparison::Greater => Comparison::AtMost,
        Comparison::AtMost => Comparison::Greater,
    }
}

/// The text of a tree in canonical form; [`parse`] reads it back to the same tree.
#[must_use]
pub fn canonical(expr: &Expr) -> String {
    let mut out = String::new();
    print(expr, &mut out);
    out
}

fn print(expr: &Expr, out: &mut String) {
    match expr {
        Expr::All(parts) if parts.is_empty() => out.push_str("true"),
        Expr::Any(parts) if parts.is_empty() => out.push_str("false"),
        Expr::All(parts) => {
            joined(parts, " and ", out, |part, out| print_within(part, matches!(part, Expr::Any(_)), out));
        }
        Expr::Any(parts) => joined(parts, " or ", out, print),
        Expr::Not(part) => {
            out.push_str("not ");
            print_within(part, matches!(**part, Expr::All(_) | Expr::Any(_)), out);
        }
        Expr::Skill { skill, comparison, level } => {
            out.push_str(&name(skill));
            out.push_str(&format!(" {} {level}", sign_text(*comparison)));
        }
        Expr::Attribute { name, comparison, value } => {
            out.push_str(&format!("{} {} {}", attribute(name), sign_text(*comparison), shown(value)));
        }
        Expr::In { name, values } => {
            out.push_str(&format!("{} in (", attribute(name)));
            joined(values, ", ", out, |value, out| out.push_str(&shown(value)));
            out.push(')');
        }
        Expr::Has { name, item } => out.push_str(&format!("{} has {}", attribute(name), quote(item))),
        Expr::Agents(agents) => {
            out.push_str("agent in (");
            joined(agents, ", ", out, |agent, out| out.push_str(&name(agent)));
            out.push(')');
        }
    }
}

fn print_within(part: &Expr, parentheses: bool, out: &mut String) {
    let empty = matches!(part, Expr::All(parts) | Expr::Any(parts) if parts.is_empty());
    if !parentheses || empty {
        return print(part, out);
    }
    out.push('(');
    print(part, out);
    out.push(')');
}

fn joined<T>(items: &[T], between: &str, out: &mut String, each: impl Fn(&T, &mut String)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        each(item, out);
    }
}

fn name(name: &str) -> String {
    let keyword = KEYWORDS.iter().any(|keyword| name.eq_ignore_ascii_case(keyword));
    if is_word(name) && !keyword && !name.starts_with("attr.") { name.to_owned() } else { quote(name) }
}

fn attribute(name: &str) -> String {
    if is_word(name) { format!("attr.{name}") } else { format!("attr.{}", quote(name)) }
}

/// Whether a name may stand without quotes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(word_char)
}

/// A text in quotes.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

fn shown(value: &Value) -> String {
    match value {
        Value::Str(text) => quote(text),
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Decimal(millionths) => {
            let (size, sign) = (millionths.unsigned_abs(), if *millionths < 0 { "-" } else { "" });
            let fraction = format!("{:06}", size % 1_000_000);
            let kept = fraction.trim_end_matches('0');
            format!("{sign}{}.{}", size / 1_000_000, if kept.is_empty() { "0" } else { kept })
        }
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| quote(item)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

//! The words of the requirement language, and of scores. Read `requirement` first.

use crate::engine::requirement::Comparison;

use super::requirement::RequirementError;

/// A piece of a requirement or score text and the byte it begins at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// What it is.
    pub kind: Kind,
    /// The byte it begins at.
    pub at: usize,
    /// The byte after its last.
    pub end: usize,
}

/// What a piece of a requirement text is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A run of letters, digits, `.`, `_` and `-`.
    Word(String),
    /// A quoted text, unescaped.
    Text(String),
    /// A comparison sign.
    Sign(Comparison),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    OpenList,
    /// `]`
    CloseList,
    /// `,`
    Comma,
    /// `+`, in scores alone.
    Plus,
    /// `*`, in scores alone.
    Times,
    /// The end of the text.
    End,
}

impl Kind {
    /// The piece as an error message shows it.
    pub fn shown(&self) -> String {
        match self {
            Kind::Word(word) => format!("`{word}`"),
            Kind::Text(text) => format!("the text \"{text}\""),
            Kind::Sign(sign) => format!("`{}`", sign_text(*sign)),
            Kind::Open => "`(`".into(),
            Kind::Close => "`)`".into(),
            Kind::OpenList => "`[`".into(),
            Kind::CloseList => "`]`".into(),
            Kind::Comma => "`,`".into(),
            Kind::Plus => "`+`".into(),
            Kind::Times => "`*`".into(),
            Kind::End => "the end".into(),
        }
    }
}

/// A comparison as it is written.
pub(super) fn sign_text(sign: Comparison) -> &'static str {
    match sign {
        Comparison::Equal => "=",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Greater => ">",
        Comparison::AtLeast => ">=",
    }
}

/// Whether a character may stand in a word without quotes.
pub(super) fn word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Spellings of other languages, and what is written here; longest first.
const FOREIGN: [(&str, &str); 10] = [
    ("&&", "and"),
    ("||", "or"),
    ("==", "="),
    ("<>", "!="),
    ("=>", ">="),
    ("=<", "<="),
    ("≥", ">="),
    ("≤", "<="),
    ("≠", "!="),
    ("&", "and"),
];

/// The signs, longest first.
const SIGNS: [(&str, Kind); 13] = [
    ("!=", Kind::Sign(Comparison::NotEqual)),
    ("<=", Kind::Sign(Comparison::AtMost)),
    (">=", Kind::Sign(Comparison::AtLeast)),
    ("=", Kind::Sign(Comparison::Equal)),
    ("<", Kind::Sign(Comparison::Less)),
    (">", Kind::Sign(Comparison::Greater)),
    ("(", Kind::Open),
    (")", Kind::Close),
    ("[", Kind::OpenList),
    ("]", Kind::CloseList),
    (",", Kind::Comma),
    ("+", Kind::Plus),
    ("*", Kind::Times),
];

/// Cuts a text into tokens, the last of which is [`Kind::End`]. Linear.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, RequirementError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let token = token(text, at, c)?;
        at = token.end;
        found.push(token);
    }
    found.push(Token { kind: Kind::End, at, end: at });
    Ok(found)
}

fn token(text: &str, at: usize, first: char) -> Result<Token, RequirementError> {
    let rest = &text[at..];
    if word_char(first) {
        let length = rest.find(|c| !word_char(c)).unwrap_or(rest.len());
        return Ok(Token { kind: Kind::Word(rest[..length].into()), at, end: at + length });
    }
    if first == '"' || first == '\'' {
        return quoted(text, at, first);
    }
    for (theirs, ours) in FOREIGN {
        if rest.starts_with(theirs) {
            let message = format!("`{theirs}` is not a sign of this language");
            return Err(RequirementError::at(text, at, message).with_hint(format!("write `{ours}`")));
        }
    }
    for (sign, kind) in SIGNS {
        if rest.starts_with(sign) {
            return Ok(Token { kind, at, end: at + sign.len() });
        }
    }
    let error = RequirementError::at(text, at, format!("unexpected character `{}`", first.escape_debug()));
    Err(match first {
        '!' => error.with_hint("write `not`"),
        '|' => error.with_hint("write `or`"),
        _ => error.with_hint("names with other characters than letters, digits, `.`, `_` and `-` go in quotes"),
    })
}

fn quoted(text: &str, at: usize, quote: char) -> Result<Token, RequirementError> {
    let mut value = String::new();
    let mut chars = text[at + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        if c == quote {
            return Ok(Token { kind: Kind::Text(value), at, end: at + 1 + offset + 1 });
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some((_, escaped @ ('\\' | '"' | '\''))) => value.push(escaped),
            Some((_, 'n')) => value.push('\n'),
            Some((_, 't')) => value.push('\t'),
            _ => {
                let error = RequirementError::at(text, at + 1 + offset, "unknown escape".into());
                return Err(error.with_hint("known are \\\\ \\\" \\' \\n and \\t"));
            }
        }
    }
    Err(RequirementError::at(text, at, format!("text without its closing {quote}")))
}

//! The words of a line: a verb, names, `key:value` options, and a requirement behind `needs`.

use std::sync::Arc;

use usher::config::requirement;
use usher::engine::agent::Presence;
use usher::engine::requirement::Requirement;
use usher::engine::time::{Span, Time};

/// What every instant of a script counts from.
pub const START: Time = Time(1_700_000_000_000_000);

/// A line taken apart.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The whole line, for messages and digests; a request id left out.
    pub text: String,
    /// What is asked.
    pub verb: String,
    /// The words without a colon.
    pub names: Vec<String>,
    options: Vec<(String, String)>,
    /// What stands behind `needs`.
    pub needs: Option<String>,
    /// What stands behind `because`.
    pub because: Option<String>,
}

impl Words {
    /// Takes a line apart.
    pub fn of(line: &str) -> Words {
        let (line, because) = cut(line, " because ");
        let (line, needs) = cut(&line, " needs ");
        let mut all = line.split_whitespace();
        let verb = all.next().unwrap_or_default().to_owned();
        let mut words = Words { verb, needs, because, ..Words::default() };
        let mut text = Vec::new();
        for word in all {
            match word.split_once(':') {
                Some(("id", id)) => words.options.push(("id".into(), id.into())),
                Some((key, value)) => {
                    words.options.push((key.into(), value.into()));
                    text.push(word);
                }
                None => {
                    words.names.push(word.into());
                    text.push(word);
                }
            }
        }
        words.text = format!("{} {} {:?} {:?}", words.verb, text.join(" "), words.needs, words.because);
        words
    }

    /// A name by its place.
    ///
    /// # Panics
    /// When there is none.
    pub fn name(&self, at: usize) -> &str {
        self.names.get(at).unwrap_or_else(|| panic!("`{}` lacks a name", self.text))
    }

    /// Whether a word without colon is there.
    pub fn has(&self, word: &str) -> bool {
        self.names.iter().any(|name| name == word)
    }

    /// An option's value.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(held, _)| held == key).map(|(_, value)| value.as_str())
    }

    /// The options that are none of these.
    pub fn others<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.options
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()) && key != "id")
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// An option that is a span.
    pub fn span(&self, key: &str) -> Option<Span> {
        self.option(key).map(span)
    }

    /// An option that is an instant, counted from the script's start.
    pub fn time(&self, key: &str) -> Option<Time> {
        self.option(key).map(instant)
    }

    /// An option that is a number.
    ///
    /// # Panics
    /// When it is none.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.option(key).map(|value| value.parse().unwrap_or_else(|_| panic!("`{value}` is no number")))
    }

    /// The requirement behind `needs`; `Some(None)` when it is `nothing`.
    pub fn requirement(&self) -> Option<Option<Arc<Requirement>>> {
        self.needs.as_deref().map(asked)
    }
}

fn cut(line: &str, word: &str) -> (String, Option<String>) {
    match line.split_once(word) {
        Some((line, rest)) => (line.into(), Some(rest.trim().into())),
        None => (line.into(), None),
    }
}

/// A requirement's text; `nothing` is none.
///
/// # Panics
/// When it does not parse.
pub fn asked(text: &str) -> Option<Arc<Requirement>> {
    if text == "nothing" {
        return None;
    }
    let parsed = requirement::parse(text, &|_| true);
    Some(Arc::new(parsed.unwrap_or_else(|error| panic!("`{text}`: {error}"))))
}

/// `90s`, `1.5s`, `2m`, `1h`, `2d`, `1h30s`.
///
/// # Panics
/// When it is none of them.
pub fn span(text: &str) -> Span {
    let (mut total, mut digits) = (0.0, String::new());
    for letter in text.chars() {
        let unit = match letter {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3_600.0,
            'd' => 86_400.0,
            other => {
                digits.push(other);
                continue;
            }
        };
        total += digits.parse::<f64>().unwrap_or_else(|_| panic!("`{text}` is no span")) * unit;
        digits.clear();
    }
    assert!(digits.is_empty(), "`{text}` is no span");
    Span((total * 1e6).round() as u64)
}

/// An instant from the script's start, also before it (`-10s`).
pub fn instant(text: &str) -> Time {
    match text.strip_prefix('-') {
        Some(back) => START - span(back),
        None => START + span(text),
    }
}

/// An instant as the scripts write it.
pub fn ago(time: Time) -> String {
    if time < START { format!("-{}", START.since(time)) } else { time.since(START).to_string() }
}

/// `ready`, `not_ready`, `not_ready:lunch` or `offline` among the words.
pub fn presence(words: &Words) -> Option<Presence> {
    if words.has("ready") {
        Some(Presence::Available)
    } else if words.has("offline") {
        Some(Presence::Offline)
    } else if words.has("not_ready") {
        Some(Presence::NotReady("".into()))
    } else {
        words.option("not_ready").map(|reason| Presence::NotReady(reason.into()))
    }
}

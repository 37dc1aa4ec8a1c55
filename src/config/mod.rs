//! Configuration: one TOML file becomes settings of the process and one policy per tenant, or a list of all its faults.
//!
//! The way of a file: [`schema`] has its keys and types; `shape` checks keys, types and bounds, all of them at once;
//! `validate`, `tenant`, `routing` and `coverage` check what it means and build the policies; [`fault`] shows what is
//! wrong, with line, column and caret. [`canonical`] writes a policy back, [`diff`] says what one changes.
//! [`requirement`] is the language in which queues and contacts say whom they need; gRPC and
//! the command line use it too. [`score`] is that of the selection "best_score". [`import`] reads agents from CSV. Never knows the shard or gRPC. Read `schema` next.

pub mod canonical;
mod classify;
mod coverage;
pub mod diff;
pub mod duration;
pub mod fault;
pub mod import;
mod lexer;
mod pools;
pub mod requirement;
mod routing;
pub mod scale;
pub mod schema;
pub mod score;
pub mod settings;
mod shape;
mod shifts;
mod steps;
pub mod tenant;
pub mod text_rules;
mod validate;

use std::path::Path;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use toml::de::{DeTable, Deserializer};

use crate::engine::policy::{Policy, RemovedQueue};

pub use fault::{Code, Fault, Faults, Gathered};
pub use settings::{Backend, Durability, Journal, Keepalive, Limits, LogFormat, Server, Telemetry};
pub use shape::Kind;

/// Largest file that is read: room for several hundred thousand agents.
pub const FILE_BYTES: u64 = 64 << 20;

/// The complete, commented example: `config/usher.toml`.
pub const EXAMPLE: &str = include_str!("../../config/usher.toml");

/// A file that is in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The doors of the server.
    pub server: Server,
    /// What the server tells about itself.
    pub telemetry: Telemetry,
    /// Where events are kept.
    pub journal: Journal,
    /// One policy per tenant, in the file's order, with version 0.
    pub tenants: Vec<Policy>,
    /// Where contacts go of queues that a file no longer has, by tenant as above.
    pub removed_queues: Vec<Vec<RemovedQueue>>,
    /// SHA-256 of the file's text.
    pub hash: [u8; 32],
    /// What is allowed but hardly meant.
    pub warnings: Faults,
}

/// Reads and checks a file.
///
/// # Errors
///
/// Every fault in the file; or one, when it cannot be read, is larger than [`FILE_BYTES`] or is not UTF-8.
pub fn load(path: &Path) -> Result<Config, Faults> {
    parse(&text_of(path)?, &path.display().to_string())
}

/// Checks a file's text; `file` is its name in faults. Never panics, whatever the text.
///
/// # Errors
///
/// Every fault: of syntax; else of keys, types and bounds, and of meaning in what is left without those; and when
/// there is none of these, queues that nobody can ever serve.
pub fn parse(text: &str, file: &str) -> Result<Config, Faults> {
    let mut faults = Gathered::new(text);
    let Some(document) = document(&shape::CONFIGURATION, &mut faults) else { return Err(faults.finish(file)) };
    let mut warnings = Gathered::new(text);
    let checked = validate::document(document, &mut faults, &mut warnings);
    if faults.count() > 0 {
        return Err(faults.finish(file));
    }
    let validate::Checked { server, telemetry, journal, tenants, removed_queues } = checked;
    let hash = hash(text);
    Ok(Config { server, telemetry, journal, tenants, removed_queues, hash, warnings: warnings.finish(file) })
}

/// What a text is known by: its SHA-256.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Reads the text the faults are gathered of as a document of some kind; none when its faults leave nothing to read.
/// Keys, types and bounds at fault are reported and taken out, so what is returned is of use only if no fault was added.
pub fn document<T: DeserializeOwned>(of: &'static Kind, faults: &mut Gathered<'_>) -> Option<T> {
    let (mut document, errors) = DeTable::parse_recoverable(faults.text());
    for error in &errors {
        faults.coded(Code::Syntax, error.span().unwrap_or(0..0), error.message(), None);
    }
    let readable = shape::check(&mut document, of, errors.is_empty(), faults);
    if !errors.is_empty() {
        faults.believable(errors.len());
        return None;
    }
    match readable.then(|| T::deserialize(Deserializer::from(document)))? {
        Ok(document) => Some(document),
        Err(error) => {
            faults.add(error.span().unwrap_or(0..0), error.message());
            None
        }
    }
}

/// Reads a file's text.
///
/// # Errors
///
/// When it cannot be read, is larger than [`FILE_BYTES`] or is not UTF-8.
pub fn text_of(path: &Path) -> Result<String, Faults> {
    let file = path.display().to_string();
    let whole = |message: String| Faults::whole(&file, message);
    let size = std::fs::metadata(path).map_err(|error| whole(format!("cannot be read: {error}")))?.len();
    if size > FILE_BYTES {
        return Err(whole(format!("has {size} bytes, which is more than {FILE_BYTES}")));
    }
    let bytes = std::fs::read(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let mut faults = Gathered::new(&text);
        faults.add(at..at + 1, "the file is not UTF-8 from here");
        faults.finish(&file)
    })
}

/// The known name nearest to a misspelt one, if any is near enough to be meant. Linear in the known names.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let length = name.chars().count();
    let distance = |candidate: &str| {
        let far = candidate.chars().count().abs_diff(length);
        if far > 4 { usize::MAX } else { strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()) }
    };
    let best = known.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    (best.0 <= (length / 3).clamp(1, 4)).then_some(best.1)
}

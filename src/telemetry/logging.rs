//! Log lines on standard error: fields, not prose.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins logging for the whole process. `level` is a level, or levels by module as in `info,usher=debug`.
///
/// # Errors
///
/// When `level` cannot be read, or logging has begun already.
pub fn init(level: &str, json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).with_context(|| format!("failed to read the log level {level:?}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = if json {
        lines.json().flatten_event(true).finish().try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init()
    };
    begun.context("failed to begin logging")
}

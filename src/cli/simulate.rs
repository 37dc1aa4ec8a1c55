//! `usher simulate`: the engine in virtual time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::{done, print};
use crate::engine::time::Time;
use crate::shard::Clock;
use crate::sim::oracle;

/// Arguments of `usher simulate`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File of cases with known results, in the format of tests/oracles/README.md: one JSON line per case is printed,
    /// and the exit code is 1 if one fails.
    #[arg(long, value_name = "FILE")]
    oracle: PathBuf,
    /// Only the case with this id.
    #[arg(long, value_name = "ID", requires = "oracle")]
    case: Option<String>,
    /// Length of the runs, in times of each case's `measured_contacts`.
    #[arg(long, value_name = "K", requires = "oracle", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Seed of all chance: the same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Threads to use. Default: one per core.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if scale.is_finite() && scale > 0.0 { Ok(scale) } else { Err("must be above 0".into()) }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match run_oracle(arguments, &arguments.oracle) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => done(Err(error)),
    }
}

fn jobs(arguments: &Arguments) -> usize {
    arguments.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1)
}

/// Runs a file of cases; whether all pass.
fn run_oracle(arguments: &Arguments, path: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = oracle::read(&text).with_context(|| format!("cannot use {}", path.display()))?;
    let options = oracle::Options {
        scale: arguments.scale,
        seed: arguments.seed,
        case: arguments.case.clone(),
        jobs: jobs(arguments),
    };
    let clock = Clock::start(Time(0));
    let seconds = || clock.nanos() as f64 / 1e9;
    let mut printed = true;
    let pass = oracle::run(&file, &options, &seconds, |outcome| {
        let line = serde_json::to_string(outcome).unwrap_or_default();
        printed &= print(&format!("{line}\n")) == ExitCode::SUCCESS;
    })?;
    Ok(pass && printed)
}

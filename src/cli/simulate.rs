//! `usher simulate`: the engine in virtual time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::{bar, done, print, refuse, warn};
use crate::config::{self, Config, Faults};
use crate::engine::time::Time;
use crate::shard::Clock;
use crate::sim::books::Played;
use crate::sim::compare::{Comparison, Side};
use crate::sim::oracle;
use crate::sim::play::{Options, Work, play};
use crate::sim::report::Report;
use crate::sim::scenario::{Scenario, compile};

/// Arguments of `usher simulate`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file: the rules.
    #[arg(long, value_name = "FILE", required_unless_present = "oracle", requires = "scenario")]
    config: Option<PathBuf>,
    /// Scenario file: who comes, who works when, what people do.
    #[arg(long, value_name = "FILE", required_unless_present = "oracle", requires = "config")]
    scenario: Option<PathBuf>,
    /// A second configuration: the difference of each figure before the same customers, with its interval.
    #[arg(long, value_name = "FILE", requires = "scenario")]
    compare: Option<PathBuf>,
    /// Seed of all chance: the same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Independent runs. Default: the scenario's `runs`.
    #[arg(long, value_name = "R", requires = "scenario", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: Option<u32>,
    /// Check every invariant of the engine after each Nth command and at the end.
    #[arg(long, value_name = "N", requires = "scenario", value_parser = clap::value_parser!(u64).range(1..))]
    audit: Option<u64>,
    /// A file the scenario names, to be read from elsewhere; may be given several times.
    #[arg(long, value_name = "NAME=FILE", requires = "scenario", value_parser = named)]
    data: Vec<(String, PathBuf)>,
    /// Write the report there as one page of HTML.
    #[arg(long, value_name = "FILE", requires = "scenario", conflicts_with = "compare")]
    html: Option<PathBuf>,
    /// File of cases with known results, in the format of tests/oracles/README.md: one JSON line per case is printed,
    /// and the exit code is 1 if one fails.
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    oracle: Option<PathBuf>,
    /// Only the case with this id.
    #[arg(long, value_name = "ID", requires = "oracle")]
    case: Option<String>,
    /// Length of the runs, in times of each case's `measured_contacts`.
    #[arg(long, value_name = "K", requires = "oracle", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Threads to use. Default: one per core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print one JSON object; the cases of --oracle are always printed as JSON.
    #[arg(long)]
    json: bool,
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if scale.is_finite() && scale > 0.0 { Ok(scale) } else { Err("must be above 0".into()) }
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=FILE"))?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

/// Runs what was asked for.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let result = match (&arguments.oracle, &arguments.config, &arguments.scenario) {
        (Some(oracle), ..) => run_oracle(arguments, oracle),
        (None, Some(config), Some(scenario)) => run_scenario(arguments, config, scenario),
        _ => Err(anyhow::anyhow!("give --config and --scenario, or --oracle")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => match error.downcast::<Faults>() {
            Ok(faults) => refuse(&faults),
            Err(error) => done(Err(error)),
        },
    }
}

fn jobs(arguments: &Arguments) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    arguments.jobs.map_or_else(cores, usize::from)
}

/// Runs a file of cases; whether all pass.
fn run_oracle(arguments: &Arguments, path: &Path) -> Result<bool> {
    let text = config::text_of(path)?;
    let file = oracle::read(&text).with_context(|| format!("cannot use {}", path.display()))?;
    let options = oracle::Options {
        scale: arguments.scale,
        seed: arguments.seed,
        case: arguments.case.clone(),
        jobs: jobs(arguments),
    };
    let clock = Clock::start(Time(0));
    let seconds = || clock.nanos() as f64 / 1e9;
    let bar = bar(file.cases.len() as u64, "cases");
    let mut printed = true;
    let pass = oracle::run(&file, &options, &seconds, |outcome| {
        let line = serde_json::to_string(outcome).unwrap_or_default();
        bar.suspend(|| printed &= print(&format!("{line}\n")) == ExitCode::SUCCESS);
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    Ok(pass && printed)
}

/// Runs a scenario under one configuration, or two.
fn run_scenario(arguments: &Arguments, config: &Path, scenario: &Path) -> Result<bool> {
    let text = config::text_of(scenario)?;
    let compiled = |path: &Path| -> Result<Scenario> {
        let config: Config = config::load(path)?;
        warn(&config.warnings);
        let near = scenario.parent().unwrap_or(Path::new("."));
        let read = |name: &str| -> Result<String, String> {
            let given = arguments.data.iter().find(|(given, _)| given == name).map(|(_, file)| file.clone());
            std::fs::read_to_string(given.unwrap_or_else(|| near.join(name))).map_err(|error| error.to_string())
        };
        Ok(compile(&text, &scenario.display().to_string(), &config, &read)?)
    };
    let first = compiled(config)?;
    let second = arguments.compare.as_deref().map(compiled).transpose()?;
    let options = Options {
        seed: arguments.seed,
        runs: arguments.runs.unwrap_or(first.runs),
        jobs: jobs(arguments),
        audit: arguments.audit,
    };
    let bar = bar(u64::from(options.runs) * if second.is_some() { 2 } else { 1 }, "runs");
    let played = |scenario: &Scenario| -> Result<(Vec<Played>, Work)> { play(scenario, &options, |_| bar.inc(1)) };
    let (runs, work) = played(&first)?;
    let other = second.as_ref().map(played).transpose()?;
    bar.finish_and_clear();
    if let (Some(second), Some((others, _)), Some(path)) = (&second, &other, &arguments.compare) {
        let side = |path: &Path, scenario, runs| Side { name: path.display().to_string(), scenario, runs };
        let comparison = Comparison::new(options.seed, &side(config, &first, &runs), &side(path, second, others));
        return Ok(told(arguments.json, || comparison.json(), || comparison.text()));
    }
    let report = Report::new(&first, options.seed, &runs, work);
    if let Some(path) = &arguments.html {
        std::fs::write(path, report.html()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(told(arguments.json, || report.json(), || report.text()))
}

fn told(as_json: bool, json: impl Fn() -> String, text: impl Fn() -> String) -> bool {
    print(&if as_json { json() + "\n" } else { text() }) == ExitCode::SUCCESS
}

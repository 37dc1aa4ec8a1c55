//! Load tests of an usher server through its gRPC API.
//!
//! `throughput` measures how much the server does; `run` lets a contact center of a scenario live on it and keeps its
//! books. In reading order: `scenario` (what is planned), `drive` (what happens), `books` (what the server said, and
//! whether that can be), `outcome` (what it came to).
//!
//! Exit codes: 0 passed, 1 an invariant is broken or the test could not run, 98 the arguments are wrong or the run is
//! invalid, 99 a threshold was missed.

mod books;
mod capacity;
mod compare;
mod drive;
mod ledger;
mod machine;
mod measure;
mod outbox;
mod outcome;
mod progress;
mod report;
mod run;
mod scenario;
mod scene;
mod server;
mod streams;
mod throughput;
mod unary;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The test could not run.
const COULD_NOT_RUN: u8 = 98;

/// Load tests of an usher server.
#[derive(Debug, Parser)]
#[command(name = "usher-loadtest", version, disable_help_subcommand = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure no-op, matching and lifecycle throughput in one run, in alternating slices.
    Throughput(Options),
    /// Let the contact center of a scenario live on a server, keep its books and judge it.
    Run(run::Options),
    /// Step the rate of a scenario up to the server's knee.
    Capacity(capacity::Options),
    /// Hold the result.json of one run against another's.
    Compare(compare::Options),
    /// Print the configuration a server must run with for `throughput --addr`, or for `run SCENARIO --addr`.
    Config(ConfigOptions),
}

/// Whose configuration is printed.
#[derive(Debug, Args)]
struct ConfigOptions {
    /// The scenario; without it the configuration is that of `throughput`.
    scenario: Option<PathBuf>,
    /// How many times faster than life the scenario runs.
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
    #[command(flatten)]
    size: Size,
}

/// How much there is of everything.
#[derive(Clone, Debug, Args)]
pub struct Size {
    /// Agents that work by unary calls, and as many that work in sessions.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub agents: u32,
    /// Gateway sessions.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub gateways: u32,
    /// Contacts one gateway session has under way at once.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub window: u32,
}

/// What to measure, and on which server.
#[derive(Debug, Args)]
pub struct Options {
    /// The usher binary to start; without it and `--addr`, the one beside this program.
    #[arg(long, value_name = "FILE", conflicts_with = "addr")]
    pub server: Option<PathBuf>,
    /// A running server, with the configuration that `config` prints.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// Seconds each class is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Milliseconds of one slice; the classes take turns.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(20..=10_000))]
    pub slice: u64,
    /// Callers of unary methods.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub callers: u32,
    /// Connections the callers share, and as many for the agents' sessions.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub connections: u32,
    /// Commands in one frame of a session at most.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub frame: u32,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its fields are the options")]
    pub size: Size,
    /// Fail with 99 when matching reaches less than this share of no-op calls.
    #[arg(long, value_name = "RATIO")]
    pub min_matching_ratio: Option<f64>,
    /// Fail with 99 when sessions reach less than this many times the lifecycles of unary calls.
    #[arg(long, value_name = "RATIO")]
    pub min_stream_ratio: Option<f64>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.exit_code() == 0 { 0 } else { COULD_NOT_RUN });
        }
    };
    let ended = match cli.command {
        Command::Throughput(options) => throughput::run(&options),
        Command::Run(options) => return ended(run::run(&options)),
        Command::Capacity(options) => return ended(capacity::capacity(&options)),
        Command::Compare(options) => return ended(compare::compare(&options)),
        Command::Config(options) => return ended(config(&options)),
    };
    match ended {
        Ok(verdict) => ExitCode::from(verdict.code()),
        Err(error) => {
            eprintln!("usher-loadtest: {error:#}");
            let stuck = error.downcast_ref::<streams::Stuck>().is_some();
            ExitCode::from(if stuck { report::Verdict::Broken.code() } else { COULD_NOT_RUN })
        }
    }
}

/// The exit code of something that says its own.
fn ended(ended: anyhow::Result<u8>) -> ExitCode {
    ExitCode::from(ended.unwrap_or_else(|error| {
        eprintln!("usher-loadtest: {error:#}");
        outcome::Verdict::Broken.code()
    }))
}

fn config(options: &ConfigOptions) -> anyhow::Result<u8> {
    let text = match &options.scenario {
        None => scene::config(&options.size),
        Some(path) => {
            let mut scenario = scenario::load(path)?;
            scenario.run.speed = options.speed.unwrap_or(scenario.run.speed);
            scenario::center::Center::new(&scenario, None)?.config
        }
    };
    print!("{text}");
    Ok(0)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}

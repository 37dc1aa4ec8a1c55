//! Runs a scenario: plans it, starts the server, drives it, closes the books, and writes down what it came to.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use tokio::task::LocalSet;

use crate::books::audit;
use crate::drive::{Driven, Plan, drive};
use crate::machine::cpu_time;
use crate::outcome::{Frame, Outcome, print};
use crate::scenario::center::Center;
use crate::scenario::schedule::{Asked, Schedule};
use crate::scenario::{self, ClockTime, Journal, Mode, Scenario};
use crate::server::{Server, binary};

/// What to run, and on which server.
#[derive(Clone, Debug, Args)]
// `capacity` has these among its own, which would be a group of the same name.
#[group(id = "run_options")]
pub struct Options {
    /// The scenario file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// The usher binary to start; without it and `--addr`, the one beside this program.
    #[arg(long, value_name = "FILE", conflicts_with = "addr")]
    pub server: Option<PathBuf>,
    /// A running server, with the configuration that `config SCENARIO` prints.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// A server's configuration to be used instead of the scenario's own.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The file of arrivals of a scenario that takes them from one: `interval_start,count`.
    #[arg(long, value_name = "FILE")]
    pub arrivals: Option<PathBuf>,
    /// How many times faster than life.
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<f64>,
    /// What chance begins with.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How gateways and agents talk to the server.
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// What the server's journal is.
    #[arg(long, value_enum)]
    pub journal: Option<Journal>,
    /// What rates and counts of arrivals are multiplied with.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub scale: f64,
    /// Begins at this time of the scenario's day, "HH:MM".
    #[arg(long, value_name = "TIME")]
    pub from: Option<ClockTime>,
    /// Ends at this time of the scenario's day, "HH:MM".
    #[arg(long, value_name = "TIME")]
    pub to: Option<ClockTime>,
    /// Writes result.json, report.html and latency.hlog into this directory.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// Reads the scenario, with what the command line changes in it.
    ///
    /// # Errors
    /// When it cannot be read, is at fault, or what is changed makes no sense.
    pub fn scenario(&self) -> anyhow::Result<(Scenario, String)> {
        let mut scenario = scenario::load(&self.scenario)?;
        let run = &mut scenario.run;
        run.speed = self.speed.unwrap_or(run.speed);
        run.seed = self.seed.unwrap_or(run.seed);
        run.mode = self.mode.unwrap_or(run.mode);
        run.journal = self.journal.or(run.journal);
        anyhow::ensure!(run.speed > 0.0 && run.speed <= 1_000.0, "--speed must be above 0 and at most 1000");
        anyhow::ensure!(self.scale > 0.0 && self.scale.is_finite(), "--scale must be above 0");
        let text = std::fs::read(&self.scenario).context("failed to read the scenario again")?;
        Ok((scenario, digest(&text)))
    }

    /// Plans a run.
    ///
    /// # Errors
    /// As [`Center::new`] and [`Schedule::new`].
    pub fn plan(&self, scenario: Scenario) -> anyhow::Result<Plan> {
        let center = Center::new(&scenario, self.config.as_deref())?;
        let arrivals = self.arrivals.as_deref();
        let asked = Asked { from: self.from, to: self.to, arrivals, scale: self.scale };
        let schedule = Schedule::new(&scenario, &center, &asked)?;
        Ok(Plan { scenario, center, schedule })
    }
}

/// FNV-1a over the scenario's text: enough to see that two files differ.
fn digest(text: &[u8]) -> String {
    let hash = text
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Runs a scenario and prints what it came to; says the exit code.
///
/// # Errors
/// When it could not run to its end.
pub fn run(options: &Options) -> anyhow::Result<u8> {
    let (scenario, scenario_digest) = options.scenario()?;
    if scenario.arrivals.iter().any(|arrivals| arrivals.needs_file()) {
        let there = options.arrivals.as_deref().is_some_and(Path::exists);
        if !there {
            println!(
                "skipped: {} takes its arrivals from a file, and --arrivals names none that is there",
                scenario.name
            );
            return Ok(0);
        }
    }
    let plan = options.plan(scenario)?;
    let (outcome, driven) = measure(plan, options, scenario_digest)?;
    if let Some(dir) = &options.out {
        outcome.write(dir, &driven.meters)?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        print(&outcome);
    }
    Ok(outcome.exit_code)
}

/// Drives a plan against its server and closes the books.
///
/// # Errors
/// When it could not run to its end.
pub fn measure(plan: Plan, options: &Options, scenario_digest: String) -> anyhow::Result<(Outcome, Driven)> {
    let mut server = match &options.addr {
        Some(addr) => Server::at(addr),
        None => Server::start_with(&binary(options.server.as_deref())?, &plan.center.config)?,
    };
    // One thread: on few cores a second one would take from the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let run = since.subsec_nanos() ^ since.as_secs() as u32;
    let driven = LocalSet::new().block_on(&runtime, drive(plan, &server.addr, server.pid(), run));
    // Connections go first: a server that drains waits for them.
    drop(runtime);
    let (plan, mut driven) = driven.map_err(|error| match server.ended() {
        Some(status) => error.context(format!("the server ended with {status}")),
        None => error,
    })?;
    let frame = Frame {
        server: server.version.clone(),
        scenario_digest,
        server_cpu: server.pid().and_then(|pid| cpu_time(Some(pid))),
    };
    server.stop()?;
    let balance = audit::balance(driven.evidence(&plan.center));
    Ok((Outcome::new(&plan, &driven, balance, frame), driven))
}

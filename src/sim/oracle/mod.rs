//! Results known from elsewhere (closed forms, solved Markov chains, others' simulators) that the engine must
//! reproduce: each case's system is expressed in usher's own configuration, run in virtual time and judged as
//! `tests/oracles/README.md` says.

mod ewt;
pub mod express;
pub mod file;
mod judge;
mod ledger;
pub mod published;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::parallel::in_order;
use super::random::{Cause, Stream};
use super::scene::{Run, key_of};
use ewt::{Estimates, Known};
use express::END;
use file::{Case, File, System};
use judge::judged;
use ledger::{Ledger, Names};

pub use judge::Measure;

/// The format of files that is read.
const FORMAT: u32 = 1;

/// How cases are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Run length, in times of the case's `measured_contacts`.
    pub scale: f64,
    /// The seed.
    pub seed: u64,
    /// Only the case with this id.
    pub case: Option<String>,
    /// Cases run at once.
    pub jobs: usize,
}

/// What came of one case.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The case's id.
    pub id: String,
    /// Whether every metric is within what is accepted.
    pub pass: bool,
    /// What was measured, by metric.
    pub measures: BTreeMap<String, Measure>,
    /// Contacts measured, repeated runs included.
    pub contacts: u64,
    /// Seconds it took.
    pub wall_s: f64,
    /// Why it could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Reads a file of cases.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str) -> Result<File> {
    let file: File = serde_json::from_str(text)?;
    if file.format != FORMAT {
        bail!("it has format {}, and {FORMAT} is what can be read", file.format);
    }
    Ok(file)
}

/// Runs the cases of a file, several at once, and gives each outcome to `each` in the file's order. `seconds` reads a
/// clock, for `wall_s` alone.
///
/// # Errors
/// No case has the id asked for.
pub fn run(
    file: &File,
    options: &Options,
    seconds: &(dyn Fn() -> f64 + Sync),
    mut each: impl FnMut(&Outcome),
) -> Result<bool> {
    let wanted = |case: &&Case| options.case.as_ref().is_none_or(|id| case.id == *id);
    let cases: Vec<&Case> = file.cases.iter().filter(wanted).collect();
    if let (Some(id), true) = (&options.case, cases.is_empty()) {
        let near = crate::config::nearest(id, file.cases.iter().map(|case| case.id.as_str()));
        bail!("there is no case `{id}`{}", near.map_or(String::new(), |near| format!("; did you mean `{near}`?")));
    }
    // The longest first, lest one be left alone at the end.
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(cases[*at].run.measured_contacts));
    let mut pass = true;
    let work = |at: usize| {
        let begun = seconds();
        let mut outcome = run_case(cases[at], options);
        outcome.wall_s = seconds() - begun;
        outcome
    };
    in_order(options.jobs, &order, work, |_, outcome| {
        pass &= outcome.pass;
        each(&outcome);
    });
    Ok(pass)
}

/// Runs one case, and once more at ten times its length where a metric missed.
fn run_case(case: &Case, options: &Options) -> Outcome {
    let seed = |attempt: u64| Stream::new(options.seed, Cause::Run, key_of(&case.id), attempt).bits();
    let mut outcome =
        Outcome { id: case.id.clone(), pass: false, measures: BTreeMap::new(), contacts: 0, wall_s: 0.0, error: None };
    let attempt = |attempt: u64, scale: f64| match play(case, scale, seed(attempt), attempt > 0) {
        Ok((contacts, measured)) => Ok((contacts, judged(case, contacts, &*measured))),
        Err(error) => Err(format!("{error:#}")),
    };
    let result = attempt(0, options.scale).and_then(|(contacts, measures)| {
        (outcome.contacts, outcome.measures) = (contacts, measures);
        if outcome.measures.values().all(|measure| measure.pass) {
            return Ok(());
        }
        let (contacts, again) = attempt(1, options.scale * 10.0)?;
        outcome.contacts += contacts;
        for (metric, measure) in outcome.measures.iter_mut().filter(|(_, measure)| !measure.pass) {
            if let Some(second) = again.get(metric) {
                *measure = second.clone();
            }
        }
        Ok(())
    });
    outcome.error = result.err();
    outcome.pass = outcome.error.is_none() && outcome.measures.values().all(|measure| measure.pass);
    outcome
}

/// What a run tells of a metric.
type Measured = Box<dyn Fn(&str) -> Option<f64>>;

/// Plays a case; contacts measured, and what was.
fn play(case: &Case, scale: f64, seed: u64, again: bool) -> Result<(u64, Measured)> {
    if case.system.get("classes").is_none() {
        let days = case.run.independent_days * if again { 10 } else { 1 };
        let week = published::play(&case.system, days, seed)?;
        return Ok((week.contacts(), Box::new(move |metric| week.measure(metric))));
    }
    let system = System::deserialize(&case.system).context("the system cannot be read")?;
    let scene = express::scene(&system)?;
    let contacts = ((case.run.measured_contacts as f64 * scale).round() as u64).max(1);
    let names = Names {
        classes: system.classes.iter().map(|class| class.id.clone()).collect(),
        pools: system.pools.iter().map(|pool| (pool.id.clone(), pool.agents)).collect(),
        threshold: express::threshold(&system),
    };
    let asked = |what: &str| case.expected.keys().any(|metric| metric.starts_with(what));
    let estimates = (asked("mse_") || asked("mean_offered_wait")).then(|| known(&system)).transpose()?;
    let ledger =
        Ledger::new(names, case.run.warmup_contacts, contacts, asked("wait_quantile"), estimates.map(Estimates::new));
    let run = Run { scene: &scene, seed, arrivals: express::arrivals(&system) };
    let mut host = Host::new(run, ledger)?;
    host.run_until(END)?;
    let ledger = host.watch;
    Ok((contacts, Box::new(move |metric| ledger.measure(metric))))
}

/// What the estimators of each class are told beforehand.
fn known(system: &System) -> Result<Vec<Known>> {
    let known = |class: &file::Class| {
        let (mut agents, mut work) = (0.0, 0.0);
        for pool in system.pools.iter().filter(|pool| pool.serves.contains(&class.id)) {
            let law = system.handle_time.law(&class.id, &pool.id)?;
            agents += f64::from(pool.agents);
            work += f64::from(pool.agents) * law.map_or(0.0, |law| law.mean() / 1e6);
        }
        Ok(Known {
            arrival_rate: class.arrival_rate_per_s,
            agents,
            handle: work / agents,
            patience: class.patience.as_ref().map(|p| p.law().map(|law| law.mean() / 1e6)).transpose()?,
            pools: system.pools.iter().map(|pool| pool.serves.contains(&class.id)).collect(),
        })
    };
    system.classes.iter().map(known).collect()
}

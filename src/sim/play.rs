//! Independent runs of a scenario, several at once, and what they came to.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use crate::engine::time::Span;

use super::books::{Books, Played};
use super::host::Host;
use super::parallel::in_order;
use super::random::{Cause, Stream};
use super::scenario::Scenario;

/// How long after the last day work in hand may be finished.
const OVERTIME: Span = Span::from_secs(12 * 3_600);

/// How a scenario is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Independent runs.
    pub runs: u32,
    /// Runs at once.
    pub jobs: usize,
    /// Check every invariant after each so many commands, and at the end.
    pub audit: Option<u64>,
}

/// How much work it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Commands the engine was given.
    pub commands: u64,
    /// Times every invariant was checked.
    pub audits: u64,
}

/// Runs a scenario; `done` is told of each run that is over, in order.
///
/// # Errors
/// A command the engine refuses, or an invariant that does not hold.
pub fn play(scenario: &Scenario, options: &Options, mut done: impl FnMut(u32)) -> Result<(Vec<Played>, Work)> {
    let order: Vec<usize> = (0..options.runs as usize).collect();
    let (commands, audits) = (AtomicU64::new(0), AtomicU64::new(0));
    let run = |run: usize| -> Result<Played> {
        let seed = Stream::new(options.seed, Cause::Run, 0, run as u64).bits();
        let mut host = Host::new(scenario.run(seed), Books::new(scenario))?;
        if let Some(every) = options.audit {
            host.audit_every(every);
        }
        host.run_until(scenario.scene.end + OVERTIME)?;
        if options.audit.is_some() {
            host.audit()?;
        }
        commands.fetch_add(host.commands(), Ordering::Relaxed);
        audits.fetch_add(host.audits(), Ordering::Relaxed);
        let now = host.now();
        Ok(host.watch.close(now))
    };
    let mut played = Vec::with_capacity(order.len());
    let mut failed = None;
    in_order(options.jobs, &order, run, |at, result| {
        match result {
            Ok(run) => played.push(run),
            Err(error) => failed = failed.take().or(Some(error.context(format!("run {}", at + 1)))),
        }
        done(at as u32 + 1);
    });
    match failed {
        Some(error) => Err(error),
        None => Ok((played, Work { commands: commands.into_inner(), audits: audits.into_inner() })),
    }
}

//! What a run came to, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Options;
use crate::ledger::Balance;
use crate::machine::Machine;
use crate::measure::{Class, Ratio};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Passed,
    /// The server answered what cannot be.
    Broken,
    /// It was right and too slow.
    TooSlow,
}

impl Verdict {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Broken => 1,
            Verdict::TooSlow => 99,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Broken => "the ledger is broken",
            Verdict::TooSlow => "a threshold was missed",
        }
    }
}

/// Everything a run came to.
pub struct Report<'a> {
    /// Where it ran.
    pub machine: Machine,
    /// What the server calls itself.
    pub version: String,
    /// How long the whole run took.
    pub elapsed: Duration,
    /// Matching against no-op.
    pub matching: Ratio,
    /// Sessions against unary calls.
    pub streams: Ratio,
    /// The figures of each class.
    pub classes: &'a [Class; 4],
    /// Items heard in one frame of a session, on average.
    pub items_per_frame: f64,
    /// The books.
    pub balance: Balance,
}

impl Report<'_> {
    /// A wrong answer fails first; then thresholds count.
    pub fn verdict(&self, options: &Options) -> Verdict {
        let below = |least: Option<f64>, ratio: &Ratio| least.is_some_and(|least| ratio.median < least);
        if self.balance.fault_count > 0 {
            Verdict::Broken
        } else if below(options.min_matching_ratio, &self.matching) || below(options.min_stream_ratio, &self.streams) {
            Verdict::TooSlow
        } else {
            Verdict::Passed
        }
    }
}

/// Prints a report for people.
pub fn print(report: &Report<'_>, options: &Options, verdict: Verdict) {
    let Machine { cores, cpu } = &report.machine;
    println!("{}; {cores} cores, {cpu}", report.version);
    println!(
        "{} callers on {} connections, {} gateways x {} contacts under way, {} agents, frames of at most {}; \
         {} s a class in slices of {} ms, {:.1} s in all",
        options.callers,
        options.connections,
        options.size.gateways,
        options.size.window,
        options.size.agents,
        options.frame,
        options.seconds,
        options.slice,
        report.elapsed.as_secs_f64()
    );
    println!();
    println!(
        "{:<20}{:>11}{:>10}{:>10}{:>10}{:>10}{:>9}{:>8}{:>11}{:>11}",
        "class", "operations", "per s", "p50 us", "p99 us", "p99.9 us", "refused", "failed", "server us", "client us"
    );
    for class in report.classes {
        println!(
            "{:<20}{:>11}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>9}{:>8}{:>11}{:>11}",
            class.name,
            class.tally.done,
            class.rate(),
            class.latency(0.5),
            class.latency(0.99),
            class.latency(0.999),
            class.tally.refused,
            class.tally.failed,
            micros(class.micros_each(class.server_cpu)),
            micros(class.micros_each(class.client_cpu)),
        );
        if let Some(first) = &class.tally.first {
            println!("  first refusal or failure: {first}");
        }
    }
    println!();
    print_ratio("matching / no-op", &report.matching, options.min_matching_ratio);
    print_ratio("sessions / unary", &report.streams, options.min_stream_ratio);
    println!("items in a session frame: {:.1}", report.items_per_frame);
    print_balance(&report.balance);
    println!("{}", verdict.word());
}

fn micros(micros: Option<f64>) -> String {
    micros.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.2}"))
}

fn print_ratio(name: &str, ratio: &Ratio, least: Option<f64>) {
    let cpu = ratio.by_server_cpu.map(|ratio| format!(", by server CPU {ratio:.2}")).unwrap_or_default();
    let goal = least.map(|least| format!("; wanted {least}")).unwrap_or_default();
    println!(
        "{name}: {:.2} (median of rounds; {:.2} to {:.2}, overall {:.2}{cpu}){goal}",
        ratio.median, ratio.min, ratio.max, ratio.overall
    );
}

fn print_balance(balance: &Balance) {
    println!(
        "ledger: {} contacts created, {} completed; most at once with one agent: {} of {} (unary), {} of {} (sessions)",
        balance.created,
        balance.completed,
        balance.peak_unary.0,
        balance.peak_unary.1,
        balance.peak_streams.0,
        balance.peak_streams.1
    );
    for fault in &balance.faults {
        println!("  wrong: {fault}");
    }
    let shown = balance.faults.len() as u64;
    if balance.fault_count > shown {
        println!("  and {} more", balance.fault_count - shown);
    }
}

/// Prints a report as one JSON object.
pub fn print_json(report: &Report<'_>, options: &Options, verdict: Verdict) {
    let text = json!({
        "verdict": verdict.word(),
        "exit_code": verdict.code(),
        "server": report.version,
        "machine": report.machine,
        "elapsed_s": report.elapsed.as_secs_f64(),
        "seconds": options.seconds,
        "slice_ms": options.slice,
        "callers": options.callers,
        "connections": options.connections,
        "agents": options.size.agents,
        "gateways": options.size.gateways,
        "window": options.size.window,
        "frame": options.frame,
        "classes": report.classes.iter().map(class).collect::<Vec<_>>(),
        "matching_ratio": report.matching,
        "stream_ratio": report.streams,
        "min_matching_ratio": options.min_matching_ratio,
        "min_stream_ratio": options.min_stream_ratio,
        "items_per_frame": report.items_per_frame,
        "ledger": report.balance,
    });
    println!("{text}");
}

fn class(class: &Class) -> Value {
    json!({
        "name": class.name,
        "operations": class.tally.done,
        "refused": class.tally.refused,
        "failed": class.tally.failed,
        "first_refusal": class.tally.first,
        "elapsed_s": class.elapsed().as_secs_f64(),
        "per_second": class.rate(),
        "p50_us": class.latency(0.5),
        "p99_us": class.latency(0.99),
        "p999_us": class.latency(0.999),
        "server_cpu_us": class.micros_each(class.server_cpu),
        "client_cpu_us": class.micros_each(class.client_cpu),
        "slices_per_second": class.slices.iter().map(|slice| slice.rate).collect::<Vec<_>>(),
    })
}

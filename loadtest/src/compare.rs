//! Holds one result against another: relative differences, and which of them are for the worse.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use crate::outcome::{Outcome, Verdict};

/// Two results.
#[derive(Debug, Args)]
pub struct Options {
    /// The result.json that is held against.
    before: PathBuf,
    /// The result.json that is judged.
    after: PathBuf,
    /// How much worse a judged figure may be, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    tolerance: f64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A figure of both.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    before: f64,
    after: f64,
    /// After over before, less 1, in percent; none when before is 0.
    change_percent: Option<f64>,
    /// Whether the change is for the worse by more than the tolerance; none when it is not judged.
    pass: Option<bool>,
}

/// Which way is better.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Less,
    More,
    /// It is shown and not judged.
    Neither,
}

/// Compares and prints; says the exit code: 0, or 99 when something is worse.
///
/// # Errors
/// When a file cannot be read.
pub fn compare(options: &Options) -> anyhow::Result<u8> {
    ensure!(options.tolerance >= 0.0, "--tolerance must not be below 0");
    let (before, after) = (read(&options.before)?, read(&options.after)?);
    let rows = rows(&before, &after, options.tolerance);
    let differences = differences(&before, &after);
    let worse = rows.iter().any(|row| row.pass == Some(false)) || after.exit_code != 0;
    let code = if worse { Verdict::Missed.code() } else { 0 };
    if options.json {
        let judged = serde_json::json!({
            "pass": !worse, "exit_code": code, "tolerance_percent": options.tolerance, "rows": rows,
            "not_comparable": differences, "verdicts": [before.verdict, after.verdict],
        });
        println!("{judged}");
        return Ok(code);
    }
    println!("{:<26}{:>14}{:>14}{:>10}", "figure", "before", "after", "change");
    for row in &rows {
        let change = row.change_percent.map_or_else(|| "-".to_owned(), |change| format!("{change:+.1} %"));
        let word = row.pass.map_or("", |pass| if pass { "" } else { "  WORSE" });
        println!("{:<26}{:>14.3}{:>14.3}{change:>10}{word}", row.name, row.before, row.after);
    }
    for difference in &differences {
        println!("not the same: {difference}");
    }
    if after.exit_code != 0 {
        println!("the second run: {}", after.verdict.what());
    }
    println!("{}", if worse { "worse" } else { "not worse" });
    Ok(code)
}

fn read(path: &Path) -> anyhow::Result<Outcome> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no result of `usher-loadtest run`", path.display()))
}

fn rows(before: &Outcome, after: &Outcome, tolerance: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: String, better: Better, before: f64, after: f64| {
        let change_percent = (before != 0.0).then(|| (after / before - 1.0) * 100.0);
        let worse_by = match better {
            Better::Less => change_percent,
            Better::More => change_percent.map(|change| -change),
            Better::Neither => None,
        };
        let pass = worse_by.map(|worse| worse <= tolerance);
        rows.push(Row { name, before, after, change_percent, pass });
    };
    for (name, one) in &before.latencies {
        let Some(other) = after.latencies.get(name).filter(|other| one.count > 0 && other.count > 0) else { continue };
        // The last thousandth is of few, and what the first word says is what the load test promises to know.
        let judged = if matches!(name.as_str(), "offer" | "create") { Better::Less } else { Better::Neither };
        add(format!("{name} p50, us"), judged, one.p50_us, other.p50_us);
        add(format!("{name} p99, us"), judged, one.p99_us, other.p99_us);
        add(format!("{name} p99.9, us"), Better::Neither, one.p999_us, other.p999_us);
    }
    add("closed per second".to_owned(), Better::More, before.closed_per_s, after.closed_per_s);
    if let Some((one, other)) = before.server_cpu_us.zip(after.server_cpu_us) {
        add("server CPU, us a contact".to_owned(), Better::Less, one, other);
    }
    let (one, other) = (&before.balance.total, &after.balance.total);
    add("service level".to_owned(), Better::More, one.service_level(), other.service_level());
    add("abandonment".to_owned(), Better::Neither, one.abandonment(), other.abandonment());
    add("late sends".to_owned(), Better::Neither, before.sends.late_share, after.sends.late_share);
    rows
}

/// What makes two results hard to compare.
fn differences(before: &Outcome, after: &Outcome) -> Vec<String> {
    let pairs = [
        ("scenario", before.scenario_digest.clone(), after.scenario_digest.clone()),
        ("seed", before.seed.to_string(), after.seed.to_string()),
        ("speed", before.speed.to_string(), after.speed.to_string()),
        ("mode", format!("{:?}", before.mode), format!("{:?}", after.mode)),
        ("journal", before.journal_name().to_owned(), after.journal_name().to_owned()),
        ("contacts", before.contacts.to_string(), after.contacts.to_string()),
        ("machine", before.machine.cpu.clone(), after.machine.cpu.clone()),
        ("cores", before.machine.cores.to_string(), after.machine.cores.to_string()),
    ];
    let differ = pairs.into_iter().filter(|(_, one, other)| one != other);
    differ.map(|(what, one, other)| format!("{what}: {one}, {other}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Percentiles;

    fn outcome(p99_us: f64, closed_per_s: f64) -> Outcome {
        let offer = Percentiles { count: 1_000, p50_us: 100.0, p99_us, p999_us: p99_us, ..Percentiles::default() };
        Outcome { latencies: [("offer".to_owned(), offer)].into(), closed_per_s, ..Outcome::default() }
    }

    #[test]
    fn what_is_worse_is_found_and_what_is_better_is_not() {
        let judged = |before: &Outcome, after: &Outcome| -> Vec<String> {
            let rows = rows(before, after, 10.0).into_iter();
            rows.filter(|row| row.pass == Some(false)).map(|row| row.name).collect()
        };
        let base = outcome(1_000.0, 500.0);
        assert!(judged(&base, &base).is_empty());
        assert!(judged(&base, &outcome(1_090.0, 460.0)).is_empty(), "within the tolerance");
        assert!(judged(&base, &outcome(500.0, 900.0)).is_empty(), "better");
        assert_eq!(judged(&base, &outcome(1_200.0, 500.0)), ["offer p99, us"]);
        assert_eq!(judged(&base, &outcome(1_000.0, 400.0)), ["closed per second"]);
        assert!(differences(&base, &base).is_empty());
        assert_eq!(differences(&base, &Outcome { seed: 7, ..outcome(1.0, 1.0) }), ["seed: 0, 7"]);
    }
}

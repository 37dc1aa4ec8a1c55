//! `usher journal`: what can be done to a journal while no server has it.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{counted, done, print};
use crate::journal::tool::{self, Repair, Report, hex};

/// The verbs of `usher journal`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Read a journal, check every byte of it, and fold it as a start would. Exit 1, with file and offset, if it does not
    /// fit together.
    Verify {
        /// The journal's directory.
        dir: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print every event, a line each, without what identifies customers.
    Dump {
        /// The journal's directory.
        dir: PathBuf,
        /// Only this tenant.
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// Only from this sequence on.
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
        from: u64,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Say what is wrong with a journal and what a repair would take away: exit 1 if something is.
    Repair {
        /// The journal's directory.
        dir: PathBuf,
        /// Take it away: everything from the damaged place on. It stays in the directory, in files that end in ".cut".
        #[arg(long)]
        cut: bool,
    },
    /// Bring a backup back to a directory that has no journal.
    Restore {
        /// The backup: a copy of a journal's directory.
        backup: PathBuf,
        /// The new journal's directory.
        dir: PathBuf,
    },
}

pub(super) fn run(verb: &Verb) -> ExitCode {
    match verb {
        Verb::Verify { dir, json } => match tool::verify(dir) {
            Ok(report) if *json => print(&format!("{}\n", report_json(dir, &report))),
            Ok(report) => print(&report_text(dir, &report)),
            Err(error) if *json => {
                let _ = print(&format!("{}\n", json!({ "ok": false, "error": error.to_string() })));
                ExitCode::FAILURE
            }
            Err(error) => done(Err(error.into())),
        },
        Verb::Dump { dir, tenant, from, json } => done(dump(dir, tenant.as_deref(), *from, *json)),
        Verb::Repair { dir, cut } => repair(dir, *cut),
        Verb::Restore { backup, dir } => match tool::restore(backup, dir) {
            Ok(report) => print(&report_text(dir, &report)),
            Err(error) => done(Err(error.into())),
        },
    }
}

fn report_text(dir: &Path, report: &Report) -> String {
    let found = &report.found;
    let mut out = format!(
        "{}: good\n  journal {}, term {}, {}, {}\n",
        dir.display(),
        hex(&found.cell),
        found.epoch,
        counted(found.segments.len(), "segment"),
        counted(usize::try_from(found.frames).unwrap_or(usize::MAX), "commit"),
    );
    if found.torn > 0 {
        out.push_str(&format!(
            "  {} torn off at the end, which nobody was told of\n",
            counted(found.torn as usize, "byte")
        ));
    }
    if let Some(last) = report.snapshots.last() {
        let count = counted(report.snapshots.len(), "snapshot");
        out.push_str(&format!("  {count}, the last before segment {}\n", last.number));
    }
    for tenant in &report.tenants {
        out.push_str(&format!(
            "  tenant {}: {}, {} ({} not ended), {}\n",
            tenant.tenant,
            counted(tenant.events as usize, "event"),
            counted(tenant.contacts as usize, "contact"),
            tenant.live,
            counted(tenant.agents as usize, "agent"),
        ));
    }
    out
}

fn report_json(dir: &Path, report: &Report) -> serde_json::Value {
    let found = &report.found;
    let tenant = |tenant: &tool::TenantReport| {
        json!({
            "id": tenant.tenant,
            "events": tenant.events,
            "sequence": tenant.sequence,
            "time_us": tenant.time.0,
            "contacts": tenant.contacts,
            "live": tenant.live,
            "agents": tenant.agents,
        })
    };
    json!({
        "ok": true,
        "dir": dir.display().to_string(),
        "journal": hex(&found.cell),
        "term": found.epoch,
        "segments": found.segments.len(),
        "snapshots": report.snapshots.iter().map(|head| head.number).collect::<Vec<_>>(),
        "commits": found.frames,
        "batches": found.position,
        "torn_bytes": found.torn,
        "chain": hex(&found.chain),
        "tenants": report.tenants.iter().map(tenant).collect::<Vec<_>>(),
    })
}

fn dump(dir: &Path, tenant: Option<&str>, from: u64, json: bool) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    tool::dump(dir, &mut |of, recorded| {
        if recorded.sequence < from || tenant.is_some_and(|tenant| tenant != of) {
            return Ok(());
        }
        let (sequence, time) = (recorded.sequence, recorded.time.0);
        let text = format!("{:?}", recorded.event);
        let line = match json {
            true => {
                let name = text.split([' ', '{']).next().unwrap_or_default();
                json!({ "tenant": of, "sequence": sequence, "time_us": time, "event": name, "text": text }).to_string()
            }
            false => format!("{of} {sequence} {}.{:06} {text}", time / 1_000_000, time % 1_000_000),
        };
        writeln!(out, "{line}").map_err(|error| format!("cannot be printed: {error}"))
    })?;
    out.flush()?;
    Ok(())
}

fn repair(dir: &Path, cut: bool) -> ExitCode {
    match tool::repair(dir, cut) {
        Ok(Repair::Nothing { torn: 0 }) => print(&format!("{}: good, nothing to repair\n", dir.display())),
        Ok(Repair::Nothing { torn }) => {
            let torn = counted(torn as usize, "torn byte");
            print(&format!("{}: good; a start cuts {torn} at the end, which nobody was told of\n", dir.display()))
        }
        Ok(Repair::Cut { damage, aside, position }) => {
            let said = if cut { "was" } else { "would be" };
            let mut text = format!("{damage}\nwhat comes after {position} whole batches {said} taken away");
            if !aside.is_empty() {
                text.push_str(&format!(", with {}", aside.join(", ")));
            }
            text.push_str(if cut { "\n" } else { "; --cut does it\n" });
            let printed = print(&text);
            if cut { printed } else { ExitCode::FAILURE }
        }
        Err(error) => done(Err(error.into())),
    }
}

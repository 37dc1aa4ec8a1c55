//! `usher agents import`: a list of agents goes into a running server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::report::Server;
use super::{bar, counted, done, print, refuse};
use crate::config::{self, Faults};
use crate::rpc::import::{self, Taken, Target};

/// What can be done with agents.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Take agents from a CSV file into a running server: all faults are told at once, and then nothing is changed.
    ///
    /// The first line names the columns: agent_id, display_name, team, site, type, capacity, skills (french=5
    /// billing=2), skill.NAME, attribute.NAME or attribute.NAME:KIND (text, int64, bool, decimal, list). Each row is an
    /// agent, whole: what it leaves out he has not got. Agents already as they are listed are left alone, agents who are
    /// not listed stay.
    Import(Import),
}

/// What is imported.
#[derive(Args, Debug)]
pub(super) struct Import {
    /// The list, CSV with a header.
    file: PathBuf,
    /// Only check and say what would change.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Does it; exit code 1 when the list has faults or the server cannot be reached or refuses.
pub(super) fn run(verb: &Verb) -> ExitCode {
    let Verb::Import(asked) = verb;
    let taken = config::text_of(&asked.file).map_or_else(|faults| Ok(Err(faults)), |text| take(asked, &text));
    match taken {
        Err(error) => done(Err(error)),
        Ok(Err(faults)) if asked.json => {
            let Faults { file, faults, more } = &faults;
            let _ = print(&format!("{}\n", json!({ "ok": false, "file": file, "faults": faults, "more": more })));
            ExitCode::FAILURE
        }
        Ok(Err(faults)) => refuse(&faults),
        Ok(Ok(taken)) if asked.json => print(&format!("{}\n", told_json(asked, &taken))),
        Ok(Ok(taken)) => print(&told(&asked.file, asked.dry_run, &taken)),
    }
}

fn take(asked: &Import, text: &str) -> anyhow::Result<Result<Taken, Faults>> {
    let target = Target { addr: &asked.server.addr, tenant: &asked.server.tenant, dry_run: asked.dry_run };
    let bar = bar(0, "agents");
    let taken = import::agents(&target, text, &asked.file.display().to_string(), &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    taken
}

fn told(file: &Path, dry_run: bool, taken: &Taken) -> String {
    let Taken { created, changed, unchanged } = taken;
    let all = counted(created.len() + changed.len() + unchanged, "agent");
    let (new, other) = (created.len(), changed.len());
    let lead = if dry_run { "dry run, nothing changed: " } else { "" };
    format!("{}: {lead}{all}: {new} new, {other} changed, {unchanged} unchanged\n", file.display())
}

fn told_json(asked: &Import, taken: &Taken) -> serde_json::Value {
    json!({
        "ok": true,
        "file": asked.file.display().to_string(),
        "dry_run": asked.dry_run,
        "created": taken.created,
        "changed": taken.changed,
        "unchanged": taken.unchanged,
    })
}

//! `usher check-config`: whether a file is in order, and what it changes against another or against a running server.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{counted, done, print, refuse, warn};
use crate::config::diff::{self, Change, Difference};
use crate::config::{self, Config, Faults};
use crate::engine::policy::Policy;
use crate::rpc::against;

/// What a file changes of one tenant.
struct Changes {
    tenant: String,
    /// Versions before and after, where a server tells them.
    versions: Option<(u64, u64)>,
    differences: Vec<Difference>,
}

/// Checks a file; exit code 1 when it has faults, or when what it is to be compared with cannot be read.
pub(super) fn run(file: &Path, against: Option<&str>, json: bool) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(faults) if json => {
            let Faults { file, faults, more } = &faults;
            let _ = print(&format!("{}\n", json!({ "ok": false, "file": file, "faults": faults, "more": more })));
            return ExitCode::FAILURE;
        }
        Err(faults) => return refuse(&faults),
    };
    let changes = match against.map(|other| compare(file, &config, other)).transpose() {
        Ok(changes) => changes,
        Err(error) => return done(Err(error)),
    };
    if json {
        return print(&format!("{}\n", summary_json(file, &config, changes.as_deref())));
    }
    warn(&config.warnings);
    let mut out = summary(file, &config);
    if let Some((changes, other)) = changes.zip(against) {
        out.push_str(&shown(&changes, other));
    }
    print(&out)
}

/// What the file changes against another file, or against the server that listens there.
fn compare(file: &Path, config: &Config, other: &str) -> anyhow::Result<Vec<Changes>> {
    if !Path::new(other).exists() && other.contains(':') {
        let told = against::differences(other, config::text_of(file)?)?;
        let changes = |told: against::Changes| Changes {
            tenant: told.tenant,
            versions: Some(told.versions),
            differences: told.differences,
        };
        return Ok(told.into_iter().map(changes).collect());
    }
    let before = config::load(Path::new(other))?;
    let empty = Policy::default();
    let mut changes = Vec::new();
    for policy in &config.tenants {
        let old = before.tenants.iter().find(|held| held.tenant == policy.tenant).unwrap_or(&empty);
        let tenant = policy.tenant.to_string();
        changes.push(Changes { tenant, versions: None, differences: diff::policies(old, policy) });
    }
    if let Some(first) = changes.first_mut() {
        first.differences.extend(diff::settings(&before, config));
    }
    changes.retain(|change| !change.differences.is_empty());
    Ok(changes)
}

fn shown(changes: &[Changes], other: &str) -> String {
    if changes.is_empty() {
        return format!("nothing changes against {other}\n");
    }
    let mut out = format!("against {other}:\n");
    for Changes { tenant, versions, differences } in changes {
        let versions = versions.map_or(String::new(), |(before, after)| format!(", version {before} -> {after}"));
        out.push_str(&format!("  tenant {tenant}: {}{versions}\n", counted(differences.len(), "difference")));
        for Difference { path, change, before, after, restart_only } in differences {
            let told = match change {
                Change::Added => format!("+ {path} = {after}"),
                Change::Removed => format!("- {path} = {before}"),
                Change::Changed => format!("~ {path} = {before} -> {after}"),
            };
            let restart = if *restart_only { "  (takes a restart)" } else { "" };
            out.push_str(&format!("    {told}{restart}\n"));
        }
    }
    out
}

fn summary(file: &Path, config: &Config) -> String {
    let mut out = format!("{}: good\n", file.display());
    for tenant in &config.tenants {
        let line = format!(
            "  tenant {}: {}, {}, {}, {}, {}\n",
            tenant.tenant,
            counted(tenant.queues.len(), "queue"),
            counted(tenant.skills.len(), "skill"),
            counted(tenant.teams.len(), "team"),
            counted(tenant.agents.len(), "agent"),
            counted(tenant.channels.len(), "channel"),
        );
        out.push_str(&line);
    }
    out
}

fn summary_json(file: &Path, config: &Config, changes: Option<&[Changes]>) -> serde_json::Value {
    let tenant = |policy: &Policy| {
        json!({
            "id": &*policy.tenant,
            "queues": policy.queues.len(),
            "skills": policy.skills.len(),
            "teams": policy.teams.len(),
            "agents": policy.agents.len(),
            "channels": policy.channels.len(),
        })
    };
    let hash: String = config.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut told = json!({
        "ok": true,
        "file": file.display().to_string(),
        "sha256": hash,
        "tenants": config.tenants.iter().map(tenant).collect::<Vec<_>>(),
        "warnings": config.warnings.faults,
    });
    if let Some(changes) = changes {
        let change = |change: &Changes| {
            let Changes { tenant, versions, differences } = change;
            let (before, after) = versions.unzip();
            json!({
                "tenant": tenant, "version_before": before, "version_after": after, "differences": differences,
            })
        };
        told["changes"] = changes.iter().map(change).collect();
    }
    told
}

//! Configurations, their faults and their differences as `usher.v1` has them.

use usher_proto::v1;

use super::{hex, time};
use crate::config::diff::{Change, Difference};
use crate::config::fault::{Fault, Faults};
use crate::engine::policy::PolicyVersion;
use crate::reload::{Outcome, TenantChange};
use crate::rpc::names;

/// A version of a tenant's policy.
pub fn version(tenant: &str, held: &PolicyVersion) -> v1::PolicyVersion {
    v1::PolicyVersion {
        tenant: tenant.to_owned(),
        version: held.policy.version,
        digest: hex(&held.change.digest),
        apply_time: Some(time(held.applied)),
        trigger: names::policy_trigger(held.change.trigger) as i32,
        comment: held.change.comment.to_string(),
        rolled_back_to: held.change.rolled_back_to,
    }
}

/// Faults of one weight.
pub fn faults(faults: &Faults, severity: v1::ConfigSeverity) -> Vec<v1::ConfigFault> {
    let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let fault = |fault: &Fault| v1::ConfigFault {
        severity: severity as i32,
        line: count(fault.line),
        column: count(fault.column),
        length: count(fault.width),
        path: fault.path.clone(),
        code: fault.code.name().to_owned(),
        message: match &fault.hint {
            Some(hint) => format!("{}; {hint}", fault.message),
            None => fault.message.clone(),
        },
        suggestion: fault.suggestion().unwrap_or_default().to_owned(),
        source_line: fault.source.clone(),
    };
    faults.faults.iter().map(fault).collect()
}

/// What a change does, by tenant; those it leaves as they are left out. What takes a restart stands with the first.
pub fn diffs(outcome: &Outcome) -> Vec<v1::PolicyDiff> {
    let mut diffs: Vec<v1::PolicyDiff> =
        outcome.tenants.iter().filter(|change| change.changes()).map(policy_diff).collect();
    if !outcome.restart_only.is_empty() {
        if diffs.is_empty() {
            diffs.extend(outcome.tenants.first().map(policy_diff));
        }
        if let Some(first) = diffs.first_mut() {
            first.differences.extend(outcome.restart_only.iter().map(difference));
            first.differences.sort_by(|one, other| one.path.cmp(&other.path));
        }
    }
    diffs
}

/// What a change does to one tenant.
pub fn policy_diff(change: &TenantChange) -> v1::PolicyDiff {
    let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let ids = |ids: &[crate::engine::id::Text]| ids.iter().map(ToString::to_string).collect();
    let preview = &change.preview;
    v1::PolicyDiff {
        tenant: change.tenant.to_string(),
        version_before: preview.version_before,
        version_after: preview.version_after,
        differences: change.differences.iter().map(difference).collect(),
        contacts_reevaluated: count(preview.reevaluated),
        offers_revoked: count(preview.offers_revoked),
        contacts_moved: count(preview.moved),
        agents_draining: ids(&preview.draining),
        agents_without_team: ids(&preview.without_team),
        contacts_unservable: count(preview.unservable),
    }
}

fn difference(difference: &Difference) -> v1::ConfigDifference {
    let change = match difference.change {
        Change::Added => v1::ConfigChange::Added,
        Change::Removed => v1::ConfigChange::Removed,
        Change::Changed => v1::ConfigChange::Changed,
    };
    v1::ConfigDifference {
        path: difference.path.clone(),
        change: change as i32,
        before: difference.before.clone(),
        after: difference.after.clone(),
        restart_only: difference.restart_only,
    }
}

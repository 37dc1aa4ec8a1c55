//! Asking a server what a configuration would change: `usher check-config --against`.

use std::time::Duration;

use usher_proto::v1::admin_service_client::AdminServiceClient;
use usher_proto::v1::{self, ValidateConfigRequest};

use super::client;
use crate::config::diff::{Change, Difference};

/// How long a server may take to answer: a large configuration takes it some seconds to compare.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a configuration would change of one tenant of a running server.
pub struct Changes {
    /// The tenant.
    pub tenant: String,
    /// The version in force, and the one it would become.
    pub versions: (u64, u64),
    /// What changes, sorted by path.
    pub differences: Vec<Difference>,
}

/// What the configuration in `text` would change of the server at `addr` (`host:port`): by tenant. Those it leaves
/// as they are are left out.
///
/// # Errors
/// When the server cannot be reached, does not answer within 60 s, or finds faults in the text that this program does
/// not know.
pub fn differences(addr: &str, text: String) -> anyhow::Result<Vec<Changes>> {
    let answer = client::ask(async {
        let channel = client::channel(addr, Some(PATIENCE)).await?;
        let mut client = AdminServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        let request = ValidateConfigRequest { config: text, ..ValidateConfigRequest::default() };
        Ok(client.validate_config(request).await.map_err(client::refused)?.into_inner())
    })?;
    if let Some(fault) = answer.faults.iter().find(|_| !answer.valid) {
        anyhow::bail!("the server at {addr} refuses it: {}:{}: {}", fault.line, fault.column, fault.message);
    }
    let one = |diff: v1::PolicyDiff| Changes {
        tenant: diff.tenant,
        versions: (diff.version_before, diff.version_after),
        differences: diff.differences.into_iter().map(difference).collect(),
    };
    Ok(answer.diffs.into_iter().map(one).collect())
}

fn difference(told: v1::ConfigDifference) -> Difference {
    let change = match told.change() {
        v1::ConfigChange::Removed => Change::Removed,
        v1::ConfigChange::Added => Change::Added,
        v1::ConfigChange::Changed | v1::ConfigChange::Unspecified => Change::Changed,
    };
    let v1::ConfigDifference { path, before, after, restart_only, .. } = told;
    Difference { path, change, before, after, restart_only }
}

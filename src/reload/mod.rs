//! How a configuration changes in daylight: one pipeline for SIGHUP, a change of the file and requests.
//!
//! Read, parse, validate and diff the whole file; ask every tenant what would refuse it; then one command per tenant.
//! Any fault on the way means that no command is sent and the old configuration stays in force. One change is under way
//! at a time. Parsing and comparing are done beside the writer, which goes on deciding. `watch` notices changes of the
//! file; gRPC comes in through [`Reload::apply`] and its siblings.

mod watch;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::config::{self, Config, Faults, canonical, diff};
use crate::engine::command::{Command, Request, RequestStamp};
use crate::engine::id::Text;
use crate::engine::policy::{Policy, PolicyChange, PolicyPreview, PolicyTrigger, PolicyVersion, RemovedQueue};
use crate::engine::reject::Reject;
use crate::engine::state::State;
use crate::shard::{Refused, ShardHandle};

pub use watch::watch;

/// What is asked of a change, beside its content.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// What sets it off.
    pub trigger: PolicyTrigger,
    /// Only say what it would change.
    pub dry_run: bool,
    /// The tenant whose version is checked and whose request this is.
    pub tenant: Text,
    /// The version of that tenant it must replace; 0 means whichever.
    pub expected_version: u64,
    /// Where contacts of queues go that it no longer has, for `tenant`, beside what the file says itself.
    pub removed_queues: Vec<RemovedQueue>,
    /// What the operator writes beside it, at most 256 bytes.
    pub comment: Text,
    /// Makes a retry of the request known.
    pub stamp: Option<Arc<RequestStamp>>,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// The configuration has faults.
    Faults(Faults),
    /// A tenant would not take it.
    Tenant {
        /// Which.
        tenant: Text,
        /// Why.
        why: Refused,
    },
    /// There is no such version.
    VersionNotFound {
        /// The one asked for.
        version: u64,
    },
}

/// What a change does to one tenant.
#[derive(Clone, Debug)]
pub struct TenantChange {
    /// The tenant.
    pub tenant: Text,
    /// What it does to contacts and agents, and the versions.
    pub preview: PolicyPreview,
    /// The differences, sorted by path.
    pub differences: Vec<diff::Difference>,
    /// Sequence of the tenant's last event of it; of its last event at all when nothing was done.
    pub sequence: u64,
}

impl TenantChange {
    /// Whether it makes a version.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.preview.version_after != self.preview.version_before
    }
}

/// What a change did, or would do.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// By tenant, in the file's order; those it leaves as they are too.
    pub tenants: Vec<TenantChange>,
    /// What the file says of the process, which takes a restart.
    pub restart_only: Vec<diff::Difference>,
    /// What is allowed but hardly meant.
    pub warnings: Faults,
}

impl Outcome {
    /// Whether any tenant gets a version.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.tenants.iter().any(TenantChange::changes)
    }

    /// What it does to one tenant, if the file has it.
    #[must_use]
    pub fn of(&self, tenant: &str) -> Option<&TenantChange> {
        self.tenants.iter().find(|change| *change.tenant == *tenant)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Faults(faults) => faults.fmt(f),
            Refusal::Tenant { tenant, why } => write!(f, "tenant {tenant:?} does not take its policy: {why}"),
            Refusal::VersionNotFound { version } => write!(f, "version {version} is not kept"),
        }
    }
}

impl std::error::Error for Refusal {}

/// How an attempt ended, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A version came into force.
    Applied,
    /// There was nothing to change.
    Unchanged,
    /// It was refused, and the old stays in force.
    Refused,
}

/// Who is told how each attempt that was meant to change something ended.
pub type Report = Box<dyn Fn(PolicyTrigger, Ended) + Send + Sync>;

/// The pipeline of one server.
pub struct Reload {
    shard: ShardHandle,
    report: Report,
    /// The settings the process started with, without tenants; locked while a change is under way.
    started: Mutex<Config>,
    /// Hash of the file as it was last looked at to an end: its content is in force, or has faults that were told.
    settled: Mutex<Option<[u8; 32]>>,
    /// Why the last attempt was refused; empty when it was not.
    last_error: std::sync::Mutex<String>,
}

/// One tenant's part on its way.
struct Step {
    policy: Arc<Policy>,
    change: PolicyChange,
    compared: Compared,
    preview: PolicyPreview,
    sequence: u64,
    repeated: bool,
}

/// A policy beside the one in force.
struct Compared {
    policy: Arc<Policy>,
    differences: Vec<diff::Difference>,
    digest: [u8; 16],
}

impl Reload {
    /// The pipeline of a server that starts with the settings of `config`.
    #[must_use]
    pub fn new(shard: ShardHandle, config: &Config, report: Report) -> Reload {
        let settings = Config { tenants: Vec::new(), ..config.clone() };
        let (settled, last_error) = (Mutex::new(None), std::sync::Mutex::default());
        Reload { shard, report, started: Mutex::new(settings), settled, last_error }
    }

    /// Puts the configuration in force that a server starts with. A tenant to which this very file was the last one applied
    /// keeps the version it has, so that what was changed by requests outlives a restart.
    ///
    /// # Errors
    /// [`Refusal::Tenant`] for the first that does not take it.
    pub async fn start(&self, config: &Config) -> Result<(), Refusal> {
        for (policy, removed_queues) in config.tenants.iter().zip(&config.removed_queues) {
            let tenant = &policy.tenant;
            if self.source(tenant).await == Some(config.hash) {
                continue;
            }
            let digest = canonical::digest(policy);
            let change = PolicyChange {
                digest,
                source: Some(config.hash),
                removed_queues: removed_queues.clone(),
                ..PolicyChange::default()
            };
            let policy = Arc::new(policy.clone());
            let command = Command::ApplyPolicy { policy, change: Arc::new(change), expected_version: 0 };
            let applied = self.shard.tell(tenant, command.into()).await;
            applied.map_err(|why| Refusal::Tenant { tenant: tenant.clone(), why })?;
        }
        Ok(())
    }

    /// Reads a file again and applies it. One that was applied already is applied again when that was asked for by
    /// hand, since something else may be in force by now; one whose change was only noticed is left alone then, and is
    /// not even parsed when it is as it was when last looked at.
    pub async fn again(&self, path: &Path, trigger: PolicyTrigger) {
        let mut settled = self.settled.lock().await;
        let file = path.to_owned();
        let known = settled.filter(|_| trigger == PolicyTrigger::File);
        let read = move || {
            let text = config::text_of(&file)?;
            let hash = config::hash(&text);
            let name = file.display().to_string();
            Ok((hash, (known != Some(hash)).then(|| config::parse(&text, &name))))
        };
        let read = tokio::task::spawn_blocking(read).await;
        let broke = || Err(Faults::whole("the file", "cannot be read: its reader broke off".into()));
        let (hash, read) = match read.unwrap_or_else(|_| broke()) {
            Ok((_, None)) => return,
            Ok((hash, Some(read))) => (Some(hash), read),
            Err(faults) => (None, Err(faults)),
        };
        let ask = Ask { trigger, ..Ask::default() };
        let applied = match read {
            Ok(config) if trigger == PolicyTrigger::File && self.knows(&config).await => {
                *settled = hash;
                return;
            }
            Ok(config) => self.apply_config(config, &ask, true).await,
            Err(faults) => {
                self.ended(trigger, Ended::Refused, faults.to_string());
                Err(Refusal::Faults(faults))
            }
        };
        // What a tenant did not take it may take later; anything else stays as it is until the file changes.
        *settled = hash.filter(|_| !matches!(applied, Err(Refusal::Tenant { .. })));
        tell(path, &applied);
    }

    /// Whether this very file was the last one applied to every tenant.
    async fn knows(&self, config: &Config) -> bool {
        for policy in &config.tenants {
            if self.source(&policy.tenant).await != Some(config.hash) {
                return false;
            }
        }
        true
    }

    /// The hash of the file that was last applied to a tenant.
    async fn source(&self, tenant: &Text) -> Option<[u8; 32]> {
        self.shard.query(tenant, |state, _| state.policy_file()).await.ok().flatten()
    }

    /// Applies a configuration given as text, or says what it would change.
    ///
    /// # Errors
    /// [`Refusal::Faults`], then [`Refusal::Tenant`]; nothing has changed then.
    pub async fn apply(&self, text: String, ask: &Ask) -> Result<Outcome, Refusal> {
        let parsed = tokio::task::spawn_blocking(move || config::parse(&text, "request")).await;
        let parsed =
            parsed.unwrap_or_else(|_| Err(Faults::whole("request", "cannot be read: its reader broke off".into())));
        match parsed {
            Ok(config) => self.apply_config(config, ask, false).await,
            Err(faults) => {
                if !ask.dry_run {
                    self.ended(ask.trigger, Ended::Refused, faults.to_string());
                }
                Err(Refusal::Faults(faults))
            }
        }
    }

    /// Puts an older version of `ask.tenant` in force again; 0 means the one before.
    ///
    /// # Errors
    /// [`Refusal::VersionNotFound`], then [`Refusal::Tenant`]; nothing has changed then.
    pub async fn roll_back(&self, version: u64, ask: &Ask) -> Result<Outcome, Refusal> {
        let started = self.started.lock().await;
        let found = self.version(&ask.tenant, version, version == 0).await?;
        let change = PolicyChange {
            trigger: PolicyTrigger::Rollback,
            comment: ask.comment.clone(),
            rolled_back_to: found.policy.version,
            digest: found.change.digest,
            ..PolicyChange::default()
        };
        let policies = vec![(found.policy.clone(), Vec::new())];
        let applied = self.carry_out(policies, &change, ask).await;
        drop(started);
        self.count(ask, &applied);
        let tenants = applied?;
        Ok(Outcome { tenants, restart_only: Vec::new(), warnings: Faults::none("") })
    }

    /// A version of a tenant's policy: the one in force for 0, or the one before that.
    ///
    /// # Errors
    /// [`Refusal::VersionNotFound`] when it is not kept; [`Refusal::Tenant`] when the tenant cannot be asked.
    pub async fn version(&self, tenant: &Text, version: u64, before: bool) -> Result<PolicyVersion, Refusal> {
        let find = move |state: &State, _| {
            let mut versions = state.policy_versions().rev();
            match version {
                0 => versions.nth(usize::from(before)).cloned(),
                _ => versions.find(|held| held.policy.version == version).cloned(),
            }
        };
        let found = self.shard.query(tenant, find).await;
        let found = found.map_err(|why| Refusal::Tenant { tenant: tenant.clone(), why })?;
        found.ok_or(Refusal::VersionNotFound { version })
    }

    async fn apply_config(&self, config: Config, ask: &Ask, from_file: bool) -> Result<Outcome, Refusal> {
        let mut started = self.started.lock().await;
        // The one setting of the process that is taken over while it runs.
        let max_memory_bytes = config.server.limits.max_memory_bytes;
        started.server.limits.max_memory_bytes = max_memory_bytes;
        let restart_only = diff::settings(&started, &config);
        let Config { tenants, removed_queues, hash, warnings, .. } = config;
        let change = PolicyChange {
            trigger: ask.trigger,
            comment: ask.comment.clone(),
            source: from_file.then_some(hash),
            ..PolicyChange::default()
        };
        let known = |tenant: &Text| {
            tenants.iter().any(|policy| policy.tenant == *tenant) || self.shard.tenants().contains(tenant)
        };
        if !ask.tenant.is_empty() && !known(&ask.tenant) {
            return Err(Refusal::Tenant { tenant: ask.tenant.clone(), why: Refused::TenantUnknown });
        }
        let policies = tenants.into_iter().map(Arc::new).zip(removed_queues).collect();
        let applied = self.carry_out(policies, &change, ask).await;
        if applied.is_ok() && !ask.dry_run {
            self.shard.memory().set_most(max_memory_bytes);
        }
        drop(started);
        self.count(ask, &applied);
        Ok(Outcome { tenants: applied?, restart_only, warnings })
    }

    /// Asks every tenant first, then sends the commands.
    async fn carry_out(
        &self,
        policies: Vec<(Arc<Policy>, Vec<RemovedQueue>)>,
        change: &PolicyChange,
        ask: &Ask,
    ) -> Result<Vec<TenantChange>, Refusal> {
        let mut steps = Vec::new();
        for (policy, mut removed_queues) in policies {
            if policy.tenant == ask.tenant {
                removed_queues.extend(ask.removed_queues.iter().cloned());
            }
            let change = PolicyChange { removed_queues, ..change.clone() };
            steps.push(self.look(policy, change, ask).await?);
        }
        // A request that was carried out before is only answered.
        let send = !ask.dry_run && !steps.iter().any(|step| step.repeated);
        let mut done = Vec::new();
        for mut step in steps {
            let (tenant, digest) = (step.policy.tenant.clone(), step.compared.digest);
            if send {
                let own = ask.tenant == tenant;
                let command = Command::ApplyPolicy {
                    policy: step.policy.clone(),
                    change: Arc::new(PolicyChange { digest, ..step.change }),
                    expected_version: if own { ask.expected_version } else { 0 },
                };
                let request = Request { stamp: ask.stamp.clone().filter(|_| own), command };
                let answer = self.shard.tell(&tenant, request).await;
                let answer = answer.map_err(|why| Refusal::Tenant { tenant: tenant.clone(), why })?;
                step.sequence = answer.reply.sequence;
            }
            let differences = step.compared.differences;
            done.push(TenantChange { tenant, preview: step.preview, differences, sequence: step.sequence });
        }
        Ok(done)
    }

    /// Compares a policy with the one in force, beside the writer. One that is the same is neither written out nor
    /// looked at key by key; one that is not shares the agents that are, so that the writer compares no more than it
    /// must.
    async fn compare(policy: Arc<Policy>, before: Arc<Policy>) -> Compared {
        let compare = move || {
            let mut policy = Arc::unwrap_or_clone(policy);
            policy.share_agents(&before);
            let (differences, digest) = match policy.says_the_same(&before) {
                true => (Vec::new(), [0; 16]),
                false => (diff::policies(&before, &policy), canonical::digest(&policy)),
            };
            Compared { policy: Arc::new(policy), differences, digest }
        };
        tokio::task::spawn_blocking(compare).await.expect("comparing policies does not panic")
    }

    /// What one tenant says to its part; a tenant that is new is opened when the change is meant.
    async fn look(&self, policy: Arc<Policy>, change: PolicyChange, ask: &Ask) -> Result<Step, Refusal> {
        let tenant = policy.tenant.clone();
        if !self.shard.tenants().contains(&tenant) {
            if ask.dry_run {
                let preview = PolicyPreview { version_after: 1, ..PolicyPreview::default() };
                let compared = Reload::compare(policy, Arc::default()).await;
                let policy = compared.policy.clone();
                return Ok(Step { policy, change, compared, preview, sequence: 0, repeated: false });
            }
            self.shard.open(&tenant);
        }
        let failed = |why| Refusal::Tenant { tenant: tenant.clone(), why };
        // One change is under way at a time, so what is in force now is what it replaces.
        let before = self.shard.query(&tenant, |state, _| state.policy().clone()).await.map_err(failed)?;
        let compared = Reload::compare(policy, before).await;
        let own = ask.tenant == tenant;
        let (expected, stamp) = (if own { ask.expected_version } else { 0 }, ask.stamp.clone().filter(|_| own));
        let (asked, removed) = (compared.policy.clone(), change.clone());
        let look = move |state: &State, now| -> Result<(PolicyPreview, u64, bool), Reject> {
            let repeated = match stamp {
                Some(stamp) => state.receipts().find(now, &stamp)?,
                None => None,
            };
            let version = state.policy_version();
            let preview = match repeated {
                Some(_) => {
                    PolicyPreview { version_before: version, version_after: version, ..PolicyPreview::default() }
                }
                None => state.preview_policy(&asked, &removed, expected)?,
            };
            Ok((preview, repeated.map_or(state.sequence(), |first| first.sequence), repeated.is_some()))
        };
        let looked = self.shard.query(&tenant, look).await;
        let (preview, sequence, repeated) = looked.and_then(|step| step.map_err(Refused::Reject)).map_err(failed)?;
        let policy = compared.policy.clone();
        Ok(Step { policy, change, compared, preview, sequence, repeated })
    }

    fn count(&self, ask: &Ask, applied: &Result<Vec<TenantChange>, Refusal>) {
        if ask.dry_run {
            return;
        }
        let (ended, error) = match applied {
            Ok(tenants) if tenants.iter().any(TenantChange::changes) => (Ended::Applied, String::new()),
            Ok(_) => (Ended::Unchanged, String::new()),
            Err(refusal) => (Ended::Refused, refusal.to_string()),
        };
        self.ended(ask.trigger, ended, error);
    }

    fn ended(&self, trigger: PolicyTrigger, ended: Ended, error: String) {
        *self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = error;
        (self.report)(trigger, ended);
    }

    /// Why the last attempt to change something was refused; empty when it was not.
    #[must_use]
    pub fn last_error(&self) -> String {
        self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Tells the log what became of the file.
fn tell(path: &Path, applied: &Result<Outcome, Refusal>) {
    let file = path.display();
    match applied {
        Ok(outcome) => {
            for change in outcome.tenants.iter().filter(|change| change.changes()) {
                let (tenant, version) = (&change.tenant, change.preview.version_after);
                info!(%file, %tenant, version, differences = change.differences.len(), "configuration applied");
            }
            if !outcome.changes() {
                info!(%file, "configuration unchanged");
            }
            for difference in &outcome.restart_only {
                warn!(key = difference.path, after = difference.after, "takes a restart to come into force");
            }
            if outcome.warnings.count() > 0 {
                warn!("{}", outcome.warnings.render("warning", false).trim_end());
            }
        }
        Err(Refusal::Faults(faults)) => {
            warn!(%file, faults = faults.count(), "configuration refused, the old stays in force");
            warn!("{faults}");
        }
        Err(Refusal::Tenant { tenant, why }) => {
            warn!(%file, %tenant, %why, "configuration refused, the old stays in force");
        }
        Err(Refusal::VersionNotFound { version }) => warn!(version, "there is no such version"),
    }
}

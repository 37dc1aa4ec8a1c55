//! `AdminService`: the door of operators. What it changes goes through the same pipeline as a changed file.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use usher_proto::v1::admin_service_server::AdminService;
use usher_proto::v1::{self as pb};

use super::Edge;
use super::convert::{config as render, input, text, time};
use super::status::{self, DOMAIN, Problem, refused};
use crate::config::canonical;
use crate::config::fault::Faults;
use crate::engine::command::RequestStamp;
use crate::engine::id::Text;
use crate::engine::limits;
use crate::engine::policy::{PolicyTrigger, PolicyVersion, RemovedQueue};
use crate::engine::time::Span;
use crate::reload::{Ask, Outcome, Refusal};
use crate::shard::Stop;

type Answer<T> = Result<Response<T>, Status>;

/// Numbers of the methods in request stamps, beside those of `verbs`: never changed, never reused.
const APPLY_CONFIG: u16 = 40;
const ROLLBACK_CONFIG: u16 = 41;

/// How long a drain gives connections when it does not say, and at most.
const GRACE: Span = Span::from_secs(10);
const GRACE_MAX: Span = Span::from_secs(600);

/// Faults told with a refusal, and bytes of them: they travel in headers. `ValidateConfig` tells them all.
const FAULTS_TOLD: usize = 20;
const FAULT_BYTES: usize = 3_000;

#[tonic::async_trait]
impl AdminService for Edge {
    async fn validate_config(&self, request: Request<pb::ValidateConfigRequest>) -> Answer<pb::ValidateConfigResponse> {
        let pb::ValidateConfigRequest { tenant, config, removed_queues } = request.into_inner();
        let removed_queues = removed(removed_queues)?;
        let ask = Ask { dry_run: true, removed_queues, ..ask(&tenant, "", 0, None)? };
        match self.reload.apply(required(config)?, &ask).await {
            Ok(outcome) => Ok(Response::new(pb::ValidateConfigResponse {
                faults: render::faults(&outcome.warnings, pb::ConfigSeverity::Warning),
                valid: true,
                diffs: render::diffs(&outcome),
            })),
            Err(Refusal::Faults(faults)) => Ok(Response::new(pb::ValidateConfigResponse {
                faults: render::faults(&faults, pb::ConfigSeverity::Error),
                ..pb::ValidateConfigResponse::default()
            })),
            Err(refusal) => Err(refused_change(refusal)),
        }
    }

    async fn apply_config(&self, request: Request<pb::ApplyConfigRequest>) -> Answer<pb::ApplyConfigResponse> {
        let mut asked = request.into_inner();
        asked.tenant = input::tenant(&asked.tenant).to_owned();
        let stamp = stamp(APPLY_CONFIG, std::mem::take(&mut asked.request_id), &asked, asked.dry_run)?;
        let pb::ApplyConfigRequest { tenant, config, dry_run, expected_version, removed_queues, comment, .. } = asked;
        let (trigger, removed_queues) = (PolicyTrigger::Request, removed(removed_queues)?);
        let ask = Ask { dry_run, trigger, removed_queues, ..ask(&tenant, &comment, expected_version, stamp)? };
        let outcome = self.reload.apply(required(config)?, &ask).await.map_err(refused_change)?;
        let version = self.in_force(&ask.tenant).await?;
        Ok(Response::new(pb::ApplyConfigResponse {
            version: Some(render::version(&ask.tenant, &version)),
            sequence: sequence(&outcome, &ask.tenant),
            diffs: render::diffs(&outcome),
            warnings: render::faults(&outcome.warnings, pb::ConfigSeverity::Warning),
        }))
    }

    async fn get_config(&self, request: Request<pb::GetConfigRequest>) -> Answer<pb::GetConfigResponse> {
        let pb::GetConfigRequest { tenant, version, include_history } = request.into_inner();
        let tenant: Text = input::tenant(&tenant).into();
        let found = self.reload.version(&tenant, version, false).await.map_err(refused_change)?;
        let history = match include_history {
            true => self.query(&tenant, |state, _| state.policy_versions().rev().cloned().collect()).await?,
            false => Vec::new(),
        };
        let policy = found.policy.clone();
        let written = tokio::task::spawn_blocking(move || canonical::text(&policy)).await;
        Ok(Response::new(pb::GetConfigResponse {
            version: Some(render::version(&tenant, &found)),
            config: written.map_err(|_| Status::internal("the policy could not be written"))?,
            history: history.iter().map(|held| render::version(&tenant, held)).collect(),
        }))
    }

    async fn rollback_config(&self, request: Request<pb::RollbackConfigRequest>) -> Answer<pb::RollbackConfigResponse> {
        let mut asked = request.into_inner();
        asked.tenant = input::tenant(&asked.tenant).to_owned();
        let stamp = stamp(ROLLBACK_CONFIG, std::mem::take(&mut asked.request_id), &asked, false)?;
        let pb::RollbackConfigRequest { tenant, version, expected_version, removed_queues, comment, .. } = asked;
        let (trigger, removed_queues) = (PolicyTrigger::Rollback, removed(removed_queues)?);
        let ask = Ask { trigger, removed_queues, ..ask(&tenant, &comment, expected_version, stamp)? };
        let outcome = self.reload.roll_back(version, &ask).await.map_err(refused_change)?;
        let version = self.in_force(&ask.tenant).await?;
        Ok(Response::new(pb::RollbackConfigResponse {
            version: Some(render::version(&ask.tenant, &version)),
            sequence: sequence(&outcome, &ask.tenant),
            diff: outcome.of(&ask.tenant).map(render::policy_diff),
        }))
    }

    super::verb_methods! {
        forget_customer(ForgetCustomerRequest) -> ForgetCustomerResponse;
    }

    async fn drain(&self, request: Request<pb::DrainRequest>) -> Answer<pb::DrainResponse> {
        let pb::DrainRequest { tenant, grace, request_id } = request.into_inner();
        // A repeat finds it draining, and that is the same answer.
        input::request_id(&request_id)?;
        let grace = input::span("grace", grace)?.unwrap_or(GRACE);
        if grace > GRACE_MAX {
            return Err(Problem::field("grace", "be at most 10 min").into());
        }
        let now = self.shard.now();
        let sequence = match self.query(&tenant, |state, _| state.sequence()).await {
            Err(problem) if problem.reason == "DRAINING" => 0,
            told => told?,
        };
        self.shard.ask_to_stop(Stop { grace: Duration::from_micros(grace.0) });
        Ok(Response::new(pb::DrainResponse { stop_time: Some(time(now + grace)), sequence }))
    }

    async fn get_status(&self, request: Request<pb::GetStatusRequest>) -> Answer<pb::GetStatusResponse> {
        let status = self.condition(&request.into_inner().tenant).await?;
        Ok(Response::new(pb::GetStatusResponse { status: Some(status) }))
    }
}

impl Edge {
    /// The version in force; the tenant is there, and has one.
    async fn in_force(&self, tenant: &Text) -> Result<PolicyVersion, Status> {
        self.reload.version(tenant, 0, false).await.map_err(refused_change)
    }
}

fn ask(tenant: &str, comment: &str, expected_version: u64, stamp: Option<Arc<RequestStamp>>) -> Result<Ask, Status> {
    if comment.len() > limits::COMMENT_BYTES {
        return Err(Problem::field("comment", "be at most 256 bytes").into());
    }
    let tenant = input::tenant(tenant).into();
    Ok(Ask { tenant, comment: text(comment.to_owned()), expected_version, stamp, ..Ask::default() })
}

/// Queues that go; each names its target.
fn removed(given: Vec<pb::RemovedQueue>) -> Result<Vec<RemovedQueue>, Status> {
    let one = |(at, removed): (usize, pb::RemovedQueue)| {
        Ok(RemovedQueue {
            id: input::id(&format!("removed_queues[{at}].queue"), removed.queue)?,
            target: input::id(&format!("removed_queues[{at}].target"), removed.target)?,
        })
    };
    given.into_iter().enumerate().map(one).collect()
}

fn required(config: String) -> Result<String, Status> {
    match config.is_empty() {
        true => Err(Problem::field("config", "be given").into()),
        false => Ok(config),
    }
}

/// What makes a retry known; a dry run is not remembered.
fn stamp(
    method: u16,
    request_id: String,
    payload: &impl prost::Message,
    dry_run: bool,
) -> Result<Option<Arc<RequestStamp>>, Status> {
    let request_id = input::request_id(&request_id)?.filter(|_| !dry_run);
    Ok(request_id.map(|request_id| Arc::new(RequestStamp { method, request_id, digest: input::digest(payload) })))
}

fn sequence(outcome: &Outcome, tenant: &str) -> u64 {
    outcome.of(tenant).map_or(0, |change| change.sequence)
}

fn refused_change(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Faults(faults) => invalid(&faults),
        Refusal::Tenant { tenant, why } => {
            let mut problem = refused(why);
            if problem.reason == "QUEUE_NOT_FOUND" {
                problem.field = Some("removed_queues".to_owned());
            }
            problem.metadata.push(("tenant", tenant.to_string()));
            problem.into()
        }
        Refusal::VersionNotFound { version } => status::version_not_found(version).into(),
    }
}

/// Every fault as a field violation, as far as headers carry them.
fn invalid(faults: &Faults) -> Status {
    let mut room = FAULT_BYTES;
    let mut violations = Vec::new();
    for fault in faults.faults.iter().take(FAULTS_TOLD) {
        let said = format!("{}:{}: {}", fault.line, fault.column, fault.message);
        let field = if fault.path.is_empty() { "config".to_owned() } else { format!("config.{}", fault.path) };
        let Some(left) = room.checked_sub(said.len() + field.len()) else { break };
        room = left;
        violations.push(FieldViolation::new(field, said));
    }
    let count = faults.count();
    let metadata = [("faults".to_owned(), count.to_string()), ("field".to_owned(), "config".to_owned())];
    let mut details = ErrorDetails::with_error_info("CONFIG_INVALID", DOMAIN, metadata);
    let first = violations.first().map(|violation| violation.description.clone()).unwrap_or_default();
    details.set_bad_request(violations);
    let message = format!("the configuration has {count} fault(s), the first at {first}");
    Status::with_error_details(Code::InvalidArgument, message, details)
}

//! Refusals as gRPC statuses: one table from reason to code, `ErrorInfo` and field path.
//!
//! Everything a message says is also in the metadata. Read `convert` for the refusals of the edge itself.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use usher_proto::v1;

use super::names;
use crate::engine::contact::OfferState;
use crate::engine::reject::Reject;
use crate::shard::Refused;

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "usher.v1";

/// How soon a client may try again what was refused for want of room.
const RETRY: Duration = Duration::from_millis(250);

/// A refusal in the making: what both a `Status` and a session's `CommandError` are rendered from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The gRPC code.
    pub code: Code,
    /// `UPPER_SNAKE`, frozen once released.
    pub reason: &'static str,
    /// A fragment that finishes "failed to …".
    pub message: String,
    /// What the message names.
    pub metadata: Vec<(&'static str, String)>,
    /// The field at fault, as the client knows it.
    pub field: Option<String>,
    /// Whether trying again later may help.
    pub retry: bool,
}

impl Problem {
    /// A problem without field or metadata.
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem { code, reason, message: message.into(), metadata: Vec::new(), field: None, retry: false }
    }

    /// A field that is wrong in itself.
    pub fn field(field: impl Into<String>, must: &str) -> Problem {
        let field = field.into();
        let message = format!("{field} must {must}");
        Problem { field: Some(field), ..Problem::new(Code::InvalidArgument, "FIELD_INVALID", message) }
    }

    /// A method of a later release.
    pub fn unimplemented(what: &str) -> Problem {
        Problem::new(Code::Unimplemented, "UNIMPLEMENTED", format!("{what} is not available in this release"))
    }

    fn at(mut self, field: &str) -> Problem {
        self.field = Some(field.to_owned());
        self
    }

    fn with(mut self, key: &'static str, value: impl ToString) -> Problem {
        self.metadata.push((key, value.to_string()));
        self
    }

    /// Puts a prefix before the field's path.
    pub fn under(mut self, prefix: &str) -> Problem {
        self.field = self.field.map(|field| format!("{prefix}.{field}"));
        self
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Status {
        let mut metadata: HashMap<String, String> =
            problem.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        if let Some(field) = &problem.field {
            metadata.insert("field".to_owned(), field.clone());
        }
        let mut details = ErrorDetails::with_error_info(problem.reason, DOMAIN, metadata);
        if let Some(field) = problem.field {
            details.set_bad_request(vec![FieldViolation::new(field, problem.message.clone())]);
        }
        if problem.retry {
            details.set_retry_info(Some(RETRY));
        }
        Status::with_error_details(problem.code, problem.message, details)
    }
}

impl From<Problem> for v1::CommandError {
    fn from(problem: Problem) -> v1::CommandError {
        let field_violations = problem
            .field
            .iter()
            .map(|field| v1::FieldViolation { field: field.clone(), description: problem.message.clone() });
        v1::CommandError {
            code: problem.code as i32,
            reason: problem.reason.to_owned(),
            metadata: problem.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            field_violations: field_violations.collect(),
            retry_delay: problem.retry.then(|| RETRY.try_into().expect("a quarter of a second")),
            message: problem.message,
        }
    }
}

/// The problem a refusal of the engine is. `fields` says under which path the request has the things it names.
// tidy: table
pub fn rejected(reject: &Reject) -> Problem {
    use Code::{
        Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted,
    };
    match reject {
        Reject::IdempotencyMismatch => {
            Problem::new(InvalidArgument, "IDEMPOTENCY_MISMATCH", "request_id was used with another payload")
                .at("request_id")
        }
        Reject::NoPolicy => Problem {
            retry: true,
            ..Problem::new(Code::Unavailable, "NO_POLICY", "the tenant has no policy in force yet")
        },
        Reject::Invalid { field, must } => Problem::field(*field, must),
        Reject::ContactNotFound => Problem::new(NotFound, "CONTACT_NOT_FOUND", "no such contact").at("contact_id"),
        Reject::AgentNotFound => Problem::new(NotFound, "AGENT_NOT_FOUND", "no such agent").at("agent_id"),
        Reject::OfferNotFound => Problem::new(NotFound, "OFFER_NOT_FOUND", "no such offer").at("offer_id"),
        Reject::QueueNotFound { queue } => {
            Problem::new(InvalidArgument, "QUEUE_NOT_FOUND", format!("no queue {queue:?}"))
                .at("queue")
                .with("queue", queue)
        }
        Reject::ChannelNotFound { channel } => {
            Problem::new(InvalidArgument, "CHANNEL_NOT_FOUND", format!("no channel {channel:?}"))
                .at("channel")
                .with("channel", channel)
        }
        Reject::TeamNotFound { team } => {
            Problem::new(InvalidArgument, "TEAM_NOT_FOUND", format!("no team {team:?}")).at("team").with("team", team)
        }
        Reject::SkillNotFound { skill } => {
            Problem::new(InvalidArgument, "SKILL_NOT_FOUND", format!("no skill {skill:?}"))
                .at("skills")
                .with("skill", skill)
        }
        Reject::ReasonUnknown => {
            Problem::new(InvalidArgument, "REASON_UNKNOWN", "not one of the tenant's not-ready reasons").at("reason")
        }
        Reject::DispositionUnknown => {
            Problem::new(InvalidArgument, "DISPOSITION_UNKNOWN", "not one of the tenant's dispositions")
                .at("disposition")
        }
        Reject::ContactExists => {
            Problem::new(AlreadyExists, "CONTACT_EXISTS", "another contact has this id").at("contact.contact_id")
        }
        Reject::SurveyExists => {
            Problem::new(AlreadyExists, "SURVEY_EXISTS", "a survey of this kind was answered before").at("kind")
        }
        Reject::OfferNotYours => {
            Problem::new(PermissionDenied, "OFFER_NOT_YOURS", "the offer is another agent's").at("offer_id")
        }
        Reject::ManagedByConfig => {
            Problem::new(FailedPrecondition, "MANAGED_BY_CONFIG", "the agent is owned by the configuration")
        }
        Reject::VersionMismatch { version } => {
            Problem::new(Aborted, "VERSION_MISMATCH", format!("version {version} is in force"))
                .at("expected_version")
                .with("version", version)
        }
        Reject::QueueHoldsContacts { queue } => {
            Problem::new(FailedPrecondition, "QUEUE_HOLDS_CONTACTS", format!("queue {queue:?} still holds contacts"))
                .with("queue", queue)
        }
        Reject::ContactClosed => Problem::new(FailedPrecondition, "CONTACT_CLOSED", "the contact has ended"),
        Reject::ContactState { state } => {
            let state = names::contact_state(*state);
            Problem::new(FailedPrecondition, "CONTACT_STATE", format!("the contact is {state}")).with("state", state)
        }
        Reject::OfferOver { state } => offer_over(*state),
        Reject::AgentSignedOut => Problem::new(FailedPrecondition, "AGENT_SIGNED_OUT", "the agent is not signed in"),
        Reject::AgentUnavailable => {
            Problem::new(FailedPrecondition, "AGENT_UNAVAILABLE", "the agent cannot be given work now")
        }
        Reject::AgentIneligible => Problem::new(
            FailedPrecondition,
            "AGENT_INELIGIBLE",
            "the agent's team does not serve the contact's queue, or he does not meet what is asked",
        ),
        Reject::AgentNoRoom => Problem::new(
            FailedPrecondition,
            "AGENT_NO_ROOM",
            "the agent has no room for one more contact of the channel",
        ),
        Reject::QueueClosed { queue } => {
            Problem::new(FailedPrecondition, "QUEUE_CLOSED", format!("queue {queue:?} is closed")).with("queue", queue)
        }
        Reject::QueueFull { queue } => {
            Problem::new(FailedPrecondition, "QUEUE_FULL", format!("queue {queue:?} has no waiting place left"))
                .with("queue", queue)
        }
        Reject::NotWrappingUp => {
            Problem::new(FailedPrecondition, "NOT_WRAPPING_UP", "the agent has no leg of this contact to wrap up")
        }
        Reject::LegInterrupted => {
            let words = "the conversation was interrupted and goes on when what interrupted it is over";
            Problem::new(FailedPrecondition, "LEG_INTERRUPTED", words)
        }
        Reject::LimitReached { limit, max } => {
            Problem::new(ResourceExhausted, "LIMIT_REACHED", format!("{limit} are limited to {max}"))
                .with("limit", limit)
                .with("max", max)
        }
    }
}

/// A version of a policy that is not kept.
pub fn version_not_found(version: u64) -> Problem {
    Problem::new(Code::NotFound, "VERSION_NOT_FOUND", format!("version {version} is not kept"))
        .at("version")
        .with("version", version)
}

fn offer_over(state: OfferState) -> Problem {
    let (reason, message) = match state {
        OfferState::Accepted => ("OFFER_ACCEPTED", "the offer was accepted"),
        OfferState::Declined => ("OFFER_DECLINED", "the offer was declined"),
        OfferState::Expired => ("OFFER_EXPIRED", "the offer has expired"),
        OfferState::Rescinded => ("OFFER_RESCINDED", "another agent won the contact"),
        OfferState::Cancelled => ("OFFER_CANCELLED", "the contact has left"),
        OfferState::Revoked => ("OFFER_REVOKED", "the offer was revoked"),
        OfferState::Failed | OfferState::Issued | OfferState::None => ("OFFER_FAILED", "the offer has failed"),
    };
    Problem::new(Code::FailedPrecondition, reason, message)
}

/// The problem a refusal on the way to the engine is.
pub fn refused(refused: Refused) -> Problem {
    let busy = |reason, message: &str| Problem { retry: true, ..Problem::new(Code::Unavailable, reason, message) };
    match refused {
        Refused::Reject(reject) => rejected(&reject),
        Refused::IngressFull => busy("INGRESS_FULL", "the server is full"),
        Refused::Draining => busy("DRAINING", "the server is draining"),
        Refused::TenantUnknown => Problem::new(Code::NotFound, "TENANT_NOT_FOUND", "no such tenant").at("tenant"),
        Refused::TenantStopped => busy("TENANT_STOPPED", "the tenant is stopped after an internal fault"),
        Refused::JournalFull => {
            Problem { retry: true, ..Problem::new(Code::ResourceExhausted, "JOURNAL_FULL", "the journal is full") }
        }
        Refused::MemoryFull => Problem {
            retry: true,
            ..Problem::new(Code::ResourceExhausted, "MEMORY_FULL", "the server has no memory left for new work")
        },
        Refused::OutOfRange { oldest } => Problem {
            metadata: vec![("oldest", oldest.to_string())],
            ..Problem::new(Code::OutOfRange, "RESUME_TOKEN_EXPIRED", "the events after resume_token are no longer kept")
                .at("resume_token")
        },
        Refused::QueryFailed => Problem::new(Code::Internal, "QUERY_FAILED", "the query met an internal fault"),
        Refused::JournalUnavailable => busy("JOURNAL_UNAVAILABLE", "the journal is failing"),
    }
}

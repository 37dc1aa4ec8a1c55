//! The words figures are shown under: in labels of metrics, in reports and in JSON alike.

use super::counts::Count;
use crate::engine::agent::Routing;
use crate::engine::contact::{ContactState, Direction, Outcome, Reason};

/// A direction.
#[must_use]
pub const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Callback => "callback",
        Direction::Internal => "internal",
    }
}

/// An outcome.
#[must_use]
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Abandoned => "abandoned",
        Outcome::Cancelled => "cancelled",
        Outcome::Refused => "refused",
        Outcome::Overflowed => "overflowed",
        Outcome::Expired => "expired",
        Outcome::Failed => "failed",
    }
}

/// The outcome of an entry that was answered, among those of [`outcome`].
pub const ANSWERED: &str = "answered";
/// The exit of an entry that goes on in another queue, among those of [`outcome`].
pub const MOVED: &str = "moved";

/// Why a contact or an entry ended; empty when the outcome says it all.
#[must_use]
pub const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::None => "",
        Reason::CustomerLeft => "customer_left",
        Reason::System => "system",
        Reason::GatewayLost => "gateway_lost",
        Reason::NoAnswer => "no_answer",
        Reason::SessionLost => "session_lost",
        Reason::MaxWait => "max_wait",
        Reason::ExpireTime => "expire_time",
        Reason::QueueRemoved => "queue_removed",
        Reason::QueueFull => "queue_full",
        Reason::QueueClosed => "queue_closed",
        Reason::Rule => "rule",
        Reason::External => "external",
        Reason::Callback => "callback",
    }
}

/// An exit other than an answer: its reason, or its own name where that is empty.
#[must_use]
pub const fn exit((how, why): super::counts::ExitKey) -> &'static str {
    match (how, why) {
        (Count::Moved, _) => MOVED,
        (Count::Abandoned, Reason::None) => outcome(Outcome::Abandoned),
        (Count::Cancelled, Reason::None) => outcome(Outcome::Cancelled),
        (Count::Refused, Reason::None) => outcome(Outcome::Refused),
        (Count::Expired, Reason::None) => outcome(Outcome::Expired),
        (_, Reason::None) => outcome(Outcome::Overflowed),
        (_, why) => reason(why),
    }
}

/// The states in which a contact with an open entry waits.
pub const WAITING: [(ContactState, &str); 4] = [
    (ContactState::Queued, "queued"),
    (ContactState::Offered, "offered"),
    (ContactState::Assigned, "assigned"),
    (ContactState::Parked, "parked"),
];

/// The states of agents: the routing words and, apart from OFF_QUEUE, NOT_READY.
pub const AGENT_STATES: [&str; 8] =
    ["draining", "off_queue", "not_responding", "offering", "busy", "wrap_up", "idle", "not_ready"];

/// Where a routing word stands in [`AGENT_STATES`].
#[must_use]
pub const fn agent_state(routing: Routing) -> usize {
    routing as usize
}

/// Where OFF_QUEUE stands in [`AGENT_STATES`]; on time cards it is `session_lost`.
pub const OFF_QUEUE: usize = 1;
/// What OFF_QUEUE of a signed-in agent who is not NOT_READY means.
pub const SESSION_LOST: &str = "session_lost";
/// Where NOT_READY stands in [`AGENT_STATES`].
pub const NOT_READY: usize = 7;

/// A state of an agent as his time card has it.
#[must_use]
pub fn card_state(state: usize) -> &'static str {
    if state == OFF_QUEUE { SESSION_LOST } else { AGENT_STATES[state] }
}

/// How callbacks went, with their counts.
pub const CALLBACKS: [(Count, &str); 6] = [
    (Count::CallbacksRequested, "requested"),
    (Count::CallbacksScheduled, "scheduled"),
    (Count::CallbacksConnected, "connected"),
    (Count::CallbacksNoAnswer, "no_answer"),
    (Count::CallbacksExpired, "expired"),
    (Count::CallbacksCancelled, "cancelled"),
];

/// How offers ended, with their counts.
pub const OFFERS: [(Count, &str); 7] = [
    (Count::OffersAccepted, "accepted"),
    (Count::OffersDeclined, "declined"),
    (Count::OffersExpired, "expired"),
    (Count::OffersRescinded, "rescinded"),
    (Count::OffersCancelled, "cancelled"),
    (Count::OffersRevoked, "revoked"),
    (Count::OffersFailed, "failed"),
];

/// Survey answers by kind and result, with their counts.
pub const SURVEYS: [(Count, &str, &str); 6] = [
    (Count::CsatPositive, "csat", "positive"),
    (Count::CsatNeutral, "csat", "neutral"),
    (Count::CsatNegative, "csat", "negative"),
    (Count::NpsPositive, "nps", "positive"),
    (Count::NpsNeutral, "nps", "neutral"),
    (Count::NpsNegative, "nps", "negative"),
];

/// Outcomes of contacts, with their counts.
pub const OUTCOMES: [(Count, &str); 7] = [
    (Count::Completed, "completed"),
    (Count::ClosedAbandoned, "abandoned"),
    (Count::ClosedCancelled, "cancelled"),
    (Count::ClosedRefused, "refused"),
    (Count::ClosedOverflowed, "overflowed"),
    (Count::ClosedExpired, "expired"),
    (Count::Failed, "failed"),
];

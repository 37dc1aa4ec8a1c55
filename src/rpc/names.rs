//! Enumerations of the engine as `usher.v1` has them: one table each, both ways where both are needed.

use usher_proto::v1;

use crate::engine::agent::{AgentType, Fault, Presence, Rest, Routing, UpsertCause};
use crate::engine::command::ChangeCause;
use crate::engine::contact::{
    AssignCause, CancelCause, ContactState, DeclineReason, Direction, EndCause, LegState, OfferState, Outcome, Reason,
    RequeueCause, SurveyKind, SurveyResult,
};
use crate::engine::event::EntryCause;
use crate::engine::policy::PolicyTrigger;
use crate::engine::policy::{Action, Trigger};

/// A contact's state, in words.
pub fn contact_state(state: ContactState) -> &'static str {
    state_to(state).as_str_name().trim_start_matches("CONTACT_STATE_")
}

/// A contact's state.
pub fn state_to(state: ContactState) -> v1::ContactState {
    match state {
        ContactState::Scheduled => v1::ContactState::Scheduled,
        ContactState::Parked => v1::ContactState::Parked,
        ContactState::Queued => v1::ContactState::Queued,
        ContactState::Offered => v1::ContactState::Offered,
        ContactState::Assigned => v1::ContactState::Assigned,
        ContactState::Connected => v1::ContactState::Connected,
        ContactState::OnHold => v1::ContactState::OnHold,
        ContactState::WrapUp => v1::ContactState::WrapUp,
        ContactState::Closed => v1::ContactState::Closed,
    }
}

/// What put a policy in force.
pub fn policy_trigger(trigger: PolicyTrigger) -> v1::PolicyTrigger {
    match trigger {
        PolicyTrigger::Start => v1::PolicyTrigger::Start,
        PolicyTrigger::Signal => v1::PolicyTrigger::Signal,
        PolicyTrigger::File => v1::PolicyTrigger::File,
        PolicyTrigger::Request => v1::PolicyTrigger::Request,
        PolicyTrigger::Rollback => v1::PolicyTrigger::Rollback,
    }
}

/// An outcome.
pub fn outcome_to(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Completed => v1::Outcome::Completed,
        Outcome::Abandoned => v1::Outcome::Abandoned,
        Outcome::Cancelled => v1::Outcome::Cancelled,
        Outcome::Refused => v1::Outcome::Refused,
        Outcome::Overflowed => v1::Outcome::Overflowed,
        Outcome::Expired => v1::Outcome::Expired,
        Outcome::Failed => v1::Outcome::Failed,
    }
}

/// Why a contact ended, as the `reason` field has it; empty when the outcome says it all.
pub fn reason_to(reason: Reason) -> &'static str {
    crate::view::names::reason(reason)
}

/// How an unanswered entry was left.
pub fn exit_to(outcome: Outcome) -> v1::QueueExit {
    match outcome {
        Outcome::Abandoned => v1::QueueExit::Abandoned,
        Outcome::Cancelled => v1::QueueExit::Cancelled,
        Outcome::Refused => v1::QueueExit::Refused,
        Outcome::Overflowed => v1::QueueExit::Overflowed,
        Outcome::Expired => v1::QueueExit::Expired,
        Outcome::Completed | Outcome::Failed => v1::QueueExit::Unspecified,
    }
}

/// Why an entry began.
pub fn cause_to(cause: EntryCause) -> v1::QueueCause {
    match cause {
        EntryCause::Arrived => v1::QueueCause::Arrived,
        EntryCause::Scheduled => v1::QueueCause::Scheduled,
        EntryCause::Transferred => v1::QueueCause::Transferred,
        EntryCause::Requeued => v1::QueueCause::Requeued,
        EntryCause::Moved => v1::QueueCause::Moved,
        EntryCause::Overflowed => v1::QueueCause::Overflowed,
        EntryCause::Reclassified => v1::QueueCause::Reclassified,
    }
}

/// Why a contact was changed.
pub fn change_to(cause: ChangeCause) -> v1::UpdateCause {
    match cause {
        ChangeCause::Client => v1::UpdateCause::Client,
        ChangeCause::Supervisor => v1::UpdateCause::Supervisor,
        ChangeCause::Transferred => v1::UpdateCause::Transferred,
        ChangeCause::Overflow => v1::UpdateCause::Overflow,
        ChangeCause::Classified => v1::UpdateCause::Classified,
    }
}

/// What set off an overflow rule.
pub fn trigger_to(trigger: Trigger) -> v1::OverflowTrigger {
    match trigger {
        Trigger::QueueLength(_) => v1::OverflowTrigger::QueueLength,
        Trigger::NobodySignedIn => v1::OverflowTrigger::NobodySignedIn,
        Trigger::Wait(_) => v1::OverflowTrigger::Wait,
        Trigger::NoWillingAgent => v1::OverflowTrigger::NoWillingAgent,
        Trigger::StepsExhausted => v1::OverflowTrigger::StepsExhausted,
        Trigger::QueueClosed => v1::OverflowTrigger::QueueClosed,
    }
}

/// What an overflow rule does, and where to.
pub fn action_to(action: &Action) -> (v1::OverflowAction, &str) {
    match action {
        Action::Queue(queue) => (v1::OverflowAction::Queue, queue),
        Action::Priority(_) => (v1::OverflowAction::Priority, ""),
        Action::Relax => (v1::OverflowAction::Relax, ""),
        Action::External(destination) => (v1::OverflowAction::External, destination),
        Action::Refuse => (v1::OverflowAction::Refuse, ""),
    }
}

/// A direction.
pub fn direction_to(direction: Direction) -> v1::Direction {
    match direction {
        Direction::Inbound => v1::Direction::Inbound,
        Direction::Outbound => v1::Direction::Outbound,
        Direction::Callback => v1::Direction::Callback,
        Direction::Internal => v1::Direction::Internal,
    }
}

/// A direction; inbound when unspecified, none when unknown.
pub fn direction_from(direction: i32) -> Option<Direction> {
    Some(match v1::Direction::try_from(direction).ok()? {
        v1::Direction::Unspecified | v1::Direction::Inbound => Direction::Inbound,
        v1::Direction::Outbound => Direction::Outbound,
        v1::Direction::Callback => Direction::Callback,
        v1::Direction::Internal => Direction::Internal,
    })
}

/// A leg's state.
pub fn leg_state_to(state: LegState) -> v1::LegState {
    match state {
        LegState::Offered => v1::LegState::Offered,
        LegState::Assigned => v1::LegState::Assigned,
        LegState::Connected => v1::LegState::Connected,
        LegState::OnHold => v1::LegState::OnHold,
        LegState::WrapUp => v1::LegState::WrapUp,
        LegState::Ended => v1::LegState::Ended,
    }
}

/// An offer's state; unspecified for a leg without one.
pub fn offer_state_to(state: OfferState) -> v1::OfferState {
    match state {
        OfferState::None => v1::OfferState::Unspecified,
        OfferState::Issued => v1::OfferState::Issued,
        OfferState::Accepted => v1::OfferState::Accepted,
        OfferState::Declined => v1::OfferState::Declined,
        OfferState::Expired => v1::OfferState::Expired,
        OfferState::Rescinded => v1::OfferState::Rescinded,
        OfferState::Cancelled => v1::OfferState::Cancelled,
        OfferState::Revoked => v1::OfferState::Revoked,
        OfferState::Failed => v1::OfferState::Failed,
    }
}

/// Why an agent was created or changed.
pub fn upsert_cause_to(cause: UpsertCause) -> v1::AgentUpsertCause {
    match cause {
        UpsertCause::Request => v1::AgentUpsertCause::Request,
        UpsertCause::Config => v1::AgentUpsertCause::Config,
        UpsertCause::Skills => v1::AgentUpsertCause::Skills,
        UpsertCause::SkillsExpired => v1::AgentUpsertCause::SkillsExpired,
    }
}

/// Why a leg began without an offer.
pub fn assign_cause_to(cause: AssignCause) -> v1::AssignCause {
    match cause {
        AssignCause::Direct => v1::AssignCause::Direct,
        AssignCause::Forced => v1::AssignCause::Forced,
        AssignCause::Picked => v1::AssignCause::Picked,
        AssignCause::Transferred => v1::AssignCause::Transferred,
    }
}

/// Why a leg ended; an offer's end is told by the offer's state.
pub fn end_cause_to(cause: EndCause, offer: OfferState) -> v1::LegEndCause {
    match cause {
        EndCause::Completed => v1::LegEndCause::Completed,
        EndCause::Transferred => v1::LegEndCause::Transferred,
        EndCause::Requeued => v1::LegEndCause::Requeued,
        EndCause::ConnectTimeout => v1::LegEndCause::ConnectTimeout,
        EndCause::AgentUnreachable => v1::LegEndCause::AgentUnreachable,
        EndCause::MediaFailed => v1::LegEndCause::MediaFailed,
        EndCause::SessionLost => v1::LegEndCause::SessionLost,
        EndCause::ContactLeft => v1::LegEndCause::ContactLeft,
        EndCause::Offer => match offer {
            OfferState::Declined => v1::LegEndCause::Declined,
            OfferState::Expired => v1::LegEndCause::OfferExpired,
            OfferState::Rescinded => v1::LegEndCause::Rescinded,
            OfferState::Cancelled => v1::LegEndCause::ContactLeft,
            OfferState::Revoked => v1::LegEndCause::Revoked,
            OfferState::Failed => v1::LegEndCause::DeliveryFailed,
            OfferState::None | OfferState::Issued | OfferState::Accepted => v1::LegEndCause::Unspecified,
        },
    }
}

/// A presence.
pub fn presence_to(presence: &Presence) -> v1::Presence {
    match presence {
        Presence::Offline => v1::Presence::Offline,
        Presence::Available => v1::Presence::Available,
        Presence::NotReady(_) => v1::Presence::NotReady,
    }
}

/// The reason of a presence, empty when it has none.
pub fn presence_reason(presence: &Presence) -> String {
    match presence {
        Presence::NotReady(reason) => reason.to_string(),
        Presence::Offline | Presence::Available => String::new(),
    }
}

/// A routing word.
pub fn routing_to(routing: Routing) -> v1::Routing {
    match routing {
        Routing::Draining => v1::Routing::Draining,
        Routing::OffQueue => v1::Routing::OffQueue,
        Routing::NotResponding => v1::Routing::NotResponding,
        Routing::Offering => v1::Routing::Offering,
        Routing::Busy => v1::Routing::Busy,
        Routing::WrapUp => v1::Routing::WrapUp,
        Routing::Idle => v1::Routing::Idle,
    }
}

/// What kind of agent.
pub fn agent_type_to(agent_type: AgentType) -> v1::AgentType {
    match agent_type {
        AgentType::Human => v1::AgentType::Human,
        AgentType::Ai => v1::AgentType::Ai,
    }
}

/// What kind of agent; human when unspecified, none when unknown.
pub fn agent_type_from(agent_type: i32) -> Option<AgentType> {
    Some(match v1::AgentType::try_from(agent_type).ok()? {
        v1::AgentType::Unspecified | v1::AgentType::Human => AgentType::Human,
        v1::AgentType::Ai => AgentType::Ai,
    })
}

/// Why an agent rests.
pub fn rest_to(cause: Rest) -> v1::RestCause {
    match cause {
        Rest::MaxOccupancy => v1::RestCause::MaxOccupancy,
        Rest::OfferRate => v1::RestCause::OfferRate,
    }
}

/// What an agent failed at.
pub fn fault_to(fault: Fault) -> v1::AgentFault {
    match fault {
        Fault::Expired => v1::AgentFault::OfferExpired,
        Fault::Delivery => v1::AgentFault::Delivery,
        Fault::Connect => v1::AgentFault::Connect,
    }
}

/// Why an agent declines; none when unspecified or unknown.
pub fn decline_from(reason: i32) -> Option<DeclineReason> {
    match v1::DeclineReason::try_from(reason).ok()? {
        v1::DeclineReason::Unspecified => None,
        v1::DeclineReason::Rejected => Some(DeclineReason::Rejected),
        v1::DeclineReason::Busy => Some(DeclineReason::Busy),
        v1::DeclineReason::Unreachable => Some(DeclineReason::Unreachable),
    }
}

/// Why an agent declined.
pub fn decline_to(reason: DeclineReason) -> v1::DeclineReason {
    match reason {
        DeclineReason::Rejected => v1::DeclineReason::Rejected,
        DeclineReason::Busy => v1::DeclineReason::Busy,
        DeclineReason::Unreachable => v1::DeclineReason::Unreachable,
    }
}

/// Who cancels; none when unspecified or unknown.
pub fn cancel_from(cause: i32) -> Option<CancelCause> {
    match v1::CancelCause::try_from(cause).ok()? {
        v1::CancelCause::Unspecified => None,
        v1::CancelCause::CustomerLeft => Some(CancelCause::CustomerLeft),
        v1::CancelCause::System => Some(CancelCause::System),
    }
}

/// What a survey asks; none when unspecified or unknown.
pub fn survey_from(kind: i32) -> Option<SurveyKind> {
    match v1::SurveyKind::try_from(kind).ok()? {
        v1::SurveyKind::Unspecified => None,
        v1::SurveyKind::Csat => Some(SurveyKind::Csat),
        v1::SurveyKind::Nps => Some(SurveyKind::Nps),
    }
}

/// What a survey asked.
pub fn survey_to(kind: SurveyKind) -> v1::SurveyKind {
    match kind {
        SurveyKind::Csat => v1::SurveyKind::Csat,
        SurveyKind::Nps => v1::SurveyKind::Nps,
    }
}

/// How a survey answer counts.
pub fn survey_result_to(result: SurveyResult) -> v1::SurveyResult {
    match result {
        SurveyResult::Positive => v1::SurveyResult::Positive,
        SurveyResult::Neutral => v1::SurveyResult::Neutral,
        SurveyResult::Negative => v1::SurveyResult::Negative,
    }
}

/// Why a contact is put back; none when unspecified or unknown.
pub fn requeue_from(cause: i32) -> Option<RequeueCause> {
    match v1::RequeueCause::try_from(cause).ok()? {
        v1::RequeueCause::Unspecified => None,
        v1::RequeueCause::Normal => Some(RequeueCause::Normal),
        v1::RequeueCause::AgentUnreachable => Some(RequeueCause::AgentUnreachable),
        v1::RequeueCause::MediaFailed => Some(RequeueCause::MediaFailed),
    }
}

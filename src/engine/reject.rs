//! Why a command was refused. Expected and cheap; nothing has changed when one is returned.
//!
//! Declared in order of precedence: when several apply, the first is returned. `rpc/status` has the gRPC code of each.

use super::contact::{ContactState, OfferState};
use super::id::Text;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The request id was used with another payload.
    IdempotencyMismatch,
    /// No policy is in force yet.
    NoPolicy,
    /// A value is out of its range; the field's path and what it must be.
    Invalid {
        /// Path of the field as the client knows it.
        field: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// No such contact.
    ContactNotFound,
    /// No such agent.
    AgentNotFound,
    /// No such offer.
    OfferNotFound,
    /// No such queue.
    QueueNotFound {
        /// The name asked for.
        queue: Text,
    },
    /// No such channel.
    ChannelNotFound {
        /// The name asked for.
        channel: Text,
    },
    /// No such team.
    TeamNotFound {
        /// The name asked for.
        team: Text,
    },
    /// No such skill.
    SkillNotFound {
        /// The name asked for.
        skill: Text,
    },
    /// Not one of the tenant's not-ready reasons.
    ReasonUnknown,
    /// Not one of the tenant's dispositions.
    DispositionUnknown,
    /// A contact with this id exists and is another.
    ContactExists,
    /// A survey of this kind was answered before.
    SurveyExists,
    /// The offer is not this agent's.
    OfferNotYours,
    /// The agent is owned by configuration.
    ManagedByConfig,
    /// Another version of the policy is in force than the one that was to be replaced.
    VersionMismatch {
        /// The one in force.
        version: u64,
    },
    /// A queue that the new policy lacks still holds contacts.
    QueueHoldsContacts {
        /// Which.
        queue: Text,
    },
    /// The contact has ended.
    ContactClosed,
    /// The verb does not apply in the contact's state.
    ContactState {
        /// The state it is in.
        state: ContactState,
    },
    /// The offer has ended.
    OfferOver {
        /// How.
        state: OfferState,
    },
    /// The agent is not signed in.
    AgentSignedOut,
    /// The agent is signed out, or goes, and cannot be given work.
    AgentUnavailable,
    /// The agent may not serve the contact: his team does not list its queue, or he does not meet what it asks.
    AgentIneligible,
    /// The agent has no room for one more contact of the channel.
    AgentNoRoom,
    /// The agent has taken from a pool of the channel as much as one agent may.
    AgentPoolCap {
        /// Which.
        pool: Text,
    },
    /// The queue is closed.
    QueueClosed {
        /// Which.
        queue: Text,
    },
    /// The queue has no waiting place left, and nobody who could take the contact at once.
    QueueFull {
        /// Which.
        queue: Text,
    },
    /// The agent is not wrapping up this contact.
    NotWrappingUp,
    /// The conversation was interrupted for another contact of its agent, and goes on when that is over.
    LegInterrupted,
    /// A bound of the engine is reached.
    LimitReached {
        /// Which.
        limit: &'static str,
        /// Its size.
        max: u64,
    },
}

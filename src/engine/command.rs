//! What can be asked of the engine. Imperatives, with external ids as texts: the engine interns them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::{AgentProfile, Presence};
use super::contact::{CancelCause, ContactProfile, Customer, DeclineReason, RequeueCause, SurveyKind};
use super::id::{LegId, Text};
use super::policy::{Policy, PolicyChange};
use super::requirement::{Attributes, Requirement};
use super::time::{Span, Time};

/// A command with what makes a repeat of it recognisable.
#[derive(Clone, Debug)]
pub struct Request {
    /// The client's request id with the method and the payload's digest, when it gave one.
    pub stamp: Option<Arc<RequestStamp>>,
    /// What is asked.
    pub command: Command,
}

impl From<Command> for Request {
    fn from(command: Command) -> Request {
        Request { stamp: None, command }
    }
}

/// Which request this is, so that its repeat gets the first answer. Scope: tenant, method, request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestStamp {
    /// The method's number, the edge's own numbering, never reused.
    pub method: u16,
    /// The client's id, 1-64 bytes.
    pub request_id: Text,
    /// First 16 bytes of the payload's SHA-256, the request id left out.
    pub digest: [u8; 16],
}

/// A contact to be created.
#[derive(Clone, Debug, Default)]
pub struct NewContact {
    /// What it is.
    pub profile: Arc<ContactProfile>,
    /// First 16 bytes of the payload's SHA-256, to tell the same contact from another with its id.
    pub digest: [u8; 16],
    /// The queue's id; empty for direct work.
    pub queue: Text,
    /// The one agent a direct contact is for; empty otherwise.
    pub agent_id: Text,
    /// -100..100.
    pub priority: i32,
    /// What it asks of an agent.
    pub requirement: Option<Arc<Requirement>>,
    /// How much earlier than its arrival it is ordered, at most 24 h; never part of a measured wait.
    pub age_credit: Span,
    /// When the customer arrived; now when none.
    pub arrival: Option<Time>,
    /// When it is to be queued; at once when none or past.
    pub schedule: Option<Time>,
    /// When it ends by itself if not answered.
    pub expire: Option<Time>,
}

/// Why a contact is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangeCause {
    /// The gateway asks for it.
    #[default]
    Client,
    /// A supervisor does.
    Supervisor,
    /// A transfer brought another requirement.
    Transferred,
    /// An overflow rule says so.
    Overflow,
    /// A classification rule does.
    Classified,
}

/// What an update changes; `None` leaves as is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactChange {
    /// The customer's part.
    pub customer: Option<Option<Arc<Customer>>>,
    /// The other attributes, all of them.
    pub attributes: Option<Attributes>,
    /// The conversation.
    pub conversation_id: Option<Text>,
    /// The agent to be tried first where steps say so; empty for none.
    pub preferred_agent_id: Option<Text>,
    /// The priority.
    pub priority: Option<i32>,
    /// The requirement; re-evaluated at once while it waits.
    pub requirement: Option<Option<Arc<Requirement>>>,
    /// When it ends by itself if not answered.
    pub expire: Option<Option<Time>>,
    /// Why it is changed.
    pub cause: ChangeCause,
}

/// Where a transfer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferTarget {
    /// To a queue.
    Queue(Text),
    /// To one agent.
    Agent(Text),
}

/// Which contacts are moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveWhich {
    /// Those named, each of which must wait.
    Named(Vec<Text>),
    /// Those that wait in a queue, first in line first.
    Waiting {
        /// The queue they leave.
        from: Text,
        /// Only those of this channel; empty for all.
        channel: Text,
        /// At most so many; 0 for all.
        limit: u32,
    },
}

/// What can be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Creates a contact: SCHEDULED, QUEUED, or ASSIGNED to one agent.
    CreateContact(Arc<NewContact>),
    /// Changes what a contact is.
    UpdateContact {
        /// The contact's id.
        contact_id: Text,
        /// What changes.
        change: Arc<ContactChange>,
    },
    /// The gateway has bridged customer and agent.
    ConnectContact {
        /// The contact's id.
        contact_id: Text,
    },
    /// The customer is put on hold.
    HoldContact {
        /// The contact's id.
        contact_id: Text,
    },
    /// The customer is back from hold.
    ResumeContact {
        /// The contact's id.
        contact_id: Text,
    },
    /// The conversation is over.
    CompleteContact {
        /// The contact's id.
        contact_id: Text,
        /// How it went; empty when not said.
        disposition: Text,
    },
    /// The contact leaves.
    CancelContact {
        /// The contact's id.
        contact_id: Text,
        /// Who ended it.
        cause: CancelCause,
    },
    /// Hands the contact on.
    TransferContact {
        /// The contact's id.
        contact_id: Text,
        /// Where to.
        target: TransferTarget,
        /// Replaces the contact's requirement when given; `Some(None)` clears it.
        requirement: Option<Option<Arc<Requirement>>>,
        /// Why, in the agent's words.
        reason: Text,
    },
    /// Puts the contact back in its queue.
    RequeueContact {
        /// The contact's id.
        contact_id: Text,
        /// Why.
        cause: RequeueCause,
    },
    /// Suspends waiting.
    ParkContact {
        /// The contact's id.
        contact_id: Text,
    },
    /// Goes on waiting.
    UnparkContact {
        /// The contact's id.
        contact_id: Text,
    },
    /// Moves waiting contacts to another queue, all or none.
    MoveContacts {
        /// The queue they go to.
        to: Text,
        /// Which.
        which: MoveWhich,
    },
    /// Sends a waiting contact where the classification rules in force say, or to a queue.
    ReclassifyContact {
        /// The contact's id.
        contact_id: Text,
        /// The queue's id; empty for as the rules say.
        queue: Text,
    },
    /// Turns a waiting contact into a callback.
    RequestCallback {
        /// The contact's id.
        contact_id: Text,
        /// The callback's id.
        callback_id: Text,
        /// When the customer wants to be called; in turn when none.
        schedule: Option<Time>,
        /// Where to call; the contact's own address when empty.
        address: Text,
    },
    /// Records a survey answer.
    SubmitSurvey {
        /// The contact's id.
        contact_id: Text,
        /// What was asked.
        kind: SurveyKind,
        /// The answer.
        score: i32,
    },
    /// Creates or replaces an agent.
    UpsertAgent {
        /// Who he is.
        profile: Arc<AgentProfile>,
    },
    /// A supervisor changes what an agent can do.
    SetAgentSkills {
        /// The agent's id.
        agent_id: Text,
        /// Levels by skill, 0 taking one away.
        skills: Vec<(Text, u8)>,
        /// When the levels before return; never when none.
        until: Option<Time>,
    },
    /// Deletes an agent, or marks him to go with his last leg.
    DeleteAgent {
        /// The agent's id.
        agent_id: Text,
    },
    /// An agent begins his shift.
    SignIn {
        /// The agent's id.
        agent_id: Text,
        /// His presence from now on.
        presence: Presence,
        /// His lease; the tenant's when none, none at all when zero.
        lease: Option<Span>,
    },
    /// An agent ends his shift.
    SignOut {
        /// The agent's id.
        agent_id: Text,
        /// At once, leaving connected legs to the gateway.
        force: bool,
    },
    /// An agent changes his presence.
    SetPresence {
        /// The agent's id.
        agent_id: Text,
        /// What to.
        presence: Presence,
    },
    /// Opens or closes a queue by hand.
    SetQueueOpen {
        /// The queue's id.
        queue: Text,
        /// What to; none takes back what was set.
        open: Option<bool>,
        /// When that ends by itself.
        until: Option<Time>,
    },
    /// Forgets a customer: what identifies him goes from every contact, and from the journal.
    ForgetCustomer {
        /// The customer's id.
        customer_id: Text,
    },
    /// A supervisor changes an agent's presence.
    SetAgentPresence {
        /// The agent's id.
        agent_id: Text,
        /// What to.
        presence: Presence,
    },
    /// A sign of life of an agent's desktop.
    Heartbeat {
        /// The agent's id.
        agent_id: Text,
    },
    /// A stream of an agent's desktop opened.
    OpenAgentSession {
        /// The agent's id.
        agent_id: Text,
    },
    /// It closed; his lease runs from now.
    CloseAgentSession {
        /// The agent's id.
        agent_id: Text,
    },
    /// An agent takes an offer.
    AcceptOffer {
        /// The agent's id.
        agent_id: Text,
        /// The offer.
        offer: LegId,
    },
    /// An agent refuses an offer.
    DeclineOffer {
        /// The agent's id.
        agent_id: Text,
        /// The offer.
        offer: LegId,
        /// Why.
        reason: DeclineReason,
        /// How long the pair is barred; the tenant's `retry_time` when none.
        retry_time: Option<Span>,
    },
    /// An agent takes a waiting contact out of line.
    PickContact {
        /// The agent's id.
        agent_id: Text,
        /// The contact's id.
        contact_id: Text,
    },
    /// A supervisor gives a waiting contact to an agent.
    AssignContact {
        /// The contact's id.
        contact_id: Text,
        /// The agent's id.
        agent_id: Text,
        /// Whether or not he is eligible and has room.
        force: bool,
    },
    /// An offer could not be written to any stream of its agent.
    FailOffer {
        /// The agent's id.
        agent_id: Text,
        /// The offer.
        offer: LegId,
    },
    /// An agent ends his wrap-up.
    CompleteWrapUp {
        /// The agent's id.
        agent_id: Text,
        /// The contact's id.
        contact_id: Text,
        /// How it went; empty when not said.
        disposition: Text,
        /// Whether the matter is resolved, when said.
        resolved: Option<bool>,
    },
    /// A gateway's session opened, or renewed its lease.
    OpenGatewaySession {
        /// The gateway's id.
        gateway_id: Text,
        /// Its lease; zero for none.
        lease: Span,
    },
    /// A sign of life of a gateway.
    RenewGatewaySession {
        /// The gateway's id.
        gateway_id: Text,
    },
    /// It closed; its lease runs from now.
    CloseGatewaySession {
        /// The gateway's id.
        gateway_id: Text,
    },
    /// Puts a policy in force.
    ApplyPolicy {
        /// The policy; its version is set by the engine.
        policy: Arc<Policy>,
        /// How it came.
        change: Arc<PolicyChange>,
        /// The version it must replace; 0 means whichever.
        expected_version: u64,
    },
}

impl Command {
    /// Puts a policy in force whichever version it replaces, as the start of a server does.
    #[must_use]
    pub fn apply(policy: impl Into<Arc<Policy>>) -> Command {
        Command::ApplyPolicy { policy: policy.into(), change: Arc::default(), expected_version: 0 }
    }

    /// Whether it begins something, rather than going on with or ending what was begun: refused while there is only room
    /// to end.
    #[must_use]
    pub fn begins_work(&self) -> bool {
        use Command::*;
        matches!(self, CreateContact(_) | UpdateContact { .. } | UpsertAgent { .. } | ApplyPolicy { .. })
    }

    /// Whether it brings in a contact or an agent that stays: refused while there is no memory for more.
    #[must_use]
    pub fn takes_memory(&self) -> bool {
        matches!(self, Command::CreateContact(_) | Command::UpsertAgent { .. })
    }
}

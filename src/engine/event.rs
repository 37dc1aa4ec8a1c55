//! What happened: past facts, the only thing that changes state and the only thing a journal keeps.
//!
//! An event holds what `evolve` needs and what readers count; what follows from state (a contact's state before and
//! after) stands beside it in [`Recorded`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::{AgentProfile, Fault, Presence, Rest, Routing, SkillOverride, UpsertCause};
use super::command::{ContactChange, NewContact, RequestStamp};
use super::contact::{
    AssignCause, ContactState, Customer, DeclineReason, Direction, EndCause, FailCause, Outcome, Reason, SurveyKind,
    SurveyResult,
};
use super::estimate::Estimate;
use super::id::{AgentId, BarId, ChannelId, ContactId, GatewayId, LegId, QueueId, Text};
use super::policy::{Action, Policy, PolicyChange, Trigger};
use super::time::{Span, Time};

/// An event with its place in the tenant's total order.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// 1, 2, 3, … per tenant.
    pub sequence: u64,
    /// When; the same for a whole batch.
    pub time: Time,
    /// Version of the policy in force.
    pub policy_version: u64,
    /// The contact's state before and after, when the event is about one.
    pub contact_states: Option<(ContactState, ContactState)>,
    /// What stood beside it.
    pub facts: Facts,
    /// What it changed, as that was before; none where nothing is told of it, or nothing was.
    pub earlier: Option<Box<Earlier>>,
    /// What happened.
    pub event: Event,
}

/// What an event changed, as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// The fields of a contact that ContactUpdated changes; of the customer nothing but that he was another.
    Contact(ContactChange),
    /// An agent, with what was set for a time over his skills.
    Agent(Arc<AgentProfile>, Vec<SkillOverride>),
}

/// What readers count and show beside an event, as it stood at that instant. Zero or `None` where it does not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The contact's channel.
    pub channel: Option<ChannelId>,
    /// Who began the contact.
    pub direction: Direction,
    /// The queue of the entry, or of the leg.
    pub queue: Option<QueueId>,
    /// Number of the entry, 1 for the contact's first.
    pub entry: u32,
    /// The relaxation step the entry was in.
    pub step: u8,
    /// Whether the contact waits and no agent there is could ever serve it, after the event.
    pub unservable: bool,
    /// Measured wait of the entry, up to this event.
    pub wait: Span,
    /// Time PARKED in the entry, up to this event.
    pub parked: Span,
    /// How long the entry that begins is likely to wait; none while too little was seen.
    pub estimate: Option<Estimate>,
    /// Since the customer arrived.
    pub since_arrival: Span,
    /// The agent the event is about, also by its leg.
    pub agent: Option<AgentId>,
    /// Number of the leg, 1 for the contact's first.
    pub leg: u32,
    /// Since the leg began: for an offer that ends, how long it rang.
    pub leg_age: Span,
    /// The leg's time in conversation, up to this event.
    pub talk: Span,
    /// The leg's time on hold, up to this event.
    pub hold: Span,
    /// The leg's time wrapping up, once it has ended.
    pub wrap_up: Span,
    /// Whether this ends the last leg of an answered entry: the entry is handled.
    pub handled: bool,
    /// Whether this leaves the agent with more units in use than he has: work he was given, or a capacity that was lowered.
    pub over_capacity: bool,
}

/// Why an entry began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryCause {
    /// The contact arrived.
    Arrived,
    /// Its scheduled time came.
    Scheduled,
    /// It was transferred after being answered, or from direct work.
    Transferred,
    /// It was put back after being answered.
    Requeued,
    /// A removed queue's contacts were moved.
    Moved,
    /// An overflow rule sent it.
    Overflowed,
    /// It was classified again.
    Reclassified,
}

/// How an entry that was not answered ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryExit {
    /// The queue.
    pub queue: QueueId,
    /// The measured wait.
    pub wait: Span,
    /// Whether that wait was at or under the queue's threshold.
    pub within_threshold: bool,
    /// Whether it was under the queue's short-abandonment span.
    pub short: bool,
}

/// The answer of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The queue.
    pub queue: QueueId,
    /// The measured wait.
    pub wait: Span,
    /// Whether that wait was at or under the threshold in force when the entry began.
    pub within_threshold: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A command with a request id was accepted; last in its batch, so its repeat gets the sequence that covers it.
    RequestRemembered {
        /// Which request.
        stamp: Arc<RequestStamp>,
        /// The contact it was about, if one.
        contact: Option<ContactId>,
        /// The agent it was about, if one.
        agent: Option<AgentId>,
        /// Whether it created that contact or agent.
        created: bool,
        /// Contacts it moved.
        moved: u32,
        /// Contacts it left where they were.
        skipped: u32,
        /// The classification rule that matched, of a ReclassifyContact.
        rule: Option<u32>,
    },
    /// A policy came into force.
    PolicyApplied {
        /// The policy, its version set.
        policy: Arc<Policy>,
        /// How it came.
        change: Arc<PolicyChange>,
        /// Waiting contacts looked at again.
        reevaluated: u32,
    },
    /// A contact has waited so long that more agents may take it: a team's delay is over, or agents kept back are let go.
    WaitReached {
        /// The contact.
        contact: ContactId,
        /// The wait.
        wait: Span,
    },
    /// A relaxation step began, or was passed over: more agents may take a contact.
    ContactRelaxed {
        /// The contact.
        contact: ContactId,
        /// The step before, counted from 0.
        before: u8,
        /// The step now in force.
        after: u8,
        /// The steps passed over so far, a bit each.
        skipped: u32,
        /// How much earlier than they say later steps begin.
        advanced: Span,
    },
    /// No agent there is could ever serve a contact that waits, or one could again: agents or the policy changed, or it came
    /// back from an agent it was given to. [`Facts::unservable`] says how it is with every event of the contact.
    ContactUnservableChanged {
        /// The contact.
        contact: ContactId,
        /// Whether nobody could.
        unservable: bool,
    },
    /// The time of a queue's last step is over for a contact: overflow rules are looked at.
    StepsExhausted {
        /// The contact.
        contact: ContactId,
    },
    /// A file says what the policy in force says already.
    PolicySourced {
        /// SHA-256 of the file.
        file: [u8; 32],
    },
    /// A customer was forgotten: what identifies him is gone from every contact. The totals stay.
    CustomerForgotten {
        /// His id alone; empty once nobody can read it any more.
        customer: Arc<Customer>,
        /// Contacts concerned.
        contacts: u32,
    },
    /// A queue was opened or closed by hand, or that has ended.
    QueueOpenChanged {
        /// The queue.
        queue: QueueId,
        /// Whether it was open.
        before: bool,
        /// Whether it is.
        after: bool,
        /// What it is set to; none when nothing is set any more.
        set: Option<bool>,
        /// When that ends by itself.
        until: Option<Time>,
        /// Whether it ended by itself.
        by_clock: bool,
    },
    /// The engine was brought back from its journal. Offer, connect, wrap-up, bar and NOT_RESPONDING deadlines, and a lost
    /// gateway's grace, moved by the outage; leases start anew.
    Resumed {
        /// From the last time in the journal until now.
        outage: Span,
        /// Contacts not ended.
        contacts: u32,
        /// Offers still open.
        offers: u32,
    },
    /// An overflow rule acted; what it did follows.
    ContactOverflowed {
        /// The contact.
        contact: ContactId,
        /// The rule's place in the queue's list, from 0.
        rule: u32,
        /// What set it off.
        trigger: Trigger,
        /// What it does.
        action: Action,
    },
    /// A contact was created.
    ContactCreated {
        /// The contact.
        contact: ContactId,
        /// What it is, as asked.
        new: Arc<NewContact>,
    },
    /// A queue entry began.
    ContactQueued {
        /// The contact.
        contact: ContactId,
        /// The queue.
        queue: QueueId,
        /// Why.
        cause: EntryCause,
        /// The one agent it is open to, and until when.
        only: Option<(AgentId, Time)>,
    },
    /// The entry ends unanswered and goes on in another queue; the next event begins the entry there.
    ContactMoved {
        /// The contact.
        contact: ContactId,
        /// The entry it leaves.
        exit: EntryExit,
        /// The queue it goes to.
        to: QueueId,
        /// Why.
        cause: EntryCause,
    },
    /// A survey answer came in.
    SurveySubmitted {
        /// The contact.
        contact: ContactId,
        /// The queue of its first answered entry; none for direct work.
        queue: Option<QueueId>,
        /// The agent of its last connected leg.
        agent: AgentId,
        /// What was asked.
        kind: SurveyKind,
        /// The answer.
        score: u8,
        /// How it counts.
        result: SurveyResult,
    },
    /// The restriction to one agent fell.
    ContactUnrestricted {
        /// The contact.
        contact: ContactId,
    },
    /// The contact changed.
    ContactUpdated {
        /// The contact.
        contact: ContactId,
        /// What changed.
        change: Arc<ContactChange>,
    },
    /// Waiting was suspended.
    ContactParked {
        /// The contact.
        contact: ContactId,
        /// When that ends by itself.
        until: Time,
    },
    /// Waiting goes on.
    ContactUnparked {
        /// The contact.
        contact: ContactId,
    },
    /// An agent handed the contact on.
    ContactTransferred {
        /// The contact.
        contact: ContactId,
        /// The queue it leaves, if it had one.
        from: Option<QueueId>,
        /// The queue it goes to; none to an agent directly.
        to: Option<QueueId>,
        /// The agent it is for, when to an agent.
        to_agent: Option<AgentId>,
        /// Whether the contact was transferred before.
        again: bool,
        /// Why, in the agent's words.
        reason: Text,
    },
    /// Every willing agent has declined; the memory is cleared and the contact waits on.
    NoWillingAgent {
        /// The contact.
        contact: ContactId,
    },
    /// A barred pair may be matched again.
    BarLifted {
        /// The bar.
        bar: BarId,
        /// The contact.
        contact: ContactId,
        /// The agent.
        agent: AgentId,
    },
    /// The customer's part is over: the outcome is fixed.
    ContactEnded {
        /// The contact.
        contact: ContactId,
        /// How.
        outcome: Outcome,
        /// Why.
        reason: Reason,
        /// The entry it left unanswered, if one was open.
        exit: Option<EntryExit>,
        /// The disposition given with it; empty when none.
        disposition: Text,
    },
    /// The contact is CLOSED: no entry open, no leg live.
    ContactClosed {
        /// The contact.
        contact: ContactId,
        /// How it ended.
        outcome: Outcome,
        /// Why.
        reason: Reason,
        /// The queue of its last entry.
        queue: Option<QueueId>,
    },
    /// An ended contact's record is dropped.
    ContactForgotten {
        /// The contact.
        contact: ContactId,
    },
    /// An offer was issued; the leg is OFFERED.
    OfferIssued {
        /// The contact.
        contact: ContactId,
        /// The leg, and the offer's id.
        leg: LegId,
        /// To whom.
        agent: AgentId,
        /// Units it reserves.
        cost: u32,
        /// When it expires.
        expires: Time,
        /// Measured wait so far.
        wait: Span,
        /// Whether it is offered to several at once.
        broadcast: bool,
    },
    /// The agent took it; the leg is ASSIGNED.
    OfferAccepted {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// When it must be connected.
        connect_by: Time,
    },
    /// The agent refused it.
    OfferDeclined {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// Why.
        reason: DeclineReason,
        /// Until when the pair is barred.
        barred: Option<(BarId, Time)>,
    },
    /// Nobody answered it in time.
    OfferExpired {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// Until when the pair is barred.
        barred: Option<(BarId, Time)>,
    },
    /// Another agent won.
    OfferRescinded {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// Who.
        winner: AgentId,
    },
    /// The contact left.
    OfferCancelled {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
    },
    /// The agent or the policy changed.
    OfferRevoked {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
    },
    /// It could not be delivered.
    OfferFailed {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// Why.
        cause: FailCause,
        /// Until when the pair is barred.
        barred: Option<(BarId, Time)>,
    },
    /// A leg began ASSIGNED, without an offer.
    LegAssigned {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// The agent.
        agent: AgentId,
        /// Units it takes.
        cost: u32,
        /// When it must be connected.
        connect_by: Time,
        /// Why.
        cause: AssignCause,
    },
    /// Customer and agent talk.
    LegConnected {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// The answer, when this answers an entry.
        answer: Option<Answer>,
    },
    /// The customer is on hold.
    LegHeld {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// The leg that interrupts it; none when the gateway asked.
        by: Option<LegId>,
    },
    /// The customer is back.
    LegResumed {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// Whether it was interrupted, and nothing that interrupted it is left.
        interrupted: bool,
    },
    /// The agent wraps up.
    LegWrapUpStarted {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// When it ends by itself.
        until: Time,
        /// What it wraps up.
        cause: EndCause,
    },
    /// The leg is over and its units are free.
    LegEnded {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
        /// Why.
        cause: EndCause,
        /// Until when the pair is barred, after a connect failure.
        barred: Option<(BarId, Time)>,
        /// The wrap-up's disposition; empty when none.
        disposition: Text,
        /// Whether the matter is resolved, when said.
        resolved: Option<bool>,
    },
    /// A conversation passed `max_handle`: an alarm, nothing is ended.
    MaxHandlePassed {
        /// The contact.
        contact: ContactId,
        /// The leg.
        leg: LegId,
    },
    /// An agent was created or changed.
    AgentUpserted {
        /// The agent.
        agent: AgentId,
        /// Who he is, with what was set over it for a time.
        profile: Arc<AgentProfile>,
        /// Why.
        cause: UpsertCause,
        /// What was set over it.
        overrides: Vec<SkillOverride>,
    },
    /// An agent is to go with his last leg.
    AgentRemoved {
        /// The agent.
        agent: AgentId,
    },
    /// An agent is gone.
    AgentDeleted {
        /// The agent.
        agent: AgentId,
    },
    /// A shift began.
    AgentSignedIn {
        /// The agent.
        agent: AgentId,
        /// His presence.
        presence: Presence,
        /// His lease; zero for none.
        lease: Span,
    },
    /// A shift ended.
    AgentSignedOut {
        /// The agent.
        agent: AgentId,
    },
    /// A presence changed, or waits for the last leg.
    AgentPresenceChanged {
        /// The agent.
        agent: AgentId,
        /// What it was.
        before: Presence,
        /// What it is.
        after: Presence,
        /// What waits.
        next: Option<Presence>,
        /// Whether a supervisor did it.
        by_supervisor: bool,
    },
    /// What the agent's state means for routing changed.
    AgentRoutingChanged {
        /// The agent.
        agent: AgentId,
        /// What it was.
        before: Routing,
        /// What it is.
        after: Routing,
    },
    /// Too many in a row: no offers until an instant.
    AgentNotResponding {
        /// The agent.
        agent: AgentId,
        /// Which count.
        fault: Fault,
        /// How far it has come, this fault included.
        in_a_row: u32,
        /// Until when.
        until: Time,
    },
    /// NOT_RESPONDING is over.
    AgentResponding {
        /// The agent.
        agent: AgentId,
    },
    /// An agent gets no new offers for a while.
    AgentRestStarted {
        /// The agent.
        agent: AgentId,
        /// Why.
        cause: Rest,
        /// When that is over by itself; none while he works.
        until: Option<Time>,
    },
    /// An agent gets new offers again, as far as this cause is concerned.
    AgentRestEnded {
        /// The agent.
        agent: AgentId,
        /// Why he rested.
        cause: Rest,
    },
    /// The day of a pool is over: what agents took from it is counted anew.
    PoolReset {
        /// Which.
        pool: Text,
    },
    /// An agent's session is alive again.
    AgentSessionOpened {
        /// The agent.
        agent: AgentId,
    },
    /// An agent's lease ran out.
    AgentSessionLost {
        /// The agent.
        agent: AgentId,
    },
    /// A gateway's session opened.
    GatewaySessionOpened {
        /// The gateway.
        gateway: GatewayId,
        /// Its name, for the first time it is seen.
        gateway_id: Text,
        /// Its lease; zero for none.
        lease: Span,
    },
    /// A gateway's lease ran out.
    GatewaySessionLost {
        /// The gateway.
        gateway: GatewayId,
        /// When its contacts end.
        until: Time,
    },
    /// A lost gateway's contacts have ended.
    GatewaySwept {
        /// The gateway.
        gateway: GatewayId,
    },
}

impl Event {
    /// The contact it is about, if one.
    #[must_use]
    pub fn contact(&self) -> Option<ContactId> {
        use Event::*;
        match *self {
            ContactCreated { contact, .. }
            | ContactQueued { contact, .. }
            | ContactMoved { contact, .. }
            | SurveySubmitted { contact, .. }
            | ContactUnrestricted { contact }
            | ContactUpdated { contact, .. }
            | ContactParked { contact, .. }
            | ContactUnparked { contact }
            | ContactTransferred { contact, .. }
            | NoWillingAgent { contact }
            | BarLifted { contact, .. }
            | WaitReached { contact, .. }
            | ContactRelaxed { contact, .. }
            | StepsExhausted { contact }
            | ContactUnservableChanged { contact, .. }
            | ContactOverflowed { contact, .. }
            | ContactEnded { contact, .. }
            | ContactClosed { contact, .. }
            | ContactForgotten { contact }
            | OfferIssued { contact, .. }
            | OfferAccepted { contact, .. }
            | OfferDeclined { contact, .. }
            | OfferExpired { contact, .. }
            | OfferRescinded { contact, .. }
            | OfferCancelled { contact, .. }
            | OfferRevoked { contact, .. }
            | OfferFailed { contact, .. }
            | LegAssigned { contact, .. }
            | LegConnected { contact, .. }
            | LegHeld { contact, .. }
            | LegResumed { contact, .. }
            | LegWrapUpStarted { contact, .. }
            | LegEnded { contact, .. }
            | MaxHandlePassed { contact, .. } => Some(contact),
            _ => None,
        }
    }

    /// The leg it is about, if one.
    #[must_use]
    pub fn leg(&self) -> Option<LegId> {
        use Event::*;
        match *self {
            OfferIssued { leg, .. }
            | OfferAccepted { leg, .. }
            | OfferDeclined { leg, .. }
            | OfferExpired { leg, .. }
            | OfferRescinded { leg, .. }
            | OfferCancelled { leg, .. }
            | OfferRevoked { leg, .. }
            | OfferFailed { leg, .. }
            | LegAssigned { leg, .. }
            | LegConnected { leg, .. }
            | LegHeld { leg, .. }
            | LegResumed { leg, .. }
            | LegWrapUpStarted { leg, .. }
            | LegEnded { leg, .. }
            | MaxHandlePassed { leg, .. } => Some(leg),
            _ => None,
        }
    }

    /// The agent it names itself; that of a leg is found by the leg.
    #[must_use]
    pub fn agent(&self) -> Option<AgentId> {
        use Event::*;
        match *self {
            OfferIssued { agent, .. }
            | LegAssigned { agent, .. }
            | SurveySubmitted { agent, .. }
            | BarLifted { agent, .. }
            | AgentUpserted { agent, .. }
            | AgentRemoved { agent }
            | AgentDeleted { agent }
            | AgentSignedIn { agent, .. }
            | AgentSignedOut { agent }
            | AgentPresenceChanged { agent, .. }
            | AgentRoutingChanged { agent, .. }
            | AgentNotResponding { agent, .. }
            | AgentResponding { agent }
            | AgentRestStarted { agent, .. }
            | AgentRestEnded { agent, .. }
            | AgentSessionOpened { agent }
            | AgentSessionLost { agent } => Some(agent),
            _ => None,
        }
    }
}

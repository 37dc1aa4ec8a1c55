//! Contacts, their queue entries and their legs: the nouns and the states they go through.
//!
//! The life cycles are in DESIGN terms: a contact's state is derived from its open entry and its owner leg (`Contact::state`).

use alloc::sync::Arc;

use super::id::{AgentId, BarId, ChannelId, ClassId, ContactId, LegId, QueueId, Text};
use super::order::Links;
use super::policy::WrapUp;
use super::requirement::{Attributes, Requirement};
use super::time::{MaybeTime, Span, Time};

/// Who began the conversation. Figures of one are never mixed into another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The customer.
    #[default]
    Inbound,
    /// The center.
    Outbound,
    /// The center, because the customer asked to be called back.
    Callback,
    /// Two agents.
    Internal,
}

impl Direction {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// All of them, in order.
    pub const ALL: [Direction; Self::COUNT] =
        [Direction::Inbound, Direction::Outbound, Direction::Callback, Direction::Internal];
}

/// The part of a contact that identifies its customer, kept apart so that it can be forgotten alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// The customer's id.
    pub customer_id: Text,
    /// Where the customer is reached: a number, an address.
    pub address: Text,
    /// The attributes marked personal.
    pub attributes: Attributes,
}

/// What a contact is. Immutable: an update replaces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactProfile {
    /// The id, the gateway's choice.
    pub contact_id: Text,
    /// The gateway that holds its media; empty when none was named.
    pub gateway_id: Text,
    /// Who began it.
    pub direction: Direction,
    /// Another contact this one calls back; empty when none.
    pub callback_of: Text,
    /// The conversation several contacts may share; empty when none.
    pub conversation_id: Text,
    /// The channel's id.
    pub channel: Text,
    /// The agent to be tried first where the queue's steps say so; empty when none.
    pub preferred_agent_id: Text,
    /// The customer's part.
    pub customer: Option<Arc<Customer>>,
    /// Attributes that identify nobody.
    pub attributes: Attributes,
}

/// The state of a contact, derived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContactState {
    /// Created for later.
    #[default]
    Scheduled,
    /// Waiting, suspended by the gateway.
    Parked,
    /// Waiting.
    Queued,
    /// Waiting, with an offer open.
    Offered,
    /// Accepted, not yet connected.
    Assigned,
    /// In conversation.
    Connected,
    /// In conversation, on hold.
    OnHold,
    /// The customer's part is over, an agent wraps up.
    WrapUp,
    /// Over.
    Closed,
}

/// How a contact ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It was served.
    Completed,
    /// The customer left before being answered.
    Abandoned,
    /// The center took it back before answer, or it left while SCHEDULED.
    Cancelled,
    /// A rule refused it.
    Refused,
    /// A rule sent it elsewhere.
    Overflowed,
    /// It waited too long.
    Expired,
    /// It had no queue entry and could not be connected.
    Failed,
}

/// Why, beside the outcome. `None` where the outcome says it all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing to add.
    #[default]
    None,
    /// The customer left.
    CustomerLeft,
    /// The center cancelled it.
    System,
    /// Its gateway's session was lost.
    GatewayLost,
    /// Nobody answered a direct contact.
    NoAnswer,
    /// The agent of a direct contact lost his session or signed out.
    SessionLost,
    /// `max_wait` passed.
    MaxWait,
    /// `expire_time` passed.
    ExpireTime,
    /// Its queue was taken out of the policy.
    QueueRemoved,
    /// Its queue had no waiting place left.
    QueueFull,
    /// Its queue was closed when it came.
    QueueClosed,
    /// An overflow rule refused it.
    Rule,
    /// An overflow rule sent it outside.
    External,
    /// The customer asked to be called back.
    Callback,
}

/// What a survey asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SurveyKind {
    /// Satisfaction, 1-5.
    Csat,
    /// Recommendation, 0-10.
    Nps,
}

/// How a survey answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SurveyResult {
    /// Satisfied, or a promoter.
    Positive,
    /// Neither.
    Neutral,
    /// Dissatisfied, or a detractor.
    Negative,
}

impl SurveyKind {
    /// How a score counts; none when it is out of range. CSAT: 4 and 5 are positive, 3 is neutral. NPS: 9 and 10 are
    /// positive, 7 and 8 neutral.
    #[must_use]
    pub fn result(self, score: i32) -> Option<SurveyResult> {
        Some(match (self, score) {
            (SurveyKind::Csat, 4..=5) | (SurveyKind::Nps, 9..=10) => SurveyResult::Positive,
            (SurveyKind::Csat, 3) | (SurveyKind::Nps, 7..=8) => SurveyResult::Neutral,
            (SurveyKind::Csat, 1..=2) | (SurveyKind::Nps, 0..=6) => SurveyResult::Negative,
            _ => return None,
        })
    }

    /// Its bit in [`Contact::surveys`].
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The state of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegState {
    /// Its offer is open.
    Offered,
    /// Accepted (or given without an offer), not yet connected.
    Assigned,
    /// In conversation.
    Connected,
    /// On hold.
    OnHold,
    /// The agent wraps up.
    WrapUp,
    /// Over.
    Ended,
}

impl LegState {
    /// Whether the leg is in conversation, on hold or not.
    #[must_use]
    pub fn is_talking(self) -> bool {
        matches!(self, LegState::Connected | LegState::OnHold)
    }

    /// Whether the leg makes its agent busy.
    #[must_use]
    pub fn is_busy(self) -> bool {
        matches!(self, LegState::Assigned | LegState::Connected | LegState::OnHold)
    }
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OfferState {
    /// The leg began without one.
    None,
    /// Open.
    Issued,
    /// The agent took it.
    Accepted,
    /// The agent refused it.
    Declined,
    /// Nobody answered it in time.
    Expired,
    /// Another agent won.
    Rescinded,
    /// The contact left.
    Cancelled,
    /// The agent or the policy changed.
    Revoked,
    /// It could not be delivered, or the agent's session was lost.
    Failed,
}

/// Why an agent declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeclineReason {
    /// He does not want it.
    Rejected,
    /// He is busy elsewhere.
    Busy,
    /// His device cannot be reached.
    Unreachable,
}

/// Why an offer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailCause {
    /// It could not be written to any stream of an agent whose lease holds.
    Delivery,
    /// The agent's session was lost.
    SessionLost,
}

/// Why a leg began without an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssignCause {
    /// The contact was created for this agent.
    #[default]
    Direct,
    /// A supervisor gave it to him.
    Forced,
    /// He picked it.
    Picked,
    /// It was transferred to him and stays direct work.
    Transferred,
}

/// Why a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndCause {
    /// Its offer ended unaccepted; the offer's state says how.
    Offer,
    /// The conversation ended.
    Completed,
    /// The contact was handed to another queue or agent.
    Transferred,
    /// The contact was put back in its queue.
    Requeued,
    /// Nobody connected it in time.
    ConnectTimeout,
    /// The gateway could not reach the agent.
    AgentUnreachable,
    /// The gateway's media failed.
    MediaFailed,
    /// The agent's session was lost or he signed out before it connected.
    SessionLost,
    /// The contact left before it connected.
    ContactLeft,
}

/// Why a contact is put back in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequeueCause {
    /// For a reason of the center's own.
    Normal,
    /// The agent could not be reached.
    AgentUnreachable,
    /// The media failed.
    MediaFailed,
}

/// Why a contact is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CancelCause {
    /// The customer left.
    CustomerLeft,
    /// The center takes it back.
    System,
}

/// What an entry is measured against, fixed when it begins. Entries share it: few differ, and many wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryRules {
    /// The service-level threshold.
    pub threshold: Span,
    /// The short-abandonment span.
    pub short: Span,
    /// How long it may wait.
    pub max_wait: Span,
}

/// One stay in one queue that is not yet answered or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The queue.
    pub queue: QueueId,
    /// The requirement class it waits in.
    pub class: ClassId,
    /// The widest it comes to by the steps of its queue; the same where there are none.
    pub last: ClassId,
    /// Whether it waits and no agent there is could ever serve it.
    pub unservable: bool,
    /// When it began.
    pub enter: Time,
    /// Time spent PARKED in this entry, up to the last unpark.
    pub parked: Span,
    /// Since when it has been PARKED.
    pub parked_since: MaybeTime,
    /// When PARKED ends by itself.
    pub park_until: Time,
    /// The one agent it is open to, after a transfer to him.
    pub only: Option<AgentId>,
    /// Until when it is open to him alone.
    pub only_until: Time,
    /// Offers of it that are open.
    pub offers: u16,
    /// Declines in this entry since the memory was last cleared.
    pub declines: u32,
    /// The last wait reached at which more agents could take it.
    pub reached: Span,
    /// The overflow rules of its queue that have acted in this entry, a bit each.
    pub acted: u32,
    /// The relaxation step in force, counted from 0.
    pub step: u8,
    /// The steps passed over, a bit each.
    pub skipped: u32,
    /// How much earlier than they say later steps begin, for those that were cut short.
    pub advanced: Span,
    /// Whether the time of the last step is over and overflow rules have been looked at for it.
    pub exhausted: bool,
    /// The rules it began with, by `State::entry_rules`; a reload leaves them.
    pub rules: u32,
}

impl Entry {
    /// Measured wait: time in the entry, PARKED excluded.
    #[must_use]
    pub fn wait(&self, now: Time) -> Span {
        now.since(self.enter) - self.parked_for(now)
    }

    /// Time PARKED in the entry.
    #[must_use]
    pub fn parked_for(&self, now: Time) -> Span {
        self.parked + self.parked_since.get().map_or(Span::ZERO, |since| now.since(since))
    }
}

/// A contact as the engine keeps it.
#[derive(Clone, Debug)]
pub struct Contact {
    /// What it is.
    pub profile: Arc<ContactProfile>,
    /// What it asks of an agent, beside its queue.
    pub requirement: Option<Arc<Requirement>>,
    /// Creation number: sequence of the event that created it. Ends every order.
    pub serial: u64,
    /// Its channel.
    pub channel: ChannelId,
    /// Who began it: the profile's, kept here because every event asks for it.
    pub direction: Direction,
    /// -100..100, higher first.
    pub priority: i8,
    /// The gateway whose session keeps it, by its handle; [`NONE`] when there is none.
    pub gateway: u32,
    /// Place among its gateway's contacts.
    pub gateway_links: (u32, u32),
    /// Place in its class' order of waiting.
    pub links: Links,
    /// When it was created here.
    pub created: Time,
    /// When the customer arrived.
    pub arrival: Time,
    /// `arrival` less age credit: what orders it.
    pub adjusted_arrival: Time,
    /// When it is due, before its first entry; when that began, from then on.
    pub begin: MaybeTime,
    /// When it ends by itself if not answered.
    pub expire: MaybeTime,
    /// The queue of its last or coming entry, by its handle; [`NONE`] when there is none.
    pub queue: u32,
    /// When its first entry was answered.
    pub answered: MaybeTime,
    /// The entry that is open.
    pub entry: Option<Entry>,
    /// The leg that decides its state once answered, or its direct leg.
    pub owner: Option<LegId>,
    /// The leg of the open entry: an offer (the newest of several), or what it was accepted into.
    pub entry_leg: Option<LegId>,
    /// Newest leg; the others follow by `Leg::older`.
    pub last_leg: Option<LegId>,
    /// Entries ever begun.
    pub entries: u32,
    /// Legs ever begun; the next leg's number less one.
    pub legs: u32,
    /// Legs not yet ended.
    pub live_legs: u16,
    /// The agents it is not offered to just now: newest bar (slot), the others follow by `Bar::next`.
    pub bars: u32,
    /// The agent a direct contact is for, by his handle; [`NONE`] when there is none.
    pub direct: u32,
    /// Digest of the request that created it.
    pub digest: [u8; 16],
    /// Outcome, once the customer's part is over.
    pub outcome: Option<(Outcome, Reason)>,
    /// When the customer's part was over.
    pub ended: MaybeTime,
    /// Whether it is CLOSED.
    pub closed: bool,
    /// The kinds of survey answered, by [`SurveyKind::bit`].
    pub surveys: u8,
    /// Version of the policy it was created under.
    pub policy_version: u32,
    /// The disposition it was completed with.
    pub disposition: Text,
}

impl Contact {
    /// The queue of its last or coming entry.
    #[must_use]
    pub fn queue(&self) -> Option<QueueId> {
        (self.queue != NONE).then_some(QueueId(self.queue))
    }

    /// When it is due, while SCHEDULED; the queue it goes to then is [`Self::queue`].
    #[must_use]
    pub fn schedule(&self) -> Option<Time> {
        self.begin.get().filter(|_| self.entries == 0)
    }

    /// When its first entry began.
    #[must_use]
    pub fn queued(&self) -> Option<Time> {
        self.begin.get().filter(|_| self.entries > 0)
    }

    /// The agent a direct contact is for.
    #[must_use]
    pub fn direct(&self) -> Option<AgentId> {
        (self.direct != NONE).then_some(AgentId(self.direct))
    }

    /// When it ends by itself: its `expire_time`, until it is answered.
    #[must_use]
    pub fn expires(&self) -> Option<Time> {
        self.expire.get().filter(|_| self.answered.is_none())
    }
}

/// One contact with one agent.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The contact.
    pub contact: ContactId,
    /// The agent.
    pub agent: AgentId,
    /// 1 for the contact's first leg, and so on.
    pub number: u32,
    /// Its state.
    pub state: LegState,
    /// What became of the offer it began with.
    pub offer: OfferState,
    /// Why it ended.
    pub end_cause: Option<EndCause>,
    /// Number of the entry it belongs to, 1 for the contact's first; 0 for a direct leg.
    pub entry: u32,
    /// The queue whose entry it belongs to; none for a direct leg.
    pub queue: Option<QueueId>,
    /// How its wrap-up ends; the rule in force when it began.
    pub wrap_up_rule: WrapUp,
    /// How long it may be connected before an alarm.
    pub max_handle: Span,
    /// Units of the agent it holds until it ends.
    pub cost: u32,
    /// The channel, for the agent's count.
    pub channel: ChannelId,
    /// The leg that interrupted it: it is ON_HOLD, holds no units and keeps a claim to them.
    pub interrupted: Option<LegId>,
    /// Whether it was offered to several agents at once.
    pub broadcast: bool,
    /// Whether it was ever CONNECTED.
    pub connected_once: bool,
    /// Whether `max_handle` was passed and said.
    pub over_max_handle: bool,
    /// The contact's next older leg.
    pub older: Option<LegId>,
    /// Neighbours among the agent's live legs (slots, `NONE` at the ends).
    pub agent_links: (u32, u32),
    /// When it began (offer or assignment).
    pub begun: Time,
    /// When its present state is over by itself.
    pub deadline: MaybeTime,
    /// When it was accepted.
    pub accepted: MaybeTime,
    /// When it was connected.
    pub connected: MaybeTime,
    /// When its present state began.
    pub since: Time,
    /// When it ended.
    pub ended: MaybeTime,
    /// Time CONNECTED, up to `since`.
    pub talk: Span,
    /// Time ON_HOLD, up to `since`.
    pub hold: Span,
    /// Time in WRAP_UP, once ended.
    pub wrap_up: Span,
    /// The wrap-up's disposition.
    pub disposition: Text,
    /// Whether the wrap-up said the matter is resolved.
    pub resolved: Option<bool>,
}

/// A pair that is not matched until an instant.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// The contact.
    pub contact: ContactId,
    /// The agent.
    pub agent: AgentId,
    /// Until when.
    pub until: Time,
    /// The contact's next older bar.
    pub next: Option<BarId>,
}

/// No neighbour.
pub const NONE: u32 = u32::MAX;

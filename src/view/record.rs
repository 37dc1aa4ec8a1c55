//! Contacts as supervisors read them afterwards: what each was, its stays in queues, its legs, what its customer said.

use std::sync::Arc;

use super::counts::{Count, ExitKey};
use crate::engine::agent::AgentProfile;
use crate::engine::contact::{
    ContactProfile, ContactState, EndCause, LegState, OfferState, Outcome, Reason, SurveyKind, SurveyResult,
};
use crate::engine::estimate::Estimate;
use crate::engine::event::EntryCause;
use crate::engine::id::{AgentId, ChannelId, ContactId, LegId, QueueId, Text};
use crate::engine::requirement::Requirement;
use crate::engine::time::{Span, Time};

/// One stay in one queue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Counted from 1.
    pub number: u32,
    /// The queue, by handle and by name.
    pub queue: QueueId,
    /// The queue's id.
    pub queue_id: Text,
    /// Why it began.
    pub cause: EntryCause,
    /// When it began.
    pub enter: Time,
    /// When it was answered or left, and how.
    pub exit: Option<(Time, Count, Reason)>,
    /// Measured wait, once it has left.
    pub wait: Span,
    /// Time PARKED.
    pub parked: Span,
    /// Whether the wait was at or under the threshold.
    pub within_threshold: bool,
    /// Whether it was abandoned before `short_abandon`.
    pub short: bool,
    /// The threshold it was measured against.
    pub threshold: Span,
    /// Priority when it left.
    pub priority: i32,
    /// The requirement it left with.
    pub requirement: Option<Arc<Requirement>>,
    /// The skills it asked for when it began, by place among the sets of skills.
    pub skills: u32,
    /// Team and site of who answered it, by place; 0 for none.
    pub team: u32,
    /// See `team`.
    pub site: u32,
    /// The agent who answered it.
    pub agent: Option<Arc<AgentProfile>>,
    /// The estimate when it began; none when there was none.
    pub estimate: Option<Estimate>,
    /// Talk, hold and wrap-up of its legs that have ended.
    pub handle: [Span; 3],
    /// Their cost in millionths.
    pub cost: u64,
}

impl Entry {
    /// How it left, other than by an answer.
    #[must_use]
    pub fn exit_key(&self) -> Option<ExitKey> {
        self.exit.filter(|(_, how, _)| *how != Count::Answered).map(|(_, how, why)| (how, why))
    }
}

/// One leg.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Its handle.
    pub leg: LegId,
    /// Counted from 1.
    pub number: u32,
    /// The agent, by handle.
    pub agent: AgentId,
    /// Who he was then.
    pub profile: Arc<AgentProfile>,
    /// Team and site then, by place.
    pub team: u32,
    /// See `team`.
    pub site: u32,
    /// The queue's id; empty for direct work.
    pub queue_id: Text,
    /// Number of its entry; 0 for direct work.
    pub entry: u32,
    /// Units it takes.
    pub cost: u32,
    /// Its state.
    pub state: LegState,
    /// What became of its offer.
    pub offer: OfferState,
    /// When it began.
    pub begun: Time,
    /// When it was accepted.
    pub accepted: Option<Time>,
    /// When it was connected.
    pub connected: Option<Time>,
    /// When it ended, and why.
    pub ended: Option<(Time, EndCause)>,
    /// Talk, hold and wrap-up.
    pub handle: [Span; 3],
    /// Its disposition.
    pub disposition: Text,
    /// Whether the matter is resolved, when said.
    pub resolved: Option<bool>,
}

/// One survey answer.
#[derive(Clone, Copy, Debug)]
pub struct Survey {
    /// What was asked.
    pub kind: SurveyKind,
    /// The answer.
    pub score: u8,
    /// How it counts.
    pub result: SurveyResult,
    /// When it came in.
    pub time: Time,
}

/// A contact, live or ended.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its handle.
    pub contact: ContactId,
    /// What it is.
    pub profile: Arc<ContactProfile>,
    /// Its channel.
    pub channel: ChannelId,
    /// The queue it came to at the door; none for direct work.
    pub door: Option<QueueId>,
    /// What it asks of an agent.
    pub requirement: Option<Arc<Requirement>>,
    /// Its priority.
    pub priority: i32,
    /// When the customer arrived.
    pub arrival: Time,
    /// When it was created.
    pub created: Time,
    /// When it was or is due, while it waits for that.
    pub schedule: Option<Time>,
    /// Its state.
    pub state: ContactState,
    /// How it ended and when the customer's part was over.
    pub ended: Option<(Outcome, Reason, Time)>,
    /// The disposition it was completed with.
    pub disposition: Text,
    /// Its stays in queues, oldest first.
    pub entries: Vec<Entry>,
    /// Its legs, oldest first.
    pub legs: Vec<Leg>,
    /// Its survey answers.
    pub surveys: Vec<Survey>,
    /// How often it was transferred.
    pub transfers: u32,
    /// Version of the policy it was created under.
    pub policy_version: u64,
}

impl Record {
    /// The entry that is open and unanswered.
    #[must_use]
    pub fn open_entry(&self) -> Option<&Entry> {
        self.entries.last().filter(|entry| entry.exit.is_none())
    }

    /// The first entry that was answered.
    #[must_use]
    pub fn first_answered(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| matches!(entry.exit, Some((_, Count::Answered, _))))
    }

    /// The leg whose word on `resolved` is the newest, and that word.
    #[must_use]
    pub fn resolved(&self) -> Option<(&Leg, bool)> {
        let said = self.legs.iter().filter_map(|leg| Some((leg, leg.ended?.0, leg.resolved?)));
        said.max_by_key(|(leg, ended, _)| (*ended, leg.number)).map(|(leg, _, resolved)| (leg, resolved))
    }

    /// Whether it waits for its time, or is work without a queue: what it is beside the queues' books.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.entries.is_empty() && !matches!(self.state, ContactState::Scheduled | ContactState::Closed)
    }
}

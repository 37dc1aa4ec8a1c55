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
use crate::wire::{Malformed, Reader, Wire, Writer, record};

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
    /// The relaxation step it stands in, or left in.
    pub step: u8,
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
    /// Whether it waits and no agent there is could ever serve it.
    pub unservable: bool,
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

// How they stand in what is kept beside a snapshot. Agents and requirements are shared by many.
record!(Estimate { ahead_ppm, turn, patience, ring });

impl Wire for Entry {
    fn put(&self, out: &mut Writer) {
        let Entry {
            number,
            queue,
            queue_id,
            cause,
            enter,
            exit,
            wait,
            parked,
            within_threshold,
            short,
            threshold,
            priority,
            requirement,
            skills,
            team,
            site,
            agent,
            estimate,
            handle,
            cost,
            step,
        } = self;
        number.put(out);
        queue.put(out);
        queue_id.put(out);
        cause.put(out);
        enter.put(out);
        exit.put(out);
        wait.put(out);
        parked.put(out);
        within_threshold.put(out);
        short.put(out);
        threshold.put(out);
        priority.put(out);
        put_shared(requirement.as_ref(), out);
        skills.put(out);
        team.put(out);
        site.put(out);
        put_shared(agent.as_ref(), out);
        estimate.put(out);
        handle.put(out);
        cost.put(out);
        step.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Entry {
            number: Wire::get(from)?,
            queue: Wire::get(from)?,
            queue_id: Wire::get(from)?,
            cause: Wire::get(from)?,
            enter: Wire::get(from)?,
            exit: Wire::get(from)?,
            wait: Wire::get(from)?,
            parked: Wire::get(from)?,
            within_threshold: Wire::get(from)?,
            short: Wire::get(from)?,
            threshold: Wire::get(from)?,
            priority: Wire::get(from)?,
            requirement: get_shared(from)?,
            skills: Wire::get(from)?,
            team: Wire::get(from)?,
            site: Wire::get(from)?,
            agent: get_shared(from)?,
            estimate: Wire::get(from)?,
            handle: Wire::get(from)?,
            cost: Wire::get(from)?,
            step: Wire::get(from)?,
        })
    }
}

impl Wire for Leg {
    fn put(&self, out: &mut Writer) {
        let Leg {
            leg,
            number,
            agent,
            profile,
            team,
            site,
            queue_id,
            entry,
            cost,
            state,
            offer,
            begun,
            accepted,
            connected,
            ended,
            handle,
            disposition,
            resolved,
        } = self;
        leg.put(out);
        number.put(out);
        agent.put(out);
        out.shared(profile);
        team.put(out);
        site.put(out);
        queue_id.put(out);
        entry.put(out);
        cost.put(out);
        state.put(out);
        offer.put(out);
        begun.put(out);
        accepted.put(out);
        connected.put(out);
        ended.put(out);
        handle.put(out);
        disposition.put(out);
        resolved.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Leg {
            leg: Wire::get(from)?,
            number: Wire::get(from)?,
            agent: Wire::get(from)?,
            profile: from.shared()?,
            team: Wire::get(from)?,
            site: Wire::get(from)?,
            queue_id: Wire::get(from)?,
            entry: Wire::get(from)?,
            cost: Wire::get(from)?,
            state: Wire::get(from)?,
            offer: Wire::get(from)?,
            begun: Wire::get(from)?,
            accepted: Wire::get(from)?,
            connected: Wire::get(from)?,
            ended: Wire::get(from)?,
            handle: Wire::get(from)?,
            disposition: Wire::get(from)?,
            resolved: Wire::get(from)?,
        })
    }
}

impl Wire for Record {
    fn put(&self, out: &mut Writer) {
        let Record {
            contact,
            profile,
            channel,
            door,
            requirement,
            priority,
            arrival,
            created,
            schedule,
            state,
            ended,
            disposition,
            entries,
            legs,
            surveys,
            transfers,
            unservable,
            policy_version,
        } = self;
        contact.put(out);
        profile.put(out);
        channel.put(out);
        door.put(out);
        put_shared(requirement.as_ref(), out);
        priority.put(out);
        arrival.put(out);
        created.put(out);
        schedule.put(out);
        state.put(out);
        ended.put(out);
        disposition.put(out);
        entries.put(out);
        legs.put(out);
        surveys.put(out);
        transfers.put(out);
        unservable.put(out);
        policy_version.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Record {
            contact: Wire::get(from)?,
            profile: Wire::get(from)?,
            channel: Wire::get(from)?,
            door: Wire::get(from)?,
            requirement: get_shared(from)?,
            priority: Wire::get(from)?,
            arrival: Wire::get(from)?,
            created: Wire::get(from)?,
            schedule: Wire::get(from)?,
            state: Wire::get(from)?,
            ended: Wire::get(from)?,
            disposition: Wire::get(from)?,
            entries: Wire::get(from)?,
            legs: Wire::get(from)?,
            surveys: Wire::get(from)?,
            transfers: Wire::get(from)?,
            unservable: Wire::get(from)?,
            policy_version: Wire::get(from)?,
        })
    }
}

record!(Survey { kind, score, result, time });

fn put_shared<T: Wire>(value: Option<&Arc<T>>, out: &mut Writer) {
    value.is_some().put(out);
    if let Some(value) = value {
        out.shared(value);
    }
}

fn get_shared<T: Wire + Send + Sync + 'static>(from: &mut Reader<'_>) -> Result<Option<Arc<T>>, Malformed> {
    bool::get(from)?.then(|| from.shared()).transpose()
}

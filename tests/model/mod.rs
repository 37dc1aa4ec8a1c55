//! A slow, obvious second engine, kept from the event stream alone and written from the design's text.
//!
//! It has no index and no order of its own: `matching` scans everything to say who could get an offer, `turns` who
//! should, `lending` when agents kept back are lent, `life` says what each event may do, `rest` what must hold once nothing is due. Where it disagrees with the engine, one
//! of the two is wrong.

pub mod classes;
pub mod interruption;
pub mod lending;
pub mod life;
pub mod matching;
pub mod overflow;
pub mod pools;
pub mod rest;
pub mod rests;
pub mod steps;
pub mod turns;
pub mod unservable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use usher::engine::agent::{AgentProfile, Fault, Presence, Rest, Routing, SkillOverride};
use usher::engine::contact::{ContactState, LegState, OfferState, Outcome};
use usher::engine::id::{AgentId, BarId, ContactId, GatewayId, LegId, QueueId, Text};
use usher::engine::policy::{Channel, Policy, Queue};
use usher::engine::requirement::{Attributes, Requirement};
use usher::engine::tally::Books;
use usher::engine::time::{Span, Time};

/// One stay in a queue.
#[derive(Clone)]
pub struct Entry {
    pub queue: QueueId,
    pub since: Time,
    pub parked: Span,
    pub parked_at: Option<Time>,
    pub park_until: Time,
    pub only: Option<(AgentId, Time)>,
    pub bars: Vec<(BarId, AgentId, Time)>,
    pub declines: u32,
    /// The last wait said at which more agents may take it.
    pub reached: Span,
    /// The overflow rules that have acted.
    pub acted: Vec<u32>,
    /// The step in force, those passed over, and how much earlier later ones begin.
    pub step: u8,
    pub skipped: Vec<u8>,
    pub advanced: Span,
    /// Whether overflow rules have been looked at, all steps over.
    pub exhausted: bool,
    /// Whether its first step is to be passed over in this batch.
    pub skips_first: bool,
    /// Whether it was last said that nobody can ever serve it.
    pub unservable: bool,
    /// Whether it is being left for another queue.
    pub leaving: bool,
    /// The leg of this entry: an offer, or what it was accepted into.
    pub leg: Option<LegId>,
    /// Its open offers.
    pub open: Vec<(LegId, AgentId)>,
    /// Whether an offer of it was issued to one of several in this batch.
    pub filling: bool,
    pub threshold: Span,
    pub short: Span,
    pub max_wait: Span,
}

impl Entry {
    /// Measured wait: parked time is not waiting time.
    pub fn wait(&self, now: Time) -> Span {
        let now = self.parked_at.unwrap_or(now);
        Span(now.0 - self.since.0 - self.parked.0)
    }
}

#[derive(Clone)]
pub struct Contact {
    pub serial: u64,
    pub channel: Text,
    pub direction: usize,
    /// Whether it was promised to be called back.
    pub callback: bool,
    pub gateway: Text,
    pub priority: i32,
    pub arrival: Time,
    pub requirement: Option<Arc<Requirement>>,
    pub preferred: Text,
    pub attributes: Attributes,
    pub schedule: Option<Time>,
    pub expire: Option<Time>,
    pub entry: Option<Entry>,
    pub owner: Option<LegId>,
    /// All its legs, ended ones too.
    pub legs: Vec<LegId>,
    pub queued_once: bool,
    /// Until when it stays PARKED in the queue it is moved to.
    pub parked_on: Option<Time>,
    pub outcome: Option<Outcome>,
    pub closed: bool,
}

pub struct Leg {
    /// Its place among all legs ever begun.
    pub number: u64,
    pub contact: ContactId,
    pub agent: AgentId,
    pub channel: Text,
    pub cost: u32,
    pub state: LegState,
    pub offer: OfferState,
    pub broadcast: bool,
    pub connected_once: bool,
    /// When it was last connected, and the leg that interrupted it.
    pub connected: Option<Time>,
    pub interrupted: Option<LegId>,
    /// When its state ends by itself; none for a conversation.
    pub until: Option<Time>,
}

pub struct Agent {
    pub profile: Arc<AgentProfile>,
    /// What was set over it for a time.
    pub overrides: Vec<SkillOverride>,
    pub presence: Presence,
    pub next: Option<Presence>,
    pub session: bool,
    pub away: Option<Time>,
    pub idle_since: Option<Time>,
    pub inbound_since: Option<Time>,
    pub available_since: Option<Time>,
    /// Legs connected since he signed in.
    pub connected: u32,
    /// What he did from when on, while anything goes by it: worked, was idle, or neither.
    pub did: Vec<(Time, Option<bool>)>,
    /// When he was offered contacts, while anything goes by it.
    pub offered: Vec<Time>,
    /// What he took from pools that count by the day.
    pub taken: BTreeMap<Text, usize>,
    /// Why he rests from offers.
    pub rests: BTreeSet<Rest>,
    pub faults: [u32; 3],
    /// NOT_RESPONDING in a row, by cause.
    pub lapses: [u32; 3],
    pub declines: u32,
    pub removed: bool,
    pub deleted: bool,
    pub routing: Routing,
    pub lease: Span,
    pub streams: u32,
    pub lease_until: Option<Time>,
}

#[derive(Default)]
pub struct Gateway {
    pub id: Text,
    pub session: bool,
    pub lease: Span,
    pub streams: u32,
    pub lease_until: Option<Time>,
    pub grace: Option<Time>,
}

/// What an event promises will stand in the same batch.
#[derive(Debug, PartialEq)]
pub enum Promise {
    NotResponding(AgentId, Fault, Time),
    NoWillingAgent(ContactId),
    Interrupted(LegId, LegId),
}

/// The second engine.
#[derive(Default)]
pub struct Model {
    pub policy: Arc<Policy>,
    /// By handle: a queue is numbered at first sight and keeps its last rules.
    pub queues: Vec<Queue>,
    pub channels: BTreeMap<Text, Channel>,
    pub contacts: BTreeMap<ContactId, Contact>,
    pub legs: BTreeMap<LegId, Leg>,
    pub agents: BTreeMap<AgentId, Agent>,
    pub gateways: BTreeMap<GatewayId, Gateway>,
    pub books: BTreeMap<(QueueId, usize), Books>,
    pub promises: Vec<Promise>,
    /// What queues are set to by hand, and until when.
    pub gates: BTreeMap<QueueId, (bool, Option<Time>)>,
    /// The day each pool counts by.
    pub pool_days: BTreeMap<Text, i64>,
    /// Who was last offered a contact, by queue.
    pub turns: BTreeMap<QueueId, AgentId>,
    /// The reserves, by their place in the policy, under which help has begun.
    pub helps: BTreeSet<usize>,
    /// Entries answered or lost by queue, in order: whether each was answered in time. While a lender asks.
    pub kept: BTreeMap<QueueId, Vec<bool>>,
    /// Who passed a wait with this batch, and the one before; or was declined by all.
    pub passed: Vec<(ContactId, Option<Span>)>,
    /// Who was relaxed by an overflow rule with this batch; and whose next event must say so.
    pub relaxed_now: Vec<ContactId>,
    pub hurries: Option<ContactId>,
    /// Whose steps were over with this batch.
    pub exhausted: Vec<ContactId>,
    /// Who came in with this batch.
    pub arrivals: Vec<ContactId>,
    pub sequence: u64,
    pub now: Time,
}

/// Fails with words unless something holds.
pub fn must(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

impl Model {
    pub fn live_legs(&self, contact: ContactId) -> impl Iterator<Item = &Leg> {
        let legs = self.contacts[&contact].legs.iter().map(|leg| &self.legs[leg]);
        legs.filter(|leg| leg.state != LegState::Ended)
    }

    pub fn agent_legs(&self, agent: AgentId) -> impl Iterator<Item = &Leg> {
        self.legs.values().filter(move |leg| leg.agent == agent && leg.state != LegState::Ended)
    }

    /// The state of a contact, from its open entry and its owner.
    pub fn state(&self, id: ContactId) -> ContactState {
        let contact = &self.contacts[&id];
        if let Some(entry) = &contact.entry {
            if entry.parked_at.is_some() {
                return ContactState::Parked;
            }
            return match entry.leg.map(|leg| self.legs[&leg].state) {
                Some(LegState::Offered) => ContactState::Offered,
                Some(LegState::Assigned) => ContactState::Assigned,
                _ => ContactState::Queued,
            };
        }
        match contact.owner.map(|leg| self.legs[&leg].state) {
            Some(LegState::Assigned) => ContactState::Assigned,
            Some(LegState::Connected) => ContactState::Connected,
            Some(LegState::OnHold) => ContactState::OnHold,
            _ if self.live_legs(id).next().is_some() => ContactState::WrapUp,
            _ if contact.outcome.is_some() || contact.queued_once || !contact.legs.is_empty() => ContactState::Closed,
            _ => ContactState::Scheduled,
        }
    }

    /// The routing word of an agent: the first that holds.
    pub fn routing(&self, id: AgentId) -> Routing {
        let agent = &self.agents[&id];
        let some = |wanted: fn(LegState) -> bool| self.agent_legs(id).any(|leg| wanted(leg.state));
        let work = some(|state| state != LegState::Offered);
        if agent.next.is_some() || agent.removed && !agent.deleted && work {
            Routing::Draining
        } else if agent.presence != Presence::Available || !agent.session {
            Routing::OffQueue
        } else if agent.away.is_some() {
            Routing::NotResponding
        } else if some(|state| state == LegState::Offered) {
            Routing::Offering
        } else if some(|state| matches!(state, LegState::Assigned | LegState::Connected | LegState::OnHold)) {
            Routing::Busy
        } else if work {
            Routing::WrapUp
        } else {
            Routing::Idle
        }
    }
}

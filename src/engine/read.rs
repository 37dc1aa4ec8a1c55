//! Queries: state as plain data for readers outside the writer's thread. They see the writer's own last change.
//!
//! Each is bounded: one contact with its legs, one agent, or one page.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::{AgentProfile, Presence, Routing, SkillOverride};
use super::command::ContactChange;
use super::contact::{ContactProfile, ContactState, EndCause, LegState, OfferState, Outcome, Reason};
use super::estimate::Estimate;
use super::event::{Earlier, Event, Facts};
use super::id::{AgentId, ContactId, LegId, QueueId, Text};
use super::requirement::Requirement;
use super::state::State;
use super::time::{Span, Time};
use super::{contact, limits};

/// One leg, with the offer it began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegView {
    /// Its handle, and the offer's id.
    pub leg: LegId,
    /// 1 for the contact's first.
    pub number: u32,
    /// The agent's id.
    pub agent_id: Text,
    /// The contact's id.
    pub contact_id: Text,
    /// The channel's id.
    pub channel: Text,
    /// Number of the entry it belongs to; 0 for a direct leg.
    pub entry: u32,
    /// The queue's id; empty for a direct leg.
    pub queue: Text,
    /// Its state.
    pub state: LegState,
    /// What became of its offer.
    pub offer: OfferState,
    /// Whether it was offered to several agents at once.
    pub broadcast: bool,
    /// Units it holds.
    pub cost: u32,
    /// When it began.
    pub begun: Time,
    /// When its present state ends by itself.
    pub deadline: Option<Time>,
    /// When it was accepted.
    pub accepted: Option<Time>,
    /// When it was connected.
    pub connected: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// Time in conversation so far.
    pub talk: Span,
    /// Time on hold so far.
    pub hold: Span,
    /// Time wrapping up so far.
    pub wrap_up: Span,
    /// The wrap-up's disposition; empty when none.
    pub disposition: Text,
    /// Whether the wrap-up said the matter is resolved.
    pub resolved: Option<bool>,
    /// Why it ended.
    pub end_cause: Option<EndCause>,
}

/// One contact.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactView {
    /// Its handle.
    pub contact: ContactId,
    /// What it is.
    pub profile: Arc<ContactProfile>,
    /// What it asks of an agent.
    pub requirement: Option<Arc<Requirement>>,
    /// Its state.
    pub state: ContactState,
    /// Its priority.
    pub priority: i32,
    /// The queue of its last or coming entry; empty for direct work.
    pub queue: Text,
    /// The agent a direct contact is for; empty otherwise.
    pub agent_id: Text,
    /// How it ended.
    pub outcome: Option<(Outcome, Reason)>,
    /// 1 for the first in line; 0 when not waiting, or past [`limits::POSITION_SEARCH`].
    pub position: u32,
    /// How long it is likely still to wait; none when it does not wait in line, or too little was seen.
    pub estimate: Option<Estimate>,
    /// Measured wait of the open entry.
    pub wait: Span,
    /// Time PARKED in the open entry.
    pub parked: Span,
    /// Entries begun.
    pub entries: u32,
    /// The relaxation step in force, counted from 0.
    pub step: u8,
    /// Whether it waits and no agent there is could ever serve it.
    pub unservable: bool,
    /// Number of the leg that decides its state once answered; 0 when none.
    pub owner: u32,
    /// How much earlier than its arrival it is ordered.
    pub age_credit: Span,
    /// When the customer arrived.
    pub arrival: Time,
    /// When it is or was due.
    pub schedule: Option<Time>,
    /// When it ends by itself if not answered.
    pub expire: Option<Time>,
    /// When it was created.
    pub created: Time,
    /// When its first entry began.
    pub queued: Option<Time>,
    /// When its first entry was answered.
    pub answered: Option<Time>,
    /// When the customer's part was over.
    pub ended: Option<Time>,
    /// Policy version it was created under.
    pub policy_version: u64,
    /// Its legs, oldest first, at most [`limits::LEGS_PER_CONTACT`].
    pub legs: Vec<LegView>,
    /// The disposition it was completed with; empty when none.
    pub disposition: Text,
}

/// What of a contact a client needs that hears its events.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactBrief {
    /// What it is.
    pub profile: Arc<ContactProfile>,
    /// Its state.
    pub state: ContactState,
    /// The queue of its last or coming entry; empty for direct work.
    pub queue: Text,
    /// How it ended.
    pub outcome: Option<(Outcome, Reason)>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentView {
    /// His handle.
    pub agent: AgentId,
    /// Who he is.
    pub profile: Arc<AgentProfile>,
    /// What was set over it for a time, sorted by skill.
    pub overrides: Vec<SkillOverride>,
    /// What he chose.
    pub presence: Presence,
    /// What waits for his last leg.
    pub next_presence: Option<Presence>,
    /// What his state means for routing.
    pub routing: Routing,
    /// Units in use.
    pub used: u32,
    /// Contacts in hand per channel id, those above zero.
    pub channels: Vec<(Text, u32)>,
    /// What he has of each pool of the policy, in its order.
    pub pools: Vec<PoolUse>,
    /// His idle clock; none while he never became AVAILABLE.
    pub idle_since: Option<Time>,
    /// Whether a lease holds.
    pub session: bool,
    /// The lease he signed in with; zero for none.
    pub lease: Span,
    /// When it runs out, unless a sign of life comes or a stream is open.
    pub lease_expires: Option<Time>,
    /// Until when he is NOT_RESPONDING.
    pub not_responding: Option<Time>,
    /// Whether he goes with his last leg.
    pub removed: bool,
    /// Legs CONNECTED in this sign-in.
    pub contacts: u32,
    /// When this sign-in began; none while he is signed out.
    pub signed_in_since: Option<Time>,
    /// When the routing word last changed.
    pub routing_since: Option<Time>,
    /// His live legs, oldest first.
    pub legs: Vec<LegView>,
}

/// What an agent has of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// The pool.
    pub pool: Text,
    /// Contacts of it he holds, open offers included.
    pub in_hand: u32,
    /// The most he may hold at once; none = any number.
    pub max: Option<u32>,
    /// Contacts of it he took today; 0 where nothing counts them.
    pub taken: u32,
    /// The most he may take in a day; none = any number.
    pub per_day: Option<u32>,
    /// When they are counted anew; none where nothing counts them.
    pub resets: Option<Time>,
}

/// How an open entry stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryFacts {
    queue: QueueId,
    number: u32,
    step: u8,
    wait: Span,
    parked: Span,
}

impl State {
    /// How a contact's open entry stands.
    pub(super) fn entry_facts(&self, now: Time, contact: ContactId) -> Option<EntryFacts> {
        let held = self.try_contact(contact)?;
        let entry = held.entry.as_ref()?;
        let (wait, parked) = (entry.wait(now), entry.parked_for(now));
        Some(EntryFacts { queue: entry.queue, number: held.entries, step: entry.step, wait, parked })
    }

    /// What an event is about to change, where that is told.
    pub(super) fn earlier(&self, event: &Event) -> Option<Box<Earlier>> {
        let earlier = match event {
            Event::ContactUpdated { contact, change } => {
                let held = self.try_contact(*contact)?;
                let profile = &held.profile;
                Earlier::Contact(ContactChange {
                    customer: change.customer.as_ref().map(|_| None),
                    attributes: change.attributes.as_ref().map(|_| profile.attributes.clone()),
                    conversation_id: change.conversation_id.as_ref().map(|_| profile.conversation_id.clone()),
                    preferred_agent_id: change.preferred_agent_id.as_ref().map(|_| profile.preferred_agent_id.clone()),
                    priority: change.priority.map(|_| held.priority.into()),
                    requirement: change.requirement.as_ref().map(|_| held.requirement.clone()),
                    expire: change.expire.map(|_| held.expire.get()),
                    cause: change.cause,
                })
            }
            Event::AgentUpserted { agent, .. } => {
                let known = agent.0 < self.agent_slots();
                let held = known.then(|| self.agent(*agent)).filter(|held| !held.deleted)?;
                Earlier::Agent(held.profile.clone(), held.overrides.clone())
            }
            _ => return None,
        };
        Some(Box::new(earlier))
    }

    /// What stands beside an event just taken in; `entry` is how the contact's entry stood before it.
    pub(super) fn facts(&self, now: Time, event: &Event, entry: Option<EntryFacts>) -> Facts {
        let mut facts = Facts { agent: event.agent(), ..Facts::default() };
        if let Event::QueueOpenChanged { queue, .. } = event {
            facts.queue = Some(*queue);
        }
        let Some((id, contact)) = event.contact().and_then(|id| Some((id, self.try_contact(id)?))) else {
            return facts;
        };
        facts.channel = Some(contact.channel);
        facts.direction = contact.direction;
        facts.since_arrival = now.since(contact.arrival);
        facts.queue = contact.queue();
        facts.unservable = contact.entry.is_some_and(|entry| entry.unservable);
        let entry = if matches!(event, Event::ContactQueued { .. }) { None } else { entry };
        if let Some(entry) = entry.or_else(|| self.entry_facts(now, id)) {
            (facts.queue, facts.entry, facts.step) = (Some(entry.queue), entry.number, entry.step);
            (facts.wait, facts.parked) = (entry.wait, entry.parked);
        }
        if let Event::ContactQueued { .. } = event {
            facts.estimate = self.estimate_at_end(id);
        }
        if let Event::SurveySubmitted { queue, .. } = event {
            (facts.queue, facts.entry) = (*queue, 0);
        }
        if let Some(leg) = event.leg().and_then(|leg| self.try_leg(leg)) {
            facts.agent = Some(leg.agent);
            facts.leg = leg.number;
            facts.leg_age = now.since(leg.begun);
            (facts.talk, facts.hold, facts.wrap_up) = (leg.talk, leg.hold, leg.wrap_up);
            if leg.connected_once {
                (facts.queue, facts.entry) = (leg.queue, leg.entry);
                let of_entry = |other: &contact::Leg| other.entry == leg.entry && other.state != LegState::Ended;
                facts.handled = matches!(event, Event::LegEnded { .. })
                    && leg.entry > 0
                    && !self.contact_legs(id).any(|(_, other)| of_entry(other));
            }
        }
        facts
    }

    /// Whether the agent an event is about uses no more units than he has, before it; also when he is new.
    pub(super) fn is_within_capacity(&self, event: &Event) -> bool {
        match event {
            Event::AgentUpserted { agent, .. } if agent.0 < self.agent_slots() => !self.is_over_capacity(*agent),
            _ => true,
        }
    }

    /// Whether an event just taken in carried an agent past his capacity: each piece of work given to him beyond it does,
    /// and a capacity that was lowered does once.
    pub(super) fn carried_over(&self, event: &Event, within: bool) -> bool {
        match event {
            Event::LegAssigned { agent, .. } | Event::AgentUpserted { agent, .. } => {
                within && self.is_over_capacity(*agent)
            }
            _ => false,
        }
    }

    fn is_over_capacity(&self, agent: AgentId) -> bool {
        let held = self.agent(agent);
        held.used > held.capacity
    }

    /// One contact by its id. Linear in its legs; the position looks at no more than [`limits::POSITION_SEARCH`] others.
    #[must_use]
    pub fn contact_view(&self, now: Time, contact_id: &str) -> Option<ContactView> {
        self.find_contact(contact_id).map(|contact| self.view_contact(now, contact))
    }

    /// One contact by its handle.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn view_contact(&self, now: Time, contact: ContactId) -> ContactView {
        let held = self.contact(contact);
        let mut legs = Vec::with_capacity(held.legs.min(limits::LEGS_PER_CONTACT) as usize);
        let mut next = held.last_leg;
        while let Some(leg) = next.filter(|_| legs.len() < limits::LEGS_PER_CONTACT as usize) {
            legs.push(self.view_leg(now, leg));
            next = self.leg(leg).older;
        }
        legs.reverse();
        let agent_id = |agent: AgentId| self.agent(agent).profile.agent_id.clone();
        ContactView {
            contact,
            profile: held.profile.clone(),
            requirement: held.requirement.clone(),
            state: self.contact_state(contact),
            priority: i32::from(held.priority),
            queue: held.queue().map_or_else(Text::default, |queue| self.queue_id(queue).clone()),
            agent_id: held.direct().filter(|_| held.queue == super::contact::NONE).map_or_else(Text::default, agent_id),
            outcome: held.outcome,
            position: self.position(now, contact),
            estimate: self.estimate(now, contact),
            wait: held.entry.as_ref().map_or(Span::ZERO, |entry| entry.wait(now)),
            parked: held.entry.as_ref().map_or(Span::ZERO, |entry| entry.parked_for(now)),
            entries: held.entries,
            step: held.entry.map_or(0, |entry| entry.step),
            unservable: held.entry.is_some_and(|entry| entry.unservable),
            owner: held.owner.map_or(0, |leg| self.leg(leg).number),
            age_credit: held.arrival.since(held.adjusted_arrival),
            arrival: held.arrival,
            schedule: held.schedule(),
            expire: held.expire.get(),
            created: held.created,
            queued: held.queued(),
            answered: held.answered.get(),
            ended: held.ended.get(),
            policy_version: u64::from(held.policy_version),
            legs,
            disposition: held.disposition.clone(),
        }
    }

    /// One contact by its handle, in brief.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn brief_contact(&self, contact: ContactId) -> ContactBrief {
        let held = self.contact(contact);
        ContactBrief {
            profile: held.profile.clone(),
            state: self.contact_state(contact),
            queue: held.queue().map_or_else(Text::default, |queue| self.queue_id(queue).clone()),
            outcome: held.outcome,
        }
    }

    /// One leg by its handle.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn view_leg(&self, now: Time, leg: LegId) -> LegView {
        let held = self.leg(leg);
        let running = now.since(held.since);
        let add = |total: Span, state: LegState| if held.state == state { total + running } else { total };
        LegView {
            leg,
            number: held.number,
            agent_id: self.agent(held.agent).profile.agent_id.clone(),
            contact_id: self.contact(held.contact).profile.contact_id.clone(),
            channel: self.channel(held.channel).id.clone(),
            entry: held.entry,
            queue: held.queue.map_or_else(Text::default, |queue| self.queue_id(queue).clone()),
            state: held.state,
            offer: held.offer,
            broadcast: held.broadcast,
            cost: held.cost,
            begun: held.begun,
            deadline: held.deadline.get().filter(|_| held.state != LegState::Ended),
            accepted: held.accepted.get(),
            connected: held.connected.get(),
            ended: held.ended.get(),
            talk: add(held.talk, LegState::Connected),
            hold: add(held.hold, LegState::OnHold),
            wrap_up: add(held.wrap_up, LegState::WrapUp),
            disposition: held.disposition.clone(),
            resolved: held.resolved,
            end_cause: held.end_cause,
        }
    }

    /// One agent by his id. Linear in his live legs.
    #[must_use]
    pub fn agent_view(&self, now: Time, agent_id: &str) -> Option<AgentView> {
        self.find_agent(agent_id).map(|agent| self.view_agent(now, agent))
    }

    /// One agent by his handle.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn view_agent(&self, now: Time, agent: AgentId) -> AgentView {
        let held = self.agent(agent);
        let mut legs: Vec<LegView> = self.agent_legs(agent).map(|leg| self.view_leg(now, leg)).collect();
        legs.sort_by_key(|leg| (leg.begun, leg.leg));
        AgentView {
            agent,
            profile: held.profile.clone(),
            overrides: held.overrides.clone(),
            presence: held.presence.clone(),
            next_presence: held.next_presence.clone(),
            routing: held.routing,
            used: held.used,
            channels: self.channels_in_hand(agent),
            pools: self.pools_of(agent),
            idle_since: held.idle_since,
            session: held.session,
            lease: held.lease,
            lease_expires: self.lease_expires(agent),
            not_responding: held.not_responding,
            removed: held.removed,
            contacts: held.contacts,
            signed_in_since: Some(held.signed_in_since).filter(|_| held.signed_in()),
            routing_since: Some(held.routing_since).filter(|since| *since > Time(0)),
            legs,
        }
    }

    /// A page of contacts in slot order that `wanted` accepts, starting after `after`, at most `size`; with where to go on.
    ///
    /// Looks at no more than 16 x `size` contacts, so a page may come back short with more to follow.
    pub fn contacts_page(
        &self,
        now: Time,
        after: Option<ContactId>,
        size: usize,
        wanted: &dyn Fn(&State, &contact::Contact, ContactId) -> bool,
    ) -> (Vec<ContactView>, Option<ContactId>) {
        let (mut page, mut looked) = (Vec::new(), 0);
        let start = after.map_or(0, |contact| contact.slot() + 1);
        for (id, held) in self.contacts_from(start) {
            if wanted(self, held, id) {
                page.push(self.view_contact(now, id));
            }
            looked += 1;
            if page.len() >= size || looked >= size.saturating_mul(16) {
                return (page, Some(id));
            }
        }
        (page, None)
    }

    /// A page of agents in slot order that `wanted` accepts, starting after `after`, at most `size`; with where to go on.
    pub fn agents_page(
        &self,
        now: Time,
        after: Option<AgentId>,
        size: usize,
        wanted: &dyn Fn(&AgentView) -> bool,
    ) -> (Vec<AgentView>, Option<AgentId>) {
        let (mut page, mut looked) = (Vec::new(), 0);
        let start = after.map_or(0, |agent| agent.0 + 1);
        for agent in self.agents_from(start) {
            let view = self.view_agent(now, agent);
            if wanted(&view) {
                page.push(view);
            }
            looked += 1;
            if page.len() >= size || looked >= size.saturating_mul(16) {
                return (page, Some(agent));
            }
        }
        (page, None)
    }
}

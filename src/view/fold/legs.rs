//! Legs in the fold: whose hands a contact is in, and what its handling came to.

use std::sync::Arc;

use super::super::counts::{Change, Count};
use super::super::kpi;
use super::super::record::Leg;
use super::{Books, LiveLeg, Slice, handled};
use crate::engine::contact::{EndCause, LegState, OfferState};
use crate::engine::event::{Event, Facts, Recorded};
use crate::engine::id::{AgentId, ContactId, LegId, Text};
use crate::engine::time::{Span, Time};

/// What an ended leg came to.
struct EndedLeg {
    /// Where its entry is counted; without a queue for direct work.
    slice: Slice,
    /// Its cost.
    cost: u64,
    /// Talk, hold, wrap-up and cost of the whole entry so far.
    entry: ([Span; 3], u64),
}

impl Books {
    /// Takes in what happened to a leg.
    pub(super) fn take_leg(&mut self, contact: ContactId, leg: LegId, recorded: &Recorded) {
        let (event, facts) = (&recorded.event, &recorded.facts);
        let result = match event {
            Event::OfferIssued { agent, cost, .. } => {
                return self.begin_leg(contact, leg, (*agent, *cost), (LegState::Offered, OfferState::Issued), facts);
            }
            Event::LegAssigned { agent, cost, .. } => {
                return self.begin_leg(contact, leg, (*agent, *cost), (LegState::Assigned, OfferState::None), facts);
            }
            Event::OfferAccepted { .. } => {
                self.count_offer(contact, leg, (OfferState::Accepted, Count::OffersAccepted));
                return self.move_leg(leg, LegState::Assigned);
            }
            Event::LegConnected { answer, .. } => {
                self.move_leg(leg, LegState::Connected);
                if let Some(answer) = answer {
                    self.answer(contact, leg, answer, facts);
                }
                return;
            }
            Event::LegHeld { by, .. } => {
                self.hold_units(leg, by.is_none());
                return self.move_leg(leg, LegState::OnHold);
            }
            Event::LegResumed { .. } => {
                self.hold_units(leg, true);
                return self.move_leg(leg, LegState::Connected);
            }
            Event::LegWrapUpStarted { .. } => {
                self.hold_units(leg, true);
                return self.move_leg(leg, LegState::WrapUp);
            }
            Event::MaxHandlePassed { .. } => return self.pass_max_handle(contact, facts),
            Event::LegEnded { cause, disposition, resolved, .. } => {
                return self.end_leg(contact, leg, *cause, (disposition, *resolved), facts);
            }
            Event::OfferDeclined { .. } => (OfferState::Declined, Count::OffersDeclined),
            Event::OfferExpired { .. } => (OfferState::Expired, Count::OffersExpired),
            Event::OfferRescinded { .. } => (OfferState::Rescinded, Count::OffersRescinded),
            Event::OfferCancelled { .. } => (OfferState::Cancelled, Count::OffersCancelled),
            Event::OfferRevoked { .. } => (OfferState::Revoked, Count::OffersRevoked),
            Event::OfferFailed { .. } => (OfferState::Failed, Count::OffersFailed),
            _ => return,
        };
        self.count_offer(contact, leg, result);
        self.end_leg(contact, leg, EndCause::Offer, (&Text::default(), None), facts);
    }

    fn begin_leg(
        &mut self,
        contact: ContactId,
        leg: LegId,
        (agent, cost): (AgentId, u32),
        (state, offer): (LegState, OfferState),
        facts: &Facts,
    ) {
        let (now, entry) = (self.now, facts.entry);
        let Some(Some(clock)) = self.agents.get_mut(agent.index()) else { return };
        clock.leg(now, cost, None, Some(state));
        let (profile, team, site) = (clock.profile.clone(), clock.team, clock.site);
        let queue = facts.queue.filter(|_| entry > 0);
        let queue_id = queue.and_then(|queue| self.queues.get(queue.index())).map(|queue| queue.rules.id.clone());
        let Some(record) = self.record(contact) else { return };
        let channel = record.channel;
        if record.legs.is_empty() {
            record.legs.reserve_exact(1);
        }
        record.legs.push(Leg {
            leg,
            number: facts.leg,
            agent,
            profile,
            team,
            site,
            queue_id: queue_id.unwrap_or_default(),
            entry,
            cost,
            state,
            offer,
            begun: now,
            accepted: None,
            connected: None,
            ended: None,
            handle: [Span::ZERO; 3],
            disposition: Text::default(),
            resolved: None,
        });
        // A contact nobody takes stays small.
        if record.legs.len() > crate::engine::limits::LEGS_PER_CONTACT as usize {
            record.legs.remove(0);
        }
        let at = leg.slot() as usize;
        if self.legs.len() <= at {
            self.legs.resize(at + 1, None);
        }
        self.legs[at] = Some(LiveLeg { contact: contact.slot(), agent, cost, channel, queue, state, out: false });
        if let Some(channel) = self.channels.get_mut(channel.index()) {
            channel.units += i64::from(cost);
        }
    }

    /// A leg holds units or, interrupted, has left them.
    fn hold_units(&mut self, leg: LegId, holds: bool) {
        let Some(Some(held)) = self.legs.get_mut(leg.slot() as usize) else { return };
        if std::mem::replace(&mut held.out, !holds) != holds {
            return;
        }
        let held = *held;
        let sign = if holds { 1 } else { -1 };
        if let Some(channel) = self.channels.get_mut(held.channel.index()) {
            channel.units += sign * i64::from(held.cost);
        }
        if let Some(Some(clock)) = self.agents.get_mut(held.agent.index()) {
            clock.units(self.now, sign * i64::from(held.cost));
        }
    }

    fn move_leg(&mut self, leg: LegId, state: LegState) {
        let now = self.now;
        let Some(Some(held)) = self.legs.get_mut(leg.slot() as usize) else { return };
        let before = std::mem::replace(&mut held.state, state);
        let held = *held;
        self.count_states(held, before, Some(state));
        if let Some(Some(clock)) = self.agents.get_mut(held.agent.index()) {
            clock.leg(now, held.cost, Some(before), Some(state));
        }
        let record = self.contacts.get_mut(held.contact as usize).and_then(Option::as_mut).map(Arc::make_mut);
        let Some(part) = record.and_then(|record| record.legs.iter_mut().find(|part| part.leg == leg)) else { return };
        part.state = state;
        match state {
            LegState::Assigned => (part.accepted, part.offer) = (Some(now), OfferState::Accepted),
            LegState::Connected => _ = part.connected.get_or_insert(now),
            _ => {}
        }
    }

    /// Counts a leg's state in its queue and channel.
    fn count_states(&mut self, held: LiveLeg, before: LegState, after: Option<LegState>) {
        let talks = |state: LegState| i64::from(state.is_talking());
        let wraps = |state: LegState| i64::from(state == LegState::WrapUp);
        let connected = after.map_or(0, talks) - talks(before);
        let wrapping = after.map_or(0, wraps) - wraps(before);
        if let Some(queue) = held.queue.and_then(|queue| self.queues.get_mut(queue.index())) {
            queue.connected += connected;
            queue.wrapping += wrapping;
        }
        if let Some(channel) = self.channels.get_mut(held.channel.index()) {
            channel.connected += connected;
        }
    }

    fn count_offer(&mut self, contact: ContactId, leg: LegId, (offer, count): (OfferState, Count)) {
        let now = self.now;
        let Some(record) = self.record(contact) else { return };
        let Some(part) = record.legs.iter_mut().find(|part| part.leg == leg) else { return };
        part.offer = offer;
        let (agent, team, site, number) = (part.agent, part.team, part.site, part.entry);
        let key = (record.channel, record.profile.direction);
        let entry = record.entries.iter().rev().find(|entry| entry.number == number);
        let slice = entry.map(|entry| Slice { team, site, ..Books::slice_of(record, entry) });
        let counts = Change::one(count);
        if let Some(slice) = slice {
            self.count(now, slice, &counts);
        }
        self.count_agent(Some(agent), key, &counts);
    }

    fn pass_max_handle(&mut self, contact: ContactId, facts: &Facts) {
        let now = self.now;
        let Some(record) = self.record(contact) else { return };
        let entry = record.entries.iter().rev().find(|entry| entry.number == facts.entry);
        if let Some(slice) = entry.map(|entry| Books::slice_of(record, entry)) {
            self.count(now, slice, &Change::one(Count::OverMaxHandle));
        }
    }

    fn end_leg(
        &mut self,
        contact: ContactId,
        leg: LegId,
        cause: EndCause,
        (disposition, resolved): (&Text, Option<bool>),
        facts: &Facts,
    ) {
        let now = self.now;
        self.hold_units(leg, true);
        let Some(held) = self.legs.get_mut(leg.slot() as usize).and_then(Option::take) else { return };
        self.count_states(held, held.state, None);
        if let Some(channel) = self.channels.get_mut(held.channel.index()) {
            channel.units -= i64::from(held.cost);
        }
        if let Some(Some(clock)) = self.agents.get_mut(held.agent.index()) {
            clock.leg(now, held.cost, Some(held.state), None);
        }
        let handle = [facts.talk, facts.hold, facts.wrap_up];
        let rates = std::mem::take(&mut self.team_rules);
        let rate = |team: u32| rates.get(team as usize).map_or(0, |team| team.cost_per_hour);
        let ended = self.close_leg(contact, leg, (now, cause), handle, (disposition, resolved), &rate);
        self.team_rules = rates;
        if let Some(ended) = ended {
            let key = (ended.slice.channel, ended.slice.direction);
            if facts.handled && ended.slice.queue.is_some() {
                self.count(now, ended.slice, &handled(ended.entry.0, ended.entry.1));
            }
            self.count_agent(Some(held.agent), key, &handled(handle, ended.cost));
        }
    }

    /// Ends a leg in its contact's record; what it and its entry came to, when it was connected.
    fn close_leg(
        &mut self,
        contact: ContactId,
        leg: LegId,
        ended: (Time, EndCause),
        handle: [Span; 3],
        (disposition, resolved): (&Text, Option<bool>),
        rate: &dyn Fn(u32) -> u64,
    ) -> Option<EndedLeg> {
        let record = self.record(contact)?;
        let (channel, direction) = (record.channel, record.profile.direction);
        let part = record.legs.iter_mut().find(|part| part.leg == leg)?;
        part.state = LegState::Ended;
        part.ended = Some(ended);
        part.handle = handle;
        (part.disposition, part.resolved) = (disposition.clone(), resolved);
        part.connected?;
        let number = part.entry;
        let spent: u64 = handle.iter().map(|Span(micros)| micros).sum();
        let cost = kpi::cost(spent, rate(part.team));
        let direct = Slice { queue: None, channel, direction, skills: 0, team: part.team, site: part.site };
        let mut ended = EndedLeg { slice: direct, cost, entry: (handle, cost) };
        if let Some(at) = record.entries.iter().rposition(|entry| entry.number == number && number > 0) {
            let entry = &mut record.entries[at];
            entry.handle.iter_mut().zip(handle).for_each(|(sum, more)| *sum += more);
            entry.cost += cost;
            ended.entry = (entry.handle, entry.cost);
            ended.slice = Books::slice_of(record, &record.entries[at]);
        }
        Some(ended)
    }
}

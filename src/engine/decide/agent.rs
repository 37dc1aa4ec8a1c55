//! The verbs of agents.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::leg::{self, connect_failed, is_open_offer, unrestrict};
use super::{Subject, Verdict, find_agent, find_contact, known_disposition};
use crate::engine::agent::{AgentProfile, Presence, UpsertCause, lay_over};
use crate::engine::contact::{DeclineReason, EndCause, FailCause, LegState, OfferState};
use crate::engine::event::Event;
use crate::engine::id::{AgentId, LegId, Text};
use crate::engine::limits;
use crate::engine::reject::Reject;
use crate::engine::state::State;
use crate::engine::time::{Span, Time};

pub(super) fn upsert(state: &State, profile: &Arc<AgentProfile>, out: &mut Vec<Event>) -> Verdict {
    let id = &profile.agent_id;
    if id.is_empty() || id.len() > limits::ID_BYTES {
        return Err(Reject::Invalid { field: "agent.agent_id", must: "be 1-128 bytes" });
    }
    if profile.capacity == 0 || profile.capacity > limits::CAPACITY {
        return Err(Reject::Invalid { field: "agent.capacity", must: "be 1 to 10 000" });
    }
    if profile.skills.iter().any(|(_, level)| !(1..=limits::SKILL_LEVEL).contains(level)) {
        return Err(Reject::Invalid { field: "agent.skills", must: "have levels 1 to 10" });
    }
    if let Some(team) = profile.team.as_ref().filter(|team| state.registry().team(team).is_none()) {
        return Err(Reject::TeamNotFound { team: team.clone() });
    }
    if let Some((skill, _)) = profile.skills.iter().find(|(skill, _)| !state.registry().knows_skill(skill)) {
        return Err(Reject::SkillNotFound { skill: skill.clone() });
    }
    let slot = state.agent_slot(id);
    if let Some(agent) = slot {
        let held = state.agent(agent);
        if held.profile.managed_by_config && !held.deleted {
            return Err(Reject::ManagedByConfig);
        }
        if !held.deleted && !held.removed && held.base() == *profile {
            return Ok(agent.into());
        }
    }
    if slot.is_none() && state.agent_slots() as usize >= limits::AGENTS {
        return Err(Reject::LimitReached { limit: "agents", max: limits::AGENTS as u64 });
    }
    let agent = slot.unwrap_or(AgentId(state.agent_slots()));
    let created = slot.is_none_or(|agent| state.agent(agent).deleted);
    out.push(upserted(state, agent, profile, UpsertCause::Request));
    Ok(Subject { created, ..agent.into() })
}

/// An agent becomes this; what was set over him for a time stays.
pub(super) fn upserted(state: &State, agent: AgentId, own: &Arc<AgentProfile>, cause: UpsertCause) -> Event {
    let known = (agent.0 < state.agent_slots()).then(|| state.agent(agent));
    let mut overrides = known.map(|held| held.overrides.clone()).unwrap_or_default();
    let profile = lay_over(own, &mut overrides);
    Event::AgentUpserted { agent, profile, cause, overrides }
}

pub(super) fn delete(state: &State, agent_id: &Text, out: &mut Vec<Event>) -> Verdict {
    let agent = find_agent(state, agent_id)?;
    if state.agent(agent).profile.managed_by_config {
        return Err(Reject::ManagedByConfig);
    }
    remove(state, agent, out);
    Ok(agent.into())
}

/// An agent goes: at once, or with his last leg.
pub(super) fn remove(state: &State, agent: AgentId, out: &mut Vec<Event>) {
    let held = state.agent(agent);
    if held.removed {
        return;
    }
    revoke_offers(state, agent, out);
    release_only(state, agent, out);
    out.push(Event::AgentRemoved { agent });
}

/// Open offers to an agent are revoked; no mark, and the contacts keep their place.
fn revoke_offers(state: &State, agent: AgentId, out: &mut Vec<Event>) {
    for leg in state.agent_legs(agent).filter(|&leg| is_open_offer(state, leg)) {
        let contact = state.leg(leg).contact;
        out.push(Event::OfferRevoked { contact, leg });
        unrestrict(state, contact, agent, out);
    }
}

/// Contacts open to this agent alone are open to all again.
fn release_only(state: &State, agent: AgentId, out: &mut Vec<Event>) {
    for slot in state.agent(agent).only.iter(state.contacts()) {
        out.push(Event::ContactUnrestricted { contact: state.contact_at(slot) });
    }
}

fn known_reason(state: &State, presence: &Presence) -> Result<(), Reject> {
    let known = &state.policy().not_ready_reasons;
    match presence {
        Presence::NotReady(reason) if !reason.is_empty() && !known.is_empty() && !known.contains(reason) => {
            Err(Reject::ReasonUnknown)
        }
        _ => Ok(()),
    }
}

pub(super) fn sign_in(
    state: &State,
    agent_id: &Text,
    presence: &Presence,
    lease: Option<Span>,
    out: &mut Vec<Event>,
) -> Verdict {
    if *presence == Presence::Offline {
        return Err(Reject::Invalid { field: "presence", must: "be AVAILABLE or NOT_READY" });
    }
    if lease.is_some_and(|lease| lease > limits::LEASE) {
        return Err(Reject::Invalid { field: "session_lease", must: "be at most 24 h" });
    }
    let agent = find_agent(state, agent_id)?;
    known_reason(state, presence)?;
    let held = state.agent(agent);
    if held.removed {
        return Err(Reject::AgentUnavailable);
    }
    if held.signed_in() {
        if !held.session {
            out.push(Event::AgentSessionOpened { agent });
        }
        change_presence(state, agent, presence, false, out);
    } else {
        let lease = lease.unwrap_or(state.policy().rules.session_lease);
        out.push(Event::AgentSignedIn { agent, presence: presence.clone(), lease });
    }
    Ok(agent.into())
}

pub(super) fn sign_out(state: &State, now: Time, agent_id: &Text, force: bool, out: &mut Vec<Event>) -> Verdict {
    let agent = find_agent(state, agent_id)?;
    let held = state.agent(agent);
    if !held.signed_in() {
        return Ok(agent.into());
    }
    revoke_offers(state, agent, out);
    release_only(state, agent, out);
    if force {
        return_assigned(state, now, agent, out);
        out.push(Event::AgentSignedOut { agent });
    } else if !held.holds_work() {
        out.push(Event::AgentSignedOut { agent });
    } else if held.next_presence != Some(Presence::Offline) {
        let before = held.presence.clone();
        let next = Some(Presence::Offline);
        let after = before.clone();
        out.push(Event::AgentPresenceChanged { agent, before, after, next, by_supervisor: false });
    }
    Ok(agent.into())
}

/// Accepted contacts that are not yet connected go back: their agent is gone.
fn return_assigned(state: &State, now: Time, agent: AgentId, out: &mut Vec<Event>) {
    for leg in state.agent_legs(agent).filter(|&leg| state.leg(leg).state == LegState::Assigned) {
        connect_failed(state, now, leg, EndCause::SessionLost, out);
    }
}

pub(super) fn set_presence(
    state: &State,
    now: Time,
    agent_id: &Text,
    presence: &Presence,
    by_supervisor: bool,
    out: &mut Vec<Event>,
) -> Verdict {
    let agent = find_agent(state, agent_id)?;
    known_reason(state, presence)?;
    if by_supervisor && !state.agent(agent).signed_in() {
        return Err(Reject::AgentSignedOut);
    }
    if *presence == Presence::Offline {
        return sign_out(state, now, agent_id, false, out);
    }
    if !state.agent(agent).signed_in() {
        return Err(Reject::AgentSignedOut);
    }
    change_presence(state, agent, presence, by_supervisor, out);
    Ok(agent.into())
}

fn change_presence(state: &State, agent: AgentId, presence: &Presence, by_supervisor: bool, out: &mut Vec<Event>) {
    let held = state.agent(agent);
    let before = held.presence.clone();
    if *presence == Presence::Available {
        if held.not_responding.is_some() {
            out.push(Event::AgentResponding { agent });
        }
        if before != Presence::Available || held.next_presence.is_some() {
            let after = Presence::Available;
            out.push(Event::AgentPresenceChanged { agent, before, after, next: None, by_supervisor });
        }
        return;
    }
    revoke_offers(state, agent, out);
    if held.holds_work() {
        if held.next_presence.as_ref() != Some(presence) {
            let next = Some(presence.clone());
            let after = before.clone();
            out.push(Event::AgentPresenceChanged { agent, before, after, next, by_supervisor });
        }
    } else if before != *presence || held.next_presence.is_some() {
        let after = presence.clone();
        out.push(Event::AgentPresenceChanged { agent, before, after, next: None, by_supervisor });
    }
}

/// A heartbeat or an opened stream: a lost session is alive again. A heartbeat needs an agent who is signed in.
pub(super) fn sign_of_life(state: &State, agent_id: &Text, signed_in: bool, out: &mut Vec<Event>) -> Verdict {
    let agent = find_agent(state, agent_id)?;
    let held = state.agent(agent);
    if signed_in && !held.signed_in() {
        return Err(Reject::AgentSignedOut);
    }
    if held.signed_in() && !held.session {
        out.push(Event::AgentSessionOpened { agent });
    }
    Ok(agent.into())
}

/// An agent's lease ran out.
pub(super) fn lose_session(state: &State, now: Time, agent: AgentId, out: &mut Vec<Event>) {
    if !state.agent(agent).session {
        return;
    }
    for leg in state.agent_legs(agent).filter(|&leg| is_open_offer(state, leg)) {
        leg::fail_offer(state, now, leg, FailCause::SessionLost, out);
        unrestrict(state, state.leg(leg).contact, agent, out);
    }
    return_assigned(state, now, agent, out);
    out.push(Event::AgentSessionLost { agent });
}

/// An agent's own offer by its id.
fn own_offer(state: &State, agent_id: &Text, offer: LegId) -> Result<(AgentId, OfferState), Reject> {
    let agent = find_agent(state, agent_id)?;
    let leg = state.try_leg(offer).filter(|leg| leg.offer != OfferState::None).ok_or(Reject::OfferNotFound)?;
    if leg.agent != agent {
        return Err(Reject::OfferNotYours);
    }
    Ok((agent, leg.offer))
}

fn about(state: &State, agent: AgentId, leg: LegId) -> Subject {
    Subject { contact: Some(state.leg(leg).contact), ..agent.into() }
}

pub(super) fn accept(state: &State, now: Time, agent_id: &Text, offer: LegId, out: &mut Vec<Event>) -> Verdict {
    let (agent, at) = own_offer(state, agent_id, offer)?;
    match at {
        OfferState::Accepted => {}
        OfferState::Issued => leg::accept(state, now, state.leg(offer).contact, (offer, agent), out),
        over => return Err(Reject::OfferOver { state: over }),
    }
    Ok(about(state, agent, offer))
}

pub(super) fn decline(
    state: &State,
    now: Time,
    agent_id: &Text,
    offer: LegId,
    (reason, retry_time): (DeclineReason, Option<Span>),
    out: &mut Vec<Event>,
) -> Verdict {
    if retry_time.is_some_and(|span| span > limits::RETRY) {
        return Err(Reject::Invalid { field: "retry_time", must: "be at most 24 h" });
    }
    let (agent, at) = own_offer(state, agent_id, offer)?;
    match at {
        OfferState::Declined => return Ok(about(state, agent, offer)),
        OfferState::Issued => {}
        over => return Err(Reject::OfferOver { state: over }),
    }
    let rules = &state.policy().rules;
    let contact = state.leg(offer).contact;
    let entry = state.contact(contact).entry.expect("an open offer has an open entry");
    let barred = leg::bar(state, now, retry_time.unwrap_or(rules.retry_time));
    out.push(Event::OfferDeclined { contact, leg: offer, reason, barred });
    // While others may still take it, nobody being willing is not known.
    if rules.max_declines > 0 && entry.declines + 1 >= rules.max_declines && entry.offers <= 1 {
        out.push(Event::NoWillingAgent { contact });
    }
    unrestrict(state, contact, agent, out);
    Ok(about(state, agent, offer))
}

pub(super) fn fail_offer_of(state: &State, now: Time, offer: LegId, out: &mut Vec<Event>) {
    leg::fail_offer(state, now, offer, FailCause::Delivery, out);
    let held = state.leg(offer);
    unrestrict(state, held.contact, held.agent, out);
}

/// An offer could not be delivered; one that has ended meanwhile stays as it ended.
pub(super) fn fail_offer(state: &State, now: Time, agent_id: &Text, offer: LegId, out: &mut Vec<Event>) -> Verdict {
    let (agent, at) = own_offer(state, agent_id, offer)?;
    if at == OfferState::Issued {
        fail_offer_of(state, now, offer, out);
    }
    Ok(about(state, agent, offer))
}

pub(super) fn complete_wrap_up(
    state: &State,
    (agent_id, contact_id): (&Text, &Text),
    disposition: &Text,
    resolved: Option<bool>,
    out: &mut Vec<Event>,
) -> Verdict {
    let contact = find_contact(state, contact_id)?;
    let agent = find_agent(state, agent_id)?;
    known_disposition(state, disposition)?;
    let subject = Subject { contact: Some(contact), ..agent.into() };
    let own = || state.contact_legs(contact).filter(|(_, leg)| leg.agent == agent && leg.connected_once);
    if let Some((leg, held)) = own().find(|(_, leg)| leg.state == LegState::WrapUp) {
        let cause = held.end_cause.unwrap_or(EndCause::Completed);
        let disposition = disposition.clone();
        out.push(Event::LegEnded { contact, leg, cause, barred: None, disposition, resolved });
        return Ok(subject);
    }
    match own().next() {
        None if state.contact(contact).closed => Ok(subject),
        None => Err(Reject::NotWrappingUp),
        Some((_, leg)) if leg.state == LegState::Ended => Ok(subject),
        Some(_) => Err(Reject::ContactState { state: state.contact_state(contact) }),
    }
}

//! Work an agent takes himself, or that a supervisor gives him: a leg that begins without an offer.
//!
//! Whatever is open of the contact ends first: offers are CANCELLED, PARKED ends, a restriction to another agent falls.
//! The entry goes on: it is answered when the leg connects, and waits again in its place when it does not.

use alloc::vec::Vec;

use super::contact::{assigned, can_be_given_work};
use super::leg::{answer, cancel_offers};
use super::{Subject, Verdict, find_agent, find_contact};
use crate::engine::contact::{AssignCause, Contact, ContactState, Leg, LegState};
use crate::engine::event::Event;
use crate::engine::id::{AgentId, ContactId, Text};
use crate::engine::policy::Connect;
use crate::engine::reject::Reject;
use crate::engine::state::State;
use crate::engine::time::Time;

/// An agent takes a waiting contact out of line: he must be eligible and have room, but need not be its first, and what
/// he declined before he may take after all.
pub(super) fn pick(state: &State, now: Time, (agent_id, contact_id): (&Text, &Text), out: &mut Vec<Event>) -> Verdict {
    let contact = find_contact(state, contact_id)?;
    let agent = find_agent(state, agent_id)?;
    match state.contact_state(contact) {
        ContactState::Queued | ContactState::Offered => {}
        ContactState::Closed => return Err(Reject::ContactClosed),
        at => return Err(Reject::ContactState { state: at }),
    }
    available(state, agent)?;
    suits(state, contact, agent)?;
    Ok(give(state, now, contact, agent, AssignCause::Picked, out))
}

/// A supervisor gives a waiting contact to an agent without asking him. By force he needs meet no requirement, and may be
/// carried past his capacity.
pub(super) fn assign(
    state: &State,
    now: Time,
    (contact_id, agent_id): (&Text, &Text),
    force: bool,
    out: &mut Vec<Event>,
) -> Verdict {
    let contact = find_contact(state, contact_id)?;
    let agent = find_agent(state, agent_id)?;
    match state.contact_state(contact) {
        ContactState::Queued | ContactState::Parked | ContactState::Offered => {}
        ContactState::Closed => return Err(Reject::ContactClosed),
        at => return Err(Reject::ContactState { state: at }),
    }
    available(state, agent)?;
    if !force {
        suits(state, contact, agent)?;
    }
    Ok(give(state, now, contact, agent, AssignCause::Forced, out))
}

fn available(state: &State, agent: AgentId) -> Result<(), Reject> {
    if can_be_given_work(state, agent) { Ok(()) } else { Err(Reject::AgentUnavailable) }
}

/// Whether an agent may serve a contact that waits and has room for it, an offer of it open to him left aside.
fn suits(state: &State, contact: ContactId, agent: AgentId) -> Result<(), Reject> {
    let held = state.contact(contact);
    let entry = held.entry.as_ref().expect("a contact that waits has an entry");
    if !state.may_serve(entry, agent) {
        return Err(Reject::AgentIneligible);
    }
    let (cost, open) = takes(state, contact, agent);
    if let Some(pool) = state.capping(state.agent(agent), held.channel, open) {
        return Err(Reject::AgentPoolCap { pool: pool.id.clone() });
    }
    match state.has_room_for(state.agent(agent), held.channel, cost, open) {
        true => Ok(()),
        false => Err(Reject::AgentNoRoom),
    }
}

/// How many units a contact takes of an agent beside those that offers of it to him reserve, and how many these are.
fn takes(state: &State, contact: ContactId, agent: AgentId) -> (u32, u32) {
    let own = |leg: &Leg| leg.agent == agent && leg.state == LegState::Offered;
    let reserved = state.contact_legs(contact).map(|(_, leg)| leg).filter(|leg| own(leg));
    let (units, open) = reserved.fold((0, 0), |(units, open), leg| (units + leg.cost, open + 1));
    (state.channel(state.contact(contact).channel).cost.saturating_sub(units), open)
}

fn give(
    state: &State,
    now: Time,
    contact: ContactId,
    agent: AgentId,
    cause: AssignCause,
    out: &mut Vec<Event>,
) -> Subject {
    let held: &Contact = state.contact(contact);
    let entry = held.entry.as_ref().expect("a contact that waits has an entry");
    cancel_offers(state, contact, out);
    if entry.parked_since.is_some() {
        out.push(Event::ContactUnparked { contact });
    }
    if entry.only.is_some_and(|only| only != agent) {
        out.push(Event::ContactUnrestricted { contact });
    }
    let begins = assigned(state, now, contact, agent, held.channel, cause);
    let leg = begins.leg().expect("an assignment begins a leg");
    out.push(begins);
    let way = state.to_interrupt(agent, held.channel, takes(state, contact, agent).0).into_iter();
    out.extend(way.map(|(contact, other)| Event::LegHeld { contact, leg: other, by: Some(leg) }));
    if state.channel(held.channel).connect == Connect::OnAccept {
        out.push(Event::LegConnected { contact, leg, answer: answer(state, held, now) });
    }
    Subject { contact: Some(contact), ..agent.into() }
}

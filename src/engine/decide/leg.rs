//! How legs and offers end, and what that does to their contact and agent.

use alloc::vec::Vec;

use crate::engine::agent::Fault;
use crate::engine::contact::{Contact, EndCause, FailCause, LegState, OfferState, Outcome, Reason};
use crate::engine::event::{Answer, EntryExit, Event};
use crate::engine::id::{AgentId, BarId, ContactId, LegId, Text};
use crate::engine::policy::{Connect, WrapUp};
use crate::engine::state::State;
use crate::engine::time::{Span, Time};

/// A bar for a pair, when it lasts at all.
pub(super) fn bar(state: &State, now: Time, span: Span) -> Option<(BarId, Time)> {
    (!span.is_zero()).then(|| (state.next_bar(), now + span))
}

/// A conversation ends for one agent: he wraps up, if his leg's rule says so.
pub(super) fn finish(state: &State, now: Time, leg: LegId, cause: EndCause, out: &mut Vec<Event>) {
    let held = state.leg(leg);
    let contact = held.contact;
    match held.wrap_up_rule {
        WrapUp::Timed(span) | WrapUp::Manual(span) if !span.is_zero() => {
            out.push(Event::LegWrapUpStarted { contact, leg, until: now + span, cause });
        }
        WrapUp::None | WrapUp::Timed(_) | WrapUp::Manual(_) => out.push(ended(contact, leg, cause, None)),
    }
}

/// A leg ends without wrap-up.
pub(super) fn ended(contact: ContactId, leg: LegId, cause: EndCause, barred: Option<(BarId, Time)>) -> Event {
    Event::LegEnded { contact, leg, cause, barred, disposition: Text::default(), resolved: None }
}

/// How the open entry of a contact ends, if one is open.
pub(super) fn exit(state: &State, held: &Contact, now: Time) -> Option<EntryExit> {
    let entry = held.entry?;
    let (wait, rules) = (entry.wait(now), state.entry_rules(&entry));
    Some(EntryExit { queue: entry.queue, wait, within_threshold: wait <= rules.threshold, short: wait < rules.short })
}

/// The customer's part ends: open offers are cancelled, assigned legs end, conversations go to wrap-up.
pub(super) fn end_contact(
    state: &State,
    now: Time,
    contact: ContactId,
    outcome: (Outcome, Reason),
    disposition: &Text,
    out: &mut Vec<Event>,
) {
    let held = state.contact(contact);
    if held.entry.is_some() {
        end_unanswered(state, contact, out);
    }
    let (outcome, reason) = outcome;
    out.push(Event::ContactEnded {
        contact,
        outcome,
        reason,
        exit: exit(state, held, now),
        disposition: disposition.clone(),
    });
    // A direct leg after it: without an entry the contact would pass through SCHEDULED on its way.
    if held.entry.is_none() {
        end_unanswered(state, contact, out);
    }
    for (leg, live) in state.contact_legs(contact) {
        if live.state.is_talking() {
            finish(state, now, leg, EndCause::Completed, out);
        }
    }
}

/// The open offers of a contact that waits are cancelled: it goes elsewhere.
pub(super) fn cancel_offers(state: &State, contact: ContactId, out: &mut Vec<Event>) {
    let open = state.contact_legs(contact).filter(|(_, leg)| leg.state == LegState::Offered);
    out.extend(open.map(|(leg, _)| Event::OfferCancelled { contact, leg }));
}

/// Open offers are cancelled and assigned legs end: the contact leaves.
fn end_unanswered(state: &State, contact: ContactId, out: &mut Vec<Event>) {
    for (leg, live) in state.contact_legs(contact) {
        match live.state {
            LegState::Offered => out.push(Event::OfferCancelled { contact, leg }),
            LegState::Assigned => out.push(ended(contact, leg, EndCause::ContactLeft, None)),
            LegState::Connected | LegState::OnHold | LegState::WrapUp | LegState::Ended => {}
        }
    }
}

/// The answer that connecting this leg gives its entry, if it has one open.
pub(super) fn answer(state: &State, held: &Contact, now: Time) -> Option<Answer> {
    let entry = held.entry?;
    let wait = entry.wait(now);
    Some(Answer { queue: entry.queue, wait, within_threshold: wait <= state.entry_rules(&entry).threshold })
}

/// An offer is taken: assigned, what it interrupts put on hold, and connected at once where the channel says so.
pub(super) fn accept(
    state: &State,
    now: Time,
    contact: ContactId,
    (leg, agent): (LegId, AgentId),
    out: &mut Vec<Event>,
) {
    let held = state.contact(contact);
    let channel = state.channel(held.channel);
    out.push(Event::OfferAccepted { contact, leg, connect_by: now + channel.connect_timeout });
    // One that is accepted for the agent as it is issued reserves its units only now.
    let more = if state.try_leg(leg).is_some() { 0 } else { channel.cost };
    let way = state.to_interrupt(agent, held.channel, more).into_iter();
    out.extend(way.map(|(contact, other)| Event::LegHeld { contact, leg: other, by: Some(leg) }));
    if held.entry.is_some_and(|entry| entry.offers > 1) {
        let others = state.contact_legs(contact).filter(|(other, at)| *other != leg && at.state == LegState::Offered);
        out.extend(others.map(|(leg, _)| Event::OfferRescinded { contact, leg, winner: agent }));
    }
    if channel.connect == Connect::OnAccept {
        out.push(Event::LegConnected { contact, leg, answer: answer(state, held, now) });
    }
}

/// An offer failed, or its agent's session was lost.
pub(super) fn fail_offer(state: &State, now: Time, leg: LegId, cause: FailCause, out: &mut Vec<Event>) {
    let held = state.leg(leg);
    let barred = match cause {
        FailCause::Delivery => bar(state, now, state.policy().rules.retry_time),
        FailCause::SessionLost => None,
    };
    out.push(Event::OfferFailed { contact: held.contact, leg, cause, barred });
    if cause == FailCause::Delivery {
        fault(state, now, leg, Fault::Delivery, out);
    }
}

/// A leg that was accepted could not be connected: the contact returns to its place, direct work has failed.
pub(super) fn connect_failed(state: &State, now: Time, leg: LegId, cause: EndCause, out: &mut Vec<Event>) {
    let held = state.leg(leg);
    let contact = held.contact;
    if state.contact(contact).entry.is_none() {
        let reason = if cause == EndCause::SessionLost { Reason::SessionLost } else { Reason::NoAnswer };
        out.push(failed(contact, reason));
        out.push(ended(contact, leg, cause, None));
    } else {
        let bars = matches!(cause, EndCause::ConnectTimeout | EndCause::AgentUnreachable | EndCause::MediaFailed);
        let barred = bar(state, now, state.policy().rules.retry_time).filter(|_| bars);
        out.push(ended(contact, leg, cause, barred));
    }
    if matches!(cause, EndCause::ConnectTimeout | EndCause::AgentUnreachable) {
        fault(state, now, leg, Fault::Connect, out);
    }
}

/// Direct work has failed.
pub(super) fn failed(contact: ContactId, reason: Reason) -> Event {
    Event::ContactEnded { contact, outcome: Outcome::Failed, reason, exit: None, disposition: Text::default() }
}

/// Counts one more fault of a leg's agent, and says NOT_RESPONDING when that makes N in a row: for longer each time, until
/// he answers or says himself that he is there.
pub(super) fn fault(state: &State, now: Time, leg: LegId, fault: Fault, out: &mut Vec<Event>) {
    let held = state.leg(leg);
    let (agent, channel) = (state.agent(held.agent), state.channel(held.channel));
    let in_a_row = agent.faults[fault as usize] + 1;
    let reached = channel.rona > 0 && in_a_row >= channel.rona;
    if reached && agent.not_responding.is_none() {
        let until = now + channel.not_responding_for(agent.lapses[fault as usize]);
        out.push(Event::AgentNotResponding { agent: held.agent, fault, in_a_row, until });
    }
}

/// The restriction of a contact to this agent falls, if it has one.
pub(super) fn unrestrict(state: &State, contact: ContactId, agent: AgentId, out: &mut Vec<Event>) {
    if state.contact(contact).entry.is_some_and(|entry| entry.only == Some(agent)) {
        out.push(Event::ContactUnrestricted { contact });
    }
}

/// Whether an agent's leg is an open offer.
pub(super) fn is_open_offer(state: &State, leg: LegId) -> bool {
    state.leg(leg).offer == OfferState::Issued
}

//! What follows by itself: who comes to a closed queue first, then obligations, then matching, then who came in and found nobody, then whom
//! nobody can ever serve, then what the agents' state means for routing.
//!
//! Matching is complete because both edges are looked at: every contact that began to wait and every agent who gained
//! room since the last batch is on the agenda, and nobody else can have become a match.

use alloc::vec::Vec;

use super::arrival::{judge, turn_away};
use super::deadline::{contact_due, relax};
use super::leg::accept;
use super::overflow::{Acted, Moment, overflow};
use super::supervise::move_one;
use crate::engine::agent::{Presence, Rest};
use crate::engine::contact::Contact;
use crate::engine::event::{EntryCause, Event};
use crate::engine::id::{AgentId, ContactId, QueueId};
use crate::engine::state::{Passed, State};
use crate::engine::time::Time;

/// Looks at the agenda until something follows, and pushes it; pushes nothing when all is quiet. Takes from the agenda
/// and changes nothing else.
pub(in crate::engine) fn follow_up(state: &mut State, now: Time, out: &mut Vec<Event>) {
    obligations(state, now, out);
    if !out.is_empty() {
        return;
    }
    state.sort_agenda();
    if !state.plain() {
        state.line_up_agents();
    }
    while let Some(agent) = state.next_hungry() {
        let (contact, of) = match state.best_contact(now, agent) {
            Some((_, contact)) => (contact, Some(agent)),
            None => match state.unblocked(agent) {
                Some(contact) => (contact, None),
                None => {
                    state.fed();
                    continue;
                }
            },
        };
        let (contact, agent) = pair(state, now, contact, of);
        return offer(state, now, contact, agent, out);
    }
    while let Some(contact) = state.next_waiting() {
        if !state.wants(contact) {
            continue;
        }
        let Some(agent) = state.best_agent(contact, None) else { continue };
        // Alone on the agenda, it is the only contact its agent could take: had there been another, it would be gone.
        if !state.others_wait() && state.plain() {
            return offer(state, now, contact, agent, out);
        }
        let (best, agent) = pair(state, now, contact, None);
        if best != contact {
            state.wait_again(contact);
        }
        return offer(state, now, best, agent, out);
    }
    while let Some(contact) = state.next_arrival() {
        if judge(state, now, contact, out) == Acted::Relaxed {
            state.judge_again(contact);
        }
        if !out.is_empty() {
            return;
        }
    }
    while let Some((contact, passed)) = state.next_relaxed() {
        look(state, now, contact, &passed, out);
        if !out.is_empty() {
            return;
        }
    }
    state.each_unservable_changed(|contact, unservable| {
        out.push(Event::ContactUnservableChanged { contact, unservable });
    });
    if !out.is_empty() {
        return;
    }
    while let Some(agent) = state.next_changed() {
        let held = state.agent(agent);
        let (before, after) = (held.routing, held.derive_routing());
        if before != after {
            return out.push(Event::AgentRoutingChanged { agent, before, after });
        }
    }
}

/// What must follow before anybody is matched: who comes to a closed queue, who passed a wait, contacts and agents to look
/// at again.
fn obligations(state: &mut State, now: Time, out: &mut Vec<Event>) {
    while let Some(contact) = state.next_at_door() {
        turn_away(state, now, contact, out);
        if !out.is_empty() {
            return;
        }
    }
    while let Some((contact, passed)) = state.next_passed() {
        if matches!(passed, Passed::Exhausted) {
            // One whose steps are over as it comes in is judged by all rules at once, those for arrivals among them; one
            // that a rule relaxed so far is tried first.
            if state.has_just_come(contact) {
                continue;
            }
            if state.is_looked_at_again(contact) {
                state.look_again_at(contact, passed);
                continue;
            }
        }
        look(state, now, contact, &[passed], out);
        if !out.is_empty() {
            return;
        }
    }
    while let Some(contact) = state.next_check() {
        check_contact(state, now, contact, out);
        if !out.is_empty() {
            return;
        }
    }
    while let Some(agent) = state.next_touched() {
        check_agent(state, agent, out);
        if !out.is_empty() {
            return;
        }
    }
}

/// Looks at the rules for what a contact has come to; at the rest of them once more when one relaxed it and nobody took it.
fn look(state: &mut State, now: Time, contact: ContactId, passed: &[Passed], out: &mut Vec<Event>) {
    if overflow(state, now, contact, Moment::Waiting(passed), out) == Acted::Relaxed {
        passed.iter().for_each(|passed| state.look_again_at(contact, *passed));
    }
}

/// The pair a contact leads to in which each is the other's first: its agent may have a better contact, which may have
/// a better agent. By the default rules every agent on the way is idle for longer than the last, so it ends. By others
/// the way may close in a circle of firsts; then one of its contacts goes to its own first agent (Brent's algorithm finds
/// it without memory). `of` is an agent whose first the contact is, if that is known.
fn pair(state: &State, now: Time, mut contact: ContactId, mut of: Option<AgentId>) -> (ContactId, AgentId) {
    let (mut anchor, mut steps, mut power) = (contact, 0u32, 1u32);
    loop {
        let agent = state.best_agent(contact, of).expect("whoever takes a contact can be found for it");
        if of == Some(agent) {
            return (contact, agent);
        }
        let (_, best) = state.best_contact(now, agent).expect("an agent finds the contact he was found for");
        if best == contact {
            return (contact, agent);
        }
        if best == anchor {
            return (best, state.best_agent(best, None).expect("whoever takes a contact can be found for it"));
        }
        (contact, of, steps) = (best, Some(agent), steps + 1);
        if steps == power {
            (anchor, steps, power) = (best, 0, power * 2);
        }
    }
}

/// Offers a contact to an agent; accepts for him where the channel says so.
fn offer(state: &State, now: Time, contact: ContactId, agent: AgentId, out: &mut Vec<Event>) {
    let held = state.contact(contact);
    let channel = state.channel(held.channel);
    let leg = state.next_leg();
    let wait = held.entry.expect("a contact that is matched waits").wait(now);
    let expires = now + channel.offer_timeout;
    let broadcast = held.entry.is_some_and(|entry| state.broadcast(held, &entry).is_some());
    out.push(Event::OfferIssued { contact, leg, agent, cost: channel.cost, expires, wait, broadcast });
    if channel.auto_accept {
        accept(state, now, contact, (leg, agent), out);
    }
}

/// A contact may be past a deadline that waited, may close, may have an offer that is no longer allowed, or may come
/// back to wait for one agent who has signed out meanwhile.
fn check_contact(state: &State, now: Time, contact: ContactId, out: &mut Vec<Event>) {
    let Some(held) = state.try_contact(contact).filter(|held| !held.closed) else { return };
    if let Some((outcome, reason)) = held.outcome {
        if held.live_legs == 0 {
            out.push(Event::ContactClosed { contact, outcome, reason, queue: held.queue() });
        }
    } else if held.entry_leg.is_some() {
        let gone = state.contact_legs(contact).filter(|(leg, _)| !state.offer_allowed(*leg));
        out.extend(gone.map(|(leg, _)| Event::OfferRevoked { contact, leg }));
    } else if state.contact_deadline(held).is_some_and(|at| at <= now) {
        contact_due(state, now, contact, out);
    } else if let Some(heir) = left_behind(state, held) {
        move_one(state, now, contact, (heir, EntryCause::Moved), out);
    } else if let Some(entry) = held.entry.filter(|entry| entry.parked_since.is_none())
        && entry.only.is_some_and(|agent| signs_out(state, agent))
    {
        out.push(Event::ContactUnrestricted { contact });
    } else {
        relax(state, now, contact, held, out);
    }
}

/// The queue a waiting contact is moved to because its own is gone.
fn left_behind(state: &State, held: &Contact) -> Option<QueueId> {
    let queue = held.entry?.queue;
    state.registry().heir(queue).filter(|heir| *heir != queue)
}

/// Whether an agent has signed out, or will with his last leg: then nothing waits for him alone.
fn signs_out(state: &State, agent: AgentId) -> bool {
    let held = state.agent(agent);
    !held.signed_in() || held.removed || held.next_presence == Some(Presence::Offline)
}

/// An agent's rest may begin or end, what was interrupted may go on, his waiting presence may apply, he may go, or an offer to him may no longer be allowed.
fn check_agent(state: &State, agent: AgentId, out: &mut Vec<Event>) {
    let held = state.agent(agent);
    if held.deleted {
        return;
    }
    for cause in Rest::ALL {
        match (held.resting & cause.bit() != 0, state.should_rest(agent, cause)) {
            (false, true) if held.takes_offers() => {
                let until = state.would_rest_until(agent, cause);
                out.push(Event::AgentRestStarted { agent, cause, until });
            }
            (true, false) => out.push(Event::AgentRestEnded { agent, cause }),
            (true, true) | (false, _) => {}
        }
    }
    let back = state.to_return(agent).into_iter();
    out.extend(back.map(|(contact, leg)| Event::LegResumed { contact, leg, interrupted: true }));
    // Each of these has him looked at again.
    if !out.is_empty() {
        return;
    }
    // An agent may hold a thousand contacts; only open offers are looked at, and mostly there is none.
    if held.offering > 0 {
        for leg in state.agent_legs(agent).filter(|&leg| !state.offer_allowed(leg)) {
            out.push(Event::OfferRevoked { contact: state.leg(leg).contact, leg });
        }
    }
    if held.holds_work() || !out.is_empty() {
        return;
    }
    if held.removed {
        if held.signed_in() {
            out.push(Event::AgentSignedOut { agent });
        }
        out.push(Event::AgentDeleted { agent });
    } else if let Some(next) = &held.next_presence {
        match next {
            Presence::Offline => out.push(Event::AgentSignedOut { agent }),
            next => {
                let (before, after) = (held.presence.clone(), next.clone());
                out.push(Event::AgentPresenceChanged { agent, before, after, next: None, by_supervisor: false });
            }
        }
    }
}

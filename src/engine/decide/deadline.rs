//! What falls due.

use alloc::vec::Vec;

use super::agent::lose_session;
use super::contact::{assigned, can_be_given_work, leaving};
use super::gate::gate_due;
use super::leg::{bar, connect_failed, end_contact, ended, fault, unrestrict};
use super::skills::skills_due;
use crate::engine::agent::{Fault, Rest};
use crate::engine::contact::{AssignCause, CancelCause, Contact, EndCause, LegState, Outcome, Reason};
use crate::engine::event::{EntryCause, Event};
use crate::engine::id::{AgentId, ContactId, GatewayId, LegId, QueueId, Text};
use crate::engine::limits;
use crate::engine::state::{Due, Relaxation, State};
use crate::engine::time::Time;

/// Decides one deadline that has come.
pub(in crate::engine) fn deadline(state: &State, now: Time, (due, slot): (Due, u32), out: &mut Vec<Event>) {
    match due {
        Due::Contact => contact_due(state, now, state.contact_at(slot), out),
        Due::Leg => leg_due(state, now, state.leg_at(slot), out),
        Due::Agent => out.push(Event::AgentResponding { agent: AgentId(slot) }),
        Due::Bar => {
            let (bar, held) = state.bar_at(slot);
            out.push(Event::BarLifted { bar, contact: held.contact, agent: held.agent });
        }
        Due::Rest => {
            let agent = AgentId(slot);
            let over = |cause: &Rest| state.rests_until(agent, *cause).is_some_and(|at| at <= now);
            let held = state.agent(agent).resting;
            let causes = Rest::ALL.into_iter().filter(|cause| held & cause.bit() != 0).filter(over);
            out.extend(causes.map(|cause| Event::AgentRestEnded { agent, cause }));
        }
        Due::Lease => lose_session(state, now, AgentId(slot), out),
        Due::Skills => skills_due(state, now, AgentId(slot), out),
        Due::Queue => gate_due(state, QueueId(slot), out),
        Due::Pool => out.extend(state.pool_at(slot).map(|pool| Event::PoolReset { pool: pool.id.clone() })),
        Due::Gateway => gateway_due(state, now, GatewayId(slot), out),
        Due::Retention => retention_due(state, now, out),
    }
}

/// A contact's own deadlines, in order: a wait at which an overflow rule may act before `max_wait` before `expire_time`
/// before the end of a restriction before a wait or a step at which more agents may take it.
pub(super) fn contact_due(state: &State, now: Time, contact: ContactId, out: &mut Vec<Event>) {
    let held = state.contact(contact);
    let expired = held.expires().is_some_and(|at| at <= now);
    let mut expire = |reason| end_contact(state, now, contact, (Outcome::Expired, reason), &Text::default(), out);
    let Some(entry) = &held.entry else {
        return match expired {
            true => expire(Reason::ExpireTime),
            false => scheduled(state, now, contact, held, out),
        };
    };
    let passed = state.reached(entry, now).filter(|_| entry.parked_since.is_none());
    if let Some(wait) = passed.filter(|&wait| state.overflow_due(entry, wait)) {
        out.push(Event::WaitReached { contact, wait });
    } else if state.exhausts(now, held) {
        out.push(Event::StepsExhausted { contact });
    } else if entry.parked_since.is_none() && entry.wait(now) >= state.entry_rules(entry).max_wait {
        expire(Reason::MaxWait);
    } else if expired {
        expire(Reason::ExpireTime);
    } else if entry.parked_since.is_some() {
        out.push(Event::ContactUnparked { contact });
    } else if entry.only.is_some() && entry.only_until <= now {
        out.push(Event::ContactUnrestricted { contact });
    } else if let Some(wait) = passed {
        out.push(Event::WaitReached { contact, wait });
    } else {
        relax(state, now, contact, held, out);
    }
}

/// The next step of a contact's queue begins, or the last is over; if it is time, or the step in force is for nobody.
pub(super) fn relax(state: &State, now: Time, contact: ContactId, held: &Contact, out: &mut Vec<Event>) {
    if let Some(to) = state.relaxation(now, held) {
        out.push(relaxed(contact, held, to));
    } else if state.exhausts(now, held) {
        out.push(Event::StepsExhausted { contact });
    }
}

/// A contact comes to a step.
pub(super) fn relaxed(contact: ContactId, held: &Contact, to: Relaxation) -> Event {
    let before = held.entry.map_or(0, |entry| entry.step);
    let Relaxation { step: after, skipped, advanced } = to;
    Event::ContactRelaxed { contact, before, after, skipped, advanced }
}

/// A SCHEDULED contact's time has come: it is queued, or given to its agent.
fn scheduled(state: &State, now: Time, contact: ContactId, held: &Contact, out: &mut Vec<Event>) {
    let end = |outcome, reason, out: &mut Vec<Event>| {
        end_contact(state, now, contact, (outcome, reason), &Text::default(), out);
    };
    match (held.direct(), held.queue().and_then(|queue| state.registry().heir(queue))) {
        (Some(agent), _) if can_be_given_work(state, agent) => {
            out.push(assigned(state, now, contact, agent, held.channel, AssignCause::Direct));
        }
        (Some(_), _) => end(Outcome::Failed, Reason::SessionLost, out),
        (None, Some(queue)) => {
            out.push(Event::ContactQueued { contact, queue, cause: EntryCause::Scheduled, only: None });
        }
        (None, _) => end(Outcome::Cancelled, Reason::QueueRemoved, out),
    }
}

fn leg_due(state: &State, now: Time, leg: LegId, out: &mut Vec<Event>) {
    let held = state.leg(leg);
    let contact = held.contact;
    match held.state {
        LegState::Offered => {
            if held.broadcast {
                return broadcast_expired(state, contact, leg, out);
            }
            let barred = bar(state, now, state.policy().rules.retry_time);
            out.push(Event::OfferExpired { contact, leg, barred });
            fault(state, now, leg, Fault::Expired, out);
            unrestrict(state, contact, held.agent, out);
        }
        LegState::Assigned => connect_failed(state, now, leg, EndCause::ConnectTimeout, out),
        LegState::Connected | LegState::OnHold => out.push(Event::MaxHandlePassed { contact, leg }),
        LegState::WrapUp => {
            out.push(ended(contact, leg, held.end_cause.unwrap_or(EndCause::Completed), None));
        }
        LegState::Ended => unreachable!("an ended leg has no deadline"),
    }
}

/// One of several offers was not answered: nobody is to blame, and he may be offered it again. When it was the last, and
/// enough have declined before, nobody is willing.
fn broadcast_expired(state: &State, contact: ContactId, leg: LegId, out: &mut Vec<Event>) {
    out.push(Event::OfferExpired { contact, leg, barred: None });
    let most = state.policy().rules.max_declines;
    let entry = state.contact(contact).entry.expect("an open offer has an open entry");
    if most > 0 && entry.declines >= most && entry.offers <= 1 {
        out.push(Event::NoWillingAgent { contact });
    }
}

/// A gateway's lease ran out: its grace begins. Or that is over too: its contacts end, some at a time.
fn gateway_due(state: &State, now: Time, gateway: GatewayId, out: &mut Vec<Event>) {
    if state.gateway(gateway).grace.is_none() {
        let until = now + state.policy().rules.gateway_grace;
        out.push(Event::GatewaySessionLost { gateway, until });
        return;
    }
    let mut swept = 0;
    for contact in state.gateway_contacts(gateway).take(limits::GATEWAY_SWEEP) {
        if let Some(outcome) = leaving(state.contact_state(contact), CancelCause::CustomerLeft) {
            end_contact(state, now, contact, (outcome, Reason::GatewayLost), &Text::default(), out);
        }
        swept += 1;
    }
    if swept < limits::GATEWAY_SWEEP {
        out.push(Event::GatewaySwept { gateway });
    }
}

fn retention_due(state: &State, now: Time, out: &mut Vec<Event>) {
    let rules = &state.policy().rules;
    if let (count, Some(oldest)) = state.oldest_ended() {
        let over = count > rules.retained_contacts;
        if over || state.closed_at(oldest) + rules.retention <= now {
            out.push(Event::ContactForgotten { contact: oldest });
        }
    }
}

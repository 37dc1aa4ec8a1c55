//! The verbs of contacts.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::arrival::admit;
use super::classify::{Facts, classify};
use super::leg::{self, connect_failed, end_contact, finish};
use super::{Subject, Verdict, find_agent, find_contact, known_disposition};
use crate::engine::command::{ChangeCause, ContactChange, NewContact, TransferTarget};
use crate::engine::contact::{
    AssignCause, CancelCause, Contact, ContactState, EndCause, Outcome, Reason, RequeueCause,
};
use crate::engine::event::{EntryCause, Event};
use crate::engine::id::{AgentId, ChannelId, ContactId, LegId, QueueId, Text};
use crate::engine::limits;
use crate::engine::reject::Reject;
use crate::engine::requirement::Requirement;
use crate::engine::state::{Own, State};
use crate::engine::time::Time;

/// Creates a contact. The same contact again is answered with the one that is there.
pub(super) fn create(state: &State, now: Time, new: &Arc<NewContact>, out: &mut Vec<Event>) -> Verdict {
    valid_times(now, new)?;
    valid_priority(new.priority)?;
    let id = &new.profile.contact_id;
    if id.is_empty() || id.len() > limits::ID_BYTES {
        return Err(Reject::Invalid { field: "contact.contact_id", must: "be 1-128 bytes" });
    }
    let unnamed = new.queue.is_empty() && new.agent_id.is_empty();
    let class = match unnamed {
        true => classify(&state.policy().classification, Facts::arriving(now, new)),
        false => None,
    };
    if unnamed && class.is_none() || !new.queue.is_empty() && !new.agent_id.is_empty() {
        return Err(Reject::Invalid { field: "contact.queue", must: "be set, or contact.agent_id for direct work" });
    }
    let known = state.find_contact(id);
    if let Some(same) = known.filter(|&known| state.contact(known).digest == new.digest) {
        return Ok(same.into());
    }
    let direct = match new.agent_id.is_empty() {
        true => None,
        false => Some(find_agent(state, &new.agent_id)?),
    };
    let name = class.as_ref().map_or(&new.queue, |class| class.queue);
    let queue = state.registry().queue(name);
    if direct.is_none() && queue.is_none() {
        return Err(Reject::QueueNotFound { queue: name.clone() });
    }
    let Some(channel) = state.registry().channel(&new.profile.channel) else {
        return Err(Reject::ChannelNotFound { channel: new.profile.channel.clone() });
    };
    known_skills(state, new.requirement.as_ref())?;
    if known.is_some() {
        return Err(Reject::ContactExists);
    }
    let later = new.schedule.is_some_and(|at| at > now);
    if let Some(agent) = direct.filter(|_| !later)
        && !can_be_given_work(state, agent)
    {
        return Err(Reject::AgentUnavailable);
    }
    if state.live_contact_count() as usize >= limits::CONTACTS {
        return Err(Reject::LimitReached { limit: "contacts", max: limits::CONTACTS as u64 });
    }
    let change = class.as_ref().and_then(|class| class.change.clone());
    let asked = change.as_ref().and_then(|change| change.requirement.as_ref()).unwrap_or(&new.requirement);
    class_bound(state, queue, channel, asked.as_deref())?;
    let contact = state.next_contact();
    let new = match unnamed {
        true => Arc::new(NewContact { queue: name.clone(), ..(**new).clone() }),
        false => new.clone(),
    };
    out.push(Event::ContactCreated { contact, new });
    out.extend(change.map(|change| Event::ContactUpdated { contact, change: Arc::new(change) }));
    match (later, direct) {
        (true, _) => {}
        (false, Some(agent)) => out.push(assigned(state, now, contact, agent, channel, AssignCause::Direct)),
        (false, None) => out.push(Event::ContactQueued {
            contact,
            queue: queue.expect("looked up above"),
            cause: EntryCause::Arrived,
            only: None,
        }),
    }
    Ok(Subject { contact: Some(contact), agent: direct, created: true, ..Subject::default() })
}

/// A leg that begins ASSIGNED, without an offer.
pub(super) fn assigned(
    state: &State,
    now: Time,
    contact: ContactId,
    agent: AgentId,
    channel: ChannelId,
    cause: AssignCause,
) -> Event {
    let rules = state.channel(channel);
    let connect_by = now + rules.connect_timeout;
    Event::LegAssigned { contact, leg: state.next_leg(), agent, cost: rules.cost, connect_by, cause }
}

/// Whether an agent can be given work that is not offered: signed in, his session alive, not on his way out.
pub(super) fn can_be_given_work(state: &State, agent: AgentId) -> bool {
    let held = state.agent(agent);
    held.signed_in() && held.session && !held.removed && held.next_presence.is_none()
}

/// Refuses an entry whose class was never seen when there are too many already.
pub(super) fn class_bound(
    state: &State,
    queue: Option<QueueId>,
    channel: ChannelId,
    requirement: Option<&Requirement>,
) -> Result<(), Reject> {
    let full = state.index().len() >= limits::CLASSES;
    match queue.filter(|&queue| full && state.find_class(queue, channel, requirement).is_none()) {
        Some(_) => Err(Reject::LimitReached { limit: "requirement_classes", max: limits::CLASSES as u64 }),
        None => Ok(()),
    }
}

fn valid_times(now: Time, new: &NewContact) -> Result<(), Reject> {
    if new.arrival.is_some_and(|at| at > now) {
        return Err(Reject::Invalid { field: "contact.arrival_time", must: "not lie ahead" });
    }
    if new.arrival.is_some_and(|at| now.since(at) > limits::ARRIVAL_AGE) {
        return Err(Reject::Invalid { field: "contact.arrival_time", must: "lie at most 24 h back" });
    }
    if new.age_credit > limits::AGE_CREDIT {
        return Err(Reject::Invalid { field: "contact.age_credit", must: "be at most 24 h" });
    }
    valid_expire(now, new.expire)?;
    if let (Some(schedule), Some(expire)) = (new.schedule, new.expire)
        && expire <= schedule
    {
        return Err(Reject::Invalid { field: "contact.expire_time", must: "lie after contact.schedule_time" });
    }
    Ok(())
}

fn valid_expire(now: Time, expire: Option<Time>) -> Result<(), Reject> {
    if expire.is_some_and(|at| at <= now) {
        return Err(Reject::Invalid { field: "contact.expire_time", must: "lie ahead" });
    }
    Ok(())
}

fn valid_priority(priority: i32) -> Result<(), Reject> {
    if !limits::PRIORITY.contains(&priority) {
        return Err(Reject::Invalid { field: "contact.priority", must: "be -100 to 100" });
    }
    Ok(())
}

fn known_skills(state: &State, requirement: Option<&Arc<Requirement>>) -> Result<(), Reject> {
    let mut unknown = None;
    if let Some(requirement) = requirement {
        requirement.expr.each_skill(&mut |skill| {
            if unknown.is_none() && !state.registry().knows_skill(skill) {
                unknown = Some(skill.clone());
            }
        });
    }
    unknown.map_or(Ok(()), |skill| Err(Reject::SkillNotFound { skill }))
}

/// A contact that is not CLOSED, for the verbs that need one.
fn open_contact<'a>(state: &'a State, contact_id: &str) -> Result<(ContactId, &'a Contact, ContactState), Reject> {
    let contact = find_contact(state, contact_id)?;
    let held = state.contact(contact);
    match state.contact_state(contact) {
        ContactState::Closed => Err(Reject::ContactClosed),
        now => Ok((contact, held, now)),
    }
}

pub(super) fn update(
    state: &State,
    now: Time,
    contact_id: &Text,
    change: &Arc<ContactChange>,
    out: &mut Vec<Event>,
) -> Verdict {
    valid_priority(change.priority.unwrap_or(0))?;
    valid_expire(now, change.expire.flatten())?;
    let contact = find_contact(state, contact_id)?;
    known_skills(state, change.requirement.as_ref().and_then(Option::as_ref))?;
    let held = open_contact(state, contact_id)?.1;
    if let Some(requirement) = &change.requirement {
        class_bound(state, held.queue(), held.channel, requirement.as_deref())?;
    }
    if **change != ContactChange::default() {
        out.push(Event::ContactUpdated { contact, change: change.clone() });
    }
    Ok(contact.into())
}

/// The leg the gateway's verbs are about: the entry's, or the owner.
fn active_leg(held: &Contact) -> Option<LegId> {
    held.entry_leg.or(held.owner)
}

pub(super) fn connect(state: &State, now: Time, contact_id: &Text, out: &mut Vec<Event>) -> Verdict {
    let (contact, held, at) = open_contact(state, contact_id)?;
    match (at, active_leg(held)) {
        (ContactState::Connected, _) => {}
        (ContactState::Assigned, Some(leg)) => {
            out.push(Event::LegConnected { contact, leg, answer: leg::answer(state, held, now) });
        }
        _ => return Err(Reject::ContactState { state: at }),
    }
    Ok(contact.into())
}

pub(super) fn hold(state: &State, contact_id: &Text, out: &mut Vec<Event>) -> Verdict {
    let (contact, held, at) = open_contact(state, contact_id)?;
    match (at, held.owner) {
        (ContactState::OnHold, _) => {}
        (ContactState::Connected, Some(leg)) => out.push(Event::LegHeld { contact, leg, by: None }),
        _ => return Err(Reject::ContactState { state: at }),
    }
    Ok(contact.into())
}

pub(super) fn resume(state: &State, contact_id: &Text, out: &mut Vec<Event>) -> Verdict {
    let (contact, held, at) = open_contact(state, contact_id)?;
    match (at, held.owner) {
        (ContactState::Connected, _) => {}
        (ContactState::OnHold, Some(leg)) if state.leg(leg).interrupted.is_some() => {
            return Err(Reject::LegInterrupted);
        }
        (ContactState::OnHold, Some(leg)) => out.push(Event::LegResumed { contact, leg, interrupted: false }),
        _ => return Err(Reject::ContactState { state: at }),
    }
    Ok(contact.into())
}

pub(super) fn complete(
    state: &State,
    now: Time,
    contact_id: &Text,
    disposition: &Text,
    out: &mut Vec<Event>,
) -> Verdict {
    let contact = find_contact(state, contact_id)?;
    known_disposition(state, disposition)?;
    match state.contact_state(contact) {
        ContactState::Closed | ContactState::WrapUp => {}
        ContactState::Connected | ContactState::OnHold => {
            end_contact(state, now, contact, (Outcome::Completed, Reason::None), disposition, out);
        }
        at => return Err(Reject::ContactState { state: at }),
    }
    Ok(contact.into())
}

pub(super) fn cancel(state: &State, now: Time, contact_id: &Text, cause: CancelCause, out: &mut Vec<Event>) -> Verdict {
    let contact = find_contact(state, contact_id)?;
    let reason = match cause {
        CancelCause::CustomerLeft => Reason::CustomerLeft,
        CancelCause::System => Reason::System,
    };
    if let Some(outcome) = leaving(state.contact_state(contact), cause) {
        // After answer it is as a Complete, which gives no reason.
        let reason = if outcome == Outcome::Completed { Reason::None } else { reason };
        end_contact(state, now, contact, (outcome, reason), &Text::default(), out);
    }
    Ok(contact.into())
}

/// The outcome of a contact that leaves in a state; none when it has ended already.
pub(super) fn leaving(at: ContactState, cause: CancelCause) -> Option<Outcome> {
    match at {
        ContactState::Closed | ContactState::WrapUp => None,
        ContactState::Connected | ContactState::OnHold => Some(Outcome::Completed),
        ContactState::Scheduled => Some(Outcome::Cancelled),
        ContactState::Parked | ContactState::Queued | ContactState::Offered | ContactState::Assigned => {
            Some(match cause {
                CancelCause::CustomerLeft => Outcome::Abandoned,
                CancelCause::System => Outcome::Cancelled,
            })
        }
    }
}

pub(super) fn transfer(
    state: &State,
    now: Time,
    contact_id: &Text,
    (target, requirement, reason): (&TransferTarget, Option<&Option<Arc<Requirement>>>, &Text),
    out: &mut Vec<Event>,
) -> Verdict {
    let contact = find_contact(state, contact_id)?;
    let held = state.contact(contact);
    let (queue, agent) = match target {
        TransferTarget::Queue(name) => {
            let queue = state.registry().queue(name);
            (Some(queue.ok_or_else(|| Reject::QueueNotFound { queue: name.clone() })?), None)
        }
        TransferTarget::Agent(name) => (held.queue().map(|queue| here(state, queue)), Some(find_agent(state, name)?)),
    };
    known_skills(state, requirement.and_then(Option::as_ref))?;
    let at = open_contact(state, contact_id)?.2;
    let leg = match (at, held.owner) {
        (ContactState::Connected | ContactState::OnHold, Some(leg)) => leg,
        _ => return Err(Reject::ContactState { state: at }),
    };
    if agent.is_some_and(|agent| !can_be_given_work(state, agent)) {
        return Err(Reject::AgentUnavailable);
    }
    let asked = requirement.unwrap_or(&held.requirement);
    // One agent's own contact waits for him, whatever the queue holds.
    if let Some(queue) = queue.filter(|_| agent.is_none()) {
        // Whoever is transferred has no preferred agent any more.
        let own = Own { requirement: asked.as_ref(), preferred: &Text::default() };
        admit(state, queue, held.channel, own)?;
    }
    class_bound(state, queue, held.channel, asked.as_deref())?;
    let again = state.contact_legs(contact).any(|(_, leg)| leg.end_cause == Some(EndCause::Transferred));
    let reason = reason.clone();
    out.push(Event::ContactTransferred { contact, from: held.queue(), to: queue, to_agent: agent, again, reason });
    if let Some(requirement) = requirement {
        let requirement = Some(requirement.clone());
        let cause = ChangeCause::Transferred;
        let change = ContactChange { requirement, cause, ..ContactChange::default() };
        out.push(Event::ContactUpdated { contact, change: Arc::new(change) });
    }
    // The next entry or leg first: the contact goes straight from CONNECTED to where it waits.
    match (queue, agent) {
        (Some(queue), agent) => {
            let until = now + state.policy().rules.transfer_timeout;
            let only = agent.map(|agent| (agent, until));
            out.push(Event::ContactQueued { contact, queue, cause: EntryCause::Transferred, only });
        }
        (None, Some(agent)) => {
            out.push(assigned(state, now, contact, agent, held.channel, AssignCause::Transferred));
        }
        (None, None) => unreachable!("a transfer has a target"),
    }
    finish(state, now, leg, EndCause::Transferred, out);
    Ok(contact.into())
}

pub(super) fn requeue(
    state: &State,
    now: Time,
    contact_id: &Text,
    cause: RequeueCause,
    out: &mut Vec<Event>,
) -> Verdict {
    let (contact, held, at) = open_contact(state, contact_id)?;
    let end = match cause {
        RequeueCause::Normal => EndCause::Requeued,
        RequeueCause::AgentUnreachable => EndCause::AgentUnreachable,
        RequeueCause::MediaFailed => EndCause::MediaFailed,
    };
    match (at, active_leg(held)) {
        (ContactState::Assigned, Some(leg)) => connect_failed(state, now, leg, end, out),
        (ContactState::Connected | ContactState::OnHold, Some(leg)) => {
            match held.queue().map(|queue| here(state, queue)) {
                Some(queue) => {
                    requeue_answered(contact, queue, out);
                    finish(state, now, leg, end, out);
                }
                None => fail_direct(contact, out, |out| finish(state, now, leg, end, out)),
            }
        }
        _ => return Err(Reject::ContactState { state: at }),
    }
    Ok(contact.into())
}

/// The queue a contact comes back to: its own, or whoever took the contacts of one that is gone.
fn here(state: &State, queue: QueueId) -> QueueId {
    state.registry().heir(queue).unwrap_or(queue)
}

/// Direct work has no queue to go back to.
fn fail_direct(contact: ContactId, out: &mut Vec<Event>, end_leg: impl FnOnce(&mut Vec<Event>)) {
    out.push(leg::failed(contact, Reason::NoAnswer));
    end_leg(out);
}

fn requeue_answered(contact: ContactId, queue: QueueId, out: &mut Vec<Event>) {
    out.push(Event::ContactQueued { contact, queue, cause: EntryCause::Requeued, only: None });
}

pub(super) fn park(state: &State, now: Time, contact_id: &Text, out: &mut Vec<Event>) -> Verdict {
    let (contact, _, at) = open_contact(state, contact_id)?;
    let until = now + state.policy().rules.park_timeout;
    match at {
        ContactState::Parked => {}
        ContactState::Queued | ContactState::Offered => {
            leg::cancel_offers(state, contact, out);
            out.push(Event::ContactParked { contact, until });
        }
        _ => return Err(Reject::ContactState { state: at }),
    }
    Ok(contact.into())
}

pub(super) fn unpark(state: &State, contact_id: &Text, out: &mut Vec<Event>) -> Verdict {
    let (contact, _, at) = open_contact(state, contact_id)?;
    match at {
        ContactState::Queued => {}
        ContactState::Parked => out.push(Event::ContactUnparked { contact }),
        _ => return Err(Reject::ContactState { state: at }),
    }
    Ok(contact.into())
}

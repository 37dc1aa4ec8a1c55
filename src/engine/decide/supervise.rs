//! The verbs by which waiting contacts are sent elsewhere: moved, called back. And what customers say afterwards.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::contact::class_bound;
use super::leg::{cancel_offers, end_contact, exit};
use super::{Subject, Verdict, find_contact};
use crate::engine::command::{MoveWhich, NewContact};
use crate::engine::contact::{Contact, ContactProfile, ContactState, Customer, Direction, Outcome, Reason, SurveyKind};
use crate::engine::event::{EntryCause, Event};
use crate::engine::id::{ContactId, QueueId, Text};
use crate::engine::limits;
use crate::engine::matcher::contact_rank;
use crate::engine::reject::Reject;
use crate::engine::state::State;
use crate::engine::time::Time;

/// Whether a contact in this state waits without being in an agent's hands.
pub(super) fn can_be_sent(state: ContactState) -> bool {
    matches!(state, ContactState::Queued | ContactState::Parked | ContactState::Offered)
}

/// Moves waiting contacts to another queue. Named ones must all wait; of a queue's, those an agent has accepted are
/// left and counted.
pub(super) fn move_contacts(state: &State, now: Time, to: &Text, which: &MoveWhich, out: &mut Vec<Event>) -> Verdict {
    let queue = |name: &Text| state.registry().queue(name).ok_or_else(|| Reject::QueueNotFound { queue: name.clone() });
    let target = queue(to)?;
    let (contacts, skipped) = match which {
        MoveWhich::Named(names) => (named(state, names, target)?, 0),
        MoveWhich::Waiting { from, channel, limit } => {
            let from = queue(from)?;
            if from == target {
                return Err(Reject::Invalid { field: "to_queue", must: "differ from from_queue" });
            }
            if !channel.is_empty() && state.registry().channel(channel).is_none() {
                return Err(Reject::ChannelNotFound { channel: channel.clone() });
            }
            waiting(state, from, channel, *limit)
        }
    };
    if !state.is_open(target) {
        return Err(Reject::QueueClosed { queue: to.clone() });
    }
    if state.overfull(target, contacts.len() as u32) {
        return Err(Reject::QueueFull { queue: to.clone() });
    }
    for &contact in &contacts {
        let held = state.contact(contact);
        class_bound(state, Some(target), held.channel, held.requirement.as_deref())?;
    }
    for &contact in &contacts {
        move_one(state, now, contact, (target, EntryCause::Moved), out);
    }
    Ok(Subject { moved: contacts.len() as u32, skipped, ..Subject::default() })
}

/// The contacts of these names, each once; one that is there already is not moved.
fn named(state: &State, names: &[Text], target: QueueId) -> Result<Vec<ContactId>, Reject> {
    let mut contacts = Vec::with_capacity(names.len());
    for name in names {
        let contact = find_contact(state, name)?;
        match state.contact_state(contact) {
            ContactState::Closed => return Err(Reject::ContactClosed),
            at if !can_be_sent(at) => return Err(Reject::ContactState { state: at }),
            _ if state.contact(contact).queue() == Some(target) => {
                return Err(Reject::Invalid { field: "to_queue", must: "differ from the queue each contact waits in" });
            }
            _ if contacts.contains(&contact) => {}
            _ => contacts.push(contact),
        }
    }
    Ok(contacts)
}

/// Those that wait in a queue, in order of adjusted arrival within priority, and how many an agent has accepted.
fn waiting(state: &State, from: QueueId, channel: &str, limit: u32) -> (Vec<ContactId>, u32) {
    let (mut found, mut skipped) = (Vec::new(), 0);
    state.each_open(from, |contact| {
        if !(channel.is_empty() || *state.contact(contact).profile.channel == *channel) {
            return;
        }
        match can_be_sent(state.contact_state(contact)) {
            true => found.push(contact),
            false => skipped += 1,
        }
    });
    found.sort_unstable_by_key(|&contact| contact_rank(state.contact(contact), 0));
    if limit > 0 {
        found.truncate(limit as usize);
    }
    (found, skipped)
}

/// Moves a contact that waits. Its entry ends in the books of the queue it leaves; an open offer is cancelled.
pub(super) fn move_one(
    state: &State,
    now: Time,
    contact: ContactId,
    (to, cause): (QueueId, EntryCause),
    out: &mut Vec<Event>,
) {
    let held = state.contact(contact);
    let entry = held.entry.expect("a contact that waits has an entry");
    cancel_offers(state, contact, out);
    let exit = exit(state, held, now).expect("it has an entry");
    out.push(Event::ContactMoved { contact, exit, to, cause });
    out.push(Event::ContactQueued { contact, queue: to, cause, only: None });
    if entry.parked_since.is_some() {
        out.push(Event::ContactParked { contact, until: entry.park_until });
    }
}

/// Turns a waiting contact into a callback: it ends OVERFLOWED(callback), and a new contact waits in its place or is
/// SCHEDULED. The callback keeps priority, requirement, attributes and adjusted arrival.
pub(super) fn request_callback(
    state: &State,
    now: Time,
    (contact_id, callback_id): (&Text, &Text),
    schedule: Option<Time>,
    address: &Text,
    out: &mut Vec<Event>,
) -> Verdict {
    if schedule.is_some_and(|at| at <= now || at.since(now) > limits::CALLBACK_AHEAD) {
        return Err(Reject::Invalid { field: "callback_time", must: "lie ahead by at most 30 d" });
    }
    let contact = find_contact(state, contact_id)?;
    if state.find_contact(callback_id).is_some() {
        return Err(Reject::ContactExists);
    }
    let held = state.contact(contact);
    match state.contact_state(contact) {
        ContactState::Closed => return Err(Reject::ContactClosed),
        at if !can_be_sent(at) => return Err(Reject::ContactState { state: at }),
        _ => {}
    }
    let entry = held.entry.expect("a contact that waits has an entry");
    if state.live_contact_count() as usize >= limits::CONTACTS {
        return Err(Reject::LimitReached { limit: "contacts", max: limits::CONTACTS as u64 });
    }
    let profile = callback_profile(&held.profile, callback_id, address);
    let new = NewContact {
        profile: Arc::new(profile),
        queue: state.queue_id(entry.queue).clone(),
        priority: i32::from(held.priority),
        requirement: held.requirement.clone(),
        age_credit: now.since(held.adjusted_arrival),
        schedule,
        ..NewContact::default()
    };
    end_contact(state, now, contact, (Outcome::Overflowed, Reason::Callback), &Text::default(), out);
    let callback = state.next_contact();
    out.push(Event::ContactCreated { contact: callback, new: Arc::new(new) });
    if schedule.is_none() {
        let (queue, cause) = (entry.queue, EntryCause::Arrived);
        out.push(Event::ContactQueued { contact: callback, queue, cause, only: None });
    }
    Ok(contact.into())
}

fn callback_profile(of: &ContactProfile, callback_id: &Text, address: &Text) -> ContactProfile {
    let customer = match (address.is_empty(), &of.customer) {
        (true, customer) => customer.clone(),
        (false, customer) => {
            let customer = customer.as_deref().cloned().unwrap_or_default();
            Some(Arc::new(Customer { address: address.clone(), ..customer }))
        }
    };
    ContactProfile {
        contact_id: callback_id.clone(),
        direction: Direction::Callback,
        callback_of: of.contact_id.clone(),
        customer,
        ..of.clone()
    }
}

/// Records a survey answer to a contact that was answered; of each kind once.
pub(super) fn submit_survey(
    state: &State,
    contact_id: &Text,
    kind: SurveyKind,
    score: i32,
    out: &mut Vec<Event>,
) -> Verdict {
    let Some(result) = kind.result(score) else {
        return Err(Reject::Invalid { field: "score", must: "be 1-5 for CSAT, 0-10 for NPS" });
    };
    let contact = find_contact(state, contact_id)?;
    let held = state.contact(contact);
    if held.surveys & kind.bit() != 0 {
        return Err(Reject::SurveyExists);
    }
    let connected = || state.contact_legs(contact).filter(|(_, leg)| leg.connected_once);
    let Some((_, last)) = connected().next() else {
        return Err(Reject::ContactState { state: state.contact_state(contact) });
    };
    let first = connected().filter(|(_, leg)| leg.entry > 0).last();
    let queue = first.and_then(|(_, leg)| leg.queue);
    out.push(Event::SurveySubmitted { contact, queue, agent: last.agent, kind, score: score as u8, result });
    Ok(contact.into())
}

/// Forgets a customer, whether or not a contact of his is kept: older ones may be in the journal. A pass over all contacts
/// kept.
pub(super) fn forget_customer(state: &State, customer_id: &Text, out: &mut Vec<Event>) -> Verdict {
    if customer_id.is_empty() || customer_id.len() > limits::ID_BYTES {
        return Err(Reject::Invalid { field: "customer_id", must: "be 1-128 bytes" });
    }
    let his = |held: &Contact| held.profile.customer.as_ref().is_some_and(|held| held.customer_id == *customer_id);
    let contacts = state.contacts_from(0).filter(|(_, held)| his(held)).count() as u32;
    let customer = Arc::new(Customer { customer_id: customer_id.clone(), ..Customer::default() });
    out.push(Event::CustomerForgotten { customer, contacts });
    Ok(Subject { moved: contacts, ..Subject::default() })
}

//! Overflow rules: where a contact goes that comes into a long queue, waits too long, or is declined by all.
//!
//! A rule acts once per contact and entry. Of those set off at one moment the first that is possible acts; one that only
//! changes the priority lets the next ones be looked at too, and one that relaxes does once nobody has taken the contact.
//! A rule that is not possible at its moment is passed over.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::contact::class_bound;
use super::deadline::relaxed;
use super::leg::{end_contact, exit};
use crate::engine::command::{ChangeCause, ContactChange};
use crate::engine::contact::{Contact, ContactState, Entry, Outcome, Reason};
use crate::engine::event::{EntryCause, Event};
use crate::engine::id::{ContactId, QueueId, Text};
use crate::engine::policy::{Action, Trigger};
use crate::engine::state::{Own, Passed, State};
use crate::engine::time::Time;

/// What a contact that waits has just come to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment<'a> {
    /// It came to a closed queue.
    Closed,
    /// It came in, and nobody took it at once.
    CameIn,
    /// It has come to this while it waits.
    Waiting(&'a [Passed]),
}

/// What the rules did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acted {
    /// They left the contact where it is.
    Stays,
    /// It was relaxed: the rules are to be looked at again once nobody has taken it.
    Relaxed,
    /// It has left the queue.
    Left,
}

/// Lets the rules of its queue act on a contact that waits.
pub(super) fn overflow(
    state: &State,
    now: Time,
    contact: ContactId,
    moment: Moment<'_>,
    out: &mut Vec<Event>,
) -> Acted {
    let Some(held) = state.try_contact(contact) else { return Acted::Stays };
    let Some(entry) = held.entry.filter(|_| state.contact_state(contact) == ContactState::Queued) else {
        return Acted::Stays;
    };
    for (rule, number) in state.queue(entry.queue).overflow.iter().zip(0u32..) {
        let acted = entry.acted & (1 << number) != 0;
        // A closed queue keeps nobody waiting: there is nothing to relax.
        let idle = matches!((moment, &rule.action), (Moment::Closed, Action::Relax));
        if acted || idle || !set_off(state, &entry, rule.trigger, moment) {
            continue;
        }
        let Some(target) = possible(state, now, held, &entry, &rule.action) else { continue };
        let (trigger, action) = (rule.trigger, rule.action.clone());
        out.push(Event::ContactOverflowed { contact, rule: number, trigger, action });
        act(state, now, contact, (&rule.action, target), out);
        match rule.action {
            Action::Priority(_) => {}
            Action::Relax => return Acted::Relaxed,
            Action::Queue(_) | Action::External(_) | Action::Refuse => return Acted::Left,
        }
    }
    Acted::Stays
}

fn set_off(state: &State, entry: &Entry, trigger: Trigger, moment: Moment<'_>) -> bool {
    match (moment, trigger) {
        // The contact itself has a place already.
        (Moment::CameIn, Trigger::QueueLength(Some(length))) => state.places_taken(entry.queue) > length,
        (Moment::CameIn, Trigger::QueueLength(None)) => state.overfull(entry.queue, 0),
        (Moment::CameIn, Trigger::NobodySignedIn) => state.nobody_signed_in(entry.queue),
        (Moment::CameIn, Trigger::StepsExhausted) => entry.exhausted,
        (Moment::Waiting(passed), trigger) => passed.iter().any(|passed| match (passed, trigger) {
            (Passed::Wait(before), Trigger::Wait(wait)) => *before < wait && wait <= entry.reached,
            (Passed::Declined, Trigger::NoWillingAgent) | (Passed::Exhausted, Trigger::StepsExhausted) => true,
            _ => false,
        }),
        (Moment::Closed, Trigger::QueueClosed) => true,
        _ => false,
    }
}

/// Whether an action can be done; with the queue it goes to, where it goes to one.
fn possible(state: &State, now: Time, held: &Contact, entry: &Entry, action: &Action) -> Option<Option<QueueId>> {
    let name = match action {
        Action::Queue(name) => name,
        Action::Relax => return state.hurried(now, held).map(|_| None),
        Action::Priority(_) | Action::External(_) | Action::Refuse => return Some(None),
    };
    let requirement = held.requirement.as_deref();
    let target = state.registry().queue(name).filter(|&target| target != entry.queue && state.is_open(target))?;
    let fits = !state.overfull(target, 1) || state.taken_at_once(target, held.channel, Own::of(held));
    (fits && class_bound(state, Some(target), held.channel, requirement).is_ok()).then_some(Some(target))
}

fn act(
    state: &State,
    now: Time,
    contact: ContactId,
    (action, target): (&Action, Option<QueueId>),
    out: &mut Vec<Event>,
) {
    let end = |outcome, reason, out: &mut Vec<Event>| {
        end_contact(state, now, contact, (outcome, reason), &Text::default(), out);
    };
    match (action, target) {
        (Action::Priority(priority), _) => {
            let (priority, cause) = (Some(*priority), ChangeCause::Overflow);
            let change = ContactChange { priority, cause, ..ContactChange::default() };
            out.push(Event::ContactUpdated { contact, change: Arc::new(change) });
        }
        (Action::Relax, _) => {
            let held = state.contact(contact);
            let to = state.hurried(now, held).expect("a step that is possible was found");
            out.push(relaxed(contact, held, to));
        }
        (Action::External(_), _) => end(Outcome::Overflowed, Reason::External, out),
        (Action::Refuse, _) => end(Outcome::Refused, Reason::Rule, out),
        (Action::Queue(_), Some(to)) => {
            let exit = exit(state, state.contact(contact), now).expect("a contact that waits has an entry");
            let cause = EntryCause::Overflowed;
            out.push(Event::ContactMoved { contact, exit, to, cause });
            out.push(Event::ContactQueued { contact, queue: to, cause, only: None });
        }
        (Action::Queue(_), None) => unreachable!("a queue that is possible was found"),
    }
}

//! Who may come in to wait: judged once matching is quiet, so that an arrival somebody takes at once needs no place.
//!
//! A refusal here is a decision and not an error: the contact was offered to its queue and is REFUSED. A verb that would
//! bring a contact from elsewhere into a full or closed queue is refused instead ([`admit`]), and nothing changes.

use alloc::vec::Vec;

use super::leg::end_contact;
use super::overflow::{Acted, Moment, overflow};
use crate::engine::contact::{ContactState, Direction, Outcome, Reason};
use crate::engine::event::Event;
use crate::engine::id::{ChannelId, ContactId, QueueId, Text};
use crate::engine::reject::Reject;
use crate::engine::state::{Own, State};
use crate::engine::time::Time;

/// Judges an arrival at a closed queue, before anybody could take it: the rules for that, or else it is refused. Callbacks
/// come in: they were promised while the queue was open.
pub(super) fn turn_away(state: &State, now: Time, contact: ContactId, out: &mut Vec<Event>) {
    let Some(held) = state.try_contact(contact) else { return };
    let Some(entry) = held.entry.filter(|_| state.contact_state(contact) == ContactState::Queued) else { return };
    let promised = held.direction == Direction::Callback && !held.profile.callback_of.is_empty();
    if promised || state.is_open(entry.queue) {
        return;
    }
    if overflow(state, now, contact, Moment::Closed, out) == Acted::Stays {
        end_contact(state, now, contact, (Outcome::Refused, Reason::QueueClosed), &Text::default(), out);
    }
}

/// Judges an arrival nobody took in its own batch: the rules of its queue first, then whether there is a place. One that a
/// rule relaxed is to be judged again.
pub(super) fn judge(state: &State, now: Time, contact: ContactId, out: &mut Vec<Event>) -> Acted {
    let Some(held) = state.try_contact(contact) else { return Acted::Stays };
    let Some(entry) = held.entry.filter(|_| state.contact_state(contact) == ContactState::Queued) else {
        return Acted::Stays;
    };
    let acted = overflow(state, now, contact, Moment::CameIn, out);
    if acted == Acted::Stays && state.overfull(entry.queue, 0) {
        end_contact(state, now, contact, (Outcome::Refused, Reason::QueueFull), &Text::default(), out);
    }
    acted
}

/// Whether a contact may be brought into a queue by a verb.
pub(super) fn admit(state: &State, queue: QueueId, channel: ChannelId, own: Own<'_>) -> Result<(), Reject> {
    if !state.is_open(queue) {
        return Err(Reject::QueueClosed { queue: state.queue_id(queue).clone() });
    }
    if state.overfull(queue, 1) && !state.taken_at_once(queue, channel, own) {
        return Err(Reject::QueueFull { queue: state.queue_id(queue).clone() });
    }
    Ok(())
}

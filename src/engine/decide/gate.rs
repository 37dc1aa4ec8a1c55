//! Queues opened and closed by hand, over their calendars. A closed queue takes no arrival and goes on serving those who
//! wait; `arrival` turns away who comes in.

use alloc::vec::Vec;

use super::{Subject, Verdict};
use crate::engine::event::Event;
use crate::engine::id::{QueueId, Text};
use crate::engine::reject::Reject;
use crate::engine::state::{Gate, State};
use crate::engine::time::Time;

/// Sets a queue open or closed, until an instant or until it is taken back (`open` none).
pub(super) fn set_open(
    state: &State,
    now: Time,
    queue: &Text,
    open: Option<bool>,
    until: Option<Time>,
    out: &mut Vec<Event>,
) -> Verdict {
    if until.is_some_and(|at| at <= now) {
        return Err(Reject::Invalid { field: "expire_time", must: "lie ahead" });
    }
    if until.is_some() && open.is_none() {
        return Err(Reject::Invalid { field: "expire_time", must: "stand beside open" });
    }
    let found = state.registry().queue(queue).ok_or_else(|| Reject::QueueNotFound { queue: queue.clone() })?;
    let gate = Gate { set: open, until };
    if gate != state.gate(found) {
        out.push(changed(state, found, gate, false));
    }
    Ok(Subject::default())
}

/// What was set by hand ends by itself.
pub(super) fn gate_due(state: &State, queue: QueueId, out: &mut Vec<Event>) {
    out.push(changed(state, queue, Gate::default(), true));
}

fn changed(state: &State, queue: QueueId, gate: Gate, by_clock: bool) -> Event {
    let (before, after) = (state.is_open(queue), gate.set.unwrap_or(true));
    Event::QueueOpenChanged { queue, before, after, set: gate.set, until: gate.until, by_clock }
}

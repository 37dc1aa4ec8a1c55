//! A policy comes into force.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::remove;
use super::{Subject, Verdict};
use crate::engine::contact::Contact;
use crate::engine::event::Event;
use crate::engine::id::AgentId;
use crate::engine::limits;
use crate::engine::policy::Policy;
use crate::engine::reject::Reject;
use crate::engine::state::State;

/// Applies a policy whole: identical content makes no version; a queue that goes must be empty.
pub(super) fn apply(state: &State, policy: &Arc<Policy>, out: &mut Vec<Event>) -> Verdict {
    let current = state.policy();
    let next = Policy { version: current.version, ..(**policy).clone() };
    if next == **current {
        return Ok(Subject::default());
    }
    for queue in &current.queues {
        if !policy.queues.iter().any(|kept| kept.id == queue.id) && in_use(state, &queue.id) {
            return Err(Reject::QueueInUse { queue: queue.id.clone() });
        }
    }
    if state.registry().channels_with(policy) > limits::CHANNELS {
        return Err(Reject::LimitReached { limit: "channels", max: limits::CHANNELS as u64 });
    }
    out.push(Event::PolicyApplied { policy: Arc::new(Policy { version: current.version + 1, ..next }) });
    for agent in state.agents_from(0) {
        let held = &state.agent(agent).profile;
        if held.managed_by_config && !policy.agents.iter().any(|kept| kept.agent_id == held.agent_id) {
            remove(state, agent, out);
        }
    }
    let mut slot = state.agent_slots();
    for profile in &policy.agents {
        let known = state.agent_slot(&profile.agent_id);
        let agent = known.unwrap_or_else(|| {
            slot += 1;
            AgentId(slot - 1)
        });
        let same = known.is_some_and(|agent| {
            let held = state.agent(agent);
            !held.deleted && !held.removed && held.profile == *profile
        });
        if !same {
            out.push(Event::AgentUpserted { agent, profile: profile.clone() });
        }
    }
    Ok(Subject::default())
}

/// Whether a contact could still come back to wait in a queue: it waits there, or talks to someone after it did. One
/// that is only SCHEDULED for it ends by itself. A pass over all contacts, only for a queue that goes.
fn in_use(state: &State, queue: &str) -> bool {
    let queue = state.registry().queue(queue);
    let holds = |held: &Contact| held.queue == queue && held.queued.is_some() && held.outcome.is_none();
    queue.is_some() && state.contacts_from(0).any(|(_, held)| holds(held))
}

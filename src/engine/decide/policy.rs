//! A policy comes into force.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::remove;
use super::{Subject, Verdict};
use crate::engine::contact::Contact;
use crate::engine::event::Event;
use crate::engine::id::{AgentId, Text};
use crate::engine::limits;
use crate::engine::policy::{Policy, PolicyChange};
use crate::engine::reject::Reject;
use crate::engine::state::State;

/// Applies a policy whole: identical content makes no version; a queue that goes must be empty. Linear in what the two
/// policies hold.
pub(super) fn apply(
    state: &State,
    policy: &Arc<Policy>,
    change: &Arc<PolicyChange>,
    expected_version: u64,
    out: &mut Vec<Event>,
) -> Verdict {
    let current = state.policy();
    if change.comment.len() > limits::COMMENT_BYTES {
        return Err(Reject::Invalid { field: "comment", must: "be at most 256 bytes" });
    }
    if expected_version != 0 && expected_version != current.version {
        return Err(Reject::VersionMismatch { version: current.version });
    }
    let mut next = Policy { version: current.version, ..(**policy).clone() };
    if next == **current {
        // What file says so is remembered all the same: a restart asks whether that file was seen.
        if let Some(file) = change.source.filter(|_| change.source != state.policy_file()) {
            out.push(Event::PolicySourced { file });
        }
        return Ok(Subject::default());
    }
    let kept: BTreeSet<&Text> = policy.queues.iter().map(|queue| &queue.id).collect();
    for queue in &current.queues {
        if !kept.contains(&queue.id) && in_use(state, &queue.id) {
            return Err(Reject::QueueHoldsContacts { queue: queue.id.clone() });
        }
    }
    if state.registry().channels_with(policy) > limits::CHANNELS {
        return Err(Reject::LimitReached { limit: "channels", max: limits::CHANNELS as u64 });
    }
    next.version += 1;
    let upserts = agents(state, &mut next);
    let reevaluated = state.index().iter().map(|(_, class)| class.waiting()).sum();
    let configured: BTreeSet<&Text> = policy.agents.iter().map(|kept| &kept.agent_id).collect();
    out.push(Event::PolicyApplied { policy: Arc::new(next), change: change.clone(), reevaluated });
    for agent in state.agents_from(0) {
        let held = &state.agent(agent).profile;
        if held.managed_by_config && !configured.contains(&held.agent_id) {
            remove(state, agent, out);
        }
    }
    out.extend(upserts);
    Ok(Subject::default())
}

/// The agents a policy adds or changes, in its order. Those it leaves as they are it shares with the policy before it,
/// so that many versions of a large one take little room.
fn agents(state: &State, next: &mut Policy) -> Vec<Event> {
    let mut upserts = Vec::new();
    let mut slot = state.agent_slots();
    for profile in &mut next.agents {
        let known = state.agent_slot(&profile.agent_id);
        let agent = known.unwrap_or_else(|| {
            slot += 1;
            AgentId(slot - 1)
        });
        match known.map(|agent| state.agent(agent)).filter(|held| !held.deleted && held.profile == *profile) {
            Some(held) => {
                *profile = held.profile.clone();
                if held.removed {
                    upserts.push(Event::AgentUpserted { agent, profile: profile.clone() });
                }
            }
            None => upserts.push(Event::AgentUpserted { agent, profile: profile.clone() }),
        }
    }
    upserts
}

/// Whether a contact could still come back to wait in a queue: it waits there, or talks to someone after it did. One
/// that is only SCHEDULED for it ends by itself. A pass over all contacts, only for a queue that goes.
fn in_use(state: &State, queue: &str) -> bool {
    let queue = state.registry().queue(queue);
    let holds = |held: &Contact| held.queue() == queue && held.queued().is_some() && held.outcome.is_none();
    queue.is_some() && state.contacts_from(0).any(|(_, held)| holds(held))
}

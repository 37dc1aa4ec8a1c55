//! A policy comes into force.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::{remove, upserted};
use super::{Subject, Verdict};
use crate::engine::agent::{AgentProfile, UpsertCause, lay_over};
use crate::engine::contact::{Contact, LegState};
use crate::engine::event::Event;
use crate::engine::id::{AgentId, LegId, TeamId, Text};
use crate::engine::limits;
use crate::engine::policy::{Policy, PolicyChange, PolicyPreview};
use crate::engine::reject::Reject;
use crate::engine::state::{Own, Registry, State};

/// Applies a policy whole: identical content makes no version; a queue that goes must be empty or hand its contacts
/// over. Linear in what the two
/// policies hold.
pub(super) fn apply(
    state: &State,
    policy: &Arc<Policy>,
    change: &Arc<PolicyChange>,
    expected_version: u64,
    out: &mut Vec<Event>,
) -> Verdict {
    let Some(mut next) = check(state, policy, change, expected_version)? else {
        // What file says so is remembered all the same: a restart asks whether that file was seen.
        if let Some(file) = change.source.filter(|_| change.source != state.policy_file()) {
            out.push(Event::PolicySourced { file });
        }
        return Ok(Subject::default());
    };
    next.version += 1;
    let upserts = agents(state, &mut next);
    let reevaluated = waiting(state);
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

/// The policy if it may come into force and changes anything, with the version in force; `None` when it changes nothing.
fn check(
    state: &State,
    policy: &Policy,
    change: &PolicyChange,
    expected_version: u64,
) -> Result<Option<Policy>, Reject> {
    let current = state.policy();
    if change.comment.len() > limits::COMMENT_BYTES {
        return Err(Reject::Invalid { field: "comment", must: "be at most 256 bytes" });
    }
    if expected_version != 0 && expected_version != current.version {
        return Err(Reject::VersionMismatch { version: current.version });
    }
    let kept: BTreeSet<&Text> = policy.queues.iter().map(|queue| &queue.id).collect();
    for removed in &change.removed_queues {
        if !kept.contains(&removed.id) && !kept.contains(&removed.target) {
            return Err(Reject::QueueNotFound { queue: removed.target.clone() });
        }
    }
    let next = Policy { version: current.version, ..policy.clone() };
    if next == **current {
        return Ok(None);
    }
    for queue in current.queues.iter().filter(|queue| !kept.contains(&queue.id)) {
        let handed_over = change.removed_queues.iter().any(|removed| removed.id == queue.id);
        if !handed_over && in_use(state, &queue.id) {
            return Err(Reject::QueueHoldsContacts { queue: queue.id.clone() });
        }
    }
    if state.registry().channels_with(policy) > limits::CHANNELS {
        return Err(Reject::LimitReached { limit: "channels", max: limits::CHANNELS as u64 });
    }
    Ok(Some(next))
}

fn waiting(state: &State) -> u32 {
    state.index().iter().map(|(_, class)| class.waiting()).sum()
}

impl State {
    /// What a policy would do if it came into force now; nothing changes. Linear in the agents and what they hold.
    ///
    /// # Errors
    /// Whatever would refuse it: see [`Reject`].
    pub fn preview_policy(
        &self,
        policy: &Arc<Policy>,
        change: &PolicyChange,
        expected_version: u64,
    ) -> Result<PolicyPreview, Reject> {
        let version_before = self.policy_version();
        let Some(next) = check(self, policy, change, expected_version)? else {
            return Ok(PolicyPreview { version_before, version_after: version_before, ..PolicyPreview::default() });
        };
        let mut rules = self.registry().clone();
        rules.apply(&Arc::new(next));
        let gone = |held: &Contact| held.entry.is_some_and(|entry| !rules.queues[entry.queue.index()].live);
        let moved = match change.removed_queues.is_empty() {
            true => 0,
            false => self.contacts_from(0).filter(|(_, held)| gone(held)).count() as u32,
        };
        let configured: BTreeMap<&Text, &Arc<AgentProfile>> =
            policy.agents.iter().map(|profile| (&profile.agent_id, profile)).collect();
        let mut preview = PolicyPreview {
            version_before,
            version_after: version_before + 1,
            reevaluated: waiting(self),
            moved,
            ..PolicyPreview::default()
        };
        for agent in self.agents_from(0) {
            let held = self.agent(agent);
            let id = &held.profile.agent_id;
            let mut overrides = held.overrides.clone();
            let profile = match configured.get(id) {
                None if held.profile.managed_by_config => {
                    preview.draining.push(id.clone());
                    None
                }
                None => Some(held.profile.clone()),
                Some(found) => Some(lay_over(found, &mut overrides)),
            };
            let team = profile.as_ref().and_then(|profile| rules.team(profile.team.as_deref()?));
            if held.signed_in() && team.is_none() && !held.profile.managed_by_config && !configured.contains_key(id) {
                preview.without_team.push(id.clone());
            }
            let keeps =
                |leg: &LegId| profile.as_ref().is_some_and(|profile| self.would_keep(&rules, team, profile, *leg));
            preview.offers_revoked += self.agent_legs(agent).filter(|leg| !keeps(leg)).count() as u32;
        }
        Ok(preview)
    }

    /// Whether an offer would still be allowed under other rules; what is no offer is always kept.
    fn would_keep(&self, rules: &Registry, team: Option<TeamId>, profile: &AgentProfile, leg: LegId) -> bool {
        let (held, now) = (self.leg(leg), self.now());
        let contact = self.contact(held.contact);
        let Some(entry) = contact.entry.filter(|_| held.state == LegState::Offered) else { return true };
        let queue = &rules.queues[entry.queue.index()];
        // Where steps are others, the wait says where it will stand.
        let at = match queue.rules.asks_alike(self.queue(entry.queue)) {
            true => (entry.step, entry.skipped),
            false => (queue.rules.step_at(entry.wait(now)), 0),
        };
        let asks = queue.steps().asked(Own::of(contact), at.0, at.1);
        let own = queue.rules.require.iter().filter(|_| !asks.whole);
        let asked = own.chain(&asks.requirement);
        queue.live
            && (entry.only.is_some() || rules.band(team, entry.queue).is_some())
            && asked.into_iter().all(|requirement| requirement.expr.met_by(profile))
    }
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
        match known.map(|agent| state.agent(agent)).filter(|held| !held.deleted && held.base() == *profile) {
            Some(held) => {
                *profile = held.base();
                if held.removed {
                    upserts.push(upserted(state, agent, profile, UpsertCause::Config));
                }
            }
            None => upserts.push(upserted(state, agent, profile, UpsertCause::Config)),
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

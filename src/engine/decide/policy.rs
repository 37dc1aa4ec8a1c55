//! A policy comes into force.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::agent::{remove, upserted};
use super::{Subject, Verdict};
use crate::engine::agent::{AgentProfile, UpsertCause, lay_over};
use crate::engine::contact::{Contact, LegState};
use crate::engine::event::Event;
use crate::engine::id::{AgentId, LegId, QueueId, TeamId, Text};
use crate::engine::limits;
use crate::engine::policy::{Policy, PolicyChange, PolicyPreview};
use crate::engine::reject::Reject;
use crate::engine::state::{Asked, Own, Registry, State};

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
    if !check(state, policy, change, expected_version)? {
        // What file says so is remembered all the same: a restart asks whether that file was seen.
        if let Some(file) = change.source.filter(|_| change.source != state.policy_file()) {
            out.push(Event::PolicySourced { file });
        }
        return Ok(Subject::default());
    }
    let mut next = Policy { version: state.policy_version() + 1, ..(**policy).clone() };
    let part = Part::of(&state.policy().agents, &next.agents);
    let upserts = agents(state, &part, &mut next);
    let reevaluated = waiting(state);
    let gone = part.gone(state, &next);
    out.push(Event::PolicyApplied { policy: Arc::new(next), change: change.clone(), reevaluated });
    for agent in gone {
        remove(state, agent, out);
    }
    out.extend(upserts);
    Ok(Subject::default())
}

/// Where two lists of configured agents differ: what lies before and behind is the same in both.
struct Part {
    before: Range<usize>,
    after: Range<usize>,
}

impl Part {
    /// One comparison per agent they have in common, which costs nothing where they share it.
    fn of(before: &[Arc<AgentProfile>], after: &[Arc<AgentProfile>]) -> Part {
        let same = |(one, other): &(&Arc<AgentProfile>, &Arc<AgentProfile>)| Arc::ptr_eq(one, other) || one == other;
        let lead = before.iter().zip(after).take_while(same).count();
        let (old, new) = (&before[lead..], &after[lead..]);
        let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
        Part { before: lead..before.len() - tail, after: lead..after.len() - tail }
    }

    /// The agents of the policy in force whom the next one no longer has, by slot.
    fn gone(&self, state: &State, next: &Policy) -> Vec<AgentId> {
        let kept: BTreeSet<&Text> = next.agents[self.after.clone()].iter().map(|kept| &kept.agent_id).collect();
        let old = state.policy().agents[self.before.clone()].iter().filter(|held| !kept.contains(&held.agent_id));
        let mut gone: Vec<AgentId> = old.filter_map(|held| state.find_agent(&held.agent_id)).collect();
        gone.sort_unstable();
        gone
    }
}

/// Whether a policy that may come into force changes anything.
fn check(state: &State, policy: &Policy, change: &PolicyChange, expected_version: u64) -> Result<bool, Reject> {
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
    if policy.says_the_same(current) {
        return Ok(false);
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
    Ok(true)
}

/// What contacts would ask of an agent in a queue, with how many of them do.
type Demands = BTreeMap<(QueueId, bool, Option<Text>), (Asked, u32)>;

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
        if !check(self, policy, change, expected_version)? {
            return Ok(PolicyPreview { version_before, version_after: version_before, ..PolicyPreview::default() });
        }
        let mut rules = self.registry().clone();
        let reach = rules.apply(policy);
        rules.hand_over(&change.removed_queues);
        let gone = |held: &Contact| held.entry.is_some_and(|entry| !rules.queues[entry.queue.index()].live);
        let moved = match change.removed_queues.is_empty() {
            true => 0,
            false => self.contacts_from(0).filter(|(_, held)| gone(held)).count() as u32,
        };
        let part = Part::of(&self.policy().agents, &policy.agents);
        let configured: BTreeMap<&Text, &Arc<AgentProfile>> =
            policy.agents[part.after.clone()].iter().map(|profile| (&profile.agent_id, profile)).collect();
        let leaving = part.gone(self, policy);
        let touched = self.teams_touched(&rules, &configured, &leaving);
        let served = |queue| touched.iter().any(|team| rules.band(Some(*team), queue).is_some());
        let unservable = match self.demands(&rules, |queue| !reach.has_queue(queue) && !served(queue)) {
            (told, demands) if demands.is_empty() => told,
            (told, demands) => told + self.unmet(&rules, demands, (&configured, &leaving)),
        };
        let mut preview = PolicyPreview {
            unservable,
            version_before,
            version_after: version_before + 1,
            reevaluated: waiting(self),
            moved,
            ..PolicyPreview::default()
        };
        for agent in self.agents_from(0) {
            let held = self.agent(agent);
            let alone = held.signed_in() && !held.profile.managed_by_config;
            let leaves = leaving.binary_search(&agent).is_ok();
            if held.offering == 0 && !alone && !leaves {
                continue;
            }
            let id = &held.profile.agent_id;
            let taken_over = configured.get(id).copied();
            let mut overrides = held.overrides.clone();
            let profile = (!leaves).then(|| match taken_over {
                Some(found) => lay_over(found, &mut overrides),
                None => held.profile.clone(),
            });
            if leaves {
                preview.draining.push(id.clone());
            }
            let team = profile.as_ref().and_then(|profile| rules.team(profile.team.as_deref()?));
            if alone && team.is_none() && taken_over.is_none() {
                preview.without_team.push(id.clone());
            }
            let keeps =
                |leg: &LegId| profile.as_ref().is_some_and(|profile| self.would_keep(&rules, team, profile, *leg));
            preview.offers_revoked += self.agent_legs(agent).filter(|leg| !keeps(leg)).count() as u32;
        }
        Ok(preview)
    }

    /// The teams, under other rules, of agents who change or go: as they are and as they would be.
    fn teams_touched(
        &self,
        rules: &Registry,
        configured: &BTreeMap<&Text, &Arc<AgentProfile>>,
        leaving: &[AgentId],
    ) -> Vec<TeamId> {
        let known = configured.keys().filter_map(|id| self.find_agent(id));
        let held = known.chain(leaving.iter().copied()).map(|agent| &self.agent(agent).profile);
        let teams = held.chain(configured.values().copied()).filter_map(|profile| rules.team(profile.team.as_deref()?));
        let mut touched: Vec<TeamId> = Vec::new();
        for team in teams {
            if !touched.contains(&team) {
                touched.push(team);
            }
        }
        touched
    }

    /// What those who would wait under other rules would come to ask, each demand once, with how many ask it. Contacts of
    /// queues that stay `as_they_are` are only counted, where nobody can serve them; the first is how many. Linear in the
    /// classes, the parked contacts, and the contacts of queues that have or would have steps.
    fn demands(&self, rules: &Registry, as_they_are: impl Fn(QueueId) -> bool) -> (u32, Demands) {
        let (mut told, mut demands) = (0, Demands::new());
        let mut add = |queue: QueueId, asked: Asked, waiting: u32| {
            let text = asked.requirement.as_ref().map(|asked| asked.text.clone());
            demands.entry((queue, asked.whole, text)).or_insert((asked, 0)).1 += waiting;
        };
        let mut one_by_one: Vec<&Contact> = Vec::new();
        for (_, class) in self.index().iter().filter(|(_, class)| class.waiting() > 0) {
            let steps = |queue: QueueId| !rules.queues[queue.index()].steps().is_empty();
            match rules.heir(class.queue) {
                // Those of one class differ in what they come to.
                _ if !self.steps(class.queue).is_empty() => one_by_one.extend(self.waiting_in(class)),
                Some(heir) if steps(heir) => one_by_one.extend(self.waiting_in(class)),
                Some(heir) if as_they_are(heir) => told += if class.is_staffed() { 0 } else { class.waiting() },
                Some(heir) => add(heir, class.asked(), class.waiting()),
                None => {}
            }
        }
        for held in one_by_one.into_iter().chain(self.parked()) {
            let Some(entry) = held.entry.filter(|entry| entry.only.is_none()) else { continue };
            let Some(heir) = rules.heir(entry.queue) else { continue };
            let kept = heir == entry.queue && rules.queues[heir.index()].rules.asks_alike(self.queue(heir));
            let skipped = if kept { entry.skipped } else { 0 };
            match as_they_are(heir) && kept {
                true => told += u32::from(entry.unservable),
                false => add(heir, rules.queues[heir.index()].steps().asked(Own::of(held), u8::MAX, skipped), 1),
            }
        }
        (told, demands)
    }

    /// How many contacts ask what none of the agents there would be under other rules meets. A pass over the agents that
    /// ends with the last demand met.
    fn unmet(
        &self,
        rules: &Registry,
        demands: Demands,
        (configured, leaving): (&BTreeMap<&Text, &Arc<AgentProfile>>, &[AgentId]),
    ) -> u32 {
        let mut left: Vec<(QueueId, Asked, u32)> =
            demands.into_iter().map(|((queue, ..), (asked, waiting))| (queue, asked, waiting)).collect();
        let mut meet = |profile: &AgentProfile| {
            let team = profile.team.as_deref().and_then(|team| rules.team(team));
            left.retain(|(queue, asked, _)| {
                let own = rules.queues[queue.index()].rules.require.iter().filter(|_| !asked.whole);
                let mut parts = own.chain(&asked.requirement);
                rules.band(team, *queue).is_none() || !parts.all(|part| part.expr.met_by(profile))
            });
            left.is_empty()
        };
        let kept = self.agents_from(0).filter(|agent| leaving.binary_search(agent).is_err());
        for held in kept.map(|agent| self.agent(agent)) {
            let done = match configured.get(&held.profile.agent_id) {
                Some(found) => meet(&lay_over(found, &mut held.overrides.clone())),
                None => meet(&held.profile),
            };
            if done {
                return 0;
            }
        }
        let new = configured.values().filter(|profile| self.find_agent(&profile.agent_id).is_none());
        if new.into_iter().any(|profile| meet(profile)) {
            return 0;
        }
        left.iter().map(|(.., waiting)| waiting).sum()
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
fn agents(state: &State, part: &Part, next: &mut Policy) -> Vec<Event> {
    let mut upserts = Vec::new();
    let mut slot = state.agent_slots();
    let current = &state.policy().agents;
    let share = |held: &[Arc<AgentProfile>], same: &mut [Arc<AgentProfile>]| {
        for (profile, held) in same.iter_mut().zip(held).filter(|(one, other)| !Arc::ptr_eq(one, other)) {
            *profile = held.clone();
        }
    };
    share(&current[..part.before.start], &mut next.agents[..part.after.start]);
    share(&current[part.before.end..], &mut next.agents[part.after.end..]);
    for profile in &mut next.agents[part.after.clone()] {
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

//! A supervisor changes what an agent can do: for a time, after which it returns by itself, or for good.
//!
//! What is changed for a time lies over what the agent is: an upsert or a reload changes what is below it. Matching knows
//! the two together alone.

use alloc::vec::Vec;

use super::{Verdict, find_agent};
use crate::engine::agent::{AgentProfile, SkillOverride, UpsertCause, lay_over, level_of, set_level};
use crate::engine::event::Event;
use crate::engine::id::{AgentId, Text};
use crate::engine::limits;
use crate::engine::reject::Reject;
use crate::engine::state::State;
use crate::engine::time::Time;

/// Sets levels, 0 taking a skill away. The level an agent has by himself takes back what was set over it.
pub(super) fn set_skills(
    state: &State,
    now: Time,
    agent_id: &Text,
    skills: &[(Text, u8)],
    until: Option<Time>,
    out: &mut Vec<Event>,
) -> Verdict {
    if skills.is_empty() {
        return Err(Reject::Invalid { field: "skills", must: "name at least one" });
    }
    if skills.iter().any(|(_, level)| *level > limits::SKILL_LEVEL) {
        return Err(Reject::Invalid { field: "skills", must: "have levels 0 to 10" });
    }
    if until.is_some_and(|at| at <= now || at.since(now) > limits::SKILL_OVERRIDE) {
        return Err(Reject::Invalid { field: "expire_time", must: "lie ahead by at most 30 d" });
    }
    let agent = find_agent(state, agent_id)?;
    if let Some((skill, _)) = skills.iter().find(|(skill, _)| !state.registry().knows_skill(skill)) {
        return Err(Reject::SkillNotFound { skill: skill.clone() });
    }
    let held = state.agent(agent);
    let base = held.base();
    let mut own: AgentProfile = (*base).clone();
    let mut overrides = held.overrides.clone();
    for (skill, level) in skills {
        overrides.retain(|held| held.skill != *skill);
        let configured = level_of(&own, skill);
        match until {
            _ if *level == configured => {}
            Some(until) => overrides.push(SkillOverride { skill: skill.clone(), level: *level, configured, until }),
            None if own.managed_by_config => return Err(Reject::ManagedByConfig),
            None => set_level(&mut own, skill, *level),
        }
    }
    overrides.sort_unstable_by(|one, two| one.skill.cmp(&two.skill));
    if overrides != held.overrides || own != *base {
        let profile = lay_over(&own.into(), &mut overrides);
        out.push(Event::AgentUpserted { agent, profile, cause: UpsertCause::Skills, overrides });
    }
    Ok(agent.into())
}

/// What was set for a time has ended.
pub(super) fn skills_due(state: &State, now: Time, agent: AgentId, out: &mut Vec<Event>) {
    let held = state.agent(agent);
    let mut overrides: Vec<SkillOverride> = held.overrides.iter().filter(|held| held.until > now).cloned().collect();
    let profile = lay_over(&held.base(), &mut overrides);
    out.push(Event::AgentUpserted { agent, profile, cause: UpsertCause::SkillsExpired, overrides });
}

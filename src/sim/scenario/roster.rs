//! Who works when.

use std::sync::Arc;

use crate::engine::agent::AgentProfile;
use crate::engine::id::Text;
use crate::sim::scene::{Change, To};

use super::compile::{Work, change};
use super::schema::{Pause, Scenario, Shift, Staffing};

/// The roster of a scenario: staffing and shifts where a team has them, else everyone from the start on.
pub(super) fn roster(table: &Scenario, extra: &[Arc<AgentProfile>], work: &mut Work<'_, '_>) -> Vec<Change> {
    let policy = work.policy;
    let everyone: Vec<&AgentProfile> = policy.agents.iter().chain(extra).map(|agent| &**agent).collect();
    let of_team = |team: usize| -> Vec<&AgentProfile> {
        let id = &policy.teams[team].id;
        everyone.iter().copied().filter(|agent| agent.team.as_ref() == Some(id)).collect()
    };
    let mut ruled = vec![false; policy.teams.len()];
    let mut changes = Vec::new();
    let mut staffed: Vec<(usize, usize)> = Vec::new();
    for staffing in &table.staffing {
        let Some(team) = work.team(&staffing.team) else { continue };
        ruled[team] = true;
        for day in work.calendar.on(&staffing.days) {
            if staffed.contains(&(team, day)) {
                work.faults
                    .add(staffing.team.span(), format!("team `{}` is staffed twice a day", policy.teams[team].id));
                break;
            }
            staffed.push((team, day));
            staff(staffing, day, &of_team(team), work, &mut changes);
        }
    }
    // Agents who have a shift already, by day.
    let mut taken: Vec<Vec<Text>> = vec![Vec::new(); work.calendar.days()];
    for shift in &table.shifts {
        let Some(team) = work.team(&shift.team) else { continue };
        if staffed.iter().any(|(staffed, _)| *staffed == team) {
            work.faults.add(shift.team.span(), format!("team `{}` has staffing already", policy.teams[team].id));
            continue;
        }
        ruled[team] = true;
        for day in work.calendar.on(&shift.days) {
            let Some(agents) = choose(shift, &of_team(team), &taken[day], work) else { break };
            taken[day].extend(agents.iter().map(|agent| agent.agent_id.clone()));
            if !work_shift(shift, day, &agents, work, &mut changes) {
                break;
            }
        }
    }
    let start = work.calendar.at(0, 0);
    for (team, _) in ruled.iter().enumerate().filter(|(_, ruled)| !**ruled) {
        changes.extend(of_team(team).into_iter().map(|agent| change(start, agent, To::In)));
    }
    // Who goes and comes at the same instant goes first.
    changes.sort_by_key(|change| (change.at, matches!(change.to, To::In)));
    changes
}

fn staff(table: &Staffing, day: usize, team: &[&AgentProfile], work: &mut Work<'_, '_>, changes: &mut Vec<Change>) {
    if let Some(most) = table.agents.iter().max().filter(|most| **most as usize > team.len()) {
        let hint = "add some with [[agents]]";
        let message = format!("team `{}` has {} agents, not {most}", table.team.get(), team.len());
        return work.faults.hinted(table.team.span(), message, hint);
    }
    let from = table.from.as_ref().map_or(0, |from| work.calendar.seconds(from));
    let length = table.interval.map_or(1_800, |interval| (interval.0.0 / 1_000_000) as u32);
    let mut present = 0;
    let ends = table.agents.len();
    for (at, wanted) in table.agents.iter().copied().chain([0]).enumerate() {
        let (now, wanted) = (work.calendar.at(day, from + at as u32 * length), wanted as usize);
        for agent in team.iter().take(wanted).skip(present) {
            changes.push(change(now, agent, To::In));
        }
        for agent in team.iter().take(present).skip(wanted) {
            let when_served = at == ends && table.stay == Some(true);
            changes.push(change(now, agent, To::Out { when_served }));
        }
        present = wanted;
    }
}

/// The agents of a shift on a day; none when the shift is at fault.
fn choose<'a>(
    shift: &Shift,
    team: &[&'a AgentProfile],
    taken: &[Text],
    work: &mut Work<'_, '_>,
) -> Option<Vec<&'a AgentProfile>> {
    let free = team.iter().copied().filter(|agent| !taken.contains(&agent.agent_id));
    if !shift.agents.is_empty() {
        let mut chosen = Vec::new();
        for name in &shift.agents {
            let known = team.iter().map(|agent| &*agent.agent_id);
            let at = work.find("agent of the team", name, known)?;
            if taken.contains(&team[at].agent_id) {
                work.faults.add(name.span(), format!("agent `{}` has another shift that day", name.get()));
                return None;
            }
            chosen.push(team[at]);
        }
        return Some(chosen);
    }
    let chosen: Vec<&AgentProfile> = free.take(shift.count.map_or(usize::MAX, |count| count as usize)).collect();
    if let Some(count) = shift.count.filter(|count| chosen.len() < *count as usize) {
        let message = format!("{count} agents of team `{}` are asked for, {} are left", shift.team.get(), chosen.len());
        work.faults.hinted(shift.team.span(), message, "add some with [[agents]]");
        return None;
    }
    Some(chosen)
}

/// The changes of one day of a shift; false when it is at fault.
fn work_shift(
    shift: &Shift,
    day: usize,
    agents: &[&AgentProfile],
    work: &mut Work<'_, '_>,
    changes: &mut Vec<Change>,
) -> bool {
    let from = work.calendar.seconds(&shift.from);
    let to = work.calendar.seconds(&shift.to);
    // Past midnight.
    let to = if to > from { to } else { to + 86_400 };
    let mut breaks = Vec::new();
    for pause in &shift.breaks {
        let at = work.calendar.seconds(&pause.at);
        let at = if at >= from { at } else { at + 86_400 };
        let ends = at + (pause.lasts.0.0 / 1_000_000) as u32;
        if at < from || ends > to {
            work.faults.add(pause.at.0.span(), "the break is not within the shift");
            return false;
        }
        let Some(reason) = reason(pause, work) else { return false };
        breaks.push((at, ends, reason));
    }
    for agent in agents {
        changes.push(change(work.calendar.at(day, from), agent, To::In));
        for (at, ends, reason) in &breaks {
            changes.push(change(work.calendar.at(day, *at), agent, To::Break(reason.clone())));
            if *ends < to {
                changes.push(change(work.calendar.at(day, *ends), agent, To::Back));
            }
        }
        let when_served = shift.stay == Some(true);
        changes.push(change(work.calendar.at(day, to), agent, To::Out { when_served }));
    }
    true
}

fn reason(pause: &Pause, work: &mut Work<'_, '_>) -> Option<Text> {
    let known = &work.policy.not_ready_reasons;
    match &pause.reason {
        None => Some(known.first().cloned().unwrap_or_else(|| "break".into())),
        Some(given) if known.is_empty() => Some(given.get().as_str().into()),
        Some(given) => {
            let names = known.iter().map(|reason| &**reason);
            work.find("not-ready reason", given, names).map(|at| work.policy.not_ready_reasons[at].clone())
        }
    }
}

//! Names to handles, and the policy compiled by handle. Handles are given at first sight and never reused, so that a
//! contact keeps its queue through any number of reloads.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::engine::agent::AgentProfile;
use crate::engine::id::{ChannelId, QueueId, SkillId, TeamId, Text};
use crate::engine::limits;
use crate::engine::policy::{Channel, Policy, PolicyChange, PolicyVersion, Queue, Team};
use crate::engine::pools::RosterId;
use crate::engine::requirement::{Comparison, Expr, Requirement};
use crate::engine::time::Time;

/// Names by order of first sight.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Names {
    by_name: BTreeMap<Text, u32>,
    pub(in crate::engine) all: Vec<Text>,
}

impl Names {
    pub(in crate::engine) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    fn intern(&mut self, name: &Text) -> u32 {
        if let Some(known) = self.find(name) {
            return known;
        }
        let handle = self.all.len() as u32;
        self.by_name.insert(name.clone(), handle);
        self.all.push(name.clone());
        handle
    }
}

/// A queue as compiled.
#[derive(Clone, Debug)]
pub(in crate::engine) struct QueueRules {
    pub(in crate::engine) rules: Queue,
    /// Whether the policy in force has it.
    pub(in crate::engine) live: bool,
    /// The groups it shares waiting places in.
    pub(in crate::engine) groups: Vec<u32>,
}

/// A group of queues as compiled.
#[derive(Clone, Debug)]
pub(in crate::engine) struct GroupRules {
    pub(in crate::engine) queues: Vec<QueueId>,
    pub(in crate::engine) limit: u32,
}

/// A team as compiled.
#[derive(Clone, Debug)]
pub(in crate::engine) struct TeamRules {
    pub(in crate::engine) live: bool,
    /// Membership priority by queue; 0 = not served.
    pub(in crate::engine) bands: Vec<u8>,
    /// Which queues those are.
    roster: RosterId,
}

/// The policy in force, by handle.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Registry {
    pub(in crate::engine) policy: Arc<Policy>,
    /// SHA-256 of the last file that said what was to be in force.
    pub(in crate::engine) file: Option<[u8; 32]>,
    /// It and those before it, oldest first, the newest [`limits::POLICY_VERSIONS`].
    pub(in crate::engine) versions: VecDeque<PolicyVersion>,
    pub(in crate::engine) skills: Names,
    /// Whether the policy in force has a skill, by handle.
    live_skills: Vec<bool>,
    pub(in crate::engine) queue_names: Names,
    pub(in crate::engine) queues: Vec<QueueRules>,
    pub(in crate::engine) groups: Vec<GroupRules>,
    /// By roster and queue, whether it is served: by the live teams that share it.
    pub(in crate::engine) rosters: Vec<Vec<bool>>,
    team_names: Names,
    pub(in crate::engine) teams: Vec<TeamRules>,
    channel_names: Names,
    pub(in crate::engine) channels: Vec<Channel>,
}

impl Registry {
    /// Puts a policy in force: known names keep their handles, names it lacks stay as they last were, not live.
    pub(in crate::engine) fn apply(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
        self.live_skills.fill(false);
        for skill in &policy.skills {
            place(&mut self.live_skills, self.skills.intern(&skill.id), true);
        }
        for channel in &policy.channels {
            place(&mut self.channels, self.channel_names.intern(&channel.id), channel.clone());
        }
        self.queues.iter_mut().for_each(|queue| {
            queue.live = false;
            queue.groups.clear();
        });
        for queue in &policy.queues {
            let rules = QueueRules { rules: queue.clone(), live: true, groups: Vec::new() };
            place(&mut self.queues, self.queue_names.intern(&queue.id), rules);
        }
        self.group(policy);
        self.teams.iter_mut().for_each(|team| team.live = false);
        self.rosters.clear();
        for team in &policy.teams {
            let bands = self.bands(team);
            let roster = self.roster_of(&bands);
            let rules = TeamRules { bands, roster, live: true };
            place(&mut self.teams, self.team_names.intern(&team.id), rules);
        }
    }

    fn roster_of(&mut self, bands: &[u8]) -> RosterId {
        let serves = bands.iter().map(|band| *band > 0);
        let known = self.rosters.iter().position(|roster| serves.clone().eq(roster.iter().copied()));
        RosterId(known.unwrap_or_else(|| {
            self.rosters.push(serves.collect());
            self.rosters.len() - 1
        }) as u32)
    }

    fn group(&mut self, policy: &Policy) {
        self.groups.clear();
        for group in &policy.queue_groups {
            let handles = group.queues.iter().filter_map(|queue| self.queue_names.find(queue));
            let queues: Vec<QueueId> = handles.map(QueueId).collect();
            for queue in &queues {
                self.queues[queue.index()].groups.push(self.groups.len() as u32);
            }
            self.groups.push(GroupRules { queues, limit: group.limit });
        }
    }

    /// Keeps a version to look at and to go back to.
    pub(in crate::engine) fn remember(&mut self, policy: &Arc<Policy>, change: &Arc<PolicyChange>, applied: Time) {
        self.file = change.source.or(self.file);
        if self.versions.len() == limits::POLICY_VERSIONS {
            self.versions.pop_front();
        }
        self.versions.push_back(PolicyVersion { policy: policy.clone(), change: change.clone(), applied });
    }

    fn bands(&self, team: &Team) -> Vec<u8> {
        let mut bands = alloc::vec![0; self.queues.len()];
        for membership in &team.queues {
            if &*membership.queue == "*" {
                for (band, queue) in bands.iter_mut().zip(&self.queues) {
                    if queue.live && *band == 0 {
                        *band = membership.priority;
                    }
                }
            } else if let Some(queue) = self.queue_names.find(&membership.queue) {
                bands[queue as usize] = membership.priority;
            }
        }
        bands
    }

    /// Whether the policy in force has a skill of this name.
    pub(in crate::engine) fn knows_skill(&self, name: &str) -> bool {
        self.skills.find(name).is_some_and(|skill| self.live_skills[skill as usize])
    }

    /// A live queue by name.
    pub(in crate::engine) fn queue(&self, name: &str) -> Option<QueueId> {
        let queue = self.queue_names.find(name)?;
        self.queues[queue as usize].live.then_some(QueueId(queue))
    }

    /// A live team by name.
    pub(in crate::engine) fn team(&self, name: &str) -> Option<TeamId> {
        let team = self.team_names.find(name)?;
        self.teams[team as usize].live.then_some(TeamId(team))
    }

    /// A channel of the policy in force by name.
    pub(in crate::engine) fn channel(&self, name: &str) -> Option<ChannelId> {
        let channel = self.channel_names.find(name)?;
        self.policy.channels.iter().any(|channel| *channel.id == *name).then_some(ChannelId(channel))
    }

    /// Channels that would have a handle under a policy: those ever seen, since none is reused, and its new ones.
    pub(in crate::engine) fn channels_with(&self, policy: &Policy) -> usize {
        let new = policy.channels.iter().filter(|channel| self.channel_names.find(&channel.id).is_none());
        self.channels.len() + new.count()
    }

    /// The band in which a team serves a queue; none when it does not.
    pub(in crate::engine) fn band(&self, team: Option<TeamId>, queue: QueueId) -> Option<u8> {
        let team = &self.teams[team?.index()];
        team.bands.get(queue.index()).copied().filter(|&band| band > 0 && team.live)
    }

    /// The roster of a team, if the policy in force has the team.
    pub(in crate::engine) fn roster(&self, team: TeamId) -> Option<RosterId> {
        let team = &self.teams[team.index()];
        team.live.then_some(team.roster)
    }

    /// An agent's levels by handle.
    pub(in crate::engine) fn levels(&self, profile: &AgentProfile) -> Vec<(SkillId, u8)> {
        let known = |(skill, level): &(Text, u8)| self.skills.find(skill).map(|handle| (SkillId(handle), *level));
        let mut levels: Vec<_> = profile.skills.iter().filter_map(known).collect();
        levels.sort_unstable();
        levels
    }

    /// Splits a requirement into skill levels asked for, all of them, and what is more than that.
    pub(in crate::engine) fn split(
        &self,
        requirement: &Arc<Requirement>,
        levels: &mut Vec<(SkillId, u8)>,
        rest: &mut Vec<Arc<Requirement>>,
    ) {
        let start = levels.len();
        if !self.split_expr(&requirement.expr, levels) {
            levels.truncate(start);
            rest.push(requirement.clone());
        }
    }

    fn split_expr(&self, expr: &Expr, levels: &mut Vec<(SkillId, u8)>) -> bool {
        match expr {
            Expr::All(parts) => parts.iter().all(|part| self.split_expr(part, levels)),
            Expr::Skill { skill, comparison: Comparison::AtLeast, level } => match self.skills.find(skill) {
                Some(skill) => {
                    levels.push((SkillId(skill), *level));
                    true
                }
                None => false,
            },
            _ => false,
        }
    }
}

fn place<T>(table: &mut Vec<T>, at: u32, value: T) {
    match table.get_mut(at as usize) {
        Some(held) => *held = value,
        None => table.push(value),
    }
}

//! Names to handles, and the policy compiled by handle. Handles are given at first sight and never reused, so that a
//! contact keeps its queue through any number of reloads.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::search::by_line;
use super::steps::{self, StepRules, Steps};
use crate::engine::agent::{AgentProfile, SkillLevel};
use crate::engine::contact::EntryRules;
use crate::engine::id::{ChannelId, QueueId, SkillId, TeamId, Text};
use crate::engine::limits;
use crate::engine::policy::{
    Channel, ContactOrder, Hysteresis, OfferRate, Policy, PolicyChange, PolicyVersion, Queue, RemovedQueue, Reserve,
    Selection, Team, Trigger,
};
use crate::engine::pools::RosterId;
use crate::engine::rank::Aging;
use crate::engine::requirement::{Comparison, Expr, Requirement};
use crate::engine::time::{Span, Time};

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
    /// The queue that took its contacts when it went.
    successor: Option<QueueId>,
    /// Waits at which more agents may take its contacts or a rule may act: delays of teams, ends of reservation, overflow;
    /// sorted.
    pub(in crate::engine) points: Vec<Span>,
    /// Its reserves by team.
    pub(in crate::engine) reserves: Vec<ReserveRules>,
    /// Its steps; none where nothing is ever relaxed.
    steps: Vec<StepRules>,
    /// The wait at which overflow rules act, all steps over.
    steps_over: Option<Span>,
}

impl QueueRules {
    fn new(rules: Queue) -> QueueRules {
        let (steps, steps_over) = steps::compile(&rules);
        let (groups, points, reserves) = Default::default();
        QueueRules { rules, live: true, groups, points, reserves, successor: None, steps, steps_over }
    }

    /// Its steps.
    pub(in crate::engine) fn steps(&self) -> Steps<'_> {
        Steps { all: &self.steps, overflow: self.steps_over }
    }
}

/// A reserve as compiled.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct ReserveRules {
    pub(in crate::engine) team: TeamId,
    pub(in crate::engine) keep_idle: u32,
    pub(in crate::engine) release_after: Option<Span>,
    /// Its number among the lenders, if it is one: more is asked than how many are idle.
    pub(in crate::engine) lender: Option<u32>,
}

/// A reserve whose team does not always lend.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Lender {
    /// The queue that borrows.
    pub(in crate::engine) queue: QueueId,
    /// The team's own queues.
    pub(in crate::engine) own: Vec<QueueId>,
    pub(in crate::engine) within_target: bool,
    pub(in crate::engine) hysteresis: Option<Hysteresis>,
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
    /// The rest of each membership, by queue; empty when none says more.
    more: Vec<More>,
    pub(in crate::engine) contact_order: ContactOrder,
    pauses: Pauses,
    /// Which queues those are.
    roster: RosterId,
}

/// What gives a team's agents a rest from offers.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Pauses {
    /// In parts per million.
    pub(in crate::engine) max_occupancy: Option<u32>,
    pub(in crate::engine) offer_rate: Option<OfferRate>,
}

/// What a membership says beside its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct More {
    pub(in crate::engine) delay: Span,
    pub(in crate::engine) rank: u8,
    pub(in crate::engine) ratio_ppm: u32,
}

const NO_MORE: More = More { delay: Span::ZERO, rank: 1, ratio_ppm: 0 };

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
    /// Reserves whose team does not always lend.
    pub(in crate::engine) lenders: Vec<Lender>,
    /// By roster and queue, whether it is served: by the live teams that share it.
    pub(in crate::engine) rosters: Vec<Vec<bool>>,
    team_names: Names,
    pub(in crate::engine) teams: Vec<TeamRules>,
    /// What entries are measured against, each once; never forgotten, since entries outlive their policy.
    pub(in crate::engine) measured: Vec<EntryRules>,
    by_measure: BTreeMap<EntryRules, u32>,
    channel_names: Names,
    pub(in crate::engine) channels: Vec<Channel>,
    /// Whether every rule of whose turn it is and who takes it is the default: then lines alone answer both.
    pub(in crate::engine) plain: bool,
    /// The window over which agents' occupancies are taken, where anything goes by them.
    pub(in crate::engine) occupancy_window: Option<Span>,
    /// The steps that are passed over while nobody is on duty for them.
    pub(in crate::engine) duties: Vec<(QueueId, u8)>,
    /// Offers of each agent that are remembered, where a team is offered no more than so many in a time; else 0.
    pub(in crate::engine) pace: usize,
    /// By channel those that are never mixed with it, a bit each.
    pub(in crate::engine) apart: Vec<u16>,
    /// By channel those whose conversations it may interrupt, a bit each.
    pub(in crate::engine) interrupts: Vec<u16>,
    /// Agents by their place in the configuration's list, where some queue goes by it.
    listed: BTreeMap<Text, u32>,
}

/// The names and rules by handle, as plain data: what the policy in force does not say.
#[derive(Clone, Debug, Default)]
pub struct RegistryImage {
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// SHA-256 of the last file that said what was to be in force.
    pub file: Option<[u8; 32]>,
    /// The policy and those before it, oldest first.
    pub versions: Vec<PolicyVersion>,
    /// Skills by handle.
    pub skills: Vec<Text>,
    /// Channels by handle, as last in force.
    pub channels: Vec<Channel>,
    /// Queues by handle, as last in force, with the queue that took over each one that went.
    pub queues: Vec<(Queue, Option<QueueId>)>,
    /// Teams by handle.
    pub teams: Vec<Text>,
    /// What entries are measured against, by place.
    pub measured: Vec<EntryRules>,
}

impl Registry {
    /// It as plain data.
    pub(super) fn image(&self) -> RegistryImage {
        let Registry { policy, file, versions, skills, queues, team_names, measured, channels, .. } = self;
        RegistryImage {
            policy: policy.clone(),
            file: *file,
            versions: versions.iter().cloned().collect(),
            skills: skills.all.clone(),
            channels: channels.clone(),
            queues: queues.iter().map(|queue| (queue.rules.clone(), queue.successor)).collect(),
            teams: team_names.all.clone(),
            measured: measured.clone(),
        }
    }

    /// The registry that [`Self::image`] is of.
    pub(super) fn from_image(image: RegistryImage) -> Registry {
        let RegistryImage { policy, file, versions, skills, channels, queues, teams, measured } = image;
        let mut registry = Registry { file, versions: versions.into(), ..Registry::default() };
        for skill in &skills {
            place(&mut registry.live_skills, registry.skills.intern(skill), false);
        }
        for channel in channels {
            place(&mut registry.channels, registry.channel_names.intern(&channel.id), channel);
        }
        for (rules, successor) in queues {
            let at = registry.queue_names.intern(&rules.id);
            place(&mut registry.queues, at, QueueRules { live: false, successor, ..QueueRules::new(rules) });
        }
        for team in &teams {
            let at = registry.team_names.intern(team);
            let (bands, more, roster) = (Vec::new(), Vec::new(), RosterId(0));
            let contact_order = ContactOrder::Priority;
            place(
                &mut registry.teams,
                at,
                TeamRules { live: false, bands, more, contact_order, roster, pauses: Pauses::default() },
            );
        }
        for rules in measured {
            registry.share(rules);
        }
        if policy.version > 0 {
            registry.apply(&policy);
        }
        registry
    }
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
            queue.reserves.clear();
        });
        for queue in &policy.queues {
            let rules = QueueRules::new(queue.clone());
            place(&mut self.queues, self.queue_names.intern(&queue.id), rules);
        }
        self.group(policy);
        self.teams.iter_mut().for_each(|team| team.live = false);
        self.rosters.clear();
        for team in &policy.teams {
            let (bands, more) = self.bands(team);
            let roster = self.roster_of(&bands);
            let pauses = Pauses { max_occupancy: team.max_occupancy, offer_rate: team.offer_rate_limit };
            let rules = TeamRules { bands, more, roster, live: true, contact_order: team.contact_order, pauses };
            place(&mut self.teams, self.team_names.intern(&team.id), rules);
        }
        self.reserve(policy);
        self.number_duties();
        self.list(policy);
        self.part(policy);
        let occupied = policy.queues.iter().any(|queue| queue.selection == Selection::LeastOccupied)
            || policy.teams.iter().any(|team| team.max_occupancy.is_some());
        let paces = policy.teams.iter().filter_map(|team| team.offer_rate_limit);
        self.pace = paces.map(|rate| rate.offers as usize).max().unwrap_or(0);
        self.occupancy_window = occupied.then_some(policy.rules.occupancy_window);
        self.plain = self.is_plain();
    }

    /// Numbers the steps for which those on duty are counted.
    fn number_duties(&mut self) {
        self.duties.clear();
        for (queue, rules) in (0..).map(QueueId).zip(&mut self.queues) {
            for (number, step) in (0..).zip(&mut rules.steps).filter(|(_, step)| step.skips()) {
                step.duty = Some(self.duties.len() as u32);
                self.duties.push((queue, number));
            }
        }
    }

    /// Whether any queue has steps.
    pub(in crate::engine) fn relaxes(&self) -> bool {
        self.queues.iter().any(|queue| !queue.steps.is_empty())
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

    /// Which channels are never mixed, both ways, and which interrupt which.
    fn part(&mut self, policy: &Policy) {
        self.apart.clear();
        self.apart.resize(self.channels.len(), 0);
        self.interrupts.clear();
        self.interrupts.resize(self.channels.len(), 0);
        for channel in &policy.channels {
            let Some(one) = self.channel_names.find(&channel.id) else { continue };
            for other in channel.excludes.iter().filter_map(|name| self.channel_names.find(name)) {
                self.apart[one as usize] |= 1 << other;
                self.apart[other as usize] |= 1 << one;
            }
            for other in channel.interrupts.iter().filter_map(|name| self.channel_names.find(name)) {
                self.interrupts[one as usize] |= 1 << other;
            }
        }
    }

    /// The place of rules among those shared by entries.
    pub(in crate::engine) fn share(&mut self, rules: EntryRules) -> u32 {
        let next = self.measured.len() as u32;
        let place = *self.by_measure.entry(rules).or_insert(next);
        if place == next {
            self.measured.push(rules);
        }
        place
    }

    /// Keeps a version to look at and to go back to.
    pub(in crate::engine) fn remember(&mut self, policy: &Arc<Policy>, change: &Arc<PolicyChange>, applied: Time) {
        self.file = change.source.or(self.file);
        if self.versions.len() == limits::POLICY_VERSIONS {
            self.versions.pop_front();
        }
        self.versions.push_back(PolicyVersion { policy: policy.clone(), change: change.clone(), applied });
    }

    /// Sends whoever comes back to a queue that went to the one that took its contacts.
    pub(in crate::engine) fn hand_over(&mut self, removed: &[RemovedQueue]) {
        for RemovedQueue { id, target } in removed {
            let (queue, target) = (self.queue_names.find(id), self.queue(target));
            if let Some(queue) = queue.map(|queue| &mut self.queues[queue as usize]).filter(|queue| !queue.live) {
                queue.successor = target;
            }
        }
    }

    /// The queue that now stands for one: itself while the policy has it, else whoever took its contacts, if anyone.
    pub(in crate::engine) fn heir(&self, queue: QueueId) -> Option<QueueId> {
        let mut at = queue;
        // Each hand-over leads to a queue that was live when it was made, so a chain is no longer than the queues.
        for _ in 0..self.queues.len() {
            let held = &self.queues[at.index()];
            if held.live {
                return Some(at);
            }
            at = held.successor?;
        }
        None
    }

    /// Membership priority by queue, and what else the memberships say.
    fn bands(&self, team: &Team) -> (Vec<u8>, Vec<More>) {
        let mut bands = alloc::vec![0; self.queues.len()];
        let mut more = alloc::vec![NO_MORE; self.queues.len()];
        for membership in &team.queues {
            let says = More { delay: membership.delay, rank: membership.rank, ratio_ppm: membership.ratio_ppm };
            if &*membership.queue == "*" {
                for (at, queue) in self.queues.iter().enumerate() {
                    if queue.live && bands[at] == 0 {
                        (bands[at], more[at]) = (membership.priority, says);
                    }
                }
            } else if let Some(queue) = self.queue(&membership.queue) {
                (bands[queue.index()], more[queue.index()]) = (membership.priority, says);
            }
        }
        if more.iter().all(|more| *more == NO_MORE) {
            more.clear();
        }
        (bands, more)
    }

    /// Gives every queue its reserves, and the waits at which more agents may take its contacts.
    fn reserve(&mut self, policy: &Policy) {
        self.lenders.clear();
        for reserve in &policy.reserves {
            if let (Some(team), Some(queue)) = (self.team(&reserve.team), self.queue_names.find(&reserve.queue)) {
                let lender = self.lender(policy, reserve, (team, QueueId(queue)));
                let (keep_idle, release_after) = (reserve.keep_idle, reserve.release_after);
                self.queues[queue as usize].reserves.push(ReserveRules { team, keep_idle, release_after, lender });
            }
        }
        for (at, queue) in self.queues.iter_mut().enumerate() {
            let delays = self.teams.iter().filter(|team| team.live).filter_map(|team| team.more.get(at));
            let released = queue.reserves.iter().filter_map(|reserve| reserve.release_after);
            let waits = queue.rules.overflow.iter().filter_map(|rule| match rule.trigger {
                Trigger::Wait(wait) => Some(wait),
                _ => None,
            });
            let points = delays.map(|more| more.delay).chain(released).chain(waits);
            queue.points = points.filter(|point| !point.is_zero()).collect();
            queue.points.sort_unstable();
            queue.points.dedup();
        }
    }

    /// Puts a reserve among the lenders if its team does not always lend; its number there.
    fn lender(&mut self, policy: &Policy, reserve: &Reserve, (team, queue): (TeamId, QueueId)) -> Option<u32> {
        let (within_target, hysteresis) = (reserve.lender_within_target, reserve.hysteresis);
        if !within_target && hysteresis.is_none() {
            return None;
        }
        let borrows = |at: QueueId| {
            let name = &self.queue_names.all[at.index()];
            policy.reserves.iter().any(|other| other.team == reserve.team && other.queue == *name)
        };
        let served = (0..self.queues.len() as u32).map(QueueId).filter(|&at| self.band(Some(team), at).is_some());
        let own = served.filter(|&at| !borrows(at)).collect();
        self.lenders.push(Lender { queue, own, within_target, hysteresis });
        Some(self.lenders.len() as u32 - 1)
    }

    /// Keeps the order of the configuration's agents when a queue goes by it.
    fn list(&mut self, policy: &Policy) {
        let wanted = policy.queues.iter().any(|queue| queue.selection == Selection::Ordered);
        let agents = policy.agents.iter().zip(0u32..).filter(|_| wanted);
        self.listed = agents.map(|(agent, at)| (agent.agent_id.clone(), at)).collect();
    }

    fn is_plain(&self) -> bool {
        let queue = |queue: &QueueRules| {
            let rules = &queue.rules;
            let one_by_one = by_line(rules) && rules.broadcast.is_none();
            Aging::of(rules).is_none() && one_by_one && queue.reserves.is_empty() && queue.steps.is_empty()
        };
        let delays = |team: &TeamRules| team.more.iter().any(|more| !more.delay.is_zero());
        let team = |team: &TeamRules| team.contact_order == ContactOrder::Priority && !delays(team);
        self.interrupts.iter().all(|others| *others == 0)
            && self.queues.iter().all(queue)
            && self.teams.iter().filter(|team| team.live).all(team)
    }

    /// What a team's membership in a queue says beside its priority.
    pub(in crate::engine) fn more(&self, team: Option<TeamId>, queue: QueueId) -> More {
        team.and_then(|team| self.teams[team.index()].more.get(queue.index()).copied()).unwrap_or(NO_MORE)
    }

    /// The teams that serve a queue.
    pub(in crate::engine) fn teams_of(&self, queue: QueueId) -> impl Iterator<Item = TeamId> + '_ {
        let teams = (0..self.teams.len() as u32).map(TeamId);
        teams.filter(move |&team| self.band(Some(team), queue).is_some())
    }

    /// What gives a team's agents a rest.
    pub(in crate::engine) fn pauses(&self, team: Option<TeamId>) -> Pauses {
        let team = team.map(|team| &self.teams[team.index()]).filter(|team| team.live);
        team.map_or(Pauses::default(), |team| team.pauses)
    }

    /// Which of its queues a team serves first.
    pub(in crate::engine) fn contact_order(&self, team: Option<TeamId>) -> ContactOrder {
        team.map_or(ContactOrder::Priority, |team| self.teams[team.index()].contact_order)
    }

    /// An agent's place in the configuration's list; none when he is not in it, or no queue goes by it.
    pub(in crate::engine) fn listed(&self, agent_id: &str) -> Option<u32> {
        self.listed.get(agent_id).copied()
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
    pub(in crate::engine) fn levels(&self, profile: &AgentProfile) -> Box<[SkillLevel]> {
        let known = |(skill, level): &(Text, u8)| {
            self.skills.find(skill).map(|handle| SkillLevel::new(SkillId(handle), *level))
        };
        let mut levels: Box<[_]> = profile.skills.iter().filter_map(known).collect();
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

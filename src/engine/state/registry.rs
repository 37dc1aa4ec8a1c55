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
    Channel, ContactOrder, Hysteresis, Membership, OfferRate, Policy, PolicyChange, PolicyVersion, Queue, RemovedQueue,
    Reserve, Selection, Team, Trigger,
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

/// Rosters kept beside those in use before all are made anew.
const SPARE_ROSTERS: usize = 64;

/// What a policy changes of the one before it, as far as it matters for who may serve whom.
#[derive(Debug, Default)]
pub(in crate::engine) struct Reach {
    /// Whether everything is to be made anew.
    pub(in crate::engine) whole: bool,
    /// By handle, the queues whose contacts are to be looked at again.
    pub(in crate::engine) queues: Vec<bool>,
    /// Queues known before with other rules: they may ask for something else.
    pub(in crate::engine) asks: Vec<QueueId>,
    /// Those of them with other overflow rules.
    pub(in crate::engine) overflow: Vec<QueueId>,
    /// By handle, the teams whose agents serve other queues, or rest by other rules.
    pub(in crate::engine) teams: Vec<bool>,
}

impl Reach {
    /// Whether a queue's contacts are to be looked at again.
    pub(in crate::engine) fn has_queue(&self, queue: QueueId) -> bool {
        self.whole || self.queues.get(queue.index()).copied().unwrap_or(true)
    }
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
            // Who may serve whom is made anew from all of it.
            let _ = registry.apply(&policy);
        }
        registry
    }

    /// Puts a policy in force: known names keep their handles, names it lacks stay as they last were, not live. Queues and
    /// teams that are as they were are not made anew. What it says that matters for who may serve whom is returned.
    pub(in crate::engine) fn apply(&mut self, policy: &Arc<Policy>) -> Reach {
        let before = core::mem::replace(&mut self.policy, policy.clone());
        let (skills, plain, lent) = (self.skills.all.len(), self.plain, !self.lenders.is_empty());
        self.live_skills.fill(false);
        for skill in &policy.skills {
            place(&mut self.live_skills, self.skills.intern(&skill.id), true);
        }
        for channel in &policy.channels {
            place(&mut self.channels, self.channel_names.intern(&channel.id), channel.clone());
        }
        let mut reach = Reach {
            // The places of agents go by channel and skill, and what they have room for by the channels.
            whole: before.channels != policy.channels
                || skills != self.skills.all.len()
                || self.rosters.len() > 2 * policy.teams.len() + SPARE_ROSTERS,
            ..Reach::default()
        };
        let same_names = self.renew_queues(&before, policy, &mut reach);
        self.group(policy);
        self.renew_teams(&before, policy, same_names, &mut reach);
        let lends = |policy: &Policy, reserve: &Reserve| policy.teams.iter().any(|team| team.id == reserve.team);
        let begun = |reserve: &Reserve| lends(&before, reserve) != lends(policy, reserve);
        if before.reserves != policy.reserves || before.rules != policy.rules || policy.reserves.iter().any(begun) {
            reach.queues.fill(true);
        }
        self.reserve(policy);
        self.number_duties();
        self.list(policy, &mut reach);
        self.part(policy);
        let occupied = policy.queues.iter().any(|queue| queue.selection == Selection::LeastOccupied)
            || policy.teams.iter().any(|team| team.max_occupancy.is_some());
        let paces = policy.teams.iter().filter_map(|team| team.offer_rate_limit);
        self.pace = paces.map(|rate| rate.offers as usize).max().unwrap_or(0);
        self.occupancy_window = occupied.then_some(policy.rules.occupancy_window);
        self.plain = self.is_plain();
        reach.whole |= self.plain != plain || lent || !self.lenders.is_empty();
        reach
    }

    /// Takes over the queues; whether the policy before had the same names in the same order.
    fn renew_queues(&mut self, before: &Policy, policy: &Policy, reach: &mut Reach) -> bool {
        let same =
            |at: usize| before.queues.get(at).zip(policy.queues.get(at)).is_some_and(|(old, new)| old.id == new.id);
        let same_names = before.queues.len() == policy.queues.len() && (0..policy.queues.len()).all(same);
        let mut was_live = alloc::vec![false; self.queues.len()];
        for (was_live, queue) in was_live.iter_mut().zip(&mut self.queues) {
            *was_live = core::mem::replace(&mut queue.live, false);
            queue.groups.clear();
            queue.reserves.clear();
        }
        reach.queues = alloc::vec![false; self.queues.len()];
        for queue in &policy.queues {
            let handle = self.queue_names.intern(&queue.id);
            let at = handle as usize;
            if let Some(held) = self.queues.get_mut(at).filter(|held| held.rules == *queue) {
                held.live = true;
                held.successor = None;
            } else {
                if let Some(held) = self.queues.get(at) {
                    reach.asks.push(QueueId(handle));
                    if held.rules.overflow != queue.overflow {
                        reach.overflow.push(QueueId(handle));
                    }
                }
                place(&mut self.queues, handle, QueueRules::new(queue.clone()));
                place(&mut reach.queues, handle, true);
            }
            if !was_live.get(at).copied().unwrap_or(false) {
                place(&mut reach.queues, handle, true);
            }
        }
        for (at, lived) in was_live.into_iter().enumerate() {
            reach.queues[at] |= lived != self.queues[at].live;
        }
        same_names
    }

    /// Takes over the teams. Those that serve other queues than before are told, and the queues that others serve.
    fn renew_teams(&mut self, before: &Policy, policy: &Policy, same_names: bool, reach: &mut Reach) {
        if reach.whole {
            self.rosters.clear();
        }
        let known: BTreeMap<&Text, &Team> = match same_names && !reach.whole && before.teams != policy.teams {
            true => before.teams.iter().map(|team| (&team.id, team)).collect(),
            false => BTreeMap::new(),
        };
        let untouched = same_names && !reach.whole && before.teams == policy.teams;
        if untouched {
            return;
        }
        let was_live: Vec<bool> = self.teams.iter_mut().map(|team| core::mem::replace(&mut team.live, false)).collect();
        reach.teams = alloc::vec![false; self.teams.len()];
        for team in &policy.teams {
            let handle = self.team_names.intern(&team.id);
            let at = handle as usize;
            let lived = was_live.get(at).copied().unwrap_or(false);
            if lived && known.get(&team.id).is_some_and(|before| *before == team) {
                self.teams[at].live = true;
                continue;
            }
            let (bands, more) = self.bands(team);
            let roster = self.roster_of(&bands);
            let pauses = Pauses { max_occupancy: team.max_occupancy, offer_rate: team.offer_rate_limit };
            let rules = TeamRules { bands, more, roster, live: true, contact_order: team.contact_order, pauses };
            self.compare(lived.then(|| &self.teams[at]), &rules, reach);
            let moved = !lived || self.teams[at].roster != roster || self.teams[at].pauses != pauses;
            place(&mut reach.teams, handle, moved);
            place(&mut self.teams, handle, rules);
        }
        for (at, lived) in was_live.into_iter().enumerate() {
            if lived && !self.teams[at].live {
                reach.teams[at] = true;
                let (roster, contact_order) = (self.teams[at].roster, self.teams[at].contact_order);
                let (bands, more, pauses) = (Vec::new(), Vec::new(), Pauses::default());
                let none = TeamRules { live: false, bands, more, contact_order, roster, pauses };
                self.compare(Some(&self.teams[at]), &none, reach);
            }
        }
    }

    /// Notes the queues in which a team's part is another one.
    fn compare(&self, before: Option<&TeamRules>, after: &TeamRules, reach: &mut Reach) {
        let order = before.is_none_or(|before| before.contact_order != after.contact_order);
        for (at, reached) in reach.queues.iter_mut().enumerate() {
            let band = |rules: &TeamRules| rules.bands.get(at).copied().unwrap_or(0);
            let more = |rules: &TeamRules| rules.more.get(at).copied().unwrap_or(NO_MORE);
            let same = before.map_or(band(after) == 0, |before| {
                band(before) == band(after) && more(before) == more(after) && (band(after) == 0 || !order)
            });
            *reached |= !same;
        }
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
        let serves = |at: usize| bands.get(at).is_some_and(|band| *band > 0);
        let same = |roster: &Vec<bool>| {
            (0..roster.len().max(bands.len())).all(|at| roster.get(at).copied().unwrap_or(false) == serves(at))
        };
        let known = self.rosters.iter().position(same);
        RosterId(known.unwrap_or_else(|| {
            self.rosters.push((0..bands.len()).map(serves).collect());
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
        let mut more = Vec::new();
        let says = |membership: &Membership| More {
            delay: membership.delay,
            rank: membership.rank,
            ratio_ppm: membership.ratio_ppm,
        };
        if team.queues.iter().any(|membership| says(membership) != NO_MORE) {
            more.resize(self.queues.len(), NO_MORE);
        }
        for membership in &team.queues {
            let all = &*membership.queue == "*";
            let named = self.queue(&membership.queue).filter(|_| !all).map(QueueId::index);
            let rest = (0..self.queues.len()).filter(|&at| all && self.queues[at].live && bands[at] == 0);
            for at in named.into_iter().chain(rest).collect::<Vec<_>>() {
                bands[at] = membership.priority;
                if let Some(more) = more.get_mut(at) {
                    *more = says(membership);
                }
            }
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
        let says: Vec<&TeamRules> = self.teams.iter().filter(|team| team.live && !team.more.is_empty()).collect();
        for (at, queue) in self.queues.iter_mut().enumerate() {
            let delays = says.iter().filter_map(|team| team.more.get(at));
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
    fn list(&mut self, policy: &Policy, reach: &mut Reach) {
        let wanted = policy.queues.iter().any(|queue| queue.selection == Selection::Ordered);
        if !wanted && self.listed.is_empty() {
            return;
        }
        let agents = policy.agents.iter().zip(0u32..).filter(|_| wanted);
        let listed = agents.map(|(agent, at)| (agent.agent_id.clone(), at)).collect();
        // Every agent knows his place.
        reach.whole |= listed != self.listed;
        self.listed = listed;
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

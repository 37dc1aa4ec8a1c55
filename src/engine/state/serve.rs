//! Who may be matched with whom: classes and the agents enrolled in them, lines stood in, contacts waiting.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::State;
use super::registry::Reach;
use super::steps::{self, Asked};
use crate::engine::agent::Agent;
use crate::engine::contact::{Contact, Entry, LegState, NONE};
use crate::engine::id::{AgentId, ChannelId, ClassId, ContactId, LegId, QueueId, SkillId};
use crate::engine::limits;
use crate::engine::matcher::contact_rank;
use crate::engine::pools::{PoolId, RosterId};
use crate::engine::rank::{AgentRank, ContactRank};
use crate::engine::requirement::{Expr, Requirement};
use crate::engine::time::Time;

/// Whether an agent has these levels and meets the rest.
fn can_do(agent: &Agent, levels: &[(SkillId, u8)], rest: &[Arc<Requirement>]) -> bool {
    let has = |(skill, level): &(SkillId, u8)| {
        let found = agent.levels.binary_search_by_key(skill, |held| held.skill());
        found.is_ok_and(|at| agent.levels[at].level() >= *level)
    };
    levels.iter().all(has) && rest.iter().all(|requirement| requirement.expr.met_by(&*agent.profile))
}

impl State {
    // ---- classes

    /// The class of an entry, made when it was never seen. One that asks for no more than a level of one skill finds its
    /// agents in line already; any other has its pool filled some agents at a time ([`Self::fill_pool`]).
    pub(super) fn intern_class(&mut self, queue: QueueId, channel: ChannelId, asked: &Asked) -> ClassId {
        let known = self.index.len();
        let class = self.index.class_of(queue, channel, asked);
        if self.index.len() > known {
            self.compile_class(class);
            self.judge_class(class);
        }
        class
    }

    /// The classes of an entry: of what it asks now, and of what it comes to ask ([`Self::asked_in`]).
    pub(super) fn intern_classes(
        &mut self,
        queue: QueueId,
        channel: ChannelId,
        (asked, last): &(Asked, Option<Asked>),
    ) -> (ClassId, ClassId) {
        let class = self.intern_class(queue, channel, asked);
        (class, last.as_ref().map_or(class, |last| self.intern_class(queue, channel, last)))
    }

    /// Splits what queue and contact ask for by the policy in force, and finds the class its pool.
    fn compile_class(&mut self, class: ClassId) {
        let (mut levels, mut rest, mut named) = (Vec::new(), Vec::new(), Vec::new());
        let held = self.index.class(class);
        let queue = self.registry.queues[held.queue.index()].rules.require.as_ref().filter(|_| !held.whole);
        for requirement in queue.into_iter().chain(&held.requirement) {
            match &requirement.expr {
                // What its steps ask together is often no more than what one of them does.
                Expr::Any(steps) if held.whole => {
                    let (text, expr) = (requirement.text.clone(), steps::widest(steps));
                    self.registry.split(&Arc::new(Requirement { text, expr }), &mut levels, &mut rest);
                }
                _ => self.registry.split(requirement, &mut levels, &mut rest),
            }
            requirement.expr.each_skill(&mut |skill| named.extend(self.registry.skills.find(skill).map(SkillId)));
        }
        named.sort_unstable();
        named.dedup();
        // The highest level of each skill is what all of them together ask.
        levels.sort_unstable_by_key(|&(skill, level)| (skill, core::cmp::Reverse(level)));
        levels.dedup_by_key(|(skill, _)| *skill);
        let rarest = levels.iter().copied().min_by_key(|(skill, _)| self.skilled[skill.index()]);
        let held = self.index.class_mut(class);
        held.levels = levels;
        held.rest = rest;
        held.named = named;
        self.index.join_pool(class, rarest);
    }

    /// Takes the filling of the oldest unfilled pool some agents further. Every event does, so that a fold gets as far.
    pub(super) fn fill_pool(&mut self) {
        let Some(growth) = self.index.pools.growing() else { return };
        let all = self.agents.len();
        // Few agents are spread over as many events as it takes to meet each of them once.
        let step = (all / 64 + 1).min(limits::POOL_STEP);
        let end = (growth.done + step).min(all);
        for agent in (growth.done..end).map(AgentId) {
            let held = &self.agents[agent.0];
            if self.roster(held).is_none() {
                continue;
            }
            let joined =
                held.compound.iter().any(|run| run.iter().any(|at| self.index.pools.pool_of(at) == growth.pool));
            if !joined && self.fits_pool(held, growth.pool) {
                self.join_compound(agent, growth.pool);
            }
        }
        self.index.pools.grown(end);
        if end == all {
            self.index.fill_pool();
        }
    }

    /// Gives an agent his place in a compound pool that was made after he was enrolled.
    pub(super) fn join_compound(&mut self, agent: AgentId, pool: PoolId) {
        let Some(roster) = self.roster(&self.agents[agent.0]) else { return };
        let run = self.index.enrol(agent, roster, &[(pool, 0)]);
        let held = &mut self.agents[agent.0];
        held.compound.push(run);
        for place in run.iter() {
            let bit = 1 << self.index.pools.channel(place).0;
            self.index.pools.stand(place, held.in_line & bit != 0);
        }
    }

    /// The roster of an agent's team, if he can serve anything at all.
    fn roster(&self, agent: &Agent) -> Option<RosterId> {
        agent.team.filter(|_| !agent.deleted).and_then(|team| self.registry.roster(team))
    }

    fn fits_pool(&self, agent: &Agent, pool: PoolId) -> bool {
        let (levels, rest) = self.index.pools.asked(pool);
        can_do(agent, levels, rest)
    }

    /// Whether an agent may serve a class: his team lists the queue and he meets what is asked.
    pub(in crate::engine) fn meets(&self, agent: AgentId, class: ClassId) -> bool {
        let held = &self.agents[agent.0];
        self.registry.band(held.team, self.index.class(class).queue).is_some() && self.qualifies(held, class)
    }

    /// Whether he meets what is asked, his team's list left aside.
    pub(in crate::engine) fn qualifies(&self, agent: &Agent, class: ClassId) -> bool {
        let class = self.index.class(class);
        !agent.deleted && can_do(agent, &class.levels, &class.rest)
    }

    /// Re-enrols one agent in every pool he belongs to: after he changed. Cost: his skills, and the pools that ask for
    /// more than one.
    pub(super) fn enrol_agent(&mut self, agent: AgentId) {
        self.leave_lines(agent);
        let held = &mut self.agents[agent.0];
        for run in core::mem::take(&mut held.compound).into_iter().chain([core::mem::take(&mut held.plain)]) {
            self.index.pools.dismiss(run);
        }
        let held = &self.agents[agent.0];
        if let Some(roster) = self.roster(held) {
            let pools = &self.index.pools;
            let mut plain = Vec::with_capacity(self.registry.channels.len() * (held.levels.len() + 1));
            for channel in (0..self.registry.channels.len() as u32).map(ChannelId) {
                plain.push((pools.plain(channel, None), 0));
                let skilled = held.levels.iter();
                plain.extend(skilled.map(|held| (pools.plain(channel, Some(held.skill())), held.level())));
            }
            let compound: Vec<PoolId> =
                self.index.pools.compound().filter(|&pool| self.fits_pool(held, pool)).collect();
            self.agents[agent.0].plain = self.index.enrol(agent, roster, &plain);
            for pool in compound {
                let run = self.index.enrol(agent, roster, &[(pool, 0)]);
                self.agents[agent.0].compound.push(run);
            }
        }
        self.refresh_agent(agent);
    }

    /// Makes pools and classes anew and re-enrols every agent: after a policy came into force.
    pub(super) fn enrol_all(&mut self) {
        for agent in (0..self.agents.len()).map(AgentId) {
            self.leave_lines(agent);
            (self.agents[agent.0].plain, self.agents[agent.0].compound) = Default::default();
        }
        let (channels, skills) = (self.registry.channels.len(), self.registry.skills.all.len());
        self.index.pools.reset(self.registry.rosters.clone(), channels, skills);
        for class in (0..self.index.len() as u32).map(ClassId) {
            self.compile_class(class);
        }
        for agent in (0..self.agents.len()).map(AgentId) {
            let profile = self.agents[agent.0].profile.clone();
            self.compile_agent(agent, &profile);
            self.enrol_agent(agent);
            self.touch(agent);
        }
        // All are enrolled, in every pool.
        while self.index.pools.growing().is_some() {
            self.index.fill_pool();
        }
        for class in (0..self.index.len() as u32).map(ClassId) {
            self.judge_class(class);
        }
    }

    /// Makes anew what a policy reached: classes of queues that ask for something else, and agents who serve other queues.
    /// A pass over the agents, most of whom it leaves as they are; a pool never seen is filled by its turn. Classes from
    /// the `known`-th on were never compiled.
    pub(super) fn enrol_reached(&mut self, reach: &Reach, known: u32) {
        self.index.pools.know_rosters(&self.registry.rosters);
        let mut asks = alloc::vec![false; self.registry.queues.len()];
        reach.asks.iter().for_each(|queue| asks[queue.index()] = true);
        for class in (0..self.index.len() as u32).map(ClassId) {
            if asks[self.index.class(class).queue.index()] {
                if class.0 < known {
                    self.index.leave_pool(class);
                }
                self.compile_class(class);
            }
        }
        let moves = reach.teams.contains(&true);
        if !moves && reach.asks.is_empty() {
            return;
        }
        self.enrol_moved(reach, moves);
        for class in (0..self.index.len() as u32).map(ClassId) {
            if asks[self.index.class(class).queue.index()] {
                self.judge_class(class);
            }
        }
    }

    /// Enrols those anew whose team a policy reached, and looks at those with offers. A pass over the agents.
    fn enrol_moved(&mut self, reach: &Reach, moves: bool) {
        for agent in (0..self.agents.len()).map(AgentId) {
            let held = &self.agents[agent.0];
            let moved = moves
                && match held.team {
                    Some(team) => reach.teams.get(team.index()).copied().unwrap_or(true),
                    None => held.profile.team.is_some(),
                };
            let offered = held.offering > 0;
            if moved {
                let profile = held.profile.clone();
                self.compile_agent(agent, &profile);
                self.enrol_agent(agent);
            }
            // An offer to him may no longer be allowed.
            if moved || offered {
                self.touch(agent);
            }
        }
    }

    // ---- lines of agents

    /// The channels an agent could take one more contact of just now, a bit each.
    fn open_channels(&self, agent: &Agent) -> u16 {
        if !agent.may_be_offered() {
            return 0;
        }
        let channels = (0..self.registry.channels.len()).filter(|&at| self.has_room(agent, ChannelId(at as u32)));
        channels.fold(0, |open, at| open | 1 << at)
    }

    /// Takes an agent out of line wherever he has no room any more, and puts him on the agenda when he gained room: he
    /// stands in line only when nothing was found for him ([`Self::fed`]).
    pub(super) fn refresh_agent(&mut self, agent: AgentId) {
        let open = self.open_channels(&self.agents[agent.0]);
        self.make_room(agent, open);
    }

    /// Moves his idle clock: he leaves every line first, since the clock orders him.
    pub(super) fn set_idle(&mut self, agent: AgentId) {
        self.leave_lines(agent);
        self.agents[agent.0].idle_since = Some(self.now);
        self.index.pools.set_idle(agent, self.now);
    }

    fn leave_lines(&mut self, agent: AgentId) {
        self.make_room(agent, 0);
    }

    fn make_room(&mut self, agent: AgentId, open: u16) {
        let held = &self.agents[agent.0];
        let gained = open & !held.room;
        if held.in_line & !open != 0 {
            self.stand(agent, held.in_line & open);
        }
        let held = &mut self.agents[agent.0];
        held.room = open;
        // Having room again after losing it counts as room gained, also for an agent with no class at all: a contact
        // may be open to him alone.
        if gained != 0 {
            self.hunger(agent);
        }
    }

    /// Puts an agent on the list of those who may now be matched.
    pub(super) fn hunger(&mut self, agent: AgentId) {
        let held = &mut self.agents[agent.0];
        if !core::mem::replace(&mut held.hungry, true) {
            self.agenda.agents.push(agent);
            self.agenda.sorted = false;
        }
    }

    /// Puts an agent in line for these channels and no others.
    pub(super) fn stand(&mut self, agent: AgentId, channels: u16) {
        let held = &mut self.agents[agent.0];
        let changed = core::mem::replace(&mut held.in_line, channels) ^ channels;
        if changed == 0 {
            return;
        }
        for place in held.places() {
            let bit = 1 << self.index.pools.channel(place).0;
            if changed & bit != 0 {
                self.index.pools.stand(place, channels & bit != 0);
            }
        }
    }

    /// Puts an agent on the list of those whose routing word or waiting presence may change.
    pub(super) fn touch(&mut self, agent: AgentId) {
        self.note_doing(agent);
        let held = &mut self.agents[agent.0];
        if !held.touched {
            held.touched = true;
            self.agenda.touched.push(agent);
        }
    }

    // ---- lines of contacts

    /// Puts a waiting contact in line: its class', or that of the one agent it is open to; and on the agenda.
    pub(super) fn line_up(&mut self, contact: ContactId) {
        let held = self.contacts.at(contact.slot());
        let entry = held.entry.expect("only an entry waits");
        match entry.only {
            Some(agent) => self.agents[agent.0].only.insert(&mut self.contacts, contact.slot()),
            None => self.index.wait(&mut self.contacts, entry.class, contact.slot()),
        }
        self.pass_drain(entry.queue);
        if self.queued.len() <= entry.queue.index() {
            self.queued.resize(entry.queue.index() + 1, 0);
        }
        self.queued[entry.queue.index()] += 1;
        self.agenda.contacts.push(contact);
        self.agenda.sorted = false;
        self.note_unservable(contact);
        // A deadline that passed while an offer was open is applied before the contact is matched again, and one whose
        // queue went meanwhile is moved.
        if !self.steps(entry.queue).is_empty() {
            self.await_named(contact);
            self.agenda.checks.push(contact);
        } else if self.registry.queues[entry.queue.index()].live {
            self.check_if_due(contact);
        } else {
            self.agenda.checks.push(contact);
        }
    }

    /// Puts a contact on the agenda whose deadline has passed already.
    pub(super) fn check_if_due(&mut self, contact: ContactId) {
        if self.contact_deadline(self.contacts.at(contact.slot())).is_some_and(|at| at <= self.now) {
            self.agenda.checks.push(contact);
        }
    }

    /// Takes a contact out of line, if it stands in one.
    pub(super) fn step_out(&mut self, contact: ContactId) {
        let held = self.contacts.at(contact.slot());
        let Some(entry) = held.entry.filter(|_| held.links.is_in()) else { return };
        if !self.steps(entry.queue).is_empty() {
            self.await_no_more(contact);
        }
        match entry.only {
            Some(agent) => self.agents[agent.0].only.remove(&mut self.contacts, contact.slot()),
            None => self.index.unwait(&mut self.contacts, entry.class, contact.slot()),
        }
        self.pass_drain(entry.queue);
        self.queued[entry.queue.index()] -= 1;
    }

    // ---- the search

    /// Whether a pair may be matched now, room aside: it is not barred, nor offered already.
    pub(super) fn may_match(&self, contact: &Contact, agent: AgentId) -> bool {
        (contact.bars == NONE || !self.barred(contact, agent)) && !self.is_offered(contact, agent)
    }

    /// The contact an agent with room should take: best rank over the classes he serves and the contacts open to him
    /// alone. Cost: his classes, and the contacts barred for him.
    pub(in crate::engine) fn best_contact(&self, now: Time, agent: AgentId) -> Option<(ContactRank, ContactId)> {
        if !self.registry.plain {
            return self.choose_contact(now, agent);
        }
        let held = &self.agents[agent.0];
        let mut best: Option<(ContactRank, u32)> = None;
        let mut consider = |found: (ContactRank, u32)| {
            if best.is_none_or(|best| found.0 < best.0) {
                best = Some(found);
            }
        };
        let mut look = |class: ClassId| {
            if !self.index.is_waited(class) {
                return;
            }
            let queue = self.index.class(class).queue;
            let band = self.registry.band(held.team, queue).expect("an agent is enrolled by his team's list");
            let fits = |slot: u32| self.may_match(self.contacts.at(slot), agent);
            if let Some(found) = self.index.best_contact(&self.contacts, class, band, fits) {
                consider(found);
            }
        };
        for place in held.places() {
            if held.room & (1 << self.index.pools.channel(place).0) != 0 {
                self.index.pools.classes(place).iter().for_each(|&class| look(class));
            }
        }
        for class in self.index.pools.unfilled() {
            let channel = self.index.class(class).channel;
            if held.room & (1 << channel.0) != 0 && self.meets(agent, class) {
                look(class);
            }
        }
        for slot in held.only.iter(&self.contacts) {
            let contact = self.contacts.at(slot);
            if self.only_fits(contact, agent) {
                let queue = contact.entry.expect("only an entry waits").queue;
                consider((contact_rank(contact, self.registry.band(held.team, queue).unwrap_or(1)), slot));
            }
        }
        best.map(|(rank, slot)| (rank, self.contact_at(slot)))
    }

    pub(super) fn only_fits(&self, contact: &Contact, agent: AgentId) -> bool {
        let held = &self.agents[agent.0];
        let class = contact.entry.expect("only an entry waits").class;
        held.room & (1 << contact.channel.0) != 0 && self.qualifies(held, class) && self.may_match(contact, agent)
    }

    /// The agent who should take a waiting contact: longest idle of those eligible with room. Cost: those barred.
    /// `or` is one who may take it and perhaps is not in line yet.
    pub(in crate::engine) fn best_agent(&self, contact: ContactId, or: Option<AgentId>) -> Option<AgentId> {
        if !self.registry.plain {
            return self.choose_agent(contact);
        }
        let held = self.contacts.at(contact.slot());
        let entry = held.entry?;
        if let Some(only) = entry.only {
            return self.only_fits(held, only).then_some(only);
        }
        let found = self.longest_idle(entry.class, |agent| self.may_match(held, agent));
        found.into_iter().chain(or.map(|agent| self.line_rank(agent))).min().map(|rank| rank.agent)
    }

    /// The longest idle of those in line for a class who `fits`.
    pub(super) fn longest_idle(&self, class: ClassId, fits: impl Fn(AgentId) -> bool) -> Option<AgentRank> {
        match self.index.class(class).mixed {
            true => self.index.best_agent(class, |agent| fits(agent) && self.meets(agent, class)),
            false => self.index.best_agent(class, fits),
        }
    }

    /// The agents in line for a class: by idle time within one line, the lines one after the other.
    pub(super) fn in_line(&self, class: ClassId) -> impl Iterator<Item = AgentRank> + '_ {
        let held = self.index.class(class);
        let lines = held.lines.iter().flat_map(|&line| self.index.pools.line(line));
        lines.filter(move |rank| !held.mixed || self.meets(rank.agent, class))
    }

    /// The agents in line for a class, longest idle first: for audits.
    pub(in crate::engine) fn idle_agents(&self, class: ClassId) -> Vec<AgentRank> {
        let mut all: Vec<_> = self.in_line(class).collect();
        all.sort_unstable();
        all
    }

    /// Whether an open offer is still allowed: the agent may serve the entry.
    pub(in crate::engine) fn offer_allowed(&self, leg: LegId) -> bool {
        let held = self.leg(leg);
        if held.state != LegState::Offered {
            return true;
        }
        let Some(entry) = self.contact(held.contact).entry else { return true };
        self.may_serve(&entry, held.agent)
    }

    /// Whether an agent is eligible for an open entry, room and everything else that changes by the hour left aside.
    pub(in crate::engine) fn may_serve(&self, entry: &Entry, agent: AgentId) -> bool {
        match entry.only {
            Some(only) => only == agent && self.qualifies(self.agent(agent), entry.class),
            None => self.meets(agent, entry.class),
        }
    }
}

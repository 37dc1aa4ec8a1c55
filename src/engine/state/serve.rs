//! Who may be matched with whom: classes and the agents enrolled in them, lines stood in, contacts waiting.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::State;
use crate::engine::agent::Agent;
use crate::engine::contact::{Contact, LegState};
use crate::engine::id::{AgentId, ChannelId, ClassId, ContactId, LegId, QueueId, SkillId};
use crate::engine::matcher::contact_rank;
use crate::engine::rank::ContactRank;
use crate::engine::requirement::Requirement;
use crate::engine::time::Time;

impl State {
    // ---- classes

    /// The class of an entry, made when it was never seen: then one pass over the agents who have its rarest skill, or
    /// over all when it asks for none.
    pub(super) fn intern_class(
        &mut self,
        queue: QueueId,
        channel: ChannelId,
        requirement: Option<&Arc<Requirement>>,
    ) -> ClassId {
        if let Some(known) = self.index.find(queue, channel, requirement.map(|asked| &**asked)) {
            return known;
        }
        let class = self.index.add(queue, channel, requirement.cloned());
        self.compile_class(class);
        for agent in self.candidates(class) {
            if self.agents[agent.0].serves.last().is_none_or(|last| last.class < class) && self.meets(agent, class) {
                let serves = self.index.enrol(agent, class);
                self.agents[agent.0].serves.push(serves);
                let held = &self.agents[agent.0];
                self.index.stand(serves, held.in_line & (1 << channel.0) != 0);
            }
        }
        class
    }

    /// Splits what queue and contact ask for by the policy in force.
    fn compile_class(&mut self, class: ClassId) {
        let (mut levels, mut rest, mut named) = (Vec::new(), Vec::new(), Vec::new());
        let held = self.index.class(class);
        let queue = self.registry.queues[held.queue.index()].rules.require.as_ref();
        for requirement in queue.into_iter().chain(&held.requirement) {
            self.registry.split(requirement, &mut levels, &mut rest);
            requirement.expr.each_skill(&mut |skill| named.extend(self.registry.skills.find(skill).map(SkillId)));
        }
        named.sort_unstable();
        named.dedup();
        let held = self.index.class_mut(class);
        held.levels = levels;
        held.rest = rest;
        held.named = named;
    }

    /// Agents who may meet a class, a superset in slot order.
    fn candidates(&self, class: ClassId) -> Vec<AgentId> {
        let asked = self.index.class(class).levels.iter();
        let rarest = asked.filter_map(|(skill, _)| self.skilled.get(skill.index())).min_by_key(|agents| agents.len());
        let mut agents = match rarest {
            Some(agents) => agents.clone(),
            None => (0..self.agents.len()).map(AgentId).collect(),
        };
        agents.sort_unstable();
        agents.dedup();
        agents
    }

    /// Whether an agent may serve a class: his team lists the queue and he meets what is asked.
    pub(in crate::engine) fn meets(&self, agent: AgentId, class: ClassId) -> bool {
        let held = &self.agents[agent.0];
        self.registry.band(held.team, self.index.class(class).queue).is_some() && self.qualifies(held, class)
    }

    /// Whether he meets what is asked, his team's list left aside.
    pub(in crate::engine) fn qualifies(&self, agent: &Agent, class: ClassId) -> bool {
        let class = self.index.class(class);
        if agent.deleted {
            return false;
        }
        let has = |(skill, level): &(_, u8)| {
            agent.levels.binary_search_by_key(skill, |held| held.0).is_ok_and(|at| agent.levels[at].1 >= *level)
        };
        class.levels.iter().all(has) && class.rest.iter().all(|requirement| requirement.expr.met_by(&*agent.profile))
    }

    /// Re-enrols one agent in every class he may serve: after he changed.
    pub(super) fn enrol_agent(&mut self, agent: AgentId) {
        self.leave_lines(agent);
        for serves in core::mem::take(&mut self.agents[agent.0].serves) {
            self.index.dismiss(serves);
        }
        for class in (0..self.index.len() as u32).map(ClassId) {
            if self.meets(agent, class) {
                let serves = self.index.enrol(agent, class);
                self.agents[agent.0].serves.push(serves);
            }
        }
        self.refresh_agent(agent);
    }

    /// Compiles every class anew and re-enrols every agent: after a policy came into force.
    pub(super) fn enrol_all(&mut self) {
        for class in (0..self.index.len() as u32).map(ClassId) {
            self.compile_class(class);
        }
        for agent in (0..self.agents.len()).map(AgentId) {
            let profile = self.agents[agent.0].profile.clone();
            self.compile_agent(agent, &profile);
            self.enrol_agent(agent);
            self.touch(agent);
        }
    }

    // ---- lines of agents

    /// The channels an agent could take one more contact of just now, a bit each.
    fn open_channels(&self, agent: &Agent) -> u16 {
        if !agent.takes_offers() {
            return 0;
        }
        let channels = self.registry.channels.iter().enumerate();
        channels.fold(0, |open, (at, channel)| {
            open | u16::from(agent.has_room(ChannelId(at as u32), channel.cost, channel.max)) << at
        })
    }

    /// Puts an agent in line wherever he now has room, takes him out wherever he has not, and puts him on the agenda
    /// when he gained room. Touches his classes only when something changed.
    pub(super) fn refresh_agent(&mut self, agent: AgentId) {
        let open = self.open_channels(&self.agents[agent.0]);
        self.stand_in(agent, open);
    }

    /// Moves his idle clock: he leaves every line first, since the clock orders him.
    pub(super) fn set_idle(&mut self, agent: AgentId) {
        self.leave_lines(agent);
        self.agents[agent.0].idle_since = Some(self.now);
        self.index.set_idle(agent, self.now);
    }

    fn leave_lines(&mut self, agent: AgentId) {
        self.stand_in(agent, 0);
    }

    fn stand_in(&mut self, agent: AgentId, open: u16) {
        let held = &mut self.agents[agent.0];
        let changed = held.in_line ^ open;
        if changed != 0 {
            for &serves in &held.serves {
                let bit = 1 << self.index.channel(serves.class).0;
                if changed & bit != 0 {
                    self.index.stand(serves, open & bit != 0);
                }
            }
            held.in_line = open;
        }
        // Being back in line after leaving it counts as room gained, also for an agent with no class at all: a contact
        // may be open to him alone.
        if changed & open != 0 && !held.hungry {
            held.hungry = true;
            self.agenda.agents.push(agent);
            self.agenda.sorted = false;
        }
    }

    /// Puts an agent on the list of those whose routing word or waiting presence may change.
    pub(super) fn touch(&mut self, agent: AgentId) {
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
        if self.queued.len() <= entry.queue.index() {
            self.queued.resize(entry.queue.index() + 1, 0);
        }
        self.queued[entry.queue.index()] += 1;
        self.agenda.contacts.push(contact);
        self.agenda.sorted = false;
        // A deadline that passed while an offer was open is applied before the contact is matched again.
        self.check_if_due(contact);
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
        match entry.only {
            Some(agent) => self.agents[agent.0].only.remove(&mut self.contacts, contact.slot()),
            None => self.index.unwait(&mut self.contacts, entry.class, contact.slot()),
        }
        self.queued[entry.queue.index()] -= 1;
    }

    // ---- the search

    /// Whether a pair may be matched now, room aside.
    pub(super) fn may_match(&self, contact: &Contact, agent: AgentId) -> bool {
        contact.bars.is_none() || !self.barred(contact, agent)
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
        for serves in &held.serves {
            let open = held.in_line & (1 << self.index.channel(serves.class).0) != 0;
            if !open || !self.index.is_waited(serves.class) {
                continue;
            }
            let queue = self.index.class(serves.class).queue;
            let band = self.registry.band(held.team, queue).expect("an agent is enrolled by his team's list");
            let fits = |slot: u32| self.may_match(self.contacts.at(slot), agent);
            if let Some(found) = self.index.best_contact(&self.contacts, serves.class, band, fits) {
                consider(found);
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
        held.in_line & (1 << contact.channel.0) != 0 && self.qualifies(held, class) && self.may_match(contact, agent)
    }

    /// The agent who should take a waiting contact: longest idle of those eligible with room. Cost: those barred.
    pub(in crate::engine) fn best_agent(&self, contact: ContactId) -> Option<AgentId> {
        if !self.registry.plain {
            return self.choose_agent(contact);
        }
        let held = self.contacts.at(contact.slot());
        let entry = held.entry?;
        match entry.only {
            Some(agent) => self.only_fits(held, agent).then_some(agent),
            None => self.index.best_agent(entry.class, |agent| self.may_match(held, agent)),
        }
    }

    /// Whether an open offer is still allowed: the agent may serve the entry.
    pub(in crate::engine) fn offer_allowed(&self, leg: LegId) -> bool {
        let held = self.leg(leg);
        if held.state != LegState::Offered {
            return true;
        }
        let Some(entry) = self.contact(held.contact).entry else { return true };
        match entry.only {
            Some(agent) => agent == held.agent && self.qualifies(self.agent(agent), entry.class),
            None => self.meets(held.agent, entry.class),
        }
    }
}

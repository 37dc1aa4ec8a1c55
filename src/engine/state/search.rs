//! Whose turn it is and who takes it, where rules say more than the lines of the matcher do: aging, a team's contact
//! order, delays, reservation, and every selection but the default.
//!
//! A pair may be matched when the contact waits, the agent stands in line for its requirement class, the pair is not
//! barred, the team's delay is over and the agent is not kept back. Read `rank` for the keys, `serve` for the lines.

use alloc::vec::Vec;

use super::State;
use super::registry::ReserveRules;
use crate::engine::contact::{Contact, Entry};
use crate::engine::id::{AgentId, ChannelId, ClassId, ContactId, QueueId, SkillId, TeamId};
use crate::engine::policy::{ContactOrder, IdleClock, Queue, Selection};
use crate::engine::rank::{AgentRank, Aging, ContactRank, POINT, draw};
use crate::engine::time::{Span, Time};

/// Whether the order in which agents stand in line is the one in which a queue selects them.
pub(super) fn by_line(rules: &Queue) -> bool {
    rules.selection == Selection::LongestIdle && rules.idle_clock == IdleClock::Any
}

/// The best contact of one class or restriction for an agent.
struct Head {
    queue: QueueId,
    rank: ContactRank,
    slot: u32,
}

impl State {
    // ---- who may

    /// Whether a contact has waited long enough for a team.
    pub(in crate::engine) fn delay_over(&self, entry: &Entry, team: Option<TeamId>) -> bool {
        let delay = self.registry.more(team, entry.queue).delay;
        delay.is_zero() || entry.reached >= delay
    }

    /// The reserve that keeps a team's agents back from a queue, if there is one.
    pub(super) fn reserve(&self, queue: QueueId, team: Option<TeamId>) -> Option<ReserveRules> {
        let reserves = &self.registry.queues[queue.index()].reserves;
        reserves.iter().find(|reserve| Some(reserve.team) == team).copied()
    }

    /// Whether more than `keep` agents of a team stand in line for a class. Cost: those in line before that is known.
    fn more_idle_than(&self, class: ClassId, team: TeamId, keep: u32) -> bool {
        let of_team = |rank: &AgentRank| self.agents[rank.agent.0].team == Some(team);
        self.in_line(class).filter(of_team).nth(keep as usize).is_some()
    }

    /// Whether a contact may take an agent of a team although some are kept back: enough are idle, or it has waited
    /// long enough.
    pub(in crate::engine) fn lent(&self, entry: &Entry, team: Option<TeamId>) -> bool {
        let Some(reserve) = self.reserve(entry.queue, team) else { return true };
        reserve.release_after.is_some_and(|after| entry.reached >= after)
            || self.lends(&reserve) && self.more_idle_than(entry.class, reserve.team, reserve.keep_idle)
    }

    /// Puts everyone who gained room in line at once: rules look at all who are idle. By the default rules whoever frees
    /// is looked at before he stands, and with contacts waiting never does.
    pub(in crate::engine) fn line_up_agents(&mut self) {
        for at in 0..self.agenda.agents.len() {
            let agent = self.agenda.agents[at];
            self.stand(agent, self.agents[agent.0].room);
        }
    }

    // ---- whose turn

    /// The contact an agent with room should take, by his team's order.
    pub(super) fn choose_contact(&self, now: Time, agent: AgentId) -> Option<(ContactRank, ContactId)> {
        let order = self.registry.contact_order(self.agents[agent.0].team);
        let mut heads = self.heads(now, agent);
        if order != ContactOrder::Priority {
            // The best of each queue first, whatever its requirement; then the queues among themselves.
            heads.sort_unstable_by_key(|head| (head.queue, head.rank));
            heads.dedup_by_key(|head| head.queue);
            for head in heads.iter_mut().filter(|head| !head.rank.overdue.0) {
                head.rank.lead = self.lead(now, order, self.agents[agent.0].team, head);
            }
        }
        let best = heads.iter().min_by_key(|head| head.rank)?;
        Some((best.rank, self.contact_at(best.slot)))
    }

    /// The best contact an agent may take of every class he serves, and those open to him alone.
    fn heads(&self, now: Time, agent: AgentId) -> Vec<Head> {
        let held = &self.agents[agent.0];
        let mut heads = Vec::new();
        for class in self.classes_of(agent).filter(|&class| self.index.is_waited(class)) {
            let queue = self.index.class(class).queue;
            let band = self.registry.band(held.team, queue).expect("an agent is enrolled by his team's list");
            let kept_back = self
                .reserve(queue, held.team)
                .filter(|it| !self.lends(it) || !self.more_idle_than(class, it.team, it.keep_idle));
            let fits = |slot: u32| {
                let contact = self.contacts.at(slot);
                let entry = contact.entry.as_ref().expect("only an entry waits");
                let let_go = |reserve: ReserveRules| reserve.release_after.is_some_and(|after| entry.reached >= after);
                self.may_match(contact, agent) && self.delay_over(entry, held.team) && kept_back.is_none_or(let_go)
            };
            let rank = self.ranks(now, queue, band);
            if let Some((rank, slot)) = self.index.best_aged(&self.contacts, class, rank, fits) {
                heads.push(Head { queue, rank, slot });
            }
        }
        for (contact, it, entry) in self.short().filter(|(_, it, entry)| self.short_fits(it, entry, agent)) {
            let band = self.registry.band(held.team, entry.queue).expect("he serves its queue");
            heads.push(Head { queue: entry.queue, rank: self.ranks(now, entry.queue, band)(it), slot: contact.slot() });
        }
        for slot in held.only.iter(&self.contacts).filter(|&slot| self.only_fits(self.contacts.at(slot), agent)) {
            let contact = self.contacts.at(slot);
            let queue = contact.entry.expect("only an entry waits").queue;
            let band = self.registry.band(held.team, queue).unwrap_or(1);
            heads.push(Head { queue, rank: self.ranks(now, queue, band)(contact), slot });
        }
        heads
    }

    /// Whether an agent with room may be offered a contact that others are offered already.
    fn short_fits(&self, contact: &Contact, entry: &Entry, agent: AgentId) -> bool {
        let held = &self.agents[agent.0];
        held.room & (1 << contact.channel.0) != 0
            && self.meets(agent, entry.class)
            && self.may_match(contact, agent)
            && self.delay_over(entry, held.team)
            && self.lent(entry, held.team)
    }

    /// The classes an agent may serve and has room for, each once.
    fn classes_of(&self, agent: AgentId) -> impl Iterator<Item = ClassId> + '_ {
        let held = &self.agents[agent.0];
        let open = |channel: ChannelId| held.room & (1 << channel.0) != 0;
        let filled = held.places().filter(move |&place| open(self.index.pools.channel(place)));
        let unfilled = self.index.pools.unfilled();
        filled
            .flat_map(|place| self.index.pools.classes(place).iter().copied())
            .chain(unfilled.filter(move |&class| open(self.index.class(class).channel) && self.meets(agent, class)))
    }

    /// How contacts of a queue rank in a membership band.
    pub(in crate::engine) fn ranks(&self, now: Time, queue: QueueId, band: u8) -> impl Fn(&Contact) -> ContactRank {
        let aging = Aging::of(self.queue(queue));
        move |held| aging.rank(now, band, i16::from(held.priority), held.adjusted_arrival, held.serial)
    }

    /// What a team's order says of a queue with this head, lower first.
    fn lead(&self, now: Time, order: ContactOrder, team: Option<TeamId>, head: &Head) -> i64 {
        let rules = self.queue(head.queue);
        let threshold = rules.service_level.threshold.0.max(1);
        let whole = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
        match order {
            ContactOrder::Priority => 0,
            ContactOrder::ServiceLevelUrgency => whole(i128::from(head.rank.arrival.0) + i128::from(threshold)),
            ContactOrder::CmuTheta => {
                let patience = rules.expected_patience.unwrap_or(Span::from_secs(1)).0;
                let served = rules.expected_handle.0.max(1);
                -whole(i128::from(rules.waiting_cost) * i128::from(patience) / i128::from(served))
            }
            ContactOrder::QueueRatioCount => {
                let all = i64::from(self.queued_in_band(team, head.rank.band));
                let share = i64::from(self.registry.more(team, head.queue).ratio_ppm);
                share * all - i64::from(self.queued(head.queue)) * POINT
            }
            ContactOrder::QueueRatioDelay => {
                let age = i128::from(now.since(head.rank.arrival).0);
                -whole(age * i128::from(POINT) / i128::from(threshold))
            }
        }
    }

    /// Entries in line of a queue.
    #[must_use]
    pub fn queued(&self, queue: QueueId) -> u32 {
        self.queued.get(queue.index()).copied().unwrap_or(0)
    }

    /// Entries in line of the queues a team serves in one band.
    fn queued_in_band(&self, team: Option<TeamId>, band: u8) -> u32 {
        let queues = (0..self.queued.len() as u32).map(QueueId);
        queues.filter(|&queue| self.registry.band(team, queue) == Some(band)).map(|queue| self.queued(queue)).sum()
    }

    // ---- who takes it

    /// The agent who should take a waiting contact, by its queue's selection.
    pub(super) fn choose_agent(&self, contact: ContactId) -> Option<AgentId> {
        let held = self.contacts.at(contact.slot());
        let entry = held.entry?;
        if let Some(only) = entry.only {
            return self.only_fits(held, only).then_some(only);
        }
        let rules = self.queue(entry.queue);
        // Whether a team lends is asked once for each that is kept back.
        let reserves = self.registry.queues[entry.queue.index()].reserves.iter().map(|reserve| Some(reserve.team));
        let kept: Vec<Option<TeamId>> = reserves.filter(|&team| !self.lent(&entry, team)).collect();
        let fits = |agent: AgentId| {
            let team = self.agents[agent.0].team;
            self.may_match(held, agent) && self.delay_over(&entry, team) && !kept.contains(&team)
        };
        let interrupts = self.registry.interrupts[held.channel.index()] != 0;
        if by_line(rules) && entry.step == 0 && !interrupts {
            return self.longest_idle(entry.class, fits).map(|rank| rank.agent);
        }
        let ranks = self.in_line(entry.class).filter(|rank| fits(rank.agent));
        let ranks = ranks.map(|rank| (self.step_met(held, rank.agent), self.rank_agent(held, rules, rank)));
        ranks.min().map(|(_, rank)| rank.agent)
    }

    /// How an agent who stands in line ranks for a contact of a queue.
    pub(in crate::engine) fn rank_agent(&self, contact: &Contact, rules: &Queue, line: AgentRank) -> AgentRank {
        let held = &self.agents[line.agent.0];
        let clock = match rules.idle_clock {
            IdleClock::Any => None,
            IdleClock::Inbound => held.inbound_since,
            IdleClock::Available => held.available_since,
        };
        AgentRank {
            interrupts: self.registry.interrupts[contact.channel.index()] != 0
                && !self.has_free_room(held, contact.channel),
            key: self.agent_key(contact, rules, line.agent),
            clock: clock.unwrap_or_default(),
            ..line
        }
    }

    /// What a queue's selection measures of an agent for a contact, lower first.
    fn agent_key(&self, contact: &Contact, rules: &Queue, agent: AgentId) -> i64 {
        let Some(entry) = &contact.entry else { return 0 };
        let held = &self.agents[agent.0];
        match rules.selection {
            Selection::LongestIdle => 0,
            Selection::LeastOccupied => i64::from(self.occupancy_ppm(agent)),
            Selection::BestScore => {
                let score =
                    rules.score.as_ref().map_or(0, |score| score.of(&held.profile, &contact.profile.attributes));
                score.saturating_neg()
            }
            Selection::Ranked => i64::from(self.registry.more(held.team, entry.queue).rank),
            Selection::LeastLoaded => i64::from(held.used) * POINT / i64::from(held.capacity.max(1)),
            Selection::BestSkilled => {
                let named = &self.index.class(entry.class).named;
                let levels = held.levels.iter().filter(|held| named.binary_search(&held.skill()).is_ok());
                -levels.map(|held| i64::from(held.level())).sum::<i64>()
            }
            Selection::LeastSkilled => {
                let named = &self.index.class(entry.class).named;
                let others = held.levels.iter().filter(|held| named.binary_search(&held.skill()).is_err());
                others.map(|held| POINT / i64::from(self.on_duty(held.skill()).max(1))).sum()
            }
            Selection::FewestContacts => i64::from(held.contacts),
            Selection::RoundRobin => i64::from(agent.0.wrapping_sub(self.next_turn(entry.queue))),
            Selection::Ordered => held.listed.map_or(i64::MAX - i64::from(u32::MAX - agent.0), i64::from),
            Selection::Random => draw(contact.serial, contact.legs, agent),
        }
    }

    /// Agents signed in who have a skill.
    fn on_duty(&self, skill: SkillId) -> u32 {
        self.on_duty.get(skill.index()).copied().unwrap_or(0)
    }

    /// Whose turn it is in a queue, by order of first sight.
    fn next_turn(&self, queue: QueueId) -> u32 {
        self.turns.get(queue.index()).map_or(0, |last| last.0.wrapping_add(1))
    }

    /// Notes who was offered a contact of a queue.
    pub(super) fn take_turn(&mut self, queue: QueueId, agent: AgentId) {
        if self.turns.len() <= queue.index() {
            self.turns.resize(queue.index() + 1, AgentId(u32::MAX));
        }
        self.turns[queue.index()] = agent;
    }

    /// Whether nobody of a team that serves a queue is signed in. O(teams).
    pub(in crate::engine) fn nobody_signed_in(&self, queue: QueueId) -> bool {
        let on_duty = |team: TeamId| self.team_on_duty.get(team.index()).copied().unwrap_or(0);
        !self.registry.teams_of(queue).any(|team| on_duty(team) > 0)
    }

    /// Counts an agent's skills and team as on duty, or no longer: around every change of his presence or of either.
    pub(super) fn count_duty(&mut self, agent: AgentId, on: bool) {
        self.count_ready(agent, on);
        let held = &self.agents[agent.0];
        if !held.signed_in() {
            return;
        }
        let count = |counts: &mut Vec<u32>, at: usize| {
            if counts.len() <= at {
                counts.resize(at + 1, 0);
            }
            counts[at] = if on { counts[at] + 1 } else { counts[at] - 1 };
        };
        if let Some(team) = held.team {
            count(&mut self.team_on_duty, team.index());
        }
        for skill in held.levels.iter().map(|held| held.skill()) {
            count(&mut self.on_duty, skill.index());
        }
    }

    /// A contact that somebody may take although this agent, who has just gained room, may not: with him one more of his
    /// team is idle. Only where his team is kept back and a contact is barred for him. Cost: the contacts of his classes
    /// that are kept back.
    pub(in crate::engine) fn unblocked(&self, agent: AgentId) -> Option<ContactId> {
        let held = &self.agents[agent.0];
        if self.registry.plain {
            return None;
        }
        let kept = self.classes_of(agent).filter(|&class| {
            self.index.is_waited(class) && self.reserve(self.index.class(class).queue, held.team).is_some()
        });
        let waiting = kept.flat_map(|class| self.index.class(class).waiting.iter(&self.contacts));
        let barred = waiting.filter(|&slot| !self.may_match(self.contacts.at(slot), agent));
        let kept_back = |contact: &Contact, entry: &Entry| {
            self.reserve(entry.queue, held.team).is_some() && !self.may_match(contact, agent)
        };
        let short = self.short().filter(|(_, it, entry)| kept_back(it, entry)).map(|(contact, ..)| contact);
        let mut blocked = barred.map(|slot| self.contact_at(slot)).chain(short);
        blocked.find(|&contact| self.choose_agent(contact).is_some())
    }
}

//! Whose turn it is and who takes it: the firsts of contacts and agents, by looking at everyone.

use std::cmp::Reverse;

use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::id::{AgentId, ContactId, QueueId, Text};
use usher::engine::policy::{ContactOrder, IdleClock, Queue, Selection};
use usher::engine::rank::draw;
use usher::engine::requirement::{Attributes, Value};
use usher::engine::score::{Operation, ScoreExpr};
use usher::engine::time::{Span, Time};

use super::matching::stands;
use super::{Contact, Model};

/// How a contact ranks inside its queue: past `max_wait_first`, effective priority, adjusted arrival, creation.
type InQueue = (Reverse<bool>, Reverse<i64>, Time, u64);

fn in_queue(now: Time, rules: &Queue, contact: &Contact) -> InQueue {
    let age = i128::from(now.0 - contact.arrival.0);
    let overdue = rules.max_wait_first.is_some_and(|first| age >= i128::from(first.0));
    let aged = (i128::from(rules.aging) * age / 60_000_000) as i64;
    let aged = aged.min(rules.aging_cap.unwrap_or(i64::MAX));
    let effective = if overdue { 0 } else { i64::from(contact.priority) * 1_000_000 + aged };
    (Reverse(overdue), Reverse(effective), contact.arrival, contact.serial)
}

/// What a score comes to: a whole number or a text; 0 for what is not there.
fn reckon(score: &ScoreExpr, agent: &AgentProfile, contact: &Attributes) -> Value {
    let of = |attributes: &Attributes, name: &Text| {
        let held = attributes.iter().find(|held| held.0 == *name).map(|held| held.1.clone());
        match held {
            Some(Value::Bool(truth)) => Value::Int(i64::from(truth)),
            Some(Value::Decimal(millionths)) => Value::Int(millionths / 1_000_000),
            Some(held) => held,
            None => Value::List(Vec::new()),
        }
    };
    match score {
        ScoreExpr::Number(number) => Value::Int(*number),
        ScoreExpr::Literal(text) => Value::Str(text.clone()),
        ScoreExpr::Skill(skill) => {
            let held = agent.skills.iter().find(|held| held.0 == *skill);
            Value::Int(held.map_or(0, |held| i64::from(held.1)))
        }
        ScoreExpr::Agent(name) => of(&agent.attributes, name),
        ScoreExpr::Contact(name) => of(contact, name),
        ScoreExpr::Both(parts) => {
            let (left, right) = (reckon(&parts.0, agent, contact), reckon(&parts.2, agent, contact));
            let (one, other) = (number(&left), number(&right));
            let whole = match parts.1 {
                Operation::Add => one + other,
                Operation::Subtract => one - other,
                Operation::Multiply => one * other,
                Operation::Compare(sign) => match (&left, &right) {
                    (Value::Int(one), Value::Int(other)) => i128::from(stands(sign, one.cmp(other))),
                    (Value::Str(one), Value::Str(other)) => i128::from(stands(sign, one.cmp(other))),
                    _ => 0,
                },
            };
            Value::Int(whole.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
        }
    }
}

fn number(value: &Value) -> i128 {
    match value {
        Value::Int(number) => (*number).into(),
        _ => 0,
    }
}

impl super::Agent {
    /// The share of his time since the oldest of twelve parts of a window began which he worked, in parts per million.
    pub fn share(&self, now: Time, window: Span) -> (u64, u64) {
        let part = window.0 / 12;
        let begin = (now.0 / part).saturating_sub(11) * part;
        let (mut worked, mut idle) = (0, 0);
        let ends = self.did.iter().skip(1).map(|did| did.0.0).chain([now.0]);
        for (did, end) in self.did.iter().zip(ends) {
            let spent = end.saturating_sub(did.0.0.max(begin));
            match did.1 {
                Some(true) => worked += spent,
                Some(false) => idle += spent,
                None => {}
            }
        }
        (worked, idle)
    }

    fn occupancy(&self, now: Time, window: Span) -> i128 {
        let (worked, idle) = self.share(now, window);
        if worked == 0 { 0 } else { i128::from(worked) * 1_000_000 / i128::from(worked + idle) }
    }
}

impl Model {
    fn queue_of(&self, contact: &Contact) -> QueueId {
        contact.entry.as_ref().expect("only what waits is ranked").queue
    }

    /// The contact an agent should take: the best of each of his queues, and of those the first by his team's order.
    pub fn first_contact(&self, now: Time, agent: AgentId) -> Option<ContactId> {
        let order = self.team(agent).map_or(ContactOrder::Priority, |team| team.contact_order);
        let could: Vec<_> = self.contacts.iter().filter(|(_, held)| self.could(agent, held)).collect();
        let rank = |contact: &Contact| in_queue(now, &self.queues[self.queue_of(contact).index()], contact);
        let best_of_queue = |contact: &Contact| {
            let same = |other: &Contact| self.queue_of(other) == self.queue_of(contact);
            could.iter().all(|(_, other)| !same(other) || rank(contact) <= rank(other))
        };
        let heads = could.iter().filter(|(_, held)| order == ContactOrder::Priority || best_of_queue(held));
        let first = heads.min_by_key(|(_, held)| {
            let queue = self.queue_of(held);
            let band = self.band(agent, queue).unwrap_or(1);
            let (overdue, priority, arrival, serial) = rank(held);
            let lead = if overdue.0 { 0 } else { self.lead(now, order, agent, band, held) };
            (band, overdue, lead, priority, arrival, serial)
        });
        first.map(|(id, _)| **id)
    }

    /// What a team's order says of a queue with this head, least first.
    fn lead(&self, now: Time, order: ContactOrder, agent: AgentId, band: u8, head: &Contact) -> i128 {
        let queue = self.queue_of(head);
        let rules = &self.queues[queue.index()];
        let threshold = i128::from(rules.service_level.threshold.0.max(1));
        match order {
            ContactOrder::Priority => 0,
            ContactOrder::ServiceLevelUrgency => i128::from(head.arrival.0) + threshold,
            ContactOrder::CmuTheta => {
                let patience = rules.expected_patience.map_or(1_000_000, |patience| patience.0);
                -(i128::from(rules.waiting_cost) * i128::from(patience) / i128::from(rules.expected_handle.0))
            }
            ContactOrder::QueueRatioCount => {
                let all = (0..self.queues.len() as u32).map(QueueId).filter(|&at| self.band(agent, at) == Some(band));
                let all: usize = all.map(|at| self.in_line(at)).sum();
                let ratio = self.membership(agent, queue).map_or(0, |line| line.ratio_ppm);
                i128::from(ratio) * all as i128 - self.in_line(queue) as i128 * 1_000_000
            }
            ContactOrder::QueueRatioDelay => -(i128::from(now.0 - head.arrival.0) * 1_000_000 / threshold),
        }
    }

    /// QUEUED entries of a queue.
    pub fn in_line(&self, queue: QueueId) -> usize {
        let waits = |contact: &&Contact| {
            let entry = contact.entry.as_ref();
            entry.is_some_and(|at| at.queue == queue && at.leg.is_none() && at.parked_at.is_none())
        };
        self.contacts.values().filter(waits).count()
    }

    /// The agent who should take a contact, by its queue's selection.
    pub fn first_agent(&self, id: ContactId) -> Option<AgentId> {
        let contact = &self.contacts[&id];
        let rules = &self.queues[self.queue_of(contact).index()];
        let could = self.agents.keys().copied().filter(|&agent| self.could(agent, contact));
        could.min_by_key(|&agent| {
            let held = &self.agents[&agent];
            let clock = match rules.idle_clock {
                IdleClock::Any => held.idle_since,
                IdleClock::Inbound => held.inbound_since,
                IdleClock::Available => held.available_since,
            };
            let interrupts = !self.fits_as_is(agent, &contact.channel);
            let key = self.key(rules, contact, agent);
            (self.tier_met(agent, contact), interrupts, key, clock, held.idle_since, agent)
        })
    }

    fn key(&self, rules: &Queue, contact: &Contact, agent: AgentId) -> i128 {
        let held = &self.agents[&agent];
        let queue = self.queue_of(contact);
        match rules.selection {
            Selection::LongestIdle => 0,
            Selection::LeastOccupied => held.occupancy(self.now, self.policy.rules.occupancy_window),
            Selection::BestScore => {
                let score = &rules.score.as_ref().expect("a queue that goes by a score has one").expr;
                -number(&reckon(score, &held.profile, &contact.attributes))
            }
            Selection::Ranked => self.membership(agent, queue).map_or(1, |line| line.rank).into(),
            Selection::LeastLoaded => i128::from(self.used(agent)) * 1_000_000 / i128::from(held.profile.capacity),
            Selection::BestSkilled => {
                let named = self.skills_named(contact);
                let levels = held.profile.skills.iter().filter(|(skill, _)| named.contains(skill));
                -levels.map(|(_, level)| i128::from(*level)).sum::<i128>()
            }
            Selection::LeastSkilled => {
                let named = self.skills_named(contact);
                let others = held.profile.skills.iter().filter(|(skill, _)| !named.contains(skill));
                others.map(|(skill, _)| 1_000_000 / self.on_duty(skill) as i128).sum()
            }
            Selection::FewestContacts => held.connected.into(),
            Selection::RoundRobin => {
                // Those after the last come before those up to him.
                let last = self.turns.get(&queue).map_or(-1, |last| i128::from(last.0));
                let own = i128::from(agent.0);
                if own > last { own - last } else { own - last + (1 << 40) }
            }
            Selection::Ordered => {
                let at = self.policy.agents.iter().position(|known| known.agent_id == held.profile.agent_id);
                at.map_or((1 << 40) + i128::from(agent.0), |at| at as i128)
            }
            Selection::Random => draw(contact.serial, contact.legs.len() as u32, agent).into(),
        }
    }

    /// Agents signed in who have a skill.
    fn on_duty(&self, skill: &Text) -> usize {
        let has = |agent: &&super::Agent| {
            agent.presence != Presence::Offline && agent.profile.skills.iter().any(|(id, _)| id == skill)
        };
        self.agents.values().filter(has).count()
    }
}

//! Who may take what, and in which order: by looking at everyone.

use std::cmp::Reverse;

use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::id::{AgentId, ContactId, QueueId, Text};
use usher::engine::requirement::{Comparison, Expr, Value};
use usher::engine::time::Time;

use super::{Contact, Model, must};

/// Whether a profile meets a requirement.
fn meets(profile: &AgentProfile, expr: &Expr) -> bool {
    let attribute = |name: &Text| profile.attributes.iter().find(|held| held.0 == *name).map(|held| &held.1);
    match expr {
        Expr::All(parts) => !parts.iter().any(|part| !meets(profile, part)),
        Expr::Any(parts) => parts.iter().any(|part| meets(profile, part)),
        Expr::Not(part) => !meets(profile, part),
        Expr::Skill { skill, comparison, level } => {
            let held = profile.skills.iter().find(|held| held.0 == *skill).map_or(0, |held| held.1);
            stands(*comparison, held.cmp(level))
        }
        Expr::Attribute { name, comparison, value } => match (attribute(name), value) {
            (Some(Value::Str(held)), Value::Str(asked)) => stands(*comparison, held.cmp(asked)),
            (Some(Value::Int(held)), Value::Int(asked)) => stands(*comparison, held.cmp(asked)),
            _ => false,
        },
        Expr::In { name, values } => attribute(name).is_some_and(|held| values.contains(held)),
        Expr::Has { name, item } => match attribute(name) {
            Some(Value::List(items)) => items.contains(item),
            _ => false,
        },
        Expr::Agents(agents) => agents.contains(&profile.agent_id),
    }
}

fn stands(comparison: Comparison, order: std::cmp::Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
    }
}

/// How a contact ranks for an agent: membership band, priority, adjusted arrival, creation. Least is first.
type Rank = (u8, Reverse<i32>, Time, u64);

impl Model {
    /// The membership priority of a queue in an agent's team: its own line, or else that of `*`.
    fn band(&self, agent: AgentId, queue: QueueId) -> Option<u8> {
        let team = self.agents[&agent].profile.team.as_ref()?;
        let team = self.policy.teams.iter().find(|known| known.id == *team)?;
        let name = &self.queues[queue.index()].id;
        let own = team.queues.iter().find(|line| line.queue == *name);
        let any = team.queues.iter().find(|line| &*line.queue == "*");
        own.or(any).map(|line| line.priority)
    }

    /// Whether an agent is eligible for the open entry of a contact.
    pub fn eligible(&self, agent: AgentId, contact: &Contact) -> bool {
        let Some(entry) = &contact.entry else { return false };
        let listed = match entry.only {
            Some((only, _)) => only == agent,
            None => self.band(agent, entry.queue).is_some(),
        };
        let profile = &self.agents[&agent].profile;
        let asked = self.queues[entry.queue.index()].require.iter().chain(&contact.requirement);
        listed && asked.map(|asked| &asked.expr).all(|expr| meets(profile, expr))
    }

    /// Whether an agent gets new offers at all.
    pub fn takes_offers(&self, id: AgentId) -> bool {
        let agent = &self.agents[&id];
        agent.presence == Presence::Available
            && agent.next.is_none()
            && agent.session
            && agent.away.is_none()
            && !agent.removed
            && !agent.deleted
    }

    fn has_room(&self, id: AgentId, channel: &Text) -> bool {
        let rules = &self.channels[channel];
        let used: u32 = self.agent_legs(id).map(|leg| leg.cost).sum();
        let in_hand = self.agent_legs(id).filter(|leg| leg.channel == *channel).count();
        used + rules.cost <= self.agents[&id].profile.capacity && in_hand < rules.max as usize
    }

    /// Whether this pair could be matched now.
    pub fn could(&self, agent: AgentId, contact: &Contact) -> bool {
        let Some(entry) = &contact.entry else { return false };
        entry.parked_at.is_none()
            && entry.leg.is_none()
            && self.takes_offers(agent)
            && !entry.bars.iter().any(|bar| bar.1 == agent)
            && self.eligible(agent, contact)
            && self.has_room(agent, &contact.channel)
    }

    fn rank(&self, agent: AgentId, contact: &Contact) -> Rank {
        let queue = contact.entry.as_ref().expect("only what waits is ranked").queue;
        let band = self.band(agent, queue).unwrap_or(1);
        (band, Reverse(contact.priority), contact.arrival, contact.serial)
    }

    /// An offer is right when the pair may be matched, the contact is the agent's first and he is the contact's first.
    pub fn check_offer(&self, id: ContactId, agent: AgentId) -> Result<(), String> {
        let contact = &self.contacts[&id];
        must(self.could(agent, contact), || format!("{id:?} may not be offered to {agent:?}"))?;
        let own = self.rank(agent, contact);
        for (other, held) in self.contacts.iter().filter(|(_, held)| self.could(agent, held)) {
            must(own <= self.rank(agent, held), || format!("{agent:?} gets {id:?}, {other:?} comes first for him"))?;
        }
        let idle = |agent: AgentId| (self.agents[&agent].idle_since, agent);
        for &other in self.agents.keys().filter(|&&other| self.could(other, contact)) {
            must(idle(agent) <= idle(other), || format!("{id:?} goes to {agent:?}, {other:?} is idle for longer"))?;
        }
        Ok(())
    }

    /// QUEUED and PARKED entries of a queue.
    pub fn places(&self, queue: QueueId) -> usize {
        let waits = |contact: &&Contact| contact.entry.as_ref().is_some_and(|at| at.queue == queue && at.leg.is_none());
        self.contacts.values().filter(waits).count()
    }

    /// Whether more wait in a queue, or a group it is in, than there are places.
    fn overfull(&self, queue: QueueId) -> bool {
        let held = &self.queues[queue.index()];
        let named = |name: &Text| self.queues.iter().position(|known| known.id == *name).map(|at| QueueId(at as u32));
        let live = self.policy.queues.iter().any(|known| known.id == held.id);
        let groups = self.policy.queue_groups.iter().filter(|group| live && group.queues.contains(&held.id));
        held.limit.is_some_and(|limit| self.places(queue) > limit as usize)
            || groups.into_iter().any(|group| {
                let taken: usize = group.queues.iter().filter_map(named).map(|queue| self.places(queue)).sum();
                taken > group.limit as usize
            })
    }

    /// A refusal is right for who came in just now, when nobody could take him and there is no place.
    pub fn check_refusal(&self, id: ContactId) -> Result<(), String> {
        let contact = &self.contacts[&id];
        let queue = contact.entry.as_ref().ok_or("refused without an entry")?.queue;
        must(self.arrivals.contains(&id), || format!("{id:?} is refused, and did not come in just now"))?;
        let free = self.agents.keys().find(|&&agent| self.could(agent, contact));
        must(free.is_none(), || format!("{id:?} is refused while {free:?} could take it"))?;
        must(self.overfull(queue), || format!("{id:?} is refused by a queue with a place"))
    }

    /// Whoever came in and waits has a place.
    pub fn check_arrivals(&mut self) -> Result<(), String> {
        for id in std::mem::take(&mut self.arrivals) {
            let Some(entry) = self.contacts.get(&id).and_then(|contact| contact.entry.as_ref()) else { continue };
            let waits = entry.leg.is_none() && entry.parked_at.is_none();
            must(!waits || !self.overfull(entry.queue), || format!("{id:?} waits without a place"))?;
        }
        Ok(())
    }

    /// Nobody who could serve is left idle while someone he could serve waits.
    pub fn check_nothing_left(&self) -> Result<(), String> {
        for (id, contact) in &self.contacts {
            let free = self.agents.keys().find(|&&agent| self.could(agent, contact));
            must(free.is_none(), || format!("{id:?} waits while {free:?} could take it"))?;
        }
        Ok(())
    }
}

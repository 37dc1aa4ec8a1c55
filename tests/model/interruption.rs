//! Conversations that give way to others.

use usher::engine::contact::LegState;
use usher::engine::id::{AgentId, LegId, Text};

use super::{Leg, Model, Promise, must};

impl Model {
    fn interrupts(&self, channel: &Text, other: &Text) -> bool {
        let live = self.policy.channels.iter().find(|known| known.id == *channel);
        live.is_some_and(|known| known.interrupts.contains(other))
    }

    /// Whether a channel interrupts any: what is interrupted already is in its way no more.
    pub fn interrupts_any(&self, channel: &Text) -> bool {
        let live = self.policy.channels.iter().find(|known| known.id == *channel);
        live.is_some_and(|known| !known.interrupts.is_empty())
    }

    fn excluded(&self, one: &Text, other: &Text) -> bool {
        let names = |one: &Text, other: &Text| {
            let live = self.policy.channels.iter().find(|known| known.id == *one);
            live.is_some_and(|known| known.excludes.contains(other))
        };
        names(one, other) || names(other, one)
    }

    /// Whether a leg would give way to a contact of a channel.
    pub fn gives_way(&self, leg: &Leg, channel: &Text) -> bool {
        leg.state == LegState::Connected && self.interrupts(channel, &leg.channel)
    }

    /// Units an agent uses: those of legs that are not interrupted.
    pub fn used(&self, agent: AgentId) -> u32 {
        self.agent_legs(agent).filter(|leg| leg.interrupted.is_none()).map(|leg| leg.cost).sum()
    }

    /// A leg is accepted, or given: these must follow in the same batch.
    pub fn promise_interruptions(&mut self, accepted: LegId) {
        let (agent, channel) = (self.legs[&accepted].agent, self.legs[&accepted].channel.clone());
        let capacity = self.agents[&agent].profile.capacity;
        let mut ways: Vec<(LegId, &Leg)> = self
            .legs
            .iter()
            .filter(|(_, leg)| leg.agent == agent && self.gives_way(leg, &channel))
            .map(|(id, leg)| (*id, leg))
            .collect();
        ways.sort_by_key(|(id, leg)| std::cmp::Reverse((leg.connected, *id)));
        let (apart, mixed): (Vec<_>, Vec<_>) =
            ways.into_iter().partition(|(_, leg)| self.excluded(&channel, &leg.channel));
        let mut used = self.used(agent);
        let mut promised = Vec::new();
        for (id, leg) in apart {
            used -= leg.cost;
            promised.push(Promise::Interrupted(id, accepted));
        }
        for (id, leg) in mixed {
            if used > capacity {
                used -= leg.cost;
                promised.push(Promise::Interrupted(id, accepted));
            }
        }
        self.promises.extend(promised);
    }

    /// A leg goes on: by the gateway's word when it was on hold, by itself when nothing interrupts it any more.
    pub fn check_return(&self, leg: LegId, interrupted: bool) -> Result<(), String> {
        let by = self.legs.get(&leg).ok_or("no such leg")?.interrupted;
        must(by.is_some() == interrupted, || format!("{leg:?} goes on, interrupted by {by:?}"))?;
        must(by.is_none_or(|by| self.gone(by)), || format!("{leg:?} goes on while {by:?} lasts"))
    }

    fn gone(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_none_or(|leg| leg.state == LegState::Ended)
    }

    /// A leg has ended: what it interrupted waits for the newest of the agent's legs that interrupts it too and is
    /// never mixed with it, if any.
    pub fn hand_on(&mut self, agent: AgentId, ended: LegId) {
        let left: Vec<LegId> =
            self.legs.iter().filter(|(_, leg)| leg.interrupted == Some(ended)).map(|(id, _)| *id).collect();
        for leg in left {
            let channel = &self.legs[&leg].channel;
            let holds = |other: &Leg| {
                other.agent == agent
                    && other.interrupted.is_none()
                    && !matches!(other.state, LegState::Offered | LegState::Ended)
                    && self.interrupts(&other.channel, channel)
                    && self.excluded(&other.channel, channel)
            };
            let others = self.legs.iter().filter(|(_, other)| holds(other));
            let next = others.max_by_key(|(_, other)| other.number).map(|(id, _)| *id);
            if let Some(next) = next {
                self.legs.get_mut(&leg).expect("it was found").interrupted = Some(next);
            }
        }
    }

    /// After any batch: whatever is interrupted is on hold, and something interrupts it.
    pub fn check_interrupted(&self) -> Result<(), String> {
        let out = self.legs.iter().filter_map(|(id, leg)| Some((id, leg, leg.interrupted?)));
        for (id, leg, by) in out {
            must(leg.state == LegState::OnHold && !self.gone(by), || format!("{id:?} is interrupted by {by:?}, over"))?;
        }
        Ok(())
    }

    /// Before any new offer to an agent: nothing of his that may go on is still interrupted.
    pub fn check_none_returns(&self, agent: AgentId) -> Result<(), String> {
        let late = self.agent_legs(agent).any(|leg| leg.interrupted.is_some_and(|by| self.gone(by)));
        must(!late, || format!("{agent:?} is offered a contact before what was interrupted goes on"))
    }
}

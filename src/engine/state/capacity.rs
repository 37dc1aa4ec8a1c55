//! What an agent has room for beside what he holds, and when he rests from offers.
//!
//! Room: units in total, contacts per channel, channels that are never mixed, and what is left in pools (`pools.rs`); a
//! channel may interrupt conversations of others, which then keep a claim to the units they left. Rest: his occupancy of
//! late is above his team's bound, or he was offered as many contacts as its rate allows. Rest begins and ends by events,
//! so that eligibility never changes by the clock alone; the end has a deadline of its own.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{Due, State};
use crate::engine::agent::{Agent, Rest};
use crate::engine::contact::{Leg, LegState, NONE};
use crate::engine::id::{AgentId, ChannelId, ContactId, LegId};
use crate::engine::occupancy::{Doing, Occupancy};
use crate::engine::time::{Span, Time};

impl State {
    /// Whether an agent has room for one more contact of a channel, those it may interrupt given way to it. Cost: his
    /// channels, where some are never mixed; his legs, where the channel interrupts others.
    pub(in crate::engine) fn has_room(&self, agent: &Agent, channel: ChannelId) -> bool {
        self.has_room_for(agent, channel, self.channel(channel).cost, 0)
    }

    /// The same for a contact of which `open` offers are open to him, so that it takes but `cost` units more.
    pub(in crate::engine) fn has_room_for(&self, agent: &Agent, channel: ChannelId, cost: u32, open: u32) -> bool {
        if self.capped(agent, channel, open) {
            return false;
        }
        let max = self.channel(channel).max + open;
        let free = agent.has_room(channel, cost, max) && self.mixes(agent, channel);
        free || self.can_interrupt(agent, channel, cost, max)
    }

    /// Whether he has room without interrupting anything.
    pub(super) fn has_free_room(&self, agent: &Agent, channel: ChannelId) -> bool {
        let rules = self.channel(channel);
        agent.has_room(channel, rules.cost, rules.max) && self.mixes(agent, channel)
    }

    /// Whether an agent holds no contact of a channel that is never mixed with this one.
    pub(in crate::engine) fn mixes(&self, agent: &Agent, channel: ChannelId) -> bool {
        let apart = self.registry.apart[channel.index()];
        let held = |(at, count): (usize, &u16)| apart & (1 << at) != 0 && *count > 0;
        apart == 0 || !agent.in_hand.iter().enumerate().any(held)
    }

    // ---- interruption

    /// An agent's legs, newest first.
    pub(super) fn legs_of(&self, agent: &Agent) -> impl Iterator<Item = (LegId, &Leg)> {
        let mut next = agent.legs;
        core::iter::from_fn(move || {
            if next == NONE {
                return None;
            }
            let (leg, held) = (self.leg_at(next), self.legs.at(next));
            next = held.agent_links.1;
            Some((leg, held))
        })
    }

    /// Whether a leg would give way to a contact of a channel.
    fn gives_way(&self, leg: &Leg, channel: ChannelId) -> bool {
        leg.state == LegState::Connected && self.registry.interrupts[channel.index()] & (1 << leg.channel.0) != 0
    }

    /// Whether an agent has room for a contact of a channel once all that it may interrupt has given way.
    fn can_interrupt(&self, agent: &Agent, channel: ChannelId, cost: u32, max: u32) -> bool {
        if self.registry.interrupts[channel.index()] == 0 || u32::from(agent.in_hand[channel.index()]) >= max {
            return false;
        }
        let (mut units, apart) = (0, self.registry.apart[channel.index()]);
        for (_, leg) in self.legs_of(agent) {
            if self.gives_way(leg, channel) {
                units += leg.cost;
            } else if apart & (1 << leg.channel.0) != 0 && leg.interrupted.is_none() {
                return false;
            }
        }
        agent.used + agent.claimed + cost <= agent.capacity + units
    }

    /// The legs that a leg of an agent's being accepted, or given to him, interrupts, in order: those of channels that are never mixed with
    /// its own, then the last connected first, until what he uses, with `more` units beside, fits his capacity.
    pub(in crate::engine) fn to_interrupt(
        &self,
        agent: AgentId,
        channel: ChannelId,
        more: u32,
    ) -> Vec<(ContactId, LegId)> {
        if self.registry.interrupts[channel.index()] == 0 {
            return Vec::new();
        }
        let held = &self.agents[agent.0];
        let apart = self.registry.apart[channel.index()];
        let mut way: Vec<_> = self.legs_of(held).filter(|(_, leg)| self.gives_way(leg, channel)).collect();
        let mixed = |leg: &Leg| apart & (1 << leg.channel.0) == 0;
        way.sort_unstable_by_key(|&(id, leg)| (mixed(leg), Reverse((leg.connected.get(), id))));
        let mut used = held.used + more;
        let needed = way.into_iter().take_while(|(_, leg)| {
            let gives = used > held.capacity || !mixed(leg);
            used -= if gives { leg.cost } else { 0 };
            gives
        });
        needed.map(|(id, leg)| (leg.contact, id)).collect()
    }

    /// An agent's interrupted legs whose conversation may go on: nothing that interrupts them is left.
    pub(in crate::engine) fn to_return(&self, agent: AgentId) -> Vec<(ContactId, LegId)> {
        let held = &self.agents[agent.0];
        if held.claimed == 0 {
            return Vec::new();
        }
        let over = |by: LegId| self.try_leg(by).is_none_or(|leg| leg.state == LegState::Ended);
        let free = self.legs_of(held).filter(|(_, leg)| leg.interrupted.is_some_and(over));
        free.map(|(id, leg)| (leg.contact, id)).collect()
    }

    /// A leg leaves its units to the one that interrupts it, and keeps a claim to them.
    pub(super) fn interrupt(&mut self, leg: LegId, by: LegId) {
        let held = self.legs.at_mut(leg.slot());
        held.interrupted = Some(by);
        let (agent, cost) = (held.agent, held.cost);
        let held = &mut self.agents[agent.0];
        (held.used, held.claimed) = (held.used - cost, held.claimed + cost);
    }

    /// A leg takes its units back, if it had left them.
    pub(super) fn take_back(&mut self, leg: LegId) {
        let held = self.legs.at_mut(leg.slot());
        if held.interrupted.take().is_some() {
            let (agent, cost) = (held.agent, held.cost);
            let held = &mut self.agents[agent.0];
            (held.used, held.claimed) = (held.used + cost, held.claimed - cost);
        }
    }

    /// A leg has ended: what it interrupted is interrupted on by the newest of the agent's legs that would and is
    /// never mixed with it, if any; what is mixed with it stood beside it before, or had room of its own.
    pub(super) fn hand_on(&mut self, agent: AgentId, ended: LegId) {
        let held = &self.agents[agent.0];
        if held.claimed == 0 {
            return;
        }
        let of_ended = |leg: &Leg| leg.interrupted == Some(ended);
        let left: Vec<(LegId, ChannelId)> =
            self.legs_of(held).filter(|(_, leg)| of_ended(leg)).map(|(id, leg)| (id, leg.channel)).collect();
        for (leg, channel) in left {
            let interrupts = |other: &Leg| {
                let holds = other.state == LegState::WrapUp || other.state.is_busy() && other.interrupted.is_none();
                let of = |masks: &[u16]| masks[other.channel.index()] & (1 << channel.0) != 0;
                holds && of(&self.registry.interrupts) && of(&self.registry.apart)
            };
            let next = self.legs_of(&self.agents[agent.0]).find(|(_, other)| interrupts(other)).map(|(id, _)| id);
            if let Some(next) = next {
                self.legs.at_mut(leg.slot()).interrupted = Some(next);
            }
        }
    }

    /// What a leg does has changed, and with it what may interrupt it.
    pub(super) fn interruptible_changed(&mut self, agent: AgentId) {
        if self.registry.interrupts.iter().any(|others| *others != 0) {
            self.refresh_agent(agent);
        }
    }

    // ---- occupancy

    /// An agent's occupancy of late, in parts per million; 0 while nothing asks for it.
    #[must_use]
    pub fn occupancy_ppm(&self, agent: AgentId) -> u32 {
        self.agents[agent.0].occupancy.as_ref().map_or(0, |held| held.ppm(self.now))
    }

    /// Notes what an agent does from here on, where anything goes by it, and when his rest will be over.
    pub(super) fn note_doing(&mut self, agent: AgentId) {
        let held = &mut self.agents[agent.0];
        if held.occupancy.is_some() {
            let doing = held.doing();
            if let Some(occupancy) = held.occupancy.as_mut().filter(|occupancy| occupancy.doing() != doing) {
                occupancy.turn(self.now, doing);
            }
        }
        if self.agents[agent.0].resting != 0 {
            self.arm_rest(agent);
        }
    }

    /// Begins or ends the taking of occupancies and of the pace of offers, as the policy just put in force wants it;
    /// another window or length begins anew. `before` is what the policy before it wanted.
    pub(super) fn measure_agents(&mut self, before: (Option<Span>, usize)) {
        let (window, pace) = (self.registry.occupancy_window, self.registry.pace);
        for agent in (0..self.agents.len()).map(AgentId) {
            if window != before.0 {
                self.agents[agent.0].occupancy = window.map(|window| Box::new(Occupancy::new(window, self.now)));
            }
            if pace != before.1 {
                self.agents[agent.0].offered.clear();
            }
            self.note_doing(agent);
            if self.agents[agent.0].resting != 0 {
                // What he rests for may be measured otherwise now.
                self.touch(agent);
            }
        }
    }

    // ---- rest

    /// Notes that an agent is offered a contact, where his team is offered no more than so many in a time.
    pub(super) fn note_offer(&mut self, agent: AgentId) {
        let most = self.registry.pace;
        if most == 0 {
            return;
        }
        let offered = &mut self.agents[agent.0].offered;
        if offered.len() == most {
            offered.pop_front();
        }
        offered.push_back(self.now);
    }

    /// Whether an agent should rest for a cause. Cost: O(1).
    pub(in crate::engine) fn should_rest(&self, agent: AgentId, cause: Rest) -> bool {
        let held = &self.agents[agent.0];
        match cause {
            Rest::MaxOccupancy => {
                let bound = self.registry.pauses(held.team).max_occupancy;
                bound.zip(held.occupancy.as_ref()).is_some_and(|(bound, occupancy)| occupancy.above(self.now, bound))
            }
            Rest::OfferRate => self.paced_until(held).is_some_and(|until| self.now < until),
        }
    }

    /// When the oldest of as many offers as an agent's team may have in a time is that long ago; none when he had fewer.
    fn paced_until(&self, held: &Agent) -> Option<Time> {
        let rate = self.registry.pauses(held.team).offer_rate?;
        let first = held.offered.len().checked_sub(rate.offers as usize)?;
        Some(held.offered[first] + rate.per)
    }

    /// When an agent's rest for a cause is over by itself: none while he works, or takes no offers anyway.
    ///
    /// Counted from when he turned idle or his rest began: the window may drop time in which he was idle, so that asking
    /// later would find a later end, and no deadline would ever be the right one.
    pub(in crate::engine) fn rests_until(&self, agent: AgentId, cause: Rest) -> Option<Time> {
        self.rests_from(agent, cause, |occupancy| occupancy.since)
    }

    /// When his rest would be over, did it begin now.
    pub(in crate::engine) fn would_rest_until(&self, agent: AgentId, cause: Rest) -> Option<Time> {
        self.rests_from(agent, cause, |_| self.now)
    }

    fn rests_from(&self, agent: AgentId, cause: Rest, from: impl Fn(&Occupancy) -> Time) -> Option<Time> {
        let held = &self.agents[agent.0];
        match cause {
            Rest::MaxOccupancy => {
                let bound = self.registry.pauses(held.team).max_occupancy?;
                let occupancy = held.occupancy.as_ref().filter(|occupancy| occupancy.doing() == Doing::Idle)?;
                Some(occupancy.rested(from(occupancy), bound))
            }
            Rest::OfferRate => self.paced_until(held),
        }
    }

    /// Takes in that an agent's rest for a cause begins or ends.
    pub(super) fn rest(&mut self, agent: AgentId, cause: Rest, begins: bool) {
        let held = &mut self.agents[agent.0];
        held.resting = if begins { held.resting | cause.bit() } else { held.resting & !cause.bit() };
        if let Some(occupancy) = held.occupancy.as_mut().filter(|_| begins) {
            let doing = occupancy.doing();
            occupancy.turn(self.now, doing);
        }
        self.arm_rest(agent);
    }

    /// Sets the deadline at which the first of an agent's rests is over by itself.
    fn arm_rest(&mut self, agent: AgentId) {
        let held = &self.agents[agent.0];
        let causes = Rest::ALL.into_iter().filter(|cause| held.resting & cause.bit() != 0);
        let at = causes.filter_map(|cause| self.rests_until(agent, cause)).min();
        self.arm(Due::Rest, agent.0, at);
    }
}

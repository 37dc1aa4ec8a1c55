//! Named pools: what an agent may take at most of the contacts of several channels together, at once or in a day.
//!
//! At once are his live legs, which are counted by channel anyway. Of a day are the contacts he accepted, picked or was
//! given, counted as he takes them and forgotten by an event at the time of day the pool names, so that eligibility never
//! changes by the clock alone. The clock's distance from UTC is in the policy as plain data, for decades ahead: no zone is
//! looked up here, and a server that is never told anything new goes on for as long. Where no channel takes from a pool
//! nothing of this is looked at.

use alloc::vec::Vec;

use super::{Due, State};
use crate::engine::agent::Agent;
use crate::engine::contact::{Leg, LegState};
use crate::engine::id::{AgentId, ChannelId, LegId, Text};
use crate::engine::policy::{Pool, next_reset};
use crate::engine::read::PoolUse;
use crate::engine::time::Time;

impl State {
    /// Whether an agent has taken from a pool of a channel as much as he may. `open` offers of the contact in question are
    /// open to him. Cost: O(1) where the channel takes from none; else its pools, and his legs while an offer is open.
    pub(in crate::engine) fn capped(&self, agent: &Agent, channel: ChannelId, open: u32) -> bool {
        self.registry.pooled & (1 << channel.0) != 0 && self.capping(agent, channel, open).is_some()
    }

    /// The first pool of a channel that leaves an agent no more.
    pub(in crate::engine) fn capping(&self, agent: &Agent, channel: ChannelId, open: u32) -> Option<&Pool> {
        let pools = self.registry.policy.pools.iter().zip(&self.registry.pool_channels);
        let of_channel = pools.filter(|(_, channels)| **channels & (1 << channel.0) != 0);
        let full = |(pool, channels): &(&Pool, &u16)| {
            let offered = || match agent.offering {
                0 => 0,
                _ => self.offered_of(agent, **channels),
            };
            pool.max.is_some_and(|max| in_hand(agent, **channels) >= max.saturating_add(open))
                || pool.per_day.is_some_and(|most| taken(agent, &pool.id) + offered() >= most.saturating_add(open))
        };
        of_channel.into_iter().find(full).map(|(pool, _)| pool)
    }

    /// Offers open to an agent of some channels.
    fn offered_of(&self, agent: &Agent, channels: u16) -> u32 {
        let open = |leg: &Leg| leg.state == LegState::Offered && channels & (1 << leg.channel.0) != 0;
        self.legs_of(agent).filter(|(_, leg)| open(leg)).count() as u32
    }

    /// An agent takes a contact: it counts in the day of each pool of its channel.
    pub(super) fn take_from_pools(&mut self, leg: LegId) {
        let held = self.legs.at(leg.slot());
        let (agent, channel) = (held.agent, held.channel);
        if self.registry.pooled & (1 << channel.0) == 0 {
            return;
        }
        let counted = &mut self.agents[agent.0].taken;
        for (pool, channels) in self.registry.policy.pools.iter().zip(&self.registry.pool_channels) {
            if pool.per_day.is_none() || channels & (1 << channel.0) == 0 {
                continue;
            }
            match counted.iter_mut().find(|(id, _)| *id == pool.id) {
                Some((_, count)) => *count += 1,
                None => counted.push((pool.id.clone(), 1)),
            }
        }
        self.refresh_agent(agent);
    }

    /// What an agent has of each pool of the policy, in its order.
    pub(in crate::engine) fn pools_of(&self, agent: AgentId) -> Vec<PoolUse> {
        let held = &self.agents[agent.0];
        let pools = (0u32..).zip(&self.registry.policy.pools).zip(&self.registry.pool_channels);
        let of = |((slot, pool), channels): ((u32, &Pool), &u16)| PoolUse {
            pool: pool.id.clone(),
            in_hand: in_hand(held, *channels),
            max: pool.max,
            taken: taken(held, &pool.id),
            per_day: pool.per_day,
            resets: self.timers.get(Due::Pool as u8, slot).map(Time),
        };
        pools.map(of).collect()
    }

    /// A pool by its place in the policy.
    pub(in crate::engine) fn pool_at(&self, slot: u32) -> Option<&Pool> {
        self.registry.policy.pools.get(slot as usize)
    }

    /// A pool's day is over: nobody has taken anything of the next, and whoever could take no more is looked at again. A
    /// pass over the agents.
    pub(super) fn reset_pool(&mut self, pool: &Text) {
        for agent in (0..self.agents.len()).map(AgentId) {
            let counted = &mut self.agents[agent.0].taken;
            let before = counted.len();
            counted.retain(|(id, _)| id != pool);
            if counted.len() < before {
                self.refresh_agent(agent);
            }
        }
        self.arm_pool(pool);
    }

    fn arm_pool(&mut self, pool: &Text) {
        let policy = self.registry.policy.clone();
        if let Some((slot, held)) = (0u32..).zip(&policy.pools).find(|(_, held)| held.id == *pool) {
            let at = held.per_day.map(|_| next_reset(&policy.zone_offsets, held.reset, self.now));
            self.arm(Due::Pool, slot, at);
        }
    }

    /// Another policy: pools that count by the day go on with what they have counted, the day they are in ends at the time
    /// they now name, and what others counted is forgotten. A pass over the agents.
    pub(super) fn renew_pools(&mut self) {
        let policy = self.registry.policy.clone();
        let due = self.timers.iter().filter(|(_, kind, _)| *kind == Due::Pool as u8);
        for slot in due.map(|(_, _, slot)| slot).collect::<Vec<_>>() {
            self.arm(Due::Pool, slot, None);
        }
        policy.pools.iter().for_each(|pool| self.arm_pool(&pool.id));
        let by_day = |id: &Text| policy.pools.iter().any(|pool| pool.id == *id && pool.per_day.is_some());
        for agent in (0..self.agents.len()).map(AgentId) {
            self.agents[agent.0].taken.retain(|(id, _)| by_day(id));
        }
    }
}

/// Contacts of some channels an agent holds.
pub(in crate::engine) fn in_hand(agent: &Agent, channels: u16) -> u32 {
    let of = |(at, _): &(usize, &u16)| channels & (1 << at) != 0;
    agent.in_hand.iter().enumerate().filter(of).map(|(_, count)| u32::from(*count)).sum()
}

/// What an agent took today from a pool that counts by the day.
pub(in crate::engine) fn taken(agent: &Agent, pool: &Text) -> u32 {
    agent.taken.iter().find(|(id, _)| id == pool).map_or(0, |(_, count)| *count)
}

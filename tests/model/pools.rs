//! Named pools, and the days their counts are of: by what a clock on the wall would have shown.

use usher::engine::contact::LegState;
use usher::engine::id::{AgentId, LegId, Text};
use usher::engine::policy::Pool;
use usher::engine::state::State;
use usher::engine::time::Time;

use super::{Model, must};

const DAY: i64 = 86_400_000_000;

impl Model {
    /// The pools a channel takes from.
    fn pools_of<'a>(&'a self, channel: &'a Text) -> impl Iterator<Item = &'a Pool> {
        let live = self.policy.channels.iter().find(move |known| known.id == *channel);
        let named = move |pool: &&Pool| live.is_some_and(|known| known.pools.contains(&pool.id));
        self.policy.pools.iter().filter(named)
    }

    /// Whether every pool of a channel leaves an agent one more.
    pub fn pools_allow(&self, id: AgentId, channel: &Text) -> bool {
        self.pools_of(channel).all(|pool| {
            let of_pool = |channel: &Text| self.pools_of(channel).any(|held| held.id == pool.id);
            let legs: Vec<_> = self.agent_legs(id).filter(|leg| of_pool(&leg.channel)).collect();
            let offered = legs.iter().filter(|leg| leg.state == LegState::Offered).count();
            let taken = self.agents[&id].taken.get(&pool.id).copied().unwrap_or(0);
            pool.max.is_none_or(|max| legs.len() < max as usize)
                && pool.per_day.is_none_or(|most| taken + offered < most as usize)
        })
    }

    /// An agent has taken a contact.
    pub fn note_taken(&mut self, leg: LegId) {
        let (agent, channel) = (self.legs[&leg].agent, self.legs[&leg].channel.clone());
        let pools = self.pools_of(&channel).filter(|pool| pool.per_day.is_some());
        let pools: Vec<Text> = pools.map(|pool| pool.id.clone()).collect();
        let held = self.agents.get_mut(&agent).expect("a leg has an agent");
        pools.into_iter().for_each(|pool| *held.taken.entry(pool).or_default() += 1);
    }

    /// The latest day a pool's clock has ever come to, by looking at every stretch of it up to now.
    fn day(&self, now: Time, pool: &Pool) -> i64 {
        let offsets = &self.policy.zone_offsets;
        let whole = |time: Time| time.0 as i64;
        let local =
            |time: i64, seconds: i32| (time + i64::from(seconds) * 1_000_000 - pool.reset.0 as i64).div_euclid(DAY);
        let begun = offsets.iter().enumerate().filter(|(at, offset)| *at == 0 || offset.from <= now);
        let last = begun.map(|(at, offset)| {
            let end = offsets.get(at + 1).map_or(i64::MAX, |next| whole(next.from) - 1);
            local(end.min(whole(now)), offset.seconds)
        });
        last.max().unwrap_or_else(|| local(whole(now), 0))
    }

    /// A policy is in force: what nothing counts by the day any more is forgotten.
    pub fn renew_pools(&mut self) {
        let now = self.now;
        let policy = self.policy.clone();
        let by_day = || policy.pools.iter().filter(|pool| pool.per_day.is_some());
        self.pool_days = by_day().map(|pool| (pool.id.clone(), self.day(now, pool))).collect();
        for agent in self.agents.values_mut() {
            agent.taken.retain(|id, _| by_day().any(|pool| pool.id == *id));
        }
    }

    /// A pool's day is over.
    pub fn pool_reset(&mut self, now: Time, id: &Text) -> Result<(), String> {
        let pool = self.policy.pools.iter().find(|pool| pool.id == *id).ok_or("no such pool")?;
        let day = self.day(now, pool);
        let before = self.pool_days.insert(id.clone(), day).ok_or("a pool is reset that does not count by the day")?;
        must(day > before, || format!("{id:?} is reset twice in a day"))?;
        self.agents.values_mut().for_each(|agent| _ = agent.taken.remove(id));
        Ok(())
    }

    /// Once nothing is due: no pool's day is over and not told.
    pub fn check_pools(&self, now: Time) -> Result<(), String> {
        for pool in self.policy.pools.iter().filter(|pool| pool.per_day.is_some()) {
            let told = self.pool_days[&pool.id];
            must(self.day(now, pool) == told, || format!("the day of {:?} is over", pool.id))?;
        }
        Ok(())
    }

    /// The engine's own counts are these.
    pub fn compare_pools(&self, state: &State) -> Result<(), String> {
        for (&id, agent) in &self.agents {
            let mut said = state.agent(id).taken.clone();
            said.sort();
            let taken: Vec<(Text, u32)> = agent.taken.iter().map(|(id, count)| (id.clone(), *count as u32)).collect();
            must(said == taken, || format!("{id:?} took {taken:?}, said {said:?}"))?;
        }
        Ok(())
    }
}

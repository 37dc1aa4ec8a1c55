//! When agents rest from offers.

use usher::engine::agent::Rest;
use usher::engine::contact::LegState;
use usher::engine::id::AgentId;
use usher::engine::policy::{Policy, Selection};
use usher::engine::time::{Span, Time};

use super::{Model, must};

/// The window of occupancies, where anything goes by them, and how many offers are remembered.
fn measured(policy: &Policy) -> (Option<Span>, u32) {
    let wanted = policy.queues.iter().any(|queue| queue.selection == Selection::LeastOccupied)
        || policy.teams.iter().any(|team| team.max_occupancy.is_some());
    let paces = policy.teams.iter().filter_map(|team| team.offer_rate_limit.map(|rate| rate.offers));
    (wanted.then_some(policy.rules.occupancy_window), paces.max().unwrap_or(0))
}

impl Model {
    /// Another policy: what is measured otherwise is measured anew.
    pub fn measure_anew(&mut self, before: &Policy) {
        let (old, new) = (measured(before), measured(&self.policy));
        for agent in self.agents.values_mut() {
            if old.0 != new.0 {
                agent.did.clear();
            }
            if old.1 != new.1 {
                agent.offered.clear();
            }
        }
    }

    /// Notes for every agent what he does from now on.
    pub fn note_doing(&mut self, now: Time) {
        if measured(&self.policy).0.is_none() {
            return;
        }
        for id in self.agents.keys().copied().collect::<Vec<_>>() {
            let some = |wanted: fn(LegState) -> bool| self.agent_legs(id).any(|leg| wanted(leg.state));
            let does = match (some(|state| state != LegState::Offered), some(|state| state == LegState::Offered)) {
                (true, _) => Some(true),
                (false, false) if self.takes_offers(id) => Some(false),
                (false, _) => None,
            };
            let did = &mut self.agents.get_mut(&id).expect("it is there").did;
            if did.last().and_then(|last| last.1) != does {
                did.push((now, does));
            }
        }
    }

    /// An agent is offered a contact.
    pub fn note_offer(&mut self, now: Time, id: AgentId) {
        if measured(&self.policy).1 > 0 {
            self.agents.get_mut(&id).expect("it is there").offered.push(now);
        }
    }

    /// Whether an agent has cause to rest.
    fn should_rest(&self, now: Time, id: AgentId, cause: Rest) -> bool {
        let (agent, team) = (&self.agents[&id], self.team(id));
        match cause {
            Rest::MaxOccupancy => team.and_then(|team| team.max_occupancy).is_some_and(|bound| {
                let (worked, idle) = agent.share(now, self.policy.rules.occupancy_window);
                u128::from(worked) * 1_000_000 > u128::from(bound) * u128::from(worked + idle)
            }),
            Rest::OfferRate => team.and_then(|team| team.offer_rate_limit).is_some_and(|rate| {
                let late = agent.offered.iter().filter(|at| **at + rate.per > now);
                late.count() >= rate.offers as usize
            }),
        }
    }

    /// A rest begins or ends.
    pub fn rested(&mut self, now: Time, id: AgentId, cause: Rest, begins: bool) -> Result<(), String> {
        let cause_now = self.should_rest(now, id, cause);
        let rests = &mut self.agents.get_mut(&id).expect("it is there").rests;
        let changed = if begins { rests.insert(cause) } else { rests.remove(&cause) };
        must(changed, || format!("{id:?} rests twice, or not at all: {cause:?}"))?;
        // Where time has gone on past the end, there may be cause again: then it begins anew.
        must(cause_now == begins || !begins, || format!("{id:?} rests without cause: {cause:?}"))
    }

    /// After any batch: whoever has just begun or ceased to work rests if he has cause; who was offered too many does.
    pub fn check_rests(&self, quiet: bool) -> Result<(), String> {
        for (&id, agent) in self.agents.iter().filter(|(_, agent)| !agent.deleted) {
            let turned = agent.did.last().is_some_and(|did| did.0 == self.now);
            for (cause, told) in [(Rest::MaxOccupancy, turned), (Rest::OfferRate, true)] {
                let (rests, should) = (agent.rests.contains(&cause), self.should_rest(self.now, id, cause));
                let misses = told && should && !rests && self.takes_offers(id);
                must(!misses, || format!("{id:?} does not rest: {cause:?}"))?;
                let idle = agent.did.last().is_some_and(|did| did.1 == Some(false));
                let ends = rests && !should && quiet && (idle || cause == Rest::OfferRate);
                must(!ends, || format!("{id:?} rests on: {cause:?}"))?;
            }
        }
        Ok(())
    }
}

//! The books of the agents: how many are in each state, how long they were, what capacity they have and use.
//!
//! Time in a state is kept as a count, the sum of the instants at which each began, and what is already over; so the
//! total at any instant is exact and costs nothing per agent.

use std::collections::BTreeMap;

use super::names;
use crate::engine::agent::{AgentProfile, Presence, Routing};
use crate::engine::event::Event;
use crate::engine::id::{AgentId, Text};
use crate::engine::policy::Policy;
use crate::engine::time::{Span, Time};
use crate::view;

/// The reason of agents not ready for a reason that configuration does not list.
const OTHER: &str = "other";
/// The place of no reason in [`Cell`].
const NO_REASON: usize = 0;

/// What is known of one agent.
struct Known {
    team: usize,
    capacity: u32,
    used: u32,
    presence: Presence,
    routing: Routing,
    /// Where and since when his time is counted; nowhere while he is not signed in.
    at: Option<(Cell, Time)>,
}

/// A state of a team's agents: team, place in `names::AGENT_STATES`, reason.
type Cell = (usize, usize, usize);

#[derive(Clone, Copy, Default)]
struct Clock {
    agents: u64,
    /// Sum of the instants at which those `agents` came.
    since: u128,
    /// Time of those who have left, in microseconds.
    over: u128,
}

impl Clock {
    fn come(&mut self, now: Time) {
        self.agents += 1;
        self.since += u128::from(now.0);
    }

    fn leave(&mut self, since: Time, now: Time) {
        self.agents -= 1;
        self.since -= u128::from(since.0);
        self.over += u128::from(now.since(since).0);
    }

    fn total(&self, now: Time) -> u128 {
        self.over + (u128::from(self.agents) * u128::from(now.0)).saturating_sub(self.since)
    }
}

#[derive(Clone, Default)]
struct Team {
    offline: u64,
    agents: u64,
    capacity: u64,
    used: u64,
    live: bool,
}

/// The agents of one tenant.
#[derive(Default)]
pub(super) struct AgentBooks {
    known: Vec<Option<Known>>,
    team_names: Vec<Text>,
    teams: Vec<Team>,
    /// Reasons as label values, 1 the first.
    reasons: Vec<Text>,
    listed: Vec<Text>,
    clocks: BTreeMap<Cell, Clock>,
}

/// The figures of one team, now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TeamFigures {
    pub(super) team: Text,
    pub(super) states: [u64; names::AGENT_STATES.len()],
    pub(super) capacity: u64,
    pub(super) used: u64,
}

/// Time a team's agents spent in one state so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StateTime {
    pub(super) team: Text,
    pub(super) state: usize,
    pub(super) reason: Text,
    pub(super) time: Span,
}

impl AgentBooks {
    /// Takes over the teams and the reasons. When there are other reasons, whoever is not ready is counted by them from now
    /// on: a pass over all agents.
    pub(super) fn apply_policy(&mut self, now: Time, policy: &Policy) {
        if self.listed != policy.not_ready_reasons {
            self.listed.clone_from(&policy.not_ready_reasons);
            for at in 0..self.known.len() {
                let given = |known: &Known| matches!(&known.presence, Presence::NotReady(reason) if !reason.is_empty());
                if self.known[at].as_ref().is_some_and(given) {
                    self.change(now, AgentId(at as u32), |_| {});
                }
            }
        }
        self.teams.iter_mut().for_each(|team| team.live = false);
        for team in &policy.teams {
            let at = self.team(&team.id);
            self.teams[at].live = true;
        }
    }

    /// Takes in an agent as a view has him; what he has in hand comes with his legs.
    pub(super) fn restore(&mut self, now: Time, agent: AgentId, clock: &view::agents::Clock) {
        self.upsert(now, agent, &clock.profile);
        self.change(now, agent, |known| (known.presence, known.routing) = (clock.presence.clone(), clock.routing));
    }

    /// Takes in time that is over.
    pub(super) fn restore_time(&mut self, time: &StateTime) {
        let team = self.team(&time.team);
        let reason = match &*time.reason {
            "" if time.state != names::NOT_READY => NO_REASON,
            _ => intern(&mut self.reasons, &time.reason) + 1,
        };
        self.clocks.entry((team, time.state, reason)).or_default().over += u128::from(time.time.0);
    }

    /// Takes in an event about an agent.
    pub(super) fn take(&mut self, now: Time, agent: AgentId, event: &Event) {
        match event {
            Event::AgentUpserted { profile, .. } => self.upsert(now, agent, profile),
            Event::AgentDeleted { .. } => {
                self.count(now, agent, false);
                if let Some(known) = self.known.get_mut(agent.index()) {
                    *known = None;
                }
            }
            Event::AgentSignedIn { presence, .. } | Event::AgentPresenceChanged { after: presence, .. } => {
                self.change(now, agent, |known| known.presence = presence.clone());
            }
            Event::AgentSignedOut { .. } => self.change(now, agent, |known| known.presence = Presence::Offline),
            Event::AgentRoutingChanged { after, .. } => self.change(now, agent, |known| known.routing = *after),
            _ => {}
        }
    }

    /// An agent takes on units, or they are free again.
    pub(super) fn use_units(&mut self, agent: AgentId, cost: u32, begins: bool) {
        let Some(Some(known)) = self.known.get_mut(agent.index()) else { return };
        let used = &mut self.teams[known.team].used;
        if begins {
            known.used += cost;
            *used += u64::from(cost);
        } else {
            known.used = known.used.saturating_sub(cost);
            *used = used.saturating_sub(u64::from(cost));
        }
    }

    fn upsert(&mut self, now: Time, agent: AgentId, profile: &AgentProfile) {
        let team = profile.team.clone().unwrap_or_default();
        let team = self.team(&team);
        if self.known.len() <= agent.index() {
            self.known.resize_with(agent.index() + 1, || None);
        }
        let capacity = profile.capacity;
        if self.known[agent.index()].is_some() {
            return self.change(now, agent, |known| (known.team, known.capacity) = (team, capacity));
        }
        let (presence, routing) = (Presence::Offline, Routing::OffQueue);
        self.known[agent.index()] = Some(Known { team, capacity, used: 0, presence, routing, at: None });
        self.count(now, agent, true);
    }

    fn change(&mut self, now: Time, agent: AgentId, change: impl FnOnce(&mut Known)) {
        self.count(now, agent, false);
        if let Some(Some(known)) = self.known.get_mut(agent.index()) {
            change(known);
        }
        self.count(now, agent, true);
    }

    /// Counts an agent where he is now, or takes him out of where he was counted.
    fn count(&mut self, now: Time, agent: AgentId, comes: bool) {
        let Some(Some(known)) = self.known.get_mut(agent.index()) else { return };
        let signed_in = known.presence != Presence::Offline;
        let (capacity, used) = (u64::from(known.capacity), u64::from(known.used));
        let team = &mut self.teams[known.team];
        if !comes {
            team.agents -= 1;
            team.used -= used;
            match known.at.take() {
                Some((cell, since)) => {
                    team.capacity -= capacity;
                    self.clocks.entry(cell).or_default().leave(since, now);
                }
                None => team.offline -= 1,
            }
            return;
        }
        team.agents += 1;
        team.used += used;
        if !signed_in {
            team.offline += 1;
            return;
        }
        team.capacity += capacity;
        let (state, reason) = match (&known.presence, known.routing) {
            (Presence::NotReady(reason), Routing::OffQueue) => {
                let listed = reason.is_empty() || self.listed.contains(reason);
                let reason = if listed { reason.clone() } else { OTHER.into() };
                (names::NOT_READY, intern(&mut self.reasons, &reason) + 1)
            }
            (_, routing) => (names::agent_state(routing), NO_REASON),
        };
        let cell = (known.team, state, reason);
        known.at = Some((cell, now));
        self.clocks.entry(cell).or_default().come(now);
    }

    fn team(&mut self, team: &Text) -> usize {
        let at = intern(&mut self.team_names, team);
        self.teams.resize(self.team_names.len(), Team::default());
        at
    }

    /// The figures of every team that configuration has or that has agents.
    pub(super) fn teams(&self) -> Vec<TeamFigures> {
        let mut figures: Vec<TeamFigures> = Vec::with_capacity(self.teams.len());
        for (team, name) in self.teams.iter().zip(&self.team_names) {
            let mut states = [0; names::AGENT_STATES.len()];
            states[names::agent_state(Routing::OffQueue)] = team.offline;
            figures.push(TeamFigures { team: name.clone(), states, capacity: team.capacity, used: team.used });
        }
        for ((team, state, _), clock) in &self.clocks {
            figures[*team].states[*state] += clock.agents;
        }
        let mut kept = self.teams.iter().map(|team| team.live || team.agents > 0);
        figures.retain(|_| kept.next().unwrap_or(false));
        figures
    }

    /// Time in each state so far.
    pub(super) fn times(&self, now: Time) -> Vec<StateTime> {
        let time = |((team, state, reason), clock): (&Cell, &Clock)| StateTime {
            team: self.team_names[*team].clone(),
            state: *state,
            reason: reason.checked_sub(1).map_or_else(Text::default, |at| self.reasons[at].clone()),
            time: Span(u64::try_from(clock.total(now)).unwrap_or(u64::MAX)),
        };
        self.clocks.iter().map(time).collect()
    }
}

/// A text's place among those seen, new ones last.
fn intern(seen: &mut Vec<Text>, text: &Text) -> usize {
    seen.iter().position(|known| known == text).unwrap_or_else(|| {
        seen.push(text.clone());
        seen.len() - 1
    })
}

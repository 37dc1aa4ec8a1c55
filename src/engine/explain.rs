//! Why this agent and not that one, from the code that ranks.
//!
//! Candidates are counted by the first reason that rules them out; the order of the rest is the order in which the
//! matcher walks its line, so the winner here is the matcher's winner.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::agent::{Agent, Rest};
use super::id::{AgentId, ContactId};
use super::rank::AgentRank;
use super::state::State;
use super::time::Time;

/// Why an agent is not a candidate, in the order in which it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// His team does not list the queue, or the contact is open to another agent alone.
    NotMember,
    /// He does not meet what is asked.
    Requirement,
    /// He is signed out, not ready, about to be, or on his way out.
    OffQueue,
    /// His session is lost.
    SessionLost,
    /// He is NOT_RESPONDING.
    NotResponding,
    /// His occupancy of late is above his team's bound.
    MaxOccupancy,
    /// He was offered as many contacts as his team's rate allows.
    OfferRate,
    /// He has taken from a pool of the channel as much as one agent may, at once or today.
    PoolCap,
    /// He has no room for one more contact of the channel.
    NoRoom,
    /// He holds a contact of a channel that is never mixed with this one.
    ChannelMix,
    /// An offer of it is open to him.
    Offered,
    /// The pair is barred for a while.
    Barred,
    /// It has not waited long enough for his team.
    Delay,
    /// His team keeps him back for others.
    Reserved,
}

/// Who could take a waiting contact now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Agents ruled out, by reason.
    pub refused: BTreeMap<Refused, u32>,
    /// The first of the order: who gets the offer.
    pub winner: Option<AgentRank>,
    /// The second.
    pub runner_up: Option<AgentRank>,
    /// How many could take it.
    pub eligible: u32,
}

impl State {
    /// Why one agent is not a candidate for a contact that waits; `None` when he is one.
    #[must_use]
    pub fn refused(&self, contact: ContactId, agent: AgentId) -> Option<Refused> {
        let held = self.contact(contact);
        let entry = held.entry?;
        let candidate: &Agent = self.agent(agent);
        let member = match entry.only {
            Some(only) => only == agent,
            None => self.registry().band(candidate.team, entry.queue).is_some(),
        };
        let room = self.has_room(candidate, held.channel);
        let capped = self.capped(candidate, held.channel, 0);
        let rules = [
            (!member || candidate.deleted, Refused::NotMember),
            (!self.qualifies(candidate, entry.class), Refused::Requirement),
            (
                candidate.presence != super::agent::Presence::Available
                    || candidate.next_presence.is_some()
                    || candidate.removed,
                Refused::OffQueue,
            ),
            (!candidate.session, Refused::SessionLost),
            (candidate.not_responding.is_some(), Refused::NotResponding),
            (candidate.resting & Rest::MaxOccupancy.bit() != 0, Refused::MaxOccupancy),
            (candidate.resting & Rest::OfferRate.bit() != 0, Refused::OfferRate),
            (capped, Refused::PoolCap),
            (!room && self.mixes(candidate, held.channel), Refused::NoRoom),
            (!room, Refused::ChannelMix),
            (self.is_offered(held, agent), Refused::Offered),
            (self.barred(held, agent), Refused::Barred),
            (entry.only.is_none() && !self.delay_over(&entry, candidate.team), Refused::Delay),
            (entry.only.is_none() && !self.lent(&entry, candidate.team), Refused::Reserved),
        ];
        rules.into_iter().find(|(holds, _)| *holds).map(|(_, reason)| reason)
    }

    /// Who could take a contact now, and why not the others. Linear in agents: a query, never part of a decision.
    #[must_use]
    pub fn candidates_for(&self, contact: ContactId) -> Candidates {
        let mut found = Candidates::default();
        let mut ranks: Vec<(u8, AgentRank)> = Vec::new();
        for agent in self.agents_from(0) {
            match self.refused(contact, agent) {
                Some(reason) => *found.refused.entry(reason).or_default() += 1,
                None => ranks.push((self.step_of(contact, agent), self.agent_rank(contact, agent))),
            }
        }
        ranks.sort_unstable();
        found.eligible = ranks.len() as u32;
        found.winner = ranks.first().map(|found| found.1);
        found.runner_up = ranks.get(1).map(|found| found.1);
        found
    }

    /// How an agent ranks for a contact that waits, among those of one step ([`Self::step_of`]): by its queue's selection, then by since when he is idle.
    #[must_use]
    pub fn agent_rank(&self, contact: ContactId, agent: AgentId) -> AgentRank {
        let held = self.contact(contact);
        let line = self.line_rank(agent);
        held.entry.map_or(line, |entry| self.rank_agent(held, self.queue(entry.queue), line))
    }

    /// How an agent stands in line: since when he is idle, then his handle.
    #[must_use]
    pub fn line_rank(&self, agent: AgentId) -> AgentRank {
        AgentRank {
            interrupts: false,
            key: 0,
            clock: Time(0),
            idle_since: self.agent(agent).idle_since.unwrap_or_default(),
            agent,
        }
    }
}

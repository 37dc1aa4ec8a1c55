//! Rank keys: tuples compared field by field, lower first, each ending in a number that is unique.

use core::cmp::Reverse;

use super::id::AgentId;
use super::time::Time;

/// How a contact ranks for one agent among all that wait: membership priority, then priority, then adjusted arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContactRank {
    /// Membership priority of the contact's queue in the agent's team, 1-99, lower first.
    pub band: u8,
    /// Contact priority, higher first.
    pub priority: Reverse<i16>,
    /// Adjusted arrival, earlier first.
    pub arrival: Time,
    /// Creation number.
    pub serial: u64,
}

/// How an agent ranks for a contact: longest idle first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentRank {
    /// Since when he is idle.
    pub idle_since: Time,
    /// His handle.
    pub agent: AgentId,
}

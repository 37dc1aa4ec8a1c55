//! Rank keys: tuples compared field by field, lower first, each ending in a number that is unique.

use core::cmp::Reverse;

use super::id::AgentId;
use super::policy::Queue;
use super::time::{Span, Time};

/// How a contact ranks for one agent among all that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContactRank {
    /// Membership priority of the contact's queue in the agent's team, 1-99, lower first.
    pub band: u8,
    /// Whether it is older than its queue's `max_wait_first`; then nothing but arrival counts.
    pub overdue: Reverse<bool>,
    /// What the team's order says of its queue, lower first; 0 inside one queue and for `priority`.
    pub lead: i64,
    /// Effective priority in millionths, higher first; 0 when overdue.
    pub priority: Reverse<i64>,
    /// Adjusted arrival, earlier first.
    pub arrival: Time,
    /// Creation number.
    pub serial: u64,
}

/// How an agent ranks for a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentRank {
    /// Whether a conversation of his would have to give way.
    pub interrupts: bool,
    /// What the queue's selection measures, lower first; 0 for the longest idle.
    pub key: i64,
    /// Since when he is idle by the queue's `idle_clock`; 0 by the clock `any`, which is the next field.
    pub clock: Time,
    /// Since when he is idle.
    pub idle_since: Time,
    /// His handle.
    pub agent: AgentId,
}

/// A priority point in the unit of effective priority.
pub const POINT: i64 = 1_000_000;

/// What a contact's age does to its place in its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aging {
    /// Millionths of a point per minute.
    pub rate: i64,
    /// The most that age adds, in millionths.
    pub cap: Option<i64>,
    /// From this age on nothing but arrival counts.
    pub first: Option<Span>,
}

impl Aging {
    /// The rules of a queue.
    #[must_use]
    pub fn of(queue: &Queue) -> Aging {
        Aging { rate: queue.aging, cap: queue.aging_cap, first: queue.max_wait_first }
    }

    /// Whether age does nothing: then the order of a queue never changes by itself.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.rate == 0 && self.first.is_none()
    }

    /// Whether a contact that arrived (adjusted) then is past `max_wait_first`, inclusive.
    #[must_use]
    pub fn overdue(&self, now: Time, arrival: Time) -> bool {
        self.first.is_some_and(|first| now.since(arrival) >= first)
    }

    /// Effective priority in millionths: priority + rate x age in minutes, at most `cap` of the latter; what is below a
    /// millionth is cut off.
    #[must_use]
    pub fn effective(&self, now: Time, priority: i16, arrival: Time) -> i64 {
        let aged = i128::from(self.rate) * i128::from(now.since(arrival).0) / 60_000_000;
        let aged = i64::try_from(aged).unwrap_or(i64::MAX >> 1);
        i64::from(priority) * POINT + self.cap.map_or(aged, |cap| aged.min(cap))
    }

    /// How a contact ranks in a band, its queue's lead left at 0.
    #[must_use]
    pub fn rank(&self, now: Time, band: u8, priority: i16, arrival: Time, serial: u64) -> ContactRank {
        let overdue = self.overdue(now, arrival);
        let priority = if overdue { 0 } else { self.effective(now, priority, arrival) };
        ContactRank { band, overdue: Reverse(overdue), lead: 0, priority: Reverse(priority), arrival, serial }
    }
}

/// What `random` draws for an agent: the least wins. The same contact's next leg draws anew.
#[must_use]
pub fn draw(serial: u64, leg: u32, agent: AgentId) -> i64 {
    // The finalizer of SplitMix64 over two rounds: all that is drawn for one contact is independent enough.
    let mix = |seed: u64| {
        let seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        seed ^ (seed >> 31)
    };
    (mix(mix(serial) ^ (u64::from(leg) << 32 | u64::from(agent.0))) >> 1) as i64
}

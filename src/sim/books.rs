//! The books of a scenario's run: per interval and queue what was offered, answered and left, per interval and team how
//! agents spent their time. An entry counts in the interval in which it was offered, its handle time in the one in
//! which its last leg ends.

use crate::engine::contact::Outcome;
use crate::engine::time::{Span, Time};

use super::host::{Duty, Times, Visit, Watch};
use super::scenario::{Scenario, ServiceLevel};

/// Counts of one queue in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Entries begun.
    pub offered: u64,
    /// Entries answered.
    pub answered: u64,
    /// Answered within the threshold.
    pub within: u64,
    /// The customer gave up.
    pub abandoned: u64,
    /// Gave up within the threshold.
    pub abandoned_within: u64,
    /// Gave up within the queue's `short_abandon`.
    pub abandoned_short: u64,
    /// Refused by a rule, or disconnected at closing, expired, sent elsewhere.
    pub other: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Waits of those answered, in microseconds.
    pub wait_answered: u64,
    /// Longest wait of anyone.
    pub longest_wait: u64,
    /// Entries handled.
    pub handled: u64,
    /// Talk, hold and wrap-up of those handled, in microseconds.
    pub handle_time: u64,
}

impl Cell {
    /// Adds another.
    pub fn add(&mut self, other: &Cell) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.within += other.within;
        self.abandoned += other.abandoned;
        self.abandoned_within += other.abandoned_within;
        self.abandoned_short += other.abandoned_short;
        self.other += other.other;
        self.refused += other.refused;
        self.wait_answered += other.wait_answered;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.handled += other.handled;
        self.handle_time += other.handle_time;
    }

    /// Numerator and denominator of the service level.
    #[must_use]
    pub fn service_level(&self, definition: ServiceLevel) -> (u64, u64) {
        let answered_abandoned = self.answered + self.abandoned;
        match definition {
            ServiceLevel::OfOffered => (self.within, self.offered),
            ServiceLevel::OfAnswered => (self.within, self.answered),
            ServiceLevel::OfAnsweredAbandoned => (self.within, answered_abandoned),
            ServiceLevel::ExcludingShort => (self.within, answered_abandoned - self.abandoned_short),
            ServiceLevel::AbandonsMet => (self.within + self.abandoned_within, answered_abandoned),
            ServiceLevel::ExcludingEarlyAbandons => (self.within, answered_abandoned - self.abandoned_within),
        }
    }
}

/// How agents of one team spent their time in one interval, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// At least one leg in hand.
    pub busy: u64,
    /// Only wrapping up.
    pub wrap_up: u64,
    /// Ready and idle.
    pub idle: u64,
    /// An offer rings.
    pub ringing: u64,
}

impl Load {
    /// Adds another.
    pub fn add(&mut self, other: &Load) {
        self.busy += other.busy;
        self.wrap_up += other.wrap_up;
        self.idle += other.idle;
        self.ringing += other.ringing;
    }

    /// Numerator and denominator of occupancy: ring time is in neither.
    #[must_use]
    pub fn occupancy(&self) -> (u64, u64) {
        (self.busy + self.wrap_up, self.busy + self.wrap_up + self.idle)
    }

    /// All of it.
    #[must_use]
    pub fn staffed(&self) -> u64 {
        self.busy + self.wrap_up + self.idle + self.ringing
    }

    fn of(&mut self, duty: Duty) -> Option<&mut u64> {
        match duty {
            Duty::Off => None,
            Duty::Idle => Some(&mut self.idle),
            Duty::Ringing => Some(&mut self.ringing),
            Duty::Busy => Some(&mut self.busy),
            Duty::WrapUp => Some(&mut self.wrap_up),
        }
    }
}

/// What happened at the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Door {
    /// Calls, those of customers who called again included.
    pub received: u64,
    /// Of these, calls again.
    pub again: u64,
    /// Calls that found no line.
    pub blocked: u64,
}

/// What one run came to.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Cells, interval by interval, each with every queue.
    pub cells: Vec<Cell>,
    /// Loads, interval by interval, each with every team.
    pub loads: Vec<Load>,
    /// The door, flow by flow.
    pub doors: Vec<Door>,
}

/// The books while a run is played.
pub(super) struct Books {
    played: Played,
    queues: usize,
    rules: Vec<(Span, Span)>,
    adds_up: Vec<bool>,
    interval: usize,
    /// Interval in which each customer's entry was offered, by slot.
    offered_in: Vec<u32>,
    teams: Vec<Counts>,
}

/// How many agents of a team spend their time how, and since when that is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    by_duty: [u64; DUTIES.len()],
    since: Time,
}

const DUTIES: [Duty; 5] = [Duty::Off, Duty::Idle, Duty::Ringing, Duty::Busy, Duty::WrapUp];

impl Books {
    /// Empty books for a scenario.
    pub fn new(scenario: &Scenario) -> Books {
        let scene = &scenario.scene;
        let (queues, teams) = (scene.policy.queues.len(), scene.policy.teams.len());
        let rule = |queue: &crate::engine::policy::Queue| (queue.service_level.threshold, queue.short_abandon);
        Books {
            played: Played {
                cells: vec![Cell::default(); scene.intervals.len() * queues],
                loads: vec![Load::default(); scene.intervals.len() * teams],
                doors: vec![Door::default(); scene.flows.len()],
            },
            queues,
            rules: scene.policy.queues.iter().map(rule).collect(),
            adds_up: scenario.adds_up.clone(),
            interval: 0,
            offered_in: Vec::new(),
            teams: vec![Counts { since: scene.start, ..Counts::default() }; teams],
        }
    }

    /// Closes the books at the end of a run.
    pub fn close(mut self, now: Time) -> Played {
        for team in 0..self.teams.len() {
            self.settle(now, team);
        }
        self.played
    }

    fn settle(&mut self, now: Time, team: usize) {
        let place = self.interval * self.teams.len() + team;
        let counts = &mut self.teams[team];
        let passed = now.since(counts.since).0;
        counts.since = now;
        for (duty, count) in DUTIES.iter().zip(counts.by_duty) {
            if let Some(time) = self.played.loads[place].of(*duty) {
                *time += passed * count;
            }
        }
    }

    /// The cell in which a customer's entry was offered.
    fn cell(&mut self, visit: &Visit) -> &mut Cell {
        let interval = self.offered_in[visit.slot as usize] as usize;
        &mut self.played.cells[interval * self.queues + visit.queue]
    }

    /// The wait that counts against the threshold.
    fn counted(&self, visit: &Visit, wait: Span) -> Span {
        if self.adds_up[visit.flow] { visit.waited + wait } else { wait }
    }
}

impl Watch for Books {
    fn arrived(&mut self, _: Time, visit: &Visit) {
        let door = &mut self.played.doors[visit.flow];
        door.received += 1;
        door.again += u64::from(visit.attempt > 1);
    }

    fn blocked(&mut self, _: Time, visit: &Visit) {
        self.played.doors[visit.flow].blocked += 1;
    }

    fn queued(&mut self, _: Time, visit: &Visit) {
        let slot = visit.slot as usize;
        if self.offered_in.len() <= slot {
            self.offered_in.resize(slot + 1, 0);
        }
        self.offered_in[slot] = self.interval as u32;
        self.cell(visit).offered += 1;
    }

    fn waits(&mut self, _: Time, _: &Visit, _: Option<Span>) {}

    fn answered(&mut self, _: Time, visit: &Visit, _: usize, wait: Span) {
        let within = self.counted(visit, wait) <= self.rules[visit.queue].0;
        let cell = self.cell(visit);
        cell.answered += 1;
        cell.within += u64::from(within);
        cell.wait_answered += wait.0;
        cell.longest_wait = cell.longest_wait.max(wait.0);
    }

    fn left(&mut self, _: Time, visit: &Visit, outcome: Outcome, wait: Span) {
        let (threshold, short) = self.rules[visit.queue];
        let within = self.counted(visit, wait) <= threshold;
        let cell = self.cell(visit);
        cell.longest_wait = cell.longest_wait.max(wait.0);
        if outcome == Outcome::Abandoned {
            cell.abandoned += 1;
            cell.abandoned_within += u64::from(within);
            cell.abandoned_short += u64::from(wait < short);
        } else {
            cell.other += 1;
            cell.refused += u64::from(outcome == Outcome::Refused);
        }
    }

    fn handled(&mut self, _: Time, visit: &Visit, times: Times) {
        let cell = &mut self.played.cells[self.interval * self.queues + visit.queue];
        cell.handled += 1;
        cell.handle_time += (times.talk + times.hold + times.wrap_up).0;
    }

    fn duty(&mut self, now: Time, team: usize, before: Duty, after: Duty) {
        self.settle(now, team);
        let counts = &mut self.teams[team].by_duty;
        // Everyone begins off; how many are is never asked.
        counts[before as usize] = counts[before as usize].saturating_sub(1);
        counts[after as usize] += 1;
    }

    fn interval(&mut self, now: Time, index: usize) {
        for team in 0..self.teams.len() {
            self.settle(now, team);
        }
        self.interval = index;
    }

    fn done(&self) -> bool {
        false
    }
}

//! The agents' clocks: time cards, activity and use of capacity by quarter of an hour, exact to the microsecond.
//!
//! An agent's clock is moved when something about him changes and when it is read: what passed since goes to the state
//! he was in, split at the quarters. So the times of a card always sum to the time signed in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::calendar::{quarter, quarter_start};
use super::counts::{Change, Counts};
use super::names;
use super::shifts::{Due, Schedule};
use crate::engine::agent::{AgentProfile, Presence, Routing};
use crate::engine::contact::{Direction, LegState};
use crate::engine::id::{ChannelId, Text};
use crate::engine::time::{Span, Time};
use crate::wire::{Malformed, Reader, Wire, Writer, record};

/// A state on a time card: its place in [`names::AGENT_STATES`] and the reason, 0 for none.
pub type CardKey = (usize, u16);

/// One agent in one quarter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quarter {
    /// His team then, by place; 0 for none.
    pub team: u32,
    /// His site then, by place; 0 for none.
    pub site: u32,
    /// Microseconds by state and reason.
    pub card: Vec<(CardKey, u64)>,
    /// Microseconds with a leg ASSIGNED, CONNECTED or ON_HOLD.
    pub busy: u64,
    /// Microseconds with only wrapping legs.
    pub wrap_up: u64,
    /// Microseconds AVAILABLE with no leg.
    pub idle: u64,
    /// Units in use x microseconds.
    pub used: u64,
    /// Units x microseconds signed in.
    pub capacity: u64,
    /// Microseconds in which his shifts said what was due, and of those in which he adhered to it.
    pub scheduled: u64,
    /// See `scheduled`.
    pub adherent: u64,
    /// Figures of his legs by channel and direction.
    pub legs: Vec<((ChannelId, Direction), Counts)>,
}

record!(Quarter { team, site, card, busy, wrap_up, idle, used, capacity, scheduled, adherent, legs });

impl Quarter {
    /// Microseconds signed in.
    #[must_use]
    pub fn signed_in(&self) -> u64 {
        self.card.iter().map(|(_, micros)| micros).sum()
    }

    /// Adds another's times and figures.
    pub fn add(&mut self, other: &Quarter) {
        (self.team, self.site) = (other.team, other.site);
        for &(key, micros) in &other.card {
            self.on_card(key, micros);
        }
        self.busy += other.busy;
        self.wrap_up += other.wrap_up;
        self.idle += other.idle;
        self.used += other.used;
        self.capacity += other.capacity;
        self.scheduled += other.scheduled;
        self.adherent += other.adherent;
        for (key, counts) in &other.legs {
            *self.legs_of(*key) += counts;
        }
    }

    fn on_card(&mut self, key: CardKey, micros: u64) {
        match self.card.iter_mut().find(|(held, _)| *held == key) {
            Some((_, time)) => *time += micros,
            None => self.card.push((key, micros)),
        }
    }

    /// The figures of his legs on one channel and direction.
    pub fn legs_of(&mut self, key: (ChannelId, Direction)) -> &mut Counts {
        let at = self.legs.iter().position(|(held, _)| *held == key).unwrap_or_else(|| {
            self.legs.push((key, Counts::default()));
            self.legs.len() - 1
        });
        &mut self.legs[at].1
    }
}

/// What an agent does, from his legs.
#[derive(Clone, Copy, Debug, Default)]
pub struct InHand {
    /// Legs ASSIGNED, CONNECTED or ON_HOLD.
    pub busy: u32,
    /// Legs wrapping up.
    pub wrapping: u32,
    /// Units in use and reserved.
    pub used: u32,
}

record!(InHand { busy, wrapping, used });

/// One agent.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Who he is.
    pub profile: Arc<AgentProfile>,
    /// His team, by place; 0 for none.
    pub team: u32,
    /// His site, by place; 0 for none.
    pub site: u32,
    /// What he chose.
    pub presence: Presence,
    /// What waits for his last leg.
    pub next_presence: Option<Presence>,
    /// What his state means for routing.
    pub routing: Routing,
    /// The place of his not-ready reason; 0 for none.
    pub reason: u16,
    /// His legs.
    pub in_hand: InHand,
    /// Whether he is gone.
    pub deleted: bool,
    since: Time,
    /// His shifts, and what is due by them until when.
    schedule: Option<Arc<Schedule>>,
    due: (Due, Time),
    /// Microseconds signed in since the day began.
    pub day_signed_in: u64,
    /// What passed, by quarter.
    pub quarters: BTreeMap<u64, Quarter>,
}

/// His schedule follows from the policy.
impl Wire for Clock {
    fn put(&self, out: &mut Writer) {
        let Clock {
            profile,
            team,
            site,
            presence,
            next_presence,
            routing,
            reason,
            in_hand,
            deleted,
            since,
            day_signed_in,
            quarters,
            schedule: _,
            due: _,
        } = self;
        profile.put(out);
        team.put(out);
        site.put(out);
        presence.put(out);
        next_presence.put(out);
        routing.put(out);
        reason.put(out);
        in_hand.put(out);
        deleted.put(out);
        since.put(out);
        day_signed_in.put(out);
        quarters.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Clock {
            profile: Wire::get(from)?,
            team: Wire::get(from)?,
            site: Wire::get(from)?,
            presence: Wire::get(from)?,
            next_presence: Wire::get(from)?,
            routing: Wire::get(from)?,
            reason: Wire::get(from)?,
            in_hand: Wire::get(from)?,
            deleted: Wire::get(from)?,
            since: Wire::get(from)?,
            day_signed_in: Wire::get(from)?,
            quarters: Wire::get(from)?,
            schedule: None,
            due: (Due::Nothing, Time(0)),
        })
    }
}

impl Clock {
    /// An agent who is not signed in.
    #[must_use]
    pub fn new(profile: Arc<AgentProfile>, now: Time) -> Clock {
        Clock {
            profile,
            team: 0,
            site: 0,
            presence: Presence::Offline,
            next_presence: None,
            routing: Routing::OffQueue,
            reason: 0,
            in_hand: InHand::default(),
            deleted: false,
            since: now,
            schedule: None,
            due: (Due::Nothing, Time(0)),
            day_signed_in: 0,
            quarters: BTreeMap::new(),
        }
    }

    /// Himself without what passed.
    #[must_use]
    pub fn without_past(&self) -> Clock {
        let mut clock = Clock::new(self.profile.clone(), self.since);
        (clock.team, clock.site, clock.reason, clock.deleted) = (self.team, self.site, self.reason, self.deleted);
        (clock.presence, clock.next_presence) = (self.presence.clone(), self.next_presence.clone());
        (clock.routing, clock.in_hand, clock.day_signed_in) = (self.routing, self.in_hand, self.day_signed_in);
        clock
    }

    /// Whether he is signed in.
    #[must_use]
    pub fn signed_in(&self) -> bool {
        self.presence != Presence::Offline
    }

    /// The state he is in, as [`names::AGENT_STATES`] has it.
    #[must_use]
    pub fn state(&self) -> usize {
        match (&self.presence, self.routing) {
            (Presence::NotReady(_), Routing::OffQueue) => names::NOT_READY,
            (_, routing) => names::agent_state(routing),
        }
    }

    /// Moves the clock: what passed goes to the state he is in.
    pub fn tick(&mut self, now: Time) {
        let since = self.since;
        self.since = now.max(since);
        self.adhere(since, now);
        if !self.signed_in() {
            return;
        }
        let mut from = since;
        while from < now {
            let at = quarter(from);
            let to = quarter_start(at + 1).min(now);
            self.spend(at, to.since(from));
            from = to;
        }
    }

    /// Gives him other shifts. His clock must have been moved to the instant.
    pub(super) fn set_schedule(&mut self, schedule: Option<Arc<Schedule>>) {
        self.schedule = schedule.filter(|_| !self.deleted);
        self.due = (Due::Nothing, Time(0));
    }

    /// Judges a span by his shifts.
    fn adhere(&mut self, since: Time, now: Time) {
        let Some(schedule) = self.schedule.clone() else { return };
        let mut from = since;
        while from < now {
            if from >= self.due.1 {
                self.due = schedule.at(from);
            }
            let at = quarter(from);
            let to = self.due.1.min(quarter_start(at + 1)).min(now);
            if self.due.0 != Due::Nothing {
                let adheres = self.adheres();
                let Span(micros) = to.since(from);
                let quarter = self.quarter(at);
                quarter.scheduled += micros;
                quarter.adherent += if adheres { micros } else { 0 };
            }
            from = to;
        }
    }

    fn adheres(&self) -> bool {
        let state = self.state();
        let off = [names::NOT_READY, names::OFF_QUEUE, names::agent_state(Routing::NotResponding)];
        match self.due.0 {
            Due::Nothing => true,
            Due::Work => self.signed_in() && !off.contains(&state),
            Due::Break(reason) => {
                !self.signed_in() || state == names::NOT_READY && (reason == 0 || self.reason == reason)
            }
        }
    }

    fn spend(&mut self, at: u64, Span(micros): Span) {
        let state = self.state();
        let reason = if state == names::NOT_READY { self.reason } else { 0 };
        let InHand { busy, wrapping, used } = self.in_hand;
        let capacity = u64::from(self.profile.capacity);
        self.day_signed_in += micros;
        let quarter = self.quarter(at);
        quarter.on_card((state, reason), micros);
        match (busy, wrapping) {
            (1.., _) => quarter.busy += micros,
            (0, 1..) => quarter.wrap_up += micros,
            (0, 0) if state == names::agent_state(Routing::Idle) => quarter.idle += micros,
            (0, 0) => {}
        }
        quarter.used += u64::from(used) * micros;
        quarter.capacity += capacity * micros;
    }

    /// A day begins with this quarter.
    pub fn begin_day(&mut self, from: u64) {
        self.day_signed_in = self.quarters.range(from..).map(|(_, quarter)| quarter.signed_in()).sum();
    }

    /// One quarter, begun if it was not.
    pub fn quarter(&mut self, at: u64) -> &mut Quarter {
        let (team, site) = (self.team, self.site);
        let quarter = self.quarters.entry(at).or_default();
        (quarter.team, quarter.site) = (team, site);
        quarter
    }

    /// Counts something of his legs.
    pub fn count(&mut self, now: Time, key: (ChannelId, Direction), counts: &Change) {
        *self.quarter(quarter(now)).legs_of(key) += counts;
    }

    /// A leg of his changes its state; none is a leg that is not there.
    pub fn leg(&mut self, now: Time, cost: u32, before: Option<LegState>, after: Option<LegState>) {
        self.tick(now);
        let held = &mut self.in_hand;
        let count = |held: &mut InHand, state: LegState, by: i32| {
            let count = match state {
                LegState::Assigned | LegState::Connected | LegState::OnHold => &mut held.busy,
                LegState::WrapUp => &mut held.wrapping,
                LegState::Offered | LegState::Ended => return,
            };
            *count = count.saturating_add_signed(by);
        };
        if let Some(before) = before {
            count(held, before, -1);
        }
        match (before, after) {
            (None, Some(after)) => {
                held.used += cost;
                count(held, after, 1);
            }
            (_, Some(after)) => count(held, after, 1),
            (_, None) => held.used = held.used.saturating_sub(cost),
        }
    }

    /// A leg of his takes units back, or leaves them (below zero).
    pub fn units(&mut self, now: Time, change: i64) {
        self.tick(now);
        let used = i64::from(self.in_hand.used) + change;
        self.in_hand.used = u32::try_from(used).unwrap_or(0);
    }

    /// What passed between two quarters, the second left out, in one.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> Quarter {
        let mut whole = Quarter { team: self.team, site: self.site, ..Quarter::default() };
        for quarter in self.quarters.range(from..to).map(|(_, quarter)| quarter) {
            whole.add(quarter);
        }
        whole
    }
}

/// Texts by place, 0 for the empty one; in order of first sight.
#[derive(Clone, Debug)]
pub struct Places {
    texts: Vec<Text>,
    most: usize,
}

record!(Places { texts, most });

impl Places {
    /// With room for so many; further texts share the last place, `other`.
    #[must_use]
    pub fn new(most: usize) -> Places {
        Places { texts: vec![Text::default()], most }
    }

    /// The place of a text, given at first sight.
    pub fn place(&mut self, text: &str) -> u32 {
        if let Some(at) = self.find(text) {
            return at;
        }
        if self.texts.len() >= self.most {
            return self.find("other").unwrap_or_else(|| self.push("other"));
        }
        self.push(text)
    }

    fn push(&mut self, text: &str) -> u32 {
        self.texts.push(text.into());
        self.texts.len() as u32 - 1
    }

    /// The place of a text, if it has one.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        self.texts.iter().position(|known| **known == *text).map(|at| at as u32)
    }

    /// The text at a place.
    #[must_use]
    pub fn text(&self, at: u32) -> &Text {
        &self.texts[at as usize]
    }

    /// How many there are, the empty one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether only the empty one is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.len() == 1
    }
}

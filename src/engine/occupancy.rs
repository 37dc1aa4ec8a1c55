//! How much of his time an agent worked of late: what `least_occupied` compares and `max_occupancy` bounds.
//!
//! Occupancy = worked / (worked + idle) over a window. Worked: at least one leg ASSIGNED, CONNECTED, ON_HOLD or in WRAP_UP.
//! Idle: AVAILABLE without any. Ringing, and all time in which he takes no offers, is neither. The window is made of
//! [`PARTS`] parts counted from 1970, the running one included, so that it moves in steps and costs the same however
//! much happens. Routing's own figure: reports have theirs in `view`.

use super::time::{Span, Time};

/// Parts of a window.
pub const PARTS: usize = 12;

/// What an agent does, as far as his occupancy is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// Neither: he takes no offers, or one rings.
    #[default]
    Neither,
    /// He waits for work.
    Idle,
    /// He works.
    Working,
}

/// An agent's time of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Length of a part in microseconds.
    pub part: u64,
    /// Number of the newest part: parts since 1970.
    pub newest: u64,
    /// What he does.
    pub doing: Doing,
    /// Up to when time is booked.
    pub since: Time,
    /// Microseconds worked, by part.
    pub worked: [u32; PARTS],
    /// Microseconds idle, by part.
    pub idle: [u32; PARTS],
}

impl Occupancy {
    /// Of somebody of whom nothing is known yet.
    #[must_use]
    pub fn new(window: Span, now: Time) -> Occupancy {
        let part = (window.0 / PARTS as u64).clamp(1, u64::from(u32::MAX));
        let (worked, idle) = ([0; PARTS], [0; PARTS]);
        Occupancy { part, newest: now.0 / part, doing: Doing::Neither, since: now, worked, idle }
    }

    /// Books what he did up to now, and notes what he does from here on.
    pub fn turn(&mut self, now: Time, doing: Doing) {
        self.book(now);
        self.doing = doing;
    }

    /// What he does.
    #[must_use]
    pub fn doing(&self) -> Doing {
        self.doing
    }

    fn book(&mut self, now: Time) {
        let (part, last) = (self.part, now.0 / self.part);
        let oldest = last.saturating_sub(PARTS as u64 - 1);
        for fresh in (self.newest + 1).max(oldest)..=last {
            let at = (fresh % PARTS as u64) as usize;
            (self.worked[at], self.idle[at]) = (0, 0);
        }
        self.newest = last;
        let mut from = self.since.0.max(oldest * part);
        while from < now.0 {
            let number = from / part;
            let until = ((number + 1) * part).min(now.0);
            let at = (number % PARTS as u64) as usize;
            match self.doing {
                Doing::Neither => {}
                Doing::Idle => self.idle[at] += (until - from) as u32,
                Doing::Working => self.worked[at] += (until - from) as u32,
            }
            from = until;
        }
        self.since = now;
    }

    /// Microseconds worked and idle in the window that ends now.
    fn sums(&self, now: Time) -> (u64, u64) {
        let mut held = *self;
        held.book(now);
        let sum = |parts: &[u32; PARTS]| parts.iter().map(|&part| u64::from(part)).sum();
        (sum(&held.worked), sum(&held.idle))
    }

    /// The occupancy in parts per million; 0 when he neither worked nor was idle.
    #[must_use]
    pub fn ppm(&self, now: Time) -> u32 {
        let (worked, idle) = self.sums(now);
        (u128::from(worked) * 1_000_000).checked_div(u128::from(worked + idle)).unwrap_or(0) as u32
    }

    /// Whether it is above a bound in parts per million.
    #[must_use]
    pub fn above(&self, now: Time, bound: u32) -> bool {
        let (worked, idle) = self.sums(now);
        u128::from(worked) * 1_000_000 > u128::from(bound) * u128::from(worked + idle)
    }

    /// When it will have come down to a bound, were he idle from now on: now, when it has. At most a window away.
    #[must_use]
    pub fn rested(&self, now: Time, bound: u32) -> Time {
        let (mut held, mut at) = (*self, now);
        held.turn(now, Doing::Idle);
        loop {
            let (worked, idle) = held.sums(at);
            if worked == 0 {
                return at;
            }
            // The time altogether of which what was worked is the bound's share.
            let whole = (u128::from(worked) * 1_000_000).div_ceil(u128::from(bound.max(1)));
            let lacks = whole.saturating_sub(u128::from(worked + idle));
            let next = (at.0 / held.part + 1) * held.part;
            if u128::from(at.0) + lacks < u128::from(next) {
                return Time(at.0 + lacks as u64);
            }
            at = Time(next);
            held.book(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Span = Span::from_secs(120);

    fn at(secs: u64) -> Time {
        Time(secs * 1_000_000)
    }

    /// Idle for 30 s, then at work for 30 s.
    fn half() -> Occupancy {
        let mut held = Occupancy::new(WINDOW, at(1_000));
        held.turn(at(1_000), Doing::Idle);
        held.turn(at(1_030), Doing::Working);
        held.turn(at(1_060), Doing::Neither);
        held
    }

    #[test]
    fn it_is_the_share_of_time_worked() {
        assert_eq!(half().ppm(at(1_060)), 500_000);
        assert_eq!(half().ppm(at(1_100)), 500_000, "what is neither changes nothing");
        assert_eq!(Occupancy::new(WINDOW, at(5)).ppm(at(9)), 0);
        let mut held = half();
        held.turn(at(1_060), Doing::Working);
        assert_eq!(held.ppm(at(1_090)), 666_666);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        // Parts of 10 s: at 1,129 s the oldest begins at 1,010 s, at 1,139 s at 1,020 s, at 1,140 s at 1,030 s.
        assert_eq!(half().ppm(at(1_129)), 600_000);
        assert_eq!(half().ppm(at(1_139)), 750_000);
        assert_eq!(half().ppm(at(1_140)), 1_000_000);
        assert_eq!(half().ppm(at(1_170)), 0);
        assert_eq!(half().ppm(at(90_000)), 0);
    }

    #[test]
    fn rest_lasts_until_idleness_has_made_up_for_it() {
        let held = half();
        assert_eq!(held.rested(at(1_060), 500_000), at(1_060));
        assert_eq!(held.rested(at(1_060), 300_000), at(1_100));
        assert!(held.above(at(1_060), 499_999) && !held.above(at(1_060), 500_000));
        // Never by idleness alone, but what was worked is forgotten in the end.
        assert_eq!(held.rested(at(1_060), 0), at(1_170));
        let mut idle = held;
        idle.turn(at(1_060), Doing::Idle);
        for bound in [100_000, 250_000, 333_333, 499_999] {
            let then = held.rested(at(1_060), bound);
            assert!(!idle.above(then, bound) && idle.above(then - Span(1), bound), "{bound} at {then:?}");
        }
    }
}

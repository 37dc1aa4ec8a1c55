//! The server's clock, the only place that asks the machine for the time.
//!
//! UTC microseconds: set once at start, moved by the monotonic clock from then on. It never goes back and never jumps,
//! whatever is done to the wall clock meanwhile.

#![expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::engine::time::{Span, Time};

/// A clock. Copies of it agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begun: Instant,
    base: Time,
}

impl Clock {
    /// A clock that begins at the wall clock's time, or at `least` when that is later: the last time journalled.
    #[must_use]
    pub fn start(least: Time) -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Time(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX));
        Clock { begun: Instant::now(), base: wall.max(least) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.base + span(self.begun.elapsed())
    }

    /// Nanoseconds since the clock began, to measure how long something takes.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How long until `time`; nothing when it is past.
    #[must_use]
    pub fn until(&self, time: Time) -> Duration {
        Duration::from_micros(time.since(self.now()).0)
    }
}

fn span(duration: Duration) -> Span {
    Span(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

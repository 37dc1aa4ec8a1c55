//! Instants and spans, in whole microseconds.
//!
//! The engine never reads a clock: every [`Time`] comes in with a command. Read `mod.rs` next.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// An instant: UTC microseconds since 1970-01-01T00:00:00Z. Non-decreasing from batch to batch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of time in microseconds, never negative.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    /// The span from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Span {
        Span(millis * 1_000)
    }

    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Span {
        Span(secs * 1_000_000)
    }

    /// This span in seconds, for people and for Prometheus' base unit: whole part and microseconds.
    #[must_use]
    pub const fn parts(self) -> (u64, u32) {
        (self.0 / 1_000_000, (self.0 % 1_000_000) as u32)
    }

    /// Whether this is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// An instant or none in eight bytes, for what is kept by the million; an `Option<Time>` takes sixteen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaybeTime(u64);

impl MaybeTime {
    /// No instant.
    pub const NONE: MaybeTime = MaybeTime(u64::MAX);

    /// The instant, if there is one.
    #[must_use]
    pub fn get(self) -> Option<Time> {
        (self.0 != u64::MAX).then_some(Time(self.0))
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Sets the instant when there is none.
    pub fn first(&mut self, time: Time) {
        if self.is_none() {
            *self = time.into();
        }
    }
}

impl From<Time> for MaybeTime {
    /// The end of all times is taken for none; nothing is due there.
    fn from(time: Time) -> MaybeTime {
        MaybeTime(time.0)
    }
}

impl From<Option<Time>> for MaybeTime {
    fn from(time: Option<Time>) -> MaybeTime {
        time.map_or(Self::NONE, Self::from)
    }
}

impl Default for MaybeTime {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for MaybeTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span(self.0).fmt(f)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Seconds with as many decimals as needed: `20s`, `0.5s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, micros) = self.parts();
        if micros == 0 {
            return write!(f, "{secs}s");
        }
        let (mut digits, mut width) = (micros, 6);
        while digits % 10 == 0 {
            digits /= 10;
            width -= 1;
        }
        write!(f, "{secs}.{digits:0width$}s")
    }
}

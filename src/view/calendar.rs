//! Days and intervals in a tenant's time zone, as instants.
//!
//! Everything kept by interval is kept by quarter of an hour of UTC: every zone's offset is a whole number of them, so
//! that intervals and days of any zone are made of whole quarters.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::time::{Span, Time};

/// A quarter of an hour.
pub const QUARTER: Span = Span::from_secs(900);

/// The number of a quarter: quarters since 1970.
#[must_use]
pub fn quarter(time: Time) -> u64 {
    time.0 / QUARTER.0
}

/// When a quarter begins.
#[must_use]
pub fn quarter_start(quarter: u64) -> Time {
    Time(quarter * QUARTER.0)
}

/// How long the intervals of a report are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// So long: 15 min, 30 min or 1 h.
    Fixed(Span),
    /// A day of the tenant's zone, 23-25 h long when clocks change.
    Day,
    /// The whole span in one.
    Whole,
}

/// A tenant's time zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    /// The day last asked for.
    day: (Time, Time),
}

impl Calendar {
    /// Of an IANA zone; UTC when it is not known.
    #[must_use]
    pub fn new(zone: &str) -> Calendar {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        Calendar { zone, day: (Time(0), Time(0)) }
    }

    fn zoned(&self, time: Time) -> jiff::Zoned {
        let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
        let timestamp = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
        timestamp.to_zoned(self.zone.clone())
    }

    fn instant(zoned: &jiff::Zoned) -> Time {
        Time(u64::try_from(zoned.timestamp().as_microsecond()).unwrap_or(0))
    }

    /// The begin of the day an instant lies in, and of the next one.
    #[must_use]
    pub fn day(&mut self, time: Time) -> (Time, Time) {
        if !(self.day.0 <= time && time < self.day.1) {
            self.day = self.day_of(time);
        }
        self.day
    }

    fn day_of(&self, time: Time) -> (Time, Time) {
        let zoned = self.zoned(time);
        let start = zoned.start_of_day().map_or(time, |start| Calendar::instant(&start));
        let next = zoned.tomorrow().and_then(|next| next.start_of_day());
        (start, next.map_or(start + Span::from_secs(86_400), |next| Calendar::instant(&next)))
    }

    /// The interval an instant lies in: its begin and its end.
    #[must_use]
    pub fn interval(&self, time: Time, interval: Interval) -> (Time, Time) {
        let length = match interval {
            Interval::Day => return self.day_of(time),
            Interval::Whole => QUARTER,
            Interval::Fixed(length) => length,
        };
        let offset = i64::from(self.zoned(time).offset().seconds()) * 1_000_000;
        let local = time.0.saturating_add_signed(offset);
        let start = Time((local - local % length.0).saturating_add_signed(-offset));
        (start, start + length)
    }

    /// The date an instant lies in.
    #[must_use]
    pub fn date_of(&self, time: Time) -> jiff::civil::Date {
        self.zoned(time).date()
    }

    /// The day of the week so many days after a date: 0 is Monday.
    #[must_use]
    pub fn weekday(&self, date: jiff::civil::Date, days: i64) -> u32 {
        let day = date.saturating_add(jiff::Span::new().days(days));
        day.weekday().to_monday_zero_offset().unsigned_abs().into()
    }

    /// The instant of so many seconds after midnight by the clock on the wall, so many days after a date. A day has 86,400
    /// of them also when the clock is moved.
    #[must_use]
    pub fn wall(&self, date: jiff::civil::Date, days: i64, seconds: u32) -> Time {
        let day = date.saturating_add(jiff::Span::new().days(days + i64::from(seconds / 86_400)));
        let midnight = day.to_datetime(jiff::civil::Time::midnight());
        let wall = midnight.saturating_add(jiff::SignedDuration::from_secs(i64::from(seconds % 86_400)));
        wall.to_zoned(self.zone.clone()).map_or(Time(0), |zoned| Calendar::instant(&zoned))
    }

    /// The day a date names, as `2026-11-25`.
    #[must_use]
    pub fn date(&self, date: &str) -> Option<(Time, Time)> {
        let date: jiff::civil::Date = date.parse().ok()?;
        let start = date.to_zoned(self.zone.clone()).ok()?;
        Some(self.day_of(Calendar::instant(&start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        let timestamp: Timestamp = text.parse().expect(text);
        Time(timestamp.as_microsecond() as u64)
    }

    #[test]
    fn days_are_of_the_zone() {
        let mut lisbon = Calendar::new("Europe/Lisbon");
        assert_eq!(lisbon.day(at("2026-07-01T23:30:00Z")), (at("2026-07-01T23:00:00Z"), at("2026-07-02T23:00:00Z")));
        // Clocks go back: the day has 25 hours.
        let (start, end) = lisbon.day(at("2026-10-25T12:00:00Z"));
        assert_eq!(end.since(start), Span::from_secs(25 * 3_600));
        assert_eq!(lisbon.date("2026-10-25"), Some((start, end)));
        assert_eq!(lisbon.date("2026-13-25"), None);
    }

    #[test]
    fn intervals_begin_on_the_zones_boundary() {
        let nepal = Calendar::new("Asia/Kathmandu");
        let half = Interval::Fixed(Span::from_secs(1_800));
        assert_eq!(
            nepal.interval(at("2026-07-01T10:20:00Z"), half),
            (at("2026-07-01T10:15:00Z"), at("2026-07-01T10:45:00Z"))
        );
        let utc = Calendar::new("no/such");
        assert_eq!(utc.interval(at("2026-07-01T10:20:00Z"), half).0, at("2026-07-01T10:00:00Z"));
    }
}

//! The days of a scenario in the tenant's time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

use crate::config::schema::{TimeOfDay, Weekday};
use crate::config::text_rules::time_of_day;
use crate::engine::time::Time;

/// Days in a row.
pub(super) struct Calendar {
    zone: TimeZone,
    start: Date,
    days: usize,
}

impl Calendar {
    /// `days` days from `start` on.
    ///
    /// # Errors
    /// A zone that is none, or days before 1970 or past what can be counted.
    pub fn new(zone: &str, start: Date, days: u32) -> Result<Calendar, String> {
        let zone = TimeZone::get(zone).map_err(|error| error.to_string())?;
        let last = start.checked_add(i64::from(days + 2).days());
        if start.year() < 1971 || last.is_err() {
            return Err(format!("{start} and the {days} days after it cannot be counted"));
        }
        Ok(Calendar { zone, start, days: days as usize })
    }

    /// How many days.
    pub fn days(&self) -> usize {
        self.days
    }

    /// The date of a day.
    pub fn date(&self, day: usize) -> Date {
        self.start.saturating_add((day as i64).days())
    }

    /// The days that are such days of the week; all when none is named.
    pub fn on(&self, weekdays: &[Weekday]) -> Vec<usize> {
        let is = |day: &usize| {
            let found = self.date(*day).weekday().to_monday_zero_offset();
            weekdays.is_empty() || weekdays.iter().any(|wanted| *wanted as i8 == found)
        };
        (0..self.days).filter(is).collect()
    }

    /// The instant of a time of day, in seconds since midnight by the clock on the wall; a day has 86,400 of them also
    /// when the clock is moved.
    pub fn at(&self, day: usize, seconds: u32) -> Time {
        let date = self.date(day + (seconds / 86_400) as usize);
        let wall = date
            .to_datetime(jiff::civil::Time::midnight())
            .saturating_add(SignedDuration::from_secs(i64::from(seconds % 86_400)));
        self.instant(wall)
    }

    /// The instant of a wall time.
    pub fn instant(&self, wall: jiff::civil::DateTime) -> Time {
        let zoned = wall.to_zoned(self.zone.clone());
        Time(zoned.map_or(0, |zoned| u64::try_from(zoned.timestamp().as_microsecond()).unwrap_or(0)))
    }

    /// Seconds since midnight of a time of day that was checked.
    pub fn seconds(&self, time: &TimeOfDay) -> u32 {
        time_of_day(time.0.get()).unwrap_or(0)
    }
}

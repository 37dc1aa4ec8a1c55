//! What a tenant's table says of named pools, and the clock their days go by.

use crate::engine::policy::{Pool, ZoneOffset};
use crate::engine::time::{Span, Time};

use super::fault::Gathered;
use super::schema;
use super::tenant::{TIME_ZONE, text};
use super::text_rules::time_of_day;
use super::validate::unique;

/// The years whose changes of the clock are told to the engine; after them it stays as it last was.
const YEARS: std::ops::Range<i16> = 2020..2121;

/// The pools, and the clock of the time zone where one counts by its days.
pub(super) fn pools(table: &schema::Tenant, faults: &mut Gathered<'_>) -> (Vec<Pool>, Vec<ZoneOffset>) {
    let known = unique("pool", table.pools.iter().map(|pool| &pool.id), faults);
    for named in table.channels.iter().flat_map(|channel| &channel.pools) {
        if !known.has(named.get()) {
            faults.unknown(named.span(), "pool", named.get(), known.iter());
        }
    }
    let pools: Vec<Pool> = table.pools.iter().map(|pool| self::pool(pool, faults)).collect();
    let by_day = pools.iter().any(|pool| pool.per_day.is_some());
    let zone = table.time_zone.as_deref().unwrap_or(TIME_ZONE);
    (pools, if by_day { offsets(zone) } else { Vec::new() })
}

fn pool(table: &schema::Pool, faults: &mut Gathered<'_>) -> Pool {
    let id = &table.id.get().0;
    if table.max.is_none() && table.per_day.is_none() {
        let hint = "add `max`, the most one agent holds at once, or `per_day`";
        faults.hinted(table.id.span(), format!("pool `{id}` bounds nothing"), hint);
    }
    if let Some(reset) = table.reset.as_ref().filter(|_| table.per_day.is_none() && table.max.is_some()) {
        faults.hinted(reset.0.span(), "`reset` means nothing without `per_day`", "leave it out, or add `per_day`");
    }
    // What is no time of day was reported before; the end of a day is the begin of the next.
    let reset = table.reset.as_ref().and_then(|reset| time_of_day(reset.0.get()).ok()).unwrap_or(0) % 86_400;
    Pool { id: text(&table.id), max: table.max, per_day: table.per_day, reset: Span::from_secs(reset.into()) }
}

/// How far a zone's clock is from UTC, from when on. A zone that is none was reported before.
fn offsets(zone: &str) -> Vec<ZoneOffset> {
    let Ok(zone) = jiff::tz::TimeZone::get(zone) else { return Vec::new() };
    let begin =
        jiff::civil::date(YEARS.start, 1, 1).to_zoned(zone.clone()).map(|at| at.timestamp()).unwrap_or_default();
    let end = jiff::civil::date(YEARS.end, 1, 1).to_zoned(zone.clone()).map(|at| at.timestamp()).unwrap_or_default();
    let first = ZoneOffset { from: Time(0), seconds: zone.to_offset(begin).seconds() };
    let changes = zone.following(begin).take_while(|change| change.timestamp() < end).map(|change| ZoneOffset {
        from: Time(u64::try_from(change.timestamp().as_microsecond()).unwrap_or(0)),
        seconds: change.offset().seconds(),
    });
    let mut offsets: Vec<ZoneOffset> = std::iter::once(first).chain(changes).collect();
    // A change of name alone, or of what is called summer, is none of the clock's.
    offsets.dedup_by_key(|offset| offset.seconds);
    offsets
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::{AmbiguousOffset, TimeZone};

    use super::*;
    use crate::engine::policy::next_reset;

    /// Every reset of some years is at its time of day by the zone's own rules, or where there is no such time, at the
    /// first instant after it; and there is one a day.
    #[test]
    fn resets_are_at_the_clock_of_the_zone_through_every_change_of_it() {
        // Clocks are changed at 1 in Lisbon, at midnight in Beirut, by half an hour on Lord Howe, never in Tokyo.
        for name in ["Europe/Lisbon", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Tokyo", "UTC"] {
            let (zone, offsets) = (TimeZone::get(name).expect("a zone"), offsets(name));
            assert!(offsets.windows(2).all(|two| two[0].from < two[1].from && two[0].seconds != two[1].seconds));
            for (hour, minute) in [(0, 0), (0, 30), (1, 0), (1, 30), (2, 0), (23, 59)] {
                let at = Span::from_secs(hour * 3_600 + minute * 60);
                let mut day = date(2026, 1, 1);
                let wall = |day: jiff::civil::Date| day.at(hour as i8, minute as i8, 0, 0);
                let begin = zone.to_timestamp(wall(day)).expect("an instant");
                let mut last = Time(begin.as_microsecond() as u64);
                while day < date(2029, 1, 1) {
                    day = day.tomorrow().expect("a day");
                    last = next_reset(&offsets, at, last);
                    let expected = match zone.to_ambiguous_timestamp(wall(day)) {
                        ambiguous if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) => {
                            let earlier = ambiguous.earlier().expect("an instant");
                            zone.following(earlier).next().expect("a change").timestamp()
                        }
                        ambiguous => ambiguous.earlier().expect("an instant"),
                    };
                    assert_eq!(last.0 as i64, expected.as_microsecond(), "{name} {day} {hour}:{minute}");
                }
            }
        }
    }

    #[test]
    fn the_clock_goes_on_past_the_years_that_are_known() {
        let offsets = offsets("Europe/Lisbon");
        assert!((190..220).contains(&offsets.len()), "{} changes", offsets.len());
        let late = Time(6_000_000_000_000_000);
        let next = next_reset(&offsets, Span::ZERO, late);
        assert!(next > late && next.since(late) <= Span::from_secs(86_400));
        assert_eq!(offsets.first().map(|offset| offset.from), Some(Time(0)));
    }
}

//! What a team's table says of when its agents are due to work.

use crate::engine::policy::{Shift, ShiftBreak};

use super::fault::Gathered;
use super::schema::{At, TeamBreak, TeamShift, TimeOfDay};
use super::tenant::Known;
use super::text_rules::time_of_day;

/// Seconds of a day.
const DAY: u32 = 86_400;

/// Begin and end in seconds since the midnight before; an end that is not later is the next day's.
fn span(from: &TimeOfDay, to: &TimeOfDay) -> (u32, u32) {
    // What is no time of day was reported before.
    let read = |time: &TimeOfDay| time_of_day(time.0.get()).unwrap_or(0);
    let (from, to) = (read(from), read(to));
    (from, if to > from { to } else { to + DAY })
}

/// One shift of a team.
pub(super) fn shift(table: &At<TeamShift>, known: &Known, faults: &mut Gathered<'_>) -> Option<Shift> {
    let shift = table.get();
    shift.agents.iter().for_each(|agent| known.agent(agent, faults));
    let (from, to) = span(&shift.from, &shift.to);
    if to - from > DAY || from == DAY {
        faults.add(table.span(), "the shift begins when its day ends".to_owned());
        return None;
    }
    let breaks: Vec<ShiftBreak> = shift.breaks.iter().filter_map(|it| pause(it, (from, to), known, faults)).collect();
    let days = shift.days.iter().fold(0, |days, day| days | 1 << (*day as u8));
    Some(Shift {
        agents: shift.agents.iter().map(|agent| agent.get().as_str().into()).collect(),
        days: if days == 0 { 0b111_1111 } else { days },
        from,
        to,
        breaks,
    })
}

/// One break of a shift that lasts from `begin` to `end`.
fn pause(table: &TeamBreak, (begin, end): (u32, u32), known: &Known, faults: &mut Gathered<'_>) -> Option<ShiftBreak> {
    if let Some(reason) = table.reason.as_ref().filter(|_| !known.reasons.is_empty())
        && !known.reasons.contains(reason.get())
    {
        faults.unknown(reason.span(), "not-ready reason", reason.get(), known.reasons.iter().map(String::as_str));
    }
    let (mut from, mut to) = span(&table.from, &table.to);
    // In a night's shift what comes before its begin by the clock is the next day's.
    if from < begin {
        (from, to) = (from + DAY, to + DAY);
    }
    if to > end {
        let hint = "a break lies between `from` and `to` of its shift";
        faults.hinted(table.from.0.span(), "the break is not inside its shift", hint);
        return None;
    }
    let reason = table.reason.as_ref().map(|reason| reason.get().as_str().into()).unwrap_or_default();
    Some(ShiftBreak { from, to, reason })
}

//! When agents are due to work, from the shifts of their teams, and whether they do: adherence.
//!
//! In a shift an agent adheres while he is signed in and on queue (idle, ringing, busy, wrapping up or finishing what he
//! has in hand); in a break while he is NOT_READY, with the break's reason where it has one, or signed out. Outside of
//! shifts nothing is due.

use std::sync::Arc;

use super::calendar::Calendar;
use super::fold::Books;
use crate::engine::agent::AgentProfile;
use crate::engine::policy::Shift;
use crate::engine::time::Time;

/// What is due of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    #[default]
    Nothing,
    /// Work.
    Work,
    /// A break, with the place of its reason; 0 for any.
    Break(u16),
}

/// The shifts of one agent.
#[derive(Debug)]
pub struct Schedule {
    calendar: Calendar,
    /// Each with the places of its breaks' reasons.
    shifts: Vec<(Shift, Vec<u16>)>,
}

impl Schedule {
    /// What is due at an instant, and until when that holds for certain.
    #[must_use]
    pub fn at(&self, time: Time) -> (Due, Time) {
        let date = self.calendar.date_of(time);
        let mut until = self.calendar.wall(date, 1, 86_400);
        let mut due = Due::Nothing;
        let mut within = |from: Time, to: Time| {
            for bound in [from, to].into_iter().filter(|bound| *bound > time) {
                until = until.min(bound);
            }
            (from..to).contains(&time)
        };
        // A shift of yesterday may go on past midnight; one of tomorrow bounds how long this holds.
        for day in -1..=1 {
            let weekday = self.calendar.weekday(date, day);
            for (shift, reasons) in self.shifts.iter().filter(|(shift, _)| shift.days & (1 << weekday) != 0) {
                let at = |seconds: u32| self.calendar.wall(date, day, seconds);
                let mut found = if within(at(shift.from), at(shift.to)) { Due::Work } else { Due::Nothing };
                for (pause, &reason) in shift.breaks.iter().zip(reasons) {
                    if within(at(pause.from), at(pause.to)) {
                        found = Due::Break(reason);
                    }
                }
                // Where two shifts overlap, who works in either is due to work.
                due = match (due, found) {
                    (Due::Work, _) | (_, Due::Work) => Due::Work,
                    (Due::Nothing, found) => found,
                    (due, _) => due,
                };
            }
        }
        (due, until)
    }
}

impl Books {
    /// The shifts of an agent; none when his team has none for him.
    pub(super) fn schedule_of(&mut self, profile: &AgentProfile) -> Option<Arc<Schedule>> {
        let team = profile.team.as_ref()?;
        let policy = self.policy.clone();
        let of = policy.teams.iter().find(|known| known.id == *team)?;
        let his = |shift: &&Shift| shift.agents.is_empty() || shift.agents.contains(&profile.agent_id);
        let mut shifts = Vec::new();
        for shift in of.shifts.iter().filter(his) {
            let place = |reason: &crate::engine::id::Text| u16::try_from(self.reasons.place(reason)).unwrap_or(0);
            let reasons = shift.breaks.iter().map(|pause| &pause.reason).map(place).collect();
            shifts.push((shift.clone(), reasons));
        }
        (!shifts.is_empty()).then(|| Arc::new(Schedule { calendar: self.calendar.clone(), shifts }))
    }

    /// Gives every agent the shifts of the policy in force; what passed was judged by those before.
    pub(super) fn schedule_all(&mut self) {
        for at in 0..self.agents.len() {
            let Some(profile) = self.agents[at].as_ref().map(|clock| clock.profile.clone()) else { continue };
            let schedule = self.schedule_of(&profile);
            if let Some(clock) = &mut self.agents[at] {
                clock.set_schedule(schedule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::policy::ShiftBreak;

    fn at(text: &str) -> Time {
        let timestamp: jiff::Timestamp = text.parse().expect(text);
        Time(timestamp.as_microsecond() as u64)
    }

    #[test]
    fn days_nights_and_clocks_that_are_moved() {
        let hour = 3_600;
        let day = Shift {
            days: 0b0011111,
            from: 9 * hour,
            to: 17 * hour,
            breaks: vec![ShiftBreak { from: 12 * hour, to: 12 * hour + 1_800, reason: "".into() }],
            ..Shift::default()
        };
        // Sunday, 22 o'clock, to Monday, 6 o'clock.
        let night = Shift { days: 0b1000000, from: 22 * hour, to: 30 * hour, ..Shift::default() };
        let calendar = Calendar::new("Europe/Lisbon");
        let schedule = Schedule { calendar, shifts: vec![(day, vec![3]), (night, Vec::new())] };
        // Monday, in summer time: an hour ahead of UTC.
        let found = |text: &str| schedule.at(at(text));
        assert_eq!(found("2026-06-01T00:00:00Z"), (Due::Work, at("2026-06-01T05:00:00Z")), "the night of Sunday");
        assert_eq!(found("2026-06-01T05:00:00Z"), (Due::Nothing, at("2026-06-01T08:00:00Z")));
        assert_eq!(found("2026-06-01T08:00:00Z"), (Due::Work, at("2026-06-01T11:00:00Z")));
        assert_eq!(found("2026-06-01T11:10:00Z"), (Due::Break(3), at("2026-06-01T11:30:00Z")));
        assert_eq!(found("2026-06-01T11:30:00Z"), (Due::Work, at("2026-06-01T16:00:00Z")));
        assert_eq!(found("2026-06-06T12:00:00Z").0, Due::Nothing, "Saturday");
        // The night in which clocks go back has an hour more.
        assert_eq!(found("2026-10-25T23:00:00Z"), (Due::Work, at("2026-10-26T06:00:00Z")));
        assert_eq!(found("2026-10-26T09:00:00Z").0, Due::Work, "in winter nine is nine");
    }
}

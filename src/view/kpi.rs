//! The formulas, each written here and nowhere else in Rust: what gRPC, `/metrics`, reports and JSON show is computed
//! by these functions from the same counts.
//!
//! With W answered within the threshold T, A answered, B abandoned, B_T abandoned within T, B_s short:
//! a ratio whose denominator is zero is none, never 0 and never NaN.

use super::counts::{Count, Counts, Sum};

/// The service level by every named definition, 0-1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServiceLevels {
    /// W / offered: the headline.
    pub of_offered: Option<f64>,
    /// W / A.
    pub of_answered: Option<f64>,
    /// W / (A + B).
    pub of_answered_abandoned: Option<f64>,
    /// W / (A + B - B_s).
    pub excluding_short: Option<f64>,
    /// (W + B_T) / (A + B).
    pub abandons_met: Option<f64>,
    /// W / (A + B - B_T).
    pub excluding_early_abandons: Option<f64>,
    /// W / (W + B_T + entries that passed T waiting): counts an entry the moment it passes.
    pub live: Option<f64>,
}

/// The names of the definitions, in the order of [`ServiceLevels::all`].
pub const DEFINITIONS: [&str; 7] = [
    "of_offered",
    "of_answered",
    "of_answered_abandoned",
    "excluding_short",
    "abandons_met",
    "excluding_early_abandons",
    "live",
];

impl ServiceLevels {
    /// From counts, and how many of the entries still open have passed their threshold.
    #[must_use]
    pub fn of(counts: &Counts, waiting_past: i64) -> ServiceLevels {
        let count = |of| counts.count(of);
        let within = count(Count::AnsweredWithin);
        let ended = count(Count::Answered) + count(Count::Abandoned);
        // Those answered and abandoned late passed T waiting, as did those who left otherwise after it and those who
        // still wait past it.
        let late = ended - within - count(Count::AbandonedWithin);
        let passed = late + count(Count::LeftPast) + waiting_past;
        ServiceLevels {
            of_offered: ratio(within, count(Count::Offered)),
            of_answered: ratio(within, count(Count::Answered)),
            of_answered_abandoned: ratio(within, ended),
            excluding_short: ratio(within, ended - count(Count::AbandonedShort)),
            abandons_met: ratio(within + count(Count::AbandonedWithin), ended),
            excluding_early_abandons: ratio(within, ended - count(Count::AbandonedWithin)),
            live: ratio(within, within + count(Count::AbandonedWithin) + passed),
        }
    }

    /// All of them, in the order of [`DEFINITIONS`].
    #[must_use]
    pub fn all(&self) -> [Option<f64>; 7] {
        [
            self.of_offered,
            self.of_answered,
            self.of_answered_abandoned,
            self.excluding_short,
            self.abandons_met,
            self.excluding_early_abandons,
            self.live,
        ]
    }
}

/// What follows from counts. Spans in microseconds, ratios 0-1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kpis {
    /// The service levels.
    pub service_level: ServiceLevels,
    /// ASA: mean wait of answered.
    pub average_speed_of_answer: Option<u64>,
    /// AHT: (talk + hold + wrap-up) / handled; queue wait is no part of it.
    pub average_handle_time: Option<u64>,
    /// Talk / handled.
    pub average_talk: Option<u64>,
    /// Hold / handled.
    pub average_hold: Option<u64>,
    /// Wrap-up / handled.
    pub average_wrap_up: Option<u64>,
    /// Mean wait of abandoned.
    pub average_time_to_abandon: Option<u64>,
    /// Abandoned / offered.
    pub abandonment: Option<f64>,
    /// Contacts abandoned / received.
    pub abandonment_at_door: Option<f64>,
    /// Distinct contacts transferred / handled.
    pub transfer_rate: Option<f64>,
    /// Resolved / offered; of whole tenants / received.
    pub fcr_of_contacts: Option<f64>,
    /// Resolved / handled.
    pub fcr_of_handled: Option<f64>,
    /// Resolved and never transferred / handled.
    pub fcr_strict: Option<f64>,
    /// Resolved and the customer did not come again within `recontact_window` / handled.
    pub fcr_no_recontact: Option<f64>,
    /// 4 and 5 of 5 / answers.
    pub csat: Option<f64>,
    /// Share of 9-10 less share of 0-6, -100..100.
    pub nps: Option<f64>,
    /// Cost / answered, in millionths of the currency.
    pub cost_per_contact: Option<i64>,
}

impl Kpis {
    /// From counts, and how many of the entries still open have passed their threshold.
    #[must_use]
    pub fn of(counts: &Counts, waiting_past: i64) -> Kpis {
        let count = |of| counts.count(of);
        let mean = |sum, of| average(counts[sum], count(of));
        let handled = count(Count::Handled);
        let handle = counts[Sum::Talk] + counts[Sum::Hold] + counts[Sum::WrapUp];
        let csat = [Count::CsatPositive, Count::CsatNeutral, Count::CsatNegative].map(count);
        let nps = [Count::NpsPositive, Count::NpsNeutral, Count::NpsNegative].map(count);
        Kpis {
            service_level: ServiceLevels::of(counts, waiting_past),
            average_speed_of_answer: mean(Sum::AnsweredWait, Count::AnsweredWaits),
            average_handle_time: average(handle, handled),
            average_talk: mean(Sum::Talk, Count::Handled),
            average_hold: mean(Sum::Hold, Count::Handled),
            average_wrap_up: mean(Sum::WrapUp, Count::Handled),
            average_time_to_abandon: mean(Sum::AbandonedWait, Count::Abandoned),
            abandonment: ratio(count(Count::Abandoned), count(Count::Offered)),
            abandonment_at_door: ratio(count(Count::ClosedAbandoned), count(Count::Received)),
            transfer_rate: ratio(count(Count::ContactsTransferred), handled),
            fcr_of_contacts: ratio(count(Count::Resolved), count(Count::Offered)),
            fcr_of_handled: ratio(count(Count::Resolved), handled),
            fcr_strict: ratio(count(Count::ResolvedUntransferred), handled),
            fcr_no_recontact: ratio(counts.resolved_for_good(), handled),
            csat: ratio(csat[0], csat.iter().sum()),
            nps: ratio(100 * (nps[0] - nps[2]), nps.iter().sum()),
            cost_per_contact: (count(Count::Answered) > 0)
                .then(|| (counts[Sum::Cost] + count(Count::Answered) / 2) / count(Count::Answered)),
        }
    }
}

/// One number over another; none over zero.
#[must_use]
pub fn ratio(of: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| of as f64 / whole as f64)
}

/// The mean of a sum, to the nearest unit; none of nothing.
#[must_use]
pub fn average(sum: i64, of: i64) -> Option<u64> {
    (of > 0).then(|| ((sum + of / 2) / of).max(0) as u64)
}

/// Occupancy: (busy + wrap-up) / (busy + wrap-up + idle available), ring time in neither.
#[must_use]
pub fn occupancy(busy: u64, wrap_up: u64, idle: u64) -> Option<f64> {
    ratio((busy + wrap_up) as i64, (busy + wrap_up + idle) as i64)
}

/// Adherence: time in which an agent did what his shifts had him do / time in which they said what was due.
#[must_use]
pub fn adherence(adherent: u64, scheduled: u64) -> Option<f64> {
    ratio(adherent as i64, scheduled as i64)
}

/// What a span of work costs at so much an hour, in millionths: microseconds x millionths per hour.
#[must_use]
pub fn cost(micros: u64, per_hour: u64) -> u64 {
    let cost = u128::from(micros) * u128::from(per_hour) / 3_600_000_000;
    u64::try_from(cost).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(Count, i32)]) -> Counts {
        let mut counts = Counts::default();
        pairs.iter().for_each(|&(count, number)| counts[count] = number);
        counts
    }

    fn percent(share: Option<f64>) -> f64 {
        (share.expect("there is one") * 1e4).round() / 100.0
    }

    /// Cisco ICM: 70 answered within, 10 abandoned within, 20 passed the threshold: ignored 77.8, negative 70,
    /// positive 80 %.
    #[test]
    fn ciscos_three_types() {
        let late_answered = counts(&[
            (Count::Offered, 100),
            (Count::Answered, 90),
            (Count::AnsweredWithin, 70),
            (Count::Abandoned, 10),
            (Count::AbandonedWithin, 10),
        ]);
        let levels = ServiceLevels::of(&late_answered, 0);
        assert_eq!(percent(levels.excluding_early_abandons), 77.78);
        assert_eq!(percent(levels.of_answered_abandoned), 70.0);
        assert_eq!(percent(levels.abandons_met), 80.0);
        // The 20 still wait: only `live` and the headline know of them.
        let waiting = counts(&[
            (Count::Offered, 100),
            (Count::Answered, 70),
            (Count::AnsweredWithin, 70),
            (Count::Abandoned, 10),
            (Count::AbandonedWithin, 10),
        ]);
        assert_eq!(waiting.waiting(), 20);
        let levels = ServiceLevels::of(&waiting, 20);
        assert_eq!((percent(levels.live), percent(levels.of_offered)), (70.0, 70.0));
        assert_eq!(percent(levels.of_answered_abandoned), 87.5);
    }

    /// Call Centre Helper's day: 1000 answered, 860 within 20 s; 60 abandoned, 20 within 20 s, 10 within 5 s: five
    /// points between the definitions.
    #[test]
    fn call_centre_helpers_day() {
        let day = counts(&[
            (Count::Offered, 1060),
            (Count::Answered, 1000),
            (Count::AnsweredWithin, 860),
            (Count::Abandoned, 60),
            (Count::AbandonedWithin, 20),
            (Count::AbandonedShort, 10),
        ]);
        let levels = ServiceLevels::of(&day, 0);
        let found = levels.all().map(percent);
        assert_eq!(found, [81.13, 86.0, 81.13, 81.9, 83.02, 82.69, 81.13]);
        let spread = found.iter().copied().fold(f64::MIN, f64::max) - found.iter().copied().fold(f64::MAX, f64::min);
        assert!((4.8..5.0).contains(&spread), "{spread}");
    }

    #[test]
    fn nothing_over_nothing_is_none() {
        let none = Kpis::of(&Counts::default(), 0);
        assert_eq!(none, Kpis::default());
        assert_eq!(occupancy(0, 0, 0), None);
        assert_eq!(occupancy(30, 10, 60), Some(0.4));
        assert_eq!(cost(3_600_000_000, 105_000_000), 105_000_000);
    }
}

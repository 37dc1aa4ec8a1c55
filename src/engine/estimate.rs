//! How long a contact is likely to wait: what a queue has shown of late, and the sum that follows from it.
//!
//! A contact waits until an agent has turned to everyone before it and then to it. While somebody waits, agents turn to a
//! queue's contacts at a rate that its drain learns, per agent ready for it, so that who comes and who goes tells at once;
//! and customers leave at a rate of their own. With R turns a second and customers of mean patience P, the i-th turn from
//! the end of the line takes 1 / (R + i / P): the sum is the estimate (Whitt 1999; Ibrahim and Whitt 2009 call it QL, with
//! the patience taken in). What agents do for other queues meanwhile is in the rate, for it was so while it was learnt.
//!
//! Everything here is a fold of events in whole numbers: rules may decide by it, and a replay comes to the same.

use super::time::{Span, Time};

/// One event in the sums, which fade.
const ONE: u64 = 1 << 20;
/// With each event the sums lose 1/512: a thousand events count, the older the less.
const FADE: u32 = 9;
/// Events seen below which nothing is said.
const ENOUGH: u64 = 8 * ONE;
/// Steps of the sum taken one by one; beyond, in blocks of a sixteenth of where they begin.
const EXACT: u64 = 64;
/// Parts of a whole.
pub const PPM: u64 = 1_000_000;

/// What a queue has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    /// When it was last brought up to date.
    pub since: Time,
    /// Times an agent turned to a contact that had waited.
    pub turns: u64,
    /// Agents ready x microseconds in which somebody waited, as long as `turns` look back.
    pub duty: u64,
    /// Customers who left while they waited.
    pub left: u64,
    /// Contacts in line x microseconds, as long as `left` looks back.
    pub waited: u64,
    /// Offers that led to a connection.
    pub rung: u64,
    /// Microseconds from the offer to the connection, together.
    pub ring: u64,
}

fn fade(sums: [&mut u64; 2]) {
    sums.into_iter().for_each(|sum| *sum -= *sum >> FADE);
}

impl Drain {
    /// Time has passed in which so many waited and so many agents were ready for them.
    pub(super) fn pass(&mut self, now: Time, queued: u32, ready: u32) {
        let Span(passed) = now.since(self.since);
        self.since = now;
        self.duty = self.duty.saturating_add(passed.saturating_mul(u64::from(ready)));
        self.waited = self.waited.saturating_add(passed.saturating_mul(u64::from(queued)));
    }

    /// Time has passed in which nobody waited.
    pub(super) fn skip(&mut self, now: Time) {
        self.since = now;
    }

    /// An agent has turned to a contact that had waited.
    pub(super) fn turn(&mut self) {
        fade([&mut self.turns, &mut self.duty]);
        self.turns += ONE;
    }

    /// A customer has left who had waited.
    pub(super) fn leave(&mut self) {
        fade([&mut self.left, &mut self.waited]);
        self.left += ONE;
    }

    /// An offer has led to a connection after so long.
    pub(super) fn connect(&mut self, Span(after): Span) {
        fade([&mut self.rung, &mut self.ring]);
        self.rung += ONE;
        self.ring = self.ring.saturating_add(after);
    }

    /// Whether enough was seen to say anything.
    #[must_use]
    pub fn knows(&self) -> bool {
        self.turns >= ENOUGH
    }

    /// The estimate for a contact with so many millionths of contacts before it that compete for its agents, while so many
    /// agents are ready for the queue of whom it may be served by a share. None while too little was seen, and while
    /// nobody is ready.
    #[must_use]
    pub fn estimate(&self, ahead_ppm: u64, ready: u32, share_ppm: u64) -> Option<Estimate> {
        if !self.knows() || ready == 0 || share_ppm == 0 {
            return None;
        }
        let mean = |sum: u64, count: u64| u128::from(sum) * u128::from(ONE) / u128::from(count.max(1));
        let turn = mean(self.duty, self.turns) * u128::from(PPM) / (u128::from(ready) * u128::from(share_ppm.min(PPM)));
        let patience = (self.left >= ENOUGH).then(|| narrow(mean(self.waited, self.left)));
        let ring = if self.rung >= ENOUGH { narrow(mean(self.ring, self.rung)) } else { Span::ZERO };
        Some(Estimate { ahead_ppm, turn: narrow(turn), patience, ring })
    }
}

fn narrow(micros: u128) -> Span {
    Span(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// What an estimate is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Contacts before it that compete for its agents, in millionths.
    pub ahead_ppm: u64,
    /// Mean time from one turn to the next.
    pub turn: Span,
    /// Mean patience of customers; none when hardly anybody leaves.
    pub patience: Option<Span>,
    /// Mean time from the offer to the connection.
    pub ring: Span,
}

impl Estimate {
    /// The steps of the wait, each an exponential time of this mean, with how many of them there are, in millionths.
    pub fn steps(&self) -> impl Iterator<Item = (Span, u64)> + '_ {
        let (whole, part) = (self.ahead_ppm / PPM, self.ahead_ppm % PPM);
        let mut next = 0;
        let blocks = core::iter::from_fn(move || {
            if next > whole {
                return None;
            }
            let block = if next < EXACT { 1 } else { (next / 16).min(whole - next + 1) };
            let at = next + (block - 1) / 2;
            next += block;
            Some((self.step(at), block * PPM))
        });
        blocks.chain((part > 0).then(|| (self.step(whole + 1), part)))
    }

    /// The mean step with so many customers behind it who may leave.
    fn step(&self, behind: u64) -> Span {
        let turn = u128::from(self.turn.0);
        match self.patience {
            None => self.turn,
            Some(Span(patience)) => {
                let patience = u128::from(patience);
                narrow(turn * patience / (patience + u128::from(behind) * turn).max(1))
            }
        }
    }

    /// The mean wait. O(1) up to 64 contacts before it, O(log) beyond.
    #[must_use]
    pub fn mean(&self) -> Span {
        let sum: u128 = self.steps().map(|(step, count)| u128::from(step.0) * u128::from(count)).sum();
        narrow(sum / u128::from(PPM)) + self.ring
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(ahead: u64, patience: Option<u64>) -> Estimate {
        let patience = patience.map(Span::from_secs);
        Estimate { ahead_ppm: ahead * PPM, turn: Span::from_secs(3), patience, ring: Span::ZERO }
    }

    #[test]
    fn the_sum_is_that_of_the_books() {
        assert_eq!(estimate(0, None).mean(), Span::from_secs(3));
        assert_eq!(estimate(9, None).mean(), Span::from_secs(30));
        let half = Estimate { ahead_ppm: 9 * PPM + PPM / 2, ring: Span::from_secs(2), ..estimate(0, None) };
        assert_eq!(half.mean(), Span(33_500_000));
        for ahead in [3, 64, 65, 300, 5_000] {
            let exact: f64 = (0..=ahead).map(|place| 1.0 / (1.0 / 3.0 + place as f64 / 60.0)).sum();
            let found = estimate(ahead, Some(60)).mean().0 as f64 / 1e6;
            assert!((found / exact - 1.0).abs() < 1e-3, "{ahead}: {found} and not {exact}");
        }
    }

    #[test]
    fn a_drain_learns_rates_and_follows_who_is_ready() {
        let mut drain = Drain::default();
        let mut now = Time(0);
        for event in 0..4_000 {
            // Ten agents, five waiting; one is turned to every 2 s, and every fourth time one has left meanwhile.
            now = now + Span::from_secs(2);
            drain.pass(now, 5, 10);
            drain.turn();
            if event % 4 == 0 {
                drain.leave();
            }
            drain.connect(Span::from_secs(1));
        }
        let of = |ready, share_ppm| drain.estimate(0, ready, share_ppm).expect("enough was seen");
        let near = |span: Span, seconds: f64| (span.0 as f64 / 1e6 / seconds - 1.0).abs() < 0.01;
        assert!(near(of(10, PPM).turn, 2.0) && near(of(20, PPM).turn, 1.0) && near(of(10, PPM / 2).turn, 4.0));
        assert!(near(of(10, PPM).patience.expect("some left"), 40.0) && near(of(10, PPM).ring, 1.0));
        assert_eq!((drain.estimate(0, 0, PPM), drain.estimate(0, 5, 0)), (None, None), "nobody is ready");
        assert_eq!(Drain::default().estimate(0, 5, PPM), None, "nothing was seen");
    }
}

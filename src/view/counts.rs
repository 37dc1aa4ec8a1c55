//! Counts and sums of one slice: what every figure and every ratio follows from. They add up, and nothing else is kept.
//!
//! Next: `kpi.rs`, the one place where a ratio is formed.

use core::ops::{AddAssign, Index, IndexMut, SubAssign};

use crate::engine::contact::{Outcome, Reason, SurveyKind, SurveyResult};
use crate::wire::{Malformed, Reader, Wire, Writer, names};

macro_rules! indexed {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$each])* $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[$name] = &[$($name::$variant),*];
        }
    };
}

indexed!(
    /// What is counted. Queue figures count queue entries; `Received` counts contacts at the door.
    Count {
        /// Contacts created.
        Received,
        /// Entries opened.
        Offered,
        /// Entries answered.
        Answered,
        /// Of those, at or under the threshold.
        AnsweredWithin,
        /// Entries abandoned.
        Abandoned,
        /// Of those, before `short_abandon`.
        AbandonedShort,
        /// Of the abandoned, at or under the threshold.
        AbandonedWithin,
        /// Entries a rule or the customer sent to a callback, a voicemail box or outside.
        Overflowed,
        /// Entries taken back.
        Cancelled,
        /// Entries refused.
        Refused,
        /// Entries that waited too long.
        Expired,
        /// Entries that went on in another queue.
        Moved,
        /// Of the five before, those that had passed their threshold.
        LeftPast,
        /// Answered entries whose legs have all ended; of agents, connected legs that have ended.
        Handled,
        /// Distinct contacts transferred.
        ContactsTransferred,
        /// Transfers.
        Transfers,
        /// Contacts whose newest set `resolved` is true.
        Resolved,
        /// Of those, the ones never transferred.
        ResolvedUntransferred,
        /// Of the resolved, those whose customer came again within `recontact_window`.
        Recontacted,
        /// Contacts answered that said neither yes nor no.
        ResolvedUnset,
        /// Entries whose wait is part of `Sum::AnsweredWait`.
        AnsweredWaits,
        /// Conversations that passed `max_handle`.
        OverMaxHandle,
        /// Offers accepted.
        OffersAccepted,
        /// Offers declined.
        OffersDeclined,
        /// Offers not answered in time.
        OffersExpired,
        /// Offers another agent won.
        OffersRescinded,
        /// Offers whose contact left.
        OffersCancelled,
        /// Offers taken back for a change of agent or policy.
        OffersRevoked,
        /// Offers that reached nobody.
        OffersFailed,
        /// Callbacks asked for.
        CallbacksRequested,
        /// Of those, for a time.
        CallbacksScheduled,
        /// Callbacks whose customer was reached.
        CallbacksConnected,
        /// Callbacks that ended before anybody was connected to the customer.
        CallbacksNoAnswer,
        /// Callbacks that waited too long.
        CallbacksExpired,
        /// Callbacks taken back.
        CallbacksCancelled,
        /// CSAT answers of 4 and 5.
        CsatPositive,
        /// CSAT answers of 3.
        CsatNeutral,
        /// CSAT answers of 1 and 2.
        CsatNegative,
        /// NPS answers of 9 and 10.
        NpsPositive,
        /// NPS answers of 7 and 8.
        NpsNeutral,
        /// NPS answers of 0 to 6.
        NpsNegative,
        /// Contacts closed COMPLETED.
        Completed,
        /// Contacts closed ABANDONED.
        ClosedAbandoned,
        /// Contacts closed CANCELLED.
        ClosedCancelled,
        /// Contacts closed REFUSED.
        ClosedRefused,
        /// Contacts closed OVERFLOWED.
        ClosedOverflowed,
        /// Contacts closed EXPIRED.
        ClosedExpired,
        /// Contacts closed FAILED.
        Failed,
        /// Times an agent was made NOT_RESPONDING.
        NotResponding,
    }
);

indexed!(
    /// What is summed: spans in microseconds, and cost.
    Sum {
        /// Measured wait of answered entries.
        AnsweredWait,
        /// Measured wait of abandoned entries.
        AbandonedWait,
        /// Talk time of handled entries.
        Talk,
        /// Hold time of handled entries.
        Hold,
        /// Wrap-up time of handled entries.
        WrapUp,
        /// Cost in millionths of the tenant's currency.
        Cost,
    }
);

impl Count {
    /// The count of survey answers of one kind and result.
    #[must_use]
    pub const fn survey(kind: SurveyKind, result: SurveyResult) -> Count {
        match (kind, result) {
            (SurveyKind::Csat, SurveyResult::Positive) => Count::CsatPositive,
            (SurveyKind::Csat, SurveyResult::Neutral) => Count::CsatNeutral,
            (SurveyKind::Csat, SurveyResult::Negative) => Count::CsatNegative,
            (SurveyKind::Nps, SurveyResult::Positive) => Count::NpsPositive,
            (SurveyKind::Nps, SurveyResult::Neutral) => Count::NpsNeutral,
            (SurveyKind::Nps, SurveyResult::Negative) => Count::NpsNegative,
        }
    }

    /// The count of contacts closed with an outcome.
    #[must_use]
    pub const fn closed(outcome: Outcome) -> Count {
        match outcome {
            Outcome::Completed => Count::Completed,
            Outcome::Abandoned => Count::ClosedAbandoned,
            Outcome::Cancelled => Count::ClosedCancelled,
            Outcome::Refused => Count::ClosedRefused,
            Outcome::Overflowed => Count::ClosedOverflowed,
            Outcome::Expired => Count::ClosedExpired,
            Outcome::Failed => Count::Failed,
        }
    }

    /// The count of entries left unanswered with an outcome; none for outcomes that leave no queue unanswered.
    #[must_use]
    pub const fn exit(outcome: Outcome) -> Option<Count> {
        match outcome {
            Outcome::Abandoned => Some(Count::Abandoned),
            Outcome::Cancelled => Some(Count::Cancelled),
            Outcome::Refused => Some(Count::Refused),
            Outcome::Overflowed => Some(Count::Overflowed),
            Outcome::Expired => Some(Count::Expired),
            Outcome::Completed | Outcome::Failed => None,
        }
    }
}

/// How an entry left unanswered, with why: a key of [`Counts::exits`].
pub type ExitKey = (Count, Reason);

/// The counts and sums of one slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    counts: [i32; Count::ALL.len()],
    sums: [i64; Sum::ALL.len()],
    /// Longest measured wait of an entry that left, in microseconds. The one figure that is no sum: when counts are taken
    /// away it is zero until who takes them away has looked for it.
    pub longest_wait: u64,
    /// Exits by how and why, few at a time; sorted, so that it does not matter in which order counts were added.
    pub exits: Vec<(ExitKey, i32)>,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts { counts: [0; Count::ALL.len()], sums: [0; Sum::ALL.len()], longest_wait: 0, exits: Vec::new() }
    }
}

// How they stand in what is kept beside a snapshot: numbers are never reused.
names!(Count {
    48 = Recontacted,
    0 = Received, 1 = Offered, 2 = Answered, 3 = AnsweredWithin, 4 = Abandoned, 5 = AbandonedShort, 6 = AbandonedWithin, 7 = Overflowed, 8 = Cancelled, 9 = Refused, 10 = Expired, 11 = Moved, 12 = LeftPast, 13 = Handled, 14 = ContactsTransferred, 15 = Transfers, 16 = Resolved, 17 = ResolvedUntransferred, 18 = ResolvedUnset, 19 = AnsweredWaits, 20 = OverMaxHandle, 21 = OffersAccepted, 22 = OffersDeclined, 23 = OffersExpired, 24 = OffersRescinded, 25 = OffersCancelled, 26 = OffersRevoked, 27 = OffersFailed, 28 = CallbacksRequested, 29 = CallbacksScheduled, 30 = CallbacksConnected, 31 = CallbacksNoAnswer, 32 = CallbacksExpired, 33 = CallbacksCancelled, 34 = CsatPositive, 35 = CsatNeutral, 36 = CsatNegative, 37 = NpsPositive, 38 = NpsNeutral, 39 = NpsNegative, 40 = Completed, 41 = ClosedAbandoned, 42 = ClosedCancelled, 43 = ClosedRefused, 44 = ClosedOverflowed, 45 = ClosedExpired, 46 = Failed, 47 = NotResponding,
});
names!(Sum {
    0 = AnsweredWait, 1 = AbandonedWait, 2 = Talk, 3 = Hold, 4 = WrapUp, 5 = Cost,
});

impl Wire for Counts {
    fn put(&self, out: &mut Writer) {
        let Counts { counts, sums, longest_wait, exits } = self;
        let counted = Count::ALL.iter().zip(counts).filter(|(_, count)| **count != 0);
        counted.map(|(which, count)| (*which, *count)).collect::<Vec<_>>().put(out);
        let summed = Sum::ALL.iter().zip(sums).filter(|(_, sum)| **sum != 0);
        summed.map(|(which, sum)| (*which, *sum)).collect::<Vec<_>>().put(out);
        longest_wait.put(out);
        exits.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut read = Counts::default();
        for (which, count) in Vec::<(Count, i32)>::get(from)? {
            read[which] = count;
        }
        for (which, sum) in Vec::<(Sum, i64)>::get(from)? {
            read[which] = sum;
        }
        (read.longest_wait, read.exits) = (Wire::get(from)?, Wire::get(from)?);
        Ok(read)
    }
}

impl Index<Count> for Counts {
    type Output = i32;
    fn index(&self, count: Count) -> &i32 {
        &self.counts[count as usize]
    }
}

impl IndexMut<Count> for Counts {
    fn index_mut(&mut self, count: Count) -> &mut i32 {
        &mut self.counts[count as usize]
    }
}

impl Index<Sum> for Counts {
    type Output = i64;
    fn index(&self, sum: Sum) -> &i64 {
        &self.sums[sum as usize]
    }
}

impl IndexMut<Sum> for Counts {
    fn index_mut(&mut self, sum: Sum) -> &mut i64 {
        &mut self.sums[sum as usize]
    }
}

impl Counts {
    /// A count as a wide number.
    #[must_use]
    pub fn count(&self, count: Count) -> i64 {
        i64::from(self[count])
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0) && self.sums.iter().all(|&sum| sum == 0)
    }

    /// Entries still open and unanswered, of those offered here.
    #[must_use]
    pub fn waiting(&self) -> i64 {
        use Count::{Abandoned, Answered, Cancelled, Expired, Moved, Offered, Overflowed, Refused};
        let left = [Answered, Abandoned, Overflowed, Cancelled, Refused, Expired, Moved];
        self.count(Offered) - left.iter().map(|&count| self.count(count)).sum::<i64>()
    }

    /// Contacts resolved whose customer has not come again.
    #[must_use]
    pub fn resolved_for_good(&self) -> i64 {
        self.count(Count::Resolved) - self.count(Count::Recontacted)
    }

    /// Counts an exit under how and why.
    pub fn exit(&mut self, key: ExitKey, by: i32) {
        match self.exits.binary_search_by_key(&key, |(held, _)| *held) {
            Ok(at) => self.exits[at].1 += by,
            Err(at) => self.exits.insert(at, (key, by)),
        }
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        other.exits.iter().for_each(|&(key, count)| self.exit(key, count));
    }
}

/// What one event adds: a few counts and sums, perhaps the way an entry left. Adding it costs as much as is in it, while
/// one [`Counts`] added to another costs as much as there are kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    counts: [(Count, i32); Change::COUNTS],
    counted: u8,
    sums: [(Sum, u64); Change::SUMS],
    summed: u8,
    exit: Option<ExitKey>,
    wait: u64,
}

impl Change {
    /// Counts in one at most.
    const COUNTS: usize = 5;
    /// Sums in one at most.
    const SUMS: usize = 4;

    /// Nothing.
    pub const NONE: Change = Change {
        counts: [(Count::Received, 0); Change::COUNTS],
        counted: 0,
        sums: [(Sum::Talk, 0); Change::SUMS],
        summed: 0,
        exit: None,
        wait: 0,
    };

    /// One of something.
    #[must_use]
    pub fn one(count: Count) -> Change {
        Change::NONE.and(count)
    }

    /// One less of something.
    #[must_use]
    pub fn less(count: Count) -> Change {
        Change::NONE.by(count, -1)
    }

    /// With one more of something.
    #[must_use]
    pub fn and(self, count: Count) -> Change {
        self.by(count, 1)
    }

    /// With one more of something, if it is so.
    #[must_use]
    pub fn when(self, count: Count, so: bool) -> Change {
        if so { self.and(count) } else { self }
    }

    fn by(mut self, count: Count, by: i32) -> Change {
        self.counts[usize::from(self.counted)] = (count, by);
        self.counted += 1;
        self
    }

    /// With something added to a sum.
    #[must_use]
    pub fn plus(mut self, sum: Sum, value: u64) -> Change {
        self.sums[usize::from(self.summed)] = (sum, value);
        self.summed += 1;
        self
    }

    /// With the measured wait of an entry that leaves, in microseconds.
    #[must_use]
    pub fn after(self, wait: u64) -> Change {
        Change { wait, ..self }
    }

    /// With how and why an entry left unanswered.
    #[must_use]
    pub fn exit(self, exit: ExitKey) -> Change {
        Change { exit: Some(exit), ..self }
    }
}

impl AddAssign<&Change> for Counts {
    fn add_assign(&mut self, change: &Change) {
        for &(count, by) in &change.counts[..usize::from(change.counted)] {
            self[count] += by;
        }
        for &(sum, value) in &change.sums[..usize::from(change.summed)] {
            self[sum] = self[sum].saturating_add_unsigned(value);
        }
        self.longest_wait = self.longest_wait.max(change.wait);
        if let Some(key) = change.exit {
            self.exit(key, 1);
        }
    }
}

impl SubAssign<&Counts> for Counts {
    fn sub_assign(&mut self, other: &Counts) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, less)| *count -= less);
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, less)| *sum = sum.saturating_sub(*less));
        other.exits.iter().for_each(|&(key, count)| self.exit(key, -count));
        self.exits.retain(|(_, count)| *count != 0);
        self.longest_wait = 0;
    }
}

//! When a team lends agents it keeps back: only while enough of the borrowing queue wait, and only while its own queues
//! keep their promise. Both are noted as events are taken in, so that eligibility changes by events alone.

use alloc::vec::Vec;

use super::State;
use super::registry::{Lender, ReserveRules};
use crate::engine::contact::Outcome;
use crate::engine::event::{Answer, EntryExit};
use crate::engine::id::{ClassId, ContactId, QueueId};
use crate::engine::rank::POINT;

/// The last entries of a queue that were answered or lost: whether each was answered within its threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// The newest in the lowest bit.
    pub kept: u128,
    /// How many are known.
    pub count: u8,
}

impl Promise {
    /// Entries looked back upon.
    const ENTRIES: u8 = 100;

    fn note(&mut self, kept: bool) {
        self.kept = (self.kept << 1 | u128::from(kept)) & ((1 << Self::ENTRIES) - 1);
        self.count = (self.count + 1).min(Self::ENTRIES);
    }

    /// Whether at least this share of them was; with none, it was.
    fn is_kept(&self, target_ppm: u32) -> bool {
        u64::from(self.kept.count_ones()) * 1_000_000 >= u64::from(target_ppm) * u64::from(self.count)
    }
}

/// Where a lender stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lending {
    /// Whether help has begun and not ended, by its hysteresis.
    pub helps: bool,
    /// Whether it lends.
    pub lends: bool,
}

impl State {
    /// Whether a reserve's team lends at all just now, however many are idle.
    pub(super) fn lends(&self, reserve: &ReserveRules) -> bool {
        reserve.lender.is_none_or(|lender| self.lending[lender as usize].lends)
    }

    /// Another policy is in force: every lender begins anew, and promises nobody asks for are forgotten.
    pub(super) fn renew_lending(&mut self) {
        self.lending = alloc::vec![Lending::default(); self.registry.lenders.len()];
        if !self.registry.lenders.iter().any(|lender| lender.within_target) {
            self.promises.clear();
        }
    }

    /// Notes how an entry was answered.
    pub(super) fn note_answer(&mut self, answer: Answer) {
        self.note_promise(answer.queue, answer.within_threshold);
    }

    /// Notes an entry that was lost: the customer left, and not at once, or was never answered.
    pub(super) fn note_exit(&mut self, exit: EntryExit, outcome: Outcome) {
        if outcome == Outcome::Expired || outcome == Outcome::Abandoned && !exit.short {
            self.note_promise(exit.queue, false);
        }
    }

    fn note_promise(&mut self, queue: QueueId, kept: bool) {
        if !self.registry.lenders.iter().any(|lender| lender.within_target) {
            return;
        }
        if self.promises.len() <= queue.index() {
            self.promises.resize(queue.index() + 1, Promise::default());
        }
        self.promises[queue.index()].note(kept);
    }

    /// Looks whether lenders begin or cease to lend, after every event. Cost: the lenders' queues; where one begins, the
    /// contacts that wait for it, which may now be matched.
    pub(super) fn watch_lenders(&mut self) {
        for at in 0..self.registry.lenders.len() {
            let before = self.lending[at];
            let after = self.lending_of(&self.registry.lenders[at], before);
            self.lending[at] = after;
            if after.lends && !before.lends {
                let queue = self.registry.lenders[at].queue;
                let classes = (0..self.index.len() as u32).map(|class| self.index.class(ClassId(class)));
                let waiting = classes.filter(|class| class.queue == queue).map(|class| &class.waiting);
                let again: Vec<ContactId> = waiting
                    .flat_map(|waiting| waiting.iter(&self.contacts))
                    .map(|slot| self.contact_at(slot))
                    .collect();
                let short = self.short().filter(|(_, _, entry)| entry.queue == queue).map(|(contact, ..)| contact);
                let again: Vec<ContactId> = again.into_iter().chain(short).collect();
                self.agenda.sorted &= again.is_empty();
                self.agenda.contacts.extend(again);
            }
        }
    }

    fn lending_of(&self, lender: &Lender, before: Lending) -> Lending {
        let helps = match lender.hysteresis {
            None => true,
            Some(rule) => {
                let own: i64 = lender.own.iter().map(|&queue| i64::from(self.queued(queue))).sum();
                let excess = i64::from(self.queued(lender.queue)) * POINT - i64::from(rule.ratio_ppm) * own;
                let bound = if before.helps { rule.stop } else { rule.start };
                excess > i64::from(bound) * POINT
            }
        };
        let promise = |queue: &QueueId| self.promises.get(queue.index()).copied().unwrap_or_default();
        let kept = |queue: &QueueId| promise(queue).is_kept(self.queue(*queue).service_level.target_ppm);
        Lending { helps, lends: helps && (!lender.within_target || lender.own.iter().all(kept)) }
    }
}

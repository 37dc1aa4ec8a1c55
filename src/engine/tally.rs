//! The books of each queue: what came in, how it left, what still waits. Counted in entries, per direction.
//!
//! `offered = answered + abandoned + overflowed + cancelled + refused + expired + moved + waiting` at every instant.

use alloc::vec::Vec;

use super::contact::{Direction, Outcome};
use super::id::QueueId;

/// The counts of one queue and direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Entries begun.
    pub offered: u64,
    /// Entries that reached CONNECTED.
    pub answered: u64,
    /// Entries answered within the threshold.
    pub answered_within_threshold: u64,
    /// The customer left.
    pub abandoned: u64,
    /// A rule sent it elsewhere.
    pub overflowed: u64,
    /// The center took it back.
    pub cancelled: u64,
    /// A rule refused it.
    pub refused: u64,
    /// It waited too long.
    pub expired: u64,
    /// It went to another queue unanswered.
    pub moved: u64,
    /// Open entries.
    pub waiting: u64,
}

impl Books {
    /// Whether the books close (invariant 1).
    #[must_use]
    pub fn close(&self) -> bool {
        self.offered
            == self.answered
                + self.abandoned
                + self.overflowed
                + self.cancelled
                + self.refused
                + self.expired
                + self.moved
                + self.waiting
    }
}

impl core::ops::AddAssign for Books {
    fn add_assign(&mut self, other: Books) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.answered_within_threshold += other.answered_within_threshold;
        self.abandoned += other.abandoned;
        self.overflowed += other.overflowed;
        self.cancelled += other.cancelled;
        self.refused += other.refused;
        self.expired += other.expired;
        self.moved += other.moved;
        self.waiting += other.waiting;
    }
}

impl core::iter::Sum for Books {
    fn sum<I: Iterator<Item = Books>>(parts: I) -> Books {
        parts.fold(Books::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

/// The books of all queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    queues: Vec<[Books; Direction::COUNT]>,
}

impl Tally {
    /// The books of one queue and direction; empty ones when nothing was counted.
    #[must_use]
    pub fn books(&self, queue: QueueId, direction: Direction) -> Books {
        self.queues.get(queue.index()).map_or(Books::default(), |books| books[direction as usize])
    }

    /// The books by queue and direction, as plain data.
    #[must_use]
    pub fn image(&self) -> Vec<[Books; Direction::COUNT]> {
        self.queues.clone()
    }

    /// The tally that [`Self::image`] is of.
    #[must_use]
    pub fn from_image(queues: Vec<[Books; Direction::COUNT]>) -> Tally {
        Tally { queues }
    }

    fn of(&mut self, queue: QueueId, direction: Direction) -> &mut Books {
        if self.queues.len() <= queue.index() {
            self.queues.resize(queue.index() + 1, [Books::default(); Direction::COUNT]);
        }
        &mut self.queues[queue.index()][direction as usize]
    }

    pub(super) fn enter(&mut self, queue: QueueId, direction: Direction) {
        let books = self.of(queue, direction);
        books.offered += 1;
        books.waiting += 1;
    }

    pub(super) fn answer(&mut self, queue: QueueId, direction: Direction, within_threshold: bool) {
        let books = self.of(queue, direction);
        books.waiting -= 1;
        books.answered += 1;
        books.answered_within_threshold += u64::from(within_threshold);
        assert!(books.close(), "the books of {queue:?} do not close");
    }

    pub(super) fn exit(&mut self, queue: QueueId, direction: Direction, outcome: Outcome) {
        let books = self.of(queue, direction);
        books.waiting -= 1;
        match outcome {
            Outcome::Abandoned => books.abandoned += 1,
            Outcome::Cancelled => books.cancelled += 1,
            Outcome::Refused => books.refused += 1,
            Outcome::Overflowed => books.overflowed += 1,
            Outcome::Expired => books.expired += 1,
            Outcome::Completed | Outcome::Failed => unreachable!("{outcome:?} does not leave a queue unanswered"),
        }
        assert!(books.close(), "the books of {queue:?} do not close");
    }

    pub(super) fn go_on(&mut self, queue: QueueId, direction: Direction) {
        let books = self.of(queue, direction);
        books.waiting -= 1;
        books.moved += 1;
        assert!(books.close(), "the books of {queue:?} do not close");
    }

    /// Every queue and direction with its books, in order.
    pub fn iter(&self) -> impl Iterator<Item = (QueueId, Direction, &Books)> {
        self.queues.iter().enumerate().flat_map(|(queue, books)| {
            Direction::ALL.iter().map(move |&direction| (QueueId(queue as u32), direction, &books[direction as usize]))
        })
    }
}

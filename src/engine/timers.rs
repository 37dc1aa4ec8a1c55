//! Deadlines: at most one per owner, the earliest first.
//!
//! An indexed heap, so that moving or cancelling a deadline takes it out at once. The usual alternative, leaving
//! stale entries to be skipped when they surface, lets a contact whose timer is moved every second fill the heap
//! with garbage. Timers never fire by themselves: the host asks for [`Timers::next`] and brings the time.

use super::slab::Chunked;

/// Marks an owner without a deadline; never a position.
const NONE: u32 = u32::MAX;

/// Four children rather than two: half the levels, and four siblings lie side by side in memory.
const ARITY: u32 = 4;

/// Keeps `ARITY * position + ARITY` within `u32`.
const DEADLINES_MAX: u32 = 1 << 29;
const _: () = assert!(DEADLINES_MAX < (u32::MAX - ARITY) / ARITY);

/// Deadlines of owners named by a kind below `KINDS` and a slot; at most one per owner.
///
/// Total order: time, then kind, then slot. So what falls due together fires in one order on every machine, whatever
/// order it was set in. `T` is the time, any copyable ordered value.
///
/// Kinds are meant to be few, and slots dense, as a `Slab` hands them out: memory is 4 bytes per slot up to the
/// highest ever used, per kind, and 16 bytes per deadline at the most ever held. None of it is given back.
///
/// ```
/// # use usher::engine::timers::Timers;
/// const OFFER: u8 = 0;
/// const WRAP_UP: u8 = 1;
/// let mut timers = Timers::<2>::new();
/// timers.set(OFFER, 7, 20);
/// timers.set(WRAP_UP, 3, 10);
/// timers.set(OFFER, 7, 5);
/// assert_eq!(timers.next(), Some(5));
/// assert_eq!(timers.pop_due(10), Some((5, OFFER, 7)));
/// assert_eq!(timers.cancel(WRAP_UP, 3), Some(10));
/// assert_eq!(timers.pop_due(10), None);
/// ```
#[derive(Clone, Debug)]
pub struct Timers<const KINDS: usize, T = u64> {
    heap: Chunked<Deadline<T>>,
    /// Per kind, the heap position of each slot's deadline, or `NONE`.
    positions: [Chunked<u32>; KINDS],
    /// Per kind, its deadlines.
    counts: [u32; KINDS],
}

/// The order of the fields is the order of firing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Deadline<T> {
    time: T,
    owner: Owner,
}

/// A kind and a slot in one number, so that two are compared at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Owner(u64);

impl Owner {
    #[inline]
    const fn new(kind: u8, slot: u32) -> Owner {
        Owner((kind as u64) << 32 | slot as u64)
    }

    #[inline]
    const fn kind(self) -> u8 {
        (self.0 >> 32) as u8
    }

    #[inline]
    const fn slot(self) -> u32 {
        self.0 as u32
    }
}

impl<const KINDS: usize, T: Copy + Ord> Timers<KINDS, T> {
    /// No deadlines. Allocates nothing.
    pub fn new() -> Self {
        const { assert!(KINDS <= 1 << u8::BITS, "a kind is a u8") };
        Self { heap: Chunked::new(), positions: core::array::from_fn(|_| Chunked::new()), counts: [0; KINDS] }
    }

    /// The number of deadlines. O(1).
    #[inline]
    pub const fn len(&self) -> u32 {
        self.heap.len()
    }

    /// The number of deadlines of one kind. O(1).
    ///
    /// # Panics
    ///
    /// When `kind >= KINDS`.
    #[inline]
    pub fn count(&self, kind: u8) -> u32 {
        self.counts[usize::from(kind)]
    }

    /// Whether there is no deadline. O(1).
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The earliest time of all deadlines. O(1).
    #[inline]
    pub fn next(&self) -> Option<T> {
        self.heap.get(0).map(|first| first.time)
    }

    /// The first deadline (time, kind, slot) if its time is at or before `now`, left in place. O(1).
    #[inline]
    pub fn peek_due(&self, now: T) -> Option<(T, u8, u32)> {
        let &Deadline { time, owner } = self.heap.get(0)?;
        (time <= now).then_some((time, owner.kind(), owner.slot()))
    }

    /// Takes out the first deadline (time, kind, slot) if its time is at or before `now`. O(log n).
    pub fn pop_due(&mut self, now: T) -> Option<(T, u8, u32)> {
        let due = self.peek_due(now)?;
        self.take(0);
        Some(due)
    }

    /// The owner's deadline, if it has one. O(1).
    ///
    /// # Panics
    ///
    /// When `kind >= KINDS`.
    #[inline]
    pub fn get(&self, kind: u8, slot: u32) -> Option<T> {
        let position = self.position(kind, slot)?;
        Some(self.heap[position].time)
    }

    /// Gives the owner the deadline `time`, in place of any it had. O(log n), plus O(slots) for those first
    /// covered when `slot` is higher than any before.
    ///
    /// # Panics
    ///
    /// When `kind >= KINDS`, `slot` is `u32::MAX`, or there are 2^29 deadlines already.
    pub fn set(&mut self, kind: u8, slot: u32, time: T) {
        let deadline = Deadline { time, owner: Owner::new(kind, slot) };
        if let Some(position) = self.position(kind, slot) {
            let before = self.heap[position];
            if before.time == time {
                return;
            }
            self.settle(position, before, deadline);
            return;
        }
        assert!(self.len() < DEADLINES_MAX, "too many deadlines");
        self.positions[usize::from(kind)].cover(slot, NONE);
        self.counts[usize::from(kind)] += 1;
        let last = self.heap.push(deadline);
        self.rise(last, deadline);
    }

    /// Takes away the owner's deadline and returns it; `None` when it has none. O(log n).
    ///
    /// # Panics
    ///
    /// When `kind >= KINDS`.
    pub fn cancel(&mut self, kind: u8, slot: u32) -> Option<T> {
        let position = self.position(kind, slot)?;
        Some(self.take(position).time)
    }

    /// Every deadline (time, kind, slot), in no order.
    pub fn iter(&self) -> impl Iterator<Item = (T, u8, u32)> + '_ {
        self.heap.iter().map(|held| (held.time, held.owner.kind(), held.owner.slot()))
    }

    /// Checks every invariant. O(n + slots); for audits and tests.
    ///
    /// # Panics
    ///
    /// When one does not hold.
    pub fn check(&self) {
        for (position, deadline) in (0..).zip(self.heap.iter()) {
            let owner = deadline.owner;
            assert_eq!(self.position(owner.kind(), owner.slot()), Some(position), "back-reference");
            assert!(position == 0 || self.heap[parent(position)] < *deadline, "heap order");
        }
        let held = self.positions.iter().flat_map(Chunked::iter);
        let held = held.filter(|&&position| position != NONE).count();
        assert_eq!(held, self.len() as usize, "one back-reference per deadline");
        assert_eq!(self.counts.iter().sum::<u32>(), self.len(), "each deadline is of a kind");
    }

    #[inline]
    fn position(&self, kind: u8, slot: u32) -> Option<u32> {
        let positions = self.positions.get(usize::from(kind)).expect("a kind is below KINDS");
        match positions.get(slot) {
            None | Some(&NONE) => None,
            Some(&position) => Some(position),
        }
    }

    fn take(&mut self, position: u32) -> Deadline<T> {
        let taken = self.heap[position];
        self.positions[usize::from(taken.owner.kind())][taken.owner.slot()] = NONE;
        self.counts[usize::from(taken.owner.kind())] -= 1;
        let last = self.heap.pop().expect("a position is below the length");
        if position < self.heap.len() {
            self.settle(position, taken, last);
        }
        taken
    }

    /// Puts `deadline` where `before` was, and from there to where it belongs.
    fn settle(&mut self, position: u32, before: Deadline<T>, deadline: Deadline<T>) {
        if deadline < before {
            self.rise(position, deadline);
        } else {
            self.sink(position, deadline);
        }
    }

    fn rise(&mut self, mut position: u32, deadline: Deadline<T>) {
        while position > 0 {
            let above = parent(position);
            let other = self.heap[above];
            if other < deadline {
                break;
            }
            self.put(position, other);
            position = above;
        }
        self.put(position, deadline);
    }

    fn sink(&mut self, mut position: u32, deadline: Deadline<T>) {
        loop {
            let start = ARITY * position + 1;
            let end = self.len().min(start + ARITY);
            let Some(below) = (start..end).min_by_key(|&child| self.heap[child]) else {
                break;
            };
            let other = self.heap[below];
            if deadline < other {
                break;
            }
            self.put(position, other);
            position = below;
        }
        self.put(position, deadline);
    }

    #[inline]
    fn put(&mut self, position: u32, deadline: Deadline<T>) {
        self.heap[position] = deadline;
        self.positions[usize::from(deadline.owner.kind())][deadline.owner.slot()] = position;
    }
}

#[inline]
const fn parent(position: u32) -> u32 {
    (position - 1) / ARITY
}

impl<const KINDS: usize, T: Copy + Ord> Default for Timers<KINDS, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn what_is_due_together_fires_by_kind_then_slot() {
        let mut timers = Timers::<3>::new();
        for (kind, slot) in [(2, 0), (0, 9), (1, 4), (0, 2), (1, 0)] {
            timers.set(kind, slot, 50);
        }
        assert_eq!(timers.pop_due(49), None);
        let fired = core::iter::from_fn(|| timers.pop_due(50));
        assert!(fired.eq([(50, 0, 2), (50, 0, 9), (50, 1, 0), (50, 1, 4), (50, 2, 0)]));
        assert!(timers.is_empty());
    }

    #[test]
    #[should_panic(expected = "a kind is below KINDS")]
    fn an_unknown_kind_is_refused() {
        Timers::<2>::new().set(2, 0, 1);
    }

    fn run(seed: u64, slots: u64, span: u64) {
        let mut timers = Timers::<3>::new();
        let mut order = BTreeSet::new();
        let mut owners = BTreeMap::new();
        let mut state = seed;
        let mut dice = |sides: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % sides
        };
        let mut now = 0;
        for step in 0..100_000 {
            let (kind, slot) = (dice(3) as u8, dice(slots) as u32);
            assert_eq!(timers.get(kind, slot), owners.get(&(kind, slot)).copied());
            match dice(10) {
                0..6 => {
                    let time = now + dice(span);
                    timers.set(kind, slot, time);
                    if let Some(old) = owners.insert((kind, slot), time) {
                        order.remove(&(old, kind, slot));
                    }
                    order.insert((time, kind, slot));
                }
                6..8 => {
                    let old = owners.remove(&(kind, slot));
                    assert_eq!(timers.cancel(kind, slot), old);
                    if let Some(old) = old {
                        order.remove(&(old, kind, slot));
                    }
                }
                _ => {
                    now += dice(span / 8 + 1);
                    while let Some(due) = timers.pop_due(now) {
                        assert_eq!(order.pop_first(), Some(due));
                        owners.remove(&(due.1, due.2));
                    }
                }
            }
            let first = order.first().copied();
            assert_eq!(timers.next(), first.map(|(time, ..)| time));
            assert_eq!(timers.peek_due(now), first.filter(|(time, ..)| *time <= now));
            assert_eq!(timers.len() as usize, order.len());
            if step % 5_000 == 0 {
                timers.check();
            }
        }
        while let Some(due) = timers.pop_due(u64::MAX) {
            assert_eq!(order.pop_first(), Some(due));
        }
        assert!(order.is_empty());
        timers.check();
    }

    #[test]
    fn agrees_with_an_ordered_set() {
        run(1, 5, 20);
        run(2, 300, 4);
        run(3, 5_000, 100_000);
        run(4, 40_000, 1_000_000);
    }
}

//! Storage that grows without ever copying what it holds: [`Chunked`], an array in fixed chunks, and
//! [`Slab`], a chunked array of slots with generations.
//!
//! A plain `Vec` of a million contacts copies all of them on the push that outgrows it; that push would stall
//! every decision behind it. Here the dearest push allocates one chunk. Nothing is given back to the allocator
//! while the structure lives, so a steady state allocates nothing.
//! Next: `order.rs` and `timers.rs`, which hold their elements by the slots handed out here.

use alloc::vec::Vec;
use core::fmt;
use core::iter::Flatten;
use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};
use core::slice;

/// Elements in one chunk. Large enough that what an allocator rounds a chunk up to is lost on many (at 1024 a contact
/// took 58 bytes more), and that the directory of chunks stays small; small enough that allocating one, whose pages are
/// touched as they fill, is cheap.
pub const CHUNK: u32 = 1 << CHUNK_BITS;

const CHUNK_BITS: u32 = 12;

/// Ends the free list; never a slot.
const NIL: u32 = u32::MAX;

/// A growable array made of chunks of [`CHUNK`] elements, indexed by `u32`.
///
/// An element never moves from the place where it was pushed. Popping keeps the chunk for the next push.
///
/// ```
/// # use usher::engine::slab::Chunked;
/// let mut waits = Chunked::new();
/// assert_eq!(waits.push(40_u64), 0);
/// waits[0] += 2;
/// assert_eq!(waits.get(0), Some(&42));
/// assert_eq!(waits.get(1), None);
/// ```
pub struct Chunked<T> {
    /// All full up to the one that holds element `len`; those after it are empty but keep their room.
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T> Chunked<T> {
    /// An empty array. Allocates nothing.
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// The number of elements. O(1).
    #[inline]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no element. O(1).
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `value` and returns its index. O(1), plus one chunk's allocation every [`CHUNK`] elements the first
    /// time that length is reached.
    ///
    /// # Panics
    ///
    /// When the array holds `u32::MAX` elements.
    #[inline]
    pub fn push(&mut self, value: T) -> u32 {
        let index = self.len;
        assert!(index < u32::MAX, "chunked array is full");
        let (chunk, _) = split(index);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK as usize));
        }
        self.chunks[chunk].push(value);
        self.len += 1;
        index
    }

    /// Removes and returns the last element, or `None` when there is none. O(1); keeps the memory.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        self.chunks[split(last).0].pop()
    }

    /// The element at `index`, or `None` when `index >= len`. O(1).
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        let (chunk, offset) = split(index);
        self.chunks.get(chunk)?.get(offset)
    }

    /// The element at `index`, or `None` when `index >= len`. O(1).
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (chunk, offset) = split(index);
        self.chunks.get_mut(chunk)?.get_mut(offset)
    }

    /// The elements in index order. O(1) per element.
    pub fn iter(&self) -> Elements<'_, T> {
        self.chunks.iter().flatten()
    }
}

impl<T: Clone> Chunked<T> {
    /// Appends copies of `value` until `index` exists; does nothing when it does already.
    ///
    /// O(number appended): cheap for an array kept beside a [`Slab`], whose slots are handed out densely.
    ///
    /// # Panics
    ///
    /// When `index` is `u32::MAX`.
    #[inline]
    pub fn cover(&mut self, index: u32, value: T) {
        while self.len <= index {
            self.push(value.clone());
        }
    }
}

/// The iterator of [`Chunked::iter`].
pub type Elements<'a, T> = Flatten<slice::Iter<'a, Vec<T>>>;

#[inline]
const fn split(index: u32) -> (usize, usize) {
    ((index >> CHUNK_BITS) as usize, (index & (CHUNK - 1)) as usize)
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Clone for Chunked<T> {
    /// O(n). By pushes, because a cloned `Vec` would lose the room reserved in its last chunk.
    fn clone(&self) -> Self {
        let mut clone = Self::new();
        for value in self.iter() {
            clone.push(value.clone());
        }
        clone
    }
}

impl<T: PartialEq> PartialEq for Chunked<T> {
    /// O(n). Equal elements in equal order; chunks kept for later do not count.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for Chunked<T> {}

impl<T: fmt::Debug> fmt::Debug for Chunked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> Index<u32> for Chunked<T> {
    type Output = T;

    /// The element at `index`. O(1).
    ///
    /// # Panics
    ///
    /// When `index >= len`.
    #[inline]
    fn index(&self, index: u32) -> &T {
        let (chunk, offset) = split(index);
        &self.chunks[chunk][offset]
    }
}

impl<T> IndexMut<u32> for Chunked<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        let (chunk, offset) = split(index);
        &mut self.chunks[chunk][offset]
    }
}

/// Names one value of a [`Slab`] for ever: the slot it is in, and which of the slot's successive tenants it is.
///
/// A key outlives its value harmlessly: once the value is removed the key finds nothing, even after the slot is
/// taken again. Keys are ordered by slot, then generation (the order of [`Slab::iter`], not of [`Key::to_u64`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// The index of the slot, dense from 0.
    pub slot: u32,
    /// Counts the values the slot has held, from 1.
    pub generation: NonZeroU32,
}

impl Key {
    /// The key as one number, generation in the high half. Never 0 for a key a slab handed out.
    #[inline]
    pub const fn to_u64(self) -> u64 {
        (self.generation.get() as u64) << 32 | self.slot as u64
    }

    /// The inverse of [`Key::to_u64`]. Any number makes a key; one no slab handed out finds nothing.
    #[inline]
    pub const fn from_u64(raw: u64) -> Self {
        // Generation 0 is never handed out; the last one, which takes its place, hardly ever.
        let generation = match NonZeroU32::new((raw >> 32) as u32) {
            Some(generation) => generation,
            None => NonZeroU32::MAX,
        };
        Self { slot: raw as u32, generation }
    }
}

/// Values in numbered slots, found by [`Key`] or by raw slot.
///
/// The slot vacated last is taken first, which keeps the working set small and is the same on every machine. The
/// key of the next insertion is known beforehand ([`Slab::next_key`]), because an event names the slot before
/// `evolve` fills it. A slot whose 2^32 − 1 generations are used up is retired, never reissued.
///
/// ```
/// # use usher::engine::slab::Slab;
/// let mut agents = Slab::new();
/// let expected = agents.next_key();
/// let ana = agents.insert("ana");
/// assert_eq!(ana, expected);
/// assert_eq!(agents.remove(ana), Some("ana"));
/// let bob = agents.insert("bob");
/// assert_eq!((bob.slot, bob.generation.get()), (0, 2));
/// assert_eq!(agents.get(ana), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Slab<T> {
    slots: Chunked<Slot<T>>,
    free: u32,
    len: u32,
}

/// `Option` beside the link, not an enum of the two: the link fills what would be padding next to `generation`,
/// and `Option` can use a niche in `T`.
#[derive(Clone, PartialEq, Eq)]
struct Slot<T> {
    /// Of the value inside, or when vacant of the next one.
    generation: NonZeroU32,
    /// The next vacant slot. Only meaningful when vacant; `NIL` otherwise.
    next_free: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// An empty slab. Allocates nothing.
    pub const fn new() -> Self {
        Self { slots: Chunked::new(), free: NIL, len: 0 }
    }

    /// The number of values inside. O(1).
    #[inline]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no value inside. O(1).
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of slots ever used, vacant ones included: every slot is below it. O(1).
    #[inline]
    pub const fn slots(&self) -> u32 {
        self.slots.len()
    }

    /// The key that the next [`Slab::insert`] will return. O(1).
    #[inline]
    pub fn next_key(&self) -> Key {
        match self.free {
            NIL => Key { slot: self.slots.len(), generation: NonZeroU32::MIN },
            slot => Key { slot, generation: self.slots[slot].generation },
        }
    }

    /// Stores `value` in the slot vacated last, or in a new one, and returns its key. O(1); see [`Chunked::push`].
    ///
    /// # Panics
    ///
    /// When all `u32::MAX` slots are taken.
    pub fn insert(&mut self, value: T) -> Key {
        let key = self.next_key();
        if key.slot == self.slots.len() {
            self.slots.push(Slot { generation: key.generation, next_free: NIL, value: Some(value) });
        } else {
            let slot = &mut self.slots[key.slot];
            self.free = slot.next_free;
            slot.next_free = NIL;
            slot.value = Some(value);
        }
        self.len += 1;
        key
    }

    /// Takes the value out and vacates its slot; `None` when `key` names no value inside. O(1).
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.slot)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        // A slot at its last generation is left off the free list: reissuing generation 1 would revive old keys.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            slot.next_free = self.free;
            self.free = key.slot;
        }
        self.len -= 1;
        Some(value)
    }

    /// Whether `key` names a value inside. O(1).
    #[inline]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The value named by `key`, or `None` when it has been removed. O(1).
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.slot)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.value.as_ref()
    }

    /// The value named by `key`, or `None` when it has been removed. O(1).
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.value.as_mut()
    }

    /// The value in slot `slot`, or `None` when it is vacant or was never used. O(1).
    #[inline]
    pub fn peek(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot)?.value.as_ref()
    }

    /// The value in slot `slot`. O(1).
    ///
    /// # Panics
    ///
    /// When the slot is vacant or was never used.
    #[inline]
    pub fn at(&self, slot: u32) -> &T {
        self.slots[slot].value.as_ref().expect("slot is vacant")
    }

    /// The value in slot `slot`. O(1).
    ///
    /// # Panics
    ///
    /// When the slot is vacant or was never used.
    #[inline]
    pub fn at_mut(&mut self, slot: u32) -> &mut T {
        self.slots[slot].value.as_mut().expect("slot is vacant")
    }

    /// The key of the value in slot `slot`. O(1).
    ///
    /// # Panics
    ///
    /// When the slot is vacant or was never used.
    #[inline]
    pub fn key_of(&self, slot: u32) -> Key {
        let Slot { generation, value, .. } = &self.slots[slot];
        assert!(value.is_some(), "slot is vacant");
        Key { slot, generation: *generation }
    }

    /// Keys and values in slot order. O([`Slab::slots`]) for the whole walk, vacant slots included.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { slots: self.slots.iter(), slot: 0 }
    }
}

/// A slab as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlabImage<T> {
    /// Every slot in order: its generation, and what is in it.
    pub slots: Vec<(u32, Option<T>)>,
    /// Vacant slots in the order in which they will be used again.
    pub free: Vec<u32>,
}

impl<T> Default for SlabImage<T> {
    fn default() -> Self {
        SlabImage { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The slab as plain data, each value as `of` gives it. O(slots).
    pub fn image<U>(&self, mut of: impl FnMut(&T) -> U) -> SlabImage<U> {
        let slots = self.slots.iter().map(|slot| (slot.generation.get(), slot.value.as_ref().map(&mut of))).collect();
        let mut free = Vec::new();
        let mut next = self.free;
        while next != NIL {
            free.push(next);
            next = self.slots[next].next_free;
        }
        SlabImage { slots, free }
    }

    /// The slab that [`Self::image`] is of; none when there is no such slab. O(slots).
    #[must_use]
    pub fn from_image(image: SlabImage<T>) -> Option<Slab<T>> {
        let mut slab = Slab::new();
        for (generation, value) in image.slots {
            slab.len += u32::from(value.is_some());
            slab.slots.push(Slot { generation: NonZeroU32::new(generation)?, next_free: NIL, value });
        }
        let mut seen = alloc::vec![false; slab.slots.len() as usize];
        for slot in image.free.into_iter().rev() {
            let vacant = slab.slots.get(slot).is_some_and(|held| held.value.is_none());
            if !vacant || core::mem::replace(&mut seen[slot as usize], true) {
                return None;
            }
            slab.slots[slot].next_free = slab.free;
            slab.free = slot;
        }
        Some(slab)
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a, T> IntoIterator for &'a Slab<T> {
    type Item = (Key, &'a T);
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The iterator of [`Slab::iter`].
pub struct Iter<'a, T> {
    slots: Elements<'a, Slot<T>>,
    slot: u32,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = (Key, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Slot { generation, value, .. } = self.slots.next()?;
            let key = Key { slot: self.slot, generation: *generation };
            self.slot += 1;
            if let Some(value) = value {
                return Some((key, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn chunked_is_an_array_across_chunk_borders() {
        let mut array = Chunked::new();
        for n in 0..3 * CHUNK {
            assert_eq!(array.push(n), n);
        }
        let first = &raw const array[0];
        array[CHUNK] = 7;
        *array.get_mut(CHUNK - 1).unwrap() = 8;
        assert_eq!((array[CHUNK - 1], array[CHUNK]), (8, 7));
        assert_eq!(array.get(3 * CHUNK), None);
        assert_eq!(array.get(u32::MAX), None);
        assert_eq!(array.pop(), Some(3 * CHUNK - 1));
        assert_eq!(array.clone(), array);
        while array.len() > 1 {
            array.pop();
        }
        assert_eq!(array.get(1), None);
        assert_eq!(array.iter().copied().collect::<Vec<_>>(), [0]);
        array.cover(2 * CHUNK, 9);
        assert_eq!(array.len(), 2 * CHUNK + 1);
        assert_eq!(array[2 * CHUNK], 9);
        assert_eq!(&raw const array[0], first);
        assert_eq!(Chunked::<u8>::new().pop(), None);
    }

    #[test]
    fn a_popped_array_equals_one_that_was_never_longer() {
        let mut long = Chunked::new();
        long.cover(CHUNK, 1);
        long.pop();
        let mut short = Chunked::new();
        short.cover(CHUNK - 1, 1);
        assert_eq!(long, short);
        short.push(2);
        assert_ne!(long, short);
    }

    #[test]
    fn keys_round_trip_and_are_never_zero() {
        let key = Slab::new().insert(());
        assert_eq!(key.to_u64(), 1 << 32);
        let key = Key { slot: 0xdead_beef, generation: NonZeroU32::MIN.saturating_add(6) };
        assert_eq!(Key::from_u64(key.to_u64()), key);
    }

    #[test]
    fn slots_are_taken_last_vacated_first() {
        let mut slab = Slab::new();
        let keys: Vec<Key> = (0..4).map(|n| slab.insert(n)).collect();
        slab.remove(keys[1]);
        slab.remove(keys[3]);
        assert_eq!((slab.insert(10).slot, slab.insert(11).slot), (3, 1));
        assert_eq!(slab.insert(12).slot, 4);
    }

    #[test]
    fn a_worn_out_slot_is_retired() {
        let mut slab = Slab::new();
        let key = slab.insert('a');
        slab.slots[key.slot].generation = NonZeroU32::MAX;
        let last = slab.key_of(key.slot);
        assert_eq!(slab.remove(last), Some('a'));
        assert_eq!(slab.remove(last), None);
        assert_eq!(slab.get(last), None);
        assert_eq!(slab.insert('b').slot, 1);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    #[should_panic(expected = "slot is vacant")]
    fn at_refuses_a_vacant_slot() {
        let mut slab = Slab::new();
        let key = slab.insert(1);
        slab.remove(key);
        slab.at(key.slot);
    }

    #[test]
    fn agrees_with_a_map() {
        let mut slab = Slab::new();
        let mut model = BTreeMap::new();
        let mut gone = Vec::new();
        let mut state = 1_u64;
        for step in 0..100_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let dice = state >> 33;
            // Grows for the first half, drains in the second.
            if dice % 10 < if step < 50_000 { 6 } else { 4 } {
                let expected = slab.next_key();
                assert_eq!(slab.insert(step), expected);
                assert_eq!(model.insert(expected, step), None);
            } else if let Some((&key, &value)) = model.range(Key::from_u64(dice % u64::from(slab.slots() + 1))..).next()
            {
                *slab.get_mut(key).unwrap() += 1;
                *slab.at_mut(key.slot) -= 1;
                assert_eq!(slab.key_of(key.slot), key);
                assert_eq!(slab.remove(key), Some(value));
                model.remove(&key);
                gone.push(key);
            }
            assert_eq!(slab.len() as usize, model.len());
            if step % 10_000 == 0 {
                assert!(slab.iter().map(|(k, v)| (k, *v)).eq(model.iter().map(|(k, v)| (*k, *v))));
                assert_eq!(slab.clone(), slab);
            }
        }
        for key in gone {
            assert!(!slab.contains(key));
            assert_eq!(slab.remove(key), None);
        }
    }
}

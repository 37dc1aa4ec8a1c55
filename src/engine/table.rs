//! From an external id to a slot: a hash table whose keys live elsewhere.
//!
//! The engine keeps the bytes of an id once, in the record it names, so the table holds only a part of the hash and
//! the slot, and asks the caller whether a candidate is the one. `HashMap` is no choice here: it would need the
//! keys, seeds itself at random, and moves everything at once when it grows, which at a million entries is tens
//! of milliseconds in which nobody is routed. [`IdTable`] grows a few entries per operation.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Entries in one block of a table. Tables are allocated, zeroed and freed block by block (32 KiB), as the first
/// entry comes and the last one goes: returning 64 MB to the system in one call takes milliseconds.
const BLOCK_BITS: u32 = 12;

/// The size of the first table, as a power of two.
const BITS_MIN: u32 = 6;

/// As many bits as the tag has: beyond, home positions could not be told from the tag alone.
const BITS_MAX: u32 = 31;

/// Positions of the old table migrated per operation, at least. Before the new table must grow it takes three
/// insertions for every four positions of the old one, so any number from 2 finishes in time.
const MIGRATE: usize = 16;

/// An entry is a tag (the upper half of the hash) above a value plus one; so an empty position is 0.
type Entry = u64;

const EMPTY: Entry = 0;

/// A table from hashes to `u32` values (slots) for keys kept elsewhere.
///
/// Linear probing at a load of at most 3/4. Eight bytes per position. A removal moves the followers back into the
/// gap, so there are no tombstones and churn leaves no trace. Growth doubles: a second table is filled from the
/// first a few positions per [`IdTable::insert`] and [`IdTable::remove`], which at worst allocates a few blocks of
/// 32 KiB. It never shrinks; at a constant size it allocates nothing.
///
/// Hash with [`hash_bytes`] or as well: the upper 32 bits must be spread evenly.
///
/// ```
/// # use usher::engine::table::{hash_bytes, IdTable};
/// let names = ["ana", "bob"];
/// let mut slots = IdTable::new();
/// for (slot, name) in (0..).zip(names) {
///     slots.insert(hash_bytes(1, name.as_bytes()), slot);
/// }
/// let find = |name: &str| {
///     slots.find(hash_bytes(1, name.as_bytes()), |slot| names[slot as usize] == name)
/// };
/// assert_eq!(find("bob"), Some(1));
/// assert_eq!(find("eve"), None);
/// ```
#[derive(Clone, Debug, Default)]
pub struct IdTable {
    table: Table,
    /// The table grown out of, while it still holds entries.
    old: Option<Migration>,
    len: u32,
}

#[derive(Clone, Debug)]
struct Migration {
    from: Table,
    /// Where the migration began, an empty position; it goes round from there.
    start: usize,
    /// Positions gone through. The last of them was empty, so no probe for what is left begins before it.
    done: usize,
}

impl IdTable {
    /// An empty table. Allocates nothing.
    pub const fn new() -> Self {
        Self { table: Table::new(), old: None, len: 0 }
    }

    /// The number of entries. O(1).
    #[inline]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no entry. O(1).
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value under `hash` for which `is_key` holds. Expected O(1); `is_key` is seldom asked about another
    /// key's value (the tags must be equal).
    #[inline]
    pub fn find(&self, hash: u64, mut is_key: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = tag_of(hash);
        let mut found = self.table.find(tag, &mut is_key);
        if let (None, Some(old)) = (found, &self.old) {
            found = old.from.find(tag, &mut is_key);
        }
        found.map(|(_, value)| value)
    }

    /// Adds `value` under `hash`. Expected O(1).
    ///
    /// The key must not be inside already ([`IdTable::find`]); this does not look, and a second entry under one
    /// key would be shadowed by the first or shadow it.
    ///
    /// # Panics
    ///
    /// When `value` is `u32::MAX`, or at 3 · 2^29 entries.
    pub fn insert(&mut self, hash: u64, value: u32) {
        assert!(value != u32::MAX, "value is too high");
        self.migrate();
        if self.len as usize >= self.table.limit() {
            self.grow();
        }
        self.table.insert(entry(tag_of(hash), value));
        self.len += 1;
    }

    /// Removes the entry under `hash` for whose value `is_key` holds. Whether there was one. Expected O(1).
    pub fn remove(&mut self, hash: u64, mut is_key: impl FnMut(u32) -> bool) -> bool {
        self.migrate();
        let tag = tag_of(hash);
        if let Some((position, _)) = self.table.find(tag, &mut is_key) {
            self.table.remove(position);
        } else {
            let Some(old) = &mut self.old else {
                return false;
            };
            let Some((position, _)) = old.from.find(tag, &mut is_key) else {
                return false;
            };
            old.from.remove(position);
        }
        self.len -= 1;
        true
    }

    fn grow(&mut self) {
        assert!(self.old.is_none(), "migration ends before the next growth");
        let table = self.table.doubled();
        let from = core::mem::replace(&mut self.table, table);
        if self.len > 0 {
            let start = from.first_empty();
            self.old = Some(Migration { from, start, done: 0 });
        }
    }

    /// Takes the migration, if there is one, on by at least [`MIGRATE`] positions and up to an empty one.
    ///
    /// Stopping only there takes every run of entries over whole, so probes of the old table need not know.
    #[inline]
    fn migrate(&mut self) {
        if let Some(old) = &mut self.old
            && old.advance(&mut self.table)
        {
            self.old = None;
        }
    }
}

impl Migration {
    /// Whether that was the last of it.
    fn advance(&mut self, to: &mut Table) -> bool {
        let positions = self.from.positions();
        let mut steps = 0;
        while self.done < positions {
            let position = (self.start + self.done) & (positions - 1);
            let entry = self.from.get(position);
            if entry != EMPTY {
                self.from.set(position, EMPTY);
                to.insert(entry);
            }
            self.done += 1;
            steps += 1;
            // The block of `start` is come back to at the end, and freed with the table.
            if (position + 1) & BLOCK_MASK == 0 && position - (position & BLOCK_MASK) >= self.start {
                self.from.blocks[position >> BLOCK_BITS] = Box::default();
            }
            if steps >= MIGRATE && entry == EMPTY {
                return self.done == positions;
            }
        }
        true
    }
}

const BLOCK_MASK: usize = (1 << BLOCK_BITS) - 1;

#[inline]
const fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[inline]
const fn entry(tag: u32, value: u32) -> Entry {
    (tag as u64) << 32 | (value as u64 + 1)
}

/// A linear-probing table of fixed size. The home of an entry is the top bits of its tag, so a table and its
/// double are in the same order and migration writes from left to right.
#[derive(Clone, Debug, Default)]
struct Table {
    /// An empty block stands for one full of [`EMPTY`].
    blocks: Vec<Box<[Entry]>>,
    /// The number of positions is two to the power of this; 0 before the first insertion.
    bits: u32,
}

impl Table {
    const fn new() -> Self {
        Self { blocks: Vec::new(), bits: 0 }
    }

    /// An empty table of twice the positions. Allocates only the directory: 16 bytes per 4096 positions.
    fn doubled(&self) -> Self {
        let bits = (self.bits + 1).max(BITS_MIN);
        assert!(bits <= BITS_MAX, "table is full");
        let blocks = 1 << bits.saturating_sub(BLOCK_BITS);
        Self { blocks: vec![Box::default(); blocks], bits }
    }

    #[inline]
    const fn positions(&self) -> usize {
        1 << self.bits
    }

    /// The most entries it takes, migrated ones included.
    #[inline]
    const fn limit(&self) -> usize {
        match self.bits {
            0 => 0,
            bits => 3 << (bits - 2),
        }
    }

    #[inline]
    fn get(&self, position: usize) -> Entry {
        let block = &self.blocks[position >> BLOCK_BITS];
        block.get(position & BLOCK_MASK).copied().unwrap_or(EMPTY)
    }

    #[inline]
    fn set(&mut self, position: usize, entry: Entry) {
        let block = &mut self.blocks[position >> BLOCK_BITS];
        if block.is_empty() {
            *block = vec![EMPTY; 1 << self.bits.min(BLOCK_BITS)].into_boxed_slice();
        }
        block[position & BLOCK_MASK] = entry;
    }

    #[inline]
    const fn home(&self, tag: u32) -> usize {
        (tag >> (u32::BITS - self.bits)) as usize
    }

    #[inline]
    const fn after(&self, position: usize) -> usize {
        (position + 1) & (self.positions() - 1)
    }

    #[inline]
    fn find(&self, tag: u32, is_key: &mut impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        if self.bits == 0 {
            return None;
        }
        let mut position = self.home(tag);
        loop {
            let entry = self.get(position);
            if entry == EMPTY {
                return None;
            }
            if (entry >> 32) as u32 == tag {
                let value = entry as u32 - 1;
                if is_key(value) {
                    return Some((position, value));
                }
            }
            position = self.after(position);
        }
    }

    #[inline]
    fn insert(&mut self, entry: Entry) {
        let mut position = self.home((entry >> 32) as u32);
        while self.get(position) != EMPTY {
            position = self.after(position);
        }
        self.set(position, entry);
    }

    /// Empties `position`, moving back those after it that a probe would otherwise no longer reach.
    fn remove(&mut self, position: usize) {
        let mask = self.positions() - 1;
        let mut gap = position;
        let mut next = self.after(gap);
        loop {
            let entry = self.get(next);
            if entry == EMPTY {
                break;
            }
            let home = self.home((entry >> 32) as u32);
            let from_home = next.wrapping_sub(home) & mask;
            if from_home >= next.wrapping_sub(gap) & mask {
                self.set(gap, entry);
                gap = next;
            }
            next = self.after(next);
        }
        self.set(gap, EMPTY);
    }

    fn first_empty(&self) -> usize {
        let mut positions = 0..self.positions();
        let found = positions.find(|&position| self.get(position) == EMPTY);
        found.expect("load is below one")
    }
}

/// Arbitrary odd constants with half their bits set (digits of π).
const PI: [u64; 4] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89];

/// A fast keyed hash of `bytes`: the same on every machine, different for every `seed`.
///
/// In the manner of wyhash: 128-bit products folded to 64 bits, 16 bytes at a time. Both factors are masked with
/// something derived from the seed, so without knowing it nobody can choose ids that make a factor zero and hash
/// alike. Not a cryptographic hash; keep the seed private all the same. O(length).
///
/// ```
/// # use usher::engine::table::hash_bytes;
/// assert_eq!(hash_bytes(7, b"agent-1"), hash_bytes(7, b"agent-1"));
/// assert_ne!(hash_bytes(7, b"agent-1"), hash_bytes(8, b"agent-1"));
/// ```
#[inline]
pub fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mask = fold(seed ^ PI[0], PI[1]) ^ PI[2];
    // The length goes through the product: only xored in, it would cancel against the first bytes.
    let mut state = fold(seed ^ PI[2], PI[3] ^ bytes.len() as u64);
    let mut rest = bytes;
    while rest.len() > 16 {
        state = fold(word(rest, 0) ^ state, word(rest, 8) ^ mask).rotate_left(23);
        rest = &rest[16..];
    }
    let (low, high) = last(rest);
    state = fold(low ^ state, high ^ mask).rotate_left(23);
    fold(state ^ mask, PI[0])
}

/// Up to 16 bytes as two words; one to one, given the length.
#[inline]
fn last(bytes: &[u8]) -> (u64, u64) {
    match bytes.len() {
        // The two overlap in the middle when there are fewer than 16, or fewer than 8.
        len @ 8.. => (word(bytes, 0), word(bytes, len - 8)),
        len @ 4.. => (half(bytes, 0), half(bytes, len - 4)),
        len @ 1.. => {
            let ends = u64::from(bytes[0]) << 8 | u64::from(bytes[len - 1]);
            (ends, u64::from(bytes[len / 2]))
        }
        0 => (0, 0),
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[inline]
fn half(bytes: &[u8], at: usize) -> u64 {
    let mut half = [0; 4];
    half.copy_from_slice(&bytes[at..at + 4]);
    u64::from(u32::from_le_bytes(half))
}

/// The two halves of the 128-bit product, combined.
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::{BTreeMap, BTreeSet};
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % sides
        }
    }

    fn id(n: u64) -> String {
        format!("contact-{n:06}")
    }

    /// `hash` of id `n` is given, so that poor hashes can be tried too.
    fn run(seed: u64, ids: u64, steps: u64, hash: impl Fn(u64) -> u64) {
        let mut dice = Dice(seed);
        let mut table = IdTable::new();
        let mut model = BTreeMap::new();
        let mut names: Vec<u64> = Vec::new();
        for step in 0..steps {
            // Drifts upwards, so that growth is met at all stages of filling and emptying.
            let reach = ids * (step + 1) / steps + 1;
            let n = dice.roll(reach);
            let found = table.find(hash(n), |slot| names[slot as usize] == n);
            assert_eq!(found, model.get(&n).copied());
            if found.is_none() {
                let slot = names.len() as u32;
                names.push(n);
                table.insert(hash(n), slot);
                model.insert(n, slot);
            } else if dice.roll(3) > 0 {
                assert!(table.remove(hash(n), |slot| names[slot as usize] == n));
                assert!(!table.remove(hash(n), |slot| names[slot as usize] == n));
                model.remove(&n);
            }
            assert_eq!(table.len() as usize, model.len());
            if step % (steps / 16) == 0 {
                for (&n, &slot) in &model {
                    let found = table.find(hash(n), |slot| names[slot as usize] == n);
                    assert_eq!(found, Some(slot));
                }
            }
        }
    }

    #[test]
    fn agrees_with_a_map() {
        run(1, 30, 20_000, |n| hash_bytes(1, id(n).as_bytes()));
        run(2, 1_000, 50_000, |n| hash_bytes(2, id(n).as_bytes()));
        run(3, 60_000, 300_000, |n| hash_bytes(3, id(n).as_bytes()));
    }

    #[test]
    fn agrees_with_a_map_whatever_the_hash() {
        // All alike; few tags; all crowding round the end of the table, so that runs wrap.
        run(4, 100, 10_000, |_| 0);
        run(5, 400, 20_000, |n| (n % 7) << 61);
        run(6, 800, 20_000, |n| (u64::MAX << 40) | (n % 3));
        run(7, 800, 20_000, |n| n.wrapping_sub(40) << 56);
    }

    #[test]
    fn growth_is_spread_over_operations() {
        let mut table = IdTable::new();
        let mut migrating = 0;
        for n in 0..100_000_u64 {
            let before = table.old.as_ref().map(|old| old.done);
            table.insert(hash_bytes(9, &n.to_le_bytes()), n as u32);
            if let (Some(before), Some(old)) = (before, &table.old) {
                assert!(old.done - before < 400, "{}", old.done - before);
                migrating += 1;
            }
        }
        assert!(migrating > 5_000);
        for n in 0..100_000_u64 {
            let hash = hash_bytes(9, &n.to_le_bytes());
            assert_eq!(table.find(hash, |slot| u64::from(slot) == n), Some(n as u32));
        }
    }

    #[test]
    fn churn_leaves_no_trace() {
        let mut table = IdTable::new();
        let size = 3_000_u64;
        for n in 0..300_000_u64 {
            table.insert(hash_bytes(5, &n.to_le_bytes()), n as u32);
            if let Some(gone) = n.checked_sub(size) {
                let hash = hash_bytes(5, &gone.to_le_bytes());
                assert!(table.remove(hash, |slot| u64::from(slot) == gone));
            }
        }
        assert_eq!(u64::from(table.len()), size);
        assert_eq!(table.table.bits, 12);
        let taken = (0..4_096).filter(|&at| table.table.get(at) != EMPTY);
        assert_eq!(taken.count() as u64, size);
    }

    #[test]
    fn the_extreme_value_but_one_is_kept() {
        let mut table = IdTable::new();
        table.insert(u64::MAX, u32::MAX - 1);
        assert_eq!(table.find(u64::MAX, |_| true), Some(u32::MAX - 1));
    }

    #[test]
    fn hashes_are_the_same_on_every_machine() {
        let long: Vec<u8> = (0..100).collect();
        let hashes = [0, 1, 3, 4, 7, 8, 15, 16, 17, 32, 33, 100].map(|n| hash_bytes(42, &long[..n]));
        assert_eq!(hashes, GOLDEN);
    }

    /// From a second writing of the hash, in Python.
    const GOLDEN: [u64; 12] = [
        0x2561_77e3_a084_986f,
        0x9fb9_248f_718a_82c4,
        0xad9c_f949_2e99_d81c,
        0xb7f2_e0f1_7b25_1652,
        0x0e06_e321_113f_ceff,
        0x1cf4_de55_1d5d_7034,
        0xc2a3_1d34_5a1a_93de,
        0x39aa_a2b8_5f3e_e660,
        0xf2f9_5d86_9514_2b6a,
        0x2f5d_8e6a_1e34_7d89,
        0x4979_0206_b8ad_8384,
        0xada0_7cb0_e0a2_5c18,
    ];

    #[test]
    fn length_content_and_seed_all_tell() {
        let mut seen = BTreeSet::new();
        for seed in 0..4 {
            for len in 0..80 {
                assert!(seen.insert(hash_bytes(seed, &[0; 80][..len])));
                for at in 0..len {
                    let mut bytes = [0; 80];
                    for value in [1, 0x80, 0xff] {
                        bytes[at] = value;
                        assert!(seen.insert(hash_bytes(seed, &bytes[..len])));
                    }
                }
            }
        }
    }

    #[test]
    fn every_input_bit_sways_every_output_bit() {
        for len in [1, 3, 6, 8, 13, 16, 21, 40] {
            let mut dice = Dice(len as u64);
            let mut bytes: Vec<u8> = (0..len).map(|_| dice.roll(256) as u8).collect();
            let rounds = 512;
            for bit in 0..8 * len {
                let mut flips = [0_i32; 64];
                for _ in 0..rounds {
                    let seed = dice.roll(u64::MAX) << 31 ^ dice.roll(u64::MAX);
                    let before = hash_bytes(seed, &bytes);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    let changed = before ^ hash_bytes(seed, &bytes);
                    for (n, flips) in flips.iter_mut().enumerate() {
                        *flips += (changed >> n & 1) as i32;
                    }
                }
                // Six standard deviations of a fair coin: √512 / 2 each.
                assert!(flips.iter().all(|&flips| (flips - rounds / 2).abs() < 70));
            }
        }
    }

    #[test]
    fn similar_ids_spread_evenly() {
        let count = 1 << 16;
        for (name, shift) in [("low", 0), ("high", 54), ("middle", 27)] {
            let mut buckets = [0_u32; 1024];
            for n in 0..count {
                let hash = hash_bytes(0, id(n).as_bytes());
                buckets[(hash >> shift) as usize & 1023] += 1;
            }
            let mean = count as f64 / 1024.0;
            let chi: f64 = buckets.iter().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
            // 1023 degrees of freedom: mean 1023, standard deviation 45.
            assert!((790.0..1260.0).contains(&chi), "{name}: {chi}");
        }
    }
}

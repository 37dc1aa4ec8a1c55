//! How values stand in bytes: the primitives of the journal's format and the macros its tables are written in. The format
//! of the engine's types is in `journal/codec.rs`.
//!
//! Whole numbers are little-endian base 128 (LEB128), signed ones zigzag first; texts, lists and blobs have their length
//! before them. Nothing is self-describing: the version in a segment's header says what follows what. Reading never
//! panics and never allocates more than the bytes at hand could hold, whatever they are.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::engine::id::{AgentId, BarId, ChannelId, ClassId, ContactId, GatewayId, LegId, QueueId, Text};
use crate::engine::slab::Key;
use crate::engine::time::{Span, Time};

/// How deep a requirement may nest; the grammar allows far less.
const DEPTH: u8 = 200;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where, counted from the first byte given to the reader.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Who seals what identifies customers under keys of their own.
pub trait Seal: Send + Sync {
    /// Writes `plain` under the customer's key; a new one if he has none.
    fn seal(&self, tenant: &str, customer: &str, plain: Vec<u8>, out: &mut Writer);

    /// What was sealed; none when its key is gone.
    fn reveal(&self, id: &[u8; 16], nonce: [u8; 12], sealed: &[u8]) -> Option<Vec<u8>>;

    /// From now on nothing under the customer's key can be read.
    fn forget(&self, tenant: &str, customer: &str);
}

/// What bytes are written to.
#[derive(Default)]
pub struct Writer {
    /// What was written.
    pub bytes: Vec<u8>,
    /// Under whose keys customers' parts are written; in clear when there is none.
    pub vault: Option<Arc<dyn Seal>>,
    /// Whose events are written.
    pub tenant: Text,
    /// What was written by [`Self::shared`].
    pub numbers: Numbers,
}

/// What was written once, by its address.
#[derive(Default)]
pub struct Numbers(HashMap<usize, u64>);

impl Writer {
    /// A whole number.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Something that many things share: itself the first time, its number from then on. What was written stays alive until
    /// all is.
    pub fn shared<T: Wire>(&mut self, value: &Arc<T>) {
        let next = self.numbers.0.len() as u64;
        let number = *self.numbers.0.entry(Arc::as_ptr(value).addr()).or_insert(next);
        self.number(number);
        if number == next {
            value.put(self);
        }
    }

    /// Bytes with their length.
    pub fn blob(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }
}

/// What bytes are read from.
#[derive(Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    version: u16,
    depth: u8,
    vault: Option<&'a dyn Seal>,
    /// What was read by [`Self::shared`].
    shared: Vec<Arc<dyn Any + Send + Sync>>,
}

impl<'a> Reader<'a> {
    /// A reader of bytes written by a version of the format.
    #[must_use]
    pub fn new(bytes: &'a [u8], version: u16) -> Reader<'a> {
        Reader { bytes, at: 0, version, depth: 0, vault: None, shared: Vec::new() }
    }

    /// The same, with the keys customers' parts are under. Without them what is sealed reads as forgotten.
    #[must_use]
    pub fn with(self, vault: Option<&'a dyn Seal>) -> Reader<'a> {
        Reader { vault, ..self }
    }

    /// The version of the format.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The keys it has.
    #[must_use]
    pub fn vault(&self) -> Option<&'a dyn Seal> {
        self.vault
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// A fault here.
    #[must_use]
    pub fn fault(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// When there are not that many.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        if count > rest.len() {
            return Err(self.fault("ends too early"));
        }
        self.at += count;
        Ok(&rest[..count])
    }

    /// A whole number.
    ///
    /// # Errors
    /// When the bytes end or say more than 64 bits.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else { return Err(self.fault("ends too early")) };
            self.at += 1;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault("a number has more than 64 bits"))
    }

    /// What [`Writer::shared`] wrote, shared again.
    ///
    /// # Errors
    /// As of its type, and when there is nothing of its number.
    pub fn shared<T: Wire + Send + Sync + 'static>(&mut self) -> Result<Arc<T>, Malformed> {
        let number = usize::get(self)?;
        if number == self.shared.len() {
            let value: Arc<T> = Wire::get(self)?;
            self.shared.push(value);
        }
        let held = self.shared.get(number).cloned().and_then(|held| held.downcast::<T>().ok());
        held.ok_or_else(|| self.fault("shares what is not there"))
    }

    /// Bytes with their length.
    ///
    /// # Errors
    /// When the bytes end.
    pub fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| self.fault("a length is too large"))?;
        self.take(length)
    }

    /// A field added in a version of the format: its default in what was written before.
    ///
    /// # Errors
    /// As of its type.
    pub fn since<T: Wire + Default>(&mut self, version: u16) -> Result<T, Malformed> {
        if self.version < version { Ok(T::default()) } else { T::get(self) }
    }

    /// Reads something that may hold its like.
    ///
    /// # Errors
    /// As `get`, and when it nests too deep.
    pub fn nested<T>(&mut self, get: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<T, Malformed> {
        if self.depth >= DEPTH {
            return Err(self.fault("nests too deep"));
        }
        self.depth += 1;
        let got = get(self);
        self.depth -= 1;
        got
    }
}

/// A type with a place in the format.
pub trait Wire: Sized {
    /// Writes it.
    fn put(&self, out: &mut Writer);
    /// Reads it.
    ///
    /// # Errors
    /// When the bytes are not one.
    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Writer) {
                out.number(u64::from(*self));
            }

            fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                <$type>::try_from(from.number()?).map_err(|_| from.fault("a number is too large"))
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64);

impl Wire for i8 {
    fn put(&self, out: &mut Writer) {
        i64::from(*self).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        i8::try_from(i64::get(from)?).map_err(|_| from.fault("a number is too large"))
    }
}

impl Wire for usize {
    fn put(&self, out: &mut Writer) {
        out.number(*self as u64);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        usize::try_from(from.number()?).map_err(|_| from.fault("a number is too large"))
    }
}

impl Wire for u128 {
    fn put(&self, out: &mut Writer) {
        out.bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        <[u8; 16]>::get(from).map(u128::from_le_bytes)
    }
}

impl Wire for i64 {
    fn put(&self, out: &mut Writer) {
        out.number(((self << 1) ^ (self >> 63)) as u64);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = from.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

impl Wire for i32 {
    fn put(&self, out: &mut Writer) {
        i64::from(*self).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        i32::try_from(i64::get(from)?).map_err(|_| from.fault("a number is too large"))
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Writer) {
        out.bytes.push(u8::from(*self));
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match from.take(1)?[0] {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(from.fault("is neither true nor false")),
        }
    }
}

impl Wire for Text {
    fn put(&self, out: &mut Writer) {
        out.blob(self.as_bytes());
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(from.blob()?).map_err(|_| from.fault("a text is not UTF-8"))?;
        Ok(text.into())
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn put(&self, out: &mut Writer) {
        out.bytes.extend_from_slice(self);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(from.take(N)?);
        Ok(bytes)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Writer) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        bool::get(from)?.then(|| T::get(from)).transpose()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Writer) {
        out.number(self.len() as u64);
        self.iter().for_each(|value| value.put(out));
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = from.number()?;
        // Everything takes a byte or more: a count beyond the bytes is refused before anything is allocated for it.
        if count > (from.bytes.len() - from.at) as u64 {
            return Err(from.fault("a list is longer than its bytes"));
        }
        (0..count).map(|_| T::get(from)).collect()
    }
}

impl<T: Wire> Wire for VecDeque<T> {
    fn put(&self, out: &mut Writer) {
        out.number(self.len() as u64);
        self.iter().for_each(|value| value.put(out));
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Vec::get(from).map(VecDeque::from)
    }
}

impl<T: Wire + Ord> Wire for BTreeSet<T> {
    fn put(&self, out: &mut Writer) {
        out.number(self.len() as u64);
        self.iter().for_each(|value| value.put(out));
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Vec::get(from)?.into_iter().collect())
    }
}

impl<T: Wire> Wire for Arc<T> {
    fn put(&self, out: &mut Writer) {
        (**self).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        T::get(from).map(Arc::new)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::get(from)?, B::get(from)?))
    }
}

impl<A: Wire, B: Wire, C: Wire> Wire for (A, B, C) {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::get(from)?, B::get(from)?, C::get(from)?))
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    fn put(&self, out: &mut Writer) {
        out.number(self.len() as u64);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Vec::<(K, V)>::get(from)?.into_iter().collect())
    }
}

/// The format of arrays whose elements have one: each in turn.
macro_rules! arrays {
    ($($type:ty),* $(,)?) => {$(
        impl<const N: usize> Wire for [$type; N] {
            fn put(&self, out: &mut Writer) {
                self.iter().for_each(|value| value.put(out));
            }

            fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                let mut all = [<$type>::default(); N];
                for value in &mut all {
                    *value = Wire::get(from)?;
                }
                Ok(all)
            }
        }
    )*};
}

arrays!(u32, u64, i64, Span, Option<Time>);

macro_rules! newtypes {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Writer) {
                self.0.put(out);
            }

            fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                Wire::get(from).map($name)
            }
        }
    )*};
}

newtypes!(Time, Span, AgentId, QueueId, ChannelId, ClassId, GatewayId, ContactId, LegId, BarId);

impl Wire for Key {
    fn put(&self, out: &mut Writer) {
        self.slot.put(out);
        self.generation.get().put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let slot = u32::get(from)?;
        let generation = NonZeroU32::new(u32::get(from)?).ok_or_else(|| from.fault("a handle has no generation"))?;
        Ok(Key { slot, generation })
    }
}

/// The format of a struct: its fields in the order they are written, then those added in later versions. A field left
/// out does not compile.
macro_rules! record {
    ($name:ident { $($field:ident),* $(,)? $(; $since:literal: $($added:ident),+)* }) => {
        impl Wire for $name {
            fn put(&self, out: &mut Writer) {
                let $name { $($field,)* $($($added,)+)* } = self;
                $($field.put(out);)*
                $($($added.put(out);)+)*
            }

            fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok($name { $($field: Wire::get(from)?,)* $($($added: from.since($since)?,)+)* })
            }
        }
    };
}

/// The format of an enum of names: a number each, never reused. A name left out does not compile.
macro_rules! names {
    ($name:ident { $($tag:literal = $variant:ident),* $(,)? }) => {
        impl Wire for $name {
            fn put(&self, out: &mut Writer) {
                out.bytes.push(match self { $($name::$variant => $tag,)* });
            }

            fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                match from.take(1)?[0] {
                    $($tag => Ok($name::$variant),)*
                    _ => Err(from.fault(concat!("is no ", stringify!($name), " this version knows"))),
                }
            }
        }
    };
}

/// The format of an enum whose variants hold fields: a number each, never reused, and the fields as in [`record`]. A
/// variant or a field left out does not compile. The numbers and names are in `$table`.
macro_rules! variants {
    ($name:ident, $table:ident {
        $($tag:literal = $variant:ident { $($field:ident),* $(; $since:literal: $($added:ident),+)* })*
    }) => {
        /// The numbers of the variants, with their names.
        pub const $table: &[(u64, &str)] = &[$(($tag, stringify!($variant))),*];

        impl Wire for $name {
            fn put(&self, out: &mut Writer) {
                match self {
                    $($name::$variant { $($field,)* $($($added,)+)* } => {
                        out.number($tag);
                        $($field.put(out);)*
                        $($($added.put(out);)+)*
                    })*
                }
            }

            fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                match from.number()? {
                    $($tag => Ok($name::$variant {
                        $($field: Wire::get(from)?,)*
                        $($($added: from.since($since)?,)+)*
                    }),)*
                    _ => Err(from.fault(concat!("is no ", stringify!($name), " this version knows"))),
                }
            }
        }
    };
}

pub(crate) use {names, record, variants};

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Wire + PartialEq + std::fmt::Debug>(value: &T) {
        let mut out = Writer::default();
        value.put(&mut out);
        let mut from = Reader::new(&out.bytes, 1);
        assert_eq!(T::get(&mut from).as_ref(), Ok(value));
        assert!(from.is_at_end());
        for cut in 0..out.bytes.len() {
            assert!(T::get(&mut Reader::new(&out.bytes[..cut], 1)).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn values_come_back_and_cut_ones_do_not() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            there_and_back(&number);
        }
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            there_and_back(&number);
        }
        there_and_back(&Text::from("naïve ☎"));
        there_and_back(&Some((Text::from("a"), vec![true, false])));
        there_and_back(&[7_u8; 16]);
    }

    #[test]
    fn what_was_never_written_is_refused() {
        let refused = |bytes: &[u8]| Vec::<u64>::get(&mut Reader::new(bytes, 1)).unwrap_err().what;
        assert_eq!(refused(&[0xff; 11]), "a number has more than 64 bits");
        assert_eq!(refused(&[0xff, 0xff, 0xff, 0xff, 0x7f, 1]), "a list is longer than its bytes");
        assert!(Text::get(&mut Reader::new(&[1, 0xff], 1)).is_err());
        assert!(bool::get(&mut Reader::new(&[2], 1)).is_err());
        assert!(Key::get(&mut Reader::new(&[5, 0], 1)).is_err());
    }

    #[test]
    fn a_field_of_a_later_version_has_its_default() {
        assert_eq!(Reader::new(&[9], 1).since::<u8>(2), Ok(0));
        assert_eq!(Reader::new(&[9], 2).since::<u8>(2), Ok(9));
    }
}

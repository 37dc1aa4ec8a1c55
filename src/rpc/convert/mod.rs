//! The only place that knows both `usher.v1` and the engine: `input` reads requests, `output` renders views, `event`
//! renders events.

pub mod config;
pub mod event;
pub mod input;
pub mod output;
pub mod view;

use std::collections::BTreeMap;

use prost_types::{Duration, Timestamp};
use usher_proto::v1;

use crate::engine::id::{LegId, Text};
use crate::engine::requirement::{Attributes, Value};
use crate::engine::time::{Span, Time};

/// An instant.
pub fn time(time: Time) -> Timestamp {
    Timestamp { seconds: (time.0 / 1_000_000) as i64, nanos: (time.0 % 1_000_000) as i32 * 1_000 }
}

/// A span.
pub fn span(span: Span) -> Duration {
    Duration { seconds: (span.0 / 1_000_000) as i64, nanos: (span.0 % 1_000_000) as i32 * 1_000 }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

/// An offer's id as clients have it: the leg's handle in 16 hexadecimal digits.
pub fn offer_id(leg: LegId) -> String {
    hex(&leg.to_u64().to_be_bytes())
}

/// The offer an id names, if it has the form of one.
pub fn offer_from(offer_id: &str) -> Option<LegId> {
    let digits = offer_id.len() == 16 && offer_id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u64::from_str_radix(offer_id, 16).ok().map(LegId::from_u64)).flatten()
}

/// A typed value.
pub fn value(value: &Value) -> v1::Value {
    use v1::value::Kind;
    let kind = match value {
        Value::Str(text) => Kind::StringValue(text.to_string()),
        Value::Int(number) => Kind::Int64Value(*number),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Decimal(millionths) => Kind::DecimalMillionths(*millionths),
        Value::List(items) => {
            Kind::ListValue(v1::StringList { values: items.iter().map(|item| item.to_string()).collect() })
        }
    };
    v1::Value { kind: Some(kind) }
}

/// Attributes by name.
pub fn attributes(attributes: &Attributes) -> BTreeMap<String, v1::Value> {
    attributes.iter().map(|(name, held)| (name.to_string(), value(held))).collect()
}

/// A text to share; the empty one costs nothing.
pub fn text(text: String) -> Text {
    if text.is_empty() { Text::default() } else { Text::from(text) }
}

//! Lengths of time as text: `"20s"`, `"1h30m"`, `"500ms"`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::engine::time::Span;

/// The units, largest first, with their length in microseconds.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Longest that may be written: ten years, far above every limit and far below overflow.
const LONGEST_US: u64 = 3_650 * 86_400_000_000;

/// A length of time as configuration writes it: whole numbers with the units d, h, m, s, ms and us, largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub Span);

impl Duration {
    /// Reads a duration.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence fragment.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let mut total: u64 = 0;
        let mut rest = text;
        let mut last = usize::MAX;
        if text.is_empty() {
            return Err("an empty text is not a duration".into());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number = rest[..digits].parse::<u64>().map_err(|_| format!("`{text}` is not a duration"))?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = &rest[..letters];
            rest = &rest[letters..];
            if unit.is_empty() {
                return Err(format!("`{text}` has a number without a unit"));
            }
            let Some(index) = UNITS.iter().position(|(name, _)| *name == unit) else {
                return Err(format!("`{unit}` is not a unit of time"));
            };
            if last != usize::MAX && index <= last {
                return Err(format!("`{text}` has its units out of order"));
            }
            last = index;
            let part = number.checked_mul(UNITS[index].1);
            total = part
                .and_then(|part| total.checked_add(part))
                .filter(|total| *total <= LONGEST_US)
                .ok_or_else(|| format!("`{text}` is longer than ten years"))?;
        }
        Ok(Duration(Span(total)))
    }

    /// The same as the standard library's type.
    #[must_use]
    pub fn std(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0.0)
    }
}

/// The way to write a duration, for hints.
pub(super) const HOW: &str = "write a text of whole numbers with units, such as \"20s\", \"1h30m\" or \"500ms\"";

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.0;
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, length) in UNITS {
            if left >= length {
                write!(f, "{}{unit}", left / length)?;
                left %= length;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        Duration::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: whole numbers with units d, h, m, s, ms, us, largest first: \"1h30m\".",
            "type": "string",
            "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?([0-9]+us)?$",
            "minLength": 2,
            "x-usher": "duration",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed() {
        for (text, micros) in [
            ("20s", 20_000_000),
            ("1h30m", 5_400_000_000),
            ("500ms", 500_000),
            ("0s", 0),
            ("14d", 1_209_600_000_000),
            ("90s", 90_000_000),
        ] {
            let read = Duration::parse(text).expect("a duration");
            assert_eq!(read.0, Span(micros), "{text}");
            assert_eq!(Duration::parse(&read.to_string()), Ok(read), "{text}");
        }
        for text in
            ["", "20", "s", "1.5s", "-1s", "1s1h", "1s1s", "1 s", "1w", "9999999d", "99999999999999999999s", "é"]
        {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }
}

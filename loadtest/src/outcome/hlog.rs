//! Latencies as an HdrHistogram log (V2, compressed), which the usual tools for such logs read.

use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::drive::meters::{Latency, Meters};

/// Nanoseconds in the microseconds of the log's column of maxima.
const DIVISOR: f64 = 1_000.0;

/// The log: offer latencies by the second under the tag `offer_seconds`, and each kind of latency as a whole under its
/// own name. Values are in nanoseconds.
///
/// # Errors
/// When a histogram cannot be written.
pub fn log(meters: &Meters) -> anyhow::Result<Vec<u8>> {
    let elapsed = meters.start.elapsed();
    let began = SystemTime::now().checked_sub(elapsed).context("the clock is before 1970")?;
    let (mut text, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("usher-loadtest: latencies in nanoseconds");
    builder.with_max_value_divisor(DIVISOR).with_start_time(began).with_base_time(began);
    let mut writer = builder.begin_log_with(&mut text, &mut serializer)?;
    let wrong = |error| anyhow!("failed to write a histogram: {error:?}");
    let tag = |name| Tag::new(name).context("a tag has no commas or blanks");
    let mut from = Duration::ZERO;
    for (until, offers) in &meters.offers {
        let lasting = until.saturating_sub(from);
        writer.write_histogram(offers, from, lasting, Some(tag("offer_seconds")?)).map_err(wrong)?;
        from = *until;
    }
    for latency in Latency::ALL {
        let histogram = &meters.latencies[latency as usize];
        if !histogram.is_empty() {
            writer.write_histogram(histogram, Duration::ZERO, elapsed, Some(tag(latency.name())?)).map_err(wrong)?;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let start = Instant::now();
        let mut meters = Meters::new(start, start);
        for _ in 0..10 {
            meters.took(Latency::Offer, start);
        }
        meters.tick(None, None);
        let text = log(&meters).expect("a log");
        let mut read = Vec::new();
        for entry in IntervalLogIterator::new(&text) {
            if let LogEntry::Interval(interval) = entry.expect("a line") {
                let encoded = interval.encoded_histogram();
                let bytes = base64(encoded);
                let histogram: Histogram<u64> =
                    Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram");
                read.push((interval.tag().expect("a tag").as_str().to_owned(), histogram.len()));
            }
        }
        assert_eq!(read, [("offer_seconds".to_owned(), 10), ("offer".to_owned(), 10)]);
    }

    fn base64(text: &str) -> Vec<u8> {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
        for letter in text.bytes().filter(|letter| *letter != b'=') {
            let value = LETTERS.iter().position(|known| *known == letter).expect("base64");
            (bits, count) = (bits << 6 | value as u32, count + 6);
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        bytes
    }
}

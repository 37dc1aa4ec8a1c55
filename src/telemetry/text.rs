//! The Prometheus text format, written by hand: a page of two thousand queues has some 350,000 lines, so labels are
//! written and escaped once for each series, and not at all for series that are kept.

use std::fmt::{Display, Write};

use super::names::Metric;

/// A page of metrics in the making.
#[derive(Debug, Default)]
pub struct Page {
    out: String,
}

/// The labels of a metric with their values, escaped, as they stand between the braces; empty when it has none.
///
/// # Panics
/// When there are more or fewer values than labels.
pub(super) fn labels(metric: &Metric, values: &[&str]) -> String {
    let mut out = String::new();
    write_labels(&mut out, metric, values);
    out
}

fn write_labels(out: &mut String, metric: &Metric, values: &[&str]) {
    assert_eq!(metric.labels.len(), values.len(), "{} has other labels", metric.name);
    for (place, (label, value)) in metric.labels.iter().zip(values).enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(label);
        out.push_str("=\"");
        let mut rest = *value;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            out.push_str(&rest[..at]);
            out.push_str(match rest.as_bytes()[at] {
                b'\\' => r"\\",
                b'"' => "\\\"",
                _ => r"\n",
            });
            rest = &rest[at + 1..];
        }
        out.push_str(rest);
        out.push('"');
    }
}

impl Page {
    /// An empty page with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Page {
        Page { out: String::with_capacity(bytes) }
    }

    /// Begins a metric: its HELP and TYPE. Its samples must follow before another begins.
    pub fn begin(&mut self, metric: &Metric) {
        let help = metric.help.replace('\\', r"\\").replace('\n', r"\n");
        let _ = write!(self.out, "# HELP {0} {help}\n# TYPE {0} {1}\n", metric.name, metric.kind.word());
    }

    /// One sample, with the values of the metric's labels in order.
    ///
    /// # Panics
    /// When there are more or fewer values than labels.
    pub fn sample(&mut self, metric: &Metric, values: &[&str], number: impl Display) {
        self.out.push_str(metric.name);
        if !metric.labels.is_empty() {
            self.out.push('{');
            write_labels(&mut self.out, metric, values);
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {number}");
    }

    /// One sample of a series whose labels are written already, as [`labels`] has them.
    pub(super) fn labelled(&mut self, metric: &Metric, labels: &str, number: impl Display) {
        self.line(metric, "", labels, "", number);
    }

    /// A whole metric that has one sample and no labels.
    pub fn single(&mut self, metric: &Metric, number: impl Display) {
        self.begin(metric);
        self.sample(metric, &[], number);
    }

    /// A whole histogram without labels: counts at or under each bound, then all, then the sum.
    pub fn histogram(&mut self, metric: &Metric, buckets: impl Iterator<Item = (f64, u64)>, count: u64, sum: f64) {
        self.begin(metric);
        self.buckets(metric, "", buckets.map(|(bound, at_most)| (bound.to_string(), at_most)), count, sum);
    }

    /// One series of a histogram whose labels are written already: counts at or under each bound, written as it is shown.
    pub(super) fn buckets(
        &mut self,
        metric: &Metric,
        labels: &str,
        buckets: impl Iterator<Item = (impl AsRef<str>, u64)>,
        count: u64,
        sum: f64,
    ) {
        for (bound, at_most) in buckets {
            self.line(metric, "_bucket", labels, bound.as_ref(), at_most);
        }
        self.line(metric, "_bucket", labels, "+Inf", count);
        self.line(metric, "_sum", labels, "", sum);
        self.line(metric, "_count", labels, "", count);
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    /// A line, with a bound of its bucket unless that is empty.
    fn line(&mut self, metric: &Metric, suffix: &str, labels: &str, bound: &str, number: impl Display) {
        self.out.push_str(metric.name);
        self.out.push_str(suffix);
        if !(labels.is_empty() && bound.is_empty()) {
            self.out.push('{');
            self.out.push_str(labels);
            if !bound.is_empty() {
                self.out.push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
                self.out.push_str(bound);
                self.out.push('"');
            }
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {number}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn labels_are_escaped_and_left_out_when_there_are_none() {
        let mut page = Page::default();
        page.begin(&names::BUILD);
        page.sample(&names::BUILD, &["a\"b\\c\nd"], 1);
        page.single(&names::INGRESS_DEPTH, 7);
        let text = page.finish();
        assert!(text.contains("usher_build_info{version=\"a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
        assert!(text.contains("\nusher_ingress_depth 7\n"), "{text}");
    }

    #[test]
    fn a_histogram_ends_with_all_its_count_and_its_sum() {
        let mut page = Page::default();
        page.histogram(&names::DECISION, [(1e-6, 1), (0.1, 2)].into_iter(), 3, 0.5);
        let text = page.finish();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "usher_decision_seconds_bucket{le=\"0.000001\"} 1",
                "usher_decision_seconds_bucket{le=\"0.1\"} 2",
                "usher_decision_seconds_bucket{le=\"+Inf\"} 3",
                "usher_decision_seconds_sum 0.5",
                "usher_decision_seconds_count 3",
            ]
        );
    }
}

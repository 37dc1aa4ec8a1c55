//! The Prometheus text format, written by hand: for figures that are computed when they are asked for.

use std::fmt::{Display, Write};

use super::names::Metric;

/// A page of metrics in the making.
#[derive(Debug, Default)]
pub struct Page {
    out: String,
}

impl Page {
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
        self.line(metric, "", values, None, number);
    }

    /// A whole metric that has one sample and no labels.
    pub fn single(&mut self, metric: &Metric, number: impl Display) {
        self.begin(metric);
        self.sample(metric, &[], number);
    }

    /// A whole histogram without labels: counts at or under each bound, then all, then the sum.
    pub fn histogram(&mut self, metric: &Metric, buckets: impl Iterator<Item = (f64, u64)>, count: u64, sum: f64) {
        self.begin(metric);
        self.buckets(metric, &[], buckets, count, sum);
    }

    /// One series of a histogram, with the values of the metric's labels in order.
    ///
    /// # Panics
    /// As [`Self::sample`].
    pub fn buckets(
        &mut self,
        metric: &Metric,
        values: &[&str],
        buckets: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        for (bound, at_most) in buckets {
            self.line(metric, "_bucket", values, Some(&bound.to_string()), at_most);
        }
        self.line(metric, "_bucket", values, Some("+Inf"), count);
        self.line(metric, "_sum", values, None, sum);
        self.line(metric, "_count", values, None, count);
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, metric: &Metric, suffix: &str, values: &[&str], bound: Option<&str>, number: impl Display) {
        assert_eq!(metric.labels.len(), values.len(), "{} has other labels", metric.name);
        self.out.push_str(metric.name);
        self.out.push_str(suffix);
        let mut open = '{';
        let labels = metric.labels.iter().copied().zip(values.iter().copied());
        for (label, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            self.out.push(open);
            open = ',';
            self.out.push_str(label);
            self.out.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.out.push_str(r"\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str(r"\n"),
                    other => self.out.push(other),
                }
            }
            self.out.push('"');
        }
        if open == ',' {
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

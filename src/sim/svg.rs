//! Plots as SVG text: bars, lines and bands over a row of intervals. Colours are classes of the page that holds them.

use std::fmt::Write;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A bar for each interval.
    Bars,
    /// A line.
    Line,
    /// A line that is level over each interval.
    Steps,
}

/// One series: a value for each interval, with half of its interval of confidence where there is one.
pub(super) struct Series {
    /// Its name.
    pub name: &'static str,
    /// Its class, for the colour.
    pub class: &'static str,
    /// How it is drawn.
    pub shape: Shape,
    /// The values.
    pub values: Vec<(Option<f64>, Option<f64>)>,
}

/// A plot.
pub(super) struct Plot<'p> {
    /// What it shows.
    pub title: &'p str,
    /// Day and time of each interval.
    pub labels: &'p [(String, String)],
    /// What is drawn, the first undermost.
    pub series: Vec<Series>,
    /// A level to hold it against.
    pub target: Option<f64>,
    /// Top of the scale; the largest value when none.
    pub top: Option<f64>,
    /// Whether values are shares.
    pub percent: bool,
    /// Height.
    pub height: f64,
}

impl Plot<'_> {
    /// The plot as an SVG element.
    pub fn draw(&self) -> String {
        let reach = |(value, half): &(Option<f64>, Option<f64>)| value.map(|value| value + half.unwrap_or(0.0));
        let largest = self.series.iter().flat_map(|series| series.values.iter().filter_map(reach)).fold(0.0, f64::max);
        let (top, step) = scale(self.top.unwrap_or(largest.max(self.target.unwrap_or(0.0))));
        let frame = Frame { count: self.labels.len().max(1) as f64, top, height: self.height };
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">",
            self.height,
            escape(self.title)
        );
        self.grid(&frame, step, &mut out);
        for series in &self.series {
            frame.series(series, &mut out);
        }
        if let Some(target) = self.target {
            let y = frame.y(target);
            let _ = write!(
                out,
                "<line class=\"target\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            );
        }
        self.tips(&frame, &mut out);
        out.push_str("</svg>");
        out
    }

    fn grid(&self, frame: &Frame, step: f64, out: &mut String) {
        let mut at = 0.0;
        while at <= frame.top + step * 1e-6 {
            let y = frame.y(at);
            let label = self.label(at, step);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            );
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 7.0,
                y + 4.0
            );
            at += step;
        }
        let floor = self.height - BOTTOM;
        let mut starts: Vec<usize> =
            (0..self.labels.len()).filter(|at| *at == 0 || self.labels[*at].0 != self.labels[at - 1].0).collect();
        starts.push(self.labels.len());
        let days = starts.len() - 1;
        for day in starts.windows(2) {
            let (from, to) = (frame.x(day[0] as f64), frame.x(day[1] as f64));
            if day[0] > 0 {
                let _ = write!(
                    out,
                    "<line class=\"day\" x1=\"{from:.1}\" x2=\"{from:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>",
                    floor + 28.0
                );
            }
            if days <= 21 || day[0] == 0 {
                let (middle, name) = ((from + to) / 2.0, escape(&self.labels[day[0]].0));
                let _ = write!(
                    out,
                    "<text class=\"tick\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                    floor + 29.0
                );
            }
            self.times(frame, day[0], day[1], out);
        }
    }

    /// Times of day under the axis, as many as fit.
    fn times(&self, frame: &Frame, from: usize, to: usize, out: &mut String) {
        let room = frame.x(to as f64) - frame.x(from as f64);
        let every =
            [1, 2, 4, 6, 8, 12, 24, 48].into_iter().find(|every| room / ((to - from) as f64 / *every as f64) >= 44.0);
        let Some(every) = every else { return };
        let y = self.height - BOTTOM + 15.0;
        for at in (from..to).step_by(every) {
            // The last would run into the next day.
            if frame.x(to as f64) - frame.x(at as f64) < 32.0 {
                continue;
            }
            let (x, time) = (frame.x(at as f64), escape(&self.labels[at].1));
            let _ = write!(out, "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"start\">{time}</text>");
        }
    }

    fn label(&self, at: f64, step: f64) -> String {
        match self.percent {
            true => format!("{:.0} %", at * 100.0),
            false if step < 1.0 => format!("{at:.1}"),
            false => format!("{at:.0}"),
        }
    }

    /// A place for each interval that tells its values.
    fn tips(&self, frame: &Frame, out: &mut String) {
        let width = frame.x(1.0) - frame.x(0.0);
        for (at, (day, time)) in self.labels.iter().enumerate() {
            let mut tip = format!("{day} {time}");
            for series in &self.series {
                if let Some((Some(value), half)) = series.values.get(at) {
                    let (value, unit) = if self.percent { (value * 100.0, " %") } else { (*value, "") };
                    let half = half.map(|half| if self.percent { half * 100.0 } else { half });
                    let half = half.map_or(String::new(), |half| format!(" ±{half:.1}"));
                    let _ = write!(tip, "\n{} {value:.1}{half}{unit}", series.name);
                }
            }
            let (x, height) = (frame.x(at as f64), self.height - TOP - BOTTOM);
            let _ = write!(
                out,
                "<rect class=\"tip\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
                escape(&tip)
            );
        }
    }
}

/// Where values stand on the paper.
struct Frame {
    count: f64,
    top: f64,
    height: f64,
}

impl Frame {
    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * at / self.count
    }

    fn y(&self, value: f64) -> f64 {
        let room = self.height - TOP - BOTTOM;
        TOP + room * (1.0 - (value / self.top).clamp(0.0, 1.0))
    }

    fn series(&self, series: &Series, out: &mut String) {
        let width = self.x(1.0) - self.x(0.0);
        let class = series.class;
        if series.shape == Shape::Bars {
            for (at, value) in series.values.iter().enumerate().filter_map(|(at, (value, _))| Some((at, (*value)?))) {
                let (x, y) = (self.x(at as f64) + width * 0.08, self.y(value));
                let (w, h) = (width * 0.84, self.height - BOTTOM - y);
                let _ = write!(
                    out,
                    "<rect class=\"bar {class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"/>"
                );
            }
            return;
        }
        for run in runs(&series.values) {
            self.band(series, run.clone(), out);
            let mut path = String::new();
            for at in run {
                let Some(value) = series.values[at].0 else { continue };
                let word = if path.is_empty() { 'M' } else { 'L' };
                let y = self.y(value);
                let _ = match series.shape {
                    Shape::Steps => {
                        write!(path, "{word}{:.1} {y:.1}H{:.1}", self.x(at as f64), self.x(at as f64 + 1.0))
                    }
                    _ => write!(path, "{word}{:.1} {y:.1}", self.x(at as f64 + 0.5)),
                };
            }
            let _ = write!(out, "<path class=\"line {class}\" d=\"{path}\"/>");
        }
    }

    fn band(&self, series: &Series, run: std::ops::Range<usize>, out: &mut String) {
        let edge = |at: usize, sign: f64| {
            let (value, half) = series.values[at];
            Some((self.x(at as f64 + 0.5), self.y(value? + sign * half?)))
        };
        let upper = run.clone().filter_map(|at| edge(at, 1.0));
        let lower = run.rev().filter_map(|at| edge(at, -1.0));
        let points: Vec<String> = upper.chain(lower).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        if points.len() > 2 {
            let _ = write!(out, "<polygon class=\"band {}\" points=\"{}\"/>", series.class, points.join(" "));
        }
    }
}

/// Stretches of intervals that have a value.
fn runs(values: &[(Option<f64>, Option<f64>)]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut from = None;
    for (at, (value, _)) in values.iter().enumerate() {
        match (value, from) {
            (Some(_), None) => from = Some(at),
            (None, Some(begun)) => {
                found.push(begun..at);
                from = None;
            }
            _ => {}
        }
    }
    found.extend(from.map(|from| from..values.len()));
    found
}

/// A round top of a scale that holds a value, and the step between its lines.
fn scale(largest: f64) -> (f64, f64) {
    if !(largest > 0.0 && largest.is_finite()) {
        return (1.0, 0.5);
    }
    let raw = largest / 4.0;
    let power = libm::pow(10.0, libm::floor(libm::log10(raw)));
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|nice| nice * power).find(|step| *step >= raw * 0.999);
    let step = step.unwrap_or(10.0 * power);
    (libm::ceil(largest / step - 1e-9) * step, step)
}

/// Text that may stand in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_hold_the_value() {
        for (largest, top, step) in [(1.0, 1.0, 0.25), (97.0, 100.0, 25.0), (0.0, 1.0, 0.5), (412.0, 600.0, 200.0)] {
            let (found, by) = scale(largest);
            assert!((found - top).abs() < 1e-9 && (by - step).abs() < 1e-9, "{largest}: {found} by {by}");
        }
    }

    #[test]
    fn stretches_end_where_values_lack() {
        let some = (Some(1.0), None);
        assert_eq!(runs(&[some, some, (None, None), some]), [0..2, 3..4]);
        assert!(runs(&[(None, None)]).is_empty());
    }
}

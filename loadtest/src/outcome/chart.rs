//! Line charts as SVG, drawn here so that a report needs no script and no network.

use std::fmt::Write;

/// Size of a chart, and of what surrounds its plot.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 48.0;

/// Colours that are told apart by most eyes, also without colour by their dashes.
const STROKES: [(&str, &str); 6] = [
    ("#0b62a4", ""),
    ("#d1495b", "7 3"),
    ("#2e7d32", "2 3"),
    ("#8a5a00", "9 3 2 3"),
    ("#6a3d9a", "4 2"),
    ("#37474f", "1 2"),
];

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from 0.
    Linear,
    /// By powers of ten.
    Log,
    /// Quantiles by how many lie beyond, as HDR plots have it: 90 %, 99 % and 99.9 % are equally far apart.
    Quantile,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// How.
    pub scale: Scale,
}

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its points, in the order of x.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The axis along the bottom.
    pub x: Axis,
    /// The axis up the side.
    pub y: Axis,
    /// Its lines.
    pub series: Vec<Series>,
    /// Words for values of x; empty where numbers say enough.
    pub names: Vec<(f64, String)>,
}

/// Where values are on an axis: from 0 to 1, and which get a mark.
struct Layout {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Layout {
    fn new(scale: Scale, values: impl Iterator<Item = f64>) -> Layout {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        match scale {
            Scale::Linear => {
                let step = step(most.max(1e-9));
                let high = (most.max(1e-9) / step).ceil() * step;
                let count = (high / step).round() as usize;
                let ticks =
                    (0..=count).map(|number| (number as f64 * step, number_text(number as f64 * step))).collect();
                Layout { scale, low: 0.0, high, ticks }
            }
            Scale::Log => {
                let low = least.max(1e-3).log10().floor();
                let high = most.max(1e-3).log10().ceil().max(low + 1.0);
                let powers = (low as i32)..=(high as i32);
                let ticks = powers.map(|power| (10_f64.powi(power), number_text(10_f64.powi(power)))).collect();
                Layout { scale, low, high, ticks }
            }
            Scale::Quantile => {
                let all = [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99")];
                let last = values.iter().copied().filter(|value| *value < 1.0).fold(0.5, f64::max);
                let high = beyond(last).max(1.2);
                let shown = all.into_iter().filter(|(quantile, _)| beyond(*quantile) <= high + 1e-9);
                let ticks = shown.map(|(quantile, text)| (quantile, format!("{text} %"))).collect();
                Layout { scale, low: 0.0, high, ticks }
            }
        }
    }

    fn at(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(1e-3).log10(),
            Scale::Quantile => beyond(value).min(self.high),
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// How far out a quantile is: 1 for 90 %, 2 for 99 %.
fn beyond(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-9).log10()
}

/// A step of 1, 2 or 5 times a power of ten that makes four to ten of them up to `most`.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| most / (factor * power) <= 6.0);
    factor.unwrap_or(10.0) * power
}

fn number_text(number: f64) -> String {
    if number >= 1_000.0 && number.fract() == 0.0 {
        return grouped(number as u64);
    }
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

impl Chart {
    /// The chart as an SVG element, with its title and legend as HTML before it. Nothing without points.
    pub fn html(&self) -> String {
        let points = || self.series.iter().flat_map(|series| series.points.iter());
        if points().next().is_none() {
            return String::new();
        }
        let x = Layout::new(self.x.scale, points().map(|(x, _)| *x));
        let y = Layout::new(self.y.scale, points().map(|(_, y)| *y));
        let mut out = format!("<figure>\n<figcaption>{}</figcaption>\n<div class=\"legend\">", escape(&self.title));
        for (number, series) in self.series.iter().enumerate().filter(|(_, series)| !series.points.is_empty()) {
            let (colour, dashes) = STROKES[number % STROKES.len()];
            let _ = write!(
                out,
                "<span><svg width=\"34\" height=\"10\"><path d=\"M1 5H33\" stroke=\"{colour}\" stroke-width=\"2.5\" \
                 stroke-dasharray=\"{dashes}\"/></svg>{}</span>",
                escape(&series.name)
            );
        }
        let label = escape(&self.title);
        let _ = write!(out, "</div>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">\n");
        self.axes(&x, &y, &mut out);
        for (number, series) in self.series.iter().enumerate() {
            let (colour, dashes) = STROKES[number % STROKES.len()];
            let path: Vec<String> = series.points.iter().map(|(at, value)| place(&x, &y, *at, *value)).collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" \
                 stroke-linejoin=\"round\" stroke-dasharray=\"{dashes}\"/>",
                path.join(" ")
            );
        }
        out.push_str("</svg>\n</figure>\n");
        out
    }

    fn axes(&self, x: &Layout, y: &Layout, out: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, text) in &y.ticks {
            let at = bottom - y.at(*value) * (bottom - TOP);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                at + 4.0
            );
        }
        let ticks = if self.names.is_empty() { &x.ticks } else { &self.names };
        for (value, text) in ticks {
            let at = LEFT + x.at(*value) * (right - LEFT);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">{}</text>",
                bottom + 16.0,
                escape(text)
            );
        }
        let _ = writeln!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/><text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{}</text><text class=\"label\" transform=\"translate(16 {:.1}) rotate(-90)\" \
             text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 8.0,
            escape(&self.x.label),
            f64::midpoint(TOP, bottom),
            escape(&self.y.label)
        );
    }
}

fn place(x: &Layout, y: &Layout, at: f64, value: f64) -> String {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    format!("{:.1},{:.1}", LEFT + x.at(at) * (right - LEFT), bottom - y.at(value) * (bottom - TOP))
}

/// Text that may stand in HTML and in attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_numbers() {
        let layout = Layout::new(Scale::Linear, [0.0, 2_300.0].into_iter());
        let texts: Vec<&str> = layout.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["0", "500", "1\u{202f}000", "1\u{202f}500", "2\u{202f}000", "2\u{202f}500"]);
        let layout = Layout::new(Scale::Log, [0.3, 40.0].into_iter());
        let texts: Vec<&str> = layout.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["0.1", "1", "10", "100"]);
        assert!((layout.at(1.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_spread_by_what_is_beyond() {
        let layout = Layout::new(Scale::Quantile, [0.0, 0.999].into_iter());
        assert!((layout.at(0.9) - 1.0 / 3.0).abs() < 1e-9);
        assert!((layout.at(0.99) - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(layout.ticks.len(), 5);
    }

    #[test]
    fn names_cannot_break_out() {
        let axis = |label: &str| Axis { label: label.to_owned(), scale: Scale::Linear };
        let series = vec![Series { name: "<script>".to_owned(), points: vec![(0.0, 1.0), (1.0, 2.0)] }];
        let chart = Chart { title: "a & b".to_owned(), x: axis("s"), y: axis("\"us\""), series, names: Vec::new() };
        let html = chart.html();
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;") && html.contains("a &amp; b"), "{html}");
    }
}

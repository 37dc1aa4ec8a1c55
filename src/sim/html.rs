//! The report as one page of HTML: figures, then plots. It needs no other file and no network.

use std::fmt::Write;

use super::report::{Figures, Interval, Report, TeamFigures, plural, shown, span_of};
use super::stats::Estimate;
use super::svg::{Plot, Series, Shape, escape};

const STYLE: &str = include_str!("report.css");

/// The page of a report.
pub(super) fn page(report: &Report) -> String {
    let name = escape(&report.name);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{name}</title><style>{STYLE}</style></head><body><header><h1>{name}</h1>"
    );
    let _ = write!(
        out,
        "<p>{} of {}, seed {}. Figures are of one run; ± is half the 95 % interval over {}. Service level: {}.</p></header>",
        plural(report.runs, "run"),
        span_of(&report.days),
        report.seed,
        report.repetitions,
        formula(report.service_level_definition),
    );
    out.push_str("<main>");
    cards(report, &mut out);
    out.push_str("<section><h2>Queues</h2>");
    queues(report, &mut out);
    out.push_str("</section>");
    center(report, &mut out);
    if report.queues.len() > 1 {
        out.push_str("<section><h2>Queue by queue</h2>");
        for queue in &report.queues {
            let open = if report.queues.len() <= 3 { " open" } else { "" };
            let level = shown(queue.figures.service_level, 100.0, 1);
            let offered = shown(queue.figures.offered, 1.0, 0);
            let _ = write!(
                out,
                "<details{open}><summary><b>{}</b> {offered} offered, {level} % within {}</summary>",
                escape(&queue.queue),
                length(queue.threshold_s)
            );
            flow_plot(&queue.intervals, 190.0, &mut out);
            level_plot(&queue.intervals, Some(queue.target), 160.0, &mut out);
            wait_plot(&queue.intervals, 160.0, &mut out);
            out.push_str("</details>");
        }
        out.push_str("</section>");
    }
    teams(report, &mut out);
    let _ = writeln!(
        out,
        "</main><footer>{} commands to the engine{}.</footer></body></html>",
        report.commands,
        match report.audits {
            0 => String::new(),
            audits => format!(", every invariant checked {audits} times"),
        }
    );
    out
}

/// A length of time as people say it.
fn length(seconds: f64) -> String {
    match seconds {
        s if s >= 7_200.0 => format!("{} h", s / 3_600.0),
        s if s >= 120.0 => format!("{} min", s / 60.0),
        s => format!("{s} s"),
    }
}

/// What a service level of that name is.
fn formula(definition: &str) -> &'static str {
    match definition {
        "of_answered" => "answered within the threshold / answered",
        "of_answered_abandoned" => "answered within the threshold / (answered + abandoned)",
        "excluding_short" => "answered within the threshold / (answered + abandoned - short abandonments)",
        "abandons_met" => "(answered + abandoned within the threshold) / (answered + abandoned)",
        "excluding_early_abandons" => {
            "answered within the threshold / (answered + abandoned - abandoned within the threshold)"
        }
        _ => "answered within the threshold / offered",
    }
}

fn cards(report: &Report, out: &mut String) {
    let total = &report.total;
    let card = |title: &str, figure: Estimate, scale: f64, decimals: usize, unit: &str| {
        let mean = figure.mean.map_or("-".into(), |mean| format!("{:.decimals$}{unit}", mean * scale));
        let half = figure.half_width.map_or(String::new(), |half| format!("±{:.decimals$}{unit}", half * scale));
        format!("<div class=\"card\"><h3>{title}</h3><b>{mean}</b><i>{half}</i></div>")
    };
    out.push_str("<div class=\"cards\">");
    out.push_str(&card("offered", total.offered, 1.0, 0, ""));
    out.push_str(&card("service level", total.service_level, 100.0, 1, " %"));
    out.push_str(&card("speed of answer", total.asa_s, 1.0, 1, " s"));
    out.push_str(&card("abandonment", total.abandonment, 100.0, 1, " %"));
    out.push_str(&card("handle time", total.aht_s, 1.0, 0, " s"));
    out.push_str(&card("occupancy", total.occupancy, 100.0, 1, " %"));
    out.push_str(&card("longest wait", total.longest_wait_s, 1.0, 0, " s"));
    if report.door.blocked.mean.is_some_and(|blocked| blocked > 0.0) {
        out.push_str(&card("no line", report.door.blocked, 1.0, 1, ""));
    }
    if report.door.again.mean.is_some_and(|again| again > 0.0) {
        out.push_str(&card("calls again", report.door.again, 1.0, 1, ""));
    }
    out.push_str("</div>");
}

fn queues(report: &Report, out: &mut String) {
    out.push_str(
        "<div class=\"wide\"><table><thead><tr><th>queue</th><th>offered</th><th>answered</th><th>abandoned</th><th>other</th>\
         <th>service level %</th><th>target</th><th>ASA s</th><th>abandonment %</th><th>AHT s</th><th>occupancy %</th>\
         <th>longest wait s</th></tr></thead><tbody>",
    );
    for queue in &report.queues {
        let target = format!("{:.0} % in {}", queue.target * 100.0, length(queue.threshold_s));
        let met = queue.figures.service_level.mean.map(|level| level >= queue.target);
        queue_row(&queue.queue, &target, &queue.figures, met, out);
    }
    if report.queues.len() > 1 {
        queue_row("all", "", &report.total, None, out);
    }
    out.push_str("</tbody></table></div>");
}

fn queue_row(name: &str, target: &str, figures: &Figures, met: Option<bool>, out: &mut String) {
    let met = match met {
        Some(true) => " class=\"met\"",
        Some(false) => " class=\"missed\"",
        None => "",
    };
    let _ = write!(
        out,
        "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td{met}>{}</td><td>{target}</td>",
        escape(name),
        shown(figures.offered, 1.0, 0),
        shown(figures.answered, 1.0, 0),
        shown(figures.abandoned, 1.0, 0),
        shown(figures.other, 1.0, 0),
        shown(figures.service_level, 100.0, 1),
    );
    let _ = write!(
        out,
        "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        shown(figures.asa_s, 1.0, 1),
        shown(figures.abandonment, 100.0, 1),
        shown(figures.aht_s, 1.0, 0),
        shown(figures.occupancy, 100.0, 1),
        shown(figures.longest_wait_s, 1.0, 0),
    );
}

fn center(report: &Report, out: &mut String) {
    out.push_str("<section><h2>Interval by interval</h2>");
    let target = match report.queues.as_slice() {
        [one] => Some(one.target),
        _ => None,
    };
    flow_plot(&report.intervals, 230.0, out);
    level_plot(&report.intervals, target, 190.0, out);
    // Waits of mail and of calls have no common scale.
    if report.queues.len() == 1 {
        wait_plot(&report.intervals, 190.0, out);
    }
    let sum = |field: fn(&TeamFigures) -> Estimate| {
        let at = |interval: usize| {
            let each = report.teams.iter().filter_map(|team| field(&team.intervals.get(interval)?.figures).mean);
            (Some(each.sum()), None)
        };
        (0..report.intervals.len()).map(at).collect::<Vec<_>>()
    };
    let series = vec![
        Series { name: "at work", class: "c4", shape: Shape::Steps, values: sum(|team| team.staffed) },
        Series { name: "busy", class: "c1", shape: Shape::Bars, values: sum(|team| team.busy) },
    ];
    figure("Agents", &report.intervals, series, None, None, false, 190.0, out);
    out.push_str("</section>");
}

fn flow_plot(intervals: &[Interval<Figures>], height: f64, out: &mut String) {
    let series = vec![
        Series { name: "offered", class: "c5", shape: Shape::Bars, values: values(intervals, |f| f.offered) },
        Series { name: "answered", class: "c1", shape: Shape::Line, values: values(intervals, |f| f.answered) },
        Series { name: "abandoned", class: "c3", shape: Shape::Line, values: values(intervals, |f| f.abandoned) },
    ];
    figure("Contacts per interval", intervals, series, None, None, false, height, out);
}

fn level_plot(intervals: &[Interval<Figures>], target: Option<f64>, height: f64, out: &mut String) {
    let level = values(intervals, |f| f.service_level);
    let series = vec![Series { name: "service level", class: "c2", shape: Shape::Line, values: level }];
    figure("Service level", intervals, series, target, Some(1.0), true, height, out);
}

fn wait_plot(intervals: &[Interval<Figures>], height: f64, out: &mut String) {
    let series = vec![
        Series {
            name: "longest wait",
            class: "c5",
            shape: Shape::Bars,
            values: values(intervals, |f| f.longest_wait_s),
        },
        Series { name: "speed of answer", class: "c3", shape: Shape::Line, values: values(intervals, |f| f.asa_s) },
    ];
    figure("Waiting, seconds", intervals, series, None, None, false, height, out);
}

fn values<F>(intervals: &[Interval<F>], field: impl Fn(&F) -> Estimate) -> Vec<(Option<f64>, Option<f64>)> {
    let value = |interval: &Interval<F>| {
        let estimate = field(&interval.figures);
        (estimate.mean, estimate.half_width)
    };
    intervals.iter().map(value).collect()
}

#[expect(clippy::too_many_arguments, reason = "what a plot needs, named at its few callers")]
fn figure<F>(
    title: &str,
    intervals: &[Interval<F>],
    series: Vec<Series>,
    target: Option<f64>,
    top: Option<f64>,
    percent: bool,
    height: f64,
    out: &mut String,
) {
    let labels: Vec<(String, String)> =
        intervals.iter().map(|interval| (interval.day.clone(), interval.time.clone())).collect();
    let _ = write!(out, "<figure><figcaption>{title}<span class=\"legend\">");
    for series in &series {
        let _ = write!(out, "<span class=\"key {}\">{}</span>", series.class, series.name);
    }
    if let Some(target) = target {
        let _ = write!(out, "<span class=\"key goal\">target {:.0} %</span>", target * 100.0);
    }
    out.push_str("</span></figcaption>");
    out.push_str(&Plot { title, labels: &labels, series, target, top, percent, height }.draw());
    out.push_str("</figure>");
}

fn teams(report: &Report, out: &mut String) {
    out.push_str(
        "<section><h2>Teams</h2><div class=\"wide\"><table><thead><tr><th>team</th><th>agents at work</th><th>busy</th>\
         <th>occupancy %</th><th>occupancy, interval by interval</th></tr></thead><tbody>",
    );
    for team in &report.teams {
        let TeamFigures { staffed, busy, occupancy } = team.figures;
        let _ = write!(
            out,
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td class=\"spark\">{}</td></tr>",
            escape(&team.team),
            shown(staffed, 1.0, 1),
            shown(busy, 1.0, 1),
            shown(occupancy, 100.0, 1),
            spark(&team.intervals),
        );
    }
    out.push_str("</tbody></table></div></section>");
}

/// A line of occupancy the height of a row.
fn spark(intervals: &[Interval<TeamFigures>]) -> String {
    let count = intervals.len().max(1) as f64;
    let mut path = String::new();
    let mut pen_up = true;
    for (at, interval) in intervals.iter().enumerate() {
        let Some(value) = interval.figures.occupancy.mean else {
            pen_up = true;
            continue;
        };
        let word = if pen_up { 'M' } else { 'L' };
        let _ =
            write!(path, "{word}{:.1} {:.1}", 240.0 * (at as f64 + 0.5) / count, 22.0 - 20.0 * value.clamp(0.0, 1.0));
        pen_up = false;
    }
    format!("<svg viewBox=\"0 0 240 24\" class=\"mini\"><path class=\"line c2\" d=\"{path}\"/></svg>")
}

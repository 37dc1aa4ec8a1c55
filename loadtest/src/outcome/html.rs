//! A run's outcome as one HTML file: no script, no network, charts as SVG.

use std::fmt::Write;

use super::chart::{Axis, Chart, Scale, Series, escape, grouped};
use super::{Outcome, Verdict};
use crate::drive::meters::{Latency, Second};
use crate::scenario::Mode;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, 'DejaVu Sans', sans-serif; color: #1c242b; background: #fff; margin: 0 auto;
  max-width: 940px; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 2px; }
h2 { font-size: 18px; margin: 34px 0 8px; border-bottom: 1px solid #d5dbe0; padding-bottom: 4px; }
p { margin: 4px 0; }
.quiet { color: #55626e; }
.verdict { display: inline-block; padding: 4px 12px; border-radius: 4px; font-weight: 600; margin: 10px 0; }
.good { background: #dff2e1; color: #14532d; } .bad { background: #fde2e2; color: #7f1d1d; }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin: 14px 0; }
.card { flex: 1 1 130px; border: 1px solid #d5dbe0; border-radius: 6px; padding: 8px 12px; }
.card b { display: block; font-size: 21px; font-variant-numeric: tabular-nums; }
.card span { color: #55626e; font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: right; font-weight: 600; color: #39444e; border-bottom: 1px solid #9aa5b0; padding: 4px 8px;
  vertical-align: bottom; }
td { text-align: right; padding: 3px 8px; border-bottom: 1px solid #edf0f2; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td.left, th.left { text-align: left; white-space: normal; }
figure { margin: 18px 0 26px; } figcaption { font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; color: #39444e; font-size: 13px; margin: 4px 0; }
.legend svg { vertical-align: middle; margin-right: 6px; }
figure > svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: #39444e; } svg .label { font-size: 13px; }
.grid { stroke: #e4e8ec; fill: none; } .axis { stroke: #6b7785; fill: none; }
.scroll { overflow-x: auto; }
";

/// The report.
pub fn report(outcome: &Outcome) -> String {
    let title = escape(&outcome.scenario);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>usher load test: {title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n"
    );
    head(outcome, &mut out);
    latencies(outcome, &mut out);
    seconds(outcome, &mut out);
    intervals(outcome, &mut out);
    books(outcome, &mut out);
    queues(outcome, &mut out);
    out.push_str("</body>\n</html>\n");
    out
}

fn head(outcome: &Outcome, out: &mut String) {
    let good = outcome.verdict == Verdict::Passed;
    let mode = match outcome.mode {
        Mode::Stream => "streams",
        Mode::Unary => "unary calls",
    };
    let _ = write!(
        out,
        "<h1>{}</h1>\n<p>{}</p>\n<div class=\"verdict {}\">{}</div>\n<p class=\"quiet\">{}; load test {}; {} cores, {}. \
         {} gateways and {} agents by {mode}, journal {}, {} times faster than life, seed {}, scenario digest {}.</p>\n",
        escape(&outcome.scenario),
        escape(&outcome.description),
        if good { "good" } else { "bad" },
        escape(outcome.verdict.what()),
        escape(&outcome.server),
        escape(&outcome.loadtest),
        outcome.machine.cores,
        escape(&outcome.machine.cpu),
        outcome.gateways,
        outcome.agents,
        outcome.journal_name(),
        outcome.speed,
        outcome.seed,
        escape(&outcome.scenario_digest)
    );
    let offer = &outcome.latencies[Latency::Offer.name()];
    let total = &outcome.balance.total;
    let cards = [
        (grouped(total.offered), "contacts offered"),
        (format!("{:.0}/s", outcome.closed_per_s), "closed while they arrived"),
        (latency(offer.p50_us), "offer latency, median"),
        (latency(offer.p99_us), "offer latency, 99 %"),
        (latency(offer.p999_us), "offer latency, 99.9 %"),
        (format!("{:.1} %", total.service_level() * 100.0), "service level (of offered)"),
        (format!("{:.2} %", total.abandonment() * 100.0), "abandoned"),
    ];
    out.push_str("<div class=\"cards\">");
    for (figure, what) in cards {
        let _ = write!(out, "<div class=\"card\"><b>{figure}</b><span>{what}</span></div>");
    }
    out.push_str("</div>\n");
    let sends = &outcome.sends;
    let _ = writeln!(
        out,
        "<p>Open loop: {} of {} planned sends were more than {} ms late ({:.3} %; more than 0.1 % would make the run \
         invalid); 99.9 % within {}, the latest {}.</p>",
        grouped(sends.late),
        grouped(sends.count),
        sends.late_after_ms,
        sends.late_share * 100.0,
        latency(sends.p999_us),
        latency(sends.max_us)
    );
    if !outcome.thresholds.is_empty() {
        out.push_str("<table><tr><th>threshold</th><th>asked for</th><th>reached</th><th>unit</th><th></th></tr>\n");
        for check in &outcome.thresholds {
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td>{} {}</td><td>{:.4}</td><td>{}</td><td>{}</td></tr>",
                escape(&check.name),
                if check.at_least { "at least" } else { "at most" },
                check.bound,
                check.reached,
                escape(&check.unit),
                if check.pass { "met" } else { "<b>missed</b>" }
            );
        }
        out.push_str("</table>\n");
    }
}

fn latencies(outcome: &Outcome, out: &mut String) {
    out.push_str("<h2>Latencies</h2>\n");
    let shown = [Latency::Offer, Latency::OfferFromSend, Latency::Create, Latency::HandOver, Latency::Accept];
    let series = shown.iter().map(|latency| Series {
        name: latency.name().replace('_', " "),
        points: outcome.latencies[latency.name()].curve.iter().map(|(at, micros)| (*at, micros / 1e3)).collect(),
    });
    let chart = Chart {
        title: "Latency by percentile".to_owned(),
        x: Axis { label: "percentile".to_owned(), scale: Scale::Quantile },
        y: Axis { label: "milliseconds".to_owned(), scale: Scale::Log },
        series: series.collect(),
        names: Vec::new(),
    };
    out.push_str(&chart.html());
    out.push_str(
        "<table><tr><th>latency</th><th class=\"left\">from … to</th><th>count</th><th>p50</th><th>p90</th><th>p99</th>\
         <th>p99.9</th><th>max</th></tr>\n",
    );
    for kind in Latency::ALL {
        let figures = &outcome.latencies[kind.name()];
        if figures.count == 0 {
            continue;
        }
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"left quiet\">{}</td><td>{}</td>",
            kind.name().replace('_', " "),
            escape(kind.what()),
            grouped(figures.count)
        );
        for micros in [figures.p50_us, figures.p90_us, figures.p99_us, figures.p999_us, figures.max_us] {
            let _ = write!(out, "<td>{}</td>", latency(micros));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

fn seconds(outcome: &Outcome, out: &mut String) {
    let line = |name: &str, value: &dyn Fn(&Second) -> Option<f64>| Series {
        name: name.to_owned(),
        points: outcome.seconds.iter().filter_map(|second| Some((second.at_s, value(second)?))).collect(),
    };
    let chart = |title: &str, label: &str, scale: Scale, series: Vec<Series>| {
        let x = Axis { label: "seconds of the run".to_owned(), scale: Scale::Linear };
        let y = Axis { label: label.to_owned(), scale };
        Chart { title: title.to_owned(), x, y, series, names: Vec::new() }.html()
    };
    out.push_str("<h2>Over time</h2>\n");
    out.push_str(&chart(
        "Rates",
        "contacts per second",
        Scale::Linear,
        vec![
            line("sent", &|second| Some(second.arrivals as f64)),
            line("closed", &|second| Some(second.closed as f64)),
        ],
    ));
    out.push_str(&chart(
        "In the center",
        "contacts",
        Scale::Linear,
        vec![
            line("in conversation", &|second| Some(second.talking as f64)),
            line("waiting", &|second| Some(second.waiting as f64)),
        ],
    ));
    out.push_str(&chart(
        "Offer latency, each second",
        "milliseconds",
        Scale::Log,
        vec![
            line("median", &|second| Some(second.offer_p50_us? / 1e3)),
            line("99th percentile", &|second| Some(second.offer_p99_us? / 1e3)),
            line("longest", &|second| Some(second.offer_max_us? / 1e3)),
        ],
    ));
    out.push_str(&chart(
        "Processor time",
        "% of one core",
        Scale::Linear,
        vec![
            line("server", &|second| Some(second.server_cpu? * 100.0)),
            line("load test", &|second| Some(second.client_cpu? * 100.0)),
        ],
    ));
}

fn intervals(outcome: &Outcome, out: &mut String) {
    if outcome.intervals.len() < 2 {
        return;
    }
    let theory = outcome.intervals.iter().any(|interval| interval.erlang_a.is_some());
    out.push_str("<h2>By interval of arrival</h2>\n");
    if outcome.intervals.len() > 2 {
        interval_charts(outcome, theory, out);
    }
    out.push_str(
        "<div class=\"scroll\"><table><tr><th>from</th><th>offered</th><th>answered</th><th>service level</th>\
         <th>abandoned</th><th>waited</th><th>mean wait</th><th>ASA</th>",
    );
    if theory {
        out.push_str("<th>Erlang A: abandoned</th><th>waited</th><th>mean wait</th>");
    }
    out.push_str("</tr>\n");
    for interval in &outcome.intervals {
        let counts = &interval.counts;
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1} %</td><td>{:.2} %</td><td>{:.1} %</td><td>{:.2} s</td>\
             <td>{:.2} s</td>",
            escape(&interval.begins),
            grouped(counts.offered),
            grouped(counts.answered),
            counts.service_level() * 100.0,
            counts.abandonment() * 100.0,
            counts.delayed_share() * 100.0,
            counts.mean_wait_s(outcome.speed),
            counts.asa_s(outcome.speed)
        );
        if let Some(theory) = &interval.erlang_a {
            let _ = write!(
                out,
                "<td>{:.2} %</td><td>{:.1} %</td><td>{:.2} s</td>",
                theory.abandoned * 100.0,
                theory.waiting * 100.0,
                theory.mean_wait_s
            );
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn interval_charts(outcome: &Outcome, theory: bool, out: &mut String) {
    let every = outcome.intervals.len().div_ceil(10);
    let names = outcome.intervals.iter().enumerate().step_by(every);
    let names: Vec<(f64, String)> = names.map(|(number, interval)| (number as f64, interval.begins.clone())).collect();
    let line = |name: &str, value: &dyn Fn(&super::Interval) -> Option<f64>| Series {
        name: name.to_owned(),
        points: outcome.intervals.iter().enumerate().filter_map(|(n, i)| Some((n as f64, value(i)?))).collect(),
    };
    let chart = |title: &str, label: &str, series: Vec<Series>| {
        let x = Axis { label: "interval of arrival".to_owned(), scale: Scale::Linear };
        let y = Axis { label: label.to_owned(), scale: Scale::Linear };
        Chart { title: title.to_owned(), x, y, series, names: names.clone() }.html()
    };
    out.push_str(&chart(
        "Contacts",
        "contacts per interval",
        vec![
            line("offered", &|interval| Some(interval.counts.offered as f64)),
            line("answered", &|interval| Some(interval.counts.answered as f64)),
        ],
    ));
    let waited: Vec<Series> = vec![
        line("had to wait", &|interval| Some(interval.counts.delayed_share() * 100.0)),
        line("Erlang A, stationary", &|interval| Some(interval.erlang_a?.waiting * 100.0)),
        line("abandoned", &|interval| Some(interval.counts.abandonment() * 100.0)),
    ];
    let title = if theory { "Waiting, beside what Erlang A expects" } else { "Waiting" };
    out.push_str(&chart(title, "% of offered", waited));
}

fn books(outcome: &Outcome, out: &mut String) {
    let (balance, total) = (&outcome.balance, &outcome.balance.total);
    out.push_str("<h2>Books</h2>\n");
    let _ = writeln!(
        out,
        "<p>offered {} = answered {} + abandoned {} + overflowed {} + cancelled {} + refused {} + expired {} + moved {} \
         + waiting {}: <b>{}</b></p>",
        grouped(total.offered),
        grouped(total.answered),
        grouped(total.abandoned),
        grouped(total.overflowed),
        grouped(total.cancelled),
        grouped(total.refused),
        grouped(total.expired),
        grouped(total.moved),
        grouped(total.waiting),
        if total.close() { "they close" } else { "they do not close" }
    );
    let _ = writeln!(
        out,
        "<p>{} contacts received, {} turned away, {} open at the end. {} offers, {} accepted; {} not heard of by agents \
         whose stream was gone. Order held against the line {} times. Most of an agent's capacity in use: {:.0} %.</p>",
        grouped(balance.received),
        grouped(balance.turned_away),
        grouped(balance.open),
        grouped(balance.offers),
        grouped(balance.accepts),
        grouped(balance.unheard),
        grouped(balance.orders_checked),
        balance.peak_load * 100.0
    );
    if balance.faults.count() == 0 {
        out.push_str(
            "<p>No contact was lost or assigned twice, none went to an agent without the skill or the room, none was \
             passed over.</p>\n",
        );
    }
    for (kind, count) in &balance.faults.counts {
        let _ = writeln!(out, "<p class=\"verdict bad\">{}: {count} times</p>", escape(kind));
    }
    if !balance.faults.first.is_empty() {
        out.push_str("<ul>\n");
        for fault in &balance.faults.first {
            let _ = writeln!(out, "<li>{}</li>", escape(fault));
        }
        out.push_str("</ul>\n");
    }
    for (what, refusals) in [("lost races", &outcome.races), ("refused", &outcome.refusals)] {
        for (reason, count) in refusals {
            let _ = writeln!(out, "<p>{what}: {} {}</p>", grouped(*count), escape(reason));
        }
    }
    for path in &outcome.unscaled {
        let _ = writeln!(out, "<p>not divided by the speed: {}</p>", escape(path));
    }
}

fn queues(outcome: &Outcome, out: &mut String) {
    if outcome.queues.len() < 2 {
        return;
    }
    out.push_str(
        "<h2>By queue</h2>\n<div class=\"scroll\"><table><tr><th>queue</th><th>offered</th><th>answered</th>\
         <th>service level</th><th>abandoned</th><th>waited</th><th>mean wait</th></tr>\n",
    );
    for (id, counts) in outcome.queues.iter().zip(&outcome.balance.queues) {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1} %</td><td>{:.2} %</td><td>{:.1} %</td><td>{:.2} s</td></tr>",
            escape(id),
            grouped(counts.offered),
            grouped(counts.answered),
            counts.service_level() * 100.0,
            counts.abandonment() * 100.0,
            counts.delayed_share() * 100.0,
            counts.mean_wait_s(outcome.speed)
        );
    }
    out.push_str("</table></div>\n");
}

/// A latency in the unit that suits it.
fn latency(micros: f64) -> String {
    match micros {
        micros if micros < 1_000.0 => format!("{micros:.0} us"),
        micros if micros < 100_000.0 => format!("{:.2} ms", micros / 1e3),
        micros if micros < 1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        micros => format!("{:.2} s", micros / 1e6),
    }
}

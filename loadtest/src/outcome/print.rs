//! A run's outcome for people.

use super::Outcome;
use crate::drive::meters::Latency;

/// Prints it.
pub fn print(outcome: &Outcome) {
    print_head(outcome);
    print_latencies(outcome);
    print_intervals(outcome);
    print_books(outcome);
    for check in &outcome.thresholds {
        let (sign, word) = (if check.at_least { ">=" } else { "<=" }, if check.pass { "met" } else { "MISSED" });
        println!("threshold {} {sign} {} {}: {:.4} {word}", check.name, check.bound, check.unit, check.reached);
    }
    println!("{}", outcome.verdict.what());
}

fn print_head(outcome: &Outcome) {
    println!("{}: {}", outcome.scenario, outcome.description);
    let machine = &outcome.machine;
    println!("{}; {} cores, {}", outcome.server, machine.cores, machine.cpu);
    println!(
        "{} contacts by {} gateways to {} agents, {}, journal {}, seed {}, {} times faster than life",
        outcome.contacts,
        outcome.gateways,
        outcome.agents,
        match outcome.mode {
            crate::scenario::Mode::Unary => "unary calls",
            crate::scenario::Mode::Stream => "streams",
        },
        outcome.journal_name(),
        outcome.seed,
        outcome.speed,
    );
    println!(
        "{:.1} contacts/s arrived for {:.1} s, {:.1}/s were closed meanwhile; {:.1} s in all; {:.2} conversations per agent",
        outcome.offered_per_s, outcome.arriving_s, outcome.closed_per_s, outcome.elapsed_s, outcome.talking_per_agent,
    );
    let sends = &outcome.sends;
    println!(
        "sends: {} of {} more than {} ms late ({:.3} %), 99.9 % within {:.0} us, at most {:.0} us",
        sends.late,
        sends.count,
        sends.late_after_ms,
        sends.late_share * 100.0,
        sends.p999_us,
        sends.max_us
    );
    let micros = |micros: Option<f64>| micros.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.0} us"));
    println!(
        "processor time per contact: server {}, load test {}",
        micros(outcome.server_cpu_us),
        micros(outcome.client_cpu_us)
    );
    for path in &outcome.unscaled {
        println!("not divided: {path}");
    }
}

fn print_latencies(outcome: &Outcome) {
    println!();
    println!(
        "{:<18}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}  in us",
        "latency", "count", "p50", "p90", "p99", "p99.9", "max"
    );
    for latency in Latency::ALL {
        let Some(figures) = outcome.latencies.get(latency.name()).filter(|figures| figures.count > 0) else { continue };
        println!(
            "{:<18}{:>9}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>10.0}  {}",
            latency.name(),
            figures.count,
            figures.p50_us,
            figures.p90_us,
            figures.p99_us,
            figures.p999_us,
            figures.max_us,
            latency.what()
        );
    }
    for (what, refused) in [("races", &outcome.races), ("refused", &outcome.refusals)] {
        for (reason, count) in refused {
            println!("{what}: {count} {reason}");
        }
    }
}

fn print_intervals(outcome: &Outcome) {
    if outcome.intervals.len() < 2 {
        return;
    }
    let theory = outcome.intervals.iter().any(|interval| interval.erlang_a.is_some());
    println!();
    print!(
        "{:<10}{:>8}{:>9}{:>8}{:>11}{:>9}{:>11}{:>8}",
        "interval", "offered", "answered", "SL %", "abandoned %", "waited %", "mean wait s", "ASA s"
    );
    println!("{}", if theory { "   Erlang A: waited %, abandoned %, mean wait s" } else { "" });
    for interval in &outcome.intervals {
        let counts = &interval.counts;
        print!(
            "{:<10}{:>8}{:>9}{:>8.1}{:>11.2}{:>9.1}{:>11.2}{:>8.2}",
            interval.begins,
            counts.offered,
            counts.answered,
            counts.service_level() * 100.0,
            counts.abandonment() * 100.0,
            counts.delayed_share() * 100.0,
            counts.mean_wait_s(outcome.speed),
            counts.asa_s(outcome.speed)
        );
        match &interval.erlang_a {
            Some(theory) => println!(
                "{:>18.1}{:>14.2}{:>13.2}",
                theory.waiting * 100.0,
                theory.abandoned * 100.0,
                theory.mean_wait_s
            ),
            None => println!(),
        }
    }
}

fn print_books(outcome: &Outcome) {
    let (balance, total) = (&outcome.balance, &outcome.balance.total);
    println!();
    println!(
        "books: offered {} = answered {} + abandoned {} + overflowed {} + cancelled {} + refused {} + expired {} \
         + moved {} + waiting {}: {}",
        total.offered,
        total.answered,
        total.abandoned,
        total.overflowed,
        total.cancelled,
        total.refused,
        total.expired,
        total.moved,
        total.waiting,
        if total.close() { "they close" } else { "they DO NOT CLOSE" }
    );
    println!(
        "service level {:.2} %, abandonment {:.2} %, mean wait {:.2} s, ASA {:.2} s; {} received, {} turned away, {} open \
         at the end",
        total.service_level() * 100.0,
        total.abandonment() * 100.0,
        total.mean_wait_s(outcome.speed),
        total.asa_s(outcome.speed),
        balance.received,
        balance.turned_away,
        balance.open
    );
    println!(
        "{} offers, {} accepted, {} not heard of by agents without a stream; order held against the line {} times; most \
         of an agent's capacity in use {:.0} %",
        balance.offers,
        balance.accepts,
        balance.unheard,
        balance.orders_checked,
        balance.peak_load * 100.0
    );
    if balance.orders_checked == 0 {
        println!("order was not checked: the rules in force are not first come first served by priority alone");
    }
    for fault in &balance.faults.first {
        println!("WRONG {fault}");
    }
    for (kind, count) in &balance.faults.counts {
        println!("WRONG {kind}: {count} times");
    }
}

//! What whoever runs the demo sees: where to look and what to try, the live figures on a terminal, the closing summary.
//!
//! All but the summary goes to standard error, so that standard output can be read by a program. Times are the
//! center's own. The service level is `of_offered`: answered within the threshold / offered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::net::SocketAddr;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::engine::tally::Books;

use super::Options;
use super::center::clock;
use super::floor::Floor;
use super::ledger::{Figures, ROUTINGS, Row};

/// What one floor has come to, with its tenant's id and the targets of its queues in parts per million.
struct Part {
    tenant: String,
    targets: BTreeMap<String, u32>,
    figures: Figures,
}

/// What all floors have come to.
pub struct Totals {
    parts: Vec<Part>,
    speed: f64,
}

impl Totals {
    /// Those of now.
    pub fn of(floors: &[Rc<Floor>]) -> Totals {
        let part = |floor: &Rc<Floor>| Part {
            tenant: floor.tenant(),
            targets: floor
                .center
                .policy
                .queues
                .iter()
                .map(|queue| (queue.id.to_string(), queue.service_level.target_ppm))
                .collect(),
            figures: floor.ledger.borrow().figures(floor.now()),
        };
        Totals { parts: floors.iter().map(part).collect(), speed: floors.first().map_or(1.0, |floor| floor.speed) }
    }

    /// Whether every tenant's books close and are the server's.
    pub fn close(&self) -> bool {
        self.parts.iter().all(|part| part.figures.faults.is_empty())
    }

    fn rows(&self) -> impl Iterator<Item = (&Part, &Row)> {
        self.parts.iter().flat_map(|part| part.figures.queues.iter().map(move |row| (part, row)))
    }

    fn books(&self) -> Books {
        self.rows().map(|(_, row)| row.books).sum()
    }

    fn sum(&self, of: impl Fn(&Figures) -> u64) -> u64 {
        self.parts.iter().map(|part| of(&part.figures)).sum()
    }

    fn by_word<'a>(&'a self, of: impl Fn(&'a Figures) -> Vec<(&'a str, u64)>) -> BTreeMap<&'a str, u64> {
        let mut sums = BTreeMap::new();
        for (word, count) in self.parts.iter().flat_map(|part| of(&part.figures)) {
            *sums.entry(word).or_default() += count;
        }
        sums
    }

    fn agents(&self) -> Vec<(&'static str, u64)> {
        let state = |(at, (_, word)): (usize, &(_, &'static str))| (*word, self.sum(|figures| figures.agents[at]));
        ROUTINGS.iter().enumerate().map(state).collect()
    }

    fn longest_wait(&self) -> f64 {
        self.rows().map(|(_, row)| row.longest_wait).fold(0.0, f64::max) * self.speed
    }

    fn speed_of_answer(&self) -> Option<f64> {
        let wait: f64 = self.rows().map(|(_, row)| row.answered_wait).sum();
        ratio(wait * self.speed, self.books().answered as f64)
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn service_level(books: &Books) -> Option<f64> {
    ratio(books.answered_within_threshold as f64, books.offered as f64)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// The place the demo writes to.
pub struct Screen {
    options: Options,
    grpc: SocketAddr,
    http: SocketAddr,
    /// What there is: agents, queues, and a queue and a channel to try.
    agents: usize,
    queues: usize,
    example: Option<(String, String, String)>,
    /// Lines drawn last, to be drawn over; none when standard error is no terminal.
    drawn: Option<usize>,
}

impl Screen {
    /// A screen of these floors' server.
    pub fn new(floors: &[Rc<Floor>], options: Options, grpc: SocketAddr, http: SocketAddr) -> Screen {
        let example = floors.first().and_then(|floor| {
            // A written channel connects by itself: whoever tries it by hand needs no gateway.
            let written =
                floor.center.flows.iter().find(|flow| flow.habits.patience.is_some() && flow.habits.hold == 0.0);
            let flow = written.or(floor.center.flows.first())?;
            Some((floor.tenant(), flow.queue.to_string(), flow.channel.to_string()))
        });
        Screen {
            options,
            grpc,
            http,
            agents: floors.iter().map(|floor| floor.center.agents.len()).sum(),
            queues: floors.iter().map(|floor| floor.center.policy.queues.len()).sum(),
            example,
            drawn: std::io::stderr().is_terminal().then_some(0),
        }
    }

    /// Says what runs, where, and what to try.
    pub fn greet(&self) {
        let Screen { options, grpc, http, agents, queues, example, .. } = self;
        let Options { speed, seed, length, .. } = options;
        let end =
            length.map_or_else(|| "Ctrl-C ends it".to_owned(), |length| format!("ends after {length:?}, or at Ctrl-C"));
        let mut text = format!(
            "usher demo: {agents} agents, {queues} queues; a second is {} of the center's time; seed {seed}; {end}\n  \
             gRPC     {grpc}   metrics  http://{http}/metrics\n",
            minutes(f64::from(*speed)),
        );
        if let Some((tenant, queue, channel)) = example {
            let tenant = if tenant == "default" { String::new() } else { format!(r#""tenant": "{tenant}", "#) };
            let call = |method: &str, body: &str| {
                format!(
                    "  buf curl --http2-prior-knowledge --protocol grpc --reflect \\\n    -d '{{{tenant}{body}}}' \
                     http://{grpc}/usher.v1.{method}\n"
                )
            };
            text += "Try, in another terminal (buf: `pip install buf-bin`), to join the queue and see who takes you:\n";
            let contact = format!(r#""contact": {{"contact_id": "me", "channel": "{channel}", "queue": "{queue}"}}"#);
            text += &call("ContactService/CreateContact", &contact);
            text += &call("ContactService/GetContact", r#""contact_id": "me""#);
            text += &call("ContactService/CompleteContact", r#""contact_id": "me""#);
        }
        self.write(&text);
    }

    /// Draws the live figures over those drawn last; nothing where there is no terminal.
    pub fn draw(&mut self, totals: &Totals, elapsed: f64) {
        let Some(drawn) = self.drawn else { return };
        let table = table(totals, elapsed);
        self.write(&format!("{}{table}", over(drawn)));
        self.drawn = Some(table.lines().count());
    }

    /// Takes the live figures away.
    pub fn clear(&mut self) {
        if let Some(drawn) = self.drawn.take() {
            self.write(&over(drawn));
        }
    }

    /// The closing summary, for standard output.
    pub fn summary(&self, totals: &Totals, elapsed: f64) -> String {
        if self.options.json {
            return format!("{}\n", summary_json(totals, elapsed, self.options));
        }
        let mut text = table(totals, elapsed);
        let books = totals.books();
        let Books { offered, answered, abandoned, overflowed, cancelled, refused, expired, moved, waiting, .. } = books;
        let _ = writeln!(
            text,
            "\noffered {offered} = answered {answered} + abandoned {abandoned} + overflowed {overflowed} + cancelled \
             {cancelled}\n  + refused {refused} + expired {expired} + moved {moved} + waiting {waiting}"
        );
        for fault in totals.parts.iter().flat_map(|part| &part.figures.faults) {
            let _ = writeln!(text, "fault: {fault}");
        }
        let more = totals.sum(|figures| figures.more_faults);
        if more > 0 {
            let _ = writeln!(text, "fault: and {more} more");
        }
        text += if totals.close() {
            "the books close: what was heard by gRPC is what the server counted\n"
        } else {
            "the books do NOT close\n"
        };
        text
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        // A terminal that is gone needs no picture.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// What moves the cursor up over so many lines and wipes them.
fn over(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\x1b[J") }
}

fn table(totals: &Totals, elapsed: f64) -> String {
    let several = totals.parts.len() > 1;
    let name =
        |part: &Part, row: &Row| if several { format!("{}/{}", part.tenant, row.queue) } else { row.queue.clone() };
    let mut text = format!(
        "\n{} o'clock   after {}   {} talking\n\n{:<18}{:>8}{:>9}{:>10}{:>8}{:>9}{:>17}\n",
        minutes(clock(elapsed)).rsplit_once(':').map_or(String::new(), |(time, _)| time.to_owned()),
        minutes(elapsed),
        totals.sum(|figures| figures.talking),
        "queue",
        "offered",
        "answered",
        "abandoned",
        "waiting",
        "longest",
        "service level"
    );
    let mut line = |name: &str, books: &Books, longest: f64, target: String| {
        let level = format!("{}{target}", percent(service_level(books)));
        let _ = writeln!(
            text,
            "{name:<18.18}{:>8}{:>9}{:>10}{:>8}{:>9}{level:>17}",
            books.offered,
            books.answered,
            books.abandoned,
            books.waiting,
            minutes(longest)
        );
    };
    for (part, row) in totals.rows() {
        let target = part.targets.get(&row.queue).map(|ppm| format!(" of {}", f64::from(*ppm) / 10_000.0));
        line(&name(part, row), &row.books, row.longest_wait * totals.speed, target.unwrap_or_default());
    }
    let books = totals.books();
    line("all", &books, totals.longest_wait(), String::new());
    let offers = |of: fn(&super::ledger::Offers) -> u64| totals.sum(|figures| of(&figures.offers));
    let _ = writeln!(
        text,
        "\nabandonment {}, speed of answer {}\noffers: {} taken, {} declined, {} missed, {} withdrawn",
        percent(ratio(books.abandoned as f64, books.offered as f64)),
        totals.speed_of_answer().map_or_else(|| "-".to_owned(), minutes),
        offers(|offers| offers.accepted),
        offers(|offers| offers.declined),
        offers(|offers| offers.expired),
        offers(|offers| offers.withdrawn),
    );
    let counts = totals.agents();
    for (title, states) in ["agents:", "       "].iter().zip(counts.chunks(4)) {
        let states: Vec<String> =
            states.iter().map(|(word, count)| format!("{count} {}", word.replace('_', " "))).collect();
        let _ = writeln!(text, "{title} {}", states.join(", "));
    }
    text
}

fn books_json(books: &Books) -> serde_json::Map<String, Value> {
    let Books {
        offered,
        answered,
        answered_within_threshold,
        abandoned,
        overflowed,
        cancelled,
        refused,
        expired,
        moved,
        waiting,
    } = books;
    let counts = json!({
        "offered": offered,
        "answered": answered,
        "answered_within_threshold": answered_within_threshold,
        "abandoned": abandoned,
        "overflowed": overflowed,
        "cancelled": cancelled,
        "refused": refused,
        "expired": expired,
        "moved": moved,
        "waiting": waiting,
        "service_level": service_level(books),
        "abandonment": ratio(*abandoned as f64, *offered as f64),
    });
    match counts {
        Value::Object(counts) => counts,
        _ => unreachable!("an object was written"),
    }
}

fn summary_json(totals: &Totals, elapsed: f64, options: Options) -> Value {
    let mut summary = books_json(&totals.books());
    let row = |(part, row): (&Part, &Row)| {
        let mut books = books_json(&row.books);
        books.insert("tenant".to_owned(), json!(part.tenant));
        books.insert("queue".to_owned(), json!(row.queue));
        books.insert("longest_wait_seconds".to_owned(), json!(row.longest_wait * totals.speed));
        books
    };
    let words = |of: fn(&Figures) -> Vec<(&str, u64)>| totals.by_word(of);
    let rest = json!({
        "received": totals.sum(|figures| figures.received),
        "talking": totals.sum(|figures| figures.talking),
        "transfers": totals.sum(|figures| figures.transfers),
        "longest_wait_seconds": totals.longest_wait(),
        "average_speed_of_answer_seconds": totals.speed_of_answer(),
        "offers": words(|figures| {
            let offers = figures.offers;
            vec![
                ("accepted", offers.accepted),
                ("declined", offers.declined),
                ("expired", offers.expired),
                ("withdrawn", offers.withdrawn),
            ]
        }),
        "closed": words(|figures| figures.outcomes.iter().map(|(word, count)| (*word, *count)).collect()),
        "late_commands": words(|figures| figures.refusals.iter().map(|(word, count)| (word.as_str(), *count)).collect()),
        "agents": totals.agents().into_iter().collect::<BTreeMap<_, _>>(),
        "queues": totals.rows().map(row).collect::<Vec<_>>(),
        "seconds": elapsed / totals.speed,
        "speed": options.speed,
        "seed": options.seed,
        "books_close": totals.close(),
        "faults": totals.parts.iter().flat_map(|part| &part.figures.faults).collect::<Vec<_>>(),
    });
    if let Value::Object(rest) = rest {
        summary.extend(rest);
    }
    Value::Object(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ledger::Offers;

    fn totals(count: u64, faults: Vec<String>) -> Totals {
        let books = Books { offered: count, answered: count / 2, waiting: count / 2, ..Books::default() };
        let row =
            Row { queue: "a".repeat(64), books, answered_wait: count as f64, longest_wait: count.min(1_440) as f64 };
        let offers = Offers { accepted: count, declined: count, expired: count, withdrawn: count };
        let figures = Figures {
            queues: vec![row.clone(), Row { queue: "b".to_owned(), ..row }],
            agents: [count / 100; ROUTINGS.len()],
            received: 2 * count,
            talking: count,
            transfers: count,
            offers,
            outcomes: BTreeMap::new(),
            refusals: BTreeMap::new(),
            faults,
            more_faults: 0,
        };
        let targets = BTreeMap::from([("b".to_owned(), 825_000)]);
        Totals { parts: vec![Part { tenant: "t".to_owned(), targets, figures }], speed: 60.0 }
    }

    #[test]
    fn the_picture_fits_a_terminal_so_that_it_can_be_drawn_over() {
        for count in [0, 9_999, 999_999] {
            let table = table(&totals(count, Vec::new()), count as f64);
            for line in table.lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }

    #[test]
    fn the_summary_adds_up_queues_and_says_when_books_do_not_close() {
        let options = Options { length: None, speed: 60, seed: 1, json: true };
        let good = summary_json(&totals(100, Vec::new()), 60.0, options);
        assert_eq!((&good["offered"], &good["answered"], &good["waiting"]), (&json!(200), &json!(100), &json!(100)));
        assert_eq!((&good["service_level"], &good["seconds"]), (&json!(0.0), &json!(1.0)));
        assert_eq!((&good["books_close"], &good["faults"]), (&json!(true), &json!([])));
        assert_eq!(good["average_speed_of_answer_seconds"], json!(120.0));
        let bad = summary_json(&totals(0, vec!["a fault".to_owned()]), 60.0, options);
        assert_eq!((&bad["books_close"], &bad["faults"]), (&json!(false), &json!(["a fault"])));
        assert_eq!(bad["service_level"], Value::Null);
    }
}

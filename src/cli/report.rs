//! `usher report` and `usher status`: tables of a running server for people, as CSV and as JSON.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{done, print};
use crate::rpc::client::{self, By, Cell, Status, Table};

/// What `usher report` is asked for.
#[derive(Args, Debug)]
pub(super) struct Report {
    /// The day in the tenant's time zone, such as 2026-11-25; today when not given.
    #[arg(long, value_name = "DAY")]
    day: Option<String>,
    /// What there is a row for.
    #[arg(long, value_enum, default_value_t = Rows::Queue)]
    by: Rows,
    /// Print comma-separated values: every figure, spans in seconds, shares 0 to 1.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print one JSON object: every figure, spans in seconds, shares 0 to 1.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// What `usher status` is asked for.
#[derive(Args, Debug)]
pub(super) struct Now {
    /// Print one JSON object, once.
    #[arg(long)]
    json: bool,
    /// Print once, not live.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    server: Server,
}

/// Whom to ask.
#[derive(Args, Debug)]
pub(super) struct Server {
    /// The tenant.
    #[arg(long, value_name = "TENANT", default_value = "default")]
    pub(super) tenant: String,
    /// Address and port of the server's gRPC.
    #[arg(long, value_name = "ADDR", env = "USHER_ADDR", default_value = "127.0.0.1:50051")]
    pub(super) addr: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Rows {
    Queue,
    Agent,
    Team,
}

/// Time between two pictures of the live state.
const PICTURE: Duration = Duration::from_secs(1);
/// Puts the cursor at the top and wipes what is below it, line by line, so that nothing flickers.
const HOME: &str = "\x1b[H";
const WIPE_LINE: &str = "\x1b[K\n";
const WIPE_REST: &str = "\x1b[J";

/// Prints a report.
pub(super) fn report(asked: &Report) -> ExitCode {
    let by = match asked.by {
        Rows::Queue => By::Queue,
        Rows::Agent => By::Agent,
        Rows::Team => By::Team,
    };
    let day = asked.day.as_deref().unwrap_or_default();
    match client::report(&asked.server.addr, &asked.server.tenant, day, by) {
        Err(error) => done(Err(error)),
        Ok(table) if asked.json => print(&format!("{}\n", json!({ "day": asked.day, "rows": objects(&table) }))),
        Ok(table) if asked.csv => print(&csv(&table)),
        Ok(table) if table.rows.is_empty() => print("nothing to report\n"),
        Ok(table) => print(&text(&table)),
    }
}

/// Shows the live state: on a terminal until it is interrupted, else once.
pub(super) fn status(asked: &Now) -> ExitCode {
    let live = !asked.json && !asked.once && std::io::stdout().is_terminal();
    let shown = client::status(&asked.server.addr, &asked.server.tenant, live.then_some(PICTURE), |status| {
        let page = match asked.json {
            true => format!("{}\n", status_json(status)),
            false => status_text(status),
        };
        let page = match live {
            true => format!("{HOME}{}{WIPE_REST}", page.replace('\n', WIPE_LINE)),
            false => page,
        };
        let mut out = std::io::stdout().lock();
        out.write_all(page.as_bytes())?;
        out.flush()?;
        Ok(live)
    });
    done(shown)
}

fn status_text(status: &Status) -> String {
    let line = |facts: &[(&str, Cell)]| {
        let facts = facts.iter().map(|(name, cell)| format!("{} {}", name.replace('_', " "), show(cell)));
        facts.collect::<Vec<String>>().join("   ")
    };
    let known: Vec<_> = status.server.iter().filter(|(_, cell)| *cell != Cell::None).cloned().collect();
    let (server, facts) = (line(&known), line(&status.facts));
    format!("tenant {}\n{facts}\n{server}\n\n{}\n{}", status.tenant, text(&status.queues), text(&status.teams))
}

fn status_json(status: &Status) -> Value {
    let mut object: Map<String, Value> =
        status.facts.iter().map(|(name, cell)| ((*name).to_owned(), value(cell))).collect();
    let server: Map<String, Value> =
        status.server.iter().map(|(name, cell)| ((*name).to_owned(), value(cell))).collect();
    object.insert("server".into(), server.into());
    object.insert("tenant".into(), status.tenant.as_str().into());
    object.insert("queues".into(), objects(&status.queues));
    object.insert("teams".into(), objects(&status.teams));
    object.into()
}

/// A cell as people read it.
fn show(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(number, decimals) => format!("{number:.decimals$}"),
        Cell::Share(share) => format!("{:.1}", share * 100.0),
        Cell::None => "-".to_owned(),
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Text(text) => text.as_str().into(),
        Cell::Count(count) => (*count).into(),
        Cell::Number(number, _) | Cell::Share(number) => (*number).into(),
        Cell::None => Value::Null,
    }
}

/// The columns people look at, aligned: names left, numbers right.
fn text(table: &Table) -> String {
    let places: Vec<(usize, &str)> =
        table.columns.iter().enumerate().filter_map(|(place, column)| Some((place, column.head?))).collect();
    let cells: Vec<Vec<String>> =
        table.rows.iter().map(|row| places.iter().map(|(place, _)| show(&row[*place])).collect()).collect();
    let width = |at: usize| {
        let longest = cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        longest.max(places[at].1.chars().count())
    };
    let widths: Vec<usize> = (0..places.len()).map(width).collect();
    let names = |at: usize| table.rows.iter().any(|row| matches!(row[places[at].0], Cell::Text(_)));
    let line = |row: Vec<&str>| {
        let mut line = String::new();
        for (at, cell) in row.into_iter().enumerate() {
            let gap = if at == 0 { "" } else { "  " };
            let width = widths[at];
            let _ = if names(at) { write!(line, "{gap}{cell:<width$}") } else { write!(line, "{gap}{cell:>width$}") };
        }
        format!("{}\n", line.trim_end())
    };
    let mut out = line(places.iter().map(|(_, head)| *head).collect());
    cells.iter().for_each(|row| out.push_str(&line(row.iter().map(String::as_str).collect())));
    out
}

fn csv(table: &Table) -> String {
    let quoted = |text: &str| match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => quoted(text),
        Cell::None => String::new(),
        other => value(other).to_string(),
    };
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let mut out = format!("{}\n", names.join(","));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        let _ = writeln!(out, "{}", cells.join(","));
    }
    out
}

fn objects(table: &Table) -> Value {
    let object = |row: &Vec<Cell>| {
        let pairs = table.columns.iter().zip(row).map(|(column, cell)| (column.name.to_owned(), value(cell)));
        Value::Object(pairs.collect())
    };
    table.rows.iter().map(object).collect::<Vec<Value>>().into()
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use crate::rpc::client::Column;
    use clap::Parser;

    fn table() -> Table {
        let column = |name, head| Column { name, head };
        Table {
            columns: vec![column("queue", Some("queue")), column("wait", None), column("level", Some("SL %"))],
            rows: vec![
                vec![Cell::Text("sales, \"east\"".into()), Cell::Number(1.25, 1), Cell::Share(0.8)],
                vec![Cell::Text("b".into()), Cell::None, Cell::None],
            ],
        }
    }

    #[test]
    fn a_table_is_aligned_and_leaves_out_what_has_no_head() {
        assert_eq!(text(&table()), "queue          SL %\nsales, \"east\"  80.0\nb                 -\n");
    }

    #[test]
    fn csv_and_json_hold_everything() {
        assert_eq!(csv(&table()), "queue,wait,level\n\"sales, \"\"east\"\"\",1.25,0.8\nb,,\n");
        assert_eq!(objects(&table())[1], json!({ "queue": "b", "wait": null, "level": null }));
    }

    #[test]
    fn csv_and_json_exclude_each_other() {
        let error = Cli::try_parse_from(["usher", "report", "--csv", "--json"]).expect_err("refused");
        assert_eq!(error.exit_code(), 2);
    }
}

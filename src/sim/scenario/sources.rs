//! Where the contacts of a flow come from, and the arrivals drawn for a run.

use std::ops::Range;

use jiff::civil::DateTime;

use crate::config::schema::At;
use crate::engine::time::{Span, Time};
use crate::sim::arrivals::{Arrivals, Stretch};
use crate::sim::random::{Cause, Stream};
use crate::sim::scene::{Given, key_of};

use super::compile::{Work, id_of};
use super::data::{Table, seconds, wall};
use super::schema::{self, ArrivalKind, Flow};

/// A source of arrivals, compiled.
#[derive(Clone, Debug)]
pub enum Source {
    /// Rates by stretch, each on its day.
    Rates {
        /// Day and stretch.
        stretches: Vec<(usize, Stretch)>,
        /// Shape and key of the days' factor.
        factor: Option<(f64, u64)>,
    },
    /// So many within each span.
    Counts(Vec<(Time, Time, f64)>),
    /// Known instants.
    Listed(Vec<Time>),
}

/// The arrivals of one flow in one run.
#[must_use]
pub fn arrivals(sources: &[Source], key: u64, seed: u64) -> Arrivals {
    if let [Source::Rates { stretches, factor }] = sources {
        return Arrivals::poisson(stretches.iter().map(|(day, stretch)| scaled(*day, *stretch, *factor, seed)));
    }
    if let [Source::Listed(times)] = sources {
        return Arrivals::listed(times.clone());
    }
    let mut all = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let mut stream = Stream::new(seed, Cause::Arrival, key, number as u64 + 1);
        match source {
            Source::Listed(times) => all.extend(times),
            Source::Rates { stretches, factor } => {
                let factored = stretches.iter().map(|(day, stretch)| scaled(*day, *stretch, *factor, seed));
                let mut arrivals = Arrivals::poisson(factored);
                all.extend(std::iter::from_fn(|| arrivals.next(&mut stream)));
            }
            Source::Counts(spans) => {
                for (from, to, count) in spans {
                    let whole = count.floor();
                    let more = u32::from(stream.unit() < count - whole);
                    for _ in 0..whole as u32 + more {
                        all.push(*from + Span((to.since(*from).0 as f64 * stream.unit()) as u64));
                    }
                }
            }
        }
    }
    Arrivals::listed(all)
}

fn scaled(day: usize, stretch: Stretch, factor: Option<(f64, u64)>, seed: u64) -> Stretch {
    let busy = factor.map_or(1.0, |(shape, key)| Stream::new(seed, Cause::DayFactor, key, day as u64).gamma(shape));
    Stretch { rate: stretch.rate * busy, ..stretch }
}

/// The sources of a flow, and what is known of its single contacts.
pub(super) fn sources(flow: &Flow, work: &mut Work<'_, '_>) -> (Vec<Source>, Vec<Given>) {
    let mut given = Vec::new();
    let mut sources = Vec::new();
    for table in &flow.arrivals {
        let reader = Reader { table: table.get(), span: table.span(), flow: id_of(&flow.id) };
        reader.unused(work);
        let scale = table.get().scale.map_or(1.0, |scale| scale.0);
        let source = match table.get().kind {
            ArrivalKind::Poisson => reader.poisson(scale, work),
            ArrivalKind::Constant => reader.constant(scale, work),
            ArrivalKind::Even => reader.even(scale, work),
            ArrivalKind::Burst => reader.burst(scale, work),
            ArrivalKind::Counts => reader.counts(scale, work),
            ArrivalKind::Contacts => reader.contacts(&mut given, work),
        };
        sources.extend(source);
    }
    if !given.is_empty() && sources.len() > 1 {
        let message = "a flow whose contacts are listed with their times has no other arrivals";
        work.faults.hinted(flow.id.span(), message, "make a flow of its own for the others");
    }
    (sources, given)
}

struct Reader<'r> {
    table: &'r schema::Arrivals,
    span: Range<usize>,
    flow: &'r str,
}

impl Reader<'_> {
    fn factor(&self) -> Option<(f64, u64)> {
        let factor = self.table.day_factor.as_ref()?;
        let whose = factor.shared.as_ref().map_or(self.flow.to_owned(), |shared| format!("shared {}", shared.0));
        Some((factor.shape.0.max(1e-3), key_of(&whose)))
    }

    fn hours(&self, work: &Work<'_, '_>) -> (u32, u32) {
        let from = self.table.from.as_ref().map_or(0, |from| work.calendar.seconds(from));
        (from, self.table.to.as_ref().map_or(86_400, |to| work.calendar.seconds(to)))
    }

    fn poisson(&self, scale: f64, work: &mut Work<'_, '_>) -> Option<Source> {
        let rates = work.lacks(self.table.per_interval.as_ref(), &self.span, "per_interval")?;
        let (from, _) = self.hours(work);
        let length = self.table.interval.map_or(1_800, |interval| (interval.0.0 / 1_000_000) as u32);
        if from as u64 + rates.len() as u64 * u64::from(length) > 86_400 {
            work.faults.add(self.span.clone(), "the intervals go past the end of the day");
            return None;
        }
        let mut stretches = Vec::new();
        for day in work.calendar.on(&self.table.days) {
            for (at, rate) in rates.iter().enumerate() {
                let begin = from + at as u32 * length;
                let (from, to) = (work.calendar.at(day, begin), work.calendar.at(day, begin + length));
                stretches.push((day, Stretch { from, to, rate: scale * rate.0 / to.since(from).0.max(1) as f64 }));
            }
        }
        Some(Source::Rates { stretches, factor: self.factor() })
    }

    fn constant(&self, scale: f64, work: &mut Work<'_, '_>) -> Option<Source> {
        let rate = work.lacks(self.table.per_hour, &self.span, "per_hour")?;
        let (from, to) = self.hours(work);
        let stretch = |day: usize| {
            let (from, to) = (work.calendar.at(day, from), work.calendar.at(day, to));
            (day, Stretch { from, to, rate: scale * rate.0 / 3.6e9 })
        };
        let stretches = work.calendar.on(&self.table.days).into_iter().map(stretch).collect();
        Some(Source::Rates { stretches, factor: self.factor() })
    }

    fn even(&self, scale: f64, work: &mut Work<'_, '_>) -> Option<Source> {
        let rate = work.lacks(self.table.per_hour, &self.span, "per_hour")?.0 * scale;
        let (from, to) = self.hours(work);
        let mut times = Vec::new();
        for day in work.calendar.on(&self.table.days) {
            let (from, to) = (work.calendar.at(day, from), work.calendar.at(day, to));
            let count = (rate * to.since(from).0 as f64 / 3.6e9).round() as u64;
            times.extend((0..count).map(|at| from + Span((at as f64 * 3.6e9 / rate) as u64)));
        }
        Some(Source::Listed(times))
    }

    fn burst(&self, scale: f64, work: &mut Work<'_, '_>) -> Option<Source> {
        let at = work.lacks(self.table.at.as_ref(), &self.span, "at")?;
        let count = f64::from(work.lacks(self.table.count, &self.span, "count")?) * scale;
        let seconds = work.calendar.seconds(at);
        let over = self.table.over.map_or(Span::ZERO, |over| over.0);
        let begin = |day: usize| {
            let from = work.calendar.at(day, seconds);
            (from, from + over, count)
        };
        Some(Source::Counts(work.calendar.on(&self.table.days).into_iter().map(begin).collect()))
    }

    /// Whether a wall time lies on one of the scenario's days that count here.
    fn within(&self, days: &[usize], work: &Work<'_, '_>, at: &DateTime) -> bool {
        days.iter().any(|day| work.calendar.date(*day) == at.date())
    }

    fn counts(&self, scale: f64, work: &mut Work<'_, '_>) -> Option<Source> {
        let file = work.lacks(self.table.file.as_ref(), &self.span, "file")?;
        let text = text_of(file, work)?;
        let table = parsed(file, Table::read(&text), work)?;
        let times = column(&table, self.table.time_column.as_ref(), file, 0, work)?;
        let counts = column(&table, self.table.count_column.as_ref(), file, 1, work)?;
        let times = parsed(file, table.column(times, "a time such as 2026-03-02T08:30", wall), work)?;
        let number = |text: &str| text.parse::<f64>().ok().filter(|count| (0.0..1e9).contains(count));
        let counts = parsed(file, table.column(counts, "a count", number), work)?;
        let every = self.table.every.map_or(Span::from_secs(1_800), |every| every.0);
        let days = work.calendar.on(&self.table.days);
        let mut spans = Vec::new();
        for (at, count) in times.iter().zip(counts) {
            if self.within(&days, work, at) {
                let from = work.calendar.instant(*at);
                spans.push((from, from + every, count * scale));
            }
        }
        self.some(&times, spans.is_empty(), file, work).then_some(Source::Counts(spans))
    }

    fn contacts(&self, given: &mut Vec<Given>, work: &mut Work<'_, '_>) -> Option<Source> {
        let file = work.lacks(self.table.file.as_ref(), &self.span, "file")?;
        let text = text_of(file, work)?;
        let table = parsed(file, Table::read(&text), work)?;
        let times = column(&table, self.table.time_column.as_ref(), file, 0, work)?;
        let times = parsed(file, table.column(times, "a time such as 2026-03-02T08:30:15", wall), work)?;
        let optional = |name: Option<&At<String>>, work: &mut Work<'_, '_>| -> Option<Vec<Option<Span>>> {
            let Some(name) = name else { return Some(vec![None; times.len()]) };
            let at = column(&table, Some(name), file, 0, work)?;
            let read = |text: &str| match text {
                "" => Some(None),
                text => seconds(text).map(|micros| Some(Span(micros.round() as u64))),
            };
            parsed(file, table.column(at, "a number of seconds", read), work)
        };
        let handle = optional(self.table.handle_time_column.as_ref(), work)?;
        let patience = optional(self.table.patience_column.as_ref(), work)?;
        let days = work.calendar.on(&self.table.days);
        let mut listed: Vec<(Time, Given)> = Vec::new();
        for (at, (handle_time, patience)) in times.iter().zip(handle.into_iter().zip(patience)) {
            if self.within(&days, work, at) {
                listed.push((work.calendar.instant(*at), Given { handle_time, patience }));
            }
        }
        listed.sort_by_key(|(at, _)| *at);
        if self.table.handle_time_column.is_some() || self.table.patience_column.is_some() {
            given.extend(listed.iter().map(|(_, given)| *given));
        }
        let empty = listed.is_empty();
        let source = Source::Listed(listed.into_iter().map(|(at, _)| at).collect());
        self.some(&times, empty, file, work).then_some(source)
    }

    /// Reports a file that has nothing on the scenario's days.
    fn some(&self, times: &[DateTime], empty: bool, file: &At<String>, work: &mut Work<'_, '_>) -> bool {
        if empty {
            let ends = times.iter().min().zip(times.iter().max());
            let hint = ends.map(|(first, last)| format!("it runs from {} to {}", first.date(), last.date()));
            work.faults.maybe(file.span(), format!("`{}` has nothing on the days of the scenario", file.get()), hint);
        }
        !empty
    }

    /// Reports keys that mean nothing to the kind.
    fn unused(&self, work: &mut Work<'_, '_>) {
        use ArrivalKind::{Burst, Constant, Contacts, Counts, Even, Poisson};
        let table = self.table;
        let rules: [(&str, bool, &[ArrivalKind]); 15] = [
            ("from", table.from.is_some(), &[Poisson, Constant, Even]),
            ("to", table.to.is_some(), &[Constant, Even]),
            ("interval", table.interval.is_some(), &[Poisson]),
            ("per_interval", table.per_interval.is_some(), &[Poisson]),
            ("per_hour", table.per_hour.is_some(), &[Constant, Even]),
            ("at", table.at.is_some(), &[Burst]),
            ("count", table.count.is_some(), &[Burst]),
            ("over", table.over.is_some(), &[Burst]),
            ("file", table.file.is_some(), &[Counts, Contacts]),
            ("time_column", table.time_column.is_some(), &[Counts, Contacts]),
            ("count_column", table.count_column.is_some(), &[Counts]),
            ("every", table.every.is_some(), &[Counts]),
            ("handle_time_column", table.handle_time_column.is_some(), &[Contacts]),
            ("patience_column", table.patience_column.is_some(), &[Contacts]),
            ("day_factor", table.day_factor.is_some(), &[Poisson, Constant]),
        ];
        for (key, ..) in rules.iter().filter(|(_, given, kinds)| *given && !kinds.contains(&table.kind)) {
            work.faults.add(self.span.clone(), format!("`{key}` means nothing to this kind of arrivals"));
        }
    }
}

fn text_of(file: &At<String>, work: &mut Work<'_, '_>) -> Option<String> {
    let read = (work.files)(file.get());
    parsed(file, read, work)
}

fn parsed<T>(file: &At<String>, read: Result<T, String>, work: &mut Work<'_, '_>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(message) => {
            work.faults.add(file.span(), format!("{}: {message}", file.get()));
            None
        }
    }
}

/// Place of a column by its name, or by default.
fn column(
    table: &Table<'_>,
    name: Option<&At<String>>,
    file: &At<String>,
    default: usize,
    work: &mut Work<'_, '_>,
) -> Option<usize> {
    match name {
        Some(name) => work.find("column", name, table.columns()),
        None if table.columns().count() > default => Some(default),
        None => {
            work.faults.add(file.span(), format!("{} has no column {}", file.get(), default + 1));
            None
        }
    }
}

/// The numbers of a file, one of seconds a line, in microseconds.
pub(super) fn numbers(work: &mut Work<'_, '_>, file: &At<String>) -> Vec<f64> {
    let Some(text) = text_of(file, work) else { return Vec::new() };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let number = |(at, line): (usize, &str)| {
        seconds(line.trim()).ok_or_else(|| format!("line {}: `{line}` is not a number of seconds", at + 1))
    };
    let read = lines.map(number).collect();
    parsed(file, read, work).unwrap_or_default()
}

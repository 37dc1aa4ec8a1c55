//! What a scenario's runs came to: figures with their intervals of confidence, as JSON and as a table.

use std::fmt::Write;

use serde::Serialize;

use super::books::{Cell, Door, Load, Played};
use super::html;
use super::play::Work;
use super::scenario::{Scenario, ServiceLevel};
use super::stats::{Estimate, Ratio};

/// The figures of a queue, a team or the whole center over some stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Queue entries begun.
    pub offered: Estimate,
    /// Entries answered.
    pub answered: Estimate,
    /// Entries whose customer gave up.
    pub abandoned: Estimate,
    /// Entries refused, disconnected at closing, expired or sent elsewhere.
    pub other: Estimate,
    /// Share answered within the threshold, by the report's definition.
    pub service_level: Estimate,
    /// Mean wait of those answered, in seconds.
    pub asa_s: Estimate,
    /// Abandoned / offered.
    pub abandonment: Estimate,
    /// Talk, hold and wrap-up / handled, in seconds.
    pub aht_s: Estimate,
    /// Busy and wrapping / (these and idle), of the agents who serve it.
    pub occupancy: Estimate,
    /// Longest wait of anyone, in seconds.
    pub longest_wait_s: Estimate,
}

/// Names of the figures, in order.
pub const FIGURES: [&str; 10] = [
    "offered",
    "answered",
    "abandoned",
    "other",
    "service_level",
    "asa_s",
    "abandonment",
    "aht_s",
    "occupancy",
    "longest_wait_s",
];

/// Numerator and denominator of each figure, in the order of [`FIGURES`].
#[must_use]
pub fn parts(cell: &Cell, load: &Load, definition: ServiceLevel) -> [(f64, f64); FIGURES.len()] {
    let (met, of) = cell.service_level(definition);
    let (used, ready) = load.occupancy();
    let of_one = |count: u64| (count as f64, 1.0);
    [
        of_one(cell.offered),
        of_one(cell.answered),
        of_one(cell.abandoned),
        of_one(cell.other),
        (met as f64, of as f64),
        (cell.wait_answered as f64 / 1e6, cell.answered as f64),
        (cell.abandoned as f64, cell.offered as f64),
        (cell.handle_time as f64 / 1e6, cell.handled as f64),
        (used as f64, ready as f64),
        (cell.longest_wait as f64 / 1e6, 1.0),
    ]
}

impl Figures {
    /// The figures over independent repetitions.
    pub fn over(units: impl Iterator<Item = (Cell, Load)>, definition: ServiceLevel) -> Figures {
        let mut sums = [Ratio::default(); FIGURES.len()];
        for (cell, load) in units {
            for (sum, (n, d)) in sums.iter_mut().zip(parts(&cell, &load, definition)) {
                sum.add(n, d);
            }
        }
        let [offered, answered, abandoned, other, service_level, asa_s, abandonment, aht_s, occupancy, longest_wait_s] =
            sums.map(|sum| sum.estimate());
        Figures {
            offered,
            answered,
            abandoned,
            other,
            service_level,
            asa_s,
            abandonment,
            aht_s,
            occupancy,
            longest_wait_s,
        }
    }
}

/// An interval of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval<F> {
    /// The day, as a date.
    pub day: String,
    /// When it begins, by the tenant's clock.
    pub time: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: F,
}

/// A queue's part of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueReport {
    /// The queue's id.
    pub queue: String,
    /// The threshold of its service level, in seconds.
    pub threshold_s: f64,
    /// The share promised.
    pub target: f64,
    /// Over the whole scenario.
    #[serde(flatten)]
    pub figures: Figures,
    /// Interval by interval, those in which something was going on at the center.
    pub intervals: Vec<Interval<Figures>>,
}

/// How a team spent its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TeamFigures {
    /// Agents at work on average; 0 of them while nobody is.
    pub staffed: Estimate,
    /// Of them with a contact in hand or wrapping up.
    pub busy: Estimate,
    /// Busy and wrapping / (these and idle).
    pub occupancy: Estimate,
}

/// A team's part of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TeamReport {
    /// The team's id.
    pub team: String,
    /// Over the whole scenario.
    #[serde(flatten)]
    pub figures: TeamFigures,
    /// Interval by interval.
    pub intervals: Vec<Interval<TeamFigures>>,
}

/// What happened at the door: contacts, where the queues count entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DoorFigures {
    /// Calls, those of customers who called again included.
    pub received: Estimate,
    /// Of these, calls again.
    pub again: Estimate,
    /// Calls that found no line.
    pub blocked: Estimate,
}

/// Everything a scenario's runs came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The scenario.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// Independent runs.
    pub runs: usize,
    /// What intervals of confidence are taken over: `runs`, or `days` of a single run.
    pub repetitions: &'static str,
    /// The days.
    pub days: Vec<String>,
    /// Length of an interval, in seconds.
    pub interval_s: u64,
    /// What the service level is a share of.
    pub service_level_definition: &'static str,
    /// The door.
    pub door: DoorFigures,
    /// All queues together.
    pub total: Figures,
    /// All queues together, interval by interval.
    pub intervals: Vec<Interval<Figures>>,
    /// Each queue.
    pub queues: Vec<QueueReport>,
    /// Each team.
    pub teams: Vec<TeamReport>,
    /// Commands the engine was given, over all runs.
    pub commands: u64,
    /// Times every invariant of the engine was checked.
    pub audits: u64,
}

/// The repetitions a scenario's figures are taken over: whole runs, or the days of a single one.
pub struct Units<'r> {
    scenario: &'r Scenario,
    runs: &'r [Played],
    served_by: Vec<Vec<usize>>,
    by_day: bool,
}

impl<'r> Units<'r> {
    /// The repetitions of some runs.
    #[must_use]
    pub fn new(scenario: &'r Scenario, runs: &'r [Played]) -> Units<'r> {
        let queues = scenario.scene.policy.queues.len();
        let served = scenario.scene.served();
        let by = |queue: usize| (0..served.len()).filter(|team| served[*team].contains(&queue)).collect();
        Units {
            scenario,
            runs,
            served_by: (0..queues).map(by).collect(),
            by_day: runs.len() == 1 && scenario.dates.len() > 1,
        }
    }

    /// What they are.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.by_day { "days" } else { "runs" }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        if self.by_day { self.scenario.dates.len() } else { self.runs.len() }
    }

    fn per_day(&self) -> usize {
        self.scenario.scene.intervals.len() / self.scenario.dates.len()
    }

    /// The run and the intervals of one repetition.
    fn unit(&self, unit: usize) -> (&'r Played, std::ops::Range<usize>) {
        match self.by_day {
            true => (&self.runs[0], unit * self.per_day()..(unit + 1) * self.per_day()),
            false => (&self.runs[unit], 0..self.scenario.scene.intervals.len()),
        }
    }

    /// Cell and load of some queues in some intervals of a run.
    fn sum(&self, run: &Played, intervals: std::ops::Range<usize>, queues: &[usize]) -> (Cell, Load) {
        let scene = &self.scenario.scene;
        let (width, teams) = (scene.policy.queues.len(), scene.policy.teams.len());
        let (mut cell, mut load) = (Cell::default(), Load::default());
        let serves = |team: &usize| queues.iter().any(|queue| self.served_by[*queue].contains(team));
        let by: Vec<usize> = (0..teams).filter(serves).collect();
        for interval in intervals {
            for queue in queues {
                cell.add(&run.cells[interval * width + queue]);
            }
            for team in &by {
                load.add(&run.loads[interval * teams + team]);
            }
        }
        (cell, load)
    }

    /// Cell and load of some queues, repetition by repetition.
    pub fn totals<'u>(&'u self, queues: &'u [usize]) -> impl Iterator<Item = (Cell, Load)> + 'u {
        (0..self.count()).map(move |unit| {
            let (run, intervals) = self.unit(unit);
            self.sum(run, intervals, queues)
        })
    }

    /// The intervals in which something was going on, with the day and the time they begin.
    fn active(&self) -> Vec<(usize, String, String)> {
        let (queues, teams) = (self.scenario.scene.policy.queues.len(), self.scenario.scene.policy.teams.len());
        let seconds = self.scenario.interval.0 / 1_000_000;
        let going_on = |run: &Played, at: usize| {
            run.cells[at * queues..(at + 1) * queues].iter().any(|cell| cell.offered + cell.handled > 0)
                || run.loads[at * teams..(at + 1) * teams].iter().any(|load| load.staffed() > 0)
        };
        let label = |at: usize| {
            let (day, begins) = (at / self.per_day(), (at % self.per_day()) as u64 * seconds);
            (at, self.scenario.dates[day].clone(), format!("{:02}:{:02}", begins / 3_600, begins / 60 % 60))
        };
        let all = 0..self.scenario.scene.intervals.len();
        all.filter(|at| self.runs.iter().any(|run| going_on(run, *at))).map(label).collect()
    }

    fn intervals(&self, active: &[(usize, String, String)], queues: &[usize]) -> Vec<Interval<Figures>> {
        let definition = self.scenario.definition;
        let interval = |(at, day, time): &(usize, String, String)| Interval {
            day: day.clone(),
            time: time.clone(),
            figures: Figures::over(self.runs.iter().map(|run| self.sum(run, *at..at + 1, queues)), definition),
        };
        active.iter().map(interval).collect()
    }

    fn team(&self, units: impl Iterator<Item = (Load, f64)>) -> TeamFigures {
        let (mut staffed, mut busy, mut occupancy) = (Ratio::default(), Ratio::default(), Ratio::default());
        for (load, span) in units {
            let (used, ready) = load.occupancy();
            staffed.add(load.staffed() as f64, span);
            busy.add(used as f64, span);
            occupancy.add(used as f64, ready as f64);
        }
        TeamFigures { staffed: staffed.estimate(), busy: busy.estimate(), occupancy: occupancy.estimate() }
    }

    fn team_report(&self, team: usize, active: &[(usize, String, String)]) -> TeamReport {
        let teams = self.scenario.scene.policy.teams.len();
        let length = self.scenario.interval.0 as f64;
        let total = (0..self.count()).map(|unit| {
            let (run, intervals) = self.unit(unit);
            let (mut load, mut worked) = (Load::default(), 0.0);
            for own in intervals.map(|at| run.loads[at * teams + team]).filter(|own| own.staffed() > 0) {
                load.add(&own);
                worked += length;
            }
            (load, worked)
        });
        let interval = |(at, day, time): &(usize, String, String)| Interval {
            day: day.clone(),
            time: time.clone(),
            figures: self.team(self.runs.iter().map(|run| (run.loads[at * teams + team], length))),
        };
        TeamReport {
            team: self.scenario.scene.policy.teams[team].id.to_string(),
            figures: self.team(total),
            intervals: active.iter().map(interval).collect(),
        }
    }
}

impl Report {
    /// What some runs of a scenario came to.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64, runs: &[Played], work: Work) -> Report {
        let units = Units::new(scenario, runs);
        let active = units.active();
        let policy = &scenario.scene.policy;
        let all: Vec<usize> = (0..policy.queues.len()).collect();
        let queue = |at: usize| QueueReport {
            queue: policy.queues[at].id.to_string(),
            threshold_s: policy.queues[at].service_level.threshold.0 as f64 / 1e6,
            target: f64::from(policy.queues[at].service_level.target_ppm) / 1e6,
            figures: Figures::over(units.totals(&[at]), scenario.definition),
            intervals: units.intervals(&active, &[at]),
        };
        let door = |field: fn(&Door) -> u64| {
            let mut sum = Ratio::default();
            let of = |run: &Played| run.doors.iter().map(field).sum::<u64>();
            runs.iter().for_each(|run| sum.add(of(run) as f64, 1.0));
            sum.estimate()
        };
        Report {
            name: scenario.name.clone(),
            seed,
            runs: runs.len(),
            repetitions: units.name(),
            days: scenario.dates.clone(),
            interval_s: scenario.interval.0 / 1_000_000,
            service_level_definition: scenario.definition.name(),
            door: DoorFigures {
                received: door(|door| door.received),
                again: door(|door| door.again),
                blocked: door(|door| door.blocked),
            },
            total: Figures::over(units.totals(&all), scenario.definition),
            intervals: units.intervals(&active, &all),
            queues: all.iter().map(|at| queue(*at)).collect(),
            teams: (0..policy.teams.len()).map(|team| units.team_report(team, &active)).collect(),
            commands: work.commands,
            audits: work.audits,
        }
    }

    /// The report as JSON, on one line.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The report as one page of HTML that needs nothing else.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// The report as a table for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}: {}, seed {}", self.name, plural(self.runs, "run"), self.seed);
        let _ = writeln!(out, " of {}, service level {}", span_of(&self.days), self.service_level_definition);
        out.push_str("± is half the 95 % interval");
        let _ = writeln!(out, " over {}; figures are of one run\n", self.repetitions);
        let header = [
            "queue",
            "offered",
            "answered",
            "service level",
            "ASA s",
            "abandoned %",
            "AHT s",
            "occupancy %",
            "longest s",
        ];
        let row = |name: &str, figures: &Figures| -> Vec<String> {
            vec![
                name.to_owned(),
                shown(figures.offered, 1.0, 0),
                shown(figures.answered, 1.0, 0),
                format!("{} %", shown(figures.service_level, 100.0, 1)),
                shown(figures.asa_s, 1.0, 1),
                shown(figures.abandonment, 100.0, 1),
                shown(figures.aht_s, 1.0, 0),
                shown(figures.occupancy, 100.0, 1),
                shown(figures.longest_wait_s, 1.0, 0),
            ]
        };
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.queues.iter().map(|queue| row(&queue.queue, &queue.figures)));
        if self.queues.len() > 1 {
            rows.push(row("all", &self.total));
        }
        out.push_str(&table(&rows));
        let teams = |team: &TeamReport| {
            let TeamFigures { staffed, busy, occupancy } = team.figures;
            vec![team.team.clone(), shown(staffed, 1.0, 1), shown(busy, 1.0, 1), shown(occupancy, 100.0, 1)]
        };
        let mut rows = vec![["team", "agents at work", "busy", "occupancy %"].map(str::to_owned).to_vec()];
        rows.extend(self.teams.iter().map(teams));
        out.push('\n');
        out.push_str(&table(&rows));
        if self.door.blocked.mean.unwrap_or(0.0) + self.door.again.mean.unwrap_or(0.0) > 0.0 {
            let DoorFigures { received, again, blocked } = self.door;
            let (received, again) = (shown(received, 1.0, 0), shown(again, 1.0, 0));
            let _ = writeln!(out, "\ncalls {received}, calls again {again}, no line {}", shown(blocked, 1.0, 0));
        }
        if self.audits > 0 {
            let _ = writeln!(out, "\ninvariants checked {} times in {} commands", self.audits, self.commands);
        }
        out
    }
}

/// `1 run`, `2 runs`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The days, as people say them.
pub(super) fn span_of(days: &[String]) -> String {
    match days {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] => format!("{first} to {last}"),
    }
}

/// A figure with its interval, `scale` times as large, with so many decimals.
pub(super) fn shown(figure: Estimate, scale: f64, decimals: usize) -> String {
    match (figure.mean, figure.half_width) {
        (None, _) => "-".into(),
        (Some(mean), None) => format!("{:.decimals$}", mean * scale),
        (Some(mean), Some(half)) => format!("{:.decimals$} ±{:.decimals$}", mean * scale, half * scale),
    }
}

/// Rows in columns: the first to the left, the others to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match at {
                0 => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

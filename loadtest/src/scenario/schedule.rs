//! Everything that chance decides, drawn from the seed before the run begins: who arrives when, how long each customer
//! waits and talks, and when agents are away. Times are in microseconds of the scenario's time from its beginning.

use std::path::Path;

use anyhow::{Context, ensure};

use super::arrivals::Window;
use super::center::Center;
use super::chance::Chance;
use super::{Absences, ClockTime, Scenario};

/// Most contacts of one run.
const CONTACTS: usize = 20_000_000;

/// A contact that will arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: u64,
    /// What it is, as `Center::kinds` has it.
    pub kind: u32,
    /// How long its customer waits; `u64::MAX` for ever.
    pub patience: u64,
    /// Talk and hold together.
    pub handle: u64,
}

/// What an agent will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Becomes not ready.
    Break,
    /// Is available again.
    Return,
    /// Signs out.
    SignOut,
    /// Signs in again.
    SignIn,
    /// His stream breaks.
    Lose,
    /// He opens another.
    Reopen,
}

/// An agent's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    /// When.
    pub at: u64,
    /// Who.
    pub agent: u32,
    /// What.
    pub what: Move,
}

/// The plan of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The contacts, in the order of their arrival.
    pub contacts: Vec<Planned>,
    /// What agents do, in the order of its time.
    pub moves: Vec<Away>,
    /// When contacts begin to arrive, and when they end.
    pub from: u64,
    /// When contacts end to arrive.
    pub to: u64,
}

/// What is asked of a schedule beside the scenario.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// Begins at this time of day.
    pub from: Option<ClockTime>,
    /// Ends at this time of day.
    pub to: Option<ClockTime>,
    /// The file of arrivals.
    pub arrivals: Option<&'a Path>,
    /// What rates and counts are multiplied with; 0 means 1.
    pub scale: f64,
}

impl Schedule {
    /// Draws the plan.
    ///
    /// # Errors
    /// When the file of arrivals cannot be read, or the window is empty or too large.
    pub fn new(scenario: &Scenario, center: &Center, asked: &Asked<'_>) -> anyhow::Result<Schedule> {
        let run = &scenario.run;
        let clock = |time: Option<ClockTime>, default: u64| match time {
            None => Ok(default),
            Some(time) => time
                .0
                .checked_sub(run.starts_at.0)
                .with_context(|| format!("{time} is before the scenario begins, at {}", run.starts_at)),
        };
        let from = clock(asked.from, 0)?;
        let to = clock(asked.to, run.duration.0.0)?.min(run.duration.0.0);
        ensure!(from < to, "nothing is between the beginning and the end of the run");
        let scale = if asked.scale > 0.0 { asked.scale } else { 1.0 };
        let window = Window { from, to, starts_at: run.starts_at, file: asked.arrivals, scale };
        let contacts = contacts(scenario, center, &window)?;
        ensure!(!contacts.is_empty(), "nobody arrives");
        let mut moves = Vec::new();
        for (number, agent) in center.agents.iter().enumerate() {
            let group = &scenario.agent_groups[agent.group];
            let kinds = [
                (&group.breaks, Move::Break, Move::Return, "breaks"),
                (&group.log_outs, Move::SignOut, Move::SignIn, "log-outs"),
                (&group.lost_sessions, Move::Lose, Move::Reopen, "sessions"),
            ];
            for (absences, leave, back, purpose) in kinds {
                if let Some(absences) = absences {
                    let mut chance = Chance::new(run.seed, purpose, number as u64);
                    absent(absences, (from, to), number as u32, (leave, back), &mut chance, &mut moves);
                }
            }
        }
        moves.sort_by_key(|away| away.at);
        Ok(Schedule { contacts, moves, from, to })
    }
}

fn contacts(scenario: &Scenario, center: &Center, window: &Window<'_>) -> anyhow::Result<Vec<Planned>> {
    let seed = scenario.run.seed;
    let mut arrived = Vec::new();
    for (number, arrivals) in scenario.arrivals.iter().enumerate() {
        let classes = class_shares(scenario, &arrivals.classes);
        let instants = arrivals.instants(window, &mut Chance::new(seed, "arrivals", number as u64))?;
        let mut chance = Chance::new(seed, "classes", number as u64);
        arrived.extend(instants.into_iter().map(|at| (at, pick(&classes, &mut chance))));
    }
    ensure!(arrived.len() <= CONTACTS, "{} contacts are more than {CONTACTS}", arrived.len());
    arrived.sort_unstable();
    let mut queue = Chance::new(seed, "queues", 0);
    let mut patience = Chance::new(seed, "patience", 0);
    let mut handle = Chance::new(seed, "handle", 0);
    let planned = arrived.into_iter().map(|(at, class)| {
        let kinds = &center.class_kinds[class];
        let what = &scenario.contact_classes[class];
        Planned {
            at,
            kind: kinds[queue.below(kinds.len())] as u32,
            patience: what.patience.as_ref().map_or(u64::MAX, |patient| patient.draw(&mut patience)),
            handle: what.handle_time.draw(&mut handle),
        }
    });
    Ok(planned.collect())
}

/// The classes of a stream with their shares added up.
fn class_shares(scenario: &Scenario, named: &[toml::Spanned<String>]) -> Vec<(usize, f64)> {
    let wanted = |id: &String| named.is_empty() || named.iter().any(|name| name.get_ref() == id);
    let mut sum = 0.0;
    let classes = scenario.contact_classes.iter().enumerate().filter(|(_, class)| wanted(&class.id));
    let shares = classes.map(|(number, class)| {
        sum += class.share;
        (number, sum)
    });
    shares.collect()
}

fn pick(classes: &[(usize, f64)], chance: &mut Chance) -> usize {
    let whole = classes.last().map_or(0.0, |(_, sum)| *sum);
    let drawn = chance.unit() * whole;
    let found = classes.iter().find(|(_, sum)| drawn < *sum).or(classes.last());
    found.map_or(0, |(class, _)| *class)
}

fn absent(
    absences: &Absences,
    (from, to): (u64, u64),
    agent: u32,
    (leave, back): (Move, Move),
    chance: &mut Chance,
    moves: &mut Vec<Away>,
) {
    let mut at = from;
    loop {
        at += (-(1.0 - chance.unit()).ln() * absences.every.0.0 as f64) as u64;
        // Those who left are back before the end, so that what waits for them can end.
        let end = at + absences.lasting.draw(chance).max(1);
        if end >= to {
            return;
        }
        moves.push(Away { at, agent, what: leave });
        moves.push(Away { at: end, agent, what: back });
        at = end;
    }
}

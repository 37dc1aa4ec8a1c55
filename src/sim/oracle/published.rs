//! Whole days whose outputs others have printed: each case's system becomes a configuration and a scenario file, which
//! are compiled like anyone's. The three of `tests/oracles/published.json` stand in `config/scenarios/published`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::config;
use crate::engine::time::Time;
use crate::sim::books::{Cell, Door};
use crate::sim::play::{self, Options};
use crate::sim::scenario::{Scenario, compile};
use crate::sim::scene::To;

use super::file::Distribution;

/// The configuration and the scenario of a case, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The configuration.
    pub configuration: String,
    /// The scenario.
    pub scenario: String,
}

/// A day with one kind of contacts and one of agents. Unknown keys are refused: each might change what it does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneQueue {
    arrival_rate_per_min: f64,
    mean_handle_min: f64,
    agents: u32,
    #[serde(rename = "T_s")]
    threshold_s: f64,
    day_min: u32,
    #[serde(default)]
    patience: Value,
    waiting_places: Option<u32>,
    #[serde(rename = "closing")]
    _closing: String,
    #[serde(rename = "occupancy")]
    _occupancy: String,
}

/// A week with types of contacts in several languages and groups of agents who speak some.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Languages {
    types: BTreeMap<String, String>,
    opening: String,
    arrival_rate_per_hour_each_type: BTreeMap<String, f64>,
    groups: BTreeMap<String, u32>,
    handle_time_min: BTreeMap<String, String>,
    patience: String,
    retry: Option<String>,
    lines: Option<u32>,
    agent_selection: String,
    contact_selection: String,
    #[serde(rename = "T_s")]
    threshold_s: f64,
    #[serde(rename = "closing")]
    _closing: String,
    #[serde(rename = "occupancy")]
    _occupancy: String,
}

const TENANT: &str = "[[tenants]]\nid = \"default\"\nsession_lease = \"0s\"\nretention = \"0s\"\nretained_contacts = 0\n\n\
    [[tenants.channels]]\nid = \"voice\"\nconnect = \"on_accept\"\nauto_accept = true\n";

/// The files of a case's system.
///
/// # Errors
/// A system that is neither kind, or words in it that are not understood.
pub fn files(system: &Value) -> Result<Files> {
    match system.get("types") {
        None => one_queue(&OneQueue::deserialize(system).context("the system cannot be read")?),
        Some(_) => languages(&Languages::deserialize(system).context("the system cannot be read")?),
    }
}

/// A duration of so many seconds, as files write it.
fn duration(seconds: f64) -> String {
    format!("{}us", (seconds * 1e6).round() as u64)
}

fn clock(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn one_queue(system: &OneQueue) -> Result<Files> {
    let OneQueue { agents, day_min, .. } = system;
    if *day_min == 0 || *day_min > 16 * 60 {
        bail!("a day of {day_min} minutes does not fit in from 08:00 on");
    }
    let mut configuration = format!("{TENANT}\n[[tenants.queues]]\nid = \"calls\"\n");
    let threshold = duration(system.threshold_s);
    let _ = writeln!(configuration, "service_level = {{ threshold = \"{threshold}\" }}");
    if let Some(places) = system.waiting_places {
        let _ = writeln!(configuration, "limit = {places}");
    }
    configuration.push_str("\n[[tenants.teams]]\nid = \"agents\"\nqueues = [{ id = \"calls\" }]\n");
    let (from, to) = (clock(480), clock(480 + day_min));
    let interval = [60, 30, 15, 5].into_iter().find(|length| day_min % length == 0).unwrap_or(1);
    let mut scenario =
        format!("start = \"2024-01-01\"\ninterval = \"{interval}m\"\n\n[[flows]]\nid = \"calls\"\nqueue = \"calls\"\n");
    let rate = system.arrival_rate_per_min * 60.0;
    let handle = duration(system.mean_handle_min * 60.0);
    let _ = write!(
        scenario,
        "arrivals = [{{ kind = \"constant\", per_hour = {rate:?}, from = \"{from}\", to = \"{to}\" }}]\n\
         handle_time = {{ law = \"exponential\", mean = \"{handle}\" }}\n"
    );
    match &system.patience {
        Value::Null => {}
        Value::String(words) => {
            let mean = duration(number_between(words, "exponential mean ", " min")? * 60.0);
            let _ = writeln!(scenario, "patience = {{ law = \"exponential\", mean = \"{mean}\" }}");
        }
        table => {
            let given = Distribution::deserialize(table).context("the patience cannot be read")?;
            let _ = writeln!(scenario, "patience = {}", law(&given)?);
        }
    }
    let _ = write!(
        scenario,
        "\n[[agents]]\nteam = \"agents\"\ncount = {agents}\n\n\
         [[shifts]]\nteam = \"agents\"\nfrom = \"{from}\"\nto = \"{to}\"\nstay = true\n"
    );
    Ok(Files { configuration, scenario })
}

/// A law as scenarios write it.
fn law(given: &Distribution) -> Result<String> {
    let seconds =
        |value: Option<f64>, what: &str| value.map(duration).with_context(|| format!("the law lacks `{what}`"));
    let mean = || seconds(given.mean_s, "mean_s");
    Ok(match given.distribution.as_str() {
        "exp" | "exponential" => format!("{{ law = \"exponential\", mean = \"{}\" }}", mean()?),
        "det" | "deterministic" => format!("{{ law = \"deterministic\", mean = \"{}\" }}", mean()?),
        "lognormal" => {
            format!("{{ law = \"lognormal\", mean = \"{}\", sd = \"{}\" }}", mean()?, seconds(given.sd_s, "sd_s")?)
        }
        other => bail!("there is no law `{other}` here"),
    })
}

fn languages(system: &Languages) -> Result<Files> {
    if !system.contact_selection.starts_with("oldest waiting") {
        bail!("there is no contact selection `{}`", system.contact_selection);
    }
    let selection = match system.agent_selection.as_str() {
        words if words.starts_with("uniformly at random") => "random",
        words if words.starts_with("longest idle") => "longest_idle",
        words => bail!("there is no agent selection `{words}`"),
    };
    let mut configuration = TENANT.to_owned();
    let threshold = duration(system.threshold_s);
    for kind in system.types.keys() {
        let _ = write!(
            configuration,
            "\n[[tenants.queues]]\nid = \"{kind}\"\nselection = \"{selection}\"\nservice_level = {{ threshold = \"{threshold}\" }}\n"
        );
    }
    for group in system.groups.keys() {
        let speaks = |language: &str| language.to_lowercase() == *group || group == "bilingual";
        let kinds = system.types.iter().filter(|(_, language)| speaks(language));
        let queues: Vec<String> = kinds.map(|(kind, _)| format!("{{ id = \"{kind}\" }}")).collect();
        if queues.is_empty() {
            bail!("group `{group}` speaks no type's language");
        }
        let _ = write!(configuration, "\n[[tenants.teams]]\nid = \"{group}\"\nqueues = [{}]\n", queues.join(", "));
    }
    let (from, to) = opening(&system.opening)?;
    let mut scenario = String::from("start = \"2024-01-01\"\ndays = 5\ninterval = \"1h\"\n");
    if let Some(lines) = system.lines {
        let _ = writeln!(scenario, "lines = {lines}");
    }
    for kind in system.types.keys() {
        language_flow(system, kind, &mut scenario)?;
    }
    for (group, agents) in &system.groups {
        let _ = write!(
            scenario,
            "\n[[agents]]\nteam = \"{group}\"\ncount = {agents}\n\n\
             [[shifts]]\nteam = \"{group}\"\nfrom = \"{from}\"\nto = \"{to}\"\n"
        );
    }
    let _ = write!(scenario, "\n[[closings]]\nqueues = [\"*\"]\nat = \"{to}\"\n");
    Ok(Files { configuration, scenario })
}

fn language_flow(system: &Languages, kind: &str, out: &mut String) -> Result<()> {
    let mut arrivals = Vec::new();
    for (hours, rate) in &system.arrival_rate_per_hour_each_type {
        let (from, to) = hours.split_once('-').with_context(|| format!("`{hours}` are no hours"))?;
        arrivals
            .push(format!("{{ kind = \"constant\", per_hour = {rate:?}, from = \"{from}:00\", to = \"{to}:00\" }}"));
    }
    let times = system.handle_time_min.get(kind).with_context(|| format!("there is no handle time of `{kind}`"))?;
    let handle = times.strip_prefix("uniform ").and_then(|bounds| bounds.split_once(".."));
    let (low, high) = handle.with_context(|| format!("the handle time `{times}` is not understood"))?;
    let patience = number_between(&system.patience, "exponential mean ", " min")?;
    let _ = write!(
        out,
        "\n[[flows]]\nid = \"{kind}\"\nqueue = \"{kind}\"\narrivals = [\n    {},\n]\n\
         handle_time = {{ law = \"uniform\", min = \"{low}m\", max = \"{high}m\" }}\n\
         patience = {{ law = \"exponential\", mean = \"{}\" }}\n",
        arrivals.join(",\n    "),
        duration(patience * 60.0)
    );
    if let Some(words) = &system.retry {
        let probability = number_between(words, "with probability ", " a contact")?;
        let delay = duration(number_between(words, "calls again ", " min later")? * 60.0);
        let adds_up = words.contains("its waits add up");
        let _ = writeln!(
            out,
            "retry = {{ probability = {probability:?}, delay = {{ law = \"deterministic\", mean = \"{delay}\" }}, waits_add_up = {adds_up} }}"
        );
    }
    Ok(())
}

/// The number between two pieces of words.
fn number_between(words: &str, before: &str, after: &str) -> Result<f64> {
    let found = words.split_once(before).and_then(|(_, rest)| rest.split_once(after)).map(|(number, _)| number);
    found.and_then(|number| number.trim().parse().ok()).with_context(|| format!("`{words}` is not understood"))
}

/// From when to when it is open on Monday to Friday.
fn opening(words: &str) -> Result<(&str, &str)> {
    let hours = words.strip_prefix("Mon-Fri ").and_then(|hours| hours.split_once('-'));
    hours.with_context(|| format!("the opening `{words}` is not understood"))
}

/// What so many independent days or weeks came to.
#[derive(Debug)]
pub struct Week {
    scenario: Scenario,
    runs: f64,
    /// By queue, over all runs.
    cells: Vec<Cell>,
    /// By flow, over all runs.
    doors: Vec<Door>,
    /// By team: busy, after hours too where the case counts that, over all runs, in agent-microseconds.
    busy: Vec<f64>,
    /// By team: scheduled, in one run.
    scheduled: Vec<f64>,
}

/// Plays a system's scenario for so many independent days or weeks.
///
/// # Errors
/// What cannot be expressed, or is refused.
pub fn play(system: &Value, days: u64, seed: u64) -> Result<Week> {
    let Files { configuration, scenario } = files(system)?;
    let config = config::parse(&configuration, "configuration of the case").context("the router cannot express it")?;
    let none = |name: &str| Err(format!("there is no file `{name}`"));
    let scenario = compile(&scenario, "scenario of the case", &config, &none)?;
    let options = Options { seed, runs: u32::try_from(days)?, jobs: 1, audit: None };
    let (runs, _) = play::play(&scenario, &options, |_| {})?;
    let (queues, teams) = (scenario.scene.policy.queues.len(), scenario.scene.policy.teams.len());
    let hours = Hours::of(&scenario);
    // "busy / staffed agent time inside the 480 min", or "busy minutes / scheduled agent minutes".
    let overtime = !system.get("occupancy").and_then(Value::as_str).is_some_and(|words| words.contains("inside"));
    let length = scenario.interval.0 as f64;
    let mut week = Week {
        runs: runs.len() as f64,
        cells: vec![Cell::default(); queues],
        doors: vec![Door::default(); scenario.scene.flows.len()],
        busy: vec![0.0; teams],
        scheduled: (0..teams)
            .map(|team| hours.agents.iter().map(|agents| agents[team] as f64 * length).sum())
            .collect(),
        scenario,
    };
    for run in &runs {
        run.cells.iter().enumerate().for_each(|(at, cell)| week.cells[at % queues].add(cell));
        for (at, load) in run.loads.iter().enumerate() {
            if overtime || hours.agents[at / teams][at % teams] > 0 {
                week.busy[at % teams] += load.busy as f64;
            }
        }
        for (sum, door) in week.doors.iter_mut().zip(&run.doors) {
            sum.received += door.received;
            sum.blocked += door.blocked;
        }
    }
    Ok(week)
}

/// Agents scheduled, interval by interval, each with every team.
struct Hours {
    agents: Vec<Vec<u32>>,
}

impl Hours {
    fn of(scenario: &Scenario) -> Hours {
        let scene = &scenario.scene;
        let teams: HashMap<&str, usize> =
            scene.everyone().filter_map(|agent| Some((&*agent.agent_id, scene.team(agent.team.as_ref()?)?))).collect();
        let mut at_work = vec![0; scene.policy.teams.len()];
        let mut changes = scene.roster.iter().peekable();
        let hour = |begins: &Time| {
            while let Some(change) = changes.next_if(|change| change.at <= *begins) {
                let Some(&team) = teams.get(&*change.agent_id) else { continue };
                match change.to {
                    To::In | To::Back => at_work[team] += 1,
                    To::Out { .. } | To::Break(_) => at_work[team] -= 1,
                }
            }
            at_work.clone()
        };
        Hours { agents: scene.intervals.iter().map(hour).collect() }
    }
}

impl Week {
    /// Calls, over all runs.
    #[must_use]
    pub fn contacts(&self) -> u64 {
        self.doors.iter().map(|door| door.received).sum()
    }

    /// The measured value of a metric such as `served_within_T_per_day`, `abandoned_type0` or `occupancy_english`; none
    /// when it is not known.
    #[must_use]
    pub fn measure(&self, metric: &str) -> Option<f64> {
        if let Some(team) = metric.strip_prefix("occupancy_") {
            let team = self.scenario.scene.team(team)?;
            return Some(self.busy[team] / (self.runs * self.scheduled[team]));
        }
        let flows = &self.scenario.scene.flows;
        for (at, flow) in flows.iter().enumerate() {
            if let Some(name) = metric.strip_suffix(&*flow.id).and_then(|name| name.strip_suffix('_')) {
                return self.of(name, &self.cells[at], &self.doors[at]);
            }
        }
        let (mut cell, mut door) = (Cell::default(), Door::default());
        self.cells.iter().for_each(|other| cell.add(other));
        for other in &self.doors {
            door.received += other.received;
            door.blocked += other.blocked;
        }
        if metric == "occupancy" {
            return Some(self.busy.iter().sum::<f64>() / (self.runs * self.scheduled.iter().sum::<f64>()));
        }
        self.of(metric.strip_suffix("_per_day").or(metric.strip_suffix("_per_week")).unwrap_or(metric), &cell, &door)
    }

    fn of(&self, name: &str, cell: &Cell, door: &Door) -> Option<f64> {
        let blocked = cell.refused + door.blocked;
        let each = |count: u64| count as f64 / self.runs;
        let share = |of: u64| cell.within as f64 / of as f64;
        Some(match name {
            "arrivals" | "arrivals_incl_retries" => each(door.received),
            "served" => each(cell.answered),
            "abandoned" => each(cell.abandoned),
            "blocked" => each(blocked),
            "served_within_T" => each(cell.within),
            "service_level_over_served" => share(cell.answered),
            "service_level_over_served_plus_abandoned" => share(cell.answered + cell.abandoned),
            "service_level_over_served_plus_blocked" => share(cell.answered + blocked),
            "service_level_over_arrivals" => share(door.received),
            "asa_served_s" => cell.wait_answered as f64 / 1e6 / cell.answered as f64,
            "p_abandon" => cell.abandoned as f64 / door.received as f64,
            "p_blocked" => blocked as f64 / door.received as f64,
            _ => return None,
        })
    }
}

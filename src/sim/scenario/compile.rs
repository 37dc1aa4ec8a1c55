//! A scenario file becomes a scene, or a list of all its faults.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;

use crate::config::schema::{At, Id};
use crate::config::tenant::{attributes, require};
use crate::config::{Config, Faults, Gathered, document};
use crate::engine::agent::{AgentProfile, AgentType};
use crate::engine::policy::{Policy, WrapUp};
use crate::engine::time::Span;
use crate::sim::law::Law;
use crate::sim::scene::{self, Closing, Conduct, Flow, Retry, Scene, key_of};

use super::calendar::Calendar;
use super::data::Files;
use super::schema::{self, LawName, SCENARIO, TeamLaw};
use super::sources::{self, Source};
use super::{Scenario, roster};

/// Cells of the report at most: intervals x queues.
const CELLS: usize = 1_000_000;

/// Capacity units, patience and so on are checked; what is gathered on the way.
pub(super) struct Work<'w, 't> {
    pub policy: &'w Policy,
    pub calendar: &'w Calendar,
    pub faults: &'w mut Gathered<'t>,
    pub files: Files<'w>,
}

impl Work<'_, '_> {
    /// Looks a name up among known ones; reports it when it is none.
    pub fn find<'a>(
        &mut self,
        what: &str,
        name: &At<String>,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<usize> {
        let at = known.clone().position(|id| id == name.get());
        if at.is_none() {
            self.faults.unknown(name.span(), what, name.get(), known);
        }
        at
    }

    /// Place of a team.
    pub fn team(&mut self, name: &At<String>) -> Option<usize> {
        let policy = self.policy;
        self.find("team", name, policy.teams.iter().map(|team| &*team.id))
    }

    /// Reports what a table lacks.
    pub fn lacks<T>(&mut self, given: Option<T>, span: &Range<usize>, what: &str) -> Option<T> {
        if given.is_none() {
            self.faults.add(span.clone(), format!("`{what}` is missing"));
        }
        given
    }

    /// The law of a table.
    pub fn law(&mut self, table: &At<schema::Law>) -> Law {
        let span = table.span();
        let given = table.get();
        let micros = |given: &Option<crate::config::duration::Duration>| given.map(|given| given.0.0 as f64);
        let lost = Law::Deterministic { value: 0.0 };
        self.unused(given, &span);
        let (mean, scale) = (micros(&given.mean), micros(&given.scale));
        let law = match given.law {
            LawName::Exponential => self.lacks(mean, &span, "mean").map(|mean| Law::Exponential { mean }),
            LawName::Deterministic => self.lacks(mean, &span, "mean").map(|value| Law::Deterministic { value }),
            LawName::Lognormal => {
                let sd = self.lacks(micros(&given.sd), &span, "sd");
                let mean = self.lacks(mean, &span, "mean");
                if mean == Some(0.0) {
                    self.faults.add(span.clone(), "a lognormal time cannot have mean 0");
                }
                mean.filter(|mean| *mean > 0.0).zip(sd).map(|(mean, sd)| Law::lognormal(mean, sd))
            }
            LawName::Erlang => {
                let k = self.lacks(given.stages, &span, "stages");
                self.lacks(mean, &span, "mean").zip(k).map(|(mean, k)| Law::Erlang { k, mean })
            }
            LawName::Hyperexponential => {
                let scv = self.lacks(given.scv, &span, "scv");
                self.lacks(mean, &span, "mean").zip(scv).map(|(mean, scv)| Law::hyperexponential(mean, scv))
            }
            LawName::Weibull => {
                let shape = self.lacks(given.shape, &span, "shape");
                self.lacks(scale, &span, "scale").zip(shape).map(|(scale, shape)| Law::Weibull { scale, shape })
            }
            LawName::Uniform => {
                let low = self.lacks(micros(&given.min), &span, "min");
                let both = low.zip(self.lacks(micros(&given.max), &span, "max"));
                if both.is_some_and(|(low, high)| low > high) {
                    self.faults.add(span.clone(), "`min` is above `max`");
                }
                both.map(|(low, high)| Law::Uniform { low, high })
            }
            LawName::Empirical => self.empirical(given, &span),
        };
        law.unwrap_or(lost)
    }

    fn empirical(&mut self, given: &schema::Law, span: &Range<usize>) -> Option<Law> {
        let values = match (&given.values, &given.file) {
            (Some(values), None) => values.iter().map(|value| value.0.0 as f64).collect(),
            (None, Some(file)) => sources::numbers(self, file),
            _ => {
                self.faults.add(span.clone(), "an empirical law needs `values` or `file`, one of the two");
                return None;
            }
        };
        if values.is_empty() {
            self.faults.add(span.clone(), "an empirical law needs at least one value");
            return None;
        }
        Some(Law::Empirical { values })
    }

    /// Reports parameters that mean nothing to the law.
    fn unused(&mut self, given: &schema::Law, span: &Range<usize>) {
        use LawName::{Deterministic, Empirical, Erlang, Exponential, Hyperexponential, Lognormal, Uniform, Weibull};
        let rules: [(&str, bool, &[LawName]); 10] = [
            ("mean", given.mean.is_some(), &[Exponential, Lognormal, Deterministic, Erlang, Hyperexponential]),
            ("sd", given.sd.is_some(), &[Lognormal]),
            ("stages", given.stages.is_some(), &[Erlang]),
            ("scv", given.scv.is_some(), &[Hyperexponential]),
            ("scale", given.scale.is_some(), &[Weibull]),
            ("shape", given.shape.is_some(), &[Weibull]),
            ("min", given.min.is_some(), &[Uniform]),
            ("max", given.max.is_some(), &[Uniform]),
            ("values", given.values.is_some(), &[Empirical]),
            ("file", given.file.is_some(), &[Empirical]),
        ];
        for (key, _, _) in rules.iter().filter(|(_, is_given, laws)| *is_given && !laws.contains(&given.law)) {
            self.faults.add(span.clone(), format!("`{key}` means nothing to this law"));
        }
    }

    /// Laws by team: the general one, but for those who have their own.
    fn by_team(&mut self, general: Option<&At<schema::Law>>, own: &[TeamLaw]) -> Vec<Option<Law>> {
        let general = general.map(|law| self.law(law));
        let mut laws = vec![general; self.policy.teams.len()];
        for own in own {
            let law = self.law(&own.time);
            if let Some(team) = self.team(&own.team) {
                laws[team] = Some(law);
            }
        }
        laws
    }
}

/// Reads and compiles a scenario against a checked configuration.
///
/// # Errors
/// All its faults.
pub fn compile(text: &str, file: &str, config: &Config, files: Files<'_>) -> Result<Scenario, Faults> {
    let mut faults = Gathered::new(text);
    let Some(table) = document::<schema::Scenario>(&SCENARIO, &mut faults) else { return Err(faults.finish(file)) };
    if faults.count() > 0 {
        return Err(faults.finish(file));
    }
    let Some(policy) = tenant(&table, config, &mut faults) else { return Err(faults.finish(file)) };
    let start: Date = match table.start.get().parse() {
        Ok(start) => start,
        Err(_) => {
            faults.add(table.start.span(), "not a date");
            return Err(faults.finish(file));
        }
    };
    let calendar = match Calendar::new(&policy.time_zone, start, table.days.unwrap_or(1)) {
        Ok(calendar) => calendar,
        Err(message) => {
            faults.add(table.start.span(), message);
            return Err(faults.finish(file));
        }
    };
    let mut work = Work { policy, calendar: &calendar, faults: &mut faults, files };
    let scenario = build(&table, file, &mut work);
    match faults.count() {
        0 => Ok(scenario),
        _ => Err(faults.finish(file)),
    }
}

fn tenant<'c>(table: &schema::Scenario, config: &'c Config, faults: &mut Gathered<'_>) -> Option<&'c Policy> {
    match &table.tenant {
        None => config.tenants.first(),
        Some(name) => {
            let found = config.tenants.iter().find(|policy| *policy.tenant == **name.get());
            if found.is_none() {
                faults.unknown(name.span(), "tenant", name.get(), config.tenants.iter().map(|policy| &*policy.tenant));
            }
            found
        }
    }
}

fn build(table: &schema::Scenario, file: &str, work: &mut Work<'_, '_>) -> Scenario {
    let interval = table.interval.as_ref().map_or(Span::from_secs(1_800), |interval| interval.get().0);
    let per_day = 86_400_000_000 / interval.0;
    if 86_400_000_000 % interval.0 != 0 {
        let span = table.interval.as_ref().map_or(0..0, At::span);
        work.faults.add(span, "a day is no whole number of such intervals");
    }
    let days = work.calendar.days();
    if days * per_day as usize * work.policy.queues.len() > CELLS {
        let span = table.interval.as_ref().map_or(table.start.span(), At::span);
        work.faults.hinted(
            span,
            format!("more than {CELLS} intervals x queues"),
            "take longer intervals or fewer days",
        );
    }
    let mut names = HashSet::new();
    for flow in &table.flows {
        if !names.insert(flow.id.get().0.as_str()) {
            work.faults.add(flow.id.span(), format!("there are two flows `{}`", flow.id.get().0));
        }
    }
    let agents = agents(table, work);
    let (flows, sources): (Vec<Flow>, Vec<Vec<Source>>) = table.flows.iter().map(|table| flow(table, work)).unzip();
    let boundary = |day: usize| (0..per_day).map(move |at| (day, (at * interval.0 / 1_000_000) as u32));
    let scene = Scene {
        policy: Arc::new(work.policy.clone()),
        start: work.calendar.at(0, 0),
        end: work.calendar.at(days, 0),
        flows,
        conduct: conduct(table, work),
        roster: roster::roster(table, &agents, work),
        agents,
        closings: closings(table, work),
        lines: table.lines,
        intervals: (0..days).flat_map(boundary).map(|(day, seconds)| work.calendar.at(day, seconds)).collect(),
    };
    let stem = std::path::Path::new(file).file_stem().map_or(file.into(), |stem| stem.to_string_lossy());
    let adds_up = |flow: &schema::Flow| flow.retry.as_ref().is_some_and(|retry| retry.waits_add_up == Some(true));
    Scenario {
        name: table.name.as_ref().map_or_else(|| stem.into_owned(), |name| name.0.clone()),
        runs: table.runs.unwrap_or(10),
        dates: (0..days).map(|day| work.calendar.date(day).to_string()).collect(),
        interval,
        definition: table.service_level.unwrap_or_default(),
        adds_up: table.flows.iter().map(adds_up).collect(),
        scene,
        sources,
    }
}

fn agents(table: &schema::Scenario, work: &mut Work<'_, '_>) -> Vec<Arc<AgentProfile>> {
    let mut known: HashSet<String> = work.policy.agents.iter().map(|agent| agent.agent_id.to_string()).collect();
    let mut made = Vec::new();
    for group in &table.agents {
        let team = work.team(&group.team);
        for skill in group.skills.keys() {
            let policy = work.policy;
            work.find("skill", skill, policy.skills.iter().map(|skill| &*skill.id));
        }
        let prefix = group.prefix.as_ref().map_or(group.team.get().as_str(), |prefix| prefix.get().0.as_str());
        for number in 1..=group.count {
            let agent_id = format!("{prefix}-{number}");
            if !known.insert(agent_id.clone()) {
                let span = group.prefix.as_ref().map_or(group.team.span(), At::span);
                let hint = "give these agents another `prefix`";
                work.faults.hinted(span, format!("there is an agent `{agent_id}` already"), hint);
                break;
            }
            made.push(Arc::new(AgentProfile {
                display_name: agent_id.as_str().into(),
                agent_id: agent_id.into(),
                team: team.map(|team| work.policy.teams[team].id.clone()),
                site: group.site.as_ref().map(|site| site.0.as_str().into()),
                agent_type: AgentType::Human,
                skills: group.skills.iter().map(|(skill, level)| (skill.get().as_str().into(), level.0)).collect(),
                attributes: Vec::new(),
                capacity: group.capacity.unwrap_or(AgentProfile::CAPACITY),
                managed_by_config: false,
            }));
        }
    }
    made
}

fn flow(table: &schema::Flow, work: &mut Work<'_, '_>) -> (Flow, Vec<Source>) {
    let policy = work.policy;
    let id = table.id.get().0.as_str();
    let queue = work.find("queue", &table.queue, policy.queues.iter().map(|queue| &*queue.id));
    let channels = policy.channels.iter().map(|channel| &*channel.id);
    let channel = match &table.channel {
        Some(name) => work.find("channel", name, channels),
        None => {
            let voice = policy.channels.iter().position(|channel| &*channel.id == "voice");
            work.lacks(voice, &table.id.span(), "channel")
        }
    };
    let wrap = table.wrap_up.as_ref().or(table.wrap_up_by_team.first().map(|own| &own.time));
    if let (Some(wrap), Some(queue)) = (wrap, queue)
        && policy.queues[queue].wrap_up == WrapUp::None
    {
        let hint = "give the queue wrap_up = { mode = \"manual\" } in the configuration";
        work.faults.hinted(wrap.span(), format!("queue `{}` has no wrap-up", policy.queues[queue].id), hint);
    }
    let (sources, given) = sources::sources(table, work);
    let known = policy.skills.iter().map(|skill| &*skill.id);
    let is_skill = |name: &str| policy.skills.iter().any(|skill| &*skill.id == name);
    let handle_time = work.by_team(Some(&table.handle_time), &table.handle_time_by_team);
    let flow = Flow {
        id: id.into(),
        key: key_of(id),
        queue: table.queue.get().as_str().into(),
        channel: channel.map_or_else(Default::default, |channel| policy.channels[channel].id.clone()),
        priority: table.priority.unwrap_or(0),
        requirement: table.require.as_ref().and_then(|text| require(text, &is_skill, known.clone(), work.faults)),
        attributes: attributes(&table.attributes, &table.id.span(), work.faults),
        patience: table.patience.as_ref().map(|law| work.law(law)),
        handle_time: handle_time.into_iter().flatten().collect(),
        wrap_up: work.by_team(table.wrap_up.as_ref(), &table.wrap_up_by_team),
        retry: table.retry.as_ref().map(|retry| Retry {
            probability: retry.probability.0,
            delay: work.law(&retry.delay),
            attempts: retry.attempts.unwrap_or(100),
        }),
        given,
    };
    (flow, sources)
}

fn conduct(table: &schema::Scenario, work: &mut Work<'_, '_>) -> Vec<Conduct> {
    let mut conduct = vec![Conduct::default(); work.policy.teams.len()];
    let mut own: BTreeMap<usize, Conduct> = BTreeMap::new();
    for given in &table.conduct {
        let read = Conduct {
            accept_delay: given.accept_delay.as_ref().map(|law| work.law(law)),
            decline: given.decline.map_or(0.0, |share| share.0),
            no_answer: given.no_answer.map_or(0.0, |share| share.0),
            connect_delay: given.connect_delay.as_ref().map(|law| work.law(law)),
        };
        if read.decline + read.no_answer > 1.0 {
            work.faults.add(given.team.span(), "`decline` and `no_answer` are more than 1 together");
        }
        if given.team.get() == "*" {
            conduct.fill(read);
        } else if let Some(team) = work.team(&given.team) {
            own.insert(team, read);
        }
    }
    for (team, read) in own {
        conduct[team] = read;
    }
    conduct
}

fn closings(table: &schema::Scenario, work: &mut Work<'_, '_>) -> Vec<Closing> {
    let policy = work.policy;
    let mut closings = Vec::new();
    for given in &table.closings {
        let mut queues = Vec::new();
        for name in &given.queues {
            match name.get().as_str() {
                "*" => queues.extend(0..policy.queues.len()),
                _ => queues.extend(work.find("queue", name, policy.queues.iter().map(|queue| &*queue.id))),
            }
        }
        let seconds = work.calendar.seconds(&given.at);
        for day in work.calendar.on(&given.days) {
            closings.push(Closing { at: work.calendar.at(day, seconds), queues: queues.clone() });
        }
    }
    closings.sort_by_key(|closing| closing.at);
    closings
}

/// The id of a flow, for messages.
pub(super) fn id_of(id: &At<Id>) -> &str {
    &id.get().0
}

/// A change in an agent's day.
pub(super) fn change(at: crate::engine::time::Time, agent: &AgentProfile, to: scene::To) -> scene::Change {
    scene::Change { at, agent_id: agent.agent_id.clone(), to }
}

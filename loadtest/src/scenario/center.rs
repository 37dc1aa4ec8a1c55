//! The contact center of a run: the server's configuration, made of the scenario or taken from a file, and what the
//! books need to know of it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use toml::{Table, Value};
use usher::config::requirement;
use usher::engine::agent::AgentProfile;
use usher::engine::policy::{Channel, Connect, ContactOrder, Policy, Queue, Team, WrapUp};
use usher::engine::requirement::Expr;

use super::chance::Chance;
use super::scale::{Scaled, scale};
use super::{AgentGroup, Journal, Scenario};

/// Events held for a reader that does not keep up: a run's are read as fast as they come, but bursts are large.
const STREAM_BUFFER: i64 = 65_536;

/// The center of a run.
pub struct Center {
    /// The server's configuration, its times divided by the speed.
    pub config: String,
    /// Times that could not be divided as they should.
    pub scaled: Scaled,
    /// The channels.
    pub channels: Vec<ChannelFacts>,
    /// The queues.
    pub queues: Vec<QueueFacts>,
    /// The agents of the scenario's groups.
    pub agents: Vec<AgentFacts>,
    /// Contacts that may be served by the same agents at the same priority.
    pub kinds: Vec<Kind>,
    /// The kinds of each contact class, one per queue it goes to.
    pub class_kinds: Vec<Vec<usize>>,
    /// What each agent may serve: his membership priority by kind, 0 when he may not.
    pub may_serve: Vec<Vec<u8>>,
    /// Whether the rules are first come first served by priority alone, so that order can be checked.
    pub first_come: bool,
    /// What agents say when they go on a break.
    pub break_reason: String,
    /// The number of each agent.
    pub agent_numbers: HashMap<String, u32>,
}

/// What a channel asks of an agent.
#[derive(Clone)]
pub struct ChannelFacts {
    /// Its id.
    pub id: String,
    /// Capacity units of one contact.
    pub cost: u32,
    /// Contacts an agent holds at most.
    pub max: u32,
    /// The channels whose conversations give way to a contact of this one.
    pub interrupts: Vec<usize>,
    /// Whether the gateway says when customer and agent talk.
    pub explicit: bool,
}

/// What a queue promises.
pub struct QueueFacts {
    /// Its id.
    pub id: String,
    /// An answer within this wait counts, in microseconds of real time.
    pub threshold_us: u64,
    /// Whether agents wrap up.
    pub wraps_up: bool,
}

/// An agent.
pub struct AgentFacts {
    /// His id.
    pub id: String,
    /// The scenario's group he belongs to.
    pub group: usize,
    /// Capacity units he has.
    pub capacity: u32,
}

/// A queue, a channel, what the contact itself asks, and its priority.
pub struct Kind {
    /// The queue.
    pub queue: usize,
    /// The channel.
    pub channel: usize,
    /// The contact class.
    pub class: usize,
}

impl Center {
    /// Makes the center of a scenario; `taken` is a server's configuration to be used instead of the scenario's own.
    ///
    /// # Errors
    /// When the configuration is refused, or scenario and configuration do not fit.
    pub fn new(scenario: &Scenario, taken: Option<&Path>) -> anyhow::Result<Center> {
        let mut document = match taken {
            Some(path) => take(scenario, path)?,
            None => document(scenario)?,
        };
        let scaled = scale(&mut document, scenario.run.speed);
        let config = document.to_string();
        let parsed = usher::config::parse(&config, "the server's configuration");
        let parsed =
            parsed.map_err(|faults| anyhow!("the server would refuse it\n{}", faults.render("error", false)))?;
        let policy = parsed.tenants.into_iter().find(|policy| &*policy.tenant == "default");
        let policy = policy.context("the server's configuration has no tenant `default`")?;
        build(scenario, &policy, config, scaled)
    }
}

fn build(scenario: &Scenario, policy: &Policy, config: String, scaled: Scaled) -> anyhow::Result<Center> {
    let channels = policy.channels.iter().map(|channel| channel_facts(channel, policy)).collect::<Vec<_>>();
    let queues = policy.queues.iter().map(|queue| QueueFacts {
        id: queue.id.to_string(),
        threshold_us: queue.service_level.threshold.0,
        wraps_up: queue.wrap_up != WrapUp::None,
    });
    let queues = queues.collect::<Vec<_>>();
    let profiles = staff(scenario, policy)?;
    let (kinds, class_kinds) = kinds(scenario, &queues, &channels)?;
    let mut may_serve = Vec::with_capacity(profiles.len());
    let asked = own_requirements(scenario, policy)?;
    for (_, profile) in &profiles {
        let team = policy.teams.iter().find(|team| Some(&team.id) == profile.team.as_ref());
        let serves = |kind: &Kind| {
            let queue = &policy.queues[kind.queue];
            let meets = queue.require.as_ref().is_none_or(|require| require.expr.met_by(*profile))
                && asked[kind.class].as_ref().is_none_or(|expr| expr.met_by(*profile));
            if meets { membership(team, &queue.id) } else { 0 }
        };
        may_serve.push(kinds.iter().map(serves).collect());
    }
    let agents = profiles.iter().map(|(group, profile)| AgentFacts {
        id: profile.agent_id.to_string(),
        group: *group,
        capacity: profile.capacity,
    });
    let agents = agents.collect::<Vec<_>>();
    let numbers = agents.iter().enumerate().map(|(number, agent)| (agent.id.clone(), number as u32));
    let agent_numbers = numbers.collect();
    let break_reason = policy.not_ready_reasons.first().map_or_else(|| "break".to_owned(), |reason| reason.to_string());
    Ok(Center {
        config,
        scaled,
        channels,
        queues,
        agents,
        kinds,
        class_kinds,
        may_serve,
        first_come: first_come(policy),
        break_reason,
        agent_numbers,
    })
}

/// Without aging, delays, reservation and other orders an agent takes the highest priority, and of that the oldest.
fn first_come(policy: &Policy) -> bool {
    let aged = |queue: &Queue| queue.aging != 0 || queue.max_wait_first.is_some();
    let plain_queue = |queue: &Queue| !aged(queue) && queue.broadcast.is_none();
    let plain_team = |team: &Team| {
        team.contact_order == ContactOrder::Priority && team.queues.iter().all(|member| member.delay.is_zero())
    };
    policy.reserves.is_empty() && policy.queues.iter().all(plain_queue) && policy.teams.iter().all(plain_team)
}

fn channel_facts(channel: &Channel, policy: &Policy) -> ChannelFacts {
    let place = |id: &usher::engine::id::Text| policy.channels.iter().position(|other| other.id == *id);
    ChannelFacts {
        interrupts: channel.interrupts.iter().filter_map(place).collect(),
        id: channel.id.to_string(),
        cost: channel.cost,
        max: channel.max,
        explicit: channel.connect == Connect::Explicit,
    }
}

/// The agents of each group, as the configuration has them.
fn staff<'p>(scenario: &Scenario, policy: &'p Policy) -> anyhow::Result<Vec<(usize, &'p AgentProfile)>> {
    let mut staff = Vec::new();
    for (number, group) in scenario.agent_groups.iter().enumerate() {
        let team = group.id.get_ref();
        let before = staff.len();
        let members = policy.agents.iter().filter(|agent| agent.team.as_deref() == Some(team.as_str()));
        staff.extend(members.map(|agent| (number, &**agent)));
        ensure!(staff.len() > before, "the agent group `{team}` has no agents in the server's configuration");
    }
    Ok(staff)
}

type Kinds = (Vec<Kind>, Vec<Vec<usize>>);

fn kinds(scenario: &Scenario, queues: &[QueueFacts], channels: &[ChannelFacts]) -> anyhow::Result<Kinds> {
    let (mut kinds, mut class_kinds) = (Vec::new(), Vec::new());
    for (class, asked) in scenario.contact_classes.iter().enumerate() {
        let channel = channels.iter().position(|channel| channel.id == *asked.channel.get_ref());
        let channel = channel.with_context(|| format!("there is no channel `{}`", asked.channel.get_ref()))?;
        let mut of_class = Vec::new();
        for pattern in asked.queues.get_ref() {
            let matches = |id: &str| match pattern.strip_suffix('*') {
                Some(begins) => id.starts_with(begins),
                None => id == pattern,
            };
            let before = of_class.len();
            for queue in (0..queues.len()).filter(|queue| matches(&queues[*queue].id)) {
                of_class.push(kinds.len());
                kinds.push(Kind { queue, channel, class });
            }
            ensure!(of_class.len() > before, "contact class `{}`: there is no queue `{pattern}`", asked.id);
        }
        class_kinds.push(of_class);
    }
    Ok((kinds, class_kinds))
}

fn own_requirements(scenario: &Scenario, policy: &Policy) -> anyhow::Result<Vec<Option<Expr>>> {
    let known = |skill: &str| policy.skills.iter().any(|known| &*known.id == skill);
    let classes = scenario.contact_classes.iter().map(|class| {
        if class.requirements.is_empty() {
            return Ok(None);
        }
        let read = requirement::parse(&class.requirements, &known);
        let read = read.map_err(|error| anyhow!("contact class `{}`:\n{}", class.id, error.caret(&class.requirements)));
        Ok(Some(read?.expr))
    });
    classes.collect()
}

/// The priority of a queue in a team, 0 when it is not among its queues.
fn membership(team: Option<&Team>, queue: &str) -> u8 {
    let queues = team.map_or(&[][..], |team| &team.queues);
    let named = queues.iter().find(|member| &*member.queue == queue);
    named.or_else(|| queues.iter().find(|member| &*member.queue == "*")).map_or(0, |member| member.priority)
}

// ---- the server's configuration

/// A configuration taken from a file, on free ports of this machine.
fn take(scenario: &Scenario, path: &Path) -> anyhow::Result<Table> {
    let own = [&scenario.skills, &scenario.channels, &scenario.queues].iter().any(|list| !list.is_empty());
    let sized = scenario.agent_groups.iter().any(|group| group.size > 0);
    if own || sized || !scenario.tenant.is_empty() {
        bail!("with a configuration taken, the scenario has no tenant, skills, channels, queues or sizes of its own");
    }
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let file = path.display().to_string();
    let checked = usher::config::parse(&text, &file);
    checked.map_err(|faults| anyhow!("the configuration is at fault\n{}", faults.render("error", false)))?;
    let mut document: Table = text.parse().with_context(|| format!("failed to read {file}"))?;
    doors(&mut document);
    journal(&mut document, scenario.run.journal);
    Ok(document)
}

/// Free ports of this machine, and room for bursts of events.
fn doors(document: &mut Table) {
    let server = document.entry("server").or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(server) = server {
        for door in ["grpc_listen", "http_listen"] {
            server.insert(door.to_owned(), Value::from("127.0.0.1:0"));
        }
        let limits = server.entry("limits").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(limits) = limits {
            limits.entry("stream_buffer").or_insert(Value::from(STREAM_BUFFER));
            limits.entry("max_streams").or_insert(Value::from(20_000));
        }
    }
}

/// A journal in the server's working directory, which is its own: one that a taken configuration names stays untouched.
fn journal(document: &mut Table, asked: Option<Journal>) {
    let journal = document.entry("journal").or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(journal) = journal else { return };
    journal.insert("path".to_owned(), Value::from("journal"));
    let (backend, durability) = match asked {
        None => return,
        Some(Journal::Memory) => ("memory", "write"),
        Some(Journal::Write) => ("embedded", "write"),
        Some(Journal::Fsync) => ("embedded", "fsync"),
    };
    journal.insert("backend".to_owned(), Value::from(backend));
    journal.insert("durability".to_owned(), Value::from(durability));
}

/// The configuration a scenario writes.
fn document(scenario: &Scenario) -> anyhow::Result<Table> {
    let mut tenant = scenario.tenant.clone();
    tenant.entry("id").or_insert(Value::from("default"));
    for (key, list) in [("skills", &scenario.skills), ("channels", &scenario.channels), ("queues", &scenario.queues)] {
        let mut rows = Vec::new();
        for row in list {
            rows.extend(repeated(row).with_context(|| format!("[[{key}]]"))?);
        }
        if !rows.is_empty() {
            tenant.insert(key.to_owned(), Value::Array(rows));
        }
    }
    let skills = tenant.get("skills").and_then(Value::as_array).cloned().unwrap_or_default();
    let skills: Vec<&str> = skills.iter().filter_map(|skill| skill.get("id")?.as_str()).collect();
    let (mut teams, mut agents) = (Vec::new(), Vec::new());
    for (number, group) in scenario.agent_groups.iter().enumerate() {
        teams.push(team(group));
        agents.extend(members(group, &skills, Chance::new(scenario.run.seed, "skills", number as u64))?);
    }
    tenant.insert("teams".to_owned(), Value::Array(teams));
    tenant.insert("agents".to_owned(), Value::Array(agents));
    let mut document = Table::new();
    doors(&mut document);
    journal(&mut document, scenario.run.journal);
    document.insert("telemetry".to_owned(), Value::Table(Table::from_iter([("log".to_owned(), Value::from("warn"))])));
    document.insert("tenants".to_owned(), Value::Array(vec![Value::Table(tenant)]));
    Ok(document)
}

/// A row as often as its `count` says, with `{n}` counted from 1.
fn repeated(row: &Table) -> anyhow::Result<Vec<Value>> {
    let mut row = row.clone();
    let count = match row.remove("count") {
        None => return Ok(vec![Value::Table(row)]),
        Some(count) => count.as_integer().filter(|count| (1..=100_000).contains(count)),
    };
    let count = count.context("count must be 1 to 100000")?;
    Ok((1..=count).map(|number| numbered(&Value::Table(row.clone()), number)).collect())
}

fn numbered(value: &Value, number: i64) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{n}", &number.to_string())),
        Value::Array(items) => Value::Array(items.iter().map(|item| numbered(item, number)).collect()),
        Value::Table(table) => {
            let entry =
                |(key, value): (&String, &Value)| (key.replace("{n}", &number.to_string()), numbered(value, number));
            Value::Table(table.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}

fn team(group: &AgentGroup) -> Value {
    let every = || vec![Value::Table(Table::from_iter([("id".to_owned(), Value::from("*"))]))];
    let listed = || group.queues.iter().cloned().map(Value::Table).collect();
    let queues: Vec<Value> = if group.queues.is_empty() { every() } else { listed() };
    let mut team = Table::new();
    team.insert("id".to_owned(), Value::from(group.id.get_ref().as_str()));
    team.insert("queues".to_owned(), Value::Array(queues));
    Value::Table(team)
}

fn members(group: &AgentGroup, skills: &[&str], mut chance: Chance) -> anyhow::Result<Vec<Value>> {
    let team = group.id.get_ref();
    ensure!((1..=100_000).contains(&group.size), "agent group `{team}`: size must be 1 to 100000");
    let mut members = Vec::new();
    for number in 1..=group.size {
        let mut held = group.skills.clone();
        if let Some(any) = &group.any_skills {
            let mut pool: Vec<&str> = skills.iter().copied().filter(|skill| skill.starts_with(&any.of)).collect();
            let [least, most] = any.levels;
            ensure!(least <= most, "agent group `{team}`: levels must be from the lower to the higher");
            ensure!(any.each as usize <= pool.len(), "agent group `{team}`: there are only {} skills", pool.len());
            for _ in 0..any.each {
                let skill = pool.swap_remove(chance.below(pool.len()));
                let level = least + chance.below(usize::from(most - least) + 1) as u8;
                held.insert(skill.to_owned(), Value::from(i64::from(level)));
            }
        }
        let mut member = Table::new();
        member.insert("id".to_owned(), Value::from(format!("{team}-{number}")));
        member.insert("team".to_owned(), Value::from(team.as_str()));
        if !held.is_empty() {
            member.insert("skills".to_owned(), Value::Table(held));
        }
        if let Some(capacity) = group.capacity {
            member.insert("capacity".to_owned(), Value::from(i64::from(capacity)));
        }
        members.push(Value::Table(member));
    }
    Ok(members)
}

//! One tenant's table becomes its policy; names are looked up, requirements read.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::engine::agent::{AgentProfile, AgentType};
use crate::engine::id::Text;
use crate::engine::limits;
use crate::engine::policy::{self, Policy, Rules};
use crate::engine::requirement::{Requirement, Value};
use crate::engine::time::Span;

use super::classify;
use super::coverage;
use super::duration::Duration;
use super::fault::Gathered;
use super::pools;
use super::requirement::{self, RequirementError};
use super::routing;
use super::schema::{self, At, Attribute, Id, Label, WrapUpMode};
use super::shifts;
use super::steps;
use super::validate::{Names, unique};

/// Zone of a tenant for which none is given.
pub const TIME_ZONE: &str = "UTC";

/// Priority of a membership for which none is given.
pub const MEMBERSHIP_PRIORITY: u8 = 1;

/// Rank of a membership for which none is given.
pub const MEMBERSHIP_RANK: u8 = 1;

/// Channels of a tenant that lists none.
pub const CHANNELS: [&str; 7] = ["voice", "chat", "email", "sms", "social", "video", "task"];

/// The names of a tenant's things.
pub(super) struct Known {
    /// The skills.
    pub skills: Names,
    /// The queues.
    pub queues: Names,
    /// The teams.
    pub teams: Names,
    agents: Names,
    /// NOT_READY reasons; any when empty.
    pub reasons: Vec<String>,
}

impl Known {
    /// Reports an agent of a list that the file does not have. Agents may also come by gRPC; with none in the file it can
    /// only be one of those.
    pub fn agent(&self, agent: &At<String>, faults: &mut Gathered<'_>) {
        if !self.agents.is_empty() && !self.agents.has(agent.get()) {
            faults.unknown(agent.span(), "agent", agent.get(), self.agents.iter());
        }
    }
}

/// Builds the policy. What is returned is of use only if no fault was added. `whole` says that nothing was taken out of
/// the file for a fault.
pub(super) fn policy(
    mut table: schema::Tenant,
    whole: bool,
    faults: &mut Gathered<'_>,
    warnings: &mut Gathered<'_>,
) -> Policy {
    let before = faults.count();
    let known = Known {
        skills: unique("skill", table.skills.iter().map(|skill| &skill.id), faults),
        queues: unique("queue", table.queues.iter().map(|queue| &queue.id), faults),
        teams: unique("team", table.teams.iter().map(|team| &team.id), faults),
        agents: unique("agent", table.agents.iter().map(|agent| &agent.id), faults),
        reasons: table.not_ready_reasons.iter().map(|reason| reason.0.clone()).collect(),
    };
    unique("queue group", table.queue_groups.iter().map(|group| &group.id), faults);
    let media = unique("channel", table.channels.iter().map(|channel| &channel.id), faults);
    routing::mixes(&table, &media, faults);
    let (pools, zone_offsets) = pools::pools(&table, faults);
    counts(&table, faults);
    parents(&table.teams, faults);
    routing::comparable(&table, faults);
    routing::circles(&table, faults);
    let reserves = routing::reserves(&table, &known, faults);
    let rules = rules(&table);
    let spots = coverage::Spots::of(&table);
    let channels = channels(std::mem::take(&mut table.channels));
    let classification = classify::classification(table.classification.as_ref(), &known, &channels, faults);
    let policy = Policy {
        version: 0,
        tenant: text(&table.id),
        time_zone: table.time_zone.as_deref().unwrap_or(TIME_ZONE).into(),
        not_ready_reasons: labels(&table.not_ready_reasons),
        dispositions: labels(&table.dispositions),
        skills: table.skills.into_iter().map(skill).collect(),
        channels,
        pools,
        zone_offsets,
        queues: table.queues.into_iter().map(|queue| self::queue(queue, &known, faults)).collect(),
        queue_groups: table.queue_groups.iter().map(|group| routing::queue_group(group, &known, faults)).collect(),
        reserves,
        classification,
        teams: table.teams.into_iter().map(|team| self::team(team, &known, faults)).collect(),
        agents: table.agents.into_iter().map(|agent| Arc::new(self::agent(agent, &known, faults))).collect(),
        rules,
    };
    // Who can serve what is only clear once every name is.
    if whole && faults.count() == before && !policy.agents.is_empty() {
        coverage::check(&policy, &spots, faults, warnings);
    }
    policy
}

/// Where contacts go of queues that the file no longer has. A queue it has cannot go, and one that is not there cannot
/// take any.
pub(super) fn removed_queues(table: &schema::Tenant, faults: &mut Gathered<'_>) -> Vec<policy::RemovedQueue> {
    let queues: HashSet<&str> = table.queues.iter().map(|queue| queue.id.get().0.as_str()).collect();
    unique("removed queue", table.removed_queues.iter().map(|removed| &removed.id), faults);
    let mut kept = Vec::with_capacity(table.removed_queues.len());
    for removed in &table.removed_queues {
        let (id, target) = (&removed.id.get().0, removed.target.get());
        if queues.contains(id.as_str()) {
            let hint = "take it out of `queues`, or out of `removed_queues`";
            faults.hinted(removed.id.span(), format!("queue `{id}` is not removed: it is one of the queues"), hint);
        }
        if !queues.contains(target.as_str()) {
            faults.unknown(removed.target.span(), "queue", target, queues.iter().copied());
        }
        kept.push(policy::RemovedQueue { id: id.as_str().into(), target: target.as_str().into() });
    }
    kept
}

/// An id as the engine has it.
pub(super) fn text(id: &At<Id>) -> Text {
    id.get().0.as_str().into()
}

fn display_name(given: Option<Label>, id: &Text) -> Text {
    given.map_or_else(|| id.clone(), |label| label.0.into())
}

fn labels(given: &[Label]) -> Vec<Text> {
    given.iter().map(|label| label.0.as_str().into()).collect()
}

fn span(given: Option<Duration>, known: Span) -> Span {
    given.map_or(known, |given| given.0)
}

fn rules(table: &schema::Tenant) -> Rules {
    let known = Rules::default();
    Rules {
        session_lease: span(table.session_lease, known.session_lease),
        gateway_grace: span(table.gateway_grace, known.gateway_grace),
        retry_time: span(table.retry_time, known.retry_time),
        max_declines: table.max_declines.unwrap_or(known.max_declines),
        transfer_timeout: span(table.transfer_timeout, known.transfer_timeout),
        park_timeout: span(table.park_timeout, known.park_timeout),
        retention: span(table.retention, known.retention),
        retained_contacts: table.retained_contacts.unwrap_or(known.retained_contacts),
        request_window: span(table.request_window, known.request_window),
        remembered_requests: table.remembered_requests.unwrap_or(known.remembered_requests),
        recontact_window: span(table.recontact_window, known.recontact_window),
        occupancy_window: span(table.occupancy_window, known.occupancy_window),
    }
}

fn counts(table: &schema::Tenant, faults: &mut Gathered<'_>) {
    if let Some(channel) = table.channels.get(limits::CHANNELS) {
        faults.add(channel.id.span(), format!("more than {} channels", limits::CHANNELS));
    }
    if let Some(group) = table.queue_groups.get(limits::QUEUE_GROUPS) {
        faults.add(group.id.span(), format!("more than {} queue groups", limits::QUEUE_GROUPS));
    }
    if let Some(agent) = table.agents.get(limits::AGENTS) {
        faults.add(agent.id.span(), format!("more than {} agents", limits::AGENTS));
    }
}

fn skill(table: schema::Skill) -> policy::Skill {
    let id = text(&table.id);
    policy::Skill { display_name: display_name(table.display_name, &id), id }
}

fn channels(listed: Vec<schema::Channel>) -> Vec<policy::Channel> {
    if listed.is_empty() {
        return CHANNELS.iter().map(|id| policy::Channel::named((*id).into())).collect();
    }
    listed.into_iter().map(channel).collect()
}

fn channel(table: schema::Channel) -> policy::Channel {
    let known = policy::Channel::named(text(&table.id));
    policy::Channel {
        cost: table.cost.map_or(known.cost, |cost| *cost.get()),
        max: table.max.unwrap_or(known.max),
        excludes: table.excludes.iter().map(|other| other.get().as_str().into()).collect(),
        pools: table.pools.iter().map(|pool| pool.get().as_str().into()).collect(),
        interrupts: table.interrupts.iter().map(|other| other.get().as_str().into()).collect(),
        connect: match table.connect {
            None => known.connect,
            Some(schema::Connect::Explicit) => policy::Connect::Explicit,
            Some(schema::Connect::OnAccept) => policy::Connect::OnAccept,
        },
        auto_accept: table.auto_accept.unwrap_or(known.auto_accept),
        offer_timeout: span(table.offer_timeout, known.offer_timeout),
        connect_timeout: span(table.connect_timeout, known.connect_timeout),
        max_wait: span(table.max_wait, known.max_wait),
        max_handle: span(table.max_handle, known.max_handle),
        rona: table.rona.unwrap_or(known.rona),
        rona_reset: span(table.rona_reset, known.rona_reset),
        rona_reset_max: span(table.rona_reset_max, known.rona_reset_max),
        id: known.id,
    }
}

fn queue(table: schema::Queue, known: &Known, faults: &mut Gathered<'_>) -> policy::Queue {
    let default = policy::Queue::named(text(&table.id));
    let promised = default.service_level;
    let overflow = routing::overflow(&table, known, faults);
    let (steps, exhausted) = steps::steps(&table, &overflow, known, faults);
    let (selection, idle_clock) = (routing::selection(&table), routing::idle_clock(&table));
    let (score, aging_cap) = (routing::score(&table, known, faults), routing::aging_cap(&table, faults));
    let broadcast = routing::broadcast(&table, faults);
    policy::Queue {
        display_name: display_name(table.display_name, &default.id),
        require: table
            .require
            .and_then(|text| require(&text, &|name| known.skills.has(name), known.skills.iter(), faults)),
        limit: table.limit,
        selection,
        idle_clock,
        score,
        broadcast,
        aging: table.aging_per_minute.map_or(default.aging, routing::millionths),
        aging_cap,
        max_wait_first: table.max_wait_first.map(|given| given.0),
        waiting_cost: table.waiting_cost.map_or(default.waiting_cost, routing::millionths),
        expected_handle: span(table.expected_handle, default.expected_handle),
        expected_patience: table.expected_patience.map(|given| given.0),
        overflow,
        steps,
        exhausted,
        max_wait: table.max_wait.map(|given| given.0),
        short_abandon: span(table.short_abandon, default.short_abandon),
        wrap_up: table.wrap_up.map_or(default.wrap_up, |table| wrap_up(&table, faults)),
        service_level: table.service_level.map_or(promised, |given| policy::ServiceLevel {
            threshold: span(given.threshold, promised.threshold),
            target_ppm: given.target.map_or(promised.target_ppm, ppm),
        }),
        id: default.id,
    }
}

/// A share of 0 to 1, checked before, in parts per million.
fn ppm(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 1e6).round() as u32
}

/// Reads a requirement written in a file; none, and a fault with its place, when it is none.
pub fn require<'a>(
    text: &At<String>,
    is_skill: &dyn Fn(&str) -> bool,
    skills: impl Iterator<Item = &'a str>,
    faults: &mut Gathered<'_>,
) -> Option<Arc<Requirement>> {
    read_in_file(requirement::parse(text.get(), is_skill), text, skills, faults).map(Arc::new)
}

/// What was read of a text in a file; none, and a fault with its place, when it could not be.
pub(super) fn read_in_file<'a, T>(
    read: Result<T, RequirementError>,
    text: &At<String>,
    skills: impl Iterator<Item = &'a str>,
    faults: &mut Gathered<'_>,
) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            let error = error.suggest(skills);
            let span = inside(faults.text(), text, error.offset());
            faults.maybe(span, error.message, error.hint);
            None
        }
    }
}

/// The place of a byte of a value in the file; the whole value when escapes stand in the way.
fn inside(file: &str, value: &At<String>, offset: usize) -> Range<usize> {
    let whole = value.span();
    let raw = file.get(whole.clone()).unwrap_or_default();
    match raw.find(value.get().as_str()) {
        Some(start) if !value.get().is_empty() => whole.start + start + offset..whole.start + start + offset + 1,
        _ => whole,
    }
}

fn wrap_up(table: &At<schema::WrapUp>, faults: &mut Gathered<'_>) -> policy::WrapUp {
    let given = &table.get().duration;
    match (table.get().mode, given) {
        (WrapUpMode::None, None) => policy::WrapUp::None,
        (WrapUpMode::None, Some(duration)) => {
            let hint = "leave it out, or set `mode` to \"timed\" or \"manual\"";
            faults.hinted(duration.span(), "`duration` means nothing with `mode = \"none\"`", hint);
            policy::WrapUp::None
        }
        (WrapUpMode::Timed, Some(duration)) => policy::WrapUp::Timed(duration.get().0),
        (WrapUpMode::Timed, None) => {
            faults.hinted(table.span(), "timed wrap-up without `duration`", "add one, such as duration = \"30s\"");
            policy::WrapUp::None
        }
        (WrapUpMode::Manual, None) => policy::WrapUp::Manual(limits::WRAP_UP),
        (WrapUpMode::Manual, Some(duration)) => {
            if duration.get().0 > limits::WRAP_UP {
                let longest = Duration(limits::WRAP_UP);
                faults.add(duration.span(), format!("manual wrap-up lasts {longest} at most"));
            }
            policy::WrapUp::Manual(duration.get().0)
        }
    }
}

fn team(table: schema::Team, known: &Known, faults: &mut Gathered<'_>) -> policy::Team {
    let id = text(&table.id);
    if let Some(parent) = table.parent.as_ref().filter(|parent| !known.teams.has(parent.get())) {
        faults.unknown(parent.span(), "team", parent.get(), known.teams.iter());
    }
    if let Some(leader) = &table.leader {
        known.agent(leader, faults);
    }
    let mut seen = HashSet::new();
    for membership in &table.queues {
        let name = membership.id.get();
        if !seen.insert(name.as_str()) {
            faults.add(membership.id.span(), format!("queue `{name}` is listed twice in this team"));
        } else if name != "*" && !known.queues.has(name) {
            faults.unknown(membership.id.span(), "queue", name, known.queues.iter());
        }
    }
    let membership = |given: &schema::Membership| policy::Membership {
        queue: given.id.get().as_str().into(),
        delay: span(given.delay, Span::ZERO),
        rank: given.rank.unwrap_or(MEMBERSHIP_RANK),
        ratio_ppm: given.ratio.as_ref().map_or(0, |ratio| ppm(*ratio.get())),
        priority: given.priority.unwrap_or(MEMBERSHIP_PRIORITY),
    };
    let contact_order = routing::contact_order(&table, faults);
    let shifts = table.shifts.iter().filter_map(|shift| shifts::shift(shift, known, faults)).collect();
    policy::Team {
        display_name: display_name(table.display_name, &id),
        id,
        parent: table.parent.map(|parent| parent.get().as_str().into()),
        leader: table.leader.map(|leader| leader.get().as_str().into()),
        site: table.site.map(|site| site.0.into()),
        contact_order,
        queues: table.queues.iter().map(membership).collect(),
        max_occupancy: table.max_occupancy.map(ppm),
        offer_rate_limit: table.offer_rate_limit.map(|rate| policy::OfferRate { offers: rate.offers, per: rate.per.0 }),
        cost_per_hour: table.cost_per_hour.map_or(0, |cost| (cost.max(0.0) * 1e6).round() as u64),
        shifts,
    }
}

/// Reports each circle of parents once, at its first team in the file. Linear.
fn parents(teams: &[schema::Team], faults: &mut Gathered<'_>) {
    let parent_of: HashMap<&str, &str> = teams
        .iter()
        .filter_map(|team| Some((team.id.get().0.as_str(), team.parent.as_ref()?.get().as_str())))
        .collect();
    let mut clear: HashSet<&str> = HashSet::new();
    for team in teams {
        let mut way: Vec<&str> = Vec::new();
        let mut on_way: HashSet<&str> = HashSet::new();
        let mut at = team.id.get().0.as_str();
        while !clear.contains(at) && on_way.insert(at) {
            way.push(at);
            match parent_of.get(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        let circle = on_way.contains(at) && !clear.contains(at) && parent_of.contains_key(at);
        clear.extend(way.iter().copied());
        if !circle {
            continue;
        }
        let start = way.iter().position(|name| *name == at).unwrap_or(0);
        let round = [&way[start..], &[at]].concat().join(" -> ");
        let first = teams.iter().find(|team| way[start..].contains(&team.id.get().0.as_str()));
        if let Some(parent) = first.and_then(|team| team.parent.as_ref()) {
            faults.add(parent.span(), format!("teams are their own parents: {round}"));
        }
    }
}

fn agent(table: schema::Agent, known: &Known, faults: &mut Gathered<'_>) -> AgentProfile {
    let agent_id = text(&table.id);
    if let Some(team) = table.team.as_ref().filter(|team| !known.teams.has(team.get())) {
        faults.unknown(team.span(), "team", team.get(), known.teams.iter());
    }
    for skill in table.skills.keys().filter(|skill| !known.skills.has(skill.get())) {
        faults.unknown(skill.span(), "skill", skill.get(), known.skills.iter());
    }
    AgentProfile {
        display_name: display_name(table.display_name, &agent_id),
        team: table.team.map(|team| team.get().as_str().into()),
        site: table.site.map(|site| site.0.into()),
        agent_type: match table.kind {
            None | Some(schema::AgentKind::Human) => AgentType::Human,
            Some(schema::AgentKind::Ai) => AgentType::Ai,
        },
        // Both maps are sorted by name already.
        skills: table.skills.iter().map(|(skill, level)| (skill.get().as_str().into(), level.0)).collect(),
        attributes: attributes(&table.attributes, &table.id.span(), faults),
        capacity: table.capacity.unwrap_or(AgentProfile::CAPACITY),
        managed_by_config: true,
        agent_id,
    }
}

/// Attributes written in a file; `whose` is where they are too many.
pub fn attributes(
    given: &std::collections::BTreeMap<At<String>, Attribute>,
    whose: &Range<usize>,
    faults: &mut Gathered<'_>,
) -> Vec<(Text, Value)> {
    if given.len() > limits::ATTRIBUTES {
        faults.add(whose.clone(), format!("more than {} attributes", limits::ATTRIBUTES));
    }
    let mut kept = Vec::with_capacity(given.len());
    for (name, value) in given {
        let longest = match value {
            Attribute::Text(text) => text.len(),
            Attribute::List(items) => items.iter().map(String::len).sum(),
            _ => 0,
        };
        if name.get().is_empty() || name.get().len().max(longest) > limits::ATTRIBUTE_BYTES {
            let message = format!("an attribute's name and value have 1 to {} bytes", limits::ATTRIBUTE_BYTES);
            faults.add(name.span(), message);
        }
        let value = match value {
            Attribute::Bool(truth) => Value::Bool(*truth),
            Attribute::Int(number) => Value::Int(*number),
            Attribute::Decimal(number) => requirement::decimal(*number).unwrap_or(Value::Decimal(0)),
            Attribute::Text(text) => Value::Str(text.as_str().into()),
            Attribute::List(items) => Value::List(items.iter().map(|item| item.as_str().into()).collect()),
        };
        kept.push((name.get().as_str().into(), value));
    }
    kept
}

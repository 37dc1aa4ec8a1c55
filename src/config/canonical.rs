//! A policy as canonical TOML: every key written out, in the order of their names, so that equal policies are equal
//! texts and a difference between two is a difference the operator can read.
//!
//! Reading the text again gives the same policy; a test holds that. A field added to the policy does not compile here
//! until it is written too.

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::duration::Duration;
use super::{Config, Journal, Keepalive, Limits, Server, Telemetry};
use crate::engine::agent::{AgentProfile, AgentType};
use crate::engine::id::Text;
use crate::engine::policy::{
    Action, Broadcast, Channel, ClassRule, Classification, Connect, ContactOrder, Exhausted, Hysteresis, IdleClock,
    Membership, OfferRate, Overflow, Policy, Pool, Queue, QueueGroup, Reserve, Rules, Selection, ServiceLevel, Shift,
    ShiftBreak, Skill, SkipIf, Step, Team, Trigger, WrapUp,
};
use crate::engine::requirement;
use crate::engine::time::Span;

/// The days of the week as files name them.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The text of a configuration file that holds this policy alone.
#[must_use]
pub fn text(policy: &Policy) -> String {
    let is_table = |value: &Value| match value {
        Value::Array(rows) => rows.first().is_some_and(Value::is_table),
        other => other.is_table(),
    };
    let (tables, own): (Vec<_>, Vec<_>) = tenant(policy).into_iter().partition(|(_, value)| is_table(value));
    let mut out = document(own.into_iter().collect());
    let mut append = |key: &str, table: Value| {
        let text = document([(key.to_owned(), table)].into_iter().collect());
        out.push_str(text.strip_prefix(TENANT).expect("a tenant's table begins so"));
    };
    for (key, table) in tables {
        match table {
            // Row by row: what writes a list takes time that grows with its square.
            Value::Array(rows) => rows.into_iter().for_each(|row| append(&key, Value::Array(vec![row]))),
            table => append(&key, table),
        }
    }
    out
}

/// How the table of a tenant begins.
const TENANT: &str = "[[tenants]]\n";

fn document(tenant: Table) -> String {
    let mut document = Table::new();
    document.insert("tenants".into(), Value::Array(vec![Value::Table(tenant)]));
    toml::to_string(&document).expect("tables of texts, numbers and tables can be written")
}

/// First 16 bytes of the SHA-256 of [`text`], the version left out.
#[must_use]
pub fn digest(policy: &Policy) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(text(policy).as_bytes()).into();
    *whole.first_chunk().expect("32 bytes begin with 16")
}

/// The settings of the process, which a reload leaves as they are.
pub(super) fn settings(config: &Config) -> Table {
    let Config { server, telemetry, journal, tenants: _, removed_queues: _, hash: _, warnings: _ } = config;
    let Server { grpc_listen, http_listen, insecure, request_timeout, drain_grace, watch_config, limits, keepalive } =
        server;
    let Limits { max_message_bytes, max_streams, stream_buffer, ingress, max_memory_bytes } = limits;
    let Keepalive { interval, timeout } = keepalive;
    let Telemetry { log, log_format } = telemetry;
    let Journal { backend, path, durability, segment_bytes, retention } = journal;
    let shown = |value: &dyn std::fmt::Debug| Value::String(format!("{value:?}").to_lowercase());
    let wide = |value: u64| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let count = |value: usize| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let rows = [
        ("server.grpc_listen", Value::String(grpc_listen.to_string())),
        ("server.http_listen", Value::String(http_listen.to_string())),
        ("server.insecure", Value::Boolean(*insecure)),
        ("server.request_timeout", shown(request_timeout)),
        ("server.drain_grace", shown(drain_grace)),
        ("server.watch_config", Value::Boolean(*watch_config)),
        ("server.limits.max_message_bytes", count(*max_message_bytes)),
        ("server.limits.max_streams", number(*max_streams)),
        ("server.limits.stream_buffer", count(*stream_buffer)),
        ("server.limits.ingress", count(*ingress)),
        ("server.limits.max_memory_bytes", wide(*max_memory_bytes)),
        ("server.keepalive.interval", shown(interval)),
        ("server.keepalive.timeout", shown(timeout)),
        ("telemetry.log", Value::String(log.clone())),
        ("telemetry.log_format", shown(log_format)),
        ("journal.backend", shown(backend)),
        ("journal.path", Value::String(path.display().to_string())),
        ("journal.durability", shown(durability)),
        ("journal.segment_bytes", wide(*segment_bytes)),
        ("journal.retention", shown(retention)),
    ];
    rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The tenant's table, lists of tables as they stand in a file.
pub(super) fn tenant(policy: &Policy) -> Table {
    let Policy {
        version: _,
        tenant,
        time_zone,
        not_ready_reasons,
        dispositions,
        skills,
        channels,
        pools,
        // Follows from the time zone.
        zone_offsets: _,
        queues,
        queue_groups,
        reserves,
        classification,
        teams,
        agents,
        rules,
    } = policy;
    let mut table = self::rules(rules);
    put(&mut table, "id", tenant);
    put(&mut table, "time_zone", time_zone);
    table.insert("not_ready_reasons".into(), texts(not_ready_reasons));
    table.insert("dispositions".into(), texts(dispositions));
    let mut list = |key: &str, rows: Vec<Table>| {
        if !rows.is_empty() {
            table.insert(key.into(), Value::Array(rows.into_iter().map(Value::Table).collect()));
        }
    };
    list("skills", skills.iter().map(skill).collect());
    list("channels", channels.iter().map(channel).collect());
    list("pools", pools.iter().map(pool).collect());
    list("queues", queues.iter().map(queue).collect());
    list("queue_groups", queue_groups.iter().map(queue_group).collect());
    list("reserve", reserves.iter().map(reserve).collect());
    list("teams", teams.iter().map(team).collect());
    list("agents", agents.iter().map(|profile| agent(profile)).collect());
    if let Some(classes) = self::classification(classification) {
        table.insert("classification".into(), Value::Table(classes));
    }
    table
}

fn rules(rules: &Rules) -> Table {
    let Rules {
        session_lease,
        gateway_grace,
        retry_time,
        max_declines,
        transfer_timeout,
        park_timeout,
        retention,
        retained_contacts,
        request_window,
        remembered_requests,
        recontact_window,
        occupancy_window,
    } = rules;
    let mut table = Table::new();
    for (key, span) in [
        ("session_lease", session_lease),
        ("gateway_grace", gateway_grace),
        ("retry_time", retry_time),
        ("transfer_timeout", transfer_timeout),
        ("park_timeout", park_timeout),
        ("retention", retention),
        ("request_window", request_window),
        ("recontact_window", recontact_window),
        ("occupancy_window", occupancy_window),
    ] {
        table.insert(key.into(), duration(*span));
    }
    for (key, count) in [
        ("max_declines", max_declines),
        ("retained_contacts", retained_contacts),
        ("remembered_requests", remembered_requests),
    ] {
        table.insert(key.into(), number(*count));
    }
    table
}

fn skill(skill: &Skill) -> Table {
    let Skill { id, display_name } = skill;
    named(id, display_name)
}

fn channel(channel: &Channel) -> Table {
    let Channel {
        id,
        cost,
        max,
        excludes,
        interrupts,
        pools,
        connect,
        auto_accept,
        offer_timeout,
        connect_timeout,
        max_wait,
        max_handle,
        rona,
        rona_reset,
        rona_reset_max,
    } = channel;
    let mut table = Table::new();
    put(&mut table, "id", id);
    let connect = match connect {
        Connect::Explicit => "explicit",
        Connect::OnAccept => "on_accept",
    };
    put(&mut table, "connect", connect);
    table.insert("excludes".into(), texts(excludes));
    table.insert("interrupts".into(), texts(interrupts));
    table.insert("pools".into(), texts(pools));
    table.insert("auto_accept".into(), Value::Boolean(*auto_accept));
    for (key, count) in [("cost", cost), ("max", max), ("rona", rona)] {
        table.insert(key.into(), number(*count));
    }
    for (key, span) in [
        ("offer_timeout", offer_timeout),
        ("connect_timeout", connect_timeout),
        ("max_wait", max_wait),
        ("max_handle", max_handle),
        ("rona_reset", rona_reset),
        ("rona_reset_max", rona_reset_max),
    ] {
        table.insert(key.into(), duration(*span));
    }
    table
}

fn pool(pool: &Pool) -> Table {
    let Pool { id, max, per_day, reset } = pool;
    let mut table = Table::new();
    put(&mut table, "id", id);
    for (key, count) in [("max", max), ("per_day", per_day)] {
        if let Some(count) = count {
            table.insert(key.into(), number(*count));
        }
    }
    if per_day.is_some() {
        put(&mut table, "reset", &time_of_day(reset.parts().0 as u32));
    }
    table
}

fn queue(queue: &Queue) -> Table {
    let Queue {
        id,
        display_name,
        require,
        selection,
        idle_clock,
        score,
        broadcast,
        max_wait,
        short_abandon,
        wrap_up,
        service_level,
        limit,
        aging,
        aging_cap,
        max_wait_first,
        waiting_cost,
        expected_handle,
        expected_patience,
        overflow,
        steps,
        exhausted,
    } = queue;
    let mut table = named(id, display_name);
    selected(&mut table, *selection, broadcast.as_ref());
    put(&mut table, "idle_clock", self::idle_clock(*idle_clock));
    if let Some(score) = score {
        put(&mut table, "score", &score.text);
    }
    for (key, amount) in [("aging_per_minute", Some(aging)), ("aging_cap", aging_cap.as_ref())] {
        if let Some(amount) = amount {
            table.insert(key.into(), decimal(*amount));
        }
    }
    table.insert("waiting_cost".into(), decimal(*waiting_cost));
    for (key, span) in [
        ("max_wait", max_wait),
        ("max_wait_first", max_wait_first),
        ("expected_handle", &Some(*expected_handle)),
        ("expected_patience", expected_patience),
    ] {
        if let Some(span) = span {
            table.insert(key.into(), duration(*span));
        }
    }
    if let Some(require) = require {
        put(&mut table, "require", &require.text);
    }
    if let Some(limit) = limit {
        table.insert("limit".into(), number(*limit));
    }
    table.insert("short_abandon".into(), duration(*short_abandon));
    table.insert("wrap_up".into(), Value::Table(self::wrap_up(wrap_up)));
    if !overflow.is_empty() {
        let rules = overflow.iter().map(|rule| Value::Table(self::overflow(rule)));
        table.insert("overflow".into(), Value::Array(rules.collect()));
    }
    relaxation(&mut table, steps, *exhausted);
    let ServiceLevel { threshold, target_ppm } = service_level;
    let mut promise = Table::new();
    promise.insert("threshold".into(), duration(*threshold));
    promise.insert("target".into(), Value::Float(f64::from(*target_ppm) / 1e6));
    table.insert("service_level".into(), Value::Table(promise));
    table
}

fn wrap_up(wrap_up: &WrapUp) -> Table {
    let (mode, span) = match wrap_up {
        WrapUp::None => ("none", None),
        WrapUp::Timed(span) => ("timed", Some(*span)),
        WrapUp::Manual(span) => ("manual", Some(*span)),
    };
    let mut table = Table::new();
    put(&mut table, "mode", mode);
    if let Some(span) = span {
        table.insert("duration".into(), duration(span));
    }
    table
}

fn step(step: &Step) -> Table {
    let Step { after, require, drop, prefer, skip_if } = step;
    let mut table = Table::new();
    table.insert("after".into(), duration(*after));
    if let Some(require) = require {
        put(&mut table, "require", &require.text);
    }
    if !drop.is_empty() {
        table.insert("drop".into(), texts(drop));
    }
    if *prefer {
        put(&mut table, "prefer", "preferred_agent");
    }
    if let Some(skip_if) = skip_if {
        let when = match skip_if {
            SkipIf::NobodySignedIn => "nobody_signed_in",
        };
        put(&mut table, "skip_if", when);
    }
    table
}

fn relaxation(table: &mut Table, steps: &[Step], exhausted: Exhausted) {
    if !steps.is_empty() {
        let steps = steps.iter().map(|step| Value::Table(self::step(step)));
        table.insert("steps".into(), Value::Array(steps.collect()));
    }
    table.insert("steps_exhausted".into(), Value::Table(self::exhausted(exhausted)));
}

fn exhausted(exhausted: Exhausted) -> Table {
    let mut table = Table::new();
    let (then, after) = match exhausted {
        Exhausted::StayOnLast => ("stay_on_last", None),
        Exhausted::AnyInQueue(after) => ("any_in_queue", Some(after)),
        Exhausted::Overflow(after) => ("overflow", Some(after)),
    };
    put(&mut table, "then", then);
    if let Some(after) = after {
        table.insert("after".into(), duration(after));
    }
    table
}

/// None when contacts must name their queue.
fn classification(classification: &Classification) -> Option<Table> {
    let Classification { rules, fallback } = classification;
    let mut table = Table::new();
    put(&mut table, "fallback", fallback.as_ref()?);
    if !rules.is_empty() {
        let rules = rules.iter().map(|rule| Value::Table(class_rule(rule)));
        table.insert("rules".into(), Value::Array(rules.collect()));
    }
    Some(table)
}

fn class_rule(rule: &ClassRule) -> Table {
    let ClassRule { channels, when, priority_at_least, age_at_least, asks, queue, set_priority, set_requirement } =
        rule;
    let mut table = Table::new();
    for (key, names) in [("channels", channels), ("asks", asks)] {
        if !names.is_empty() {
            table.insert(key.into(), texts(names));
        }
    }
    for (key, requirement) in [("when", when), ("set_requirement", set_requirement)] {
        if let Some(requirement) = requirement {
            put(&mut table, key, &requirement.text);
        }
    }
    for (key, priority) in [("priority_at_least", priority_at_least), ("set_priority", set_priority)] {
        if let Some(priority) = priority {
            table.insert(key.into(), Value::Integer(i64::from(*priority)));
        }
    }
    if let Some(age) = age_at_least {
        table.insert("age_at_least".into(), duration(*age));
    }
    put(&mut table, "queue", queue);
    table
}

fn overflow(rule: &Overflow) -> Table {
    let Overflow { trigger, action } = rule;
    let mut table = Table::new();
    let when = match trigger {
        Trigger::QueueLength(length) => {
            if let Some(length) = length {
                table.insert("length".into(), number(*length));
            }
            "queue_length"
        }
        Trigger::NobodySignedIn => "nobody_signed_in",
        Trigger::Wait(after) => {
            table.insert("after".into(), duration(*after));
            "wait"
        }
        Trigger::NoWillingAgent => "no_willing_agent",
        Trigger::StepsExhausted => "steps_exhausted",
        Trigger::QueueClosed => "queue_closed",
    };
    let then = match action {
        Action::Queue(queue) => {
            put(&mut table, "queue", queue);
            "queue"
        }
        Action::Priority(priority) => {
            table.insert("priority".into(), Value::Integer(i64::from(*priority)));
            "priority"
        }
        Action::External(destination) => {
            put(&mut table, "destination", destination);
            "external"
        }
        Action::Relax => "relax",
        Action::Refuse => "refuse",
    };
    put(&mut table, "when", when);
    put(&mut table, "then", then);
    table
}

/// How a queue selects, with what goes with it.
fn selected(table: &mut Table, selection: Selection, broadcast: Option<&Broadcast>) {
    let Some(Broadcast { min, max }) = broadcast else {
        return put(table, "selection", self::selection(selection));
    };
    put(table, "selection", "broadcast");
    let mut several = Table::new();
    several.insert("min".into(), number(*min));
    several.insert("max".into(), number(*max));
    table.insert("broadcast".into(), Value::Table(several));
}

fn idle_clock(clock: IdleClock) -> &'static str {
    match clock {
        IdleClock::Any => "any",
        IdleClock::Inbound => "inbound",
        IdleClock::Available => "available",
    }
}

fn selection(selection: Selection) -> &'static str {
    match selection {
        Selection::LongestIdle => "longest_idle",
        Selection::Ranked => "ranked",
        Selection::LeastOccupied => "least_occupied",
        Selection::LeastLoaded => "least_loaded",
        Selection::BestSkilled => "best_skilled",
        Selection::LeastSkilled => "least_skilled",
        Selection::FewestContacts => "fewest_contacts",
        Selection::RoundRobin => "round_robin",
        Selection::Ordered => "ordered",
        Selection::Random => "random",
        Selection::BestScore => "best_score",
    }
}

fn contact_order(table: &mut Table, order: ContactOrder) {
    let (name, measure) = match order {
        ContactOrder::Priority => ("priority", None),
        ContactOrder::ServiceLevelUrgency => ("service_level_urgency", None),
        ContactOrder::CmuTheta => ("cmu_theta", None),
        ContactOrder::QueueRatioCount => ("queue_ratio", Some("count")),
        ContactOrder::QueueRatioDelay => ("queue_ratio", Some("delay")),
    };
    put(table, "contact_order", name);
    if let Some(measure) = measure {
        let mut ratio = Table::new();
        put(&mut ratio, "measure", measure);
        table.insert("queue_ratio".into(), Value::Table(ratio));
    }
}

fn reserve(reserve: &Reserve) -> Table {
    let Reserve { team, queue, keep_idle, release_after, lender_within_target, hysteresis } = reserve;
    let mut table = Table::new();
    put(&mut table, "team", team);
    put(&mut table, "queue", queue);
    table.insert("keep_idle".into(), number(*keep_idle));
    if let Some(release_after) = release_after {
        table.insert("release_after".into(), duration(*release_after));
    }
    table.insert("lender_within_target".into(), Value::Boolean(*lender_within_target));
    if let Some(Hysteresis { start, stop, ratio_ppm }) = hysteresis {
        let mut rule = Table::new();
        rule.insert("start".into(), number(*start));
        rule.insert("stop".into(), number(*stop));
        rule.insert("ratio".into(), Value::Float(f64::from(*ratio_ppm) / 1e6));
        table.insert("hysteresis".into(), Value::Table(rule));
    }
    table
}

fn queue_group(group: &QueueGroup) -> Table {
    let QueueGroup { id, queues, limit } = group;
    let mut table = Table::new();
    put(&mut table, "id", id);
    table.insert("queues".into(), texts(queues));
    table.insert("limit".into(), number(*limit));
    table
}

fn team(team: &Team) -> Table {
    let Team {
        id,
        display_name,
        parent,
        leader,
        site,
        queues,
        cost_per_hour,
        contact_order,
        shifts,
        max_occupancy,
        offer_rate_limit,
    } = team;
    let mut table = named(id, display_name);
    for (key, name) in [("parent", parent), ("leader", leader), ("site", site)] {
        if let Some(name) = name {
            put(&mut table, key, name);
        }
    }
    table.insert("cost_per_hour".into(), decimal(i64::try_from(*cost_per_hour).unwrap_or(i64::MAX)));
    self::contact_order(&mut table, *contact_order);
    if let Some(bound) = max_occupancy {
        table.insert("max_occupancy".into(), Value::Float(f64::from(*bound) / 1e6));
    }
    if let Some(OfferRate { offers, per }) = offer_rate_limit {
        let mut rate = Table::new();
        rate.insert("offers".into(), number(*offers));
        rate.insert("per".into(), duration(*per));
        table.insert("offer_rate_limit".into(), Value::Table(rate));
    }
    if !shifts.is_empty() {
        table.insert("shifts".into(), Value::Array(shifts.iter().map(|it| Value::Table(shift(it))).collect()));
    }
    let row = |membership: &Membership| {
        let Membership { queue, priority, delay, rank, ratio_ppm } = membership;
        let mut row = Table::new();
        put(&mut row, "id", queue);
        row.insert("priority".into(), number(u32::from(*priority)));
        row.insert("delay".into(), duration(*delay));
        row.insert("rank".into(), number(u32::from(*rank)));
        if *contact_order == ContactOrder::QueueRatioCount {
            row.insert("ratio".into(), Value::Float(f64::from(*ratio_ppm) / 1e6));
        }
        Value::Table(row)
    };
    table.insert("queues".into(), Value::Array(queues.iter().map(row).collect()));
    table
}

fn shift(shift: &Shift) -> Table {
    let Shift { agents, days, from, to, breaks } = shift;
    let mut table = Table::new();
    table.insert("agents".into(), texts(agents));
    let days = DAYS.iter().enumerate().filter(|(at, _)| days & (1 << at) != 0);
    table.insert("days".into(), Value::Array(days.map(|(_, day)| Value::String((*day).into())).collect()));
    put(&mut table, "from", &time_of_day(*from));
    put(&mut table, "to", &time_of_day(*to));
    let row = |pause: &ShiftBreak| {
        let ShiftBreak { from, to, reason } = pause;
        let mut row = Table::new();
        put(&mut row, "from", &time_of_day(*from));
        put(&mut row, "to", &time_of_day(*to));
        if !reason.is_empty() {
            put(&mut row, "reason", reason);
        }
        Value::Table(row)
    };
    table.insert("breaks".into(), Value::Array(breaks.iter().map(row).collect()));
    table
}

/// The clock on the wall at so many seconds since midnight, of the next day past 24:00.
fn time_of_day(seconds: u32) -> String {
    let of_day = if seconds > 86_400 { seconds - 86_400 } else { seconds };
    let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    match seconds {
        0 => format!("{hours:02}:{minutes:02}"),
        _ => format!("{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

pub(super) fn agent(profile: &AgentProfile) -> Table {
    let AgentProfile {
        agent_id,
        display_name,
        team,
        site,
        agent_type,
        skills,
        attributes,
        capacity,
        managed_by_config: _,
    } = profile;
    let mut table = named(agent_id, display_name);
    for (key, name) in [("team", team), ("site", site)] {
        if let Some(name) = name {
            put(&mut table, key, name);
        }
    }
    let kind = match agent_type {
        AgentType::Human => "human",
        AgentType::Ai => "ai",
    };
    put(&mut table, "type", kind);
    table.insert("capacity".into(), number(*capacity));
    let levels = skills.iter().map(|(skill, level)| (skill.to_string(), number(u32::from(*level))));
    table.insert("skills".into(), Value::Table(levels.collect()));
    let facts = attributes.iter().map(|(name, value)| (name.to_string(), attribute(value)));
    table.insert("attributes".into(), Value::Table(facts.collect()));
    table
}

fn attribute(value: &requirement::Value) -> Value {
    match value {
        requirement::Value::Str(text) => Value::String(text.to_string()),
        requirement::Value::Int(number) => Value::Integer(*number),
        requirement::Value::Bool(truth) => Value::Boolean(*truth),
        requirement::Value::Decimal(millionths) => decimal(*millionths),
        requirement::Value::List(items) => texts(items),
    }
}

fn named(id: &Text, display_name: &Text) -> Table {
    let mut table = Table::new();
    put(&mut table, "id", id);
    put(&mut table, "display_name", if display_name.is_empty() { id } else { display_name });
    table
}

fn put(table: &mut Table, key: &str, text: &str) {
    table.insert(key.into(), Value::String(text.into()));
}

fn texts<'a>(items: impl IntoIterator<Item = &'a Text>) -> Value {
    Value::Array(items.into_iter().map(|item| Value::String(item.to_string())).collect())
}

fn decimal(millionths: i64) -> Value {
    Value::Float(millionths as f64 / 1e6)
}

fn number(count: u32) -> Value {
    Value::Integer(i64::from(count))
}

fn duration(span: Span) -> Value {
    Value::String(Duration(span).to_string())
}

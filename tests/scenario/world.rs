//! The policy of a script, line by line, on top of defaults that suit most cases.
//!
//! ```text
//! rules     lease:30s grace:30s retry:30s declines:3 transfer:60s park:1h retention:1h kept:10 window:24h remembered:10
//!           occupancy:1h
//! channel   voice cost:100 max:1 connect:explicit excludes:chat interrupts:chat auto offer:20s connecting:30s max_wait:24h max_handle:4h rona:1 reset:60s
//! pool      complaints max:2 day:5 reset:12h (or one that goes: pool complaints none)
//! clock     60s=3600,90s=0   (from when on it is how many seconds ahead of UTC)
//! queue     sales broadcast:1/5 wrap_up:timed/30s max_wait:5m short:5s threshold:20s limit:5 select:ranked clock:inbound aging:1.5 aging_cap:10
//!           first:5m cost:1.8 handle:5m patience:80s needs fr>=3
//! step      sales after:20s drop:fr,attr.tier prefer skip needs fr >= 3   (queue sales any:90s or over:90s ends them,
//!           steps:none takes them out)
//! classify  sales channels:chat,voice age:30s least:5 asks:fr priority:9 needs attr.tier = "gold" because fr >= 3   (a rule:
//!           `needs` is its `when`, `because` its `set_requirement`; classify sales fallback; classify none)
//! reserve   t1 sales keep:1 release:30s within start:3 stop:1 ratio:0.5
//! score     sales because 10 * fr + attr.years
//! group     g1 queues:sales,support limit:5
//! team      t1 queues:sales/1,support/2/delay=10s/rank=2/ratio=370000 order:cmu_theta occupied:850000
//!           offers:3/30s
//! managed   ana fr:5 team:t1
//! reasons   lunch break
//! dispositions sale
//! without   queue:support
//! ```

use std::sync::Arc;

use usher::config::score;
use usher::engine::agent::{AgentProfile, AgentType};
use usher::engine::id::Text;
use usher::engine::policy::{
    Action, Broadcast, Channel, ClassRule, Classification, Connect, ContactOrder, Exhausted, Hysteresis, IdleClock,
    Membership, OfferRate, Overflow, Policy, Pool, Queue, QueueGroup, Reserve, Rules, Selection, Skill, SkipIf, Step,
    Team, Trigger, WrapUp, ZoneOffset,
};
use usher::engine::requirement::Value;
use usher::engine::time::Span;

use super::words::{START, Words, asked, span};

/// Skills fr, de and it; channels voice, chat and email; queues sales and support without wrap-up; one team for every
/// queue; no leases unless a line says so.
pub fn defaults() -> Policy {
    let skill = |id: &str| Skill { id: id.into(), display_name: id.into() };
    Policy {
        tenant: "default".into(),
        time_zone: "UTC".into(),
        skills: ["fr", "de", "it"].map(skill).to_vec(),
        channels: ["voice", "chat", "email"].map(|id| Channel::named(id.into())).to_vec(),
        queues: ["sales", "support"].map(|id| Queue::named(id.into())).to_vec(),
        teams: vec![team("all", "*/1")],
        rules: Rules { session_lease: Span::ZERO, ..Rules::default() },
        ..Policy::default()
    }
}

/// Whether a line is one of policy.
pub fn is_policy(verb: &str) -> bool {
    matches!(
        verb,
        "rules"
            | "channel"
            | "pool"
            | "clock"
            | "queue"
            | "group"
            | "overflow"
            | "score"
            | "reserve"
            | "step"
            | "classify"
            | "team"
            | "managed"
            | "reasons"
            | "dispositions"
            | "without"
            | "skills"
    )
}

/// Takes one line of policy in.
///
/// # Panics
/// When it is none.
pub fn change(policy: &mut Policy, words: &Words) {
    match words.verb.as_str() {
        "rules" => rules(&mut policy.rules, words),
        "channel" => {
            let held = find(&mut policy.channels, |held| *held.id == *words.name(0));
            let mut channel = held.map_or_else(|| Channel::named(words.name(0).into()), |held| held.clone());
            self::channel(&mut channel, words);
            put(&mut policy.channels, channel, |held| held.id.clone());
        }
        "pool" if words.has("none") => policy.pools.retain(|held| *held.id != *words.name(0)),
        "pool" => {
            let count = |name: &str| words.number(name).map(|count| count as u32);
            let reset = words.option("reset").map_or(Span::ZERO, span);
            let pool = Pool { id: words.name(0).into(), max: count("max"), per_day: count("day"), reset };
            put(&mut policy.pools, pool, |held| held.id.clone());
        }
        "clock" => {
            let set = |(from, seconds): (&str, &str)| ZoneOffset {
                from: START + span(from),
                seconds: seconds.parse().expect("seconds ahead of UTC are a number"),
            };
            policy.zone_offsets = words.name(0).split(',').filter_map(|part| part.split_once('=')).map(set).collect();
        }
        "queue" => {
            let held = find(&mut policy.queues, |held| *held.id == *words.name(0));
            let mut queue = held.map_or_else(|| Queue::named(words.name(0).into()), |held| held.clone());
            self::queue(&mut queue, words);
            put(&mut policy.queues, queue, |held| held.id.clone());
        }
        "team" => {
            let mut team = team(words.name(0), words.option("queues").unwrap_or_default());
            team.contact_order = words.option("order").map_or(ContactOrder::Priority, order);
            team.max_occupancy = words.number("occupied").map(|ppm| ppm as u32);
            team.offer_rate_limit =
                words.option("offers").and_then(|text| text.split_once('/')).map(|(offers, per)| OfferRate {
                    offers: offers.parse().expect("offers are a number"),
                    per: span(per),
                });
            put(&mut policy.teams, team, |held| held.id.clone());
        }
        "score" => {
            let text = words.because.as_deref().expect("a score stands behind `because`");
            let score = score::parse(text, &|_| true).unwrap_or_else(|error| panic!("`{text}`: {error}"));
            let queue = find(&mut policy.queues, |held| *held.id == *words.name(0)).expect("there is such a queue");
            queue.score = Some(Arc::new(score));
        }
        "overflow" => {
            let queue = find(&mut policy.queues, |held| *held.id == *words.name(0)).expect("there is such a queue");
            queue.overflow.push(overflow(words));
        }
        "step" => {
            let queue = find(&mut policy.queues, |held| *held.id == *words.name(0)).expect("there is such a queue");
            queue.steps.push(step(words));
        }
        "classify" => classify(&mut policy.classification, words),
        "reserve" => policy.reserves.push(Reserve {
            team: words.name(0).into(),
            queue: words.name(1).into(),
            keep_idle: words.number("keep").expect("a reserve keeps some idle") as u32,
            release_after: words.option("release").map(span),
            lender_within_target: words.has("within"),
            hysteresis: words.number("start").map(|start| Hysteresis {
                start: start as u32,
                stop: words.number("stop").unwrap_or(0) as u32,
                ratio_ppm: words.option("ratio").map_or(1_000_000, |text| points(text) as u32),
            }),
        }),
        "group" => {
            let queues = words.option("queues").unwrap_or_default().split(',').map(Text::from).collect();
            let limit = words.number("limit").expect("a group has a limit") as u32;
            put(&mut policy.queue_groups, QueueGroup { id: words.name(0).into(), queues, limit }, |held| {
                held.id.clone()
            });
        }
        "managed" => {
            let profile = Arc::new(AgentProfile { managed_by_config: true, ..profile(words) });
            put(&mut policy.agents, profile, |held| held.agent_id.clone());
        }
        "skills" => {
            let skill = |id: &String| Skill { id: id.as_str().into(), display_name: id.as_str().into() };
            policy.skills = words.names.iter().map(skill).collect();
        }
        "reasons" => policy.not_ready_reasons = words.names.iter().map(|name| name.as_str().into()).collect(),
        "dispositions" => policy.dispositions = words.names.iter().map(|name| name.as_str().into()).collect(),
        "without" => words.others(&[]).for_each(|(what, id)| without(policy, what, id)),
        other => panic!("`{other}` is no line of policy"),
    }
}

fn without(policy: &mut Policy, what: &str, id: &str) {
    match what {
        "queue" => policy.queues.retain(|held| *held.id != *id),
        "channel" => policy.channels.retain(|held| *held.id != *id),
        "team" => policy.teams.retain(|held| *held.id != *id),
        "skill" => policy.skills.retain(|held| *held.id != *id),
        "managed" => policy.agents.retain(|held| *held.agent_id != *id),
        other => panic!("a policy has no `{other}` to go without"),
    }
}

fn find<T>(table: &mut [T], is: impl Fn(&T) -> bool) -> Option<&mut T> {
    table.iter_mut().find(|held| is(held))
}

fn put<T>(table: &mut Vec<T>, value: T, id: impl Fn(&T) -> Text) {
    match table.iter_mut().find(|held| id(held) == id(&value)) {
        Some(held) => *held = value,
        None => table.push(value),
    }
}

fn rules(rules: &mut Rules, words: &Words) {
    for (key, value) in words.others(&[]) {
        let count = || value.parse().unwrap_or_else(|_| panic!("`{value}` is no count"));
        match key {
            "lease" => rules.session_lease = span(value),
            "grace" => rules.gateway_grace = span(value),
            "retry" => rules.retry_time = span(value),
            "declines" => rules.max_declines = count(),
            "transfer" => rules.transfer_timeout = span(value),
            "park" => rules.park_timeout = span(value),
            "retention" => rules.retention = span(value),
            "kept" => rules.retained_contacts = count(),
            "window" => rules.request_window = span(value),
            "remembered" => rules.remembered_requests = count(),
            "occupancy" => rules.occupancy_window = span(value),
            other => panic!("there is no rule `{other}`"),
        }
    }
}

fn channel(channel: &mut Channel, words: &Words) {
    channel.auto_accept |= words.has("auto");
    for (key, value) in words.others(&[]) {
        let count = || value.parse().unwrap_or_else(|_| panic!("`{value}` is no count"));
        match key {
            "cost" => channel.cost = count(),
            "max" => channel.max = count(),
            "connect" => {
                channel.connect = if value == "explicit" { Connect::Explicit } else { Connect::OnAccept };
            }
            "offer" => channel.offer_timeout = span(value),
            "excludes" => channel.excludes = value.split(',').map(Text::from).collect(),
            "interrupts" => channel.interrupts = value.split(',').map(Text::from).collect(),
            "pools" => channel.pools = value.split(',').filter(|id| *id != "none").map(Text::from).collect(),
            "connecting" => channel.connect_timeout = span(value),
            "max_wait" => channel.max_wait = span(value),
            "max_handle" => channel.max_handle = span(value),
            "rona" => channel.rona = count(),
            "reset" => channel.rona_reset = span(value),
            "reset_max" => channel.rona_reset_max = span(value),
            other => panic!("a channel has no `{other}`"),
        }
    }
}

fn queue(queue: &mut Queue, words: &Words) {
    if let Some(needs) = &words.needs {
        queue.require = asked(needs);
    }
    for (key, value) in words.others(&[]) {
        match key {
            "wrap_up" => {
                queue.wrap_up = match value.split_once('/') {
                    Some(("timed", time)) => WrapUp::Timed(span(time)),
                    Some(("manual", time)) => WrapUp::Manual(span(time)),
                    _ => WrapUp::None,
                };
            }
            "max_wait" => queue.max_wait = Some(span(value)),
            "broadcast" => {
                let (min, max) = value.split_once('/').expect("a broadcast has a min and a max");
                let count = |text: &str| text.parse().expect("a count");
                queue.broadcast = Some(Broadcast { min: count(min), max: count(max) });
            }
            "limit" => queue.limit = value.parse().ok(),
            "select" => queue.selection = selection(value),
            "clock" => queue.idle_clock = clock(value),
            "aging" => queue.aging = points(value),
            "aging_cap" => queue.aging_cap = Some(points(value)),
            "first" => queue.max_wait_first = Some(span(value)),
            "cost" => queue.waiting_cost = points(value),
            "handle" => queue.expected_handle = span(value),
            "patience" => queue.expected_patience = Some(span(value)),
            "short" => queue.short_abandon = span(value),
            "steps" => queue.steps.clear(),
            "any" => queue.exhausted = Exhausted::AnyInQueue(span(value)),
            "over" => queue.exhausted = Exhausted::Overflow(span(value)),
            "threshold" => queue.service_level.threshold = span(value),
            other => panic!("a queue has no `{other}`"),
        }
    }
}

/// Points, with decimals, as millionths.
fn points(text: &str) -> i64 {
    (text.parse::<f64>().expect("points are a number") * 1e6).round() as i64
}

fn selection(text: &str) -> Selection {
    match text {
        "longest_idle" => Selection::LongestIdle,
        "ranked" => Selection::Ranked,
        "least_occupied" => Selection::LeastOccupied,
        "best_score" => Selection::BestScore,
        "least_loaded" => Selection::LeastLoaded,
        "best_skilled" => Selection::BestSkilled,
        "least_skilled" => Selection::LeastSkilled,
        "fewest_contacts" => Selection::FewestContacts,
        "round_robin" => Selection::RoundRobin,
        "ordered" => Selection::Ordered,
        "random" => Selection::Random,
        other => panic!("there is no selection `{other}`"),
    }
}

fn clock(text: &str) -> IdleClock {
    match text {
        "any" => IdleClock::Any,
        "inbound" => IdleClock::Inbound,
        "available" => IdleClock::Available,
        other => panic!("there is no idle clock `{other}`"),
    }
}

/// `step sales after:20s drop:fr,attr.tier prefer skip needs fr >= 3`.
fn classify(classification: &mut Classification, words: &Words) {
    let list = |key: &str| words.option(key).map_or_else(Vec::new, |names| names.split(',').map(Into::into).collect());
    let queue: Text = words.name(0).into();
    match (&*queue, words.has("fallback")) {
        ("none", _) => *classification = Classification::default(),
        (_, true) => classification.fallback = Some(queue),
        (_, false) => classification.rules.push(ClassRule {
            channels: list("channels"),
            when: words.requirement().flatten(),
            priority_at_least: words.number("least").map(|least| least as i32),
            age_at_least: words.span("age"),
            asks: list("asks"),
            queue,
            set_priority: words.number("priority").map(|priority| priority as i32),
            set_requirement: words.because.as_deref().and_then(asked),
        }),
    }
}

fn step(words: &Words) -> Step {
    Step {
        after: words.span("after").unwrap_or_default(),
        require: words.needs.as_ref().and_then(|needs| asked(needs)),
        drop: words.option("drop").map_or_else(Vec::new, |names| names.split(',').map(Into::into).collect()),
        prefer: words.has("prefer"),
        skip_if: words.has("skip").then_some(SkipIf::NobodySignedIn),
    }
}

/// `overflow sales wait:30s to:support`: `length:3`, `full`, `nobody`, `wait:30s`, `closed` or `unwilling`; `to:support`,
/// `priority:5`, `external:number` or `refuse`.
fn overflow(words: &Words) -> Overflow {
    let trigger = match (words.number("length"), words.option("wait")) {
        (Some(length), _) => Trigger::QueueLength(Some(length as u32)),
        (None, Some(wait)) => Trigger::Wait(span(wait)),
        (None, None) if words.has("full") => Trigger::QueueLength(None),
        (None, None) if words.has("nobody") => Trigger::NobodySignedIn,
        (None, None) if words.has("exhausted") => Trigger::StepsExhausted,
        (None, None) if words.has("closed") => Trigger::QueueClosed,
        (None, None) => Trigger::NoWillingAgent,
    };
    let action = match (words.option("to"), words.number("priority"), words.option("external")) {
        (Some(queue), ..) => Action::Queue(queue.into()),
        (_, Some(priority), _) => Action::Priority(priority as i32),
        (.., Some(number)) => Action::External(number.into()),
        _ if words.has("relax") => Action::Relax,
        _ => Action::Refuse,
    };
    Overflow { trigger, action }
}

fn order(text: &str) -> ContactOrder {
    match text {
        "priority" => ContactOrder::Priority,
        "urgency" => ContactOrder::ServiceLevelUrgency,
        "cmu_theta" => ContactOrder::CmuTheta,
        "count" => ContactOrder::QueueRatioCount,
        "delay" => ContactOrder::QueueRatioDelay,
        other => panic!("there is no contact order `{other}`"),
    }
}

fn team(id: &str, queues: &str) -> Team {
    let membership = |item: &str| {
        let mut parts = item.split('/');
        let queue = parts.next().unwrap_or_default();
        let priority = parts.next().map_or(1, |text| text.parse().expect("a membership priority is a number"));
        let mut line = Membership::new(queue.into(), priority);
        for part in parts {
            match part.split_once('=').unwrap_or((part, "")) {
                ("delay", text) => line.delay = span(text),
                ("rank", text) => line.rank = text.parse().expect("a rank is a number"),
                ("ratio", text) => line.ratio_ppm = text.parse().expect("a ratio is in parts per million"),
                (other, _) => panic!("a membership has no `{other}`"),
            }
        }
        line
    };
    let queues = queues.split(',').filter(|item| !item.is_empty()).map(membership).collect();
    Team { queues, ..Team::named(id.into()) }
}

/// An attribute's value: a whole number, or a text.
pub fn attribute(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Str(text.into()), Value::Int)
}

/// `ana fr:5 team:t1 capacity:200 site.x:lisbon type:ai`: skills, and attributes behind a dot.
pub fn profile(words: &Words) -> AgentProfile {
    let known = ["team", "capacity", "type", "site", "not_ready", "lease"];
    let mut skills = Vec::new();
    let mut attributes = Vec::new();
    for (key, value) in words.others(&known) {
        match key.strip_prefix('.') {
            Some(name) => attributes.push((name.into(), attribute(value))),
            None => skills.push((Text::from(key), value.parse().expect("a level is a number"))),
        }
    }
    skills.sort();
    attributes.sort();
    let team = match words.option("team") {
        Some("none") => None,
        Some(team) => Some(team.into()),
        None => Some("all".into()),
    };
    AgentProfile {
        agent_id: words.name(0).into(),
        display_name: words.name(0).into(),
        team,
        site: words.option("site").map(Into::into),
        agent_type: if words.option("type") == Some("ai") { AgentType::Ai } else { AgentType::Human },
        skills,
        attributes,
        capacity: words.number("capacity").unwrap_or(100) as u32,
        managed_by_config: false,
    }
}

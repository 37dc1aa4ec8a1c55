//! The snapshot as JSON: the fields of the gRPC `Snapshot` by the same names, directions and states in words, spans in
//! seconds under names that end in `_seconds`, instants in RFC 3339. What is not there is left out, never null.

use serde_json::{Map, Value, json};

use super::counts::{Count, Counts, Sum};
use super::fold::WINDOWS;
use super::kpi::{DEFINITIONS, Kpis};
use super::names;
use super::snapshot::{AgentCounts, ChannelView, DirectionView, Figures, QueueView, SkillView, Snapshot, TeamView};
use crate::engine::id::Text;
use crate::engine::time::{Span, Time};

fn instant(time: Time) -> String {
    let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn seconds(Span(micros): Span) -> f64 {
    micros as f64 / 1e6
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

/// Counts and sums.
#[must_use]
pub fn figures(figures: &Figures) -> Value {
    let counts: &Counts = &figures.counts;
    let count = |of| counts.count(of);
    let sum = |of: Sum| counts[of] as f64 / 1e6;
    let listed = |pairs: &mut dyn Iterator<Item = (&'static str, i64)>| {
        let mut object = Map::new();
        for (name, count) in pairs.filter(|(_, count)| *count != 0) {
            let before = object.get(name).and_then(Value::as_i64).unwrap_or(0);
            object.insert(name.to_owned(), (before + count).into());
        }
        object
    };
    let surveys = names::SURVEYS.iter().filter(|(of, ..)| counts[*of] != 0);
    json!({
        "received": count(Count::Received),
        "offered": count(Count::Offered),
        "answered": count(Count::Answered),
        "answered_within_threshold": count(Count::AnsweredWithin),
        "abandoned": count(Count::Abandoned),
        "abandoned_short": count(Count::AbandonedShort),
        "abandoned_within_threshold": count(Count::AbandonedWithin),
        "overflowed": count(Count::Overflowed),
        "cancelled": count(Count::Cancelled),
        "refused": count(Count::Refused),
        "expired": count(Count::Expired),
        "moved": count(Count::Moved),
        "waiting": counts.waiting(),
        "waiting_past_threshold": figures.waiting_past,
        "exits": listed(&mut counts.exits.iter().map(|(key, count)| (names::exit(*key), i64::from(*count)))),
        "handled": count(Count::Handled),
        "contacts_transferred": count(Count::ContactsTransferred),
        "transfers": count(Count::Transfers),
        "contacts_resolved": count(Count::Resolved),
        "contacts_resolved_untransferred": count(Count::ResolvedUntransferred),
        "contacts_resolved_provisional": figures.provisional,
        "contacts_recontacted": count(Count::Recontacted),
        "contacts_resolved_unset": count(Count::ResolvedUnset),
        "callbacks": listed(&mut names::CALLBACKS.iter().map(|(of, name)| (*name, count(*of)))),
        "offers": listed(&mut names::OFFERS.iter().map(|(of, name)| (*name, count(*of)))),
        "outcomes": listed(&mut names::OUTCOMES.iter().map(|(of, name)| (*name, count(*of)))),
        "surveys": surveys
            .map(|(of, kind, result)| json!({ "kind": kind, "result": result, "answers": count(*of) }))
            .collect::<Vec<Value>>(),
        "answered_wait_seconds": sum(Sum::AnsweredWait),
        "abandoned_wait_seconds": sum(Sum::AbandonedWait),
        "talk_seconds": sum(Sum::Talk),
        "hold_seconds": sum(Sum::Hold),
        "wrap_up_seconds": sum(Sum::WrapUp),
        "cost": sum(Sum::Cost),
        "over_max_handle": count(Count::OverMaxHandle),
    })
}

/// Ratios.
#[must_use]
pub fn kpis(kpis: &Kpis) -> Value {
    let mut object = Map::new();
    let mut levels = Map::new();
    for (name, level) in DEFINITIONS.iter().zip(kpis.service_level.all()) {
        put(&mut levels, name, level);
    }
    object.insert("service_level".to_owned(), levels.into());
    for (name, span) in [
        ("average_speed_of_answer_seconds", kpis.average_speed_of_answer),
        ("average_handle_time_seconds", kpis.average_handle_time),
        ("average_talk_seconds", kpis.average_talk),
        ("average_hold_seconds", kpis.average_hold),
        ("average_wrap_up_seconds", kpis.average_wrap_up),
        ("average_time_to_abandon_seconds", kpis.average_time_to_abandon),
    ] {
        put(&mut object, name, span.map(|micros| seconds(Span(micros))));
    }
    for (name, ratio) in [
        ("abandonment", kpis.abandonment),
        ("abandonment_at_door", kpis.abandonment_at_door),
        ("transfer_rate", kpis.transfer_rate),
        ("fcr_of_contacts", kpis.fcr_of_contacts),
        ("fcr_of_handled", kpis.fcr_of_handled),
        ("fcr_strict", kpis.fcr_strict),
        ("fcr_no_recontact", kpis.fcr_no_recontact),
        ("csat", kpis.csat),
        ("nps", kpis.nps),
        ("cost_per_contact", kpis.cost_per_contact.map(|millionths| millionths as f64 / 1e6)),
    ] {
        put(&mut object, name, ratio);
    }
    object.into()
}

fn direction(view: &DirectionView) -> Value {
    let mut waiting = Map::new();
    for ((_, state), count) in names::WAITING.iter().zip(view.waiting.states) {
        waiting.insert((*state).to_owned(), count.into());
    }
    waiting.insert("past_threshold".to_owned(), view.waiting.past_threshold.into());
    waiting.insert("longest_wait_seconds".to_owned(), seconds(view.waiting.longest).into());
    let longest = Some(&*view.waiting.longest_contact_id).filter(|id| !id.is_empty());
    put(&mut waiting, "longest_contact_id", longest);
    let windows = view.windows.iter().zip(WINDOWS).map(|(window, minutes)| {
        json!({ "window_seconds": minutes * 60, "figures": figures(window), "kpis": kpis(&window.kpis()) })
    });
    json!({
        "direction": names::direction(view.direction),
        "waiting": waiting,
        "day": figures(&view.day),
        "day_kpis": kpis(&view.day.kpis()),
        "windows": windows.collect::<Vec<Value>>(),
    })
}

fn figures_of((direction, day): &(crate::engine::contact::Direction, Figures)) -> Value {
    json!({ "direction": names::direction(*direction), "figures": figures(day), "kpis": kpis(&day.kpis()) })
}

fn directions(views: &[DirectionView]) -> Value {
    views.iter().map(direction).collect::<Vec<Value>>().into()
}

fn agents(counts: &AgentCounts) -> Value {
    let mut object = Map::new();
    object.insert("signed_in".to_owned(), counts.signed_in.into());
    object.insert("offline".to_owned(), counts.offline.into());
    for (state, count) in names::AGENT_STATES.iter().zip(counts.states) {
        object.insert((*state).to_owned(), count.into());
    }
    let reasons: Map<String, Value> =
        counts.reasons.iter().map(|(reason, count)| (reason.to_string(), (*count).into())).collect();
    object.insert("not_ready_reasons".to_owned(), reasons.into());
    object.into()
}

fn queue(queue: &QueueView) -> Value {
    json!({
        "queue": &*queue.queue,
        "display_name": &*queue.display_name,
        "directions": directions(&queue.directions),
        "connected": queue.connected,
        "wrap_up": queue.wrap_up,
        "agents": agents(&queue.agents),
        "threshold_seconds": seconds(queue.threshold),
        "target": f64::from(queue.target_ppm) / 1e6,
        "limit": queue.limit.unwrap_or(0),
    })
}

fn channel(channel: &ChannelView) -> Value {
    json!({
        "channel": &*channel.channel,
        "directions": directions(&channel.directions),
        "used_units": channel.used_units,
        "connected": channel.connected,
    })
}

fn team(team: &TeamView) -> Value {
    let mut object = Map::new();
    put(&mut object, "occupancy", team.occupancy);
    for (name, value) in [
        ("team", json!(&*team.team)),
        ("display_name", json!(&*team.display_name)),
        ("parent", json!(&*team.parent)),
        ("site", json!(&*team.site)),
        ("agents", agents(&team.agents)),
        ("used_units", json!(team.used_units)),
        ("capacity_units", json!(team.capacity_units)),
        ("day", figures(&team.day)),
        ("day_kpis", kpis(&team.day.kpis())),
        ("other_directions", team.others.iter().map(figures_of).collect::<Vec<Value>>().into()),
    ] {
        object.insert(name.to_owned(), value);
    }
    object.into()
}

fn skill(skill: &SkillView) -> Value {
    json!({ "skill": &*skill.skill, "waiting": skill.waiting, "agents": agents(&skill.agents) })
}

/// A snapshot without its rows.
fn head(view: &Snapshot) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in [
        ("tenant", json!(&*view.tenant)),
        ("sequence", json!(view.sequence)),
        ("snapshot_time", json!(instant(view.time))),
        ("policy_version", json!(view.policy_version)),
        ("day_start_time", json!(instant(view.day_start))),
        ("totals", directions(&view.totals)),
        ("agent_counts", agents(&view.agents)),
        ("direct_contacts", json!(view.direct_contacts)),
        ("scheduled_contacts", json!(view.scheduled_contacts)),
        ("stuck", json!(view.stuck)),
    ] {
        object.insert(name.to_owned(), value);
    }
    object
}

/// The whole snapshot.
#[must_use]
pub fn snapshot(view: &Snapshot) -> Value {
    let mut object = head(view);
    for (name, rows) in [
        ("queues", view.queues.iter().map(queue).collect::<Vec<Value>>()),
        ("channels", view.channels.iter().map(channel).collect()),
        ("teams", view.teams.iter().map(team).collect()),
        ("skills", view.skills.iter().map(skill).collect()),
    ] {
        object.insert(name.to_owned(), rows.into());
    }
    object.into()
}

/// The rows that differ, whole, and the keys of those that are gone; both lists are sorted by key.
fn changes<V: PartialEq>(
    before: &[V],
    now: &[V],
    key: impl Fn(&V) -> &Text,
    show: impl Fn(&V) -> Value,
) -> (Vec<Value>, Vec<Value>) {
    let find = |rows: &[V], row: &V| rows.binary_search_by(|held| key(held).cmp(key(row))).ok();
    let is_new = |row: &&V| find(before, row).map(|at| &before[at]) != Some(*row);
    let gone = before.iter().filter(|row| find(now, row).is_none());
    (now.iter().filter(is_new).map(show).collect(), gone.map(|row| (**key(row)).into()).collect())
}

/// What changed: the head, the rows that differ, whole, and `removed` keys by list. None when only the time moved. Rows
/// that are the same are not made.
#[must_use]
pub fn diff(before: &Snapshot, now: &Snapshot) -> Option<Value> {
    let mut object = head(now);
    let mut removed = Map::new();
    let still = |mut head: Map<String, Value>| {
        head.remove("snapshot_time");
        head.remove("sequence");
        head
    };
    let mut moved = still(head(before)) != still(object.clone());
    for (name, (changed, gone)) in [
        ("queues", changes(&before.queues, &now.queues, |row| &row.queue, queue)),
        ("channels", changes(&before.channels, &now.channels, |row| &row.channel, channel)),
        ("teams", changes(&before.teams, &now.teams, |row| &row.team, team)),
        ("skills", changes(&before.skills, &now.skills, |row| &row.skill, skill)),
    ] {
        moved |= !(changed.is_empty() && gone.is_empty());
        object.insert(name.to_owned(), changed.into());
        if !gone.is_empty() {
            removed.insert(name.to_owned(), gone.into());
        }
    }
    object.insert("removed".to_owned(), removed.into());
    moved.then(|| object.into())
}

//! The snapshot as JSON: the fields of the gRPC `Snapshot` by the same names, directions and states in words, spans in
//! seconds under names that end in `_seconds`, instants in RFC 3339. What is not there is left out, never null.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::counts::{Count, Sum};
use super::fold::WINDOWS;
use super::kpi::{DEFINITIONS, Kpis};
use super::names;
use super::snapshot::{
    AgentCounts, ChannelView, DirectionView, Figures, QueueView, SkillView, Snapshot, TeamView, Waiting,
};
use crate::engine::contact::Direction;
use crate::engine::id::Text;
use crate::engine::time::{Span, Time};

/// Something of the view as it is written in JSON, straight from where it stands.
struct Json<'a, T: ?Sized>(&'a T);

/// Rows, and other lists.
struct List<'a, T>(&'a [T]);

impl<'a, T> Serialize for List<'a, T>
where
    Json<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Json))
    }
}

macro_rules! object {
    ($serializer:expr, { $($name:literal: $value:expr,)* }) => {{
        let mut object = $serializer.serialize_map(None)?;
        $(object.serialize_entry($name, &$value)?;)*
        object.end()
    }};
}

fn instant(time: Time) -> String {
    let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn seconds(Span(micros): Span) -> f64 {
    micros as f64 / 1e6
}

fn put<M: SerializeMap>(object: &mut M, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| object.serialize_entry(name, &value))
}

/// Counts by name, those of one name together, none of nothing.
struct Listed(Vec<(&'static str, i64)>);

impl Listed {
    fn of(pairs: impl Iterator<Item = (&'static str, i64)>) -> Listed {
        let mut listed: Vec<(&'static str, i64)> = Vec::new();
        for (name, count) in pairs.filter(|(_, count)| *count != 0) {
            match listed.iter_mut().find(|(known, _)| *known == name) {
                Some((_, before)) => *before += count,
                None => listed.push((name, count)),
            }
        }
        Listed(listed)
    }
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// Answers of one kind and result.
#[derive(Serialize)]
struct Survey {
    kind: &'static str,
    result: &'static str,
    answers: i64,
}

/// Counts and sums.
impl Serialize for Json<'_, Figures> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(figures) = self;
        let counts = &figures.counts;
        let count = |of| counts.count(of);
        let sum = |of: Sum| counts[of] as f64 / 1e6;
        let surveys = names::SURVEYS.iter().map(|&(of, kind, result)| Survey { kind, result, answers: count(of) });
        object!(serializer, {
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
            "exits": Listed::of(counts.exits.iter().map(|(key, count)| (names::exit(*key), i64::from(*count)))),
            "handled": count(Count::Handled),
            "contacts_transferred": count(Count::ContactsTransferred),
            "transfers": count(Count::Transfers),
            "contacts_resolved": count(Count::Resolved),
            "contacts_resolved_untransferred": count(Count::ResolvedUntransferred),
            "contacts_resolved_provisional": figures.provisional,
            "contacts_recontacted": count(Count::Recontacted),
            "contacts_resolved_unset": count(Count::ResolvedUnset),
            "callbacks": Listed::of(names::CALLBACKS.iter().map(|(of, name)| (*name, count(*of)))),
            "offers": Listed::of(names::OFFERS.iter().map(|(of, name)| (*name, count(*of)))),
            "outcomes": Listed::of(names::OUTCOMES.iter().map(|(of, name)| (*name, count(*of)))),
            "surveys": surveys.filter(|survey| survey.answers != 0).collect::<Vec<Survey>>(),
            "answered_wait_seconds": sum(Sum::AnsweredWait),
            "abandoned_wait_seconds": sum(Sum::AbandonedWait),
            "talk_seconds": sum(Sum::Talk),
            "hold_seconds": sum(Sum::Hold),
            "wrap_up_seconds": sum(Sum::WrapUp),
            "cost": sum(Sum::Cost),
            "over_max_handle": count(Count::OverMaxHandle),
        })
    }
}

/// Service levels by definition, those there are.
struct Levels<'a>(&'a Kpis);

impl Serialize for Levels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let levels = DEFINITIONS.iter().zip(self.0.service_level.all());
        serializer.collect_map(levels.filter_map(|(name, level)| Some((name, level?))))
    }
}

/// Ratios.
impl Serialize for Json<'_, Kpis> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(kpis) = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("service_level", &Levels(kpis))?;
        for (name, span) in [
            ("average_speed_of_answer_seconds", kpis.average_speed_of_answer),
            ("average_handle_time_seconds", kpis.average_handle_time),
            ("average_talk_seconds", kpis.average_talk),
            ("average_hold_seconds", kpis.average_hold),
            ("average_wrap_up_seconds", kpis.average_wrap_up),
            ("average_time_to_abandon_seconds", kpis.average_time_to_abandon),
        ] {
            put(&mut object, name, span.map(|micros| seconds(Span(micros))))?;
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
            put(&mut object, name, ratio)?;
        }
        object.end()
    }
}

impl Serialize for Json<'_, Waiting> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(waiting) = self;
        let mut object = serializer.serialize_map(None)?;
        for ((_, state), count) in names::WAITING.iter().zip(waiting.states) {
            object.serialize_entry(state, &count)?;
        }
        object.serialize_entry("unservable", &waiting.unservable)?;
        object.serialize_entry("past_threshold", &waiting.past_threshold)?;
        object.serialize_entry("longest_wait_seconds", &seconds(waiting.longest))?;
        let longest = Some(&*waiting.longest_contact_id).filter(|id| !id.is_empty());
        put(&mut object, "longest_contact_id", longest)?;
        object.end()
    }
}

/// The last so many minutes.
impl Serialize for Json<'_, (u64, &Figures)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json((minutes, figures)) = self;
        object!(serializer, {
            "window_seconds": minutes * 60,
            "figures": Json(*figures),
            "kpis": Json(&figures.kpis()),
        })
    }
}

impl Serialize for Json<'_, DirectionView> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(view) = self;
        let windows: Vec<(u64, &Figures)> = WINDOWS.into_iter().zip(&view.windows).collect();
        object!(serializer, {
            "direction": names::direction(view.direction),
            "waiting": Json(&view.waiting),
            "day": Json(&view.day),
            "day_kpis": Json(&view.day.kpis()),
            "windows": List(&windows),
        })
    }
}

impl Serialize for Json<'_, (Direction, Figures)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json((direction, day)) = self;
        object!(serializer, {
            "direction": names::direction(*direction),
            "figures": Json(day),
            "kpis": Json(&day.kpis()),
        })
    }
}

/// How many are not ready, by reason.
struct Reasons<'a>(&'a AgentCounts);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.reasons.iter().map(|(reason, count)| (&**reason, *count)))
    }
}

impl Serialize for Json<'_, AgentCounts> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(counts) = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("signed_in", &counts.signed_in)?;
        object.serialize_entry("offline", &counts.offline)?;
        for (state, count) in names::AGENT_STATES.iter().zip(counts.states) {
            object.serialize_entry(state, &count)?;
        }
        object.serialize_entry("not_ready_reasons", &Reasons(counts))?;
        object.end()
    }
}

impl Serialize for Json<'_, QueueView> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(queue) = self;
        object!(serializer, {
            "queue": &*queue.queue,
            "display_name": &*queue.display_name,
            "directions": List(&queue.directions),
            "connected": queue.connected,
            "wrap_up": queue.wrap_up,
            "agents": Json(&queue.agents),
            "threshold_seconds": seconds(queue.threshold),
            "target": f64::from(queue.target_ppm) / 1e6,
            "limit": queue.limit.unwrap_or(0),
        })
    }
}

impl Serialize for Json<'_, ChannelView> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(channel) = self;
        object!(serializer, {
            "channel": &*channel.channel,
            "directions": List(&channel.directions),
            "used_units": channel.used_units,
            "connected": channel.connected,
        })
    }
}

impl Serialize for Json<'_, TeamView> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(team) = self;
        let mut object = serializer.serialize_map(None)?;
        for (name, text) in
            [("team", &team.team), ("display_name", &team.display_name), ("parent", &team.parent), ("site", &team.site)]
        {
            object.serialize_entry(name, &**text)?;
        }
        object.serialize_entry("agents", &Json(&team.agents))?;
        put(&mut object, "occupancy", team.occupancy)?;
        object.serialize_entry("used_units", &team.used_units)?;
        object.serialize_entry("capacity_units", &team.capacity_units)?;
        object.serialize_entry("day", &Json(&team.day))?;
        object.serialize_entry("day_kpis", &Json(&team.day.kpis()))?;
        object.serialize_entry("other_directions", &List(&team.others))?;
        object.end()
    }
}

impl Serialize for Json<'_, SkillView> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(skill) = self;
        object!(serializer, {
            "skill": &*skill.skill,
            "waiting": skill.waiting,
            "agents": Json(&skill.agents),
        })
    }
}

/// A snapshot without its rows.
fn head<M: SerializeMap>(object: &mut M, view: &Snapshot) -> Result<(), M::Error> {
    object.serialize_entry("tenant", &*view.tenant)?;
    object.serialize_entry("sequence", &view.sequence)?;
    object.serialize_entry("snapshot_time", &instant(view.time))?;
    object.serialize_entry("policy_version", &view.policy_version)?;
    object.serialize_entry("day_start_time", &instant(view.day_start))?;
    object.serialize_entry("totals", &List(&view.totals))?;
    object.serialize_entry("agent_counts", &Json(&view.agents))?;
    object.serialize_entry("direct_contacts", &view.direct_contacts)?;
    object.serialize_entry("scheduled_contacts", &view.scheduled_contacts)?;
    object.serialize_entry("stuck", &view.stuck)
}

impl Serialize for Json<'_, Snapshot> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(view) = self;
        let mut object = serializer.serialize_map(None)?;
        head(&mut object, view)?;
        object.serialize_entry("queues", &List(&view.queues))?;
        object.serialize_entry("channels", &List(&view.channels))?;
        object.serialize_entry("teams", &List(&view.teams))?;
        object.serialize_entry("skills", &List(&view.skills))?;
        object.end()
    }
}

/// Bytes set aside for a row: about what one of a queue with one direction takes.
const ROW: usize = 8 << 10;

/// Appends the whole snapshot, in one line.
pub fn snapshot(view: &Snapshot, out: &mut Vec<u8>) {
    out.reserve(ROW * (view.queues.len() + view.channels.len() + view.teams.len() + 2));
    write(&Json(view), out);
}

fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("every key is text, and memory takes all of it");
}

/// The rows of one kind that differ, whole, and the keys of those that are gone; both are sorted by key.
struct Changes<'a, V> {
    changed: Vec<&'a V>,
    gone: Vec<&'a str>,
}

impl<'a, V: PartialEq> Changes<'a, V> {
    fn of((before, now): (&'a [V], &'a [V]), key: impl Fn(&V) -> &Text) -> Changes<'a, V> {
        let find = |rows: &[V], row: &V| rows.binary_search_by(|held| key(held).cmp(key(row))).ok();
        let is_new = |row: &&V| find(before, row).map(|at| &before[at]) != Some(*row);
        let gone = before.iter().filter(|row| find(now, row).is_none());
        Changes { changed: now.iter().filter(is_new).collect(), gone: gone.map(|row| &**key(row)).collect() }
    }

    fn none(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }
}

impl<'a, V> Serialize for Changes<'a, V>
where
    Json<'a, V>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.changed.iter().map(|row| Json(*row)))
    }
}

/// What changed between two snapshots.
struct Diff<'a> {
    now: &'a Snapshot,
    queues: Changes<'a, QueueView>,
    channels: Changes<'a, ChannelView>,
    teams: Changes<'a, TeamView>,
    skills: Changes<'a, SkillView>,
}

impl Serialize for Diff<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Diff { now, queues, channels, teams, skills } = self;
        let mut object = serializer.serialize_map(None)?;
        head(&mut object, now)?;
        object.serialize_entry("queues", queues)?;
        object.serialize_entry("channels", channels)?;
        object.serialize_entry("teams", teams)?;
        object.serialize_entry("skills", skills)?;
        let removed =
            [("queues", &queues.gone), ("channels", &channels.gone), ("teams", &teams.gone), ("skills", &skills.gone)];
        let removed: BTreeMap<_, _> = removed.into_iter().filter(|(_, gone)| !gone.is_empty()).collect();
        object.serialize_entry("removed", &removed)?;
        object.end()
    }
}

/// Appends what changed, in one line: the head, the rows that differ, whole, and `removed` keys by list. Rows that are the
/// same are not written, and nothing is when only the time moved: then it is false.
pub fn diff(before: &Snapshot, now: &Snapshot, out: &mut Vec<u8>) -> bool {
    let queues = Changes::of((&before.queues, &now.queues), |row| &row.queue);
    let channels = Changes::of((&before.channels, &now.channels), |row| &row.channel);
    let teams = Changes::of((&before.teams, &now.teams), |row| &row.team);
    let skills = Changes::of((&before.skills, &now.skills), |row| &row.skill);
    let rows = queues.none() && channels.none() && teams.none() && skills.none();
    let still = |view: &Snapshot| (view.policy_version, view.day_start, view.direct_contacts, view.scheduled_contacts);
    let same = rows
        && before.tenant == now.tenant
        && still(before) == still(now)
        && (&before.totals, &before.agents, before.stuck) == (&now.totals, &now.agents, now.stuck);
    if !same {
        out.reserve(ROW * (queues.changed.len() + channels.changed.len() + teams.changed.len() + 2));
        write(&Diff { now, queues, channels, teams, skills }, out);
    }
    !same
}

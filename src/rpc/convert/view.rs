//! What supervisors look at, as `usher.v1` has it: figures and ratios, snapshots, report rows, records.

use std::collections::BTreeMap;

use usher_proto::v1;

use super::{offer_id, output, span, time};
use crate::engine::contact::{Outcome, Reason};
use crate::engine::id::Text;
use crate::engine::time::{Span, Time};
use crate::rpc::names;
use crate::view::counts::{Count, Counts, Sum};
use crate::view::fold::WINDOWS;
use crate::view::kpi::Kpis;
use crate::view::names as words;
use crate::view::record::{Entry, Leg, Record};
use crate::view::report::{AgentRow, IntervalRow};
use crate::view::snapshot::{self, AgentCounts, DirectionView, Figures, Snapshot};

fn micros(micros: u64) -> prost_types::Duration {
    span(Span(micros))
}

fn summed(counts: &Counts, sum: Sum) -> prost_types::Duration {
    micros(u64::try_from(counts[sum]).unwrap_or(0))
}

fn named<'a>(pairs: impl Iterator<Item = (&'a str, i64)>) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    for (name, count) in pairs.filter(|(_, count)| *count != 0) {
        *found.entry(name.to_owned()).or_default() += count;
    }
    found
}

/// Counts and sums.
pub fn figures(figures: &Figures) -> v1::Figures {
    let counts = &figures.counts;
    let count = |of| counts.count(of);
    let surveys = words::SURVEYS.iter().filter(|(of, ..)| counts[*of] != 0).map(|(of, kind, result)| v1::SurveyCount {
        kind: if *kind == "csat" { v1::SurveyKind::Csat } else { v1::SurveyKind::Nps } as i32,
        result: match *result {
            "positive" => v1::SurveyResult::Positive,
            "neutral" => v1::SurveyResult::Neutral,
            _ => v1::SurveyResult::Negative,
        } as i32,
        answers: count(*of),
    });
    v1::Figures {
        received: count(Count::Received),
        offered: count(Count::Offered),
        answered: count(Count::Answered),
        answered_within_threshold: count(Count::AnsweredWithin),
        abandoned: count(Count::Abandoned),
        abandoned_short: count(Count::AbandonedShort),
        abandoned_within_threshold: count(Count::AbandonedWithin),
        overflowed: count(Count::Overflowed),
        cancelled: count(Count::Cancelled),
        refused: count(Count::Refused),
        expired: count(Count::Expired),
        moved: count(Count::Moved),
        waiting: counts.waiting(),
        waiting_past_threshold: figures.waiting_past,
        exits: named(counts.exits.iter().map(|(key, count)| (words::exit(*key), i64::from(*count)))),
        handled: count(Count::Handled),
        contacts_transferred: count(Count::ContactsTransferred),
        transfers: count(Count::Transfers),
        handoffs: 0,
        contacts_resumed: 0,
        contacts_resolved: count(Count::Resolved),
        contacts_resolved_untransferred: count(Count::ResolvedUntransferred),
        contacts_resolved_provisional: figures.provisional,
        contacts_recontacted: count(Count::Recontacted),
        contacts_resolved_unset: count(Count::ResolvedUnset),
        callbacks: named(words::CALLBACKS.iter().map(|(of, name)| (*name, count(*of)))),
        offers: named(words::OFFERS.iter().map(|(of, name)| (*name, count(*of)))),
        surveys: surveys.collect(),
        answered_wait: Some(summed(counts, Sum::AnsweredWait)),
        answered_wait_entries: count(Count::AnsweredWaits),
        abandoned_wait: Some(summed(counts, Sum::AbandonedWait)),
        longest_wait: (counts.longest_wait > 0).then(|| micros(counts.longest_wait)),
        talk: Some(summed(counts, Sum::Talk)),
        hold: Some(summed(counts, Sum::Hold)),
        wrap_up: Some(summed(counts, Sum::WrapUp)),
        cost_millionths: counts[Sum::Cost],
        over_max_handle: count(Count::OverMaxHandle),
        outcomes: named(words::OUTCOMES.iter().map(|(of, name)| (*name, count(*of)))),
    }
}

/// Ratios, with the occupancy and the adherence that stand beside the counts.
pub fn kpis(kpis: &Kpis, (occupancy, adherence): (Option<f64>, Option<f64>)) -> v1::Kpis {
    let levels = &kpis.service_level;
    v1::Kpis {
        service_level: Some(v1::ServiceLevels {
            of_offered: levels.of_offered,
            of_answered: levels.of_answered,
            of_answered_abandoned: levels.of_answered_abandoned,
            excluding_short: levels.excluding_short,
            abandons_met: levels.abandons_met,
            excluding_early_abandons: levels.excluding_early_abandons,
            live: levels.live,
        }),
        average_speed_of_answer: kpis.average_speed_of_answer.map(micros),
        average_handle_time: kpis.average_handle_time.map(micros),
        average_talk: kpis.average_talk.map(micros),
        average_hold: kpis.average_hold.map(micros),
        average_wrap_up: kpis.average_wrap_up.map(micros),
        abandonment: kpis.abandonment,
        abandonment_at_door: kpis.abandonment_at_door,
        transfer_rate: kpis.transfer_rate,
        fcr_of_contacts: kpis.fcr_of_contacts,
        fcr_of_handled: kpis.fcr_of_handled,
        fcr_strict: kpis.fcr_strict,
        fcr_no_recontact: kpis.fcr_no_recontact,
        csat: kpis.csat,
        nps: kpis.nps,
        cost_per_contact_millionths: kpis.cost_per_contact,
        occupancy,
        adherence,
        average_time_to_abandon: kpis.average_time_to_abandon.map(micros),
        handoff_rate: None,
    }
}

// ---- the snapshot

fn direction(view: &DirectionView) -> v1::DirectionSnapshot {
    let waiting = &view.waiting;
    let [queued, offered, assigned, parked] = waiting.states;
    let windows = view.windows.iter().zip(WINDOWS).map(|(window, minutes)| v1::WindowFigures {
        window: Some(span(Span::from_secs(minutes * 60))),
        figures: Some(figures(window)),
        kpis: Some(kpis(&window.kpis(), (None, None))),
    });
    v1::DirectionSnapshot {
        direction: names::direction_to(view.direction) as i32,
        waiting: Some(v1::Waiting {
            queued,
            offered,
            assigned,
            parked,
            unservable: waiting.unservable,
            past_threshold: waiting.past_threshold,
            longest_wait: Some(span(waiting.longest)),
            longest_contact_id: waiting.longest_contact_id.to_string(),
            estimated_wait: None,
        }),
        day: Some(figures(&view.day)),
        day_kpis: Some(kpis(&view.day.kpis(), (None, None))),
        windows: windows.collect(),
    }
}

fn agent_counts(counts: &AgentCounts) -> v1::AgentCounts {
    let [draining, off_queue, not_responding, offering, busy, wrap_up, idle, not_ready] = counts.states;
    v1::AgentCounts {
        signed_in: counts.signed_in,
        draining,
        off_queue,
        not_ready,
        not_responding,
        offering,
        busy,
        wrap_up,
        idle,
        not_ready_reasons: counts.reasons.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
        offline: counts.offline,
    }
}

/// One queue.
pub fn queue(view: &snapshot::QueueView) -> v1::QueueSnapshot {
    v1::QueueSnapshot {
        queue: view.queue.to_string(),
        display_name: view.display_name.to_string(),
        open: view.open,
        open_expire_time: view.open_until.map(time),
        directions: view.directions.iter().map(direction).collect(),
        connected: view.connected,
        wrap_up: view.wrap_up,
        agents: Some(agent_counts(&view.agents)),
        threshold: Some(span(view.threshold)),
        target: f64::from(view.target_ppm) / 1e6,
        limit: view.limit.map_or(0, |limit| i32::try_from(limit).unwrap_or(i32::MAX)),
        waiting_by_step: view.by_step.clone(),
    }
}

/// One team.
pub fn team(view: &snapshot::TeamView) -> v1::TeamSnapshot {
    let others = view.others.iter().map(|(direction, day)| v1::DirectionFigures {
        direction: names::direction_to(*direction) as i32,
        figures: Some(figures(day)),
        kpis: Some(kpis(&day.kpis(), (None, None))),
    });
    v1::TeamSnapshot {
        team: view.team.to_string(),
        display_name: view.display_name.to_string(),
        parent: view.parent.to_string(),
        site: view.site.to_string(),
        agents: Some(agent_counts(&view.agents)),
        used_units: view.used_units,
        capacity_units: view.capacity_units,
        day: Some(figures(&view.day)),
        day_kpis: Some(kpis(&view.day.kpis(), (None, None))),
        occupancy: view.occupancy,
        other_directions: others.collect(),
    }
}

/// One channel.
pub fn channel(view: &snapshot::ChannelView) -> v1::ChannelSnapshot {
    v1::ChannelSnapshot {
        channel: view.channel.to_string(),
        directions: view.directions.iter().map(direction).collect(),
        used_units: view.used_units,
        connected: view.connected,
    }
}

/// One skill.
pub fn skill(view: &snapshot::SkillView) -> v1::SkillSnapshot {
    v1::SkillSnapshot { skill: view.skill.to_string(), waiting: view.waiting, agents: Some(agent_counts(&view.agents)) }
}

/// A snapshot without its rows.
pub fn head(view: &Snapshot) -> v1::Snapshot {
    v1::Snapshot {
        tenant: view.tenant.to_string(),
        sequence: view.sequence,
        snapshot_time: Some(time(view.time)),
        policy_version: view.policy_version,
        day_start_time: Some(time(view.day_start)),
        totals: view.totals.iter().map(direction).collect(),
        agent_counts: Some(agent_counts(&view.agents)),
        direct_contacts: view.direct_contacts,
        scheduled_contacts: view.scheduled_contacts,
        stuck: view.stuck,
        ..v1::Snapshot::default()
    }
}

/// A snapshot with the queues and teams wanted.
pub fn snapshot(
    view: &Snapshot,
    queues: impl Fn(&str) -> bool,
    teams: impl Fn(&snapshot::TeamView) -> bool,
) -> v1::Snapshot {
    v1::Snapshot {
        queues: view.queues.iter().filter(|view| queues(&view.queue)).map(queue).collect(),
        channels: view.channels.iter().map(channel).collect(),
        teams: view.teams.iter().filter(|view| teams(view)).map(team).collect(),
        skills: view.skills.iter().map(skill).collect(),
        ..head(view)
    }
}

// ---- reports

/// One row of an interval report.
pub fn interval_row(row: &IntervalRow) -> v1::IntervalRow {
    v1::IntervalRow {
        start_time: Some(time(row.start)),
        end_time: Some(time(row.end)),
        queue: row.key.queue.to_string(),
        channel: row.key.channel.to_string(),
        direction: names::direction_to(row.key.direction) as i32,
        skill: row.key.skill.to_string(),
        team: row.key.team.to_string(),
        site: row.key.site.to_string(),
        figures: Some(figures(&row.figures)),
        kpis: Some(kpis(&row.figures.kpis(), (row.occupancy, row.adherence))),
        complete: row.complete,
        threshold: row.threshold.map(span),
    }
}

/// One row of an agent report. `channel` names channels by handle.
pub fn agent_row(row: &AgentRow, channel: &dyn Fn(crate::engine::id::ChannelId) -> Text) -> v1::AgentRow {
    let times = &row.times;
    let profile = &row.clock.profile;
    let (handled, resolved) = (row.figures.counts.count(Count::Handled), row.figures.counts.count(Count::Resolved));
    let (signed_in, productive) = (times.signed_in(), row.productive());
    let channels =
        times.legs.iter().filter(|(_, counts)| counts.count(Count::NotResponding) == 0 || !counts.is_empty());
    v1::AgentRow {
        agent_id: profile.agent_id.to_string(),
        display_name: profile.display_name.to_string(),
        team: row.team.to_string(),
        site: row.site.to_string(),
        r#type: names::agent_type_to(profile.agent_type) as i32,
        start_time: Some(time(row.span.0)),
        end_time: Some(time(row.span.1)),
        time_card: row
            .card
            .iter()
            .map(|(state, reason, spent)| v1::StateTime {
                state: (*state).to_owned(),
                reason: reason.to_string(),
                time: Some(micros(*spent)),
            })
            .collect(),
        signed_in: Some(micros(signed_in)),
        busy: Some(micros(times.busy)),
        wrap_up: Some(micros(times.wrap_up)),
        idle_available: Some(micros(times.idle)),
        occupancy: row.occupancy(),
        capacity_use: row.capacity_use(),
        figures: Some(figures(&row.figures)),
        kpis: Some(kpis(&row.kpis(), (row.occupancy(), row.adherence()))),
        handled_per_signed_in_hour: AgentRow::per_hour(handled, signed_in),
        handled_per_productive_hour: AgentRow::per_hour(handled, productive),
        resolved_per_signed_in_hour: AgentRow::per_hour(resolved, signed_in),
        resolved_per_productive_hour: AgentRow::per_hour(resolved, productive),
        adherence: row.adherence(),
        not_responding: row.not_responding,
        outliers: row
            .outliers
            .iter()
            .map(|outlier| v1::Outlier {
                figure: outlier.figure.to_owned(),
                value: outlier.value,
                peer_mean: outlier.peer_mean,
                deviations: outlier.deviations,
            })
            .collect(),
        load: row.live.then(|| v1::AgentLoad {
            used_units: row.clock.in_hand.used as i32,
            capacity_units: profile.capacity as i32,
            channels: Vec::new(),
            pools: Vec::new(),
        }),
        channels: channels
            .map(|((at, direction), counts)| v1::AgentChannelRow {
                channel: channel(*at).to_string(),
                direction: names::direction_to(*direction) as i32,
                figures: Some(figures(&Figures { counts: counts.clone(), ..Figures::default() })),
            })
            .collect(),
    }
}

// ---- records

/// An ended contact in detail.
pub fn record(record: &Record, cost: u64) -> v1::ContactRecord {
    let sum = |of: &dyn Fn(&Leg) -> Span| record.legs.iter().fold(Span::ZERO, |sum, leg| sum + of(leg));
    let waits = record.entries.iter().fold(Span::ZERO, |sum, entry| sum + entry.wait);
    let offers = record.legs.iter().filter(|leg| leg.offer != crate::engine::contact::OfferState::None).count();
    v1::ContactRecord {
        contact: Some(ended_contact(record)),
        entries: record.entries.iter().map(entry).collect(),
        surveys: record
            .surveys
            .iter()
            .map(|survey| v1::SurveyRecord {
                kind: names::survey_to(survey.kind) as i32,
                score: i32::from(survey.score),
                result: names::survey_result_to(survey.result) as i32,
                submit_time: Some(time(survey.time)),
            })
            .collect(),
        total_wait: Some(span(waits)),
        talk: Some(span(sum(&|leg| leg.handle[0]))),
        hold: Some(span(sum(&|leg| leg.handle[1]))),
        wrap_up: Some(span(sum(&|leg| leg.handle[2]))),
        since_arrival: record.ended.map(|(_, _, ended)| span(ended.since(record.arrival))),
        cost_millionths: i64::try_from(cost).unwrap_or(i64::MAX),
        transfers: record.transfers as i32,
        offers: offers as i32,
    }
}

fn ended_contact(record: &Record) -> v1::Contact {
    let (outcome, reason, ended) = record.ended.unwrap_or((Outcome::Completed, Reason::None, Time(0)));
    let last = record.entries.last();
    let answered = record.legs.iter().filter_map(|leg| leg.connected).min();
    v1::Contact {
        queue: last.map(|entry| entry.queue_id.to_string()).unwrap_or_default(),
        priority: record.priority,
        requirements: record.requirement.as_ref().map_or_else(String::new, |asked| asked.text.to_string()),
        arrival_time: Some(time(record.arrival)),
        schedule_time: record.schedule.map(time),
        state: names::state_to(record.state) as i32,
        outcome: names::outcome_to(outcome) as i32,
        reason: names::reason_to(reason).to_owned(),
        legs: record.legs.iter().map(leg).collect(),
        create_time: Some(time(record.created)),
        queue_time: record.entries.first().map(|entry| time(entry.enter)),
        answer_time: answered.map(time),
        end_time: Some(time(ended)),
        policy_version: record.policy_version,
        disposition: record.disposition.to_string(),
        entry_number: last.map_or(0, |entry| entry.number as i32),
        resolved: record.resolved().map(|(_, resolved)| resolved),
        ..output::profile(&record.profile)
    }
}

fn leg(leg: &Leg) -> v1::Leg {
    let offered = leg.offer != crate::engine::contact::OfferState::None;
    v1::Leg {
        leg_number: leg.number as i32,
        agent_id: leg.profile.agent_id.to_string(),
        state: names::leg_state_to(leg.state) as i32,
        offer_id: if offered { offer_id(leg.leg) } else { String::new() },
        offer_time: offered.then(|| time(leg.begun)),
        accept_time: leg.accepted.map(time),
        connect_time: leg.connected.map(time),
        end_time: leg.ended.map(|(ended, _)| time(ended)),
        talk: Some(span(leg.handle[0])),
        hold: Some(span(leg.handle[1])),
        wrap_up: Some(span(leg.handle[2])),
        disposition: leg.disposition.to_string(),
        resolved: leg.resolved,
        end_cause: leg.ended.map_or(0, |(_, cause)| names::end_cause_to(cause, leg.offer) as i32),
        queue: leg.queue_id.to_string(),
        entry_number: leg.entry as i32,
        capacity_cost: leg.cost as i32,
        offer_state: names::offer_state_to(leg.offer) as i32,
        ..v1::Leg::default()
    }
}

fn entry(entry: &Entry) -> v1::EntryRecord {
    let (how, reason) = entry.exit.map_or((None, Reason::None), |(_, how, why)| (Some(how), why));
    v1::EntryRecord {
        entry_number: entry.number as i32,
        queue: entry.queue_id.to_string(),
        cause: names::cause_to(entry.cause) as i32,
        enter_time: Some(time(entry.enter)),
        exit_time: entry.exit.map(|(at, ..)| time(at)),
        exit: match how {
            Some(Count::Answered) => v1::QueueExit::Answered,
            Some(Count::Abandoned) => v1::QueueExit::Abandoned,
            Some(Count::Overflowed) => v1::QueueExit::Overflowed,
            Some(Count::Cancelled) => v1::QueueExit::Cancelled,
            Some(Count::Refused) => v1::QueueExit::Refused,
            Some(Count::Expired) => v1::QueueExit::Expired,
            Some(Count::Moved) => v1::QueueExit::Moved,
            Some(_) | None => v1::QueueExit::Unspecified,
        } as i32,
        reason: names::reason_to(reason).to_owned(),
        wait: Some(span(entry.wait)),
        parked: Some(span(entry.parked)),
        step: i32::from(entry.step),
        within_threshold: entry.within_threshold,
        short_abandon: entry.short,
        priority: entry.priority,
        requirements: entry.requirement.as_ref().map_or_else(String::new, |asked| asked.text.to_string()),
        agent_id: entry.agent.as_ref().map(|agent| agent.agent_id.to_string()).unwrap_or_default(),
        threshold: Some(span(entry.threshold)),
        estimated_wait: entry.estimate.as_ref().map(output::estimated_wait),
        ..v1::EntryRecord::default()
    }
}

//! What a tenant's table says of whose turn it is and who takes it: selection, order, reservation, groups of queues, overflow.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::engine::limits;
use crate::engine::policy;
use crate::engine::score::Score;

use super::fault::Gathered;
use super::schema::{self, At, ContactOrder, Measure, Then, When};
use super::score;
use super::tenant::{Known, read_in_file, text};
use super::validate::Names;

/// A number of at most six decimals that matter, as whole millionths. Its bounds were checked before.
pub(super) fn millionths(number: f64) -> i64 {
    (number * 1e6).round() as i64
}

/// Who takes a queue's contacts.
pub(super) fn selection(table: &schema::Queue) -> policy::Selection {
    use policy::Selection;
    match table.selection.unwrap_or(schema::Selection::LongestIdle) {
        schema::Selection::LongestIdle | schema::Selection::Broadcast => Selection::LongestIdle,
        schema::Selection::Ranked => Selection::Ranked,
        schema::Selection::LeastOccupied => Selection::LeastOccupied,
        schema::Selection::LeastLoaded => Selection::LeastLoaded,
        schema::Selection::BestSkilled => Selection::BestSkilled,
        schema::Selection::LeastSkilled => Selection::LeastSkilled,
        schema::Selection::FewestContacts => Selection::FewestContacts,
        schema::Selection::RoundRobin => Selection::RoundRobin,
        schema::Selection::Ordered => Selection::Ordered,
        schema::Selection::Random => Selection::Random,
        schema::Selection::BestScore => Selection::BestScore,
    }
}

/// To how many agents at once a queue's contacts are offered.
pub(super) fn broadcast(table: &schema::Queue, faults: &mut Gathered<'_>) -> Option<policy::Broadcast> {
    let wanted = table.selection == Some(schema::Selection::Broadcast);
    if let Some(given) = table.broadcast.as_ref().filter(|_| !wanted) {
        let hint = "leave it out, or set `selection` to \"broadcast\"";
        faults.hinted(given.span(), "`broadcast` means nothing with another selection", hint);
    }
    let given = table.broadcast.as_ref().map(|given| *given.get());
    let min = given.and_then(|given| given.min).unwrap_or(1);
    let max = given.and_then(|given| given.max).unwrap_or(min.max(5));
    if let Some(given) = table.broadcast.as_ref().filter(|_| min > max) {
        faults.add(given.span(), format!("`min` is {min}, more than `max`, which is {max}"));
    }
    wanted.then_some(policy::Broadcast { min, max })
}

/// Since when an agent counts as idle for a queue.
pub(super) fn idle_clock(table: &schema::Queue) -> policy::IdleClock {
    match table.idle_clock {
        None | Some(schema::IdleClock::Any) => policy::IdleClock::Any,
        Some(schema::IdleClock::Inbound) => policy::IdleClock::Inbound,
        Some(schema::IdleClock::Available) => policy::IdleClock::Available,
    }
}

/// What a queue's "best_score" computes.
pub(super) fn score(table: &schema::Queue, known: &Known, faults: &mut Gathered<'_>) -> Option<Arc<Score>> {
    let wanted = table.selection == Some(schema::Selection::BestScore);
    let Some(text) = &table.score else {
        if wanted {
            let hint = "such as score = \"10 * french + attr.years\"";
            faults.hinted(table.id.span(), "selection \"best_score\" needs a `score`", hint);
        }
        return None;
    };
    if !wanted {
        let hint = "leave it out, or set `selection` to \"best_score\"";
        faults.hinted(text.span(), "`score` means nothing with another selection", hint);
    }
    let read = score::parse(text.get(), &|name| known.skills.has(name));
    read_in_file(read, text, known.skills.iter(), faults).map(Arc::new)
}

/// The most that age adds to a priority.
pub(super) fn aging_cap(table: &schema::Queue, faults: &mut Gathered<'_>) -> Option<i64> {
    let cap = table.aging_cap.as_ref()?;
    if table.aging_per_minute.is_none_or(|rate| rate == 0.0) {
        let hint = "leave it out, or set `aging_per_minute`";
        faults.hinted(cap.span(), "`aging_cap` means nothing without `aging_per_minute`", hint);
    }
    Some(millionths(*cap.get()))
}

/// A queue's overflow rules.
pub(super) fn overflow(table: &schema::Queue, known: &Known, faults: &mut Gathered<'_>) -> Vec<policy::Overflow> {
    if let Some(rule) = table.overflow.get(limits::OVERFLOW_RULES) {
        faults.add(rule.span(), format!("more than {} overflow rules", limits::OVERFLOW_RULES));
    }
    let rules = table.overflow.iter().filter_map(|rule| {
        let (trigger, action) = (trigger(rule, faults), action(rule, known, faults));
        Some(policy::Overflow { trigger: trigger?, action: action? })
    });
    rules.collect()
}

/// Reports a key that goes with another word than the rule has.
fn stray<T>(key: &Option<At<T>>, name: &str, with: &str, faults: &mut Gathered<'_>) {
    if let Some(key) = key {
        faults.hinted(key.span(), format!("`{name}` means nothing here"), format!("it goes with {with}"));
    }
}

/// A key that must be there, or a fault at the rule.
fn wanted<'a, T>(
    key: &'a Option<At<T>>,
    (rule, words): (&At<schema::Overflow>, &str),
    faults: &mut Gathered<'_>,
) -> Option<&'a At<T>> {
    if key.is_none() {
        faults.add(rule.span(), words.to_owned());
    }
    key.as_ref()
}

fn trigger(rule: &At<schema::Overflow>, faults: &mut Gathered<'_>) -> Option<policy::Trigger> {
    let schema::Overflow { when, length, after, .. } = rule.get();
    if *when != When::QueueLength {
        stray(length, "length", "when = \"queue_length\"", faults);
    }
    if *when != When::Wait {
        stray(after, "after", "when = \"wait\"", faults);
    }
    Some(match when {
        When::QueueLength => policy::Trigger::QueueLength(length.as_ref().map(|length| *length.get())),
        When::NobodySignedIn => policy::Trigger::NobodySignedIn,
        When::Wait => {
            let words = "when = \"wait\" needs `after`, such as after = \"2m\"";
            policy::Trigger::Wait(wanted(after, (rule, words), faults)?.get().0)
        }
        When::NoWillingAgent => policy::Trigger::NoWillingAgent,
        When::StepsExhausted => policy::Trigger::StepsExhausted,
        When::QueueClosed => policy::Trigger::QueueClosed,
    })
}

fn action(rule: &At<schema::Overflow>, known: &Known, faults: &mut Gathered<'_>) -> Option<policy::Action> {
    let schema::Overflow { then, queue, priority, destination, .. } = rule.get();
    if *then != Then::Queue {
        stray(queue, "queue", "then = \"queue\"", faults);
    }
    if *then != Then::Priority {
        stray(priority, "priority", "then = \"priority\"", faults);
    }
    if *then != Then::External {
        stray(destination, "destination", "then = \"external\"", faults);
    }
    Some(match then {
        Then::Queue => {
            let queue = wanted(queue, (rule, "then = \"queue\" needs `queue`, the queue it goes to"), faults)?;
            if !known.queues.has(queue.get()) {
                faults.unknown(queue.span(), "queue", queue.get(), known.queues.iter());
            }
            policy::Action::Queue(queue.get().as_str().into())
        }
        Then::Priority => {
            let words = "then = \"priority\" needs `priority`, -100 to 100";
            policy::Action::Priority(*wanted(priority, (rule, words), faults)?.get())
        }
        Then::External => {
            let words = "then = \"external\" needs `destination`, such as destination = \"+351 210 000 000\"";
            policy::Action::External(wanted(destination, (rule, words), faults)?.get().0.as_str().into())
        }
        Then::Relax => policy::Action::Relax,
        Then::Refuse => policy::Action::Refuse,
    })
}

/// Reports overflow that could send a contact round in a circle, at the rule that closes it.
pub(super) fn circles(table: &schema::Tenant, faults: &mut Gathered<'_>) {
    let sends = |queue: &'_ schema::Queue| -> Vec<(String, Range<usize>)> {
        let targets = queue.overflow.iter().filter_map(|rule| rule.get().queue.as_ref());
        targets.map(|target| (target.get().clone(), target.span())).collect()
    };
    let from: HashMap<&str, Vec<(String, Range<usize>)>> =
        table.queues.iter().map(|queue| (queue.id.get().0.as_str(), sends(queue))).collect();
    let mut clear: HashSet<&str> = HashSet::new();
    for queue in &table.queues {
        // Depth first: the way down, with the targets of each still to be followed.
        let start = queue.id.get().0.as_str();
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((at, next)) = way.last_mut() {
            let (at, targets) = (*at, from.get(*at).map_or(&[][..], Vec::as_slice));
            let Some((target, span)) = targets.get(*next).filter(|_| !clear.contains(at)) else {
                clear.insert(at);
                way.pop();
                continue;
            };
            *next += 1;
            if let Some(first) = way.iter().position(|(on_way, _)| on_way == target) {
                let round = way[first..].iter().map(|(name, _)| *name).chain([target.as_str()]);
                let round = round.collect::<Vec<_>>().join(" -> ");
                faults.add(span.clone(), format!("overflow goes round in a circle: {round}"));
            } else if from.contains_key(target.as_str()) {
                way.push((target, 0));
            }
        }
    }
}

/// Groups of queues that share waiting places.
pub(super) fn queue_group(table: &schema::QueueGroup, known: &Known, faults: &mut Gathered<'_>) -> policy::QueueGroup {
    let mut seen = HashSet::new();
    for queue in &table.queues {
        let name = queue.get();
        if !known.queues.has(name) {
            faults.unknown(queue.span(), "queue", name, known.queues.iter());
        } else if !seen.insert(name.as_str()) {
            faults.add(queue.span(), format!("queue `{name}` is listed twice in this group"));
        }
    }
    policy::QueueGroup {
        id: text(&table.id),
        queues: table.queues.iter().map(|queue| queue.get().as_str().into()).collect(),
        limit: table.limit,
    }
}

/// Which of its queues a team serves first.
pub(super) fn contact_order(table: &schema::Team, faults: &mut Gathered<'_>) -> policy::ContactOrder {
    let chosen = table.contact_order.as_ref().map_or(ContactOrder::Priority, |order| *order.get());
    if let Some(ratio) = table.queue_ratio.as_ref().filter(|_| chosen != ContactOrder::QueueRatio) {
        let hint = "leave it out, or set `contact_order` to \"queue_ratio\"";
        faults.hinted(ratio.span(), "`queue_ratio` means nothing with another `contact_order`", hint);
    }
    let count = chosen == ContactOrder::QueueRatio
        && table.queue_ratio.as_ref().is_some_and(|ratio| ratio.get().measure == Measure::Count);
    for membership in &table.queues {
        match (&membership.ratio, count) {
            (None, true) => {
                let message = format!("queue `{}` has no `ratio`", membership.id.get());
                let hint = "queue_ratio by count needs one of each queue, such as ratio = 0.5";
                faults.hinted(membership.id.span(), message, hint);
            }
            (Some(ratio), false) => {
                let hint = "it is for contact_order \"queue_ratio\" with queue_ratio = { measure = \"count\" }";
                faults.hinted(ratio.span(), "`ratio` means nothing here", hint);
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    match chosen {
        ContactOrder::Priority => policy::ContactOrder::Priority,
        ContactOrder::ServiceLevelUrgency => policy::ContactOrder::ServiceLevelUrgency,
        ContactOrder::CmuTheta => policy::ContactOrder::CmuTheta,
        ContactOrder::QueueRatio if count => policy::ContactOrder::QueueRatioCount,
        ContactOrder::QueueRatio => policy::ContactOrder::QueueRatioDelay,
    }
}

/// Reports teams whose queues cannot be compared by cost x patience / handle time: some have a patience, some none.
pub(super) fn comparable(table: &schema::Tenant, faults: &mut Gathered<'_>) {
    let patience: HashMap<&str, bool> =
        table.queues.iter().map(|queue| (queue.id.get().0.as_str(), queue.expected_patience.is_some())).collect();
    for team in &table.teams {
        let Some(order) = team.contact_order.as_ref().filter(|order| *order.get() == ContactOrder::CmuTheta) else {
            continue;
        };
        let all = team.queues.iter().any(|membership| membership.id.get() == "*");
        let served: Vec<&str> = match all {
            true => table.queues.iter().map(|queue| queue.id.get().0.as_str()).collect(),
            false => team.queues.iter().map(|membership| membership.id.get().as_str()).collect(),
        };
        let of = |wanted: bool| served.iter().find(|queue| patience.get(**queue) == Some(&wanted));
        if let (Some(with), Some(without)) = (of(true), of(false)) {
            let message = format!("queue `{with}` has an `expected_patience` and queue `{without}` has none");
            faults.hinted(order.span(), message, "\"cmu_theta\" needs it of every queue of the team, or of none");
        }
    }
}

/// Reports channels that exclude or interrupt one that is not there, or themselves.
pub(super) fn mixes(table: &schema::Tenant, channels: &Names, faults: &mut Gathered<'_>) {
    for channel in &table.channels {
        let max = "`max = 1` has an agent hold one of them at a time";
        let excluded = channel.excludes.iter().map(|other| (other, "excludes", max));
        let each = "conversations of one channel do not interrupt each other";
        for (other, does, hint) in excluded.chain(channel.interrupts.iter().map(|other| (other, "interrupts", each))) {
            if *other.get() == channel.id.get().0 {
                faults.hinted(other.span(), format!("channel `{}` {does} itself", other.get()), hint);
            } else if !channels.has(other.get()) {
                faults.unknown(other.span(), "channel", other.get(), channels.iter());
            }
        }
    }
}

/// When help begins and ends.
fn hysteresis(table: &schema::Hysteresis, faults: &mut Gathered<'_>) -> policy::Hysteresis {
    let stop = table.stop.as_ref().map_or(0, |stop| *stop.get());
    if let Some(above) = table.stop.as_ref().filter(|_| stop > table.start) {
        let message = format!("help would end at {stop} and begin only above {}", table.start);
        faults.hinted(above.span(), message, "`stop` is at most `start`");
    }
    let ratio_ppm = table.ratio.map_or(1_000_000, |ratio| millionths(ratio) as u32);
    policy::Hysteresis { start: table.start, stop, ratio_ppm }
}

/// Agents kept back.
pub(super) fn reserves(table: &schema::Tenant, known: &Known, faults: &mut Gathered<'_>) -> Vec<policy::Reserve> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for reserve in &table.reserve {
        let (team, queue) = (reserve.team.get().as_str(), reserve.queue.get().as_str());
        if !known.teams.has(team) {
            faults.unknown(reserve.team.span(), "team", team, known.teams.iter());
        }
        if !known.queues.has(queue) {
            faults.unknown(reserve.queue.span(), "queue", queue, known.queues.iter());
        }
        if !seen.insert((team, queue)) {
            let message = format!("there are two reserves of team `{team}` for queue `{queue}`");
            faults.add(reserve.queue.span(), message);
        }
        let lender = table.teams.iter().find(|known| known.id.get().0 == team);
        let serves =
            |team: &schema::Team| team.queues.iter().any(|listed| ["*", queue].contains(&listed.id.get().as_str()));
        if known.queues.has(queue) && lender.is_some_and(|team| !serves(team)) {
            let hint = "a team keeps agents back from queues it serves";
            faults.hinted(reserve.queue.span(), format!("team `{team}` does not serve queue `{queue}`"), hint);
        }
        kept.push(policy::Reserve {
            team: team.into(),
            queue: queue.into(),
            keep_idle: reserve.keep_idle,
            release_after: reserve.release_after.map(|after| after.0),
            lender_within_target: reserve.lender_within_target.unwrap_or(false),
            hysteresis: reserve.hysteresis.as_ref().map(|rule| hysteresis(rule, faults)),
        });
    }
    kept
}

//! `show`: state as a script writes it.

use usher::engine::contact::Direction;
use usher::engine::read::LegView;
use usher::engine::state::State;
use usher::engine::time::Time;

use super::render::{outcome, presence, snake};
use super::words::{Words, ago};

/// What `show` prints: `contact c1`, `agent ana`, `books sales`, `candidates c1`.
///
/// # Panics
/// When there is nothing of that name to show.
pub fn show(state: &State, now: Time, words: &Words) -> Vec<String> {
    let name = words.name(1);
    match words.name(0) {
        "contact" => contact(state, now, name),
        "agent" => agent(state, now, name),
        "books" => books(state, name),
        "candidates" => candidates(state, name),
        other => panic!("there is no `{other}` to show"),
    }
}

fn contact(state: &State, now: Time, name: &str) -> Vec<String> {
    let Some(view) = state.contact_view(now, name) else { return vec![format!("contact {name} is not known")] };
    let mut text = format!("contact {name} {}", snake(&view.state));
    if let Some((how, why)) = view.outcome {
        text.push_str(&format!(" {}", outcome(how, why)));
    }
    if !view.queue.is_empty() {
        text.push_str(&format!(" queue {}", view.queue));
    }
    if !view.agent_id.is_empty() {
        text.push_str(&format!(" direct {}", view.agent_id));
    }
    if view.priority != 0 {
        text.push_str(&format!(" priority {}", view.priority));
    }
    if view.position > 0 {
        text.push_str(&format!(" position {}", view.position));
    }
    if view.unservable {
        text.push_str(" unservable");
    }
    text.push_str(&format!(" wait {} entries {}", view.wait, view.entries));
    let times = [("parked", (!view.parked.is_zero()).then(|| view.parked.to_string()))];
    let instants = [("queued", view.queued), ("answered", view.answered), ("ended", view.ended)];
    let instants = instants.map(|(what, at)| (what, at.map(ago)));
    for (what, at) in times.into_iter().chain(instants) {
        text.push_str(&at.map_or_else(String::new, |at| format!(" {what} {at}")));
    }
    let mut lines = vec![text];
    lines.extend(view.legs.iter().map(|leg| format!("  leg {} {}{}", leg.number, leg.agent_id, self::leg(leg))));
    lines
}

fn leg(leg: &LegView) -> String {
    let mut text = format!(" {} offer {}", snake(&leg.state), snake(&leg.offer));
    if let Some(cause) = leg.end_cause {
        text.push_str(&format!(" {}", snake(&cause)));
    }
    if let Some(deadline) = leg.deadline {
        text.push_str(&format!(" until {}", ago(deadline)));
    }
    for (what, span) in [("talk", leg.talk), ("hold", leg.hold), ("wrap_up", leg.wrap_up)] {
        if !span.is_zero() {
            text.push_str(&format!(" {what} {span}"));
        }
    }
    if !leg.disposition.is_empty() {
        text.push_str(&format!(" as {}", leg.disposition));
    }
    text
}

fn agent(state: &State, now: Time, name: &str) -> Vec<String> {
    let Some(view) = state.agent_view(now, name) else { return vec![format!("agent {name} is not known")] };
    let mut text = format!("agent {name} {} {}", presence(&view.presence), snake(&view.routing));
    if let Some(next) = &view.next_presence {
        text.push_str(&format!(" next {}", presence(next)));
    }
    text.push_str(&format!(" used {}", view.used));
    for used in view.pools.iter().filter(|used| used.in_hand + used.taken > 0) {
        text.push_str(&format!(" {} {} taken {}", used.pool, used.in_hand, used.taken));
    }
    if let Some(idle) = view.idle_since {
        text.push_str(&format!(" idle since {}", ago(idle)));
    }
    if let Some(until) = view.not_responding {
        text.push_str(&format!(" not_responding until {}", ago(until)));
    }
    if let Some(until) = view.lease_expires {
        text.push_str(&format!(" lease until {}", ago(until)));
    }
    let mut lines = vec![text];
    lines.extend(view.legs.iter().map(|leg| format!("  leg {} {}", leg.contact_id, self::leg(leg).trim_start())));
    lines
}

fn books(state: &State, name: &str) -> Vec<String> {
    let queue = state.tally().iter().map(|(queue, ..)| queue).find(|&queue| **state.queue_id(queue) == *name);
    let Some(queue) = queue else { return vec![format!("books {name} empty")] };
    let mut lines = Vec::new();
    for direction in Direction::ALL {
        let books = state.tally().books(queue, direction);
        if books.offered == 0 {
            continue;
        }
        let mut text = format!("books {name} {} offered {}", snake(&direction), books.offered);
        for (what, count) in [
            ("answered", books.answered),
            ("within", books.answered_within_threshold),
            ("abandoned", books.abandoned),
            ("cancelled", books.cancelled),
            ("refused", books.refused),
            ("overflowed", books.overflowed),
            ("expired", books.expired),
            ("moved", books.moved),
            ("waiting", books.waiting),
        ] {
            if count > 0 {
                text.push_str(&format!(" {what} {count}"));
            }
        }
        lines.push(text);
    }
    lines
}

fn candidates(state: &State, name: &str) -> Vec<String> {
    let contact = state.find_contact(name).unwrap_or_else(|| panic!("there is no contact {name}"));
    let found = state.candidates_for(contact);
    let refused: Vec<String> = found.refused.iter().map(|(why, count)| format!("{} {count}", snake(why))).collect();
    let winner = found.winner.map_or_else(|| "nobody".into(), |rank| state.agent(rank.agent).profile.agent_id.clone());
    vec![format!("candidates {name} eligible {} winner {winner} refused {}", found.eligible, refused.join(", "))]
}

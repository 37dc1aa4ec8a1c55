//! The scripted day: 100 inbound contacts in one queue, with every figure known beforehand.

use usher::engine::command::Command;
use usher::engine::contact::SurveyKind;
use usher::engine::policy::{Policy, Rules, Team};
use usher::engine::time::{Span, Time};

use super::{Center, agent, policy, queue, team};

/// Its policy: three queues, each with a team of one; an hour costs 105.
pub fn scripted_policy(time_zone: &str) -> Policy {
    let costly = |id: &str, queue: &str| Team { cost_per_hour: 105_000_000, ..team(id, &[queue]) };
    let teams = vec![costly("desk", "sales"), costly("money", "billing"), costly("technics", "support")];
    let agents = vec![agent("ana", "desk"), agent("ben", "money"), agent("cleo", "technics")];
    let policy = policy(["sales", "billing", "support"].map(queue).into(), teams, agents);
    // Surveys come in at the end of the day.
    let rules = Rules { retention: Span::from_secs(86_400), ..Rules::default() };
    Policy { time_zone: time_zone.into(), rules, ..policy }
}

/// How long it takes, about.
pub const LENGTH: Span = Span::from_secs(7 * 3_600);

/// One answered contact: waits, talks for 180 s, is on hold for 20 s, and is wrapped up in 40 s.
fn answered(center: &mut Center, number: u32, wait: u64) {
    let id = format!("c{number}");
    center.call(&id, "sales");
    center.wait(wait);
    center.ready("ana");
    center.answer("ana", &id);
    center.wait(100);
    center.ask(Command::HoldContact { contact_id: id.as_str().into() });
    center.wait(20);
    center.ask(Command::ResumeContact { contact_id: id.as_str().into() });
    center.wait(80);
    // The first eight go on in a second queue, the first of them in a third.
    let transferred = number < 8;
    match transferred {
        true => center.transfer(&id, "billing"),
        false => center.complete(&id),
    }
    center.rest("ana");
    center.wait(40);
    let resolved = (number < 60).then_some(true).filter(|_| !transferred);
    center.wrapped("ana", &id, resolved);
    if transferred {
        second(center, &id, number == 0);
    }
}

/// The rest of a transferred contact: 10 s of wait and 60 s of talk in each further queue.
fn second(center: &mut Center, id: &str, again: bool) {
    center.ready("ben");
    center.wait(10);
    center.answer("ben", id);
    center.wait(60);
    match again {
        true => center.transfer(id, "support"),
        false => center.complete(id),
    }
    center.rest("ben");
    center.wrapped("ben", id, Some(true).filter(|_| !again));
    if again {
        center.ready("cleo");
        center.wait(5);
        center.answer("cleo", id);
        center.wait(60);
        center.complete(id);
        center.rest("cleo");
        center.wrapped("cleo", id, Some(true));
    }
}

/// Plays it from an instant on.
pub fn play(start: Time, time_zone: &str) -> Center {
    let mut center = Center::open(start, scripted_policy(time_zone));
    for agent_id in ["ana", "ben", "cleo"] {
        center.sign_in(agent_id, false);
    }
    for number in 0..80 {
        answered(&mut center, number, if number < 72 { 10 } else { 30 });
    }
    // Four leave at once, two within the threshold, eight later.
    for number in 80..94 {
        let id = format!("c{number}");
        center.call(&id, "sales");
        center.wait(match number {
            80..84 => 2,
            84..86 => 10,
            _ => 40,
        });
        center.leave(&id);
    }
    for number in 94..100 {
        let id = format!("c{number}");
        center.call(&id, "sales");
        center.wait(1);
        let schedule = Some(center.now + Span::from_secs(86_400));
        center.ask(Command::RequestCallback {
            contact_id: id.as_str().into(),
            callback_id: format!("{id}.callback").into(),
            schedule,
            address: "".into(),
        });
    }
    // The last thirty answered are asked, three are not content.
    for number in 50..80 {
        let contact_id = format!("c{number}");
        let score = if number < 77 { 5 } else { 2 };
        center.ask(Command::SubmitSurvey { contact_id: contact_id.into(), kind: SurveyKind::Csat, score });
    }
    center
}

//! Estimates of waits: learnt from what happened, told for contacts that wait and for one that would come, scored when
//! the wait is known.

mod center;

use std::sync::Arc;

use center::{Center, agent, policy, queue, team};
use usher::engine::command::Command;
use usher::engine::estimate::Estimate;
use usher::engine::id::{ChannelId, QueueId};
use usher::engine::time::Time;
use usher::telemetry::Shell;
use usher::view::report::RecordQuery;

/// 2026-03-02 05:00 UTC.
const START: Time = Time(1_772_427_600_000_000);

/// A desk of three, one of whom works: a conversation of a minute after the other, and three who wait.
fn desk() -> Center {
    let crew = ["ana", "ben", "cleo"].map(|id| agent(id, "desk")).into();

    let mut center = Center::open(START, policy(vec![queue("sales")], vec![team("desk", &["sales"])], crew));
    center.sign_in("ana", true);
    for number in 0..4 {
        center.call(&format!("c{number}"), "sales");
        center.wait(1);
    }
    center
}

/// The one who talks goes, the next is answered, and another comes.
fn turn(center: &mut Center, number: usize) {
    let id = format!("c{number}");
    center.answer("ana", &id);
    center.call(&format!("c{}", number + 4), "sales");
    center.wait(60);
    center.complete(&id);
    center.wrapped("ana", &id, None);
}

fn told(center: &Center, contact_id: &str) -> Option<Estimate> {
    let state = center.engine.state();
    state.estimate(center.now, state.find_contact(contact_id).expect(contact_id))
}

#[track_caller]
fn near(found: Option<Estimate>, seconds: f64) {
    let found = found.expect("enough was seen").mean().0 as f64 / 1e6;
    assert!((found / seconds - 1.0).abs() < 0.05, "{found} s and not {seconds} s");
}

#[test]
fn it_is_silent_first_then_right_and_follows_who_is_ready() {
    let mut center = desk();
    turn(&mut center, 0);
    assert_eq!(told(&center, "c3"), None, "one turn tells nothing");
    for number in 1..20 {
        turn(&mut center, number);
    }
    // c20 is offered just now; a minute each for those before.
    near(told(&center, "c21"), 60.0);
    near(told(&center, "c23"), 180.0);
    assert_eq!(told(&center, "c20"), None, "it is offered: it does not wait in line");
    let state = center.engine.state();
    let coming = |center: &Center, priority| {
        center.engine.state().wait_on_arrival(center.now, (QueueId(0), ChannelId(0)), priority, None)
    };
    near(coming(&center, 0).estimate, 240.0);
    let first = coming(&center, 5);
    assert_eq!((first.position, first.waiting, first.eligible), (1, 3, 1));
    near(first.estimate, 60.0);
    let waits = state.wait_of(center.now, state.find_contact("c23").expect("c23")).expect("it waits");
    assert_eq!((waits.position, waits.waiting, waits.eligible), (3, 3, 1));
    // A second one comes to work, and has a contact at once: the others wait half as long.
    center.sign_in("ben", true);
    assert_eq!(told(&center, "c21"), None, "it is offered now");
    near(told(&center, "c23"), 60.0);
    near(coming(&center, 0).estimate, 90.0);
    // Nobody is left: nothing is said.
    for agent_id in ["ana", "ben"] {
        center.rest(agent_id);
    }
    assert_eq!(told(&center, "c23"), None);
}

#[test]
fn who_asks_for_more_waits_for_those_who_have_it() {
    use usher::engine::requirement::Requirement;
    let mut center = desk();
    for number in 0..20 {
        turn(&mut center, number);
    }
    let asked = usher::config::requirement::parse("french >= 3", &|_| true).expect("a requirement");
    let asked: Arc<Requirement> = Arc::new(asked);
    let of = |center: &Center, asked: Option<&Arc<Requirement>>| {
        center.engine.state().wait_on_arrival(center.now, (QueueId(0), ChannelId(0)), 0, asked)
    };
    let none = of(&center, Some(&asked));
    assert_eq!((none.eligible, none.estimate), (0, None), "nobody speaks French");
    assert!(of(&center, None).estimate.is_some());
}

#[test]
fn what_was_told_is_on_record_and_its_error_is_measured() {
    let mut center = desk();
    for number in 0..40 {
        turn(&mut center, number);
    }
    let all = RecordQuery::default();
    let (records, _) = center.view.read(center.now, |books| books.list_records(&all, None, 1_000));
    let record = records.iter().find(|record| &*record.profile.contact_id == "c35").expect("it has ended");
    let entry = &record.entries[0];
    let told = entry.estimate.expect("it was told").mean();
    assert!(told.0.abs_diff(entry.wait.0) < 10_000_000, "told {told:?}, waited {:?}", entry.wait);
    let (half, most) = usher::view::estimate::quantiles(&entry.estimate.expect("it was told"));
    assert!(half < told && told < most, "{half:?} {told:?} {most:?}");
    let first = records.iter().find(|record| &*record.profile.contact_id == "c1").expect("it has ended");
    assert_eq!(first.entries[0].estimate, None);
    let page = center.telemetry.render(center.now, Shell::default(), &[]);
    let own = r#"{tenant="acme",queue="sales",channel="voice",direction="inbound""#;
    let value = |name: &str, rest: &str| -> f64 {
        let series = format!("usher_estimated_wait_error_seconds_{name}{own}{rest}}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or_else(|| panic!("{series}"));
        line.parse().expect("a number")
    };
    let scored = value("count", "");
    assert!(scored > 20.0 && value("bucket", r#",le="10""#) == scored, "of {scored} all were told to 10 s");
    center.ask(Command::SignOut { agent_id: "ana".into(), force: true });
    center.wait(1);
    assert_eq!(center.view.fresh_snapshot(center.now).stuck, 0);
}

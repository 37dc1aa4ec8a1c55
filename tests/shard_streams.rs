//! Streams of events: who gets what, where they begin, how they end, and offers that reach nobody.

mod shard_support;

use shard_support::*;
use usher::engine::agent::Routing;
use usher::engine::contact::{FailCause, OfferState};
use usher::engine::event::Event;
use usher::engine::id::Text;
use usher::engine::read::LegView;
use usher::engine::time::Span;
use usher::shard::{Ended, Limits, Order, Refused, SeatId, Start, Subscription, Topic};

fn everything() -> Order {
    Order::new(Topic::Everything)
}

fn after(token: u64) -> Order {
    Order { start: Start::After(token), ..everything() }
}

fn session(agent_id: &str) -> Order {
    Order::new(Topic::Agent { agent_id: agent_id.into(), session: true })
}

fn watch(agent_id: &str) -> Order {
    Order::new(Topic::Agent { agent_id: agent_id.into(), session: false })
}

fn last(world: &mut World, seat: SeatId) -> u64 {
    let mut sequence = world.ask(seat, |state, _| state.sequence());
    world.step();
    sequence.now().expect("settled").expect("read")
}

fn legs(world: &mut World, seat: SeatId, contact_id: &'static str) -> Vec<LegView> {
    let mut legs = world.ask(seat, move |state, now| state.contact_view(now, contact_id).expect("kept").legs);
    world.step();
    legs.now().expect("settled").expect("read")
}

fn offers(stream: &mut Subscription) -> usize {
    drain(stream).iter().filter(|event| matches!(event.recorded.event, Event::OfferIssued { .. })).count()
}

#[test]
fn a_stream_begins_where_its_snapshot_ends() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    // Snapshot and stream are ordered in the same batch as commands before and after.
    let before = world.put(seat, contact("c1"));
    let (envelope, mut ordered) = usher::shard::Envelope::subscribe(seat, everything(), |state, now| {
        (state.sequence(), state.contact_view(now, "c1").is_some(), state.contact_view(now, "c2").is_some())
    });
    world.inbox.push_back(envelope);
    let later = world.put(seat, contact("c2"));
    world.step();
    drop((before, later));
    let (snapshot, mut events) = ordered.now().expect("settled").expect("a stream");
    assert_eq!((snapshot.1, snapshot.2), (true, false));
    assert_eq!(events.sequence(), snapshot.0);
    let all = sequences(&drain(&mut events));
    assert_eq!(all.first(), Some(&(snapshot.0 + 1)), "the first event after the snapshot");
    assert_eq!(all.len() as u64, last(&mut world, seat) - snapshot.0);
}

#[test]
fn a_stream_ordered_while_events_wait_for_the_journal_does_not_repeat_its_snapshot() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let seat = world.tenant("one");
    journal.with(|kept| kept.late = true);
    let created = world.put(seat, contact("c1"));
    world.step();
    let (envelope, mut ordered) = usher::shard::Envelope::subscribe(seat, everything(), |state, _| state.sequence());
    world.inbox.push_back(envelope);
    world.step();
    assert!(ordered.now().is_none(), "its snapshot shows what is not durable");
    world.completions.push(journal.catch_up());
    world.step();
    drop(created);
    let (snapshot, mut events) = ordered.now().expect("durable").expect("a stream");
    assert_eq!(drain(&mut events).len(), 0, "all of it is in the snapshot");
    journal.with(|kept| kept.late = false);
    world.run(seat, contact("c2")).expect("queued");
    assert_eq!(sequences(&drain(&mut events)).first(), Some(&(snapshot + 1)));
}

#[test]
fn a_reader_goes_on_where_it_was() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (token, events) = world.subscribe(seat, everything()).expect("a stream");
    drop(events);
    world.run(seat, contact("c1")).expect("offered");
    let (_, mut events) = world.subscribe(seat, after(token)).expect("a stream");
    world.run(seat, cancel("c1")).expect("closed");
    let all = sequences(&drain(&mut events));
    let last = last(&mut world, seat);
    assert_eq!(all, (token + 1..=last).collect::<Vec<_>>(), "those missed, then those that followed");
}

#[test]
fn a_token_too_old_or_from_nowhere_is_out_of_range() {
    let limits = Limits { recent: 4, ..Limits::default() };
    let mut world = World::with(TestJournal::default(), limits);
    let seat = world.tenant("one");
    world.run(seat, contact("c1")).expect("offered");
    let last = last(&mut world, seat);
    let oldest = last - 4;
    assert!(world.subscribe(seat, after(oldest)).is_ok_and(|(_, stream)| stream.waiting() == 4));
    assert!(world.subscribe(seat, after(last)).is_ok());
    for token in [oldest - 1, 0, last + 1] {
        let refused = world.subscribe(seat, after(token)).map(|_| ());
        assert_eq!(refused, Err(Refused::OutOfRange { oldest }), "token {token}");
    }
}

#[test]
fn row_61_a_slow_reader_is_ended_and_nobody_waits_for_it() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (_, mut slow) = world.subscribe(seat, Order { capacity: 3, ..everything() }).expect("a stream");
    let (_, mut quick) = world.subscribe(seat, everything()).expect("a stream");
    for at in 0..3 {
        world.run(seat, contact(&format!("c{at}"))).expect("taken");
    }
    let mut got = Vec::new();
    let ended = loop {
        match slow.try_next().expect("there is an end") {
            Ok(event) => got.push(event.sequence()),
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended, Ended::SlowReader);
    assert_eq!(got.len(), 3, "what it had room for it may still read");
    assert!(slow.try_next().is_none(), "the end is told once");
    assert!(drain(&mut quick).len() > 3, "others are not touched");
    let (_, mut resumed) = world.subscribe(seat, after(got[2])).expect("it may come back");
    assert_eq!(drain(&mut resumed)[0].sequence(), got[2] + 1);
}

#[test]
fn a_second_session_replaces_the_first() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (_, mut first) = world.subscribe(seat, session("ana")).expect("a stream");
    let (_, mut beside) = world.subscribe(seat, watch("ana")).expect("a stream");
    let (_, mut second) = world.subscribe(seat, session("ana")).expect("a stream");
    assert_eq!(first.try_next().map(|event| event.map(|_| ())), Some(Err(Ended::Replaced)));
    world.run(seat, contact("c1")).expect("offered");
    assert_eq!((offers(&mut second), offers(&mut beside)), (1, 1));
}

#[test]
fn an_agent_sees_his_own_events_and_a_gateway_its_contacts() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (_, mut ana) = world.subscribe(seat, watch("ana")).expect("a stream");
    let (_, mut bo) = world.subscribe(seat, watch("bo")).expect("a stream");
    let (_, mut mine) = world.subscribe(seat, Order::new(Topic::Gateway("g1".into()))).expect("a stream");
    let offers_only =
        |event: &usher::engine::publish::Published| matches!(event.recorded.event, Event::OfferIssued { .. });
    let filter = Order { only: Some(Box::new(offers_only)), ..everything() };
    let (_, mut filtered) = world.subscribe(seat, filter).expect("a stream");
    world.run(seat, contact_from("c1", "g1")).expect("offered");
    world.run(seat, contact_from("c2", "g2")).expect("queued");
    let events = drain(&mut ana);
    assert!(events.iter().any(|event| matches!(event.recorded.event, Event::OfferIssued { .. })));
    assert!(events.iter().all(|event| event.agent.as_ref().is_some_and(|agent| *agent.agent_id == *"ana")));
    assert_eq!(bo.waiting(), 0);
    assert!(bo.try_next().is_none());
    let events = drain(&mut mine);
    assert!(!events.is_empty());
    let of = |event: &usher::engine::publish::Published| {
        event.contact.as_ref().map(|contact| contact.profile.contact_id.clone())
    };
    assert!(events.iter().all(|event| of(event) == Some(Text::from("c1"))));
    assert_eq!(drain(&mut filtered).len(), 1);
}

#[test]
fn a_filter_that_panics_ends_its_reader_only() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let only = Box::new(|_: &usher::engine::publish::Published| panic!("a reader's bug"));
    let (_, mut bad) = world.subscribe(seat, Order { only: Some(only), ..everything() }).expect("a stream");
    let (_, mut good) = world.subscribe(seat, everything()).expect("a stream");
    assert!(world.run(seat, contact("c1")).is_ok());
    assert!(matches!(bad.try_next(), Some(Err(_))));
    assert!(!drain(&mut good).is_empty());
    // Nor does it when the events it chooses from are past.
    let only = Box::new(|_: &usher::engine::publish::Published| panic!("a reader's bug"));
    let order = Order { only: Some(only), ..after(0) };
    assert_eq!(world.subscribe(seat, order).map(|_| ()), Err(Refused::QueryFailed));
    assert!(world.run(seat, contact("c2")).is_ok());
}

#[test]
fn an_offer_that_no_stream_takes_fails() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (_, stream) = world.subscribe(seat, watch("ana")).expect("a stream");
    drop(stream);
    let (_, mut all) = world.subscribe(seat, everything()).expect("a stream");
    world.run(seat, contact("c1")).expect("offered");
    assert_eq!(legs(&mut world, seat, "c1")[0].offer, OfferState::Failed);
    let failed = drain(&mut all)
        .into_iter()
        .any(|event| matches!(event.recorded.event, Event::OfferFailed { cause, .. } if cause == FailCause::Delivery));
    assert!(failed);
    assert_eq!(world.shard.counts().undelivered, 1);
    let mut routing = world.ask(seat, |state, now| state.agent_view(now, "ana").expect("kept").routing);
    world.step();
    assert_eq!(routing.now(), Some(Ok(Routing::NotResponding)), "it counts against him");
}

#[test]
fn an_offer_that_one_of_two_streams_takes_stands() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (_, lost) = world.subscribe(seat, watch("ana")).expect("a stream");
    let (_, mut open) = world.subscribe(seat, session("ana")).expect("a stream");
    drop(lost);
    world.run(seat, contact("c1")).expect("offered");
    assert_eq!(offers(&mut open), 1);
    assert_eq!(legs(&mut world, seat, "c1")[0].offer, OfferState::Issued);
}

#[test]
fn an_agent_without_a_stream_polls_and_misses_nothing() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    // He had one and took leave of it.
    let (_, stream) = world.subscribe(seat, session("ana")).expect("a stream");
    stream.leave();
    world.run(seat, contact("c1")).expect("offered");
    assert_eq!(legs(&mut world, seat, "c1")[0].offer, OfferState::Issued);
    assert_eq!(world.shard.counts().undelivered, 0);
}

#[test]
fn a_full_stream_of_an_agent_fails_his_offer_and_ends() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (_, mut stream) = world.subscribe(seat, Order { capacity: 1, ..watch("ana") }).expect("a stream");
    let chat = usher::engine::agent::Presence::NotReady(Text::default());
    let presence = |presence| usher::engine::command::Command::SetPresence { agent_id: "ana".into(), presence };
    world.run(seat, presence(chat)).expect("set");
    world.run(seat, presence(usher::engine::agent::Presence::Available)).expect("set");
    world.run(seat, contact("c1")).expect("taken");
    let mut end = None;
    while let Some(event) = stream.try_next() {
        end = event.err().or(end);
    }
    assert_eq!(end, Some(Ended::SlowReader));
}

#[test]
fn an_offer_that_was_never_durable_is_not_failed() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let seat = world.tenant("one");
    let (_, stream) = world.subscribe(seat, watch("ana")).expect("a stream");
    drop(stream);
    journal.with(|kept| kept.late = true);
    let created = world.put(seat, contact("c1"));
    world.step();
    world.completions.push(journal.fail());
    journal.with(|kept| kept.late = false);
    world.step();
    world.after(Span::from_secs(1));
    drop(created);
    assert_eq!(world.shard.counts().undelivered, 0);
}

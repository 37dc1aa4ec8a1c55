//! Rows of the fault matrix about clocks, agents, gateways and load, each under its number; those of the disk are in
//! `journal_*.rs`, those of the whole process in `journal_kill.rs`.

mod journal_support;
mod shard_support;

use journal_support::{FakeDisk, Stand};
use shard_support::{BEGIN, TestJournal, World, accept, agent, cancel, contact, contact_from, sign_in};
use usher::engine::agent::Presence;
use usher::engine::command::Command;
use usher::engine::contact::{ContactState, OfferState, Outcome, Reason};
use usher::engine::id::LegId;
use usher::engine::reject::Reject;
use usher::engine::state::State;
use usher::engine::time::{Span, Time};
use usher::shard::{Refused, SeatId};

fn read<R: Send + 'static>(
    world: &mut World,
    seat: SeatId,
    read: impl FnOnce(&State, Time) -> R + Send + 'static,
) -> R {
    let mut pending = world.ask(seat, read);
    world.step();
    pending.now().expect("settled").expect("read")
}

fn state(world: &mut World, seat: SeatId, contact_id: &str) -> ContactState {
    let contact_id = contact_id.to_owned();
    read(world, seat, move |state, now| state.contact_view(now, &contact_id).expect("kept").state)
}

fn offer(world: &mut World, seat: SeatId, contact_id: &str) -> LegId {
    let contact_id = contact_id.to_owned();
    read(world, seat, move |state, now| state.contact_view(now, &contact_id).expect("kept").legs[0].leg)
}

/// The agent whose work may go on without a lease, or who has one of 30 s.
fn leased(agent_id: &str) -> Command {
    let lease = Some(Span::from_secs(30));
    Command::SignIn { agent_id: agent_id.into(), presence: Presence::Available, lease }
}

#[test]
fn row_10_a_clock_that_jumps_fires_nothing_early_and_loses_nothing() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    world.run(seat, contact("c1")).expect("offered");
    // The time the shard is given goes back an hour: its own stands still, and the offer with it.
    world.now = world.now - Span::from_secs(3_600);
    world.step();
    assert_eq!(world.shard.now(), BEGIN);
    assert_eq!(state(&mut world, seat, "c1"), ContactState::Offered);
    world.run(seat, contact("c2")).expect("taken");
    world.now = BEGIN + Span::from_millis(19_999);
    world.step();
    assert_eq!(state(&mut world, seat, "c1"), ContactState::Offered);
    world.after(Span::from_millis(1));
    assert_eq!(state(&mut world, seat, "c1"), ContactState::Queued, "the offer ended when it was due");
    // A server whose wall clock was set back while it was down goes on from the journal's time.
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("c1")).expect("offered");
    let mut back = Stand::open(&disk.after_a_kill(), BEGIN - Span::from_secs(3_600)).expect("it opens");
    assert_eq!(back.contacts(), ["c1"]);
    assert!(back.world.shard.now() >= BEGIN);
    back.run(contact("c2")).expect("taken");
}

#[test]
fn row_55_an_offer_accepted_twice_is_accepted_once_and_not_after_it_ended() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    world.run(seat, contact("c1")).expect("offered");
    let first = offer(&mut world, seat, "c1");
    world.run(seat, accept("ana", first)).expect("his");
    let before = read(&mut world, seat, |state, _| state.sequence());
    world.run(seat, accept("ana", first)).expect("the other tab hears the same");
    assert_eq!(read(&mut world, seat, |state, _| state.sequence()), before, "and nothing happens");
    assert_eq!(state(&mut world, seat, "c1"), ContactState::Assigned);
    world.run(seat, agent("ben")).expect("made");
    world.run(seat, sign_in("ben")).expect("signed in");
    world.run(seat, contact("c2")).expect("offered");
    let second = offer(&mut world, seat, "c2");
    world.after(Span::from_secs(20));
    assert_eq!(
        world.run(seat, accept("ben", second)),
        Err(Refused::Reject(Reject::OfferOver { state: OfferState::Expired }))
    );
}

#[test]
fn row_56_an_accept_and_a_customer_who_hangs_up_meet_in_one_order() {
    for accept_first in [true, false] {
        let mut world = World::new(TestJournal::default());
        let seat = world.tenant("one");
        world.run(seat, contact("c1")).expect("offered");
        let leg = offer(&mut world, seat, "c1");
        let (one, two) = (accept("ana", leg), cancel("c1"));
        let (mut accepted, mut left) = if accept_first {
            let accepted = world.put(seat, one);
            (accepted, world.put(seat, two))
        } else {
            let left = world.put(seat, two);
            (world.put(seat, one), left)
        };
        world.step();
        let accepted = accepted.now().expect("settled");
        assert!(left.now().expect("settled").is_ok(), "the customer is gone either way");
        match accept_first {
            true => assert!(accepted.is_ok()),
            false => assert_eq!(accepted, Err(Refused::Reject(Reject::OfferOver { state: OfferState::Cancelled }))),
        }
        let outcome = read(&mut world, seat, |state, now| state.contact_view(now, "c1").expect("kept").outcome);
        assert_eq!(outcome, Some((Outcome::Abandoned, Reason::CustomerLeft)), "accept first: {accept_first}");
        assert_eq!(state(&mut world, seat, "c1"), ContactState::Closed);
        world.run(seat, contact("c2")).expect("taken");
        assert_eq!(state(&mut world, seat, "c2"), ContactState::Offered, "the agent is free again");
    }
}

#[test]
fn row_57_an_offer_of_an_agent_who_is_gone_returns_to_its_place() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    world.run(seat, leased("ana")).expect("signed in");
    world.run(seat, Command::OpenAgentSession { agent_id: "ana".into() }).expect("open");
    world.run(seat, contact("c1")).expect("offered");
    world.after(Span::from_secs(1));
    world.run(seat, contact("c2")).expect("it waits behind");
    world.run(seat, Command::CloseAgentSession { agent_id: "ana".into() }).expect("broken");
    // Long offers, so that the lease is what ends it.
    assert_eq!(state(&mut world, seat, "c1"), ContactState::Offered);
    world.after(Span::from_secs(30));
    assert_eq!(state(&mut world, seat, "c1"), ContactState::Queued);
    world.run(seat, agent("ben")).expect("made");
    world.run(seat, sign_in("ben")).expect("signed in");
    assert_eq!(state(&mut world, seat, "c1"), ContactState::Offered, "it was first, and is first");
    assert_eq!(state(&mut world, seat, "c2"), ContactState::Queued);
}

#[test]
fn row_58_five_hundred_contacts_of_a_gateway_that_dies_end_unless_it_is_back_in_time() {
    for back in [true, false] {
        let mut world = World::new(TestJournal::default());
        let seat = world.tenant("one");
        world.run(seat, Command::SignOut { agent_id: "ana".into(), force: false }).expect("signed out");
        let lease = Span::from_secs(10);
        let open = Command::OpenGatewaySession { gateway_id: "gw".into(), lease };
        world.run(seat, open.clone()).expect("open");
        for number in 0..500 {
            world.run(seat, contact_from(&format!("c{number}"), "gw")).expect("taken");
        }
        world.run(seat, Command::CloseGatewaySession { gateway_id: "gw".into() }).expect("broken");
        // The lease runs out; the grace does not.
        world.after(Span::from_secs(10));
        world.after(Span::from_secs(29));
        if back {
            world.run(seat, open).expect("back");
        }
        world.after(Span::from_secs(1));
        world.after(Span::from_secs(1));
        let waiting = read(&mut world, seat, |state, _| {
            let queued = |&(contact, _): &(_, _)| state.contact_state(contact) == ContactState::Queued;
            state.contacts_from(0).filter(queued).count()
        });
        assert_eq!(waiting, if back { 500 } else { 0 });
        let outcome = read(&mut world, seat, |state, now| state.contact_view(now, "c499").expect("kept").outcome);
        assert_eq!(outcome, (!back).then_some((Outcome::Abandoned, Reason::GatewayLost)));
    }
}

#[test]
fn row_67_a_contact_that_nobody_can_serve_waits_and_costs_nothing() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    world.run(seat, contact("offered")).expect("taken");
    world.run(seat, contact("waits")).expect("taken");
    let mut nobody = contact("nobody");
    if let Command::CreateContact(new) = &mut nobody {
        let new = std::sync::Arc::make_mut(new);
        let asked = usher::config::requirement::parse("agent in (nobody)", &|_| true).expect("it is one");
        new.requirement = Some(std::sync::Arc::new(asked));
    }
    world.run(seat, nobody).expect("it is queued all the same");
    assert_eq!(state(&mut world, seat, "nobody"), ContactState::Queued);
    world.run(seat, cancel("offered")).expect("gone");
    world.run(seat, cancel("waits")).expect("gone");
    // Nothing but its own end is due: nothing spins.
    let before = read(&mut world, seat, |state, _| state.sequence());
    let next = world.shard.next_deadline().expect("its longest wait");
    assert!(next >= BEGIN + Span::from_secs(3_600), "{next:?}");
    world.after(Span::from_secs(600));
    assert_eq!(read(&mut world, seat, |state, _| state.sequence()), before);
    world.after(Span::from_secs(86_400));
    let outcome = read(&mut world, seat, |state, now| state.contact_view(now, "nobody").expect("kept").outcome);
    assert_eq!(outcome, Some((Outcome::Expired, Reason::MaxWait)));
}

#[test]
fn row_68_a_hundred_thousand_waiting_cost_one_agent_no_more_than_ten() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    world.run(seat, Command::SignOut { agent_id: "ana".into(), force: false }).expect("signed out");
    let mut events = Vec::new();
    // Plain builds audit too much to take that many.
    let many = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    for wanted in [10, many] {
        let there = read(&mut world, seat, |state, _| state.live_contact_count());
        let mut taken: Vec<_> = (there..wanted).map(|number| world.put(seat, contact(&format!("c{number}")))).collect();
        world.step();
        assert!(taken.iter_mut().all(|answer| matches!(answer.now(), Some(Ok(_)))));
        assert_eq!(read(&mut world, seat, |state, _| state.live_contact_count()), wanted);
        let before = read(&mut world, seat, |state, _| state.sequence());
        world.run(seat, sign_in("ana")).expect("signed in");
        assert_eq!(state(&mut world, seat, "c0"), ContactState::Offered, "the first is first");
        world.run(seat, Command::SignOut { agent_id: "ana".into(), force: false }).expect("signed out");
        assert_eq!(state(&mut world, seat, "c0"), ContactState::Queued, "and back in its place");
        events.push(read(&mut world, seat, |state, _| state.sequence()) - before);
    }
    assert_eq!(events[0], events[1], "events of one sign-in and sign-out");
}

#[test]
fn row_69_an_agent_who_flaps_is_one_contact_behind_and_the_journal_stays_small() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let bytes = |disk: &FakeDisk| -> usize {
        let used = |name: &String| disk.bytes(name).iter().rposition(|&byte| byte != 0).unwrap_or(0);
        disk.segments().iter().map(used).sum()
    };
    let before = (bytes(&disk), stand.read(|state, _| state.sequence()));
    let flaps = 1_000;
    for _ in 0..flaps {
        for presence in [Presence::NotReady("break".into()), Presence::Available] {
            stand.run(Command::SetPresence { agent_id: "ana".into(), presence }).expect("set");
        }
        // Saying again what is so is no event.
        let presence = Presence::Available;
        stand.run(Command::SetPresence { agent_id: "ana".into(), presence }).expect("set");
    }
    let after = (bytes(&disk), stand.read(|state, _| state.sequence()));
    assert_eq!(after.1 - before.1, flaps * 4, "presence and routing, there and back");
    let each = (after.0 - before.0) / (2 * flaps as usize);
    assert!(each < 160, "{each} bytes a change, the frame's head and its hash with it");
    stand.run(contact("c1")).expect("taken");
    let offered = stand.read(|state, now| state.contact_view(now, "c1").expect("kept").state);
    assert_eq!(offered, ContactState::Offered, "he is as he said last");
}

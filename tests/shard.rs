//! The shard stepped by hand: order, durability, panics, bounds. No clock, no thread.

mod shard_support;

use shard_support::*;
use usher::engine::contact::ContactState;
use usher::engine::reject::Reject;
use usher::engine::time::{Span, Time};
use usher::journal::{Completion, Fault, Position};
use usher::shard::{Ended, Limits, Order, Refused, Start, Topic};

#[test]
fn an_answer_shows_what_the_command_led_to() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let done = world.run(seat, contact("c1")).expect("accepted");
    let view = done.contact.expect("a view");
    assert_eq!(view.state, ContactState::Offered, "the matcher has looked before anyone is told");
    assert_eq!(&*view.legs[0].agent_id, "ana");
    let accepted = world.run(seat, accept("ana", view.legs[0].leg)).expect("accepted");
    assert_eq!(accepted.agent.expect("a view").legs.len(), 1);
}

#[test]
fn queries_see_own_writes_and_keep_their_turn() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let mut before = world.ask(seat, |state, now| state.contact_view(now, "c1").is_some());
    let mut created = world.put(seat, contact("c1"));
    let mut after = world.ask(seat, |state, now| state.contact_view(now, "c1").is_some());
    world.step_once();
    assert_eq!(before.now(), Some(Ok(false)));
    assert!(created.now().expect("settled").is_ok());
    assert_eq!(after.now(), Some(Ok(true)));
}

#[test]
fn row_06_a_query_that_panics_hurts_nobody() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let mut bad = world.ask(seat, |_, _| -> u32 { panic!("a reader's bug") });
    let mut good = world.ask(seat, |_, _| 1);
    world.step();
    assert_eq!(bad.now(), Some(Err(Refused::QueryFailed)));
    assert_eq!(good.now(), Some(Ok(1)));
    assert_eq!(world.shard.counts().panics, 0);
}

#[test]
fn nothing_is_told_before_it_is_durable() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let seat = world.tenant("one");
    let (_, mut events) = world.subscribe(seat, Order::new(Topic::Everything)).expect("a stream");
    journal.with(|kept| kept.late = true);
    let mut created = world.put(seat, contact("c1"));
    let mut refused = world.put(seat, contact("c1x\u{7}"));
    let mut seen = world.ask(seat, |state, _| state.sequence());
    world.step();
    assert!(created.now().is_none() && refused.now().is_none() && seen.now().is_none(), "told too early");
    assert_eq!(events.waiting(), 0, "published too early");

    // Completions may come out of step: an older one after a newer changes nothing.
    let second = {
        let mut second = world.put(seat, cancel("c1"));
        world.step();
        assert!(second.now().is_none());
        second
    };
    let first = journal.with(|kept| kept.appended - 1);
    journal.with(|kept| kept.durable = first);
    world.completions = vec![Completion::Durable(Position(first)), Completion::Durable(Position(first - 1))];
    world.step();
    assert!(created.now().expect("durable now").is_ok());
    assert!(matches!(refused.now(), Some(Err(Refused::Reject(Reject::Invalid { .. })) | Ok(_))));
    assert!(seen.now().is_some());
    assert!(events.waiting() > 0);
    let mut second = second;
    assert!(second.now().is_none(), "its batch is still on its way");
    world.completions.push(journal.catch_up());
    world.step();
    assert!(second.now().expect("durable now").is_ok());
    let all = sequences(&drain(&mut events));
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, without a gap: {all:?}");
}

#[test]
fn a_failing_journal_takes_back_what_nobody_was_told() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let seat = world.tenant("one");
    let (_, mut events) = world.subscribe(seat, Order::new(Topic::Everything)).expect("a stream");
    journal.with(|kept| kept.late = true);
    let mut created = world.put(seat, contact("c1"));
    world.step();
    journal.with(|kept| kept.ready = Some(Fault::Unavailable));
    world.completions.push(journal.fail());
    world.step();
    assert_eq!(created.now(), Some(Err(Refused::JournalUnavailable)));
    assert!(matches!(events.try_next(), Some(Err(Ended::TenantStopped))), "its readers begin anew");
    assert_eq!(world.run(seat, contact("c2")), Err(Refused::JournalUnavailable));
    let retry = world.shard.next_deadline().expect("the journal is asked again");
    assert!(retry > world.now && retry <= world.now + Span::from_secs(1));

    journal.with(|kept| (kept.ready, kept.late) = (None, false));
    world.now = retry;
    let mut lost = world.ask(seat, |state, now| state.contact_view(now, "c1").is_some());
    world.step();
    assert_eq!(lost.now(), Some(Ok(false)), "what was lost did not happen");
    assert!(world.run(seat, contact("c2")).is_ok());
    let all = journal.sequences("one");
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap in the journal: {all:?}");
}

#[test]
fn an_append_that_fails_is_as_if_nothing_was_done() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let (one, two) = (world.tenant("one"), world.tenant("two"));
    journal.with(|kept| kept.refuse_append = Some(Fault::Unavailable));
    let mut first = world.put(one, contact("c1"));
    let mut other = world.put(two, contact("c1"));
    world.step();
    assert_eq!(first.now(), Some(Err(Refused::JournalUnavailable)));
    assert_eq!(other.now(), Some(Err(Refused::JournalUnavailable)));
    assert!(world.run(one, contact("c1")).is_ok(), "not there yet, so not a repeat");
    assert!(world.run(two, contact("c1")).is_ok());
    assert_eq!(world.shard.counts().journal_faults, 1);
}

#[test]
fn a_full_journal_stops_writing_and_not_reading() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let seat = world.tenant("one");
    world.run(seat, contact("c1")).expect("offered");
    let due = world.shard.next_deadline().expect("the offer's");
    journal.with(|kept| kept.ready = Some(Fault::Full));
    assert_eq!(world.run(seat, contact("c2")), Err(Refused::JournalFull));
    world.now = due + Span::from_secs(1);
    let mut state = world.ask(seat, |state, now| state.contact_view(now, "c1").expect("kept").state);
    world.step();
    assert_eq!(state.now(), Some(Ok(ContactState::Offered)), "deadlines rest, for they could not be kept");
    assert!(world.shard.next_deadline().expect("asked again") > world.now, "no busy waiting");
    journal.with(|kept| kept.ready = None);
    world.after(Span::from_millis(100));
    let mut state = world.ask(seat, |state, now| state.contact_view(now, "c1").expect("kept").state);
    world.step();
    assert_eq!(state.now(), Some(Ok(ContactState::Queued)), "the offer has expired");
}

#[test]
fn due_deadlines_come_before_the_commands_of_the_same_batch() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let view = world.run(seat, contact("c1")).expect("offered").contact.expect("a view");
    world.now = world.shard.next_deadline().expect("the offer's");
    let late = world.run(seat, accept("ana", view.legs[0].leg));
    assert!(matches!(late, Err(Refused::Reject(Reject::OfferOver { .. }))), "{late:?}");
}

#[test]
fn a_step_is_bounded_and_work_waits_for_all_that_is_due() {
    let limits = Limits { batch: 2, fire: 1, recent: 0 };
    let mut world = World::with(TestJournal::default(), limits);
    let seat = world.tenant("one");
    for name in ["bo", "cy", "di"] {
        world.run(seat, agent(name)).expect("upserted");
        world.run(seat, sign_in(name)).expect("signed in");
    }
    let calls: Vec<_> = (0..4).map(|at| world.put(seat, contact(&format!("c{at}")))).collect();
    world.step_once();
    assert_eq!((world.out.commands, world.inbox.len(), world.out.again), (2, 2, true));
    world.step();
    drop(calls);
    world.now = world.now + Span::from_secs(20);
    let mut late = world.ask(seat, |state, _| state.sequence());
    world.step_once();
    assert!(world.out.again && late.now().is_none(), "one of four offers has expired");
    world.step();
    assert!(late.now().is_some());
}

#[test]
fn row_07_a_panic_stops_one_tenant_and_publishes_nothing_half_done() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let (one, two) = (world.tenant("one"), world.tenant("two"));
    let (_, mut events) = world.subscribe(one, Order::new(Topic::Everything)).expect("a stream");
    let mut before = world.put(one, contact("c1"));
    let mut poison = world.put(one, contact(POISON));
    let mut after = world.put(one, contact("c2"));
    let mut other = world.put(two, contact("c1"));
    world.step();
    assert!(before.now().expect("settled").is_ok(), "what was done before it stands");
    assert_eq!(poison.now(), Some(Err(Refused::TenantStopped)));
    assert_eq!(after.now(), Some(Err(Refused::TenantStopped)));
    assert!(other.now().expect("settled").is_ok(), "the others go on");
    assert_eq!(world.shard.counts().panics, 1);

    let mut found = world
        .ask(one, |state, now| ["c1", POISON, "c2"].map(|contact_id| state.contact_view(now, contact_id).is_some()));
    world.step();
    assert_eq!(found.now(), Some(Ok([true, false, false])), "folded again from the journal");
    assert!(world.run(one, contact("c3")).is_ok());
    let published = sequences(&drain(&mut events));
    assert!(published.windows(2).all(|pair| pair[1] == pair[0] + 1), "the stream went on: {published:?}");
    let kept = journal.sequences("one");
    assert_eq!(kept.last(), published.last());
    assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1), "{kept:?}");
}

#[test]
fn a_tenant_that_cannot_be_brought_back_is_stopped_alone() {
    let journal = TestJournal::default();
    journal.with(|kept| kept.forgets = true);
    let mut world = World::new(journal);
    let (one, two) = (world.tenant("one"), world.tenant("two"));
    let (_, mut events) = world.subscribe(one, Order::new(Topic::Everything)).expect("a stream");
    assert_eq!(world.run(one, contact(POISON)), Err(Refused::TenantStopped));
    assert!(world.shard.is_stopped(one) && !world.shard.is_stopped(two));
    assert_eq!(world.run(one, contact("c1")), Err(Refused::TenantStopped));
    let mut read = world.ask(one, |state, _| state.sequence());
    world.step();
    assert_eq!(read.now(), Some(Err(Refused::TenantStopped)));
    assert!(matches!(events.try_next(), Some(Err(Ended::TenantStopped))));
    assert!(world.run(two, contact("c1")).is_ok());
}

#[test]
fn row_07_a_tenant_that_keeps_panicking_is_stopped() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    for _ in 0..3 {
        assert_eq!(world.run(seat, contact(POISON)), Err(Refused::TenantStopped));
    }
    assert!(world.shard.is_stopped(seat));
    assert_eq!(world.shard.counts().panics, 3);
}

#[test]
fn a_panic_waits_for_the_journal_before_it_is_mended() {
    let journal = TestJournal::default();
    let mut world = World::new(journal.clone());
    let seat = world.tenant("one");
    journal.with(|kept| kept.late = true);
    let mut before = world.put(seat, contact("c1"));
    let mut poison = world.put(seat, contact(POISON));
    world.step();
    assert!(before.now().is_none() && poison.now().is_none());
    world.completions.push(journal.catch_up());
    let mut found = world.ask(seat, |state, now| state.contact_view(now, "c1").is_some());
    world.step();
    assert!(before.now().expect("durable").is_ok());
    assert_eq!(poison.now(), Some(Err(Refused::TenantStopped)));
    // That its clocks go again is recorded too, and the answer depends on it.
    assert_eq!(found.now(), None);
    world.completions.push(journal.catch_up());
    world.step();
    assert_eq!(found.now(), Some(Ok(true)));
}

#[test]
fn a_tenant_is_opened_from_what_the_journal_has() {
    let journal = TestJournal::default();
    let mut first = World::new(journal.clone());
    let seat = first.tenant("one");
    first.now = first.now + Span::from_secs(5);
    first.run(seat, contact("c1")).expect("offered");
    let last = *journal.sequences("one").last().expect("events");

    let mut second = World::new(journal);
    let seat = second.shard.open(&"one".into());
    assert_eq!(second.shard.now(), first.now, "no step is earlier than what was recorded");
    let mut found = second.ask(seat, |state, now| (state.sequence(), state.contact_view(now, "c1").is_some()));
    second.step();
    assert_eq!(found.now(), Some(Ok((last + 1, true))), "and that its clocks go again");
    let order = |token| Order { start: Start::After(token), ..Order::new(Topic::Everything) };
    assert!(second.subscribe(seat, order(last)).is_ok(), "up to date");
    let stale = second.subscribe(seat, order(last - 1)).map(|_| ());
    assert_eq!(stale, Err(Refused::OutOfRange { oldest: last }), "older events are not kept in memory");
}

#[test]
fn draining_settles_what_came_before_and_ends_the_streams() {
    let mut world = World::new(TestJournal::default());
    let seat = world.tenant("one");
    let (_, mut events) = world.subscribe(seat, Order::new(Topic::Everything)).expect("a stream");
    let mut created = world.put(seat, contact("c1"));
    let (envelope, mut drained) = usher::shard::Envelope::drain();
    world.inbox.push_back(envelope);
    world.step();
    assert!(created.now().expect("settled").is_ok());
    assert_eq!(drained.now(), Some(Ok(())));
    assert!(!drain(&mut events).is_empty(), "the last events still arrive");
    assert!(events.try_next().is_none(), "and the end is told once");
}

#[test]
fn the_same_inbox_twice_gives_the_same_outputs() {
    let run = || {
        let journal = TestJournal::default();
        let mut world = World::new(journal.clone());
        let (one, two) = (world.tenant("one"), world.tenant("two"));
        let (_, mut events) = world.subscribe(one, Order::new(Topic::Everything)).expect("a stream");
        let mut answers = Vec::new();
        for at in 0..200_u64 {
            let seat = if at % 3 == 0 { two } else { one };
            let command = match at % 5 {
                0 => cancel(&format!("c{}", at / 2)),
                4 => sign_in("ana"),
                _ => contact(&format!("c{at}")),
            };
            let mut answer = world.put(seat, command);
            world.now = Time(world.now.0 + at * 137_137);
            world.step();
            answers.push(format!("{:?}", answer.now()));
        }
        let published: Vec<_> = drain(&mut events).iter().map(|event| format!("{event:?}")).collect();
        let batches = journal.with(|kept| format!("{:?}", kept.batches));
        (answers, published, batches, world.shard.counts())
    };
    let (first, second) = (run(), run());
    assert!(first.1.len() > 200, "it was not about nothing");
    assert!(first == second);
}

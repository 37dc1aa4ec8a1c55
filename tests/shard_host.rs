//! The host of the shard: many callers, deadlines, the bounded way in, drain. The only tests of this room with a clock.

mod shard_support;

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use shard_support::*;
use usher::engine::Engine;
use usher::engine::contact::{ContactState, OfferState};
use usher::engine::policy::{Channel, Policy};
use usher::engine::time::Span;
use usher::journal::MemoryJournal;
use usher::shard::{Clock, Limits, Order, Refused, Shard, ShardHandle, Topic, start};

const CAPACITY: usize = 64;

/// A shard with the tenant `one`, whose offers ring for 50 ms.
async fn host(journal: Option<TestJournal>) -> ShardHandle {
    let shard = match journal {
        Some(journal) => new_shard(journal, Limits::default()),
        None => Shard::new(Box::new(MemoryJournal::new()), Box::new(|_| Box::new(Engine::new(7))), Limits::default()),
    };
    let clock = Clock::start(shard.now());
    let (shard, deadlines) = start(shard, clock, CAPACITY);
    drop(tokio::spawn(deadlines.run()));
    shard.open("one");
    let voice = Channel { offer_timeout: Span::from_millis(50), ..Channel::named("voice".into()) };
    let policy = Policy { channels: vec![voice], ..policy("one") };
    let apply = usher::engine::command::Command::apply(policy);
    for command in [apply, agent("ana"), sign_in("ana")] {
        shard.call("one", command.into()).await.expect("accepted");
    }
    shard
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}

#[tokio::test]
async fn calls_are_answered_in_the_order_they_were_made() {
    let shard = host(None).await;
    let first = shard.call("one", contact("c1").into());
    let seen = shard.query("one", |state, now| state.contact_view(now, "c1").is_some());
    let unknown = shard.call("two", contact("c1").into()).await;
    assert_eq!(unknown, Err(Refused::TenantUnknown));
    assert_eq!(within(seen).await, Ok(true));
    assert!(within(first).await.is_ok());
    assert_eq!(shard.tenants(), ["one".into()]);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_carried_out_all_the_same() {
    let shard = host(None).await;
    drop(shard.call("one", contact("c1").into()));
    let seen = shard.query("one", |state, now| state.contact_view(now, "c1").is_some());
    assert_eq!(within(seen).await, Ok(true));
}

#[tokio::test]
async fn a_deadline_fires_though_nobody_calls() {
    let shard = host(None).await;
    let order = Order::new(Topic::Everything);
    let (_, mut events) = within(shard.subscribe("one", order, |_, _| ())).await.expect("a stream");
    let done = within(shard.call("one", contact("c1").into())).await.expect("offered");
    let due = done.contact.expect("a view").legs[0].deadline.expect("it rings");
    let fired = within(async {
        while let Some(event) = events.next().await {
            let event = event.expect("it goes on");
            if matches!(event.recorded.event, usher::engine::event::Event::OfferExpired { .. }) {
                return event.recorded.time;
            }
        }
        panic!("the stream ended")
    })
    .await;
    assert!(fired >= due, "never early");
}

#[tokio::test]
async fn a_full_ingress_refuses_and_loses_nothing_it_took() {
    let shard = host(None).await;
    // A query that holds the writer, on another thread, while the ingress fills.
    let ((held, hold), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
    let other = shard.clone();
    let holder = std::thread::spawn(move || {
        let busy = other.query("one", move |_, _| {
            held.send(()).expect("the test waits");
            released.recv().expect("the test releases");
        });
        drop(busy);
    });
    hold.recv().expect("it is held");
    let mut taken = Vec::new();
    let refused = loop {
        let name = format!("c{}", taken.len());
        let mut call = shard.call("one", contact(&name).into());
        match call.now() {
            Some(answer) => break answer,
            None => taken.push(call),
        }
    };
    assert_eq!(refused, Err(Refused::IngressFull));
    assert_eq!((taken.len(), shard.depth(), shard.refused()), (CAPACITY, CAPACITY, 1));
    release.send(()).expect("it is held");
    for call in taken {
        assert!(within(call).await.is_ok());
    }
    holder.join().expect("no panic");
    assert_eq!(shard.depth(), 0);
}

#[tokio::test]
async fn a_late_journal_holds_answers_until_it_says_so() {
    let journal = TestJournal::default();
    let shard = host(Some(journal.clone())).await;
    journal.with(|kept| kept.late = true);
    let mut created = shard.call("one", contact("c1").into());
    assert!(created.now().is_none());
    let completion = journal.catch_up();
    let notify = journal.with(|kept| kept.notify.clone()).expect("attached");
    // From the journal's own thread.
    std::thread::spawn(move || notify(completion)).join().expect("no panic");
    assert!(within(created).await.is_ok());
}

#[tokio::test]
async fn draining_refuses_new_work_and_answers_the_old() {
    let shard = host(None).await;
    let order = Order::new(Topic::Everything);
    let (_, mut events) = within(shard.subscribe("one", order, |_, _| ())).await.expect("a stream");
    let before = shard.call("one", contact("c1").into());
    within(shard.drain()).await.expect("drained");
    assert!(within(before).await.is_ok());
    assert_eq!(within(shard.call("one", contact("c2").into())).await, Err(Refused::Draining));
    assert!(within(shard.query("one", |state, _| state.sequence())).await.is_ok(), "reading goes on");
    let end = within(async {
        loop {
            match events.next().await.expect("an end") {
                Ok(_) => {}
                Err(ended) => return ended,
            }
        }
    })
    .await;
    assert_eq!(end, usher::shard::Ended::Draining);
}

/// Every call of many threads is carried out once, and nobody's wake-up is lost between the queue and the lock.
#[test]
fn many_callers_lose_nothing() {
    const THREADS: usize = 4;
    const CALLS: usize = 2_000;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let shard = runtime.block_on(host(None));
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (shard, handle) = (shard.clone(), runtime.handle().clone());
            std::thread::spawn(move || {
                for call in 0..CALLS {
                    let name = format!("c{thread}-{call}");
                    let done = handle.block_on(within(shard.call("one", contact(&name).into())));
                    let view = done.expect("taken").contact.expect("a view");
                    assert!(matches!(view.state, ContactState::Queued | ContactState::Offered));
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
    let count = runtime.block_on(within(shard.query("one", |state, _| state.contact_count())));
    assert_eq!(count, Ok((THREADS * CALLS) as u32));
    let expired = runtime.block_on(within(shard.query("one", |state, now| {
        state
            .contact_view(now, "c0-0")
            .is_some_and(|view| view.legs.iter().all(|leg| leg.offer != OfferState::Accepted))
    })));
    assert_eq!(expired, Ok(true));
}

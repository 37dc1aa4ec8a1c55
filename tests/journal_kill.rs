//! The real server is killed at random instants while clients work with it, and the clients' own notes are held against
//! what it says afterwards: rows 1 to 4, 23, 53 and 89 of the fault matrix.
//!
//! `USHER_KILLS=200 cargo test --test journal_kill` is the long mode; 10 kills otherwise. `USHER_SEED` moves the instants.

mod killed;

use std::collections::BTreeMap;
use std::time::Duration;

use killed::{Center, Server, kills, seed};

/// How long a start may take, with everything else the machine does meanwhile.
const SERVING: Duration = Duration::from_secs(2);

#[test]
fn row_01_kill_9_at_random_instants_loses_nothing_that_was_acknowledged() {
    killed::runtime().block_on(async {
        let (count, mut dice) = (kills(), killed::Dice(seed()));
        let mut server = Server::begin();
        let center = Center::open(&server).await;
        let (mut slowest, mut received) = (Duration::ZERO, 0);
        for kill in 1..=count {
            center.works().await;
            tokio::time::sleep(Duration::from_millis(dice.below(200))).await;
            received = received.max(server.received().await);
            server.kill();
            let took = server.start();
            slowest = slowest.max(took);
            assert!(server.received().await >= received, "kill {kill}: a counter fell");
            center.moved_to(&server);
        }
        center.works().await;
        let notes = center.close().await;
        let truth = server.contacts().await;
        println!(
            "{count} kills, {} contacts acknowledged, {} accepts, {} completed, slowest start {slowest:?}",
            notes.created.len(),
            notes.accepted.len(),
            notes.completed.len(),
        );
        assert!(notes.created.len() as u64 > count, "it was not about nothing");
        let lost: Vec<_> = notes.created.iter().filter(|id| !truth.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        for (contact_id, agents) in &notes.accepted {
            let [agent] = agents.as_slice() else { panic!("{contact_id} was given to {agents:?}") };
            let held = &truth[contact_id];
            let accepted: Vec<_> = held.legs.iter().filter(|leg| leg.accept_time.is_some()).collect();
            assert!(
                accepted.len() == 1 && accepted[0].agent_id == *agent,
                "{contact_id}: {accepted:?} and not {agent}"
            );
        }
        for contact_id in &notes.completed {
            assert_eq!(truth[contact_id].outcome, killed::COMPLETED, "{contact_id}");
        }
        assert_eq!(server.received().await, truth.len() as u64, "the counter is of all contacts there ever were");
        killed::in_order(&truth);
        assert!(slowest < SERVING, "the slowest start took {slowest:?}");
        server.stop();
    });
}

#[test]
fn row_02_kills_while_it_starts_change_nothing() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let ids = killed::wait_in_line(&server, 50).await;
        let mut dice = killed::Dice(seed());
        for _ in 0..10 {
            server.kill();
            server.spawn();
            // Somewhere within its start: before, in or after the reading of the journal.
            tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        }
        server.kill();
        server.start();
        assert_eq!(killed::line(&server).await, ids);
        server.stop();
    });
}

#[test]
fn row_01_five_thousand_waiting_are_five_thousand_after() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let ids = killed::wait_in_line(&server, 5_000).await;
        server.kill();
        let took = server.start();
        assert_eq!(killed::line(&server).await, ids, "all of them, in their order");
        println!("5,000 waiting: serving again in {took:?}");
        assert!(took < SERVING, "the start took {took:?}");
        server.stop();
    });
}

#[test]
fn row_03_a_stop_lets_streams_end_and_keeps_everything() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let center = Center::open(&server).await;
        center.works().await;
        server.stop();
        server.start();
        center.moved_to(&server);
        center.works().await;
        let notes = center.close().await;
        let truth = server.contacts().await;
        let lost: Vec<_> = notes.created.iter().filter(|id| !truth.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        server.stop();
    });
}

#[test]
fn a_drain_that_is_asked_for_keeps_everything_and_ends_with_0() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let ids = killed::wait_in_line(&server, 20).await;
        let sequence = server.drain().await;
        assert!(sequence > 0);
        server.ended();
        server.start();
        assert_eq!(killed::line(&server).await, ids);
        server.stop();
    });
}

#[test]
fn row_23_a_second_server_on_the_journal_is_refused() {
    let mut server = Server::begin();
    let said = server.second();
    assert!(said.contains("another process has this journal open"), "{said}");
    server.stop();
}

#[test]
fn a_restart_applies_the_file_only_if_it_changed() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        let versions = |page: &str| {
            let lines = page.lines().filter(|line| line.starts_with("usher_config_version_info"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let first = versions(&server.page().await);
        server.kill();
        server.start();
        assert_eq!(versions(&server.page().await), first);
        server.append("[[tenants.skills]]\nid = \"late\"\n");
        server.kill();
        server.start();
        let second = versions(&server.page().await);
        assert_ne!(second, first);
        server.stop();
    });
}

#[test]
fn what_is_told_of_a_contact_is_the_same_after_a_kill() {
    killed::runtime().block_on(async {
        let mut server = Server::begin();
        killed::wait_in_line(&server, 20).await;
        // Only the wait goes on.
        let waits = |contacts: BTreeMap<String, killed::Contact>| {
            contacts.into_values().map(|held| killed::Contact { wait: None, ..held }).collect::<Vec<_>>()
        };
        let before = waits(server.contacts().await);
        server.kill();
        server.start();
        assert_eq!(waits(server.contacts().await), before);
        server.stop();
    });
}

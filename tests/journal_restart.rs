//! What a restart leaves as it was, and what it moves: waiting goes on, deadlines that people were given time for move by
//! the outage, leases start anew.

mod journal_support;
mod shard_support;

use std::sync::Arc;

use journal_support::{FakeDisk, Stand};
use shard_support::{BEGIN, accept, agent, contact, policy};
use usher::engine::agent::Presence;
use usher::engine::command::{Command, NewContact, Request, RequestStamp};
use usher::engine::contact::{ContactProfile, ContactState, DeclineReason, LegState};
use usher::engine::id::LegId;
use usher::engine::policy::{PolicyChange, WrapUp};
use usher::engine::requirement::Value;
use usher::engine::state::State;
use usher::engine::time::{Span, Time};
use usher::shard::{Envelope, Refused, Show};

const OUTAGE: Span = Span::from_secs(600);

/// The same disk after a kill, opened when the outage is over.
fn restarted(disk: &FakeDisk, stand: Stand) -> Stand {
    let now = stand.world.now;
    let left = disk.after_a_kill();
    drop(stand);
    Stand::open(&left, now + OUTAGE).expect("it opens")
}

fn offer_of(stand: &mut Stand, contact_id: &'static str) -> LegId {
    stand.read(move |state, _| {
        let contact = state.find_contact(contact_id).expect("there");
        state.contact(contact).entry_leg.expect("an offer is open")
    })
}

fn state_of(stand: &mut Stand, contact_id: &'static str) -> ContactState {
    stand.read(move |state, _| state.contact_state(state.find_contact(contact_id).expect("there")))
}

fn deadline(stand: &mut Stand, leg: LegId) -> Option<Time> {
    stand.read(move |state, _| state.leg(leg).deadline.get())
}

#[test]
fn waiting_contacts_keep_their_place_arrival_and_attributes() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("takes-ana")).expect("offered");
    for (at, priority) in [(1, 0), (2, 5), (3, 0), (4, -5)] {
        let profile = ContactProfile {
            contact_id: format!("c{at}").as_str().into(),
            channel: "voice".into(),
            attributes: vec![("tier".into(), Value::Int(at))],
            ..ContactProfile::default()
        };
        let new = NewContact {
            profile: Arc::new(profile),
            queue: "sales".into(),
            priority,
            arrival: Some(BEGIN - Span::from_secs(at as u64)),
            ..NewContact::default()
        };
        stand.run(Command::CreateContact(Arc::new(new))).expect("queued");
    }
    let books = |state: &State, now: Time| {
        let ids = ["c1", "c2", "c3", "c4"].map(|id| state.find_contact(id).expect("there"));
        ids.map(|id| {
            let held = state.contact(id);
            (
                state.position(state.now(), id),
                held.arrival,
                held.adjusted_arrival,
                held.profile.clone(),
                held.entry.expect("open"),
            )
        })
        .map(|held| (held, state.audit(now).is_ok()))
    };
    let before = stand.read(books);
    let mut stand = restarted(&disk, stand);
    assert_eq!(stand.read(books), before);
    assert_eq!(before.map(|((position, ..), _)| position), [3, 1, 2, 4]);
}

#[test]
fn an_open_offer_stays_open_under_its_id_and_its_deadline_moves_by_the_outage() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("c")).expect("offered");
    let offer = offer_of(&mut stand, "c");
    let before = deadline(&mut stand, offer).expect("it expires");
    // The last thing in the journal is the offer: all the time since then was nobody's.
    let mut stand = restarted(&disk, stand);
    assert_eq!(offer_of(&mut stand, "c"), offer);
    assert_eq!(deadline(&mut stand, offer), Some(before + OUTAGE));
    stand.run(accept("ana", offer)).expect("it is as good as it was");
    assert_eq!(state_of(&mut stand, "c"), ContactState::Assigned);
}

#[test]
fn the_time_is_noted_each_second_while_an_offer_is_open() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("c")).expect("offered");
    let offer = offer_of(&mut stand, "c");
    let before = deadline(&mut stand, offer).expect("it expires");
    for _ in 0..10 {
        let next = stand.world.shard.next_deadline().expect("the time is to be noted");
        assert!(next <= stand.world.now + Span::from_secs(1), "within a second");
        stand.world.now = next;
        stand.step();
        stand.wait();
    }
    let mut stand = restarted(&disk, stand);
    assert_eq!(deadline(&mut stand, offer), Some(before + OUTAGE), "the ten seconds it rang are not given again");
}

#[test]
fn nothing_is_noted_while_nothing_would_be_moved() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(Command::SignOut { agent_id: "ana".into(), force: true }).expect("signed out");
    stand.run(contact("c")).expect("it waits");
    let next = stand.world.shard.next_deadline().expect("it does not wait for ever");
    assert!(next > stand.world.now + Span::from_secs(3_600), "no sooner than its max_wait");
}

#[test]
fn wrap_up_bars_and_not_responding_move_and_conversations_do_not_end() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let mut rules = policy("one");
    rules.queues[0].wrap_up = WrapUp::Timed(Span::from_secs(60));
    stand.run(Command::apply(rules)).expect("applied");
    for id in ["bea", "cid", "dan"] {
        stand.run(agent(id)).expect("there");
    }
    let sign_in = |id: &str| shard_support::sign_in(id);
    // ana wraps up.
    stand.run(contact("wraps")).expect("offered");
    let leg = offer_of(&mut stand, "wraps");
    stand.run(accept("ana", leg)).expect("accepted");
    stand.run(Command::ConnectContact { contact_id: "wraps".into() }).expect("connected");
    stand.run(Command::CompleteContact { contact_id: "wraps".into(), disposition: "".into() }).expect("over");
    // bea talks.
    stand.run(sign_in("bea")).expect("signed in");
    stand.run(contact("talks")).expect("offered");
    let talks = offer_of(&mut stand, "talks");
    stand.run(accept("bea", talks)).expect("accepted");
    stand.run(Command::ConnectContact { contact_id: "talks".into() }).expect("connected");
    // cid has declined.
    stand.run(sign_in("cid")).expect("signed in");
    stand.run(contact("declined")).expect("offered");
    let declined = offer_of(&mut stand, "declined");
    let reason = DeclineReason::Busy;
    stand
        .run(Command::DeclineOffer { agent_id: "cid".into(), offer: declined, reason, retry_time: None })
        .expect("barred");
    // dan lets one expire.
    stand.run(Command::SetPresence { agent_id: "cid".into(), presence: Presence::NotReady("".into()) }).expect("away");
    stand.run(sign_in("dan")).expect("signed in and offered");
    let expired = offer_of(&mut stand, "declined");
    let due = deadline(&mut stand, expired).expect("it expires");
    stand.until(due);
    let look = move |state: &State, _: Time| {
        let dan = state.agent(state.find_agent("dan").expect("there"));
        let wraps = state.leg(leg);
        assert_eq!((wraps.state, state.leg(talks).state), (LegState::WrapUp, LegState::Connected));
        (wraps.deadline.get().expect("timed"), dan.not_responding.expect("marked"), state.leg(talks).deadline.get())
    };
    let before = stand.read(look);
    let mut stand = restarted(&disk, stand);
    let after = stand.read(look);
    assert_eq!((after.0, after.1), (before.0 + OUTAGE, before.1 + OUTAGE));
    assert_eq!(after.2, before.2, "max_handle counts from the connect");
    // The bars of both pairs still stand: cid comes back and is offered nothing until his is lifted.
    stand.run(Command::SetPresence { agent_id: "cid".into(), presence: Presence::Available }).expect("back");
    assert_eq!(state_of(&mut stand, "declined"), ContactState::Queued);
    let later = stand.world.now + Span::from_secs(11);
    stand.until(later);
    assert_eq!(state_of(&mut stand, "declined"), ContactState::Offered);
}

#[test]
fn leases_start_anew() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(agent("bea")).expect("there");
    let (agent_id, presence, lease) = ("bea".into(), Presence::Available, Some(Span::from_secs(30)));
    stand.run(Command::SignIn { agent_id, presence, lease }).expect("signed in");
    let lease = Span::from_secs(20);
    stand.run(Command::OpenGatewaySession { gateway_id: "gate".into(), lease }).expect("open");
    let mut stand = restarted(&disk, stand);
    let alive = |state: &State, _: Time| {
        let bea = state.agent(state.find_agent("bea").expect("there")).session;
        (bea, state.gateway(state.find_gateway("gate").expect("there")).session)
    };
    assert_eq!(stand.read(alive), (true, true), "the outage is no silence of theirs");
    let back = stand.world.now;
    stand.until(back + Span::from_secs(21));
    assert_eq!(stand.read(alive), (true, false), "twenty seconds after the restart, not before");
    stand.until(back + Span::from_secs(31));
    assert_eq!(stand.read(alive), (false, false));
}

#[test]
fn row_53_a_request_repeated_after_a_restart_gets_the_first_answer() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let stamp = |digest| Some(Arc::new(RequestStamp { method: 1, request_id: "r-1".into(), digest: [digest; 16] }));
    let ask = |stand: &mut Stand, digest| {
        let request = Request { stamp: stamp(digest), command: contact("c") };
        let (envelope, mut pending) = Envelope::call(stand.seat, request, Show::NOTHING);
        stand.world.inbox.push_back(envelope);
        stand.step();
        loop {
            if let Some(answer) = pending.now() {
                return answer.map(|done| done.reply);
            }
            stand.wait();
        }
    };
    let first = ask(&mut stand, 1).expect("created");
    let mut stand = restarted(&disk, stand);
    for _ in 0..10 {
        let again = ask(&mut stand, 1).expect("answered");
        assert_eq!((again.sequence, again.contact, again.repeated), (first.sequence, first.contact, true));
    }
    // Row 54: the same id with another payload.
    assert!(matches!(ask(&mut stand, 2), Err(Refused::Reject(usher::engine::reject::Reject::IdempotencyMismatch))));
}

#[test]
fn a_policy_of_a_file_is_known_by_its_hash_after_a_restart() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    let apply = |rules, source| {
        let change = Arc::new(PolicyChange { source, ..PolicyChange::default() });
        Command::ApplyPolicy { policy: Arc::new(rules), change, expected_version: 0 }
    };
    let known = |stand: &mut Stand| stand.read(|state, _| (state.policy_file(), state.policy_version()));
    // The same content: no new version, and yet the file is known from then on.
    stand.run(apply(policy("one"), Some([1; 32]))).expect("nothing changes");
    assert_eq!(known(&mut stand), (Some([1; 32]), 1));
    let mut other = policy("one");
    other.dispositions = vec!["sale".into()];
    stand.run(apply(other, None)).expect("applied by hand");
    let mut stand = restarted(&disk, stand);
    assert_eq!(known(&mut stand), (Some([1; 32]), 2), "the file was seen, and what came since stands");
}

#[test]
fn a_second_restart_moves_from_the_first() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("c")).expect("offered");
    let offer = offer_of(&mut stand, "c");
    let before = deadline(&mut stand, offer).expect("it expires");
    let left = disk.after_a_kill();
    let now = stand.world.now;
    drop(stand);
    let mut stand = Stand::open(&left, now + OUTAGE).expect("it opens");
    assert_eq!(deadline(&mut stand, offer), Some(before + OUTAGE));
    let twice = left.after_a_kill();
    drop(stand);
    let mut stand = Stand::open(&twice, now + OUTAGE + OUTAGE).expect("it opens");
    assert_eq!(deadline(&mut stand, offer), Some(before + OUTAGE + OUTAGE));
    assert_eq!(state_of(&mut stand, "c"), ContactState::Offered);
}

#[test]
fn row_04_a_process_that_was_stopped_takes_the_pause_for_an_outage() {
    let disk = FakeDisk::default();
    let mut stand = Stand::begin(&disk);
    stand.run(contact("c")).expect("offered");
    let offer = offer_of(&mut stand, "c");
    let before = deadline(&mut stand, offer).expect("it expires");
    // SIGSTOP for a minute: no step at all, though the time was to be noted after a second.
    stand.world.now = stand.world.now + Span::from_secs(60);
    stand.step();
    assert_eq!(state_of(&mut stand, "c"), ContactState::Offered, "it did not go unanswered");
    assert_eq!(deadline(&mut stand, offer), Some(before + Span::from_secs(60)));
    // And on a server that is only busy nothing moves.
    let at = stand.world.now + Span::from_secs(3);
    stand.until(at);
    assert_eq!(deadline(&mut stand, offer), Some(before + Span::from_secs(60)));
}

//! Random command tapes over the engine: every invariant after every command, the same bytes twice, and a fold of the
//! events that ends where the engine stands.
//!
//! 20,000 tapes in an optimised build (`cargo test --profile ci`), 1,500 in a plain one; `USHER_TAPES=1000000` for a
//! night, `USHER_SEED=n` for one tape alone.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the tapes")]
mod tape;

use tape::{Batch, Run, Tape, Witness, hunt};
use usher::engine::Engine;
use usher::engine::state::State;
use usher::engine::state::image::Image;
use usher::engine::time::Time;
use usher::journal::codec::VERSION;
use usher::wire::{Reader, Wire, Writer};

/// Audits the state whenever nothing is due.
struct Auditor;

impl Witness for Auditor {
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String> {
        if !batch.quiet {
            return Ok(());
        }
        let (stuck, next) = state.sweep(batch.now, 0, usize::MAX);
        if !stuck.is_empty() || next.is_some() {
            return Err(format!("a sweep finds {stuck:?} and goes on at {next:?}"));
        }
        state.audit(batch.now).map_err(|faults| faults.join("; "))
    }
}

#[test]
fn every_invariant_holds_after_every_command() {
    hunt(75, (20_000, 1_500), |tape| Run::tape(tape, &mut Auditor).map(drop));
}

#[test]
fn the_same_tape_gives_the_same_bytes() {
    hunt(75, (2_000, 150), |tape| {
        let text = |run: Run<'_>| format!("{:?} {:?}", run.recorded, run.replies);
        let (one, two) = (Run::tape(tape, &mut ())?, Run::tape(tape, &mut ())?);
        if text(one) == text(two) { Ok(()) } else { Err("two runs differ".into()) }
    });
}

/// All that can be seen of a state.
fn portrait(state: &State, now: Time) -> String {
    // Leases are not folded: every one starts anew.
    let (contacts, _) = state.contacts_page(now, None, usize::MAX, &|_, _, _| true);
    let (mut agents, _) = state.agents_page(now, None, usize::MAX, &|_| true);
    agents.iter_mut().for_each(|agent| agent.lease_expires = None);
    let books: Vec<_> = state.tally().iter().collect();
    let (version, sequence) = (state.policy_version(), state.sequence());
    let receipts = state.receipts().snapshot();
    format!("{contacts:#?}\n{agents:#?}\n{books:?}\nversion {version} sequence {sequence}\n{receipts:?}")
}

/// The first line in which two texts differ.
fn difference(one: &str, two: &str) -> String {
    let mut lines = one.lines().zip(two.lines());
    let (left, right) = lines.find(|(left, right)| left != right).unwrap_or(("", "the length"));
    format!("{left:?} against {right:?}")
}

fn folded(run: &Run<'_>, seed: u64) -> Result<Engine, String> {
    let mut other = Engine::new(seed);
    run.recorded.iter().for_each(|recorded| other.fold(recorded));
    let (one, two) = (portrait(run.engine.state(), run.now), portrait(other.state(), run.now));
    match one == two {
        true => Ok(other),
        false => Err(format!("a fold ends elsewhere: {}", difference(&one, &two))),
    }
}

#[test]
fn a_fold_of_the_events_is_the_state() {
    hunt(75, (4_000, 300), |tape| {
        let run = Run::tape(tape, &mut ())?;
        let other = folded(&run, tape.seed)?;
        if run.recorded.is_empty() {
            return Ok(());
        }
        other.state().audit(run.now).map_err(|faults| faults.join("; "))
    });
}

/// Half a tape, a fold of it, and the rest for both. Leases start anew after a fold, so only where there are none.
#[test]
fn a_folded_engine_goes_on_alike() {
    hunt(75, (4_000, 300), |tape| {
        if tape.world.leases {
            return Ok(());
        }
        let mut run = Run::new(tape);
        let (first, rest) = tape.steps.split_at(tape.steps.len() / 2);
        for step in first {
            run.step(step, &mut ())?;
        }
        let other = folded(&run, tape.seed)?;
        let mut twin = run.fork(other);
        goes_on(&mut run, &mut twin, rest)
    });
}

fn goes_on(run: &mut Run<'_>, twin: &mut Run<'_>, rest: &[tape::op::Step]) -> Result<(), String> {
    for step in rest {
        let (one, two) = (run.engine.next_deadline(), twin.engine.next_deadline());
        if one != two {
            return Err(format!("next deadline {one:?}, after a fold {two:?}"));
        }
        let from = (run.recorded.len(), twin.recorded.len());
        let answered = (run.replies.len(), twin.replies.len());
        run.step(step, &mut ())?;
        twin.step(step, &mut ())?;
        let (one, two) = (format!("{:?}", &run.recorded[from.0..]), format!("{:?}", &twin.recorded[from.1..]));
        if one != two || run.replies[answered.0..] != twin.replies[answered.1..] {
            return Err(format!("after a fold {step:?} gives {two}, not {one}"));
        }
    }
    Ok(())
}

/// Half a tape, the way through a snapshot's bytes and back, and the rest for both.
#[test]
fn an_engine_from_a_snapshot_goes_on_alike() {
    hunt(75, (6_000, 300), |tape| {
        if tape.world.leases {
            return Ok(());
        }
        let mut run = Run::new(tape);
        let (first, rest) = tape.steps.split_at(tape.steps.len() * (tape.seed % 4 + 1) as usize / 5);
        for step in first {
            run.step(step, &mut ())?;
        }
        let bytes = snapshot(&run.engine);
        let image = Image::get(&mut Reader::new(&bytes, VERSION)).map_err(|fault| format!("{fault:?}"))?;
        let other = Engine::from_image(tape.seed ^ 0x5eed, image).ok_or("the image is of no state")?;
        other.state().audit(run.now).map_err(|faults| faults.join("; "))?;
        let (one, two) = (portrait(run.engine.state(), run.now), portrait(other.state(), run.now));
        if one != two {
            return Err(format!("what comes back differs: {}", difference(&one, &two)));
        }
        if snapshot(&other) != bytes {
            return Err("a snapshot of what came back differs".into());
        }
        let mut twin = run.fork(other);
        goes_on(&mut run, &mut twin, rest)
    });
}

fn snapshot(engine: &Engine) -> Vec<u8> {
    let mut out = Writer::default();
    engine.state().image().put(&mut out);
    out.bytes
}

/// The generator reaches every kind of event often enough to mean something.
#[test]
fn tapes_reach_every_event() {
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for seed in 0..400 {
        let tape = Tape::draw(seed, 75);
        let run = Run::tape(&tape, &mut ()).expect("a tape runs");
        for recorded in &run.recorded {
            let text = format!("{:?}", recorded.event);
            let name = text.split([' ', '{']).next().unwrap_or_default();
            *seen.entry(name.into()).or_default() += 1;
        }
    }
    let rare: Vec<_> = EVENTS.iter().filter(|name| seen.get(**name).is_none_or(|&count| count < 5)).collect();
    assert!(rare.is_empty(), "hardly ever seen: {rare:?} in {seen:?}");
}

const EVENTS: [&str; 51] = [
    "PoolReset",
    "OfferRescinded",
    "QueueOpenChanged",
    "RequestRemembered",
    "PolicyApplied",
    "ContactCreated",
    "ContactQueued",
    "ContactUnrestricted",
    "ContactUpdated",
    "ContactParked",
    "ContactUnparked",
    "ContactTransferred",
    "NoWillingAgent",
    "BarLifted",
    "WaitReached",
    "ContactOverflowed",
    "ContactRelaxed",
    "StepsExhausted",
    "ContactUnservableChanged",
    "ContactMoved",
    "ContactEnded",
    "ContactClosed",
    "ContactForgotten",
    "OfferIssued",
    "OfferAccepted",
    "OfferDeclined",
    "OfferExpired",
    "OfferCancelled",
    "OfferRevoked",
    "OfferFailed",
    "LegAssigned",
    "LegConnected",
    "LegHeld",
    "LegResumed",
    "LegWrapUpStarted",
    "LegEnded",
    "MaxHandlePassed",
    "AgentUpserted",
    "AgentRemoved",
    "AgentDeleted",
    "AgentSignedIn",
    "AgentSignedOut",
    "AgentPresenceChanged",
    "AgentRoutingChanged",
    "AgentNotResponding",
    "AgentResponding",
    "AgentRestStarted",
    "AgentRestEnded",
    "AgentSessionLost",
    "GatewaySessionOpened",
    "GatewaySessionLost",
];

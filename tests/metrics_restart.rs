//! Metrics after a start from a snapshot: counters, histograms and gauges are what they would be had every event been seen.

mod center;
#[allow(dead_code, unused_imports, reason = "each test uses its part of the tapes")]
mod tape;

use std::collections::BTreeMap;

use center::{Center, agent, policy, queue, team};
use tape::{Batch, Run, Witness, hunt};
use usher::engine::event::Recorded;
use usher::engine::policy::{Policy, Queue, Step};
use usher::engine::state::State;
use usher::engine::time::{Span, Time};
use usher::journal::codec::VERSION;
use usher::telemetry::{Shell, Telemetry};
use usher::view::fold::Books;
use usher::wire::{Reader, Wire, Writer};

const START: Time = Time(1_700_000_000_000_000);

/// What a page has of the tenants, zeros left out: a series may begin at 0 a little earlier.
fn shown(telemetry: &Telemetry, now: Time) -> BTreeMap<String, String> {
    let page = telemetry.render(now, Shell::default(), &[]);
    let samples = page.lines().filter(|line| line.starts_with("usher_")).filter_map(|line| line.rsplit_once(' '));
    samples.filter(|(_, value)| *value != "0").map(|(series, value)| (series.into(), value.into())).collect()
}

/// What is kept with a snapshot, as the thread that makes one keeps it: folded from the one before, and written.
fn kept(telemetry: &Telemetry, before: Option<&[u8]>, events: &[Recorded]) -> Vec<u8> {
    let counted = telemetry.apart(&center::TENANT.into());
    let mut view = Books::new(center::TENANT.into());
    if let Some(before) = before {
        let mut from = Reader::new(before, VERSION);
        view = Wire::get(&mut from).expect("books");
        counted.restore(&view, &mut from).expect("totals");
        assert!(from.is_at_end());
    }
    events.iter().for_each(|recorded| view.take(recorded));
    counted.take(events);
    let mut out = Writer::default();
    view.put(&mut out);
    counted.put(&mut out);
    out.bytes
}

/// The first series in which two pages differ.
fn difference(one: &BTreeMap<String, String>, two: &BTreeMap<String, String>) -> Option<String> {
    let mut series = one.keys().chain(two.keys()).filter(|series| one.get(*series) != two.get(*series));
    series.next().map(|series| format!("{series}: {:?} and not {:?}", two.get(series), one.get(series)))
}

/// Holds a start from a snapshot at each of these places of a history, each made from the one before, against one that saw
/// all.
fn go_on(log: &[Recorded], places: &[usize], cap: usize) -> Result<(), String> {
    let new = || Telemetry::with_cap([Span::from_secs(20), Span::from_millis(2_500)], cap);
    let (mut snapshot, mut from) = (None, 0);
    for &until in places {
        let (before, after) = log.split_at(until);
        let (one, two) = (new(), new());
        let written = kept(&two, snapshot.as_deref(), &log[from..until]);
        let (whole, back) = (one.fold(&center::TENANT.into()), two.fold(&center::TENANT.into()));
        whole.take(before);
        let mut reader = Reader::new(&written, VERSION);
        let view = Wire::get(&mut reader).expect("books");
        back.restore(&view, &mut reader).expect("totals");
        for more in [&[], after] {
            whole.take(more);
            back.take(more);
            let Some(last) = before.iter().chain(more).last() else { continue };
            let now = last.time + Span::from_secs(5);
            if let Some(difference) = difference(&shown(&one, now), &shown(&two, now)) {
                return Err(format!("{until} events of {} and {} more: {difference}", log.len(), more.len()));
            }
        }
        (snapshot, from) = (Some(written), until);
    }
    Ok(())
}

#[test]
fn a_day_goes_on_whichever_part_of_it_was_in_the_snapshot() {
    let center = center::day::play(START, "UTC");
    let page = shown(&center.telemetry, center.now);
    for name in ["contacts_received_total", "contacts_closed_total", "talk_seconds_bucket", "agent_state_seconds_total"]
    {
        assert!(page.keys().any(|series| series.starts_with(&format!("usher_{name}"))), "{name} has something to tell");
    }
    let tenths: Vec<usize> = (1..=10).map(|tenth| center.log.len() * tenth / 10).collect();
    go_on(&center.log, &tenths, 1_000).unwrap_or_else(|difference| panic!("{difference}"));
    // Past the cap on series, queues are counted together, also what is brought back.
    go_on(&center.log, &tenths, 1).unwrap_or_else(|difference| panic!("{difference}"));
}

/// A queue with steps: for a preferred agent alone, then for everyone from the tenth second on.
fn relaxed() -> Policy {
    let step = |secs, prefer| {
        let after = Span::from_secs(secs);
        Step { after, require: None, drop: Vec::new(), prefer, skip_if: None }
    };
    let sales = Queue { steps: vec![step(0, true), step(10, false)], ..queue("sales") };
    policy(vec![sales], vec![team("desk", &["sales"])], vec![agent("ana", "desk")])
}

#[test]
fn steps_go_on_whichever_events_were_in_the_snapshot() {
    let mut center = Center::open(START, relaxed());
    center.sign_in("ana", true);
    for id in ["c1", "c2"] {
        center.call(id, "sales");
        center.wait(12);
        center.answer("ana", id);
        center.wait(30);
        center.complete(id);
        center.wait(10);
        center.wrapped("ana", id, None);
    }
    let page = shown(&center.telemetry, center.now);
    assert!(page.keys().any(|series| series.starts_with("usher_steps_answered_total")), "{page:?}");
    let all: Vec<usize> = (1..=center.log.len()).collect();
    go_on(&center.log, &all, 1_000).unwrap_or_else(|difference| panic!("{difference}"));
}

/// Where a batch ends: a snapshot stands nowhere else.
struct Ends(Vec<usize>);

impl Witness for Ends {
    fn see(&mut self, _: &State, batch: &Batch<'_>) -> Result<(), String> {
        let last = self.0.last().copied().unwrap_or(0);
        self.0.push(last + batch.events.len());
        Ok(())
    }
}

#[test]
fn any_history_goes_on_whichever_part_of_it_was_in_the_snapshot() {
    hunt(75, (2_000, 150), |tape| {
        let mut ends = Ends(Vec::new());
        let run = Run::tape(tape, &mut ends)?;
        let places: Vec<usize> =
            ends.0.iter().copied().step_by(1 + ends.0.len() / 3).chain(ends.0.last().copied()).collect();
        go_on(&run.recorded, &places, 1_000)
    });
}

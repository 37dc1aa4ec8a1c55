//! Every verb in every state of a contact: DESIGN section 1, "Verbs by state". The table is the one there, spelt out.

mod scenario;

use scenario::run::Run;

/// How a contact comes to each state, on voice, with ana and bob signed in.
const STATES: [(&str, &[&str]); 9] = [
    ("scheduled", &["0s contact c1 schedule:1h"]),
    ("parked", &["0s contact c1 needs it>=9", "1s park c1"]),
    ("queued", &["0s contact c1 needs it>=9"]),
    ("offered", &["0s contact c1"]),
    ("assigned", &["0s contact c1", "1s accept ana c1"]),
    ("connected", &["0s contact c1", "1s accept ana c1", "1s connect c1"]),
    ("on_hold", &["0s contact c1", "1s accept ana c1", "1s connect c1", "1s hold c1"]),
    ("wrap_up", &["0s contact c1", "1s accept ana c1", "1s connect c1", "1s complete c1"]),
    ("closed", &["0s contact c1", "1s accept ana c1", "1s connect c1", "1s complete c1", "1s wrapped ana c1"]),
];

/// What each verb does in each of [`STATES`]: the state it leads to, `=` for OK without event, `~` for OK with an event
/// in the same state, `-` for CONTACT_STATE, `x` for CONTACT_CLOSED, `w` for NOT_WRAPPING_UP, `i` for AGENT_INELIGIBLE.
#[rustfmt::skip]
const TABLE: &[(&str, [&str; 9])] = &[
    // verb                          scheduled  parked     queued     offered    assigned   connected  on_hold    wrap_up  closed
    ("connect c1",                  ["-",       "-",       "-",       "-",       "connected", "=",     "-",       "-",     "x"]),
    ("hold c1",                     ["-",       "-",       "-",       "-",       "-",       "on_hold", "=",       "-",     "x"]),
    ("resume c1",                   ["-",       "-",       "-",       "-",       "-",       "=",       "connected", "-",   "x"]),
    ("complete c1",                 ["-",       "-",       "-",       "-",       "-",       "wrap_up", "wrap_up", "=",     "="]),
    ("cancel c1",                   ["closed",  "closed",  "closed",  "closed",  "closed",  "wrap_up", "wrap_up", "=",     "="]),
    ("cancel c1 system",            ["closed",  "closed",  "closed",  "closed",  "closed",  "wrap_up", "wrap_up", "=",     "="]),
    ("park c1",                     ["-",       "=",       "parked",  "parked",  "-",       "-",       "-",       "-",     "x"]),
    ("unpark c1",                   ["-",       "queued",  "=",       "-",       "-",       "-",       "-",       "-",     "x"]),
    ("requeue c1",                  ["-",       "-",       "-",       "-",       "offered", "offered", "offered", "-",     "x"]),
    ("requeue c1 media_failed",     ["-",       "-",       "-",       "-",       "offered", "offered", "offered", "-",     "x"]),
    ("transfer c1 queue:support",   ["-",       "-",       "-",       "-",       "-",       "offered", "offered", "-",     "x"]),
    ("transfer c1 to:bob",          ["-",       "-",       "-",       "-",       "-",       "offered", "offered", "-",     "x"]),
    ("update c1 priority:3",        ["~",       "~",       "~",       "~",       "~",       "~",       "~",       "~",     "x"]),
    ("update c1",                   ["=",       "=",       "=",       "=",       "=",       "=",       "=",       "=",     "x"]),
    ("wrapped ana c1",              ["w",       "w",       "w",       "w",       "w",       "-",       "-",       "closed", "="]),
    ("pick bob c1",                 ["-",       "-",       "i",       "assigned", "-",      "-",       "-",       "-",     "x"]),
    ("assign c1 to:bob",            ["-",       "i",       "i",       "assigned", "-",      "-",       "-",       "-",     "x"]),
    ("assign c1 to:bob force",      ["-",       "assigned", "assigned", "assigned", "-",     "-",       "-",       "-",     "x"]),
    ("contact c1",                  ["=",       "=",       "=",       "=",       "=",       "=",       "=",       "=",     "="]),
];

fn state_of(run: &Run) -> String {
    let contact = run.engine.state().find_contact("c1").expect("the contact is there");
    scenario::render::snake(&run.engine.state().contact_state(contact))
}

/// The contact brought to a state by the lines given.
fn brought(lines: &[&str]) -> Run {
    let mut run = Run::new();
    run.line("queue sales wrap_up:timed/1h");
    for line in ["0s agent ana fr:5 ready", "0s agent bob fr:5 ready"].iter().chain(lines) {
        let said = run.line(line);
        assert!(!said.iter().any(|said| said.starts_with("refused")), "{line}: {said:?}");
    }
    run
}

fn expected(cell: &str, state: &str) -> (String, String) {
    match cell {
        "=" => ("ok".into(), state.into()),
        "-" => (format!("refused contact_state {state}"), state.into()),
        "x" => ("refused contact_closed".into(), state.into()),
        "i" => ("refused agent_ineligible".into(), state.into()),
        "w" => ("refused not_wrapping_up".into(), state.into()),
        "~" => ("events".into(), state.into()),
        next => ("events".into(), next.into()),
    }
}

#[test]
fn every_verb_in_every_state() {
    let mut wrong = Vec::new();
    for (verb, cells) in TABLE {
        for ((state, lines), cell) in STATES.iter().zip(cells) {
            let mut run = brought(lines);
            assert_eq!(state_of(&run), *state, "the way to {state}");
            let said = run.line(&format!("2s {verb}"));
            let answer = match said.as_slice() {
                [one] if one == "ok" || one.starts_with("refused") => one.clone(),
                _ => "events".into(),
            };
            let (got, wanted) = ((answer, state_of(&run)), expected(cell, state));
            if got != wanted {
                wrong.push(format!("{verb} while {state}: {got:?}, should be {wanted:?} ({said:?})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The outcome each cancellation gives, by the state it comes in.
#[test]
fn cancel_gives_the_outcome_of_the_state() {
    #[rustfmt::skip]
    let table = [
        ("cancel c1", ["cancelled(customer_left)", "abandoned(customer_left)", "abandoned(customer_left)",
            "abandoned(customer_left)", "abandoned(customer_left)", "completed", "completed", "completed", "completed"]),
        ("cancel c1 system", ["cancelled(system)", "cancelled(system)", "cancelled(system)", "cancelled(system)",
            "cancelled(system)", "completed", "completed", "completed", "completed"]),
    ];
    for (verb, outcomes) in table {
        for ((state, lines), wanted) in STATES.iter().zip(outcomes) {
            let mut run = brought(lines);
            run.line(&format!("2s {verb}"));
            let contact = run.engine.state().find_contact("c1").expect("the contact is there");
            let (how, why) = run.engine.state().contact(contact).outcome.expect("it has ended");
            assert_eq!(scenario::render::outcome(how, why), wanted, "{verb} while {state}");
        }
    }
}

/// What an accept that comes too late is told, by how the offer ended; declines and failures likewise.
#[test]
fn a_late_answer_is_told_how_the_offer_ended() {
    let ways = [
        ("expired", "21s tick"),
        ("cancelled", "1s cancel c1"),
        ("revoked", "1s presence ana not_ready"),
        ("declined", "1s decline ana c1"),
        ("failed", "1s fail ana c1"),
        ("accepted", "1s accept ana c1"),
    ];
    for (how, line) in ways {
        let mut run = brought(&["0s contact c1"]);
        run.line(line);
        let now = line.split(' ').next().unwrap_or_default();
        let answer = |repeated: bool| if repeated { "ok".into() } else { format!("refused offer_over {how}") };
        assert_eq!(run.line(&format!("{now} accept ana c1#1")), [answer(how == "accepted")], "accept after {how}");
        assert_eq!(run.line(&format!("{now} decline ana c1#1")), [answer(how == "declined")], "decline after {how}");
        assert_eq!(run.line(&format!("{now} fail ana c1#1")), ["ok"], "a delivery that failed after {how}");
    }
}

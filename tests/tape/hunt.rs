//! Runs many tapes on two threads; a tape that fails is cut down to a short script and printed.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use super::op::Tape;
use super::run::Run;

thread_local! {
    /// What the last panic of this thread said, while it hunts.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Whether the tests were built by the plain `dev` profile. The `ci` profile has debug assertions too, so the
/// directory of the binary is the one thing that tells them apart.
pub fn dev_build() -> bool {
    Path::new(env!("CARGO_BIN_EXE_usher")).parent().is_some_and(|dir| dir.ends_with("debug"))
}

/// How many tapes: `USHER_TAPES`, or else `ci`, or `dev` in an unoptimised build.
fn wanted(ci: u64, dev: u64) -> u64 {
    let asked = std::env::var("USHER_TAPES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if dev_build() { dev } else { ci })
}

/// One seed alone: `USHER_SEED`.
fn only_seed() -> Option<u64> {
    std::env::var("USHER_SEED").ok().and_then(|text| text.parse().ok())
}

/// Tries tapes of `length` steps, as many as [`wanted`], until `check` fails for one; then panics with its script.
///
/// `USHER_TAPES=n` sets how many, `USHER_SEED=n` tries that one alone.
pub fn hunt(length: usize, (ci, dev): (u64, u64), check: impl Fn(&Tape) -> Result<(), String> + Sync) {
    quiet_panics();
    let seeds = only_seed().map_or(0..wanted(ci, dev), |seed| seed..seed + 1);
    let next = AtomicU64::new(seeds.start);
    let failed: Mutex<Option<String>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().unwrap().is_some() {
                        return;
                    }
                    let tape = Tape::draw(seed, length);
                    if let Err(fault) = fails(&tape, &check) {
                        let script = shrink(tape, fault, &check);
                        failed.lock().unwrap().get_or_insert(script);
                    }
                }
            });
        }
    });
    if let Some(script) = failed.into_inner().unwrap() {
        panic!("{script}");
    }
}

/// Panics of hunting threads are kept, not printed: a shrunk tape fails hundreds of times on the way.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let hunting = SAID.with_borrow_mut(|said| said.as_mut().map(|said| *said = info.to_string()).is_some());
            if !hunting {
                usual(info);
            }
        }));
    });
}

/// What fails in a tape, a panic included.
fn fails(tape: &Tape, check: &dyn Fn(&Tape) -> Result<(), String>) -> Result<(), String> {
    SAID.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(|| check(tape)));
    let said = SAID.take().unwrap_or_default();
    result.unwrap_or_else(|_| Err(format!("panic: {said}")))
}

/// Drops steps, many at a time and then one by one, as long as what is left still fails.
fn shrink(mut tape: Tape, mut fault: String, check: &dyn Fn(&Tape) -> Result<(), String>) -> String {
    let mut chunk = tape.steps.len() / 2;
    while chunk > 0 {
        let (mut at, mut dropped) = (0, false);
        while at < tape.steps.len() {
            let end = (at + chunk).min(tape.steps.len());
            let cut: Vec<_> = tape.steps.drain(at..end).collect();
            match fails(&tape, check) {
                Err(other) => (fault, dropped) = (other, true),
                Ok(()) => {
                    tape.steps.splice(at..at, cut);
                    at = end;
                }
            }
        }
        if chunk > 1 || !dropped {
            chunk /= 2;
        }
    }
    script(&tape, &fault)
}

fn script(tape: &Tape, fault: &str) -> String {
    use std::fmt::Write;
    let mut text = format!("tape {} fails: {fault}\n", tape.seed);
    let mut run = Run::new(tape);
    for step in &tape.steps {
        let _ = writeln!(text, "{step:?}");
        let from = run.recorded.len();
        SAID.set(Some(String::new()));
        let _ = catch_unwind(AssertUnwindSafe(|| run.step(step, &mut ())));
        SAID.set(None);
        for recorded in &run.recorded[from..] {
            let line = format!("{:?}", recorded.event);
            let most = if line.starts_with("PolicyApplied") { line.len() } else { 300.min(line.len()) };
            let _ = writeln!(text, "   > {} {:?} {}", recorded.sequence, recorded.time, &line[..most]);
        }
        if let Some(Err(reject)) = run.replies.last() {
            let _ = writeln!(text, "   ! {reject:?}");
        }
    }
    text
}

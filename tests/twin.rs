//! The engine against a slow, obvious twin that sees nothing but its events: every offer is the right one, nothing
//! eligible is left waiting, every event is allowed where it stands, and every figure is the twin's.
//!
//! 20,000 tapes in an optimised build (`cargo test --profile ci`), 750 in a plain one; `USHER_TAPES` and `USHER_SEED`
//! as in `tapes`.

mod model;
#[allow(dead_code, unused_imports, reason = "each test uses its part of the tapes")]
mod tape;

use model::Model;
use tape::{Batch, Run, Witness, hunt};
use usher::engine::state::State;

impl Witness for Model {
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String> {
        let command = batch.command.filter(|(_, reply)| reply.as_ref().is_ok_and(|reply| !reply.repeated));
        let class = command.and_then(|(request, _)| self.expect_class(batch.now, &request.command, state));
        for recorded in batch.events {
            self.take(recorded)?;
        }
        self.know_gateways(state);
        if let Some((request, Ok(reply))) = command {
            self.sign_of_life(batch.now, &request.command);
            class.iter().try_for_each(|class| self.check_class(class, reply, batch.events))?;
        }
        self.check_none_due()?;
        self.check_steps(batch.quiet && batch.command.is_none())?;
        self.check_arrivals()?;
        self.check_nothing_left()?;
        self.content();
        self.check_people()?;
        self.check_unservable(state)?;
        self.check_interrupted()?;
        self.check_rests(batch.quiet && batch.command.is_none())?;
        if batch.quiet && batch.command.is_none() {
            self.check_nothing_stuck(batch.now)?;
        }
        self.compare(state)
    }
}

#[test]
fn the_twin_agrees() {
    hunt(75, (20_000, 750), |tape| Run::tape(tape, &mut Model::default()).map(drop));
}

/// Longer days in which slots are used again and again.
#[test]
fn the_twin_agrees_for_long() {
    hunt(600, (300, 15), |tape| Run::tape(tape, &mut Model::default()).map(drop));
}

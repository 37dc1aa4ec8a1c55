//! Random command tapes over a small world, for every test that wants to see the engine pushed about.
//!
//! `world` draws policies and people, `op` draws the steps, `run` carries them out and shows each batch to a witness,
//! `hunt` runs many tapes and cuts a failing one down. A step names contacts and offers by what they are doing ("the
//! second QUEUED one"), so that a tape still means something after steps are dropped from it.

pub mod hunt;
pub mod op;
pub mod rng;
pub mod run;
pub mod world;

pub use hunt::hunt;
pub use op::Tape;
pub use run::{Batch, Run, Witness};

//! The shell around the engines: who may write, in what order, and who is told when.
//!
//! `run.rs` is the loop, a function of the time, the inbox and the journal's completions. `seat.rs` is one tenant in it,
//! `publish.rs` and `stream.rs` are the two ends of a subscription, `call.rs` is what goes in and comes back. Around
//! the loop, `host.rs` decides which thread runs it, `ingress.rs` and `directory.rs` are the way to it and `clock.rs`
//! the only clock; `memory.rs` says when nothing new fits in. The shard knows engines and the journal; it must never know of gRPC, of views or of metrics, which
//! reach it as requests, queries and sinks. Read `run.rs` next.

pub mod call;
pub mod clock;
pub mod directory;
pub mod host;
pub mod ingress;
pub mod memory;
mod publish;
pub mod run;
mod seat;
pub mod stream;

pub use call::{Detail, Done, Envelope, Maker, Pending, Query, Refused, SeatId, Show};
pub use clock::Clock;
pub use host::{Deadlines, ShardHandle, Stop, start};
pub use memory::Memory;
pub use run::{Counts, Limits, Outputs, Shard, Sink};
pub use seat::Machine;
pub use stream::{Ended, Filter, Order, Start, Subscription, Topic};

//! The same engine in virtual time: customers and agents are drawn by chance from a seed, and their commands go to
//! [`crate::engine::Engine`] as a server's would. It reads no clock and knows no thread of its own but those `oracle`
//! runs cases in.
//!
//! Read in this order: `random` and `law` (chance), `arrivals`, `scene` (what is simulated), `host` and `people` (the
//! loop), `oracle` (results the engine must reproduce), `scenario` (files), `books`, `play`, `report` and `compare`.

mod agenda;
pub mod arrivals;
pub mod books;
pub mod compare;
pub mod host;
mod html;
pub mod law;
pub mod oracle;
mod parallel;
mod people;
pub mod play;
pub mod random;
pub mod report;
pub mod scenario;
pub mod scene;
pub mod stats;
mod svg;

//! Logs. Metrics follow.

pub mod logging;

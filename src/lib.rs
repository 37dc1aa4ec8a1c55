//! usher: a real-time skills-based routing and ACD server.
//!
//! Modules in reading order; ARCHITECTURE.md has the picture and who may know whom.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

extern crate alloc;

pub mod cli;
pub mod config;
pub mod demo;
pub mod engine;
pub mod http;
pub mod journal;
pub mod reload;
pub mod rpc;
pub mod server;
pub mod shard;
pub mod sim;
pub mod telemetry;
pub mod view;
pub mod wire;

//! Satellites on real API servers: joining, leaving, refused credentials, and everything that can be wrong with one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

#[path = "../support/mod.rs"]
mod support;

mod choices;
mod credentials;
mod join;
mod refused;
mod renewal;
mod room;
mod sick;
mod targets;
mod unknown;

/// The program under test.
const GROUNDLINK: &str = env!("CARGO_BIN_EXE_groundlink");

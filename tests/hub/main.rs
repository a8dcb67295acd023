//! The hub against real API servers: order, status, recovery, bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod crd_loss;
mod explained;
mod lifecycle;
mod missing_things;
mod status_faults;
mod volume_faults;

/// The program under test.
const GROUNDLINK: &str = env!("CARGO_BIN_EXE_groundlink");

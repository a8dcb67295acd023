//! `groundlink satellite ...` and `groundlink snapshot` on real API servers: what it makes, what it leaves, and what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

#[path = "../support/mod.rs"]
mod support;

mod add;
mod check;
mod fixture;
mod operator;
mod remove;
mod rotate;
mod snapshot;

/// The program under test.
const GROUNDLINK: &str = env!("CARGO_BIN_EXE_groundlink");

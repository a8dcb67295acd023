//! The suites on real API servers, in one test binary, so that `support` is compiled once and a dead helper is found.
//!
//! Each suite is a module and runs in a process of its own: `make test SUITE=order`, or
//! `cargo test --locked --test suites order::`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

mod agent;
mod commands;
mod crd;
mod fleet;
mod hub;
mod loaded;
mod order;
mod packaging;
mod satellites;
mod status_page;
mod support;
mod support_selftest;

/// The program under test.
const GROUNDLINK: &str = env!("CARGO_BIN_EXE_groundlink");

/// Held by each test that measures time or load: on two cores, two control planes at once measure each other. A failed test
/// does not poison it.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Returns and prints the seed of a random test: `GROUNDLINK_TEST_SEED`, or a new one. To repeat a failure, set that variable
/// to the printed seed.
fn seed(test: &str) -> u64 {
    let given = std::env::var("GROUNDLINK_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("{test}: GROUNDLINK_TEST_SEED={seed}");
    seed
}

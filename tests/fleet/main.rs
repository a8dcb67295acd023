//! Satellites in numbers, hostile ones, and faults at every point of a delivery; what they hold is judged by a reader and a
//! witness that share no code with the operator.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod many;
mod outage;
mod permissions;
mod stage;
mod status_writes;
mod sweep;
mod tampered;
mod two;

/// The program under test.
const GROUNDLINK: &str = env!("CARGO_BIN_EXE_groundlink");

/// Two control planes at once on two cores measure each other. Not poisoned by a test that fails.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The seed of a random test: `GROUNDLINK_TEST_SEED`, or a new one. A failure is repeated with the seed that was printed.
fn seed(test: &str) -> u64 {
    let given = std::env::var("GROUNDLINK_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("{test}: GROUNDLINK_TEST_SEED={seed}");
    seed
}

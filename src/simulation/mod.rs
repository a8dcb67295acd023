//! Simulates the whole promise in one thread: the hub's core, the group commit, the actors of the
//! satellites and their deliveries run on models of the disk, the API servers and the network. A seed decides what happens next:
//! changes by people, delays, lost answers, stale reads, failing disks, kills, power cuts. After
//! every step the rules R1 to R9, I1 to I9 and I11 to I13 are checked (`rules.rs`).
//!
//! `cargo test --lib simulation` runs 10,000 seeds. `make simulate ARGS="SEEDS=1000000"` runs as
//! many as given, and `make simulate ARGS="SEED=42"` shows one seed step by step.

mod client;
pub mod disk;
pub mod hub_api;
pub mod planted;
pub mod random;
mod rules;
mod satellite;
mod witness;
mod world;

use planted::Planted;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::{Done, Plan, run};

/// Seeds that `make test` runs.
const SEEDS: u64 = 10_000;
/// Most seeds that may be needed to catch a planted violation.
const SEEDS_PLANTED: u64 = 3_000;
/// Last lines of a trace that are shown.
const TRACE: usize = 2000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds on all cores until one fails. Returns how many were run, their steps, and the first
/// that failed.
fn sweep(seeds: Range<u64>, planted: Option<Planted>) -> (u64, u64, Option<(u64, Done)>) {
    let (next, ran, steps) = (AtomicU64::new(seeds.start), AtomicU64::new(0), AtomicU64::new(0));
    let failed = Mutex::new(None::<(u64, Done)>);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let done = run(Plan { seed, planted, traces: false });
            ran.fetch_add(1, Ordering::Relaxed);
            steps.fetch_add(done.steps, Ordering::Relaxed);
            if done.violation.is_some() {
                next.store(seeds.end, Ordering::Relaxed);
                let mut failed = failed.lock().unwrap();
                if failed.as_ref().is_none_or(|(first, _)| seed < *first) {
                    *failed = Some((seed, done));
                }
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    (ran.into_inner(), steps.into_inner(), failed.into_inner().unwrap())
}

/// Shows a seed step by step, and how it ends.
fn show(seed: u64, planted: Option<Planted>) -> String {
    let done = run(Plan { seed, planted, traces: true });
    let from = done.trace.len().saturating_sub(TRACE);
    let end = done.violation.map_or("no rule is broken".to_owned(), |violation| violation.to_string());
    format!("{}\nseed {seed}: {end}", done.trace[from..].join("\n"))
}

fn expect_clean(seeds: Range<u64>) {
    let began = Instant::now();
    let (ran, steps, failed) = sweep(seeds, None);
    let seconds = began.elapsed().as_secs_f64();
    println!("simulation: {ran} seeds, {steps} steps in {seconds:.1} s, {:.0} seeds/s", ran as f64 / seconds);
    if let Some((seed, _)) = failed {
        panic!("{}\nrun it again: make simulate ARGS=\"SEED={seed}\"", show(seed, None));
    }
}

#[test]
fn no_seed_breaks_a_rule() {
    expect_clean(0..number("SEEDS").unwrap_or(SEEDS));
}

/// `make simulate`.
#[test]
#[ignore = "runs for as long as SEEDS says; make simulate"]
fn endless() {
    if let Some(seed) = number("SEED") {
        println!("{}", show(seed, None));
        return;
    }
    let first = number("FIRST").unwrap_or(0);
    expect_clean(first..first + number("SEEDS").unwrap_or(100_000));
}

#[test]
fn a_seed_repeats_itself_step_by_step() {
    for seed in 0..20 {
        let plan = Plan { seed, planted: None, traces: true };
        let (one, other) = (run(plan), run(plan));
        assert!(one.trace.len() > 50, "seed {seed} does nothing");
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
}

#[test]
fn every_planted_violation_is_caught_by_the_rule_that_it_breaks() {
    let mut missed = Vec::new();
    for (planted, rule, earlier) in Planted::ALL {
        let mut first = 0;
        loop {
            let found = sweep(first..SEEDS_PLANTED, Some(planted)).2;
            match found.and_then(|(seed, done)| Some((seed, done.violation?))) {
                Some((seed, violation)) if violation.rule == rule => {
                    println!("{planted:?}: caught at seed {seed} by {violation}");
                    break;
                }
                Some((seed, violation)) if earlier.contains(&violation.rule) => first = seed + 1,
                other => {
                    missed.push(format!("{planted:?}, which breaks {rule:?}: {other:?}"));
                    break;
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

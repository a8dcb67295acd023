//! A soak: a random load, two or three faults at a time, and every rule checked each minute.
//!
//! `make soak ARGS="--minutes 60 --objects 10000 --satellites 10"`. The short form is a test. An
//! epoch is load and faults; then everything must equal the model (I4, I5), and nothing may be
//! written, also not after a restart (I4, I8); then the witness reads the history (R1 to R5, R9, I1
//! to I3, I7), and the process must be below its ceilings (I9) and have shown no secret (I10).
//! While nothing but satellites fails, the others must not wait (I6).

mod epoch;
mod faults;
mod load;
mod report;
mod stage;

use crate::{ONE_AT_A_TIME, seed};
use epoch::{Carried, Outcome, Plan};
use load::Load;
use report::Report;
use stage::Stage;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arguments {
    minutes: u64,
    objects: usize,
    satellites: usize,
    rate: u64,
    out: PathBuf,
}

impl Arguments {
    /// # Panics
    /// If an argument is unknown or no number.
    fn parse(text: &str) -> Self {
        let out = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/soak");
        let mut arguments = Self { minutes: 10, objects: 2000, satellites: 4, rate: 20, out };
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let value = words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{word} {value:?}: not a number"));
            match word {
                "--minutes" => arguments.minutes = number(),
                "--objects" => arguments.objects = number().max(20) as usize,
                "--satellites" => arguments.satellites = number().max(1) as usize,
                "--rate" => arguments.rate = number().clamp(1, 1000),
                "--out" => arguments.out = value.into(),
                _ => panic!("{word}: there are --minutes, --objects, --satellites, --rate and --out"),
            }
        }
        arguments
    }
}

/// The seed of one epoch. That of another epoch says nothing about it.
fn seed_of(seed: u64, epoch: usize) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(epoch as u64)
}

/// The length of the load in an epoch, so that an epoch with its silence takes about a minute.
const LOAD: Duration = Duration::from_secs(35);

/// Runs until the time is over, and writes the report after each epoch.
///
/// # Panics
/// If anything was wrong, at the end of its epoch.
async fn soak(arguments: &Arguments, seed: u64, epochs: usize, load_time: Duration, patient: bool) {
    let end = Instant::now() + Duration::from_secs(arguments.minutes * 60);
    let stage = Stage::start(arguments.satellites, arguments.objects, arguments.out.clone()).await;
    let mut report = Report::new(arguments.out.clone(), seed, arguments);
    stage.begin().await;
    stage.ready().await;
    let mut load = Load::new(seed, arguments.objects);
    let mut carried = Carried::default();
    let mut number = 0;
    while number == 0 || (number < epochs && Instant::now() < end) {
        let seed = seed_of(seed, number);
        let plan = Plan { number, seed, load: load_time, rate: arguments.rate, patient };
        let outcome: Outcome = match number {
            0 => epoch::first(&stage, &mut load, &mut carried, plan).await,
            _ => epoch::run(&stage, &mut load, &mut carried, plan).await,
        };
        println!("soak: {}", report::line(&outcome));
        let wrong = outcome.wrong.clone();
        report.add(outcome);
        assert!(wrong.is_empty(), "soak: epoch {number}: {}", wrong.join("\n"));
        number += 1;
    }
    println!("soak: {number} epochs without a violation; the report is in {}", arguments.out.display());
}

/// `make soak`. Reads its arguments from `SOAK`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes to hours: make soak"]
async fn long() {
    let arguments = Arguments::parse(&std::env::var("SOAK").unwrap_or_default());
    soak(&arguments, seed("soak"), usize::MAX, LOAD, true).await;
}

/// R1 to R5, R9, I1 to I5 and I7 to I10 under load and faults that are chosen at random, while
/// blocks of objects are deleted and created again.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_soak_ends_equal_silent_and_without_a_violation() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let out = tempfile::tempdir().unwrap();
    let arguments = Arguments {
        objects: 200,
        satellites: 3,
        out: out.path().to_path_buf(),
        ..Arguments::parse("--minutes 5")
    };
    soak(&arguments, seed("soak"), 1, Duration::from_secs(8), false).await;
    let plots = std::fs::read_to_string(out.path().join("soak.svg")).unwrap();
    assert!(plots.starts_with("<svg") && plots.contains("latency") && plots.ends_with("</svg>\n"));
}

#[test]
fn arguments_are_read() {
    let given = Arguments::parse("--minutes 60 --objects 10000 --satellites 10 --out /tmp/x");
    assert_eq!((given.minutes, given.objects, given.satellites), (60, 10000, 10));
    assert_eq!(given.out, PathBuf::from("/tmp/x"));
    let refused = |text: &'static str| std::panic::catch_unwind(|| Arguments::parse(text)).is_err();
    assert!(refused("--minutes") && refused("--minutes x") && refused("--hours 2"));
}

//! Imports random configurations and lets Icinga prove them: `make prove-random ARGS="TREES=10000"`.
//! `SEED=17` begins at a seed, `SHOW=17` prints the configuration of a seed.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod batch;
mod grammar;

use std::process::ExitCode;

/// Configurations for one run of Icinga.
const BATCH: u64 = 100;

fn main() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SHOW") {
        println!("{}", grammar::tree(seed));
        return ExitCode::SUCCESS;
    }
    let groundlink = std::env::current_exe().unwrap().parent().unwrap().with_file_name("groundlink");
    let icinga2 = std::env::var("ICINGA2").unwrap_or_else(|_| "icinga2".into());
    let (first, count) = (number("SEED").unwrap_or_default(), number("TREES").unwrap_or(1000));
    let mut all = batch::Outcome::default();
    for from in (first..first + count).step_by(BATCH as usize) {
        all.add(batch::run(&groundlink, &icinga2, from..(from + BATCH).min(first + count)));
        eprintln!("seed {from}: {} trees, {} objects, {} silent", all.trees, all.objects, all.silent.len());
    }
    for line in all.silent.iter().take(100) {
        println!("{line}");
    }
    let left: usize = all.left_out.values().sum();
    println!(
        "{} trees ({} that Icinga refuses), {} blocks: {} imported, {left} left out {:?}; {} objects compared, {} differences without a word",
        all.trees,
        all.refused,
        all.blocks,
        all.imported,
        all.left_out,
        all.objects,
        all.silent.len()
    );
    ExitCode::from(u8::from(!all.silent.is_empty()))
}

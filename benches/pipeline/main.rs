//! The pipeline on real API servers, compared with a *null operator*: a bare client on the same
//! server that answers each create with one status write and does nothing else. The difference is
//! Groundlink's own cost.
//!
//! ```text
//! make bench                         everything (benches/language too); needs an idle machine
//! make bench ARGS=--quick            the same phases with few objects, to see that they work
//! make bench ARGS="--only P1,P3"     some phases
//! make bench ARGS="--only P4 --changed 20000"   the largest set of P4, instead of 40,000
//! make bench ARGS="--volume /mnt"    with the volume on that file system
//! make bench ARGS="--only P9 --resident 100000"   memory at the target's size, instead of an extrapolation
//! ```
//! Every phase ends with a check that nothing was lost. Only a failed check, or a phase that does
//! not end, makes the exit code 1; a slow run does not. All results are also in
//! `target/bench/pipeline.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark reports")]

#[path = "../shared/mod.rs"]
mod shared;
#[allow(dead_code, unused_imports, reason = "the suites use the rest; unused there is an error")]
#[path = "../../tests/support/mod.rs"]
mod support;

mod away;
mod beside;
mod burst;
mod change;
mod large;
mod latency;
mod line;
mod load;
mod loaded;
mod memory;
mod neighbours;
mod null;
mod observe;
mod peers;
mod plan;
mod requests;
mod restart;
mod servers;
mod stage;

use anyhow::Context as _;
use futures::FutureExt;
use plan::Plan;
use report::Report;
use shared::arguments::Arguments;
use shared::{machine, progress, report};
use stage::Stage;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

/// The metrics of this benchmark.
const METRICS: [&str; 12] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P11", "P12", "P13"];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    machine::uptime();
    let plan = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => Plan::new(arguments),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if !plan.wants(&METRICS) {
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new("pipeline", "null operator", plan.is_quick());
    report.peers = peers::of(|target| plan.wants(&[target]));
    // A failed check of the test kit is a panic. The results until then are still printed.
    match AssertUnwindSafe(run(&plan, &mut report)).catch_unwind().await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => report.failures.push(format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            report.failures.push(text.to_owned());
        }
    }
    if observe::resumed() > 0 {
        report.notes.push(format!(
            "an overloaded server closed {} watches of the benchmark, which were resumed: some times are too long",
            observe::resumed()
        ));
    }
    report.print();
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    if plan.wants(&["P1", "P2", "P3", "P8", "P11"]) {
        let stage = Stage::start(plan, &["sat-a", "sat-b"]).await?;
        servers::look(&stage, report).await?;
        if plan.wants(&["P1"]) {
            latency::ready(&stage, plan, report).await?;
        }
        if plan.wants(&["P2"]) {
            latency::delivered(&stage, plan, report).await?;
        }
        if plan.wants(&["P3", "P11"]) {
            burst::bursts(&stage, plan, report).await?;
        } else if plan.wants(&["P8"]) {
            burst::restart_alone(&stage, plan, report).await?;
        }
    }
    if plan.wants(&["P4", "P5", "P6", "P7"]) {
        large(plan, report).await.context("P4 to P7")?;
    }
    if plan.wants(&["P12", "P13"]) {
        let stage = Stage::start(plan, &["sat-a"]).await?;
        if report.conditions.is_empty() {
            servers::look(&stage, report).await?;
        }
        if plan.wants(&["P12"]) {
            loaded::loaded(&stage, plan, report).await?;
        }
        if plan.wants(&["P13"]) {
            beside::beside(&stage, plan, report).await.context("P13")?;
        }
    }
    if plan.wants(&["P9"]) {
        // Needs its own servers, because it restarts one.
        let stage = Stage::start(plan, &[]).await?;
        if report.conditions.is_empty() {
            servers::look(&stage, report).await?;
        }
        memory::resident(&stage, plan, report).await?;
    }
    Ok(())
}

/// Runs P4 to P7 on one set that grows.
async fn large(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut large = large::Large::start(plan, &change::SATELLITES, report).await?;
    for &count in &plan.sets {
        let is_middle = count == plan.middle_set();
        let others = is_middle && plan.wants(&["P5", "P6", "P7"]);
        if !plan.wants(&["P4"]) && !others {
            continue;
        }
        large.grow(count).await?;
        if plan.wants(&["P4"]) {
            crate::progress!("P4: {} changes in a set of {count}", plan.changes);
            change::changes(&mut large, plan, report).await.with_context(|| format!("P4, {count}"))?;
        }
        if others {
            let late = away::late_and_away(&mut large, plan, report).await.context("P5, P6")?;
            if plan.wants(&["P7"]) {
                neighbours::neighbours(&mut large, plan, &late, report).await.context("P7")?;
            }
            for name in change::SATELLITES.into_iter().chain([away::LATE]) {
                large.leave(name).await?;
            }
            large.stage.installation.plane.server(away::LATE).stop();
            large.verify_hub().await?;
        }
    }
    large.end(report).await;
    Ok(())
}

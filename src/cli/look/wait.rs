//! `groundlink wait`: waits until an object has arrived, or is gone.

use super::gone;
use super::journey::{Journey, hopeless};
use super::repeat::{Shown, until_shown};
use super::target::{Found, Target};
use super::volume::Volume;
use crate::cli::clusters::Observed;
use crate::cli::usage::{WrongUsage, block_on, duration};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Wait until an object is ready on the hub, on every satellite, loaded by every Icinga that has an
/// agent, or gone from all of them.
///
/// A refused object ends the wait at once, because only a change heals it. A satellite that fails
/// does not: the object arrives, or leaves, when it works again. Suspended and optional satellites
/// are not waited for; --for gone names those that still have the object.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kubectl apply -f web-01.yaml && groundlink wait mo/web-01 -n team-a --for loaded\n  \
        kubectl delete mo/web-01 -n team-a && groundlink wait mo/web-01 -n team-a --for gone\n\n\
        Exit codes: 0 it is so, 1 not in time, refused, or failed, 2 wrong usage."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// What to wait for.
    #[arg(long = "for", value_enum, value_name = "STATE")]
    state: State,
    /// Longest time to wait.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    timeout: Duration,
    /// With --for gone: how long nothing may be seen of an object that no look has seen leave. A
    /// delivery that began before the deletion ends within this time.
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = duration)]
    settle: Duration,
    /// With --for gone: the operator's volume, where it is mounted. Its file is looked for, too.
    #[arg(long, value_name = "DIR")]
    volume: Option<PathBuf>,
    /// With --for gone: name of the operator's Lease.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    lease_name: String,
}

/// What a person waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum State {
    /// Published on the hub, durably, and acknowledged by its API server.
    Ready,
    /// Delivered to every satellite that takes the object.
    Synced,
    /// Loaded by every Icinga of these satellites and by the hub's own, as far as they have agents.
    Loaded,
    /// Deleted, off the hub's volume, and every satellite has acknowledged a set without it. Reads
    /// the sets with the credentials in the operator's Secrets.
    Gone,
}

/// Runs the command.
pub(in crate::cli) fn main(arguments: Arguments) -> anyhow::Result<ExitCode> {
    block_on(wait(&arguments))
}

async fn wait(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.state != State::Gone && arguments.volume.is_some() {
        return Err(WrongUsage("--volume is only for --for gone".into()).into());
    }
    let volume = arguments.volume.as_deref().map(Volume::open).transpose()?;
    let found = arguments.target.open().await?;
    let deadline = Instant::now() + arguments.timeout;
    let settings =
        gone::Settings { volume: volume.as_ref(), settle: arguments.settle, lease: &arguments.lease_name };
    match arguments.state {
        State::Gone => gone::wait(&found, &settings, deadline).await?,
        state => until(&found, state, deadline).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the object has this state, which is not [`State::Gone`]. A request that fails is
/// repeated.
///
/// # Errors
/// If it is not so in time, or cannot be.
pub(in crate::cli) async fn until(found: &Found, state: State, deadline: Instant) -> anyhow::Result<()> {
    until_shown(found, deadline, "not in time", async || look(found, state).await).await
}

async fn look(found: &Found, state: State) -> anyhow::Result<Shown> {
    let Some(object) = found.object().await? else {
        return Ok(Shown::Waiting("it does not exist".into()));
    };
    let observed = Observed(&object);
    // The hub's status is enough, and a person who may not list satellites can wait for it.
    if state == State::Ready && observed.is("Ready") {
        return Ok(Shown::Reached);
    }
    if let Some(why) = hopeless(observed) {
        return Ok(Shown::Hopeless(why));
    }
    if state != State::Loaded {
        return Ok(match state == State::Synced && observed.is("Synced") {
            true => Shown::Reached,
            false => {
                let journey = Journey::of(observed, &[], None);
                let synced = observed.condition("Synced").map(|synced| synced.explanation());
                Shown::Waiting(journey.stop().or(synced).unwrap_or_default())
            }
        });
    }
    let loaded = observed.condition("Loaded").filter(|_| observed.is_decided());
    if let Some(refused) = loaded.filter(|loaded| loaded.reason() == Some("Rejected")) {
        return Ok(Shown::Hopeless(refused.explanation()));
    }
    let satellites = found.satellites().await?;
    let all: Vec<_> = satellites.iter().map(Observed).collect();
    let journey = Journey::of(observed, &all, found.labels().await.as_ref());
    if journey.has_arrived() && !journey.has_agents() {
        let why = "no satellite that takes it has an agent, so nothing can prove that it is loaded; see docs/agent.md";
        return Ok(Shown::Hopeless(why.into()));
    }
    Ok(match journey.stop() {
        None => Shown::Reached,
        Some(stop) => Shown::Waiting(stop),
    })
}

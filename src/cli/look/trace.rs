//! `groundlink trace`: each step of the promise for one object.

use super::journey::Journey;
use super::target::Target;
use crate::cli::clusters::Observed;
use crate::cli::output::{Format, document, print, table};
use crate::cli::usage::block_on;
use clap::Args;
use std::process::ExitCode;

/// Follow one object along its way: declared, published on the hub, in the set, delivered to each
/// satellite, loaded by its Icinga. It shows where the object stopped, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  groundlink trace mo/web-01 -n team-a\n\nExit codes: 0 arrived everywhere, 1 not yet, or failed, 2 wrong usage."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Runs the command.
pub(in crate::cli) fn main(arguments: Arguments) -> anyhow::Result<ExitCode> {
    block_on(trace(&arguments))
}

async fn trace(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let found = arguments.target.open().await?;
    let Some(object) = found.object().await? else {
        anyhow::bail!(
            "there is no MonitoringObject {} on the hub ({}); name its namespace with -n",
            found.full_name(),
            found.hub.server
        );
    };
    let satellites = found.satellites().await?;
    let observed: Vec<_> = satellites.iter().map(Observed).collect();
    let journey = Journey::of(Observed(&object), &observed, found.labels().await.as_ref());
    let code = if journey.has_arrived() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if arguments.output != Format::Text {
        document(&journey, arguments.output)?;
        return Ok(code);
    }
    let mut rows = vec![["STEP", "DONE", "SINCE", "DETAIL"].map(str::to_owned).to_vec()];
    for step in &journey.steps {
        let since = step.since.clone().unwrap_or_else(|| "-".into());
        rows.push(vec![step.step.to_owned(), step.taken.word().to_owned(), since, step.detail.clone()]);
    }
    let mut text = format!("MonitoringObject {}, generation {}\n\n", journey.object, journey.generation);
    text += &table(rows);
    if !journey.satellites.is_empty() {
        let mut rows =
            vec![["SATELLITE", "DELIVERED", "LOADED", "SET OF", "WHY NOT"].map(str::to_owned).to_vec()];
        for leg in &journey.satellites {
            let acked_at = leg.acked_at.clone().unwrap_or_else(|| "-".into());
            let words = [leg.delivered.word(), leg.loaded.word()].map(str::to_owned);
            let [delivered, loaded] = words;
            let why = match leg.waited_for {
                true => leg.why.clone(),
                false => format!("not waited for; {}", leg.why),
            };
            rows.push(vec![leg.satellite.clone(), delivered, loaded, acked_at, why]);
        }
        text += "\n";
        text += &table(rows);
    }
    match journey.stop() {
        Some(stop) => text += &format!("\nIt stopped here: {stop}\n"),
        None => text += "\nIt has arrived.\n",
    }
    print(format_args!("{text}"))?;
    Ok(code)
}

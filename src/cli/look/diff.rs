//! `groundlink diff`: where the versions of one object differ.

use super::journey::{declines, explain, not_waited_for};
use super::sets::{Away, InSet, PARALLEL};
use super::sides::{Compared, Place, Side, State};
use super::target::{Found, Target};
use super::volume::Volume;
use crate::api::agent_report::HeldContent;
use crate::api::{AgentReport, IcingaVersion, MonitoringObject};
use crate::cli::clusters::Observed;
use crate::cli::output::{Format, document, print, table};
use crate::cli::usage::block_on;
use crate::identity::{Digest, ObjectKey, Revision};
use crate::render::content;
use crate::text::clean;
use crate::validate::Settings;
use anyhow::bail;
use clap::{Args, ValueEnum as _};
use futures::StreamExt as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Longest reason, in bytes.
const WHY_MAX: usize = 400;
/// Digits of a digest that a person sees.
const DIGITS: usize = "sha256:".len() + 12;

/// Show where the versions of one object differ: the resource, what the hub published, the set that
/// each satellite holds, and the set that each Icinga runs.
///
/// The sets are read from the satellites, with the credentials in the operator's Secrets; nothing is
/// written. Suspended and optional satellites are compared, too.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  groundlink diff mo/web-01 -n team-a\n  groundlink diff team-a/web-01 -o json | jq '.sides[] | select(.differs)'\n\n\
        Exit codes: 0 no difference, 1 a difference, 2 a version cannot be read, or wrong usage."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    /// The operator's volume, where it is mounted: its file is compared, too.
    #[arg(long, value_name = "DIR")]
    volume: Option<PathBuf>,
    /// Constants of Icinga, beside its own, that commands may name as $Name$ (the operator's
    /// setting).
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    constants: Vec<String>,
}

/// Runs the command.
pub(in crate::cli) fn main(arguments: Arguments) -> anyhow::Result<ExitCode> {
    Ok(block_on(diff(&arguments)).unwrap_or_else(|error| {
        eprintln!("groundlink diff: {error:#}");
        ExitCode::from(2)
    }))
}

async fn diff(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let volume = arguments.volume.as_deref().map(Volume::open).transpose()?;
    let found = arguments.target.open().await?;
    let key = ObjectKey::new(&found.namespace, &found.name);
    let object = found.object().await?;
    let object = object.as_ref().map(Observed);
    let mut sides = vec![resource(object, &key, &arguments.constants)?, hub(object)];
    sides.extend(volume.as_ref().map(|volume| on_volume(volume, &key)).transpose()?);
    let satellites = found.satellites().await?;
    let labels = found.labels().await;
    let subject = Subject { found: &found, key: &key, object, labels };
    let reads = satellites.iter().map(|satellite| subject.away(Observed(satellite)));
    let away: Vec<Vec<Side>> = futures::stream::iter(reads).buffered(PARALLEL).collect().await;
    sides.extend(away.into_iter().flatten());
    let compared = Compared::of(found.full_name(), sides);
    if object.is_none() && compared.is_nowhere() {
        bail!(
            "there is no MonitoringObject {} on the hub ({}), and no satellite has it; name its namespace with -n",
            found.full_name(),
            found.hub.server
        );
    }
    match arguments.output {
        Format::Text => print(format_args!("{}", text(&compared)))?,
        format => document(&compared, format)?,
    }
    Ok(ExitCode::from(match (compared.complete, compared.different) {
        (false, _) => 2,
        (true, true) => 1,
        (true, false) => 0,
    }))
}

/// Renders the resource as the operator does.
fn resource(object: Option<Observed<'_>>, key: &ObjectKey, constants: &[String]) -> anyhow::Result<Side> {
    let place = Place::Resource;
    let Some(object) = object else {
        return Ok(Side::new(place, State::Absent, "it does not exist on the hub"));
    };
    // Whether the namespace may declare commands, and the version of Icinga, are the operator's to
    // judge: they do not change a rendered file.
    let newest = IcingaVersion::value_variants().last().copied().unwrap_or_default();
    let settings = Settings::new(&[key.namespace().to_owned()], &[], newest)
        .and_then(|settings| settings.with_constants(constants))
        .map_err(anyhow::Error::msg)?;
    let typed = serde_json::to_value(object.0).and_then(serde_json::from_value::<MonitoringObject>);
    let typed = match typed {
        Ok(typed) => typed,
        Err(error) => {
            let why = format!("spec cannot be read by this version: {error}");
            return Ok(Side::new(place, State::Unknown, clean(&why, WHY_MAX)));
        }
    };
    let mut side = match content(key, &typed, &settings) {
        Ok(rendered) => Side::present(place, rendered.digest().to_string(), Some(rendered.text())),
        Err(refusal) => Side::new(place, State::Refused, clean(&refusal.message, WHY_MAX)),
    };
    if typed.spec.suspend {
        side.detail =
            format!("{} (spec.suspend: the published file is kept)", side.detail).trim_start().to_owned();
    }
    Ok(side)
}

/// Returns what the hub acknowledged.
fn hub(object: Option<Observed<'_>>) -> Side {
    let why = object.and_then(|object| {
        let ready = object.condition("Ready").filter(|_| object.is_decided());
        match ready {
            Some(ready) if ready.status() == "True" => None,
            Some(ready) => Some(clean(&ready.explanation(), WHY_MAX)),
            None => Some("the operator has not decided about this generation".to_owned()),
        }
    });
    let detail = why.unwrap_or_default();
    match object.and_then(|object| object.text("/status/publishedDigest")) {
        Some(digest) => Side { detail, ..Side::present(Place::Hub, clean(digest, 80), None) },
        None => Side::new(Place::Hub, State::Absent, detail),
    }
}

/// Reads the file on the volume.
fn on_volume(volume: &Volume, key: &ObjectKey) -> anyhow::Result<Side> {
    Ok(match volume.file(key)? {
        Some(bytes) => present(Place::Volume, &bytes),
        None => Side::new(Place::Volume, State::Absent, ""),
    })
}

fn present(place: Place, bytes: &[u8]) -> Side {
    Side::present(place, Digest::of(bytes).to_string(), Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// The object that is compared.
struct Subject<'a> {
    found: &'a Found,
    key: &'a ObjectKey,
    object: Option<Observed<'a>>,
    labels: Option<BTreeMap<String, String>>,
}

impl Subject<'_> {
    /// Returns the versions at one satellite.
    async fn away(&self, satellite: Observed<'_>) -> Vec<Side> {
        let name = satellite.name();
        let unknown = |why: String| {
            let why = clean(&why, WHY_MAX);
            vec![Side::new(Place::Delivered, State::Unknown, why).of(name)]
        };
        let away = match Away::open(self.found, satellite).await {
            Ok(away) => away,
            Err(why) => return unknown(why),
        };
        let set = match away.pointer().await {
            Ok(Some(pointer)) => away.read(pointer, self.key).await.map(Some),
            Ok(None) => Ok(None),
            Err(why) => Err(why),
        };
        let set = match set {
            Ok(set) => set,
            Err(why) => return unknown(why),
        };
        let mut delivered = self.delivered(satellite, set.as_ref());
        if let Some(why) = not_waited_for(satellite) {
            delivered.detail =
                format!("{} (not waited for: {why})", delivered.detail).trim_start().to_owned();
        }
        let mut sides = vec![delivered.clone()];
        match away.agents().await {
            Ok(agents) => sides.extend(agents.into_iter().map(|(agent, report)| {
                let silent = silence(satellite, &agent);
                let report = report.and_then(|report| silent.map_or(Ok(report), Err));
                let loaded = match report {
                    Ok(report) => self.loaded(&report, set.as_ref(), &delivered),
                    Err(why) => Side::new(Place::Loaded, State::Unknown, clean(&why, WHY_MAX)),
                };
                Side { agent: Some(clean(&agent, 253)), ..loaded }.of(name)
            })),
            // Without the right to read Leases the operator hears no agent, either.
            Err(refused) if refused.is(403) && agents_of(satellite).is_empty() => {}
            Err(refused) => {
                let why = clean(&refused.to_string(), WHY_MAX);
                sides.push(Side::new(Place::Loaded, State::Unknown, why).of(name));
            }
        }
        sides
    }

    fn delivered(&self, satellite: Observed<'_>, set: Option<&InSet>) -> Side {
        let zone = self.object.and_then(|object| object.text("/spec/zone"));
        let labels = self.labels.as_ref();
        let declined = self.object.and_then(|_| declines(zone, satellite, self.key.namespace(), labels));
        let file = set.and_then(|set| set.file.as_deref());
        let side = match (file, declined) {
            (Some(bytes), None) => present(Place::Delivered, bytes),
            (Some(bytes), Some(why)) => Side {
                differs: Some(true),
                detail: format!("it has the object, and {why}"),
                ..present(Place::Delivered, bytes)
            },
            (None, Some(why)) => Side::new(Place::Delivered, State::NotAsked, why),
            (None, None) => {
                let why = if set.is_none() { "it holds no set" } else { "" };
                let health = explain(satellite, &["Ready", "Synced"]);
                let is_in_sync = satellite.is("Ready") && satellite.is("Synced");
                let detail = match (why, is_in_sync) {
                    ("", true) => String::new(),
                    ("", false) => health,
                    (why, _) => format!("{why}; {health}"),
                };
                Side::new(Place::Delivered, State::Absent, clean(&detail, WHY_MAX))
            }
        };
        side.of(satellite.name())
    }

    /// Returns the version that an Icinga runs, by the report of its agent.
    fn loaded(&self, report: &AgentReport, set: Option<&InSet>, delivered: &Side) -> Side {
        let new = |state, detail: String| Side::new(Place::Loaded, state, clean(&detail, WHY_MAX));
        let Some(running) = &report.running else {
            return new(State::Absent, "its Icinga runs no set yet".into());
        };
        if let Some(held) = report.held.iter().find(|held| held.object == self.key.as_str()) {
            let why = &held.message;
            return match held.content {
                HeldContent::Previous => new(
                    State::Other,
                    format!("Icinga refused the newest content, and runs the previous one: {why}"),
                ),
                HeldContent::LeftOut => {
                    new(State::Absent, format!("Icinga refused it, and runs without it: {why}"))
                }
            };
        }
        let digest = set.and_then(|set| set.digest).map(|digest| digest.to_string());
        if digest.as_deref() == Some(running.digest.as_str()) {
            return Side { place: Place::Loaded, detail: String::new(), ..delivered.clone() };
        }
        let ready = self.object.filter(|object| object.is("Ready"));
        let wanted = ready.and_then(|object| object.revision("/status/revision"));
        let published = ready.and_then(|object| object.text("/status/publishedDigest"));
        let at = format!("its Icinga runs revision {}", clean(&running.revision, 41));
        match (running.revision.parse::<Revision>().ok(), wanted, published) {
            (Some(runs), Some(wanted), Some(published)) if runs >= wanted => {
                Side { detail: at, ..Side::present(Place::Loaded, clean(published, 80), None) }
            }
            (Some(_), Some(_), _) => new(State::Other, format!("{at}, from before this content")),
            _ => new(State::Unknown, format!("{at}, which is not the set that the satellite holds")),
        }
    }
}

fn agents_of(satellite: Observed<'_>) -> &[Value] {
    satellite.value("/status/agents").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns why an agent's report does not count any more, as the operator says. None if it does.
fn silence(satellite: Observed<'_>, agent: &str) -> Option<String> {
    let row = agents_of(satellite).iter().find(|row| row["name"] == agent)?;
    (row["result"] == "Silent").then(|| row["message"].as_str().unwrap_or("it is silent").to_owned())
}

fn text(compared: &Compared) -> String {
    let mut rows = vec![["VERSION", "DIGEST", "DIFFERS", "DETAIL"].map(str::to_owned).to_vec()];
    for side in &compared.sides {
        let digest = match (&side.digest, side.state) {
            (Some(digest), _) => digest.get(..DIGITS).unwrap_or(digest).to_owned(),
            (None, State::Absent) => "absent".into(),
            (None, State::Refused) => "refused".into(),
            (None, State::Other) => "another".into(),
            (None, State::NotAsked) => "-".into(),
            (None, State::Unknown | State::Present) => "unknown".into(),
        };
        let differs = match side.differs {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        rows.push(vec![side.name(), digest, differs.to_owned(), side.detail.clone()]);
    }
    let mut text = format!("MonitoringObject {}\n\n{}", compared.object, table(rows));
    let first = compared.sides.iter().find(|side| side.differs == Some(false));
    for difference in &compared.differences {
        let first = first.map_or_else(|| "nothing".to_owned(), Side::name);
        let (of, digest) = (difference.of.join(", "), &difference.digest);
        text += &match &difference.unified {
            Some(unified) => format!("\n--- {first}\n+++ {of}\n{}", printable(unified)),
            None => format!(
                "\nthe text of {of} ({digest}), or the one that it is compared with, is not at hand; name the volume with \
                 --volume where it is mounted\n"
            ),
        };
    }
    text + match (compared.complete, compared.different) {
        (true, false) => "\nNo difference.\n",
        (true, true) => "\nThere are differences.\n",
        (false, _) => "\nNot every version could be read.\n",
    }
}

/// Replaces what could change a terminal: the texts come from satellites.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

//! Decides whether an object is gone: from the hub, from its volume, and from every satellite.
//!
//! After the resource is deleted no status names the object any more, and a status of a satellite
//! names sets, not objects. So the sets themselves are read. A set without the object proves
//! nothing alone: a delivery that began before the deletion may still be under way. Three things
//! prove more. The satellite was seen with the object before; or it does not take objects of its
//! zone and namespace; or no look has found the object for so long that no such delivery lasts.

use super::journey::{declines, explain, not_waited_for};
use crate::cli::clusters::Observed;
use crate::identity::Digest;
use crate::text::clean;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most satellites that one text names.
const NAMED: usize = 5;
/// Longest reason of one of them, in bytes.
const WHY_MAX: usize = 400;

/// What was read at one satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// A whole set with this digest, which has the object or not.
    Set { digest: Option<Digest>, has: bool },
    /// It holds no set.
    Nothing,
    /// It could not be read: why.
    Unknown(String),
}

/// One look at everything.
pub(super) struct Look<'a> {
    /// When, by a monotonic clock.
    pub(super) now: Duration,
    /// Namespace of the object, and its labels if they are known.
    pub(super) namespace: &'a str,
    pub(super) labels: Option<&'a BTreeMap<String, String>>,
    /// True if the hub's volume has the file. None if nobody looked.
    pub(super) on_volume: Option<bool>,
    /// Each SatelliteCluster, with what the satellite holds.
    pub(super) satellites: Vec<(Observed<'a>, Held)>,
    /// When the operator's Lease was renewed (None if nobody holds it), or why it cannot be read.
    pub(super) renewed: Result<Option<String>, String>,
}

/// What earlier looks have shown.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Zone of the object (`Some(None)` is none), from the resource or a file of it.
    pub(super) zone: Option<Option<String>>,
    /// Satellites at which the object was.
    pub(super) had: BTreeSet<String>,
    /// True if its file was on the volume.
    was_on_volume: bool,
    /// Since when every look has found nothing of it, and the Lease's renewal then.
    absent: Option<(Duration, Option<String>)>,
}

/// What a look means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No satellite that is waited for has it. One line for each of the others that has it or may.
    Gone(Vec<String>),
    /// Not yet, or unknown: why.
    Waiting(String),
    /// It cannot be known: why.
    Hopeless(String),
}

/// What one satellite says.
enum Says {
    Lacks,
    May(String),
}

impl Memory {
    /// The resource exists: what was seen of an earlier one does not count.
    pub(super) fn exists(&mut self, zone: Option<&str>, had: BTreeSet<String>) {
        *self = Self { zone: Some(zone.map(str::to_owned)), had, ..Self::default() };
    }

    /// Judges a look at the rest, when the resource is gone. `settle` is how long no look may find
    /// anything of an object that was never seen.
    pub(super) fn judge(&mut self, look: &Look<'_>, settle: Duration) -> Verdict {
        let nobody_shows = look.satellites.iter().all(|(satellite, _)| not_waited_for(*satellite).is_some());
        if nobody_shows && look.on_volume.is_none() {
            return Verdict::Hopeless(
                "there is no satellite that is waited for, so nothing on the hub's API server shows whether its file has left the volume; run this \
                 where the volume is mounted, with --volume DIR"
                    .into(),
            );
        }
        let (mut open, mut notes) = (Vec::new(), Vec::new());
        if look.on_volume == Some(true) {
            self.was_on_volume = true;
            open.push("its file is on the hub's volume".to_owned());
        }
        for (satellite, held) in &look.satellites {
            let name = satellite.name();
            if matches!(held, Held::Set { has: true, .. }) {
                self.had.insert(name.to_owned());
            }
            match (says(*satellite, held), not_waited_for(*satellite)) {
                (Says::May(what), None) => open.push(format!("{name} {what}")),
                (Says::May(what), Some(why)) if !matches!(held, Held::Set { has: false, .. }) => {
                    notes.push(format!("{name} is not waited for ({why}), and {what}"));
                }
                (Says::Lacks, _) => notes.extend(runs_older(*satellite)),
                (Says::May(_), Some(_)) => {}
            }
        }
        if !open.is_empty() {
            self.absent = None;
            return Verdict::Waiting(some_of(open));
        }
        let Some(unsure) = self.unsure(look) else { return Verdict::Gone(notes) };
        let renewed = match &look.renewed {
            Ok(renewed) => renewed,
            Err(why) => return Verdict::Waiting(format!("{unsure}, and {why}")),
        };
        let (since, renewal) = self.absent.get_or_insert((look.now, renewed.clone()));
        let left = settle.saturating_sub(look.now.saturating_sub(*since));
        let leads = renewed.is_some() && renewed != renewal;
        let held = look.satellites.iter().find(|(satellite, _)| removals_are_held(*satellite));
        if let Some((satellite, _)) = held {
            let why = explain_removals(*satellite);
            return Verdict::Waiting(format!("it may be among the removals that are held: {why}"));
        }
        if left.is_zero() && leads {
            return Verdict::Gone(notes);
        }
        let until = if left.is_zero() {
            "until the operator is seen to renew its Lease".to_owned()
        } else {
            format!(
                "for {} s more, in which no delivery that began before may bring it",
                left.as_secs().max(1)
            )
        };
        Verdict::Waiting(format!("nothing has it; looking on {until} ({unsure})"))
    }

    /// Returns why the absence alone proves too little. None if the object was seen to leave.
    fn unsure(&self, look: &Look<'_>) -> Option<String> {
        let mut was_seen = self.was_on_volume && look.on_volume == Some(false);
        for (satellite, held) in &look.satellites {
            let name = satellite.name();
            let had = self.had.contains(name);
            // One that left a satellite had left the volume and the snapshots of the hub before.
            was_seen |= had && matches!(says(*satellite, held), Says::Lacks);
            let declined = || {
                let zone = self.zone.as_ref()?.as_deref();
                declines(zone, *satellite, look.namespace, look.labels)
            };
            if !had && not_waited_for(*satellite).is_none() && declined().is_none() {
                return Some(format!("{name} was not seen with it"));
            }
        }
        (!was_seen).then(|| "it was seen nowhere".to_owned())
    }
}

/// Returns what a satellite says about the object.
fn says(satellite: Observed<'_>, held: &Held) -> Says {
    let because = |why: String| if why.is_empty() { why } else { format!(": {}", clean(&why, WHY_MAX)) };
    let health = || match removals_are_held(satellite) {
        true => explain_removals(satellite),
        false if satellite.is("Synced") => String::new(),
        false => explain(satellite, &["Ready", "Synced"]),
    };
    match held {
        Held::Unknown(why) => Says::May(format!("may still have it{}", because(why.clone()))),
        Held::Set { has: true, .. } => Says::May(format!("still has it{}", because(health()))),
        Held::Nothing => {
            Says::May(format!("holds no set, and may still get one that has it{}", because(health())))
        }
        Held::Set { digest, has: false } => {
            let is_held = |pointer| {
                digest.is_some() && satellite.text(pointer) == digest.map(|d| d.to_string()).as_deref()
            };
            match satellite.is("Synced")
                && is_held("/status/desired/digest")
                && is_held("/status/acked/digest")
            {
                true => Says::Lacks,
                false => Says::May(format!(
                    "lacks it, but does not hold the set that it should{}",
                    because(health())
                )),
            }
        }
    }
}

fn removals_are_held(satellite: Observed<'_>) -> bool {
    satellite.condition("RemovalsHeld").is_some_and(|held| held.status() == "True")
}

fn explain_removals(satellite: Observed<'_>) -> String {
    satellite.condition("RemovalsHeld").map(|held| held.explanation()).unwrap_or_default()
}

/// Returns a note if an Icinga of the satellite runs another set than the one without the object.
fn runs_older(satellite: Observed<'_>) -> Option<String> {
    let agents = satellite.value("/status/agents").and_then(Value::as_array)?;
    let is_behind = satellite.text("/status/loaded/digest") != satellite.text("/status/acked/digest");
    (!agents.is_empty() && is_behind).then(|| {
        let why = explain(satellite, &["Loaded"]);
        format!("{}: its Icinga may still run it until Loaded is True: {why}", satellite.name())
    })
}

/// Joins the first few texts.
fn some_of(mut texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(NAMED);
    texts.truncate(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    texts.join("; ") + &more
}

#[cfg(test)]
#[path = "absence/tests.rs"]
mod tests;

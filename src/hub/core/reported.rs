//! What the agent of the hub's own Icinga 2 reported last.

use crate::api::AgentReport;
use crate::api::agent_report::{AgentResult, HeldContent};
use crate::api::hub_report::HubReport;
use crate::identity::{Digest, ObjectKey};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// What the agent of the hub's Icinga 2 reported last.
#[derive(Clone, Debug, Default)]
pub struct HubIcinga {
    /// Fingerprints of the files that it runs, sorted: 16 bytes for each instead of a name. None if
    /// no report was read since the start.
    runs: Option<Arc<[u128]>>,
    /// Contents that Icinga refused, each with the first line of its error.
    pub(super) refused: Arc<BTreeMap<ObjectKey, (Digest, String)>>,
    /// Why the newest set is not loaded. None if it is, or will be in a moment.
    pub(super) trouble: Option<String>,
    /// True if the agent has not renewed its report for a while, or never wrote one.
    pub(super) is_silent: bool,
}

impl HubIcinga {
    /// Returns what a report says.
    pub fn of(reported: &HubReport) -> Self {
        let HubReport { report, files } = reported;
        let mut runs: Vec<_> = files.iter().map(|(key, digest)| fingerprint(key, *digest)).collect();
        runs.sort_unstable();
        let refused = report.held.iter().filter_map(|held| {
            let (namespace, name) = held.object.split_once('/')?;
            let digest = held.digest.as_deref()?.parse().ok()?;
            let runs = match held.content {
                HeldContent::Previous => "its previous content runs",
                HeldContent::LeftOut => "it is left out",
            };
            Some((ObjectKey::new(namespace, name), (digest, format!("{}; {runs}", held.message))))
        });
        Self {
            runs: Some(runs.into()),
            refused: Arc::new(refused.collect()),
            trouble: trouble(report),
            is_silent: false,
        }
    }

    /// Returns the same of an agent that is silent or not.
    #[must_use]
    pub fn silent(self, is_silent: bool) -> Self {
        Self { is_silent, ..self }
    }

    /// Returns the same of an agent whose report cannot be read, and why. What it proved before
    /// stays.
    #[must_use]
    pub fn unreadable(self, why: String) -> Self {
        Self { trouble: Some(why), ..self }
    }

    /// True if the agent is silent.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// True if something was reported since the start, or should have been for long.
    pub(super) fn is_heard(&self) -> bool {
        self.runs.is_some() || self.is_silent
    }

    /// Returns whether it runs this content. None if no report was read.
    pub(super) fn runs(&self, key: &ObjectKey, digest: Digest) -> Option<bool> {
        Some(self.runs.as_ref()?.binary_search(&fingerprint(key, digest)).is_ok())
    }
}

/// Returns why the newest set is not loaded.
fn trouble(report: &AgentReport) -> Option<String> {
    let message = || Some(report.message.clone()).filter(|message| !message.is_empty());
    match report.result {
        AgentResult::Loaded | AgentResult::LoadedInPart => None,
        AgentResult::Loading => message(),
        result => Some(format!("{}: {}", result.as_str(), report.message)),
    }
}

/// Returns what stands for one content of one object. The digest alone would do: a file names its
/// object.
fn fingerprint(key: &ObjectKey, digest: Digest) -> u128 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    digest.start() ^ u128::from(hasher.finish())
}

//! The report of an agent: which set its Icinga 2 has loaded, and why it has not loaded the newest.
//!
//! An agent writes it into an annotation of a Lease of its own. The hub's account may read Leases
//! and not write them, and each agent may write only its own, so nobody speaks for another.

use super::closed::closed_enum;
use crate::identity::{Digest, Revision};
use crate::text::clean;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The only version that is written and read.
pub const VERSION: u32 = 1;
/// How often an agent renews its Lease, in seconds.
pub const HEARTBEAT_SECONDS: u32 = 30;
/// An agent that did not renew its Lease for this long is silent, in seconds
/// (`spec.leaseDurationSeconds`).
pub const SILENCE_SECONDS: u32 = 100;
/// Most held objects of a report.
pub const MOST_HELD: usize = 400;
/// Largest report that is read, in bytes. The annotations of an object have room for 256 KiB.
pub const MOST_BYTES: usize = 240 * 1024;
/// Longest message of a report, in bytes.
const MESSAGE_MAX: usize = 1024;
/// Longest message about one held object, in bytes.
const HELD_MESSAGE_MAX: usize = 200;

closed_enum! {
    /// The result of an agent's work on the newest set that it knows.
    pub enum AgentResult {
        /// No set was found yet, or the agent has just begun.
        Waiting,
        /// It is fetching, validating or loading the set. `running` is still the set before.
        Loading,
        /// The running Icinga 2 proved that it has loaded the set.
        Loaded,
        /// As `Loaded`, except for the objects in `held`.
        LoadedInPart,
        /// Icinga 2 refused the set, or the set is not what its digests say. `running` stays.
        Rejected,
        /// Icinga 2 accepted the set and did not prove that it runs it.
        Unproved,
        /// The set removes so much of the running one that a person must agree.
        Held,
    }
}

closed_enum! {
    /// Which content of a held object the agent's Icinga 2 runs.
    pub enum HeldContent {
        /// The bytes of the last set that was loaded.
        Previous,
        /// None: the object is new, and left out.
        LeftOut,
    }
}

/// An object whose newest content Icinga 2 refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldObject {
    /// `<namespace>/<name>` of the MonitoringObject.
    pub object: String,
    /// The content that runs.
    pub content: HeldContent,
    /// First line of Icinga's error.
    pub message: String,
    /// Digest of the content that Icinga refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl HeldObject {
    /// Returns a held object. The message is cut, so that the largest report fits its annotation.
    pub fn new(object: String, content: HeldContent, message: &str) -> Self {
        Self { object, content, message: clean(message, HELD_MESSAGE_MAX), digest: None }
    }

    /// Returns the same with the digest of the content that Icinga refused.
    #[must_use]
    pub fn of(self, digest: Option<Digest>) -> Self {
        Self { digest: digest.map(|digest| digest.to_string()), ..self }
    }
}

/// A set that Icinga 2 has proved to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningSet {
    /// Revision of the pointer that named it.
    pub revision: String,
    /// Digest that the pointer named. With held objects the running files differ from it.
    pub digest: String,
    /// When the proof came (RFC 3339).
    pub loaded_at: String,
}

/// The checks of the objects of the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Hosts and services of the set whose active checks are on.
    pub checkables: u64,
    /// Those that never had a result, although two check intervals are over.
    pub overdue: u64,
    /// The first of them: `host` or `host!service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// How long each step of the last load took, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Durations {
    /// From the pointer to verified files.
    pub fetch: u64,
    /// Writing and syncing the tree.
    pub unpack: u64,
    /// All runs of the validator.
    pub validate: u64,
    /// From the switch of the include file to the proof.
    pub load: u64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentReport {
    /// Always [`VERSION`].
    pub version: u32,
    /// Name of the pointer ConfigMap that the agent follows.
    pub pointer: String,
    /// Revision of the newest set that the agent knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What became of it.
    pub result: AgentResult,
    /// Why, for a person. Empty if all is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The first object that is concerned: `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The set that Icinga 2 runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningSet>,
    /// Objects of `running` whose newest content was refused. At most [`MOST_HELD`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldObject>,
    /// The checks of the objects of the set. None if that is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// How long the last load took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durations: Option<Durations>,
    /// Version of Icinga 2. Empty if it is not known yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icinga_version: String,
    /// Version of the agent.
    pub agent_version: String,
}

impl AgentReport {
    /// Returns the report of an agent that has just begun.
    pub fn new(pointer: &str) -> Self {
        Self {
            version: VERSION,
            pointer: pointer.to_owned(),
            revision: None,
            digest: None,
            result: AgentResult::Waiting,
            message: String::new(),
            object: None,
            running: None,
            held: Vec::new(),
            checked: None,
            durations: None,
            icinga_version: String::new(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Returns the text of the annotation.
    pub fn text(&self) -> String {
        // Serializing plain strings and numbers cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a report, which whoever has the agent's token may have written. Its texts are cut and
    /// cleaned.
    ///
    /// # Errors
    /// If it is too large, is not JSON of this version, or a revision or digest in it cannot be
    /// read.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        if text.len() > MOST_BYTES {
            return Err(format!("has {} bytes; at most {MOST_BYTES} are read", text.len()));
        }
        let wrong = |error: serde_json::Error| clean(&format!("cannot be read: {error}"), 200);
        let Version { version } = serde_json::from_str(text).map_err(wrong)?;
        if version != VERSION {
            return Err(format!("has version {version}; this program knows {VERSION}"));
        }
        let mut report: Self = serde_json::from_str(text).map_err(wrong)?;
        let revisions = [&report.revision, &report.running.as_ref().map(|set| set.revision.clone())];
        let digests = [&report.digest, &report.running.as_ref().map(|set| set.digest.clone())];
        if revisions.into_iter().flatten().any(|text| text.parse::<Revision>().is_err())
            || digests.into_iter().flatten().any(|text| text.parse::<Digest>().is_err())
        {
            return Err("a revision or a digest cannot be read".into());
        }
        report.held.truncate(MOST_HELD);
        report.message = clean(&report.message, MESSAGE_MAX);
        report.icinga_version = clean(&report.icinga_version, 64);
        report.agent_version = clean(&report.agent_version, 64);
        report.object = report.object.map(|object| clean(&object, 512));
        for held in &mut report.held {
            held.object = clean(&held.object, 512);
            held.message = clean(&held.message, HELD_MESSAGE_MAX);
        }
        if let Some(checked) = &mut report.checked {
            checked.first = checked.first.take().map(|first| clean(&first, 512));
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> AgentReport {
        AgentReport {
            revision: Some("7.42".into()),
            digest: Some(Digest::of(b"set").to_string()),
            result: AgentResult::LoadedInPart,
            held: vec![HeldObject {
                object: "team-a/web-01".into(),
                content: HeldContent::Previous,
                message: "Attribute 'check_command': Object 'nope' of type 'CheckCommand' does not exist."
                    .into(),
                digest: Some(Digest::of(b"refused").to_string()),
            }],
            ..AgentReport::new("groundlink")
        }
    }

    #[test]
    fn a_report_is_read_as_written_and_a_newer_one_is_refused_by_its_version() {
        assert_eq!(AgentReport::parse(&report().text()), Ok(report()));
        let newer = report().text().replace("\"version\":1", "\"version\":2,\"result\":\"Other\"");
        assert!(AgentReport::parse(&newer).unwrap_err().contains("version 2"));
        for (from, to) in [("7.42", "7"), ("sha256:", "md5:"), ("LoadedInPart", "Fine")] {
            assert!(AgentReport::parse(&report().text().replace(from, to)).is_err(), "{to}");
        }
        assert!(AgentReport::parse(&" ".repeat(MOST_BYTES + 1)).unwrap_err().contains("at most"));
    }

    #[test]
    fn texts_are_cut_and_cleaned_and_the_largest_report_fits_an_annotation() {
        let mut report = report();
        report.message = format!("a\u{7}{}", "x".repeat(5000));
        let name = format!("{}/{}", "n".repeat(63), "o".repeat(185));
        let held = HeldObject::new(name, HeldContent::LeftOut, &"m".repeat(5000)).of(Some(Digest::of(b"")));
        report.held = vec![held; MOST_HELD];
        assert!(report.text().len() < MOST_BYTES, "{}", report.text().len());
        let read = AgentReport::parse(&report.text()).unwrap();
        assert!(read.message.starts_with("a x") && read.message.len() <= MESSAGE_MAX + 3);
        assert_eq!(read.held.len(), MOST_HELD);
    }
}

//! The report of a command: one document, for people or for programs.

use super::output::{Document, Format, document, print, span, table};
use serde::Serialize;

/// One object and what the command did with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// `hub` or `satellite`.
    pub(crate) cluster: &'static str,
    pub(crate) kind: String,
    /// `None` if it has no namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// What the command did with an object; in a dry run, what it would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// It did not exist.
    Created,
    /// It had other content.
    Changed,
    /// It was as it should be; nothing was written.
    Unchanged,
    /// It existed, and is deleted.
    Deleted,
    /// It did not exist, so nothing was deleted.
    Absent,
    /// It was not deleted; the note says why.
    Left,
}

impl Outcome {
    fn text(self, dry_run: bool) -> &'static str {
        match (self, dry_run) {
            (Self::Created, false) => "created",
            (Self::Created, true) => "would be created",
            (Self::Changed, false) => "changed",
            (Self::Changed, true) => "would be changed",
            (Self::Unchanged, _) => "unchanged",
            (Self::Deleted, false) => "deleted",
            (Self::Deleted, true) => "would be deleted",
            (Self::Absent, _) => "does not exist",
            (Self::Left, false) => "left",
            (Self::Left, true) => "would be left",
        }
    }
}

/// A token that was made or found, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenReport {
    /// `created`, `unchanged` or `wouldBeCreated`.
    pub(crate) result: &'static str,
    /// Why there is a new one. `None` if there was none before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// The ServiceAccount that it is a token of.
    pub(crate) account: String,
    /// Secret on the satellite whose deletion revokes it.
    pub(crate) bound_secret: String,
    /// When it ends (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    /// The lifetime that was asked for, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked_seconds: Option<i64>,
    /// The lifetime that the server granted, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) granted_seconds: Option<i64>,
}

impl TokenReport {
    fn text(&self) -> String {
        let mut text = match self.result {
            "created" => "a new one",
            "wouldBeCreated" => "a new one would be made",
            _ => "unchanged",
        }
        .to_owned();
        if let Some(why) = &self.why {
            text += &format!(" ({why})");
        }
        text += &format!(", of {}, bound to Secret {}", self.account, self.bound_secret);
        if let Some(expires) = &self.expires {
            text += &format!("; valid until {expires}");
        }
        if let (Some(asked), Some(granted)) = (self.asked_seconds, self.granted_seconds) {
            text += &format!("; asked for {}, granted {}", span(asked), span(granted));
            if granted + 60 < asked {
                text += ": the satellite's API server grants no longer lifetime";
            }
        }
        text
    }
}

/// What a command did.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Name of the SatelliteCluster.
    pub(crate) satellite: String,
    /// True if nothing was written because of `--dry-run`.
    pub(crate) dry_run: bool,
    /// Every object, in the order of the steps.
    pub(crate) objects: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<TokenReport>,
    /// What else the person must know.
    pub(crate) notes: Vec<String>,
    /// The next command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl Document for Report {
    const KIND: &'static str = "SatelliteReport";
}

impl Report {
    /// Returns an empty report.
    pub(crate) fn new(satellite: &str, dry_run: bool) -> Self {
        let satellite = satellite.to_owned();
        Self { satellite, dry_run, objects: Vec::new(), token: None, notes: Vec::new(), next: None }
    }

    /// Prints the report.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn print(&self, format: Format) -> anyhow::Result<()> {
        if format != Format::Text {
            return document(self, format);
        }
        let rows = self.objects.iter().map(|line| {
            let name = match &line.namespace {
                Some(namespace) => format!("{namespace}/{}", line.name),
                None => line.name.clone(),
            };
            let mut result = line.result.text(self.dry_run).to_owned();
            if let Some(note) = &line.note {
                result += &format!(": {note}");
            }
            vec![line.cluster.to_owned(), line.kind.clone(), name, result]
        });
        let mut text = table(rows.collect());
        if let Some(token) = &self.token {
            text += &format!("token: {}\n", token.text());
        }
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        if self.dry_run {
            text += "dry run: nothing was written\n";
        }
        if let Some(next) = &self.next {
            text += &format!("next: {next}\n");
        }
        print(format_args!("{text}"))
    }
}

//! What the commands print: one document for each run, as text for people or as JSON or YAML for programs.

use crate::api::condition::format_timestamp;
use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document; fields are added, never renamed or removed.
    Json,
    /// The same document as YAML.
    Yaml,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// `hub` or `satellite`.
    pub cluster: &'static str,
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// In one word.
    pub result: Outcome,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of an object; in a dry run, what would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there with other content.
    Changed,
    /// It was there as it should be; nothing was written.
    Unchanged,
    /// It was there, and is gone.
    Deleted,
    /// It was not there to be deleted.
    Absent,
    /// It is there still; the note says why.
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
            (Self::Absent, _) => "not there",
            (Self::Left, false) => "left",
            (Self::Left, true) => "would be left",
        }
    }
}

/// A token that was made or found. Never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenReport {
    /// `created`, `unchanged` or `wouldBeCreated`.
    pub result: &'static str,
    /// Why there is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whose it is.
    pub account: String,
    /// Secret on the satellite whose deletion revokes it.
    pub bound_secret: String,
    /// End of its life (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What was asked for, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_seconds: Option<i64>,
    /// What the server gave, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted_seconds: Option<i64>,
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
                text += ": the satellite's API server allows no longer life";
            }
        }
        text
    }
}

/// What a command did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the SatelliteCluster.
    pub satellite: String,
    /// Whether nothing was written because that was asked for.
    pub dry_run: bool,
    /// Every object, in the order in which it was treated.
    pub objects: Vec<Line>,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenReport>,
    /// What else must be known.
    pub notes: Vec<String>,
    /// The next command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Report {
    /// An empty one.
    pub fn new(satellite: &str, dry_run: bool) -> Self {
        let satellite = satellite.to_owned();
        Self { satellite, dry_run, objects: Vec::new(), token: None, notes: Vec::new(), next: None }
    }

    /// Prints it.
    pub fn print(&self, format: Format) -> anyhow::Result<()> {
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
        crate::cli::print(format_args!("{text}"))
    }
}

/// Prints a document as JSON or YAML.
pub fn document(value: &impl Serialize, format: Format) -> anyhow::Result<()> {
    let text = match format {
        Format::Yaml => serde_saphyr::to_string(value).context("cannot write YAML")?,
        Format::Text | Format::Json => serde_json::to_string_pretty(value)? + "\n",
    };
    crate::cli::print(format_args!("{text}"))
}

/// Tells progress.
pub fn progress(text: &str) {
    eprintln!("groundlink: {text}");
}

/// Columns below each other; the last one is as long as it is.
pub fn table(rows: Vec<Vec<String>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let last = row.len().saturating_sub(1);
        for (i, cell) in row.iter().enumerate() {
            if i == last {
                text += cell;
            } else {
                text += &format!("{cell:<width$}   ", width = widths[i]);
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// Unix seconds, as the reports carry them.
pub fn time(seconds: Option<i64>) -> Option<String> {
    seconds.map(format_timestamp)
}

/// Seconds in the largest unit that says them without a fraction, as flags take them.
pub fn span(seconds: i64) -> String {
    match seconds {
        s if s != 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s != 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// A word of a shell, quoted if it must be.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(word("kind-edge@a"), "kind-edge@a");
        assert_eq!(word("it's $x"), "'it'\\''s $x'");
    }

    #[test]
    fn spans_are_what_the_flags_take() {
        for (seconds, text) in [(31_536_000, "8760h"), (5400, "90m"), (3601, "3601s"), (0, "0s")] {
            assert_eq!(span(seconds), text);
            assert!(seconds == 0 || crate::api::duration::parse_duration(text).unwrap() == seconds as f64);
        }
    }

    #[test]
    fn a_table_has_no_spaces_at_the_end() {
        let rows = vec![vec!["a".into(), "b".into()], vec!["long".into(), String::new()]];
        assert_eq!(table(rows), "a      b\nlong\n");
    }
}

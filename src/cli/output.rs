//! Printing: results to standard output, as text for people or as JSON or YAML for programs;
//! progress to standard error.

use crate::api::condition::format_timestamp;
use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;
use std::path::Path;

/// Form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs. Fields are added, never renamed or removed.
    Json,
    /// The same document as YAML.
    Yaml,
}

/// Prints to standard output. A reader that closes it early (`| head`) is no error.
///
/// # Errors
/// If it cannot be written for another reason.
pub(crate) fn print(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    use std::io::Write as _;
    printed(std::io::stdout().lock().write_fmt(text))
}

/// Prints bytes unchanged; otherwise as [`print`].
///
/// # Errors
/// As [`print`].
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    printed(out.write_all(bytes).and_then(|()| out.flush()))
}

fn printed(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// `apiVersion` of every document. Within it fields are added, never renamed or removed
/// (docs/commands.md lists them).
const API_VERSION: &str = "cli.groundlink.dev/v1";

/// The result of a command, as programs read it.
pub(crate) trait Document: Serialize {
    /// Its `kind`.
    const KIND: &'static str;
}

/// A document with its version and kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versioned<'a, D> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    content: &'a D,
}

/// Prints a document as JSON or YAML.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn document<D: Document>(content: &D, format: Format) -> anyhow::Result<()> {
    let whole = Versioned { api_version: API_VERSION, kind: D::KIND, content };
    let text = match format {
        Format::Yaml => serde_saphyr::to_string(&whole).context("cannot write YAML")?,
        Format::Text | Format::Json => serde_json::to_string_pretty(&whole)? + "\n",
    };
    print(format_args!("{text}"))
}

/// Writes a file, and the directories above it.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Reports progress on standard error.
pub(crate) fn progress(text: &str) {
    eprintln!("groundlink: {text}");
}

/// Returns rows as aligned columns. The last column is not padded.
pub(crate) fn table(rows: Vec<Vec<String>>) -> String {
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

/// Returns Unix seconds in the form that reports have (RFC 3339).
pub(crate) fn time(seconds: Option<i64>) -> Option<String> {
    seconds.map(format_timestamp)
}

/// Returns seconds in the largest unit without a fraction, as flags take them.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        s if s != 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s != 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// Returns a word for a shell, quoted if it must be.
pub(crate) fn word(text: &str) -> String {
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

//! The report of the hub's own agent, as a file in a directory that it shares with the operator: the
//! report, then the digest of each file that the hub's Icinga 2 runs, then the number of these.
//!
//! ```text
//! {"version":1, ...}
//! <64 hexadecimal digits> <namespace>.<name>.conf
//! end 1
//! ```

use super::agent_report::{AgentReport, MOST_BYTES};
use crate::identity::{Digest, ObjectKey};
use std::fmt::Write as _;
use std::io::{BufRead, Read as _};

/// Name of the file in the shared directory.
pub const FILE: &str = "report";
/// Name of the empty file beside it, whose time the agent renews.
pub const ALIVE: &str = "alive";
/// Most files that are read.
const MOST_FILES: usize = 2_000_000;
/// Longest line of a file, in bytes: a digest, a namespace and a name.
const LINE_MAX: u64 = 512;

/// A report, and the digest of each object's file that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubReport {
    /// The report.
    pub report: AgentReport,
    /// The files of `report.running`.
    pub files: Vec<(ObjectKey, Digest)>,
}

/// Returns the text of the file. `files` are the keys of the files that run, with their digests.
pub fn text<'a>(report: &AgentReport, files: impl Iterator<Item = (&'a str, Digest)>) -> String {
    let mut text = report.text() + "\n";
    let mut count = 0;
    for (key, digest) in files {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {key}", digest.hex());
        count += 1;
    }
    let _ = writeln!(text, "end {count}");
    text
}

impl HubReport {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, is not whole, or is too large.
    pub fn read(mut from: impl BufRead) -> Result<Self, String> {
        let mut line = Vec::new();
        let mut next = |most: u64| {
            line.clear();
            let read = from.by_ref().take(most).read_until(b'\n', &mut line);
            read.map_err(|error| error.to_string())?;
            match line.strip_suffix(b"\n").map(std::str::from_utf8) {
                Some(Ok(text)) => Ok(text.to_owned()),
                _ => Err("it ends in the middle".to_owned()),
            }
        };
        let report = AgentReport::parse(&next(MOST_BYTES as u64 + 2)?)?;
        let mut files = Vec::new();
        loop {
            let line = next(LINE_MAX)?;
            let (first, second) = line.split_once(' ').ok_or("a line has no file")?;
            if first == "end" {
                let is_whole = second.parse() == Ok(files.len());
                return if is_whole { Ok(Self { report, files }) } else { Err("lines are missing".into()) };
            }
            let digest =
                format!("sha256:{first}").parse::<Digest>().map_err(|_| "a digest cannot be read")?;
            let key = second.strip_suffix(".conf").and_then(|key| key.split_once('.'));
            let (namespace, name) = key.ok_or("a file has no name of ours")?;
            files.push((ObjectKey::new(namespace, name), digest));
            if files.len() > MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_written_and_half_of_it_is_none() {
        let report = AgentReport::new("groundlink");
        let files = [("a.x.conf", Digest::of(b"x")), ("a.y.z.conf", Digest::of(b"y"))];
        let text = text(&report, files.into_iter());
        let read = HubReport::read(text.as_bytes()).unwrap();
        assert_eq!((&read.report, read.files.len()), (&report, 2));
        assert_eq!(read.files[1], (ObjectKey::new("a", "y.z"), Digest::of(b"y")));
        for end in 0..text.len() {
            assert!(HubReport::read(&text.as_bytes()[..end]).is_err(), "{end}");
        }
        let without_a_line: String = text
            .lines()
            .filter(|line| !line.contains("a.x"))
            .fold(String::new(), |text, line| text + line + "\n");
        assert!(HubReport::read(without_a_line.as_bytes()).unwrap_err().contains("missing"));
        assert!(HubReport::read("x".repeat(1_000_000).as_bytes()).is_err());
    }
}

//! Comments, which the parser skips and the manifests keep.

/// A comment of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// First line, from 1.
    pub line: u32,
    /// The text without its marks, one entry a line.
    pub lines: Vec<String>,
    /// True if a statement stands before it on its line.
    pub trailing: bool,
}

impl Comment {
    /// Returns the comment of a source text that begins with `//`, `#` or `/*`.
    pub(super) fn of(source: &str, line: u32, trailing: bool) -> Self {
        let lines = if let Some(inner) = source.strip_prefix("/*") {
            let inner = inner.strip_suffix("*/").unwrap_or(inner);
            let mut lines: Vec<String> = inner.lines().map(block_line).collect();
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
            lines.split_off(first)
        } else {
            let inner = source.trim_start_matches('#').trim_start_matches('/');
            vec![one_line(inner)]
        };
        Self { line, lines, trailing }
    }
}

/// Returns a line of a block comment without the asterisk that people put before it.
fn block_line(line: &str) -> String {
    let line = line.trim();
    let inner = line.trim_start_matches('*');
    one_line(inner)
}

/// Returns the text without blanks around it, and without control characters.
fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

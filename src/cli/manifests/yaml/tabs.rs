//! Tabs, which readers of YAML take for blanks in different places.

use std::ops::Range;

/// Returns the first line, from 1, with a tab in its indentation or behind the -, ? or : that
/// begins an entry. `texts` are the ranges of bytes of texts in quotes and of text blocks, in their
/// order: a tab in them is part of the text.
pub(super) fn in_indentation(text: &str, texts: &[Range<usize>]) -> Option<usize> {
    let mut texts = texts.iter().peekable();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if let Some(tab) = leading(line) {
            let at = start + tab;
            while texts.next_if(|range| range.end <= at).is_some() {}
            if !texts.peek().is_some_and(|range| range.contains(&at)) {
                return Some(number + 1);
            }
        }
        start += line.len();
    }
    None
}

/// Returns the position of the first tab before the content of a line.
fn leading(line: &str) -> Option<usize> {
    for (at, c) in line.char_indices() {
        match c {
            '\t' => return Some(at),
            ' ' => {}
            '-' | '?' | ':' if line[at + 1..].starts_with([' ', '\t']) => {}
            _ => return None,
        }
    }
    None
}

/// True if a tab stands in the indentation of a block of text, which begins at a position.
pub(super) fn in_block(text: &str, start: usize) -> bool {
    let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
    // The line with the | or >.
    let skipped = usize::from(text[start..].starts_with(['|', '>']));
    let mut indentation = None;
    for line in text[first..].lines().skip(skipped) {
        let inside = line.trim_start_matches(' ');
        let spaces = line.len() - inside.len();
        match indentation {
            _ if inside.is_empty() => {}
            None if inside.starts_with('\t') => return true,
            None => indentation = Some(spaces),
            Some(least) if spaces < least => return inside.starts_with('\t'),
            Some(_) => {}
        }
    }
    false
}

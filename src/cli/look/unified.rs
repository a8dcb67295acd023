//! The difference of two texts, line by line, in the form of `diff -u`.

use std::fmt::Write as _;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;
/// Largest product of the numbers of lines that are compared in detail: a table of this many
/// entries. Above it, all between the equal ends of the texts is shown as replaced.
const MOST: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// Returns the difference, without the two lines of names. Empty if the texts are equal.
pub(super) fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(old), lines(new));
    let edits = edits(&old, &new);
    let mut text = String::new();
    let changes: Vec<usize> = (0..edits.len()).filter(|at| edits[*at] != Edit::Keep).collect();
    let mut rest = changes.as_slice();
    while let Some(first) = rest.first() {
        // A hunk goes on while the next change is near enough that their surroundings meet.
        let joined = rest.windows(2).take_while(|pair| pair[1] - pair[0] <= 2 * CONTEXT).count();
        let (hunk, later) = rest.split_at(joined + 1);
        rest = later;
        let last = hunk.last().copied().unwrap_or(*first);
        let range = first.saturating_sub(CONTEXT)..(last + CONTEXT + 1).min(edits.len());
        hunk_text(&mut text, (&old, &new), &edits, range);
    }
    text
}

/// Splits a text into lines. A last line without an end is marked, as `diff` does.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn hunk_text(
    text: &mut String,
    (old, new): (&[&str], &[&str]),
    edits: &[Edit],
    range: std::ops::Range<usize>,
) {
    let count = |upto: &[Edit], without: Edit| upto.iter().filter(|edit| **edit != without).count();
    let (before, inside) = (&edits[..range.start], &edits[range]);
    let (mut from, mut to) = (count(before, Edit::Add), count(before, Edit::Remove));
    let place =
        |start: usize, length: usize| format!("{},{length}", if length == 0 { start } else { start + 1 });
    let (removed, added) = (count(inside, Edit::Add), count(inside, Edit::Remove));
    let _ = writeln!(text, "@@ -{} +{} @@", place(from, removed), place(to, added));
    for edit in inside {
        let (sign, line) = match edit {
            Edit::Keep => (' ', old[from]),
            Edit::Remove => ('-', old[from]),
            Edit::Add => ('+', new[to]),
        };
        from += usize::from(*edit != Edit::Add);
        to += usize::from(*edit != Edit::Remove);
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// Returns how the first lines become the second.
fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(new).take_while(same).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut edits = vec![Edit::Keep; head];
    if old.len().saturating_mul(new.len()) > MOST {
        edits.extend(old.iter().map(|_| Edit::Remove).chain(new.iter().map(|_| Edit::Add)));
    } else {
        middle(&mut edits, old, new);
    }
    edits.extend(vec![Edit::Keep; tail]);
    edits
}

/// Adds the edits of texts by their longest common sequence of lines.
fn middle(edits: &mut Vec<Edit>, old: &[&str], new: &[&str]) {
    let width = new.len() + 1;
    // At [i, j]: length of the longest common sequence of old[i..] and new[j..].
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push(Edit::Keep);
            (i, j) = (i + 1, j + 1);
        } else if i < old.len()
            && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            edits.push(Edit::Remove);
            i += 1;
        } else {
            edits.push(Edit::Add);
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn changes_are_shown_with_what_stands_around_them() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\nj\nk";
        let wanted =
            "@@ -2,9 +2,10 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n i\n j\n+k\n\\ No newline at end of file\n";
        assert_eq!(unified(old, new), wanted);
        assert_eq!(unified(old, old), "");
        assert_eq!(unified("", "x\n"), "@@ -0,0 +1,1 @@\n+x\n");
    }

    /// Applies a difference by `git apply`.
    fn applied(old: &str, difference: &str) -> String {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        std::fs::write(&path, old).unwrap();
        let mut apply = Command::new("git");
        apply.args(["apply", "-"]).current_dir(scratch.path()).stdin(Stdio::piped());
        // Not the repository around it, if there is one.
        apply.env("GIT_DIR", scratch.path().join("none"));
        let mut apply = apply.spawn().unwrap();
        let text = format!("--- a/file\n+++ b/file\n{difference}");
        apply.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(apply.wait().unwrap().success(), "{difference}");
        std::fs::read_to_string(path).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn git_makes_the_new_text_of_the_old_one(
            old in "([abc]\n){1,30}", new in "([abc]\n){1,30}[ab]?",
        ) {
            let difference = unified(&old, &new);
            prop_assert_eq!(difference.is_empty(), old == new);
            if old != new {
                prop_assert_eq!(applied(&old, &difference), new);
            }
        }
    }
}

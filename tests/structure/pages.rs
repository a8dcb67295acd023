//! The pages of the documentation: `docs/SUMMARY.md` lists each, and every link leads somewhere.

use super::{root, text_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The pages below `docs/`, without the list of them, and the documents beside them that a user reads.
pub fn pages() -> Vec<String> {
    let mut pages = below("docs");
    pages.retain(|page| page != SUMMARY);
    pages.extend(["README.md", "SECURITY.md", "charts/groundlink/README.md"].map(str::to_owned));
    pages
}

const SUMMARY: &str = "docs/SUMMARY.md";

/// Returns the lines of a page outside of its blocks, each with its number from 1.
pub fn prose(page: &str) -> Vec<(usize, &str)> {
    let mut is_inside = false;
    let lines = page.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines
        .filter(|(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            is_inside ^= is_fence;
            !is_inside && !is_fence
        })
        .collect()
}

fn below(directory: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = entries
        .flat_map(|path| {
            let name = format!("{directory}/{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() { below(&name) } else { vec![name] }
        })
        .filter(|name| name.ends_with(".md"))
        .collect();
    pages.sort();
    pages
}

/// The targets of the links of a page, each with its line. Code has no links.
fn links(page: &str) -> Vec<(usize, String)> {
    let paragraphs = prose(page);
    let mut found = Vec::new();
    for (number, line) in paragraphs {
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let targets = plain.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.map(|(target, _)| (number, target.to_owned())));
    }
    found
}

/// The anchor of a heading, as forges and mdBook make it: small letters, `-` for blanks, and nothing
/// for other signs.
fn anchor(heading: &str) -> String {
    let plain = heading.split("](").enumerate().map(|(part, text)| match part {
        0 => text,
        _ => text.split_once(')').map_or(text, |(_, rest)| rest),
    });
    let plain: String = plain.collect();
    plain
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|sign| match sign {
            ' ' => Some('-'),
            _ if sign.is_alphanumeric() || "-_".contains(sign) => Some(sign),
            _ => None,
        })
        .collect()
}

/// The anchors of a page. The second of two equal headings ends with `-1`.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(page).into_iter().filter_map(|(_, line)| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len() && text.starts_with(' ')).then(|| anchor(text))
    });
    headings
        .map(|anchor| {
            let seen = count.entry(anchor.clone()).or_default();
            *seen += 1;
            if *seen == 1 { anchor } else { format!("{anchor}-{}", *seen - 1) }
        })
        .collect()
}

/// Joins a relative link to the directory of its page.
fn resolved(page: &str, target: &str) -> PathBuf {
    let mut path = Path::new(page).parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

/// Says what is wrong with a link of a page; None if it leads somewhere.
fn fault(page: &str, target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { PathBuf::from(page) } else { resolved(page, file) };
    if !root().join(&path).exists() {
        return Some(format!("{} does not exist", path.display()));
    }
    let anchor = anchor?;
    let is_known = anchors(&text_of(path.to_str().unwrap())).contains(anchor);
    (!is_known).then(|| format!("{} has no heading for #{anchor}", path.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let more = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benches/README.md", SUMMARY];
    let pages: Vec<_> = pages().into_iter().chain(more.map(str::to_owned)).collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in &pages {
        for (line, target) in links(&text_of(page)) {
            count += 1;
            wrong.extend(fault(page, &target).map(|why| format!("{page}:{line}: {why}")));
        }
    }
    assert!(count > 200, "the test sees {count} links");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = "# One `x` two\n[a](b.md) `[c](d.md)`\n```\n[e](f.md)\n```\n[g](../h.md#i) [j](#k)\n## Same\n## Same\n";
    let targets: Vec<_> = links(page).into_iter().map(|(_, target)| target).collect();
    assert_eq!(targets, ["b.md", "../h.md#i", "#k"]);
    assert_eq!(anchors(page).into_iter().collect::<Vec<_>>(), ["one-x-two", "same", "same-1"]);
    assert_eq!(anchor(" The chart's `values`, and [more](a.md)"), "the-charts-values-and-more");
    assert_eq!(resolved("docs/a/b.md", "../c.md"), Path::new("docs/c.md"));
    assert!(fault("docs/install.md", "../README.md").is_none());
    assert!(fault("docs/install.md", "nowhere.md").is_some());
    assert!(fault("docs/install.md", "#nowhere").is_some());
    assert!(fault("docs/runbooks/README.md", "../reasons.md#published").is_none());
}

#[test]
fn the_summary_lists_every_page_once() {
    let summary = text_of(SUMMARY);
    let listed: Vec<_> = links(&summary).into_iter().map(|(_, target)| resolved(SUMMARY, &target)).collect();
    let mut wrong = Vec::new();
    for page in below("docs").iter().filter(|page| *page != SUMMARY) {
        match listed.iter().filter(|path| *path == Path::new(page)).count() {
            1 => {}
            count => wrong.push(format!("{page} is listed {count} times")),
        }
    }
    // mdBook makes a file for each entry that it does not find.
    let outside = listed.iter().filter(|path| !path.starts_with("docs") || !root().join(path).exists());
    wrong.extend(outside.map(|path| format!("{} is no page below docs/", path.display())));
    assert!(listed.len() > 30, "the test sees {} entries", listed.len());
    assert!(wrong.is_empty(), "{SUMMARY}: {wrong:#?}");
}

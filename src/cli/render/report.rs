//! The differences in words: for people, for a comment on a pull request, and for programs.

use super::documents::{Changes, resource};
use super::set::Set;
use crate::cli::output::table;
use crate::expansion::{Change, Comparison, Group, Meaning};
use crate::text::clean;
use std::collections::{BTreeMap, BTreeSet};

/// Most groups and changes that are listed for people.
const LISTED_MAX: usize = 20;
/// Most names that are listed for people.
const NAMES_MAX: usize = 3;
/// Longest name that is shown, in bytes.
const NAME_MAX: usize = 100;

/// What is reported.
pub(super) struct Report<'a> {
    pub(super) comparison: &'a Comparison,
    pub(super) meaning: &'a Meaning,
    pub(super) old: &'a Set,
    pub(super) new: &'a Set,
}

impl Report<'_> {
    /// Returns the first line: `+412 services on 37 hosts, -2 notifications, 3 hosts changed`.
    fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (sign, objects) in [("+", &self.comparison.only_new), ("-", &self.comparison.only_old)] {
            let mut counts: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
            for (id, _) in objects {
                let (count, hosts) = counts.entry(&id.kind).or_default();
                *count += 1;
                hosts.extend(id.name.split_once('!').map(|(host, _)| host));
            }
            for (kind, (count, hosts)) in counts {
                let on = if hosts.is_empty() {
                    String::new()
                } else {
                    format!(" on {}", counted(hosts.len(), "Host"))
                };
                parts.push(format!("{sign}{}{on}", counted(count, kind)));
            }
        }
        let mut changed: BTreeMap<&str, usize> = BTreeMap::new();
        self.comparison.changed.iter().for_each(|one| *changed.entry(&one.id.kind).or_default() += 1);
        parts.extend(changed.into_iter().map(|(kind, count)| format!("{} changed", counted(count, kind))));
        if parts.is_empty() {
            format!("no difference in {}", counted(self.comparison.equal, "object"))
        } else {
            parts.join(", ")
        }
    }

    /// Returns what somebody must look at, most urgent first.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut add = |names: &[String], text: &str| {
            if !names.is_empty() {
                warnings.push(format!("{text} {}", listed(names)));
            }
        };
        add(&self.meaning.silenced, "nobody is notified any more for");
        add(&self.meaning.unchecked, "no active checks any more of");
        add(&self.meaning.silent, "new, and nobody is notified for");
        let gone = |kind: &str| {
            let gone = self.comparison.only_old.iter().filter(|(id, _)| id.kind == kind);
            gone.map(|(id, _)| id.name.clone()).collect::<Vec<_>>()
        };
        add(&gone("Host"), "not monitored any more: host");
        let hosts: BTreeSet<_> = gone("Host").into_iter().collect();
        let mut services = gone("Service");
        services.retain(|name| !name.split_once('!').is_some_and(|(host, _)| hosts.contains(host)));
        add(&services, "not monitored any more: service");
        for (side, set) in [("", self.new), (" before the change", self.old)] {
            if !set.refused.is_empty() {
                let count = counted(set.refused.len(), "object");
                warnings.push(format!(
                    "{count}{side} refused, so this is not all that would change; see standard error"
                ));
            }
        }
        warnings
    }

    /// Returns the report for people.
    pub(super) fn text(&self) -> String {
        let mut text = self.summary() + "\n";
        for warning in self.warnings() {
            text.push_str(&format!("! {warning}\n"));
        }
        let groups =
            |sign: &str, groups: &[Group]| groups.iter().map(|one| row(sign, one)).collect::<Vec<_>>();
        let mut rows = groups("+", &self.meaning.added);
        rows.extend(groups("-", &self.meaning.removed));
        rows.extend(self.meaning.changed.iter().map(change_row));
        let more = rows.len().saturating_sub(LISTED_MAX);
        rows.truncate(LISTED_MAX);
        if !rows.is_empty() {
            text.push('\n');
            text.push_str(&table(rows));
        }
        if more > 0 {
            text.push_str(&format!("and {more} more lines; -o json has all\n"));
        }
        text
    }

    /// Returns the report as a comment on a pull request.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("**Monitoring:** {}\n", escaped(&self.summary()));
        let warnings = self.warnings();
        if !warnings.is_empty() {
            text.push('\n');
        }
        for warning in warnings {
            text.push_str(&format!("- :warning: {}\n", escaped(&warning)));
        }
        let mut section = |head: &str, rows: Vec<Vec<String>>| {
            if rows.is_empty() {
                return;
            }
            let columns = rows.first().map_or(0, Vec::len);
            text.push_str(&format!("\n{head}\n|{}\n", "---|".repeat(columns)));
            for row in rows.iter().take(LISTED_MAX) {
                let cells: Vec<_> = row.iter().map(|cell| escaped(cell)).collect();
                text.push_str(&format!("| {} |\n", cells.join(" | ")));
            }
            if rows.len() > LISTED_MAX {
                text.push_str(&format!("\nand {} more\n", rows.len() - LISTED_MAX));
            }
        };
        let mut groups: Vec<_> = self.meaning.added.iter().map(|one| row("+", one)).collect();
        groups.extend(self.meaning.removed.iter().map(|one| row("-", one)));
        section("| objects | by | names |", groups);
        section("| changed | by | values and names |", self.meaning.changed.iter().map(change_row).collect());
        text
    }

    /// Returns the report for programs. Fields are added, never renamed or removed.
    pub(super) fn json(&self) -> Changes<'_> {
        Changes::of(self.summary(), self.comparison, self.meaning, (self.old, self.new))
    }
}

/// Returns the reason of a change: a resource, or another file.
fn cause(file: &str) -> String {
    let named = resource(file).map(|resource| format!("by {resource}"));
    named.unwrap_or_else(|| format!("by {}", clean(file, NAME_MAX)))
}

fn row(sign: &str, group: &Group) -> Vec<String> {
    let on = if group.hosts == 0 { String::new() } else { format!(" on {}", counted(group.hosts, "Host")) };
    vec![
        format!("{sign}{}{on}", counted(group.names.len(), &group.kind)),
        cause(&group.file),
        listed(&group.names),
    ]
}

fn change_row(change: &Change) -> Vec<String> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".into());
    let sign = if change.is_threshold { "~!" } else { "~" };
    vec![
        format!("{sign} {} {}", change.kind, change.path),
        cause(&change.file),
        format!("{} -> {}: {}", value(&change.old), value(&change.new), listed(&change.names)),
    ]
}

/// Returns names, the first few of many.
fn listed(names: &[String]) -> String {
    let mut first: Vec<_> = names.iter().take(NAMES_MAX).map(|name| clean(name, NAME_MAX)).collect();
    if names.len() > NAMES_MAX {
        first.push(format!("and {} more", names.len() - NAMES_MAX));
    }
    first.join(", ")
}

/// Returns a number with the word for objects of a type: `1 host`, `2 host groups`.
fn counted(count: usize, kind: &str) -> String {
    let mut word = String::new();
    for c in kind.chars() {
        if c.is_uppercase() && !word.is_empty() {
            word.push(' ');
        }
        word.extend(c.to_lowercase());
    }
    if count != 1 {
        match word.strip_suffix('y') {
            Some(stem) => word = format!("{stem}ies"),
            None => word.push('s'),
        }
    }
    format!("{count} {word}")
}

/// Returns a text in which no character means something to Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            // An address with @ would notify people.
            '@' => out.push_str("&#64;"),
            c if "\\`*_{}[]()#|~!$".contains(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

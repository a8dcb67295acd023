//! A configuration without the blocks that were imported: what stays in Icinga's own configuration.
//! Every statement that is left keeps its line.

use super::language::{Expression, Kind, Position, Statement, StatementKind};
use super::report::Span;
use super::tree::{Content, Included, SourceFile, Tree, join, parent};
use crate::render::quoting;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Stands where a block was: Icinga refuses a separator without a statement before it. The blank
/// keeps it apart from a bracket behind it, because `}}` is one token.
const NOTHING: &str = "if(0){} ";

/// Where the files of a configuration go below another directory. Those of zones stay in a
/// `zones.d`, because the directory gives their objects the zone.
pub struct Remaining<'a> {
    tree: &'a Tree,
    /// Path below the directory, by absolute path.
    paths: BTreeMap<&'a str, String>,
    /// Paths of the files that an include reads, as an include names them.
    included: BTreeMap<&'a Included, Vec<String>>,
    unresolved: BTreeSet<&'a Included>,
    /// Files that lead to those that were not read: path and text.
    links: Vec<(String, String)>,
    /// Imported blocks, by file.
    imported: BTreeMap<&'a str, Vec<&'a Span>>,
}

impl<'a> Remaining<'a> {
    /// Lays out the files of a tree without these blocks.
    pub fn new(tree: &'a Tree, imported: impl Iterator<Item = &'a Span>) -> Self {
        let zones: BTreeMap<&str, Option<&str>> =
            tree.files.iter().map(|file| (&*file.source, file.zone.as_deref())).collect();
        // A zone that the including file does not have is that of the directory.
        let own_zone = |zone: &'a Option<String>, included: &Option<Included>| {
            let before = included.as_ref().and_then(|included| *zones.get(&*included.by)?);
            zone.as_deref().filter(|zone| before != Some(zone))
        };
        let mut remaining = Self {
            tree,
            paths: BTreeMap::new(),
            included: BTreeMap::new(),
            unresolved: tree.unresolved.iter().collect(),
            links: Vec::new(),
            imported: BTreeMap::new(),
        };
        let files = tree.files.iter().filter(|file| matches!(file.content, Content::Configuration(_)));
        for (number, file) in files.enumerate() {
            let path = match own_zone(&file.zone, &file.included) {
                Some(zone) => format!("zones.d/{zone}/{number:06}.conf"),
                None => {
                    let path = format!("original/{number:06}.conf");
                    if let Some(included) = &file.included {
                        remaining.included.entry(included).or_default().push(path.clone());
                    }
                    path
                }
            };
            remaining.paths.insert(&file.source, path);
        }
        for (number, file) in tree.unread.iter().enumerate() {
            match (own_zone(&file.zone, &file.included), &file.included) {
                (None, Some(included)) => {
                    remaining.included.entry(included).or_default().push(file.source.to_string());
                }
                (Some(zone), _) => {
                    let text = format!("include {}\n", literal(&file.source));
                    remaining.links.push((format!("zones.d/{zone}/unread-{number:06}.conf"), text));
                }
                (None, None) => {}
            }
        }
        for span in imported {
            remaining.imported.entry(&span.file).or_default().push(span);
        }
        remaining
    }

    /// Returns the text of a main file beside them, which includes what no other file includes.
    pub fn main(&self) -> String {
        let roots = self.tree.files.iter().filter(|file| file.included.is_none());
        let paths = roots.filter_map(|file| self.paths.get(&*file.source));
        paths
            .filter(|path| path.starts_with("original/"))
            .map(|path| format!("include {}\n", literal(path)))
            .collect()
    }

    /// Returns the path of each file that was read.
    pub fn files(&self) -> impl Iterator<Item = (&'a SourceFile, &str)> {
        self.tree.files.iter().filter_map(|file| Some((file, self.paths.get(&*file.source)?.as_str())))
    }

    /// Returns path and text of files that only lead to others.
    pub fn links(&self) -> &[(String, String)] {
        &self.links
    }

    /// Returns the text of a file without its imported blocks. `text` is the original.
    pub fn text(&self, file: &SourceFile, text: &str) -> String {
        let mut edits: Vec<Edit> = Vec::new();
        for span in self.imported.get(&*file.source).into_iter().flatten() {
            edits.push(Edit { from: span.from, to: span.to, text: NOTHING.to_owned() });
        }
        let Content::Configuration(content) = &file.content else { return String::new() };
        for statement in &content.statements {
            match &statement.kind {
                StatementKind::Include(_, false)
                | StatementKind::IncludeRecursive(..)
                | StatementKind::IncludeZones(..) => edits.extend(self.include(file, statement)),
                _ => {
                    let mut nested = Vec::new();
                    every_include(statement, &mut nested);
                    edits.extend(nested.into_iter().filter_map(|inner| absolute(&file.source, inner)));
                }
            }
        }
        edited(text, edits)
    }

    /// Replaces an include by those of the files that it reads.
    fn include(&self, file: &SourceFile, statement: &Statement) -> Option<Edit> {
        let place = Included { by: file.source.clone(), at: statement.at };
        if self.unresolved.contains(&place) {
            return None;
        }
        // Icinga resolves paths from the directory of the file.
        let up = match self.paths.get(&*file.source)?.starts_with("zones.d/") {
            true => "../../",
            false => "../",
        };
        let include = |path: &String| {
            let path = if path.starts_with('/') { path.clone() } else { format!("{up}{path}") };
            format!("include {}", literal(&path))
        };
        let includes: Vec<String> = self.included.get(&place).into_iter().flatten().map(include).collect();
        let text = if includes.is_empty() { NOTHING.to_owned() } else { includes.join("; ") };
        Some(Edit { from: statement.at, to: statement.end, text })
    }
}

/// Collects the includes inside of a statement, those of blocks and dictionaries as well.
fn every_include<'s>(statement: &'s Statement, found: &mut Vec<&'s Statement>) {
    let mut bodies: Vec<&[Statement]> = statement.bodies().collect();
    match &statement.kind {
        StatementKind::Block(block) => bodies.push(&block.body),
        StatementKind::Rule(rule) => bodies.push(&rule.body),
        StatementKind::Set(_, _, Expression { kind: Kind::Dictionary(body), .. }) => bodies.push(body),
        _ => {}
    }
    for inner in bodies.into_iter().flatten() {
        match &inner.kind {
            StatementKind::Include(_, false)
            | StatementKind::Inlined(..)
            | StatementKind::IncludeRecursive(..) => found.push(inner),
            _ => every_include(inner, found),
        }
    }
}

/// Replaces the relative path of an include by an absolute one. None if it is computed.
fn absolute(file: &Arc<str>, statement: &Statement) -> Option<Edit> {
    let (word, path, pattern) = match &statement.kind {
        StatementKind::Include(path, false) | StatementKind::Inlined(path, _) => ("include", path, None),
        StatementKind::IncludeRecursive(path, pattern) => ("include_recursive", path, pattern.as_ref()),
        _ => return None,
    };
    let Kind::Text(path) = &path.kind else { return None };
    let mut text = format!("{word} {}", literal(&join(parent(file), path)));
    if let Some(pattern) = pattern {
        let Kind::Text(pattern) = &pattern.kind else { return None };
        text.push_str(&format!(", {}", literal(pattern)));
    }
    Some(Edit { from: statement.at, to: statement.end, text })
}

fn literal(text: &str) -> String {
    let mut out = String::new();
    quoting::string(&mut out, text);
    out
}

/// A text that is put in the place of another.
struct Edit {
    from: Position,
    to: Position,
    text: String,
}

/// Returns the text with these edits and the same number of lines. The first of two edits that
/// overlap is made.
fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.from);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    let mut edits = edits.into_iter().peekable();
    let mut until: Option<Position> = None;
    let mut at = Position { line: 1, column: 1 };
    for c in text.chars() {
        if until.is_some_and(|until| at >= until) {
            until = None;
        }
        while let Some(edit) = edits.next_if(|edit| edit.from <= at) {
            if until.is_none() && edit.from == at && edit.to > at {
                out.push_str(&edit.text);
                until = Some(edit.to);
            }
        }
        // A replacement has no lines of its own, so the lines behind it keep their numbers.
        if until.is_none() || c == '\n' {
            out.push(c);
        }
        (at.line, at.column) = if c == '\n' { (at.line + 1, 1) } else { (at.line, at.column + 1) };
    }
    out
}

#[cfg(test)]
mod tests;

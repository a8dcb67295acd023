//! Directories of zones that Icinga does not read: below `zones.d`, it takes those of declared
//! zones only, and no file beside them.

use super::paths::relative;
use super::{Content, Tree};
use crate::import::language::{Expression, Kind, Statement, StatementKind};
use std::collections::{BTreeMap, BTreeSet};

/// Files beside `icinga2.conf` that Icinga does not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// The directory of a zone that nothing declares, or a file that is in no zone's directory, for
    /// messages.
    pub path: String,
    /// The zone. None for a file.
    pub zone: Option<String>,
}

/// Takes the files away that Icinga does not read. `directory` is the `zones.d` of the main file,
/// and `plain` returns the text of a name. Nothing is taken if an unknown name, or a file that
/// cannot be read, may declare a zone.
pub(super) fn ignore(tree: &mut Tree, directory: &str, plain: &dyn Fn(&Expression) -> Option<String>) {
    if !tree.unread.is_empty() || !tree.unresolved.is_empty() {
        return;
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut declared: Vec<Vec<Option<String>>> = Vec::new();
    let mut open: BTreeSet<usize> = BTreeSet::new();
    for (number, file) in tree.files.iter().enumerate() {
        let mut names = Vec::new();
        if let Content::Configuration(content) = &file.content {
            content.statements.iter().for_each(|statement| zones(statement, plain, &mut names));
        }
        declared.push(names);
        open.insert(number);
    }
    let below = format!("{directory}/");
    let numbers: BTreeMap<&str, usize> =
        tree.files.iter().enumerate().map(|(number, file)| (&*file.source, number)).collect();
    // A directory may declare the zone of another one, also of one that is read before it.
    loop {
        let is_read = |number: &usize| {
            let Some(file) = tree.files.get(*number) else { return false };
            match (&file.included, &file.zone, &file.content) {
                (Some(included), ..) => numbers.get(&*included.by).is_none_or(|by| !open.contains(by)),
                (None, _, Content::Director(_)) => true,
                (None, _, _) if !file.source.starts_with(&below) => true,
                (None, zone, _) => zone.as_ref().is_some_and(|zone| known.contains(zone)),
            }
        };
        let read: Vec<usize> = open.iter().copied().filter(is_read).collect();
        if read.is_empty() {
            break;
        }
        for number in read {
            open.remove(&number);
            for name in declared.get(number).into_iter().flatten() {
                let Some(name) = name else { return };
                known.insert(name.clone());
            }
        }
    }
    let shown = |number: usize| {
        let file = tree.files.get(number).filter(|file| file.included.is_none())?;
        let Some(zone) = &file.zone else { return Some(Ignored { path: file.path.clone(), zone: None }) };
        // The part of the shown path that is the zone's directory.
        let rest = relative(&file.source, &format!("{below}{zone}"));
        let path = file.path.strip_suffix(rest).map_or(file.path.as_str(), |path| path.trim_end_matches('/'));
        Some(Ignored { path: path.to_owned(), zone: Some(zone.clone()) })
    };
    let ignored: BTreeSet<Ignored> = open.iter().filter_map(|number| shown(*number)).collect();
    tree.ignored.extend(ignored);
    let mut number = 0;
    tree.files.retain(|_| {
        number += 1;
        !open.contains(&(number - 1))
    });
}

/// Collects the names of the zones that a statement declares. None for one that is not known.
fn zones(
    statement: &Statement,
    plain: &dyn Fn(&Expression) -> Option<String>,
    names: &mut Vec<Option<String>>,
) {
    if let StatementKind::Block(block) = &statement.kind {
        // A computed type may be a zone.
        let is_zone = match &block.object_type.kind {
            Kind::Name(name) => name == "Zone",
            _ => true,
        };
        if is_zone && !block.is_template {
            names.push(block.name.as_ref().and_then(plain));
        }
    }
    statement.bodies().flatten().for_each(|inner| zones(inner, plain, names));
}

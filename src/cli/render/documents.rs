//! What `render` prints for programs.

use super::set::{self, Set};
use crate::cli::output::Document;
use crate::expansion::{self, Comparison, Id, Meaning, Place};
use serde::Serialize;

/// The files that would be published, and what is refused.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Rendered<'a> {
    published: Vec<File<'a>>,
    refused: Vec<Refused<'a>>,
}

/// A file that would be published.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct File<'a> {
    namespace: &'a str,
    name: &'a str,
    path: String,
    digest: String,
    content: String,
}

/// An object that is refused, or a document that cannot be read.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Refused<'a> {
    /// Empty if it has none that can be read, as `name`.
    namespace: &'a str,
    name: &'a str,
    place: &'a str,
    reason: &'static str,
    message: &'a str,
}

/// What a change of manifests means.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Changes<'a> {
    summary: String,
    equal: usize,
    added: Vec<Placed<'a>>,
    removed: Vec<Placed<'a>>,
    changed: Vec<Changed<'a>>,
    not_notified_any_more: &'a [String],
    new_and_not_notified: &'a [String],
    not_checked_any_more: &'a [String],
    refused_before: Vec<Refused<'a>>,
    refused: Vec<Refused<'a>>,
}

/// An object of one side.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Placed<'a> {
    r#type: &'a str,
    name: &'a str,
    /// The MonitoringObject. Null if another file declares it.
    resource: Option<String>,
    file: &'a str,
    line: u32,
}

/// An object of both sides, with other values.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Changed<'a> {
    r#type: &'a str,
    name: &'a str,
    differences: Vec<Difference<'a>>,
    /// How many more values differ.
    more: usize,
}

/// A value that differs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Difference<'a> {
    path: &'a str,
    old: Side<'a>,
    new: Side<'a>,
}

/// One side of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Side<'a> {
    /// As JSON. Null if it is not set.
    value: Option<&'a str>,
    resource: Option<String>,
    file: &'a str,
    line: u32,
}

impl Document for Rendered<'_> {
    const KIND: &'static str = "Render";
}

impl Document for Changes<'_> {
    const KIND: &'static str = "RenderChanges";
}

impl<'a> Rendered<'a> {
    /// Returns the document of a set.
    pub(super) fn of(set: &'a Set) -> Self {
        let published = set.published.iter().map(|content| {
            let key = content.key();
            File {
                namespace: key.namespace(),
                name: key.name(),
                path: key.path(),
                digest: content.digest().to_string(),
                content: content.text(),
            }
        });
        Self { published: published.collect(), refused: refused(set) }
    }
}

fn refused(set: &Set) -> Vec<Refused<'_>> {
    set.refused.iter().map(one_refused).collect()
}

fn one_refused(refused: &set::Refused) -> Refused<'_> {
    let (namespace, name) = refused.key.as_ref().map_or(("", ""), |key| (key.namespace(), key.name()));
    let (place, message) = (refused.place.as_str(), refused.message.as_str());
    Refused { namespace, name, place, reason: refused.reason.as_str(), message }
}

impl<'a> Changes<'a> {
    /// Returns the document of a comparison.
    pub(super) fn of(
        summary: String,
        comparison: &'a Comparison,
        meaning: &'a Meaning,
        (old, new): (&'a Set, &'a Set),
    ) -> Self {
        let changed = comparison.changed.iter().map(|one| Changed {
            r#type: &one.id.kind,
            name: &one.id.name,
            differences: one.differences.iter().map(difference).collect(),
            more: one.more,
        });
        Self {
            summary,
            equal: comparison.equal,
            added: comparison.only_new.iter().map(placed).collect(),
            removed: comparison.only_old.iter().map(placed).collect(),
            changed: changed.collect(),
            not_notified_any_more: &meaning.silenced,
            new_and_not_notified: &meaning.silent,
            not_checked_any_more: &meaning.unchecked,
            refused_before: refused(old),
            refused: refused(new),
        }
    }
}

fn placed((id, place): &(Id, Place)) -> Placed<'_> {
    Placed {
        r#type: &id.kind,
        name: &id.name,
        resource: resource(&place.file),
        file: &place.file,
        line: place.line,
    }
}

fn difference(one: &expansion::Difference) -> Difference<'_> {
    Difference { path: &one.path, old: side(&one.old), new: side(&one.new) }
}

fn side(side: &expansion::Side) -> Side<'_> {
    Side {
        value: side.value.as_deref(),
        resource: resource(&side.place.file),
        file: &side.place.file,
        line: side.place.line,
    }
}

/// Returns the resource that a file of the set is made of. None for another file.
pub(super) fn resource(file: &str) -> Option<String> {
    file.strip_prefix("objects.d/")?.strip_suffix(".conf").map(str::to_owned)
}

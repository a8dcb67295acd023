//! Reads trees of configuration: follows includes from an `icinga2.conf`, or takes every file of a
//! directory. Bounded, and what cannot be read is reported while the rest goes on.

mod paths;
mod walk;
mod zones;

pub use paths::{base_name, join, parent, relative};
pub use walk::{Reader, nested_includes, read};
pub use zones::Ignored;

use super::language::{File, Position};
use std::sync::Arc;

/// Largest file, in bytes.
pub const MAX_FILE: usize = 16 << 20;
/// Most bytes of all files.
pub const MAX_TOTAL: usize = 128 << 20;
/// Most tokens of all files: several times those of 10,000 hosts.
pub const MAX_TOKENS: usize = 12_000_000;
/// Most files and directories.
pub const MAX_FILES: usize = 100_000;
/// Deepest nesting of directories and includes.
pub const MAX_DEPTH: usize = 40;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Nothing, or something else.
    Nothing,
}

/// Access to files. Paths have slashes and are absolute.
pub trait Source {
    /// Returns what is at a path.
    fn found(&self, path: &str) -> Found;
    /// Returns the bytes of a file, at most one more than [`MAX_FILE`].
    ///
    /// # Errors
    /// If it cannot be read: the cause.
    fn bytes(&self, path: &str) -> Result<Vec<u8>, String>;
    /// Returns the names in a directory, sorted.
    ///
    /// # Errors
    /// If it cannot be listed: the cause.
    fn names(&self, path: &str) -> Result<Vec<String>, String>;
}

/// A file of configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceFile {
    /// Its path, for messages and for the file that is written of it: relative to what was given.
    pub path: String,
    /// Its absolute path.
    pub source: Arc<str>,
    /// Zone whose directory below `zones.d` holds it.
    pub zone: Option<String>,
    /// The include that led to it. None for what was given, and for `zones.d`.
    pub included: Option<Included>,
    /// Its content.
    pub content: Content,
}

/// An include.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Included {
    /// Absolute path of the file that has it.
    pub by: Arc<str>,
    /// Where it begins.
    pub at: Position,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Icinga's language.
    Configuration(File),
    /// A basket or an export of Icinga Director.
    Director(serde_json::Value),
}

/// A file, directory or include that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path.
    pub path: String,
    /// Where in it. None for all of it.
    pub at: Option<Position>,
    /// What is wrong, and what to do.
    pub message: String,
}

/// A file that is there and was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its absolute path.
    pub source: Arc<str>,
    /// As that of a [`SourceFile`].
    pub zone: Option<String>,
    /// As that of a [`SourceFile`].
    pub included: Option<Included>,
}

/// All files, in the order in which Icinga reads them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// The files.
    pub files: Vec<SourceFile>,
    /// What cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The files among it.
    pub unread: Vec<Unread>,
    /// The includes at top level whose files are not known, because the path is computed or
    /// nothing is there.
    pub unresolved: Vec<Included>,
    /// What is beside the main file, and Icinga does not read.
    pub ignored: Vec<Ignored>,
}

#[cfg(test)]
mod tests;

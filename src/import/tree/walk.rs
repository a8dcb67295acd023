//! Walks through files, directories and includes.

mod inline;

use super::paths::{base_name, join, matches, parent, relative, zone_of};
use super::zones;
use super::{
    Content, Found, Included, MAX_DEPTH, MAX_FILE, MAX_FILES, MAX_TOKENS, MAX_TOTAL, Source, SourceFile,
    Tree, Unread, Unreadable,
};
use crate::import::language::{self, Expression, File, Kind, Position, Statement, StatementKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Longest path of an include, in bytes: that of Linux. Sums of constants are not longer, either.
const MAX_PATH: usize = 4096;

/// Reads what a person gave.
pub struct Reader<'a> {
    source: &'a dyn Source,
    tree: Tree,
    /// Files that were read, by absolute path.
    seen: BTreeSet<String>,
    /// Files whose includes are being followed.
    open: Vec<String>,
    /// The include that is being followed.
    through: Option<Included>,
    total: usize,
    tokens: usize,
    /// Directories and files so far.
    count: usize,
    /// Directory to which the paths of messages are relative.
    base: String,
    /// What stands before these paths.
    prefix: String,
    /// Constants with plain texts, for the paths of includes.
    texts: BTreeMap<String, String>,
    /// The `zones.d` beside each main file.
    zones: Vec<String>,
    progress: &'a mut dyn FnMut(usize),
}

/// Reads files and directories, each by its absolute path. `defines` are constants from the command
/// line. `progress` hears of every thousandth file.
pub fn read(
    source: &dyn Source,
    paths: &[String],
    defines: &BTreeMap<String, String>,
    progress: &mut dyn FnMut(usize),
) -> Tree {
    let mut reader = Reader {
        source,
        tree: Tree::default(),
        seen: BTreeSet::new(),
        open: Vec::new(),
        through: None,
        total: 0,
        tokens: 0,
        count: 0,
        base: String::new(),
        prefix: String::new(),
        texts: defines.clone(),
        zones: Vec::new(),
        progress,
    };
    for path in paths {
        let path = path.as_str();
        let is_directory = source.found(path) == Found::Directory;
        reader.base = if is_directory { path.to_owned() } else { parent(path).to_owned() };
        // Several directories may hold files of the same name.
        let name = base_name(path);
        reader.prefix = if paths.len() > 1 && is_directory { format!("{name}/") } else { String::new() };
        reader.given(path);
    }
    let mut tree = std::mem::take(&mut reader.tree);
    for directory in &reader.zones {
        zones::ignore(&mut tree, directory, &|name| reader.plain(name));
    }
    tree
}

impl Reader<'_> {
    fn given(&mut self, path: &str) {
        match self.source.found(path) {
            Found::Nothing => self.unreadable(path, None, "is no file and no directory; correct the path"),
            Found::Directory => {
                let main = join(path, "icinga2.conf");
                if self.source.found(&main) == Found::File {
                    self.main_file(&main)
                } else {
                    self.directory(path, "*.conf", None, 0)
                }
            }
            Found::File if base_name(path) == "icinga2.conf" => self.main_file(path),
            Found::File => self.file(path, None, 0),
        }
    }

    /// Icinga reads `zones.d` beside the main file without being told.
    fn main_file(&mut self, path: &str) {
        self.file(path, None, 0);
        let directory = join(parent(path), "zones.d");
        if self.source.found(&directory) == Found::Directory {
            self.directory(&directory, "*.conf", None, 0);
            self.zones.push(directory);
        }
    }

    fn name(&self, path: &str) -> String {
        if path.starts_with(&format!("{}/", self.base)) {
            format!("{}{}", self.prefix, relative(path, &self.base))
        } else {
            path.trim_start_matches('/').to_owned()
        }
    }

    fn unreadable(&mut self, path: &str, at: Option<Position>, message: &str) {
        let path = self.name(path);
        let path = if path.is_empty() { ".".to_owned() } else { path };
        self.tree.unreadable.push(Unreadable { path, at, message: message.to_owned() });
    }

    /// Reports a file that is there and cannot be read.
    fn unread(&mut self, path: &str, zone: Option<&str>, at: Option<Position>, message: &str) {
        self.unreadable(path, at, message);
        let (zone, included) = (zone.map(str::to_owned), self.through.clone());
        self.tree.unread.push(Unread { source: path.into(), zone, included });
    }

    /// True if one more file or directory may be read.
    fn may_go_on(&mut self, path: &str, depth: usize) -> bool {
        self.count += 1;
        if self.count.is_multiple_of(1000) {
            (self.progress)(self.count);
        }
        if depth > MAX_DEPTH {
            self.unreadable(
                path,
                None,
                &format!("is nested more than {MAX_DEPTH} levels deep; make it flatter"),
            );
            return false;
        }
        if self.count > MAX_FILES {
            if self.count == MAX_FILES + 1 {
                let what = format!("is the first after {MAX_FILES} files; import the tree in parts");
                self.unreadable(path, None, &what);
            }
            return false;
        }
        true
    }

    fn directory(&mut self, path: &str, pattern: &str, zone: Option<&str>, depth: usize) {
        if !self.may_go_on(path, depth) {
            return;
        }
        let names = match self.source.names(path) {
            Ok(names) => names,
            Err(cause) => {
                return self.unreadable(
                    path,
                    None,
                    &format!("cannot be listed ({cause}); give the right to read it"),
                );
            }
        };
        for name in names {
            let below = join(path, &name);
            match self.source.found(&below) {
                Found::Directory => self.directory(&below, pattern, zone, depth + 1),
                Found::File
                    if matches(pattern, &name)
                        || (pattern == "*.conf" && name.ends_with(".json") && depth == 0) =>
                {
                    self.file(&below, zone, depth + 1)
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &str, zone: Option<&str>, depth: usize) {
        if self.open.iter().any(|open| open == path) {
            return self.unreadable(
                path,
                None,
                "includes itself, directly or through others; remove one of the includes",
            );
        }
        if self.seen.contains(path) || !self.may_go_on(path, depth) {
            return;
        }
        self.seen.insert(path.to_owned());
        let own_zone = zone.map(str::to_owned).or_else(|| zone_of(path));
        let zone = own_zone.as_deref();
        let bytes = match self.source.bytes(path) {
            Ok(bytes) => bytes,
            Err(cause) => {
                let what = format!("cannot be read ({cause}); give the right to read it");
                return self.unread(path, zone, None, &what);
            }
        };
        if bytes.len() > MAX_FILE {
            let most = MAX_FILE >> 20;
            return self.unread(path, zone, None, &format!("is larger than {most} MiB; split it"));
        }
        self.total += bytes.len();
        if self.total > MAX_TOTAL {
            let most = MAX_TOTAL >> 20;
            self.total -= bytes.len();
            let what = format!("is beyond {most} MiB of all files; import the tree in parts");
            return self.unread(path, zone, None, &what);
        }
        let text = match text(bytes) {
            Ok(text) => text,
            Err((at, message)) => return self.unread(path, zone, Some(at), &message),
        };
        let source: Arc<str> = path.into();
        if path.ends_with(".json") {
            // Each value needs more memory than its text.
            self.tokens += text.bytes().filter(|byte| b",:[{".contains(byte)).count();
            if self.tokens > MAX_TOKENS {
                let what = format!("is beyond {MAX_TOKENS} words and signs of all files; import in parts");
                return self.unread(path, zone, None, &what);
            }
            match serde_json::from_str(&text) {
                Ok(json) => {
                    let (path, content) = (self.name(path), Content::Director(json));
                    self.tree.files.push(SourceFile {
                        path,
                        source,
                        zone: own_zone,
                        included: None,
                        content,
                    });
                }
                Err(error) => {
                    let at = Position {
                        line: u32::try_from(error.line()).unwrap_or(u32::MAX),
                        column: u32::try_from(error.column()).unwrap_or(u32::MAX),
                    };
                    self.unreadable(path, Some(at), "is no JSON; export the basket again");
                }
            }
            return;
        }
        match language::parse(&text) {
            Err(problem) => self.unread(path, zone, Some(problem.at), &problem.message),
            Ok(file) if self.tokens + file.tokens > MAX_TOKENS => {
                let what =
                    format!("is beyond {MAX_TOKENS} words and signs of all files; import the tree in parts");
                self.unread(path, zone, None, &what);
            }
            Ok(mut file) => {
                self.tokens += file.tokens;
                let includes = self.includes(path, &file);
                self.inline(path, &mut file.statements, depth);
                let through = self.through.take();
                self.tree.files.push(SourceFile {
                    path: self.name(path),
                    source: source.clone(),
                    zone: own_zone.clone(),
                    included: through.clone(),
                    content: Content::Configuration(file),
                });
                self.open.push(path.to_owned());
                for include in includes {
                    self.through = Some(Included { by: source.clone(), at: include.at });
                    self.include(path, include, zone, depth + 1);
                }
                self.through = through;
                self.open.pop();
            }
        }
    }

    /// Returns the includes of a file at top level, and learns its plain constants.
    fn includes(&mut self, path: &str, file: &File) -> Vec<Include> {
        let mut found = Vec::new();
        for statement in &file.statements {
            let at = statement.at;
            match &statement.kind {
                StatementKind::Constant(name, value) => {
                    if let Some(text) = self.plain(value) {
                        self.texts.insert(name.clone(), text);
                    }
                }
                StatementKind::Include(_, true) | StatementKind::Library(_) => {}
                StatementKind::Include(path, false) => {
                    found.push(Include { at, path: path.clone(), pattern: None, kind: IncludeKind::File });
                }
                StatementKind::IncludeRecursive(path, pattern) => {
                    let pattern = pattern.clone();
                    found.push(Include { at, path: path.clone(), pattern, kind: IncludeKind::Recursive });
                }
                StatementKind::IncludeZones(_, path, pattern) => {
                    let pattern = pattern.clone();
                    found.push(Include { at, path: path.clone(), pattern, kind: IncludeKind::Zones });
                }
                _ => {}
            }
        }
        let mut nested = Vec::new();
        file.statements.iter().for_each(|statement| nested_includes(statement, &mut nested));
        for at in nested.into_iter().map(|include| include.at) {
            let what = "the include is inside of another statement, and code is not run; give the included file to import, too";
            self.unreadable(path, Some(at), what);
        }
        found
    }

    /// Returns the text of an expression of texts, plain constants and `+`.
    fn plain(&self, expression: &Expression) -> Option<String> {
        match &expression.kind {
            Kind::Text(text) => Some(text.clone()).filter(|text| text.len() <= MAX_PATH),
            Kind::Name(name) => self.texts.get(name).cloned(),
            Kind::Chain(language::BinaryOperator::Add, parts) => {
                let mut whole = String::new();
                for part in parts {
                    whole.push_str(&self.plain(part)?);
                    if whole.len() > MAX_PATH {
                        return None;
                    }
                }
                Some(whole)
            }
            _ => None,
        }
    }

    fn include(&mut self, from: &str, include: Include, zone: Option<&str>, depth: usize) {
        let Some(given) = self.plain(&include.path) else {
            let what = "the path of the include is no plain text, and code is not run; give the included file to import, too";
            self.tree.unresolved.extend(self.through.clone());
            return self.unreadable(from, Some(include.at), what);
        };
        let path = join(parent(from), &given);
        // Constants of files that were included meanwhile count.
        let pattern = include.pattern.as_ref().and_then(|pattern| self.plain(pattern));
        let pattern = pattern.unwrap_or_else(|| "*.conf".into());
        match include.kind {
            IncludeKind::Recursive => match self.source.found(&path) {
                Found::Directory => self.directory(&path, &pattern, zone, depth),
                _ => self.missing(from, include.at, &given),
            },
            IncludeKind::Zones => match self.source.names(&path) {
                Ok(names) => {
                    for name in names {
                        let below = join(&path, &name);
                        if self.source.found(&below) == Found::Directory {
                            self.directory(&below, &pattern, Some(&name), depth);
                        }
                    }
                }
                Err(_) => self.missing(from, include.at, &given),
            },
            IncludeKind::File if given.contains(['*', '?']) => {
                let directory = parent(&path).to_owned();
                let pattern = base_name(&path).to_owned();
                if directory.contains(['*', '?']) {
                    self.tree.unresolved.extend(self.through.clone());
                    return self.unreadable(
                        from,
                        Some(include.at),
                        "the include has a pattern in the name of a directory; give its files to import, too",
                    );
                }
                // As in Icinga, a pattern that nothing matches is no error.
                let names = match self.source.names(&directory) {
                    Ok(names) => names,
                    Err(_) if self.source.found(&directory) == Found::Nothing => Vec::new(),
                    Err(cause) => {
                        let what = format!("cannot be listed ({cause}); give the right to read it");
                        return self.unreadable(&directory, None, &what);
                    }
                };
                // A shell's pattern does not match hidden files, and one for a whole tree does.
                for name in
                    names.into_iter().filter(|name| pattern.starts_with('.') || !name.starts_with('.'))
                {
                    let below = join(&directory, &name);
                    if matches(&pattern, &name) && self.source.found(&below) == Found::File {
                        self.file(&below, zone, depth);
                    }
                }
            }
            IncludeKind::File => match self.source.found(&path) {
                Found::File => self.file(&path, zone, depth),
                _ => self.missing(from, include.at, &given),
            },
        }
    }

    fn missing(&mut self, from: &str, at: Position, given: &str) {
        self.tree.unresolved.extend(self.through.clone());
        let given = crate::text::quoted(given);
        self.unreadable(
            from,
            Some(at),
            &format!("includes {given}, which is not there; restore it, or remove the include"),
        );
    }
}

/// Collects the includes of files inside of a statement.
pub fn nested_includes<'s>(statement: &'s Statement, found: &mut Vec<&'s Statement>) {
    for inner in statement.bodies().flatten() {
        match &inner.kind {
            StatementKind::Include(_, false)
            | StatementKind::IncludeRecursive(..)
            | StatementKind::IncludeZones(..) => found.push(inner),
            _ => nested_includes(inner, found),
        }
    }
}

struct Include {
    at: Position,
    path: Expression,
    pattern: Option<Expression>,
    kind: IncludeKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IncludeKind {
    File,
    Recursive,
    Zones,
}

/// Returns the text of a file.
fn text(bytes: Vec<u8>) -> Result<String, (Position, String)> {
    let place = |before: &[u8]| {
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err((
            place(&bytes[..at]),
            "has a NUL byte, which would cut a text in Icinga; remove it".into(),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (place(&error.as_bytes()[..at]), "is not UTF-8; convert the file, for example by iconv".into())
    })
}

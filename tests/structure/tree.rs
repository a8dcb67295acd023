//! The modules of one crate: their files, and which module each path leads to.

use crate::source::{Found, Module, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module by the names that lead to it from the root of the crate.
pub type Name = Vec<String>;

/// Every module of a crate, found by its `mod` declarations.
#[derive(Debug)]
pub struct Tree {
    /// The modules by name; the root has the empty name.
    pub modules: BTreeMap<Name, Node>,
}

/// One module.
#[derive(Debug)]
pub struct Node {
    /// The file that it stands in.
    pub file: PathBuf,
    /// True if only a test build has it.
    pub is_test: bool,
    /// Its content, without the modules in it.
    pub scope: Scope,
}

/// A path in the code that leads to another module of the same crate.
#[derive(Debug)]
pub struct Reference<'a> {
    /// The module that has the path.
    pub from: &'a [String],
    /// The path from the root of the crate, before re-exports are followed.
    pub written: Name,
    /// The module that defines the item.
    pub to: Name,
    /// The file and the line.
    pub place: (&'a Path, usize),
}

impl std::fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, line) = self.place;
        write!(f, "{}:{line} uses {}", file.display(), self.written.join("::"))
    }
}

impl Tree {
    /// Reads the crate whose root is this file.
    ///
    /// # Panics
    /// If a file is missing or is not Rust.
    pub fn read(root: &Path) -> Self {
        let mut tree = Self { modules: BTreeMap::new() };
        let directory = root.parent().expect("a directory").to_path_buf();
        tree.add(Vec::new(), root.to_path_buf(), &directory, false, read(root));
        tree
    }

    /// Adds a module and all below it. Files of its children are in `directory`.
    fn add(&mut self, name: Name, file: PathBuf, directory: &Path, is_test: bool, mut scope: Scope) {
        for module in &mut scope.modules {
            let child = [&name[..], std::slice::from_ref(&module.name)].concat();
            let is_test = is_test || module.is_test;
            let below = directory.join(&module.name);
            if let Some(inline) = module.inline.take() {
                self.add(child, file.clone(), &below, is_test, inline);
                continue;
            }
            let (path, below) = place_of(module, directory, file.parent().expect("a directory"));
            let scope = read(&path);
            self.add(child, path, &below, is_test, scope);
        }
        self.modules.insert(name, Node { file, is_test, scope });
    }

    /// Every reference from one module to another, and from a module to the items of an ancestor, in the code without tests.
    pub fn references(&self) -> Vec<Reference<'_>> {
        let mut found = Vec::new();
        for (from, node) in self.modules.iter().filter(|(_, node)| !node.is_test) {
            for Found { what, line } in &node.scope.paths {
                let Some(written) = self.absolute(from, what) else { continue };
                let to = self.defined_in(&written, 0);
                if to != *from {
                    found.push(Reference { from, written, to, place: (&node.file, *line) });
                }
            }
        }
        found
    }

    /// The path from the root of the crate; `None` if it leads to another crate, or starts with an imported name: then the
    /// import is a reference of its own.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let mut base = module;
                let mut rest = path;
                while let Some(("super", more)) =
                    rest.split_first().map(|(first, more)| (first.as_str(), more))
                {
                    base = &base[..base.len().checked_sub(1)?];
                    rest = more;
                }
                Some([base, rest].concat())
            }
            _ => {
                let child = [module, std::slice::from_ref(first)].concat();
                self.modules.contains_key(&child).then(|| [module, path].concat())
            }
        }
    }

    /// The module that defines what the path names, through re-exports.
    fn defined_in(&self, path: &[String], depth: usize) -> Name {
        let mut module: Name = Vec::new();
        for (position, segment) in path.iter().enumerate() {
            let child = [&module[..], std::slice::from_ref(segment)].concat();
            if self.modules.contains_key(&child) {
                module = child;
                continue;
            }
            let scope = &self.modules[&module].scope;
            let import = scope.names.get(segment).and_then(|import| self.absolute(&module, import));
            if let (Some(import), true) = (import, depth < 8) {
                return self.defined_in(&[&import[..], &path[position + 1..]].concat(), depth + 1);
            }
            return module;
        }
        module
    }

    /// The files of this crate.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.modules.values().map(|node| node.file.as_path()).collect()
    }
}

fn read(file: &Path) -> Scope {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Scope::read(&text)
}

/// The file of a module, and the directory of its children.
fn place_of(module: &Module, directory: &Path, beside: &Path) -> (PathBuf, PathBuf) {
    let below = directory.join(&module.name);
    if let Some(path) = &module.path {
        let path = beside.join(path);
        let below = path.parent().expect("a directory").to_path_buf();
        return (path, below);
    }
    let file = directory.join(format!("{}.rs", module.name));
    if file.is_file() { (file, below) } else { (below.join("mod.rs"), below) }
}

//! The shape of the repository: one direction of imports, pure code that reaches for nothing outside, and documents that name
//! what is there. Each test reads the whole of every file with `syn`, but the code under `#[cfg(test)]`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

mod architecture;
mod chart;
mod circles;
mod commands;
mod direction;
mod documented;
mod exit_codes;
mod faults;
mod fields;
#[path = "../support/page.rs"]
mod page;
mod pages;
mod pure;
mod running;
mod source;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tree::Tree;

/// The library.
static LIBRARY: LazyLock<Tree> = LazyLock::new(|| Tree::read(&root().join("src/lib.rs")));

/// The directory of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path below the repository, for messages and comparisons.
fn relative(path: &Path) -> &str {
    path.strip_prefix(root()).unwrap_or(path).to_str().expect("a path in UTF-8")
}

/// Reads a file of the repository.
fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below a directory.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(is_rust)
        .collect()
}

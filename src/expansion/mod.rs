//! Effective objects: what real Icinga 2 makes of a configuration, after templates, rules and
//! loops, and how two configurations differ in them.
//!
//! `run.rs` lets Icinga expand a configuration; everything else is pure. `objects.rs` reads what
//! Icinga wrote, `normal.rs` says which values mean the same, `compare.rs` finds the differences,
//! `meaning.rs` says what they mean for those who are on call, and `prove.rs` compares what was
//! imported with what it was made of.

mod compare;
mod meaning;
mod members;
mod normal;
mod objects;
mod prove;
mod run;

pub use compare::{Changed, Comparison, Difference, Side, compare};
pub use meaning::{Change, Group, Meaning, meaning};
pub use objects::{Effective, Id, Objects, Place};
pub use prove::{Proof, original, proof, result};
pub use run::{Configuration, Expansion, Icinga, Verdict};

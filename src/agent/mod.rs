//! The agent: turns a delivered set into a running Icinga 2 that has loaded it, and proves it; or
//! keeps the last good set and reports why.

pub mod core;
pub mod icinga;
pub mod trees;

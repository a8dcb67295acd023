//! Constants with plain values.

use crate::import::document::Node;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Most weight of all values that are copied from constants and variables. A short text that
/// names a large constant often would else become gigabytes.
const MAX_COPIED: usize = 256 << 20;

/// Constants by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    values: BTreeMap<String, Node>,
    copied: Cell<usize>,
}

impl Constants {
    /// Returns those of the command line.
    pub(super) fn defined(defines: &BTreeMap<String, String>) -> Self {
        let values = defines.iter().map(|(name, text)| (name.clone(), Node::text(text))).collect();
        Self { values, copied: Cell::new(0) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.values.get(name)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    pub(super) fn set(&mut self, name: String, node: Node) {
        self.values.insert(name, node);
    }

    /// Counts a copy of a value. False if there were too many.
    pub(super) fn spend(&self, weight: usize) -> bool {
        self.copied.set(self.copied.get().saturating_add(weight));
        self.copied.get() <= MAX_COPIED
    }
}

//! Constants with plain values.

use crate::import::document::Node;
use std::collections::BTreeMap;

/// Constants by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants(BTreeMap<String, Node>);

impl Constants {
    /// Returns those of the command line.
    pub(super) fn defined(defines: &BTreeMap<String, String>) -> Self {
        Self(defines.iter().map(|(name, text)| (name.clone(), Node::text(text))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.0.get(name)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn set(&mut self, name: String, node: Node) {
        self.0.insert(name, node);
    }
}

//! Settings that an administrator chooses once for the whole hub.

use super::constants::Constants;
use super::facts::trusted;
use super::name::Name;
use crate::api::IcingaVersion;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Settings that decide what may be published.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Namespaces whose resources may declare commands.
    pub privileged_namespaces: BTreeSet<String>,
    /// Objects that Icinga has from elsewhere, so that resources may name them, and the facts that
    /// hold of them.
    pub external_objects: BTreeSet<Name>,
    /// Version of the hub's Icinga.
    pub icinga_version: IcingaVersion,
    /// Constants that commands may name.
    pub constants: Arc<Constants>,
}

impl Settings {
    /// Returns settings from the lists of the command line.
    ///
    /// # Errors
    /// If an external object is not of the form `Type!name`; the message names it.
    pub fn new(
        privileged: &[String],
        external: &[String],
        icinga_version: IcingaVersion,
    ) -> Result<Self, String> {
        let mut external_objects = external
            .iter()
            .filter(|text| !text.is_empty())
            .map(|text| Name::parse(text).map_err(|error| format!("external object {error}")))
            .collect::<Result<BTreeSet<_>, _>>()?;
        external_objects.extend(external_objects.iter().flat_map(trusted).collect::<Vec<_>>());
        Ok(Self {
            privileged_namespaces: privileged.iter().filter(|n| !n.is_empty()).cloned().collect(),
            external_objects,
            icinga_version,
            constants: Arc::default(),
        })
    }

    /// Returns these settings with more constants that commands may name.
    ///
    /// # Errors
    /// If a name is none of a constant; the message has it.
    pub fn with_constants(self, names: &[String]) -> Result<Self, String> {
        Ok(Self { constants: Arc::new(Constants::with(names)?), ..self })
    }
}

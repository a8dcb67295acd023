//! Versions of Icinga 2, and what each knows.

use super::name::Name;

/// Version of the Icinga 2 that loads the volume, or a satellite's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum IcingaVersion {
    /// Checked with 2.13.6.
    #[default]
    #[value(name = "2.13")]
    V2_13,
    /// Checked with 2.14.6.
    #[value(name = "2.14")]
    V2_14,
    /// What 2.14 and 2.16 have both.
    #[value(name = "2.15")]
    V2_15,
    /// Checked with 2.16.5.
    #[value(name = "2.16")]
    V2_16,
}

impl IcingaVersion {
    /// All of them, the oldest first.
    pub const ALL: [Self; 4] = [Self::V2_13, Self::V2_14, Self::V2_15, Self::V2_16];

    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2_13 => "2.13",
            Self::V2_14 => "2.14",
            Self::V2_15 => "2.15",
            Self::V2_16 => "2.16",
        }
    }

    /// What is true where this version, or a later one, loads the set.
    pub fn or_later(self) -> Name {
        Name::fact(&format!("Icinga {} or later", self.as_str()))
    }

    /// Versions that have an attribute which not all have; nothing for one that all have. (From Icinga's sources, and asked of 2.13.6,
    /// 2.14.6 and 2.16.5.)
    pub(super) fn of_attribute(attribute: &str) -> Option<Self> {
        (attribute == "redundancy_group").then_some(Self::V2_14)
    }
}

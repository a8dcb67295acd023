use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of an Icinga 2.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
pub enum IcingaVersion {
    /// Checked with 2.13.6.
    #[default]
    #[serde(rename = "2.13")]
    #[value(name = "2.13")]
    V2_13,
    /// Checked with 2.14.6.
    #[serde(rename = "2.14")]
    #[value(name = "2.14")]
    V2_14,
    /// The attributes that both 2.14 and 2.16 have.
    #[serde(rename = "2.15")]
    #[value(name = "2.15")]
    V2_15,
    /// Checked with 2.16.5.
    #[serde(rename = "2.16")]
    #[value(name = "2.16")]
    V2_16,
}

impl IcingaVersion {
    /// Every version, the oldest first.
    pub const ALL: [Self; 4] = [Self::V2_13, Self::V2_14, Self::V2_15, Self::V2_16];

    /// Returns the version as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2_13 => "2.13",
            Self::V2_14 => "2.14",
            Self::V2_15 => "2.15",
            Self::V2_16 => "2.16",
        }
    }
}

//! Attributes that only some versions of Icinga 2 know.

use super::name::Name;
use crate::api::IcingaVersion;

/// Returns the fact that this version of Icinga, or a later one, loads the set.
pub fn or_later(version: IcingaVersion) -> Name {
    Name::fact(&format!("Icinga {} or later", version.as_str()))
}

/// Returns the first version that has an attribute. None if all have it. (From Icinga's sources,
/// and asked of 2.13.6, 2.14.6 and 2.16.5.)
pub(super) fn of_attribute(attribute: &str) -> Option<IcingaVersion> {
    (attribute == "redundancy_group").then_some(IcingaVersion::V2_14)
}

//! Names that the Icinga Template Library provides. `hack/itl.sh` makes the tables from a real
//! installation.

use crate::api::IcingaVersion;
use crate::validate::{Name, or_later, trusted};
use std::collections::HashSet;

/// Returns the table of a version: one name a line, and comments.
fn table(version: IcingaVersion) -> &'static str {
    match version {
        IcingaVersion::V2_13 => include_str!("itl/2.13.txt"),
        IcingaVersion::V2_14 => include_str!("itl/2.14.txt"),
        IcingaVersion::V2_15 => include_str!("itl/2.15.txt"),
        IcingaVersion::V2_16 => include_str!("itl/2.16.txt"),
    }
}

/// Returns the names of the library's objects and templates, and the facts about its version (one
/// for each version up to this one). They all exist only if the main configuration includes itl,
/// plugins, plugins-contrib, manubulon, windows-plugins and nscp, as Debian's does.
pub fn itl(version: IcingaVersion) -> HashSet<Name> {
    let mut names: HashSet<Name> = table(version).lines().filter_map(|line| Name::parse(line).ok()).collect();
    // Of the library's templates only these set a command. The others only add arguments. Every
    // command sets one, but for those that `validate` lets nobody import.
    let with_command = WITH_COMMAND.iter().filter_map(|name| Name::parse(name).ok());
    let is_object = |name: &&Name| name.sort().is_some_and(|sort| !sort.starts_with("template "));
    let objects: Vec<Name> = names.iter().filter(is_object).cloned().collect();
    let with_command = with_command.filter(|name| names.contains(name)).chain(objects);
    let facts: Vec<Name> = with_command.flat_map(|name| trusted(&name)).collect();
    names.extend(facts);
    let versions = IcingaVersion::ALL.into_iter().filter(|known| *known <= version);
    names.extend(versions.map(or_later));
    names
}

const WITH_COMMAND: [&str; 10] = [
    "template CheckCommand!fping-common",
    "template CheckCommand!generic-thola-check-command",
    "template CheckCommand!generic-thola-device-check-command",
    "template CheckCommand!icingacli",
    "template CheckCommand!ping-common",
    "template CheckCommand!ping-common-windows",
    "template CheckCommand!vmware-esx-command",
    "template CheckCommand!vmware-esx-dc",
    "template CheckCommand!vmware-esx-soap-host",
    "template CheckCommand!vmware-esx-soap-vm",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_name() {
        for version in IcingaVersion::ALL {
            let names = itl(version);
            let lines = table(version).lines().filter(|line| !line.starts_with('#'));
            let table: Vec<_> = lines.map(|line| Name::parse(line).unwrap()).collect();
            assert!(table.len() > 250 && table.iter().all(|name| names.contains(name)), "{version:?}");
            assert!(names.contains(&Name::parse("CheckCommand!hostalive").unwrap()));
        }
    }
}

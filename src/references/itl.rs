//! Names that the Icinga Template Library provides. The tables are made by `hack/itl.sh` from a real installation.

use crate::validate::{Name, trusted};
use std::collections::HashSet;

/// Version of the Icinga 2 that loads the volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum IcingaVersion {
    /// 2.13, and the names of it that later versions still have.
    #[default]
    #[value(name = "2.13")]
    V2_13,
}

/// The library's objects and templates. (The main configuration must include itl, plugins, plugins-contrib, manubulon,
/// windows-plugins and nscp, as Debian's does, for all of them to exist.)
pub fn itl(version: IcingaVersion) -> HashSet<Name> {
    let table = match version {
        IcingaVersion::V2_13 => include_str!("itl/2.13.txt"),
    };
    let mut names: HashSet<Name> = table.lines().filter_map(|line| Name::parse(line).ok()).collect();
    // Of the library's templates only these set a command; the others are for adding arguments.
    let facts: Vec<Name> = WITH_COMMAND
        .iter()
        .filter_map(|name| Name::parse(name).ok())
        .flat_map(|name| trusted(&name))
        .collect();
    names.extend(facts);
    names
}

const WITH_COMMAND: [&str; 6] = [
    "template CheckCommand!fping-common",
    "template CheckCommand!generic-thola-check-command",
    "template CheckCommand!icingacli",
    "template CheckCommand!ping-common",
    "template CheckCommand!ping-common-windows",
    "template CheckCommand!vmware-esx-command",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_name() {
        let names = itl(IcingaVersion::V2_13);
        let table: Vec<_> =
            include_str!("itl/2.13.txt").lines().map(|line| Name::parse(line).unwrap()).collect();
        assert!(table.len() > 250 && table.iter().all(|name| names.contains(name)));
        assert!(names.contains(&Name::parse("CheckCommand!hostalive").unwrap()));
    }
}

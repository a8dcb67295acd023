//! The groups of each host, service and user, which `icinga2.debug` does not say: Icinga adds
//! members by a group's rule after it has written that file. A rule of a group of our own is
//! asked about each of them, keeps their list of groups, and matches nothing. Icinga writes the
//! kept lists into `icinga2.vars`, when all rules have been evaluated.

use super::objects::Id;
use std::collections::BTreeMap;

/// Name of the groups, which are left out of every result.
pub(super) const PROBE: &str = "groundlink-members-of-groups";
/// The constant that keeps the lists.
pub(super) const CONSTANT: &str = "groundlink_members_of_groups";

/// Returns the text that is loaded behind the configuration.
pub(super) fn probe() -> String {
    format!(
        "globals.{CONSTANT} = {{}}\n\
         globals.{CONSTANT}_keep = function(o) {{\n  globals.{CONSTANT}[o.type + \" \" + o.__name] = o.groups\n  return false\n}}\n\
         object HostGroup \"{PROBE}\" {{ assign where {CONSTANT}_keep(host) }}\n\
         object ServiceGroup \"{PROBE}\" {{ assign where {CONSTANT}_keep(service) }}\n\
         object UserGroup \"{PROBE}\" {{ assign where {CONSTANT}_keep(user) }}\n"
    )
}

/// Reads the lists from the text of the constant: Icinga writes dictionaries in its own language,
/// a line for each entry. None if it is not such a text.
pub(super) fn parse(text: &str) -> Option<BTreeMap<Id, Vec<String>>> {
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut all = BTreeMap::new();
    for line in inside.lines().filter(|line| !line.trim().is_empty()) {
        let (key, rest) = string(line.trim_start())?;
        let (kind, name) = key.split_once(' ')?;
        let mut rest = rest.trim_start().strip_prefix('=')?.trim();
        let mut groups = Vec::new();
        if rest != "null" {
            rest = rest.strip_prefix('[')?.trim_start();
            while rest != "]" {
                let (group, after) = string(rest)?;
                groups.push(group);
                rest = after.trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
        }
        all.insert(Id { kind: kind.to_owned(), name: name.to_owned() }, groups);
    }
    Some(all)
}

/// Reads a text in double quotes, and returns what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut out = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &inside[at + 1..])),
            '\\' => out.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                other => other,
            }),
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_icinga_writes_them() {
        let text =
            "{\n\t\"Host h\\\"1\" = [ \"linux\", \"a, b\" ]\n\t\"Service h!s\" = [ ]\n\t\"User u\" = null\n}";
        let id = |kind: &str, name: &str| Id { kind: kind.into(), name: name.into() };
        let read = parse(text).unwrap();
        assert_eq!(read[&id("Host", "h\"1")], ["linux", "a, b"]);
        assert_eq!(read[&id("Service", "h!s")], [""; 0]);
        assert_eq!(read[&id("User", "u")], [""; 0]);
        assert_eq!(parse("{\n}"), Some(BTreeMap::new()));
        for broken in ["", "{", "{\n\t\"Host h\" = [ \"a\n}", "{\n\tHost = 1\n}", "{\n\t\"Hosth\" = [ ]\n}"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }
}

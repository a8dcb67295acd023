//! One name, several rules. Icinga refuses two objects of one name, so a rule makes none where a
//! single object has the name, or a rule whose file Icinga read before. Rules note their names in a
//! dictionary of the process; single objects exist before the first rule is asked. Icinga reads the
//! files of a directory by name: on the hub that is the order of [`ObjectKey::goes_before`], and on a
//! satellite, where all are in one directory, that of [`crate::identity::FileKey`].

use super::quoting;
use crate::api::objects::ApplyTo;
use crate::identity::ObjectKey;
use crate::validate::Declaration;
use std::fmt::Write as _;

/// Prints what must be there before the first rule.
pub(super) fn head(out: &mut String, declaration: &Declaration) {
    let mut dictionaries = vec!["groundlink_taken"];
    if declaration.set.iter().any(|item| item.gives("command_endpoint")) {
        dictionaries.push("groundlink_zones");
    }
    for name in dictionaries {
        let _ = write!(out, "if (!globals.contains(\"{name}\")) {{\n  globals.{name} = {{\n  }}\n}}\n");
    }
}

/// Prints the last condition of a rule. A rule finds its own note when Icinga asks it again, for a
/// host that was deleted and created at run time.
pub(super) fn taken(out: &mut String, key: &ObjectKey, declaration: &Declaration, to: ApplyTo) {
    let mut name = String::from("host.name + \"!\" + ");
    if to == ApplyTo::Service {
        name.push_str("service.name + \"!\" + ");
    }
    let beginning = declaration.beginning();
    quoting::string(&mut name, &beginning);
    let mut variables = String::from(if to == ApplyTo::Service { "host, service" } else { "host" });
    if declaration.for_each.is_some() {
        name.push_str(" + key");
        variables.push_str(", key");
    }
    let mut owner = String::new();
    quoting::string(&mut owner, &key.to_string());
    let kind = declaration.kind;
    let _ = writeln!(
        out,
        "  ignore where (() use ({variables}) => {{ var n = {name}; if (get_object({kind}, n) != null) {{ return true }}; \
         n = \"{kind}!\" + n; if (globals.groundlink_taken.contains(n)) {{ return globals.groundlink_taken.get(n) != {owner} }}; \
         globals.groundlink_taken.set(n, {owner}); return false }})()"
    );
}

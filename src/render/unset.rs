//! What templates set, and an object takes back. Icinga must not refuse it, whatever the templates
//! set.

use super::merge::place;
use super::quoting;
use crate::validate::Unset;
use std::fmt::Write as _;

/// Prints a statement for each.
pub(super) fn print(out: &mut String, unset: &[Unset]) {
    for unset in unset {
        match unset {
            Unset::Attribute(attribute, value) => {
                let _ = write!(out, "  {attribute} = ");
                quoting::value(out, value, 1);
                out.push('\n');
            }
            Unset::Entry(attribute, keys) => entry(out, attribute, keys),
        }
    }
}

/// Prints the removal of an entry. The dictionaries on the way are copied first: they may also
/// belong to a host. The method is called by its full name, because an entry may have the name of
/// a method.
fn entry(out: &mut String, attribute: &str, keys: &[String]) {
    let Some((last, parents)) = keys.split_last() else { return };
    let mut places = vec![attribute.to_owned()];
    for key in parents {
        places.push(place(&places[places.len() - 1], key));
    }
    let guards: Vec<_> = places.iter().map(|place| format!("typeof({place}) == Dictionary")).collect();
    let _ = writeln!(out, "  if ({}) {{", guards.join(" && "));
    for place in &places {
        let _ = writeln!(out, "    {place} += {{\n    }}");
    }
    let _ = write!(out, "    Dictionary.prototype.remove.call({}, ", places[places.len() - 1]);
    quoting::string(out, last);
    out.push_str(")\n  }\n");
}

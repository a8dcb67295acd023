//! Custom variables that are added to those of a template: dictionaries merge at every depth,
//! everything else replaces. A template's value that is no dictionary is replaced, too, so Icinga
//! has nothing to refuse.

use super::quoting;
use crate::validate::value::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Prints one statement for the variables, and one for each dictionary in them.
pub(super) fn vars(out: &mut String, vars: &BTreeMap<String, Value>) {
    let flat = flat(vars);
    if flat != Value::Dictionary(BTreeMap::new()) {
        out.push_str("  vars += ");
        quoting::value(out, &flat, 1);
        out.push('\n');
    }
    below(out, "vars", vars);
}

/// Prints the dictionaries among the entries of a dictionary. Each statement makes a new
/// dictionary: the one that is there may also belong to a host.
fn below(out: &mut String, path: &str, entries: &BTreeMap<String, Value>) {
    for (key, value) in entries {
        if let Value::Dictionary(entries) = value {
            let path = place(path, key);
            let _ = write!(out, "  {path} = (typeof({path}) == Dictionary && {path} || {{ }}) + ");
            quoting::value(out, &flat(entries), 1);
            out.push('\n');
            below(out, &path, entries);
        }
    }
}

/// Returns the entries that are no dictionaries.
fn flat(entries: &BTreeMap<String, Value>) -> Value {
    let flat = entries.iter().filter(|(_, value)| !matches!(value, Value::Dictionary(_)));
    Value::Dictionary(flat.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Returns the expression of an entry.
pub(super) fn place(path: &str, key: &str) -> String {
    let mut place = format!("{path}[");
    quoting::string(&mut place, key);
    place + "]"
}

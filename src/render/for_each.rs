//! `apply ... for`: one object for each entry of a custom variable. Whatever the variable holds,
//! Icinga must not refuse it: a value that is neither a dictionary nor a list has no entries, and
//! an entry that cannot be a name is left out.

use super::{expression, quoting};
use crate::validate::ForEach;
use std::fmt::Write as _;

/// Prints ` for (key in ...)`.
///
/// `beginning` stands before each key. Without one, an empty key would be an empty name.
pub(super) fn head(out: &mut String, for_each: &ForEach, beginning: &str) {
    let named = if beginning.is_empty() { "entry != \"\" && " } else { "" };
    let mut guarded = String::new();
    expression::attribute(&mut guarded, &for_each.attribute);
    // Equal entries would make equal names. A list may hold a number and the same number as text,
    // so all entries become text first.
    let _ = write!(
        out,
        " for (key in (typeof({guarded}) == Dictionary && Dictionary.prototype.keys.call({guarded}) || typeof({guarded}) == Array && {guarded})\
         .filter(entry => typeof(entry) == String || typeof(entry) == Number).map(entry => string(entry))\
         .filter(entry => {named}!match(\"*!*\", entry)).unique())"
    );
}

/// Prints a statement that makes `value` the entry's value: of a dictionary, what the key leads to;
/// of a list, the entry.
pub(super) fn value(out: &mut String, for_each: &ForEach) {
    let mut guarded = String::new();
    expression::attribute(&mut guarded, &for_each.attribute);
    let _ = write!(
        out,
        "var value = key; if (typeof({guarded}) == Dictionary) {{ var value = Dictionary.prototype.get.call({guarded}, key) }}; "
    );
}

/// Prints the custom variables that the object gets from its entry.
pub(super) fn body(out: &mut String, for_each: &ForEach) {
    let mut variable = String::new();
    expression::path(&mut variable, &for_each.attribute, for_each.attribute.keys.len());
    let _ = write!(
        out,
        "  if (typeof({variable}) == Dictionary && typeof({variable}[key]) == Dictionary) {{\n    vars += {variable}[key]\n  }}\n"
    );
    let place = |name: &String| {
        let mut place = String::from("vars[");
        quoting::string(&mut place, name);
        place + "]"
    };
    if let Some(value) = for_each.value_var.as_ref().map(place) {
        let _ =
            write!(out, "  if (typeof({variable}) == Dictionary) {{\n    {value} = {variable}[key]\n  }}\n");
    }
    // A key is a name; an element of a list may hold macros, as any custom variable.
    if let Some(place) = for_each.key_var.as_ref().map(place) {
        let _ = write!(
            out,
            "  if (typeof({variable}) == Dictionary) {{\n    {place} = key.replace(\"$\", \"$$\")\n  }} else {{\n    {place} = key\n  }}\n"
        );
    }
}

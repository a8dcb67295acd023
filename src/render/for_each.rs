//! `apply ... for`: one object for each entry of a custom variable. Whatever the variable holds,
//! Icinga must not refuse it: a value that is neither a dictionary nor a list has no entries, and
//! an entry that cannot be a name is left out.

use super::{expression, quoting};
use crate::validate::ForEach;
use crate::validate::expression::{Expression, Subject};
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
/// of a list, the entry. The key is text, and a number in a list stays one.
pub(super) fn value(out: &mut String, for_each: &ForEach) {
    let (mut guarded, most) = (String::new(), ForEach::MAX_LOOKED_FOR);
    expression::attribute(&mut guarded, &for_each.attribute);
    let _ = write!(
        out,
        "var value = key; if (typeof({guarded}) == Dictionary) {{ var value = Dictionary.prototype.get.call({guarded}, key) }}; \
         if (typeof({guarded}) == Array && len({guarded}) <= {most}) {{ for (entry in {guarded}) \
         {{ if (typeof(entry) == Number && string(entry) == key) {{ var value = entry }} }} }}; "
    );
}

/// True if a condition reads the value of the entry, and not only its key.
pub(super) fn reads_value(condition: &Expression) -> bool {
    let mut reads = false;
    condition.attributes(&mut |attribute| reads |= attribute.subject == Subject::Value);
    reads
}

/// Prints a condition over the value of the entry, as a function of it. The function that finds the
/// value stands beside it, because Icinga's parser needs twice the memory for each block around it.
pub(super) fn condition(out: &mut String, for_each: &ForEach, condition: &Expression) {
    let of_loop = Expression::Attribute(for_each.attribute.clone());
    let key = Expression::Attribute(expression::key());
    out.push_str("((value)");
    expression::captured_but_value(out, [condition]);
    out.push_str(" => ");
    expression::print(out, condition);
    out.push_str(")((()");
    expression::captured_but_value(out, [&of_loop, &key]);
    out.push_str(" => { ");
    value(out, for_each);
    out.push_str("return value })())");
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
        let most = ForEach::MAX_LOOKED_FOR;
        let _ = write!(
            out,
            "  if (typeof({variable}) == Dictionary) {{\n    {value} = {variable}[key]\n  }} else {{\n    {value} = key\n    \
                 if (len({variable}) <= {most}) {{\n      for (entry in {variable}) {{\n        \
                 if (typeof(entry) == Number && string(entry) == key) {{\n          {value} = entry\n        }}\n      }}\n    }}\n  }}\n"
        );
    }
    // A key is a name; an element of a list may hold macros, as any custom variable.
    if let Some(place) = for_each.key_var.as_ref().map(place) {
        let _ = write!(
            out,
            "  if (typeof({variable}) == Dictionary) {{\n    {place} = key.replace(\"$\", \"$$\")\n  }} else {{\n    {place} = key\n  }}\n"
        );
    }
}

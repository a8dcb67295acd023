//! The CRD's CEL rules about the members of a spec, made from the table of types.
//!
//! The API server evaluates them at every write, of a status too, and makes the table of the spec's properties anew for each
//! `has`: these were a third of what a status write cost it. So there are few of them, and the usual types come first.

use super::types::{IcingaType, list};
use kube::core::Rule;

/// The part of a rule about each type that `which` chooses, joined by an operator.
fn each(which: impl Fn(IcingaType) -> bool, part: impl Fn(&str) -> String, operator: &str) -> String {
    let types = IcingaType::ALL.iter().filter(|kind| which(**kind));
    types.map(|kind| part(kind.member())).collect::<Vec<_>>().join(operator)
}

/// Exactly one member is set.
pub(super) fn exactly_one_type() -> Rule {
    let count = each(|_| true, |member| format!("(has(self.{member}) ? 1 : 0)"), " + ");
    let message = format!(
        "exactly one of {} must be set; set one, and any other in an object of its own",
        list(|_| true, ", ")
    );
    Rule::new(format!("{count} == 1")).message(message.as_str())
}

/// What exists everywhere has no zone.
pub(super) fn no_zone_on_what_is_everywhere() -> Rule {
    let any = each(IcingaType::is_everywhere, |member| format!("has(self.{member})"), " || ");
    let members = list(IcingaType::is_everywhere, " or ");
    let message = format!("zone must not be set beside {members}, which exist in every zone; remove zone");
    Rule::new(format!("!(has(self.zone) && ({any}))")).message(message.as_str())
}

/// The type of an object never changes: a file and its names would have to leave and come at once. Both the old and the new
/// spec have one member, so it is the same if one is in both; what follows it is not looked at.
pub(super) fn type_is_immutable() -> Rule {
    let same = each(|_| true, |member| format!("has(self.{member}) && has(oldSelf.{member})"), " || ");
    Rule::new(same).message("the type of an object is immutable; delete the resource and create another")
}

//! The CRD's CEL rules about the members of a spec, made from the table of types.

use super::types::{IcingaType, list};
use kube::core::Rule;

/// The part of a rule about each type that `which` chooses, joined by an operator.
fn each(which: impl Fn(IcingaType) -> bool, part: impl Fn(&str) -> String, operator: &str) -> String {
    let types = IcingaType::ALL.iter().filter(|kind| which(**kind));
    types.map(|kind| part(kind.member())).collect::<Vec<_>>().join(operator)
}

/// Exactly one member is set.
pub(super) fn exactly_one_type() -> Rule {
    let all = each(|_| true, |member| format!("has(self.{member})"), ", ");
    let message = format!("exactly one of {} must be set", list(|_| true, ", "));
    Rule::new(format!("[{all}].filter(x, x).size() == 1")).message(message.as_str())
}

/// What exists everywhere has no zone.
pub(super) fn no_zone_on_what_is_everywhere() -> Rule {
    let any = each(IcingaType::is_everywhere, |member| format!("has(self.{member})"), " || ");
    let members = list(IcingaType::is_everywhere, " or ");
    let message = format!("zone must not be set beside {members}, which exist in every zone; remove zone");
    Rule::new(format!("!(has(self.zone) && ({any}))")).message(message.as_str())
}

/// The type of an object never changes: a file and its names would have to leave and come at once.
pub(super) fn type_is_immutable() -> Rule {
    let all = each(|_| true, |member| format!("has(self.{member}) == has(oldSelf.{member})"), " && ");
    Rule::new(all).message("the type of an object is immutable; delete the resource and create another")
}

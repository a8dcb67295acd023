//! States of what a notification or a dependency is about.

use super::declaration::{Builder, Form};
use super::facts::states_fit;
use super::header::Use;
use crate::api::objects::{ApplyTo, State};
use crate::api::text::ObjectName;

/// Own states decide alone; without any, those of the imported templates must fit. `target` is what they are about, if that is
/// known: a template may be used for both.
pub(super) fn states(
    builder: &mut Builder,
    states: &[State],
    imports: &[ObjectName],
    target: Option<ApplyTo>,
) {
    let kind = builder.kind();
    let fits = |target: ApplyTo| states.iter().all(|state| state.is_of_host() == (target == ApplyTo::Host));
    if builder.form() == Form::Template {
        let name = builder.name();
        for target in [ApplyTo::Host, ApplyTo::Service] {
            // What a template imports may say otherwise, unless it says so itself.
            let fact = states_fit(kind, target, &name);
            if states.is_empty() && !imports.is_empty() {
                let given = imports.iter().map(|import| [states_fit(kind, target, import.as_str())].into());
                builder.relay(fact, given.collect());
            } else if fits(target) {
                builder.provide(fact, true);
            }
        }
        return;
    }
    let Some(target) = target else { return };
    if !fits(target) {
        let words = if target == ApplyTo::Host { "Up, Down" } else { "OK, Warning, Critical, Unknown" };
        builder.problem("states", &format!("about a {} may only be {words}", target.word()));
    }
    if states.is_empty() {
        for import in imports {
            builder.require(Use::one(states_fit(kind, target, import.as_str())));
        }
    }
}

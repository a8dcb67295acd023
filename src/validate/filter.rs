//! The states that a notification or a dependency is about.

use super::builder::Builder;
use super::declaration::Form;
use super::facts::states_fit;
use super::needs::Use;
use crate::api::objects::{ApplyTo, State};
use crate::api::text::ObjectName;

/// Checks that the states fit a host or a service. Own states decide alone; without any, those of
/// the imported templates must fit, unless they are taken back. `target` is None for a template, which may be used for both.
pub(super) fn states(
    builder: &mut Builder,
    states: &[State],
    imports: &[ObjectName],
    target: Option<ApplyTo>,
) {
    let kind = builder.kind();
    let fits = |target: ApplyTo| states.iter().all(|state| state.is_of_host() == (target == ApplyTo::Host));
    let is_taken_back = builder.takes_back("states");
    if builder.form() == Form::Template {
        let name = builder.name();
        for target in [ApplyTo::Host, ApplyTo::Service] {
            // The templates that it imports decide, unless it has states of its own.
            let fact = states_fit(kind, target, &name);
            if states.is_empty() && !imports.is_empty() && !is_taken_back {
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
        builder.problem("states", &format!("has a state that no {} has; use only {words}", target.word()));
    }
    if states.is_empty() && !is_taken_back {
        for import in imports {
            builder.require(Use::one(states_fit(kind, target, import.as_str())));
        }
    }
}

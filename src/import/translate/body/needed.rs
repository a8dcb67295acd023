//! A check command that only conditions give. Icinga refuses a service without one, and all others
//! with it; a resource says so by a condition, or by a value for the last branch.

use super::alternatives::MAX_EXPRESSION;
use super::{Draft, SetItem};
use crate::api::IcingaType;
use crate::import::document::Node;
use crate::import::language::Position;
use crate::import::translate::scope::Form;

const FIELD: &str = "checkCommand";

/// A command that `set` gives.
struct Given {
    item: usize,
    when: Option<String>,
    value: String,
}

impl Given {
    /// Returns the command if it is known.
    fn name(&self) -> Option<&str> {
        let name = self.value.strip_prefix('"')?.strip_suffix('"')?;
        (!name.is_empty() && !name.contains(['"', '\\'])).then_some(name)
    }

    /// Returns where it gives a command.
    fn condition(&self) -> String {
        let exists = format!("get_object(CheckCommand, {})", self.value);
        match (&self.when, self.name()) {
            (Some(when), Some(_)) => format!("({when})"),
            (Some(when), None) => format!("({when}) && {exists}"),
            (None, Some(_)) => "true".into(),
            (None, None) => exists,
        }
    }
}

impl Draft<'_> {
    /// Completes a rule for services that imports templates, of which none sets a check command.
    pub(in crate::import::translate) fn complete_command(&mut self, at: Position) {
        let is_rule = self.kind == IcingaType::Service && matches!(self.scope.form, Form::Rule(_));
        // Without imports, the rule makes no object where `set` gives no command.
        let has_imports = !self.imports.is_empty() || !self.defaults().is_empty();
        if !is_rule || !has_imports || self.field(FIELD).is_some() || !self.is_only_here("check_command") {
            return;
        }
        let value = |item: &SetItem| {
            let found = item.fields.iter().find(|(name, _)| name == FIELD);
            match found {
                Some((_, Node::Text(text))) => Some(text.clone()),
                _ => None,
            }
        };
        let items = self.set.iter().enumerate();
        let given: Vec<Given> = items
            .filter_map(|(item, set)| Some(Given { item, when: set.when.clone(), value: value(set)? }))
            .collect();
        let Some(last) = given.last() else { return };
        let whens: Option<Vec<&str>> = given.iter().map(|given| given.when.as_deref()).collect();
        let is_complete = whens.is_some_and(|whens| is_complete(&whens));
        if is_complete && given.iter().all(|given| given.name().is_some()) {
            // The last branch is what holds otherwise.
            let name = last.name().unwrap_or_default().to_owned();
            if let Some(item) = self.set.get_mut(last.item) {
                item.fields.retain(|(name, _)| name != FIELD);
            }
            self.set.retain(|item| !item.sets_nothing());
            return self.put_field(FIELD, Node::Text(name));
        }
        let conditions: Vec<String> = given.iter().map(Given::condition).collect();
        let ignore = match conditions.as_slice() {
            [one] if one.starts_with('(') && given.first().is_some_and(|given| given.name().is_some()) => {
                format!("!{one}")
            }
            [one] if !one.starts_with('(') => format!("!{one}"),
            several => format!("!({})", several.join(" || ")),
        };
        if ignore.chars().count() > MAX_EXPRESSION {
            return;
        }
        let known = given.iter().rev().find_map(Given::name).unwrap_or("dummy").to_owned();
        self.put_field(FIELD, Node::Text(known));
        self.ignore.push(ignore);
        let what =
            "makes no service where nothing sets check_command; Icinga refuses the whole configuration there";
        self.remarks.push((at, what.into()));
    }
}

/// True if conditions are those of `if`, `else if` and `else`, so that always one of them is true.
fn is_complete(whens: &[&str]) -> bool {
    let mut before = String::new();
    for (i, when) in whens.iter().enumerate() {
        let Some(next) = whens.get(i + 1) else { return i > 0 && *when == before };
        let own = match before.as_str() {
            "" => Some(*when),
            before => when.strip_prefix(before).and_then(|rest| rest.strip_prefix(" && ")),
        };
        let Some(own) = own else { return false };
        let own = own.strip_prefix('(').and_then(|own| own.strip_suffix(')')).unwrap_or(own);
        let joined = |not: String| if before.is_empty() { not } else { format!("{before} && {not}") };
        let all = [joined(format!("!{own}")), joined(format!("!({own})"))];
        let follows = |all: &String| *next == all.as_str() || next.starts_with(&format!("{all} && "));
        match all.into_iter().find(follows) {
            Some(all) => before = all,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn which_conditions_are_of_a_whole_if() {
        for (whens, expected) in [
            (vec!["a", "!a"], true),
            (vec!["a || b", "!(a || b)"], true),
            (vec!["a", "!a && b", "!a && !b"], true),
            (vec!["a", "!a && (b || c)", "!a && !(b || c)"], true),
            (vec!["a"], false),
            (vec!["a", "!a && b"], false),
            (vec!["a", "!b"], false),
            (vec!["a", "!a && !b"], false),
            (vec!["a", "a"], false),
            (vec!["!a", "!!a"], true),
            (vec![], false),
        ] {
            assert_eq!(is_complete(&whens), expected, "{whens:?}");
        }
    }
}

//! Text: what Icinga expands in it, and what would be published as text that nobody expands.

use super::Builder;
use crate::api::text::Vars;
use crate::text::quoted;
use crate::validate::constants;
use crate::validate::declaration::Form;
use crate::validate::value::{self, MAX_VARS_BYTES, Value};

impl Builder {
    /// Refuses macros where Icinga expands none, and expressions of its language, which would be
    /// text. True if there are none.
    pub fn no_macros(&mut self, path: &str, text: &str) -> bool {
        if let Some(problem) = self.constants.problem(text) {
            self.problem_at(path, &problem);
            return false;
        }
        let Some(name) = constants::first_macro(text) else { return true };
        let field = path.strip_prefix(&self.path("")).and_then(|field| field.split(['[', '.']).next());
        let set = match self.declaration.form {
            Form::Apply(_) => "apply.set",
            _ => "set",
        };
        let expression = constants::as_expression(text).filter(|_| self.declaration.kind.is_attached());
        let remedy = match (field, expression) {
            (Some(field), Some(expression)) if self.declaration.form != Form::Object => {
                format!("write the text, or an expression in {set}: {field}: '{expression}'")
            }
            _ => "write the text that it stands for".to_owned(),
        };
        self.problem_at(path, &format!("holds the macro ${name}$, and Icinga expands none here; {remedy}"));
        false
    }

    /// Adds plain text, which arrives byte for byte.
    pub fn text(&mut self, attribute: &'static str, field: &str, text: Option<&str>, max: usize) {
        let Some(text) = text else { return };
        if let Some(value) = self.checked(field, text, max, false) {
            // People read these, and may be told about macros.
            if !["notes", "icon_image", "icon_image_alt"].contains(&attribute) {
                self.no_macros(&self.path(field), text);
            }
            self.attribute(attribute, value);
        }
    }

    /// Adds text in which Icinga or its web interface expands `$name$`.
    pub fn macro_text(&mut self, attribute: &'static str, field: &str, text: Option<&str>, max: usize) {
        let Some(text) = text else { return };
        if let Some(value) = self.checked(field, text, max, true) {
            if let Some(problem) = self.constants.problem(text) {
                self.problem(field, &problem);
            }
            self.attribute(attribute, value);
        }
    }

    /// Returns text of a command, in which Icinga expands macros, and the rendered file its
    /// constants. None if there is a problem, which is remembered.
    pub fn command_text(&mut self, field: &str, text: &str, max: usize) -> Option<Value> {
        self.checked(field, text, max, true)?;
        if let Some(problem) = self.constants.sum_problem(text) {
            self.problem(field, &problem);
            return None;
        }
        Some(self.constants.expand(text))
    }

    /// Returns a checked string value. None if there is a problem, which is remembered.
    pub fn checked(&mut self, field: &str, text: &str, max: usize, macros: bool) -> Option<Value> {
        let length = text.chars().count();
        let problem = if length > max {
            Some(format!("has {length} characters, and at most {max} are allowed; shorten it"))
        } else {
            value::text_problem(text).or_else(|| macros.then(|| value::macro_problem(text)).flatten())
        };
        match problem {
            Some(problem) => {
                self.problem(field, &problem);
                None
            }
            None => Some(Value::String(text.to_owned())),
        }
    }

    /// Adds custom variables: macros balanced at every depth, bounded in size and depth.
    pub fn vars(&mut self, vars: &Vars) {
        if vars.is_empty() {
            return;
        }
        let (path, mut bytes) = (self.path("vars"), 0);
        let json = serde_json::Value::Object(vars.0.clone().into_iter().collect());
        match value::from_json(&json, &path, 0, &mut bytes) {
            Ok(_) if bytes > MAX_VARS_BYTES => {
                self.problem(
                    "vars",
                    &format!(
                        "holds {bytes} bytes, and at most {MAX_VARS_BYTES} are allowed; make it smaller"
                    ),
                );
            }
            Ok(value) => {
                self.no_constants(&value, &path);
                self.attribute("vars", value);
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Refuses constants in custom variables, where Icinga expands only macros.
    fn no_constants(&mut self, value: &Value, path: &str) {
        match value {
            Value::String(text) => {
                if let Some(problem) = self.constants.problem(text) {
                    self.problem_at(path, &problem);
                }
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(i, item)| self.no_constants(item, &format!("{path}[{i}]")));
            }
            Value::Dictionary(map) => {
                map.iter()
                    .for_each(|(key, item)| self.no_constants(item, &format!("{path}[{}]", quoted(key))));
            }
            Value::Null | Value::Boolean(_) | Value::Number(_) | Value::Joined(_) => {}
        }
    }
}

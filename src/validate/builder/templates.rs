//! What an object takes from templates, and what it takes back.

use super::Builder;
use crate::api::text::{ObjectName, UnsetPath};
use crate::validate::declaration::{Form, Unset};
use crate::validate::name::{IcingaType, Name};
use crate::validate::needs::Use;
use crate::validate::unset;

impl Builder {
    /// Adds templates to import.
    pub fn imports(&mut self, imports: &[ObjectName]) {
        self.count("imports", imports.len(), 16);
        for (i, import) in imports.iter().enumerate() {
            let path = self.path(&format!("imports[{i}]"));
            self.check_name(import.as_str(), &path);
            let kind = self.declaration.kind;
            if kind.is_code() && import.as_str() == self.declaration.name {
                self.problem_at(&path, "is the name of the command itself; import another");
            }
            let template = Name::template(kind, import.as_str());
            // In Icinga any object can import another; of commands people make use of that.
            let any_of = match kind.is_code() {
                true => [template, Name::object(kind, import.as_str())].into(),
                false => [template].into(),
            };
            self.require(Use::any(any_of).by("imports"));
            self.declaration.imports.push(import.as_str().to_owned());
        }
    }

    /// Adds what is taken back from templates.
    pub fn unset(&mut self, paths: &[UnsetPath]) {
        self.count("unset", paths.len(), 64);
        if !paths.is_empty() && self.declaration.imports.is_empty() && self.form() != Form::Template {
            self.problem("unset", "is set without imports, so there is nothing to take back; remove it");
        }
        for (i, path) in paths.iter().enumerate() {
            let field = format!("unset[{i}]");
            let (length, max) = (path.as_str().chars().count(), UnsetPath::MAX);
            let parsed = if length > max {
                Err(format!("has {length} characters, and at most {max} are allowed; take back more at once"))
            } else {
                unset::parse(path.as_str(), self.kind())
            };
            match parsed {
                Ok(unset) => {
                    if let Unset::Attribute(attribute, _) = &unset {
                        self.version(attribute);
                    }
                    self.declaration.unset.push(unset);
                }
                Err(problem) => self.problem(&field, &problem),
            }
        }
    }

    /// True if all of an attribute is taken back from templates.
    pub fn takes_back(&self, attribute: &str) -> bool {
        self.declaration
            .unset
            .iter()
            .any(|unset| matches!(unset, Unset::Attribute(taken, _) if *taken == attribute))
    }

    /// Adds groups in place of those of templates, or beside them.
    pub fn groups(&mut self, kind: IcingaType, groups: &[ObjectName], added: &[ObjectName]) {
        self.references("groups", "groups", kind, groups.iter().map(ObjectName::as_str), 64);
        self.count("addGroups", added.len(), 64);
        if !(groups.is_empty() || added.is_empty()) {
            let text = "is set beside groups, which replaces those of templates; set one of the two";
            self.problem("addGroups", text);
        }
        for (i, name) in added.iter().enumerate() {
            let path = self.path(&format!("addGroups[{i}]"));
            self.check_name(name.as_str(), &path);
            self.require(Use::one(Name::object(kind, name.as_str())).by("addGroups"));
            self.declaration.add_groups.push(name.as_str().to_owned());
        }
    }
}

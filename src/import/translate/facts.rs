//! What all files together say, before a block is translated: constants, templates, zones.

use super::constants::Constants;
use super::scope::{Form, Scope};
use super::value::{Value, keys, value};
use crate::api::IcingaType;
use crate::import::document::Node;
use crate::import::language::{Expression, Kind, Statement, StatementKind};
use crate::import::tree::{Content, Tree};
use crate::validate::facts::GLOBAL_ZONES;
use std::collections::{BTreeMap, BTreeSet};

/// Templates that Icinga imports by itself.
pub(super) const BUILT_IN: [&str; 4] =
    ["plugin-check-command", "plugin-notification-command", "plugin-event-command", "legacy-timeperiod"];
/// What is known of a template.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Templates that it imports. None for one whose name is computed.
    pub(super) imports: Vec<Option<String>>,
    /// Attributes that it sets, by Icinga's names; variables as `vars.<name>`, and `vars` if it may
    /// set any.
    pub(super) sets: BTreeSet<String>,
}

/// What the files say.
#[derive(Default)]
pub(in crate::import) struct Facts {
    pub(super) constants: Constants,
    /// Types of which a template is imported that is not in the files.
    imports_unknown: BTreeSet<IcingaType>,
    templates: BTreeMap<(IcingaType, String), Template>,
    /// Templates that every object of the type imports by itself.
    defaults: BTreeMap<IcingaType, Vec<String>>,
    global_zones: BTreeSet<String>,
    /// Zones in which hosts are.
    pub(super) zones_of_hosts: BTreeSet<Option<String>>,
}

impl Facts {
    /// Collects them.
    pub(in crate::import) fn of(tree: &Tree, defines: &BTreeMap<String, String>) -> Self {
        let mut facts = Self {
            constants: Constants::defined(defines),
            global_zones: GLOBAL_ZONES.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        };
        for file in &tree.files {
            let Content::Configuration(content) = &file.content else { continue };
            for statement in &content.statements {
                facts.constant_of(statement, defines);
            }
        }
        for file in &tree.files {
            let Content::Configuration(content) = &file.content else { continue };
            for statement in &content.statements {
                facts.block_of(statement, file.zone.as_deref());
            }
        }
        facts.find_unknown(tree);
        facts
    }

    /// Finds the types of which a template is imported that is not in the files.
    fn find_unknown(&mut self, tree: &Tree) {
        let mut unknown = BTreeSet::new();
        let scope = Scope::new(&self.constants, None, Form::Object);
        for file in &tree.files {
            let Content::Configuration(content) = &file.content else { continue };
            for statement in &content.statements {
                let (kind, body) = match &statement.kind {
                    StatementKind::Block(block) => match &block.object_type.kind {
                        Kind::Name(name) => (IcingaType::named(name), &block.body),
                        _ => continue,
                    },
                    StatementKind::Rule(rule) => (IcingaType::named(&rule.object_type), &rule.body),
                    _ => continue,
                };
                let Some(kind) = kind else { continue };
                let mut template = Template::default();
                collect(body, &scope, &mut template);
                let is_known = |name: &String| {
                    BUILT_IN.contains(&name.as_str()) || self.templates.contains_key(&(kind, name.clone()))
                };
                if !template.imports.iter().all(|name| name.as_ref().is_some_and(is_known)) {
                    unknown.insert(kind);
                }
            }
        }
        self.imports_unknown = unknown;
    }

    /// True if a template other than this one may set a variable.
    pub(super) fn is_set_elsewhere(&self, kind: IcingaType, template: &str, variable: &str) -> bool {
        let variable = format!("vars.{variable}");
        let others = self.templates.iter().filter(|((other, name), _)| *other == kind && name != template);
        let mut sets = others.map(|(_, template)| &template.sets);
        self.imports_unknown.contains(&kind)
            || sets.any(|sets| sets.contains("vars") || sets.contains(&variable))
    }

    fn constant_of(&mut self, statement: &Statement, defines: &BTreeMap<String, String>) {
        let StatementKind::Constant(name, given) = &statement.kind else { return };
        let scope = Scope::new(&self.constants, None, Form::Object);
        // As in Icinga, the last declaration counts, also over the command line.
        match value(given, &scope) {
            Ok(Value::Constant(node)) => self.constants.set(name.clone(), node),
            _ if !defines.contains_key(name) => self.constants.remove(name),
            _ => {}
        }
    }

    fn block_of(&mut self, statement: &Statement, zone: Option<&str>) {
        let StatementKind::Block(block) = &statement.kind else { return };
        let Kind::Name(type_name) = &block.object_type.kind else { return };
        let Some(kind) = IcingaType::named(type_name) else { return };
        let scope = Scope::new(&self.constants, None, Form::Object);
        let name = match block.name.as_ref().map(|name| value(name, &scope)) {
            Some(Ok(Value::Constant(Node::Text(name)))) => name,
            _ => return,
        };
        let mut template = Template::default();
        collect(&block.body, &scope, &mut template);
        match kind {
            IcingaType::Zone if sets_true(&block.body, "global") => {
                self.global_zones.insert(name);
            }
            IcingaType::Host if !block.is_template => {
                self.zones_of_hosts.insert(zone.map(str::to_owned));
            }
            _ if block.is_template => {
                if block.is_default {
                    self.defaults.entry(kind).or_default().push(name.clone());
                }
                self.templates.insert((kind, name), template);
            }
            _ if kind.is_code() => {
                // Commands are imported like templates.
                self.templates.entry((kind, name)).or_insert(template);
            }
            _ => {}
        }
    }

    pub(super) fn is_global(&self, zone: &str) -> bool {
        self.global_zones.contains(zone)
    }

    pub(super) fn defaults(&self, kind: IcingaType) -> &[String] {
        self.defaults.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Returns what a template may set, with all that it imports. None if one of them is unknown.
    pub(super) fn set_by(&self, kind: IcingaType, name: &str) -> Option<BTreeSet<String>> {
        let mut sets = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if BUILT_IN.contains(&name.as_str()) || !seen.insert(name.clone()) {
                continue;
            }
            let template = self.templates.get(&(kind, name))?;
            sets.extend(template.sets.iter().cloned());
            for import in &template.imports {
                open.push(import.clone()?);
            }
        }
        Some(sets)
    }
}

fn sets_true(body: &[Statement], name: &str) -> bool {
    body.iter().any(|statement| match &statement.kind {
        StatementKind::Set(target, _, value) => {
            matches!(&target.kind, Kind::Name(found) if found == name)
                && matches!(value.kind, Kind::Boolean(true))
        }
        _ => false,
    })
}

/// Collects what statements import and set, on every way through them.
fn collect(body: &[Statement], scope: &Scope, template: &mut Template) {
    for statement in body {
        match &statement.kind {
            StatementKind::Import(name) => template.imports.push(match value(name, scope) {
                Ok(Value::Constant(Node::Text(name))) => Some(name),
                _ => None,
            }),
            StatementKind::Set(target, _, given) => note_target(target, given, scope, template),
            StatementKind::For(_, body) | StatementKind::While(_, body) => {
                collect(body, scope, template);
            }
            StatementKind::Expression(Expression { kind: Kind::If(branches, otherwise), .. }) => {
                branches.iter().for_each(|(_, body)| collect(body, scope, template));
                otherwise.iter().for_each(|body| collect(body, scope, template));
            }
            _ => {}
        }
    }
}

fn note_target(target: &Expression, given: &Expression, scope: &Scope, template: &mut Template) {
    let Ok(path) = keys(target, scope) else {
        template.sets.insert("vars".into());
        return;
    };
    match path.as_slice() {
        [first] if first == "vars" => match value(given, scope) {
            Ok(Value::Constant(Node::Map(entries))) => {
                template.sets.extend(entries.iter().map(|(key, _)| format!("vars.{key}")));
            }
            _ => {
                template.sets.insert("vars".into());
            }
        },
        [first, key, ..] if first == "vars" => {
            template.sets.insert(format!("vars.{key}"));
        }
        [first, ..] => {
            template.sets.insert(first.clone());
        }
        [] => {}
    }
}

//! Blocks of configuration to manifests. What cannot be said is left out as a whole and listed.

mod attributes;
mod block;
mod body;
mod command;
mod constants;
mod convert;
mod facts;
mod scope;
mod secrets;
mod value;

pub(super) use secrets::secrets;

use super::document::Node;
use super::language::{Comment, Expression, File, Kind, Statement, StatementKind};
use super::pending::Pending;
use super::report::{BlockForm, Imported, LeftOut, Note, Origin, Reason, Span, Subject};
use super::tree::SourceFile;
use block::Translated;
pub(super) use facts::Facts;
use scope::{Form, Scope};
use value::{Unsaid, Value, value};

/// Most blocks that loops at top level may make.
const MAX_UNROLLED: usize = 10_000;
/// Most blocks. Each needs about 3 KiB of memory.
const MAX_BLOCKS: usize = 250_000;
/// Most variables of a file.
const MAX_VARIABLES: usize = 2000;

/// Translates the files of Icinga's language, one after the other.
pub(super) struct Work<'a> {
    facts: &'a Facts,
    /// What was left out, and remarks.
    pub(super) imported: Imported,
    /// The blocks that can be said.
    pub(super) pending: Vec<Pending>,
    unrolled: usize,
}

/// Comments of a file, which are given to the statement behind them.
struct Comments<'a> {
    comments: &'a [Comment],
    next: usize,
}

impl Comments<'_> {
    fn of(&mut self, statement: &Statement) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(comment) = self.comments.get(self.next) {
            let is_trailing = comment.trailing && comment.line == statement.last_line;
            if comment.line > statement.last_line || (comment.line == statement.last_line && !is_trailing) {
                break;
            }
            lines.extend(comment.lines.iter().cloned());
            self.next += 1;
        }
        lines
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self { facts, imported: Imported::default(), pending: Vec::new(), unrolled: 0 }
    }

    /// Translates a file.
    pub(super) fn file(&mut self, file: &SourceFile, content: &File) {
        let mut comments = Comments { comments: &content.comments, next: 0 };
        // Local variables of a file are its own.
        let mut scope = Scope::new(&self.facts.constants, None, Form::Object);
        for statement in &content.statements {
            let lines = comments.of(statement);
            self.statement(file, statement, &mut scope, lines);
        }
    }

    fn statement(
        &mut self,
        file: &SourceFile,
        statement: &Statement,
        scope: &mut Scope<'a>,
        comments: Vec<String>,
    ) {
        match &statement.kind {
            StatementKind::Block(_) | StatementKind::Rule(_) => {
                self.imported.blocks += 1;
                if self.imported.blocks > MAX_BLOCKS {
                    return self.too_many(file, statement);
                }
                self.block(file, statement, scope, comments);
            }
            // Read before, or without an object.
            StatementKind::Include(..)
            | StatementKind::IncludeRecursive(..)
            | StatementKind::IncludeZones(..)
            | StatementKind::Library(_) => {}
            StatementKind::Constant(name, given) => {
                // Icinga's own constants of a node are known to it.
                let is_known = self.facts.constants.get(name).is_some()
                    || name == "TicketSalt"
                    || crate::validate::constants::ICINGA_CONSTANTS.contains(&name.as_str());
                if !is_known {
                    let subject = statement_subject("const", name);
                    let construct = super::language::source(given);
                    let unsaid = match value(given, scope) {
                        Err(unsaid) if matches!(unsaid.reason, Reason::Large | Reason::TooMany) => unsaid,
                        _ => Unsaid::new(
                            given.at,
                            construct,
                            Reason::UnknownName,
                            "write a plain value, or --define it; blocks that use it are listed on their own",
                        ),
                    };
                    self.leave(file, statement, subject, unsaid);
                }
            }
            StatementKind::For(for_each, body) => {
                if !self.unroll(file, for_each, body, scope) {
                    let unsaid =
                        Unsaid::new(statement.at, "for", Reason::Flow, "write the objects that it makes");
                    self.leave_all(file, statement, body, unsaid);
                }
            }
            StatementKind::Variable(target, operator, given) => {
                let given = given.as_ref().filter(|_| operator.as_str() == "=");
                // One that is not known is a reason where it is used.
                if let Kind::Name(name) = &target.kind {
                    let known = given.and_then(|given| value(given, scope).ok());
                    let has_room = scope.locals.len() < MAX_VARIABLES;
                    match scope.locals.iter_mut().rev().find(|(known, _)| known == name) {
                        Some((_, old)) => *old = known,
                        None if has_room => scope.locals.push((name.clone(), known)),
                        None => {
                            let construct = super::language::source(target);
                            let what = format!("var {construct}, after {MAX_VARIABLES} others");
                            let remedy = "split the file; blocks that use it are listed on their own";
                            let unsaid = Unsaid::new(target.at, what, Reason::Large, remedy);
                            self.leave(file, statement, statement_subject("", ""), unsaid);
                        }
                    }
                }
            }
            StatementKind::Expression(Expression { kind: Kind::If(branches, otherwise), .. }) => {
                self.branches(file, statement, branches, otherwise.as_deref(), scope)
            }
            StatementKind::Function(_, _, body) | StatementKind::While(_, body) => {
                let unsaid = Unsaid::new(
                    statement.at,
                    "a function or loop",
                    Reason::Flow,
                    "write the objects that it makes",
                );
                self.leave_all(file, statement, body, unsaid);
            }
            StatementKind::Namespace(_, body) | StatementKind::Try(body, _) => {
                let unsaid = Unsaid::new(
                    statement.at,
                    "namespace or try",
                    Reason::Flow,
                    "write the objects outside of it",
                );
                self.leave_all(file, statement, body, unsaid);
            }
            StatementKind::Set(target, _, given) => {
                if let Kind::Name(name) = &target.kind {
                    scope.locals.push((name.clone(), None));
                }
                let is_constant =
                    matches!(&target.kind, Kind::Member(_, name) if self.facts.constants.get(name).is_some());
                if !is_constant {
                    let construct = super::language::source(given);
                    let subject = statement_subject("assignment", &super::language::source(target));
                    self.leave(
                        file,
                        statement,
                        subject,
                        Unsaid::new(
                            statement.at,
                            construct,
                            Reason::Flow,
                            "write a constant with a plain value; blocks that use it are listed on their own",
                        ),
                    );
                }
            }
            StatementKind::Using(_) | StatementKind::Debugger => {}
            _ => {
                let unsaid = Unsaid::new(
                    statement.at,
                    "a statement",
                    Reason::Statement,
                    "remove it, or keep it in Icinga's configuration",
                );
                self.leave(file, statement, statement_subject("", ""), unsaid);
            }
        }
    }

    /// Takes the branch that constants choose. Other conditions run while Icinga loads.
    fn branches(
        &mut self,
        file: &SourceFile,
        statement: &Statement,
        branches: &[(Expression, Vec<Statement>)],
        otherwise: Option<&[Statement]>,
        scope: &mut Scope<'a>,
    ) {
        for (condition, body) in branches {
            match value(condition, scope) {
                Ok(Value::Constant(node)) if value::is_true(&node) => {
                    return body.iter().for_each(|inner| self.statement(file, inner, scope, Vec::new()));
                }
                Ok(Value::Constant(_)) => {}
                _ => {
                    let all: Vec<Statement> = branches
                        .iter()
                        .flat_map(|(_, body)| body)
                        .chain(otherwise.unwrap_or_default())
                        .cloned()
                        .collect();
                    let construct = format!("if ({})", super::language::source(condition));
                    let unsaid =
                        Unsaid::new(statement.at, construct, Reason::Flow, "write the objects that it makes");
                    return self.leave_all(file, statement, &all, unsaid);
                }
            }
        }
        otherwise.unwrap_or_default().iter().for_each(|inner| self.statement(file, inner, scope, Vec::new()));
    }

    /// Writes the objects of a loop over a known list or dictionary. False if it is not known.
    fn unroll(
        &mut self,
        file: &SourceFile,
        for_each: &super::language::ForEach,
        body: &[Statement],
        scope: &mut Scope<'a>,
    ) -> bool {
        let pairs: Vec<(Node, Option<Node>)> = match (value(&for_each.within, scope), &for_each.value) {
            (Ok(Value::Constant(Node::List(items))), None) => {
                items.into_iter().map(|item| (item, None)).collect()
            }
            (Ok(Value::Constant(Node::Map(entries))), Some(_)) => {
                entries.into_iter().map(|(key, node)| (Node::Text(key), Some(node))).collect()
            }
            (_, _) => match range(&for_each.within, scope) {
                Some(numbers) => numbers.into_iter().map(|number| (Node::Number(number), None)).collect(),
                None => return false,
            },
        };
        self.unrolled = self.unrolled.saturating_add(pairs.len().saturating_mul(body.len().max(1)));
        if self.unrolled > MAX_UNROLLED {
            return false;
        }
        for (key, node) in pairs {
            let depth = scope.locals.len();
            scope.locals.push((for_each.key.clone(), Some(Value::Constant(key))));
            if let (Some(name), Some(node)) = (&for_each.value, node) {
                scope.locals.push((name.clone(), Some(Value::Constant(node))));
            }
            body.iter().for_each(|inner| self.statement(file, inner, scope, Vec::new()));
            scope.locals.truncate(depth);
        }
        true
    }

    fn block(&mut self, file: &SourceFile, statement: &Statement, scope: &Scope<'a>, comments: Vec<String>) {
        let (subject, result) = match &statement.kind {
            StatementKind::Block(block) => block::object(block, file, self.facts, scope),
            StatementKind::Rule(rule) => block::rule(rule, file, self.facts, scope),
            _ => return,
        };
        match result {
            Ok(Translated::Outside(unsaid)) => {
                let left = left_out(file, statement, subject, unsaid);
                self.imported.outside.push(left);
            }
            Ok(Translated::Block(translated)) => self.say(file, statement, subject, *translated, comments),
            Err(unsaid) => self.leave(file, statement, subject, unsaid),
        }
    }

    /// Adds a block that can be said.
    fn say(
        &mut self,
        file: &SourceFile,
        statement: &Statement,
        subject: Subject,
        translated: block::Said,
        comments: Vec<String>,
    ) {
        for (at, message) in translated.remarks {
            let origin = Origin { file: file.path.clone(), at: Some(at) };
            self.imported.notes.push(Note { origin, subject: subject.clone(), message });
        }
        // Blocks of a loop share its text, but not its memory.
        if !self.facts.constants.spend(value::weight(&translated.member)) {
            let remedy = "import the tree in parts";
            let unsaid = Unsaid::new(statement.at, "the block", Reason::TooMany, remedy);
            return self.leave(file, statement, subject, unsaid);
        }
        self.pending.push(Pending {
            origin: Origin { file: file.path.clone(), at: Some(statement.at) },
            subject,
            icinga_type: translated.icinga_type,
            name: translated.name,
            parts: translated.parts,
            zone: translated.zone,
            is_template: translated.is_template,
            member: translated.member,
            comments,
            span: Some(span(file, statement)),
        });
    }

    /// Says once that there are too many blocks.
    fn too_many(&mut self, file: &SourceFile, statement: &Statement) {
        if self.imported.blocks == MAX_BLOCKS + 1 {
            let what = format!("this block and all behind it, after {MAX_BLOCKS} others");
            let remedy = "import the tree in parts";
            let unsaid = Unsaid::new(statement.at, what, Reason::Large, remedy);
            self.leave(file, statement, statement_subject("", ""), unsaid);
        }
    }

    fn leave(&mut self, file: &SourceFile, statement: &Statement, subject: Subject, unsaid: Unsaid) {
        self.imported.left_out.push(left_out(file, statement, subject, unsaid));
    }

    /// Leaves out a statement with every block inside of it.
    fn leave_all(&mut self, file: &SourceFile, statement: &Statement, body: &[Statement], unsaid: Unsaid) {
        let mut blocks = Vec::new();
        collect_blocks(body, &mut blocks);
        if blocks.is_empty() {
            return self.leave(file, statement, statement_subject("", ""), unsaid);
        }
        let scope = Scope::new(&self.facts.constants, None, Form::Object);
        for inner in blocks {
            self.imported.blocks += 1;
            let subject = match &inner.kind {
                StatementKind::Block(block) => block::subject_of_object(block, &scope),
                StatementKind::Rule(rule) => block::subject_of_rule(rule, &scope),
                _ => continue,
            };
            self.leave(file, inner, subject, unsaid.clone());
        }
    }
}

/// Returns the numbers of `range(...)` with known bounds.
fn range(expression: &Expression, scope: &Scope) -> Option<Vec<f64>> {
    let Kind::Call(function, arguments) = &expression.kind else { return None };
    if !matches!(&function.kind, Kind::Name(name) if name == "range") {
        return None;
    }
    let bounds: Option<Vec<f64>> = arguments
        .iter()
        .map(|argument| match value(argument, scope) {
            Ok(Value::Constant(Node::Number(number))) => Some(number),
            _ => None,
        })
        .collect();
    let (from, to, step) = match *bounds?.as_slice() {
        [to] => (0.0, to, 1.0),
        [from, to] => (from, to, 1.0),
        [from, to, step] => (from, to, step),
        _ => return None,
    };
    let count = ((to - from) / step).ceil();
    if !(0.0..=MAX_UNROLLED as f64).contains(&count) || step == 0.0 {
        return None;
    }
    Some((0..count as usize).map(|i| from + step * i as f64).collect())
}

fn span(file: &SourceFile, statement: &Statement) -> Span {
    Span { file: file.source.clone(), from: statement.at, to: statement.end }
}

fn left_out(file: &SourceFile, statement: &Statement, subject: Subject, unsaid: Unsaid) -> LeftOut {
    LeftOut {
        block: Origin { file: file.path.clone(), at: Some(statement.at) },
        span: Some(span(file, statement)),
        subject,
        origin: Origin { file: file.path.clone(), at: Some(unsaid.at) },
        construct: unsaid.construct,
        reason: unsaid.reason,
        remedy: unsaid.remedy,
        dependents: Vec::new(),
    }
}

fn statement_subject(word: &str, name: &str) -> Subject {
    let name = if name.is_empty() { None } else { Some(name.to_owned()) };
    Subject { form: BlockForm::Statement, object_type: word.to_owned(), name }
}

/// Collects the blocks inside of statements.
fn collect_blocks<'s>(body: &'s [Statement], found: &mut Vec<&'s Statement>) {
    for statement in body {
        match &statement.kind {
            StatementKind::Block(_) | StatementKind::Rule(_) => found.push(statement),
            _ => statement.bodies().for_each(|body| collect_blocks(body, found)),
        }
    }
}

#[cfg(test)]
mod tests;

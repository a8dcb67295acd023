//! Includes inside of blocks. Icinga evaluates the statements of the file in the place of the include.

use super::super::{Found, MAX_FILE, MAX_TOKENS, MAX_TOTAL, join, parent};
use super::{Reader, text};
use crate::import::language::{self, Position, Statement, StatementKind};

impl Reader<'_> {
    /// Reads the files that blocks of `path` include. An include that cannot be read stays as it
    /// is, and its block is left out.
    pub(super) fn inline(&mut self, path: &str, statements: &mut [Statement], depth: usize) {
        for statement in statements {
            match &mut statement.kind {
                StatementKind::Block(block) => self.inline_body(path, &mut block.body, depth),
                StatementKind::Rule(rule) => self.inline_body(path, &mut rule.body, depth),
                _ => {}
            }
        }
    }

    fn inline_body(&mut self, path: &str, body: &mut [Statement], depth: usize) {
        for statement in body {
            let StatementKind::Include(given, false) = &statement.kind else { continue };
            let given = given.clone();
            let Some(name) = self.plain(&given).filter(|name| !name.contains(['*', '?'])) else { continue };
            let file = join(parent(path), &name);
            if let Some(inner) = self.included_body(&file, statement.at, depth + 1) {
                statement.kind = StatementKind::Inlined(given, inner);
            }
        }
    }

    /// Returns the statements of a file. None if it cannot be read, or is one too many.
    fn included_body(&mut self, path: &str, at: Position, depth: usize) -> Option<Vec<Statement>> {
        let is_open = self.open.iter().any(|open| open == path);
        if is_open || self.source.found(path) != Found::File || !self.may_go_on(path, depth) {
            return None;
        }
        let bytes = self.source.bytes(path).ok()?;
        if bytes.len() > MAX_FILE || self.total + bytes.len() > MAX_TOTAL {
            return None;
        }
        self.total += bytes.len();
        let file = language::parse_included(&text(bytes).ok()?, at).ok()?;
        if self.tokens + file.tokens > MAX_TOKENS {
            return None;
        }
        self.tokens += file.tokens;
        let mut statements = file.statements;
        self.open.push(path.to_owned());
        self.inline_body(path, &mut statements, depth);
        self.open.pop();
        Some(statements)
    }
}

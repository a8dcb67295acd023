//! The connection, made from the present Secret and resource. A working connection stays in use
//! until its successor has worked.

use super::super::access::{InUse, Opening};
use super::{Actor, Effect, Facts, Log, Moment, Opened, Source, Task};
use crate::api::Reason;
use crate::satellite::problem::Problem;
use std::time::Duration;

/// What the log calls a credential that does not work while the previous one does.
const NOT_USED: &str = "the credential in the Secret does not work, and the previous one stays in use";

impl Actor {
    /// Connects if that is needed, and goes on with the connection.
    pub(super) fn connect(&mut self, moment: &Moment, facts: &Facts) -> Task {
        match self.access.must_read(moment.now) {
            true => Task::ReadSecret,
            false => self.connected(moment, facts),
        }
    }

    pub(super) fn secret_read(
        &mut self,
        read: Result<bool, Problem>,
        moment: &Moment,
        facts: &Facts,
    ) -> Task {
        match read {
            Ok(true) if self.access.in_use.is_some() && !self.access.is_changed => {
                self.settled();
                self.connected(moment, facts)
            }
            Ok(is_same) => self.open(Source::Secret, is_same, None),
            Err(problem) => self.cannot_open(problem, moment, facts),
        }
    }

    fn open(&mut self, source: Source, is_same: bool, instead_of: Option<Problem>) -> Task {
        self.access.opening = Some(Opening { source, is_same, opened: None, instead_of });
        Task::Open(source)
    }

    pub(super) fn opened(&mut self, opened: Result<Opened, Problem>, moment: &Moment, facts: &Facts) -> Task {
        let is_proven = self.access.is_proven();
        let Some(opening) = &mut self.access.opening else { return self.begin(moment) };
        match opened {
            Ok(opened) => {
                opening.opened = Some(opened);
                // Another credential must work once before it replaces one that works.
                let must_try = is_proven && opening.source == Source::Secret && !opening.is_same;
                if must_try { Task::TryOpened } else { self.use_opened(facts) }
            }
            // It was opened before, so it can be opened again, unless the target cannot be used.
            Err(problem) if opening.source == Source::InUse => self.cannot_connect(problem, moment),
            Err(problem) => self.cannot_open(problem, moment, facts),
        }
    }

    /// Uses the connection that was opened.
    pub(super) fn use_opened(&mut self, facts: &Facts) -> Task {
        if let Some(opened) = self.access.opening.as_ref().and_then(|opening| opening.opened.clone()) {
            self.left_behind(&opened, facts);
        }
        Task::UseOpened
    }

    /// The connection that was opened is in use.
    pub(super) fn used(&mut self, moment: &Moment, facts: &Facts) -> Task {
        let is_proven = self.access.is_proven();
        if let Some(Opening { opened: Some(opened), instead_of, .. }) = self.access.opening.take() {
            let expiry = opened.validity.map(|validity| validity.expires);
            self.effects.push(Effect::Expiry(expiry));
            self.access.in_use = Some(InUse { opened, is_proven });
            match instead_of {
                None => {
                    self.settled();
                    self.report.renewal = None;
                }
                // The resource changed: connect again with the working credential.
                Some(problem) => {
                    self.access.is_changed = false;
                    self.not_used(problem);
                }
            }
        }
        self.connected(moment, facts)
    }

    /// Keeps the working credential, if there is one.
    pub(super) fn cannot_open(&mut self, problem: Problem, moment: &Moment, facts: &Facts) -> Task {
        self.access.opening = None;
        if !self.access.is_proven() {
            return self.cannot_connect(problem, moment);
        }
        self.access.postponed(moment.now);
        if self.access.is_changed {
            return self.open(Source::InUse, true, Some(problem));
        }
        self.not_used(problem);
        self.connected(moment, facts)
    }

    fn cannot_connect(&mut self, problem: Problem, moment: &Moment) -> Task {
        self.access.opening = None;
        match self.config.is_deleted() {
            true => self.left(Err(problem), moment),
            false => self.finish(Err(problem), moment),
        }
    }

    fn connected(&mut self, moment: &Moment, facts: &Facts) -> Task {
        match self.config.is_deleted() {
            true => self.clean_up(),
            false => self.probe(moment, facts),
        }
    }

    fn settled(&mut self) {
        self.access.settled();
        if self.report.credential.take().is_some() {
            self.log(Log::Over(NOT_USED));
        }
    }

    fn not_used(&mut self, problem: Problem) {
        if self.report.credential.as_ref() != Some(&problem) {
            self.log(Log::Warning(NOT_USED, problem.message.clone()));
        }
        self.report.credential = Some(problem);
    }

    /// Reports the ConfigMaps that stay in the previous place of the satellite or its target. They
    /// are not deleted, because an Icinga may still load them.
    fn left_behind(&mut self, new: &Opened, facts: &Facts) {
        let Some(old) = self.access.in_use.as_ref().map(|in_use| in_use.opened.place.clone()) else { return };
        if !new.is_elsewhere && old == new.place {
            return;
        }
        self.listening.reset();
        // Nothing is known of them at any time.
        self.judge_agents(Duration::ZERO);
        if facts.holds_ours {
            let (cluster, file) = match new.is_elsewhere {
                true => ("the previous cluster", "with its kubeconfig, "),
                false => ("the satellite", ""),
            };
            let note = format!(
                "ConfigMap {old} and its shards, whose names begin with it, stay on {cluster} as they are: when \
                 nothing loads them any more, delete them, {file}with kubectl"
            );
            self.log(Log::Warning("the target is another one", note.clone()));
            self.event(true, Reason::CleanupSkipped, note);
        }
        if new.is_elsewhere {
            self.progress.last = None;
            self.not_held();
        }
        self.effects.push(Effect::Lost);
    }
}

//! The end of a step: the token, the report, and the pause before the next step.

use super::{Actor, BreakerState, Contact, Effect, Log, Moment, Problem, Reason, Renewal, Task, Wait};
use std::time::Duration;

/// What the log calls a token that was not renewed.
const NOT_RENEWED: &str = "the token is not renewed";

impl Actor {
    /// The satellite was called: keeps the credential, then ends the step. A credential ends
    /// whatever else is wrong; a satellite that does not answer would not answer to this either.
    pub(super) fn tried(&mut self, result: Result<Duration, Problem>, moment: &Moment) -> Task {
        if result.as_ref().is_err_and(|problem| problem.contact == Contact::Silent) {
            return self.finish(result, moment);
        }
        let object = self.object().clone();
        self.report.expiry = self.access.warning(&object, moment.unix);
        match &object.spec.token_renewal {
            Some(renewal) if moment.is_leader && self.access.is_renewal_due(renewal, moment.unix) => {
                self.step.result = Some(result);
                Task::RenewToken(renewal.clone())
            }
            Some(_) => self.finish(result, moment),
            None => {
                self.renewal_problem(None);
                self.finish(result, moment)
            }
        }
    }

    pub(super) fn token_renewed(&mut self, renewed: Result<Renewal, Problem>, moment: &Moment) -> Task {
        let object = self.object().clone();
        self.access.renewed(&renewed, &object, moment.unix);
        match renewed {
            Ok(Renewal::Renewed(_)) => self.renewal_problem(None),
            // Someone else replaced the token: wait for the watch of the Secret, because nothing
            // was renewed here.
            Ok(Renewal::Overtaken) => {}
            Err(problem) => self.renewal_problem(Some(problem.message)),
        }
        match self.step.result.take() {
            Some(result) => self.finish(result, moment),
            None => self.begin(moment),
        }
    }

    fn renewal_problem(&mut self, why: Option<String>) {
        match (&self.report.renewal, &why) {
            (Some(_), None) => self.log(Log::Over(NOT_RENEWED)),
            (old, Some(why)) if old.as_ref() != Some(why) => {
                self.log(Log::Warning(NOT_RENEWED, why.clone()));
            }
            _ => {}
        }
        self.report.renewal = why;
    }

    /// Ends the step.
    pub(super) fn finish(&mut self, result: Result<Duration, Problem>, moment: &Moment) -> Task {
        self.failures.is_known = true;
        match result {
            Ok(pause) => {
                self.recovered();
                self.judge_health(moment.now);
                self.contact.attempts = 0;
                Task::Wait(self.wait(pause))
            }
            Err(problem) => {
                let pause = self.failed(problem, moment);
                Task::Wait(self.wait(pause))
            }
        }
    }

    fn recovered(&mut self) {
        let Some(problem) = self.report.problem.take() else { return };
        self.log(Log::Recovered);
        if problem.contact != Contact::None {
            self.event(false, Reason::Connected, "the satellite works again");
        }
    }

    /// Records a failed step and returns the pause.
    pub(super) fn failed(&mut self, mut problem: Problem, moment: &Moment) -> Duration {
        if problem.reason == Reason::Unauthorized && self.contact.attempts == 0 {
            // A new token may be in the Secret already, which is read again at once.
            problem.transient = true;
        }
        let before = self.report.problem.as_ref();
        let is_news = before != Some(&problem);
        let is_new_reason = before.is_none_or(|before| before.reason != problem.reason);
        if is_news {
            self.log(Log::Problem(problem.clone()));
        }
        if is_new_reason && problem.reason != Reason::Pending {
            self.event(true, problem.reason, problem.message.clone());
        }
        self.effects.push(Effect::Failed(problem.reason));
        self.contact.failed(&problem, moment.now);
        if problem.contact != Contact::None {
            self.effects.push(Effect::Breaker(self.contact.breaker.state()));
        }
        if problem.reason == Reason::Unauthorized {
            self.access.reload = true;
        }
        self.report.problem = Some(problem.clone());
        self.failures.is_known = true;
        self.judge_health(moment.now);
        if self.contact.is_open() {
            self.effects.push(Effect::StopFollowing);
            self.stop_listening(moment);
        }
        let pause = self.contact.pause(&problem, self.is_refused(), moment.random);
        if problem.transient {
            self.report.next_probe = moment.unix.saturating_add(pause.as_secs() as i64);
        }
        pause
    }

    /// Returns a wait of this length. A new snapshot ends it, with two exceptions. An open breaker
    /// waits for its probe. A satellite that refused the last snapshot is not asked more often
    /// because there are new ones.
    pub(super) fn wait(&self, pause: Duration) -> Wait {
        Wait {
            pause,
            is_for_snapshots: self.contact.breaker.state() != BreakerState::Open && !self.is_refused(),
            is_for_disturbances: true,
            is_well: self.report.problem.is_none(),
        }
    }

    fn is_refused(&self) -> bool {
        // A satellite that holds its set, and refuses something else (a watch), gets a new
        // snapshot at once.
        let digest = |held: Option<(_, _)>| held.map(|(_, digest): (crate::identity::Revision, _)| digest);
        let holds_all = digest(self.report.acked) == digest(self.report.desired);
        // A satellite without a usable credential is not asked either: the watch of its Secret
        // reports a new one.
        let refuses = |problem: &Problem| {
            problem.contact == Contact::Answered
                || matches!(problem.reason, Reason::CredentialMissing | Reason::CredentialRefused)
        };
        !holds_all && self.report.problem.as_ref().is_some_and(refuses)
    }
}

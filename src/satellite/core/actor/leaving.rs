//! Handles a resource that is being deleted: first deletes the ConfigMaps, if that is wanted,
//! within the allowed time.

use super::delivering::Doing;
use super::{Actor, Effect, Ended, Job, Log, Moment, Outcome, Problem, Reason, Task};
use crate::api::satellite_cluster::Cleanup;
use crate::satellite::core::config::duration;

impl Actor {
    pub(super) fn leave(&mut self, moment: &Moment) -> Task {
        let since = *self.deleting_since.get_or_insert(moment.now);
        if !self.config.is_kept() {
            return Task::Finish;
        }
        let spec = &self.object().spec;
        if spec.deletion.cleanup == Cleanup::Orphan {
            return Task::Release(None);
        }
        if spec.suspend {
            return self.left(Err(Problem::stalled(Reason::Suspended, "spec.suspend is set")), moment);
        }
        self.step.deadline = Some(since + duration(&spec.deletion.timeout));
        // The connection first. Nothing is asked of it but the cleanup.
        match self.access.must_read(moment.now) {
            true => Task::ReadSecret,
            false => self.clean_up(),
        }
    }

    pub(super) fn clean_up(&mut self) -> Task {
        self.effects.push(Effect::StopFollowing);
        self.step.doing = Doing::CleaningUp;
        Task::Do(Job::CleanUp, None)
    }

    pub(super) fn cleaned_up(&mut self, ended: Result<Outcome, Ended>, moment: &Moment) -> Task {
        match ended {
            Ok(_) => self.left(Ok(()), moment),
            Err(Ended::Failed(problem)) => self.left(Err(problem), moment),
            Err(Ended::OutOfTime) => self.out_of_time(moment),
        }
    }

    pub(super) fn out_of_time(&mut self, moment: &Moment) -> Task {
        self.step.doing = Doing::Nothing;
        self.access.opening = None;
        let allowed = duration(&self.object().spec.deletion.timeout);
        let message = format!("not done within spec.deletion.timeout ({} s)", allowed.as_secs());
        self.left(Err(Problem::silent(Reason::Unreachable, message)), moment)
    }

    /// The cleanup ended.
    pub(super) fn left(&mut self, result: Result<(), Problem>, moment: &Moment) -> Task {
        self.step.deadline = None;
        let Err(problem) = result else { return Task::Release(None) };
        let spec = &self.object().spec;
        let since = self.deleting_since.unwrap_or(moment.now);
        let left = (since + duration(&spec.deletion.timeout)).saturating_sub(moment.now);
        if !left.is_zero() && !spec.suspend {
            // Not a moment longer than is allowed.
            let pause = self.failed(problem, moment).min(left);
            return Task::Wait(self.wait(pause));
        }
        let target = self.config.target(&self.hub);
        let (namespace, name) = (&target.namespace, &target.name);
        let note = format!(
            "ConfigMap {namespace}/{name} and its shards may be left on the satellite: {}; delete them there with \
             kubectl -n {namespace} delete configmap -l {}",
            problem.message,
            target.selector()
        );
        self.log(Log::Warning("not cleaned up", note.clone()));
        Task::Release(Some((Reason::CleanupSkipped, note)))
    }
}

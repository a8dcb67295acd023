//! Status writes, on their way to the API server and back.

use super::*;

impl World {
    pub(super) fn status_begins(&mut self, write: Write) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        hold(Rule::R4, process.term.is_some(), || {
            format!("{} is written without the leadership", write.key())
        })?;
        self.witness.status_sent(&self.api, &self.disk, write.key(), write.body(), self.servers.len())?;
        self.trace_write(&write);
        let Some(process) = &mut self.process else { return Ok(()) };
        let key = write.key().clone();
        process.writes.push(StatusWrite { write, heard: None });
        hold(Rule::I9, process.writes.len() <= WRITES, || {
            format!("{} status writes are under way", process.writes.len())
        })?;
        match self.plan.planted {
            Some(Planted::WritesGivenUp) => self.tell(Input::StatusPanicked(key)),
            _ => Ok(()),
        }
    }

    pub(super) fn trace_write(&mut self, write: &Write) {
        let (key, kind, generation) = (write.key().clone(), write.kind(), write.generation());
        self.say(|| format!("write {kind:?} of {key} for generation {generation}"));
    }

    pub(super) fn status_advances(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.writes.is_empty() {
            return Ok(());
        }
        let at = self.random.below(process.writes.len());
        let StatusWrite { write, heard } = process.writes.swap_remove(at);
        match heard {
            None => {
                let heard = Some(self.status_heard(&write)?);
                let Some(process) = &mut self.process else { return Ok(()) };
                process.writes.push(StatusWrite { write, heard });
                Ok(())
            }
            Some(answer) => self.status_ends(write, answer),
        }
    }

    /// A write reaches the server, or is lost before or after it.
    pub(super) fn status_heard(&mut self, write: &Write) -> Result<Result<Written, Error>, Violation> {
        let planted = self.plan.planted;
        let is_ready = write.kind() == Kind::Ready;
        if planted == Some(Planted::AcknowledgementWithoutStore) && is_ready && self.random.percent(30) {
            return Ok(Ok(Written::Stored(1)));
        }
        if self.faults && self.random.percent(6) {
            return Ok(Err(Error::Unknown("the connection broke".into())));
        }
        if self.faults && self.random.percent(4) {
            return Ok(Err(Error::Refused("403".into())));
        }
        let (key, uid) = (write.key().clone(), write.uid().clone());
        let tests = planted != Some(Planted::GenerationNotTested);
        // A driver that does not read the operators claims what is its own.
        let hides = matches!(planted, Some(Planted::StatusesNotRead | Planted::OperatorNotRead));
        let claimed = write.claimed().filter(|_| !hides);
        let written = self.api.write_status(&key, &uid, write.generation(), write.body(), claimed, tests);
        self.status_arrived(&key, written)?;
        let is_answer_lost = self.faults && self.random.percent(6);
        Ok(if is_answer_lost { Err(Error::Unknown("no answer".into())) } else { Ok(written) })
    }

    pub(super) fn status_ends(&mut self, write: Write, answer: Result<Written, Error>) -> Step {
        let key = write.key().clone();
        self.say(|| format!("the write of {key} is answered: {answer:?}"));
        if self.faults && self.random.percent(1) {
            drop(write);
            self.say(|| "and panics".into());
            return self.tell(Input::StatusPanicked(key));
        }
        let believes = self.plan.planted == Some(Planted::UnknownTakenForStored);
        let answer = match answer {
            Ok(Written::Stored(version)) => write.stored_by_model(version),
            Ok(Written::Stale) => write.refused_by_model(Error::Stale),
            Ok(Written::Gone) => write.refused_by_model(Error::Gone),
            Err(Error::Unknown(_)) if believes => write.stored_by_model(1),
            Err(error) => write.refused_by_model(error),
        };
        self.tell(Input::StatusAnswered(answer))
    }

    pub(super) fn status_arrived(&mut self, key: &ObjectKey, written: Written) -> Step {
        if let (Written::Stored(_), Some(stored)) = (written, self.api.objects.get(key)) {
            self.witness.status_stored(key, stored)?;
        }
        Ok(())
    }

    pub(super) fn late_arrives(&mut self) -> Step {
        if !self.late_writes.is_empty() {
            let LateWrite { key, uid, generation, status, claimed } =
                self.late_writes.swap_remove(self.random.below(self.late_writes.len()));
            let tests = self.plan.planted != Some(Planted::GenerationNotTested);
            let written = self.api.write_status(
                &key,
                &uid,
                generation,
                &status,
                claimed.as_ref().map(Option::as_deref),
                tests,
            );
            self.say(|| format!("a status write of a dead process arrives: {key} {written:?}"));
            return self.status_arrived(&key, written);
        }
        if !self.late_requests.is_empty() {
            let (number, request) =
                self.late_requests.swap_remove(self.random.below(self.late_requests.len()));
            self.say(|| format!("a request of a dead process arrives at edge-{number}: {request:?}"));
            let pointers = self.servers[number].pointers;
            satellite::arrive_late(&mut self.servers[number], request, self.terms)?;
            return self.look_at_set(number, pointers);
        }
        Ok(())
    }
}

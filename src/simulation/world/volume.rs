//! Commits on the volume.

use super::*;

impl World {
    pub(super) fn disk_fault(&mut self) -> Step {
        let fails = if self.random.percent(60) { 0 } else { 3 + self.random.below(20) as u64 };
        self.say(|| format!("one disk operation in {fails} fails"));
        self.disk.fail_one_in(fails, self.random.next());
        Ok(())
    }

    pub(super) fn commit_ends(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        if let Some((namespaces, keys)) = process.inspection.take() {
            let result = process.volume.scan_again(&namespaces, &keys).map_err(|error| error.to_string());
            self.say(|| format!("read again: {result:?}"));
            return self.tell(Input::Inspected(result));
        }
        let Some(batch) = process.commit.take() else { return Ok(()) };
        let took = Duration::from_millis(1);
        if self.plan.planted == Some(Planted::StatusBeforeCommit) {
            let dry = Volume::on(self.disk.fork());
            let outcomes = dry.commit(batch, &|| true);
            return self.tell(Input::Committed { outcomes, took });
        }
        if self.faults && self.random.percent(2) {
            // It panics somewhere.
            self.disk.stop_after(Some(self.random.below(20) as u32));
            let keys: Vec<_> = batch.iter().map(|change| change.key().clone()).collect();
            drop(process.volume.commit(batch, &|| true));
            self.disk.stop_after(None);
            // The driver reads until that succeeds.
            let found = (0..1_000).find_map(|_| process.volume.scan_again(&[], &keys).ok());
            let found = found.unwrap_or_default().files;
            self.look_at_volume()?;
            self.say(|| format!("the commit panics, and leaves {} files", found.len()));
            return self.tell(Input::CommitPanicked(found));
        }
        let is_leader = process.term.is_some();
        let stays = self.plan.planted == Some(Planted::DeletedFileStays);
        let (changes, kept): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|change| !(stays && matches!(change, Change::Remove { .. })));
        let mut outcomes = process.volume.commit(changes, &|| is_leader);
        outcomes.extend(kept.into_iter().map(|change| Outcome::Removed(change.key().clone())));
        self.look_at_volume()?;
        self.say(|| format!("committed: {}", outcomes.iter().map(outcome).collect::<Vec<_>>().join(", ")));
        self.tell(Input::Committed { outcomes, took })
    }

    pub(super) fn look_at_volume(&mut self) -> Step {
        for (place, bytes) in self.disk.take_seen() {
            self.witness.file_seen(&place, bytes.as_ref())?;
        }
        Ok(())
    }
}

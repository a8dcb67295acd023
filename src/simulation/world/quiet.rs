//! The end: without faults everything becomes equal and quiet.

use super::*;

impl World {
    pub(super) fn is_quiet(&self, dead: Option<usize>) -> bool {
        let Some(process) = &self.process else { return false };
        let is_watched = matches!(process.watch, Watch::Following(at) if at == self.api.log.len());
        let satellites = process.clients.iter().zip(&self.servers).enumerate();
        is_watched
            && process.leads
            && process.is_volume_idle()
            && self.touched.is_empty()
            && process.writes.is_empty()
            && !process.is_probing
            && !process.is_listing_again
            && self.late_writes.is_empty()
            && self.late_requests.is_empty()
            && satellites
                .filter(|(number, _)| Some(*number) != dead)
                .all(|(_, (client, server))| client.is_quiet(server))
            // Reads every file, so it is asked last.
            && self.is_icinga_quiet()
    }

    /// Lets everything go on until nothing happens any more.
    pub(super) fn become_quiet(&mut self, dead: Option<usize>) -> Step {
        let mut quiet = 0;
        for _ in 0..QUIET_STEPS {
            if self.process.as_ref().is_some_and(|process| !process.leads) {
                self.lease_changes()?;
            }
            if self.is_quiet(dead) {
                quiet += 1;
                // Long enough for every retry.
                self.clock += Duration::from_secs(10);
                self.tell(Input::Tick)?;
                self.look_at_satellites()?;
                if quiet > 12 {
                    return Ok(());
                }
                continue;
            }
            quiet = 0;
            self.step()?;
        }
        let rule = if dead.is_some() { Rule::I6 } else { Rule::I4 };
        Err(Violation { rule, what: format!("nothing becomes quiet after {QUIET_STEPS} steps") })
    }

    /// Lets each satellite's pointer be read, if it was not for a while.
    fn look_at_satellites(&mut self) -> Step {
        for number in 0..self.servers.len() {
            // A step of an actor is a few requests and answers.
            for _ in 0..40 {
                let process = self.process.as_ref();
                if process.is_some_and(|process| process.clients[number].is_due(self.clock)) {
                    self.satellite_advances(number)?;
                }
            }
        }
        Ok(())
    }

    /// A satellite that returned got each snapshot, and what somebody else had changed, in one pass.
    pub(super) fn one_pass_each(&self, (snapshots, pointers): &(u64, Vec<u64>)) -> Step {
        let most = self.snapshots - snapshots + 2;
        for (server, before) in self.servers.iter().zip(pointers) {
            let passes = server.pointers - before;
            hold(Rule::R8, passes <= most, || {
                format!("edge-{} got {passes} pointers for {most} snapshots", server.number)
            })?;
        }
        Ok(())
    }

    /// The volume, the statuses and the satellites say what the resources say.
    pub(super) fn everything_is_equal(&mut self, dead: Option<usize>) -> Step {
        let mut wanted = desired(&self.api);
        let volume = on_volume(&self.disk);
        // Suspended, or not valid: what was published stays, whatever it was.
        let is_free = |stored: &Stored| stored.spec.is_suspended || !stored.spec.is_valid;
        let free: Vec<_> = self.api.objects.values().filter(|s| is_free(s)).map(|s| s.key.clone()).collect();
        for key in &free {
            wanted.remove(key);
        }
        // What names something that is kept or missing is decided with it.
        let is_sure = |key: &ObjectKey| {
            let names = self.api.objects.get(key).and_then(|stored| stored.spec.group).map(group);
            !free.contains(key) && names.is_none_or(|group| !free.contains(&group))
        };
        for key in volume.keys() {
            let is_known = self.api.objects.contains_key(key);
            hold(Rule::I5, is_known, || format!("{key} was deleted, and its file is still there"))?;
        }
        for (key, digest) in wanted.iter().filter(|(key, _)| is_sure(key)) {
            let is_there = volume.get(key) == Some(digest);
            hold(Rule::I4, is_there, || {
                format!("{key} should be published as {digest}: {:?}", volume.get(key))
            })?;
        }
        for (number, server) in self.servers.iter().enumerate().filter(|(number, _)| Some(*number) != dead) {
            let set = server.set().map(|set| in_set(&set)).unwrap_or_default();
            for key in set.keys() {
                let is_known = self.api.objects.contains_key(key);
                hold(Rule::R5, is_known, || format!("edge-{number} has {key}, whose resource is gone"))?;
            }
            let rule = if dead.is_some() { Rule::I6 } else { Rule::I4 };
            hold(rule, set == volume, || {
                let differs: BTreeMap<_, _> = volume
                    .iter()
                    .filter(|(key, digest)| set.get(*key) != Some(digest))
                    .map(|(key, digest)| (key, (digest, set.get(key))))
                    .collect();
                let more: Vec<_> = set.keys().filter(|key| !volume.contains_key(*key)).collect();
                format!("edge-{number} differs from the volume: {differs:?}, and has {more:?}")
            })?;
        }
        for key in wanted.keys().filter(|key| is_sure(key)) {
            let stored = &self.api.objects[key];
            let is_true = |kind| {
                stored.status.iter().flat_map(|status| &status.conditions).any(|condition| {
                    condition.r#type == kind
                        && condition.status == ConditionStatus::True
                        && condition.observed_generation == Some(stored.generation)
                })
            };
            hold(Rule::I4, is_true(ConditionType::Ready), || format!("{key} is published and not Ready"))?;
            let is_synced = dead.is_some() || is_true(ConditionType::Synced);
            hold(Rule::I4, is_synced, || format!("{key} is everywhere and not Synced"))?;
            self.says_what_icinga_runs(stored, wanted[key])?;
            self.names_who_lacks_it(stored, dead)?;
        }
        Ok(())
    }

    /// The status of an object names the satellite that is away, if it lacks the object, and no other.
    fn names_who_lacks_it(&self, stored: &Stored, dead: Option<usize>) -> Step {
        let status = stored.status.as_ref();
        let named: Vec<_> = status
            .iter()
            .flat_map(|status| &status.pending_satellites)
            .flat_map(|p| p.names.clone())
            .collect();
        // Its revision is written once it is synced, or waits for long enough.
        let revision = status.and_then(|status| status.revision.as_deref()?.parse::<Revision>().ok());
        let process = self.process.as_ref();
        let is_known_to_have = |number: &usize| {
            let fleet = process.map(|process| &process.fleet);
            let held = fleet.and_then(|fleet| fleet.satellites.get(&format!("edge-{number}")))?.held_before?;
            Some(held >= revision?)
        };
        let is_synced = status.iter().flat_map(|status| &status.conditions).any(|condition| {
            condition.r#type == ConditionType::Synced && condition.status == ConditionStatus::True
        });
        // One that had it when it was seen last is named only while it has to confirm that.
        let lacks = dead.filter(|number| !is_synced || is_known_to_have(number) != Some(true));
        let expected: Vec<_> = lacks.iter().map(|number| format!("edge-{number}")).collect();
        hold(Rule::I11, named == expected, || {
            format!("the status of {} names {named:?}, and {expected:?} lack it", stored.key)
        })
    }

    /// A restart with nothing to do writes nothing.
    pub(super) fn restart_writes_nothing(&mut self) -> Step {
        let writes = |world: &Self| {
            (
                world.disk.writes(),
                world.api.status_writes,
                world.servers.iter().map(|s| s.writes).sum::<u64>(),
            )
        };
        let before = writes(self);
        self.say(|| "a restart with nothing to do".into());
        self.process = None;
        self.disk.kill();
        self.late_requests.clear();
        self.late_writes.clear();
        self.become_quiet(None)?;
        let after = writes(self);
        hold(Rule::I8, before == after, || {
            format!("files, statuses, satellites were written: {before:?} before, {after:?} after a restart")
        })?;
        self.everything_is_equal(None)
    }
}

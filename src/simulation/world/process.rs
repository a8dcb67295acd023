//! Operator processes: start, end, leadership, and carrying out what the core commands.

use super::*;

impl World {
    pub(super) fn end_process(&mut self) -> Step {
        let Some(process) = self.process.take() else { return Ok(()) };
        let is_power = self.random.percent(50);
        self.say(|| if is_power { "the power is cut".into() } else { "the process is killed".into() });
        if let Some(batch) = process.commit {
            // In the middle of it.
            self.disk.stop_after(Some(self.random.below(30) as u32));
            drop(process.volume.commit(batch, &|| true));
            self.look_at_volume()?;
        }
        if is_power {
            self.disk.cut_power(&mut self.random);
            self.witness.power_cut(&self.disk)?;
        } else {
            self.disk.kill();
        }
        for StatusWrite { write, heard } in process.writes {
            if heard.is_none() && self.random.percent(50) {
                self.late_writes.push(LateWrite {
                    key: write.key().clone(),
                    uid: write.uid().clone(),
                    generation: write.generation(),
                    status: write.body().clone(),
                    claimed: write.claimed().map(|named| named.map(str::to_owned)),
                });
            }
        }
        for (number, client) in process.clients.into_iter().enumerate() {
            self.late_requests.extend(client.end().into_iter().map(|request| (number, request)));
        }
        Ok(())
    }

    pub(super) fn start_process(&mut self) -> Step {
        self.terms = match self.random.below(100) {
            // Somebody deleted the Lease, and the terms begin again.
            0..3 => 0,
            // Somebody else led in between.
            3..12 => self.terms + 1,
            _ => self.terms,
        };
        self.terms += 1;
        let volume = Volume::on(self.disk.clone());
        let found = match volume.scan() {
            Ok(found) => found,
            Err(error) => {
                self.say(|| format!("cannot start: {error}"));
                return Ok(());
            }
        };
        self.say(|| format!("a process starts and finds {} files", found.files.len()));
        let names = ["CheckCommand!hostalive"].iter().filter_map(|name| Name::parse(name).ok());
        let recorded = self.recorded.iter().cloned().enumerate();
        let mut clients: Vec<_> =
            recorded.map(|(number, status)| Client::new(number, self.layout, status)).collect();
        let mut fleet = Fleet { listed: self.random.percent(70), ..Fleet::default() };
        for client in &mut clients {
            client.tell(&mut fleet, None);
        }
        let seed = self.random.next();
        let claim = Claim::default();
        // The report may not be there yet.
        let is_reported = self.random.percent(50);
        let icinga = if is_reported { self.icinga.reported.clone() } else { HubIcinga::default() };
        self.icinga.is_told = is_reported;
        let crd = self.recorded_crd.clone();
        let start = Start { scan: found, crd, fleet: fleet.clone(), claim, icinga: Some(icinga), seed };
        let core = Core::new(Settings::default(), self.guard, Index::new(names.collect()), start);
        self.process = Some(Process {
            core,
            volume,
            started: self.clock,
            leads: true,
            term: Some(self.terms),
            floor: 0,
            watch: Watch::Idle,
            of_others: BTreeSet::new(),
            has_listed: false,
            commit: None,
            inspection: None,
            check: None,
            writes: Vec::new(),
            is_probing: false,
            is_listing_again: false,
            latest: None,
            view: Maintained::new(Acceptance::default(), None),
            clients,
            fleet,
        });
        Ok(())
    }

    pub(super) fn lease_changes(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        process.leads = !process.leads;
        if self.plan.planted == Some(Planted::LeadershipNotAsked) {
            return Ok(());
        }
        if process.leads {
            self.terms = self.terms.max(process.floor) + 1;
        }
        process.term = process.leads.then_some(self.terms);
        let term = process.term;
        self.say(|| format!("the term is {term:?}"));
        self.tell(Input::Tick)
    }

    /// Tells the core what happened, and carries out what it commands.
    pub(super) fn tell(&mut self, mut input: Input) -> Step {
        if let Input::Watched(events) = &mut input {
            self.operators_seen(events);
        }
        let unix = self.unix();
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.term.is_some_and(|term| process.floor > term) {
            // The lease's next renewal takes a higher term.
            self.terms = self.terms.max(process.floor);
            process.term = Some(process.floor);
        }
        let now = Now { elapsed: self.clock - process.started, unix, term: process.term };
        for command in process.core.step(now, input) {
            self.carry_out(command)?;
        }
        Ok(())
    }

    /// Notes which operators the events name.
    fn operators_seen(&mut self, events: &mut [Event]) {
        let Some(process) = &mut self.process else { return };
        for event in events {
            let Event::Object(received) = event else { continue };
            let metadata = &received.object.metadata;
            let (Some(namespace), Some(name)) = (&metadata.namespace, &metadata.name) else { continue };
            let key = ObjectKey::new(namespace, name);
            let Some(status) = &mut received.object.status else {
                process.of_others.remove(&key);
                continue;
            };
            match status.operator.as_deref() == Some(OTHER_OPERATOR) {
                true => process.of_others.insert(key),
                false => process.of_others.remove(&key),
            };
            if self.plan.planted == Some(Planted::OperatorNotRead) {
                status.operator = None;
            }
        }
    }

    fn nothing_is_of_others(&self, what: &str) -> Step {
        let mut seen = self.process.iter().flat_map(|process| &process.of_others);
        let first = seen.find(|key| self.is_of_another(key));
        hold(Rule::I13, first.is_none(), || {
            format!("{what}, and the status of {first:?} names another operator")
        })
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Step {
        match &command {
            Command::Commit(_) => self.nothing_is_of_others("a commit begins")?,
            Command::WriteStatus(write) => {
                self.nothing_is_of_others(&format!("{} is written", write.key()))?
            }
            Command::Deliver(_) => self.nothing_is_of_others("a snapshot is delivered")?,
            _ => {}
        }
        match command {
            Command::Commit(changes) => {
                self.say(|| format!("commit {:?}", changes.iter().map(Change::key).collect::<Vec<_>>()));
                let Some(process) = &mut self.process else { return Ok(()) };
                let is_alone = process.is_volume_idle();
                hold(Rule::I9, is_alone, || "two commits are under way".into())?;
                process.commit = Some(changes);
            }
            Command::Inspect { namespaces, keys } => {
                self.say(|| format!("read again {namespaces:?} {keys:?}"));
                let Some(process) = &mut self.process else { return Ok(()) };
                let is_alone = process.is_volume_idle();
                hold(Rule::I9, is_alone, || "files are read beside a commit".into())?;
                process.inspection = Some((namespaces, keys));
            }
            Command::ListFiles => self.check_begins(Check::List)?,
            Command::Check(keys) => self.check_begins(Check::Files(keys))?,
            Command::WriteStatus(write) => self.status_begins(*write)?,
            Command::AskConsent => {
                if let Some(process) = &mut self.process {
                    process.is_probing = true;
                }
            }
            Command::ListAgain => {
                if let Some(process) = &mut self.process {
                    process.is_listing_again = true;
                }
            }
            Command::RememberCrd(uid) => self.recorded_crd = Some(uid),
            Command::Hold(why) => self.say(|| format!("the operator: {why:?}")),
            Command::HoldRemovals(held) => self.say(|| format!("held: {held:?}")),
            Command::Deliver(snapshot) => self.deliver(snapshot)?,
            Command::RaiseTerm { revision, .. } => {
                if let Some(process) = &mut self.process {
                    process.floor = process.floor.max(revision.term + 1);
                }
            }
            Command::Readiness { part, missing } => self.say(|| format!("{part:?}: {missing:?}")),
            Command::Announce(_) | Command::Measure(_) => {}
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, snapshot: Snapshot) -> Step {
        let contents: Vec<_> = snapshot.files().map(|file| (file.key().clone(), file.digest())).collect();
        self.witness.were_acknowledged(Rule::R2, &contents, "a snapshot")?;
        self.snapshots += 1;
        let snapshot = self.mangled(snapshot);
        let revision = snapshot.revision();
        self.say(|| format!("snapshot {revision} of {}", snapshot.files().count()));
        if let Some(process) = &mut self.process {
            let view = process.view.update(&snapshot, &mut SnapshotNames::default());
            for client in &mut process.clients {
                client.want(satellite::wanted(revision, view.clone()));
            }
            process.latest = Some(snapshot);
        }
        Ok(())
    }

    /// The snapshot as the driver hands it on, which is as it is unless a violation is planted.
    pub(super) fn mangled(&mut self, snapshot: Snapshot) -> Snapshot {
        let has_h1 = |server: &Server| server.set().is_some_and(|set| set.contains_key("b.h1.conf"));
        // A satellite that never had it loses nothing.
        let is_first = self.process.as_ref().is_some_and(|process| process.latest.is_none())
            && self.servers.iter().any(has_h1);
        let names_g0 = snapshot.files().any(|file| format!("{:?}", file.uses()).contains("HostGroup!g0"));
        let drops: fn(&ObjectKey) -> bool = match self.plan.planted {
            // A group that nothing names leaves a set closed.
            Some(Planted::OpenSet) if names_g0 => |key| key.name() == "g0",
            Some(Planted::SnapshotBeforeRecovery) if is_first => |key| key.name() == "h1",
            _ => return snapshot,
        };
        let kept: Vec<_> = snapshot.files().filter(|file| !drops(file.key())).cloned().collect();
        Catalog::of(&kept).cut(snapshot.revision()).0
    }
}

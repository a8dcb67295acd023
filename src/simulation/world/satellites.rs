//! Deliveries, and what others do to satellites.

use super::*;

impl World {
    pub(super) fn satellite_fault(&mut self) -> Step {
        let number = self.random.below(self.servers.len());
        let server = &mut self.servers[number];
        match self.random.below(4) {
            0 => {
                server.is_silent = !server.is_silent;
                let is_silent = server.is_silent;
                self.say(|| format!("edge-{number} is silent: {is_silent}"));
            }
            1 => {
                let names: Vec<_> = server.objects.keys().cloned().collect();
                if !names.is_empty() {
                    let name = self.random.one_of(&names).clone();
                    server.steal(&name);
                    self.say(|| format!("somebody deletes {name} on edge-{number}"));
                }
            }
            2 => {
                server.tamper();
                self.say(|| format!("somebody empties the pointer of edge-{number}"));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn some_satellite_advances(&mut self) -> Step {
        let number = match self.plan.planted {
            // Whoever waits for the dead one waits for ever.
            Some(Planted::DeadSatelliteBlocks) => self
                .servers
                .iter()
                .position(|server| server.is_silent)
                .unwrap_or(self.random.below(self.servers.len())),
            _ => self.random.below(self.servers.len()),
        };
        self.satellite_advances(number)
    }

    /// The delivery to one satellite gets a step further.
    pub(super) fn satellite_advances(&mut self, number: usize) -> Step {
        let (now, faults, planted) = (self.clock, self.faults, self.plan.planted);
        let Some(process) = &mut self.process else { return Ok(()) };
        let (client, server) = (&mut process.clients[number], &mut self.servers[number]);
        if self.random.percent(30) {
            client.hear(server, now, &mut self.random, faults);
        }
        let (is_leader, may_write) = (process.leads, process.term.is_some());
        let sent = client.go_on(now, may_write, is_leader)?;
        self.witness.were_acknowledged(Rule::I3, &sent, "a request")?;
        let pointers = server.pointers;
        let mut is_delivered = client.take_end(now);
        if client.under_way() > 0 {
            is_delivered |=
                client.advance(server, now, &mut self.random, faults, planted, &mut process.floor)?;
        }
        is_delivered |= planted == Some(Planted::SyncedTooEarly) && client.digest().is_some();
        self.late_requests.extend(client.take_late().into_iter().map(|request| (number, request)));
        let delivered = client.delivered.or(process.latest.as_ref().map(Snapshot::revision));
        self.look_at_set(number, pointers)?;
        if is_delivered {
            self.say(|| format!("edge-{number} has {delivered:?}"));
            let Some(process) = &mut self.process else { return Ok(()) };
            if let Some(held) = process.fleet.satellites.get_mut(&format!("edge-{number}")) {
                held.acked = delivered;
                held.held_before = held.held_before.max(delivered);
                self.recorded_acks[number] = delivered;
            }
            let fleet = process.fleet.clone();
            return self.tell(Input::FleetChanged(fleet));
        }
        Ok(())
    }

    /// The actor of each satellite reports whether it gets what it lacks.
    pub(super) fn healths_are_reported(&mut self) -> Step {
        if self.plan.planted == Some(Planted::HealthNotReported) {
            return Ok(());
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        let mut is_news = false;
        for (server, held) in self.servers.iter().zip(process.fleet.satellites.values_mut()) {
            let health = match server.is_silent {
                true => Health::Failing { reason: Reason::Unreachable, is_overdue: false },
                false => Health::Well,
            };
            is_news |= std::mem::replace(&mut held.health, health) != health;
        }
        let fleet = process.fleet.clone();
        if is_news { self.tell(Input::FleetChanged(fleet)) } else { Ok(()) }
    }

    /// If the operator wrote the pointer, looks at what the satellite has now.
    pub(super) fn look_at_set(&mut self, number: usize, pointers: u64) -> Step {
        if self.servers[number].pointers == pointers {
            return Ok(());
        }
        match self.servers[number].set() {
            Some(set) => {
                self.say(|| format!("edge-{number} holds {:?}", set.keys().collect::<Vec<_>>()));
                self.witness.set_stored(number, set)
            }
            None => {
                // Somebody deleted a shard between its answer and the pointer: it was there.
                let latest = self.process.iter().filter_map(|process| process.latest.as_ref());
                for file in latest.flat_map(Snapshot::files) {
                    self.witness.had(number, file.key().clone(), file.digest());
                }
                Ok(())
            }
        }
    }

    pub(super) fn time_passes(&mut self) -> Step {
        let most = if self.faults { 2_000 } else { 60_000 };
        let Some(process) = &mut self.process else { return Ok(()) };
        let wake = process.started + process.core.next_wake();
        let clients = process.clients.iter().filter_map(Client::wakes);
        let next = clients.chain([wake]).min().unwrap_or(wake);
        self.clock = self.clock.max(next.min(self.clock + Duration::from_millis(most)));
        self.healths_are_reported()?;
        let Some(process) = &mut self.process else { return Ok(()) };
        if !process.fleet.listed {
            process.fleet.listed = true;
            let fleet = process.fleet.clone();
            return self.tell(Input::FleetChanged(fleet));
        }
        self.tell(Input::Tick)
    }
}

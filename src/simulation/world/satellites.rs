//! Deliveries, and what others do to satellites.

use super::*;

impl World {
    pub(super) fn satellite_fault(&mut self) -> Step {
        let number = self.random.below(self.servers.len());
        let server = &mut self.servers[number];
        match self.random.below(5) {
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
                server.is_slow = !server.is_slow;
                let is_slow = server.is_slow;
                self.say(|| format!("edge-{number} is slow: {is_slow}"));
            }
            3 => {
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

    /// The actor of one satellite, or a request of it, gets a step further.
    pub(super) fn satellite_advances(&mut self, number: usize) -> Step {
        let unix = self.unix();
        let Some(process) = &mut self.process else { return Ok(()) };
        let (client, server) = (&mut process.clients[number], &mut self.servers[number]);
        let mut chance = Chance {
            now: self.clock,
            unix,
            random: &mut self.random,
            faults: self.faults,
            planted: self.plan.planted,
            may_write: process.term.is_some(),
            is_leader: process.leads,
        };
        if server.is_slow && chance.random.percent(90) {
            return Ok(());
        }
        if chance.random.percent(30) {
            client.hear(server, &mut chance);
        }
        let sent = client.go_on(&mut chance)?;
        self.witness.were_acknowledged(Rule::I3, &sent, "a request")?;
        let pointers = server.pointers;
        client.take_end(&mut chance)?;
        client.advance(server, &mut process.floor, &mut chance)?;
        self.late_requests.extend(client.take_late().into_iter().map(|request| (number, request)));
        self.look_at_set(number, pointers)?;
        self.reports_are_taken(number)
    }

    /// The hub hears what an actor reports, and its status is written, which may fail.
    fn reports_are_taken(&mut self, number: usize) -> Step {
        let unix = self.unix();
        let Some(process) = &mut self.process else { return Ok(()) };
        let client = &mut process.clients[number];
        let is_news = client.tell(&mut process.fleet, self.plan.planted);
        let is_written = process.term.is_some() && !(self.faults && self.random.percent(30));
        if let Some(status) = is_written.then(|| client.status(unix)).flatten() {
            self.recorded[number] = Some(status);
        }
        if !is_news {
            return Ok(());
        }
        let fleet = process.fleet.clone();
        self.say(|| format!("edge-{number}: {:?}", fleet.satellites.get(&format!("edge-{number}"))));
        self.tell(Input::FleetChanged(fleet))
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
        if !process.fleet.listed {
            process.fleet.listed = true;
            let fleet = process.fleet.clone();
            return self.tell(Input::FleetChanged(fleet));
        }
        self.tell(Input::Tick)
    }
}

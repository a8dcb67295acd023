//! The watch of MonitoringObjects, and the answers about their CRD.

use super::*;

impl World {
    pub(super) fn watch_reports(&mut self) -> Step {
        let faults = self.faults;
        if self.process.is_none() {
            return self.start_process();
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        let mut events = Vec::new();
        if faults && self.random.percent(6) {
            let is_complete =
                self.plan.planted == Some(Planted::FailedListTakenAsComplete) && process.has_listed;
            if let (true, Watch::Listing { .. }) = (is_complete, &process.watch) {
                process.watch = Watch::Idle;
                events.push(Event::ListComplete);
            } else {
                if !matches!(process.watch, Watch::Following(_)) || self.random.percent(50) {
                    process.watch = Watch::Idle;
                }
                events.push(Event::Broken("the stream ended".into()));
            }
        } else {
            for _ in 0..1 + self.random.below(4) {
                match &mut process.watch {
                    Watch::Idle if self.crd.is_none() => {
                        events.push(Event::Broken("404".into()));
                        break;
                    }
                    Watch::Idle => {
                        let objects = self.api.objects.values().cloned().collect();
                        process.watch = Watch::Listing { objects, at: 0, log: self.api.log.len() };
                        events.push(Event::ListBegins);
                    }
                    Watch::Listing { objects, at, log } => match objects.get(*at) {
                        Some(stored) => {
                            *at += 1;
                            let mut received = self.api.received(stored);
                            if !process.has_listed {
                                misread(self.plan.planted, &self.disk, &mut received.object);
                            }
                            events.push(Event::Object(Box::new(received)));
                        }
                        None => {
                            process.has_listed = true;
                            process.watch = Watch::Following(*log);
                            events.push(Event::ListComplete);
                        }
                    },
                    Watch::Following(at) => {
                        let Some(logged) = self.api.log.get(*at).cloned() else { break };
                        *at += 1;
                        events.push(self.api.event(&logged));
                    }
                }
            }
            if faults && self.random.percent(4) && matches!(process.watch, Watch::Following(_)) {
                events.extend(self.stale_event());
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        self.say(|| {
            format!("the watch reports {}", events.iter().map(name_of).collect::<Vec<_>>().join(", "))
        });
        self.tell(Input::Watched(events))
    }

    /// An older server reports an object as it was.
    pub(super) fn stale_event(&mut self) -> Option<Event> {
        let old = self.api.log.get(self.random.below(self.api.log.len().max(1)))?.clone();
        let Logged::Put(stored) = old else { return None };
        let now = self.api.objects.get(&stored.key).filter(|now| now.uid == stored.uid)?.clone();
        let mut received = self.api.received(&stored.clone());
        if self.plan.planted == Some(Planted::StaleReadBelieved) {
            received.object.metadata.generation = Some(now.generation + 1);
            received.object.metadata.resource_version = Some((now.version + 1).to_string());
        }
        Some(Event::Object(Box::new(received)))
    }

    /// The hub's API server says whether what left may go, or lists again.
    pub(super) fn hub_answers(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.is_listing_again {
            process.is_listing_again = false;
            let listed = match self.faults && self.random.percent(20) || self.crd.is_none() {
                true => Err("no answer".into()),
                false => {
                    let all = self.api.objects.values();
                    Ok(all.map(|stored| (stored.key.clone(), Uid::new(&stored.uid))).collect())
                }
            };
            return self.tell(Input::ListedAgain(listed));
        }
        if !process.is_probing {
            return Ok(());
        }
        process.is_probing = false;
        let is_unknown = self.faults && self.random.percent(10);
        let crd = match self.crd {
            _ if is_unknown => Crd::Unknown("no answer".into()),
            Some(number) => Crd::Installed(Some(Uid::new(&format!("crd-{number}")))),
            None => Crd::Lost,
        };
        let now = self.unix();
        let allowed_until = if !self.faults || self.random.percent(20) { now + 60 } else { 0 };
        self.tell(Input::ConsentAnswered(Consent { crd, allowed_until }))
    }
}

//! The hub's own Icinga and its agent: it takes what the volume holds at one moment, loads that a while
//! later, refuses some of it, and reports what runs.

use super::*;

#[derive(Default)]
pub(super) struct ModelIcinga {
    /// What is being loaded.
    loading: Option<BTreeMap<ObjectKey, Digest>>,
    /// What was on the volume when it was loaded last.
    scanned: BTreeMap<ObjectKey, Digest>,
    running: BTreeMap<ObjectKey, Digest>,
    pub(super) reported: HubIcinga,
    /// The present process has heard that.
    pub(super) is_told: bool,
}

/// Whether this Icinga refuses a content.
fn refuses(digest: Digest) -> bool {
    digest.first_byte().is_multiple_of(8)
}

fn report(running: &BTreeMap<ObjectKey, Digest>, scanned: &BTreeMap<ObjectKey, Digest>) -> HubIcinga {
    let mut report = AgentReport::new("");
    report.result = AgentResult::Loaded;
    let refused = scanned.iter().filter(|(_, digest)| refuses(**digest));
    let held = refused.map(|(key, digest)| {
        HeldObject::new(key.to_string(), HeldContent::LeftOut, "refused").of(Some(*digest))
    });
    report.held = held.collect();
    let files = running.iter().map(|(key, digest)| (key.clone(), *digest)).collect();
    HubIcinga::of(&HubReport { report, files })
}

impl World {
    pub(super) fn icinga_advances(&mut self) -> Step {
        if !self.icinga.is_told && self.process.is_some() && self.random.percent(50) {
            self.icinga.is_told = true;
            return self.tell(Input::IcingaReported(self.icinga.reported.clone()));
        }
        let Some(scanned) = self.icinga.loading.take() else {
            let now = on_volume(&self.disk);
            if now == self.icinga.scanned {
                return Ok(());
            }
            self.say(|| format!("the hub's agent takes {} files", now.len()));
            let too_early = report(&now, &now);
            self.icinga.loading = Some(now);
            return match self.plan.planted {
                Some(Planted::LoadedTooEarly) => self.tell(Input::IcingaReported(too_early)),
                _ => Ok(()),
            };
        };
        self.say(|| format!("the hub's Icinga loads {} files", scanned.len()));
        let previous = std::mem::take(&mut self.icinga.running);
        let loaded = |(key, digest): (&ObjectKey, &Digest)| match refuses(*digest) {
            false => Some((key.clone(), *digest)),
            true => Some((key.clone(), *previous.get(key)?)),
        };
        self.icinga.running = scanned.iter().filter_map(loaded).collect();
        self.witness.icinga_loaded(&self.icinga.running);
        self.icinga.reported = report(&self.icinga.running, &scanned);
        self.icinga.scanned = scanned;
        self.icinga.is_told = self.process.is_some();
        self.tell(Input::IcingaReported(self.icinga.reported.clone()))
    }

    pub(super) fn is_icinga_quiet(&self) -> bool {
        self.icinga.is_told && self.icinga.loading.is_none() && self.icinga.scanned == on_volume(&self.disk)
    }

    /// The status says what became of the object in the hub's Icinga.
    pub(super) fn says_what_icinga_runs(&self, stored: &Stored, digest: Digest) -> Step {
        let conditions = stored.status.iter().flat_map(|status| &status.conditions);
        let loaded = conditions.into_iter().find(|condition| condition.r#type == ConditionType::Loaded);
        let said = loaded.map(|loaded| (loaded.status, loaded.reason.known()));
        let wanted = match refuses(digest) {
            true => (ConditionStatus::False, Some(Reason::Rejected)),
            false => (ConditionStatus::True, Some(Reason::Loaded)),
        };
        hold(Rule::I4, said == Some(wanted), || {
            format!("{} says {said:?} of the hub's Icinga, and {wanted:?} is so", stored.key)
        })
    }
}

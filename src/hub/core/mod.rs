//! What the hub decides: state in, commands out. It knows no client, no clock, no file system and no random source; what
//! happened, the time and the term come in, and everything that is to be done goes out as a [`Command`].

mod announcements;
mod changes;
mod departures;
mod entry;
mod evaluation;
mod graces;
mod icinga;
mod inspection;
mod messages;
mod objects;
mod ownership;
mod publishing;
mod recovery;
mod refresh;
mod reported;
mod retries;
mod satellites;
mod settle;
mod snapshots;
mod statuses;
mod survey;
#[cfg(test)]
mod tests;
mod watched;

pub use departures::{ALLOWED_MAX, RemovalGuard};
pub use messages::{Announcement, Command, Consent, Held, Input, Measurement, Now, Part};
pub use reported::HubIcinga;
pub use survey::{Counts, Outline, State, Waiting};

use crate::identity::{ObjectKey, Uid};
use crate::ownership::Claim;
use crate::publish::Scan;
use crate::references::Index;
use crate::satellite::Fleet;
use crate::validate::Settings;
use crate::watch::Listed;
use announcements::Announcements;
use changes::Changes;
use departures::Departures;
use evaluation::Evaluation;
use graces::Graces;
use inspection::Inspection;
use objects::{Objects, Render};
use ownership::Ownership;
use publishing::Files;
use recovery::Recovery;
use retries::Retries;
use satellites::Satellites;
use snapshots::Snapshots;
use statuses::Statuses;
use std::time::Duration;
use watched::Watched;

/// How often the loop looks around without a cause: the leadership may have come, and the gauges are counted.
const LOOK_AROUND: Duration = Duration::from_millis(500);
/// How often the objects are counted for the gauges.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// What is there when the hub starts.
#[derive(Debug, Default)]
pub struct Start {
    /// What the scan found on the volume.
    pub scan: Scan,
    /// UID of the CRD under which that was published, if it is known.
    pub crd: Option<Uid>,
    /// What is known of the satellites.
    pub fleet: Fleet,
    /// The name of this operator, and whom it takes over from.
    pub claim: Claim,
    /// What the agent of the hub's own Icinga 2 reported. `None` if none is followed.
    pub icinga: Option<HubIcinga>,
    /// Where the jitter of retries begins.
    pub seed: u64,
}

/// The state of the hub, from which it decides.
pub struct Core {
    settings: Settings,
    guard: RemovalGuard,
    render: Render,
    /// Which of the valid contents may be published.
    index: Index,
    watched: Watched,
    objects: Objects,
    ownership: Ownership,
    evaluation: Evaluation,
    files: Files,
    statuses: Statuses,
    graces: Graces,
    announcements: Announcements,
    snapshots: Snapshots,
    satellites: Satellites,
    icinga: Option<HubIcinga>,
    departures: Departures,
    recovery: Recovery,
    inspection: Inspection,
    changes: Changes,
    retries: Retries,
    now: Now,
    counted: Duration,
    commands: Vec<Command>,
}

impl Core {
    /// Returns the state at the start. `index` knows the names that exist without a resource.
    pub fn new(settings: Settings, guard: RemovalGuard, index: Index, start: Start) -> Self {
        let Start { scan, crd, fleet, claim, icinga, seed } = start;
        Self {
            settings,
            guard,
            render: crate::render::content,
            index,
            watched: Watched::default(),
            objects: Objects::default(),
            ownership: Ownership::new(claim),
            evaluation: Evaluation::default(),
            files: Files::default(),
            statuses: Statuses::default(),
            graces: Graces::default(),
            announcements: Announcements::default(),
            snapshots: Snapshots::default(),
            satellites: Satellites::new(fleet, Duration::ZERO),
            icinga,
            departures: Departures::new(crd),
            recovery: Recovery::new(scan),
            inspection: Inspection::default(),
            changes: Changes::default(),
            retries: Retries::new(seed),
            now: Now::default(),
            counted: Duration::ZERO,
            commands: Vec::new(),
        }
    }

    /// Takes what happened and returns what is to be done, in the order of the promise. Each step here begins only what the
    /// answer to the one before it allows.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Command> {
        self.now = now;
        self.hold_before_others();
        self.now.term.into_iter().for_each(|term| self.snapshots.leads(term));
        self.take(input); //             watch -> validate -> render, and the answers to earlier commands
        self.hold_before_others(); //    another operator wrote a status: nothing below is done
        self.resolve_references(); //    references: what may be published
        self.publish(); //               temp file, sync, rename, sync of the directory
        self.inspect(); //               files that could not be read are read again
        self.check_files(); //           did somebody else change files?
        self.end_graces(); //            what an object names did not come
        self.write_ready(); //           status Ready, acknowledged by the API server
        self.cut_snapshot(); //          snapshot of what is acknowledged, for the satellites
        self.look_at_satellites(); //    health of satellites that has lasted is reported
        self.report_values(); //         what rules leave out is reported
        self.refresh_waiting(); //       statuses of objects that wait, when they are no longer true
        self.write_synced(); //          status Synced, once they have it
        self.ask_about_departures(); //  objects that left: did a person delete them?
        self.count_objects();
        std::mem::take(&mut self.commands)
    }

    /// Returns when [`Core::step`] is to be called at the latest, with [`Input::Tick`] if nothing else happened.
    pub fn next_wake(&self) -> Duration {
        let snapshot = self.snapshot_wake();
        let departures = self.departures.due().filter(|_| self.recovery.is_listed);
        let read = self.read_wake();
        let (refresh, grace, evaluation) = (self.refresh_wake(), self.graces.next(), self.evaluation_wake());
        let causes = [
            self.retries.next_due(),
            departures,
            self.synced_wake(),
            snapshot,
            read,
            refresh,
            grace,
            evaluation,
        ];
        causes.into_iter().flatten().fold(self.now.elapsed + LOOK_AROUND, Duration::min)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Tick => self.tick(),
            Input::Watched(events) => events.into_iter().for_each(|event| self.watched(None, event)),
            Input::WatchedIn(seen) => {
                seen.into_iter().for_each(|(place, event)| self.watched(Some(place), event))
            }
            Input::Committed { outcomes, took } => self.committed(outcomes, took),
            Input::CommitPanicked(found) => self.commit_panicked(found),
            Input::Inspected(result) => self.inspected(result),
            Input::Touched(keys) => self.touched(keys),
            Input::FilesListed(keys) => self.files_listed(keys),
            Input::Checked(found) => self.checked(found),
            Input::StatusAnswered(answer) => self.status_answered(answer),
            Input::StatusPanicked(key) => self.status_panicked(&key),
            Input::ConsentAnswered(consent) => self.consent_answered(consent),
            Input::ListedAgain(listed) => self.listed_again(listed.map(Listed::of_all)),
            Input::ListedInPart(listed) => self.listed_again(Ok(listed)),
            Input::FleetChanged(fleet) => self.fleet_changed(fleet),
            Input::IcingaReported(icinga) => self.icinga_reported(icinga),
        }
    }

    fn tick(&mut self) {
        self.retry_due();
        self.watch_may_work();
    }

    /// Asks the index again about everything that changed.
    fn resolve_references(&mut self) {
        if self.recovery.is_listed {
            self.index.resolve();
            let changed = self.index.take_changed();
            self.evaluate(&changed);
            self.files.dirty.extend(changed);
        }
    }

    fn count_objects(&mut self) {
        if self.now.elapsed.saturating_sub(self.counted) < COUNT_EVERY {
            return;
        }
        self.counted = self.now.elapsed;
        let (mut published, mut refused, mut suspended, mut failing) = (0, 0, 0, 0);
        for entry in self.objects.entries.values() {
            published += usize::from(entry.published);
            failing += usize::from(entry.failing.is_some());
            let is_out = !entry.published && entry.failing.is_none();
            let is_suspended = is_out && entry.suspended && entry.refused.is_none();
            suspended += usize::from(is_suspended);
            refused += usize::from(is_out && !is_suspended);
        }
        self.measure(Measurement::Objects { published, refused, suspended, failing });
    }

    fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    fn measure(&mut self, measurement: Measurement) {
        self.commands.push(Command::Measure(measurement));
    }

    fn readiness(&mut self, part: Part, missing: Option<String>) {
        self.commands.push(Command::Readiness { part, missing });
    }

    /// Has the file and the status of an object looked at again.
    fn mark_dirty(&mut self, key: &ObjectKey) {
        self.files.dirty.insert(key.clone());
    }
}

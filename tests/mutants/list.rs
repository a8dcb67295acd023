//! The mutants: each breaks one rule about durability, order or removals in one place.

/// A change of the code that some test must notice.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Names it.
    pub id: &'static str,
    /// What goes wrong with it.
    pub what: &'static str,
    /// Its file.
    pub file: &'static str,
    /// The text that is replaced. It is in the file once.
    pub find: &'static str,
    /// The text in its place. `{on}` is true while the mutant is on.
    pub replace: &'static str,
    /// The tests of which one must fail, as `make faults` names them. Each is one of the library.
    pub tests: &'static [&'static str],
}

impl Mutant {
    /// Returns the text of its file with the mutant. `crate::mutant` says whether it is on.
    ///
    /// # Errors
    /// If the text that is replaced is not there, or there twice.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        if text.matches(self.find).count() != 1 {
            return Err(format!("{}: {:?} is not once in {}", self.id, self.find, self.file));
        }
        let on = format!("crate::mutant({:?})", self.id);
        Ok(text.replace(self.find, &self.replace.replace("{on}", &on)))
    }
}

/// 10,000 seeds of the simulation. It stops at the first that breaks a rule.
const SIMULATION: &str = "simulation::no_seed_breaks_a_rule";

pub const MUTANTS: &[Mutant] = &[
    // Durability: what is reported as published survives.
    Mutant {
        id: "directory-not-synced",
        what: "no sync of the directory after the renames",
        file: "src/publish/commit.rs",
        find: "Some(directory) => disk.sync_directory(directory),",
        replace: "Some(_) if {on} => Ok(()),\n            Some(directory) => disk.sync_directory(directory),",
        tests: &[SIMULATION],
    },
    Mutant {
        id: "directory-sync-may-fail",
        what: "published although the sync of the directory failed",
        file: "src/publish/commit.rs",
        find: "failed.insert(namespace, error);",
        replace: "if !{on} { failed.insert(namespace, error); }",
        tests: &["publish::tests::faults::a_failure_says_what_is_on_the_volume"],
    },
    Mutant {
        id: "temp-file-not-synced",
        what: "no sync of a temp file before its rename",
        file: "src/publish/commit.rs",
        find: "if let Err(error) = disk.sync_temp(&open) {",
        replace: "if !{on} && let Err(error) = disk.sync_temp(&open) {",
        tests: &[SIMULATION],
    },
    Mutant {
        id: "temp-file-sync-may-fail",
        what: "renamed although the sync of the temp file failed",
        file: "src/publish/commit.rs",
        find: "failed.push((key, error));",
        replace: "if !{on} { failed.push((key, error)); }",
        tests: &["publish::tests::faults::a_failure_says_what_is_on_the_volume"],
    },
    Mutant {
        id: "written-in-part",
        what: "a file of which only a part was written takes its place",
        file: "src/publish/linux.rs",
        find: "file.write_all(bytes)?;",
        replace: "if {on} {\n            let _ = file.write(bytes)?;\n        } else {\n            file.write_all(bytes)?;\n        }",
        tests: &[
            "publish::tests::faults::a_file_that_is_written_in_part_never_takes_the_place_of_the_old_one",
        ],
    },
    Mutant {
        id: "found-files-not-synced",
        what: "files found at the start count as durable without a sync",
        file: "src/publish/scan.rs",
        find: "if let Err(error) = self.disk().sync_all() {",
        replace: "if !{on} && let Err(error) = self.disk().sync_all() {",
        tests: &[SIMULATION],
    },
    Mutant {
        id: "lost-file-believed",
        what: "after a failed sync of the directory the hub believes the old state",
        file: "src/hub/core/publishing.rs",
        find: "After::NotDurable(visible) => Some(OnVolume::Unknown(visible)),",
        replace: "After::NotDurable(_) if {on} => None,\n            After::NotDurable(visible) => Some(OnVolume::Unknown(visible)),",
        tests: &["hub::core::tests::statuses::a_file_that_may_not_survive_is_not_ready_and_is_written_again"],
    },
    Mutant {
        id: "foreign-volume-taken",
        what: "an objects.d of another program is taken",
        file: "src/publish/volume.rs",
        find: "if exists(OBJECTS) && !exists(MARK) {",
        replace: "if !{on} && exists(OBJECTS) && !exists(MARK) {",
        tests: &["publish::tests::only_one_process_and_only_our_volume"],
    },
    // The right to write.
    Mutant {
        id: "commit-without-lease",
        what: "a commit begins without the Lease",
        file: "src/publish/commit.rs",
        find: "if !permitted() {",
        replace: "if !{on} && !permitted() {",
        tests: &["publish::tests::the_lease_is_asked_for_before_the_first_write_and_before_each_rename"],
    },
    Mutant {
        id: "rename-without-lease",
        what: "a rename without the Lease",
        file: "src/publish/commit.rs",
        find: "(None, _) if !permitted() =>",
        replace: "(None, _) if !{on} && !permitted() =>",
        tests: &["publish::tests::the_lease_is_asked_for_before_the_first_write_and_before_each_rename"],
    },
    Mutant {
        id: "status-without-lease",
        what: "a status write without the Lease",
        file: "src/hub/core/statuses.rs",
        find: "self.statuses.queue.in_flight() < WRITES && self.now.term.is_some()",
        replace: "self.statuses.queue.in_flight() < WRITES && ({on} || self.now.term.is_some())",
        tests: &[
            "hub::core::tests::promise::without_the_leadership_there_is_no_commit_no_status_and_no_snapshot",
        ],
    },
    Mutant {
        id: "satellite-without-lease",
        what: "a write to a satellite without the Lease",
        file: "src/satellite/remote/requests.rs",
        find: "if self.leadership.is_current() {",
        replace: "if {on} || self.leadership.is_current() {",
        tests: &["satellite::remote::requests::tests::no_write_is_sent_without_the_lease"],
    },
    Mutant {
        id: "lease-without-end",
        what: "the Lease counts after its end",
        file: "src/lease.rs",
        find: "state.filter(|(_, expiry)| Instant::now() < *expiry)",
        replace: "state.filter(|(_, expiry)| {on} || Instant::now() < *expiry)",
        tests: &["lease::tests::leadership_ends_by_itself"],
    },
    // Order: nothing before what it depends on, nothing to satellites before its acknowledgement.
    Mutant {
        id: "dependants-renamed",
        what: "a file is renamed although one that it names could not be written",
        file: "src/publish/commit.rs",
        find: "let blocker = after.iter().find(|other| broken.contains(*other));",
        replace: "let blocker = after.iter().find(|other| !{on} && broken.contains(*other));",
        tests: &["publish::tests::what_depends_on_a_failed_file_is_not_renamed"],
    },
    Mutant {
        id: "batch-out-of-order",
        what: "a batch is renamed in the opposite order",
        file: "src/publish/commit.rs",
        find: "for (key, after) in order(steps, &keys) {",
        replace: "let mut ordered: Vec<_> = order(steps, &keys).into_iter().collect();\n        if {on} {\n            ordered.reverse();\n        }\n        for (key, after) in ordered {",
        tests: &["publish::tests::a_batch_is_published_in_order_and_removed", SIMULATION],
    },
    Mutant {
        id: "delivered-before-ready",
        what: "a snapshot holds an object before its Ready is acknowledged (R1)",
        file: "src/hub/core/publishing.rs",
        find: "        self.statuses.queue.push_ready(key, Some(token));",
        replace: "        if {on} {\n            let forged = crate::status::Acknowledged::forged(token.content());\n            self.snapshots.offer(self.now.elapsed, forged);\n        }\n        self.statuses.queue.push_ready(key, Some(token));",
        tests: &["hub::core::tests::promise::no_snapshot_holds_an_object_before_its_ready_is_stored"],
    },
    Mutant {
        id: "delivered-after-failed-status",
        what: "a snapshot holds an object whose status write failed (R2)",
        file: "src/hub/core/statuses.rs",
        find: "        self.retries.rewrite(self.now.elapsed, attempts, key.clone(), uid, generation, published);",
        replace: "        if let Some(published) = published.as_ref().filter(|_| {on}) {\n            let forged = crate::status::Acknowledged::forged(published.content());\n            self.snapshots.offer(self.now.elapsed, forged);\n        }\n        self.retries.rewrite(self.now.elapsed, attempts, key.clone(), uid, generation, published);",
        tests: &[
            "hub::core::tests::promise::a_status_of_unknown_outcome_leaves_the_previous_bytes_in_the_snapshot_and_delays_nobody",
        ],
    },
    Mutant {
        id: "snapshot-before-recovery",
        what: "the first snapshot does not wait for what was there before (R7)",
        file: "src/hub/core/recovery.rs",
        find: "self.is_listed && self.undecided.is_empty()",
        replace: "self.is_listed && ({on} || self.undecided.is_empty())",
        tests: &["hub::core::tests::recovery::the_first_snapshot_waits_for_every_object_that_had_a_file"],
    },
    Mutant {
        id: "open-set-delivered",
        what: "a snapshot holds what names something that it lacks (R9)",
        file: "src/snapshot/catalog/mod.rs",
        find: "if culprits.is_empty() {",
        replace: "if {on} || culprits.is_empty() {",
        tests: &["snapshot::catalog::tests::closed_at_every_step_and_complete_at_the_end"],
    },
    Mutant {
        id: "older-generation-taken",
        what: "an event of an older generation replaces a newer spec",
        file: "src/hub/core/objects.rs",
        find: "if generation < entry.generation {",
        replace: "if !{on} && generation < entry.generation {",
        tests: &["hub::core::tests::refusals::a_stale_server_brings_no_older_spec_back"],
    },
    Mutant {
        id: "other-resource-confused",
        what: "a resource that was created again counts as the one before it",
        file: "src/hub/core/objects.rs",
        find: "if self.objects.entries.get(&key).is_some_and(|entry| entry.uid != uid) {",
        replace: "if !{on} && self.objects.entries.get(&key).is_some_and(|entry| entry.uid != uid) {",
        tests: &["hub::core::tests::orphans::a_resource_that_was_created_again_unseen_begins_anew"],
    },
    Mutant {
        id: "pointer-before-shards",
        what: "a pointer is written before all of its shards are there (R3)",
        file: "src/satellite/core/order.rs",
        find: "division.shards.iter().all(is_there).then_some(",
        replace: "({on} || division.shards.iter().all(is_there)).then_some(",
        tests: &[
            "satellite::core::delivery::tests::a_shard_that_is_deleted_during_the_delivery_keeps_the_pointer_back",
        ],
    },
    Mutant {
        id: "higher-revision-overwritten",
        what: "a pointer of a higher revision is overwritten (R4)",
        file: "src/satellite/core/delivery/jobs.rs",
        find: "theirs.filter(is_higher)",
        replace: "theirs.filter(|theirs| !{on} && is_higher(theirs))",
        tests: &[
            "satellite::core::delivery::tests::two_operators_at_once_write_one_pointer_after_the_other",
            SIMULATION,
        ],
    },
    Mutant {
        id: "pointer-without-version",
        what: "a pointer is replaced without the resourceVersion that was read (R4)",
        file: "src/satellite/core/order.rs",
        find: "self.object.metadata.resource_version = version;",
        replace: "self.object.metadata.resource_version = version.filter(|_| !{on});",
        tests: &[
            "satellite::core::delivery::tests::two_operators_at_once_write_one_pointer_after_the_other",
            SIMULATION,
        ],
    },
    Mutant {
        id: "sent-counts-as-stored",
        what: "a delivery counts by what was sent, not by what the satellite stored",
        file: "src/satellite/core/delivery/storing.rs",
        find: "let is_as_sent = stored.held.is(",
        replace: "let is_as_sent = {on} || stored.held.is(",
        tests: &["satellite::core::delivery::tests::what_the_server_stored_decides_not_what_was_sent"],
    },
    Mutant {
        id: "synced-too-early",
        what: "Synced after the first satellite of several",
        file: "src/satellite/fleet.rs",
        find: "if missing().next().is_some() {",
        replace: "if missing().next().is_some() && !({on} && missing().count() < expected.len()) {",
        tests: &["hub::core::tests::satellites::synced_is_written_only_after_every_satellite_delivered_it"],
    },
    // Removals: an object leaves only if it was deleted.
    Mutant {
        id: "failed-list-complete",
        what: "a LIST that failed counts as complete (R6)",
        file: "src/hub/core/objects.rs",
        find: "            Event::Broken(why) => ",
        replace: "            Event::Broken(_) if {on} => self.list_complete(place),\n            Event::Broken(why) => ",
        tests: &["hub::core::tests::promise::a_list_that_broke_off_is_not_complete"],
    },
    Mutant {
        id: "missed-deletions",
        what: "what a complete LIST does not name stays",
        file: "src/hub/core/watched.rs",
        find: "entries.filter(|(_, entry)| !entry.listed) {",
        replace: "entries.filter(|(_, entry)| !{on} && !entry.listed) {",
        tests: &["hub::core::tests::departures::an_object_that_a_complete_list_does_not_name_has_left"],
    },
    Mutant {
        id: "other-namespace",
        what: "a complete LIST of one namespace judges the objects of all",
        file: "src/hub/core/watched.rs",
        find: "filter(|(key, _)| is_seen(key.namespace()));",
        replace: "filter(|(key, _)| {on} || is_seen(key.namespace()));",
        tests: &["hub::core::tests::scope::a_list_of_one_namespace_removes_nothing_of_another"],
    },
    Mutant {
        id: "unlisted-namespace",
        what: "the start does not wait for the LIST of every namespace",
        file: "src/hub/core/watched.rs",
        find: "self.unlisted().next().is_none()",
        replace: "{on} || self.unlisted().next().is_none()",
        tests: &["hub::core::tests::scope::nothing_is_decided_before_every_namespace_was_listed"],
    },
    Mutant {
        id: "unwatched-files",
        what: "files of namespaces that are not watched leave without a person",
        file: "src/hub/core/departures.rs",
        find: "|| self.unwatched(about).next().is_some()",
        replace: "|| !{on} && self.unwatched(about).next().is_some()",
        tests: &["hub::core::tests::scope::files_of_namespaces_that_are_not_watched_wait_for_a_person"],
    },
    Mutant {
        id: "lost-crd-ignored",
        what: "objects leave with their CRD (R6)",
        file: "src/hub/core/departures.rs",
        find: "Crd::Lost => departures.lost = Some(Lost::Gone),",
        replace: "Crd::Lost if {on} => {}\n            Crd::Lost => departures.lost = Some(Lost::Gone),",
        tests: &["hub::core::tests::departures::a_lost_crd_keeps_everything"],
    },
    Mutant {
        id: "mass-removal",
        what: "many objects leave without a person (R6)",
        file: "src/hub/core/departures.rs",
        find: "} else if is_confirmed || self.are_too_many(&about) {",
        replace: "} else if !{on} && (is_confirmed || self.are_too_many(&about)) {",
        tests: &["hub::core::tests::removals::more_is_held_until_a_person_allows_it"],
    },
    Mutant {
        id: "deleted-file-stays",
        what: "the file of a deleted object stays",
        file: "src/hub/core/objects.rs",
        find: "&& !entry.on_volume.is_absent()",
        replace: "&& !{on}\n            && !entry.on_volume.is_absent()",
        tests: &["hub::core::tests::departures::a_deleted_object_leaves_after_the_probe"],
    },
    Mutant {
        id: "withdrawn-stays-in-set",
        what: "an object whose file was removed stays in the set (R5)",
        file: "src/hub/core/publishing.rs",
        find: "self.objects.orphans.remove(key);\n        self.withdraw(key);",
        replace: "self.objects.orphans.remove(key);\n        if !{on} {\n            self.withdraw(key);\n        }",
        tests: &["hub::core::tests::departures::a_deleted_object_leaves_after_the_probe"],
    },
    Mutant {
        id: "late-answer-brings-back",
        what: "a late acknowledgement brings a removed object back",
        file: "src/hub/core/statuses.rs",
        find: "receipt.acknowledged.filter(|_| entry.on_volume.in_place().is_some())",
        replace: "receipt.acknowledged.filter(|_| {on} || entry.on_volume.in_place().is_some())",
        tests: &[SIMULATION],
    },
    Mutant {
        id: "previous-shards-garbage",
        what: "shards of the pointer before are deleted (R3)",
        file: "src/satellite/core/delivery/state.rs",
        find: "                && is_of_pointer(name)\n                && !held.keeps(name)",
        replace: "                && is_of_pointer(name)\n                && !({on} && held.shards.contains(*name) || !{on} && held.keeps(name))",
        tests: &[
            "satellite::core::delivery::tests::a_change_writes_one_shard_and_the_pointer_and_keeps_the_shard_before",
        ],
    },
    Mutant {
        id: "wanted-shards-garbage",
        what: "shards that the present revision wants are deleted",
        file: "src/satellite/core/delivery/state.rs",
        find: "item.revision.is_none_or(|wanted| wanted < revision)",
        replace: "item.revision.is_none_or(|wanted| wanted < revision || {on} && wanted == revision)",
        tests: &["satellite::core::delivery::tests::a_shard_that_a_newer_revision_wants_is_no_garbage"],
    },
    Mutant {
        id: "deletion-without-identity",
        what: "a deletion on a satellite names no uid and no resourceVersion",
        file: "src/satellite/remote/requests.rs",
        find: "preconditions: Some(Preconditions { uid, resource_version: version }),",
        replace: "preconditions: Some(Preconditions { uid, resource_version: version }).filter(|_| !{on}),",
        tests: &[
            "satellite::remote::requests::tests::a_deletion_names_the_uid_and_the_version_that_were_read",
        ],
    },
    Mutant {
        id: "foreign-pointer-overwritten",
        what: "a ConfigMap of somebody else is overwritten",
        file: "src/satellite/core/delivery/jobs.rs",
        find: "check_owner(self.adoption, &name, held.ours, is_identical)?;",
        replace: "check_owner(self.adoption, &name, {on} || held.ours, is_identical)?;",
        tests: &["satellite::core::delivery::tests::what_is_not_ours_is_touched_only_if_it_may_be_adopted"],
    },
    // One bad resource, or another program, stops nothing else.
    Mutant {
        id: "unreadable-satellite-ends-list",
        what: "a SatelliteCluster that cannot be read ends the LIST of all",
        file: "src/satellite/received.rs",
        find: "            Err(error) => (unknown(), Some(clean(&error.to_string(), WHY_MAX))),",
        replace: "            Err(error) if {on} => return Err(serde::de::Error::custom(error)),\n            Err(error) => (unknown(), Some(clean(&error.to_string(), WHY_MAX))),",
        tests: &["satellite::received::tests::one_that_cannot_be_read_does_not_end_the_list"],
    },
    Mutant {
        id: "unreadable-satellite-written-to",
        what: "a satellite whose spec cannot be read is written to, or cleaned up",
        file: "src/satellite/core/actor.rs",
        find: "        if let Err(problem) = readable {",
        replace: "        if !{on} && let Err(problem) = readable {",
        tests: &[
            "satellite::core::actor::tests::unreadable::nothing_is_done_for_a_spec_that_cannot_be_read_and_its_status_says_why",
        ],
    },
    Mutant {
        id: "actor-ends-with-a-panic",
        what: "a satellite gets nothing any more after a panic of its actor",
        file: "src/satellite/supervise.rs",
        find: "        panicked(&message(&*panic));",
        replace: "        panicked(&message(&*panic));\n        if {on} {\n            return;\n        }",
        tests: &["satellite::supervise::tests::what_panics_runs_again_after_a_pause_that_grows"],
    },
    Mutant {
        id: "fight-over-a-status",
        what: "each change of a status by others is answered at once, for ever",
        file: "src/hub/core/changes.rs",
        find: "let is_fight = is_fight(&mut self.changes.statuses, key, self.now.elapsed);",
        replace: "let is_fight = is_fight(&mut self.changes.statuses, key, self.now.elapsed) && !{on};",
        tests: &["hub::core::tests::statuses::whoever_keeps_changing_a_status_makes_little_work"],
    },
];

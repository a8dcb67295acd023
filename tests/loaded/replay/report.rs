//! The table of a run, and its JSON file.

use super::losses::{Kind, Ledger};
use super::schedule::Counts;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The result of one run of both sides. Arrays are ours and theirs.
#[derive(Serialize)]
pub struct Report {
    pub seed: u64,
    pub rounds: usize,
    pub icinga: &'static str,
    pub seconds: u64,
    pub deadline_seconds: u64,
    pub still_seconds: u64,
    pub counts: Counts,
    /// Changes and deletions of hosts that the master did not know.
    pub unknown_to_the_master: usize,
    /// What is wrong after every daemon was restarted. None if the run ended before.
    pub after_a_restart: Option<[usize; 2]>,
    pub sides: [Ledger; 2],
}

impl Report {
    /// Returns the table.
    pub fn table(&self) -> String {
        let Self { counts, .. } = self;
        let killed: Vec<_> = counts.killed.iter().map(|(part, count)| format!("{count} {part:?}")).collect();
        let mut text = format!(
            "\n{} rounds in {} s, SEED={}, Icinga {} on both sides\n{} hosts created, {} changed, {} deleted; \
             {} partitions, {} outages, killed under load: {}\nEach side had {} s after each round; Icinga's own sync, if it was connected, until nothing had changed for {} s.\n\n",
            self.rounds,
            self.seconds,
            self.seed,
            self.icinga,
            counts.created,
            counts.changed,
            counts.deleted,
            counts.partitions,
            counts.outages,
            killed.join(", ").to_lowercase(),
            self.deadline_seconds,
            self.still_seconds,
        );
        let mut row = |title: &str, cells: [String; 2]| {
            writeln!(text, "{title:<56}{:>12}{:>20}", cells[0], cells[1]).expect("a string takes every text");
        };
        let counted =
            |count: &dyn Fn(&Ledger) -> usize| self.sides.each_ref().map(|side| count(side).to_string());
        row("", self.sides.each_ref().map(|side| side.side.to_owned()));
        row("rounds that lost something", counted(&Ledger::rounds_with_a_loss));
        for (title, kind) in [
            ("missing: declared, not on the satellite", Kind::Missing),
            ("undead: deleted, still on the satellite", Kind::Undead),
            ("stale: a former value on the satellite", Kind::Stale),
        ] {
            row(title, counted(&|side| side.count(kind)));
        }
        row("of these, wrong on the hub itself", counted(&Ledger::of_the_hub));
        row("of these, right later without another change", counted(&Ledger::right_later));
        row("wrong after the last round", counted(&|side| side.wrong().len()));
        if let Some(wrong) = self.after_a_restart {
            row("wrong after every daemon was restarted", wrong.map(|count| count.to_string()));
        }
        for (title, percent) in [("seconds until right, median", 50), ("seconds until right, slowest", 100)] {
            row(title, self.sides.each_ref().map(|side| format!("{:.1}", side.seconds(percent))));
        }
        let [_, theirs] = &self.sides;
        row(
            "changes of hosts that the hub did not know",
            ["0".into(), self.unknown_to_the_master.to_string()],
        );
        for ((kind, moment), count) in theirs.by_moment() {
            let moment = moment.map_or("not touched in this round".into(), |moment| format!("{moment:?}"));
            row(&format!("  {kind:?}, {moment}").to_lowercase(), [String::new(), count.to_string()]);
        }
        text
    }

    /// Writes the JSON file, and returns its path.
    pub fn save(&self) -> PathBuf {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/replay");
        std::fs::create_dir_all(&directory).expect("the directory of the report");
        let path = directory.join(format!("replay-{}.json", self.seed));
        let text = serde_json::to_string_pretty(self).expect("numbers and texts");
        std::fs::write(&path, text + "\n").expect("the report is written");
        path
    }
}

//! Follows the report of the agent of the hub's own Icinga 2.
//!
//! It is a file in a directory that only that agent may write, so nobody else speaks for it. It is
//! looked at often: a look costs a few system calls.

use super::core::HubIcinga;
use crate::api::agent_report::SILENCE_SECONDS;
use crate::api::hub_report::{ALIVE, FILE, HubReport};
use crate::lasting::{Change, Lasting};
use std::fs::{File, Metadata, metadata};
use std::io::{BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// An agent that did not renew its report for this long is silent.
const SILENCE: Duration = Duration::from_secs(SILENCE_SECONDS as u64);

/// A file as it was seen. One that was replaced has another inode or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self { inode: file.ino(), size: file.size(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

/// What one look found.
struct Look {
    /// The file by which the agent shows that it lives.
    alive: Option<Stamp>,
    report: Option<Stamp>,
    /// What the report says, or why it cannot be read. None if it is missing, or as before.
    read: Option<Result<HubIcinga, String>>,
}

/// Follows the report in this directory until `stop`. The first look is over when this returns.
pub fn follow(directory: &Path, stop: CancellationToken) -> watch::Receiver<HubIcinga> {
    let mut follower = Follower::new();
    let first = look(directory, None);
    follower.take(first);
    let (sender, receiver) = watch::channel(follower.now.clone());
    tokio::spawn(follower.run(directory.to_owned(), sender, stop));
    receiver
}

struct Follower {
    alive: Option<Stamp>,
    report: Option<Stamp>,
    /// When one of them was last seen to change. Clocks are never compared.
    changed: Instant,
    now: HubIcinga,
    trouble: Lasting,
}

impl Follower {
    fn new() -> Self {
        Self {
            alive: None,
            report: None,
            changed: Instant::now(),
            now: HubIcinga::default(),
            trouble: Lasting::default(),
        }
    }

    async fn run(mut self, directory: PathBuf, sender: watch::Sender<HubIcinga>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
            let (directory, known) = (directory.clone(), self.report);
            let found = tokio::task::spawn_blocking(move || look(&directory, known)).await;
            if found.is_ok_and(|found| self.take(found)) {
                sender.send_replace(self.now.clone());
            }
        }
    }

    /// Takes what was found. True if it is news.
    fn take(&mut self, Look { alive, report, read }: Look) -> bool {
        let mut is_news = match read {
            None => false,
            Some(Ok(icinga)) => {
                self.note(None);
                self.now = icinga;
                true
            }
            Some(Err(why)) => {
                let why = format!("the report of its agent cannot be read: {why}");
                let is_news = self.note(Some(why.clone()));
                // What it proved before stays.
                self.now = std::mem::take(&mut self.now).unreadable(why);
                is_news
            }
        };
        if alive.is_some() && alive != self.alive || report.is_some() && report != self.report {
            self.changed = Instant::now();
        }
        (self.alive, self.report) = (alive, report);
        let is_silent = self.changed.elapsed() >= SILENCE;
        is_news |= is_silent != self.now.is_silent();
        self.now = std::mem::take(&mut self.now).silent(is_silent);
        is_news
    }

    /// Logs why the report cannot be read, or that it can. True if that is news.
    fn note(&mut self, why: Option<String>) -> bool {
        let change = self.trouble.set(why);
        let is_news = !matches!(change, Change::None);
        match change {
            Change::Began(why) | Change::Changed(why) => tracing::warn!(%why, "the hub's agent is not heard"),
            Change::Ended => tracing::info!("the hub's agent is heard again"),
            Change::None => {}
        }
        is_news
    }
}

/// Looks at the files. The report is read if it is another than `known`.
fn look(directory: &Path, known: Option<Stamp>) -> Look {
    let alive = metadata(directory.join(ALIVE)).ok().as_ref().map(Stamp::of);
    let opened = File::open(directory.join(FILE)).and_then(|file| Ok((Stamp::of(&file.metadata()?), file)));
    match opened {
        Ok((stamp, _)) if known == Some(stamp) => Look { alive, report: known, read: None },
        Ok((stamp, file)) => {
            let read = HubReport::read(BufReader::new(file)).map(|report| HubIcinga::of(&report));
            Look { alive, report: Some(stamp), read: Some(read) }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Look { alive, report: None, read: None },
        Err(error) => Look { alive, report: None, read: Some(Err(error.to_string())) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AgentReport;
    use crate::api::hub_report::text;

    fn write(directory: &Path, content: &str) {
        std::fs::write(directory.join("new"), content).unwrap();
        std::fs::rename(directory.join("new"), directory.join(FILE)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_news_once_and_an_agent_that_shows_no_life_is_silent() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path();
        let mut follower = Follower::new();
        let take = |follower: &mut Follower| {
            let found = look(directory, follower.report);
            follower.take(found)
        };
        assert!(!take(&mut follower), "there is nothing");
        write(directory, &text(&AgentReport::new("one"), std::iter::empty()));
        assert!(take(&mut follower) && !take(&mut follower));
        // Half a report says nothing, and why is said once.
        write(directory, "{");
        assert!(take(&mut follower) && !take(&mut follower));
        write(directory, &text(&AgentReport::new("two"), std::iter::empty()));
        assert!(take(&mut follower) && !take(&mut follower));
        for _ in 0..5 {
            tokio::time::advance(SILENCE / 2).await;
            std::fs::write(directory.join(ALIVE), "x").unwrap();
            std::fs::rename(directory.join(ALIVE), directory.join("old")).unwrap();
            std::fs::write(directory.join(ALIVE), "x").unwrap();
            assert!(!take(&mut follower) && !follower.now.is_silent());
        }
        tokio::time::advance(SILENCE).await;
        assert!(take(&mut follower) && follower.now.is_silent());
        assert!(!take(&mut follower));
        write(directory, &text(&AgentReport::new("three"), std::iter::empty()));
        assert!(take(&mut follower) && !follower.now.is_silent());
    }
}

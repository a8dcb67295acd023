//! Writes the report of a hub's agent into the directory that it shares with the operator.

use super::reporter::{Reported, next_report};
use crate::api::agent_report::HEARTBEAT_SECONDS;
use crate::api::hub_report::{ALIVE, FILE, text};
use crate::lasting::{Change, Lasting};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How often the agent shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(HEARTBEAT_SECONDS as u64);
/// Pause after a write that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// Reports until `stop`. The file stays: what was proved stays true.
pub async fn run(
    directory: PathBuf,
    mut reports: watch::Receiver<Option<Reported>>,
    stop: CancellationToken,
) {
    let mut trouble = Lasting::default();
    let mut is_written = false;
    loop {
        let reported = reports.borrow_and_update().clone().filter(|_| !is_written);
        let path = directory.clone();
        let work = move || {
            if let Some(reported) = reported {
                write(&path, &reported)?;
            }
            renew(&path)
        };
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(io::Error::other).flatten();
        is_written = done.is_ok();
        let why = done.err().map(|error| format!("{}: {error}", directory.display()));
        match trouble.set(why) {
            Change::Began(why) | Change::Changed(why) => {
                tracing::warn!(%why, "the report for the operator cannot be written");
            }
            Change::Ended => tracing::info!("the report for the operator is written again"),
            Change::None => {}
        }
        let until = Instant::now() + if is_written { HEARTBEAT } else { AGAIN };
        tokio::select! {
            () = next_report(&mut reports), if is_written => is_written = false,
            () = sleep_until(until) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Replaces the file. It needs no sync: the operator takes a file that is not whole for none.
fn write(directory: &Path, reported: &Reported) -> io::Result<()> {
    let files = reported.running.iter().map(|(key, file)| (key.as_str(), file.digest));
    let new = directory.join(format!(".{FILE}.new"));
    fs::write(&new, text(&reported.report, files))?;
    fs::rename(&new, directory.join(FILE))
}

/// Shows that the agent lives, in a file of its own: the report may be large, and is only ever
/// replaced.
fn renew(directory: &Path) -> io::Result<()> {
    File::create(directory.join(ALIVE))?.set_modified(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AgentReport;
    use crate::api::hub_report::HubReport;
    use crate::identity::{Digest, ObjectKey};
    use crate::snapshot::HeldFile;

    #[test]
    fn the_operator_reads_what_the_agent_wrote_and_sees_that_it_lives() {
        let directory = tempfile::tempdir().unwrap();
        let file = HeldFile { digest: Digest::of(b"1"), size: 1 };
        let running =
            [("a.x.conf".to_owned(), file)].into_iter().collect::<std::collections::BTreeMap<_, _>>();
        let reported = Reported { report: AgentReport::new("groundlink"), running: running.into() };
        write(directory.path(), &reported).unwrap();
        renew(directory.path()).unwrap();
        let read = HubReport::read(&*fs::read(directory.path().join(FILE)).unwrap()).unwrap();
        assert_eq!(read.files, [(ObjectKey::new("a", "x"), file.digest)]);
        assert!(directory.path().join(ALIVE).is_file());
        // Each look at it may be at another file.
        assert!(reported.is_same(&reported.clone()));
        let other = Reported {
            running: reported
                .running
                .iter()
                .map(|(k, v)| (k.clone(), *v))
                .collect::<std::collections::BTreeMap<_, _>>()
                .into(),
            ..reported.clone()
        };
        assert!(!reported.is_same(&other));
    }
}

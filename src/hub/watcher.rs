//! The thread that watches the volume for what others do there.

use crate::backoff::Backoff;
use crate::lasting::{Change, Lasting};
use crate::publish::{Touched, Volume};
use rustix::event::Timespec;
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// After a report the watcher gathers: whoever writes without end makes ten reports a second.
const GATHER: Duration = Duration::from_millis(100);
/// How long it waits for the system before it looks whether the process ends.
const STEP: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Pauses between attempts to watch the volume.
const AGAIN: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(1) };

/// Starts the thread, from within the runtime. It ends after `stop`.
///
/// # Errors
/// If there can be no thread.
pub(super) fn start(
    volume: Arc<Volume>,
    touches: mpsc::Sender<Touched>,
    stop: CancellationToken,
) -> io::Result<()> {
    let runtime = Handle::current();
    let is_stopped_within = move |time| {
        let stopped = async { tokio::time::timeout(time, stop.cancelled()).await.is_ok() };
        stop.is_cancelled() || runtime.block_on(stopped)
    };
    let watch = move || watch(&volume, &touches, &is_stopped_within);
    thread::Builder::new().name("volume-watcher".into()).spawn(watch).map(drop)
}

/// Reports which files somebody else touched, until `stop`. Where the system shows nothing, the core checks the files one after
/// another all the same.
fn watch(volume: &Volume, touches: &mpsc::Sender<Touched>, is_stopped_within: &dyn Fn(Duration) -> bool) {
    let mut trouble = Lasting::default();
    for attempts in 1.. {
        let mut follow = || {
            let mut watcher = volume.watcher()?;
            if let Change::Ended = trouble.set(None) {
                tracing::info!("the volume is watched again");
            }
            // Nobody watched until now.
            let mut report = Some(Touched::Some).filter(|_| attempts > 1);
            loop {
                let is_reported = report.take().map(|touched| touches.blocking_send(touched).is_ok());
                let pause = if is_reported.is_some() { GATHER } else { Duration::ZERO };
                if is_reported == Some(false) || is_stopped_within(pause) {
                    return Ok::<(), Errno>(());
                }
                report = volume.wait_for_touch(&mut watcher, STEP)?;
            }
        };
        let Err(error) = follow() else { return };
        if let Change::Began(why) | Change::Changed(why) = trouble.set(Some(error.to_string())) {
            tracing::warn!(%why, "cannot watch the volume (fs.inotify.max_user_watches); changes by others are found within minutes");
        }
        if is_stopped_within(AGAIN.pause(attempts, rand::random())) {
            return;
        }
    }
}

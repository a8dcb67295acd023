//! Takes lines and writes them on a thread of its own, so that a reader which does not read stops
//! nobody.
//!
//! Lines wait in a buffer of bounded size. A line that finds it full is lost, and counted.
//! `tracing-appender` bounds lines instead of bytes, does not report what is lost, writes to
//! standard output when the end is not clean, and needs `time` and `crossbeam-channel`.

use prometheus_client::metrics::counter::Counter;
use std::io::{self, ErrorKind, Write};
use std::mem::{swap, take};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait for a reader. As many may be on their way to it.
pub(super) const WAITING: usize = 1 << 20;
/// An empty buffer keeps no more room than this.
const KEPT: usize = 1 << 16;
/// Pause after a reader that is slow refused a write (a pipe that somebody set to non-blocking).
const AGAIN: Duration = Duration::from_millis(20);

/// The entrance of the log. A clone is the same log.
#[derive(Clone)]
pub(super) struct Sink(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Everything is written.
    emptied: Condvar,
    /// Lines that were lost.
    counted: Counter,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Lines that were lost and not reported.
    lost: u64,
    is_writing: bool,
}

impl Sink {
    /// Starts the thread that writes to `out`. Lost lines are counted in `counted`. It calls `report` with the number of
    /// lost lines once `out` takes lines again.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(
        out: impl Write + Send + 'static,
        counted: Counter,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (state, filled, emptied) = Default::default();
        let shared = Arc::new(Shared { state, filled, emptied, counted });
        let writing = shared.clone();
        thread::Builder::new().name("log".into()).spawn(move || writing.write_to(out, report))?;
        Ok(Self(shared))
    }

    /// Takes whole lines. Never waits for a reader.
    pub fn push(&self, lines: &[u8]) {
        let mut state = self.0.lock();
        if state.waiting.len() + lines.len() > WAITING {
            drop(state);
            self.0.lose(lines);
            return;
        }
        state.waiting.extend_from_slice(lines);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Waits until everything is written, but not longer than `limit`.
    pub fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        // A poisoned lock leaves nothing to wait for.
        let _ = self.0.emptied.wait_timeout_while(self.0.lock(), limit, is_busy);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count().max(1) as u64;
        self.counted.inc_by(count);
        self.lock().lost += count;
    }

    fn write_to(&self, mut out: impl Write, report: impl Fn(u64)) {
        let mut lines = Vec::new();
        let mut is_taken = true;
        loop {
            lines.clear();
            lines.shrink_to(KEPT);
            let mut state = self.lock();
            state.is_writing = false;
            if state.waiting.is_empty() {
                self.emptied.notify_all();
            }
            while state.waiting.is_empty() {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            swap(&mut state.waiting, &mut lines);
            state.is_writing = true;
            // Not while every write fails: each report would be the next line that is lost.
            let lost = if is_taken { take(&mut state.lost) } else { 0 };
            drop(state);
            // The lines that were lost came after these. The report does, too, and its buffer has
            // room at this moment.
            if lost > 0 {
                report(lost);
            }
            let written = write_all(&mut out, &lines);
            is_taken = written == lines.len();
            if !is_taken {
                self.lose(&lines[written..]);
            }
        }
    }
}

/// Writes as much as is possible, however long that takes, and returns how many bytes that is.
fn write_all(out: &mut impl Write, lines: &[u8]) -> usize {
    let mut written = 0;
    while written < lines.len() {
        match out.write(&lines[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(_) => break,
        }
    }
    written
}

impl Write for &Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.push(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Sink;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests;

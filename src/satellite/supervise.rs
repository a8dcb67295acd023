//! Runs the actor of a satellite again when it panics: a fault that one satellite shows must not
//! leave it without deliveries until the operator restarts.

use crate::backoff::Backoff;
use crate::text::clean;
use futures::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pause before an actor that panicked runs again.
const PAUSE: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) };
/// A panic this long after the one before it is the first of its kind.
const FORGOTTEN: Duration = Duration::from_mins(15);
/// Longest text of a panic, in bytes.
const WHY_MAX: usize = 300;

/// Runs what `begin` returns until it ends or `stop`. After a panic it calls `panicked` with its
/// message, pauses, and begins again.
pub(super) async fn supervise<F: Future<Output = ()>>(
    stop: &CancellationToken,
    mut begin: impl FnMut() -> F,
    panicked: impl Fn(&str),
) {
    let (mut attempts, mut last) = (0, None::<Instant>);
    while let Err(panic) = AssertUnwindSafe(async { begin().await }).catch_unwind().await {
        panicked(&message(&*panic));
        if last.is_some_and(|last| last.elapsed() > FORGOTTEN) {
            attempts = 0;
        }
        (attempts, last) = (attempts + 1, Some(Instant::now()));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE.pause(attempts, rand::random())) => {}
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    clean(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message"), WHY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[tokio::test(start_paused = true)]
    async fn what_panics_runs_again_after_a_pause_that_grows() {
        let (runs, said) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let began = Instant::now();
        let begin = async || {
            runs.borrow_mut().push(began.elapsed());
            let run = runs.borrow().len();
            assert!(run > 12, "run {run} fails");
        };
        supervise(&CancellationToken::new(), begin, |why| said.borrow_mut().push(why.to_owned())).await;
        let (runs, said) = (runs.into_inner(), said.into_inner());
        assert_eq!((runs.len(), said.len()), (13, 12));
        assert!(said[0].contains("run 1 fails"), "{said:?}");
        let pauses: Vec<_> = runs.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.iter().all(|pause| !pause.is_zero() && *pause <= PAUSE.cap), "{pauses:?}");
        assert!(pauses[0] <= Duration::from_secs(1) && pauses[11] >= Duration::from_secs(30), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_pause() {
        let (stop, runs) = (CancellationToken::new(), Cell::new(0));
        let begin = async || {
            runs.set(runs.get() + 1);
            stop.cancel();
            panic!("at once");
        };
        supervise(&stop, begin, |_| {}).await;
        assert_eq!(runs.get(), 1);
    }
}

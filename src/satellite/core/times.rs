//! Times and chance, as the driver passes them in.

use std::time::Duration;

/// How often the pointer of a quiet satellite is read, to find what the watch missed.
pub(super) const VERIFY_EVERY: Duration = Duration::from_secs(30);
/// How often an attempt is made even though a person must remove the cause.
pub(crate) const RECHECK: Duration = Duration::from_secs(30);

/// The moment of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Monotonic, from any origin.
    pub now: Duration,
    /// Unix seconds, for what is compared with the clocks of others: ends of tokens, times in a
    /// status.
    pub unix: i64,
    /// A random number in 0..1.
    pub random: f64,
    /// True if this process may write.
    pub is_leader: bool,
}

/// The pause, longer or shorter by a fifth at most. `random` is in 0..1.
pub(super) fn jitter(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
}

//! Failures, in words for a person: what was tried, what the system said, what to do, and what the volume holds now.

use rustix::io::Errno;
use std::io;

pub(super) const NOT_LEADER: &str = "this process is not the leader any more";

/// What the volume holds after a failure, and what happens next.
#[derive(Clone, Copy)]
pub(super) enum State {
    Kept,
    InPlace,
    Removed,
    Foreign,
    Unknown,
}

/// Explains a failure to a person.
pub(super) fn explain(action: &str, error: &io::Error, state: State) -> String {
    let state = match state {
        State::Kept => "the previous file is kept, and it is tried again",
        State::InPlace => "the new file is in place, but may not survive a crash, and it is written again",
        State::Removed => "the file is removed, but may come back after a crash, and it is removed again",
        State::Foreign => "what is in its place is left alone, and it is tried again",
        State::Unknown => "it is not known which file is in place, and it is written again",
    };
    format!("cannot {action}: {error}{}; {state}", remedy(error))
}

/// Returns what a person can do about an error of the volume.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "; the volume is full: enlarge it or free space",
        Some(Errno::FBIG) => "; a limit on the size of files is in the way (ulimit -f): raise it",
        Some(Errno::ROFS) => "; the volume is read-only: make it writable",
        Some(Errno::ACCESS | Errno::PERM) => "; let the operator's user read and write the volume (fsGroup)",
        Some(Errno::IO) => "; the storage has a fault",
        Some(Errno::ISDIR) => "; a directory is in its place: remove it",
        Some(Errno::NOTDIR | Errno::LOOP) => {
            "; something that is no directory is in the place of its namespace's directory: remove it"
        }
        _ => "",
    }
}

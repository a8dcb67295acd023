//! The commands that only look: `status` shows the fleet, `trace` follows one object along the
//! promise, `diff` compares its versions, and `wait` waits until one has arrived or is gone.
//! `journey.rs`, `absence.rs` and `sides.rs` decide; they know no client.

mod absence;
mod diff;
mod gone;
mod journey;
mod repeat;
mod sets;
mod sides;
mod status;
mod target;
mod trace;
mod unified;
mod volume;
mod wait;

pub(super) use diff::Arguments as DiffArguments;
pub(super) use status::Arguments as StatusArguments;
pub(super) use target::{Found, LOOK_AGAIN};
pub(super) use trace::Arguments as TraceArguments;
pub(super) use wait::{Arguments as WaitArguments, State, until};

#[cfg(test)]
pub(super) use {journey::Journey, sides::Compared, status::Fleet};

pub(super) use diff::main as diff;
pub(super) use status::main as status;
pub(super) use trace::main as trace;
pub(super) use wait::main as wait;

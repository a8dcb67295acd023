//! The commands that only look: `status` shows the fleet, `trace` follows one object along the
//! promise, and `wait` waits until one has arrived. `journey.rs` decides what is shown; it knows
//! no client.

mod journey;
mod status;
mod target;
mod trace;
mod wait;

pub(super) use status::Arguments as StatusArguments;
pub(super) use target::Found;
pub(super) use trace::Arguments as TraceArguments;
pub(super) use wait::{Arguments as WaitArguments, LOOK_AGAIN, State, until};

pub(super) use status::main as status;
pub(super) use trace::main as trace;
pub(super) use wait::main as wait;

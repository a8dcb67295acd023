//! The hub on real API servers: order, status, recovery, bad input.

mod bad_input;
mod crd_loss;
mod explained;
mod lifecycle;
mod missing_things;
mod namespaced;
mod outages;
mod removals;
mod rights;
mod second;
mod served;
mod sinks;
mod status_faults;
mod storm;
mod terminating;
mod two_operators;
mod volume_blocked;
mod volume_changed;
mod volume_faults;
mod watches;

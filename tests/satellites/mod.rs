//! Satellites on real API servers: joining, leaving, credentials, and everything that can be wrong.

mod agents;
mod certificates;
mod choices;
mod credentials;
mod join;
mod newer;
mod refused;
mod renewal;
mod room;
mod sick;
mod targets;
mod unknown;
mod waiting;

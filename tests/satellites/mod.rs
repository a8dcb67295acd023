//! Satellites on real API servers: joining, leaving, refused credentials, and everything that can be wrong with one.

mod choices;
mod credentials;
mod join;
mod refused;
mod renewal;
mod room;
mod sick;
mod targets;
mod unknown;

//! Many satellites, hostile ones, and faults at every point of a delivery. A reader and a witness
//! that share no code with the operator verify the delivered sets.

mod hostile;
mod many;
mod outage;
mod permissions;
mod stage;
mod status_writes;
mod sweep;
mod tampered;
mod together;
mod twice;
mod two;

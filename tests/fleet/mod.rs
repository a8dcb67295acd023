//! Satellites in numbers, hostile ones, and faults at every point of a delivery; what they hold is judged by a reader and a
//! witness that share no code with the operator.

mod hostile;
mod many;
mod outage;
mod permissions;
mod stage;
mod status_writes;
mod sweep;
mod tampered;
mod two;

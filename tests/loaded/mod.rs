//! Satellites whose Icinga 2 loads what is delivered: a hub, real daemons, and an agent beside each.

mod faults;
mod hostile;
mod hub;
mod killed;
mod lifecycle;
mod pair;
mod rejected;
mod replay;

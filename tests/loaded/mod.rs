//! Satellites whose Icinga 2 loads what is delivered: a hub, real daemons, and an agent beside each.

mod faults;
mod lifecycle;
mod rejected;

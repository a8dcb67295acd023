//! `groundlink satellite ...` and `groundlink snapshot` on real API servers: the objects that they
//! create and leave behind, and their messages.

mod add;
mod agent;
mod check;
mod fixture;
mod operator;
mod remove;
mod rotate;
mod snapshot;

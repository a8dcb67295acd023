//! `groundlink satellite ...` and `groundlink snapshot` on real API servers: the objects that they
//! create, the ones that they leave, and their messages.

mod add;
mod check;
mod fixture;
mod operator;
mod remove;
mod rotate;
mod snapshot;

//! `groundlink satellite ...` and `groundlink snapshot` on real API servers: what it makes, what it leaves, and what it says.

mod add;
mod check;
mod fixture;
mod operator;
mod remove;
mod rotate;
mod snapshot;

//! `groundlink satellite ...`, `snapshot` and the commands that look, on real API servers: the objects that they
//! create and leave behind, and their messages.

mod add;
mod agent;
mod check;
mod diff;
mod dry_run;
mod fixture;
mod gone;
mod look;
mod operator;
mod pages;
mod plugin;
mod remove;
mod rotate;
mod snapshot;

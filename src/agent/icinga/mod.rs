//! Icinga 2 as the agent meets it: the include file that it loads, its validator, its processes
//! and its REST API. Nothing here decides about sets.

pub mod api;
pub mod candidate;
pub mod daemon;
pub(crate) mod netstrings;
pub mod output;
pub(crate) mod process;
pub mod validator;

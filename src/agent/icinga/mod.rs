//! Icinga 2 as the agent meets it: its validator, its process, its API.

//! The decisions about one satellite: state in, commands out. There is no client, no clock, no
//! channel and no random source here. Times and random numbers are passed in, so every decision is
//! tested without a server.

pub(crate) mod access;
pub(crate) mod actor;
pub(crate) mod agents;
pub(crate) mod breaker;
pub(crate) mod config;
mod contact;
pub(crate) mod delivery;
mod drift;
mod history;
pub(crate) mod inventory;
pub(crate) mod order;
mod owner;
pub(crate) mod report;
pub(crate) mod requests;
mod shards;
pub(crate) mod tell;
pub(crate) mod times;

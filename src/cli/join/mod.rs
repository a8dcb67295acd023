//! What a join consists of: the objects on both sides, the account on the satellite, its tokens,
//! and the credential on the hub.

pub(super) mod access;
pub(super) mod account;
pub(super) mod agents;
pub(super) mod endpoint;
pub(super) mod objects;
pub(super) mod token;

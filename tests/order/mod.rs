//! The order of the promise, watched from outside: renamed, acknowledged, delivered; under load,
//! kills and outages.

mod closed;
mod deliveries;
mod evidence;
mod forged;
mod forged_shards;
mod isolation;
mod kill;
mod load;
mod planted;
mod races;
mod random_load;
mod rules;
mod slow;
mod soak;
mod upgrade;
mod witness;

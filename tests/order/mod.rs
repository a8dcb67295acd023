//! The order of the promise, watched from outside: renamed, acknowledged, delivered; under load,
//! kills and outages.

mod evidence;
mod forged;
mod isolation;
mod kill;
mod load;
mod planted;
mod races;
mod random_load;
mod rules;
mod witness;

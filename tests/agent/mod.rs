//! The agent beside real daemons of each generation of Icinga 2. No cluster is needed.

mod faults;
mod permissions;
mod proof;
mod stage;
mod validator;

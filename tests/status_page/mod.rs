//! The status page: who sees what, asked of a real API server, and what a real Chromium shows.

mod access;
mod browser;
mod http;
mod operator;
mod people;
mod pictures;
mod sample;
mod seen;
mod served;

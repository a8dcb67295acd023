//! Shared by the benchmarks: the command line, the description of the machine, and the report.
//!
//! Include it with `#[path = "../shared/mod.rs"] mod shared;`.
#![allow(dead_code, unused_imports, reason = "each benchmark uses a part of it")]

pub mod arguments;
pub mod machine;
pub mod report;

/// Prints a line of progress, with the time, on standard error.
macro_rules! progress {
    ($($arg:tt)*) => {
        eprintln!("[{:7.1} s] {}", $crate::shared::machine::uptime().as_secs_f64(), format_args!($($arg)*))
    };
}
pub(crate) use progress;

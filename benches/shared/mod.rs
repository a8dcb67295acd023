//! What every benchmark has: its command line, the machine that it runs on, and its report.
//!
//! Include it with `#[path = "../shared/mod.rs"] mod shared;`.
#![allow(dead_code, unused_imports, reason = "each benchmark uses a part of it")]

pub mod arguments;
pub mod machine;
pub mod report;

/// Says on standard error where the run is.
macro_rules! progress {
    ($($arg:tt)*) => {
        eprintln!("[{:7.1} s] {}", $crate::shared::machine::uptime().as_secs_f64(), format_args!($($arg)*))
    };
}
pub(crate) use progress;

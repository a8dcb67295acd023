//! Loopback ports that stay reserved while a server is stopped.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};

/// Below the kernel's range for outgoing connections (32768 and up by default), so that none of
/// them takes the port of a stopped server.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A free loopback port. Until dropped, a file lock reserves it among all test processes of this
/// machine.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a port on which nothing listens at this moment.
    pub fn reserve() -> Self {
        let locks = std::env::temp_dir().join("groundlink-test-ports");
        std::fs::create_dir_all(&locks).expect("create the directory of port locks");
        for _ in 0..1_000 {
            let number = rand::random_range(RANGE);
            let Ok(lock) = File::create(locks.join(number.to_string())) else { continue };
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no free port in {RANGE:?} after 1000 attempts");
    }

    /// Returns the port number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

//! `power-cut DIR`: shuts the file system of DIR down as a power cut does. What it has not written to its device is lost, and
//! every later call on it fails until it is mounted again.

use rustix::fs::{Mode, OFlags, open};
use rustix::ioctl::{Setter, ioctl, opcode};
use std::error::Error;

/// `FS_IOC_SHUTDOWN` of Linux (`XFS_IOC_GOINGDOWN`), for ext4, XFS and f2fs.
const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
/// Neither data nor the journal is written before.
const NO_LOG_FLUSH: u32 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: power-cut DIR")?;
    let descriptor = open(directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    // SAFETY: the ioctl reads one u32, and writes nothing.
    unsafe { ioctl(descriptor, Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH))? };
    Ok(())
}

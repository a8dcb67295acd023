//! `groundlink install`: copies this program into a directory, for a container whose image does not
//! have it. The image of the operator has no shell that could copy it.

use anyhow::Context as _;
use clap::Args;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Name of the copy.
const NAME: &str = "groundlink";

/// Copy this program into a directory.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub struct Arguments {
    /// Directory for the copy. It must exist.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("cannot find the file of this program")?;
    let place = arguments.to.join(NAME);
    copy(&program, &place)
        .with_context(|| format!("--to: cannot copy {} to {}", program.display(), place.display()))?;
    eprintln!("groundlink: copied to {}", place.display());
    Ok(ExitCode::SUCCESS)
}

/// Copies a program by rename: a copy that runs cannot be overwritten, and half a copy cannot run.
fn copy(program: &Path, place: &Path) -> io::Result<()> {
    let temp = place.with_extension("tmp");
    if let Err(error) = fs::remove_file(&temp)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temp)?;
    io::copy(&mut File::open(program)?, &mut file)?;
    // Another user may run it, whatever the umask.
    file.set_permissions(Permissions::from_mode(0o755))?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temp, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_copy_is_replaced_as_a_whole_and_everybody_may_run_it() {
        let scratch = tempfile::tempdir().unwrap();
        let (program, place) = (scratch.path().join("program"), scratch.path().join(NAME));
        fs::write(&program, "new").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o600)).unwrap();
        fs::write(&place, "old").unwrap();
        // What a copy that was cut off has left.
        fs::write(scratch.path().join("groundlink.tmp"), "ne").unwrap();
        let old = fs::metadata(&place).unwrap().ino();

        copy(&program, &place).unwrap();
        let copied = fs::metadata(&place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"new");
        assert_eq!(copied.mode() & 0o777, 0o755);
        assert_ne!(copied.ino(), old, "written in place, which fails while the old one runs");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2, "something is left");
        let error = copy(&program, &scratch.path().join("nowhere/groundlink")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

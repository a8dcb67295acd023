//! The archive of a shard: a tar.gz. The same files always give the same bytes, and any tar can
//! read it.

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// Largest archive that is unpacked, in unpacked bytes: room for 512 KiB of files with the header
/// and padding of each.
pub const MAX_UNPACKED: u64 = 16 * 1024 * 1024;
/// Longest name in an archive: the longest key of a ConfigMap.
const MAX_NAME: usize = 253;

/// Packs files in the given order. Times, owners and the system are left out, so only the files
/// decide the bytes.
///
/// # Errors
/// If the archive library fails. That is not expected, because it writes to memory.
pub fn pack(files: impl Iterator<Item = (impl AsRef<str>, Vec<u8>)>) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name.as_ref(), bytes.as_slice())?;
    }
    let tar = tar.into_inner()?;
    // 255 means an unknown system.
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(5));
    gzip.write_all(&tar)?;
    gzip.finish()
}

/// Unpacks an archive, which anybody may have changed.
///
/// # Errors
/// If it is no archive, is too large, has anything but plain files, or has a name that could leave
/// a directory.
pub fn unpack(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let broken = |error: std::io::Error| format!("is no tar.gz: {error}");
    let mut tar = Vec::new();
    MultiGzDecoder::new(archive).take(MAX_UNPACKED + 1).read_to_end(&mut tar).map_err(broken)?;
    if tar.len() as u64 > MAX_UNPACKED {
        return Err(format!("unpacks to more than {MAX_UNPACKED} bytes"));
    }
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err("holds something that is not a plain file".into());
        }
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| "holds a name that is not UTF-8")?;
        if !is_file_key(&name) {
            return Err(format!("holds a file of the name {name:?}, which is not <namespace>.<name>.conf"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if files.insert(name, bytes).is_some() {
            return Err("holds two files of one name".into());
        }
    }
    Ok(files)
}

/// True if [`crate::identity::ObjectKey::file_key`] can make this name. Such a name cannot leave a
/// directory.
pub fn is_file_key(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    name.len() <= MAX_NAME
        && name.chars().all(plain)
        && !name.starts_with('.')
        && !name.contains("..")
        && name.strip_suffix(".conf").is_some_and(|stem| stem.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        pack(files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec()))).unwrap()
    }

    #[test]
    fn the_same_files_are_the_same_bytes_and_come_out_again() {
        let long = format!("n.{}.conf", "x".repeat(170));
        let files = [("a.b.conf", "one"), (&long, "two"), ("z.z.conf", "")];
        assert_eq!(packed(&files), packed(&files));
        let read = unpack(&packed(&files)).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[&long], b"two");
        // Bytes 4 to 9 of a gzip: time, flags, system.
        assert_eq!(packed(&files)[4..8], [0; 4]);
        assert_eq!(packed(&files)[9], 255);
    }

    #[test]
    fn what_someone_else_made_is_checked() {
        assert!(unpack(b"not gzip").unwrap_err().contains("no tar.gz"));
        let bad = |name: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_entry_type(tar::EntryType::Regular);
            // Bypasses the check of the library, as an attacker would.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            let mut tar = tar::Builder::new(Vec::new());
            tar.append(&header, &b"x"[..]).unwrap();
            let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
            gzip.write_all(&tar.into_inner().unwrap()).unwrap();
            unpack(&gzip.finish().unwrap())
        };
        for name in [
            "../x.y.conf",
            "/etc/x.y.conf",
            "a/b.c.conf",
            ".a.conf",
            "a..b.conf",
            "conf",
            "a.conf",
            "A.b.conf",
        ] {
            assert!(bad(name).unwrap_err().contains("which is not"), "{name}");
        }
        assert!(bad("a.b.conf").is_ok());
        assert!(unpack(&packed(&[("a.b.conf", "1"), ("a.b.conf", "2")])).unwrap_err().contains("two files"));
        let bomb = vec![0_u8; MAX_UNPACKED as usize + 1];
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
        gzip.write_all(&bomb).unwrap();
        assert!(unpack(&gzip.finish().unwrap()).unwrap_err().contains("more than"));
    }
}

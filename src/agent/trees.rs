//! The trees on disk. A tree is built in staging, synced, and renamed to its place; after that its
//! files never change. One small file, which Icinga includes, names the active tree by its
//! absolute path; it is replaced by rename.
//!
//! ```text
//! <directory>/lock                       held by the agent
//! <directory>/active.conf                names the active tree; Icinga includes it
//! <directory>/candidate.conf             the same for a tree that is being validated
//! <directory>/memory.json                what the agent remembers
//! <directory>/icinga.json                what the validator said of Icinga: its name, its directories
//! <directory>/password                   of the agent's user of Icinga's API
//! <directory>/staging/                   trees that are not complete
//! <directory>/trees/<name>/objects.d/<namespace>.<name>.conf
//! <directory>/trees/<name>/SHA256SUMS    `cd objects.d && sha256sum -c ../SHA256SUMS`
//! <directory>/trees/<name>/set.json      the set that the tree was made of
//! <directory>/validate/                  cache and log directory of the validator
//! ```
//!
//! Never a symlink that is switched: Icinga resolves it again for every file, skips a file that is
//! gone with a warning, and so loads a part of the set with exit code 0.

use super::core::facts::{Content, Found, Memory, Plan, Tree, TreeSet};
use super::icinga::validator::Constants;
use crate::identity::Digest;
use crate::snapshot::HeldFile;
use crate::snapshot::archive::is_file_key;
use rustix::fs::{FlockOperation, Mode, fchmod, flock, syncfs};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that Icinga includes.
pub const ACTIVE: &str = "active.conf";
/// The file that is validated.
const CANDIDATE: &str = "candidate.conf";
const TREES: &str = "trees";
const STAGING: &str = "staging";
const MEMORY: &str = "memory.json";
const ICINGA: &str = "icinga.json";
const PASSWORD: &str = "password";
const OBJECTS: &str = "objects.d";
const LISTING: &str = "SHA256SUMS";
const SET: &str = "set.json";
/// Up to this many new files are synced one by one. More are synced with the whole file system.
const FEW: usize = 16;
/// Largest file that is read back, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why something on disk could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct Error {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

trait Explain<T> {
    fn explain(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Explain<T> for Result<T, E> {
    fn explain(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|error| Error { action, path: path.to_owned(), source: error.into() })
    }
}

/// The directory of one agent, for as long as the value lives.
#[derive(Debug)]
pub struct Trees {
    directory: PathBuf,
    _lock: File,
}

impl Trees {
    /// Opens the directory, which must exist, takes its lock and removes what was not complete.
    ///
    /// # Errors
    /// If it cannot be used, or another agent uses it.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let directory = directory.canonicalize().explain("open", directory)?;
        let path = directory.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.explain("open", &path)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another agent uses this directory; give each its own"))
            .explain("lock", &path)?;
        let staging = directory.join(STAGING);
        if let Err(error) = fs::remove_dir_all(&staging)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error).explain("empty", &staging);
        }
        for name in [STAGING, TREES] {
            make_directory(&directory.join(name))?;
        }
        let trees = Self { directory, _lock: lock };
        sync_directory(&trees.directory)?;
        Ok(trees)
    }

    /// Returns the directory, without links in its path.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the path of a tree.
    pub fn path(&self, tree: &Tree) -> PathBuf {
        self.tree(&tree.name)
    }

    fn tree(&self, name: &str) -> PathBuf {
        self.directory.join(TREES).join(name)
    }

    /// Returns what is on disk: the active and the last good tree, if every file of them is what it
    /// was, and the memory.
    ///
    /// # Errors
    /// If the directory cannot be read. A tree that is damaged is left out.
    pub fn find(&self) -> Result<Found, Error> {
        let memory = self.memory()?;
        let whole = |name: &str| match self.read(name) {
            Ok(tree) => Some(tree),
            Err(error) => {
                tracing::warn!(tree = name, %error, "this tree is not used");
                None
            }
        };
        let active = self.active()?.and_then(|name| whole(&name));
        let is_active = |name: &str| active.as_ref().is_some_and(|active| &*active.name == name);
        let good = memory.good.as_deref().filter(|name| !is_active(name)).and_then(whole);
        Ok(Found { active, good, memory })
    }

    /// Returns the name of the tree that the include file names. None if there is no such file.
    fn active(&self) -> Result<Option<String>, Error> {
        let path = self.directory.join(ACTIVE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).explain("read", &path),
        };
        let prefix = format!("{}/", self.directory.join(TREES).display());
        let rest = text.split(&prefix).nth(1);
        Ok(rest.and_then(|rest| rest.split('/').next()).filter(|name| is_tree_name(name)).map(str::to_owned))
    }

    /// Reads a tree and compares every file with its digest.
    fn read(&self, name: &str) -> Result<Tree, Error> {
        let path = self.tree(name);
        let set = path.join(SET);
        let read = |path: &Path| read_bounded(path).explain("read", path);
        let meta: TreeSet =
            serde_json::from_slice(&read(&set)?).map_err(io::Error::from).explain("read", &set)?;
        let listing = path.join(LISTING);
        let text = String::from_utf8(read(&listing)?).map_err(io::Error::other).explain("read", &listing)?;
        let mut files = BTreeMap::new();
        for line in text.lines() {
            let parsed = line.split_once("  ").and_then(|(hex, key)| {
                Some((format!("sha256:{hex}").parse::<Digest>().ok()?, key))
                    .filter(|(_, key)| is_file_key(key))
            });
            let Some((digest, key)) = parsed else {
                return Err(io::Error::other("a line cannot be read")).explain("read", &listing);
            };
            let file = path.join(OBJECTS).join(key);
            let bytes = read(&file)?;
            if Digest::of(&bytes) != digest {
                return Err(io::Error::other("its content was changed")).explain("use", &file);
            }
            files.insert(key.to_owned(), HeldFile { digest, size: bytes.len() });
        }
        let objects = path.join(OBJECTS);
        let found = fs::read_dir(&objects).explain("list", &objects)?.count();
        if found != files.len() {
            let why = format!("it has {found} files instead of {}", files.len());
            return Err(io::Error::other(why)).explain("use", &objects);
        }
        Ok(Tree { name: name.into(), set: Arc::new(meta), files: Arc::new(files) })
    }

    /// Builds a tree. `content` returns the bytes of a file of the wanted set, or None if the tree
    /// `wanted` has that file; `good` is the tree of the contents that are held.
    ///
    /// # Errors
    /// If something cannot be written. Then no tree of this name exists.
    pub fn build(
        &self,
        plan: &Plan,
        content: impl Fn(&str) -> Option<Arc<[u8]>>,
        wanted: Option<&Tree>,
        good: Option<&Tree>,
    ) -> Result<Tree, Error> {
        let staging = self.directory.join(STAGING).join(&*plan.name);
        let objects = staging.join(OBJECTS);
        make_directory(&staging)?;
        make_directory(&objects)?;
        let mut written = Vec::new();
        let mut listing = String::new();
        for (key, (file, from)) in &plan.files {
            // The last gate: whatever a set says, no path leaves the tree.
            if !is_file_key(key) {
                return Err(io::Error::other("this is not the name of a file"))
                    .explain("write", Path::new(key));
            }
            let path = objects.join(key);
            let has = |tree: &&Tree| tree.files.get(key) == Some(file);
            let same = match from {
                Content::Good => good.filter(has),
                Content::Wanted => wanted.filter(has).or_else(|| good.filter(has)),
            };
            match same {
                Some(tree) => link(&self.path(tree).join(OBJECTS).join(key), &path)?,
                None => {
                    let bytes = content(key)
                        .filter(|bytes| Digest::of(bytes) == file.digest)
                        .ok_or_else(|| io::Error::other("its content is not there"))
                        .explain("write", &path)?;
                    written.push(write_new(&path, &bytes, 0o644)?);
                }
            }
            file.digest.write_hex(&mut listing);
            listing.push_str("  ");
            listing.push_str(key);
            listing.push('\n');
        }
        let set =
            serde_json::to_vec_pretty(&*plan.set).map_err(io::Error::from).explain("write", &staging)?;
        written.push(write_new(&staging.join(LISTING), listing.as_bytes(), 0o644)?);
        written.push(write_new(&staging.join(SET), &set, 0o644)?);
        if written.len() > FEW {
            let directory = File::open(&staging).explain("open", &staging)?;
            syncfs(&directory).explain("sync the file system of", &staging)?;
        } else {
            for file in &written {
                file.sync_all().explain("sync a file of", &staging)?;
            }
        }
        sync_directory(&objects)?;
        sync_directory(&staging)?;
        let place = self.tree(&plan.name);
        fs::rename(&staging, &place).explain("rename to", &place)?;
        sync_directory(&self.directory.join(TREES))?;
        let files = plan.files.iter().map(|(key, (file, _))| (key.clone(), *file)).collect();
        Ok(Tree { name: plan.name.clone(), set: plan.set.clone(), files: Arc::new(files) })
    }

    /// Removes what a failed build left.
    pub fn forget_staging(&self, name: &str) {
        // It is garbage, which the next start removes.
        let _ = fs::remove_dir_all(self.directory.join(STAGING).join(name));
    }

    /// Writes the file that is validated, and returns its path. Only the agent's own user may read
    /// it: it has the password.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_candidate(&self, text: &str) -> Result<PathBuf, Error> {
        let path = self.directory.join(CANDIDATE);
        self.replace(CANDIDATE, text.as_bytes())?;
        Ok(path)
    }

    /// Lets the include file be this text, durably. Icinga sees the old or the new one.
    ///
    /// # Errors
    /// If it cannot be written. It may be the old or the new one then.
    pub fn activate(&self, text: &str) -> Result<(), Error> {
        self.replace(ACTIVE, text.as_bytes())
    }

    /// Returns the memory. An unreadable one is an empty one: it is written again after a load.
    fn memory(&self) -> Result<Memory, Error> {
        let path = self.directory.join(MEMORY);
        match read_bounded(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "the memory cannot be read and begins anew");
                Memory::default()
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Memory::default()),
            Err(error) => Err(error).explain("read", &path),
        }
    }

    /// Writes the memory, durably, and then removes every tree but those of these names.
    ///
    /// # Errors
    /// If the memory cannot be written; then nothing is removed. A tree that cannot be removed is
    /// only logged.
    pub fn remember(&self, memory: &Memory, keep: &[Arc<str>]) -> Result<(), Error> {
        let path = self.directory.join(MEMORY);
        let text = serde_json::to_vec_pretty(memory).map_err(io::Error::from).explain("write", &path)?;
        self.replace(MEMORY, &text)?;
        let trees = self.directory.join(TREES);
        for entry in fs::read_dir(&trees).explain("list", &trees)?.flatten() {
            let name = entry.file_name();
            if !keep.iter().any(|kept| **kept == *name.to_string_lossy())
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!(tree = %name.display(), %error, "an old tree cannot be removed");
            }
        }
        Ok(())
    }

    /// Returns what the last validator said of Icinga. None if there was none, or it cannot be read.
    pub fn icinga(&self) -> Option<Constants> {
        serde_json::from_slice(&read_bounded(&self.directory.join(ICINGA)).ok()?).ok()
    }

    /// Keeps what the validator says of Icinga over a restart.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remember_icinga(&self, constants: &Constants) -> Result<(), Error> {
        let path = self.directory.join(ICINGA);
        let text = serde_json::to_vec_pretty(constants).map_err(io::Error::from).explain("write", &path)?;
        self.replace(ICINGA, &text)
    }

    /// Puts the file by which Icinga includes the set in place, unless it is there. Its directory is
    /// created if only the last part is missing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_hook(&self, path: &Path, text: &str) -> Result<(), Error> {
        if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        make_directory(parent)?;
        // No name that ends with .conf, which Icinga would include.
        let temp = parent.join("groundlink.tmp");
        let _ = fs::remove_file(&temp);
        write_new(&temp, text.as_bytes(), 0o644)?.sync_all().explain("sync", &temp)?;
        fs::rename(&temp, path).explain("rename to", path)?;
        sync_directory(parent)
    }

    /// Returns the password of the agent's user of Icinga's API. It is made once.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn password(&self) -> Result<String, Error> {
        let path = self.directory.join(PASSWORD);
        match fs::read_to_string(&path) {
            Ok(text) if text.len() == 64 => return Ok(text),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).explain("read", &path),
        }
        let password = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        self.replace(PASSWORD, password.as_bytes())?;
        Ok(password)
    }

    /// Replaces a file of the directory by rename, durably. Only the agent's user may read it.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let temp = self.directory.join(STAGING).join(name);
        let _ = fs::remove_file(&temp);
        write_new(&temp, bytes, 0o600)?.sync_all().explain("sync", &temp)?;
        let place = self.directory.join(name);
        fs::rename(&temp, &place).explain("rename to", &place)?;
        sync_directory(&self.directory)
    }
}

/// True if this can be the name of a tree: it leads nowhere else.
fn is_tree_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

fn make_directory(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.explain("create", path)?,
    }
    // Icinga must be able to enter it, whatever the umask.
    let directory = File::open(path).explain("open", path)?;
    fchmod(&directory, Mode::from_raw_mode(0o755)).explain("set the mode of", path)
}

/// Writes a file that does not exist yet. A link of this name is an error, it is not followed.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<File, Error> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).explain("create", path)?;
    fchmod(&file, Mode::from_raw_mode(mode)).explain("set the mode of", path)?;
    file.write_all(bytes).explain("write", path)?;
    Ok(file)
}

/// Gives an existing file a second name. Where the file system refuses (too many links), it is
/// copied.
fn link(from: &Path, to: &Path) -> Result<(), Error> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let bytes = read_bounded(from).explain("read", from)?;
    write_new(to, &bytes, 0o644)?.sync_all().explain("sync", to)
}

fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).explain("sync", path)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

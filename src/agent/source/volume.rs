//! The set on the hub's volume. A scan that no change interrupted is one moment of the volume, and
//! at every moment the volume holds a set that Icinga loads: files are renamed in the order in which
//! they name each other.

use super::{Fetched, News};
use crate::agent::core::facts::{FetchProblem, Files, Offer, Wanted, WantedSet};
use crate::identity::{Digest, Revision};
use crate::snapshot::HeldFile;
use crate::snapshot::archive::is_file_key;
use crate::snapshot::format::digest_of_files;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Largest file that is read, in bytes. The operator writes none of this size.
const LARGEST: u64 = 4 * 1024 * 1024;
/// The volume is scanned at least this often, whatever the watch says.
const SCAN_EVERY: Duration = Duration::from_secs(30);
/// How often the thread looks whether anybody still listens.
const LOOK: Duration = Duration::from_millis(500);
/// Pause after a scan that failed.
const AGAIN: Duration = Duration::from_secs(2);
/// Scans in a row that a change may interrupt. After that the last one counts, and Icinga's
/// validator judges it.
const MOST_SCANS: usize = 20;
/// The file in the agent's directory by which a person confirms a set that removes much.
pub const CONFIRMED: &str = "shrink-confirmed";

const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB);

/// What identifies the content of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// A hub's volume.
#[derive(Clone)]
pub struct Volume {
    objects: PathBuf,
    newest: watch::Receiver<(News, Files)>,
}

impl Volume {
    /// Follows the volume from now on, until every clone is dropped. Revisions begin after `after`.
    pub fn follow(volume: &Path, directory: &Path, after: Revision) -> Self {
        let (sender, newest) = watch::channel((News::default(), Files::default()));
        let objects = volume.join("objects.d");
        let scanner = Scanner {
            objects: objects.clone(),
            confirmed: directory.join(CONFIRMED),
            revision: after,
            known: BTreeMap::new(),
        };
        tokio::task::spawn_blocking(move || scanner.run(&sender));
        Self { objects, newest }
    }

    /// Waits for news. False if there will be none.
    pub async fn changed(&mut self) -> bool {
        self.newest.changed().await.is_ok()
    }

    /// Returns the newest word.
    pub fn news(&mut self) -> News {
        self.newest.borrow_and_update().0.clone()
    }

    /// Reads the files of the newest set that are not held.
    ///
    /// # Errors
    /// If one cannot be read, or changes meanwhile.
    pub async fn fetch(&self, held: Option<Files>) -> Result<Fetched, FetchProblem> {
        let (news, files) = self.newest.borrow().clone();
        let Some(Wanted::Set(set)) = news.wanted else {
            return Err(FetchProblem::Unavailable("the volume was not read yet".into()));
        };
        let objects = self.objects.clone();
        let read = move || {
            let held = held.unwrap_or_default();
            let mut content = BTreeMap::new();
            for (key, file) in files.iter().filter(|(key, file)| held.get(*key) != Some(file)) {
                let path = path_of(&objects, key);
                let bytes = read(&path).map_err(|error| {
                    FetchProblem::Unavailable(format!("cannot read {}: {error}", path.display()))
                })?;
                if Digest::of(&bytes) != file.digest {
                    return Err(FetchProblem::Unavailable(format!("{} changed meanwhile", path.display())));
                }
                content.insert(key.clone(), bytes.into());
            }
            Ok(Fetched { offer: Offer { set, files }, content })
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| FetchProblem::Unavailable(format!("cannot read the volume: {error}")))?
    }
}

/// Returns the path of a file on the volume.
fn path_of(objects: &Path, key: &str) -> PathBuf {
    // A namespace has no dot, so the first dot ends it.
    let (namespace, name) = key.split_once('.').unwrap_or(("", key));
    objects.join(namespace).join(name)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Scanner {
    objects: PathBuf,
    confirmed: PathBuf,
    revision: Revision,
    known: BTreeMap<String, (Stamp, HeldFile)>,
}

impl Scanner {
    fn run(mut self, sender: &watch::Sender<(News, Files)>) {
        while !sender.is_closed() {
            let why = match self.watch(sender) {
                Ok(()) => continue,
                Err(error) => format!("cannot read {}: {error}", self.objects.display()),
            };
            sender.send_if_modified(|(news, _)| {
                let is_new = news.trouble.as_ref() != Some(&why);
                news.trouble = Some(why);
                is_new
            });
            std::thread::sleep(AGAIN);
        }
    }

    /// Scans whenever something changed, until nobody listens.
    fn watch(&mut self, sender: &watch::Sender<(News, Files)>) -> io::Result<()> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut directories = watch_all(&inotify, &self.objects)?;
        while !sender.is_closed() {
            let mut files = Files::default();
            for _ in 0..MOST_SCANS {
                files = self.scan()?;
                if !drain(&inotify)? {
                    break;
                }
            }
            self.tell(files, sender);
            let now = watch_all(&inotify, &self.objects)?;
            if now != directories {
                directories = now;
                // Something may have come into a new directory before it was watched.
                continue;
            }
            for _ in 0..SCAN_EVERY.as_millis() / LOOK.as_millis() {
                let mut events = [PollFd::new(&inotify, PollFlags::IN)];
                let limit = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos() as i64 };
                if poll(&mut events, Some(&limit)).map_err(io::Error::from)? > 0 || sender.is_closed() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads every file whose stamp is another than before.
    fn scan(&mut self) -> io::Result<Files> {
        let mut found = BTreeMap::new();
        for namespace in fs::read_dir(&self.objects)? {
            let namespace = namespace?;
            if !namespace.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(namespace.path())? {
                let file = file?;
                let name = file.file_name();
                let key = format!("{}.{}", namespace.file_name().display(), name.display());
                if !is_file_key(&key) || !file.file_type()?.is_file() {
                    continue;
                }
                let stamp = match file.metadata() {
                    Ok(meta) => Stamp {
                        inode: meta.ino(),
                        size: meta.size(),
                        changed: (meta.ctime(), meta.ctime_nsec()),
                    },
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                let known = self.known.get(&key).filter(|(known, _)| *known == stamp);
                let held = match known {
                    Some((_, held)) => *held,
                    None => match read(&file.path()) {
                        Ok(bytes) => HeldFile { digest: Digest::of(&bytes), size: bytes.len() },
                        Err(error) if error.kind() == ErrorKind::NotFound => continue,
                        Err(error) => return Err(error),
                    },
                };
                found.insert(key, (stamp, held));
            }
        }
        self.known = found;
        let files = self.known.iter().map(|(key, (_, held))| (key.clone(), *held));
        Ok(Arc::new(files.collect()))
    }

    fn tell(&mut self, files: Files, sender: &watch::Sender<(News, Files)>) {
        let digest = digest_of_files(&files);
        let confirmed = fs::read_to_string(&self.confirmed).ok().and_then(|text| text.trim().parse().ok());
        sender.send_if_modified(|(news, newest)| {
            let mut set = WantedSet {
                revision: self.revision,
                digest,
                version: String::new(),
                shrink_confirmed: confirmed,
            };
            match &news.wanted {
                Some(Wanted::Set(known)) if known.digest == digest => {
                    if known.shrink_confirmed == confirmed && news.trouble.is_none() {
                        return false;
                    }
                }
                _ => {
                    self.revision.counter += 1;
                    set.revision = self.revision;
                }
            }
            *news = News { wanted: Some(Wanted::Set(set)), trouble: None };
            *newest = files;
            true
        });
    }
}

/// Watches the directory and every one in it; returns their names.
fn watch_all(inotify: &OwnedFd, objects: &Path) -> io::Result<Vec<PathBuf>> {
    let mut directories = vec![objects.to_owned()];
    for entry in fs::read_dir(objects)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    directories.sort();
    for directory in &directories {
        inotify::add_watch(inotify, directory, CHANGES | WatchFlags::ONLYDIR)?;
    }
    Ok(directories)
}

/// Reads away every event. True if there was one.
fn drain(inotify: &OwnedFd) -> io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    let mut is_changed = false;
    loop {
        match reader.next() {
            Ok(_) => is_changed = true,
            Err(rustix::io::Errno::AGAIN) => return Ok(is_changed),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;

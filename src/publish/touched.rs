//! Says which files below `objects.d` somebody else touched, as far as inotify shows it: not what other machines do on NFS.
//!
//! The operator changes a published file by one rename from its staging directory, which is not watched, and such a file is
//! recognised by its inode: a batch of thousands would otherwise be read once more.

use super::linux::LinuxDisk;
use super::volume::Volume;
use crate::identity::ObjectKey;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// Most touched files that are reported at once. If there are more, it is reported that some were.
const AT_ONCE: usize = 10_000;
/// What changes a file or its place.
const CHANGES: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Watches the files of a volume.
pub struct Watcher {
    inotify: OwnedFd,
    objects: i32,
    /// The namespace of each watch.
    namespaces: HashMap<i32, String>,
}

/// Which files somebody touched.
#[derive(Debug, PartialEq, Eq)]
pub enum Touched {
    /// These.
    Files(Vec<ObjectKey>),
    /// Some. Nobody knows which.
    Some,
}

impl Volume {
    /// Returns a watcher of the files of this volume.
    ///
    /// # Errors
    /// If the system allows no further watch.
    pub fn watcher(&self) -> Result<Watcher, Errno> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let objects = self.disk().add_watch(&inotify, None, CHANGES)?;
        let mut watcher = Watcher { inotify, objects, namespaces: HashMap::new() };
        watcher.watch_namespaces(self.disk())?;
        Ok(watcher)
    }

    /// Waits until somebody else touches files, at most as long as `limit`. Returns `None` if nobody did.
    ///
    /// # Errors
    /// If the system allows no further watch.
    pub fn wait_for_touch(&self, watcher: &mut Watcher, limit: Timespec) -> Result<Option<Touched>, Errno> {
        let mut ready = [PollFd::new(&watcher.inotify, PollFlags::IN)];
        match poll(&mut ready, Some(&limit)) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            polled => polled?,
        };
        watcher.read(self.disk())
    }
}

impl Watcher {
    fn watch_namespaces(&mut self, disk: &LinuxDisk) -> Result<(), Errno> {
        for namespace in disk.namespace_names()? {
            self.watch_namespace(disk, &namespace)?;
        }
        Ok(())
    }

    fn watch_namespace(&mut self, disk: &LinuxDisk, namespace: &str) -> Result<(), Errno> {
        match disk.add_watch(&self.inotify, Some(namespace), CHANGES) {
            Ok(watch) => drop(self.namespaces.insert(watch, namespace.to_owned())),
            // It went, is no directory, or cannot be read, which a scan reports.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn read(&mut self, disk: &LinuxDisk) -> Result<Option<Touched>, Errno> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let (mut files, mut directories, mut lost) = (HashSet::new(), Vec::new(), false);
        let mut renamed: HashMap<ObjectKey, bool> = HashMap::new();
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Err(Errno::AGAIN | Errno::INTR) => break,
                event => event?,
            };
            let (flags, watch) = (event.events(), event.wd());
            let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                lost = true;
            } else if watch == self.objects {
                if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                    directories.push(name.to_owned());
                }
                lost |=
                    flags.intersects(ReadFlags::MOVED_FROM | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF);
            } else if flags.contains(ReadFlags::IGNORED) {
                self.namespaces.remove(&watch);
            } else if let (Some(namespace), Some(stem)) =
                (self.namespaces.get(&watch), name.strip_suffix(".conf"))
            {
                let key = ObjectKey::new(namespace, stem);
                let is_rename = flags.contains(ReadFlags::MOVED_TO);
                renamed.entry(key).and_modify(|only| *only &= is_rename).or_insert(is_rename);
            }
            if renamed.len() > AT_ONCE {
                break;
            }
        }
        for (key, is_only_renamed) in renamed {
            // A rename of ours, and nothing else happened to the file since.
            if !is_only_renamed || !disk.is_of_a_rename(key.namespace(), &format!("{}.conf", key.name())) {
                files.insert(key);
            }
        }
        for namespace in directories {
            self.watch_namespace(disk, &namespace)?;
            // What was put there before the watch began.
            let names = disk.file_names(&namespace).unwrap_or_default();
            let stems = names.iter().filter_map(|name| name.strip_suffix(".conf").map(|stem| (name, stem)));
            let foreign = stems.filter(|(name, _)| !disk.is_of_a_rename(&namespace, name));
            files.extend(foreign.map(|(_, stem)| ObjectKey::new(&namespace, stem)));
        }
        if lost {
            self.watch_namespaces(disk)?;
            return Ok(Some(Touched::Some));
        }
        Ok((!files.is_empty()).then(|| Touched::Files(files.into_iter().collect())))
    }
}

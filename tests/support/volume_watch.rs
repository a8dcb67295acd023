//! A witness of the volume. It shares only the kernel with the operator.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use hyper::body::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::recorder::Sequence;

const OBJECTS: &str = "objects.d";
const STAGING: &str = ".groundlink/staging";

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// `sha256:` and the hexadecimal hash of the bytes.
    pub digest: String,
    /// The whole file.
    pub bytes: Bytes,
}

/// A change of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEventKind {
    /// A file existed when the watch reached its directory, at the start or in a new directory.
    Found(Option<Content>),
    /// A file was renamed into place. `None` if it was gone before it could be read.
    Renamed(Option<Content>),
    /// A file was removed, or renamed away.
    Deleted,
    /// A file appeared below `objects.d` without a rename: a reader may have seen a part of it.
    CreatedInPlace,
    /// A file below `objects.d` was written in place: a reader may have seen a part of it.
    ModifiedInPlace(Option<Content>),
    /// A temporary file appeared in the staging directory.
    Staged,
}

/// One event. It is numbered when it is taken from the kernel's queue: after it happened, and
/// before anything that is numbered after the next [`VolumeWatch::flush`].
#[derive(Clone, Debug)]
pub struct FileEvent {
    /// The place in the total order.
    pub seq: u64,
    /// When it was taken from the queue.
    pub at: Instant,
    /// Relative to the volume, such as `objects.d/team-a/web.conf`.
    pub path: String,
    /// What happened.
    pub kind: FileEventKind,
    /// True if the file had been replaced or removed again before it was read. The content is that
    /// of a *later* event, and the content of this one is unknown.
    pub superseded: bool,
}

impl FileEvent {
    /// Returns the content that was read for this event.
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            FileEventKind::Found(content)
            | FileEventKind::Renamed(content)
            | FileEventKind::ModifiedInPlace(content) => content.as_ref(),
            FileEventKind::Deleted | FileEventKind::CreatedInPlace | FileEventKind::Staged => None,
        }
    }

    /// True if a reader of the volume could have seen half a file.
    pub fn is_violation(&self) -> bool {
        matches!(self.kind, FileEventKind::CreatedInPlace | FileEventKind::ModifiedInPlace(_))
    }
}

/// A watch of a volume's `objects.d`, which need not exist yet, and its directories.
///
/// A file that is written in place within microseconds after the creation of its directory, before
/// the watch reacts, is reported as [`FileEventKind::Found`].
pub struct VolumeWatch {
    state: Arc<Mutex<State>>,
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl VolumeWatch {
    /// Starts the watch. It sees every change after the return.
    pub fn start(volume: &Path, sequence: &Sequence) -> Self {
        Self::start_on(volume, sequence, false)
    }

    /// [`Self::start`], and reports the files of the staging directory as well.
    pub fn start_with_staging(volume: &Path, sequence: &Sequence) -> Self {
        Self::start_on(volume, sequence, true)
    }

    fn start_on(volume: &Path, sequence: &Sequence, staging: bool) -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify_init");
        let inotify = Arc::new(inotify);
        let mut state = State {
            inotify: inotify.clone(),
            volume: volume.to_path_buf(),
            staging,
            sequence: sequence.clone(),
            directories: HashMap::new(),
            pending: VecDeque::new(),
            pending_by_file: HashMap::new(),
            read: HashMap::new(),
            events: Vec::new(),
        };
        state.enter(String::new());
        let state = Arc::new(Mutex::new(state));
        // Closing one end wakes the thread that polls the other.
        let (stop, stopped) = UnixStream::pair().expect("a socket pair");
        let for_thread = state.clone();
        let run = move || {
            loop {
                let mut ready = [PollFd::new(&*inotify, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                match poll(&mut ready, None) {
                    Ok(_) if !ready[1].revents().is_empty() => return,
                    Ok(_) => lock(&for_thread).drain(),
                    Err(Errno::INTR) => {}
                    Err(error) => panic!("poll inotify: {error}"),
                }
            }
        };
        let thread = std::thread::Builder::new().name("volume-watch".into()).spawn(run).expect("a thread");
        Self { state, stop: Some(stop), thread: Some(thread) }
    }

    /// Takes every event until now from the kernel's queue.
    pub fn flush(&self) {
        lock(&self.state).drain();
    }

    /// Returns [`Self::flush`] as a function that outlives the borrow, for
    /// `Recorder::before_each_request`.
    pub fn flusher(&self) -> impl Fn() + Send + Sync + 'static {
        let state = self.state.clone();
        move || lock(&state).drain()
    }

    /// Returns every event until now.
    pub fn history(&self) -> Vec<FileEvent> {
        let mut state = lock(&self.state);
        state.drain();
        state.events.clone()
    }

    /// Returns every digest of one file until now, oldest first. The path is relative to the
    /// volume.
    pub fn digests_seen(&self, path: &str) -> Vec<(u64, String)> {
        let of_path = self.history().into_iter().filter(|event| event.path == path);
        of_path.filter_map(|event| Some((event.seq, event.content()?.digest.clone()))).collect()
    }

    /// Returns every event that let a reader see half a file.
    pub fn violations(&self) -> Vec<FileEvent> {
        self.history().into_iter().filter(FileEvent::is_violation).collect()
    }
}

impl Drop for VolumeWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the thread of the volume watch panicked");
        }
    }
}

/// A mutex that a panic in `drain` poisoned must stay an error: the witness would have a gap.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|_: PoisonError<_>| panic!("the volume watch failed earlier"))
}

/// The kernel's identity of a file's content. A rename changes the second part.
type Version = (u64, i64, i64);

/// A watch descriptor and a name in its directory.
type FileKey = (i32, String);

struct State {
    inotify: Arc<OwnedFd>,
    volume: PathBuf,
    staging: bool,
    sequence: Sequence,
    /// Watch descriptor to directory, relative to the volume.
    directories: HashMap<i32, String>,
    /// Events taken from the kernel, but not handled yet.
    pending: VecDeque<(FileKey, ReadFlags)>,
    /// Number of pending events that changed a file or its name.
    pending_by_file: HashMap<FileKey, usize>,
    /// The version that was read last for a path, and the event that caused the read.
    read: HashMap<String, (Version, usize)>,
    events: Vec<FileEvent>,
}

impl State {
    fn drain(&mut self) {
        self.fill();
        while let Some((key, flags)) = self.pending.pop_front() {
            if is_change(flags)
                && let Some(count) = self.pending_by_file.get_mut(&key)
            {
                *count -= 1;
                if *count == 0 {
                    self.pending_by_file.remove(&key);
                }
            }
            if flags.contains(ReadFlags::IGNORED) {
                self.directories.remove(&key.0);
            } else if let Some(directory) = self.directories.get(&key.0) {
                let path = join(directory, &key.1);
                if flags.contains(ReadFlags::ISDIR) {
                    self.directory_event(path, flags);
                } else {
                    self.file_event(path, flags, &key);
                }
            }
            if self.pending.is_empty() {
                self.fill();
            }
        }
    }

    /// Takes the queued events from the kernel.
    fn fill(&mut self) {
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(&*self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => return,
                Err(error) => panic!("read inotify: {error}"),
            };
            let flags = event.events();
            assert!(!flags.contains(ReadFlags::QUEUE_OVERFLOW), "inotify queue overflow: events are lost");
            let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
            let key = (event.wd(), name.unwrap_or_default());
            if is_change(flags) {
                *self.pending_by_file.entry(key.clone()).or_default() += 1;
            }
            self.pending.push_back((key, flags));
        }
    }

    fn directory_event(&mut self, path: String, flags: ReadFlags) {
        if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.enter(path);
        } else if flags.contains(ReadFlags::MOVED_FROM) {
            let below = format!("{path}/");
            let gone: Vec<_> =
                self.directories.extract_if(|_, dir| in_tree(dir, &path)).map(|(wd, _)| wd).collect();
            for wd in gone {
                let _ = inotify::remove_watch(&*self.inotify, wd);
            }
            let files: Vec<String> =
                self.read.keys().filter(|file| file.starts_with(&below)).cloned().collect();
            for file in files {
                self.push_deleted(file);
            }
        }
    }

    fn file_event(&mut self, path: String, flags: ReadFlags, key: &FileKey) {
        if in_tree(&path, STAGING) {
            if self.staging && flags.contains(ReadFlags::CREATE) {
                self.push(path, FileEventKind::Staged, false);
            }
        } else if !in_tree(&path, OBJECTS) {
            // A file outside objects.d, which Icinga does not load.
        } else if flags.contains(ReadFlags::MOVED_TO) {
            self.push_content(path, FileEventKind::Renamed, Some(key));
        } else if flags.intersects(ReadFlags::MOVED_FROM | ReadFlags::DELETE) {
            self.push_deleted(path);
        } else if flags.contains(ReadFlags::CREATE) {
            self.push(path, FileEventKind::CreatedInPlace, false);
        } else if flags.contains(ReadFlags::MODIFY) || self.has_changed(&path) {
            self.push_content(path, FileEventKind::ModifiedInPlace, Some(key));
        }
    }

    /// True if the file changed since it was read last. For CLOSE_WRITE: only that event reports
    /// writes through a mapping, but it also comes for a writer that was closed after the rename.
    fn has_changed(&self, path: &str) -> bool {
        let now = self.volume.join(path).symlink_metadata().ok().map(|file| version_of(&file));
        now.is_some_and(|now| self.read.get(path).is_none_or(|(before, _)| *before != now))
    }

    /// Watches a directory that matters, and scans it.
    fn enter(&mut self, path: String) {
        // Staging is always watched: the kernel merges two renames to one name (without comparing
        // their cookies) unless another event, such as the other half of the rename, comes between
        // them.
        let on_the_way = path.is_empty() || in_tree(STAGING, &path);
        if !on_the_way && !in_tree(&path, OBJECTS) {
            return;
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        let directory = self.volume.join(&path);
        // The directory may be gone again.
        let Ok(wd) = inotify::add_watch(&*self.inotify, &directory, flags) else { return };
        self.directories.insert(wd, path.clone());
        let Ok(entries) = directory.read_dir() else { return };
        for entry in entries.flatten() {
            let path = join(&path, &String::from_utf8_lossy(entry.file_name().as_bytes()));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.enter(path);
            } else if in_tree(&path, OBJECTS) {
                self.push_content(path, FileEventKind::Found, None);
            } else if self.staging && in_tree(&path, STAGING) {
                self.push(path, FileEventKind::Staged, false);
            }
        }
    }

    /// Reads the file for an event (`key`), or for a scan. The event is superseded if another event
    /// for the same file is pending after the read, or if a later event reads the same version.
    fn push_content(
        &mut self,
        path: String,
        kind: fn(Option<Content>) -> FileEventKind,
        key: Option<&FileKey>,
    ) {
        let (version, content) = read(&self.volume.join(&path)).unzip();
        let mut superseded = content.is_none();
        if let Some(key) = key {
            self.fill();
            superseded |= self.pending_by_file.contains_key(key);
        }
        let kind = kind(content.clone());
        if let (Some(now), Some((before, index))) = (version, self.read.get(&path)) {
            let earlier = &mut self.events[*index];
            if now == *before && earlier.content() == content.as_ref() {
                match (&earlier.kind, &kind) {
                    // The scan of a new directory has already seen this event's file.
                    (FileEventKind::Found(_), FileEventKind::Found(_) | FileEventKind::Renamed(_)) => return,
                    _ => earlier.superseded = true,
                }
            }
        }
        match version {
            Some(version) => self.read.insert(path.clone(), (version, self.events.len())),
            None => self.read.remove(&path),
        };
        self.push(path, kind, superseded);
    }

    fn push_deleted(&mut self, path: String) {
        self.read.remove(&path);
        self.push(path, FileEventKind::Deleted, false);
    }

    fn push(&mut self, path: String, kind: FileEventKind, superseded: bool) {
        let seq = self.sequence.next();
        self.events.push(FileEvent { seq, at: Instant::now(), path, kind, superseded });
    }
}

/// Closing a writer changes nothing.
fn is_change(flags: ReadFlags) -> bool {
    !flags.contains(ReadFlags::CLOSE_WRITE)
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// True if `path` is `root` or below it.
fn in_tree(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn version_of(file: &std::fs::Metadata) -> Version {
    (file.ino(), file.ctime(), file.ctime_nsec())
}

fn read(path: &Path) -> Option<(Version, Content)> {
    let mut file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let version = version_of(&file.metadata().ok()?);
    Some((version, Content { digest: digest(&bytes), bytes: bytes.into() }))
}

/// Returns `sha256:` and the hexadecimal hash, as in the status of a `MonitoringObject`.
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

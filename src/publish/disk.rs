//! The file system operations that publishing is made of, one method for each step that can fail or be cut off by a crash.
//!
//! The operator uses [`LinuxDisk`](super::linux::LinuxDisk). The simulation runs the same commit on a model that loses what
//! was not synced.

use std::io;

/// What is under the name of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Absent,
    /// A regular file with these bytes, at least as far as they show that it is larger than any of ours.
    File(Vec<u8>),
    /// No regular file: what it is, for a message.
    Other(&'static str),
}

/// Operations below one volume. Paths cannot leave it, and no symlink is followed.
pub trait Disk: Send + Sync {
    /// A temp file that was written and not renamed yet.
    type Temp: Send;
    /// An open namespace directory below `objects.d`.
    type Directory: Send;

    /// Creates a temp file with these bytes and mode 0644. Fails if there is one of this name.
    fn write_temp(&self, name: &str, bytes: &[u8]) -> io::Result<Self::Temp>;
    /// Makes the content of one temp file durable.
    fn sync_temp(&self, temp: &Self::Temp) -> io::Result<()>;
    /// Removes a temp file.
    fn remove_temp(&self, name: &str) -> io::Result<()>;
    /// Makes everything on the volume durable: content, renames, directories.
    fn sync_all(&self) -> io::Result<()>;

    /// Opens a namespace's directory. `None` if it does not exist.
    fn open_directory(&self, namespace: &str) -> io::Result<Option<Self::Directory>>;
    /// Creates a namespace's directory. Succeeds if it exists.
    fn make_directory(&self, namespace: &str) -> io::Result<()>;
    /// Removes a namespace's directory. Fails while it holds anything.
    fn remove_directory(&self, namespace: &str) -> io::Result<()>;
    /// Makes the entries of `objects.d` durable: which namespaces have a directory.
    fn sync_objects(&self) -> io::Result<()>;

    /// Renames a temp file to `file` in a namespace's directory.
    fn rename(&self, temp: &str, directory: &Self::Directory, file: &str) -> io::Result<()>;
    /// Removes a file. Succeeds if it does not exist.
    fn remove(&self, directory: &Self::Directory, file: &str) -> io::Result<()>;
    /// Makes the entries of a namespace's directory durable.
    fn sync_directory(&self, directory: &Self::Directory) -> io::Result<()>;

    /// Lists the namespaces below `objects.d`, sorted.
    fn namespaces(&self) -> io::Result<Vec<String>>;
    /// Lists the entries of a namespace's directory, sorted.
    fn files(&self, directory: &Self::Directory) -> io::Result<Vec<String>>;
    /// Reads a file. Never waits for a writer, as a FIFO would.
    fn read(&self, directory: &Self::Directory, file: &str) -> io::Result<Entry>;
}

//! A disk in memory that loses everything that was not synced. The operator's own commit and scan
//! run on it.
//!
//! Programs see the cache: every rename and removal at once. A power cut leaves what a journal
//! keeps (ext4, XFS): the renames and removals in their order, up to some point after the last
//! sync of a directory. Of a file whose content was not synced, it leaves the whole or a part.
//! Less than that is *promised*: an entry survives only if its own directory was synced.

use super::planted::Planted;
use super::random::Random;
use crate::publish::{Disk, Entry};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file: which bytes, and whether they survive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inode {
    bytes: Arc<Vec<u8>>,
    is_synced: bool,
    /// A sync failed: the cache counts as clean, and no later sync makes the content durable.
    is_lost: bool,
}

impl Inode {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Arc::new(bytes), is_synced: false, is_lost: false }
    }

    fn sync(&mut self) {
        self.is_synced = !self.is_lost;
    }
}

/// A name below a namespace's directory.
type Place = (String, String);

#[derive(Clone, Debug, Default)]
struct State {
    temps: BTreeMap<String, Inode>,
    directories: BTreeSet<String>,
    durable_directories: BTreeSet<String>,
    /// The files that programs see.
    files: BTreeMap<Place, Inode>,
    /// Entries that are promised to survive, with the file of each. A name whose change was not
    /// synced keeps its old entry here.
    durable: BTreeMap<Place, Inode>,
    /// Entries and directories that are in the journal on disk. `journal` has the later changes,
    /// in their order.
    journaled: BTreeMap<Place, Inode>,
    journaled_directories: BTreeSet<String>,
    journal: Vec<(Place, Option<Inode>)>,
    /// Changed entries whose directory was not synced since, in the order of the changes, with the
    /// file of each.
    unsynced: Vec<(Place, Option<Inode>)>,
    /// Every visible change of a published name: the bytes of the file, or None if it was removed.
    seen: Vec<(Place, Option<Arc<Vec<u8>>>)>,
    /// Number of operations until the process is killed or the power is cut. None for no end.
    left: Option<u32>,
    /// One operation in this many fails. 0 for none.
    fails: u64,
    random: u64,
    /// Operations that fail, by their names.
    refused: BTreeSet<&'static str>,
    /// Renames and removals that fail are carried out all the same.
    loses_answers: bool,
    planted: Option<Planted>,
    /// Renames that a planted violation delays.
    delayed: Vec<(Place, Inode)>,
    /// Operations that write.
    writes: u64,
}

/// The disk. Clones share it.
#[derive(Clone, Default)]
pub struct ModelDisk(Arc<Mutex<State>>);

impl ModelDisk {
    pub fn new(planted: Option<Planted>) -> Self {
        let disk = Self::default();
        disk.state().planted = planted;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a disk with the same content that shares nothing with this one.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Lets one operation in `fails` fail from now on. 0 for none.
    pub fn fail_one_in(&self, fails: u64, seed: u64) {
        let mut state = self.state();
        (state.fails, state.random) = (fails, seed);
    }

    /// Ends all work after this many operations, as a kill or a power cut does.
    pub fn stop_after(&self, operations: Option<u32>) {
        self.state().left = operations;
    }

    /// Lets these operations fail from now on; `is_done` if those that change a name are carried out all the same.
    pub fn refuse(&self, calls: &[&'static str], is_done: bool) {
        let mut state = self.state();
        (state.refused, state.loses_answers) = (calls.iter().copied().collect(), is_done);
    }

    /// Somebody else writes a file, or removes it.
    pub fn meddle(&self, namespace: &str, file: &str, bytes: Option<&[u8]>) {
        let mut state = self.state();
        state.directories.insert(namespace.to_owned());
        let inode = bytes.map(|bytes| Inode::new(bytes.to_vec()));
        let place = (namespace.to_owned(), file.to_owned());
        change(&mut state.files, place.clone(), inode.clone());
        state.journal.push((place.clone(), inode.clone()));
        state.unsynced.push((place, inode));
    }

    /// Takes the changes of published names that became visible since the last call.
    pub fn take_seen(&self) -> Vec<(Place, Option<Arc<Vec<u8>>>)> {
        std::mem::take(&mut self.state().seen)
    }

    /// Returns all published names with the bytes that programs see.
    pub fn all_visible(&self) -> BTreeMap<Place, Arc<Vec<u8>>> {
        self.state().files.iter().map(|(place, inode)| (place.clone(), inode.bytes.clone())).collect()
    }

    /// Returns everything that a power cut could leave under a name: the bytes of a file, torn
    /// bytes, or None for no file.
    pub fn after_power_cut(&self, namespace: &str, file: &str) -> Vec<Option<Vec<u8>>> {
        let place = (namespace.to_owned(), file.to_owned());
        let state = self.state();
        let mut possible = vec![state.durable.get(&place)];
        let changes = state.unsynced.iter().filter(|(changed, _)| *changed == place);
        possible.extend(changes.map(|(_, inode)| inode.as_ref()));
        if !state.durable_directories.contains(namespace) {
            possible.push(None);
        }
        let left = |inode: &Inode| {
            let length = if inode.is_synced { inode.bytes.len() } else { inode.bytes.len() / 2 };
            inode.bytes[..length].to_vec()
        };
        possible.into_iter().map(|inode| inode.map(left)).collect()
    }

    /// Returns the number of operations that wrote something.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Cuts the power: each thing that was not synced survives or not, independently.
    pub fn cut_power(&self, random: &mut Random) {
        let mut state = self.state();
        let state = &mut *state;
        state.temps.clear();
        state.delayed.clear();
        let kept = random.below(state.journal.len() + 1);
        if kept > 0 {
            // The directories were restored above.
            state.journaled_directories.clone_from(&state.directories);
        }
        let kept: Vec<_> = state.journal.drain(..).take(kept).collect();
        kept.into_iter().for_each(|(place, inode)| change(&mut state.journaled, place, inode));
        state.unsynced.clear();
        state.durable.clone_from(&state.journaled);
        state.durable_directories.clone_from(&state.journaled_directories);
        let kept = &state.durable_directories;
        state.durable.retain(|(namespace, _), _| kept.contains(namespace));
        for inode in state.durable.values_mut().filter(|inode| !inode.is_synced) {
            let whole = inode.bytes.len();
            let length = if random.percent(50) { whole } else { random.below(whole.max(1)) };
            let torn = Inode::new(inode.bytes[..length].to_vec());
            *inode = Inode { is_synced: true, ..torn };
        }
        state.files.clone_from(&state.durable);
        state.journaled.clone_from(&state.durable);
        state.directories.clone_from(&state.durable_directories);
        state.left = None;
    }

    /// Kills the process: the cache stays.
    pub fn kill(&self) {
        let mut state = self.state();
        state.left = None;
        // The next start removes what it finds in staging.
        state.temps.clear();
    }
}

fn change(entries: &mut BTreeMap<Place, Inode>, place: Place, inode: Option<Inode>) {
    match inode {
        Some(inode) => entries.insert(place, inode),
        None => entries.remove(&place),
    };
}

impl State {
    fn chance(&mut self) -> u64 {
        let mut random = Random::new(self.random);
        self.random = random.next();
        self.random
    }

    /// Begins an operation. Fails if the work was ended, or if it is this one's turn to fail.
    fn begin(&mut self, call: &'static str) -> io::Result<()> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                return Err(io::Error::other("the process is gone"));
            }
            *left -= 1;
        }
        if self.refused.contains(call) {
            return Err(io::Error::from_raw_os_error(5));
        }
        if self.fails > 0 && self.chance().is_multiple_of(self.fails) {
            return Err(io::Error::from_raw_os_error(*Random::new(self.random).one_of(&[5, 28, 30])));
        }
        Ok(())
    }

    fn write(&mut self, call: &'static str) -> io::Result<()> {
        self.begin(call)?;
        self.writes += 1;
        Ok(())
    }

    /// Returns whether an operation that fails is carried out all the same, as it happens on NFS. Not one of a process that
    /// was ended.
    fn loses_answer(&mut self) -> bool {
        if !self.refused.is_empty() {
            return self.loses_answers;
        }
        self.fails > 0 && self.left != Some(0) && self.chance().is_multiple_of(2)
    }

    fn show_delayed(&mut self) {
        while let Some((place, inode)) = self.delayed.pop() {
            self.show(place, Some(inode));
        }
    }

    fn show(&mut self, place: Place, inode: Option<Inode>) {
        self.seen.push((place.clone(), inode.as_ref().map(|inode| inode.bytes.clone())));
        match &inode {
            Some(inode) => self.files.insert(place.clone(), inode.clone()),
            None => self.files.remove(&place),
        };
        self.journal.push((place.clone(), inode.clone()));
        self.unsynced.push((place, inode));
    }

    /// A sync of any directory writes the whole journal.
    fn write_journal(&mut self) {
        for (place, inode) in std::mem::take(&mut self.journal) {
            change(&mut self.journaled, place, inode);
        }
        self.journaled_directories.clone_from(&self.directories);
    }
}

impl Disk for ModelDisk {
    type Temp = String;
    type Directory = String;

    fn write_temp(&self, name: &str, bytes: &[u8]) -> io::Result<String> {
        let mut state = self.state();
        state.write("write_temp")?;
        let mut bytes = bytes.to_vec();
        if state.planted == Some(Planted::HalfFile) {
            bytes.truncate(bytes.len() / 2);
        }
        state.temps.insert(name.into(), Inode::new(bytes));
        Ok(name.into())
    }

    fn sync_temp(&self, temp: &String) -> io::Result<()> {
        let mut state = self.state();
        if state.planted == Some(Planted::ContentNotSynced) {
            return Ok(());
        }
        let begun = state.begin("sync_temp");
        let Some(inode) = state.temps.get_mut(temp) else { return Err(io::ErrorKind::NotFound.into()) };
        inode.is_lost |= begun.is_err();
        inode.sync();
        begun
    }

    fn remove_temp(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin("remove_temp")?;
        state.temps.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.planted == Some(Planted::ContentNotSynced) {
            return Ok(());
        }
        let begun = state.begin("sync_all");
        let state = &mut *state;
        for inode in state.temps.values_mut().chain(state.files.values_mut()) {
            inode.is_lost |= begun.is_err() && !inode.is_synced;
            inode.sync();
        }
        begun?;
        state.durable.clone_from(&state.files);
        state.durable_directories.clone_from(&state.directories);
        state.unsynced.clear();
        // The content of files is synced, too.
        state.journal.clear();
        state.journaled.clone_from(&state.files);
        state.journaled_directories.clone_from(&state.directories);
        Ok(())
    }

    fn open_directory(&self, namespace: &str) -> io::Result<Option<String>> {
        let mut state = self.state();
        state.begin("open_directory")?;
        Ok(state.directories.contains(namespace).then(|| namespace.to_owned()))
    }

    fn make_directory(&self, namespace: &str) -> io::Result<()> {
        let mut state = self.state();
        state.write("make_directory")?;
        state.directories.insert(namespace.to_owned());
        Ok(())
    }

    fn remove_directory(&self, namespace: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin("remove_directory")?;
        if state.files.keys().any(|(used, _)| used == namespace) {
            return Err(io::Error::from_raw_os_error(39));
        }
        state.directories.remove(namespace);
        Ok(())
    }

    fn sync_objects(&self) -> io::Result<()> {
        let mut state = self.state();
        state.begin("sync_objects")?;
        let state = &mut *state;
        state.durable_directories.clone_from(&state.directories);
        state.write_journal();
        Ok(())
    }

    fn rename(&self, temp: &str, directory: &String, file: &str) -> io::Result<()> {
        let mut state = self.state();
        let begun = state.write("rename");
        if begun.is_err() && !state.loses_answer() {
            return begun;
        }
        let Some(inode) = state.temps.remove(temp) else { return Err(io::ErrorKind::NotFound.into()) };
        let place = (directory.clone(), file.to_owned());
        if state.planted == Some(Planted::RenamesOutOfOrder) {
            state.delayed.push((place, inode));
        } else {
            state.show(place, Some(inode));
        }
        begun
    }

    fn remove(&self, directory: &String, file: &str) -> io::Result<()> {
        let mut state = self.state();
        let begun = state.write("remove");
        if begun.is_err() && !state.loses_answer() {
            return begun;
        }
        let place = (directory.clone(), file.to_owned());
        if state.files.contains_key(&place) {
            state.show(place, None);
        }
        begun
    }

    fn sync_directory(&self, directory: &String) -> io::Result<()> {
        let mut state = self.state();
        if state.planted == Some(Planted::DirectoryNotSynced) {
            return Ok(());
        }
        state.begin("sync_directory")?;
        state.show_delayed();
        let state = &mut *state;
        let (synced, rest) =
            std::mem::take(&mut state.unsynced).into_iter().partition(|((of, _), _)| of == directory);
        state.unsynced = rest;
        let synced: Vec<_> = synced;
        synced.into_iter().for_each(|(place, inode)| change(&mut state.durable, place, inode));
        state.write_journal();
        Ok(())
    }

    fn namespaces(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin("namespaces")?;
        Ok(state.directories.iter().cloned().collect())
    }

    fn files(&self, directory: &String) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin("files")?;
        let inside = state.files.keys().filter(|(namespace, _)| namespace == directory);
        Ok(inside.map(|(_, file)| file.clone()).collect())
    }

    fn read(&self, directory: &String, file: &str) -> io::Result<Entry> {
        let mut state = self.state();
        state.begin("read")?;
        let place = (directory.clone(), file.to_owned());
        let inode = state.files.get(&place);
        Ok(inode.map_or(Entry::Absent, |inode| Entry::File(inode.bytes.to_vec())))
    }
}

//! Power cuts: a process publishes on a loop-mounted file system, which is shut down at a random moment and mounted again. What
//! was reported must be there, and nothing may be torn.
//!
//! `GROUNDLINK_TEST_POWER_CUTS=300 cargo test --lib power_cut -- --nocapture` is the long form. `GROUNDLINK_TEST_SEED` repeats
//! the choices, but not the timing.

use super::*;
use crate::identity::Digest;
use crate::publish::linux::LinuxDisk;
use crate::publish::{Disk, Entry};
use crate::simulation::random::Random;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const NAME: &str = "publish::tests::power_cut::what_was_reported_survives_power_cuts";
const VOLUME: &str = "GROUNDLINK_TEST_CUT_VOLUME";
/// Seed of the process that publishes, and the sync that it leaves out.
const PLAN: &str = "GROUNDLINK_TEST_CUT_PLAN";
const CUTS: usize = 10;
/// Cuts after which a volume that syncs too little must have been caught.
const CUTS_PLANTED: usize = 15;
const KEYS: usize = 60;

/// A volume that leaves out a sync.
struct Careless {
    disk: LinuxDisk,
    syncs_content: bool,
    syncs_directories: bool,
}

impl Disk for Careless {
    type Temp = <LinuxDisk as Disk>::Temp;
    type Directory = <LinuxDisk as Disk>::Directory;

    fn write_temp(&self, name: &str, bytes: &[u8]) -> io::Result<Self::Temp> {
        self.disk.write_temp(name, bytes)
    }
    fn sync_temp(&self, temp: &Self::Temp) -> io::Result<()> {
        if self.syncs_content { self.disk.sync_temp(temp) } else { Ok(()) }
    }
    fn remove_temp(&self, name: &str) -> io::Result<()> {
        self.disk.remove_temp(name)
    }
    fn sync_all(&self) -> io::Result<()> {
        if self.syncs_content { self.disk.sync_all() } else { Ok(()) }
    }
    fn open_directory(&self, namespace: &str) -> io::Result<Option<Self::Directory>> {
        self.disk.open_directory(namespace)
    }
    fn make_directory(&self, namespace: &str) -> io::Result<()> {
        self.disk.make_directory(namespace)
    }
    fn remove_directory(&self, namespace: &str) -> io::Result<()> {
        self.disk.remove_directory(namespace)
    }
    fn sync_objects(&self) -> io::Result<()> {
        self.disk.sync_objects()
    }
    fn rename(&self, temp: &str, directory: &Self::Directory, file: &str) -> io::Result<()> {
        self.disk.rename(temp, directory, file)
    }
    fn remove(&self, directory: &Self::Directory, file: &str) -> io::Result<()> {
        self.disk.remove(directory, file)
    }
    fn sync_directory(&self, directory: &Self::Directory) -> io::Result<()> {
        if self.syncs_directories { self.disk.sync_directory(directory) } else { Ok(()) }
    }
    fn namespaces(&self) -> io::Result<Vec<String>> {
        self.disk.namespaces()
    }
    fn files(&self, directory: &Self::Directory) -> io::Result<Vec<String>> {
        self.disk.files(directory)
    }
    fn read(&self, directory: &Self::Directory, file: &str) -> io::Result<Entry> {
        self.disk.read(directory, file)
    }
}

/// Returns the content of one version of an object.
fn version(key: usize, version: u64) -> Arc<Rendered> {
    let padding = "// as large as a file that is not written at once\n".repeat((version % 200) as usize);
    content(&format!("n{}/o{key}", key % 3), &format!("// version {version}\n{padding}"), &[], &[])
}

/// The process that publishes, until its volume is gone. Says what it begins and what was reported.
fn publish_until_the_end(root: &Path) {
    let plan = std::env::var(PLAN).unwrap();
    let (seed, planted) = plan.split_once('-').unwrap();
    let seed: u64 = seed.parse().unwrap();
    let mut random = Random::new(seed);
    drop(Volume::open(root, false).unwrap());
    let descriptor = rustix::fs::open(root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    let disk = LinuxDisk::new(descriptor).unwrap();
    let (syncs_content, syncs_directories) = (planted != "content", planted != "directories");
    let volume = Volume::on(Careless { disk, syncs_content, syncs_directories });
    volume.next_temp.store(seed, std::sync::atomic::Ordering::Relaxed);
    let mut next = seed << 20;
    let out = std::io::stdout();
    loop {
        let mut batch = BTreeMap::new();
        for _ in 0..*random.one_of(&[1, 2, 3, 20]) {
            let key = random.below(KEYS);
            next += 1;
            batch.insert(key, (!random.percent(10)).then_some(next));
        }
        let line = |what: &str, key: usize, version: Option<u64>| {
            writeln!(out.lock(), "\n{what} {key} {}", version.unwrap_or(0)).unwrap();
        };
        batch.iter().for_each(|(key, version)| line("begins", *key, *version));
        let change = |(key, version): (&usize, &Option<u64>)| match version {
            Some(version) => Change::Publish {
                old: None,
                is_known: false,
                is_unread: false,
                new: self::version(*key, *version),
                uid: Uid::new("uid"),
                generation: 1,
            },
            None => Change::Remove { key: self::version(*key, 0).key().clone(), old: None },
        };
        let outcomes = volume.commit(batch.iter().map(change).collect(), &|| true);
        let number = |key: &ObjectKey| key.name()[1..].parse::<usize>().unwrap();
        for outcome in &outcomes {
            match outcome {
                Outcome::Published(published) => {
                    let key = number(published.content().key());
                    line("reported", key, batch[&key]);
                }
                Outcome::Removed(key) => line("reported", number(key), None),
                // The volume is gone.
                Outcome::Failed(_) => return,
            }
        }
        if random.percent(50) {
            // A cut finds a commit under way, or none.
            std::thread::sleep(Duration::from_millis(random.below(15) as u64));
        }
    }
}

/// What the process said of one object.
#[derive(Default)]
struct Said {
    /// The version that was reported last; `None` if it was removed, or never reported.
    reported: Option<u64>,
    /// Versions that began since; 0 is a removal.
    begun: Vec<u64>,
}

/// A file system in a file, mounted.
struct Mounted {
    directory: tempfile::TempDir,
    options: &'static str,
    /// Number of the file: a cut leaves it, and a copy is mounted.
    cuts: usize,
}

impl Mounted {
    /// Returns why it is not possible here, if it is not.
    fn new(kind: &str, options: &'static str) -> Result<Self, String> {
        let this = Self { directory: tempfile::tempdir().unwrap(), options, cuts: 0 };
        let file = std::fs::File::create(this.image()).unwrap();
        file.set_len(if kind == "xfs" { 320 << 20 } else { 64 << 20 }).unwrap();
        std::fs::create_dir(this.root()).unwrap();
        let force = if kind == "xfs" { "-f" } else { "-F" };
        run(Command::new(format!("mkfs.{kind}")).args(["-q", force]).arg(this.image()))?;
        this.mount()?;
        Ok(this)
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join(format!("image-{}", self.cuts))
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("volume")
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount")
            .args(["-o", &format!("loop{}", self.options)])
            .arg(self.image())
            .arg(self.root()))
    }

    /// Mounts a copy of what is on the disk. The file system that was cut may live on, in a mount
    /// namespace that another process made while it was mounted. The kernel would mount that one
    /// again, with what it knew before the cut.
    fn remount(&mut self) -> Result<(), String> {
        run(Command::new("umount").arg(self.root()))?;
        let old = self.image();
        self.cuts += 1;
        run(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(&old).arg(self.image()))?;
        std::fs::remove_file(old).map_err(|error| error.to_string())?;
        self.mount()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", "-q"]).arg(self.root()).status();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let why = || format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    if output.status.success() { Ok(()) } else { Err(why()) }
}

/// Builds the program that cuts, which is no part of the operator: it needs unsafe code.
fn cutter() -> Result<PathBuf, String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/power-cut/Cargo.toml");
    let target = std::env::current_exe().unwrap().parent().unwrap().join("power-cut");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir"]).arg(&target);
    run(&mut build)?;
    Ok(target.join("debug/power-cut"))
}

/// Kills the process when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Cuts so many times. Returns what was lost or torn at the first cut that did that.
fn cuts(
    mounted: &mut Mounted,
    cutter: &Path,
    planted: &str,
    count: usize,
    seed: u64,
) -> Result<usize, String> {
    let mut random = Random::new(seed);
    let mut said: BTreeMap<usize, Said> = BTreeMap::new();
    let mut reports = 0;
    for cut in 0..count {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", NAME, "--nocapture"]).env(VOLUME, mounted.root());
        child.env(PLAN, format!("{}-{planted}", seed % 1_000 * 1_000 + cut as u64 + 1));
        let child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|e| e.to_string())?;
        let mut child = Killed(child);
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut hear = |line: String, said: &mut BTreeMap<usize, Said>| {
            let words: Vec<_> = line.split(' ').collect();
            let [what @ ("begins" | "reported"), key, version] = words[..] else { return };
            let (key, version): (usize, u64) = (key.parse().unwrap(), version.parse().unwrap());
            let said = said.entry(key).or_default();
            if what == "begins" {
                said.begun.push(version);
            } else {
                reports += 1;
                *said = Said { reported: Some(version).filter(|version| *version > 0), begun: Vec::new() };
            }
        };
        // From the first report on, the moment is random.
        loop {
            let line = lines.next().ok_or("the process reports nothing")?;
            let is_first = line.starts_with("reported");
            hear(line, &mut said);
            if is_first {
                break;
            }
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(random.below(250) as u64));
                run(Command::new(cutter).arg(mounted.root())).unwrap();
            });
            lines.for_each(|line| hear(line, &mut said));
        });
        drop(child);
        mounted.remount()?;
        check(mounted, &mut said).map_err(|what| format!("cut {cut}, seed {seed}: {what}"))?;
    }
    Ok(reports)
}

/// Compares what survived with what was said.
fn check(mounted: &Mounted, said: &mut BTreeMap<usize, Said>) -> Result<(), String> {
    for key in 0..KEYS {
        let path = mounted.root().join(version(key, 0).key().path());
        let found = match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let said = said.entry(key).or_default();
        let reported = said.reported.into_iter();
        let possible: Vec<u64> = reported.chain(said.begun.iter().copied().filter(|v| *v > 0)).collect();
        let may_be_absent = said.reported.is_none() || said.begun.contains(&0);
        let is =
            |bytes: &[u8]| possible.iter().copied().find(|v| version(key, *v).digest() == Digest::of(bytes));
        let survived = match &found {
            None if may_be_absent => None,
            None => {
                return Err(format!(
                    "o{key} is lost: it was reported as {:?}, and then began {:?}",
                    said.reported, said.begun
                ));
            }
            Some(bytes) => Some(is(bytes).ok_or_else(|| {
                let first = String::from_utf8_lossy(bytes);
                let first = first.lines().nth(2).unwrap_or_default();
                format!("o{key} has {} bytes ({first:?}), and could be {possible:?}", bytes.len())
            })?),
        };
        *said = Said { reported: survived, begun: Vec::new() };
    }
    Ok(())
}

#[test]
fn what_was_reported_survives_power_cuts() {
    if let Some(root) = std::env::var_os(VOLUME) {
        return publish_until_the_end(Path::new(&root));
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("GROUNDLINK_TEST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let count = number("GROUNDLINK_TEST_POWER_CUTS").map_or(CUTS, |count| count as usize);
    let skip = |what: &str| {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must be able to cut the power: {what}");
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: power cuts: {what}");
    };
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount");
    }
    let cutter = match cutter() {
        Ok(cutter) => cutter,
        Err(why) => return skip(&why),
    };
    // XFS mounts a copy beside a file system that lives on only with `nouuid`.
    for (kind, options) in [("ext4", ""), ("ext4", ",noauto_da_alloc"), ("xfs", ",nouuid")] {
        let mut mounted = match Mounted::new(kind, options) {
            Ok(mounted) => mounted,
            // XFS is not everywhere.
            Err(why) if kind == "xfs" => {
                let _ = writeln!(std::io::stderr(), "\nSKIPPED: power cuts on XFS: {why}");
                continue;
            }
            Err(why) => return skip(&why),
        };
        let began = Instant::now();
        let count = if kind == "ext4" && options.is_empty() { count } else { count.div_ceil(3) };
        let reports = cuts(&mut mounted, &cutter, "nothing", count, seed)
            .unwrap_or_else(|what| panic!("{kind}{options}: {what}"));
        println!("{kind}{options}: {count} cuts, {reports} reports, seed {seed}: {:?}", began.elapsed());
    }
    // The same finds a volume that does not sync.
    for planted in ["content", "directories"] {
        let mut mounted = Mounted::new("ext4", ",noauto_da_alloc").unwrap();
        let caught = cuts(&mut mounted, &cutter, planted, CUTS_PLANTED, seed).unwrap_err();
        println!("without a sync of {planted}: {caught}");
        assert!(caught.contains("is lost") || caught.contains("could be"), "{caught}");
    }
}

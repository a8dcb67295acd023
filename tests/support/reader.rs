//! A reader of delivered sets that shares no code with the operator. It follows the documented
//! format, unpacks with common programs (`tar`, `gzip`, `sha256sum`), and computes every figure
//! itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Files by ConfigMap key.
pub type Files = BTreeMap<String, Vec<u8>>;
/// Every ConfigMap of a namespace at one moment, by name.
pub type Maps = BTreeMap<String, ConfigMap>;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const SATELLITE: &str = "groundlink.dev/satellite";
const HUB: &str = "groundlink.dev/hub";
const PART: &str = "groundlink.dev/part";
const REVISION: &str = "groundlink.dev/revision";
const DIGEST: &str = "groundlink.dev/digest";
const LAYOUT: &str = "groundlink.dev/layout";
const OBJECTS: &str = "groundlink.dev/objects";
const PREVIOUS: &str = "groundlink.dev/previous-shards";
const MANIFEST: &str = "manifest.json";
const ARCHIVE: &str = "files.tar.gz";
/// Most bytes of keys and files in one bucket.
const BUCKET_MAX: usize = 512 * 1024;
/// Most bytes of keys and files in layout Single.
const SINGLE_MAX: usize = 700 * 1024;

/// A revision: the term, and the counter within it.
pub type Revision = (u64, u64);

/// A delivered set, complete and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The revision of the pointer.
    pub revision: Revision,
    /// `Single` or `Snapshot`.
    pub layout: String,
    /// The digest over all files.
    pub digest: String,
    /// Number of bits that choose the bucket; 0 in layout Single.
    pub bits: u32,
    /// Shards that the pointer names.
    pub shards: BTreeSet<String>,
    /// Shards that only the previous revision names.
    pub previous: BTreeSet<String>,
    /// The files.
    pub files: Files,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u64,
    revision: String,
    digest: String,
    objects: usize,
    bytes: usize,
    bits: u32,
    shards: Vec<ManifestShard>,
    previous: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestShard {
    name: String,
    digest: String,
    objects: usize,
    bytes: usize,
}

/// The place of a satellite's pointer, with a client that bypasses the operator's proxies.
#[derive(Clone)]
pub struct Place {
    /// Name of the SatelliteCluster.
    pub satellite: String,
    /// A client of the satellite's admin.
    pub client: Client,
    /// Namespace of the ConfigMaps.
    pub namespace: String,
    /// Name of the pointer.
    pub pointer: String,
}

impl Place {
    /// Returns the API of the ConfigMaps in the namespace.
    pub fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Lists all ConfigMaps of the namespace. One LIST is one state of the store, so no delivery
    /// can come between the reads of the pointer and of its shards.
    pub async fn maps(&self) -> Result<Maps, String> {
        let list = self.api().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        Ok(list.items.into_iter().map(|map| (map.name_any(), map)).collect())
    }

    /// Returns the names of the ConfigMaps in the namespace, without those of witnesses.
    pub async fn names(&self) -> Result<BTreeSet<String>, String> {
        let list =
            self.api().list_metadata(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let names = list.items.into_iter().map(|map| map.name_any());
        Ok(names.filter(|name| !name.starts_with("witness-")).collect())
    }

    /// Returns the digest that the pointer claims. Cheap, but not verified.
    pub async fn marked_digest(&self) -> Result<String, String> {
        let map = self.api().get_metadata(&self.pointer).await.map_err(|error| error.to_string())?;
        Ok(map.annotations().get(DIGEST).cloned().unwrap_or_default())
    }

    /// Reads and verifies the set that the satellite holds now.
    pub async fn read(&self, reader: &Reader) -> Result<Delivered, String> {
        let maps = self.maps().await?;
        reader.read(&maps, &self.pointer, &self.satellite)
    }
}

/// Reads sets. Caches unpacked archives by their bytes.
#[derive(Clone, Default)]
pub struct Reader {
    unpacked: Arc<Mutex<HashMap<String, Arc<Files>>>>,
}

impl Reader {
    /// Reads and verifies the set that a pointer names. The error names the first defect.
    pub fn read(&self, maps: &Maps, pointer: &str, satellite: &str) -> Result<Delivered, String> {
        let map = maps.get(pointer).ok_or_else(|| format!("there is no pointer {pointer}"))?;
        let found = self.read_pointer(maps, map, satellite);
        found.map_err(|why| format!("{pointer} at {:?}: {why}", annotation(map, REVISION)))
    }

    fn read_pointer(&self, maps: &Maps, map: &ConfigMap, satellite: &str) -> Result<Delivered, String> {
        marked(map, satellite, "pointer")?;
        let revision = revision(map)?;
        let layout = annotation(map, LAYOUT)?.to_owned();
        expect("binaryData keys of the pointer", 0, map.binary_data.iter().flatten().count())?;
        let delivered = match layout.as_str() {
            "Single" => single(maps, map, revision)?,
            "Snapshot" => self.sharded(maps, map, revision)?,
            other => return Err(format!("layout {other:?}")),
        };
        expect("annotated objects", annotation(map, OBJECTS)?, &delivered.files.len().to_string())?;
        expect("annotated digest", annotation(map, DIGEST)?, &delivered.digest)?;
        expect("digest of the files", &delivered.digest, &digest_of(&delivered.files))?;
        Ok(delivered)
    }

    fn sharded(&self, maps: &Maps, map: &ConfigMap, revision: Revision) -> Result<Delivered, String> {
        let data = map.data.clone().unwrap_or_default();
        let keys: Vec<_> = data.keys().map(String::as_str).collect();
        expect("keys of the pointer", &[MANIFEST][..], &keys[..])?;
        let manifest: Manifest = serde_json::from_str(&data[MANIFEST]).map_err(|error| error.to_string())?;
        expect("version of the manifest", 1, manifest.version)?;
        expect("revision of the manifest", annotation(map, REVISION)?, &manifest.revision)?;
        let mut files = Files::new();
        let mut buckets = BTreeSet::new();
        let mut shards = BTreeSet::new();
        for shard in &manifest.shards {
            let unpacked =
                self.shard(maps, map, shard).map_err(|why| format!("shard {}: {why}", shard.name))?;
            let of_files: BTreeSet<u64> = unpacked.keys().map(|key| bucket(key, manifest.bits)).collect();
            expect("buckets of one shard", 1, of_files.len())?;
            if !buckets.is_disjoint(&of_files) || !shards.insert(shard.name.clone()) {
                return Err(format!("shard {} holds a bucket that another shard holds too", shard.name));
            }
            buckets.extend(of_files);
            files.extend(unpacked.iter().map(|(key, bytes)| (key.clone(), bytes.clone())));
        }
        expect("objects of the manifest", manifest.objects, files.len())?;
        expect("objects of all shards", manifest.objects, manifest.shards.iter().map(|s| s.objects).sum())?;
        expect("bytes of the manifest", manifest.bytes, size(&files))?;
        let previous: BTreeSet<String> = manifest.previous.iter().cloned().collect();
        expect("different names in previous", manifest.previous.len(), previous.len())?;
        for name in &previous {
            if shards.contains(name) {
                return Err(format!("previous names {name}, which the pointer itself names"));
            }
            if !maps.contains_key(name) {
                return Err(format!("shard {name} of the previous revision is gone"));
            }
        }
        let (digest, bits, layout) = (manifest.digest, manifest.bits, "Snapshot".to_owned());
        Ok(Delivered { revision, layout, digest, bits, shards, previous, files })
    }

    fn shard(&self, maps: &Maps, pointer: &ConfigMap, wanted: &ManifestShard) -> Result<Arc<Files>, String> {
        let map = maps.get(&wanted.name).ok_or("does not exist")?;
        let hash = wanted.name.rsplit_once('-').map(|(_, hash)| hash).unwrap_or_default();
        if hash.len() != 32 || !hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err("is not named groundlink-<32 hex>".into());
        }
        marked(map, label(pointer, SATELLITE)?, "shard")?;
        expect("hub", label(pointer, HUB)?, label(map, HUB)?)?;
        revision(map)?;
        expect("immutable", Some(true), map.immutable)?;
        expect("data keys", 0, map.data.iter().flatten().count())?;
        let binary = map.binary_data.clone().unwrap_or_default();
        let keys: Vec<_> = binary.keys().map(String::as_str).collect();
        expect("keys", &[ARCHIVE][..], &keys[..])?;
        let files = self.unpacked(&binary[ARCHIVE].0)?;
        let digest = digest_of_shard(&files);
        expect("digest", &wanted.digest, &digest)?;
        expect("annotated digest", annotation(map, DIGEST)?, digest.as_str())?;
        expect("objects", wanted.objects, files.len())?;
        expect("bytes", wanted.bytes, size(&files))?;
        if size(&files) > BUCKET_MAX {
            return Err(format!("has {} bytes, more than {BUCKET_MAX}", size(&files)));
        }
        Ok(files)
    }

    fn unpacked(&self, archive: &[u8]) -> Result<Arc<Files>, String> {
        let sum = hex(&Sha256::digest(archive));
        let lock = || self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = lock().get(&sum) {
            return Ok(files.clone());
        }
        let files = Arc::new(unpack(archive)?);
        lock().insert(sum, files.clone());
        Ok(files)
    }
}

fn single(maps: &Maps, map: &ConfigMap, revision: Revision) -> Result<Delivered, String> {
    let data = map.data.clone().unwrap_or_default();
    if let Some(strange) = data.keys().find(|key| !is_key(key)) {
        return Err(format!("key {strange:?} is not of the form <namespace>.<name>.conf"));
    }
    let files: Files = data.into_iter().map(|(key, text)| (key, text.into_bytes())).collect();
    if size(&files) > SINGLE_MAX {
        return Err(format!("has {} bytes in layout Single, more than {SINGLE_MAX}", size(&files)));
    }
    let digest = annotation(map, DIGEST)?.to_owned();
    // Layout Single has no manifest that could name shards of the previous revision.
    let named = map.annotations().get(PREVIOUS).map(String::as_str).unwrap_or_default();
    let previous: BTreeSet<String> =
        named.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if let Some(gone) = previous.iter().find(|name| !maps.contains_key(*name)) {
        return Err(format!("shard {gone} of the previous revision is gone"));
    }
    let (shards, layout) = (BTreeSet::new(), "Single".to_owned());
    Ok(Delivered { revision, layout, digest, bits: 0, shards, previous, files })
}

/// Unpacks with common programs: lists the archive, unpacks it, and computes its digest.
fn unpack(archive: &[u8]) -> Result<Files, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (packed, out) = (directory.path().join(ARCHIVE), directory.path().join("out"));
    std::fs::write(&packed, archive).expect("the archive is written");
    std::fs::create_dir(&out).expect("a directory");
    run("gzip", Command::new("gzip").arg("--test").arg(&packed))?;
    let mut list = Command::new("tar");
    list.args(["--list", "--gzip", "--verbose", "--absolute-names", "--quoting-style=literal", "--file"]);
    let mut names = BTreeSet::new();
    for line in run("tar", list.arg(&packed))?.lines() {
        // -rw-r--r-- 0/0 1234 1970-01-01 00:00 name
        let name = line.split_whitespace().nth(5).unwrap_or_default();
        if !line.starts_with('-') || line.split_whitespace().count() != 6 {
            return Err(format!("entry {line:?} is not a plain file"));
        }
        if !is_key(name) {
            return Err(format!("entry {name:?} is not named <namespace>.<name>.conf"));
        }
        if !names.insert(name.to_owned()) {
            return Err(format!("entry {name} occurs twice"));
        }
    }
    let mut extract = Command::new("tar");
    run("tar", extract.args(["--extract", "--gzip", "--file"]).arg(&packed).arg("--directory").arg(&out))?;
    let files: Files = std::fs::read_dir(&out)
        .expect("the directory")
        .flatten()
        .map(|entry| (entry.file_name().display().to_string(), std::fs::read(entry.path()).expect("a file")))
        .collect();
    expect("unpacked files", &names, &files.keys().cloned().collect())?;
    // The documented command.
    let script = "LC_ALL=C; export LC_ALL; [ -z \"$(ls)\" ] || sha256sum -- * | sha256sum";
    let said = run("sha256sum", Command::new("sh").arg("-c").arg(script).current_dir(&out))?;
    if !files.is_empty() {
        let sum = said.split_whitespace().next().unwrap_or_default();
        expect("sha256sum * | sha256sum", digest_of_shard(&files), format!("sha256:{sum}"))?;
    }
    Ok(files)
}

/// Unpacks an archive of plain files, with `gzip` and the public layout of ustar. Faster than
/// [`Reader`], which lets several programs agree.
pub fn untar(archive: &[u8]) -> Result<Files, String> {
    let mut packed = tempfile::tempfile().map_err(|error| error.to_string())?;
    std::io::Write::write_all(&mut packed, archive).map_err(|error| error.to_string())?;
    std::io::Seek::rewind(&mut packed).map_err(|error| error.to_string())?;
    let output = Command::new("gzip").args(["--decompress", "--stdout"]).stdin(packed).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("gzip: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let (mut files, mut rest) = (Files::new(), &output.stdout[..]);
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
    };
    while let Some(head) = rest.get(..512).filter(|head| head[0] != 0) {
        let size = usize::from_str_radix(&text(&head[124..136]), 8).map_err(|error| error.to_string())?;
        if !matches!(head[156], b'0' | 0) || !text(&head[345..500]).is_empty() {
            return Err(format!("entry {:?} is not a plain file with a short name", text(&head[..100])));
        }
        let bytes = rest.get(512..512 + size).ok_or("the archive ends early")?;
        files.insert(text(&head[..100]), bytes.to_vec());
        rest = rest.get(512 + size.next_multiple_of(512)..).unwrap_or_default();
    }
    Ok(files)
}

fn run(program: &str, command: &mut Command) -> Result<String, String> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // A warning ("trailing garbage ignored") is an error too.
    if !output.status.success() || !said.is_empty() {
        return Err(format!("{program}: {} {said}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// True if any file of the set contains the text. Cheap enough for polling; [`Reader::read`]
/// verifies the set.
pub fn mentions(maps: &Maps, pointer: &str, text: &str) -> Result<bool, String> {
    let map = maps.get(pointer).ok_or_else(|| format!("there is no pointer {pointer}"))?;
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let manifest = map.data.iter().flatten().find(|(key, _)| *key == MANIFEST);
    let Some((_, manifest)) = manifest else {
        return Ok(map.data.iter().flatten().any(|(_, file)| has(file.as_bytes())));
    };
    let manifest: Manifest = serde_json::from_str(manifest).map_err(|error| error.to_string())?;
    for shard in &manifest.shards {
        let map = maps.get(&shard.name).ok_or_else(|| format!("shard {} does not exist", shard.name))?;
        let archive =
            map.binary_data.as_ref().and_then(|data| data.get(ARCHIVE)).ok_or("a shard is empty")?;
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::io::Write::write_all(&mut file, &archive.0).expect("the archive is written");
        let mut gzip = Command::new("gzip");
        gzip.args(["--decompress", "--stdout"]).stdin(file.reopen().expect("a file"));
        if has(&gzip.output().expect("gzip starts").stdout) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the files of the hub's volume by the keys that they have on satellites.
pub fn published(volume: &Path) -> Files {
    let mut files = Files::new();
    let Ok(namespaces) = std::fs::read_dir(volume.join("objects.d")) else { return files };
    for namespace in namespaces.flatten() {
        for entry in std::fs::read_dir(namespace.path()).into_iter().flatten().flatten() {
            let key = format!("{}.{}", namespace.file_name().display(), entry.file_name().display());
            // A file that is removed between the listing and the reading counts as absent.
            if let Ok(bytes) = std::fs::read(entry.path()) {
                files.insert(key, bytes);
            }
        }
    }
    files
}

/// Returns the lines that `sha256sum *` prints.
fn lines_of(files: &Files) -> Vec<String> {
    files.iter().map(|(key, bytes)| format!("{}  {key}\n", hex(&Sha256::digest(bytes)))).collect()
}

/// Returns the digest of a shard: the output of `sha256sum * | sha256sum`.
pub fn digest_of_shard(files: &Files) -> String {
    format!("sha256:{}", hex(&Sha256::digest(lines_of(files).concat())))
}

/// Returns the digest of a set. Its sorted lines are grouped by their first two digits. Each group
/// is hashed, and the digest is the hash over a line for each group.
pub fn digest_of(files: &Files) -> String {
    let mut lines = lines_of(files);
    lines.sort_unstable();
    let parts = lines.chunk_by(|one, other| one[..2] == other[..2]);
    let sums: String =
        parts.map(|part| format!("{}  {}\n", hex(&Sha256::digest(part.concat())), &part[0][..2])).collect();
    format!("sha256:{}", hex(&Sha256::digest(sums)))
}

/// Returns the bytes of keys and files.
pub fn size(files: &Files) -> usize {
    files.iter().map(|(key, bytes)| key.len() + bytes.len()).sum()
}

/// Describes the missing, stale and undead files, with examples. None if both sets are equal.
pub fn difference(wanted: &Files, held: &Files) -> Option<String> {
    let missing: Vec<_> = wanted.keys().filter(|key| !held.contains_key(*key)).collect();
    let undead: Vec<_> = held.keys().filter(|key| !wanted.contains_key(*key)).collect();
    let stale: Vec<_> = wanted
        .iter()
        .filter(|(key, b)| held.get(*key).is_some_and(|h| h != *b))
        .map(|(key, _)| key)
        .collect();
    if missing.is_empty() && undead.is_empty() && stale.is_empty() {
        return None;
    }
    let some = |keys: &[&String]| format!("{} {:?}", keys.len(), &keys[..keys.len().min(3)]);
    Some(format!("missing {}, stale {}, undead {}", some(&missing), some(&stale), some(&undead)))
}

/// Returns the top bits of the hash of `<namespace>/<name>`. A namespace has no dot.
fn bucket(key: &str, bits: u32) -> u64 {
    let name = key.strip_suffix(".conf").unwrap_or(key).replacen('.', "/", 1);
    let sum = Sha256::digest(name.as_bytes());
    let top = u64::from_be_bytes(sum[..8].try_into().expect("eight bytes"));
    top.checked_shr(64 - bits).unwrap_or(0)
}

fn is_key(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let parts = name.strip_suffix(".conf").and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(namespace, object)| !namespace.is_empty() && !object.is_empty())
        && name.bytes().all(plain)
        && !name.contains("..")
}

fn marked(map: &ConfigMap, satellite: &str, part: &str) -> Result<(), String> {
    expect(MANAGED_BY, "groundlink", label(map, MANAGED_BY)?)?;
    expect(SATELLITE, satellite, label(map, SATELLITE)?)?;
    expect(PART, part, label(map, PART)?)?;
    label(map, HUB).map(drop)
}

fn label<'a>(map: &'a ConfigMap, name: &str) -> Result<&'a str, String> {
    map.labels().get(name).map(String::as_str).ok_or_else(|| format!("has no label {name}"))
}

fn annotation<'a>(map: &'a ConfigMap, name: &str) -> Result<&'a str, String> {
    map.annotations().get(name).map(String::as_str).ok_or_else(|| format!("has no annotation {name}"))
}

/// Reads the revision in a ConfigMap's annotation.
pub fn revision(map: &ConfigMap) -> Result<Revision, String> {
    let text = annotation(map, REVISION)?;
    let parts = text.split_once('.').and_then(|(t, c)| Some((t.parse().ok()?, c.parse().ok()?)));
    parts.ok_or_else(|| format!("revision {text:?} is not of the form <term>.<counter>"))
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, found: T) -> Result<(), String> {
    if wanted == found { Ok(()) } else { Err(format!("{what}: {found:?} instead of {wanted:?}")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

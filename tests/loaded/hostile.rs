//! Somebody else writes ConfigMaps on the satellite: the pointer and shards, with any content.
//! Nothing that is not whole is loaded, the report says why, and the operator's repair heals it.

use crate::GROUNDLINK;
use crate::support::reader::{Files, digest_of, digest_of_shard, size};
use crate::support::{
    GENEROUS, Installation, Place, Site, digest, eventually, eventually_every, generations,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use groundlink::api::agent_report::{AgentReport, AgentResult};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use tar::EntryType;

const SAT: &str = "sat-a";
const DIGEST: &str = "groundlink.dev/digest";
const REVISION: &str = "groundlink.dev/revision";
const KEY: &str = "team-a.evil.conf";
/// Most memory that the agent may ever have had resident, in MiB. A quiet one has about a tenth.
const MOST_MIB: u64 = 256;
const LONG: Duration = Duration::from_secs(120);

/// An entry of an archive: its raw name, type, claimed size and content.
struct Entry<'a>(&'a str, EntryType, u64, &'a [u8]);

/// Packs an archive as no careful library would.
fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Entry(name, kind, claimed, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(*claimed);
        if !matches!(kind, EntryType::Regular) {
            header.set_link_name("/etc/passwd").expect("a link");
        }
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    gzip(&bytes)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

fn evil() -> Vec<u8> {
    b"object Host \"evil\" { check_command = \"dummy\" }\n".to_vec()
}

fn plain(name: &str) -> Vec<u8> {
    let content = evil();
    archive(&[Entry(name, EntryType::Regular, content.len() as u64, &content)])
}

/// The one who writes what the operator would not.
struct Writer {
    place: Place,
    /// The pointer and one shard as the operator wrote them.
    pointer: ConfigMap,
    shard: ConfigMap,
    term: u64,
    counter: u64,
    cases: u64,
}

impl Writer {
    fn files(&self) -> Files {
        [(KEY.to_owned(), evil())].into()
    }

    /// Writes a pointer with this content, and returns the digest that it claims.
    async fn point(&mut self, data: BTreeMap<String, String>, marks: &[(&str, &str)]) {
        let mut pointer = self.pointer.clone();
        (pointer.metadata.resource_version, pointer.data) = (None, Some(data));
        let annotations = pointer.metadata.annotations.get_or_insert_default();
        annotations.extend(marks.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let replaced = self.place.api().replace("groundlink", &PostParams::default(), &pointer).await;
        replaced.expect("the pointer is replaced");
    }

    /// Names a set that nobody named before.
    fn next(&mut self) -> (String, String) {
        self.cases += 1;
        let revision = format!("{}.{}", self.term, self.counter + self.cases);
        (revision, digest(format!("case {}", self.cases).as_bytes()))
    }

    /// Delivers a sharded set of one shard with this archive. `change` edits the manifest. Returns
    /// the claimed digest of the set.
    async fn shard(&mut self, archive: Vec<u8>, change: impl FnOnce(&mut Value)) -> String {
        let (revision, _) = self.next();
        let of_shard = digest_of_shard(&self.files());
        // A set of another digest each time, and a shard that is read each time.
        let mut files = self.files();
        files.insert("team-a.other.conf".to_owned(), revision.clone().into_bytes());
        let of_set = digest_of(&files);
        let name = format!("groundlink-{}", &of_shard["sha256:".len()..][..32]);
        let mut shard = self.shard.clone();
        shard.metadata.name = Some(name.clone());
        (shard.metadata.resource_version, shard.metadata.uid) = (None, None);
        shard.binary_data = Some([("files.tar.gz".to_owned(), ByteString(archive))].into());
        let _ = self.place.api().delete(&name, &DeleteParams::default()).await;
        let created = self.place.api().create(&PostParams::default(), &shard).await;
        created.expect("the shard is created");
        let bytes = size(&self.files());
        let mut manifest = json!({
            "version": 1, "revision": revision, "digest": of_set, "objects": 1, "bytes": bytes, "bits": 0,
            "shards": [{ "name": name, "digest": of_shard, "objects": 1, "bytes": bytes }], "previous": [],
        });
        change(&mut manifest);
        let (revision, objects) =
            (manifest["revision"].as_str().expect("a revision").to_owned(), manifest["objects"].to_string());
        let data = [("manifest.json".to_owned(), manifest.to_string())].into();
        let marks = [(REVISION, &*revision), (DIGEST, &*of_set), ("groundlink.dev/objects", &*objects)];
        self.point(data, &marks).await;
        of_set
    }

    /// Delivers a set in layout Single. Returns the claimed digest: that of the files, or a wrong
    /// one.
    async fn single(&mut self, files: Files, revision: Option<&str>, is_right: bool) -> String {
        let (next, wrong) = self.next();
        let claimed = if is_right { digest_of(&files) } else { wrong };
        let (count, revision) = (files.len().to_string(), revision.unwrap_or(&next).to_owned());
        let data = files.into_iter().map(|(key, bytes)| (key, String::from_utf8(bytes).expect("text")));
        let marks = [
            (REVISION, &*revision),
            (DIGEST, &*claimed),
            ("groundlink.dev/layout", "Single"),
            ("groundlink.dev/objects", &*count),
        ];
        self.point(data.collect(), &marks).await;
        claimed
    }
}

/// Every path below a directory.
fn paths(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        found.insert(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(paths(&entry.path()));
        }
    }
    found
}

struct Witness {
    site: Site,
    before: BTreeSet<String>,
}

impl Witness {
    /// What the agent may write beside trees, and Icinga and its validator anywhere.
    fn paths(site: &Site) -> BTreeSet<String> {
        let all = paths(&site.icinga.path("load"));
        let is_of_trees =
            |path: &String| !path.contains("/load/validate") && !path.contains("/load/staging/");
        all.into_iter().filter(is_of_trees).collect()
    }

    /// Waits until the agent refuses this set for this reason. Nothing of it is loaded.
    async fn refused(&self, what: &str, claimed: Option<&str>, why: &str) {
        let report = self
            .site
            .reports(&format!("{what}: Rejected, {why:?}"), |report| {
                report.result == AgentResult::Rejected
                    && claimed.is_none_or(|claimed| report.digest.as_deref() == Some(claimed))
                    && report.message.contains(why)
            })
            .await;
        println!("hostile: {what}: {}", report.message);
        let hosts = self.site.hosts().await.expect("Icinga answers");
        let hosts: Vec<_> = hosts.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect();
        assert_eq!(hosts, [("db", "192.0.2.2"), ("web", "192.0.2.1")], "{what}");
        assert_eq!(Self::paths(&self.site), self.before, "{what}");
        assert!(self.site.agent.exit_status().is_none(), "{}", self.site.agent.log_text());
    }

    /// The most memory that the agent has had, in MiB.
    fn peak(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.site.agent.pid())).expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") / 1024
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_writer_delivers_is_refused_and_healed() {
    let Some(generation) = generations().pop() else { return };
    let host = |address: &str| json!({ "host": { "address": address, "checkCommand": "dummy" } });
    let installation = Installation::start(&[SAT]).await;
    installation.namespace("team-a").await;
    installation.change_satellite(SAT, json!({ "target": { "layout": "Snapshot" } })).await;
    let mut operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("192.0.2.1")).await;
    installation.put("team-a", "db", host("192.0.2.2")).await;
    installation.synced("team-a", "web").await;
    installation.synced("team-a", "db").await;
    let mut site = Site::prepare(GROUNDLINK, &installation, SAT, generation, "signal").await;
    site.start_icinga().await;
    site.lists(&[("web", "192.0.2.1"), ("db", "192.0.2.2")]).await;
    site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;

    operator.pause();
    let place = installation.place(SAT).await;
    let pointer = place.api().get("groundlink").await.expect("the pointer");
    let manifest: Value =
        serde_json::from_str(&pointer.data.as_ref().expect("data")["manifest.json"]).expect("JSON");
    let shard = manifest["shards"][0]["name"].as_str().expect("a shard");
    let shard = place.api().get(shard).await.expect("the shard");
    let revision = manifest["revision"].as_str().and_then(|text| text.split_once('.')).expect("a revision");
    let (term, counter) = (revision.0.parse().expect("a term"), revision.1.parse().expect("a counter"));
    let mut writer = Writer { place, pointer, shard, term, counter, cases: 0 };
    let witness = Witness { before: Witness::paths(&site), site };
    let before = witness.peak();

    let files = writer.files();
    let claimed = writer.single(files, None, false).await;
    witness.refused("a wrong digest of the set", Some(&claimed), "digest").await;
    let upper: Files = [("Team-A.evil.conf".to_owned(), evil())].into();
    let claimed = writer.single(upper, None, true).await;
    witness.refused("a key that is no name of a file", Some(&claimed), "which is not").await;
    let many: Files = (0..40_000).map(|number| (format!("a.{number:x}.conf"), Vec::new())).collect();
    let claimed = writer.single(many, None, false).await;
    witness.refused("40,000 keys", Some(&claimed), "digest").await;
    let files = writer.files();
    let claimed = writer.single(files.clone(), Some("0.1"), true).await;
    witness.refused("an older term", Some(&claimed), "which is older than").await;
    let late = format!("{}.1", term + 1_000_000);
    let claimed = writer.single(files.clone(), Some(&late), true).await;
    witness.refused("an impossible term", Some(&claimed), "which no hub can have").await;
    for unreadable in ["", "7", "7.x", "-1.2", "99999999999999999999.1"] {
        writer.single(files.clone(), Some(unreadable), true).await;
        witness.refused(&format!("revision {unreadable:?}"), None, "cannot be read").await;
        let good = writer.single(files.clone(), None, false).await;
        witness.refused("in between", Some(&good), "digest").await;
    }

    let claimed = writer.shard(plain(KEY), |_| ()).await;
    witness.refused("a shard that is right in a set that is not", Some(&claimed), "its shards hold").await;
    let claimed = writer.shard(plain("team-a.more.conf"), |_| ()).await;
    witness.refused("a shard of another digest", Some(&claimed), "has the digest").await;
    let mut cut = plain(KEY);
    cut.truncate(cut.len() / 2);
    let claimed = writer.shard(cut, |_| ()).await;
    witness.refused("a truncated archive", Some(&claimed), "is no tar.gz").await;
    for name in
        ["../../escaped.conf", "../trees/x/objects.d/a.b.conf", "/tmp/escaped.conf", "a/b.c.conf", ".a.conf"]
    {
        let claimed = writer.shard(plain(name), |_| ()).await;
        witness.refused(name, Some(&claimed), "which is not").await;
    }
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo, EntryType::Char]
    {
        let claimed = writer.shard(archive(&[Entry(KEY, kind, 0, b"")]), |_| ()).await;
        witness.refused(&format!("{kind:?}"), Some(&claimed), "not a plain file").await;
    }
    let claimed = writer.shard(gzip(&vec![0; 512 << 20]), |_| ()).await;
    witness.refused("512 MiB of nothing", Some(&claimed), "unpacks to more than").await;
    let claimed = writer.shard(archive(&[Entry(KEY, EntryType::Regular, 1 << 30, &evil())]), |_| ()).await;
    witness.refused("a file that claims 1 GiB", Some(&claimed), "files.tar.gz").await;
    let long = archive(&[Entry("././@LongLink", EntryType::GNULongName, 1 << 30, &evil())]);
    let claimed = writer.shard(long, |_| ()).await;
    witness.refused("a name that claims 1 GiB", Some(&claimed), "files.tar.gz").await;
    let entry = || Entry(KEY, EntryType::Regular, 0, b"");
    let claimed = writer.shard(archive(&(0..100_000).map(|_| entry()).collect::<Vec<_>>()), |_| ()).await;
    witness.refused("100,000 entries", Some(&claimed), "unpacks to more than").await;
    let names: Vec<_> = (0..30_000).map(|number| format!("a.{number:x}.conf")).collect();
    let entries: Vec<_> = names.iter().map(|name| Entry(name, EntryType::Regular, 0, b"")).collect();
    let claimed = writer.shard(archive(&entries), |_| ()).await;
    witness.refused("30,000 entries", Some(&claimed), "has the digest").await;

    let huge = |manifest: &mut Value| {
        (manifest["bytes"], manifest["objects"]) = ((1_u64 << 30).into(), 100_000.into());
    };
    let claimed = writer.shard(plain(KEY), huge).await;
    witness.refused("a set that claims 1 GiB", Some(&claimed), "its shards hold").await;
    let most = |manifest: &mut Value| manifest["shards"][0]["bytes"] = u64::MAX.into();
    let claimed = writer.shard(plain(KEY), most).await;
    witness.refused("a shard that claims all bytes", Some(&claimed), "the pointer says").await;
    let bits = |manifest: &mut Value| manifest["bits"] = 255.into();
    let claimed = writer.shard(plain(KEY), bits).await;
    witness.refused("255 bits", Some(&claimed), "bits is 255").await;
    let foreign = |manifest: &mut Value| manifest["shards"][0]["name"] = "kube-root-ca.crt".into();
    let claimed = writer.shard(plain(KEY), foreign).await;
    witness.refused("a foreign name", Some(&claimed), "names shard kube-root-ca.crt").await;
    let many = |manifest: &mut Value| {
        let sum = |number: usize| digest(format!("{number}").as_bytes());
        let reference = |number: usize| {
            let sum = sum(number);
            let name = format!("groundlink-{}", &sum["sha256:".len()..][..32]);
            json!({ "name": name, "digest": sum, "objects": 1, "bytes": 1 })
        };
        manifest["bits"] = 10.into();
        manifest["shards"] = (0..4000).map(reference).collect();
    };
    let asked = witness.site.proxy.recorder().count(|exchange| exchange.path.contains("/configmaps/"));
    let claimed = writer.shard(plain(KEY), many).await;
    witness.refused("4,000 shards", Some(&claimed), "names 4000 shards").await;
    let recorder = witness.site.proxy.recorder();
    let asked_after = recorder.count(|exchange| exchange.path.contains("/configmaps/"));
    assert_eq!(asked, asked_after, "the agent asked for shards of a manifest that cannot be");
    assert_eq!(recorder.count(|exchange| exchange.path.contains("kube-root-ca")), 0);

    let after = witness.peak();
    println!("hostile: {} sets; the agent had {before} MiB at most before, {after} MiB after", writer.cases);
    assert!(after <= MOST_MIB, "{after} MiB");

    // One that is whole is loaded: nobody can tell who wrote it. Its term is above the operator's.
    let forged = writer.single(files, Some(&format!("{}.1", term + 50_000)), true).await;
    let is_loaded = |report: &AgentReport| {
        report.result == AgentResult::Loaded && report.digest.as_deref() == Some(&*forged)
    };
    witness.site.reports("the forged set", is_loaded).await;
    assert!(witness.site.hosts().await.expect("Icinga answers").contains_key("evil"));

    operator.resume();
    // One that lost its Lease meanwhile ends, and Kubernetes starts it again.
    eventually_every(Duration::from_secs(1), LONG, "the operator goes on", async || {
        if operator.exit_status().is_some() {
            operator = installation.operator_builder(GROUNDLINK).await.spawn();
        }
        match witness.site.report().await? {
            report if report.result == AgentResult::Loaded && !is_loaded(&report) => Ok(()),
            report => Err(format!("{report:?}")),
        }
    })
    .await;
    installation.put("team-a", "web", host("192.0.2.3")).await;
    eventually(GENEROUS, "the next change is loaded", async || {
        let hosts = witness.site.hosts().await?;
        let is_new = hosts.get("web").is_some_and(|address| address == "192.0.2.3") && hosts.len() == 2;
        if is_new { Ok(()) } else { Err(format!("{hosts:?}; {:?}", witness.site.report().await)) }
    })
    .await;
}

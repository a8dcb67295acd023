//! The independent reader accepts the documented format, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::support::reader::{Files, Maps, Reader, difference, digest_of, digest_of_shard, published, size};

const SAT: &str = "sat-a";

fn files(names: &[&str]) -> Files {
    names
        .iter()
        .map(|name| (format!("team-a.{name}.conf"), format!("object Host \"{name}\" {{}}\n").into()))
        .collect()
}

/// Packs with the real tar; `entries` are arguments for it.
fn tar(directory: &Path, entries: &[&str]) -> Vec<u8> {
    let mut tar = Command::new("tar");
    tar.arg("--create")
        .args(["--gzip", "--absolute-names", "--hard-dereference", "--directory"])
        .arg(directory)
        .args(entries);
    let output = tar.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn packed(files: &Files) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    for (key, bytes) in files {
        std::fs::write(directory.path().join(key), bytes).unwrap();
    }
    let keys: Vec<_> = files.keys().map(String::as_str).collect();
    tar(directory.path(), &keys)
}

fn metadata(name: &str, part: &str, annotations: Value) -> Value {
    json!({
        "name": name, "annotations": annotations,
        "labels": {
            "app.kubernetes.io/managed-by": "groundlink", "groundlink.dev/satellite": SAT,
            "groundlink.dev/hub": "hub-1", "groundlink.dev/part": part,
        },
    })
}

fn shard_name(number: usize) -> String {
    format!("groundlink-{number:032x}")
}

fn shard(number: usize, files: &Files, archive: Vec<u8>) -> ConfigMap {
    let annotations =
        json!({ "groundlink.dev/revision": "7.41", "groundlink.dev/digest": digest_of_shard(files) });
    let mut map: ConfigMap =
        serde_json::from_value(json!({ "metadata": metadata(&shard_name(number), "shard", annotations) }))
            .unwrap();
    map.immutable = Some(true);
    map.binary_data = Some([("files.tar.gz".to_owned(), ByteString(archive))].into());
    map
}

fn pointer(layout: &str, all: &Files, data: BTreeMap<String, String>) -> ConfigMap {
    let annotations = json!({
        "groundlink.dev/revision": "7.42", "groundlink.dev/digest": digest_of(all),
        "groundlink.dev/layout": layout, "groundlink.dev/objects": all.len().to_string(),
    });
    let metadata = metadata("groundlink", "pointer", annotations);
    serde_json::from_value(json!({ "metadata": metadata, "data": data })).unwrap()
}

/// A set whose shards are these (in the order of their buckets), with this many bits.
fn set(shards: &[Files], bits: u32) -> (Maps, Value) {
    let all: Files = shards.iter().flatten().map(|(key, bytes)| (key.clone(), bytes.clone())).collect();
    let mut maps: Maps = shards
        .iter()
        .enumerate()
        .map(|(number, files)| (shard_name(number), shard(number, files, packed(files))))
        .collect();
    let listed: Vec<Value> = shards
        .iter()
        .enumerate()
        .map(|(number, files)| {
            json!({ "name": shard_name(number), "digest": digest_of_shard(files), "objects": files.len(), "bytes": size(files) })
        })
        .collect();
    let manifest = json!({
        "version": 1, "revision": "7.42", "digest": digest_of(&all), "objects": all.len(), "bytes": size(&all),
        "bits": bits, "shards": listed, "previous": [],
    });
    maps.insert("groundlink".into(), pointer("Snapshot", &all, BTreeMap::new()));
    with_manifest(&mut maps, &manifest);
    (maps, manifest)
}

fn with_manifest(maps: &mut Maps, manifest: &Value) {
    let data = [("manifest.json".to_owned(), manifest.to_string())];
    maps.get_mut("groundlink").unwrap().data = Some(data.into());
}

fn complaint(maps: &Maps, about: &str) {
    let why = Reader::default().read(maps, "groundlink", SAT).expect_err(about);
    assert!(why.contains(about), "{why:?} does not say {about:?}");
}

/// Sums of `team-a/alpha` and `team-a/beta` begin with different bits; computed with `printf %s team-a/alpha | sha256sum`.
fn two_buckets() -> [Files; 2] {
    let bit = |name: &str| {
        let script = format!("printf %s team-a/{name} | sha256sum");
        let sum = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
        usize::from(sum[0] >= b'8')
    };
    let names = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"];
    let of = |wanted| files(&names.iter().copied().filter(|name| bit(name) == wanted).collect::<Vec<_>>());
    let buckets = [of(0), of(1)];
    assert!(buckets.iter().all(|files| !files.is_empty()));
    buckets
}

#[test]
fn it_reads_both_layouts_and_the_volume() {
    let all = files(&["web", "db"]);
    let text = all.iter().map(|(key, bytes)| (key.clone(), String::from_utf8(bytes.clone()).unwrap()));
    let mut maps: Maps = [("groundlink".to_owned(), pointer("Single", &all, text.collect()))].into();
    let reader = Reader::default();
    let read = reader.read(&maps, "groundlink", SAT).unwrap();
    assert_eq!((read.revision, &read.files, read.layout.as_str()), ((7, 42), &all, "Single"));
    maps.get_mut("groundlink")
        .unwrap()
        .data
        .as_mut()
        .unwrap()
        .insert("team-a.web.conf".into(), "edited".into());
    complaint(&maps, "digest");

    let shards = two_buckets();
    let (maps, _) = set(&shards, 1);
    let read = reader.read(&maps, "groundlink", SAT).unwrap();
    let all: Files = shards.into_iter().flatten().collect();
    assert_eq!((read.files, read.bits, read.shards.len()), (all.clone(), 1, 2));

    let volume = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(volume.path().join("objects.d/team-a")).unwrap();
    for (key, bytes) in &all {
        let name = key.strip_prefix("team-a.").unwrap();
        std::fs::write(volume.path().join("objects.d/team-a").join(name), bytes).unwrap();
    }
    assert_eq!(published(volume.path()), all);
    assert_eq!(difference(&all, &all), None);
    let mut held = all.clone();
    held.remove("team-a.alpha.conf");
    held.insert("team-a.beta.conf".into(), "old".into());
    held.insert("team-a.dead.conf".into(), "undead".into());
    let said = difference(&all, &held).unwrap();
    for part in ["missing 1 [\"team-a.alpha.conf\"]", "stale 1 [\"team-a.beta", "undead 1 [\"team-a.dead"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_set_that_is_not_whole_is_a_complaint() {
    let shards = two_buckets();
    let (good, manifest) = set(&shards, 1);
    let changed = |change: &dyn Fn(&mut Maps, &mut Value)| {
        let (mut maps, mut manifest) = (good.clone(), manifest.clone());
        change(&mut maps, &mut manifest);
        with_manifest(&mut maps, &manifest);
        maps
    };
    complaint(&changed(&|maps, _| drop(maps.remove(&shard_name(1)))), "does not exist");
    complaint(&changed(&|_, manifest| manifest["shards"][0]["digest"] = json!("sha256:00")), "digest");
    complaint(&changed(&|_, manifest| manifest["digest"] = json!("sha256:00")), "digest");
    complaint(&changed(&|_, manifest| manifest["objects"] = json!(1)), "objects");
    complaint(&changed(&|_, manifest| manifest["bytes"] = json!(1)), "bytes");
    complaint(&changed(&|_, manifest| manifest["revision"] = json!("7.41")), "revision");
    complaint(&changed(&|_, manifest| manifest["version"] = json!(2)), "version");
    complaint(&changed(&|_, manifest| manifest["bits"] = json!(0)), "holds a bucket");
    complaint(&changed(&|_, manifest| manifest["bits"] = json!(9)), "buckets of one shard");
    complaint(&changed(&|_, manifest| manifest["previous"] = json!([shard_name(9)])), "is gone");
    complaint(&changed(&|_, manifest| manifest["previous"] = json!([shard_name(0)])), "itself names");
    complaint(&changed(&|_, manifest| manifest["more"] = json!(1)), "unknown field");
    complaint(&changed(&|maps, _| maps.get_mut(&shard_name(0)).unwrap().immutable = None), "immutable");
    let unmarked = changed(&|maps, _| maps.get_mut(&shard_name(0)).unwrap().metadata.labels = None);
    complaint(&unmarked, "has no label");
    let other = |maps: &mut Maps, _: &mut Value| {
        let labels = maps.get_mut("groundlink").unwrap().metadata.labels.as_mut().unwrap();
        labels.insert("groundlink.dev/satellite".into(), "someone".into());
    };
    complaint(&changed(&other), "someone");
    let mut extra = good.clone();
    extra.get_mut("groundlink").unwrap().data.as_mut().unwrap().insert("team-a.web.conf".into(), "x".into());
    complaint(&extra, "keys of the pointer");
    complaint(&Maps::new(), "no pointer");
}

#[test]
fn an_archive_that_is_not_plain_is_a_complaint() {
    let shards = two_buckets();
    let with = |archive: Vec<u8>| {
        let (mut maps, _) = set(&shards[..1], 1);
        maps.insert(shard_name(0), shard(0, &shards[0], archive));
        maps
    };
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let first = shards[0].keys().next().unwrap();
    for (key, bytes) in &shards[0] {
        std::fs::write(inner.join(key), bytes).unwrap();
        std::fs::write(directory.path().join(key), bytes).unwrap();
    }
    let keys: Vec<&str> = shards[0].keys().map(String::as_str).collect();
    std::fs::write(inner.join("team-a.extra.conf"), "x").unwrap();
    complaint(&with(tar(&inner, &[&keys[..], &["team-a.extra.conf"]].concat())), "digest");
    complaint(&with(tar(&inner, &keys[1..])), "digest");
    complaint(&with(tar(&inner, &[&keys[..], &[first.as_str()]].concat())), "occurs twice");
    complaint(&with(tar(&inner, &[&keys[..], &[&format!("../{first}")]].concat())), "is not named");
    complaint(
        &with(tar(&inner, &[&keys[..], &[&format!("{}/{first}", inner.display())]].concat())),
        "is not named",
    );
    complaint(&with(tar(directory.path(), &["inner"])), "not a plain file");
    std::os::unix::fs::symlink("/etc/passwd", inner.join("team-a.link.conf")).unwrap();
    complaint(&with(tar(&inner, &["team-a.link.conf"])), "not a plain file");
    let mut good = tar(&inner, &keys);
    good.extend_from_slice(b"and more");
    complaint(&with(good), "gzip");
    let good = tar(&inner, &keys);
    complaint(&with(good[..good.len() / 2].to_vec()), "gzip");
    complaint(&with(b"no archive".to_vec()), "gzip");
}

//! `groundlink snapshot` reads the set that the hub's volume holds, and names each damage. The
//! documented commands with public tools do the same.

use super::fixture::{Run, kubectl};
use crate::GROUNDLINK;
use crate::support::reader::digest_of;
use crate::support::{ApiServer, GENEROUS, Installation, binary, eventually, host};
use futures::StreamExt as _;
use groundlink::identity::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Enough for a set that does not fit into one ConfigMap.
const OBJECTS: usize = 1000;

/// Runs `groundlink snapshot` with the satellite's admin as its current context.
async fn snapshot(edge: &ApiServer, arguments: &[&str], input: &str) -> Run {
    let mut command = Command::new(GROUNDLINK);
    command.env("KUBECONFIG", edge.admin_kubeconfig_path()).env("HOME", "/nonexistent").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.arg("snapshot").args(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async move {
        // With wrong arguments the program ends before it reads.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let run = async { tokio::join!(feed, child.wait_with_output()).1.unwrap() };
    Run::of(&tokio::time::timeout(Duration::from_secs(60), run).await.expect("it ends"))
}

/// Returns the files of a directory.
fn directory(path: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// Runs the documented commands for one layout in bash. Returns whether they succeeded, and their
/// output.
async fn documented(edge: &ApiServer, layout: &str, scratch: &Path) -> (bool, Vec<String>) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/snapshot-format.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section =
        page.split(&format!("\nLayout {layout}")).nth(1).unwrap_or_else(|| panic!("no Layout {layout}"));
    let script = section.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(script.contains("sha256sum"), "{script}");
    let tools = binary("kubectl").parent().unwrap().display().to_string();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    let place = tempfile::tempdir_in(scratch).unwrap();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(place.path())
        .env("PATH", path)
        .env("KUBECONFIG", edge.admin_kubeconfig_path())
        .output()
        .await
        .unwrap();
    let said = Run::of(&output);
    println!("{layout}: {}{}", said.out, said.err);
    (said.code == 0, said.out.lines().map(str::to_owned).collect())
}

/// Returns whether the digests of the files and of the pointer are equal in these lines, and the
/// former.
fn compared(lines: &[String]) -> (bool, String) {
    let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    (value("files:") == value("pointer:"), value("files:"))
}

/// Waits until the satellite holds the files of the volume. Returns the summary and the files.
async fn settled(
    installation: &Installation,
    edge: &ApiServer,
    objects: usize,
) -> (Value, BTreeMap<String, String>) {
    eventually(GENEROUS * 3, "the satellite holds the files of the volume", async || {
        let files = installation.files();
        if files.len() != objects {
            return Err(format!("{} files", files.len()));
        }
        let said = snapshot(edge, &["-o", "json"], "").await;
        if said.code == 2 {
            return Err(said.err);
        }
        // The set is complete at every moment, even while the operator writes.
        assert_eq!(said.code, 0, "{}", said.out);
        let lines: String = files
            .iter()
            .map(|(key, text)| format!("{}  {key}\n", Digest::of(text.as_bytes()).hex()))
            .collect();
        let summary = said.json();
        let bytes = files.iter().map(|(key, text)| (key.clone(), text.clone().into_bytes())).collect();
        if summary["digest"] != digest_of(&bytes) {
            return Err(said.out);
        }
        match snapshot(edge, &["--list"], "").await.exits_with(0).out == lines {
            true => Ok((summary, files)),
            false => Err("the set changed between the two runs".into()),
        }
    })
    .await
}

async fn stored(edge: &ApiServer, name: &str) -> Value {
    serde_json::from_str(&kubectl(edge, &["-n", "icinga", "get", "configmap", name, "-o", "json"]).await)
        .unwrap()
}

/// Restores a ConfigMap.
async fn restore(edge: &ApiServer, object: &Value) {
    let mut object = object.clone();
    for field in ["resourceVersion", "uid", "creationTimestamp"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    kubectl(edge, &["-n", "icinga", "delete", "configmap", &name, "--ignore-not-found"]).await;
    let output = edge.kubectl_with_input(&["create", "-f", "-"], &object.to_string()).await;
    crate::support::succeeded("kubectl create", &output);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_reads_the_delivered_set_and_names_each_damage() {
    let installation = Installation::start(&["edge"]).await;
    let edge = installation.plane.server("edge");
    snapshot(&edge, &[], "").await.exits_with(2).stderr_has(&["no ConfigMap icinga/groundlink", "--name"]);
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    for i in 0..3 {
        installation.put("team-a", &format!("h{i}"), host("first")).await;
    }
    let (summary, _) = settled(&installation, &edge, 3).await;
    assert_eq!((&summary["layout"], &summary["objects"]), (&json!("Single"), &json!(3)));
    let (ended, lines) = documented(&edge, "Single", installation.scratch()).await;
    assert!(ended && compared(&lines) == (true, summary["digest"].as_str().unwrap().to_owned()));

    let padding = "x".repeat(800);
    let puts = (0..OBJECTS).map(|i| {
        let (name, notes) = (format!("h{i}"), format!("{i} {padding}"));
        let installation = &installation;
        async move { installation.put("team-a", &name, host(&notes)).await }
    });
    futures::stream::iter(puts).buffer_unordered(16).for_each(|_| async {}).await;
    settled(&installation, &edge, OBJECTS).await;
    installation.put("team-a", "h7", host("changed")).await;
    installation.synced("team-a", "h7").await;
    let (summary, files) = settled(&installation, &edge, OBJECTS).await;
    assert!(files["team-a.h7.conf"].contains("changed"));
    whole(&installation, &edge, &summary, &files).await;

    // From now on nothing is repaired.
    drop(operator);
    damaged(&installation, &edge, &summary).await;
}

/// Checks every use of a complete set.
async fn whole(
    installation: &Installation,
    edge: &ApiServer,
    summary: &Value,
    files: &BTreeMap<String, String>,
) {
    println!("{}", snapshot(edge, &[], "").await.exits_with(0).out);
    assert_eq!((&summary["layout"], &summary["objects"]), (&json!("Snapshot"), &json!(OBJECTS)));
    assert_eq!((&summary["ok"], &summary["problems"]), (&json!(true), &json!([])));
    assert!(summary["shards"].as_array().unwrap().len() > 1, "{summary}");
    let bytes: usize = files.iter().map(|(key, text)| key.len() + text.len()).sum();
    assert_eq!(summary["bytes"], bytes);
    // One object was changed, so one shard was replaced; the old one is kept.
    assert_eq!(summary["previous"].as_array().unwrap().len(), 1, "{summary}");
    let (ended, lines) = documented(edge, "Snapshot", installation.scratch()).await;
    assert!(ended && compared(&lines) == (true, summary["digest"].as_str().unwrap().to_owned()), "{lines:?}");
    let good = lines.iter().filter(|line| line.ends_with(" ok")).count();
    assert_eq!(good, summary["shards"].as_array().unwrap().len());

    let out = installation.scratch().join("held");
    let out = out.to_str().unwrap();
    snapshot(edge, &["--unpack", out], "").await.exits_with(0);
    assert_eq!(&directory(Path::new(out)), files);
    snapshot(edge, &["--unpack", out], "").await.exits_with(2).stderr_has(&["not empty"]);
    for key in ["team-a/h7", "team-a.h7.conf"] {
        assert_eq!(snapshot(edge, &["--show", key], "").await.exits_with(0).out, files["team-a.h7.conf"]);
    }
    snapshot(edge, &["--show", "team-a/none"], "").await.exits_with(2).stderr_has(&["--list"]);

    // The output of kubectl gives the same result, as YAML or JSON, from standard input or a
    // directory.
    let label = "app.kubernetes.io/managed-by=groundlink";
    let printed = async |form: &str| {
        kubectl(edge, &["-n", "icinga", "get", "configmaps", "-l", label, "-o", form]).await
    };
    let same = |said: Run| {
        let mut found = said.exits_with(0).json();
        found["source"] = summary["source"].clone();
        // The notes are about garbage, which may be deleted by now.
        found["notes"] = summary["notes"].clone();
        assert_eq!(&found, summary);
    };
    let (yaml, json) = (printed("yaml").await, printed("json").await);
    same(snapshot(edge, &["-f", "-", "-o", "json"], &yaml).await);
    let dump = installation.scratch().join("dump");
    std::fs::create_dir(&dump).unwrap();
    std::fs::write(dump.join("all.json"), &json).unwrap();
    same(snapshot(edge, &["-f", dump.to_str().unwrap(), "-o", "json"], "").await);
    // The pointer alone is not enough.
    let pointer = stored(edge, "groundlink").await.to_string();
    let said = snapshot(edge, &["-f", "-"], &pointer).await.exits_with(1);
    assert!(said.out.contains("ShardMissing"), "{}", said.out);

    for wrong in [
        &["-f", "-", "-n", "elsewhere"][..],
        &["-f", "/no/such/file"],
        &["-f", "-", "--context", "edge"],
        &["--context", "nowhere"],
        &["-n", "nowhere"],
        &["--name", "../secrets/x"],
        &["--list", "--show", "x"],
        &["--list", "-o", "json"],
        &["--unpack", "/no/such/directory/held"],
    ] {
        let said = snapshot(edge, wrong, &yaml).await.exits_with(2);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{wrong:?}: {}", said.out);
    }
    snapshot(edge, &["-f", "-", "-n", "elsewhere"], &yaml).await.stderr_has(&["-n icinga"]);
}

/// Checks that each damage is named, and that no file of a damaged set is printed.
async fn damaged(installation: &Installation, edge: &ApiServer, summary: &Value) {
    let refused = async |words: &[&str]| {
        let said = snapshot(edge, &[], "").await.exits_with(1);
        for word in words {
            assert!(said.out.contains(word), "{word:?} is not in: {}", said.out);
        }
        let said = snapshot(edge, &["-o", "json"], "").await.exits_with(1);
        assert_eq!(said.json()["ok"], false);
        let out = installation.scratch().join("damaged");
        for give in [&["--list"][..], &["--show", "team-a/h7"], &["--unpack", out.to_str().unwrap()]] {
            let said = snapshot(edge, give, "").await.exits_with(1);
            said.stderr_has(words);
            assert!(said.out.is_empty() && !out.exists(), "{give:?}");
        }
    };
    let shard = summary["shards"][0].as_str().unwrap();
    let kept = stored(edge, shard).await;
    kubectl(edge, &["-n", "icinga", "delete", "configmap", shard]).await;
    refused(&["ShardMissing", shard]).await;
    assert!(
        !documented(edge, "Snapshot", installation.scratch()).await.0,
        "the documented commands must fail too"
    );

    // Forged: the content of another shard, and not immutable.
    let mut forged = kept.clone();
    let other = summary["shards"][1].as_str().unwrap();
    forged["binaryData"] = stored(edge, other).await["binaryData"].clone();
    forged["immutable"] = json!(false);
    restore(edge, &forged).await;
    refused(&["NotImmutable", "Digest", shard]).await;
    let (_, lines) = documented(edge, "Snapshot", installation.scratch()).await;
    assert!(lines.contains(&format!("{shard} DIFFERS")) && !compared(&lines).0, "{lines:?}");
    restore(edge, &kept).await;
    snapshot(edge, &[], "").await.exits_with(0);

    // An edited manifest: numbers, a digest, the version.
    let pointer = stored(edge, "groundlink").await;
    let text = pointer["data"]["manifest.json"].as_str().unwrap();
    let digest = summary["digest"].as_str().unwrap();
    let zeros = format!("sha256:{}", "0".repeat(64));
    for (from, to, fault) in [
        (format!("\"objects\": {OBJECTS},"), "\"objects\": 1,".to_owned(), "Objects"),
        (digest.to_owned(), zeros, "Digest"),
        ("\"version\": 1".into(), "\"version\": 2".into(), "version 2"),
    ] {
        let mut edited = pointer.clone();
        assert!(text.contains(&from));
        edited["data"]["manifest.json"] = json!(text.replacen(&from, &to, 1));
        restore(edge, &edited).await;
        refused(&[fault, "ConfigMap icinga/groundlink:"]).await;
    }
    restore(edge, &pointer).await;
    snapshot(edge, &[], "").await.exits_with(0);

    // A missing shard of the previous revision is reported, but the set is complete.
    let previous = summary["previous"][0].as_str().unwrap();
    kubectl(edge, &["-n", "icinga", "delete", "configmap", previous]).await;
    let said = snapshot(edge, &[], "").await.exits_with(1);
    assert!(said.out.contains("PreviousMissing") && said.out.contains(previous), "{}", said.out);
    snapshot(edge, &["--list"], "").await.exits_with(0);
}

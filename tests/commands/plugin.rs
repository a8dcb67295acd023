//! The program as a kubectl plugin: completion by real kubectl, manual pages, and the archive and manifest of
//! a release.

use super::fixture::Run;
use crate::GROUNDLINK;
use crate::support::{binary, succeeded};
use groundlink::identity::Digest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use tokio::process::Command;

/// A shell's own programs.
const TOOLS: &str = "/usr/bin:/bin";

async fn groundlink(arguments: &[&str]) -> Run {
    Run::of(&Command::new(GROUNDLINK).args(arguments).output().await.expect("it runs"))
}

/// Returns what kubectl proposes after these words, the last of which is unfinished.
async fn proposed(plugins: &Path, words: &[&str]) -> Vec<String> {
    let mut kubectl = Command::new(binary("kubectl"));
    kubectl.env_clear().env("PATH", format!("{}:{TOOLS}", plugins.display())).env("HOME", plugins);
    let output =
        kubectl.arg("__complete").arg("groundlink").args(words).output().await.expect("kubectl runs");
    let said = Run::of(&output).exits_with(0);
    said.out.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn kubectl_completes_the_words_of_the_plugin() {
    let plugins = tempfile::tempdir().unwrap();
    symlink(GROUNDLINK, plugins.path().join("kubectl-groundlink")).unwrap();
    let script = groundlink(&["completion", "kubectl"]).await.exits_with(0).out;
    let path = plugins.path().join("kubectl_complete-groundlink");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();

    let first = proposed(plugins.path(), &["sat"]).await;
    assert_eq!(first, ["satellite", ":4"]);
    let commands = proposed(plugins.path(), &["satellite", ""]).await;
    for word in ["add", "join-manifest", "check", "rotate", "remove", "list", ":4"] {
        assert!(commands.iter().any(|one| one == word), "{word} is not in {commands:?}");
    }
    let manifest = proposed(plugins.path(), &["satellite", "join-manifest", "edge-a", "--onl"]).await;
    assert_eq!(manifest, ["--only", ":4"]);
    assert_eq!(proposed(plugins.path(), &["wait", "mo/web", "--for", "g"]).await, ["gone", ":4"]);
    assert!(proposed(plugins.path(), &["diff", "--vol"]).await.contains(&"--volume".to_owned()));
    // Nothing is proposed: the shell does what it does by itself.
    assert_eq!(proposed(plugins.path(), &["satellite", "nothing-like-this"]).await, [":0"]);
}

#[tokio::test]
async fn each_shell_gets_a_script_with_every_command() {
    let commands = ["status", "trace", "diff", "wait", "satellite", "completion", "join-manifest"];
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = groundlink(&["completion", shell]).await.exits_with(0).out;
        commands.iter().for_each(|command| assert!(script.contains(command), "{shell} has no {command}"));
    }
    let script = groundlink(&["completion", "bash"]).await.out;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("groundlink.bash");
    std::fs::write(&path, script).unwrap();
    succeeded("bash -n", &Command::new("bash").arg("-n").arg(&path).output().await.unwrap());
    groundlink(&["completion", "tcsh"]).await.exits_with(2).stderr_has(&["bash", "powershell", "kubectl"]);
}

#[tokio::test]
async fn each_command_has_a_manual_page_with_its_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    groundlink(&["man", pages.to_str().unwrap()]).await.exits_with(0);
    let read =
        |name: &str| std::fs::read_to_string(pages.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(read("groundlink.1").starts_with(".ie"), "{}", read("groundlink.1"));
    for page in
        ["groundlink-status.1", "groundlink-diff.1", "groundlink-wait.1", "groundlink-satellite-add.1"]
    {
        assert!(read(page).contains("Exit codes: 0 "), "{page}: {}", read(page));
    }
    // The command that only an init container runs.
    assert!(!pages.join("groundlink-install.1").exists());
}

/// Runs a script of `hack/krew`.
async fn script(name: &str, arguments: &[&Path], epoch: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/krew").join(name);
    let output = Command::new(path).args(arguments).env("SOURCE_DATE_EPOCH", epoch).output().await.unwrap();
    succeeded(name, &output);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_release_has_a_plugin_that_krew_and_kubectl_take() {
    let directory = tempfile::tempdir().unwrap();
    let (dist, again, program) =
        (directory.path().join("dist"), directory.path().join("again"), directory.path().join("program"));
    [&dist, &again].iter().for_each(|path| std::fs::create_dir(path).unwrap());
    // Small, in place of a program of each architecture.
    std::fs::write(&program, format!("#!/bin/sh\nexec {GROUNDLINK} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    for (directory, architecture) in [(&dist, "amd64"), (&dist, "arm64"), (&again, "amd64")] {
        script("archive.sh", &[&program, Path::new(architecture), directory], "1").await;
    }
    let archive = std::fs::read(dist.join("kubectl-groundlink-linux-amd64.tar.gz")).unwrap();
    assert!(
        archive == std::fs::read(again.join("kubectl-groundlink-linux-amd64.tar.gz")).unwrap(),
        "two archives"
    );

    let (tag, repository) = (Path::new("v1.2.3"), Path::new("https://github.com/example/groundlink"));
    let manifest = script("manifest.sh", &[tag, repository, &dist], "1").await;
    let manifest: Value =
        serde_saphyr::from_str(&manifest).unwrap_or_else(|error| panic!("{error}: {manifest}"));
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(
        (&manifest["metadata"]["name"], &manifest["spec"]["version"]),
        (&json!("groundlink"), &json!("v1.2.3"))
    );
    // As much as `kubectl krew search` shows.
    assert!(manifest["spec"]["shortDescription"].as_str().unwrap().len() <= 50, "{manifest}");
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    let architectures: BTreeSet<_> =
        platforms.iter().map(|one| one["selector"]["matchLabels"]["arch"].as_str().unwrap()).collect();
    assert_eq!(architectures, ["amd64", "arm64"].into());
    let first = &platforms[0];
    assert_eq!(
        first["uri"],
        "https://github.com/example/groundlink/releases/download/v1.2.3/kubectl-groundlink-linux-amd64.tar.gz"
    );
    assert_eq!(first["selector"]["matchLabels"]["os"], "linux");
    assert_eq!(first["sha256"], Digest::of(&archive).hex());

    // Unpacked as docs/commands.md says, kubectl finds both.
    let plugins = directory.path().join("bin");
    std::fs::create_dir(&plugins).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(dist.join("kubectl-groundlink-linux-amd64.tar.gz")).arg("-C").arg(&plugins);
    succeeded("tar", &tar.output().await.unwrap());
    assert!(plugins.join(first["bin"].as_str().unwrap()).exists() && plugins.join("LICENSE").exists());
    assert!(proposed(&plugins, &["sta"]).await.contains(&"status".to_owned()));
    let mut kubectl = Command::new(binary("kubectl"));
    kubectl.env("PATH", format!("{}:{TOOLS}", plugins.display())).args(["groundlink", "--version"]);
    let version = Run::of(&kubectl.output().await.unwrap()).exits_with(0);
    assert!(version.out.contains(env!("CARGO_PKG_VERSION")), "{}", version.out);
}

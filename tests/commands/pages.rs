//! Runs the commands of the pages, in the order of each page, as a reader would: in bash, with kubectl, helm and groundlink on
//! the PATH, and the contexts `hub` and `edge-a`. A block says by `<!-- run by suites::commands::pages::<test> -->` which test
//! here runs it. Where a page shows the output of a command, the command must print it, but for numbers and digests.

use super::fixture::Clusters;
use crate::GROUNDLINK;
use crate::support::{
    ApiServer, ControlPlane, GENEROUS, Installation, OPERATOR, Operator, binary, blocks, eventually, host,
    skip,
};
use groundlink::api::Reason;
use groundlink::api::marks::{HUB, REVISION};
use groundlink::identity::Revision;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Where a reader sits: a directory with the files of the repository, and kubeconfigs.
struct Reader {
    directory: tempfile::TempDir,
    kubeconfigs: Vec<PathBuf>,
    /// What the reader writes in place of a placeholder or an address, and what the page has.
    instead: Vec<(String, String)>,
}

impl Reader {
    fn new(servers: &[&ApiServer]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["charts", "crds", "examples"] {
            std::os::unix::fs::symlink(Path::new(REPOSITORY).join(name), directory.path().join(name))
                .unwrap();
        }
        let programs = directory.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        // The API servers of the tests are on loopback, where the program expects no satellite.
        let script = format!(
            "#!/bin/sh\ncase \"$1 $2\" in 'satellite add' | 'satellite check' | 'satellite rotate') \
             exec {GROUNDLINK} \"$@\" --allow-loopback-satellites ;; *) exec {GROUNDLINK} \"$@\" ;; esac\n"
        );
        let program = programs.join("groundlink");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let kubeconfigs = servers.iter().map(|server| server.admin_kubeconfig_path()).collect();
        let instead = servers
            .iter()
            .filter(|server| server.name() != "hub")
            .map(|server| (server.url(), format!("https://{}.example:6443", server.name())))
            .collect();
        Self { directory, kubeconfigs, instead }
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs the blocks of a page that name this test and stand between these headings. Returns how many there are.
    async fn follow(&self, page: &str, test: &str, between: Range<&str>) -> usize {
        let text = std::fs::read_to_string(Path::new(REPOSITORY).join(page)).unwrap();
        let line_of = |heading: &str, default: usize| match heading {
            "" => default,
            _ => text
                .lines()
                .position(|line| line == heading)
                .unwrap_or_else(|| panic!("{page}: no {heading}")),
        };
        let lines = line_of(between.start, 0)..line_of(between.end, usize::MAX);
        let mark = format!("run by suites::commands::pages::{test}");
        let blocks = blocks(&text).into_iter().filter(|block| lines.contains(&block.line));
        let blocks: Vec<_> = blocks.filter(|block| block.mark.as_deref() == Some(&mark)).collect();
        assert!(blocks.iter().all(|block| block.language == "console"), "{page}: {mark}");
        assert!(!blocks.is_empty(), "{page} has no block {mark}");
        let steps: Vec<_> = blocks.iter().flat_map(|block| block.steps()).collect();
        let mut script = "exec 2>&1\n".to_owned();
        for (position, step) in steps.iter().enumerate() {
            let mut command = step.command.clone();
            for (ours, theirs) in &self.instead {
                command = command.replace(theirs, ours);
            }
            // `echo $?` behind a command shows its exit code.
            let may_fail = steps.get(position + 1).is_some_and(|next| next.command.trim() == "echo $?")
                || answer(&step.command) == Some("no");
            let end = if may_fail { "" } else { "[ $code = 0 ] || exit 1\n" };
            script += &format!("printf '\\036\\n'; (exit ${{code:-0}})\n{command}\ncode=$?\n{end}");
        }
        let said = self.bash(&script).await;
        let outputs = said.trim_end_matches('\u{1d}').split("\u{1e}\n").skip(1);
        let outputs: Vec<&str> = outputs.collect();
        for (step, output) in steps.iter().zip(&outputs) {
            println!("$ {}\n{output}", step.command);
            let wanted: Vec<_> = match answer(&step.command) {
                // A warning may come before it.
                Some(word) => vec!["...".to_owned(), word.to_owned()],
                None => step.output.clone(),
            };
            // What the program says to run next has the flag, too.
            let mut output = output.replace(" --allow-loopback-satellites", "");
            for (ours, theirs) in &self.instead {
                output = output.replace(ours, theirs);
            }
            if let Err(why) = shows(&wanted, &output) {
                panic!("{page}: {}\n{why}\nit printed:\n{output}", step.command);
            }
        }
        assert_eq!(outputs.len(), steps.len(), "{page}: the last of these failed:\n{said}");
        assert!(said.ends_with("\u{1d}"), "{page}: the last command failed:\n{said}");
        blocks.len()
    }

    /// Runs a script, and returns what it printed. `\x1d` is at the end if it came to its end.
    async fn bash(&self, script: &str) -> String {
        let tools = binary("kubectl").parent().unwrap().display().to_string();
        let own = self.directory.path().join("bin").display().to_string();
        let path = format!("{own}:{tools}:{}", std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-c", &format!("{script}printf '\\035'")]).current_dir(self.directory.path());
        command.env("PATH", path).env("HOME", self.directory.path());
        command.env("KUBECONFIG", std::env::join_paths(&self.kubeconfigs).unwrap());
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(GENEROUS * 3, output).await.expect("the commands end").unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Returns the answer that a question has in its comment: `yes` or `no`.
fn answer(command: &str) -> Option<&str> {
    let (question, comment) = command.rsplit_once("# ")?;
    let word = comment.split([':', ' ']).next()?;
    (question.contains(" can-i ") && ["yes", "no"].contains(&word)).then_some(word)
}

/// Replaces what differs from run to run: everything with a digit in it, and hexadecimal digits.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    let mut word = String::new();
    let end = |word: &mut String| {
        let is_hex = word.len() > 3 && word.chars().all(|sign| sign.is_ascii_hexdigit());
        let varies = is_hex || word.chars().any(|sign| sign.is_ascii_digit());
        let text = if varies { "#".to_owned() } else { std::mem::take(word) };
        word.clear();
        text
    };
    for sign in line.chars() {
        if sign.is_alphanumeric() {
            word.push(sign);
        } else {
            shape += &end(&mut word);
            if !(sign.is_whitespace() && shape.ends_with(' ')) {
                shape.push(if sign.is_whitespace() { ' ' } else { sign });
            }
        }
    }
    shape += &end(&mut word);
    shape.trim().to_owned()
}

/// Compares the lines of a page with an output. `...` stands for lines, or for the end of one. A page that shows no output says
/// nothing about it, and one that shows no progress (`groundlink: ...`) says nothing about that.
fn shows(wanted: &[String], output: &str) -> Result<(), String> {
    let is_progress = |line: &str| line.starts_with("groundlink: ");
    let shows_progress = wanted.iter().any(|line| is_progress(line));
    let lines = output.lines().filter(|line| shows_progress || !is_progress(line));
    let mut lines = lines.map(shape).filter(|line| !line.is_empty());
    let mut skips = wanted.is_empty();
    for line in wanted.iter().filter(|line| !line.trim().is_empty()) {
        if line.trim() == "..." {
            skips = true;
            continue;
        }
        let start = line.strip_suffix("...");
        let wanted = shape(start.unwrap_or(line));
        let is_it = |line: &String| if start.is_some() { line.starts_with(&wanted) } else { *line == wanted };
        let found = if skips {
            lines.any(|line| is_it(&line))
        } else {
            lines.next().is_some_and(|line| is_it(&line))
        };
        if !found {
            return Err(format!("it did not print: {line}"));
        }
        skips = false;
    }
    match lines.next() {
        Some(line) if !skips => Err(format!("the page does not show: {line}")),
        _ => Ok(()),
    }
}

#[test]
fn an_output_that_a_page_does_not_show_is_found() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = "NAME   AGE\nweb-01   5s\nSecret x-288e2 created\n";
    assert!(shows(&lines("NAME  AGE\nweb-02  10s\nSecret x-abcde created"), printed).is_ok());
    assert!(shows(&lines("NAME AGE\n...\nSecret x-1 ..."), printed).is_ok());
    assert!(shows(&[], printed).is_ok());
    let progress = format!("groundlink: waiting\n{printed}");
    assert!(shows(&lines("NAME AGE\n..."), &progress).is_ok());
    assert!(shows(&lines("groundlink: ready\nNAME AGE\n..."), &progress).is_err());
    assert!(shows(&lines("NAME AGE\nweb-01 5s"), printed).is_err());
    assert!(shows(&lines("NAME AGE READY\n..."), printed).is_err());
    assert!(shows(&lines("...\nSecret x-1 deleted"), printed).is_err());
    assert_eq!(answer("kubectl auth can-i list secrets  # no: none"), Some("no"));
    assert_eq!(answer("kubectl get mo  # no"), None);
}

/// Starts the operator that the chart describes, as the kubelet would.
async fn operator(hub: &ApiServer, directory: &Path) -> Operator {
    let token = hub.service_account_token(OPERATOR, OPERATOR).await;
    let (volume, kubeconfig) = (directory.join("volume"), directory.join("operator.kubeconfig"));
    std::fs::create_dir(&volume).unwrap();
    std::fs::write(&kubeconfig, hub.kubeconfig_for(&hub.url(), &token)).unwrap();
    Operator::builder(GROUNDLINK)
        .args(["run", "--namespace", OPERATOR, "--listen", "127.0.0.1:0", "--allow-loopback-satellites"])
        .args(["--volume", volume.to_str().unwrap()])
        .kubeconfig(&kubeconfig)
        .spawn()
}

/// `README.md`, `docs/quickstart.md` and `docs/install.md`, each from an empty cluster.
#[tokio::test(flavor = "multi_thread")]
async fn the_hub_is_installed() {
    let test = "the_hub_is_installed";
    for (page, then) in [
        ("README.md", "### Join a satellite"),
        ("docs/quickstart.md", "## Publish an object"),
        ("docs/install.md", "## Publish a first object"),
    ] {
        let plane = ControlPlane::start(&["hub", "edge-a"]).await;
        let hub = plane.server("hub");
        let mut reader = Reader::new(&[&hub, &plane.server("edge-a")]);
        reader.instead.push(("registry.example".into(), "<your registry>".into()));
        reader.instead.push(("monitoring-images".into(), "<path>".into()));
        reader.follow(page, test, ""..then).await;
        let scratch = tempfile::tempdir().unwrap();
        let _operator = operator(&hub, scratch.path()).await;
        reader.follow(page, test, then.."").await;
    }
}

/// `docs/install.md` with kubectl alone, and `docs/gitops.md`.
#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_is_joined_by_hand() {
    let installation = Installation::start(&[]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.plane.add("edge-a").await;
    let servers = ["hub", "edge-a"].map(|name| installation.plane.server(name));
    let reader = Reader::new(&[&servers[0], &servers[1]]);
    reader.follow("docs/install.md", "a_satellite_is_joined_by_hand", "".."").await;
}

/// `docs/satellites.md`: the life of a satellite.
#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_is_managed() {
    let installation = Installation::start(&[]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.plane.add("edge-a").await;
    let servers = ["hub", "edge-a"].map(|name| installation.plane.server(name));
    let reader = Reader::new(&[&servers[0], &servers[1]]);
    for directory in ["satellites/edge-a", "hub"] {
        std::fs::create_dir_all(reader.directory.path().join(directory)).unwrap();
    }
    assert!(reader.follow("docs/satellites.md", "a_satellite_is_managed", "".."").await >= 6);
}

/// `docs/namespaces.md`: an installation, and a change of one.
#[tokio::test(flavor = "multi_thread")]
async fn named_namespaces_are_published() {
    let (test, change) = ("named_namespaces_are_published", "## Change an installation");
    let plane = ControlPlane::start(&["hub"]).await;
    Reader::new(&[&plane.server("hub")]).follow("docs/namespaces.md", test, ""..change).await;

    let installation = Installation::start(&["edge-a"]).await;
    for namespace in ["team-a", "team-b"] {
        installation.namespace(namespace).await;
        installation.put(namespace, namespace, host(namespace)).await;
    }
    let operator = installation.operator(GROUNDLINK).await;
    installation.synced("team-a", "team-a").await;
    installation.synced("team-b", "team-b").await;
    let before = installation.pointer("edge-a").await.unwrap();
    drop(operator);
    let reader = Reader::new(&[&installation.plane.server("hub")]);
    reader.follow("docs/namespaces.md", test, change.."").await;
    let named = ["--watch-namespaces", "team-a,team-b"];
    let operator = installation.operator_builder(GROUNDLINK).await.args(named).spawn();
    installation.ready(&operator).await;
    installation.put("team-a", "new", host("new")).await;
    installation.synced("team-a", "new").await;
    let after = installation.pointer("edge-a").await.unwrap();
    let hub = |pointer: &ConfigMap| pointer.metadata.labels.as_ref().unwrap()[HUB].clone();
    assert_ne!(hub(&before), hub(&after));
    assert_eq!((before.metadata.uid, after.data.unwrap().len()), (after.metadata.uid, 3));
}

/// `docs/upgrade.md`: to the same version and back.
#[tokio::test(flavor = "multi_thread")]
async fn the_hub_is_upgraded() {
    let installation = Installation::start(&[]).await;
    let reader = Reader::new(&[&installation.plane.server("hub")]);
    reader.follow("docs/upgrade.md", "the_hub_is_upgraded", "".."").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("web")).await;
    installation.published("team-a", "web").await;
}

/// `docs/recovery.md`: the new hub delivers what the old one did, into the same ConfigMap.
#[tokio::test(flavor = "multi_thread")]
async fn the_hub_is_recovered() {
    let test = "the_hub_is_recovered";
    let old = Installation::start(&["edge-a"]).await;
    let operator = old.operator(GROUNDLINK).await;
    for namespace in ["team-a", "team-b"] {
        old.namespace(namespace).await;
        old.put(namespace, namespace, host(namespace)).await;
        old.synced(namespace, namespace).await;
    }
    // A revision that the new hub does not reach by itself.
    for change in ["first", "second", "third", "fourth"] {
        old.put("team-a", "team-a", host(change)).await;
        old.synced("team-a", "team-a").await;
    }
    let edge = old.plane.server("edge-a");
    let mut reader = Reader::new(&[&old.plane.server("hub"), &edge]);
    let (backup, recover) = ("## Know what is lost with what", "## Recover on a new cluster");
    reader.follow("docs/recovery.md", test, ""..backup).await;
    drop(operator);
    old.plane.server("hub").stop();
    let before = old.pointer("edge-a").await.unwrap();

    let new = Installation::start(&[]).await;
    let _operator = new.operator(GROUNDLINK).await;
    reader.kubeconfigs[0] = new.plane.server("hub").admin_kubeconfig_path();
    reader.follow("docs/recovery.md", test, recover.."").await;
    let after = old.pointer("edge-a").await.unwrap();
    assert_eq!(before.data, after.data);
    assert_eq!(before.metadata.uid, after.metadata.uid);
    let hub = |pointer: &ConfigMap| pointer.metadata.labels.as_ref().unwrap()[HUB].clone();
    assert_ne!(hub(&before), hub(&after));
    let revision = |pointer: &ConfigMap| -> Revision {
        pointer.metadata.annotations.as_ref().unwrap()[REVISION].parse().unwrap()
    };
    // Agents take no set back, so the new hub has gone beyond what the old one delivered.
    assert!(revision(&after) > revision(&before), "{:?} {:?}", revision(&after), revision(&before));
}

/// The patches of `docs/satellites.md` and `docs/gitops.md`.
#[tokio::test(flavor = "multi_thread")]
async fn every_patch_is_taken() {
    let clusters = Clusters::joined().await;
    let reader = Reader::new(&[&clusters.hub, &clusters.edge]);
    reader.bash("kubectl create namespace argocd; kubectl -n argocd create configmap argocd-cm\n").await;
    for page in ["docs/satellites.md", "docs/gitops.md"] {
        reader.follow(page, "every_patch_is_taken", "".."").await;
    }
    let said = reader.bash("kubectl -n groundlink get sat edge-a -o jsonpath='{.spec}'\n").await;
    assert!(said.contains("Optional") && said.contains("10m") && said.contains("\"suspend\":true"), "{said}");
}

/// The pages that say where to look, with objects in the states that `docs/operate.md` shows: `docs/follow.md`,
/// `docs/reasons.md`, and the pages below `docs/runbooks/`: `docs/runbooks/GroundlinkSatelliteDown.md`,
/// `docs/runbooks/GroundlinkSatelliteStale.md`, `docs/runbooks/GroundlinkCredentialExpiring.md`,
/// `docs/runbooks/GroundlinkObjectsRefused.md`, `docs/runbooks/GroundlinkRemovalsHeld.md` and
/// `docs/runbooks/GroundlinkOtherOperator.md`.
#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_looked_at() {
    let installation = Installation::start(&[]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.plane.add("edge-a").await;
    let servers = ["hub", "edge-a"].map(|name| installation.plane.server(name));
    let reader = Reader::new(&[&servers[0], &servers[1]]);
    reader.bash("groundlink satellite add edge-a --context edge-a --create-namespace\n").await;
    for namespace in ["team-a", "team-c"] {
        installation.namespace(namespace).await;
    }
    for (namespace, name) in [("team-a", "gateway"), ("team-a", "web-01"), ("team-c", "web-03")] {
        installation.put(namespace, name, host(name)).await;
        installation.synced(namespace, name).await;
    }
    let put = Instant::now();
    // The age of a resource has whole seconds.
    let second = Duration::from_secs(1);
    eventually(GENEROUS, "the next one is younger", async || {
        if put.elapsed() > second { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    installation.put("team-c", "gateway", host("gateway")).await;
    installation.refused("team-c", "gateway", Reason::NameConflict).await;
    let service = json!({ "service": { "hostName": "none", "checkCommand": "ssh" } });
    installation.put("team-c", "db-01", service).await;
    installation.refused("team-c", "db-01", Reason::UnresolvedReference).await;
    for page in [
        "docs/reasons.md",
        "docs/follow.md",
        "docs/operate.md",
        "docs/runbooks/GroundlinkSatelliteDown.md",
        "docs/runbooks/GroundlinkSatelliteStale.md",
        "docs/runbooks/GroundlinkCredentialExpiring.md",
        "docs/runbooks/GroundlinkObjectsRefused.md",
        "docs/runbooks/GroundlinkRemovalsHeld.md",
        "docs/runbooks/GroundlinkOtherOperator.md",
    ] {
        reader.follow(page, "everything_can_be_looked_at", "".."").await;
    }
}

const BAD: &str = "apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: gone, namespace: team-a}
spec: {checkCommand: {command: [/bin/true]}}
";
const WEB: &str = "apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: web, namespace: a}
spec:
  host:
    checkInterval: 60
    check_command: hostalive
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: twice, namespace: a}
spec:
  host: {checkCommand: hostalive, vars: {}, vars: {}}
";
const CHART: &str = "apiVersion: v2\nname: objects\nversion: 0.1.0\n";
const TEMPLATE: &str = "apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: web, namespace: a}
spec: {host: {checkCommand: hostalive}}
";

/// `docs/pipeline.md`.
#[tokio::test]
async fn manifests_are_checked() {
    if std::process::Command::new("icinga2").arg("--version").output().is_err() {
        return skip("icinga2 is not installed");
    }
    let reader = Reader::new(&[]);
    reader.file("bad.yaml", BAD);
    reader.file("web.yaml", WEB);
    reader.file("Chart.yaml", CHART);
    reader.file("templates/web.yaml", TEMPLATE);
    assert_eq!(reader.follow("docs/pipeline.md", "manifests_are_checked", "".."").await, 3);
}

/// A small configuration of a master with one zone: each file with its text.
const CONFIGURATION: [(&str, &str); 6] = [
    (
        "icinga2.conf",
        "include \"constants.conf\"\ninclude \"zones.conf\"\ninclude <itl>\ninclude <plugins>\ninclude_recursive \"conf.d\"\n",
    ),
    ("constants.conf", "const NodeName = \"hub\"\nconst ZoneName = \"master\"\n"),
    (
        "zones.conf",
        "object Endpoint NodeName { }\nobject Zone ZoneName { endpoints = [ NodeName ] }\nobject Endpoint \"dmz-1\" { }\n\
         object Zone \"dmz\" { endpoints = [ \"dmz-1\" ]; parent = ZoneName }\nobject Zone \"global-templates\" { global = true }\n",
    ),
    (
        "zones.d/global-templates/templates.conf",
        "template Host \"generic-host\" { check_command = \"hostalive\" }\n\
         apply Service \"ssh\" { check_command = \"ssh\"; assign where host.vars.os == \"Linux\" }\n",
    ),
    ("zones.d/dmz/hosts.conf", "object Host \"web-01\" { import \"generic-host\"; vars.os = \"Linux\" }\n"),
    (
        "conf.d/services.conf",
        "apply Service \"proc\" {\n  check_command = \"procs\"\n  vars.procs_critical = {{ \"1:\" }}\n  assign where true\n}\n",
    ),
];

/// `docs/import.md`: from files to published objects, and back.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_imported() {
    if std::process::Command::new("icinga2").arg("--version").output().is_err() {
        return skip("icinga2 is not installed");
    }
    let installation = Installation::start(&[]).await;
    let builder = installation.operator_builder(GROUNDLINK).await;
    let operator = builder.args(["--external-objects", "Zone!master"]).spawn();
    installation.ready(&operator).await;
    let mut reader = Reader::new(&[&installation.plane.server("hub")]);
    for (name, text) in CONFIGURATION {
        reader.file(&format!("etc/icinga2/{name}"), text);
    }
    reader.instead.push(("etc/icinga2".into(), "/etc/icinga2".into()));
    assert_eq!(reader.follow("docs/import.md", "a_configuration_is_imported", "".."").await, 4);
}

//! The agent is killed at every step that it takes on disk. What Icinga would start with is always
//! one whole set, and the next agent goes on.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Injected, Installation, Site, eventually, generations};
use groundlink::api::agent_report::AgentResult;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

const SAT: &str = "sat-a";
const OBJECTS: usize = 12;
/// The system calls by which the agent changes the disk, the file that they concern (any if it is
/// empty), and which of them are tried. A file is empty at its `fchmod`, and written at its `fsync`, so no
/// `write` is needed. Calls are counted for each thread by itself.
const STEPS: &[(&str, &str, &[usize])] = &[
    ("mkdir", "", &[1, 2]),
    ("linkat", "", &[1, 9]),
    ("fchmod", "", &[1, 3, 5]),
    ("fsync", "", &[1, 4, 6, 8]),
    ("rename", "", &[1, 2]),
    ("fsync", "trees", &[1]),
    ("rename", "staging/candidate.conf", &[1]),
    ("fchmod", "staging/active.conf", &[1]),
    ("fsync", "staging/active.conf", &[1]),
    ("rename", "staging/active.conf", &[1]),
    ("fsync", ".", &[1, 2]),
    ("fsync", "staging/memory.json", &[1]),
    ("rename", "staging/memory.json", &[1]),
    ("unlink", "", &[1, 3]),
    ("unlinkat", "", &[1, 6]),
];
/// With `GROUNDLINK_TEST_KILLS=all`: each one, up to this.
const EVERY: usize = 40;

struct Stage {
    installation: Installation,
    site: Site,
    version: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_at_any_step_leaves_a_whole_tree_and_the_next_goes_on() {
    let Some(generation) = generations().pop() else { return };
    let all: Vec<usize> = (1..=EVERY).collect();
    let is_all = std::env::var("GROUNDLINK_TEST_KILLS").is_ok_and(|value| value == "all");
    let installation = Installation::start(&[SAT]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    let site = Site::prepare(GROUNDLINK, &installation, SAT, generation, "signal").await;
    let mut stage = Stage { installation, site, version: 0 };
    for number in 0..OBJECTS {
        stage.put(&format!("h{number}")).await;
    }
    stage.deliver().await;
    stage.site.start_icinga().await;
    stage.loaded().await;

    let started = Instant::now();
    let mut kills = 0;
    for (call, file, chosen) in STEPS {
        let path = stage.site.icinga.path("load").join(file);
        let path = Some(path.as_path()).filter(|_| !file.is_empty());
        stage.site.agent.kill();
        stage.deliver().await;
        let mut killed = Vec::new();
        for which in if is_all { &all[..] } else { chosen } {
            // An agent holds its requests back until it is traced.
            stage.site.proxy.pause_all();
            stage.site.restart_agent();
            stage.site.agent.base_url().await;
            let fault = format!("{call}:signal=KILL:when={which}");
            let Some(traced) = Injected::at(&stage.site.agent, &[&fault], path).await else { return };
            stage.site.proxy.resume_all();
            let is_killed = stage.is_killed(&fault).await;
            drop(traced);
            stage.site.agent.kill();
            let when = format!("after {call} {file} number {which}, killed: {is_killed}");
            stage.is_whole(&when);
            if is_killed {
                killed.push(*which);
            } else if is_all {
                break;
            }
            if stage.active_digest() == stage.wanted().await {
                // Nothing is left to do, so the next kill needs another set.
                stage.deliver().await;
            }
        }
        println!("killed: at {call} {file} {killed:?}");
        assert!(!killed.is_empty(), "no agent was killed at {call} {file}");
        kills += killed.len();
        stage.site.restart_agent();
        stage.loaded().await;
    }
    println!("killed: {kills} kills in {:.0?}, a whole tree after each", started.elapsed());
}

impl Stage {
    async fn put(&mut self, name: &str) {
        self.version += 1;
        let address = format!("10.0.{}.{}", self.version >> 8, self.version & 255);
        let spec = json!({ "host": { "address": address, "checkCommand": "dummy" } });
        self.installation.put("team-a", name, spec).await;
    }

    /// Changes two objects, and waits until the satellite has them.
    async fn deliver(&mut self) {
        self.put("h0").await;
        self.put("h1").await;
        let address = |version: usize| format!("10.0.{}.{}\"", version >> 8, version & 255);
        let wanted =
            [("team-a.h0.conf", address(self.version - 1)), ("team-a.h1.conf", address(self.version))];
        eventually(GENEROUS, "the set is delivered", async || {
            let pointer = self.installation.pointer(SAT).await.ok_or("no pointer")?;
            let data = pointer.data.unwrap_or_default();
            let has =
                |(key, address): &(&str, String)| data.get(*key).is_some_and(|text| text.contains(address));
            if wanted.iter().all(has) && data.len() == OBJECTS {
                Ok(())
            } else {
                Err(format!("{:?}", data.keys()))
            }
        })
        .await;
    }

    /// Waits until the agent was killed, or has loaded the newest set.
    async fn is_killed(&self, what: &str) -> bool {
        let wanted = self.wanted().await;
        eventually(GENEROUS, &format!("{what}, or the set is loaded"), async || {
            if self.site.agent.exit_status().is_some() {
                return Ok(true);
            }
            // Of this process: an earlier one may have reported the set.
            let log = self.site.agent.log_text();
            let report = self.site.report().await?;
            assert_ne!(report.result, AgentResult::Rejected, "{report:?}");
            let is_new = log.contains("Icinga has loaded the set");
            let is_loaded = report.running.as_ref().is_some_and(|running| running.digest == wanted);
            // The report may go out before the last steps on disk.
            if is_new && is_loaded && self.is_remembered() {
                return Ok(false);
            }
            Err(format!("{report:?}; its log:\n{log}"))
        })
        .await
    }

    async fn wanted(&self) -> String {
        let pointer = self.installation.pointer(SAT).await.expect("a pointer");
        pointer.metadata.annotations.expect("annotations")["groundlink.dev/digest"].clone()
    }

    async fn loaded(&self) {
        let wanted = self.wanted().await;
        self.site
            .reports("that the newest set is loaded", |report| {
                report.result == AgentResult::Loaded && report.digest.as_ref() == Some(&wanted)
            })
            .await;
        let hosts = self.site.hosts().await.expect("Icinga answers");
        let newest = format!("10.0.{}.{}", self.version >> 8, self.version & 255);
        assert_eq!((hosts.len(), &hosts["h1"]), (OBJECTS, &newest));
    }

    /// The directory of the objects that Icinga would start with.
    fn objects(&self) -> PathBuf {
        let text = std::fs::read_to_string(self.site.icinga.path("load/active.conf")).expect("active.conf");
        let (_, rest) = text.split_once("include_recursive \"").expect("the tree");
        PathBuf::from(rest.split('"').next().expect("a path"))
    }

    /// True if the memory names the active tree, and no tree but this and the one before it is left.
    fn is_remembered(&self) -> bool {
        let directory = self.site.icinga.path("load");
        let active = self.objects().parent().and_then(|tree| Some(tree.file_name()?.to_owned()));
        let memory = std::fs::read_to_string(directory.join("memory.json")).unwrap_or_default();
        let memory: Value = serde_json::from_str(&memory).unwrap_or_default();
        let trees = std::fs::read_dir(directory.join("trees")).expect("the trees").count();
        memory["good"].as_str().map(Into::into) == active && trees <= 2
    }

    fn active_digest(&self) -> String {
        let text = std::fs::read_to_string(self.objects().join("../set.json")).expect("set.json");
        let set: Value = serde_json::from_str(&text).expect("JSON");
        set["digest"].as_str().expect("a digest").to_owned()
    }

    /// Asserts that the tree which Icinga would start with is whole, and that Icinga accepts it.
    fn is_whole(&self, when: &str) {
        let objects = self.objects();
        let check = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "../SHA256SUMS"])
            .current_dir(&objects)
            .output()
            .expect("sha256sum");
        assert!(check.status.success(), "{when}: {check:?}");
        let sums = std::fs::read_to_string(objects.join("../SHA256SUMS")).expect("SHA256SUMS");
        let files = std::fs::read_dir(&objects).expect("the tree").count();
        assert_eq!((files, sums.lines().count()), (OBJECTS, OBJECTS), "{when}");
        let own = self.site.icinga.path("check");
        std::fs::create_dir_all(&own).expect("a directory");
        let command = self.site.icinga.command();
        let output = Command::new(&command[0])
            .args(&command[1..])
            .arg("-C")
            .args(["CacheDir", "LogDir"].map(|name| format!("-DConfiguration.{name}={}", own.display())))
            .output()
            .expect("icinga2");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("Cannot compile"), "{when}: {output:?}");
        assert!(said.contains(&format!("Instantiated {} Hosts", OBJECTS + 1)), "{when}: {said}");
    }
}

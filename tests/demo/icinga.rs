//! Real Icinga 2 loads the published and the delivered configuration.

use crate::screen::Outcome;
use crate::stage::{Stage, Verdict, Wrong};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

pub async fn act(stage: &mut Stage) -> Verdict {
    let Some(icinga) = find() else {
        let observed = "icinga2 is not installed here; hack/icinga.sh installs it, then run this again";
        return Verdict { outcome: Outcome::NotChecked, observed: observed.into() };
    };
    stage.screen.say(
        "The hub's Icinga includes the volume; a satellite's Icinga includes the mounted ConfigMap. Both sets are given to \
         the real parser.",
    );
    let directory = stage.installation.scratch().join("icinga");
    std::fs::create_dir_all(&directory).expect("a directory");
    // Icinga changes to its own user, who must be able to read this directory.
    for path in [stage.installation.scratch(), &directory, stage.installation.volume()] {
        set_mode(path, 0o755);
    }
    let mounted = directory.join("mounted");
    std::fs::create_dir_all(&mounted).expect("a directory");
    let pointer = stage.installation.pointer("edge-b").await.and_then(|map| map.data).unwrap_or_default();
    for (key, text) in &pointer {
        std::fs::write(mounted.join(key), text).expect("the key is written");
    }

    let (mut wrong, mut observed) = (Wrong::default(), Vec::new());
    let volume = stage.installation.volume().join("objects.d");
    for (name, tree) in [("the hub's volume", volume.as_path()), ("edge-b's ConfigMap", &mounted)] {
        let (code, lines) = check(&icinga, &directory, tree).await;
        stage.screen.label(&format!("icinga2 daemon -C on {name}: exit code {code}"));
        stage.screen.block(&lines.join("\n"));
        wrong.unless(code == 0, format!("Icinga refuses {name}"));
        let shown: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("Instantiated ")).collect();
        let types = ["Host", "Service", "Notification", "Dependenc", "User"];
        let of_type = |line: &str, word: &str| {
            let kind = line.split_once(' ').map_or("", |(_, kind)| kind);
            ["", "s", "y", "ies"].iter().any(|end| kind.strip_prefix(word) == Some(&format!("{end}.")))
        };
        for kind in types {
            wrong.unless(shown.iter().any(|line| of_type(line, kind)), format!("{name} has no {kind}"));
        }
        let shown = shown.into_iter().filter(|line| types.iter().any(|kind| of_type(line, kind)));
        observed.push(format!(
            "{name}: exit code {code}, {}",
            shown.map(|s| s.trim_end_matches('.')).collect::<Vec<_>>().join(", ")
        ));
    }
    println!();
    stage.screen.say("(Most of the CheckCommands are those of Icinga's own template library.)");
    Verdict::of(wrong.0, observed.join("; "))
}

/// Checks the published set with one file added or replaced. Returns Icinga's exit code and errors.
pub async fn what_if(stage: &Stage, key: &str, text: &str) -> Option<(i32, Vec<String>)> {
    let icinga = find()?;
    let directory = stage.installation.scratch().join("icinga");
    let tree = directory.join("what-if");
    std::fs::create_dir_all(&tree).expect("a directory");
    for (name, content) in stage.installation.files() {
        let content = if name == key { text } else { &content };
        std::fs::write(tree.join(name), content).expect("the file is written");
    }
    let (code, lines) = check(&icinga, &directory, &tree).await;
    std::fs::remove_dir_all(&tree).expect("the directory is removed");
    let matters = |line: &String| line.contains("critical/") && !line.contains("Please refer");
    Some((code, lines.into_iter().filter(matters).collect()))
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join("icinga2"))
        .find(|file| file.is_file())
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}

/// Returns the exit code, and the lines about instantiated objects or errors.
async fn check(icinga: &Path, directory: &Path, tree: &Path) -> (i32, Vec<String>) {
    let cache = directory.join("cache");
    std::fs::create_dir_all(&cache).expect("a directory");
    set_mode(&cache, 0o777);
    let main = directory.join("main.conf");
    let text = format!(
        "const PluginDir = \"/usr/lib/nagios/plugins\"\ninclude <itl>\ninclude <plugins>\n\
         include_recursive \"{}\"\n",
        tree.display()
    );
    std::fs::write(&main, text).expect("main.conf is written");
    let output = tokio::process::Command::new(icinga)
        .args(["daemon", "-C", "-c"])
        .arg(&main)
        .arg("--define")
        .arg(format!("CacheDir={}", cache.display()))
        .arg("--define")
        .arg(format!("VarsPath={}/vars", cache.display()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("icinga2 starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let good = output.status.success();
    let lines = text.lines().filter(|line| !good || line.contains("Instantiated"));
    // "[time] information/ConfigItem: Instantiated 2 Hosts."
    let lines = lines.map(|line| match line.split_once("ConfigItem: ") {
        Some((_, rest)) if good => rest.to_owned(),
        _ => {
            line.split_once("] ").map_or(line, |(_, rest)| rest).replace(&format!("{}/", tree.display()), "")
        }
    });
    (output.status.code().unwrap_or(-1), lines.take(30).collect())
}

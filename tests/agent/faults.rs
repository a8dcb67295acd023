//! A validator that hangs, crashes, talks without end, or cannot be started.

use groundlink::agent::icinga::validator::{Validation, Validator};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Runs a shell script in place of the validator.
async fn run(script: &str, deadline: Duration) -> (Validation, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("icinga2");
    std::fs::write(&program, format!("#!/bin/sh\ncd '{}'\n{script}\n", directory.path().display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    // Of a run before this one.
    let cache = directory.path().join("validate/cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(cache.join("icinga2.vars"), constant("1.1")).unwrap();
    let command = vec![program.display().to_string(), "daemon".into()];
    let validator =
        Validator::new(command, directory.path().join("validate"), "/t".into()).with_deadline(deadline);
    (validator.validate(Path::new("/candidate"), "1.1", 0).await, directory)
}

/// Returns the constants of a validator that has read a candidate with this marker.
fn constant(marker: &str) -> String {
    let json = format!(r#"{{"name":"GroundlinkRevision","value":"{marker}"}}"#);
    format!("{}:{json},", json.len())
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_hangs_is_killed_with_all_its_processes() {
    let script = "sleep 600 & echo $! > child\necho $$ > self\nwait";
    let (result, directory) = run(script, Duration::from_millis(500)).await;
    assert_eq!(result, Validation::TimedOut(Duration::from_millis(500)));
    for file in ["child", "self"] {
        let pid: u32 = std::fs::read_to_string(directory.path().join(file)).unwrap().trim().parse().unwrap();
        crate::support::eventually(LONG, "it is gone", async || {
            if crate::support::is_alive(pid) { Err(format!("{file} {pid} lives")) } else { Ok(()) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_no_verdict() {
    let head = "[2026-11-30 02:28:00 +0000]";
    for (script, is_own, wanted) in [
        ("kill -SEGV $$", true, "ended by signal 11"),
        ("kill -ABRT $$", true, "ended by signal 6"),
        ("exit 139", true, "exit code 139 (signal 11)"),
        // It cannot have done that itself: somebody else ends it, and the set is not why.
        ("kill -KILL $$", false, "ended by signal 9"),
        ("kill -TERM $$", false, "ended by signal 15"),
        ("exit 137", false, "exit code 137 (signal 9)"),
    ] {
        let said = format!("echo '{head} critical/config: Error: half a word'\n{script}");
        let (result, _directory) = run(&said, LONG).await;
        let (why, is_crash) = match &result {
            Validation::Crashed(why) => (why, true),
            Validation::Killed(why) => (why, false),
            other => panic!("{other:?}"),
        };
        assert!(is_crash == is_own && why.contains(wanted), "{script}: {result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_is_read_and_its_end_is_seen() {
    let script = "yes 'x x x x x x x x x x x x x x x x x x x x x x' | head -c 20000000\necho\n\
                  echo '[2026-11-30 02:28:00 +0000] critical/config: Error: the last word'\nexit 1";
    let (result, _directory) = run(script, LONG).await;
    let Validation::Refused(findings) = &result else { panic!("{result:?}") };
    assert_eq!(findings[0].message, "the last word");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_an_error_is_still_one() {
    let (result, _directory) = run("echo 'setgroups() failed'; exit 1", LONG).await;
    let Validation::Refused(findings) = &result else { panic!("{result:?}") };
    assert_eq!(findings[0].message, "exit code 1: setgroups() failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_of_another_run_accept_nothing() {
    let (result, directory) = run("true", LONG).await;
    assert!(matches!(&result, Validation::CannotRun(why) if why.contains("icinga2.vars")), "{result:?}");
    let write = |marker: &str| format!("printf '%s' '{}' > validate/cache/icinga2.vars", constant(marker));
    let (result, _directory) = run(&write("1.1"), LONG).await;
    assert!(matches!(result, Validation::Accepted(_)), "{result:?}");
    let (result, _directory) = run(&write("1.0"), LONG).await;
    assert_eq!(result, Validation::HookMissing);
    let program = directory.path().join("icinga2");
    std::fs::remove_file(&program).unwrap();
    let missing =
        Validator::new(vec![program.display().to_string()], directory.path().join("v"), "/t".into());
    let result = missing.validate(Path::new("/candidate"), "1.1", 0).await;
    assert!(matches!(&result, Validation::CannotRun(why) if why.contains("icinga2")), "{result:?}");
}

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{ControlPlane, eventually, is_alive, process_state};

/// Set in the process that is going to be killed.
const VICTIM: &str = "GROUNDLINK_SELFTEST_VICTIM";

/// Not a test of its own: what `nothing_outlives_a_killed_test_process` runs in another process.
#[tokio::test]
async fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let plane = ControlPlane::start(&["running", "stopped"]).await;
    plane.server("stopped").pause();
    println!("\nvictim-directory {}", plane.directory().display());
    println!("victim-pids {}", plane.pids().iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_test_process() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "support_selftest::watchdog::victim", "--nocapture", "--test-threads=1"])
        .env(VICTIM, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(victim.stdout.take().unwrap());
    let reader = tokio::task::spawn_blocking(move || {
        let mut directory = None;
        for line in output.lines().map_while(Result::ok) {
            if let Some(path) = line.strip_prefix("victim-directory ") {
                directory = Some(PathBuf::from(path));
            } else if let Some(pids) = line.strip_prefix("victim-pids ") {
                return Some((
                    directory?,
                    pids.split(' ').map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>(),
                ));
            }
        }
        None
    });
    let found = reader.await.unwrap();
    let (directory, pids) = found.unwrap_or_else(|| panic!("the victim ended early: {:?}", victim.wait()));
    assert_eq!(pids.len(), 3);
    let states: Vec<_> = pids.iter().map(|pid| process_state(*pid)).collect();
    assert!(pids.iter().all(|pid| is_alive(*pid)) && states.contains(&Some('T')), "{states:?}");

    victim.kill().unwrap();
    victim.wait().unwrap();
    let started = std::time::Instant::now();
    eventually(Duration::from_secs(10), "every server of the killed process is gone", async || {
        let alive: Vec<_> = pids.iter().filter(|pid| is_alive(**pid)).collect();
        if alive.is_empty() { Ok(()) } else { Err(format!("alive: {alive:?}")) }
    })
    .await;
    println!("servers gone {:?} after SIGKILL of the test process", started.elapsed());
    gone(&directory).await;
}

#[tokio::test]
async fn nothing_outlives_a_panic() {
    let (pids, directory) = tokio::spawn(async {
        let plane = ControlPlane::start(&["one"]).await;
        let facts = (plane.pids(), plane.directory().to_path_buf());
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _plane = plane;
            panic!("on purpose");
        }));
        assert!(unwound.is_err());
        facts
    })
    .await
    .unwrap();
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "alive after the panic: {pids:?}");
    gone(&directory).await;
}

async fn gone(directory: &Path) {
    eventually(Duration::from_secs(10), "its files are gone", async || {
        if directory.exists() { Err(format!("{} is there", directory.display())) } else { Ok(()) }
    })
    .await;
}

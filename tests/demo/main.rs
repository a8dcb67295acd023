//! `make demo`: a hub and satellites on real API servers, and the operator as the chart installs it, observed from outside.
//! Every printed line comes from inotify on the volume, from the recording proxies, or from an API server's answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a step reports that it cannot go on"
)]

mod audit;
mod changes;
mod faults;
mod icinga;
mod loaded;
mod order;
mod screen;
mod stage;
#[allow(dead_code, unused_imports, reason = "the suites use the rest; unused there is an error")]
#[path = "../support/mod.rs"]
mod support;

use futures::FutureExt;
use screen::{Outcome, Screen};
use stage::Stage;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let program = program();
    if !program.is_file() {
        eprintln!("demo: {} is missing; run `cargo build` first, or set GROUNDLINK", program.display());
        return ExitCode::FAILURE;
    }
    std::panic::set_hook(Box::new(|panic| {
        let words = panic.payload_as_str().unwrap_or("panic");
        let place = panic.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        let lines: Vec<_> = words.lines().take(25).collect();
        eprintln!("\ndemo: {}{place}", lines.join("\n  "));
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).expect("a signal handler");
        let mut terminate = signal(SignalKind::terminate()).expect("a signal handler");
        let result = OnceLock::new();
        // Whichever ends first, the rest is dropped, which stops every process and removes every file.
        tokio::select! {
            ended = AssertUnwindSafe(run(program, &result)).catch_unwind() => match ended {
                Ok(()) => code(&result),
                Err(_) => {
                    println!("\ndemo: it cannot go on; the reason is above");
                    ExitCode::FAILURE
                }
            },
            _ = interrupt.recv() => code(&result),
            _ = terminate.recv() => code(&result),
        }
    })
}

/// Returns the exit code of the result, if there is one already (`KEEP=1`), or of an interruption.
fn code(result: &OnceLock<bool>) -> ExitCode {
    match result.get() {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            println!("\ndemo: interrupted; everything that was started is being ended and removed");
            ExitCode::from(130)
        }
    }
}

/// `$GROUNDLINK`, or the program that cargo built beside this one.
fn program() -> PathBuf {
    match std::env::var_os("GROUNDLINK").filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => {
            let own = std::env::current_exe().expect("the path of this program");
            own.parent().expect("a directory").join("../groundlink")
        }
    }
}

/// Runs all acts, and stores in `result` whether every claim held.
async fn run(program: PathBuf, result: &OnceLock<bool>) {
    let screen = Screen::new();
    screen.heading("Groundlink");
    screen.say(
        "Icinga 2 objects are declared as Kubernetes resources on a hub. The operator publishes each as a file there, and \
         delivers to satellite clusters only what is durably published and acknowledged.",
    );
    println!();
    screen.say(
        "Here: real kube-apiservers with an etcd on loopback, the chart installed by real helm, and the operator as a process \
         with the token of the chart's ServiceAccount (there is no kubelet to run its Pod). Witnesses outside the operator: \
         inotify on the volume, and a recording proxy in front of each API server. Both number what they see from one counter.",
    );
    println!();
    let mut stage = Stage::set_up(screen, program).await;
    stage.start_operator().await;
    stage.screen.say("The operator is ready.");

    stage
        .act("Declare", "What is declared is published, and delivered to every satellite", changes::publish)
        .await;
    stage
        .act(
            "The order",
            "First the file, then Ready acknowledged, then the satellites, then Synced",
            async |stage| {
                let verdict = order::act(stage).await;
                order::show(stage).await;
                verdict
            },
        )
        .await;
    stage.act("Icinga", "Icinga 2 loads what is published, and what is delivered", icinga::act).await;
    stage.act("A change", "A change is one file and one write for each satellite", changes::change).await;
    stage.act("A mistake", "What cannot load is held back and harms nothing else", changes::refusal).await;
    stage.act("A deletion", "A deletion takes the file and every key with it", changes::deletion).await;
    stage
        .act(
            "A satellite is away",
            "A satellite that was away becomes equal, and no other waits for it",
            faults::outage,
        )
        .await;
    stage
        .act(
            "A satellite joins late",
            "A late satellite costs one write, and no status of an object",
            faults::late,
        )
        .await;
    stage.act("The operator is killed", "A kill in the middle of changes loses nothing", faults::kill).await;
    stage.act("A restart", "A restart with nothing changed writes nothing", faults::restart).await;
    stage
        .act(
            "Monitoring",
            "Satellites' Icingas run what is applied on the hub, and prove it; a refused object is named",
            loaded::act,
        )
        .await;
    stage
        .act("All deliveries", "No delivery ever ran ahead of its file or its acknowledgement", audit::act)
        .await;

    stage.screen.heading("Result");
    stage.screen.claims(&stage.claims);
    let _ = result.set(conclude(&stage));
    if std::env::var_os("KEEP").is_some_and(|value| !value.is_empty() && value != "0") {
        keep(&stage).await;
    }
}

fn conclude(stage: &Stage) -> bool {
    let number = |outcome| stage.claims.iter().filter(|claim| claim.outcome == outcome).count();
    let (held, failed, open) = (number(Outcome::Held), number(Outcome::Failed), number(Outcome::NotChecked));
    let mut text = format!("demo: {held} of {} claims held", stage.claims.len());
    if failed > 0 {
        text.push_str(&format!(", {failed} FAILED"));
    }
    if open > 0 {
        text.push_str(&format!(", {open} not checked"));
    }
    if failed == 0 {
        text.push_str(
            ": satellites got nothing that was not first in place and acknowledged on the hub; an outage, a late join, a \
             kill and a restart lost nothing; and two Icingas proved that they run it.",
        );
    } else {
        text.push('.');
    }
    stage.screen.conclude(failed == 0, &text);
    if failed > 0
        && let Some(operator) = &stage.operator
    {
        stage.screen.label("end of the operator's log");
        let log = operator.log_text();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].iter().for_each(|line| stage.screen.quote(&log_line(line)));
    }
    failed == 0
}

/// A line of the JSON log for a person.
fn log_line(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else { return line.to_owned() };
    let text = |value: &serde_json::Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let fields = entry["fields"].as_object().cloned().unwrap_or_default();
    let rest = fields.iter().filter(|(name, _)| *name != "message");
    let rest: Vec<_> = rest.map(|(name, value)| format!("{name}={}", text(value))).collect();
    format!(
        "{} {}: {} {}",
        text(&entry["timestamp"]),
        text(&entry["level"]),
        text(&entry["fields"]["message"]),
        rest.join(" ")
    )
}

/// Leaves everything running until a signal, and says how to look at it.
async fn keep(stage: &Stage) {
    let plane = &stage.installation.plane;
    stage.screen.heading("Still running (KEEP=1); Ctrl-C ends and removes everything");
    println!("export PATH=\"{}:$PATH\"", support::binary("kubectl").parent().expect("a directory").display());
    println!("export KUBECONFIG={}   # the hub", plane.server("hub").admin_kubeconfig_path().display());
    println!("kubectl get mo -A");
    println!("kubectl get sat -n groundlink");
    for (name, _) in &stage.satellites {
        let path = plane.server(name).admin_kubeconfig_path();
        println!(
            "kubectl --kubeconfig {} get configmap groundlink -n icinga -o yaml   # {name}",
            path.display()
        );
    }
    println!("ls -R {}/objects.d", stage.installation.volume().display());
    println!("tail -f {}", stage.log().display());
    if let Some(operator) = &stage.operator {
        println!("curl {}/metrics", operator.base_url().await);
    }
    std::future::pending::<()>().await;
}

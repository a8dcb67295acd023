use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn logged(text: &str) -> Vec<String> {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt().with_env_filter(filter(text).unwrap()).with_writer(lines.clone());
    tracing::subscriber::with_default(log.finish(), || {
        tracing::error!(target: "kube_client::client::builder", "request");
        tracing::warn!(target: "kube_client::client", "quote");
        tracing::warn!(target: "kube_client::client::tls", "bundle");
        tracing::warn!(target: "groundlink::log", "lost");
        tracing::info!(target: "groundlink::operator", "ours");
        tracing::debug!(target: "groundlink::operator", "detail");
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().filter_map(|line| line.split(' ').next_back().map(str::to_owned)).collect()
}

#[test]
fn what_is_reported_by_groundlink_is_not_logged_by_its_dependencies_too() {
    assert_eq!(logged("info"), ["bundle", "lost", "ours"]);
    assert_eq!(logged("debug"), ["bundle", "lost", "ours", "detail"]);
    assert_eq!(logged("info,kube_client::client::builder=error"), ["request", "bundle", "lost", "ours"]);
    assert_eq!(logged("off,kube_client::client::tls=off"), ["lost"]);
}

#[test]
fn an_answer_that_may_quote_a_token_is_never_logged() {
    for text in ["trace", "kube_client=trace", "kube_client::client=trace"] {
        assert!(!logged(text).contains(&"quote".to_owned()), "{text}");
    }
}

#[test]
fn a_wrong_filter_is_refused() {
    assert!(filter("groundlink=loud").unwrap_err().to_string().contains("--log"));
}

/// Runs in a process of its own, because hook and subscriber are of the whole process.
#[test]
#[ignore = "started by the test below"]
fn panics_while_nobody_reads() {
    let arguments = LogArguments { log_format: Format::Json, log: "off".to_owned() };
    let log = arguments.start(Counter::default()).unwrap();
    let panics = |text: &'static str| std::thread::spawn(move || std::panic::panic_any(text)).join().is_err();
    assert!(panics("a panic that is read"));
    for _ in 0..4 * sink::WAITING / 1024 {
        log.0.push(&[b'\n'; 1024]);
    }
    assert!(panics("a panic that is lost"));
    println!("went on");
    drop(log);
    println!("ended");
}

#[test]
fn a_panic_is_logged_and_does_not_wait_for_a_reader() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cli::log::tests::panics_while_nobody_reads", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut unread = BufReader::with_capacity(1, child.stderr.take().unwrap());
    let mut first = String::new();
    unread.read_line(&mut first).unwrap();
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["level"], &first["target"]), (&"ERROR".into(), &"groundlink::log".into()), "{first}");
    assert!(first["fields"]["message"].as_str().unwrap().contains("a panic that is read"), "{first}");

    let (mut stdout, (sender, whole)) = (child.stdout.take().unwrap(), channel());
    std::thread::spawn(move || sender.send(std::io::read_to_string(&mut stdout).unwrap()));
    let printed = whole.recv_timeout(Duration::from_secs(30));
    child.kill().unwrap();
    child.wait().unwrap();
    let printed = printed.expect("it ends although nobody reads");
    assert!(printed.contains("went on") && printed.contains("ended"), "{printed}");
    drop(unread);
}

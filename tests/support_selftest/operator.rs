use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

use crate::support::{Operator, OperatorBuilder, eventually, is_alive, process_state};

/// Set in the process that plays the operator.
const IMPOSTOR: &str = "GROUNDLINK_SELFTEST_IMPOSTOR";

/// Not a test of its own: it logs and answers as the operator does.
#[tokio::test]
async fn impostor() {
    if std::env::var_os(IMPOSTOR).is_none() {
        return;
    }
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kubeconfig = std::env::var("KUBECONFIG").unwrap_or_default();
    println!(
        "\n{{\"level\":\"INFO\",\"fields\":{{\"message\":\"starting\",\"kubeconfig\":\"{kubeconfig}\"}}}}"
    );
    let address = listener.local_addr().unwrap();
    println!("{{\"level\":\"INFO\",\"fields\":{{\"message\":\"listening\",\"address\":\"{address}\"}}}}");
    loop {
        tokio::select! {
            _ = terminated.recv() => std::process::exit(7),
            Ok((mut stream, _)) = listener.accept() => {
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                let ready = request[..length].starts_with(b"GET /readyz ");
                let status = if ready { "503 Service Unavailable" } else { "200 OK" };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
                stream.write_all(format!("{head}body").as_bytes()).await.unwrap();
            }
        }
    }
}

fn start() -> Operator {
    builder().spawn()
}

fn builder() -> OperatorBuilder {
    Operator::builder(std::env::current_exe().unwrap())
        .args(["--exact", "support_selftest::operator::impostor", "--nocapture"])
        .arg("--test-threads=1")
        .env(IMPOSTOR, "1")
        .kubeconfig("/the/kubeconfig".as_ref())
}

#[tokio::test]
async fn it_is_started_asked_and_terminated() {
    let operator = start();
    let line = operator.wait_for_log("starting", Duration::from_secs(10)).await;
    assert!(line.contains("/the/kubeconfig"), "{line}");
    assert_eq!(operator.get("/readyz").await, (503, "body".to_owned()));
    assert_eq!(operator.metrics().await, "body");
    assert_eq!(operator.exit_status(), None);
    assert_eq!(operator.terminate(Duration::from_secs(10)).await.code(), Some(7));
}

#[tokio::test]
async fn a_named_log_is_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("operator.log");
    std::fs::write(&log, "earlier\n").unwrap();
    let operator = builder().log_to(&log).spawn();
    operator.base_url().await;
    assert!(!operator.log_text().contains("earlier"));
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("earlier\n") && text.contains("listening"), "{text}");
}

#[tokio::test]
async fn signals_reach_the_operator_itself() {
    let operator = start();
    operator.base_url().await;
    let command = std::fs::read(format!("/proc/{}/cmdline", operator.pid())).unwrap();
    assert!(command.starts_with(std::env::current_exe().unwrap().as_os_str().as_encoded_bytes()));
    operator.pause();
    assert_eq!(process_state(operator.pid()), Some('T'));
    operator.resume();
    assert_eq!(operator.get("/livez").await.0, 200);
    assert_eq!(operator.kill().signal(), Some(9));
    assert!(!is_alive(operator.pid()));
}

#[tokio::test]
async fn it_dies_when_dropped_even_if_stopped() {
    let operator = start();
    let pid = operator.pid();
    operator.base_url().await;
    operator.pause();
    drop(operator);
    assert!(!is_alive(pid));
}

#[tokio::test]
#[should_panic(expected = "the operator ended")]
async fn waiting_for_a_log_line_ends_with_the_operator() {
    let operator = Operator::builder("/bin/false").spawn();
    operator.wait_for_log("never", Duration::from_secs(600)).await;
}

#[tokio::test]
#[should_panic(expected = "not within 50ms: the moon; last: not yet")]
async fn eventually_names_what_and_why() {
    eventually::<(), _>(Duration::from_millis(50), "the moon", async || Err("not yet".into())).await;
}

#[tokio::test]
#[should_panic(expected = "a probe hangs")]
async fn eventually_gives_up_on_a_probe_that_hangs() {
    eventually::<(), _>(Duration::from_millis(50), "the moon", async || std::future::pending().await).await;
}

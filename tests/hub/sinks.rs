//! Those who should read what the operator writes, and do not: the log, and clients of its HTTP
//! server.

use crate::GROUNDLINK;
use crate::support::{
    Action, Fault, GENEROUS, Installation, OPERATOR, Operator, Port, eventually, eventually_every, host,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long `/livez` may take. The chart's probe waits as long.
const PROBE: Duration = Duration::from_secs(5);

/// An operator whose standard error is a pipe that is open and not read.
struct Mute {
    operator: Operator,
    pipe: PathBuf,
    keeper: Option<File>,
    address: SocketAddr,
    _port: Port,
}

impl Mute {
    async fn start(installation: &Installation, filter: &str) -> Self {
        let pipe = installation.scratch().join(format!("log-{filter}"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let keeper = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let program = installation.scratch().join(format!("mute-{filter}"));
        std::fs::write(&program, format!("#!/bin/sh\nexec {GROUNDLINK} \"$@\" 2>{}\n", pipe.display()))
            .unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let port = Port::reserve();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        // Writes the kubeconfig.
        drop(installation.operator_builder(GROUNDLINK).await);
        let operator = Operator::builder(&program)
            .arg("run")
            .args(["--volume", installation.volume().to_str().unwrap()])
            .args(["--namespace", OPERATOR, "--listen", &address.to_string(), "--allow-loopback-satellites"])
            .args(["--log-format", "json", "--log", filter])
            .kubeconfig(&installation.scratch().join("operator.kubeconfig"))
            .spawn();
        Self { operator, pipe, keeper: Some(keeper), address, _port: port }
    }

    /// How many bytes nobody has read.
    fn unread(&self) -> u64 {
        rustix::io::ioctl_fionread(self.keeper.as_ref().unwrap()).unwrap()
    }

    /// Whether the next line would wait for a reader. A full pipe may have fewer bytes than it has
    /// room for: a line that does not fit into a page begins the next one.
    fn is_full(&self) -> bool {
        let mut pipe = [PollFd::new(self.keeper.as_ref().unwrap(), PollFlags::OUT)];
        poll(&mut pipe, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 0
    }

    /// Reads from now on; the text grows until the operator ends.
    fn read(&mut self) -> Arc<Mutex<Vec<u8>>> {
        let text = Arc::new(Mutex::new(Vec::new()));
        let mut reader = File::open(&self.pipe).unwrap();
        drop(self.keeper.take());
        let written = text.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 65_536];
            while let Ok(read @ 1..) = reader.read(&mut chunk) {
                written.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        text
    }
}

/// A GET on a connection of its own: status and body. Fails after `limit`.
pub(super) async fn get(address: SocketAddr, path: &str, limit: Duration) -> Result<(u16, String), String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
    let ask = move || {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::task::spawn_blocking(ask).await.unwrap().map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("no status")?;
    Ok((status, body.to_owned()))
}

async fn lost_lines(address: SocketAddr) -> Result<u64, String> {
    let (_, metrics) = get(address, "/metrics", PROBE).await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix("groundlink_log_lines_lost_total "));
    line.ok_or("no such metric")?.parse().map_err(|error| format!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_nothing() {
    let installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    let mute = Mute::start(&installation, "info").await;
    installation.put("team-a", "first", host("one")).await;
    installation.published("team-a", "first").await;

    // A warning for each of many objects, as a sick API server brings them.
    let bad = Fault::on(Action::refuse(500, "InternalError"), |head, _| head.uri.path().ends_with("/status"));
    installation.hub_proxy.set_fault(Some(bad));
    for number in 0..300 {
        installation.put("team-a", &format!("w{number}"), host("one")).await;
    }
    eventually(GENEROUS, "the pipe of the log is full", async || match mute.is_full() {
        true => Ok(()),
        false => Err(format!("{} bytes", mute.unread())),
    })
    .await;
    installation.hub_proxy.set_fault(None);
    installation.put("team-a", "last", host("one")).await;
    installation.published("team-a", "last").await;
    assert_eq!(get(mute.address, "/livez", PROBE).await, Ok((200, "ok\n".to_owned())));
    assert!(mute.is_full(), "nobody read it meanwhile");
    let asked = Instant::now();
    assert!(mute.operator.terminate(Duration::from_secs(10)).await.success());
    println!("ended {:?} after SIGTERM, with a log that nobody reads", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_the_log_lost_are_counted_and_reported_once() {
    let installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    let mut mute = Mute::start(&installation, "trace").await;
    let mut number = 0;
    eventually(GENEROUS * 2, "lines are lost", async || {
        number += 1;
        installation.put("team-a", &format!("w{number}"), host("one")).await;
        let lost = lost_lines(mute.address).await?;
        if lost > 0 { Ok(()) } else { Err(format!("none of {number} objects")) }
    })
    .await;
    println!("lines are lost after {number} objects");
    installation.put("team-a", "web", host("one")).await;
    installation.published("team-a", "web").await;
    assert_eq!(get(mute.address, "/livez", PROBE).await, Ok((200, "ok\n".to_owned())));

    let text = mute.read();
    let said = || -> Vec<u64> {
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains("lines of the log were lost"));
        lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"]["lines"].as_u64().unwrap())
            .collect()
    };
    eventually(GENEROUS, "the log says that lines are missing", async || match said().len() {
        0 => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    let lost = lost_lines(mute.address).await.unwrap();
    installation.put("team-a", "web", host("two")).await;
    installation.published("team-a", "web").await;
    assert_eq!(said(), [lost], "once, and as many as the metric counts");

    // The last lines reach a reader.
    assert!(mute.operator.terminate(Duration::from_secs(10)).await.success());
    eventually(GENEROUS, "the last lines are there", async || {
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        if text.contains("\"message\":\"stopping\"") { Ok(()) } else { Err(format!("{} bytes", text.len())) }
    })
    .await;
}

fn descriptors(operator: &Operator) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", operator.pid())).unwrap().count()
}

/// 200 clients that say nothing and 50 that ask for the metrics and do not read them. The server
/// ends their connections, not they.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_or_do_not_read_cost_nothing() {
    let installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    let address: SocketAddr = operator.base_url().await.strip_prefix("http://").unwrap().parse().unwrap();
    let before = descriptors(&operator);
    let mut clients: Vec<TcpStream> = (0..250).map(|_| TcpStream::connect(address).unwrap()).collect();
    for client in &mut clients[200..] {
        // Some of them more often than once on the same connection. A connection that ended
        // already may refuse it.
        let _ = client.write_all("GET /metrics HTTP/1.1\r\nHost: operator\r\n\r\n".repeat(50).as_bytes());
    }
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(get(address, "/livez", PROBE).await, Ok((200, "ok\n".to_owned())));
        assert!(asked.elapsed() < Duration::from_secs(3), "a probe took {:?}", asked.elapsed());
        let open = descriptors(&operator) - before;
        assert!(open <= 80, "{open} more descriptors than before");
    }
    installation.put("team-a", "web", host("one")).await;
    installation.published("team-a", "web").await;
    eventually_every(Duration::from_millis(500), GENEROUS, "their descriptors are closed", async || {
        let now = descriptors(&operator);
        if now <= before + 4 { Ok(()) } else { Err(format!("{before} before, {now} now")) }
    })
    .await;
    drop(clients);
}

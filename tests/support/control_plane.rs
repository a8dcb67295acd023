//! Real control planes: one etcd, and one kube-apiserver per cluster.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tempfile::TempDir;

use super::api_server::ApiServer;
use super::binaries::binary;
use super::ports::Port;
use super::supervised::{Launch, Supervised};

/// Longest wait for etcd to open its port, which takes well under a second.
const ETCD_DEADLINE: Duration = Duration::from_secs(30);

/// One etcd and its API servers, each a separate cluster (by `--etcd-prefix`). Dropping it ends
/// them all, and so does any end of the test process.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: API servers, etcd, files.
    servers: Mutex<BTreeMap<String, Arc<ApiServer>>>,
    etcd: Supervised,
    etcd_url: String,
    root: TempDir,
    _ports: [Port; 2],
}

impl ControlPlane {
    /// Starts etcd and one API server per name, concurrently. Returns when each answers `/readyz`
    /// with 200.
    ///
    /// # Panics
    /// If one is not ready within 120 s, with the tail of its log.
    pub async fn start(names: &[&str]) -> Self {
        let root = scratch_directory();
        let (etcd, ports) = start_etcd(root.path()).await;
        let plane = Self {
            servers: Mutex::default(),
            etcd,
            etcd_url: format!("http://127.0.0.1:{}", ports[0].number()),
            root,
            _ports: ports,
        };
        join_all(names.iter().map(|name| plane.add(name))).await;
        plane
    }

    /// Starts one more API server on the same etcd.
    pub async fn add(&self, name: &str) -> Arc<ApiServer> {
        self.add_with(name, &[]).await
    }

    /// [`Self::add`] with further kube-apiserver flags.
    pub async fn add_with(&self, name: &str, flags: &[&str]) -> Arc<ApiServer> {
        let directory = self.root.path().join(name);
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let server = Arc::new(ApiServer::start(name, &directory, &self.etcd_url, flags).await);
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(servers.insert(name.to_owned(), server.clone()).is_none(), "two API servers named {name}");
        server
    }

    /// True if there is an API server with this name.
    pub fn has(&self, name: &str) -> bool {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    /// Returns the API server with this name.
    pub fn server(&self, name: &str) -> Arc<ApiServer> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.get(name).unwrap_or_else(|| panic!("no API server named {name}")).clone()
    }

    /// Returns the directory of this control plane, which is removed with it.
    pub fn directory(&self) -> &Path {
        self.root.path()
    }

    /// Returns etcd, which all API servers share.
    pub fn etcd(&self) -> &Supervised {
        &self.etcd
    }

    /// Returns the pid of etcd, then those of the API servers.
    pub fn pids(&self) -> Vec<u32> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(self.etcd.pid()).chain(servers.values().map(|server| server.pid())).collect()
    }
}

/// Creates the directory, in memory if possible: etcd without fsync needs no disk.
/// `GROUNDLINK_TEST_KEEP=1` keeps it (logs, certificates, kubeconfigs) unless the test process is
/// killed.
fn scratch_directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("groundlink-test-").disable_cleanup(std::env::var_os("GROUNDLINK_TEST_KEEP").is_some());
    builder.tempdir_in(memory).or_else(|_| builder.tempdir()).expect("create a scratch directory")
}

async fn start_etcd(root: &Path) -> (Supervised, [Port; 2]) {
    for attempt in 1.. {
        let ports = [Port::reserve(), Port::reserve()];
        let [client, peer] = ports.each_ref().map(|port| format!("http://127.0.0.1:{}", port.number()));
        let args = [
            format!("--data-dir={}", root.join(format!("etcd-{attempt}")).display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--unsafe-no-fsync=true".into(),
            "--log-level=warn".into(),
            // A benchmark creates 100,000 objects, each with some revisions.
            "--quota-backend-bytes=8000000000".into(),
        ];
        let etcd = Supervised::spawn(&Launch {
            program: &binary("etcd"),
            args: &args,
            env: &[],
            log: &root.join("etcd.log"),
            scratch: Some(root).filter(|_| std::env::var_os("GROUNDLINK_TEST_KEEP").is_none()),
        });
        let deadline = Instant::now() + ETCD_DEADLINE;
        while tokio::net::TcpStream::connect(("127.0.0.1", ports[0].number())).await.is_err() {
            if etcd.exit_status().is_some() {
                break;
            }
            assert!(Instant::now() < deadline, "etcd does not listen; its log:\n{}", etcd.log_tail());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if etcd.exit_status().is_none() {
            return (etcd, ports);
        }
        let lost_port = etcd.log_text().contains("address already in use");
        assert!(lost_port && attempt < 5, "etcd ended; its log:\n{}", etcd.log_tail());
    }
    unreachable!("the loop ends by return or panic")
}

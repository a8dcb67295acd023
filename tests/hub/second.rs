//! A second release of the chart in the cluster: another namespace, another volume.

use crate::GROUNDLINK;
use crate::support::{Exchange, Installation, Operator, Proxy, Recorder, succeeded};
use http::Method;
use std::path::PathBuf;

pub struct SecondRelease {
    pub volume: PathBuf,
    kubeconfig: PathBuf,
    recorder: Recorder,
    _proxy: Proxy,
}

impl SecondRelease {
    /// Installs the chart with these values, or upgrades it to them.
    pub async fn install(installation: &Installation, values: &[&str]) -> Self {
        let hub = installation.plane.server("hub");
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/groundlink");
        let install =
            ["upgrade", "--install", "second", chart, "-n", "second", "--create-namespace", "--wait=false"];
        succeeded("helm install", &hub.helm(&[&install[..], values].concat()).await);
        let recorder = Recorder::default();
        let proxy = Proxy::start(&hub, &recorder);
        let token = hub.service_account_token("second", "second-groundlink").await;
        let volume = installation.scratch().join("second");
        let kubeconfig = installation.scratch().join("second.kubeconfig");
        std::fs::create_dir_all(&volume).unwrap();
        std::fs::write(&kubeconfig, hub.kubeconfig_for(&proxy.url(), &token)).unwrap();
        Self { volume, kubeconfig, recorder, _proxy: proxy }
    }

    pub fn start(&self, arguments: &[&str]) -> Operator {
        Operator::builder(GROUNDLINK)
            .args(["run", "--namespace", "second", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--volume", self.volume.to_str().unwrap()])
            .args(arguments.iter().copied())
            .kubeconfig(&self.kubeconfig)
            .spawn()
    }

    /// Returns what it has sent that changes something, beside its own Lease and events.
    pub fn writes(&self) -> Vec<String> {
        let is_write = |e: &Exchange| {
            e.method != Method::GET && !e.path.contains("/leases") && !e.path.contains("/events")
        };
        let writes = self.recorder.matching(is_write);
        writes.iter().map(|e| format!("{} {}", e.method, e.path)).collect()
    }
}

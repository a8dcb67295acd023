//! What a soak runs on: hub, satellites, operator, volume, the witnesses, and samples of the process.

use super::faults::Rules;
use crate::GROUNDLINK;
use crate::support::{FileEvent, Installation, OPERATOR, Operator, Place, VolumeWatch};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The API servers of the satellites.
const SERVERS: [&str; 2] = ["east", "west"];

/// The process at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Instant,
    pub rss_mib: f64,
    pub descriptors: usize,
    pub threads: usize,
}

impl Sample {
    fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            at: Instant::now(),
            rss_mib: field("VmRSS:")? / 1024.0,
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
            threads: field("Threads:")? as usize,
        })
    }
}

/// The stage. Fields are dropped in their order.
pub struct Stage {
    pub operator: tokio::sync::Mutex<Option<Operator>>,
    pub installation: Installation,
    pub places: Vec<Place>,
    /// By server, with the hub.
    pub rules: BTreeMap<String, Rules>,
    /// The directory of logs and report.
    pub out: PathBuf,
    /// True if the volume is a file system of its own, which can be filled.
    pub can_be_full: bool,
    /// Tokens, which no output may show.
    secrets: Mutex<Vec<String>>,
    pid: Arc<AtomicU32>,
    samples: Arc<Mutex<Vec<Sample>>>,
    sampler: JoinHandle<()>,
    watch: Arc<Mutex<VolumeWatch>>,
    /// The log of each process.
    logs: Mutex<Vec<PathBuf>>,
}

impl Stage {
    /// Starts everything but the operator.
    pub async fn start(satellites: usize, objects: usize, out: PathBuf) -> Self {
        std::fs::create_dir_all(&out).expect("the directory of the report");
        let mut installation = Installation::start(&[]).await;
        let each = satellites.div_ceil(SERVERS.len());
        let mut places = installation.join_fleet(&SERVERS[..satellites.min(2)], each, json!({})).await;
        for place in places.split_off(satellites) {
            installation.kubectl(&["delete", "sat", &place.satellite, "-n", OPERATOR]).await;
        }
        let mount = format!("size={}k,mode=0777", objects * 10 + 32 * 1024);
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &mount, "tmpfs"])
            .arg(installation.volume())
            .status()
            .is_ok_and(|status| status.success());
        let sequence = installation.recorder.sequence().clone();
        let watch = Arc::new(Mutex::new(VolumeWatch::start(installation.volume(), &sequence)));
        let current = watch.clone();
        installation.recorder.before_each_request(move || current.lock().unwrap().flush());
        let mut rules = BTreeMap::from([("hub".to_owned(), Rules::attach(&installation.hub_proxy))]);
        rules.extend(installation.proxies.iter().map(|(name, proxy)| (name.clone(), Rules::attach(proxy))));
        let mut secrets = Vec::new();
        for place in &places {
            secrets.extend(token_of(&installation.secret(&place.satellite).await));
        }
        let (pid, samples) = (Arc::new(AtomicU32::new(0)), Arc::<Mutex<Vec<Sample>>>::default());
        let (of, into) = (pid.clone(), samples.clone());
        let sampler = tokio::spawn(async move {
            loop {
                into.lock().unwrap().extend(Sample::of(of.load(Ordering::SeqCst)));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let operator = tokio::sync::Mutex::default();
        let can_be_full = mounted;
        Self {
            operator,
            installation,
            places,
            rules,
            out,
            can_be_full,
            secrets: Mutex::new(secrets),
            pid,
            samples,
            sampler,
            watch,
            logs: Mutex::default(),
        }
    }

    /// Starts an operator. The one before it has ended.
    pub async fn begin(&self) {
        let mut operator = self.operator.lock().await;
        // The hub may be away: the token of the first start serves all.
        let builder = match self.logs.lock().unwrap().is_empty() {
            true => None,
            false => Some(self.installation.operator_builder_again(GROUNDLINK)),
        };
        let builder = match builder {
            Some(builder) => builder,
            None => {
                let builder = self.installation.operator_builder(GROUNDLINK).await;
                let kubeconfig = self.installation.scratch().join("operator.kubeconfig");
                let token = token_of(&std::fs::read_to_string(kubeconfig).expect("the kubeconfig"));
                self.secrets.lock().unwrap().extend(token);
                builder
            }
        };
        let log = {
            let mut logs = self.logs.lock().unwrap();
            let log = self.out.join(format!("operator-{:04}.log", logs.len() + 1));
            logs.push(log.clone());
            log
        };
        let _ = std::fs::remove_file(&log);
        let started = builder.log_to(&log).spawn();
        self.pid.store(started.pid(), Ordering::SeqCst);
        *operator = Some(started);
    }

    /// Waits until the operator is ready.
    ///
    /// # Panics
    /// If it ended.
    pub async fn ready(&self) {
        let operator = self.operator.lock().await;
        let operator = operator.as_ref().expect("an operator");
        self.installation.ready(operator).await;
    }

    /// Returns the end of the log.
    pub fn log_tail(&self) -> String {
        let last = self.logs.lock().unwrap().last().cloned().unwrap_or_default();
        let log = std::fs::read_to_string(&last).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        format!("{}:\n{}", last.display(), lines[lines.len().saturating_sub(30)..].join("\n"))
    }

    /// Returns the log of all processes from a place on, and the place of its end.
    pub fn log_from(&self, (first, start): (usize, usize)) -> (String, (usize, usize)) {
        let logs = self.logs.lock().unwrap();
        let (mut text, mut end) = (String::new(), (first, start));
        for (at, log) in logs.iter().enumerate().skip(first) {
            let bytes = std::fs::read(log).unwrap_or_default();
            let skipped = if at == first { start } else { 0 };
            text.push_str(&String::from_utf8_lossy(bytes.get(skipped..).unwrap_or_default()));
            end = (at, bytes.len());
        }
        (text, end)
    }

    /// # Panics
    /// If the operator has ended by itself.
    pub async fn assert_alive(&self) {
        let operator = self.operator.lock().await;
        let status = operator.as_ref().expect("an operator").exit_status();
        assert!(status.is_none(), "the operator ended by itself with {status:?}; {}", self.log_tail());
    }

    /// True if a text shows a secret.
    pub fn is_leak(&self, text: &str) -> bool {
        let secrets = self.secrets.lock().unwrap();
        assert!(secrets.len() > self.places.len(), "the tokens are not known");
        secrets.iter().any(|secret| text.contains(secret))
    }

    /// Takes the samples of the process until now.
    pub fn take_samples(&self) -> Vec<Sample> {
        std::mem::take(&mut *self.samples.lock().unwrap())
    }

    /// Begins a new history of the volume, and returns the events of the one before it.
    pub fn turn(&self) -> Vec<FileEvent> {
        let next = VolumeWatch::start(self.installation.volume(), self.installation.recorder.sequence());
        std::mem::replace(&mut *self.watch.lock().unwrap(), next).history()
    }

    /// Returns the number of events of the volume so far.
    pub fn file_events(&self) -> usize {
        self.watch.lock().unwrap().history().len()
    }

    /// Returns the directory of the volume.
    pub fn volume(&self) -> &Path {
        self.installation.volume()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.sampler.abort();
        if self.can_be_full {
            let _ = Command::new("umount").arg("-l").arg(self.installation.volume()).status();
        }
    }
}

/// Returns the token in a kubeconfig.
fn token_of(kubeconfig: &str) -> Option<String> {
    let line = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("token: "))?;
    Some(line.to_owned())
}

//! Wiring of `groundlink agent`: settings, clients, tasks. No decisions.

use super::core::facts::Tree;
use super::core::{Agent, Settings};
use super::driver::{Driver, Parts, Reload};
use super::icinga::api::Password;
use super::icinga::validator::Validator;
use super::metrics::AgentMetrics;
use super::reporter::Reporter;
use super::shared;
use super::source::Source;
use super::source::pointer::Pointer;
use super::source::volume::{CONFIRMED, Volume};
use super::trees::Trees;
use crate::api::marks::SHRINK_CONFIRMED;
use crate::http::{serve, serve_probes};
use crate::identity::Revision;
use crate::readiness::Readiness;
use crate::request::configured_client;
use anyhow::{Context as _, bail};
use kube::Api;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Longest wait for the last write of the Lease when the process ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// The settings of `groundlink agent`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the trees. It must exist, and keep its content over a restart.
    pub directory: PathBuf,
    /// The hub's volume. None for an agent of a satellite, which follows a pointer.
    pub volume: Option<PathBuf>,
    /// Namespace of the pointer and of the Lease.
    pub namespace: String,
    /// Name of the pointer ConfigMap.
    pub pointer: String,
    /// Name of the agent's Lease. None if the agent reports to nobody.
    pub lease: Option<String>,
    /// Directory into which the agent of a hub writes its report for the operator.
    pub report_dir: Option<PathBuf>,
    /// Names this process as the holder of the Lease.
    pub holder: String,
    /// How long the set stays after its pointer is gone.
    pub keep_after_deletion: Duration,
    /// The command that starts Icinga, to which `-C` is added.
    pub command: Vec<String>,
    /// Address of Icinga's REST API.
    pub icinga: SocketAddr,
    /// How the agent reloads Icinga.
    pub reload: Reload,
    /// The file by which Icinga includes the set. None if a person wrote the lines elsewhere.
    pub hook: Option<PathBuf>,
    /// Where to serve health with its details, and metrics; port 0 chooses one.
    pub listen: SocketAddr,
    /// Where to serve health without a detail, too.
    pub probes: Option<SocketAddr>,
}

/// Runs the agent until `stop`.
///
/// # Errors
/// If the directory cannot be used, no API server is configured, an address is taken, or a task
/// panics.
pub async fn run(
    options: Options,
    metrics: Arc<AgentMetrics>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let trees = Trees::open(&options.directory).context("--directory")?;
    let password = Password::new(trees.password()?);
    // An agent of the hub that reports to nobody needs no API server.
    let cluster = match (&options.volume, &options.lease) {
        (Some(_), None) => None,
        _ => {
            let (client, _, server) =
                configured_client(if options.volume.is_some() { "hub" } else { "satellite" }).await?;
            Some((client, server))
        }
    };
    let readiness = Readiness::waiting_for(&[("tree", "no set is in place yet")]);

    let listener = listen("--listen", options.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let exposed = metrics.clone();
    let health = serve(listener, readiness.clone(), Arc::new(move || exposed.encode()));
    let probes = match options.probes {
        Some(address) => Some(listen("--probes", address).await?),
        None => None,
    };
    let probes = {
        let readiness = readiness.clone();
        async move {
            match probes {
                Some(probes) => serve_probes(probes, readiness).await,
                None => std::future::pending().await,
            }
        }
    };

    let (source, described, confirm) = match (&options.volume, &cluster) {
        (Some(volume), _) => {
            let found = trees.find()?;
            let revision = |tree: Tree| tree.set.revision.parse::<Revision>().ok();
            let after = found.active.and_then(revision).max(found.good.and_then(revision));
            let after = after.unwrap_or_default();
            let source = Source::Volume(Volume::follow(volume, trees.directory(), after));
            let confirm = format!("write this into {}:", trees.directory().join(CONFIRMED).display());
            (source, format!("the volume {}", volume.display()), confirm)
        }
        (None, Some((client, server))) => {
            let configmaps = Api::namespaced(client.clone(), &options.namespace);
            let source =
                Source::Pointer(Box::new(Pointer::follow(configmaps, server.clone(), &options.pointer)));
            let confirm =
                format!("set spec.target.annotations[\"{SHRINK_CONFIRMED}\"] of the SatelliteCluster to");
            (source, format!("ConfigMap {}/{}", options.namespace, options.pointer), confirm)
        }
        (None, None) => bail!("no API server is configured, and no --volume is given"),
    };
    let scratch = trees.directory().join("validate");
    let root = trees.directory().join("trees");
    let (reports, reported) = watch::channel(None);
    let parts = Parts {
        trees: Arc::new(trees),
        password,
        source,
        validator: Validator::new(options.command, scratch, root),
        reload: options.reload,
        icinga: options.icinga,
        hook: options.hook,
        metrics,
        readiness,
        reports,
    };
    let settings = Settings {
        pointer: options.pointer,
        source: described,
        confirm,
        keep_after_deletion: options.keep_after_deletion,
        boot: format!("{:08x}", rand::random::<u32>()),
    };
    let driver = Driver::new(Agent::new(settings), parts);
    // In its own task, so that a load does not delay the heartbeat.
    let mut reporter = tokio::spawn({
        let reporter = options.lease.zip(cluster).map(|(lease, (client, server))| {
            let api = Api::namespaced(client, &options.namespace);
            Reporter::new(api, server, &lease, &options.holder)
        });
        let (stop, for_operator) = (stop.clone(), reported.clone());
        let shared = options.report_dir.map(|directory| shared::run(directory, for_operator, stop.clone()));
        async move {
            let lease = async {
                match reporter {
                    Some(reporter) => reporter.run(reported, stop.clone()).await,
                    None => stop.cancelled().await,
                }
            };
            let shared = async {
                match shared {
                    Some(shared) => shared.await,
                    None => stop.cancelled().await,
                }
            };
            tokio::join!(lease, shared);
        }
    });
    let ended = tokio::select! {
        _ = &mut reporter => Some("the task that reports"),
        () = driver.run() => Some("the task that follows the set"),
        () = health => Some("the server of --listen"),
        () = probes => Some("the server of --probes"),
        () = stop.cancelled() => None,
    };
    // A stop that the reporter saw first is no failure.
    let ended = ended.filter(|_| !stop.is_cancelled());
    stop.cancel();
    if !reporter.is_finished() {
        // The hub notices anyway, a little later.
        let _ = tokio::time::timeout(FAREWELL, reporter).await;
    }
    match ended {
        Some(part) => bail!("{part} has ended, which it never does by itself; the log says why"),
        None => Ok(()),
    }
}

async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{flag} {address}: cannot listen there"))
}

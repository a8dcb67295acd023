//! Wiring of `groundlink run`: clients, tasks, shutdown. No decisions.

use crate::api::IcingaVersion;
use crate::http::serve;
use crate::hub;
use crate::lease::{Claim, Elector};
use crate::metrics::Metrics;
use crate::publish::Volume;
use crate::readiness::Readiness;
use crate::references::{Index, itl};
use crate::satellite::credential::ServerPolicy;
use crate::satellite::{self, Fleet, HTTPS, HostPolicy};
use crate::status::Writer;
use crate::validate::Settings;
use crate::watch;
use anyhow::Context as _;
use kube::api::Api;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;
use tower::timeout::TimeoutLayer;

/// What `groundlink run` was told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the volume.
    pub volume: PathBuf,
    /// Refuse a volume that is not a mount point.
    pub require_mount: bool,
    /// The operator's namespace.
    pub namespace: String,
    /// Where to serve health and metrics; port 0 chooses one.
    pub listen: SocketAddr,
    /// Accept satellites on loopback and link-local addresses.
    pub allow_loopback_satellites: bool,
    /// Namespaces that may declare commands; empty for the operator's own.
    pub privileged_namespaces: Vec<String>,
    /// Objects that Icinga has from elsewhere.
    pub external_objects: Vec<String>,
    /// Version of the Icinga 2 that loads the volume.
    pub icinga_version: IcingaVersion,
    /// Name of the Lease.
    pub lease_name: String,
    /// Name of this process among the holders of the Lease.
    pub identity: String,
}

/// Longest wait for the start of an answer of the hub's API server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often something that is missing at the start is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Longest time for everything to end after SIGTERM.
const SHUTDOWN: Duration = Duration::from_secs(8);

/// Runs the operator until `stop`. What is missing (volume, CRD, permission) is waited for and named by `/readyz`; nothing of
/// that kind ends the process.
///
/// # Errors
/// Wrong settings, no kubeconfig, or a listener that cannot be bound.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let privileged = match options.privileged_namespaces.iter().any(|name| !name.is_empty()) {
        true => options.privileged_namespaces.clone(),
        false => vec![options.namespace.clone()],
    };
    let settings = Settings::new(&privileged, &options.external_objects, options.icinga_version)
        .map_err(anyhow::Error::msg)?;
    let reserved =
        itl(options.icinga_version).into_iter().chain(settings.external_objects.iter().cloned()).collect();
    let (client, hub_url) = hub_client().await?;

    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::waiting_for(&[
        ("volume", "not opened yet"),
        ("lease", "not acquired yet"),
        ("monitoringobjects", "not listed yet"),
        ("recovery", "not begun yet"),
    ]);
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let mut tasks = tokio::task::JoinSet::new();
    // Health is served until everything else has ended.
    let serving = CancellationToken::new();
    tasks.spawn({
        let (readiness, metrics, serving) = (readiness.clone(), metrics.clone(), serving.clone());
        async move { serve(listener, readiness, metrics, serving).await.context("the health server failed") }
    });

    let Some(volume) = open_volume(&options, &readiness, &stop).await else {
        serving.cancel();
        return Ok(());
    };
    let volume = Arc::new(volume);
    // The volume's lock first, then the lease: whoever has the lock knows that every earlier holder of this volume is dead.
    let claim = Claim::default();
    let leases = Api::namespaced(client.clone(), &options.namespace);
    let elector = Elector::new(leases, &options.lease_name, &options.identity, volume.id(), claim.clone());
    let leading = CancellationToken::new();
    let mut lease_task = tokio::spawn({
        let readiness = readiness.clone();
        elector.run(leading.clone(), move |why| readiness.set("lease", why))
    });

    let (events, received) = mpsc::channel(watch::CAPACITY);
    let (snapshots, latest) = channel::channel(None);
    let (fleet, fleet_seen) = channel::channel(Fleet::default());
    tasks.spawn({
        let client = client.clone();
        async move {
            watch::run(client, events).await;
            Ok(())
        }
    });
    let hub = hub_url.host().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let hub = hub.map(|address| SocketAddr::new(address.to_canonical(), hub_url.port_u16().unwrap_or(HTTPS)));
    let policy = HostPolicy { allow_loopback: options.allow_loopback_satellites, hub };
    let context = satellite::Context {
        hub: client.clone(),
        namespace: options.namespace.clone(),
        policy,
        claim: claim.clone(),
        external_objects: Arc::new(settings.external_objects.clone()),
        servers: ServerPolicy::from(policy).without_hub(&hub_url),
        hub_id: "".into(),
        views: Arc::default(),
        events: satellite::Events::new(client.clone()),
        snapshots: latest,
        fleet: Arc::new(fleet),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
    };
    let satellites = tokio::spawn(satellite::run(context, stop.clone()));
    let parts = hub::Parts {
        settings,
        index: Index::new(reserved),
        volume,
        writer: Writer::new(client.clone()),
        client,
        claim,
        events: received,
        snapshots,
        fleet: fleet_seen,
        metrics,
        readiness,
    };
    let hub = tokio::spawn(hub::run(parts, stop.clone()));

    // Any task that ends before it was told to is a fault: the process ends, and is started again.
    let outcome = tokio::select! {
        result = hub => result.context("the hub loop panicked")?.context("the hub loop failed"),
        result = &mut lease_task => result.context("the lease's task panicked")?.map_err(anyhow::Error::from),
        Some(result) = tasks.join_next() => match result.context("a task panicked")? {
            Ok(()) if stop.is_cancelled() => Ok(()),
            Ok(()) => Err(anyhow::anyhow!("a task ended by itself")),
            Err(error) => Err(error),
        },
    };
    let early = !stop.is_cancelled();
    stop.cancel();
    let ended = tokio::time::timeout(SHUTDOWN, async {
        let _ = satellites.await;
        leading.cancel();
        if !lease_task.is_finished() {
            let _ = lease_task.await;
        }
    });
    if ended.await.is_err() {
        tracing::warn!("satellites or the lease did not end in time");
    }
    serving.cancel();
    match outcome {
        Ok(()) if early => Err(anyhow::anyhow!("the hub loop ended by itself")),
        other => other,
    }
}

/// A client of the hub, and where that is: it does not retry by itself, and gives up an answer that does not begin.
async fn hub_client() -> anyhow::Result<(Client, http::Uri)> {
    let mut config = Config::infer().await.context("no kubeconfig was found, and this is not a Pod")?;
    if config.proxy_url.take().is_some() {
        // Not which: its URL may hold a password.
        tracing::warn!(
            "a proxy is configured (HTTPS_PROXY, or proxy-url) and not used: API servers are asked directly"
        );
    }
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(watch::READ_TIMEOUT);
    config.reset_reader_on_write = true;
    let url = config.cluster_url.clone();
    let builder = ClientBuilder::try_from(config).context("the kubeconfig cannot be used")?;
    Ok((builder.with_layer(&TimeoutLayer::new(ANSWER_TIMEOUT)).build(), url))
}

/// Opens the volume, however long that takes.
async fn open_volume(options: &Options, readiness: &Readiness, stop: &CancellationToken) -> Option<Volume> {
    loop {
        let (path, require_mount) = (options.volume.clone(), options.require_mount);
        let opened = tokio::task::spawn_blocking(move || Volume::open(&path, require_mount)).await;
        let why = match opened {
            Ok(Ok(volume)) => {
                readiness.set("volume", None);
                return Some(volume);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        readiness.set("volume", Some(why));
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

//! `groundlink run`

use crate::api::IcingaVersion;
use crate::operator::{self, Options};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The kubeconfig is found as kubectl finds it (KUBECONFIG, ~/.kube/config), or the Pod's own is used.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of the volume that Icinga 2 includes (include_recursive "<volume>/objects.d").
    #[arg(long, env = "GROUNDLINK_VOLUME", value_name = "DIR")]
    volume: PathBuf,
    /// Namespace of the operator: SatelliteClusters, their Secrets and the Lease are here.
    #[arg(long, env = "GROUNDLINK_NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// Address of /livez, /readyz and /metrics. Port 0 chooses a free one, which is logged.
    #[arg(long, env = "GROUNDLINK_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Refuse a volume directory on which nothing is mounted, so that nothing is published beside the volume.
    #[arg(long, env = "GROUNDLINK_REQUIRE_MOUNT")]
    require_mount: bool,
    /// Accept satellites whose API server has a loopback or link-local address. For tests and demos.
    #[arg(long, env = "GROUNDLINK_ALLOW_LOOPBACK_SATELLITES")]
    allow_loopback_satellites: bool,
    /// Namespaces whose resources may declare commands, which are code. Default: the operator's own.
    #[arg(long, env = "GROUNDLINK_PRIVILEGED_NAMESPACES", value_name = "NAME", value_delimiter = ',')]
    privileged_namespaces: Vec<String>,
    /// Objects that Icinga has from elsewhere and that resources may name, as Type!name, for example Zone!master.
    #[arg(long, env = "GROUNDLINK_EXTERNAL_OBJECTS", value_name = "TYPE!NAME", value_delimiter = ',')]
    external_objects: Vec<String>,
    /// Version of the Icinga 2 that loads the volume.
    #[arg(long, env = "GROUNDLINK_ICINGA_VERSION", value_enum, default_value = "2.13")]
    icinga_version: IcingaVersion,
    /// Name of the Lease with which one operator at a time writes.
    #[arg(long, env = "GROUNDLINK_LEASE_NAME", value_name = "NAME", default_value = "groundlink")]
    lease_name: String,
    /// Name of this process among the holders of the Lease. The chart sets the Pod's name.
    #[arg(long, env = "GROUNDLINK_POD_NAME", value_name = "NAME", default_value = "groundlink")]
    identity: String,
    /// Form of the log.
    #[arg(long, env = "GROUNDLINK_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What is logged: a level (error, warn, info, debug), or a filter such as groundlink=debug,kube=info.
    #[arg(long, env = "GROUNDLINK_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// kube writes an answer that it cannot parse to the log as it came, and a satellite may quote the token that it was sent.
const UNTOLD: &str = "kube_client::client=error";

pub fn main(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_new(&arguments.log)
        .with_context(|| format!("--log {:?} is not a filter", arguments.log))?
        .add_directive(UNTOLD.parse().context("the filter of what is never logged")?);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    let options = Options {
        volume: arguments.volume,
        require_mount: arguments.require_mount,
        namespace: arguments.namespace,
        listen: arguments.listen,
        allow_loopback_satellites: arguments.allow_loopback_satellites,
        privileged_namespaces: arguments.privileged_namespaces,
        external_objects: arguments.external_objects,
        icinga_version: arguments.icinga_version,
        lease_name: arguments.lease_name,
        identity: arguments.identity,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = CancellationToken::new();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn({
            let stop = stop.clone();
            async move {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
                tracing::info!("stopping");
                stop.cancel();
            }
        });
        operator::run(options, stop).await
    });
    // A blocking call that hangs (a dead network volume) must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result.map(|()| ExitCode::SUCCESS)
}

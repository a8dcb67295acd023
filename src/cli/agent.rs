//! `groundlink agent`: the agent.

use super::log::LogArguments;
use super::service;
use super::usage::{duration, full_name};
use crate::agent::{AgentMetrics, Options, Reload, run};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;

/// Load delivered sets into the Icinga 2 beside this process, prove it, and report it.
///
/// Runs beside an Icinga 2 daemon, as its user, and finds the API server as kubectl does
/// (KUBECONFIG, ~/.kube/config), or else by the ServiceAccount of its Pod.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::SERVICE_EXIT_CODES)]
pub struct Arguments {
    /// Directory for the sets. It must exist, keep its content over a restart, and be readable by
    /// Icinga under the same path.
    #[arg(long, env = "GROUNDLINK_AGENT_DIRECTORY", value_name = "DIR")]
    directory: PathBuf,
    /// On the hub: the volume into which the operator publishes. Without it, the agent follows the
    /// delivered ConfigMaps of a satellite.
    #[arg(long, env = "GROUNDLINK_AGENT_VOLUME", value_name = "DIR")]
    volume: Option<PathBuf>,
    /// Namespace of the delivered ConfigMaps and of the agent's Lease.
    #[arg(long, env = "GROUNDLINK_AGENT_NAMESPACE", value_name = "NAME", default_value = "icinga", value_parser = full_name)]
    namespace: String,
    /// Name of the pointer ConfigMap (spec.target.name of the SatelliteCluster).
    #[arg(long, env = "GROUNDLINK_AGENT_POINTER", value_name = "NAME", default_value = "groundlink", value_parser = full_name)]
    pointer: String,
    /// Lease of this agent, in which it reports to the hub. Without one it reports nothing.
    #[arg(long, env = "GROUNDLINK_AGENT_LEASE", value_name = "NAME", value_parser = full_name)]
    lease: Option<String>,
    /// On the hub: directory into which the agent writes its report for the operator
    /// (groundlink run --hub-agent). Only the agent may write there.
    #[arg(long, env = "GROUNDLINK_AGENT_REPORT_DIR", value_name = "DIR", requires = "volume")]
    report_dir: Option<PathBuf>,
    /// Name of this process as the holder of the Lease.
    #[arg(long, env = "GROUNDLINK_POD_NAME", value_name = "NAME", default_value = "groundlink-agent")]
    identity: String,
    /// How long the set stays loaded after its pointer ConfigMap is gone.
    #[arg(long, env = "GROUNDLINK_AGENT_KEEP_AFTER_DELETION", value_name = "DURATION", default_value = "1h", value_parser = period)]
    keep_after_deletion: Duration,
    /// Address of Icinga's REST API.
    #[arg(long, env = "GROUNDLINK_AGENT_ICINGA", value_name = "ADDR", default_value = "127.0.0.1:5665")]
    icinga: SocketAddr,
    /// How the agent reloads Icinga: through its REST API, or by a signal to the process in its pid
    /// file, which is up to 2.5 s faster and needs the same PID namespace.
    #[arg(long, env = "GROUNDLINK_AGENT_RELOAD", value_enum, default_value_t = Reload::Api)]
    reload: Reload,
    /// File by which Icinga includes the set: <DataDir>/api/packages/groundlink/include.conf.
    /// Without it, add the lines that docs/agent.md shows to icinga2.conf.
    #[arg(long, env = "GROUNDLINK_AGENT_HOOK", value_name = "FILE")]
    hook: Option<PathBuf>,
    /// Address of /metrics, of /readyz with every reason, and of /livez. Port 0 chooses a free port,
    /// which is logged.
    #[arg(long, env = "GROUNDLINK_AGENT_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Address of a second server, for the kubelet: /livez, and /readyz without a reason.
    #[arg(long, env = "GROUNDLINK_AGENT_PROBES", value_name = "ADDR")]
    probes: Option<SocketAddr>,
    #[command(flatten)]
    log: LogArguments,
    /// The command that starts Icinga, with the arguments that it has. The agent adds -C to it.
    #[arg(last = true, value_name = "COMMAND", default_values = ["icinga2", "daemon"])]
    command: Vec<String>,
}

fn period(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(24 * 365);
    let period = Some(duration(text)?).filter(|period| *period <= most);
    period.ok_or_else(|| "use a duration of at most 365d".to_owned())
}

pub(super) fn main(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(AgentMetrics::default());
    let log = arguments.log.start(metrics.log_lines_lost())?;
    let options = Options {
        directory: arguments.directory,
        volume: arguments.volume,
        namespace: arguments.namespace,
        pointer: arguments.pointer,
        lease: arguments.lease,
        report_dir: arguments.report_dir,
        holder: arguments.identity,
        keep_after_deletion: arguments.keep_after_deletion,
        command: arguments.command,
        icinga: arguments.icinga,
        reload: arguments.reload,
        hook: arguments.hook,
        listen: arguments.listen,
        probes: arguments.probes,
    };
    let mut runtime = Builder::new_multi_thread();
    // One for the agent, one for the probes.
    runtime.worker_threads(2);
    service::run(&log, runtime, |stop| run(options, metrics, stop))
}

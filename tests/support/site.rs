//! An Icinga 2 daemon of a satellite with its agent.

use super::api_server::{ApiServer, client_of};
use super::icinga::{Hook, Icinga};
use super::installation::{GENEROUS, Installation, succeeded};
use super::operator::Operator;
use super::proxy::Proxy;
use super::recorder::Recorder;
use super::wait::eventually;
use groundlink::api::agent_report::AgentReport;
use groundlink::api::marks::AGENT_REPORT;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NAMESPACE: &str = "icinga";

/// One Icinga with its agent.
pub struct Site {
    pub name: String,
    pub icinga: Icinga,
    pub agent: Operator,
    /// Between the agent and the satellite's API server.
    pub proxy: Proxy,
    server: Arc<ApiServer>,
    program: String,
    kubeconfig: PathBuf,
    reload: &'static str,
}

impl Site {
    /// Joins an agent of the same name to a satellite as a user would, and starts it. Icinga is not
    /// started. `program` is `groundlink`, `reload` how the agent reloads Icinga.
    pub async fn prepare(
        program: &str,
        installation: &Installation,
        satellite: &str,
        generation: &'static str,
        reload: &'static str,
    ) -> Self {
        Self::prepare_another(program, installation, (satellite, satellite), generation, reload).await
    }

    /// [`Self::prepare`] with a name for the agent, so that a satellite has several.
    pub async fn prepare_another(
        program: &str,
        installation: &Installation,
        (satellite, name): (&str, &str),
        generation: &'static str,
        reload: &'static str,
    ) -> Self {
        let server = installation.plane.server(satellite);
        let flags = ["satellite", "join-manifest", satellite, "--only", "satellite", "--agent", name];
        let printed = tokio::process::Command::new(program).args(flags).output().await.expect("groundlink");
        succeeded("join-manifest", &printed);
        let manifest = String::from_utf8(printed.stdout).expect("text");
        succeeded("kubectl apply", &server.kubectl_with_input(&["apply", "-f", "-"], &manifest).await);
        let kubeconfig = installation.scratch().join(format!("agent-{name}.kubeconfig"));
        let proxy = Proxy::start(&server, &Recorder::default());
        let token = server.service_account_token(NAMESPACE, &lease_name(name)).await;
        let text = server.kubeconfig_for(&proxy.url(), &token);
        std::fs::write(&kubeconfig, &text).expect("the kubeconfig");
        let leases: Api<Lease> = Api::namespaced(client_of(&text).await, NAMESPACE);
        // The authorizer sees new Roles only after a while.
        eventually(GENEROUS, "the agent may read its Lease", async || {
            leases.get(&lease_name(name)).await.map(drop).map_err(|error| error.to_string())
        })
        .await;

        let icinga = Icinga::prepare(generation, Hook::Missing);
        icinga.admit_the_test();
        let agent = spawn(program, &icinga, &kubeconfig, name, reload);
        let (name, program) = (name.to_owned(), program.to_owned());
        Self { name, icinga, agent, proxy, server, program, kubeconfig, reload }
    }

    /// Starts Icinga once the agent has a whole set in place, as a Pod does.
    pub async fn start_icinga(&mut self) {
        eventually(GENEROUS, "the agent has a set in place", async || {
            match self.agent.get("/readyz").await {
                (200, _) => Ok(()),
                (_, body) => Err(format!("{body}; its log: {}", self.agent.log_text())),
            }
        })
        .await;
        self.icinga.start().await;
    }

    /// Starts another agent in place of one that has ended.
    pub fn restart_agent(&mut self) {
        self.agent = self.another_agent();
    }

    /// Starts another agent, whatever the first one does.
    pub fn another_agent(&self) -> Operator {
        spawn(&self.program, &self.icinga, &self.kubeconfig, &self.name, self.reload)
    }

    /// Returns the agent's report.
    pub async fn report(&self) -> Result<AgentReport, String> {
        let leases: Api<Lease> = Api::namespaced(self.server.client().await, NAMESPACE);
        let lease = leases.get(&lease_name(&self.name)).await.map_err(|error| error.to_string())?;
        let text = lease.metadata.annotations.and_then(|mut all| all.remove(AGENT_REPORT));
        AgentReport::parse(&text.ok_or("no report yet")?)
    }

    /// Returns the hosts that the running Icinga lists, with their addresses.
    pub async fn hosts(&self) -> Result<BTreeMap<String, String>, String> {
        self.icinga.hosts().await
    }

    /// Waits until the running Icinga lists exactly these hosts with these addresses.
    pub async fn lists(&self, wanted: &[(&str, &str)]) {
        let wanted: BTreeMap<_, _> =
            wanted.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect();
        eventually(GENEROUS, &format!("Icinga of {} lists {} hosts", self.name, wanted.len()), async || {
            let found = self.hosts().await?;
            if found == wanted { Ok(()) } else { Err(format!("{found:?}; {:?}", self.report().await)) }
        })
        .await;
    }

    /// Waits until the report satisfies a test.
    pub async fn reports(&self, what: &str, is_so: impl Fn(&AgentReport) -> bool) -> AgentReport {
        eventually(GENEROUS, &format!("the agent {} reports {what}", self.name), async || {
            let report = self.report().await?;
            if is_so(&report) {
                Ok(report)
            } else {
                Err(format!("{report:#?}; its log:\n{}", self.agent.log_text()))
            }
        })
        .await
    }
}

fn lease_name(name: &str) -> String {
    format!("groundlink-agent-{name}")
}

fn spawn(program: &str, icinga: &Icinga, kubeconfig: &Path, name: &str, reload: &str) -> Operator {
    Operator::builder(program)
        .args(["agent", "--directory", &icinga.text("load"), "--namespace", NAMESPACE])
        .args(["--lease", &lease_name(name), "--icinga", &format!("127.0.0.1:{}", icinga.port())])
        .args(["--reload", reload, "--hook", &icinga.text("lib/api/packages/groundlink/include.conf")])
        .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--log", "info", "--"])
        .args(icinga.command())
        .kubeconfig(kubeconfig)
        .spawn()
}

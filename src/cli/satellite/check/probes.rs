//! The steps of `check` that ask the satellite, with the operator's client.

use super::judge::{VERBS, clock, is_needed, version, words};
use super::steps::Steps;
use super::subject::Subject;
use crate::api::marks::MANAGED_BY;
use crate::cli::join::access::Access;
use crate::cli::join::token::now;
use crate::cli::usage::DryRun;
use crate::request::{Failure, ask};
use crate::text::clean;
use http_body_util::BodyExt as _;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SelfSubjectRulesReview,
    SelfSubjectRulesReviewSpec,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use kube::client::Body;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest wait for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Remedy where something answers that is no API server, or nothing answers.
const NO_API_SERVER: &str = "check that a Kubernetes API server listens there and that it is healthy";
/// Steps from the first connection until the server accepted the credential.
const LOGIN: [&str; 4] = ["tls", "authentication", "version", "clock"];

/// Skips these steps, and those that need an accepted credential.
fn skip(steps: &mut Steps, names: &[&str], why: &str) {
    let verbs = VERBS.map(|verb| format!("{verb} configmaps"));
    let after = verbs.iter().map(String::as_str).chain(["agents", "excess", "namespace", "write"]);
    for name in names.iter().copied().chain(after) {
        steps.skipped(name, why);
    }
}

/// Tries everything that this credential allows.
pub(super) async fn satellite(steps: &mut Steps, access: Option<&Access>, subject: &Subject) {
    let Some(access) = access else {
        return skip(
            steps,
            &["dns", "tcp", "tls", "authentication", "version", "clock"],
            "there is no credential",
        );
    };
    reach(steps, access, subject).await;
    let client = match access.client(subject.policy, subject.timeout).await {
        Ok(client) => client,
        Err(why) => {
            steps.failed("tls", why, subject.add_again());
            return skip(steps, &LOGIN[1..], "the credential cannot be used");
        }
    };
    if !steps.passed("tcp") {
        return skip(steps, &LOGIN, "there is no connection");
    }
    let probe = Probe { client, subject };
    probe.greet(steps).await;
    if !steps.passed("authentication") {
        return skip(steps, &[], "the satellite did not accept the credential");
    }
    probe.permissions(steps).await;
    probe.agents(steps).await;
    probe.excess(steps, access).await;
    probe.namespace(steps).await;
    probe.write(steps).await;
}

/// Resolves the name and opens a TCP connection.
async fn reach(steps: &mut Steps, access: &Access, subject: &Subject) {
    let uri: http::Uri = access.server.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let from_here = format!(
        "check that the hub's Pods reach it (this step ran on this machine); if the address is wrong, run {}",
        subject.add(" --server <URL>")
    );
    let found = tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::lookup_host((host.as_str(), port))).await;
    let found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            steps.failed("dns", format!("{host} has no address: {error}"), from_here);
            steps.skipped("tcp", "there is no address");
            return;
        }
        Err(_) => {
            steps.failed("dns", format!("no answer about {host} within 5 s"), from_here);
            steps.skipped("tcp", "there is no address");
            return;
        }
    };
    let allowed: Vec<_> = found.into_iter().filter(|address| subject.policy.allows(address.ip())).collect();
    if allowed.is_empty() {
        let message =
            format!("{host} has only loopback, link-local or unspecified addresses, which are refused");
        let remedy =
            format!("name the address that the hub's Pods reach: run {}", subject.add(" --server <URL>"));
        steps.failed("dns", message, remedy);
        steps.skipped("tcp", "there is no allowed address");
        return;
    }
    let list = |all: &[SocketAddr]| all.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>().join(", ");
    steps.ok("dns", format!("{host} is {}", list(&allowed)));
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for address in allowed.into_iter().take(8) {
        match tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => open.push(address),
            Ok(Err(error)) => closed.push(format!("{address}: {error}")),
            Err(_) => closed.push(format!("{address}: no answer within 5 s")),
        }
    }
    match (open.is_empty(), closed.is_empty()) {
        (true, _) => steps.failed("tcp", closed.join("; "), from_here),
        (false, true) => steps.ok("tcp", format!("port {port} of {} is open", list(&open))),
        (false, false) => steps.warning(
            "tcp",
            closed.join("; "),
            "check why these addresses do not answer: the operator may choose one of them",
        ),
    }
}

/// A client of the satellite.
pub(super) struct Probe<'a> {
    pub(super) client: Client,
    pub(super) subject: &'a Subject,
}

impl Probe<'_> {
    /// Longest wait for a whole answer. The client gives up earlier an answer that does not begin.
    fn deadline(&self) -> Duration {
        self.subject.timeout + Duration::from_secs(2)
    }

    pub(super) async fn ask<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        ask(self.deadline(), call).await
    }

    /// Sends one request that shows TLS, whether the credential is accepted, the version and the
    /// clock.
    async fn greet(&self, steps: &mut Steps) {
        let rest = |steps: &mut Steps, names: &[&str]| {
            for name in names {
                steps.skipped(name, "the request before it failed");
            }
        };
        let Ok(request) = http::Request::get("/version").body(Body::empty()) else { return };
        let asked = now();
        let answer = match self.ask(self.client.send(request)).await {
            Err(failure) => {
                let mut why = failure.to_string();
                if why.contains("timed out") {
                    why = Failure::Deadline(self.subject.timeout).to_string();
                }
                let remedy = match failure.is_tls() {
                    true => format!(
                        "the certificate is not the one of ca.crt, or not for this name: run {}, or the same with \
                         --tls-server-name <NAME>",
                        self.subject.add(" --ca-file <FILE>")
                    ),
                    false => NO_API_SERVER.to_owned(),
                };
                steps.failed("tls", why, remedy);
                return rest(steps, &["authentication", "version", "clock"]);
            }
            Ok(answer) => answer,
        };
        steps.ok("tls", "the server's certificate is trusted");
        let (head, body) = answer.into_parts();
        self.authentication(steps, head.status.as_u16()).await;
        let body = tokio::time::timeout(self.deadline(), body.collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        version(steps, head.status.as_u16(), &body);
        clock(steps, head.headers.get(http::header::DATE), asked, now());
    }

    async fn authentication(&self, steps: &mut Steps, code: u16) {
        let name = "authentication";
        if code == 401 {
            let message = "the satellite does not accept the credential (401): it expired, or was revoked";
            return steps.failed(name, message, self.subject.rotate());
        }
        // A server may answer `/version` to anyone, so this asks whom it takes the credential for.
        let api = Api::<SelfSubjectReview>::all(self.client.clone());
        let review = SelfSubjectReview::default();
        match self.ask(api.create(&PostParams::default(), &review)).await {
            Ok(review) => {
                let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
                let user = clean(&user.unwrap_or_default(), 200);
                match user == "system:anonymous" {
                    true => steps.failed(
                        name,
                        "the satellite takes the credential for system:anonymous",
                        self.subject.rotate(),
                    ),
                    false => steps.ok(name, format!("the satellite knows it as {user}")),
                }
            }
            Err(failure)
                if failure.code() == Some(401) || failure.to_string().contains("system:anonymous") =>
            {
                steps.failed(name, failure.to_string(), self.subject.rotate());
            }
            // The server knows the credential, or it would have answered 401. The steps about
            // permissions say more.
            Err(failure) if failure.code() == Some(403) || failure.code() == Some(404) => steps.warning(
                name,
                format!("the satellite does not say whom it takes the credential for: {}", failure),
                "bind ClusterRole system:basic-user to every account there, then check again",
            ),
            Err(failure) => steps.failed(
                name,
                format!("it is unknown whether the satellite accepts the credential: {}", failure),
                NO_API_SERVER,
            ),
        }
    }

    async fn may(&self, resource: ResourceAttributes) -> Result<bool, Failure> {
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(resource), ..Default::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let api = Api::<SelfSubjectAccessReview>::all(self.client.clone());
        let review = self.ask(api.create(&PostParams::default(), &review)).await?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }

    async fn permissions(&self, steps: &mut Steps) {
        let target = &self.subject.target;
        for verb in VERBS {
            let name = format!("{verb} configmaps");
            match self.may(attributes(target, verb, "configmaps")).await {
                Ok(true) => steps.ok(&name, format!("allowed in namespace {target}")),
                Ok(false) => {
                    steps.failed(
                        &name,
                        format!("not allowed in namespace {target}"),
                        self.subject.add_again(),
                    );
                }
                Err(failure) => {
                    steps.failed(
                        &name,
                        format!("unknown: {}", failure),
                        "let the satellite answer SelfSubjectAccessReviews, then check again",
                    );
                }
            }
        }
        let Some(account) = &self.subject.renews else { return };
        let name = "create serviceaccounts/token";
        // The account is in the target's namespace.
        match self.may(token_of(target, account)).await {
            Ok(true) => {
                steps.ok(name, format!("allowed for {target}/{account}: the operator renews its token"))
            }
            Ok(false) => steps.failed(
                name,
                format!(
                    "spec.tokenRenewal is set, but the credential may not make a token of {target}/{account}"
                ),
                format!("run {}, or apply examples/satellite-token-renewal.yaml there", self.subject.add("")),
            ),
            Err(failure) => steps.failed(
                name,
                failure.to_string(),
                "let the satellite answer SelfSubjectAccessReviews, then check again",
            ),
        }
    }

    /// Tests whether the credential has more permissions than it needs.
    async fn excess(&self, steps: &mut Steps, access: &Access) {
        let (name, target) = ("excess", &self.subject.target);
        let spec = SelfSubjectRulesReviewSpec { namespace: Some(target.clone()) };
        let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
        let api = Api::<SelfSubjectRulesReview>::all(self.client.clone());
        let status = match self.ask(api.create(&PostParams::default(), &review)).await {
            Ok(review) => review.status.unwrap_or_default(),
            Err(failure) => {
                return steps.skipped(name, format!("the satellite does not say: {}", failure));
            }
        };
        let account = access.claims.as_ref().map(|claims| claims.account.as_str());
        let mut more: Vec<String> =
            status.resource_rules.iter().filter(|rule| !is_needed(rule, account)).map(words).collect();
        // From inside one namespace, a rule for every namespace looks the same.
        let mut asked: Vec<_> =
            VERBS.map(|verb| (format!("{verb} configmaps"), attributes("", verb, "configmaps"))).into();
        if let Some(account) = account {
            asked.push((format!("create serviceaccounts/token {account}"), token_of("", account)));
        }
        let mut everywhere = Vec::new();
        for (what, resource) in asked {
            match self.may(resource).await {
                Ok(true) => everywhere.push(clean(&what, 150)),
                Ok(false) => {}
                Err(failure) => {
                    return steps.skipped(name, format!("the satellite does not say: {}", failure));
                }
            }
        }
        if !everywhere.is_empty() {
            more.push(format!("in every namespace {}", everywhere.join(", ")));
        }
        if more.is_empty() {
            let beside = if status.incomplete { " (as far as the satellite's authorizer says)" } else { "" };
            // The review covers one namespace, and only resources.
            let message = format!(
                "no permission beyond those it needs in namespace {target} or in all namespaces{beside}; Roles of other namespaces were \
                 not looked at"
            );
            return steps.ok(name, message);
        }
        let rest = more.len().saturating_sub(5);
        more.truncate(5);
        let mut message = format!("it has more permissions than it needs: {}", more.join("; "));
        if rest > 0 {
            message += &format!("; and {rest} more");
        }
        steps.warning(
            name,
            message,
            "remove the bindings that grant them, or use an account for Groundlink alone",
        );
    }

    /// Lets the server judge a ConfigMap without storing it.
    async fn namespace(&self, steps: &mut Steps) {
        let (name, target) = ("namespace", &self.subject.target);
        if self.subject.dry_run == DryRun::Client {
            return steps.skipped(name, "--dry-run=client: it is only seen by sending a ConfigMap");
        }
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), target);
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let Some(probe) = probe_map() else { return };
        match self.ask(api.create(&parameters, &probe)).await {
            Ok(_) => steps.ok(name, format!("{target} exists")),
            Err(failure) if failure.code() == Some(404) => {
                let remedy = format!(
                    "create it: kubectl create namespace {target}; then {}",
                    self.subject.add_again()
                );
                steps.failed(name, format!("{target} does not exist on the satellite"), remedy);
            }
            Err(failure) if failure.to_string().contains("being terminated") => {
                steps.failed(
                    name,
                    format!("{target} is being deleted"),
                    "wait until it is gone, and create it again",
                );
            }
            Err(failure) if failure.code() == Some(403) && !steps.passed("create configmaps") => {
                steps.skipped(name, "it is only seen by creating a ConfigMap, which is not allowed");
            }
            Err(failure) => {
                let remedy = "mend what the message names: a quota, an admission webhook, or the satellite's API server";
                steps.failed(name, format!("{target} takes no ConfigMap: {}", failure), remedy);
            }
        }
    }

    /// Writes a ConfigMap and deletes it.
    async fn write(&self, steps: &mut Steps) {
        let (name, target) = ("write", &self.subject.target);
        if self.subject.dry_run.is_dry() {
            return steps.skipped(name, "--dry-run");
        }
        if !steps.passed("namespace") || !steps.passed("delete configmaps") {
            return steps
                .skipped(name, "it needs the namespace, and the permissions to create and to delete");
        }
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), target);
        let Some(probe) = probe_map() else { return };
        let probe_name = probe.metadata.name.clone().unwrap_or_default();
        let parameters = PostParams::default();
        // Even if this is interrupted or the answer is lost: the ConfigMap may have been stored,
        // so it is deleted.
        let created = tokio::select! {
            created = self.ask(api.create(&parameters, &probe)) => created.map(|_| ()),
            _ = tokio::signal::ctrl_c() => Err(Failure::Transport("interrupted".into())),
        };
        let refused =
            created.as_ref().err().and_then(Failure::code).is_some_and(|code| (400..500).contains(&code));
        let mut deleted = Ok(());
        for _ in 0..if refused { 0 } else { 3 } {
            deleted = match self.ask(api.delete(&probe_name, &DeleteParams::default())).await {
                Ok(_) => Ok(()),
                Err(failure) if failure.code() == Some(404) => Ok(()),
                Err(failure) => Err(failure),
            };
            if deleted.is_ok() {
                break;
            }
        }
        let remedy =
            "mend what the message names: a quota, an admission webhook, or the satellite's API server";
        let by_hand = format!("delete it: kubectl -n {target} delete configmap {probe_name}");
        let map = format!("ConfigMap {target}/{probe_name}");
        match (created, deleted) {
            (Ok(()), Ok(())) => steps.ok(name, format!("{map} was created and deleted")),
            (Err(created), Ok(())) => {
                steps.failed(name, format!("{map} was not created: {}", created), remedy);
            }
            (Ok(()), Err(deleted)) => {
                steps.failed(name, format!("{map} was not deleted: {}", deleted), by_hand);
            }
            (Err(created), Err(deleted)) => {
                let message = format!("{map} may exist: {}; and was not deleted: {}", created, deleted);
                steps.failed(name, message, by_hand);
            }
        }
    }
}

/// Returns a ConfigMap with our label, but without the label of delivered ones.
fn probe_map() -> Option<ConfigMap> {
    let name = format!("groundlink-probe-{:08x}", rand::random::<u32>());
    let labels = json!({ MANAGED_BY.0: MANAGED_BY.1 });
    serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).ok()
}

fn attributes(namespace: &str, verb: &str, resource: &str) -> ResourceAttributes {
    ResourceAttributes {
        namespace: Some(namespace.into()),
        verb: Some(verb.into()),
        group: Some(String::new()),
        resource: Some(resource.into()),
        ..ResourceAttributes::default()
    }
}

/// Returns the resource attributes for making a token of an account.
fn token_of(namespace: &str, account: &str) -> ResourceAttributes {
    ResourceAttributes {
        subresource: Some("token".into()),
        name: Some(account.into()),
        ..attributes(namespace, "create", "serviceaccounts")
    }
}

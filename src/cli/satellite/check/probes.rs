//! The steps of `check` that speak to the satellite, with the operator's client.

use super::judge::{VERBS, clock, is_needed, version, words};
use super::steps::Steps;
use super::subject::Subject;
use crate::api::Reason;
use crate::api::marks::MANAGED_BY;
use crate::cli::join::access::Access;
use crate::cli::join::token::now;
use crate::satellite::transport;
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
/// Steps from the first connection to the server's word about the credential.
const LOGIN: [&str; 4] = ["tls", "authentication", "version", "clock"];

/// None of these steps can be tried, nor what needs the server's word about the credential.
fn skip(steps: &mut Steps, names: &[&str], why: &str) {
    let verbs = VERBS.map(|verb| format!("{verb} configmaps"));
    let after = verbs.iter().map(String::as_str).chain(["excess", "namespace", "write"]);
    for name in names.iter().copied().chain(after) {
        steps.skipped(name, why);
    }
}

/// Everything that can be tried with this credential.
pub async fn satellite(steps: &mut Steps, access: Option<&Access>, subject: &Subject) {
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
    probe.excess(steps, access).await;
    probe.namespace(steps).await;
    probe.write(steps).await;
}

/// Name and TCP connection.
async fn reach(steps: &mut Steps, access: &Access, subject: &Subject) {
    let uri: http::Uri = access.server.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let from_here = format!(
        "see whether the hub's Pods reach it (this is tested from where this command runs); if the address is wrong, run {}",
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
        (false, false) => {
            steps.warning("tcp", closed.join("; "), "one address answers; see why the others do not")
        }
    }
}

/// A connected client, and what it is for.
struct Probe<'a> {
    client: Client,
    subject: &'a Subject,
}

impl Probe<'_> {
    /// A request with its whole answer in time.
    async fn ask<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
        let deadline = self.subject.timeout + Duration::from_secs(2);
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(kube::Error::Api(status))) => Err(Trouble {
                code: status.code,
                why: format!("{} {}", status.code, clean(&status.message, 300)),
            }),
            Ok(Err(error)) => Err(Trouble { code: 0, why: transport(&error).1 }),
            Err(_) => Err(Trouble { code: 0, why: format!("no answer within {} s", deadline.as_secs()) }),
        }
    }

    /// One request that shows TLS, whether the credential is accepted, the version and the clock.
    async fn greet(&self, steps: &mut Steps) {
        let rest = |steps: &mut Steps, names: &[&str]| {
            for name in names {
                steps.skipped(name, "the request before it failed");
            }
        };
        let Ok(request) = http::Request::get("/version").body(Body::empty()) else { return };
        let asked = now();
        let deadline = self.subject.timeout + Duration::from_secs(2);
        let answer = match tokio::time::timeout(deadline, self.client.send(request)).await {
            Err(_) => {
                let why = format!("no answer to a request within {} s", deadline.as_secs());
                steps.failed(
                    "tls",
                    why,
                    "see whether what listens there is a Kubernetes API server, and how it is",
                );
                return rest(steps, &["authentication", "version", "clock"]);
            }
            Ok(Err(error)) => {
                let (reason, mut why) = transport(&error);
                if why.contains("timed out") {
                    why = format!("no answer to a request within {} s", self.subject.timeout.as_secs());
                }
                let remedy = match reason {
                    Reason::TLSError => format!(
                        "the certificate is not the one of ca.crt, or not for this name: run {}, or the same with \
                         --tls-server-name <NAME>",
                        self.subject.add(" --ca-file <FILE>")
                    ),
                    _ => "see whether what listens there is a Kubernetes API server, and how it is".into(),
                };
                steps.failed("tls", why, remedy);
                return rest(steps, &["authentication", "version", "clock"]);
            }
            Ok(Ok(answer)) => answer,
        };
        steps.ok("tls", "the server's certificate is trusted");
        let (head, body) = answer.into_parts();
        self.authentication(steps, head.status.as_u16()).await;
        let body = tokio::time::timeout(deadline, body.collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        version(steps, head.status.as_u16(), &body);
        clock(steps, head.headers.get(http::header::DATE), asked, now());
    }

    async fn authentication(&self, steps: &mut Steps, code: u16) {
        let name = "authentication";
        if code == 401 {
            let message = "the satellite does not accept the credential (401): it has ended, or was revoked";
            return steps.failed(name, message, self.subject.rotate());
        }
        // A server may answer `/version` to anyone: who the credential is for is asked.
        let api = Api::<SelfSubjectReview>::all(self.client.clone());
        let review = SelfSubjectReview::default();
        match self.ask(api.create(&PostParams::default(), &review)).await {
            Ok(review) => {
                let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
                let user = clean(&user.unwrap_or_default(), 200);
                match user == "system:anonymous" {
                    true => steps.failed(
                        name,
                        "the satellite takes it for system:anonymous",
                        self.subject.rotate(),
                    ),
                    false => steps.ok(name, format!("the satellite knows it as {user}")),
                }
            }
            Err(trouble) if trouble.code == 401 || trouble.why.contains("system:anonymous") => {
                steps.failed(name, trouble.why, self.subject.rotate());
            }
            // Not 401, which says little: the steps about permissions say more.
            Err(trouble) if trouble.code == 403 || trouble.code == 404 => steps.warning(
                name,
                format!("the satellite does not say whom it takes the credential for: {}", trouble.why),
                "let every account ask for itself there (ClusterRole system:basic-user), then check again",
            ),
            Err(trouble) => steps.failed(
                name,
                format!("whether the satellite accepts the credential is not known: {}", trouble.why),
                "see whether what listens there is a Kubernetes API server, and how it is; then check again",
            ),
        }
    }

    async fn may(&self, resource: ResourceAttributes) -> Result<bool, Trouble> {
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
                Err(trouble) => {
                    steps.failed(
                        &name,
                        format!("not known: {}", trouble.why),
                        "the satellite must answer SelfSubjectAccessReviews",
                    );
                }
            }
        }
        let Some(account) = &self.subject.renews else { return };
        let name = "create serviceaccounts/token";
        // The account is in the target's namespace.
        match self.may(token_of(target, account)).await {
            Ok(true) => steps.ok(name, format!("allowed for {target}/{account}: it renews its token")),
            Ok(false) => steps.failed(
                name,
                format!("spec.tokenRenewal is set, and a token of {target}/{account} may not be made"),
                format!("run {}, or apply examples/satellite-token-renewal.yaml there", self.subject.add("")),
            ),
            Err(trouble) => {
                steps.failed(name, trouble.why, "the satellite must answer SelfSubjectAccessReviews")
            }
        }
    }

    /// Whether the credential can do more than it needs.
    async fn excess(&self, steps: &mut Steps, access: &Access) {
        let (name, target) = ("excess", &self.subject.target);
        let spec = SelfSubjectRulesReviewSpec { namespace: Some(target.clone()) };
        let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
        let api = Api::<SelfSubjectRulesReview>::all(self.client.clone());
        let status = match self.ask(api.create(&PostParams::default(), &review)).await {
            Ok(review) => review.status.unwrap_or_default(),
            Err(trouble) => {
                return steps.skipped(name, format!("the satellite does not tell: {}", trouble.why));
            }
        };
        let account = access.claims.as_ref().map(|claims| claims.account.as_str());
        let mut more: Vec<String> =
            status.resource_rules.iter().filter(|rule| !is_needed(rule, account)).map(words).collect();
        // A rule for every namespace looks the same from inside one.
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
                Err(trouble) => {
                    return steps.skipped(name, format!("the satellite does not tell: {}", trouble.why));
                }
            }
        }
        if !everywhere.is_empty() {
            more.push(format!("in every namespace {}", everywhere.join(", ")));
        }
        if more.is_empty() {
            let beside =
                if status.incomplete { " (the satellite's authorizer does not tell all)" } else { "" };
            // A Role of another namespace is not seen from this one, and paths are no resources.
            let message = format!(
                "no other resource in namespace {target}, and none of all namespaces{beside}; Roles of other namespaces were not \
                 looked at"
            );
            return steps.ok(name, message);
        }
        let rest = more.len().saturating_sub(5);
        more.truncate(5);
        let mut message = format!("it may do more than it needs: {}", more.join("; "));
        if rest > 0 {
            message += &format!("; and {rest} more");
        }
        steps.warning(name, message, "remove the bindings that give it this, or use an account of its own");
    }

    /// The server is asked to judge a ConfigMap that it does not store.
    async fn namespace(&self, steps: &mut Steps) {
        let (name, target) = ("namespace", &self.subject.target);
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), target);
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let Some(probe) = probe_map() else { return };
        match self.ask(api.create(&parameters, &probe)).await {
            Ok(_) => steps.ok(name, format!("{target} exists")),
            Err(trouble) if trouble.code == 404 => {
                let remedy = format!(
                    "create it: kubectl create namespace {target}; then {}",
                    self.subject.add_again()
                );
                steps.failed(name, format!("{target} does not exist on the satellite"), remedy);
            }
            Err(trouble) if trouble.why.contains("being terminated") => {
                steps.failed(
                    name,
                    format!("{target} is being deleted"),
                    "wait until it is gone, and create it again",
                );
            }
            Err(trouble) if trouble.code == 403 && !steps.passed("create configmaps") => {
                steps.skipped(name, "it can only be told by creating a ConfigMap, which is not allowed");
            }
            Err(trouble) => {
                let remedy = "the satellite's API server, a quota or an admission webhook refuses ConfigMaps: see its message";
                steps.failed(name, format!("{target} takes no ConfigMap: {}", trouble.why), remedy);
            }
        }
    }

    /// Writes a ConfigMap and deletes it.
    async fn write(&self, steps: &mut Steps) {
        let (name, target) = ("write", &self.subject.target);
        if self.subject.dry_run {
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
        // Interrupted or not, and whatever was answered: what may have been written is deleted.
        let created = tokio::select! {
            created = self.ask(api.create(&parameters, &probe)) => created.map(|_| ()),
            _ = tokio::signal::ctrl_c() => Err(Trouble { code: 0, why: "interrupted".into() }),
        };
        let refused = created.as_ref().err().is_some_and(|trouble| (400..500).contains(&trouble.code));
        let mut deleted = Ok(());
        for _ in 0..if refused { 0 } else { 3 } {
            deleted = match self.ask(api.delete(&probe_name, &DeleteParams::default())).await {
                Ok(_) => Ok(()),
                Err(trouble) if trouble.code == 404 => Ok(()),
                Err(trouble) => Err(trouble),
            };
            if deleted.is_ok() {
                break;
            }
        }
        let remedy =
            "the satellite's API server, a quota or an admission webhook refuses it: see its message";
        let by_hand = format!("delete it: kubectl -n {target} delete configmap {probe_name}");
        let map = format!("ConfigMap {target}/{probe_name}");
        match (created, deleted) {
            (Ok(()), Ok(())) => steps.ok(name, format!("{map} was created and deleted")),
            (Err(created), Ok(())) => {
                steps.failed(name, format!("{map} was not created: {}", created.why), remedy);
            }
            (Ok(()), Err(deleted)) => {
                steps.failed(name, format!("{map} was not deleted: {}", deleted.why), by_hand);
            }
            (Err(created), Err(deleted)) => {
                let message =
                    format!("{map} may be there: {}; and not deleted: {}", created.why, deleted.why);
                steps.failed(name, message, by_hand);
            }
        }
    }
}

/// An answer that is none.
struct Trouble {
    /// What the server answered; 0 if nothing.
    code: u16,
    why: String,
}

/// Ours by its label, and not one that the operator would take for a delivered one.
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

/// To make a token of an account.
fn token_of(namespace: &str, account: &str) -> ResourceAttributes {
    ResourceAttributes {
        subresource: Some("token".into()),
        name: Some(account.into()),
        ..attributes(namespace, "create", "serviceaccounts")
    }
}

//! Gets a new token from the satellite and stores it in the hub's Secret. If something fails, the
//! present token stays in use.

use super::schedule::lifetime;
use super::{Credential, check_token};
use crate::api::Reason;
use crate::api::condition::format_timestamp;
use crate::api::marks::OPERATOR_MANAGER;
use crate::api::satellite_cluster::TokenRenewal;
use crate::request::{answer, ask, causes};
use crate::satellite::explain::Redaction;
use crate::satellite::problem::Problem;
use crate::text::clean;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::core::{Request, Status};
use kube::{Client, Resource as _};
use serde_json::json;
use std::time::Duration;

/// Longest wait for one answer, of the satellite or of the hub.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest accepted answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Asks the satellite for a new token of `renewal.serviceAccount` in `namespace`, bound to
/// `renewal.boundSecret`, and returns `current` with that token. Nothing is stored. `client` has a
/// credential that may ask; `now` is in Unix seconds.
///
/// # Errors
/// If the satellite does not answer, refuses, or makes a token that cannot be used. The problem
/// says nothing about the connection: the deliveries show that.
pub async fn renew(
    client: &Client,
    namespace: &str,
    renewal: &TokenRenewal,
    current: &Credential,
    now: i64,
) -> Result<Credential, Problem> {
    let account = format!("{namespace}/{}", renewal.service_account);
    let failed = |reason, why: String| {
        Problem::transient(reason, format!("cannot renew the token of ServiceAccount {account}: {why}"))
    };
    if !current.is_token() {
        return Err(failed(
            Reason::Unsupported,
            "the Secret holds a client certificate, which is not renewed; put a token there, or remove spec.tokenRenewal".into(),
        ));
    }
    let request = request(namespace, renewal).map_err(|why| failed(Reason::Invalid, why))?;
    let redaction = current.redaction();
    let (code, body) =
        exchange(client, request, &redaction).await.map_err(|why| failed(Reason::Unreachable, why))?;
    if !(200..300).contains(&code) {
        let (reason, why) = refusal(code, &body, renewal, &redaction);
        return Err(failed(reason, why));
    }
    // An answer that cannot be read may contain a token: no part of it is quoted.
    let odd = |what: &str| failed(Reason::Rejected, format!("the satellite's answer {what}"));
    let answer: TokenRequest = serde_json::from_slice(&body).map_err(|_| odd("is not a TokenRequest"))?;
    let token = answer.status.and_then(|status| status.token).unwrap_or_default();
    check_token(&token).map_err(|why| odd(&format!("has a token that {why}")))?;
    let renewed = current.with_token(token);
    match renewed.expiry() {
        None => Err(odd("has a token that is no JSON Web Token with an end")),
        Some(expiry) if expiry <= now => Err(odd(&format!(
            "has a token that ended at {}; compare the clocks of hub and satellite",
            format_timestamp(expiry)
        ))),
        Some(_) => Ok(renewed),
    }
}

fn request(namespace: &str, renewal: &TokenRenewal) -> Result<http::Request<Vec<u8>>, String> {
    let bound = BoundObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Secret".into()),
        name: Some(renewal.bound_secret.clone()),
        uid: None,
    };
    let spec = TokenRequestSpec {
        bound_object_ref: Some(bound),
        expiration_seconds: Some(lifetime(renewal)),
        ..TokenRequestSpec::default()
    };
    let wanted = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let body = serde_json::to_vec(&wanted).map_err(|error| error.to_string())?;
    Request::new(ServiceAccount::url_path(&(), Some(namespace)))
        .create_subresource("token", &renewal.service_account, &PostParams::default(), body)
        .map_err(|error| error.to_string())
}

/// Sends a request and reads the whole answer. kube itself would log an answer that it cannot
/// parse.
async fn exchange(
    client: &Client,
    request: http::Request<Vec<u8>>,
    redaction: &Redaction,
) -> Result<(u16, Vec<u8>), String> {
    let call = async {
        let answer = client.send(request.map(Body::from)).await?;
        let code = answer.status().as_u16();
        // An error here is of the body: it broke off, or is larger than is accepted.
        Ok((code, Limited::new(answer.into_body(), MAX_ANSWER).collect().await.ok()))
    };
    let (code, body) = answer(TIMEOUT, call)
        .await
        .map_err(|late| late.to_string())?
        .map_err(|error| clean(&redaction.of(&causes(&error)), 200))?;
    let body = body.ok_or_else(|| format!("the answer broke off, or has more than {MAX_ANSWER} bytes"))?;
    Ok((code, body.to_bytes().to_vec()))
}

fn refusal(code: u16, body: &[u8], renewal: &TokenRenewal, redaction: &Redaction) -> (Reason, String) {
    let said = match serde_json::from_slice::<Status>(body) {
        Ok(status) => clean(&redaction.of(&status.message), 200),
        Err(_) => "without a reason that can be read".into(),
    };
    let (reason, remedy) = match code {
        401 => (Reason::Unauthorized, "; put a new token in the Secret".to_owned()),
        403 => (
            Reason::Forbidden,
            "; let it make tokens of that account (examples/satellite-token-renewal.yaml)".to_owned(),
        ),
        404 => (
            Reason::CredentialMissing,
            format!("; on the satellite, create the ServiceAccount and Secret {}", renewal.bound_secret),
        ),
        400..500 => (Reason::Rejected, String::new()),
        _ => (Reason::Unreachable, String::new()),
    };
    (reason, format!("{code} {said}{remedy}"))
}

/// Stores a renewed token in the hub's Secret: in the key `token`, or in a kubeconfig that contains only what is allowed.
/// `secret` is the Secret as it was read; nothing is written if someone changed it since.
///
/// # Errors
/// If the hub does not answer or refuses. The message contains no part of the token.
pub async fn store(secrets: &Api<Secret>, secret: &Secret, renewed: &Credential) -> Result<(), Problem> {
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let failed = |reason, why: String| {
        Problem::transient(reason, format!("cannot write the renewed token to Secret {name}: {why}"))
    };
    let value = match (&renewed.identity, renewed.in_kubeconfig) {
        (super::Identity::Token(token), false) => token.clone(),
        // The library's message could contain a part of it.
        _ => serde_saphyr::to_string(&renewed.kubeconfig())
            .map_err(|_| failed(Reason::Invalid, "it cannot be written as YAML".into()))?,
    };
    // The resourceVersion and the UID make a write from an old reading fail.
    let patch = json!({
        "metadata": { "resourceVersion": secret.metadata.resource_version, "uid": secret.metadata.uid },
        "data": { &renewed.key: STANDARD.encode(value) },
    });
    let parameters = PatchParams { field_manager: Some(OPERATOR_MANAGER.into()), ..PatchParams::default() };
    // Asks for the metadata alone as the answer: the credential need not come back.
    let patch = Patch::Merge(patch);
    let call = secrets.patch_metadata(name, &parameters, &patch);
    let Err(failure) = ask(TIMEOUT, call).await else { return Ok(()) };
    let said = match failure.code() {
        Some(_) => failure.to_string(),
        None => format!("the hub's API server: {failure}"),
    };
    Err(match failure.code() {
        Some(403) => failed(
            Reason::Forbidden,
            format!("{said}; let the operator patch it (the chart's rbac.renewTokens)"),
        ),
        Some(404) => failed(Reason::CredentialMissing, said),
        Some(409) => failed(Reason::Conflict, format!("{said}; it is read again")),
        Some(400..500) => failed(Reason::Rejected, format!("{said}; it must not be immutable")),
        _ => failed(Reason::Unreachable, said),
    })
}

#[cfg(test)]
mod tests;

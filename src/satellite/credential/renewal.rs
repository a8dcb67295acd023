//! A new token from the satellite, and its way into the hub's Secret. Whatever fails here leaves the old one in use.

use super::schedule::lifetime;
use super::{Credential, check_token};
use crate::api::Reason;
use crate::api::condition::format_timestamp;
use crate::api::satellite_cluster::TokenRenewal;
use crate::satellite::problem::{Problem, Redaction};
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

/// Asks the satellite for a new token of `renewal.serviceAccount` in `namespace`, bound to `renewal.boundSecret`, and puts it in the
/// place of the one in `current`. `client` speaks to the satellite with a credential that may ask; `now` in Unix seconds.
/// Nothing is stored.
///
/// # Errors
/// What was refused and the remedy. It says nothing about the connection: whether the satellite answers, its deliveries tell.
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
    let (code, body) = match tokio::time::timeout(TIMEOUT, exchange(client, request, &redaction)).await {
        Err(_) => {
            return Err(failed(Reason::Unreachable, format!("no answer within {} s", TIMEOUT.as_secs())));
        }
        Ok(answer) => answer.map_err(|why| failed(Reason::Unreachable, why))?,
    };
    if !(200..300).contains(&code) {
        let (reason, why) = refusal(code, &body, renewal, &redaction);
        return Err(failed(reason, why));
    }
    // An answer that cannot be read may hold a token: no part of it is told.
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

/// Sends a request and reads the answer here: kube writes an answer that it cannot parse to the log.
async fn exchange(
    client: &Client,
    request: http::Request<Vec<u8>>,
    redaction: &Redaction,
) -> Result<(u16, Vec<u8>), String> {
    let answer = client
        .send(request.map(Body::from))
        .await
        .map_err(|error| clean(&redaction.of(&error.to_string()), 200))?;
    let code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER)
        .collect()
        .await
        .map_err(|_| format!("the answer broke off, or has more than {MAX_ANSWER} bytes"))?;
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

/// Writes a renewed token into the hub's Secret, as it was read before: to the key `token`, or as a kubeconfig that has nothing but
/// what is allowed. Nothing is written if someone changed the Secret meanwhile.
///
/// # Errors
/// What was refused and the remedy; no part of the token.
pub async fn store(secrets: &Api<Secret>, secret: &Secret, renewed: &Credential) -> Result<(), Problem> {
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let failed = |reason, why: String| {
        Problem::transient(reason, format!("cannot write the renewed token to Secret {name}: {why}"))
    };
    let value = match (&renewed.identity, renewed.in_kubeconfig) {
        (super::Identity::Token(token), false) => token.clone(),
        // Its own message could hold a part of it.
        _ => serde_saphyr::to_string(&renewed.kubeconfig())
            .map_err(|_| failed(Reason::Invalid, "it cannot be written as YAML".into()))?,
    };
    // With the resourceVersion and the uid that were read, a write from an old reading fails.
    let patch = json!({
        "metadata": { "resourceVersion": secret.metadata.resource_version, "uid": secret.metadata.uid },
        "data": { &renewed.key: STANDARD.encode(value) },
    });
    let parameters = PatchParams {
        field_manager: Some(crate::api::marks::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    // Only the metadata is answered: nobody needs to send the credential back.
    let patch = Patch::Merge(patch);
    let call = secrets.patch_metadata(name, &parameters, &patch);
    match tokio::time::timeout(TIMEOUT, call).await {
        Err(_) => Err(failed(
            Reason::Unreachable,
            format!("the hub's API server did not answer within {} s", TIMEOUT.as_secs()),
        )),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) => {
            let said = format!("{} {}", status.code, clean(&status.message, 200));
            Err(match status.code {
                403 => failed(
                    Reason::Forbidden,
                    format!("{said}; let the operator patch it (the chart's rbac.renewTokens)"),
                ),
                404 => failed(Reason::CredentialMissing, said),
                409 => failed(Reason::Conflict, format!("{said}; it is read again")),
                400..500 => failed(Reason::Rejected, format!("{said}; it must not be immutable")),
                _ => failed(Reason::Unreachable, said),
            })
        }
        Ok(Err(error)) => Err(failed(Reason::Unreachable, clean(&error.to_string(), 200))),
    }
}

#[cfg(test)]
mod tests;

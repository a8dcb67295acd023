//! Renewal against a server that answers as it likes.

use super::*;
use crate::satellite::HostPolicy;
use crate::satellite::credential::tests::{jwt, kubeconfig_with};
use crate::satellite::credential::{MAX_TOKEN, ServerPolicy};
use http::{Request as HttpRequest, Response};
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use std::sync::{Arc, Mutex};

const NOW: i64 = 1_800_000_000;

type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A client whose server gives one answer to everything, and what it was asked.
fn server(code: u16, answer: &str) -> (Client, Seen) {
    let (seen, answer) = (Seen::default(), answer.to_owned());
    let service = tower::service_fn({
        let seen = seen.clone();
        move |request: HttpRequest<Body>| {
            let (seen, answer) = (seen.clone(), answer.clone());
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let body = request.into_body().collect_bytes().await.unwrap();
                seen.lock().unwrap().push((line, serde_json::from_slice(&body).unwrap()));
                let answer = Response::builder().status(code).body(Body::from(answer.into_bytes()));
                Ok::<_, std::convert::Infallible>(answer.unwrap())
            }
        }
    });
    (Client::new(service, "default"), seen)
}

fn policy() -> ServerPolicy {
    HostPolicy::default().into()
}

fn current() -> Credential {
    Credential::from_kubeconfig(&kubeconfig_with("old"), &policy()).unwrap()
}

fn answer(token: &str) -> String {
    json!({ "status": { "token": token, "expirationTimestamp": "2030-01-01T00:00:00Z" }, "spec": { "audiences": [] } }).to_string()
}

async fn asked(code: u16, answer: &str) -> Result<Credential, Problem> {
    renew(&server(code, answer).0, "icinga", &TokenRenewal::default(), &current(), NOW).await
}

#[tokio::test]
async fn a_token_is_asked_for_that_is_bound_to_the_secret() {
    let token = jwt(&json!({ "iat": NOW, "exp": NOW + 3600 }));
    let (client, seen) = server(201, &answer(&token));
    let renewal = TokenRenewal { lifetime: "1h".into(), ..TokenRenewal::default() };
    let renewed = renew(&client, "icinga", &renewal, &current(), NOW).await.unwrap();
    assert_eq!(renewed.expiry(), Some(NOW + 3600));
    let expected = Credential::from_kubeconfig(&kubeconfig_with(&token), &policy()).unwrap();
    assert!(renewed.same_as(&expected) && !renewed.same_as(&current()));
    let seen = seen.lock().unwrap();
    let [(line, body)] = seen.as_slice() else { panic!("{seen:?}") };
    assert!(line.starts_with("POST /api/v1/namespaces/icinga/serviceaccounts/groundlink/token"), "{line}");
    assert_eq!(
        body["spec"]["boundObjectRef"],
        json!({ "apiVersion": "v1", "kind": "Secret", "name": "groundlink-token" })
    );
    assert_eq!(body["spec"]["expirationSeconds"], 3600);
}

#[tokio::test]
async fn a_refusal_has_its_reason_and_remedy_and_nothing_of_an_answer_that_holds_a_token() {
    let status = |code: u16| {
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "said so", "code": code }).to_string()
    };
    let good = jwt(&json!({ "exp": NOW + 1 }));
    for (code, text, reason, word) in [
        (401, status(401), Reason::Unauthorized, "put a new token"),
        (403, status(403), Reason::Forbidden, "satellite-token-renewal.yaml"),
        (404, status(404), Reason::CredentialMissing, "groundlink-token"),
        (422, status(422), Reason::Rejected, "said so"),
        (500, status(500), Reason::Unreachable, "said so"),
        (502, "canary".into(), Reason::Unreachable, "502 without a reason"),
        (302, "canary".into(), Reason::Unreachable, "302"),
        (201, format!("canary {good}"), Reason::Rejected, "not a TokenRequest"),
        (201, "{}".into(), Reason::Rejected, "no JSON Web Token"),
        (201, answer(""), Reason::Rejected, "no JSON Web Token"),
        (201, answer("canary"), Reason::Rejected, "no JSON Web Token"),
        (201, answer(&jwt(&json!({}))), Reason::Rejected, "no JSON Web Token"),
        (201, answer(&jwt(&json!({ "exp": NOW }))), Reason::Rejected, "compare the clocks"),
        (201, answer(&format!("{good}\n")), Reason::Rejected, "holds a character"),
        (201, answer(&format!("{good}{}", "x".repeat(MAX_TOKEN))), Reason::Rejected, "bytes; at most"),
        (201, answer(&"x".repeat(MAX_ANSWER)), Reason::Unreachable, "more than 65536 bytes"),
    ] {
        let problem = asked(code, &text).await.expect_err(word);
        assert_eq!(problem.reason, reason, "{}", problem.message);
        assert!(problem.message.contains(word), "{word} is not in: {}", problem.message);
        assert!(problem.message.contains("ServiceAccount icinga/groundlink") && problem.transient);
        assert!(
            !problem.message.contains("canary") && !problem.message.contains(&good),
            "{}",
            problem.message
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let service = tower::service_fn(|_: HttpRequest<Body>| {
        std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
    });
    let client = Client::new(service, "default");
    let problem = renew(&client, "icinga", &TokenRenewal::default(), &current(), NOW).await.unwrap_err();
    assert!(problem.message.contains("no answer within 10 s"), "{}", problem.message);
    let problem = store(&Api::namespaced(client, "hub"), &secret(), &current()).await.unwrap_err();
    assert!(problem.message.contains("hub's API server: no answer within 10 s"), "{}", problem.message);
}

#[tokio::test]
async fn a_certificate_is_not_renewed() {
    let mut certificate = current();
    certificate.identity =
        super::super::Identity::Certificate { certificate: b"canary".to_vec(), key: b"canary".to_vec() };
    let (client, seen) = server(201, &answer(&jwt(&json!({ "exp": NOW + 1 }))));
    let problem = renew(&client, "icinga", &TokenRenewal::default(), &certificate, NOW).await.unwrap_err();
    assert_eq!(problem.reason, Reason::Unsupported);
    assert!(seen.lock().unwrap().is_empty());
}

fn secret() -> Secret {
    let metadata = ObjectMeta {
        name: Some("edge-a".into()),
        resource_version: Some("7".into()),
        uid: Some("u-1".into()),
        ..ObjectMeta::default()
    };
    Secret { metadata, ..Secret::default() }
}

const META: &str =
    r#"{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"name":"edge-a"}}"#;

/// What is written for a credential: the key and its value.
async fn written(renewed: &Credential) -> (String, String) {
    let (client, seen) = server(200, META);
    store(&Api::namespaced(client, "hub"), &secret(), renewed).await.unwrap();
    let seen = seen.lock().unwrap();
    let [(line, body)] = seen.as_slice() else { panic!("{seen:?}") };
    assert!(line.starts_with("PATCH /api/v1/namespaces/hub/secrets/edge-a?"), "{line}");
    assert!(line.contains("fieldManager=groundlink"), "{line}");
    assert_eq!(body["metadata"], json!({ "resourceVersion": "7", "uid": "u-1" }));
    let data = body["data"].as_object().unwrap();
    assert_eq!((data.len(), body.as_object().unwrap().len()), (1, 2), "nothing else is touched");
    let (key, value) = data.iter().next().unwrap();
    let value: ByteString = serde_json::from_value(value.clone()).unwrap();
    (key.clone(), String::from_utf8(value.0).unwrap())
}

#[tokio::test]
async fn what_is_stored_is_read_back_as_the_same_credential() {
    let token = jwt(&json!({ "exp": NOW + 1 }));
    let from_kubeconfig = current().with_token(token.clone());
    let (key, value) = written(&from_kubeconfig).await;
    assert_eq!(key, "value");
    let again = Credential::from_kubeconfig(&value, &policy()).unwrap();
    assert!(again.same_as(&from_kubeconfig));
    for field in super::super::REFUSED_USER.iter().chain(&super::super::REFUSED_CLUSTER) {
        assert!(!value.contains(&format!("{field}:")), "{field} is in what is stored");
    }
    let mut from_keys = from_kubeconfig;
    (from_keys.in_kubeconfig, from_keys.key) = (false, "token".into());
    assert_eq!(written(&from_keys).await, ("token".to_owned(), token));
}

#[tokio::test]
async fn a_write_that_is_refused_has_its_reason() {
    for (code, reason, word) in [
        (403, Reason::Forbidden, "rbac.renewTokens"),
        (404, Reason::CredentialMissing, "said so"),
        (409, Reason::Conflict, "read again"),
        (422, Reason::Rejected, "immutable"),
        (500, Reason::Unreachable, "said so"),
    ] {
        let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "said so", "code": code });
        let (client, _) = server(code, &status.to_string());
        let problem = store(&Api::namespaced(client, "hub"), &secret(), &current()).await.unwrap_err();
        assert_eq!(problem.reason, reason, "{}", problem.message);
        assert!(
            problem.message.contains(word) && problem.message.contains("Secret edge-a"),
            "{}",
            problem.message
        );
    }
}

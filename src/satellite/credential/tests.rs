//! A credential from a Secret: its keys, its form, its end, and that no output shows any of it.

use super::expiry::{of_certificate, of_token};
use super::*;
use crate::satellite::HostPolicy;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// A self-signed certificate, good from 2026-01-01 to 2027-01-01.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBGzCBwgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9ncm91bmRsaW5rIHRl
c3QwHhcNMjYwMTAxMDAwMDAwWhcNMjcwMTAxMDAwMDAwWjAaMRgwFgYDVQQDDA9n
cm91bmRsaW5rIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATwyS39+oIO
CfghH5nVI3QMvHw/bYdLMOWS+qVenn2z+pIxsLgrfAYcD2DC5mdcWbA19L6EBpIA
CMQuCWD2sQLoMAoGCCqGSM49BAMCA0gAMEUCICqF1mDGObw9zQWC1E2VIorPUk1h
qrHXeYD2ahPKCuivAiEAgYisw+IxYwgGzFGm8v9H83Pl6HYIAE9jN1EPR7fdtxQ=
-----END CERTIFICATE-----
";
/// The same, good until 9999-12-31T23:59:59Z.
const ENDLESS: &str = "-----BEGIN CERTIFICATE-----
MIIBHTCBxAIBAjAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9ncm91bmRsaW5rIHRl
c3QwIBcNMjYwMTAxMDAwMDAwWhgPOTk5OTEyMzEyMzU5NTlaMBoxGDAWBgNVBAMM
D2dyb3VuZGxpbmsgdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPDJLf36
gg4J+CEfmdUjdAy8fD9th0sw5ZL6pV6efbP6kjGwuCt8BhwPYMLmZ1xZsDX0voQG
kgAIxC4JYPaxAugwCgYIKoZIzj0EAwIDSAAwRQIhAP9q3F3UA9SSwm5MOh3tCx++
m6KtPnvPXCqD33Z5VbDNAiBHVUsQ+PomZE1EM3jZkJ330e50KoMT6mlPGjkHY/P+
0w==
-----END CERTIFICATE-----
";
const BEGIN: i64 = 1_767_225_600;
const END: i64 = 1_798_761_600;

pub(super) fn certificate() -> &'static str {
    CERTIFICATE
}

/// The form of a private key, with nothing in it.
pub(super) fn key() -> String {
    pem::encode(&pem::Pem::new("PRIVATE KEY", *b"canary"))
}

/// A token with these claims.
pub(super) fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.canary", part(&json!({ "alg": "RS256" })), part(claims))
}

/// A kubeconfig with this token.
pub(super) fn kubeconfig_with(token: &str) -> String {
    json!({
        "current-context": "c",
        "clusters": [{ "name": "k", "cluster": { "server": "https://edge.example" } }],
        "users": [{ "name": "u", "user": { "token": token } }],
        "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
    })
    .to_string()
}

fn secret(data: &[(&str, &str)]) -> Secret {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
    Secret { data: Some(data.collect()), ..Secret::default() }
}

fn read(data: &[(&str, &str)], key: Option<&str>) -> Result<Credential, Problem> {
    let reference = SecretKeyRef { name: "edge-a".into(), key: key.map(str::to_owned) };
    Credential::from_secret(&secret(data), &reference, &HostPolicy::default().into())
}

/// The problem with a Secret: its message names these words and no credential.
fn problem(data: &[(&str, &str)], key: Option<&str>, reason: Reason, words: &[&str]) {
    let problem = read(data, key).expect_err("a problem");
    assert_eq!(problem.reason, reason, "{}", problem.message);
    assert_eq!(problem.transient, reason == Reason::CredentialMissing);
    for word in words.iter().chain(&["Secret edge-a"]) {
        assert!(problem.message.contains(word), "{word} is not in: {}", problem.message);
    }
    assert!(!problem.message.contains("canary"), "{}", problem.message);
}

fn token_of(credential: &Credential) -> Value {
    serde_json::to_value(credential.kubeconfig()).unwrap()["users"][0]["user"]["token"].clone()
}

#[test]
fn the_key_that_is_named_then_value_then_kubeconfig_then_separate_keys() {
    let (a, b, c) = (kubeconfig_with("a"), kubeconfig_with("b"), kubeconfig_with("c"));
    let mut data = vec![
        ("mine", a.as_str()),
        ("value", &b),
        ("kubeconfig", &c),
        ("server", "https://edge.example"),
        ("ca.crt", CERTIFICATE),
        ("token", "d"),
    ];
    assert_eq!(token_of(&read(&data, Some("mine")).unwrap()), "a");
    for token in ["b", "c", "d"] {
        assert_eq!(token_of(&read(&data, None).unwrap()), token);
        if token != "d" {
            data.remove(1);
        }
    }
}

#[test]
fn what_is_missing_is_named_and_may_come() {
    let missing = Reason::CredentialMissing;
    problem(&[], None, missing, &["value or kubeconfig", "server, ca.crt", "spec.kubeconfigSecretRef"]);
    let config = kubeconfig_with("canary");
    problem(&[("value", &config)], Some("other"), missing, &["no key other"]);
    let server = ("server", "https://edge.example");
    let authority = ("ca.crt", CERTIFICATE);
    problem(&[server], None, missing, &["no key ca.crt"]);
    problem(&[server, authority], None, missing, &["no key token", "tls.crt"]);
    problem(&[server, authority, ("tls.crt", CERTIFICATE)], None, missing, &["no key tls.key"]);
    problem(&[server, authority, ("tls.key", &key())], None, missing, &["no key tls.crt"]);
    let nothing = Credential::from_secret(
        &Secret::default(),
        &SecretKeyRef { name: "edge-a".into(), key: None },
        &HostPolicy::default().into(),
    );
    assert_eq!(nothing.unwrap_err().reason, missing);
}

#[test]
fn what_is_refused_in_a_kubeconfig_names_the_key_and_the_field() {
    let config = kubeconfig_with("canary").replace("\"token\"", "\"tokenFile\"");
    let words = ["key value: users[0].user.tokenFile is refused"];
    problem(&[("value", &config)], None, Reason::CredentialRefused, &words);
    let words = ["key mine: the kubeconfig is not valid YAML"];
    problem(&[("mine", "canary: [")], Some("mine"), Reason::CredentialRefused, &words);
}

#[test]
fn separate_keys_make_the_same_credential_as_a_kubeconfig() {
    let data = [
        ("server", "https://edge.example\n"),
        ("ca.crt", CERTIFICATE),
        ("token", "canary\n"),
        ("tls-server-name", "kubernetes\n"),
        ("namespace", "icinga"),
        ("insecure-skip-tls-verify", "true"),
        ("exec", "touch canary"),
    ];
    let from_keys = read(&data, None).unwrap();
    let authority = STANDARD.encode(CERTIFICATE);
    let kubeconfig = kubeconfig_with("canary").replace(
        "\"server\"",
        &format!(
            "\"certificate-authority-data\": \"{authority}\", \"tls-server-name\": \"kubernetes\", \"server\""
        ),
    );
    let from_kubeconfig = read(&[("value", &kubeconfig)], None).unwrap();
    assert!(from_keys.same_as(&from_kubeconfig));
    let pair =
        [data[0], data[1], ("tls.crt", CERTIFICATE), ("tls.key", &key())].map(|(k, v)| (k, v.to_owned()));
    let pair: Vec<_> = pair.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let certificate = read(&pair, None).unwrap();
    assert!(!certificate.same_as(&from_keys) && !certificate.is_token() && from_keys.is_token());
    assert_eq!(certificate.expiry(), Some(END));
}

#[test]
fn separate_keys_are_checked_like_a_kubeconfig() {
    let good = [("server", "https://edge.example"), ("ca.crt", CERTIFICATE), ("token", "t")];
    assert!(read(&good, None).is_ok());
    let long = "x".repeat(65 * 1024);
    for (key, value, word) in [
        ("server", "http://canary.example", "key server must begin with https://"),
        ("server", "https://127.0.0.1:6443", "key server is a loopback"),
        ("server", "https://kubernetes.default.svc", "key server is the hub's own"),
        ("server", " \n", "key server is empty"),
        ("server", &long, "key server has 66560 bytes"),
        ("ca.crt", "canary", "key ca.crt holds no certificate"),
        ("ca.crt", &long, "key ca.crt has"),
        ("token", "canary canary", "key token holds a character"),
        ("token", "", "key token is empty"),
        ("token", &long[..17 * 1024], "key token has 17408 bytes"),
        ("tls-server-name", "canary:5", "key tls-server-name is neither"),
    ] {
        let mut data: Vec<_> = good.iter().copied().filter(|(name, _)| *name != key).collect();
        data.push((key, value));
        problem(&data, None, Reason::CredentialRefused, &[word]);
    }
    let key_as_certificate = key();
    for (certificate, private, word) in [
        (key_as_certificate.as_str(), key_as_certificate.as_str(), "key tls.crt holds no certificate"),
        (CERTIFICATE, CERTIFICATE, "key tls.key holds no private key"),
    ] {
        let data = [good[0], good[1], ("tls.crt", certificate), ("tls.key", private)];
        problem(&data, None, Reason::CredentialRefused, &[word]);
    }
    let mut binary = secret(&good);
    binary.data.as_mut().unwrap().insert("token".into(), ByteString(vec![0xff]));
    let reference = SecretKeyRef { name: "edge-a".into(), key: None };
    let refused = Credential::from_secret(&binary, &reference, &HostPolicy::default().into()).unwrap_err();
    assert!(refused.message.contains("key token is not UTF-8"), "{}", refused.message);
}

#[test]
fn the_hub_is_refused_where_it_is_known() {
    let policy =
        ServerPolicy::from(HostPolicy::default()).without_hub(&"https://edge.example".parse().unwrap());
    let why = Credential::from_kubeconfig(&kubeconfig_with("t"), &policy).unwrap_err();
    assert!(why.contains("clusters[0].cluster.server is the hub's own"), "{why}");
}

#[test]
fn a_change_is_seen_and_nothing_is_shown() {
    let read = |text: &str| Credential::from_kubeconfig(text, &HostPolicy::default().into()).unwrap();
    let one = read(&kubeconfig_with("canary"));
    let same = kubeconfig_with("canary").replace("\"k\"", "\"other\"").replace("\"c\"", "\"d\"");
    assert!(one.same_as(&read(&same)), "names are not part of it");
    assert!(!one.same_as(&read(&kubeconfig_with("canary2"))));
    assert!(!one.same_as(&read(&kubeconfig_with("canary").replace("edge", "egde"))));
    let shown = format!("{one:?} {:?}", one.kubeconfig());
    assert!(shown.starts_with("Credential { .. }") && !shown.contains("canary"), "{shown}");
}

#[test]
fn a_token_says_when_it_ends_if_it_can_be_read() {
    let of = |claims: Value| of_token(&jwt(&claims)).map(|v| (v.issued, v.expires));
    assert_eq!(of(json!({ "iat": 10, "exp": 20 })), Some((Some(10), 20)));
    assert_eq!(of(json!({ "exp": 20.9 })), Some((None, 20)));
    for claims in [
        json!({}),
        json!({ "iat": 10 }),
        json!({ "exp": "20" }),
        json!({ "exp": 0 }),
        json!({ "exp": -5 }),
        json!({ "exp": 1e300 }),
        json!([]),
    ] {
        assert_eq!(of(claims.clone()), None, "{claims}");
    }
    let good = jwt(&json!({ "exp": 20 }));
    for opaque in ["", "abc", "a.b.c", "..", "a.e30.c", &format!("{good}.x"), &good.replace('.', "")] {
        assert_eq!(of_token(opaque), None, "{opaque}");
    }
    let credential = Credential::from_kubeconfig(&kubeconfig_with(&good), &HostPolicy::default().into());
    assert_eq!(credential.unwrap().expiry(), Some(20));
}

#[test]
fn a_certificate_says_when_it_ends() {
    let own = Validity { issued: Some(BEGIN), expires: END };
    assert_eq!(of_certificate(CERTIFICATE.as_bytes()), Some(own));
    assert_eq!(
        of_certificate(format!("Bag\n{}{CERTIFICATE}{ENDLESS}", key()).as_bytes()),
        Some(own),
        "its own is first"
    );
    assert_eq!(of_certificate(ENDLESS.as_bytes()), None, "9999-12-31 is no end");
    let large = pem::encode(&pem::Pem::new("CERTIFICATE", vec![0x30; 40 * 1024]));
    for unread in ["", "canary", &key(), &large, &CERTIFICATE.replace("MIIBG", "MIIBH")] {
        assert_eq!(of_certificate(unread.as_bytes()), None, "{unread}");
    }
}

#[test]
fn a_person_is_told_in_the_last_fifth_of_the_life() {
    const DAY: i64 = 24 * 3600;
    let day = Validity { issued: Some(END - DAY), expires: END };
    let said = |left: i64, validity| warning(END - left, validity, "Secret edge-a", false);
    assert_eq!(said(DAY / 5 + 1, day), None);
    let message = said(DAY / 5, day).unwrap();
    assert_eq!(
        message,
        "the credential in Secret edge-a ends at 2027-01-01T00:00:00Z; put a new one there, or set spec.tokenRenewal"
    );
    assert_eq!(said(1, day).as_deref(), Some(message.as_str()), "it does not change with every second");
    assert!(said(0, day).unwrap().contains("ended at 2027"));
    let year = Validity { issued: Some(BEGIN), expires: END };
    assert_eq!(said(14 * DAY + 1, year), None);
    assert!(said(14 * DAY, year).is_some());
    let unknown = Validity { issued: None, expires: END };
    assert_eq!(said(7 * DAY + 1, unknown), None);
    assert!(said(7 * DAY, unknown).is_some());
    assert!(warning(END, day, "Secret edge-a", true).unwrap().contains("why spec.tokenRenewal does not"));
}

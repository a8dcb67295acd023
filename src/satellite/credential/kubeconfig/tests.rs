//! Every rule about a field of a kubeconfig, one by one, and random changes.

use super::MAX_BYTES;
use crate::satellite::HostPolicy;
use crate::satellite::credential::tests::{certificate, key};
use crate::satellite::credential::{Credential, ServerPolicy};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const TOKEN: &str = "canary-token";
const SERVER: &str = "https://edge.example:6443";

fn policy() -> ServerPolicy {
    ServerPolicy::from(HostPolicy::default())
}

fn good() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "k", "cluster": { "server": SERVER } }],
        "users": [{ "name": "u", "user": { "token": TOKEN } }],
        "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
    })
}

fn cluster(config: &mut Value) -> &mut Map<String, Value> {
    config["clusters"][0]["cluster"].as_object_mut().unwrap()
}

fn user(config: &mut Value) -> &mut Map<String, Value> {
    config["users"][0]["user"].as_object_mut().unwrap()
}

fn rebuilt(text: &str) -> Result<Value, String> {
    let credential = Credential::from_kubeconfig(text, &policy())?;
    Ok(serde_json::to_value(credential.kubeconfig()).unwrap())
}

/// The refusal of a text, which names `words` and no credential.
fn refusal(text: &str, words: &[&str]) {
    let why = rebuilt(text).map(|_| ()).expect_err(text);
    for word in words {
        assert!(why.contains(word), "{word} is not in: {why}");
    }
    assert!(!why.contains("canary") && why.len() < 500, "{why}");
}

fn refused(config: &Value, words: &[&str]) {
    refusal(&config.to_string(), words);
}

/// Values that a field can have without doing anything, and some that do: each is refused.
fn any_value() -> [Value; 8] {
    let touch =
        json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": ["canary"] });
    [Value::Null, json!(false), json!(true), json!(""), json!("/canary"), json!({}), json!([]), touch]
}

#[test]
fn commands_are_refused() {
    fields_of_a_user(&["exec", "auth-provider"]);
}

#[test]
fn paths_are_refused() {
    fields_of_a_user(&["tokenFile", "client-certificate", "client-key"]);
    fields_of_the_cluster(&["certificate-authority"]);
}

#[test]
fn passwords_and_impersonation_are_refused() {
    fields_of_a_user(&["username", "password", "as", "as-uid", "as-groups", "as-user-extra"]);
}

#[test]
fn proxies_are_refused() {
    fields_of_the_cluster(&["proxy-url"]);
}

fn fields_of_a_user(fields: &[&str]) {
    for (field, value) in fields.iter().flat_map(|field| any_value().map(|value| (*field, value))) {
        let mut config = good();
        user(&mut config).insert(field.into(), value);
        refused(&config, &[&format!("users[0].user.{field} is refused")]);
    }
}

fn fields_of_the_cluster(fields: &[&str]) {
    for (field, value) in fields.iter().flat_map(|field| any_value().map(|value| (*field, value))) {
        let mut config = good();
        cluster(&mut config).insert(field.into(), value);
        refused(&config, &[&format!("clusters[0].cluster.{field} is refused")]);
    }
}

#[test]
fn servers_are_verified() {
    for value in any_value() {
        let mut config = good();
        cluster(&mut config).insert("insecure-skip-tls-verify".into(), value.clone());
        match value == json!(false) {
            true => assert_eq!(rebuilt(&config.to_string()), rebuilt(&good().to_string())),
            false => refused(&config, &["clusters[0].cluster.insecure-skip-tls-verify is refused"]),
        }
    }
    for server in ["http://edge.example", "https://127.0.0.1:6443", "https://u:canary@edge.example", "canary"]
    {
        let mut config = good();
        cluster(&mut config).insert("server".into(), json!(server));
        refused(&config, &["clusters[0].cluster.server "]);
    }
    let mut config = good();
    cluster(&mut config).remove("server");
    refused(&config, &["clusters[0].cluster.server is missing"]);
    let mut config = good();
    cluster(&mut config).insert("tls-server-name".into(), json!("canary canary"));
    refused(&config, &["clusters[0].cluster.tls-server-name"]);
}

#[test]
fn exactly_one_of_each_and_no_dangling_name() {
    for list in ["clusters", "users", "contexts"] {
        let mut config = good();
        let entry = config[list][0].clone();
        config[list].as_array_mut().unwrap().push(entry);
        refused(&config, &[&format!("has 2 {list}; exactly one")]);
        for nothing in [json!([]), Value::Null, json!({}), json!("canary")] {
            config[list] = nothing;
            refused(&config, &[&format!("has 0 {list}; exactly one")]);
        }
        let mut config = good();
        config[list][0]["name"] = json!("other");
        refused(&config, &["does not name the kubeconfig's"]);
        config[list][0]["name"] = Value::Null;
        refused(&config, &[&format!("{list}[0].name is missing")]);
        config[list][0] = json!({ "name": "k" });
        refused(&config, &[&format!("{list}[0]."), "is missing"]);
    }
    for field in ["cluster", "user"] {
        let mut config = good();
        config["contexts"][0]["context"][field] = json!("canary");
        refused(&config, &["contexts[0].context does not name"]);
    }
    for current in [json!("canary"), json!(""), Value::Null] {
        let mut config = good();
        config["current-context"] = current;
        refused(&config, &["current-context does not name"]);
    }
}

#[test]
fn what_is_unknown_is_dropped_at_every_level() {
    let mut config = good();
    let unknown = json!({ "exec": { "command": "canary" } });
    for place in [
        "",
        "/preferences",
        "/clusters/0",
        "/clusters/0/cluster",
        "/users/0",
        "/users/0/user",
        "/contexts/0",
        "/contexts/0/context",
    ] {
        if place == "/preferences" {
            config["preferences"] = json!({});
        }
        let object = config.pointer_mut(place).unwrap().as_object_mut().unwrap();
        for field in ["extensions", "execute", "Exec", "token-file", "namespace", "disable-compression"] {
            object.insert(field.into(), unknown.clone());
        }
    }
    let expected = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "satellite",
        "clusters": [{ "name": "satellite", "cluster": { "server": SERVER } }],
        "users": [{ "name": "satellite", "user": { "token": TOKEN } }],
        "contexts": [{ "name": "satellite", "context": { "cluster": "satellite", "user": "satellite" } }],
    });
    let mut found = rebuilt(&config.to_string()).unwrap();
    // kube writes missing fields as null.
    found["users"][0]["user"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
    assert_eq!(found, expected);
}

#[test]
fn size_and_form_are_bounded() {
    refusal(&"x".repeat(MAX_BYTES + 1), &["65537 bytes; at most 65536"]);
    let padding = "#".repeat(MAX_BYTES - good().to_string().len() - 1);
    assert!(rebuilt(&format!("{}\n{padding}", good())).is_ok(), "the largest that is accepted");
    let yaml = "not valid YAML";
    for text in ["", "{", "canary: [", "- canary\n- : [", "canary: 1\ncanary: 2", "---\na: 1\n---\nb: 2"] {
        let why = rebuilt(text).map(|_| ()).unwrap_err();
        assert!(why.contains(yaml) || why.contains("has 0 clusters"), "{why}");
    }
    refusal("canary: 1\ncanary: 2", &[yaml]);
    refusal(&format!("{}\n---\n{}", good(), good()), &[yaml]);
    let with = |text: &str| format!("{{x: {text}, {}", &good().to_string()[1..]);
    assert!(rebuilt(&with("1")).is_ok());
    let nested = |levels: usize| with(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    assert!(rebuilt(&nested(15)).is_ok());
    refusal(&nested(16), &[yaml]);
    refusal(&nested(20_000), &[yaml]);
    let blocks: String = (0..40).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    refusal(&format!("{good}\n", good = blocks), &[yaml]);
    let aliases = |count: usize| with(&format!("[&a canary{}]", ", *a".repeat(count)));
    assert!(rebuilt(&aliases(16)).is_ok());
    refusal(&aliases(17), &[yaml]);
    // Eight levels of eight aliases: 16 million nodes from some 300 bytes.
    let mut bomb = "[&l0 [a,a,a,a,a,a,a,a]".to_owned();
    for level in 1..8 {
        let alias = vec![format!("*l{}", level - 1); 2].join(",");
        bomb += &format!(", &l{level} [{alias},{alias},{alias},{alias}]");
    }
    refusal(&with(&format!("{bomb}]")), &[yaml]);
    // A merge would put fields where the text has none.
    refusal(&format!("{{<<: {{x: canary}}, {}", &good().to_string()[1..]), &[yaml]);
    let bytes = [b"apiVersion: v1\nx: ".as_slice(), &[0xff, 0xfe]].concat();
    assert!(super::read(&bytes, &policy()).is_err_and(|why| why.contains("not UTF-8")));
}

#[test]
fn what_is_allowed_arrives() {
    let (certificate, key) = (STANDARD.encode(certificate()), STANDARD.encode(key()));
    let mut config = good();
    cluster(&mut config).insert("certificate-authority-data".into(), json!(certificate));
    cluster(&mut config).insert("tls-server-name".into(), json!("kubernetes"));
    // A token wins, and the certificate is not used at all.
    user(&mut config).insert("client-certificate-data".into(), json!(certificate));
    user(&mut config).insert("client-key-data".into(), json!(key));
    let with_token = rebuilt(&config.to_string()).unwrap();
    let of = |config: &Value, at: &str| config.pointer(at).cloned().unwrap_or_default();
    assert_eq!(of(&with_token, "/clusters/0/cluster/certificate-authority-data"), json!(certificate));
    assert_eq!(of(&with_token, "/clusters/0/cluster/tls-server-name"), json!("kubernetes"));
    assert_eq!(of(&with_token, "/users/0/user/token"), json!(TOKEN));
    assert_eq!(of(&with_token, "/users/0/user/client-certificate-data"), Value::Null);
    user(&mut config).remove("token");
    let with_certificate = rebuilt(&config.to_string()).unwrap();
    assert_eq!(of(&with_certificate, "/users/0/user/token"), Value::Null);
    assert_eq!(of(&with_certificate, "/users/0/user/client-certificate-data"), json!(certificate));
    assert_eq!(of(&with_certificate, "/users/0/user/client-key-data"), json!(key));
}

#[test]
fn what_cannot_be_used_is_named() {
    let needs = "users[0].user needs token, or client-certificate-data with client-key-data";
    let (certificate, key) = (json!(STANDARD.encode(certificate())), json!(STANDARD.encode(key())));
    let with = |fields: Value| {
        let mut config = good();
        config["users"][0]["user"] = fields;
        config
    };
    refused(&with(json!({})), &[needs]);
    refused(&with(json!({ "token": "" })), &[needs]);
    refused(&with(json!({ "client-certificate-data": certificate })), &[needs]);
    refused(&with(json!({ "client-key-data": key })), &[needs]);
    refused(&with(json!({ "token": 5 })), &["users[0].user.token is not text"]);
    refused(&with(json!({ "token": "canary\r\nX: y" })), &["users[0].user.token holds a character"]);
    refused(&with(json!({ "token": "canary canary" })), &["users[0].user.token holds a character"]);
    refused(&with(json!({ "token": "x".repeat(16 * 1024 + 1) })), &["users[0].user.token has 16385 bytes"]);
    let pair = |certificate: &Value, key: &Value| {
        with(json!({ "client-certificate-data": certificate, "client-key-data": key }))
    };
    refused(&pair(&json!("canary!"), &key), &["client-certificate-data is not base64"]);
    refused(&pair(&key, &key), &["client-certificate-data holds no certificate"]);
    refused(&pair(&certificate, &certificate), &["client-key-data holds no private key"]);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    refused(&pair(&certificate, &json!(STANDARD.encode(locked))), &["client-key-data", "with a password"]);
    let mut config = good();
    cluster(&mut config).insert("certificate-authority-data".into(), json!(STANDARD.encode("canary")));
    refused(&config, &["certificate-authority-data holds no certificate"]);
}

/// Fields of a rebuilt kubeconfig, and nothing else.
const ALLOWED: [&str; 17] = [
    "/apiVersion",
    "/kind",
    "/current-context",
    "/clusters/0/name",
    "/clusters/0/cluster/server",
    "/clusters/0/cluster/certificate-authority-data",
    "/clusters/0/cluster/tls-server-name",
    "/users/0/name",
    "/users/0/user/token",
    "/users/0/user/client-certificate-data",
    "/users/0/user/client-key-data",
    "/contexts/0/name",
    "/contexts/0/context/cluster",
    "/contexts/0/context/user",
    "/clusters",
    "/users",
    "/contexts",
];

/// Places in a value that hold anything.
fn leaves(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, format!("{at}/{name}"), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| leaves(value, format!("{at}/{i}"), found))
        }
        _ => found.push(at),
    }
}

const DANGEROUS: [&str; 13] = [
    "exec",
    "auth-provider",
    "tokenFile",
    "client-certificate",
    "client-key",
    "username",
    "password",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
    "certificate-authority",
    "proxy-url",
];

/// A change to a good kubeconfig: where, what, and how it is written.
fn change() -> impl Strategy<Value = (String, String, Value)> {
    let place = prop_oneof![
        4 => Just("/users/0/user"),
        4 => Just("/clusters/0/cluster"),
        1 => Just(""),
        1 => Just("/users/0"),
        1 => Just("/clusters/0"),
        1 => Just("/contexts/0"),
        1 => Just("/contexts/0/context"),
    ];
    let field = prop_oneof![
        6 => proptest::sample::select(DANGEROUS.to_vec()).prop_map(str::to_owned),
        2 => Just("insecure-skip-tls-verify".to_owned()),
        2 => proptest::sample::select(vec!["token", "server", "tls-server-name", "name", "user", "cluster"])
            .prop_map(str::to_owned),
        3 => "[a-zA-Z_<*&!-]{1,12}",
    ];
    let value = prop_oneof![
        proptest::sample::select(any_value().to_vec()),
        Just(json!("http://127.0.0.1")),
        Just(json!("https://169.254.169.254")),
        "[ -~]{0,20}".prop_map(Value::String),
    ];
    (place.prop_map(str::to_owned), field, value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_but_the_allow_list_survives(
        changes in proptest::collection::vec(change(), 0..4),
        as_yaml: bool,
        cut in proptest::option::weighted(0.2, (0usize..400, "[ -~\n]{0,6}")),
    ) {
        let mut config = good();
        for (place, field, value) in changes {
            if let Some(object) = config.pointer_mut(&place).and_then(Value::as_object_mut) {
                object.insert(field, value);
            }
        }
        let mut text = if as_yaml { serde_saphyr::to_string(&config).unwrap() } else { config.to_string() };
        if let Some((at, insertion)) = &cut {
            text.insert_str((*at).min(text.len()), insertion);
        }
        match Credential::from_kubeconfig(&text, &policy()) {
            Err(why) => prop_assert!(!why.contains("canary") && why.len() < 500, "{why}"),
            Ok(credential) => {
                let rebuilt = serde_json::to_value(credential.kubeconfig()).unwrap();
                let mut found = Vec::new();
                leaves(&rebuilt, String::new(), &mut found);
                prop_assert!(found.iter().all(|place| ALLOWED.contains(&place.as_str())), "{found:?}");
                prop_assert!(policy().check(rebuilt["clusters"][0]["cluster"]["server"].as_str().unwrap()).is_ok());
                // A dangerous field must be refused, not dropped silently.
                let read: Value = serde_saphyr::from_str(&text).unwrap();
                for field in DANGEROUS {
                    let of_user = field != "certificate-authority" && field != "proxy-url";
                    let place = if of_user { "/users/0/user" } else { "/clusters/0/cluster" };
                    prop_assert!(read.pointer(place).unwrap().get(field).is_none(), "{field}: {text}");
                }
            }
        }
    }
}

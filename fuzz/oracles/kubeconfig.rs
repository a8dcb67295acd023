//! The properties that hold for every text in place of a kubeconfig.

use super::{Verdict, is_for_a_person};
use groundlink::satellite::HostPolicy;
use groundlink::satellite::credential::{Credential, REFUSED_CLUSTER, REFUSED_USER, ServerPolicy};
use serde_json::Value;

/// The fields that a rebuilt kubeconfig may have.
const ALLOWED: [&str; 14] = [
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
];

/// Marks a credential in the committed inputs.
const CANARY: &str = "canary";

/// Checks a text as the value of a satellite's Secret.
pub fn kubeconfig(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Undecodable };
    let policy = ServerPolicy::from(HostPolicy::default());
    let credential = match Credential::from_kubeconfig(text, &policy) {
        Ok(credential) => credential,
        Err(why) => {
            is_for_a_person(&why);
            assert!(!why.contains(CANARY), "the message has a value: {why}");
            return match why.contains("not valid YAML") {
                true => Verdict::Undecodable,
                false => Verdict::Refused,
            };
        }
    };
    let Ok(rebuilt) = serde_json::to_value(credential.kubeconfig()) else { panic!("no value: {text}") };
    holds_what_is_allowed(&rebuilt, "");
    let Ok(read) = serde_saphyr::from_str::<Value>(text) else { panic!("accepted, but not YAML: {text}") };
    for (place, refused) in
        [("/users/0/user", &REFUSED_USER[..]), ("/clusters/0/cluster", &REFUSED_CLUSTER[..])]
    {
        for field in refused {
            let found = read.pointer(place).and_then(|part| part.get(*field));
            let verifies = *field == "insecure-skip-tls-verify" && found == Some(&Value::Bool(false));
            assert!(found.is_none() || verifies, "{field} was dropped instead of refused: {text}");
        }
    }
    let server = "/clusters/0/cluster/server";
    assert_eq!(rebuilt.pointer(server), read.pointer(server));
    let address = rebuilt.pointer(server).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(policy.check(address), Ok(()));
    let Ok(again) = serde_saphyr::to_string(&credential.kubeconfig()) else { panic!("not written: {text}") };
    let again = Credential::from_kubeconfig(&again, &policy);
    assert!(again.is_ok_and(|again| again.same_as(&credential)), "not read back: {text}");
    assert_eq!(format!("{credential:?}"), "Credential { .. }");
    Verdict::Accepted
}

fn holds_what_is_allowed(value: &Value, at: &str) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            fields.iter().for_each(|(name, below)| holds_what_is_allowed(below, &format!("{at}/{name}")));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| holds_what_is_allowed(item, &format!("{at}/{i}")));
        }
        _ => assert!(ALLOWED.contains(&at), "{at} is in the rebuilt kubeconfig"),
    }
}

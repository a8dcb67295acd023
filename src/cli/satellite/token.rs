//! Tokens of the satellite's account: made by TokenRequest, bound to a Secret whose deletion revokes them, and read for what
//! they say of themselves. A token says it to anyone; whether it is true is asked of the server that made it.

use super::cluster::Cluster;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use serde_json::Value;

/// What a token of a ServiceAccount says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Namespace of the account.
    pub namespace: String,
    /// Name of the account.
    pub account: String,
    /// Its uid.
    pub account_uid: Option<String>,
    /// Secret that it is bound to: name and uid.
    pub bound: Option<(String, String)>,
    /// When it was made.
    pub issued: Option<i64>,
    /// When it ends.
    pub expires: Option<i64>,
}

impl Claims {
    /// Reads a token; nothing if it is none of a ServiceAccount.
    pub fn of(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let body: Value = serde_json::from_slice(&bytes).ok()?;
        let account = &body["kubernetes.io"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            namespace: text(&account["namespace"])?,
            account: text(&account["serviceaccount"]["name"])?,
            account_uid: text(&account["serviceaccount"]["uid"]),
            bound: text(&account["secret"]["name"]).zip(text(&account["secret"]["uid"])),
            issued: body["iat"].as_i64(),
            expires: body["exp"].as_i64(),
        })
    }

    /// Seconds from its making to its end.
    pub fn lifetime(&self) -> Option<i64> {
        Some(self.expires? - self.issued?)
    }
}

/// Asks for a token of `account` that is bound to a Secret and lives for `seconds`, or as long as the server allows.
///
/// # Errors
/// Why there is none.
pub async fn request(
    cluster: &Cluster,
    namespace: &str,
    account: &str,
    bound: (&str, &str),
    seconds: i64,
) -> anyhow::Result<String> {
    let spec = TokenRequestSpec {
        expiration_seconds: Some(seconds),
        bound_object_ref: Some(BoundObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Secret".into()),
            name: Some(bound.0.into()),
            uid: Some(bound.1.into()),
        }),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let api = cluster.typed::<ServiceAccount>(namespace);
    let parameters = PostParams::default();
    let call = api.create_token_request(account, &parameters, &request);
    let answer =
        cluster.ask(&format!("request a token of ServiceAccount {namespace}/{account}"), call).await?;
    answer
        .status
        .and_then(|status| status.token)
        .context("the satellite answered a TokenRequest without a token")
}

/// Unix seconds now.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A token as a server makes it, with another signature.
    fn token(body: &Value) -> String {
        format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(body.to_string()))
    }

    #[test]
    fn a_token_says_whose_it_is_and_what_revokes_it() {
        for name in ["a", "ab", "abc", "ü?~"] {
            let body = json!({
                "exp": 7200, "iat": 3600,
                "kubernetes.io": {
                    "namespace": "icinga", "serviceaccount": { "name": name, "uid": "u" },
                    "secret": { "name": "s", "uid": "v" },
                },
            });
            let claims = Claims::of(&token(&body)).unwrap();
            assert_eq!((claims.namespace.as_str(), claims.account.as_str()), ("icinga", name));
            assert_eq!(claims.bound, Some(("s".into(), "v".into())));
            assert_eq!(claims.lifetime(), Some(3600));
        }
    }

    #[test]
    fn what_is_no_such_token_says_nothing() {
        for text in ["", "opaque", "a.b.c", "a.!!!.c"] {
            assert_eq!(Claims::of(text), None);
        }
        assert_eq!(Claims::of(&token(&json!({ "sub": "someone" }))), None);
    }
}

//! Tokens of the satellite's account. They are made by TokenRequest and bound to a Secret whose deletion revokes them. Their
//! claims are read, not verified: only the server that made a token can say whether it is valid.

use crate::cli::clusters::Cluster;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use serde_json::Value;

/// The claims of a ServiceAccount's token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Claims {
    /// Namespace of the account.
    pub(in crate::cli) namespace: String,
    /// Name of the account.
    pub(in crate::cli) account: String,
    /// Uid of the account.
    pub(in crate::cli) account_uid: Option<String>,
    /// Name and uid of the Secret that the token is bound to.
    pub(in crate::cli) bound: Option<(String, String)>,
    /// When it was made (Unix seconds).
    pub(in crate::cli) issued: Option<i64>,
    /// When it ends (Unix seconds).
    pub(in crate::cli) expires: Option<i64>,
}

impl Claims {
    /// Reads a token. `None` if it is not a ServiceAccount's.
    pub(in crate::cli) fn of(token: &str) -> Option<Self> {
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

    /// Returns the lifetime in seconds.
    pub(in crate::cli) fn lifetime(&self) -> Option<i64> {
        Some(self.expires? - self.issued?)
    }
}

/// Requests a token of `account` that is bound to a Secret. The server may grant less than `seconds`.
///
/// # Errors
/// If the server refuses, does not answer, or answers without a token.
pub(in crate::cli) async fn request(
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

/// Returns the Unix seconds now.
pub(in crate::cli) fn now() -> i64 {
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
    fn the_claims_of_a_token_name_its_account_and_the_secret_that_revokes_it() {
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
    fn another_token_has_no_claims() {
        for text in ["", "opaque", "a.b.c", "a.!!!.c"] {
            assert_eq!(Claims::of(text), None);
        }
        assert_eq!(Claims::of(&token(&json!({ "sub": "someone" }))), None);
    }
}

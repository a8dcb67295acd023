//! Answers browsers. Whoever asks for data must show a token with each request.

use super::access::{Denied, Guard};
use super::feed::Feed;
use super::query::Query;
use super::view::view;
use crate::http::connections::{self, Limits};
use crate::identity::Digest;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// More than a few people with a tab each need.
const LIMITS: Limits =
    Limits { connections: 64, head: Duration::from_secs(5), whole: Duration::from_secs(30) };
/// Longest token, in bytes. Those of API servers have about a thousand.
const TOKEN_MAX: usize = 8192;

/// Seconds since 1970, by which a browser counts ages: its own clock may be wrong.
const NOW: HeaderName = HeaderName::from_static("groundlink-now");
/// Age of the state, in milliseconds.
const AGE: HeaderName = HeaderName::from_static("groundlink-age");

/// What a browser may do with the page: load its own files, and nothing else. A form sends
/// nothing, so that no token gets into a URL even if the script does not run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// The files of the page: path, type, content.
const FILES: [(&str, &str, &str); 4] = [
    ("/", "text/html; charset=utf-8", include_str!("assets/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
    ("/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

#[derive(Clone)]
struct App {
    feed: Feed,
    guard: Arc<Guard>,
}

/// Serves the page, for ever.
pub async fn serve(listener: TcpListener, feed: Feed, guard: Guard) {
    let mut router = Router::new().route("/api/view", get(answer));
    for (path, kind, content) in FILES {
        router = router.route(path, get(async move || ([(header::CONTENT_TYPE, kind)], content)));
    }
    let app = router
        .fallback(async || refusal(StatusCode::NOT_FOUND, "nothing is here"))
        .with_state(App { feed, guard: Arc::new(guard) })
        .layer(map_response(with_headers));
    connections::serve(listener, app, LIMITS).await;
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn answer(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    let query = match Query::read(uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    let Some(token) = bearer(&headers) else {
        return unauthorized("there is no token; sign in");
    };
    let rights = match app.guard.rights(token, query.namespace.as_deref()).await {
        Ok(rights) => rights,
        Err(Denied::Unauthenticated) => {
            return unauthorized(
                "the hub does not accept this token, or it has expired; sign in with a new one",
            );
        }
        Err(Denied::MayNotAsk) => {
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "the operator may not ask who you are; let its ServiceAccount create TokenReviews and SubjectAccessReviews (page.enabled of the chart)",
            );
        }
        Err(Denied::Unanswered) => {
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "the hub's API server did not say who you are and what you may see; the operator's log has the cause",
            );
        }
    };
    if !rights.is_any() {
        let namespace = app.guard.namespace();
        let why = format!(
            "you may list neither MonitoringObjects nor SatelliteClusters (of namespace {namespace}); if you may list \
             MonitoringObjects of one namespace, choose it"
        );
        return refusal(StatusCode::FORBIDDEN, &why);
    }
    let Some(reading) = app.feed.reading().await else {
        return refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "the operator has not finished its start; wait a moment",
        );
    };
    let Ok(body) = serde_json::to_string(&view(&reading.state, &query, rights)) else {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written");
    };
    let tag = format!("\"{}\"", Digest::of(body.as_bytes()));
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let head = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, tag),
        (NOW, jiff::Timestamp::now().as_second().to_string()),
        (AGE, reading.at.elapsed().as_millis().to_string()),
    ];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, head).into_response(),
        false => (head, body).into_response(),
    }
}

/// Returns the token of a request. `None` unless there is exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (one, None) = (given.next()?, given.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let is_token =
        !token.is_empty() && token.len() <= TOKEN_MAX && token.bytes().all(|b| b.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

fn unauthorized(why: &str) -> Response {
    let mut response = refusal(StatusCode::UNAUTHORIZED, why);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Returns a refusal, with its cause for the person.
fn refusal(code: StatusCode, why: &str) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], serde_json::json!({ "error": why }).to_string())
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let values =
            values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
        values.collect::<Vec<_>>().into_iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    #[test]
    fn a_token_is_one_bearer_token() {
        assert_eq!(bearer(&headers(&["Bearer abc.def"])), Some("abc.def"));
        assert_eq!(bearer(&headers(&["bearer abc "])), Some("abc"));
        let long = format!("Bearer {}", "a".repeat(TOKEN_MAX + 1));
        for wrong in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Basic abc"],
            &["Bearer a", "Bearer b"],
            &["Bearer a b"],
            &[&long],
        ] {
            assert_eq!(bearer(&headers(wrong)), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_policy_lets_nothing_else_in() {
        let allowed: Vec<_> = POLICY.split("; ").filter(|rule| !rule.ends_with("'none'")).collect();
        assert_eq!(
            allowed,
            [
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self'",
                "connect-src 'self'",
                "require-trusted-types-for 'script'"
            ]
        );
        for closed in ["default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"] {
            assert!(POLICY.contains(&format!("{closed} 'none'")), "{closed}");
        }
    }

    /// What the policy forbids must not be needed, and no file is fetched from elsewhere.
    #[test]
    fn the_files_have_nothing_inline_and_name_no_other_place() {
        for (path, _, content) in FILES {
            for bad in [
                "http://",
                "https://",
                "//cdn",
                "style=",
                "onclick",
                "innerHTML",
                "<style",
                "eval(",
                "document.cookie",
                "localStorage",
                "sessionStorage",
            ] {
                let allowed = path == "/icon.svg"
                    && content.matches(bad).count() == content.matches("http://www.w3.org/2000/svg").count();
                assert!(!content.contains(bad) || allowed, "{path}: {bad}");
            }
        }
    }
}

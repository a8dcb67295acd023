//! The HTTP servers. One has everything: `/livez`, `/readyz` (names what is missing) and
//! `/metrics`, which name satellites, objects and addresses. The other is for the kubelet, which
//! needs a yes or no. No client can hold either up.

pub(crate) mod connections;

use crate::metrics::Format;
use crate::readiness::Readiness;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use connections::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// More than a kubelet, a few scrapers and a few people need. A scraper waits 10 s by default.
const LIMITS: Limits =
    Limits { connections: 64, head: Duration::from_secs(5), whole: Duration::from_secs(30) };

/// Returns the metrics as OpenMetrics text.
pub type Expose = Arc<dyn Fn() -> String + Send + Sync>;

#[derive(Clone)]
struct App {
    readiness: Readiness,
    metrics: Expose,
}

/// Serves everything, for ever.
pub async fn serve(listener: TcpListener, readiness: Readiness, metrics: Expose) {
    let app = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(expose))
        .with_state(App { readiness, metrics });
    connections::serve(listener, app, LIMITS).await;
}

/// Serves the two probes without a detail, for ever.
pub async fn serve_probes(listener: TcpListener, readiness: Readiness) {
    let app = Router::new().route("/livez", get(livez)).route("/readyz", get(is_ready)).with_state(readiness);
    connections::serve(listener, app, LIMITS).await;
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(app): State<App>) -> Response {
    match app.readiness.missing() {
        None => format!("ok\n{}", app.readiness.notes()).into_response(),
        Some(missing) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}{}", app.readiness.notes())).into_response()
        }
    }
}

async fn is_ready(State(readiness): State<Readiness>) -> Response {
    match readiness.missing() {
        None => "ok\n".into_response(),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

async fn expose(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::of(accept);
    ([(header::CONTENT_TYPE, format.content_type())], format.convert((app.metrics)())).into_response()
}

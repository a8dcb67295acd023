//! The health server: `/livez`, `/readyz` (names what is missing) and `/metrics`. No client can hold it up.

mod connections;

use crate::metrics::Metrics;
use crate::readiness::Readiness;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use connections::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// More than a kubelet, a few scrapers and a few people need. A scraper waits 10 s by default.
const LIMITS: Limits =
    Limits { connections: 64, head: Duration::from_secs(5), whole: Duration::from_secs(30) };

#[derive(Clone)]
struct App {
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// Serves until `stop`.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let app = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(expose))
        .with_state(App { readiness, metrics });
    // A scraper that keeps its connection must not keep the process.
    tokio::select! {
        () = connections::serve(listener, app, LIMITS) => {}
        () = stop.cancelled() => {}
    }
}

async fn readyz(State(app): State<App>) -> Response {
    match app.readiness.missing() {
        None => "ok\n".into_response(),
        Some(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing).into_response(),
    }
}

async fn expose(State(app): State<App>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], app.metrics.encode()).into_response()
}

//! The health server: `/livez`, `/readyz` (names what is missing) and `/metrics`.

use crate::metrics::Metrics;
use crate::readiness::Readiness;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct App {
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// Serves until `stop`.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(expose))
        .with_state(App { readiness, metrics });
    // A scraper that keeps its connection must not keep the process.
    tokio::select! {
        result = axum::serve(listener, app) => result,
        () = stop.cancelled() => Ok(()),
    }
}

async fn readyz(State(app): State<App>) -> Response {
    match app.readiness.missing() {
        None => format!("ok\n{}", app.readiness.notes()).into_response(),
        Some(missing) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}{}", app.readiness.notes())).into_response()
        }
    }
}

async fn expose(State(app): State<App>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], app.metrics.encode()).into_response()
}

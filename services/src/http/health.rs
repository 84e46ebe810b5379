//! `/livez` and `/readyz`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::host::Health;

/// What probes ask. They need no key and hold no secrets.
pub fn health_routes(health: Arc<Health>) -> Router {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready)).with_state(health)
}

async fn live(State(health): State<Arc<Health>>) -> Response {
    Json(health.live()).into_response()
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let report = health.ready().await;
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report.body)).into_response()
}

//! The chat API.
//!
//! - `POST /api/v1/instances/{id}/messages`: takes a message (see [`super::message`]). 202 with the `Location` of its
//!   turn. With `?wait=true` (and `timeout=SECONDS`, 30 unless given, at most 120) or `Prefer: wait=SECONDS`: 200 with
//!   the replies once the turn is complete, 502 when it failed, and 202 with what there is when the time runs out: the
//!   work goes on, so it is no error.
//! - `GET /api/v1/turns/{id}`: how a turn stands, for a quarter of an hour.
//!
//! There are no keys yet: who reaches the address may use it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use bytes::Bytes;
use http_body_util::LengthLimitError;

use super::problem::{Problem, only_problems};
use super::wait::Wait;
use super::{guard, message, turn};
use crate::host::{Lifecycle, Phase};
use crate::roles::webchat::{Status, Turn, WebChat};

/// A body that has not arrived in this time is given up.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// Settings of the chat API.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Whether the address is a loopback one, which only answers to loopback names.
    pub loopback: bool,
}

#[derive(Debug)]
struct Api {
    chat: Arc<WebChat>,
    lifecycle: Lifecycle,
    max_body: usize,
}

/// The chat API of a gateway.
pub fn api_routes(chat: Arc<WebChat>, lifecycle: Lifecycle, options: &ApiOptions) -> Router {
    let api = Arc::new(Api { chat, lifecycle, max_body: options.max_body });
    Router::new()
        .route("/api/v1/instances/{id}/messages", post(post_message))
        .route("/api/v1/turns/{id}", get(get_turn))
        .layer(middleware::map_response(only_problems))
        .layer(middleware::from_fn_with_state(options.loopback, guard::check_host))
        .with_state(api)
}

async fn post_message(
    State(api): State<Arc<Api>>,
    Path(instance): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Result<Response, Problem> {
    if !api.chat.has_instance(&instance) {
        let detail = format!("there is no instance {instance:?}");
        return Err(Problem::new(StatusCode::NOT_FOUND, "no-such-instance", detail));
    }
    if api.lifecycle.phase() != Phase::Ready {
        let phase = api.lifecycle.phase().as_str();
        let detail = format!("this process is {phase}");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail).with_retry_after(1));
    }
    guard::check_json(request.headers())?;
    let wait = Wait::of(&query, request.headers())?;
    let body = read_body(request, api.max_body).await?;
    let turn = api.chat.post(&instance, message::read(&body)?).await?;
    if wait.limit.is_zero() {
        return Ok(accepted(&turn, turn::queued(&turn), wait));
    }
    tokio::select! {
        () = turn.ended() => {}
        () = tokio::time::sleep(wait.limit) => {}
        () = api.lifecycle.reached(Phase::Ended) => {}
    }
    let state = turn.now();
    match &state.status {
        Status::Running => Ok(accepted(&turn, turn::body(&turn, &state), wait)),
        Status::Completed => {
            Ok((StatusCode::OK, headers(&turn, wait), Json(turn::body(&turn, &state))).into_response())
        }
        Status::Failed(error) => Err(Problem::new(StatusCode::BAD_GATEWAY, "turn-failed", error)
            .with("turn_id", turn.id.as_str())
            .with("trace_id", turn.id.as_str())),
    }
}

fn accepted(turn: &Turn, body: serde_json::Value, wait: Wait) -> Response {
    (StatusCode::ACCEPTED, headers(turn, wait), Json(body)).into_response()
}

fn headers(turn: &Turn, wait: Wait) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // An id of ours is made of hexadecimal digits.
    if let Ok(location) = HeaderValue::try_from(turn::location(turn)) {
        headers.insert(header::LOCATION, location);
    }
    if wait.preferred {
        headers.insert(HeaderName::from_static("preference-applied"), HeaderValue::from_static("wait"));
    }
    headers
}

async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body may have {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    };
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_LIMIT, to_bytes(request.into_body(), limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_length(&error) => Err(too_large()),
        Ok(Err(error)) => Err(Problem::new(StatusCode::BAD_REQUEST, "broken-body", error.to_string())),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-body", "the body took too long")),
    }
}

fn is_length(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.downcast_ref::<LengthLimitError>().is_some())
}

async fn get_turn(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let turn = api.chat.turn(&id).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "no-such-turn", "there is no such turn, or it was too long ago")
    })?;
    Ok(Json(turn::body(&turn, &turn.now())).into_response())
}

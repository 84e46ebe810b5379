//! Errors as answers: `application/problem+json`.

use axum::body::to_bytes;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use stargazer_core::{Error, ErrorKind};

/// Longest text of the router's own that is passed on.
const LONGEST_DETAIL: usize = 4096;

/// An error as an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    members: Map<String, Value>,
    retry_after: Option<u64>,
}

/// What is wrong with one field of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldError {
    /// JSON pointer.
    pub pointer: String,
    /// What it must be.
    pub detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), fields: Vec::new(), members: Map::new(), retry_after: None }
    }

    /// Names the fields that are wrong.
    pub(super) fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.fields = fields;
        self
    }

    /// Adds a member of its own.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again, in seconds.
    pub(super) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    #[allow(clippy::unused_async, reason = "the router takes handlers")]
    pub(super) async fn no_such_page(uri: Uri) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-page", format!("there is nothing at {}", uri.path()))
    }

    #[allow(clippy::unused_async, reason = "the router takes handlers")]
    pub(super) async fn wrong_method(method: Method, uri: Uri) -> Self {
        let detail = format!("{} does not take {method}", uri.path());
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail)
    }
}

/// Makes a problem of an error that the router told as plain text, such as a path that is not UTF-8.
pub(super) async fn only_problems(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if status.as_u16() < 400 || kind.is_some_and(|kind| kind.contains("json")) {
        return response;
    }
    let detail = match to_bytes(response.into_body(), LONGEST_DETAIL).await {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(error) => error.to_string(),
    };
    Problem::new(status, "bad-request", detail).into_response()
}

impl From<Error> for Problem {
    /// What a failed publish is to the one who posted.
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "no-such-instance"),
            ErrorKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-message"),
            ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            ErrorKind::Full => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            ErrorKind::Closed => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            ErrorKind::Unavailable | ErrorKind::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "bus-unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let problem = Self::new(status, code, error.message());
        if status == StatusCode::SERVICE_UNAVAILABLE { problem.with_retry_after(1) } else { problem }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.fields.is_empty() {
            let field = |field: FieldError| json!({"pointer": field.pointer, "detail": field.detail});
            body["errors"] = self.fields.into_iter().map(field).collect();
        }
        for (name, value) in self.members {
            body[name] = value;
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

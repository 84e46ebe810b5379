//! Keeps other people's web pages out of an API that needs no key.
//!
//! A page of any site may let its visitor's browser send requests to 127.0.0.1. Two checks close that: a body must be
//! `application/json`, which a browser sends to another origin only with a permission that we never give; and on a
//! loopback address the request must name a loopback host, so that a name of the attacker's that points to 127.0.0.1
//! does not make us the page's own origin.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Lets a request pass that names a loopback host, if it has to.
pub(super) async fn check_host(State(loopback): State<bool>, request: Request, next: Next) -> Response {
    if loopback && !names_loopback(request.headers(), request.uri()) {
        let detail = "this address answers to localhost, 127.0.0.1 and [::1] only";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", detail).into_response();
    }
    next.run(request).await
}

fn names_loopback(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(Authority::as_str));
    let Some(host) = host else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// Refuses a body that does not say it is JSON.
pub(super) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "send the header content-type: application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_pass() {
        let passes = |host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            names_loopback(&headers, &Uri::from_static("/x"))
        };
        assert!(["localhost", "LOCALHOST:8420", "127.0.0.1:1", "[::1]:8420", "[::1]"].into_iter().all(passes));
        assert!(!["evil.example", "127.0.0.1.evil.example:80", "localhost.evil:1", ""].into_iter().any(passes));
    }
}

//! A client of the chat API, for the terminal and the demonstration. Plain HTTP only: it is made for loopback.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::Failure;

/// How long the server is asked to wait for a turn.
const WAIT_SECONDS: u64 = 60;
/// How long an answer may take beyond that.
const PATIENCE: Duration = Duration::from_secs(WAIT_SECONDS + 10);

/// Talks to one instance.
#[derive(Debug, Clone)]
pub(super) struct Client {
    host: String,
    port: u16,
    instance: String,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Answer {
    /// The turn is complete: its replies.
    Replies(Vec<Value>),
    /// It goes on; the replies so far.
    Running(Vec<Value>),
    /// The server said no, or the turn failed.
    Failed(String),
}

impl Client {
    /// A client of `http://host:port`. Opens nothing.
    pub(super) fn new(url: &str, instance: &str) -> Result<Self, Failure> {
        let wrong = || format!("{url:?} is not an address like http://127.0.0.1:8420");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        if uri.scheme_str() != Some("http") || !uri.path().trim_end_matches('/').is_empty() {
            return Err(wrong());
        }
        let valid = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if instance.is_empty() || !instance.bytes().all(valid) {
            return Err(format!("{instance:?} is not the name of an instance"));
        }
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(80), instance: instance.to_owned() })
    }

    /// Posts a message and waits for its turn. An error when the server cannot be reached.
    pub(super) async fn say(&self, text: &str, user: &str, channel: Option<&str>) -> Result<Answer, Failure> {
        self.post(&json!({"text": text, "user": user, "channel": channel})).await
    }

    /// [`Client::say`] with a body of one's own.
    pub(super) async fn post(&self, body: &Value) -> Result<Answer, Failure> {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(body)).await;
        let (status, body) = asked.map_err(|_| format!("{self} did not answer in {} s", PATIENCE.as_secs()))??;
        let replies = || body["replies"].as_array().cloned().unwrap_or_default();
        Ok(match status {
            StatusCode::OK => Answer::Replies(replies()),
            StatusCode::ACCEPTED => Answer::Running(replies()),
            _ => Answer::Failed(body["detail"].as_str().map_or_else(|| status.to_string(), str::to_owned)),
        })
    }

    async fn exchange(&self, body: &Value) -> Result<(StatusCode, Value), Failure> {
        let broken = |error: hyper::Error| format!("{self} broke off: {error}");
        let name = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((name, self.port))
            .await
            .map_err(|error| format!("{self} cannot be reached: {error}; is `stargazer dev` running there?"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the answer; a failure comes up there.
        tokio::spawn(connection);
        let path = format!("/api/v1/instances/{}/messages?wait=true&timeout={WAIT_SECONDS}", self.instance);
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        let body = serde_json::from_slice(&bytes).map_err(|_| format!("{self} does not speak the chat API"))?;
        Ok((status, body))
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_before_it_is_used() {
        assert_eq!(Client::new("http://127.0.0.1:8420/", "demo").unwrap().to_string(), "http://127.0.0.1:8420");
        assert_eq!(Client::new("http://localhost", "demo").unwrap().port, 80);
        for url in ["https://h:1", "127.0.0.1:8420", "", "http://", "http://h:1/path"] {
            assert!(Client::new(url, "demo").is_err(), "{url}");
        }
        assert!(Client::new("http://h:1", "a/b").is_err());
    }
}

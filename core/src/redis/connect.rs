//! Addresses and settings: what `connect` is given, checked before anything is opened.
//!
//! A password never leaves this file except to the server: what is shown of an address is host and port.

use std::fmt;
use std::time::Duration;

use ::redis::aio::{AsyncPushSender, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion, RedisError, TlsCertificates};

use super::error::by_client;
use crate::error::{Error, Result};

/// Settings of a connection to a server.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// How long `connect` waits for a server that cannot be reached; default 5 s.
    pub wait: Duration,
    /// How long an answer may take; default 5 s.
    pub response_timeout: Duration,
    /// How long one attempt to connect may take; default 2 s.
    pub connect_timeout: Duration,
    /// The longest pause between two attempts to connect; default 0.5 s.
    pub max_backoff: Duration,
    /// Certificates (PEM) that a `rediss://` server is checked against, in place of the system's.
    pub root_certificates: Option<Vec<u8>>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            max_backoff: Duration::from_millis(500),
            root_certificates: None,
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("wait", &self.wait)
            .field("response_timeout", &self.response_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_backoff", &self.max_backoff)
            .field("root_certificates", &self.root_certificates.as_ref().map(Vec::len))
            .finish()
    }
}

impl ConnectOptions {
    /// Sets how long `connect` waits for a server that cannot be reached; zero means one attempt.
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets how long an answer may take.
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Sets how long one attempt to connect may take.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the longest pause between two attempts to connect.
    pub fn with_max_backoff(mut self, backoff: Duration) -> Self {
        self.max_backoff = backoff;
        self
    }

    /// Sets the certificates (PEM) that a `rediss://` server is checked against.
    pub fn with_root_certificates(mut self, pem: Vec<u8>) -> Self {
        self.root_certificates = Some(pem);
        self
    }

    fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("response_timeout", self.response_timeout),
            ("connect_timeout", self.connect_timeout),
            ("max_backoff", self.max_backoff),
        ] {
            if value.is_zero() {
                return Err(Error::invalid(format!("{name} must be longer than nothing")).with_context("field", name));
            }
        }
        Ok(())
    }
}

/// A checked address with its settings.
pub(super) struct Target {
    client: Client,
    shown: String,
    pub(super) options: ConnectOptions,
}

impl Target {
    /// Checks an address; opens nothing.
    pub(super) fn new(url: &str, options: ConnectOptions) -> Result<Self> {
        options.validate()?;
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("redis" | "rediss" | "unix")) {
            // Not even a part of the text is repeated: what is not an address may be a password.
            return Err(Error::invalid(
                "a Redis address is redis://[user:password@]host:port/db, rediss://… or unix:///path",
            ));
        }
        if scheme == Some("rediss") {
            // Fails only when the process has chosen a provider itself, which then serves.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let info = url.into_connection_info().map_err(|e| by_client(&e))?;
        let shown = info.addr().to_string();
        // With push messages: a lost connection is noticed before the next request, and bells are heard.
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(redis.set_lib_name("stargazer", env!("CARGO_PKG_VERSION")));
        let client = match &options.root_certificates {
            Some(pem) if scheme == Some("rediss") => {
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) })
            }
            _ => Client::open(info),
        }
        .map_err(|e| by_client(&e).with_context("server", &shown))?;
        Ok(Self { client, shown, options })
    }

    /// Host and port, or the path of a socket.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Opens a connection. Push messages go to `hear`, the end of the connection as well.
    pub(super) async fn open(
        &self,
        response_timeout: Option<Duration>,
        hear: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.connect_timeout))
            .set_response_timeout(response_timeout)
            .set_pipeline_buffer_size(1024)
            .set_push_sender(hear);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("server", &self.shown).field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::new("redis://me:s3cret@localhost:6390/2", ConnectOptions::default()).unwrap();
        assert_eq!(target.shown(), "localhost:6390");
        assert!(!format!("{target:?}").contains("s3cret"));
        for url in ["me:s3cret@localhost", "http://me:s3cret@localhost", "redis://me:s3cret@local host:x"] {
            let error = Target::new(url, ConnectOptions::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
            assert!(!format!("{error:?}").contains("s3cret"), "{url}: {error:?}");
        }
    }

    #[test]
    fn all_three_kinds_of_address_are_taken() {
        for (url, shown) in [
            ("redis://127.0.0.1:6399", "127.0.0.1:6399"),
            ("redis://127.0.0.1", "127.0.0.1:6379"),
            ("rediss://example.org:6380", "example.org:6380"),
            ("unix:///run/redis.sock", "/run/redis.sock"),
        ] {
            assert_eq!(Target::new(url, ConnectOptions::default()).unwrap().shown(), shown);
        }
    }

    #[test]
    fn time_limits_of_nothing_are_refused() {
        let options = ConnectOptions::default().with_response_timeout(Duration::ZERO);
        let error = Target::new("redis://127.0.0.1", options).unwrap_err();
        assert_eq!(error.context(), [("field", "response_timeout".to_owned())]);
    }
}

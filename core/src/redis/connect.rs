//! Settings of connections, and opening one.

use std::fmt;
use std::time::Duration;

use ::redis::aio::{AsyncPushSender, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionInfo, TlsCertificates};

use super::address::Address;
use super::error::by_client;
use crate::config::ClientCertificate;
use crate::error::{Error, Result};

/// Settings of a connection to a server.
#[derive(Clone, PartialEq, Eq, Hash)]
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
    /// What this client shows to a `rediss://` server.
    pub client_certificate: Option<ClientCertificate>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            max_backoff: Duration::from_millis(500),
            root_certificates: None,
            client_certificate: None,
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
            .field("client_certificate", &self.client_certificate)
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

    /// Sets what this client shows to a `rediss://` server.
    pub fn with_client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// The certificates of an encrypted connection, where the system's do not do.
    fn tls(&self) -> Option<TlsCertificates> {
        let client_tls = self.client_certificate.clone().map(|ClientCertificate { certificate, key }| {
            ClientTlsConfig { client_cert: certificate, client_key: key }
        });
        let some = client_tls.is_some() || self.root_certificates.is_some();
        some.then(|| TlsCertificates { client_tls, root_cert: self.root_certificates.clone() })
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
    pub(super) address: Address,
    pub(super) options: ConnectOptions,
}

impl Target {
    /// Checks an address; opens nothing.
    pub(super) fn new(url: &str, options: ConnectOptions) -> Result<Self> {
        options.validate()?;
        let address = Address::parse(url)?;
        if address.is_encrypted() {
            // Fails only when the process has chosen a provider itself, which then serves.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self { address, options })
    }

    /// Hosts and ports, or the path of a socket.
    pub(super) fn shown(&self) -> &str {
        &self.address.shown
    }

    /// Opens a connection to one place. Push messages go to `hear`, the end of the connection as well.
    pub(super) async fn dial(
        &self,
        to: ConnectionInfo,
        response_timeout: Option<Duration>,
        hear: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection> {
        let place = to.addr().to_string();
        let client = match self.options.tls().filter(|_| self.address.is_encrypted()) {
            Some(certificates) => Client::build_with_tls(to, certificates),
            None => Client::open(to),
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.connect_timeout))
            .set_response_timeout(response_timeout)
            .set_pipeline_buffer_size(1024)
            .set_push_sender(hear);
        let opened = match client {
            Ok(client) => client.get_multiplexed_async_connection_with_config(&config).await,
            Err(error) => Err(error),
        };
        opened.map_err(|error| by_client(&error).with_context("server", place))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("server", &self.address.shown)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in ["redis://me:s3cret@localhost:6390/2", "redis+sentinel://me:s3cret@localhost:6390/2"] {
            let target = Target::new(url, ConnectOptions::default()).unwrap();
            assert!(target.shown().starts_with("localhost:6390"));
            assert!(!format!("{target:?} {:?}", target.address).contains("s3cret"));
        }
    }

    #[test]
    fn time_limits_of_nothing_are_refused() {
        let options = ConnectOptions::default().with_response_timeout(Duration::ZERO);
        let error = Target::new("redis://127.0.0.1", options).unwrap_err();
        assert_eq!(error.context(), [("field", "response_timeout".to_owned())]);
    }
}

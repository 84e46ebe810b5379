//! Whether work may be sent here.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stargazer_core::{Bus, VERSION};

use super::{Lifecycle, Phase};

/// A server that does not answer a ping in this time counts as down.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// What a process knows about its health.
#[derive(Debug)]
pub struct Health {
    lifecycle: Lifecycle,
    roles: Vec<&'static str>,
    address: SocketAddr,
    started: Instant,
    bus: OnceLock<Bus>,
}

/// An answer about health.
#[derive(Debug)]
pub struct Report {
    /// Whether work may be sent.
    pub ready: bool,
    /// The answer's body.
    pub body: Value,
}

impl Health {
    /// The health of a process with these roles that listens on this address.
    #[allow(clippy::disallowed_methods, reason = "how long the process runs is real time")]
    pub fn new(lifecycle: Lifecycle, roles: Vec<&'static str>, address: SocketAddr) -> Self {
        Self { lifecycle, roles, address, started: Instant::now(), bus: OnceLock::new() }
    }

    /// The phase of the process.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The address that answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// There is a bus to look at from now on.
    pub(super) fn connected(&self, bus: Bus) {
        // A second one would be the same host connecting twice, which it does not.
        let _ = self.bus.set(bus);
    }

    /// Whether the process lives; looks at nothing else.
    pub fn live(&self) -> Value {
        self.body(Phase::Ready.as_str(), &[])
    }

    /// Whether work may be sent: ready, and the bus answers.
    pub async fn ready(&self) -> Report {
        let phase = self.lifecycle.phase();
        let error = self.ping().await.err();
        let check = match &error {
            None => json!({"name": "bus", "status": "up"}),
            Some(error) => json!({"name": "bus", "status": "down", "error": error}),
        };
        let ready = phase == Phase::Ready && error.is_none();
        let status = if phase == Phase::Ready && !ready { "down" } else { phase.as_str() };
        Report { ready, body: self.body(status, &[check]) }
    }

    async fn ping(&self) -> Result<(), String> {
        let bus = self.bus.get().ok_or("not connected yet")?;
        match tokio::time::timeout(PING_LIMIT, bus.ping()).await {
            Ok(Ok(server)) if server.primary == Some(false) => {
                Err("the server is a replica and takes no writes".into())
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.message().to_owned()),
            Err(_) => Err(format!("no answer within {} s", PING_LIMIT.as_secs())),
        }
    }

    fn body(&self, status: &str, checks: &[Value]) -> Value {
        json!({
            "status": status,
            "roles": self.roles,
            "version": VERSION,
            "uptime_s": self.started.elapsed().as_secs(),
            "checks": checks,
        })
    }
}

//! From an address to a connected bus.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use super::time::Time;
use super::{Bus, unknown_scheme};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::config::BusConfig;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::provision::Role;
use crate::publish::Publisher;
use crate::redis::{ConnectOptions, RedisTransport};
use crate::transport::{Level, Transport};

/// A bus that is about to be connected: await it.
#[derive(Debug)]
#[must_use = "a bus is connected by awaiting this"]
pub struct ConnectBuilder {
    url: String,
    role: Role,
    platforms: Vec<String>,
    config: BusConfig,
    clock: Option<Arc<dyn Clock>>,
}

impl ConnectBuilder {
    pub(super) fn new(url: String) -> Self {
        Self { url, role: Role::None, platforms: Vec::new(), config: BusConfig::default(), clock: None }
    }

    /// Makes what this role needs once connected.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The platforms whose outbound streams a gateway needs.
    pub fn platforms<I: IntoIterator<Item: Into<String>>>(mut self, platforms: I) -> Self {
        self.platforms = platforms.into_iter().map(Into::into).collect();
        self
    }

    /// Settings.
    pub fn config(mut self, config: BusConfig) -> Self {
        self.config = config;
        self
    }

    /// Another clock than the system's; for `memory://` in tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    async fn connect(self) -> Result<Bus> {
        self.config.validate()?;
        let time = if self.config.virtual_time { Some(virtual_time(&self.url)?) } else { None };
        let clock = match &time {
            Some(clock) => clock.clone() as Arc<dyn Clock>,
            None => self.clock.unwrap_or_else(SystemClock::shared),
        };
        let (transport, url) = open(&self.url, &self.config, clock.clone()).await?;
        let publisher = Publisher::new(transport, clock, self.config)?;
        let bus = Bus { publisher, url, time: time.map(Time::new) };
        if self.role != Role::None {
            bus.ensure_streams(self.role, &self.platforms).await?;
        }
        Ok(bus)
    }
}

impl IntoFuture for ConnectBuilder {
    type Output = Result<Bus>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Bus>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

/// The clock of a bus whose time its owner moves.
fn virtual_time(url: &str) -> Result<Arc<ManualClock>> {
    if url == "memory://" {
        return Ok(ManualClock::new());
    }
    // A shared engine has a clock already, and a server has its own.
    let text = "only a bus of its own, memory:// without a name, has a time that you move; leave virtual_time out here";
    Err(Error::invalid(text).with_context("setting", "virtual_time"))
}

async fn open(url: &str, config: &BusConfig, clock: Arc<dyn Clock>) -> Result<(Arc<dyn Transport>, String)> {
    if let Some(name) = url.strip_prefix("memory://") {
        if config.wait_replicas > 0 {
            let error = Error::invalid("memory:// has no replicas to wait for; leave wait_replicas at 0");
            return Err(error.with_context("setting", "wait_replicas"));
        }
        let engine: Arc<dyn Transport> = if name.is_empty() { Engine::new(clock) } else { Engine::shared(name) };
        return Ok((engine, url.into()));
    }
    let schemes = ["redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://"];
    if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(unknown_scheme(url));
    }
    let mut options =
        ConnectOptions::default().with_wait(config.connect_timeout).with_response_timeout(config.response_timeout);
    options.root_certificates.clone_from(&config.root_certificates);
    options.client_certificate.clone_from(&config.client_certificate);
    let transport = RedisTransport::connect(url, options, clock).await?;
    examine(&transport, config.strict_server).await?;
    let shown = format!("{}//{}", url.split("//").next().unwrap_or_default(), transport.server());
    Ok((Arc::new(transport), shown))
}

/// Looks at a server once in a process, and tells in the log what is not as it should be; `strict` refuses one that is bad,
/// or that does not let us see whether it is.
async fn examine(transport: &RedisTransport, strict: bool) -> Result<()> {
    if !transport.first_look() && !strict {
        return Ok(());
    }
    let findings = transport.examine(None).await?;
    let of_level = |level: Level| {
        let matching = findings.iter().filter(|finding| finding.level == level);
        matching.map(ToString::to_string).collect::<Vec<_>>()
    };
    let (bad, unknown) = (of_level(Level::Bad), of_level(Level::Unknown));
    if strict && !(bad.is_empty() && unknown.is_empty()) {
        let text = [bad, unknown].concat().join(" · ");
        return Err(Error::invalid(format!("strict_server refuses this server: {text}"))
            .with_context("setting", "strict_server")
            .with_context("server", transport.server()));
    }
    let server = transport.server();
    if !bad.is_empty() {
        tracing::warn!(server, "this server is not safe to keep messages on: {}", bad.join(" · "));
    }
    for finding in findings.iter().filter(|finding| matches!(finding.level, Level::Warning | Level::Unknown)) {
        tracing::info!(server, check = finding.check, "{finding}");
    }
    Ok(())
}

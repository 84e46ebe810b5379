//! From an address to a connected bus.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use super::{Bus, unknown_scheme};
use crate::clock::{Clock, SystemClock};
use crate::config::BusConfig;
use crate::engine::Engine;
use crate::error::Result;
use crate::provision::Role;
use crate::publish::{Durability, Publisher};
use crate::redis::{ConnectOptions, RedisTransport};
use crate::transport::Transport;

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
        let clock = self.clock.unwrap_or_else(SystemClock::shared);
        let (transport, url, durability) = open(&self.url, &self.config, clock.clone()).await?;
        let publisher = Publisher::new(transport, clock, self.config, durability)?;
        let bus = Bus { publisher, url };
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

async fn open(
    url: &str,
    config: &BusConfig,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn Transport>, String, Durability)> {
    if let Some(name) = url.strip_prefix("memory://") {
        let engine: Arc<dyn Transport> = if name.is_empty() { Engine::new(clock) } else { Engine::shared(name) };
        return Ok((engine, url.into(), Durability::Memory));
    }
    let schemes = ["redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://"];
    if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(unknown_scheme(url));
    }
    let options =
        ConnectOptions::default().with_wait(config.connect_timeout).with_response_timeout(config.response_timeout);
    let transport = RedisTransport::connect(url, options, clock).await?;
    let shown = format!("{}//{}", url.split("//").next().unwrap_or_default(), transport.server());
    Ok((Arc::new(transport), shown, Durability::Server))
}

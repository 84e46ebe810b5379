//! The service that runs platforms: the core's gateway, started and ended by a host.

use std::sync::Arc;

use async_trait::async_trait;
use stargazer_core::platform::{self, Adapter, GatewayConfig};
use stargazer_core::{Bus, Result};

use crate::host::Service;

/// The service.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    adapters: Vec<Arc<dyn Adapter>>,
    running: Option<platform::Gateway>,
}

impl Gateway {
    /// A gateway with these settings and these adapters.
    pub fn new(config: GatewayConfig, adapters: Vec<Arc<dyn Adapter>>) -> Self {
        Self { config, adapters, running: None }
    }
}

#[async_trait]
impl Service for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    async fn on_start(&mut self, bus: &Bus) -> Result<()> {
        let gateway = platform::Gateway::new(bus, self.adapters.clone()).with_config(self.config.clone());
        self.running.insert(gateway).start().await
    }

    async fn run(&mut self) -> Result<()> {
        match &self.running {
            Some(gateway) => gateway.ended().await,
            None => std::future::pending().await,
        }
    }

    async fn on_drain(&mut self) {
        if let Some(gateway) = &self.running {
            gateway.drain().await;
        }
    }

    async fn on_stop(&mut self) -> Result<()> {
        match self.running.take() {
            Some(gateway) => gateway.close().await,
            None => Ok(()),
        }
    }
}

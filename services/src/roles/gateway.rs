//! The service that runs platforms: the core's gateway, started and ended by a host.

use std::sync::Arc;

use async_trait::async_trait;
use stargazer_core::envelope::Map;
use stargazer_core::platform::{self, Adapter, AdapterKinds, GatewayConfig};
use stargazer_core::{Bus, Result};

use crate::host::Service;

/// The service.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    adapters: Vec<Arc<dyn Adapter>>,
    kinds: Vec<(String, Map)>,
    running: Option<platform::Gateway>,
}

impl Gateway {
    /// A gateway with these settings and these adapters.
    pub fn new(config: GatewayConfig, adapters: Vec<Arc<dyn Adapter>>) -> Self {
        Self { config, adapters, kinds: Vec::new(), running: None }
    }

    /// Runs adapters of these kinds as well, made with these settings when the bus is there.
    pub fn with_kinds(mut self, kinds: Vec<(String, Map)>) -> Self {
        self.kinds = kinds;
        self
    }
}

#[async_trait]
impl Service for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    async fn on_start(&mut self, bus: &Bus) -> Result<()> {
        let known = AdapterKinds::standard()?;
        let mut adapters = self.adapters.clone();
        for (kind, settings) in &self.kinds {
            adapters.push(known.create(kind, bus, settings)?);
        }
        let gateway = platform::Gateway::new(bus, adapters).with_config(self.config.clone());
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

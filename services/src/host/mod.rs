//! Running services: one bus, one HTTP listener, an order of starting and stopping.
//!
//! Start: the listener answers first (`/readyz` says *starting*), then the bus is connected, then each service starts in
//! its order, then the process is ready. Stop, on request or because a service ended: not ready any more; every service
//! stops taking work from outside and finishes what it took; the services stop in reverse order; the bus closes; the
//! listener, which told *draining* all the time, ends. A start that fails or is interrupted goes the same way, for what
//! had been started. [`ServiceHost::run`] returns when all of that is done; dropping it instead gives everything up.

mod health;
mod phase;
mod service;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use stargazer_core::config::BusConfig;
use stargazer_core::{Bus, Error, Result};
use tokio::sync::oneshot;
use tracing::info;

pub use health::{Health, Report};
pub use phase::{Lifecycle, Phase};
pub use service::Service;

use crate::http::Listener;

/// What a host runs.
#[derive(Debug)]
pub struct HostOptions {
    /// Address of the bus.
    pub url: String,
    /// Settings of the bus.
    pub bus: BusConfig,
    /// How long `/readyz` says *draining* before anything stops, so that others stop sending.
    pub drain_delay: Duration,
}

/// Runs services until it is told to stop.
#[derive(Debug)]
pub struct ServiceHost {
    options: HostOptions,
    services: Vec<Box<dyn Service>>,
    health: Arc<Health>,
}

impl ServiceHost {
    /// A host for these services, which start in this order and stop in the reverse one.
    pub fn new(options: HostOptions, services: Vec<Box<dyn Service>>, health: Arc<Health>) -> Self {
        Self { options, services, health }
    }

    /// Runs until `stop` ends, or until a service ends, which is an error. `listener` answers all the while.
    ///
    /// # Errors
    /// What kept the services from starting, made one end, or kept them from stopping cleanly.
    pub async fn run(mut self, listener: Listener, stop: impl Future<Output = ()>) -> Result<()> {
        let (close, closed) = oneshot::channel();
        let serving = tokio::spawn(listener.serve(async {
            // An error means that the host is gone: the same.
            let _ = closed.await;
        }));
        let result = self.live(stop).await;
        self.health.lifecycle().enter(Phase::Ended);
        // The listener can only be gone already, which the next line tells.
        let _ = close.send(());
        let served = serving.await.map_err(|_| Error::internal("the HTTP listener panicked"));
        let served = served.and_then(|served| served.map_err(|error| Error::internal(error.to_string())));
        result.and(served)
    }

    async fn live(&mut self, stop: impl Future<Output = ()>) -> Result<()> {
        let mut bus = None;
        let mut begun = 0;
        tokio::pin!(stop);
        let result = tokio::select! {
            biased;
            () = &mut stop => Ok(()),
            result = self.work(&mut bus, &mut begun) => result,
        };
        info!(failed = result.is_err(), "draining");
        let ended = self.end(begun, bus).await;
        result.and(ended)
    }

    /// Starts everything and waits until something ends.
    async fn work(&mut self, bus: &mut Option<Bus>, begun: &mut usize) -> Result<()> {
        let mut config = self.options.bus.clone();
        // On in services: a message's life is looked up where it went through several of them.
        config.trace.get_or_insert_with(|| {
            let names = self.services.iter().map(|service| service.name()).collect::<Vec<_>>().join("+");
            format!("{names}@{}", self.health.address())
        });
        let connected = Bus::connect(&self.options.url).config(config).await?;
        let connected = bus.insert(connected);
        self.health.connected(connected.clone());
        for service in &mut self.services {
            *begun += 1;
            service.on_start(connected).await?;
        }
        self.health.lifecycle().enter(Phase::Ready);
        info!(address = %self.health.address(), bus = connected.url(), "ready");
        let (result, number, _) = select_all(self.services.iter_mut().map(|service| service.run())).await;
        let name = self.services[number].name();
        result.and(Err(Error::internal("a service ended by itself"))).map_err(|e| e.with_context("service", name))
    }

    async fn end(&mut self, begun: usize, bus: Option<Bus>) -> Result<()> {
        let was_ready = self.health.lifecycle().phase() == Phase::Ready;
        self.health.lifecycle().enter(Phase::Draining);
        if was_ready {
            tokio::time::sleep(self.options.drain_delay).await;
        }
        let mut result = Ok(());
        for service in &mut self.services[..begun] {
            service.on_drain().await;
        }
        for service in self.services[..begun].iter_mut().rev() {
            let stopped = service.on_stop().await.map_err(|e| e.with_context("service", service.name()));
            result = result.and(stopped);
        }
        if let Some(bus) = bus {
            result = result.and(bus.close().await);
        }
        result
    }
}

#[cfg(test)]
mod tests;

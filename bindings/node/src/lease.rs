//! Leadership under a name.

use std::sync::Arc;

use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::envelope::Value;
use stargazer_core::lock::LeaseOptions;

use crate::bus::Bus;
use crate::events::plain;
use crate::lock::{Asking, limit, on_host};
use crate::port::{Answer, Queue, ask};
use crate::settings::millis;

/// How a lease is taken and kept.
#[napi(object, object_to_js = false)]
pub struct LeaseSettings {
    /// Milliseconds.
    pub ttl_ms: Option<f64>,
    /// Milliseconds.
    pub wait_ms: Option<f64>,
}

/// Leadership under a name.
#[napi]
pub struct Lease {
    lease: Arc<sg::lock::Lease>,
    queue: Queue,
}

#[napi]
#[allow(clippy::cast_precision_loss)] // JavaScript counts so, and a counter does not get that far
impl Lease {
    /// The fencing number for as long as it leads.
    #[napi(getter)]
    pub fn fence(&self) -> Option<f64> {
        self.lease.fence().map(|fence| fence as f64)
    }

    /// Leads; waits as long as the settings say, or `wait_ms` (less than nothing: for ever). The answer is the number.
    #[napi]
    pub fn acquire(&self, token: u32, asking: &Asking, wait_ms: Option<f64>) {
        let lease = self.lease.clone();
        self.take(token, asking, async move {
            let fence = match wait_ms {
                None => lease.acquire().await?,
                Some(wait) => lease.acquire_within(limit(wait)).await?,
            };
            plain(&fence.into())
        });
    }

    /// Leads if nobody else does; the answer is the number, or nothing.
    #[napi]
    pub fn try_acquire(&self, token: u32, asking: &Asking) {
        let lease = self.lease.clone();
        self.take(token, asking, async move { plain(&lease.try_acquire().await?.map_or(Value::Nil, Value::from)) });
    }

    /// Lets somebody else lead; the answer says whether it led.
    #[napi]
    pub fn resign(&self, token: u32) {
        let lease = self.lease.clone();
        ask(&self.queue, token, async move { plain(&lease.resign().await?.into()) });
    }

    /// Resigns at the end of a block.
    #[napi]
    pub fn leave(&self, token: u32) {
        let lease = self.lease.clone();
        ask(&self.queue, token, async move {
            lease.leave().await;
            Ok(Answer::Nothing)
        });
    }

    /// Fails with the reason once it is lost; answered when it resigned.
    #[napi]
    pub fn lost(&self, token: u32) {
        let ended = self.lease.lost();
        ask(&self.queue, token, async move { ended.await.map_or(Ok(Answer::Nothing), Err) });
    }
}

impl Lease {
    /// A lease by its name.
    pub(crate) fn of(bus: &Bus, name: &str, settings: &LeaseSettings) -> sg::Result<Self> {
        let (bus, queue) = bus.core();
        let mut options = LeaseOptions::default();
        options.ttl = settings.ttl_ms.map_or(options.ttl, millis);
        options.wait = settings.wait_ms.and_then(limit);
        Ok(Self { lease: bus.lease(name, &options)?.into(), queue: queue.clone() })
    }

    fn take(&self, token: u32, asking: &Asking, work: impl Future<Output = sg::Result<Answer>> + Send + 'static) {
        let (asking, lease) = (asking.0.clone(), self.lease.clone());
        let back = move || on_host(async move { lease.leave().await });
        ask(&self.queue, token, async move { asking.take(work, back).await });
    }
}

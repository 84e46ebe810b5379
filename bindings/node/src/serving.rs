//! Serving calls: handlers are functions of the thread that opened the server.

use std::sync::Arc;
use std::time::Duration;

use napi_derive::napi;
use sg::envelope::codec::encode;
use sg::envelope::{Map, Value};
use sg::host::{Errands, HostHandler, Served, Serves};
use sg::rpc::{self, Figures, HandlerOptions, Server};
use stargazer_core as sg;

use crate::error::Failure;
use crate::port::{Answer, Queue, ask};
use crate::settings::millis;

/// A handler of calls.
#[napi(object, object_to_js = false)]
pub struct HandlerRow {
    /// What is called; nothing for every other name.
    pub name: Option<String>,
    /// Which function of this thread.
    pub function: u32,
    /// Calls at the same time.
    pub concurrency: Option<u32>,
    /// Milliseconds.
    pub timeout_ms: Option<f64>,
    /// Milliseconds.
    pub cancel_grace_ms: Option<f64>,
}

impl HandlerRow {
    fn options(&self) -> HandlerOptions {
        let mut options = HandlerOptions::default();
        options.concurrency = self.concurrency.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        options.timeout = self.timeout_ms.map(millis);
        options.cancel_grace = self.cancel_grace_ms.map_or(options.cancel_grace, millis);
        options
    }
}

/// How calls are served.
#[napi(object, object_to_js = false)]
pub struct ServeSettings {
    /// Service.
    pub service: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Calls at the same time.
    pub concurrency: Option<u32>,
    /// Starts.
    pub max_attempts: Option<u32>,
    /// Milliseconds.
    pub lease_ms: Option<f64>,
    /// Milliseconds.
    pub sweep_ms: Option<f64>,
    /// Milliseconds.
    pub drain_timeout_ms: Option<f64>,
}

impl ServeSettings {
    /// Lease and sweep, where either was given.
    pub(crate) fn leased(lease_ms: Option<f64>, sweep_ms: Option<f64>) -> Option<(Duration, Duration)> {
        match (lease_ms.map(millis), sweep_ms.map(millis)) {
            (None, None) => None,
            (Some(lease), sweep) => Some((lease, sweep.unwrap_or(lease / 3))),
            (None, Some(sweep)) => Some((sg::config::ConsumerConfig::default().lease, sweep)),
        }
    }

    fn onto(self, mut server: Server) -> Server {
        if let Some(service) = self.service {
            server = server.service(service);
        }
        if let Some(name) = self.name {
            server = server.name(name);
        }
        if let Some(n) = self.concurrency {
            server = server.concurrency(usize::try_from(n).unwrap_or(usize::MAX));
        }
        if let Some(n) = self.max_attempts {
            server = server.max_attempts(n);
        }
        if let Some((lease, sweep)) = Self::leased(self.lease_ms, self.sweep_ms) {
            server = server.lease(lease, sweep);
        }
        match self.drain_timeout_ms {
            Some(ms) => server.drain_timeout(millis(ms)),
            None => server,
        }
    }
}

/// A running server of calls.
#[napi]
pub struct Serving {
    served: Served<rpc::Serving>,
    errands: Errands,
    queue: Queue,
}

impl Serving {
    pub(crate) async fn open(
        bus: sg::Bus,
        handlers: Vec<HandlerRow>,
        settings: ServeSettings,
        errands: Errands,
        queue: Queue,
    ) -> sg::Result<Answer> {
        let mut server = settings.onto(Server::new(&bus));
        for row in handlers {
            let (options, handler) = (row.options(), Arc::new(HostHandler::new(errands.clone(), row.function)));
            server = match row.name {
                Some(name) => server.handle(name, handler, options),
                None => server.handle_others(handler, options),
            };
        }
        let serving = server.open().await?;
        Ok(Answer::Serving(Self { served: Served::new(serving, errands.clone()), errands, queue }))
    }
}

#[napi]
impl Serving {
    /// Serves a name from now on.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // objects cross by value only
    pub fn handle(&self, row: HandlerRow) -> Option<Failure> {
        let (options, handler) = (row.options(), Arc::new(HostHandler::new(self.errands.clone(), row.function)));
        self.served.get().handle(row.name.clone().unwrap_or_default(), handler, options).err().map(Failure::from)
    }

    /// Serves a name no longer; whether it was served.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // text crosses by value only
    pub fn remove(&self, name: String) -> bool {
        self.served.get().remove(&name)
    }

    /// The names that are served.
    #[napi]
    pub fn names(&self) -> Vec<String> {
        self.served.get().names()
    }

    /// The stream that its requests come from.
    #[napi(getter)]
    pub fn stream(&self) -> String {
        self.served.get().stream().to_string()
    }

    /// What it has done so far; the answer is plain.
    #[napi]
    pub fn figures(&self, token: u32) {
        let serving = self.served.get().clone();
        ask(&self.queue, token, async move { figures(&serving.figures()) });
    }

    /// Ends it: what runs gets the drain time, or these milliseconds.
    #[napi]
    pub fn close(&self, token: u32, drain_timeout_ms: Option<f64>) {
        let serving = self.served.get().clone();
        ask(&self.queue, token, async move {
            serving.end(drain_timeout_ms.map(millis)).await?;
            Ok(Answer::Nothing)
        });
    }
}

/// Counts by name, in the words of this package.
pub(crate) fn figures(figures: &Figures) -> sg::Result<Answer> {
    let ms = |time: Duration| Value::from(time.as_secs_f64() * 1000.0);
    let handlers = figures.handlers.iter().map(|of| {
        let row = Map::from([
            ("running", Value::from(of.running)),
            ("waiting", of.waiting.into()),
            ("capacity", of.capacity.into()),
            ("succeeded", of.succeeded.into()),
            ("failed", of.failed.into()),
            ("expired", of.expired.into()),
            ("cancelled", of.cancelled.into()),
            ("remembered", of.remembered.into()),
            ("p50Ms", ms(of.p50)),
            ("p95Ms", ms(of.p95)),
        ]);
        (of.name.clone(), Value::Map(row))
    });
    let told = Map::from([
        ("rejected", Value::from(figures.rejected)),
        ("unknown", figures.unknown.into()),
        ("duplicates", figures.duplicates.into()),
        ("unanswered", figures.unanswered.into()),
        ("handlers", Value::Map(handlers.collect())),
    ]);
    plain(&told.into())
}

/// A plain answer.
pub(crate) fn plain(value: &Value) -> sg::Result<Answer> {
    encode(value, &Errands::limits()).map(Answer::Plain)
}

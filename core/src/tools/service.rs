//! A tools service: serves calls of its tools, and keeps them in the catalog for as long as it lives.
//!
//! Requests come two ways: on the shared stream, where those come who know only a tool's name, and on the stream of this very
//! set of tools, which the catalog names. What comes on the shared stream for a tool that only other services have is handed
//! on to one of theirs, so services of different tools share a bus without knowing of each other.
//!
//! Every [`super::board::BEAT`] an instance says how it does; one whose beat stops leaves the catalog after [`super::board::LIVE`]. An instance
//! that closes says so first, ends what runs, then takes its tools out of the catalog.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::sync::watch as signal;
use uuid::Uuid;

use super::Tool;
use super::authority::Authority;
use super::hand_on::{HandOn, Inner};
use super::hash::hex;
use super::life::Life;
use super::set::{Checks, ToolSet};
use super::watch::Watch;
use super::workers::Worker;
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::rpc::{Figures, HandlerOptions, Server};

/// Calls at the same time in one instance, unless it is set.
const CAPACITY: usize = 256;

/// A tools service that is about to be opened: await it.
#[must_use = "a tools service is opened by awaiting this"]
pub struct ServeTools {
    bus: Publisher,
    tools: Vec<Tool>,
    service: Option<String>,
    authority: Option<Arc<dyn Authority>>,
    capacity: usize,
    lease: Option<(Duration, Duration)>,
    drain_timeout: Option<Duration>,
}

impl ServeTools {
    /// A service of these tools.
    pub fn new(bus: &Publisher, tools: impl IntoIterator<Item = Tool>) -> Self {
        Self {
            bus: bus.clone(),
            tools: tools.into_iter().collect(),
            service: None,
            authority: None,
            capacity: CAPACITY,
            lease: None,
            drain_timeout: None,
        }
    }

    /// Its name, under which its stream stands; by default one that follows from the names of its tools, so that
    /// instances of the same tools are one service. Instances of one service must have the same tools.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Who knows what callers are allowed; without one, tools that need a permission are refused to everybody.
    pub fn authority(mut self, authority: Arc<dyn Authority>) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Calls at the same time in this instance, on each of its two streams. 256.
    pub fn concurrency(mut self, n: usize) -> Self {
        self.capacity = n;
        self
    }

    /// Lease of its requests, and how quickly its end is noticed.
    pub fn lease(mut self, lease: Duration, sweep: Duration) -> Self {
        self.lease = Some((lease, sweep));
        self
    }

    /// How long running calls may go on when it closes.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = Some(limit);
        self
    }

    fn server(&self, service: Option<&str>) -> Server {
        let mut server = Server::new(&self.bus).concurrency(self.capacity);
        if let Some(service) = service {
            server = server.service(service);
        }
        if let Some((lease, sweep)) = self.lease {
            server = server.lease(lease, sweep);
        }
        match self.drain_timeout {
            Some(limit) => server.drain_timeout(limit),
            None => server,
        }
    }

    /// Serves: joins both groups, then puts the tools into the catalog. Must be called inside a tokio runtime.
    ///
    /// `Invalid` naming the field for a tool that cannot be, for two of one name, or for none at all; else as opening a
    /// consumer.
    pub async fn open(self) -> Result<ToolService> {
        let tools = ToolSet::new(self.tools.clone())?;
        if tools.is_empty() {
            return Err(Error::invalid("give at least one tool to serve").with_context("field", "tools"));
        }
        let service = self.service.clone().unwrap_or_else(|| name_of(&tools));
        if service.is_empty() || service.len() > 128 {
            return Err(Error::invalid("the name of a tools service must have 1 to 128 bytes, or be left out")
                .with_context("field", "service"));
        }
        let watch = Watch::open(&self.bus).await?;
        let inner = Arc::new(Inner {
            bus: self.bus.clone(),
            watch,
            service: service.clone(),
            authority: self.authority.clone(),
            published: RwLock::default(),
        });
        let checks: Arc<dyn Checks> = inner.clone();
        let mut own = self.server(Some(&service));
        for (name, handler, options) in tools.guarded(&checks) {
            own = own.handle(name, handler, options);
        }
        let own = own.open().await?;
        let shared = self.server(None).handle_others(Arc::new(HandOn(inner.clone())), HandlerOptions::default());
        let shared = match shared.with_handlers_of(&own).open().await {
            Ok(shared) => shared,
            Err(error) => {
                own.close_within(Duration::ZERO).await?;
                return Err(error);
            }
        };
        let now = self.bus.clock().wall_ms();
        let worker = Worker {
            instance: format!("tools-{}", &Uuid::new_v4().simple().to_string()[..12]),
            service: Some(service),
            draining: false,
            capacity: self.capacity as u64,
            in_flight: 0,
            seen_ms: now,
            started_ms: now,
            tools: Vec::new(),
        };
        let service = ToolService {
            life: Arc::new(Life { inner, tools, own, shared, worker, draining: AtomicBool::new(false) }),
            stop: signal::Sender::new(false),
        };
        if let Err(error) = service.life.join().await {
            service.stop.send_replace(true);
            service.life.leave().await;
            service.life.end(Some(Duration::ZERO)).await?;
            return Err(error);
        }
        let (life, stop, closing) = (service.life.clone(), service.stop.subscribe(), self.bus.closing());
        self.bus.track(tokio::spawn(async move {
            tokio::select! {
                () = life.beat() => {}
                () = set(stop) => {}
                // The bus closes: its consumers drain by themselves, the catalog is left while it still can be.
                () = set(closing) => {
                    life.leave().await;
                    if let Err(error) = life.end(None).await {
                        tracing::warn!(service = life.inner.service, %error, "a tools service ended with its bus");
                    }
                }
            }
        }));
        Ok(service)
    }
}

impl IntoFuture for ServeTools {
    type Output = Result<ToolService>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// [`ServeTools::open`].
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// Ends when the signal is given, or can no longer be.
async fn set(mut signal: signal::Receiver<bool>) {
    // Its giver is gone: as good as given.
    let _ = signal.wait_for(|set| *set).await;
}

impl std::fmt::Debug for ServeTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServeTools").field("tools", &self.tools).field("service", &self.service).finish_non_exhaustive()
    }
}

/// The name of the service of a set of tools: the same for the same names.
fn name_of(tools: &ToolSet) -> String {
    let hash = digest(&SHA256, tools.names().join(" ").as_bytes());
    format!("tools-{}", hex(&hash.as_ref()[..6]))
}

/// A running tools service. Close it; dropped without, it drains in the background and leaves the catalog when its
/// sign of life is over.
pub struct ToolService {
    life: Arc<Life>,
    stop: signal::Sender<bool>,
}

impl ToolService {
    /// The name of its service.
    pub fn service(&self) -> &str {
        &self.life.inner.service
    }

    /// Its identity, never used twice.
    pub fn instance(&self) -> &str {
        &self.life.worker.instance
    }

    /// The hash of the catalog in force, as this instance knows it.
    pub fn schema_hash(&self) -> String {
        self.life.inner.watch.loaded().catalog.schema_hash().to_owned()
    }

    /// The names of its tools, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.life.tools.names()
    }

    /// What it has done so far: by tool over both streams.
    pub fn figures(&self) -> Figures {
        self.life.own.figures()
    }

    /// Ends it: says so, ends what runs within the drain time, takes its tools out of the catalog. May be called twice.
    pub async fn close(&self) -> Result<()> {
        self.close_by(None).await
    }

    /// [`ToolService::close`] with another time for what runs.
    pub async fn close_within(&self, drain_timeout: Duration) -> Result<()> {
        self.close_by(Some(drain_timeout)).await
    }

    async fn close_by(&self, drain_timeout: Option<Duration>) -> Result<()> {
        if !self.stop.send_replace(true) {
            self.life.leave().await;
        } else if drain_timeout.is_none() {
            return Ok(());
        }
        self.life.end(drain_timeout).await
    }
}

impl Drop for ToolService {
    fn drop(&mut self) {
        if !self.stop.send_replace(true) {
            tracing::warn!(service = self.life.inner.service, "a tools service was dropped without `close`");
        }
    }
}

impl std::fmt::Debug for ToolService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolService")
            .field("service", &self.life.inner.service)
            .field("instance", &self.life.worker.instance)
            .field("tools", &self.names())
            .finish_non_exhaustive()
    }
}

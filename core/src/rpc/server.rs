//! A server of calls: a consumer of requests that runs their handlers and always answers.
//!
//! A request is run by one server of its service. Whatever its handler does, it is answered: with a result, a failure (an
//! error, a panic, too long), or as expired or cancelled. A server that dies leaves its requests to the others; one that
//! closes lets what runs go on for the drain time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::control::Control;
use super::figures::{Counts, Figures, HandlerCounts};
use super::handler::{Handler, HandlerOptions};
use super::serve;
use super::siblings::Siblings;
use crate::config::ConsumerConfig;
use crate::consumer::{Consumer, ConsumerBuilder, Delivery, Notices};
use crate::envelope::ToolRequest;
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::topology::Name;
use crate::transport::Ordering;

/// Calls at the same time in one server, unless it is set.
const CONCURRENCY: usize = 256;

/// A server that is about to be opened. Nothing happens before [`Server::open`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> stargazer_core::Result<()> {
/// use stargazer_core::rpc::{Failure, HandlerOptions, Reply, Server, handler_fn};
/// # let bus = stargazer_core::Bus::connect("memory://").await?;
/// let weather = handler_fn(|_| async { Ok::<_, Failure>(Reply::new("21 °C")) });
/// let serving = Server::new(&bus).handle("weather", weather, HandlerOptions::default()).open().await?;
/// assert_eq!(serving.names(), ["weather"]);
/// serving.close().await?;
/// bus.close().await
/// # }
/// ```
#[must_use = "a server reads nothing before `open`"]
pub struct Server {
    bus: Publisher,
    handlers: Vec<(String, Arc<dyn Handler>, HandlerOptions)>,
    fallback: Option<(Arc<dyn Handler>, HandlerOptions)>,
    service: Option<String>,
    consumer: ConsumerConfig,
    /// Handlers that another server has, too.
    common: Vec<(String, Arc<Entry>)>,
}

impl Server {
    /// A server on this bus that serves nothing yet.
    pub fn new(bus: &Publisher) -> Self {
        let mut consumer = ConsumerConfig { name: "tools".into(), ..ConsumerConfig::default() };
        (consumer.ordering, consumer.concurrency) = (Ordering::None, CONCURRENCY);
        let (bus, handlers, common) = (bus.clone(), Vec::new(), Vec::new());
        Self { bus, handlers, fallback: None, service: None, consumer, common }
    }

    /// Serves a name.
    pub fn handle(mut self, name: impl Into<String>, handler: Arc<dyn Handler>, options: HandlerOptions) -> Self {
        self.handlers.push((name.into(), handler, options));
        self
    }

    /// Serves every name that nothing else serves.
    pub fn handle_others(mut self, handler: Arc<dyn Handler>, options: HandlerOptions) -> Self {
        self.fallback = Some((handler, options));
        self
    }

    /// Serves what another server serves at this moment, as one with it: limits and figures of a name are of both together.
    pub fn with_handlers_of(mut self, other: &Serving) -> Self {
        let handlers = other.shared.handlers.read().unwrap_or_else(PoisonError::into_inner);
        self.common.extend(handlers.iter().map(|(name, entry)| (name.clone(), entry.clone())));
        drop(handlers);
        self
    }

    /// Serves a service of its own instead of the shared one: servers that do not serve the same names must not share a
    /// service, since a request goes to any of its servers. Servers of one bus may: they run each other's calls.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Calls at the same time, those included that wait for the turn of their name. 256.
    pub fn concurrency(mut self, n: usize) -> Self {
        self.consumer.concurrency = n;
        self
    }

    /// First part of its identity, for people who look. `tools`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.consumer.name = name.into();
        self
    }

    /// Lease of its requests, and how quickly its end is noticed.
    pub fn lease(mut self, lease: Duration, sweep: Duration) -> Self {
        self.consumer.lease = lease;
        self.consumer.sweep = sweep;
        self
    }

    /// How long running calls may go on when it closes.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.consumer.drain_timeout = limit;
        self
    }

    /// How often a request may be started before it goes to the dead letters, should it kill the process that runs it.
    pub fn max_attempts(mut self, n: u32) -> Self {
        self.consumer.max_attempts = n;
        self
    }

    /// Joins the service's group and starts. Must be called inside a tokio runtime.
    ///
    /// `Invalid` for a name given twice or an option out of range, else as opening a consumer.
    pub async fn open(self) -> Result<Serving> {
        if self.service.as_deref() == Some("") {
            return Err(Error::invalid("a service must have a name; leave it out for the shared one")
                .with_context("field", "service"));
        }
        let topology = self.bus.topology();
        let stream = topology.service_stream(self.service.as_deref());
        let group = topology.service_group(self.service.as_deref());
        let handlers = entries(self.common, self.handlers)?;
        let others = |(handler, options)| Entry::new("others", handler, options).map(Arc::new);
        let shared = Arc::new(Shared {
            fallback: self.fallback.map(others).transpose()?,
            handlers: RwLock::new(handlers),
            counts: Counts::default(),
            stream: stream.clone(),
            capacity: self.consumer.concurrency,
            lease: self.consumer.lease,
            control: Control::new(&self.bus, stream.clone()),
            siblings: self.bus.companion(Arc::default),
            bus: self.bus.clone(),
        });
        // Before the first request, so that no call is cancelled unheard.
        self.bus.ensure_open()?;
        let ear = shared.control.subscribe(self.bus.config().connect_timeout).await?;
        let retention = self.bus.config().retention;
        let builder = ConsumerBuilder::<ToolRequest>::new(self.bus.clone(), stream, group, retention);
        let consumer = Arc::new(builder.config(self.consumer).open().await?);
        shared.siblings.enter(&shared);
        let (running, served) = (consumer.clone(), shared.clone());
        self.bus.track(tokio::spawn(async move {
            let control = served.control.clone();
            let serve = move |delivery: Delivery<ToolRequest>| serve::serve(served.clone(), delivery);
            let ended = tokio::select! {
                ended = running.run(serve) => ended,
                () = control.listen(ear) => Ok(()),
            };
            if let Err(error) = ended {
                tracing::error!(%error, "a server of calls ended");
            }
        }));
        Ok(Serving { shared, consumer, closed: AtomicBool::new(false) })
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.handlers.iter().map(|(name, ..)| name).collect();
        f.debug_struct("Server").field("names", &names).field("service", &self.service).finish_non_exhaustive()
    }
}

/// Handlers by name. `Invalid` for a name given twice or an option out of range.
pub(super) fn entries(
    common: Vec<(String, Arc<Entry>)>,
    handlers: Vec<(String, Arc<dyn Handler>, HandlerOptions)>,
) -> Result<HashMap<String, Arc<Entry>>> {
    let mut entries: HashMap<_, _> = common.into_iter().collect();
    for (name, handler, options) in handlers {
        let entry = Entry::new(&name, handler, options)?;
        if entries.insert(name.clone(), Arc::new(entry)).is_some() {
            return Err(Error::invalid(format!("{name:?} is served twice")).with_context("field", "name"));
        }
    }
    Ok(entries)
}

/// A handler and what is known of its calls.
pub(super) struct Entry {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) options: HandlerOptions,
    pub(super) permits: Option<Arc<Semaphore>>,
    pub(super) counts: HandlerCounts,
}

impl Entry {
    fn new(name: &str, handler: Arc<dyn Handler>, options: HandlerOptions) -> Result<Self> {
        if name.is_empty() {
            return Err(Error::invalid("what is served must have a name").with_context("field", "name"));
        }
        options.validate().map_err(|error| error.with_context("name", name))?;
        let permits = options.concurrency.map(|n| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS))));
        Ok(Self { handler, options, permits, counts: HandlerCounts::default() })
    }
}

/// What a server's handle and its running calls share.
pub(super) struct Shared {
    pub(super) bus: Publisher,
    pub(super) stream: Name,
    pub(super) counts: Counts,
    handlers: RwLock<HashMap<String, Arc<Entry>>>,
    fallback: Option<Arc<Entry>>,
    pub(super) lease: Duration,
    pub(super) control: Arc<Control>,
    capacity: usize,
    siblings: Arc<Siblings>,
}

impl Shared {
    /// What runs calls of a name: its own handler, that of another server on this bus, what serves all others.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Entry>> {
        self.own(name).or_else(|| self.siblings.find(self, name)).or_else(|| self.fallback.clone())
    }

    pub(super) fn own(&self, name: &str) -> Option<Arc<Entry>> {
        self.handlers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = handlers.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

/// A running server. Close it; dropped without, it drains in the background and says so in the log.
pub struct Serving {
    shared: Arc<Shared>,
    consumer: Arc<Consumer<ToolRequest>>,
    closed: AtomicBool,
}

impl Serving {
    /// Serves a name from now on, in place of what served it so far. What runs goes on.
    pub fn handle(&self, name: impl Into<String>, handler: Arc<dyn Handler>, options: HandlerOptions) -> Result<()> {
        let name = name.into();
        let entry = Arc::new(Entry::new(&name, handler, options)?);
        self.shared.handlers.write().unwrap_or_else(PoisonError::into_inner).insert(name, entry);
        Ok(())
    }

    /// Serves a name no longer; whether it was served. What runs goes on.
    pub fn remove(&self, name: &str) -> bool {
        self.shared.handlers.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    /// The names that are served, sorted.
    pub fn names(&self) -> Vec<String> {
        self.shared.names()
    }

    /// The stream that its requests come from.
    pub fn stream(&self) -> &Name {
        &self.shared.stream
    }

    /// What it has done so far.
    pub fn figures(&self) -> Figures {
        let handlers = self.shared.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let capacity = |entry: &Entry| entry.options.concurrency.unwrap_or(self.shared.capacity);
        let figures = |(name, entry): (&String, &Arc<Entry>)| entry.counts.figures(name, capacity(entry));
        let mut handlers: Vec<_> = handlers.iter().map(figures).collect();
        handlers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.shared.counts.figures(handlers)
    }

    /// What its consumer tells besides requests.
    pub fn listen(&self) -> Notices {
        self.consumer.listen()
    }

    /// Ends it: nothing new is started, what runs gets the drain time, the rest goes to other servers at once. May be
    /// called twice.
    pub async fn close(&self) -> Result<()> {
        self.leave();
        self.consumer.close().await
    }

    /// [`Serving::close`] with another time for what runs.
    pub async fn close_within(&self, drain_timeout: Duration) -> Result<()> {
        self.leave();
        self.consumer.close_within(drain_timeout).await
    }

    fn leave(&self) {
        self.closed.store(true, Atomic::Release);
        self.shared.siblings.leave(&self.shared);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.closed.load(Atomic::Acquire) {
            tracing::warn!(stream = &*self.shared.stream, "a server of calls was dropped without `close`");
            self.leave();
            self.consumer.stop();
        }
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving")
            .field("stream", &self.shared.stream)
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}

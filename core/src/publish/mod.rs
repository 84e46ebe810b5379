//! Publishing: from an envelope to a stored entry and its receipt.
//!
//! A publish that gives a receipt is stored at the durability the receipt names. One that fails says in its error's
//! context whether the entry was not `stored` or whether that is unknown. Entries of one call leave in their order, in
//! one write, and calls that meet leave together. At the cap a publish waits, then fails with `Full`; nothing unread is
//! dropped to make room.

mod burst;
mod companion;
mod entry;
mod gate;
mod origin;
mod receipt;
mod traces;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use companion::Companion;
pub use entry::{Outgoing, PublishOptions, Target};
pub(crate) use origin::{Origin, Refused};
pub use receipt::Receipt;

use crate::clock::Clock;
use crate::config::BusConfig;
use crate::envelope::{Envelope, Inbound, Limits, Outbound, ToolReply, ToolRequest};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::store::Store;
use crate::topology::{Name, Topology};
use crate::trace;
use crate::transport::{Append, Appended, Fence, Shortages, Transport, is_shortage, no_memory};
use burst::Bursts;
use companion::Companions;
use gate::Gates;

/// Publishes to the streams of one bus. Cheap to clone; every clone shares the connection.
///
/// [`crate::Bus`] is one with everything around it; a delivery carries one that is fenced.
#[derive(Debug, Clone)]
pub struct Publisher {
    inner: Arc<Inner>,
    fence: Option<Arc<Fence>>,
    origin: Option<Arc<Origin>>,
}

#[derive(Debug)]
struct Inner {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    config: BusConfig,
    /// The stream that most is published to, as entries name it.
    inbound: Name,
    limits: Limits,
    gates: Gates,
    bursts: Bursts,
    closed: AtomicBool,
    closing: watch::Sender<bool>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
    companions: Companions,
    shortages: Shortages,
}

impl Publisher {
    pub(crate) fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, config: BusConfig) -> Result<Self> {
        let limits = Limits::new(config.max_body_bytes, config.max_body_depth)?;
        let inner = Inner {
            bursts: Bursts::new(transport.clone()),
            transport,
            shortages: Shortages::new(clock.clone()),
            clock,
            inbound: config.topology.inbound_stream.as_str().into(),
            config,
            limits,
            gates: Gates::default(),
            closed: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            tasks: std::sync::Mutex::default(),
            companions: Companions::default(),
        };
        Ok(Self { inner: Arc::new(inner), fence: None, origin: None })
    }

    /// Publishes a message from a platform to the workers.
    pub async fn publish_inbound(&self, envelope: &Inbound) -> Result<Receipt> {
        self.send(Target::Inbound, envelope).await
    }

    /// Publishes what a platform's gateway is to do. The envelope's platform becomes this one.
    pub async fn publish_outbound(&self, platform: &str, envelope: &Outbound) -> Result<Receipt> {
        self.send(Target::Outbound { platform: platform.into() }, envelope).await
    }

    /// Publishes a request to run a tool.
    pub async fn publish_tools_request(&self, request: &ToolRequest) -> Result<Receipt> {
        self.send(Target::ToolsRequest, request).await
    }

    /// Publishes a tool's result onto the reply stream that its request named.
    pub async fn publish_tools_reply(&self, reply_stream: &str, reply: &ToolReply) -> Result<Receipt> {
        self.send(Target::ToolsReply { stream: reply_stream.into() }, reply).await
    }

    /// Publishes any envelope or value to a stream by name.
    pub async fn publish<T: Envelope>(&self, stream: &str, body: &T, options: PublishOptions) -> Result<Receipt> {
        let data = body.encode_with(&self.inner.limits)?;
        self.publish_one(Outgoing { target: Target::Stream { name: stream.into() }, data, options }).await
    }

    async fn send<T: Envelope>(&self, target: Target, envelope: &T) -> Result<Receipt> {
        let data = envelope.write(&self.inner.limits).map_err(|e| e.with_stored(Stored::No))?;
        let outgoing = Outgoing { target, data, options: PublishOptions::default() };
        let known = envelope.known_head(&self.inner.limits);
        let prepared = self.ensure_open().and_then(|()| self.prepare(outgoing, known));
        only(self.publish_prepared(vec![prepared]).await)
    }

    /// Publishes one encoded body.
    pub async fn publish_one(&self, outgoing: Outgoing) -> Result<Receipt> {
        only(self.publish_encoded(vec![outgoing]).await)
    }

    /// Publishes encoded bodies in their order, in one write; one result for each. Every body is checked against
    /// the kind of its target first; one that fails the check does not keep the others back.
    pub async fn publish_encoded(&self, batch: Vec<Outgoing>) -> Vec<Result<Receipt>> {
        let prepare = |outgoing| self.ensure_open().and_then(|()| self.prepare(outgoing, None));
        self.publish_prepared(batch.into_iter().map(prepare).collect()).await
    }

    async fn publish_prepared(&self, batch: Vec<Result<Append>>) -> Vec<Result<Receipt>> {
        let clock = &self.inner.clock;
        let give_up = clock.now() + self.inner.config.publish_timeout;
        // The first attempt is bounded by the server's time-out alone, where that is shorter: most need no timer.
        let mut bounded = self.inner.config.publish_timeout < self.inner.config.response_timeout;
        let mut results: Vec<Option<Result<Receipt>>> = Vec::with_capacity(batch.len());
        let mut open: Vec<(usize, Append)> = Vec::with_capacity(batch.len());
        for (n, prepared) in batch.into_iter().enumerate() {
            match prepared {
                Ok(mut append) => {
                    append.until = Some(give_up);
                    results.push(None);
                    open.push((n, append));
                }
                Err(error) => results.push(Some(Err(error.with_stored(Stored::No)))),
            }
        }
        let mut pause = Duration::from_millis(10);
        let mut trouble = HashMap::new();
        while !open.is_empty() {
            let refused = self.inner.gates.refused(&open, &self.inner.config);
            let (blocked, mut ready): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, append)| refused.contains(&append.stream));
            open = blocked;
            if !ready.is_empty() {
                self.inner.gates.measure(&mut ready, self.inner.clock.now());
                let appends = ready.iter().map(|(_, append)| append.clone()).collect();
                // A little later than the connection is given up, which knows that nothing was sent.
                let end = std::mem::replace(&mut bounded, true).then(|| clock.sleep_until(give_up + LATER));
                // Steps before them in the same write, so that nobody tells more of an entry than is known of it.
                let answers = trace::beside(self.tracing().as_ref(), self.inner.bursts.append(appends, end)).await;
                let now = clock.now();
                for ((n, append), answer) in ready.into_iter().zip(answers) {
                    self.inner.gates.note(&append.stream, &answer, now);
                    answer.as_ref().err().into_iter().for_each(|error| self.inner.shortages.note(error));
                    match answer {
                        Err(error) if may_repeat(&append, &error) => {
                            let unknown = !is_unstored(&error) || trouble.get(&n).is_some_and(|(_, before)| *before);
                            trouble.insert(n, (error, unknown));
                            open.push((n, append));
                        }
                        Err(error) if trouble.get(&n).is_some_and(|(_, unknown)| *unknown) => {
                            let error = error.with_stored(Stored::Unknown);
                            results[n] = Some(Err(error.with_context("stream", &append.stream)));
                        }
                        Err(error) => results[n] = Some(Err(error.with_context("stream", &append.stream))),
                        Ok(appended) => results[n] = Some(Ok(Self::receipt(&append, appended))),
                    }
                }
            }
            if open.is_empty() {
                break;
            }
            if self.inner.clock.now() + pause >= give_up || self.ensure_open().is_err() {
                for (n, append) in open.drain(..) {
                    let full = refused.contains(&append.stream);
                    results[n] = Some(Err(self.given_up(&append, full, trouble.remove(&n))));
                }
                break;
            }
            self.inner.clock.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
            tokio::select! {
                biased;
                () = self.inner.gates.refresh(&*self.inner.transport, &open, clock.now()) => {}
                () = clock.sleep_until(give_up) => {}
            }
        }
        let lost = || Err(Error::internal("a publish gave no result"));
        let results: Vec<_> = results.into_iter().map(|result| result.unwrap_or_else(lost)).collect();
        if let Some(origin) = &self.origin {
            let full = |result: &Result<Receipt>| {
                result.as_ref().err().filter(|error| error.kind() == ErrorKind::Full).cloned()
            };
            origin.refused.last(results.iter().find_map(full));
        }
        results
    }

    /// Appends an entry that is nobody's work, under no fence and no cap; those that meet leave together.
    pub(crate) async fn append(&self, entry: Append) -> Result<Appended> {
        let answer = self.inner.bursts.append(vec![entry], None).await.pop();
        let answer = answer.unwrap_or_else(|| Err(Error::internal("an entry gave no result")));
        answer.inspect_err(|error| self.inner.shortages.note(error))
    }

    fn receipt(append: &Append, appended: Appended) -> Receipt {
        Receipt {
            id: appended.id,
            stream: append.stream.clone(),
            durability: appended.durability,
            duplicate: appended.duplicate,
        }
    }

    /// What is told of an entry that could not be stored in time; `trouble` is the last error, and whether an earlier
    /// attempt may have stored it.
    fn given_up(&self, append: &Append, full: bool, trouble: Option<(Error, bool)>) -> Error {
        let seconds = self.inner.config.publish_timeout.as_secs_f64();
        let (last, unknown) = trouble.unzip();
        let stored = if unknown == Some(true) { Stored::Unknown } else { Stored::No };
        let error = match last {
            _ if full => Error::new(
                ErrorKind::Full,
                format!(
                    "the stream held its cap of unread entries for {seconds} s; start consumers, wait, or widen the cap"
                ),
            ),
            // It is stored, and not as often as it should be.
            Some(last) if last.kind() == ErrorKind::Timeout && append.replicas.is_some() => last,
            Some(last) => {
                let text = format!("the server did not take the entry within {seconds} s; at last: {}", last.message());
                let error = if is_shortage(&last) { no_memory(text) } else { Error::new(last.kind(), text) };
                error.with_source(last)
            }
            None => Error::unavailable(format!("the server did not take the entry within {seconds} s")),
        };
        error.with_stored(stored).with_context("stream", &append.stream)
    }

    /// What the server keeps under keys: values, notifications, logs.
    pub fn store(&self) -> Store {
        Store::new(self.inner.transport.clone(), self.inner.shortages.clone())
    }

    /// The same publisher as a delivery has it: under its fence.
    pub(crate) fn of_delivery(&self, fence: Arc<Fence>, origin: Arc<Origin>) -> Self {
        Self { inner: self.inner.clone(), fence: Some(fence), origin: Some(origin) }
    }

    /// The same publisher, saying something else of the delivery that it belongs to.
    pub(crate) fn with_origin(mut self, origin: Arc<Origin>) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The delivery that it belongs to.
    pub(crate) fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }

    /// What a level above keeps with the bus, made when it is first asked for.
    pub(crate) fn companion<C: Companion>(&self, make: impl FnOnce() -> Arc<C>) -> Arc<C> {
        self.inner.companions.get(make)
    }

    /// Names of streams and groups.
    pub fn topology(&self) -> &Topology {
        &self.inner.config.topology
    }

    fn inbound_stream(&self) -> Name {
        self.inner.inbound.clone()
    }

    /// Settings.
    pub fn config(&self) -> &BusConfig {
        &self.inner.config
    }

    /// Limits of a body.
    pub fn limits(&self) -> Limits {
        self.inner.limits
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.inner.transport
    }

    /// Its writes that were refused for want of memory.
    pub(crate) fn shortages(&self) -> &Shortages {
        &self.inner.shortages
    }

    /// `Closed` once the bus is.
    pub(crate) fn ensure_open(&self) -> Result<()> {
        if self.inner.closed.load(Ordering::Acquire) { Err(Error::closed("bus")) } else { Ok(()) }
    }

    /// Turns `true` when the bus begins to close.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.inner.closing.subscribe()
    }

    /// A task that belongs to the bus: closing waits for it.
    pub(crate) fn track(&self, task: JoinHandle<()>) {
        let mut tasks = self.inner.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Closes: consumers drain, then the connections end. May be called twice.
    pub(crate) async fn shut(&self) -> Result<()> {
        self.inner.closing.send_replace(true);
        let tasks = std::mem::take(&mut *self.inner.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let mut result = Ok(());
        for task in tasks {
            if task.await.is_err() {
                result = Err(Error::internal("a task of the bus ended by a panic"));
            }
        }
        if !self.inner.closed.swap(true, Ordering::AcqRel) {
            for companion in self.inner.companions.all() {
                companion.close().await;
            }
            self.inner.transport.close().await;
        }
        result
    }
}

/// How long after the time for a publish an answer that is under way is not waited for any more.
const LATER: Duration = Duration::from_millis(50);

/// The result of a batch of one.
fn only(mut results: Vec<Result<Receipt>>) -> Result<Receipt> {
    results.pop().unwrap_or_else(|| Err(Error::internal("a publish gave no result")))
}

/// Nothing was stored, or storing again under the same message id cannot double it.
fn may_repeat(append: &Append, error: &Error) -> bool {
    let passing = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Full);
    passing && (is_unstored(error) || append.dedupe.is_some())
}

fn is_unstored(error: &Error) -> bool {
    error.context().iter().any(|(key, value)| *key == "stored" && value == Stored::No.as_str())
}

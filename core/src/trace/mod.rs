//! The life of messages by trace id, in the original's states.
//!
//! Steps are best effort: they wait in memory for at most [`PAUSE`] and leave with whatever else leaves (a publish, a fetch, a settle),
//! in the same write, so that tracing costs no round trip. What a killed process had not sent is lost; what does not
//! fit is dropped and counted. The server puts steps one behind the other; a step that the state before does not
//! allow is counted and written all the same, as the original does. A trace lives for a day after its last step.

mod checkpoint;
mod read;
mod state;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;
use std::time::Duration;

use tokio::sync::{Notify, watch};

pub use read::{Step, Trace};
pub use state::State;

use crate::clock::Clock;
use crate::envelope::{Limits, Map, Value, json};
use crate::error::Result;
use crate::topology::trace_key;
use crate::transport::{MAX_STEPS, TraceStep, Transport};

/// How long a step waits for company.
pub const PAUSE: Duration = Duration::from_millis(20);

/// How many steps wait; those that come then are dropped.
const WAITING: usize = 10_000;

/// The longest id of a trace that is kept, in bytes.
pub(crate) const LONGEST_ID: usize = 512;

/// What became of the steps of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TraceFigures {
    /// Written.
    pub written: u64,
    /// Of those, steps that the state before did not allow.
    pub illegal: u64,
    /// Not written: too many waited, or the server did not take them.
    pub dropped: u64,
}

/// Writes steps. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Tracer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// Who writes.
    by: String,
    waiting: Mutex<VecDeque<TraceStep>>,
    filled: Notify,
    started: AtomicBool,
    closed: watch::Sender<bool>,
    written: AtomicU64,
    illegal: AtomicU64,
    dropped: AtomicU64,
}

impl Tracer {
    pub(crate) fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, by: String) -> Self {
        Self(Arc::new(Inner {
            transport,
            clock,
            by,
            waiting: Mutex::default(),
            filled: Notify::new(),
            started: AtomicBool::new(false),
            closed: watch::Sender::new(false),
            written: AtomicU64::new(0),
            illegal: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }))
    }

    pub(crate) fn figures(&self) -> TraceFigures {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TraceFigures {
            written: count(&self.0.written),
            illegal: count(&self.0.illegal),
            dropped: count(&self.0.dropped),
        }
    }

    /// Takes a step down; it leaves soon. Nothing is traced under no id, or one that is too long.
    pub(crate) fn note(&self, trace_id: &str, state: State, detail: Map) {
        if !trace_id.is_empty() && trace_id.len() <= LONGEST_ID {
            let step = self.step(trace_id, state, detail);
            if self.0.waiting().len() >= WAITING {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.0.waiting().push_back(step);
            self.0.filled.notify_one();
            self.start();
        }
    }

    /// Writes a step and what replaces the checkpoint of the trace, behind all that waits; whether the state before allowed
    /// it.
    pub(crate) async fn checkpoint(&self, trace_id: &str, state: State, detail: Map, value: &Value) -> Result<bool> {
        self.flush().await;
        let mut step = self.step(trace_id, state, detail);
        step.checkpoint = Some(checkpoint::pack(value).into());
        let illegal = self.0.transport.trace(&[step]).await?;
        self.0.written.fetch_add(1, Ordering::Relaxed);
        self.0.illegal.fetch_add(illegal, Ordering::Relaxed);
        Ok(illegal == 0)
    }

    /// The whole life of a trace; `NotFound` when there is none.
    pub(crate) async fn read(&self, trace_id: &str, limits: &Limits) -> Result<Trace> {
        self.flush().await;
        read::read(&*self.0.transport, trace_id, limits).await
    }

    fn step(&self, trace_id: &str, state: State, detail: Map) -> TraceStep {
        let at_ms = self.0.clock.wall_ms();
        let mut said = Map::from([("at", Value::from(at_ms)), ("state", state.as_str().into())]);
        if !self.0.by.is_empty() {
            said.insert("by", self.0.by.as_str());
        }
        for (name, value) in detail {
            said.insert(name, value);
        }
        TraceStep {
            key: trace_key(trace_id),
            state: state.as_str(),
            from: state.may_follow(),
            at_ms,
            text: json::encode(&Value::Map(said)).into(),
            checkpoint: None,
        }
    }

    /// Sends all that waits, and waits until it is written.
    pub(crate) async fn flush(&self) {
        while let Some(steps) = self.take() {
            self.write(steps).await;
        }
    }

    /// What waits, as much as one request carries.
    fn take(&self) -> Option<Vec<TraceStep>> {
        let mut waiting = self.0.waiting();
        let count = waiting.len().min(MAX_STEPS);
        (count > 0).then(|| waiting.drain(..count).collect())
    }

    async fn write(&self, steps: Vec<TraceStep>) {
        let count = steps.len() as u64;
        match self.0.transport.trace(&steps).await {
            Ok(illegal) => {
                self.0.written.fetch_add(count, Ordering::Relaxed);
                self.0.illegal.fetch_add(illegal, Ordering::Relaxed);
            }
            Err(error) => {
                let before = self.0.dropped.fetch_add(count, Ordering::Relaxed);
                if before == 0 {
                    tracing::warn!(%error, count, "steps of traces could not be written; further ones are counted");
                }
            }
        }
    }

    /// Starts what sends steps that nothing takes along, once, where there is a runtime.
    fn start(&self) {
        if self.0.started.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.0.started.swap(true, Ordering::AcqRel) {
            runtime.spawn(send(Arc::downgrade(&self.0), self.0.closed.subscribe()));
        }
    }

    /// Sends what waits, for the last time.
    pub(crate) async fn close(&self) {
        self.flush().await;
        self.0.closed.send_replace(true);
    }
}

/// A request with the steps that wait before it, in the same write. Nobody waits for their answer: it comes before the
/// request's, and where it does not, or the request is dropped, it is heard behind it.
pub(crate) async fn beside<T>(tracer: Option<&Tracer>, request: impl Future<Output = T>) -> T {
    let Some((tracer, steps)) = tracer.and_then(|tracer| Some((tracer.clone(), tracer.take()?))) else {
        return request.await;
    };
    let mut written = Written::of(tracer, steps);
    let mut request = std::pin::pin!(request);
    std::future::poll_fn(|context| {
        written.poll(context);
        request.as_mut().poll(context)
    })
    .await
}

/// Steps on their way. Dropped before they have been answered for, they go on by themselves.
struct Written {
    tracer: Tracer,
    count: u64,
    writing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Written {
    fn of(tracer: Tracer, steps: Vec<TraceStep>) -> Self {
        let (count, writer) = (steps.len() as u64, tracer.clone());
        Self { tracer, count, writing: Some(Box::pin(async move { writer.write(steps).await })) }
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        if self.writing.as_mut().is_some_and(|writing| writing.as_mut().poll(context).is_ready()) {
            self.writing = None;
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let Some(writing) = self.writing.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(writing);
        } else {
            self.tracer.0.dropped.fetch_add(self.count, Ordering::Relaxed);
        }
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<TraceStep>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what nothing took along, until the bus closes or has gone.
async fn send(inner: Weak<Inner>, mut closed: watch::Receiver<bool>) {
    loop {
        let Some(tracer) = inner.upgrade().map(Tracer) else { return };
        let filled = async {
            tracer.0.filled.notified().await;
            tracer.0.clock.sleep(PAUSE).await;
        };
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => return,
            () = filled => {}
        }
        tracer.flush().await;
    }
}

//! A consumer: deliveries cross in batches and are taken one by one on the loop's thread.
//!
//! A request to wait can be given up at any time and loses nothing: what it got stands in `ready`, for whoever takes
//! next. What nobody takes is released when the consumer closes or goes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::config::ConsumerConfig;
use sg::envelope::Envelope;
use sg::host::Host;
use stargazer_core as sg;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OnceCell, oneshot};

use crate::argument::{Count, Text};
use crate::bridge::Bridge;
use crate::bus::nothing;
use crate::codec;
use crate::delivery::Delivery;
use crate::error::raise;
use crate::fork::Owned;
use crate::settings::{self, seconds};
use crate::source::{Open, Source, open};

/// A reader of a group.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Consumer(Owned<Reading>);

/// Ends what waits when the Python object goes.
struct Reading(Arc<Inner>);

struct Inner {
    open: Open,
    config: Mutex<ConsumerConfig>,
    source: OnceCell<Arc<dyn Source>>,
    /// What was told while nobody listened, too.
    notices: tokio::sync::Mutex<Option<Receiver<sg::Notice>>>,
    /// Nothing is opened from here on.
    closed: AtomicBool,
    /// Closed when nothing was open: what is just being opened is to be closed at once.
    unwanted: AtomicBool,
    ready: Mutex<VecDeque<sg::Delivery>>,
    /// One for each request that waits; dropping it ends the request.
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
}

/// A time limit over several requests to wait, by the clock of the bus.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Limit(Arc<sg::TimeLimit>);

#[pymethods]
impl Limit {
    #[new]
    fn new(timeout: f64) -> PyResult<Self> {
        Ok(Self(Arc::new(sg::TimeLimit::new(seconds("timeout", timeout)?))))
    }
}

/// What a request to wait was made for.
struct Want {
    max: usize,
    limit: Option<Arc<sg::TimeLimit>>,
    handlers: bool,
    until_idle: bool,
}

/// How a request to wait ended.
enum Came {
    Arrived(Vec<sg::Delivery>),
    /// Deliveries in hand were cancelled.
    Cancelled,
    /// Nothing is left to do.
    Idle,
    /// The consumer is closed.
    Ended,
    /// Somebody else got something, or gave up.
    Woken,
}

/// Deliveries that are moved here at a time, to be taken one by one.
const AT_ONCE: usize = 64;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Consumer {
    pub(crate) fn new<T: Envelope>(
        host: &'static Host,
        builder: sg::ConsumerBuilder<T>,
        group: Option<Text>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let config = settings::consumer(settings, ConsumerConfig::default())?;
        config.validate().map_err(raise)?;
        let builder = group.into_iter().fold(builder, |builder, group| builder.group(group.0));
        let inner = Inner {
            open: open(builder),
            config: Mutex::new(config),
            source: OnceCell::new(),
            notices: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
            unwanted: AtomicBool::new(false),
            ready: Mutex::default(),
            waiting: Mutex::default(),
        };
        Ok(Self(Owned::new(host, Reading(Arc::new(inner)))))
    }

    fn inner(&self) -> PyResult<&Arc<Inner>> {
        Ok(&self.0.get()?.0)
    }
}

#[pymethods]
impl Consumer {
    /// Says that handlers run what is taken; with a number of them only before the first use.
    fn serve(&self, concurrency: Option<Count>) -> PyResult<()> {
        let inner = self.inner()?;
        let mut config = locked(&inner.config);
        let Some(concurrency) = concurrency.map(|n| n.0).filter(|n| *n != config.concurrency) else { return Ok(()) };
        if inner.source.initialized() {
            let text = format!(
                "the consumer is open with concurrency {}; give another one where it is made",
                config.concurrency
            );
            return Err(raise(sg::Error::invalid(text).with_context("setting", "concurrency")));
        }
        let mut changed = config.clone();
        changed.concurrency = concurrency;
        changed.validate().map_err(raise)?;
        *config = changed;
        Ok(())
    }

    /// Waits until something has come; the future gives a word for what. Opens the consumer when it is not.
    fn more(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        n: usize,
        limit: Option<&Limit>,
        handlers: bool,
        until_idle: bool,
    ) -> PyResult<()> {
        let want = Want { max: n, limit: limit.map(|limit| limit.0.clone()), handlers, until_idle };
        let inner = self.inner()?.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        {
            let mut waiting = locked(&inner.waiting);
            waiting.retain(|stop| !stop.is_closed());
            waiting.push(stop);
        }
        let waiter = inner.clone();
        let work = async move {
            tokio::select! {
                biased;
                _ = stopped => Ok(Came::Woken),
                came = waiter.wait(want) => came,
            }
        };
        bridge.call(future, work, move |py, came| {
            Ok(match came {
                Came::Arrived(batch) => {
                    locked(&inner.ready).extend(batch);
                    inner.wake();
                    intern!(py, "arrived")
                }
                Came::Cancelled => intern!(py, "cancelled"),
                Came::Idle => intern!(py, "idle"),
                Came::Ended => intern!(py, "ended"),
                Came::Woken => intern!(py, "woken"),
            }
            .clone()
            .into_any()
            .unbind())
        })
    }

    /// What has come and was not taken, at most `n`; also what came without a request, through an outcome of ours.
    fn take(&self, n: usize) -> PyResult<Vec<Delivery>> {
        let inner = self.inner()?;
        let mut taken: Vec<sg::Delivery> = {
            let mut ready = locked(&inner.ready);
            let there = n.min(ready.len());
            ready.drain(..there).collect()
        };
        if taken.len() < n
            && let Some(source) = inner.source.get()
            && !inner.closed.load(Ordering::Acquire)
        {
            taken.extend(source.ready(n - taken.len()).map_err(raise)?);
        }
        // Cancelled before anybody saw it: dropping gives it back.
        taken.retain(|delivery| !delivery.is_cancelled());
        Ok(taken.into_iter().map(|delivery| Delivery::new(Owned::new(self.0.host(), Arc::new(delivery)))).collect())
    }

    /// The next of what has come, like `take`.
    fn pop(&self) -> PyResult<Option<Delivery>> {
        let inner = self.inner()?;
        let mut ready = locked(&inner.ready);
        let mut moved = false;
        if ready.is_empty()
            && let Some(source) = inner.source.get()
            && !inner.closed.load(Ordering::Acquire)
        {
            ready.extend(source.ready(AT_ONCE).map_err(raise)?);
            moved = true;
        }
        let next = std::iter::from_fn(|| ready.pop_front()).find(|delivery| !delivery.is_cancelled());
        if moved && !ready.is_empty() {
            // Whoever waits looks for them where they are no longer.
            inner.wake();
        }
        Ok(next.map(|delivery| Delivery::new(Owned::new(self.0.host(), Arc::new(delivery)))))
    }

    /// Ends every request that waits.
    fn wake(&self) -> PyResult<()> {
        self.inner()?.wake();
        Ok(())
    }

    /// Asks for the notices from now on; opens the consumer when it is not.
    fn listen(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let (inner, host) = (self.inner()?.clone(), self.0.host());
        let work = async move { Ok(inner.source().await?.map(|source| source.listen())) };
        bridge.call(future, work, move |py, notices| {
            let notices = Notices(Owned::new(host, Arc::new(tokio::sync::Mutex::new(notices))));
            Ok(Py::new(py, notices)?.into_any())
        })
    }

    /// Closes; with the configured time for what is in hand if none is given.
    fn close(&self, bridge: &Bridge, future: Py<PyAny>, within: Option<f64>) -> PyResult<()> {
        let within = within.map(|within| seconds("within", within)).transpose()?;
        let inner = self.inner()?.clone();
        inner.closed.store(true, Ordering::Release);
        let untaken = std::mem::take(&mut *locked(&inner.ready));
        let work = async move {
            drop(untaken);
            let Some(source) = inner.source.get() else {
                inner.unwanted.store(true, Ordering::Release);
                inner.wake();
                return Ok(());
            };
            if within.is_some() {
                // Nobody could be told to end: what is in hand is released.
                source.serve_handlers(false);
            }
            source.close(within).await
        };
        bridge.call(future, work, nothing)
    }
}

/// What a consumer tells besides deliveries.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Notices(Owned<Arc<tokio::sync::Mutex<Option<sg::Notices>>>>);

#[pymethods]
impl Notices {
    /// Waits for the next one; the future gives it as a dict, `None` once the consumer has ended.
    fn next(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let notices = self.0.get()?.clone();
        let work = async move {
            let mut notices = notices.lock().await;
            let Some(notices) = notices.as_mut() else { return Ok(None) };
            Ok(notices.next().await.map(|notice| notice.encoded()))
        };
        bridge.call(future, work, |py, notice| match notice {
            Some(notice) => Ok(codec::decode(py, &notice)?.unbind()),
            None => Ok(py.None()),
        })
    }
}

/// Every kind of notice.
#[pyfunction]
pub(crate) fn notice_kinds() -> Vec<&'static str> {
    sg::Notice::KINDS.to_vec()
}

impl Inner {
    fn wake(&self) {
        locked(&self.waiting).clear();
    }

    /// The core's consumer, opened when it is not; `None` once closed.
    async fn source(&self) -> sg::Result<Option<&Arc<dyn Source>>> {
        if !self.source.initialized() && self.closed.load(Ordering::Acquire) {
            return Ok(None);
        }
        let config = locked(&self.config).clone();
        let source = self.source.get_or_try_init(|| (self.open)(config)).await?;
        if self.unwanted.load(Ordering::Acquire) {
            source.close(Some(Duration::ZERO)).await?;
        }
        Ok(Some(source))
    }

    async fn wait(&self, want: Want) -> sg::Result<Came> {
        let Some(source) = self.source().await? else { return Ok(Came::Ended) };
        source.serve_handlers(want.handlers);
        let batch = match &want.limit {
            Some(limit) => source.within(limit),
            None => source.batch(want.max),
        };
        tokio::select! {
            biased;
            () = self.cancelled(&**source), if want.handlers => Ok(Came::Cancelled),
            batch = batch => {
                let batch = batch?;
                Ok(if batch.is_empty() { Came::Ended } else { Came::Arrived(batch) })
            }
            idle = source.idle(), if want.until_idle => idle.map(|()| Came::Idle),
        }
    }

    /// Ends when deliveries in hand were cancelled, or may have been.
    async fn cancelled(&self, source: &dyn Source) {
        let mut notices = self.notices.lock().await;
        let notices = notices.get_or_insert_with(|| source.notices());
        loop {
            match notices.recv().await {
                Ok(sg::Notice::HandlersCancelled) | Err(RecvError::Lagged(_)) => return,
                Ok(_) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.wake();
        locked(&self.0.ready).clear();
    }
}

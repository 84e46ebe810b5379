//! Between an event loop and the I/O thread: one queue of results per running loop.
//!
//! Requests leave as Rust data, results come back as Rust data in bursts, and futures are touched on the loop's own
//! thread only. Publishes leave at once when none is under way, else together at the end of the loop's tick or every
//! [`BURST`]. The loop owns the bridge, through the reader it watches: with the loop closed, what is pending is let go.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::FutureExt;
use futures_util::future::join_all;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use sg::host::{Completions, Host};
use stargazer_core as sg;

use crate::bell::Bell;
use crate::error::{exception, raise};
use crate::fork::Owned;
use crate::receipt::Receipt;

/// Publishes that leave together at the latest.
const BURST: usize = 32;

/// A future of the loop that waits for a result.
type Token = usize;

/// What a result becomes on the loop's thread.
type Convert = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// A result on its way back.
enum Done {
    Published(Vec<(Token, sg::Result<sg::Receipt>)>),
    Called(Token, Convert),
}

/// A publish on its way out.
struct Ready {
    publisher: Arc<sg::Publisher>,
    outgoing: sg::Outgoing,
    token: Token,
}

/// One loop's queue.
pub(crate) struct Bridge {
    host: &'static Host,
    queue: Arc<Completions<Done>>,
    /// Never locked across a call into Python.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Option<Py<PyAny>>>,
    free: Vec<Token>,
    outbox: Vec<Ready>,
    /// Publishes that were sent and not answered.
    under_way: usize,
    /// The loop will flush at the end of its tick.
    scheduled: bool,
}

thread_local! {
    /// The bridges of the loops that ran on this thread, by the loop's address.
    static BRIDGES: RefCell<Vec<(usize, Weak<Bridge>)>> = const { RefCell::new(Vec::new()) };
}

impl Bridge {
    /// The bridge of the running loop, made when it has none, and the loop.
    pub(crate) fn current(py: Python<'_>) -> PyResult<(Arc<Self>, Bound<'_, PyAny>)> {
        static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let event_loop = RUNNING.import(py, "asyncio", "get_running_loop")?.call0()?;
        let address = event_loop.as_ptr() as usize;
        let known = BRIDGES.with_borrow(|bridges| {
            let known = bridges.iter().find(|(of, _)| *of == address).and_then(|(_, bridge)| bridge.upgrade());
            known.filter(|bridge| bridge.host.of_this_process().is_ok())
        });
        if let Some(bridge) = known {
            return Ok((bridge, event_loop));
        }
        let bridge = Self::open(&event_loop)?;
        BRIDGES.with_borrow_mut(|bridges| {
            // A closed loop's address may be another loop's today.
            bridges.retain(|(of, bridge)| *of != address && bridge.strong_count() > 0);
            bridges.push((address, Arc::downgrade(&bridge)));
        });
        Ok((bridge, event_loop))
    }

    fn open(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let host = Host::get().map_err(raise)?;
        let (mut bell, ringer) = Bell::new(event_loop)?;
        let queue = Arc::new(Completions::new(move || ringer.ring()));
        let bridge = Arc::new(Self { host, queue, state: Mutex::default() });
        let answer = Answer { bell: Mutex::new(None), bridge: Owned::new(host, bridge.clone()) };
        let answer = Bound::new(event_loop.py(), answer)?;
        bell.attach(event_loop, answer.as_any())?;
        *answer.get().bell.lock().unwrap_or_else(PoisonError::into_inner) = Some(bell);
        Ok(bridge)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A future of the loop, to be done by whoever has its token.
    fn future<'py>(&self, event_loop: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Token)> {
        let future = event_loop.call_method0(intern!(event_loop.py(), "create_future"))?;
        let kept = future.clone().unbind();
        let mut state = self.state();
        let token = state.free.pop().unwrap_or_else(|| {
            state.waiting.push(None);
            state.waiting.len() - 1
        });
        state.waiting[token] = Some(kept);
        Ok((future, token))
    }

    /// Runs a future on the I/O thread; what it gives is converted on this one.
    pub(crate) fn call<'py, T, F, C>(
        &self,
        event_loop: &Bound<'py, PyAny>,
        work: F,
        convert: C,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        T: Send + 'static,
        F: Future<Output = sg::Result<T>> + Send + 'static,
        C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    {
        let (future, token) = self.future(event_loop)?;
        let queue = self.queue.clone();
        self.host.spawn(async move {
            let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
            queue.push(Done::Called(token, Box::new(move |py| convert(py, result.map_err(|e| exception(py, &e))?))));
        });
        Ok(future)
    }

    /// Publishes, together with others of this tick where that is quicker.
    pub(crate) fn publish<'py>(
        self: &Arc<Self>,
        event_loop: &Bound<'py, PyAny>,
        publisher: &Arc<sg::Publisher>,
        outgoing: sg::Outgoing,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (future, token) = self.future(event_loop)?;
        let mut state = self.state();
        state.outbox.push(Ready { publisher: publisher.clone(), outgoing, token });
        if state.under_way == 0 || state.outbox.len() >= BURST {
            self.flush(state);
        } else if !std::mem::replace(&mut state.scheduled, true) {
            drop(state);
            let flush = Flush { bridge: Owned::new(self.host, Arc::downgrade(self)) };
            event_loop.call_method1(intern!(event_loop.py(), "call_soon"), (flush,))?;
        }
        Ok(future)
    }

    fn flush(&self, mut state: MutexGuard<'_, State>) {
        let batch = std::mem::take(&mut state.outbox);
        state.under_way += batch.len();
        drop(state);
        if batch.is_empty() {
            return;
        }
        let queue = self.queue.clone();
        self.host.spawn(async move {
            let tokens: Vec<Token> = batch.iter().map(|ready| ready.token).collect();
            let sent = AssertUnwindSafe(send(batch)).catch_unwind().await;
            let results = sent.unwrap_or_else(|_| tokens.iter().map(|_| Err(panicked())).collect());
            queue.push(Done::Published(tokens.into_iter().zip(results).collect()));
        });
    }

    /// Does everything that has come back, on the loop's thread.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        for done in self.queue.drain() {
            match done {
                Done::Called(token, convert) => self.finish(py, token, convert(py))?,
                Done::Published(results) => {
                    self.state().under_way -= results.len();
                    for (token, result) in results {
                        let result = match result {
                            Ok(receipt) => Py::new(py, Receipt::from(receipt)).map(Py::into_any),
                            Err(error) => Err(exception(py, &error)),
                        };
                        self.finish(py, token, result)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&self, py: Python<'_>, token: Token, result: PyResult<Py<PyAny>>) -> PyResult<()> {
        let mut state = self.state();
        let future = state.waiting[token].take();
        state.free.push(token);
        drop(state);
        let Some(future) = future else { return Ok(()) };
        // Cancelled by whoever awaited it: what was sent stays sent.
        if future.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
            return Ok(());
        }
        match result {
            Ok(value) => future.call_method1(py, intern!(py, "set_result"), (value,))?,
            Err(error) => future.call_method1(py, intern!(py, "set_exception"), (error.into_value(py),))?,
        };
        Ok(())
    }
}

/// Publishes a batch in its order; those of one publisher go in one call.
async fn send(batch: Vec<Ready>) -> Vec<sg::Result<sg::Receipt>> {
    let mut groups: Vec<(Arc<sg::Publisher>, Vec<sg::Outgoing>)> = Vec::new();
    for Ready { publisher, outgoing, .. } in batch {
        match groups.last_mut() {
            Some((last, together)) if Arc::ptr_eq(last, &publisher) => together.push(outgoing),
            _ => groups.push((publisher, vec![outgoing])),
        }
    }
    let results = groups.iter_mut().map(|(publisher, group)| publisher.publish_encoded(std::mem::take(group)));
    join_all(results).await.into_iter().flatten().collect()
}

fn panicked() -> sg::Error {
    sg::Error::internal("the I/O thread panicked; this is a bug in stargazer")
}

/// What the loop calls when the bell rings. Owned by the loop, and owner of the bridge.
#[pyclass(frozen, module = "stargazer_core._native")]
struct Answer {
    bell: Mutex<Option<Bell>>,
    bridge: Owned<Arc<Bridge>>,
}

#[pymethods]
impl Answer {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let bridge = self.bridge.get()?;
        if let Some(bell) = &*self.bell.lock().unwrap_or_else(PoisonError::into_inner) {
            bell.heard();
        }
        bridge.drain(py)
    }
}

/// What the loop calls at the end of a tick in which something was published.
#[pyclass(frozen, module = "stargazer_core._native")]
struct Flush {
    bridge: Owned<Weak<Bridge>>,
}

#[pymethods]
impl Flush {
    fn __call__(&self) -> PyResult<()> {
        if let Some(bridge) = self.bridge.get()?.upgrade() {
            let mut state = bridge.state();
            state.scheduled = false;
            bridge.flush(state);
        }
        Ok(())
    }
}

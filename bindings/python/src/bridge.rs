//! Between an event loop and the I/O thread: one queue of results per loop.
//!
//! Requests leave as Rust data, results come back as Rust data in bursts and are handed to the loop's own thread as
//! plain values beside the futures that wait for them. Nothing here calls Python code: a thread that the interpreter
//! ends in the middle of such a call could not unwind through Rust. Publishes leave at once when none is under way,
//! else together at the end of the loop's tick or every [`BURST`].

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::join_all;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::host::{Completions, Errands, Host, Order};
use stargazer_core as sg;

use crate::bell::{self, Bell};
use crate::codec;
use crate::error::{plain, raise};
use crate::fork::Owned;
use crate::log;
use crate::publisher::Publisher;
use crate::receipt::Receipt;

/// Publishes that leave together at the latest.
const BURST: usize = 32;

/// A future that waits for a result.
type Token = usize;

/// What a result becomes on the loop's thread: a value, or an error as [`plain`] gives it or as an exception.
type Convert = Box<dyn FnOnce(Python<'_>) -> PyResult<Finished> + Send>;

/// A future's end: its value, or `None` and the error.
pub(crate) type Finished = (Option<Py<PyAny>>, Option<Py<PyAny>>);

/// A future that is to be ended, with its value or its error.
type Row = (Py<PyAny>, Option<Py<PyAny>>, Option<Py<PyAny>>);

/// A line for the log, with its level.
type Line = (u8, String);

/// Something for this loop to do: its number, the function's, what, arguments, and a publisher where it has one.
type Job = (u64, u32, String, Py<PyAny>, Option<Publisher>);

/// The number of something that is to end, and why.
type End = (u64, &'static str);

/// Everything that has come back.
type Drained = (Vec<Row>, Vec<Line>, Vec<Job>, Vec<End>);

/// A result on its way back.
pub(crate) enum Done {
    /// A line of the core's log, with its level in Python's numbers.
    Logged(u8, String),
    /// What became of a batch.
    Published(Vec<(Token, sg::Result<sg::Receipt>)>),
    /// What became of a call.
    Called(Token, Convert),
    /// Something for the loop to do, or to end.
    Ordered(Order),
}

/// A publish on its way out.
struct Ready {
    publisher: Arc<sg::Publisher>,
    outgoing: sg::Outgoing,
    token: Token,
}

/// One loop's queue.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Bridge(Owned<Inner>);

struct Inner {
    host: &'static Host,
    queue: Arc<Completions<Done>>,
    /// What the core has done on this loop.
    errands: Errands,
    /// Readable when the loop should drain.
    bell: Bell,
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

#[pymethods]
impl Bridge {
    #[new]
    fn new() -> PyResult<Self> {
        let host = Host::get().map_err(raise)?;
        let (bell, ringer) = bell::pair()?;
        let queue = Arc::new(Completions::new(move || ringer.ring()));
        log::listen(Arc::downgrade(&queue));
        let orders = queue.clone();
        let errands = Errands::new(move |order| orders.push(Done::Ordered(order)));
        Ok(Self(Owned::new(host, Inner { host, queue, errands, bell, state: Mutex::default() })))
    }

    /// The file that is readable when there is something to drain.
    fn fileno(&self) -> PyResult<i64> {
        Ok(self.0.get()?.bell.number())
    }

    /// What has come back: futures with their values or errors; lines for the log with their levels; what is to be done, and
    /// what is to end.
    fn drain(&self, py: Python<'_>) -> PyResult<Drained> {
        let inner = self.0.get()?;
        inner.bell.hush();
        let (mut finished, mut lines, mut jobs, mut ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut finish = |token: Token, (value, error): Finished| {
            let mut state = inner.state();
            state.free.push(token);
            finished.extend(state.waiting[token].take().map(|future| (future, value, error)));
        };
        for done in inner.queue.drain() {
            match done {
                Done::Logged(level, line) => lines.push((level, line)),
                Done::Called(token, convert) => finish(token, convert(py)?),
                Done::Ordered(Order::End { id, reason }) => ends.push((id, reason.as_str())),
                Done::Ordered(Order::Do(errand)) => {
                    let arguments = codec::decode(py, &errand.arguments)?.unbind();
                    let publisher = errand.bus.map(|bus| Publisher::new(self.0.host(), bus));
                    jobs.push((errand.id, errand.function, errand.what.to_string(), arguments, publisher));
                }
                Done::Published(results) => {
                    inner.state().under_way -= results.len();
                    for (token, result) in results {
                        finish(
                            token,
                            ended(py, result, |py, receipt| Ok(Py::new(py, Receipt::from(receipt))?.into_any()))?,
                        );
                    }
                }
            }
        }
        Ok((finished, lines, jobs, ends))
    }

    /// The answer of something that was to be done; whether somebody still waited for it. `InvalidError` for what cannot cross.
    fn answer(&self, number: u64, answer: &Bound<'_, PyAny>) -> PyResult<bool> {
        let answer = codec::encode(answer, &Errands::limits()).map_err(raise)?;
        Ok(self.0.get()?.errands.answer(number, true, answer))
    }

    /// Why something could not be done, as a map of names that the core knows; whether somebody still waited for it.
    fn fail(&self, number: u64, told: &Bound<'_, PyDict>) -> PyResult<bool> {
        let told = codec::encode(told, &Errands::limits()).map_err(raise)?;
        Ok(self.0.get()?.errands.answer(number, false, told))
    }

    /// Sends the publishes that wait for the end of the tick.
    fn flush(&self) -> PyResult<()> {
        let inner = self.0.get()?;
        let mut state = inner.state();
        state.scheduled = false;
        inner.flush(state);
        Ok(())
    }
}

impl Bridge {
    /// What the core has done on this loop.
    pub(crate) fn errands(&self) -> PyResult<Errands> {
        Ok(self.0.get()?.errands.clone())
    }

    /// Runs a future on the I/O thread; what it gives is converted on this one.
    pub(crate) fn call<T, F, C>(&self, future: Py<PyAny>, work: F, convert: C) -> PyResult<()>
    where
        T: Send + 'static,
        F: Future<Output = sg::Result<T>> + Send + 'static,
        C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    {
        let inner = self.0.get()?;
        let token = inner.state().wait(future);
        let queue = inner.queue.clone();
        // Boxed, so that what runs it is compiled once for a kind of answer and not for every call.
        let work = work.boxed();
        inner.host.spawn(async move {
            let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
            queue.push(Done::Called(token, Box::new(move |py| ended(py, result, convert))));
        });
        Ok(())
    }

    /// Publishes, together with others of this tick where that is quicker; whether the loop is to flush at its end.
    pub(crate) fn publish(
        &self,
        future: Py<PyAny>,
        publisher: &Arc<sg::Publisher>,
        outgoing: sg::Outgoing,
    ) -> PyResult<bool> {
        let inner = self.0.get()?;
        let mut state = inner.state();
        let token = state.wait(future);
        state.outbox.push(Ready { publisher: publisher.clone(), outgoing, token });
        if state.under_way == 0 || state.outbox.len() >= BURST {
            inner.flush(state);
            return Ok(false);
        }
        Ok(!std::mem::replace(&mut state.scheduled, true))
    }
}

impl State {
    fn wait(&mut self, future: Py<PyAny>) -> Token {
        let token = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(None);
            self.waiting.len() - 1
        });
        self.waiting[token] = Some(future);
        token
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
}

impl Drop for Inner {
    /// A loop that ends before its tick does has published all the same. What it was to do, it does not do any more.
    fn drop(&mut self) {
        self.flush(self.state());
        self.errands.close();
    }
}

fn ended<T>(
    py: Python<'_>,
    result: sg::Result<T>,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>>,
) -> PyResult<Finished> {
    Ok(match result {
        Ok(value) => match convert(py, value) {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error.into_value(py).into_any())),
        },
        Err(error) => (None, Some(plain(py, &error)?)),
    })
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

//! Locks, leases and singleton jobs.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::host;
use sg::lock::{LeaseOptions, LockOptions, Restart, SingletonOptions};
use stargazer_core as sg;

use crate::argument::Text;
use crate::bridge::Bridge;
use crate::bus::{Bus, nothing};
use crate::error::{plain, raise};
use crate::fork::Owned;
use crate::settings::{Setting, no_such, seconds};

/// One request to take something, to be given up by whoever stops waiting.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Asking(host::Asking);

#[pymethods]
impl Asking {
    #[new]
    fn new() -> Self {
        Self(host::Asking::default())
    }

    fn give_up(&self) {
        self.0.give_up();
    }
}

/// A lock of the fleet.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Lock(Owned<sg::lock::Lock>);

/// A lock by its name, or by the id of a channel.
#[pyfunction]
pub(crate) fn lock(bus: &Bus, name: Text, of_channel: bool, settings: &Bound<'_, PyDict>) -> PyResult<Lock> {
    let mut options = LockOptions::default();
    for (name, value) in settings {
        let setting = Setting { name: &name, value: &value };
        match setting.name()? {
            "ttl" => options.ttl = setting.seconds()?,
            "auto_renew" => options.auto_renew = setting.get("bool")?,
            "max_renewals" => options.max_renewals = setting.maybe(Setting::natural)?,
            "abort_on_loss" => options.abort_on_loss = setting.get("bool")?,
            "wait" => options.wait = setting.maybe(Setting::seconds)?,
            unknown => return Err(no_such("a lock", unknown)),
        }
    }
    let core = bus.core();
    let made = if of_channel { core.get()?.channel_lock(&name.0, options) } else { core.get()?.lock(&name.0, options) };
    Ok(Lock(Owned::new(core.host(), made.map_err(raise)?)))
}

/// A time to wait as Python has it; less than nothing is for ever.
fn limit(wait: f64) -> PyResult<Option<std::time::Duration>> {
    if wait < 0.0 { Ok(None) } else { seconds("timeout", wait).map(Some) }
}

/// Why something was lost, or `None`.
fn lost(py: Python<'_>, error: Option<sg::Error>) -> PyResult<Py<PyAny>> {
    error.map_or_else(|| Ok(py.None()), |error| plain(py, &error))
}

fn flag(py: Python<'_>, flag: bool) -> PyResult<Py<PyAny>> {
    Ok(flag.into_pyobject(py)?.to_owned().into_any().unbind())
}

fn number(py: Python<'_>, number: Option<i64>) -> PyResult<Py<PyAny>> {
    Ok(number.into_pyobject(py)?.into_any().unbind())
}

#[pymethods]
impl Lock {
    #[getter]
    fn key(&self) -> PyResult<String> {
        Ok(self.0.get()?.key().to_string())
    }

    #[getter]
    fn held(&self) -> PyResult<bool> {
        Ok(self.0.get()?.is_held())
    }

    #[getter]
    fn token(&self) -> PyResult<Option<String>> {
        Ok(self.0.get()?.token().map(|token| token.to_string()))
    }

    #[getter]
    fn abort_on_loss(&self) -> PyResult<bool> {
        Ok(self.0.get()?.options().abort_on_loss)
    }

    /// Takes it; waits as long as the settings say, or `wait` (less than nothing: for ever).
    fn acquire(&self, bridge: &Bridge, future: Py<PyAny>, asking: &Asking, wait: Option<f64>) -> PyResult<()> {
        let (lock, limit) = (self.0.get()?.clone(), wait.map(limit).transpose()?);
        let work = async move {
            match limit {
                None => lock.acquire().await,
                Some(limit) => lock.acquire_within(limit).await,
            }
        };
        self.take(bridge, future, asking, work, nothing)
    }

    fn try_acquire(&self, bridge: &Bridge, future: Py<PyAny>, asking: &Asking) -> PyResult<()> {
        let lock = self.0.get()?.clone();
        self.take(bridge, future, asking, async move { lock.try_acquire().await }, flag)
    }

    fn renew(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let lock = self.0.get()?.clone();
        bridge.call(future, async move { lock.renew().await }, flag)
    }

    fn release(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let lock = self.0.get()?.clone();
        bridge.call(future, async move { lock.release().await }, flag)
    }

    /// Gives it up at the end of a block.
    fn leave(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let lock = self.0.get()?.clone();
        let work = async move {
            lock.leave().await;
            Ok(())
        };
        bridge.call(future, work, nothing)
    }

    /// The future gives code, message and context of why it was lost, or `None`.
    fn lost(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let ended = self.0.get()?.lost();
        bridge.call(future, async move { Ok(ended.await) }, lost)
    }
}

impl Lock {
    fn take<T: Send + 'static>(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        asking: &Asking,
        work: impl Future<Output = sg::Result<T>> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<()> {
        let (asking, lock, host) = (asking.0.clone(), self.0.get()?.clone(), self.0.host());
        let back = move || host.spawn(async move { lock.leave().await });
        bridge.call(future, async move { asking.take(work, back).await }, convert)
    }
}

/// Leadership under a name.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Lease(Owned<std::sync::Arc<sg::lock::Lease>>);

/// A lease by its name.
#[pyfunction]
pub(crate) fn lease(bus: &Bus, name: Text, settings: &Bound<'_, PyDict>) -> PyResult<Lease> {
    let mut options = LeaseOptions::default();
    for (name, value) in settings {
        let setting = Setting { name: &name, value: &value };
        match setting.name()? {
            "ttl" => options.ttl = setting.seconds()?,
            "wait" => options.wait = setting.maybe(Setting::seconds)?,
            unknown => return Err(no_such("a lease", unknown)),
        }
    }
    let core = bus.core();
    let made = core.get()?.lease(&name.0, &options).map_err(raise)?;
    Ok(Lease(Owned::new(core.host(), made.into())))
}

#[pymethods]
impl Lease {
    #[getter]
    fn fence(&self) -> PyResult<Option<i64>> {
        Ok(self.0.get()?.fence())
    }

    /// Leads; waits as long as the settings say, or `wait` (less than nothing: for ever).
    fn acquire(&self, bridge: &Bridge, future: Py<PyAny>, asking: &Asking, wait: Option<f64>) -> PyResult<()> {
        let (lease, limit) = (self.0.get()?.clone(), wait.map(limit).transpose()?);
        let work = async move {
            match limit {
                None => lease.acquire().await.map(Some),
                Some(limit) => lease.acquire_within(limit).await.map(Some),
            }
        };
        self.take(bridge, future, asking, work)
    }

    fn try_acquire(&self, bridge: &Bridge, future: Py<PyAny>, asking: &Asking) -> PyResult<()> {
        let lease = self.0.get()?.clone();
        self.take(bridge, future, asking, async move { lease.try_acquire().await })
    }

    fn resign(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let lease = self.0.get()?.clone();
        bridge.call(future, async move { lease.resign().await }, flag)
    }

    /// Resigns at the end of a block.
    fn leave(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let lease = self.0.get()?.clone();
        let work = async move {
            lease.leave().await;
            Ok(())
        };
        bridge.call(future, work, nothing)
    }

    /// The future gives code, message and context of why it was lost, or `None`.
    fn lost(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let ended = self.0.get()?.lost();
        bridge.call(future, async move { Ok(ended.await) }, lost)
    }
}

impl Lease {
    fn take(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        asking: &Asking,
        work: impl Future<Output = sg::Result<Option<i64>>> + Send + 'static,
    ) -> PyResult<()> {
        let (asking, lease, host) = (asking.0.clone(), self.0.get()?.clone(), self.0.host());
        let back = move || host.spawn(async move { lease.leave().await });
        bridge.call(future, async move { asking.take(work, back).await }, number)
    }
}

/// A job that runs on one process at a time.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Singleton(Owned<sg::lock::Singleton>);

/// A singleton job by its name.
#[pyfunction]
pub(crate) fn singleton(bus: &Bus, name: Text, settings: &Bound<'_, PyDict>) -> PyResult<Singleton> {
    let mut options = SingletonOptions::default();
    for (name, value) in settings {
        let setting = Setting { name: &name, value: &value };
        match setting.name()? {
            "ttl" => options.ttl = setting.seconds()?,
            "restart" => options.restart = setting.word(&Restart::ALL.map(|restart| (restart.as_str(), restart)))?,
            "max_restarts" => options.max_restarts = setting.natural()?,
            "window" => options.window = setting.seconds()?,
            "backoff" => options.backoff = setting.seconds()?,
            "max_backoff" => options.max_backoff = setting.seconds()?,
            unknown => return Err(no_such("a singleton", unknown)),
        }
    }
    let core = bus.core();
    let made = core.get()?.singleton(&name.0, &options).map_err(raise)?;
    Ok(Singleton(Owned::new(core.host(), made)))
}

#[pymethods]
impl Singleton {
    /// Phase, number, restarts and the last error.
    #[getter]
    fn state(&self) -> PyResult<(&'static str, Option<i64>, u64, Option<String>)> {
        let state = self.0.get()?.state();
        Ok((state.phase.as_str(), state.fence, state.restarts, state.error))
    }

    fn stop(&self) -> PyResult<()> {
        self.0.get()?.stop();
        Ok(())
    }

    fn begin(&self) -> PyResult<()> {
        self.0.get()?.begin().map_err(raise)
    }

    /// Ends the run for somebody who waits no longer.
    fn abandon(&self) -> PyResult<()> {
        self.0.get()?.abandon();
        Ok(())
    }

    /// The future gives the job's next turn here, or `None`.
    fn next(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let (singleton, host) = (self.0.get()?.clone(), self.0.host());
        bridge.call(future, async move { singleton.next().await }, move |py, turn| {
            let Some(turn) = turn else { return Ok(py.None()) };
            Ok(Py::new(py, Turn { fence: turn.fence(), turn: Owned::new(host, Mutex::new(Some(turn))) })?.into_any())
        })
    }
}

/// A turn of a singleton job.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Turn {
    turn: Owned<Mutex<Option<sg::lock::Turn>>>,
    #[pyo3(get)]
    fence: i64,
}

#[pymethods]
impl Turn {
    /// The future gives code, message and context of why the job must end.
    fn lost(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let turn = self.turn.get()?.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let waiting = turn.as_ref().map(sg::lock::Turn::lost);
        drop(turn);
        let work = async move {
            match waiting {
                Some(waiting) => Ok(Some(waiting.await)),
                None => Ok(None),
            }
        };
        bridge.call(future, work, lost)
    }

    fn done(&self) -> PyResult<()> {
        self.end(sg::lock::Turn::done)
    }

    fn failed(&self, error: Text) -> PyResult<()> {
        self.end(|turn| turn.failed(error))
    }

    fn cancelled(&self) -> PyResult<()> {
        self.end(sg::lock::Turn::cancelled)
    }
}

impl Turn {
    fn end(&self, end: impl FnOnce(sg::lock::Turn)) -> PyResult<()> {
        let turn = self.turn.get()?.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        turn.map(end);
        Ok(())
    }
}

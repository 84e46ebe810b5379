//! Lifecycle events: a publisher that is never in the way, and a reader.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sg::events::{self, Event, EventOptions, ReaderOptions};
use sg::host::Host;
use stargazer_core as sg;
use tokio::sync::watch;

use crate::argument::{Count, Text};
use crate::bridge::Bridge;
use crate::bus::nothing;
use crate::error::raise;
use crate::fork::Owned;

/// Kind, arena, its run, phase, correlation id, and the payload as JSON.
type Row = (Text, Text, Text, Text, Text, Text);

/// Publishes events.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct EventBus(Owned<events::EventBus>);

impl EventBus {
    pub(crate) fn new(host: &'static Host, bus: &sg::Bus, stream: Option<Text>, max_len: Count<u64>) -> PyResult<Self> {
        let mut options = EventOptions::default().with_max_len(max_len.0);
        if let Some(stream) = stream {
            options = options.with_stream(stream.0);
        }
        let events = bus.events(options).map_err(raise)?;
        let starts = events.clone();
        // Publishes come from other threads than the one on which it sends.
        host.spawn(async move { starts.start() });
        Ok(Self(Owned::new(host, events)))
    }
}

fn event((kind, arena, arena_id, phase, correlation_id, payload): Row) -> Event {
    Event::new(kind.0)
        .with_arena(arena.0, arena_id.0)
        .with_phase(phase.0)
        .with_correlation_id(correlation_id.0)
        .with_json_payload(payload.0)
}

#[pymethods]
impl EventBus {
    /// The stream.
    #[getter]
    fn stream(&self) -> PyResult<String> {
        Ok(self.0.get()?.stream().to_owned())
    }

    /// How many events the stream keeps; 0 for all.
    #[getter]
    fn max_len(&self) -> PyResult<u64> {
        Ok(self.0.get()?.max_len())
    }

    /// Publishes an event; the future gives its id, or `""`. `waits` for what becomes of one attempt.
    fn publish(&self, bridge: &Bridge, future: Py<PyAny>, row: Row, waits: bool) -> PyResult<()> {
        let (events, event) = (self.0.get()?.clone(), event(row));
        let work = async move {
            let id = if waits { events.publish_and_wait(event).await } else { events.publish(event).await };
            Ok(id.map(|id| id.to_string()).unwrap_or_default())
        };
        bridge.call(future, work, |py, id| Ok(id.into_pyobject(py)?.into_any().unbind()))
    }

    fn publish_nowait(&self, row: Row) -> PyResult<()> {
        self.0.get()?.publish_nowait(event(row));
        Ok(())
    }

    /// What became of the events so far.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.0.get()?.stats();
        let counts = PyDict::new(py);
        for (name, count) in [
            ("published", stats.published),
            ("dropped", stats.dropped),
            ("failed", stats.failed),
            ("late", stats.late),
            ("queued", stats.queued),
        ] {
            counts.set_item(name, count)?;
        }
        Ok(counts)
    }

    fn close(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let events = self.0.get()?.clone();
        let work = async move {
            events.close().await;
            Ok(())
        };
        bridge.call(future, work, nothing)
    }
}

/// Reads events.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct EventReader(Owned<Arc<Reading>>);

pub(crate) struct Reading {
    reader: tokio::sync::Mutex<events::EventReader>,
    closed: watch::Sender<bool>,
}

impl EventReader {
    pub(crate) fn new(
        host: &'static Host,
        bus: &sg::Bus,
        stream: Option<Text>,
        last_id: Text,
        block_ms: Count<u64>,
        count: Count,
    ) -> PyResult<Self> {
        let mut options = ReaderOptions {
            place: last_id.0.parse().map_err(raise)?,
            block: Duration::from_millis(block_ms.0),
            count: count.0,
            ..ReaderOptions::default()
        };
        if let Some(stream) = stream {
            options.stream = stream.0.into();
        }
        let reader = bus.event_reader(options).map_err(raise)?;
        let reading = Reading { reader: tokio::sync::Mutex::new(reader), closed: watch::Sender::new(false) };
        Ok(Self(Owned::new(host, Arc::new(reading))))
    }
}

#[pymethods]
impl EventReader {
    /// Finds the end; the future gives the id after which it reads.
    fn ready(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let reading = self.0.get()?.clone();
        let work = async move {
            let mut reader = reading.reader.lock().await;
            reader.ready().await?;
            Ok(reader.last_id())
        };
        bridge.call(future, work, |py, id| Ok(id.into_pyobject(py)?.into_any().unbind()))
    }

    /// Adds a pattern; the future gives its place.
    fn route(&self, bridge: &Bridge, future: Py<PyAny>, kind: Text) -> PyResult<()> {
        let reading = self.0.get()?.clone();
        let work = async move { reading.reader.lock().await.route(&kind.0) };
        bridge.call(future, work, |py, place| Ok(place.into_pyobject(py)?.into_any().unbind()))
    }

    /// The next event: its id, the bytes of its field `data` if there are any, and with `routed` the places of the patterns
    /// that it matches. The future gives `None` once the reader or its bus is closed.
    fn next(&self, bridge: &Bridge, future: Py<PyAny>, routed: bool) -> PyResult<()> {
        let reading = self.0.get()?.clone();
        let work = async move {
            let mut closed = reading.closed.subscribe();
            let next = async {
                let mut reader = reading.reader.lock().await;
                if routed { reader.next_routed().await } else { reader.next().await.map(|event| (event, Vec::new())) }
            };
            tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => Ok(None),
                next = next => match next {
                    Err(error) if error.kind() == sg::ErrorKind::Closed => Ok(None),
                    next => next.map(Some),
                },
            }
        };
        bridge.call(future, work, |py, next| {
            let Some((event, places)) = next else { return Ok(py.None()) };
            let data = event.data.map(|data| PyBytes::new(py, &data));
            Ok((event.id.to_string(), data, places).into_pyobject(py)?.into_any().unbind())
        })
    }

    fn close(&self) -> PyResult<()> {
        self.0.get()?.closed.send_replace(true);
        Ok(())
    }
}

/// The kinds of the original.
#[pyfunction]
pub(crate) fn event_kinds() -> Vec<&'static str> {
    events::EVENT_KINDS.to_vec()
}

//! Publishing, for a bus and for a delivery's fenced bus.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::host::{self, Host};
use sg::{Outgoing, PublishOptions, Target};
use stargazer_core as sg;

use crate::argument::{Count, Text};
use crate::bridge::Bridge;
use crate::calls::{self, Cancel};
use crate::codec::encode;
use crate::error::raise;
use crate::fork::Owned;
use crate::part::Part;

/// Publishes; under a fence when it came from a delivery. Its methods say whether the loop is to flush.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Publisher(Owned<Arc<sg::Publisher>>);

impl Publisher {
    pub(crate) fn new(host: &'static Host, publisher: sg::Publisher) -> Self {
        Self(Owned::new(host, Arc::new(publisher)))
    }

    pub(crate) fn core(&self) -> PyResult<&Arc<sg::Publisher>> {
        self.0.get()
    }

    fn send(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        body: &Bound<'_, PyAny>,
        target: Target,
        options: PublishOptions,
    ) -> PyResult<bool> {
        let publisher = self.0.get()?;
        let data = encode(body, &publisher.limits()).map_err(raise)?;
        bridge.publish(future, publisher, Outgoing { target, data, options })
    }
}

/// What is said about a publish.
fn options(
    key: Option<Text>,
    message_id: Option<Text>,
    trace_id: Option<Text>,
    traceparent: Option<Text>,
    tracestate: Option<Text>,
    wait_replicas: Option<Count<u32>>,
) -> PublishOptions {
    PublishOptions {
        message_id: message_id.map(String::from),
        key: key.map(String::from),
        trace_id: trace_id.map(String::from),
        traceparent: traceparent.map(String::from),
        tracestate: tracestate.map(String::from),
        wait_replicas: wait_replicas.map(|n| n.0),
    }
}

#[pymethods]
impl Publisher {
    /// Seconds by the clock of the bus, from no special moment on.
    fn now(&self) -> PyResult<f64> {
        Ok(self.0.get()?.clock().now().as_secs_f64())
    }

    /// A part of the core that uses this publisher.
    fn part(&self, name: Text, arguments: &Bound<'_, PyDict>) -> PyResult<Part> {
        Part::open(self.0.host(), self.0.get()?, &name.0, arguments)
    }

    /// An adapter that is called in errands of the function with this number.
    fn host_adapter(&self, bridge: &Bridge, function: u32, name: Text) -> PyResult<Part> {
        Ok(Part::of(self.0.host(), host::Part::host_adapter(bridge.errands()?, function, name)))
    }

    /// A gateway, with the numbers of functions that answer calls of a name.
    fn gateway(
        &self,
        bridge: &Bridge,
        adapters: Vec<PyRef<'_, Part>>,
        methods: Vec<(Text, u32)>,
        consumer: &Bound<'_, PyDict>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<Part> {
        let consumer = crate::settings::consumer(consumer, host::gateway_consumer())?;
        let settings = encode(settings, &host::LIMITS).map_err(raise)?;
        let adapters = adapters.iter().map(|part| part.inner().cloned()).collect::<PyResult<Vec<_>>>()?;
        let methods = methods.into_iter().map(|(name, number)| (name.0, number)).collect();
        let opened =
            host::Part::gateway(self.0.get()?, &bridge.errands()?, &adapters, methods, Some(consumer), &settings);
        Ok(Part::of(self.0.host(), opened.map_err(raise)?))
    }

    #[allow(clippy::too_many_arguments)] // one for each option
    fn publish_inbound(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        envelope: &Bound<'_, PyAny>,
        key: Option<Text>,
        message_id: Option<Text>,
        trace_id: Option<Text>,
        traceparent: Option<Text>,
        tracestate: Option<Text>,
        wait_replicas: Option<Count<u32>>,
    ) -> PyResult<bool> {
        let options = options(key, message_id, trace_id, traceparent, tracestate, wait_replicas);
        self.send(bridge, future, envelope, Target::Inbound, options)
    }

    #[allow(clippy::too_many_arguments)] // one for each option
    fn publish_outbound(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        platform: Text,
        envelope: &Bound<'_, PyAny>,
        key: Option<Text>,
        message_id: Option<Text>,
        trace_id: Option<Text>,
        traceparent: Option<Text>,
        tracestate: Option<Text>,
        wait_replicas: Option<Count<u32>>,
    ) -> PyResult<bool> {
        let options = options(key, message_id, trace_id, traceparent, tracestate, wait_replicas);
        self.send(bridge, future, envelope, Target::Outbound { platform: platform.into() }, options)
    }

    #[allow(clippy::too_many_arguments)] // one for each option
    fn publish_tools_request(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        request: &Bound<'_, PyAny>,
        key: Option<Text>,
        message_id: Option<Text>,
        trace_id: Option<Text>,
        traceparent: Option<Text>,
        tracestate: Option<Text>,
        wait_replicas: Option<Count<u32>>,
    ) -> PyResult<bool> {
        let options = options(key, message_id, trace_id, traceparent, tracestate, wait_replicas);
        self.send(bridge, future, request, Target::ToolsRequest, options)
    }

    #[allow(clippy::too_many_arguments)] // one for each option
    fn publish_tools_reply(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        reply_stream: Text,
        reply: &Bound<'_, PyAny>,
        key: Option<Text>,
        message_id: Option<Text>,
        trace_id: Option<Text>,
        traceparent: Option<Text>,
        tracestate: Option<Text>,
        wait_replicas: Option<Count<u32>>,
    ) -> PyResult<bool> {
        let options = options(key, message_id, trace_id, traceparent, tracestate, wait_replicas);
        self.send(bridge, future, reply, Target::ToolsReply { stream: reply_stream.into() }, options)
    }

    #[allow(clippy::too_many_arguments)] // one for each option
    fn publish(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        stream: Text,
        body: &Bound<'_, PyAny>,
        key: Option<Text>,
        message_id: Option<Text>,
        trace_id: Option<Text>,
        traceparent: Option<Text>,
        tracestate: Option<Text>,
        wait_replicas: Option<Count<u32>>,
    ) -> PyResult<bool> {
        let options = options(key, message_id, trace_id, traceparent, tracestate, wait_replicas);
        self.send(bridge, future, body, Target::Stream { name: stream.into() }, options)
    }

    /// Calls a name; the future gives result, writeback, and whether it was remembered.
    #[allow(clippy::too_many_arguments)] // one for each part of a call
    fn call(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        cancel: &Cancel,
        name: Text,
        arguments: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let (publisher, options) = (self.0.get()?.clone(), calls::options(options, cancel)?);
        let arguments = calls::arguments(arguments, &publisher.limits())?;
        let work = async move { publisher.call_with(&name.0, calls::map(&arguments)?, options).await };
        calls::answered(bridge, future, work)
    }

    /// Calls a method of a platform's gateway; the future gives what that of `call` does.
    #[allow(clippy::too_many_arguments)] // one for each part of a call
    fn call_gateway(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        cancel: &Cancel,
        platform: Text,
        method: Text,
        params: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let (publisher, options) = (self.0.get()?.clone(), calls::options(options, cancel)?);
        let params = calls::arguments(params, &publisher.limits())?;
        let work = async move { publisher.call_gateway(&platform.0, &method.0, calls::map(&params)?, options).await };
        calls::answered(bridge, future, work)
    }

    /// What the calls of this bus have come to: in flight, late, malformed.
    fn call_figures(&self) -> PyResult<(u64, u64, u64)> {
        let figures = self.0.get()?.call_figures();
        Ok((figures.in_flight, figures.late, figures.malformed))
    }
}

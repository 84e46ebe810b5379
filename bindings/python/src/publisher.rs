//! Publishing, for a bus and for a delivery's fenced bus.

use std::sync::Arc;

use pyo3::prelude::*;
use sg::host::Host;
use sg::{Outgoing, PublishOptions, Target};
use stargazer_core as sg;

use crate::bridge::Bridge;
use crate::codec::encode;
use crate::error::raise;
use crate::fork::Owned;
use crate::text::Text;

/// Publishes; under a fence when it came from a delivery.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Publisher(Owned<Arc<sg::Publisher>>);

impl Publisher {
    pub(crate) fn new(host: &'static Host, publisher: sg::Publisher) -> Self {
        Self(Owned::new(host, Arc::new(publisher)))
    }

    fn send<'py>(
        &self,
        body: &Bound<'py, PyAny>,
        target: Target,
        options: PublishOptions,
    ) -> PyResult<Bound<'py, PyAny>> {
        let publisher = self.0.get()?;
        let data = encode(body, &publisher.limits()).map_err(raise)?;
        let (bridge, event_loop) = Bridge::current(body.py())?;
        bridge.publish(&event_loop, publisher, Outgoing { target, data, options })
    }
}

fn named(message_id: Option<Text>) -> PublishOptions {
    PublishOptions { message_id: message_id.map(String::from), ..PublishOptions::default() }
}

#[pymethods]
impl Publisher {
    fn publish_inbound<'py>(
        &self,
        envelope: &Bound<'py, PyAny>,
        message_id: Option<Text>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.send(envelope, Target::Inbound, named(message_id))
    }

    fn publish_outbound<'py>(
        &self,
        platform: Text,
        envelope: &Bound<'py, PyAny>,
        message_id: Option<Text>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.send(envelope, Target::Outbound { platform: platform.into() }, named(message_id))
    }

    fn publish_tools_request<'py>(&self, request: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.send(request, Target::ToolsRequest, PublishOptions::default())
    }

    fn publish_tools_reply<'py>(&self, reply_stream: Text, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.send(reply, Target::ToolsReply { stream: reply_stream.into() }, PublishOptions::default())
    }

    #[allow(clippy::too_many_arguments)] // one for each option
    fn publish<'py>(
        &self,
        stream: Text,
        body: &Bound<'py, PyAny>,
        key: Option<Text>,
        message_id: Option<Text>,
        trace_id: Option<Text>,
        traceparent: Option<Text>,
        tracestate: Option<Text>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = PublishOptions {
            message_id: message_id.map(String::from),
            key: key.map(String::from),
            trace_id: trace_id.map(String::from),
            traceparent: traceparent.map(String::from),
            tracestate: tracestate.map(String::from),
        };
        self.send(body, Target::Stream { name: stream.into() }, options)
    }
}

//! Calls: what may be said about one, and what comes of it.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::envelope::codec::Writer;
use sg::envelope::{Limits, Map, Value};
use sg::host::Errands;
use sg::rpc::{Answer, CallOptions, Identity, Memo};
use stargazer_core as sg;

use crate::bridge::Bridge;
use crate::codec;
use crate::error::raise;
use crate::settings::{Setting, no_such};

/// The sign that ends a call.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Cancel(sg::rpc::Cancel);

#[pymethods]
impl Cancel {
    #[new]
    fn new() -> Self {
        Self(sg::rpc::Cancel::new())
    }

    /// Gives it.
    fn cancel(&self) {
        self.0.cancel();
    }
}

/// The options of a call, by name.
pub(crate) fn options(options: &Bound<'_, PyDict>, cancel: &Cancel) -> PyResult<CallOptions> {
    let mut made = CallOptions::default().with_cancel(cancel.0.clone());
    let (mut memo, mut turn, mut call) = (true, None::<String>, None::<String>);
    for (name, value) in options {
        let option = Setting { name: &name, value: &value };
        if value.is_none() {
            continue;
        }
        match option.name()? {
            "timeout" => made.timeout = Some(option.seconds()?),
            "memo" => memo = option.get("bool")?,
            "turn" => turn = Some(option.get("text")?),
            "call_id" => call = Some(option.get("text")?),
            "identity" => made.identity = Some(identity(&value)?),
            "schema_hash" => made.schema_hash = option.get("text")?,
            "trace_id" => made.trace_id = Some(option.get("text")?),
            "traceparent" => made.traceparent = Some(option.get("text")?),
            "tracestate" => made.tracestate = Some(option.get("text")?),
            "service" => made.service = Some(option.get("text")?),
            unknown => return Err(no_such("a call", unknown)),
        }
    }
    made.memo = match (memo, turn, call) {
        (true, None, None) => Memo::Auto,
        (false, None, None) => Memo::Off,
        (true, None, Some(call)) => Memo::Call(call),
        (true, Some(turn), Some(call)) => Memo::Key { turn, call },
        (true, Some(_), None) => return Err(refused("call_id", "a turn needs the call_id of its call beside it")),
        (false, ..) => return Err(refused("memo", "a call that is not remembered has neither turn nor call_id")),
    };
    Ok(made)
}

fn refused(field: &'static str, text: &str) -> PyErr {
    raise(sg::Error::invalid(text).with_context("field", field))
}

/// Whose message a call is made for: a map of the wire's names.
pub(crate) fn identity(given: &Bound<'_, PyAny>) -> PyResult<Identity> {
    let Ok(given) = given.cast::<PyDict>() else {
        return Err(refused("identity", "an identity is a dict of platform, channel_id, user_id, …"));
    };
    let mut identity = Identity::default();
    for (name, value) in given {
        let part = Setting { name: &name, value: &value };
        match part.name()? {
            "platform" => identity.platform = part.get("text")?,
            "channel_id" => identity.channel_id = part.get("text")?,
            "user_id" => identity.user_id = part.get("text")?,
            "user_name" => identity.user_name = part.get("text")?,
            "guild_id" => identity.guild_id = part.get("text or None")?,
            "message_id" => identity.message_id = part.get("text")?,
            "observability_request_id" => identity.observability_request_id = part.get("text")?,
            unknown => return Err(no_such("an identity", unknown)),
        }
    }
    Ok(identity)
}

/// Arguments as they cross.
pub(crate) fn arguments(arguments: &Bound<'_, PyAny>, limits: &Limits) -> PyResult<Bytes> {
    codec::encode(arguments, limits).map_err(raise)
}

/// Arguments that have crossed.
pub(crate) fn map(arguments: &[u8]) -> sg::Result<Map> {
    match sg::envelope::codec::decode(arguments, &Errands::limits())? {
        Value::Map(map) => Ok(map),
        other => {
            let text = format!("arguments have names: give a dict, not {}", other.type_name());
            Err(sg::Error::invalid(text).with_context("field", "arguments"))
        }
    }
}

/// Makes a call on the I/O thread; the future gives result, writeback, and whether it was remembered.
pub(crate) fn answered(
    bridge: &Bridge,
    future: Py<PyAny>,
    work: impl Future<Output = sg::Result<Answer>> + Send + 'static,
) -> PyResult<()> {
    let work = async move { packed(&work.await?) };
    bridge.call(future, work, |py, answer| Ok(codec::decode(py, &answer)?.unbind()))
}

fn packed(answer: &Answer) -> sg::Result<Bytes> {
    let mut writer = Writer::new(&Errands::limits());
    writer.list(3);
    writer.inside(|writer| {
        writer.value(&answer.result);
        writer.map_value(&answer.writeback);
        writer.bool(answer.remembered);
    });
    writer.finish()
}

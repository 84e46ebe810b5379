//! Envelopes as the core builds them, for the helper functions of the package.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sg::envelope::{Action, Button, Envelope, Inbound, Map, Outbound, Value, codec};
use stargazer_core as sg;

use crate::argument::Text;
use crate::codec::{decode, encode};
use crate::error::raise;

type Built<'py> = PyResult<Bound<'py, PyAny>>;

fn built<'py, E: Envelope>(py: Python<'py>, envelope: &E) -> Built<'py> {
    let bytes = envelope.write(&sg::envelope::Limits::default()).map_err(raise)?;
    decode(py, &bytes)
}

/// A message written now, with the fields that every message needs.
#[pyfunction]
pub(crate) fn inbound(py: Python<'_>, platform: Text, channel: Text, user: Text, text: Text) -> Built<'_> {
    built(py, &Inbound::new(platform, channel, user, text))
}

/// The key of a channel across platforms, which is its lane.
#[pyfunction]
pub(crate) fn channel_key(platform: Text, channel: Text) -> String {
    Inbound::new_at(platform, channel, "", "", 0.0).channel_key
}

/// What readers take for fields that an inbound envelope does not have.
#[pyfunction]
pub(crate) fn inbound_defaults(py: Python<'_>) -> Built<'_> {
    built(py, &Inbound::default())
}

/// A text for a channel.
#[pyfunction]
pub(crate) fn message(py: Python<'_>, channel: Text, text: Text, reply_to: Option<Text>) -> Built<'_> {
    let mut envelope = Outbound::message(channel, text);
    if let Some(id) = reply_to {
        envelope = envelope.with_reply_to(id);
    }
    built(py, &envelope)
}

/// A file for a channel.
#[pyfunction]
pub(crate) fn file<'py>(
    py: Python<'py>,
    channel: Text,
    filename: Text,
    mimetype: Text,
    data: &[u8],
    text: Text,
) -> Built<'py> {
    built(py, &Outbound::file(channel, filename, mimetype, data.to_vec()).with_text(text))
}

/// The bytes of a file, of which an envelope holds the base64 text.
#[pyfunction]
pub(crate) fn file_bytes<'py>(envelope: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let limits = sg::envelope::Limits::default();
    let outbound = encode(envelope, &limits).and_then(|bytes| Outbound::decode_with(&bytes, &limits)).map_err(raise)?;
    match outbound.action {
        Action::File(file) => Ok(PyBytes::new(envelope.py(), &file.data)),
        _ => Err(raise(sg::Error::invalid("only an envelope of type file has data").with_context("field", "type"))),
    }
}

/// A text with buttons below it: pairs of label and id, and a picture or none.
#[pyfunction]
pub(crate) fn buttons(py: Python<'_>, channel: Text, text: Text, view: Vec<(Text, Text, Option<Text>)>) -> Built<'_> {
    let button = |(label, id, emoji): (Text, Text, Option<Text>)| {
        let button = Button::new(label, id);
        emoji.into_iter().fold(button, Button::with_emoji)
    };
    built(py, &Outbound::buttons(channel, text, view.into_iter().map(button)))
}

/// A reaction to a message.
#[pyfunction]
pub(crate) fn reaction(py: Python<'_>, channel: Text, message_id: Text, emoji: Text) -> Built<'_> {
    built(py, &Outbound::reaction(channel, message_id, emoji))
}

/// The sign that an answer is being written.
#[pyfunction]
pub(crate) fn typing(py: Python<'_>, channel: Text) -> Built<'_> {
    built(py, &Outbound::typing(channel))
}

/// A status of the bot.
#[pyfunction]
pub(crate) fn presence(py: Python<'_>, status: Text, emoji: Option<Text>) -> Built<'_> {
    built(py, &Outbound::presence(status, emoji.map(String::from)))
}

/// A call of the platform's adapter.
#[pyfunction]
pub(crate) fn rpc<'py>(
    py: Python<'py>,
    method: Text,
    params: &Bound<'py, PyAny>,
    reply_to: Text,
    correlation_id: Text,
) -> Built<'py> {
    let limits = sg::envelope::Limits::default();
    let params = encode(params, &limits).and_then(|bytes| codec::decode(&bytes, &limits)).map_err(raise)?;
    let params: Map = match params {
        Value::Map(params) => params,
        other => {
            let text = format!("`params` must be map, found {}", other.type_name());
            return Err(raise(sg::Error::invalid(text).with_context("field", "params")));
        }
    };
    built(py, &Outbound::rpc(method, params, reply_to, correlation_id))
}

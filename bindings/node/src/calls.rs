//! Calls: what may be said about one, and what comes of it.

use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use sg::envelope::codec::{Writer, decode};
use sg::envelope::{Map, Value};
use sg::host::Errands;
use sg::rpc::{self, CallOptions, Memo};
use stargazer_core as sg;

use crate::port::Answer;
use crate::settings::millis;

/// The sign that ends a call.
#[napi]
#[derive(Default)]
pub struct Cancel(rpc::Cancel);

#[napi]
impl Cancel {
    /// Not given yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// Whose message a call is made for.
#[napi(object, object_to_js = false)]
pub struct Identity {
    /// Platform.
    pub platform: Option<String>,
    /// Channel.
    pub channel_id: Option<String>,
    /// Who wrote it.
    pub user_id: Option<String>,
    /// Name of who wrote it.
    pub user_name: Option<String>,
    /// Server of the channel.
    pub guild_id: Option<String>,
    /// The message.
    pub message_id: Option<String>,
    /// The original's id.
    pub observability_request_id: Option<String>,
}

impl From<Identity> for rpc::Identity {
    fn from(given: Identity) -> Self {
        Self {
            platform: given.platform.unwrap_or_default(),
            channel_id: given.channel_id.unwrap_or_default(),
            user_id: given.user_id.unwrap_or_default(),
            user_name: given.user_name.unwrap_or_default(),
            guild_id: given.guild_id,
            message_id: given.message_id.unwrap_or_default(),
            observability_request_id: given.observability_request_id.unwrap_or_default(),
        }
    }
}

/// What is said about a call.
#[napi(object, object_to_js = false)]
pub struct Calling {
    /// Milliseconds.
    pub timeout_ms: Option<f64>,
    /// Whether it may be remembered.
    pub memo: Option<bool>,
    /// Its turn.
    pub turn: Option<String>,
    /// Its id in the turn.
    pub call_id: Option<String>,
    /// For whom.
    pub identity: Option<Identity>,
    /// Hash of a catalog.
    pub schema_hash: Option<String>,
    /// Trace id.
    pub trace_id: Option<String>,
    /// W3C `traceparent`.
    pub traceparent: Option<String>,
    /// W3C `tracestate`.
    pub tracestate: Option<String>,
    /// Service.
    pub service: Option<String>,
}

impl Calling {
    pub(crate) fn into_core(self, cancel: &Cancel) -> sg::Result<CallOptions> {
        let mut options = CallOptions::default().with_cancel(cancel.0.clone());
        options.timeout = self.timeout_ms.map(millis);
        options.identity = self.identity.map(rpc::Identity::from);
        options.schema_hash = self.schema_hash.unwrap_or_default();
        (options.trace_id, options.service) = (self.trace_id, self.service);
        (options.traceparent, options.tracestate) = (self.traceparent, self.tracestate);
        let refused = |field: &'static str, text: &str| Err(sg::Error::invalid(text).with_context("field", field));
        options.memo = match (self.memo.unwrap_or(true), self.turn, self.call_id) {
            (true, None, None) => Memo::Auto,
            (false, None, None) => Memo::Off,
            (true, None, Some(call)) => Memo::Call(call),
            (true, Some(turn), Some(call)) => Memo::Key { turn, call },
            (true, Some(_), None) => return refused("callId", "a turn needs the callId of its call beside it"),
            (false, ..) => return refused("memo", "a call that is not remembered has neither turn nor callId"),
        };
        Ok(options)
    }
}

/// Arguments that have crossed.
pub(crate) fn map(arguments: &[u8]) -> sg::Result<Map> {
    match decode(arguments, &Errands::limits())? {
        Value::Map(map) => Ok(map),
        other => {
            let text = format!("arguments have names: give an object, not {}", other.type_name());
            Err(sg::Error::invalid(text).with_context("field", "arguments"))
        }
    }
}

/// Result, writeback, and whether it was remembered.
pub(crate) fn packed(answer: &rpc::Answer) -> sg::Result<Answer> {
    let mut writer = Writer::new(&Errands::limits());
    writer.list(3);
    writer.inside(|writer| {
        writer.value(&answer.result);
        writer.map_value(&answer.writeback);
        writer.bool(answer.remembered);
    });
    writer.finish().map(Answer::Plain)
}

/// What a call's failure holds besides its error: details and writeback as msgpack.
pub(crate) fn more(error: &sg::Error) -> Option<Buffer> {
    let failure = rpc::Failure::of(error)?;
    let mut writer = Writer::new(&Errands::limits());
    writer.list(2);
    writer.inside(|writer| {
        writer.map_value(&failure.details);
        writer.map_value(&failure.writeback);
    });
    // It came over the wire, whose limits are narrower.
    writer.finish().ok().map(|bytes: Bytes| bytes.to_vec().into())
}

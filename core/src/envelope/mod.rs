//! Envelopes: what travels in the `data` field of an entry. Data only, no I/O.
//!
//! Every kind is a struct of its own whose fields stand in their documented order; keys that it does not know are
//! kept in `rest`, in their order, and written back. Writers are strict: one form, checked ([`Kind::validate`],
//! kind of error `Invalid`). Readers are tolerant: any order of keys, keys as text or bytes, whole numbers where
//! floats are meant, nil or nothing where a default exists, files as base64 text or raw bytes; what is wrong all the
//! same is `Malformed`. Both name the field in the error's context (`field`, `kind`, `expected`, `found`). Bodies
//! beyond the [`Limits`] are `TooLarge`, told before anything is decoded.
//!
//! ```
//! use stargazer_core::envelope::{Envelope, Inbound, Map, Outbound};
//!
//! let question = Inbound::new("web", "c1", "u1", "Berlin?");
//! let bytes = question.encode()?;
//! assert_eq!(Inbound::decode(&bytes)?, question);
//!
//! let answer = Outbound::message(&question.channel_id, "21 °C").with_trace_id(&question.trace_id);
//! assert_eq!(answer.text, "21 °C");
//!
//! let wrong = Map::from([("channel_id", 5)]);
//! let error = Inbound::from_map(&wrong).unwrap_err();
//! assert_eq!(error.message(), "`channel_id` of inbound must be text, found integer");
//! # Ok::<(), stargazer_core::Error>(())
//! ```
//!
//! Where a field's name or meaning in the original fleet is not documented but deduced, its text says *inferred*.

pub(crate) mod arguments;
mod attachment;
mod base64;
pub mod codec;
mod dead_letter;
mod entry;
mod history;
mod inbound;
mod incoming;
pub mod json;
mod kind;
mod lane;
mod lifecycle;
mod limits;
mod map;
mod member;
mod outbound;
mod schema;
mod serde_value;
mod tool_reply;
mod tool_request;
mod value;

use bytes::Bytes;

pub use self::attachment::Attachment;
pub(crate) use self::base64::{decode as base64_to, encode as base64_of};
pub use self::dead_letter::{DeadLetter, Life, MAX_LIVES};
pub(crate) use self::dead_letter::{count_lives, cut, first_life};
pub use self::entry::{EntryFields, Fields};
pub use self::history::HistoricalMessage;
pub use self::inbound::Inbound;
pub use self::incoming::IncomingMessage;
pub use self::kind::{Head, Kind};
pub use self::lane::{Channel, MAX_LANE_BYTES, MAX_READ_FOR_LANE, channel_of, lane_of};
pub(crate) use self::lifecycle::isoformat;
pub use self::lifecycle::{EVENT_KINDS, LifecycleEvent};
pub use self::limits::Limits;
pub use self::map::Map;
pub use self::outbound::{Action, Button, Buttons, File, Message, Outbound, Presence, Reaction, Rpc, Typing};
pub use self::tool_reply::{ToolError, ToolReply};
pub use self::tool_request::ToolRequest;
pub use self::value::Value;
use crate::clock::{Clock, SystemClock};
use crate::error::Result;

/// A kind of body that the bus carries.
///
/// Implemented by every struct of this module, and by [`Value`] for bodies of the user's own.
pub trait Envelope: Sized + Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Which kind it is.
    const KIND: Kind;

    /// Decodes bytes that came from a stream. `Malformed` naming the field, or `TooLarge`.
    fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Self>;

    /// Encodes without the final check; [`Envelope::encode_with`] is what callers want.
    fn write(&self, limits: &Limits) -> Result<Bytes>;

    /// Decodes bytes that [`Kind::check`] of this kind has passed under the same limits.
    fn decode_checked(bytes: &[u8], limits: &Limits) -> Result<Self> {
        Self::decode_with(bytes, limits)
    }

    /// What [`Kind::inspect`] would find in the bytes that [`Envelope::write`] gives, if it is plain that it would
    /// refuse nothing; `None` where it has to look.
    fn known_head(&self, _limits: &Limits) -> Option<Head<'_>> {
        None
    }

    /// The ordering key it has by itself, see [`Head::lane`].
    fn lane(&self) -> Option<&str> {
        None
    }

    /// Its trace id, `""` when it has none.
    fn trace_id(&self) -> &str;

    /// Whether it says of itself that it is not addressed to the bot.
    fn unaddressed(&self) -> bool {
        false
    }

    /// [`Envelope::decode_with`] the default limits.
    fn decode(bytes: &[u8]) -> Result<Self> {
        Self::decode_with(bytes, &Limits::default())
    }

    /// Encodes to what is published. `Invalid` naming the field when a reader would have to refuse it (a key given
    /// twice, a lane that is too long), or `TooLarge`.
    fn encode_with(&self, limits: &Limits) -> Result<Bytes> {
        let bytes = self.write(limits)?;
        Self::KIND.validate(&bytes, limits)?;
        Ok(bytes)
    }

    /// [`Envelope::encode_with`] the default limits.
    fn encode(&self) -> Result<Bytes> {
        self.encode_with(&Limits::default())
    }

    /// Checks bytes that are about to be published, see [`Kind::validate`].
    fn validate(bytes: &[u8]) -> Result<()> {
        Self::KIND.validate(bytes, &Limits::default())
    }

    /// From a plain map that is about to be published. `Invalid` naming the field.
    fn from_map(map: &Map) -> Result<Self> {
        let limits = Limits::default();
        let bytes = codec::encode_map(map, &limits)?;
        Self::KIND.validate(&bytes, &limits)?;
        Self::decode_with(&bytes, &limits)
    }

    /// The plain value it stands for on the wire.
    fn to_value(&self) -> Result<Value> {
        codec::Reader::new(&self.write(&Limits::default())?).value()
    }
}

impl Envelope for Value {
    const KIND: Kind = Kind::Plain;

    fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Self> {
        codec::decode(bytes, limits)
    }

    fn write(&self, limits: &Limits) -> Result<Bytes> {
        codec::encode(self, limits)
    }

    fn lane(&self) -> Option<&str> {
        let text = |key| self.get(key).and_then(Value::as_str).filter(|lane| !lane.is_empty());
        text("channel_key").or_else(|| text("channel_id"))
    }

    fn trace_id(&self) -> &str {
        self.get("trace_id").and_then(Value::as_str).unwrap_or_default()
    }

    fn unaddressed(&self) -> bool {
        self.get("is_addressed").and_then(Value::as_bool) == Some(false)
    }
}

/// Epoch seconds now, as Python's `time.time()` gives them (milliseconds are kept).
#[allow(clippy::cast_precision_loss)] // exact until the year 287396
fn now_seconds() -> f64 {
    SystemClock::new().wall_ms() as f64 / 1000.0
}

#[cfg(test)]
mod tests;

//! Names of fields of a stream entry.

/// msgpack of the envelope.
pub const DATA: &str = "data";
/// Decimal text of epoch seconds (inferred: the original's format is not documented).
pub const TS: &str = "ts";
/// Trace id, `""` when absent.
pub const TRACE_ID: &str = "trace_id";
/// The lane (ordering key); absent: derived from the envelope.
pub const KEY: &str = "key";
/// Message id, for idempotent publishing.
pub const MID: &str = "mid";
/// `1` on an unaddressed inbound entry.
pub const UNADDRESSED: &str = "ua";
/// W3C `traceparent`.
pub const TRACEPARENT: &str = "tp";
/// W3C `tracestate`.
pub const TRACESTATE: &str = "tst";
/// Length in bytes of the body that `ref` names, decimal text.
pub const LEN: &str = "len";
/// Name of the key that holds a big body.
pub const REF: &str = "ref";
/// Dead letter: stream it came from.
pub const ORIGINAL_STREAM: &str = "original_stream";
/// Dead letter: id it had there.
pub const ORIGINAL_MSG_ID: &str = "original_msg_id";
/// Dead letter: text of the last error.
pub const ERROR: &str = "error";
/// Dead letter: decimal number of starts.
pub const ATTEMPT: &str = "attempt";
/// Dead letter: group that gave it up.
pub const GROUP: &str = "group";
/// Dead letter: code of the reason.
pub const REASON: &str = "reason";
/// Dead letter: when the entry was first stored, milliseconds since 1970.
pub const FIRST_AT: &str = "first_at";
/// Dead letter: when it was given up, milliseconds since 1970.
pub const DEAD_AT: &str = "dead_at";
/// Dead letter: identity that gave it up.
pub const CONSUMER: &str = "consumer";
/// Dead letter, and an entry that was put back: msgpack list of earlier lives.
pub const HISTORY: &str = "history";

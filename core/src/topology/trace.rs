//! Traces of messages. The key is the original's; what its fields are called is not documented (inferred, all of them).

use super::Name;

/// Hash: the life of whatever has this trace id. The id stands last, as it is: where the original looks for it.
pub fn trace_key(trace_id: &str) -> Name {
    format!("sg:trace:{trace_id}").into()
}

/// Fields of a trace beside its steps, which are called `1`, `2`, …
pub mod trace_field {
    /// The state it is in.
    pub const STATE: &str = "state";
    /// When it came there, milliseconds since 1970.
    pub const UPDATED_AT: &str = "updated_at";
    /// How many steps there were.
    pub const STEPS: &str = "steps";
    /// How many of them the state before did not allow.
    pub const ILLEGAL: &str = "illegal";
    /// The last checkpoint: JSON, compressed with zlib.
    pub const CHECKPOINT: &str = "checkpoint";
}

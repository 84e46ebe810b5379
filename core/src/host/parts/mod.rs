//! Parts of the core behind one kind of handle, whose calls are known by name and take and give plain values.
//!
//! A binding names, types and documents them in its own language and carries msgpack across; what a call is named, which
//! arguments it takes and what it gives stands here, once for all languages. Times are milliseconds. An argument that is wrong,
//! missing or not known is `Invalid` and named.

mod adapter;
mod gateway;
mod intake;
mod messages;
mod platform;
mod proxy;
mod sends;
mod store;
#[cfg(test)]
mod tests;

pub use gateway::gateway_consumer;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::envelope::arguments::Arguments;
use crate::envelope::codec::as_invalid;
use crate::envelope::{Envelope, Limits, Map, Value};
use crate::error::{Error, Result};
use crate::platform::Adapter;
use crate::publish::{Publisher, Receipt};

/// How much may cross: what a format can hold, since the real limits are those of what a call does.
pub const LIMITS: Limits = Limits::WIDEST;

/// A part of the core, for a binding. Cheap to clone.
#[derive(Clone)]
pub struct Part(Arc<dyn Calls>);

/// What a call gave.
pub enum Given {
    /// A plain value in msgpack.
    Plain(Bytes),
    /// Another part.
    Part(Part),
    /// Something was stored: its receipt, and a plain value beside it in msgpack.
    Stored(Receipt, Bytes),
}

/// What a call gave, inside.
enum Answer {
    Plain(Value),
    Part(Part),
    Stored(Receipt, Value),
}

/// What stands behind a handle.
#[async_trait]
trait Calls: Send + Sync {
    /// A call that waits.
    async fn call(&self, call: &str, arguments: Arguments<'_>) -> Result<Answer>;

    /// A call that is done at once.
    fn at_once(&self, call: &str, _arguments: Arguments<'_>) -> Result<Value> {
        Err(no_call(call))
    }

    /// The adapter that it is, for a gateway to run.
    fn adapter(&self) -> Option<Arc<dyn Adapter>> {
        None
    }
}

impl Part {
    /// A part that belongs to a bus, by its name: `store`, `redis_platform`, `proxy`, `intake`. Does no I/O.
    pub fn open(bus: &Publisher, name: &str, arguments: &[u8]) -> Result<Self> {
        let arguments = plain(arguments)?;
        let map = as_map(&arguments)?;
        match name {
            "store" => Ok(Self::of(store::Stored::new(bus.store()))),
            "redis_platform" => platform::open(bus, map),
            "proxy" => proxy::open(bus, Arguments::new(map)),
            "intake" => intake::open(bus, Arguments::new(map)),
            other => Err(Error::internal(format!("there is no part {other:?}"))),
        }
    }

    fn of(calls: impl Calls + 'static) -> Self {
        Self(Arc::new(calls))
    }

    /// A call by its name, with named arguments in msgpack.
    pub async fn perform(&self, call: &str, arguments: &[u8]) -> Result<Given> {
        let arguments = plain(arguments)?;
        match self.0.call(call, Arguments::new(as_map(&arguments)?)).await? {
            Answer::Plain(value) => value.write(&Limits::WIDEST).map(Given::Plain),
            Answer::Part(part) => Ok(Given::Part(part)),
            Answer::Stored(receipt, value) => Ok(Given::Stored(receipt, value.write(&Limits::WIDEST)?)),
        }
    }

    /// A call that waits for nothing.
    pub fn perform_at_once(&self, call: &str, arguments: &[u8]) -> Result<Bytes> {
        let arguments = plain(arguments)?;
        self.0.at_once(call, Arguments::new(as_map(&arguments)?))?.write(&Limits::WIDEST)
    }

    /// The adapter that it is; `Invalid` when it is none.
    pub fn adapter(&self) -> Result<Arc<dyn Adapter>> {
        self.0.adapter().ok_or_else(|| Error::invalid("this is no adapter").with_context("field", "adapters"))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").finish_non_exhaustive()
    }
}

/// A conversion that belongs to no bus, by its name: `to_inbound_envelope`, `from_inbound_envelope`, `update_of_inbound`.
pub fn convert(name: &str, arguments: &[u8]) -> Result<Bytes> {
    let arguments = plain(arguments)?;
    messages::convert(name, Arguments::new(as_map(&arguments)?))?.write(&Limits::WIDEST)
}

fn plain(bytes: &[u8]) -> Result<Value> {
    Value::decode_with(bytes, &Limits::WIDEST).map_err(as_invalid)
}

fn as_map(value: &Value) -> Result<&Map> {
    value.as_map().ok_or_else(|| Error::internal("arguments crossed in another form than a map"))
}

/// The package asked for something that is not there.
fn no_call(call: &str) -> Error {
    Error::internal(format!("there is no call {call:?}"))
}

impl<T: Into<Value>> From<T> for Answer {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

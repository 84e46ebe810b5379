//! Traces.

use napi_derive::napi;

use crate::bus::Bus;
use crate::port::{Answer, ask};

/// A call about traces by its name, with named arguments in msgpack; the answer is plain.
#[napi]
pub fn trace(bus: &Bus, token: u32, call: String, arguments: &[u8]) {
    let (bus, queue) = bus.core();
    let (bus, arguments) = (bus.clone(), arguments.to_vec());
    ask(queue, token, async move { bus.trace_encoded(&call, &arguments).await.map(Answer::Plain) });
}

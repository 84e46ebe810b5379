//! Traces with plain values: what the bindings and the program speak.

use bytes::Bytes;

use super::Bus;
use crate::envelope::codec::as_invalid;
use crate::envelope::{Envelope, Limits, Map, Value};
use crate::error::{Error, Result};

impl Bus {
    /// A call about traces by its name, with named arguments and the answer in msgpack: `trace` (`trace_id`), `transition`
    /// (`trace_id`, `state`, `detail`), `checkpoint` (the same and `value`). `Invalid` names the argument that is wrong.
    pub async fn trace_encoded(&self, call: &str, arguments: &[u8]) -> Result<Bytes> {
        let arguments = Value::decode_with(arguments, &Limits::default()).map_err(as_invalid)?;
        let empty = Map::with_capacity(0);
        let arguments = arguments.as_map().unwrap_or(&empty);
        let text = |name: &'static str| arguments.text(name).ok_or_else(|| wrong(name, "text"));
        let detail = || match arguments.get("detail") {
            None | Some(Value::Nil) => Ok(Map::with_capacity(0)),
            Some(Value::Map(detail)) => Ok(detail.clone()),
            Some(_) => Err(wrong("detail", "a map")),
        };
        let trace_id = text("trace_id")?;
        let answer = match call {
            "trace" => Value::Map(self.trace(trace_id).await?.to_map()),
            "transition" => {
                self.transition(trace_id, text("state")?.parse()?, detail()?)?;
                Value::Nil
            }
            "checkpoint" => {
                let value = arguments.get("value").unwrap_or(&Value::Nil);
                self.checkpoint(trace_id, text("state")?.parse()?, detail()?, value).await?.into()
            }
            other => return Err(Error::invalid(format!("there is no call {other:?} to traces"))),
        };
        answer.write(&Limits::WIDEST)
    }
}

fn wrong(name: &'static str, expected: &str) -> Error {
    Error::invalid(format!("{name} must be {expected}"))
        .with_context("argument", name)
        .with_context("expected", expected)
}

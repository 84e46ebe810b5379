//! A platform as a worker sees it.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Answer, Calls, Part, messages, sends};
use crate::envelope::arguments::Arguments;
use crate::envelope::{Envelope, Outbound, Value};
use crate::error::{Error, Result};
use crate::platform::{Adapter, ProxyAdapter};
use crate::publish::Publisher;

struct Proxy(Arc<ProxyAdapter>);

/// For a `platform`, or for the `message` that is answered; `trace_id`, `call_timeout`.
pub(super) fn open(bus: &Publisher, mut take: Arguments<'_>) -> Result<Part> {
    let mut proxy = match (take.maybe_map("message")?, take.as_text("platform")?) {
        (Some(message), None) => ProxyAdapter::for_message(bus.clone(), &sends::given(messages::inbound(message))?),
        (None, Some(platform)) => ProxyAdapter::new(bus.clone(), platform),
        _ => return Err(Error::invalid("say which platform: its name, or a message").with_context("field", "platform")),
    };
    if let Some(id) = take.text("trace_id")? {
        proxy = proxy.with_trace_id(id);
    }
    if let Some(timeout) = take.millis("call_timeout")? {
        proxy = proxy.with_call_timeout(timeout);
    }
    take.end()?;
    Ok(Part::of(Proxy(Arc::new(proxy))))
}

#[async_trait]
impl Calls for Proxy {
    async fn call(&self, call: &str, mut take: Arguments<'_>) -> Result<Answer> {
        match call {
            "perform" => {
                let mut action = take.need_map("action")?.clone();
                // The channel of the message that is answered stands in for one that is missing.
                if action.get("channel_id").is_none_or(Value::is_nil) {
                    action.insert("channel_id", "");
                }
                Ok(Answer::Stored(self.0.perform(Outbound::from_map(&action)?).await?, Value::Nil))
            }
            "end" => {
                let error = take.as_text("error")?;
                self.0.end(error).await?;
                Ok(Value::Nil.into())
            }
            other => sends::or_none(sends::call(&*self.0, other, take).await?, other).map(Answer::Plain),
        }
    }

    fn at_once(&self, call: &str, _arguments: Arguments<'_>) -> Result<Value> {
        match call {
            "name" => Ok(self.0.name().into()),
            other => Err(super::no_call(other)),
        }
    }

    fn adapter(&self) -> Option<Arc<dyn Adapter>> {
        Some(self.0.clone())
    }
}

//! An adapter in the host's language: every call of it is an errand.
//!
//! An error of ours that the host raises keeps its kind, so it says what became of a send; any other may have been sent. So may
//! what a host had in hand that has gone. What `start` is given is a number, under which the adapter's handle takes messages
//! in until the next start.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tracing::warn;

use super::{Answer, Calls, Part, intake, sends};
use crate::envelope::arguments::{Arguments, map};
use crate::envelope::codec::as_invalid;
use crate::envelope::{Button, File, HistoricalMessage, Map, Value};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::host::Errands;
use crate::platform::{Adapter, BotIdentity, Intake, SendContext, TurnEnd};

/// An adapter of the host's, known to it by a number.
#[derive(Debug)]
struct HostAdapter {
    errands: Errands,
    function: u32,
    name: String,
    started: Mutex<Started>,
}

/// How often it was started, and the way in of the last time.
#[derive(Debug, Default)]
struct Started {
    times: u64,
    intake: Option<Intake>,
}

impl Part {
    /// An adapter that the host knows by this number: it has a name, and does what it is told in errands.
    pub fn host_adapter(errands: Errands, function: u32, name: impl Into<String>) -> Self {
        let started = Mutex::default();
        Self::of(Handle(Arc::new(HostAdapter { errands, function, name: name.into(), started })))
    }
}

struct Handle(Arc<HostAdapter>);

#[async_trait]
impl Calls for Handle {
    /// What comes in: calls of the way in, with the number of the start.
    async fn call(&self, call: &str, mut take: Arguments<'_>) -> Result<Answer> {
        let way = self.0.intake(take.number("start")?)?;
        intake::call(&way, call, take).await
    }

    fn at_once(&self, call: &str, mut take: Arguments<'_>) -> Result<Value> {
        match self.0.intake(take.number("start")?) {
            Ok(way) => intake::at_once(&way, call, take),
            // Whoever tells a failure after the end has been heard.
            Err(_) if call == "failed" => Ok(Value::Nil),
            Err(error) => Err(error),
        }
    }

    fn adapter(&self) -> Option<Arc<dyn Adapter>> {
        Some(self.0.clone())
    }
}

impl HostAdapter {
    fn begun(&self, intake: Intake) -> u64 {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        (started.times, started.intake) = (started.times + 1, Some(intake));
        started.times
    }

    /// The way in of a start, if there was none since.
    fn intake(&self, start: Option<u64>) -> Result<Intake> {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let current = started.intake.clone().filter(|_| start == Some(started.times));
        current.ok_or_else(|| Error::closed("intake").with_context("platform", &self.name).with_stored(Stored::No))
    }

    async fn ask(&self, what: &'static str, arguments: Value) -> Result<Value> {
        let answer = self.errands.run(self.function, what, &arguments).await;
        answer.map_err(|error| match error.kind() {
            // The host went in the middle of it.
            ErrorKind::Closed => error.with_stored(Stored::Unknown),
            _ => error,
        })
    }

    /// A send: the id that the platform gave it.
    async fn sent(&self, what: &'static str, arguments: Value) -> Result<String> {
        Ok(match self.ask(what, arguments).await? {
            Value::Text(id) => id,
            Value::Nil => String::new(),
            other => {
                // It was sent all the same.
                warn!(
                    platform = self.name,
                    what,
                    found = other.type_name(),
                    "an adapter gave no text as the id of what it sent"
                );
                String::new()
            }
        })
    }

    async fn yes(&self, what: &'static str, arguments: Value) -> Result<bool> {
        let answer = self.ask(what, arguments).await?;
        answer.as_bool().ok_or_else(|| self.odd(what, "true or false", &answer))
    }

    fn odd(&self, what: &str, wanted: &str, found: &Value) -> Error {
        let found = found.type_name();
        Error::invalid(format!("{what} of the adapter of {} must give {wanted}, found {found}", self.name))
            .with_context("platform", &self.name)
    }
}

fn channel(channel_id: &str) -> Value {
    map([("channel_id", channel_id.into())])
}

#[async_trait]
impl Adapter for HostAdapter {
    fn name(&self) -> &str {
        &self.name
    }

    async fn is_running(&self) -> bool {
        let running = self.yes("is_running", map([])).await;
        running
            .inspect_err(|error| warn!(platform = self.name, %error, "an adapter does not say whether it runs"))
            .unwrap_or(false)
    }

    async fn bot_identity(&self) -> Result<BotIdentity> {
        match self.ask("bot_identity", map([])).await? {
            Value::Map(identity) => BotIdentity::from_map(&identity).map_err(as_invalid),
            other => Err(self.odd("bot_identity", "an identity", &other)),
        }
    }

    async fn start(&self, intake: Intake) -> Result<()> {
        let start = self.begun(intake);
        self.ask("start", map([("start", start.into())])).await.map(drop)
    }

    async fn drain(&self) {
        if let Err(error) = self.ask("drain", map([])).await {
            warn!(platform = self.name, %error, "an adapter did not drain");
        }
    }

    async fn stop(&self) -> Result<()> {
        self.ask("stop", map([])).await.map(drop)
    }

    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String> {
        let context = sends::context_value(context);
        self.sent("send", map([("channel_id", channel_id.into()), ("text", text.into()), ("context", context)])).await
    }

    async fn send_file(&self, channel_id: &str, file: &File, context: &SendContext) -> Result<String> {
        let (file, context) = (sends::file_value(file), sends::context_value(context));
        self.sent("send_file", map([("channel_id", channel_id.into()), ("file", file), ("context", context)])).await
    }

    async fn send_with_buttons(
        &self,
        channel_id: &str,
        text: &str,
        buttons: &[Button],
        context: &SendContext,
    ) -> Result<String> {
        let (buttons, context) = (sends::buttons_value(buttons), sends::context_value(context));
        let what =
            [("channel_id", channel_id.into()), ("text", text.into()), ("buttons", buttons), ("context", context)];
        self.sent("send_with_buttons", map(what)).await
    }

    async fn react(&self, channel_id: &str, message_id: &str, emoji: &str, context: &SendContext) -> Result<()> {
        let (message, context) = (message_id.into(), sends::context_value(context));
        let what =
            [("channel_id", channel_id.into()), ("message_id", message), ("emoji", emoji.into()), ("context", context)];
        self.ask("react", map(what)).await.map(drop)
    }

    async fn typing(&self, channel_id: &str) -> Result<()> {
        self.ask("typing", channel(channel_id)).await.map(drop)
    }

    async fn presence(&self, status: &str, emoji: Option<&str>) -> Result<()> {
        let emoji = emoji.map(str::to_owned);
        self.ask("presence", map([("status", status.into()), ("emoji", emoji.into())])).await.map(drop)
    }

    async fn turn_complete(&self, channel_id: &str, end: &TurnEnd) -> Result<()> {
        let end = sends::turn_end_value(end);
        self.ask("turn_complete", map([("channel_id", channel_id.into()), ("end", end)])).await.map(drop)
    }

    async fn fetch_history(&self, channel_id: &str, limit: usize) -> Result<Vec<HistoricalMessage>> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let answer =
            self.ask("fetch_history", map([("channel_id", channel_id.into()), ("limit", limit.into())])).await?;
        let Value::List(messages) = &answer else { return Err(self.odd("fetch_history", "a list", &answer)) };
        let message = |message: &Value| match message {
            Value::Map(message) => HistoricalMessage::from_map(message).map_err(as_invalid),
            other => Err(self.odd("fetch_history", "a list of messages", other)),
        };
        messages.iter().map(message).collect()
    }

    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool> {
        self.yes("is_channel_valid", channel(channel_id)).await
    }

    async fn should_skip_channel_heartbeat(&self, channel_id: &str) -> Result<bool> {
        self.yes("should_skip_channel_heartbeat", channel(channel_id)).await
    }

    async fn call(&self, method: &str, params: &Map) -> Result<Value> {
        self.ask("call", map([("method", method.into()), ("params", params.clone().into())])).await
    }
}

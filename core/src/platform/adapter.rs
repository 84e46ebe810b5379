//! What a platform looks like to the bus.
//!
//! All calls are async, take what they need by reference, and give owned values, so that an object of another language
//! can stand behind them. A gateway never runs two sends of one channel at the same time, and keeps their order.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{BotIdentity, Intake, SendContext, TurnEnd};
use crate::envelope::{Button, File, HistoricalMessage, Map, Value};
use crate::error::{Error, ErrorKind, Result};

/// A chat network: takes its messages to the bus, and does on it what workers say.
///
/// # Errors
/// A call that sends something says with its error what became of it:
///
/// | error | means | the gateway |
/// |---|---|---|
/// | `Invalid`, `Malformed`, `NotFound`, `Rejected`, `TooLarge` | never will be sent | dead letter |
/// | `Timeout`, `Internal`, `Remote`, `Cancelled`, `Expired`, a panic | may have been sent | tries again, and says so ([`SendContext::may_be_repeat`]), or not: [`super::OnUnknown`] |
/// | any other, such as `Unavailable` or `Full` | not sent | tries again |
///
/// [`Error::with_stored`] overrules the last two rows: `No` is "not sent", `Unknown` is "may have been sent".
#[async_trait]
pub trait Adapter: Debug + Send + Sync + 'static {
    /// Name of the platform, which is also a part of its stream's name. Always the same.
    fn name(&self) -> &str;

    /// Whether it is connected: started, and neither stopped nor broken. A gateway looks every now and then, and starts
    /// an adapter again that says no.
    async fn is_running(&self) -> bool;

    /// Who the bot is on the platform.
    async fn bot_identity(&self) -> Result<BotIdentity> {
        Ok(BotIdentity::new(self.name()))
    }

    /// Connects and begins to hand what it receives to `intake`; returns once it is connected. Called again after
    /// [`Adapter::stop`], when the adapter had failed.
    ///
    /// An error of kind `Invalid`, `Auth`, `NotFound`, `Conflict` or `Rejected` is for good; after any other the start
    /// is tried again.
    async fn start(&self, intake: Intake) -> Result<()>;

    /// Takes no more messages, and waits for what its users still wait for; sends go on.
    async fn drain(&self) {}

    /// Ends the connection. Called after whatever happened; may be called twice. Sends may come until it returns.
    async fn stop(&self) -> Result<()>;

    /// Says a text in a channel. Gives the id that the platform gave it, `""` when it gives none.
    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String>;

    /// Sends a file, with [`SendContext::caption`] beside it. Gives the id as [`Adapter::send`] does.
    async fn send_file(&self, _channel_id: &str, _file: &File, _context: &SendContext) -> Result<String> {
        Err(cannot(self.name(), "send files"))
    }

    /// Says a text with buttons below it. Gives the id as [`Adapter::send`] does.
    async fn send_with_buttons(
        &self,
        _channel_id: &str,
        _text: &str,
        _buttons: &[Button],
        _context: &SendContext,
    ) -> Result<String> {
        Err(cannot(self.name(), "show buttons"))
    }

    /// Reacts to a message.
    async fn react(&self, _channel_id: &str, _message_id: &str, _emoji: &str, _context: &SendContext) -> Result<()> {
        Err(cannot(self.name(), "react"))
    }

    /// Shows that an answer is being written; nothing, on a platform that has no such sign. May be called again any time.
    async fn typing(&self, _channel_id: &str) -> Result<()> {
        Ok(())
    }

    /// Shows a status of the bot; nothing, on a platform that has none. May be called again any time.
    async fn presence(&self, _status: &str, _emoji: Option<&str>) -> Result<()> {
        Ok(())
    }

    /// Everything has been said for one message. Told behind everything that was said, to those who gave a nonce. May be
    /// told again.
    async fn turn_complete(&self, _channel_id: &str, _end: &TurnEnd) -> Result<()> {
        Ok(())
    }

    /// The last `limit` messages of a channel, oldest first; none where the platform keeps none.
    async fn fetch_history(&self, _channel_id: &str, _limit: usize) -> Result<Vec<HistoricalMessage>> {
        Err(cannot(self.name(), "tell the past of a channel"))
    }

    /// Whether there is such a channel, and the bot may speak in it.
    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool>;

    /// Whether the bot never speaks unasked in this channel.
    async fn should_skip_channel_heartbeat(&self, _channel_id: &str) -> Result<bool> {
        Ok(false)
    }

    /// Any other call that a worker makes, by name.
    async fn call(&self, method: &str, _params: &Map) -> Result<Value> {
        Err(cannot(self.name(), &format!("answer the call {method:?}")))
    }
}

/// What an adapter says that lacks something.
fn cannot(platform: &str, what: &str) -> Error {
    Error::new(ErrorKind::Rejected, format!("the platform {platform} cannot {what}")).with_context("platform", platform)
}

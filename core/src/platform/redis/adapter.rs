//! The platform as a gateway knows it.

use async_trait::async_trait;

use super::reply::TURN_COMPLETE;
use super::{PLATFORM, RedisPlatform, id};
use crate::envelope::{Button, File, HistoricalMessage};
use crate::error::Result;
use crate::platform::{Adapter, BotIdentity, Intake, SendContext, TurnEnd};

#[async_trait]
impl Adapter for RedisPlatform {
    fn name(&self) -> &str {
        PLATFORM
    }

    async fn is_running(&self) -> bool {
        self.runs()
    }

    async fn bot_identity(&self) -> Result<BotIdentity> {
        let (id, name) = (self.config.bot_id.as_str(), self.config.bot_name.as_str());
        Ok(BotIdentity::new(PLATFORM).with_user_id(id).with_display_name(name))
    }

    /// Looks at the server once; whatever it says instead of an answer is told.
    async fn start(&self, intake: Intake) -> Result<()> {
        self.instance_exists(PLATFORM).await?;
        self.begin(intake);
        Ok(())
    }

    async fn drain(&self) {
        self.end();
    }

    async fn stop(&self) -> Result<()> {
        self.end();
        Ok(())
    }

    /// Gives the id of the message. `NotFound` without such an instance.
    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String> {
        self.send_with_buttons(channel_id, text, &[], context).await
    }

    /// Gives the file's address. `TooLarge` beyond the limit, `Invalid` without a name.
    async fn send_file(&self, channel_id: &str, file: &File, context: &SendContext) -> Result<String> {
        self.check_file(file)?;
        let file_id = id::new();
        let url = self.file_url(&file_id, &file.filename);
        let about = (file.filename.as_str(), file.mimetype.as_str());
        let said = self.written(|w| w.file((&file_id, &url), about, file.data.len(), context));
        self.say(channel_id, &said, &url, context, Some((&file_id, file))).await
    }

    async fn send_with_buttons(
        &self,
        channel_id: &str,
        text: &str,
        buttons: &[Button],
        context: &SendContext,
    ) -> Result<String> {
        let message_id = id::new();
        let said = self.written(|w| w.message(&message_id, text, buttons, context));
        self.say(channel_id, &said, &message_id, context, None).await
    }

    async fn react(&self, channel_id: &str, message_id: &str, emoji: &str, context: &SendContext) -> Result<()> {
        let said = self.written(|w| w.reaction(message_id, emoji));
        self.say(channel_id, &said, "", context, None).await.map(drop)
    }

    async fn turn_complete(&self, channel_id: &str, end: &TurnEnd) -> Result<()> {
        let said = self.written(|w| w.turn_complete(end));
        let mut context = SendContext::new().with_trace_id(&end.trace_id);
        if !end.trace_id.is_empty() {
            // A nonce may come again; with the turn it belongs to it does not.
            context = context.with_message_key(format!("{TURN_COMPLETE}:{}:{}", end.trace_id, end.nonce));
        }
        self.say(channel_id, &said, "", &context, None).await.map(drop)
    }

    /// Always none: everything an instance has seen came from here.
    async fn fetch_history(&self, _channel_id: &str, _limit: usize) -> Result<Vec<HistoricalMessage>> {
        Ok(Vec::new())
    }

    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool> {
        self.instance_exists(channel_id).await
    }

    /// Always: an instance is spoken to when it asks.
    async fn should_skip_channel_heartbeat(&self, _channel_id: &str) -> Result<bool> {
        Ok(true)
    }
}

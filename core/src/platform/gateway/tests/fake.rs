//! A platform of which a test decides what it does.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::envelope::{Button, File, HistoricalMessage, Map, Value};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::platform::{Adapter, BotIdentity, Intake, SendContext, TurnEnd};

pub(super) const NAME: &str = "fake";

/// Something that was done on the platform.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) channel: String,
    pub(super) text: String,
    pub(super) context: SendContext,
}

/// What a call does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Fail(ErrorKind),
    /// It was done, and the answer was lost.
    Lose,
    Panic,
    Hang,
    Fine,
}

#[derive(Debug)]
pub(super) struct Fake {
    name: String,
    pub(super) said: Mutex<Vec<Said>>,
    /// What the next sends do; when it is empty they are fine.
    pub(super) sends: Mutex<VecDeque<Act>>,
    /// What the next starts do.
    pub(super) starts: Mutex<VecDeque<Act>>,
    pub(super) stops: Mutex<VecDeque<Act>>,
    pub(super) started: AtomicU32,
    pub(super) stopped: AtomicU32,
    pub(super) running: AtomicBool,
    pub(super) intake: Mutex<Option<Intake>>,
    /// Stopping waits until so much was said.
    pub(super) stop_after: AtomicU32,
    pub(super) drained: AtomicBool,
}

impl Fake {
    pub(super) fn new() -> std::sync::Arc<Self> {
        Self::called(NAME)
    }

    pub(super) fn called(name: &str) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            name: name.into(),
            said: Mutex::default(),
            sends: Mutex::default(),
            starts: Mutex::default(),
            stops: Mutex::default(),
            started: AtomicU32::new(0),
            stopped: AtomicU32::new(0),
            running: AtomicBool::new(false),
            intake: Mutex::default(),
            stop_after: AtomicU32::new(0),
            drained: AtomicBool::new(false),
        })
    }

    pub(super) fn sends(self: &std::sync::Arc<Self>, acts: impl IntoIterator<Item = Act>) -> std::sync::Arc<Self> {
        self.sends.lock().unwrap().extend(acts);
        self.clone()
    }

    pub(super) fn starts(self: &std::sync::Arc<Self>, acts: impl IntoIterator<Item = Act>) -> std::sync::Arc<Self> {
        self.starts.lock().unwrap().extend(acts);
        self.clone()
    }

    pub(super) fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap().clone()
    }

    async fn act(acts: &Mutex<VecDeque<Act>>, fine: impl FnOnce()) -> Result<()> {
        let act = acts.lock().unwrap().pop_front().unwrap_or(Act::Fine);
        match act {
            Act::Fine => fine(),
            Act::Fail(kind) => return Err(Error::new(kind, "as the test wants it")),
            Act::Lose => {
                fine();
                return Err(Error::unavailable("the answer was lost").with_stored(Stored::Unknown));
            }
            Act::Panic => panic!("as the test wants it"),
            Act::Hang => std::future::pending().await,
        }
        Ok(())
    }

    async fn say(&self, channel: &str, text: String, context: &SendContext) -> Result<String> {
        let said = Said { channel: channel.into(), text, context: context.clone() };
        Self::act(&self.sends, || self.said.lock().unwrap().push(said)).await?;
        Ok(format!("p{}", self.said.lock().unwrap().len()))
    }
}

#[async_trait]
impl Adapter for Fake {
    fn name(&self) -> &str {
        &self.name
    }

    async fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    async fn bot_identity(&self) -> Result<BotIdentity> {
        Ok(BotIdentity::new(NAME).with_user_id("bot"))
    }

    async fn start(&self, intake: Intake) -> Result<()> {
        self.started.fetch_add(1, Ordering::SeqCst);
        Self::act(&self.starts, || {}).await?;
        *self.intake.lock().unwrap() = Some(intake);
        self.running.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn drain(&self) {
        self.drained.store(true, Ordering::SeqCst);
    }

    async fn stop(&self) -> Result<()> {
        self.stopped.fetch_add(1, Ordering::SeqCst);
        while self.said.lock().unwrap().len() < self.stop_after.load(Ordering::SeqCst) as usize {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.running.store(false, Ordering::SeqCst);
        Self::act(&self.stops, || {}).await
    }

    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String> {
        self.say(channel_id, text.into(), context).await
    }

    async fn send_file(&self, channel_id: &str, file: &File, context: &SendContext) -> Result<String> {
        self.say(channel_id, format!("file {} {} {}", file.filename, file.mimetype, file.data.len()), context).await
    }

    async fn send_with_buttons(
        &self,
        channel_id: &str,
        text: &str,
        buttons: &[Button],
        context: &SendContext,
    ) -> Result<String> {
        let labels: Vec<_> = buttons.iter().map(|button| button.label.as_str()).collect();
        self.say(channel_id, format!("{text} [{}]", labels.join(" ")), context).await
    }

    async fn react(&self, channel_id: &str, message_id: &str, emoji: &str, context: &SendContext) -> Result<()> {
        self.say(channel_id, format!("{emoji} to {message_id}"), context).await.map(drop)
    }

    async fn typing(&self, channel_id: &str) -> Result<()> {
        self.say(channel_id, "typing".into(), &SendContext::new()).await.map(drop)
    }

    async fn presence(&self, status: &str, emoji: Option<&str>) -> Result<()> {
        self.say("", format!("{status} {}", emoji.unwrap_or("-")), &SendContext::new()).await.map(drop)
    }

    async fn turn_complete(&self, channel_id: &str, end: &TurnEnd) -> Result<()> {
        self.say(channel_id, format!("{} {}", end.nonce, end.status()), &SendContext::new()).await.map(drop)
    }

    async fn fetch_history(&self, _: &str, limit: usize) -> Result<Vec<HistoricalMessage>> {
        Ok((0..limit.min(3)).map(|n| HistoricalMessage::new("u", "Ann", format!("old {n}"), 1.0)).collect())
    }

    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool> {
        Self::act(&self.sends, || {}).await?;
        Ok(channel_id == "c1")
    }

    async fn call(&self, method: &str, params: &Map) -> Result<Value> {
        if method == "echo" {
            self.say("", "echo".into(), &SendContext::new()).await?;
            return Ok(params.clone().into());
        }
        Err(Error::new(ErrorKind::Rejected, format!("no call {method:?}")))
    }
}

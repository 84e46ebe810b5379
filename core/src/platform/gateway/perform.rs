//! What becomes of an action that a worker wants done on a platform.
//!
//! | what happened | outcome |
//! |---|---|
//! | done, or done before | ack |
//! | the adapter does not run | waits, uncounted; given back when the gateway ends |
//! | refused for good | dead letter |
//! | not sent, or nobody knows | again by the consumer's back-off, then dead letter; see [`super::OnUnknown`] |
//! | a sign (`typing`) that fails | ack: it would come too late |

use std::sync::Arc;

use tracing::{debug, warn};

use super::config::OnUnknown;
use super::guard::{Fate, fate, guarded};
use super::health::Count;
use super::marks::{Before, Mark, Marks};
use super::post::Shared;
use crate::consumer::{Delivery, HandlerResult, Outcome};
use crate::envelope::{Action, Outbound};
use crate::error::{Error, Result};
use crate::platform::SendContext;

/// Performs the actions of one platform.
#[derive(Debug)]
pub(super) struct Performer {
    pub(super) shared: Arc<Shared>,
    pub(super) marks: Marks,
}

impl Performer {
    pub(super) async fn perform(self: Arc<Self>, delivery: Delivery<Outbound>) -> HandlerResult {
        let action = delivery.data()?;
        match &action.action {
            Action::Typing(_) => Ok(self.type_in(&action.channel_id).await),
            Action::Presence(presence) => {
                if !self.shared.status.up().await {
                    return Ok(Outcome::Release);
                }
                let shown = self.shared.adapter.presence(&action.text, presence.emoji.as_deref());
                let shown = self.guarded("presence", shown).await;
                self.outcome(&delivery, &action, shown)
            }
            Action::Rpc(rpc) => self.answer(&delivery, &action, rpc).await,
            Action::Message(_) | Action::File(_) | Action::Buttons(_) | Action::Reaction(_) => {
                if !self.shared.status.up().await {
                    return Ok(Outcome::Release);
                }
                self.once(&delivery, &action, |context| self.send(&action, context)).await
            }
        }
    }

    /// Does something that must not be done twice without saying so.
    pub(super) async fn once<F>(
        &self,
        delivery: &Delivery<Outbound>,
        action: &Outbound,
        run: impl FnOnce(SendContext) -> F,
    ) -> HandlerResult
    where
        F: Future<Output = Result<()>>,
    {
        let key = action.message_key.as_deref().filter(|key| !key.is_empty());
        let mark = match self.marks.begin(delivery, key).await {
            Ok(mark) => mark,
            Err(error) => return self.outcome(delivery, action, Err(error)),
        };
        let id = delivery.id();
        match mark.before {
            Before::Done => {
                debug!(%id, key, "performed before");
                self.shared.status.note(|health| health.doubled += 1);
                return Ok(Outcome::Ack);
            }
            Before::Unknown if self.skips(delivery) => {
                return Ok(self.skip(delivery, "it may have been sent by a gateway that died or got no answer"));
            }
            Before::Unknown | Before::Nothing => {}
        }
        let context = context(action, delivery.attempt(), mark.before == Before::Unknown);
        let done = run(context).await;
        if done.is_ok() {
            self.marks.done(&mark).await;
        }
        self.judge(delivery, action, &mark, done).await
    }

    async fn judge(
        &self,
        delivery: &Delivery<Outbound>,
        action: &Outbound,
        mark: &Mark,
        done: Result<()>,
    ) -> HandlerResult {
        match done.as_ref().map_err(fate) {
            Ok(()) if mark.before == Before::Unknown => self.shared.status.note(|health| health.repeated += 1),
            Err(Fate::Unknown) if self.skips(delivery) => {
                let error = done.err().map(|error| error.to_string()).unwrap_or_default();
                return Ok(self.skip(delivery, &format!("it may have been sent: {error}")));
            }
            Ok(()) | Err(Fate::Unknown) => {}
            Err(Fate::Refused | Fate::Unsent) => self.marks.undo(mark).await,
        }
        self.outcome(delivery, action, done)
    }

    /// What becomes of a delivery, and what is told of it.
    pub(super) fn outcome(&self, delivery: &Delivery<Outbound>, action: &Outbound, done: Result<()>) -> HandlerResult {
        let Err(error) = done else {
            self.shared.status.note(|health| health.performed += 1);
            return Ok(Outcome::Ack);
        };
        self.failed(&error);
        let (id, kind, attempt) = (delivery.id(), action.action.type_name(), delivery.attempt());
        warn!(%id, trace_id = action.trace_id, kind, attempt, %error, "an action failed");
        if fate(&error) == Fate::Refused { Ok(Outcome::reject(error.to_string())) } else { Err(error.into()) }
    }

    pub(super) fn failed(&self, error: &Error) {
        self.shared.status.note(|health| health.failed += 1);
        self.shared.status.error(error);
    }

    /// Whether what may have been sent is left; not what an operator put back from the dead letters.
    fn skips(&self, delivery: &Delivery<Outbound>) -> bool {
        self.shared.config.on_unknown == OnUnknown::Skip && delivery.replays() == 0
    }

    fn skip(&self, delivery: &Delivery<Outbound>, why: &str) -> Outcome {
        warn!(id = %delivery.id(), trace_id = delivery.trace_id(), why, "not sent again");
        self.shared.status.note(|health| health.skipped += 1);
        Outcome::reject(format!(
            "{why}; on_unknown is skip, so it was not sent again: look, then put it back or discard it"
        ))
    }

    async fn type_in(&self, channel: &str) -> Outcome {
        if self.shared.status.state().is_up() {
            match self.guarded("typing", self.shared.adapter.typing(channel)).await {
                Ok(()) => self.shared.status.note(|health| health.performed += 1),
                Err(error) => {
                    debug!(%error, "a sign of typing failed");
                    self.failed(&error);
                }
            }
        }
        Outcome::Ack
    }

    async fn send(&self, action: &Outbound, context: SendContext) -> Result<()> {
        let (adapter, channel, text) = (&self.shared.adapter, action.channel_id.as_str(), action.text.as_str());
        let context = &context;
        let sent = match &action.action {
            Action::Message(_) => self.guarded("send", adapter.send(channel, text, context)).await,
            Action::File(file) => self.guarded("send_file", adapter.send_file(channel, file, context)).await,
            Action::Buttons(buttons) => {
                let sent = adapter.send_with_buttons(channel, text, &buttons.view, context);
                self.guarded("send_with_buttons", sent).await
            }
            Action::Reaction(to) => {
                let sent = adapter.react(channel, &to.message_id, &to.emoji, context);
                self.guarded("react", sent).await.map(|()| String::new())
            }
            other => Err(Error::internal(format!("{} is nothing to be sent", other.type_name()))),
        };
        sent.map(|message_id| debug!(message_id, trace_id = action.trace_id, "sent"))
    }

    /// Runs something of the adapter within the time of a send.
    pub(super) async fn guarded<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let _under_way = Count::of(&self.shared.status, |health| &mut health.under_way);
        guarded(&**self.shared.bus.clock(), self.shared.config.send_timeout, what, call).await
    }
}

/// What an adapter is told about an action.
fn context(action: &Outbound, attempt: u32, may_be_repeat: bool) -> SendContext {
    let mut rest = action.rest.clone();
    let reply_to = match &action.action {
        Action::Message(message) => message.reply_to.clone(),
        _ => rest.text("reply_to").map(str::to_owned).inspect(|_| drop(rest.remove("reply_to"))),
    };
    SendContext {
        message_key: action.message_key.clone().filter(|key| !key.is_empty()),
        may_be_repeat,
        attempt,
        reply_to,
        caption: if matches!(action.action, Action::File(_)) { action.text.clone() } else { String::new() },
        trace_id: action.trace_id.clone(),
        rest,
    }
}

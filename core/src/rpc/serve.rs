//! What a server does with one request, from its delivery to its answer.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::cancel::{Cancel, CancelReason};
use super::control::Entered;
use super::figures::up;
use super::handler::{Failure, Request};
use super::memo::{self, Claim, Claimed};
use super::run::{self, Ended};
use super::server::{Entry, Shared};
use super::{code, reply};
use crate::consumer::{Delivery, HandlerResult, Outcome};
use crate::envelope::{ToolReply, ToolRequest};
use crate::error::Result;
use crate::store::Op;
use crate::topology;
use crate::transport::{Along, When};

/// The longest name of a memo, in bytes.
const MAX_MEMO: usize = 128;

/// Runs one request and answers it.
pub(super) async fn serve(shared: Arc<Shared>, delivery: Delivery<ToolRequest>) -> HandlerResult {
    let request = delivery.data()?;
    let id = request.correlation_id.clone();
    let refused = if !shared.bus.topology().is_reply_stream(&request.reply_to) {
        Some(format!("reply_to is {:?}, which is no reply stream of this topology", request.reply_to))
    } else if id.is_empty() || id.len() > MAX_MEMO || request.memo.as_ref().is_some_and(|m| m.len() > MAX_MEMO) {
        Some(format!("correlation_id and memo have 1 to {MAX_MEMO} bytes"))
    } else {
        None
    };
    if let Some(reason) = refused {
        up(&shared.counts.rejected);
        return Ok(Outcome::reject(reason));
    }
    let entered = shared.control.enter(&id);
    let serving = Serving { shared: &shared, delivery: &delivery, request: &request, entered };
    let Some(done) = serving.done().await? else {
        up(&shared.counts.duplicates);
        return Ok(Outcome::Ack);
    };
    let sent = serving.send(done).await;
    if let Err(error) = sent {
        up(&shared.counts.unanswered);
        let (call, reply_to) = (&request.tool_name, &request.reply_to);
        tracing::warn!(%error, call, reply_to, "the answer of a call could not be stored");
    }
    Ok(Outcome::Ack)
}

/// A request in hand.
struct Serving<'a> {
    shared: &'a Shared,
    delivery: &'a Delivery<ToolRequest>,
    request: &'a ToolRequest,
    entered: Entered,
}

/// An answer, and what is to be kept with it. A caller that cancelled gets none: it may be gone, and its stream with it.
struct Done {
    reply: ToolReply,
    keep: Keep,
    wanted: bool,
}

enum Keep {
    /// It was not run.
    Nothing,
    /// That it was answered, for as long as it may come again.
    Answered,
    /// The answer itself, if it is a result.
    Memo(Claim),
}

impl Serving<'_> {
    /// The answer; `None` when the request was answered before.
    async fn done(&self) -> Result<Option<Done>> {
        let (request, delivery) = (self.request, self.delivery);
        if self.left().is_some_and(|left| left.is_zero()) {
            if let Some(entry) = self.shared.find(&request.tool_name) {
                up(&entry.counts.expired);
            }
            return Ok(Some(self.unrun(Ended::Expired)));
        }
        let again = delivery.redelivered();
        if again && request.memo.is_none() && self.insist(|| self.was_answered()).await? {
            return Ok(None);
        }
        self.insist(|| self.entered.look(delivery.id(), again)).await?;
        let Some(entry) = self.shared.find(&request.tool_name) else {
            up(&self.shared.counts.unknown);
            return Ok(Some(self.unrun(Ended::Answered(Err(unknown(self.shared, &request.tool_name))))));
        };
        if self.entered.cancel.is_cancelled() {
            up(&entry.counts.cancelled);
            return Ok(Some(self.unrun(Ended::Cancelled)));
        }
        match &request.memo {
            None => {
                let ended = self.run(&entry).await;
                Ok(Some(self.ended(ended, Keep::Answered)))
            }
            Some(memo) => self.remembered(&entry, memo).await.map(Some),
        }
    }

    /// The answer of a call that somebody else may run or have run.
    async fn remembered(&self, entry: &Entry, memo: &str) -> Result<Done> {
        let bus = &self.shared.bus;
        let key = topology::memo_key(&self.shared.stream, memo);
        let deadline = bus.clock().now().saturating_add(self.left().unwrap_or(Duration::MAX));
        let cancel = &self.entered.cancel;
        loop {
            let mark = memo::mark();
            let claimed = self.insist(|| memo::claim(bus, &key, &mark, self.shared.lease, deadline, cancel)).await?;
            let claim = match claimed {
                Claimed::Ours(claim) => claim,
                Claimed::Done(mut reply) => {
                    up(&entry.counts.remembered);
                    reply.correlation_id.clone_from(&self.request.correlation_id);
                    reply.trace_id.clone_from(&self.request.trace_id);
                    return Ok(Done { reply, keep: Keep::Nothing, wanted: true });
                }
                Claimed::Ended(CancelReason::Deadline) => {
                    up(&entry.counts.expired);
                    return Ok(self.unrun(Ended::Expired));
                }
                Claimed::Ended(_) => {
                    up(&entry.counts.cancelled);
                    return Ok(self.unrun(Ended::Cancelled));
                }
            };
            let mut running = pin!(self.run(entry));
            let ended = tokio::select! {
                biased;
                ended = &mut running => ended,
                // We stood still, and somebody else runs it by now.
                () = claim.keep(&**bus.clock()) => continue,
            };
            return Ok(self.ended(ended, Keep::Memo(claim)));
        }
    }

    async fn run(&self, entry: &Entry) -> Ended {
        // Of this run alone: the request may be run again.
        let cancel = Cancel::new();
        let request = Request {
            envelope: self.request.clone(),
            attempt: self.delivery.attempt(),
            cancel: cancel.clone(),
            bus: self.delivery.bus_for(self.request.clone()),
        };
        let mut running = pin!(run::run(entry, request, &**self.shared.bus.clock()));
        tokio::select! {
            biased;
            ended = &mut running => return ended,
            reason = self.entered.cancel.cancelled() => cancel.cancel_for(reason),
        }
        running.await
    }

    fn unrun(&self, ended: Ended) -> Done {
        self.ended(ended, Keep::Nothing)
    }

    fn ended(&self, ended: Ended, keep: Keep) -> Done {
        let wanted = ended != Ended::Cancelled;
        Done { reply: reply::of(&self.request.correlation_id, &self.request.trace_id, ended), keep, wanted }
    }

    /// How long somebody still waits.
    fn left(&self) -> Option<Duration> {
        let wall_ms = self.shared.bus.clock().wall_ms();
        self.request.deadline_ms.map(|deadline| Duration::from_millis(deadline.saturating_sub(wall_ms)))
    }

    async fn was_answered(&self) -> Result<bool> {
        let key = topology::answered_key(&self.shared.stream, &self.request.correlation_id);
        self.shared.bus.store().exists(&key).await
    }

    /// Stores the answer with what is kept of it, in one step. Answers that meet leave together.
    async fn send(&self, done: Done) -> Result<()> {
        let bus = &self.shared.bus;
        let config = bus.config();
        let (encoded, sound) = reply::encode(&done.reply, &bus.limits())?;
        // Callers of ours, and they alone, say until when they wait.
        let tidy = self.request.deadline_ms.is_some();
        let entry = |encoded| reply::entry(bus, &self.request.reply_to, encoded, &done.reply.trace_id, tidy);
        let (mark, claim) = match done.keep {
            Keep::Nothing => (None, None),
            Keep::Answered => {
                let key = topology::answered_key(&self.shared.stream, &self.request.correlation_id);
                (Some((key, self.left().map_or(config.dedupe_window, |left| left + ANSWERED))), None)
            }
            Keep::Memo(claim) => (None, Some(claim)),
        };
        if let (None, true) = (&claim, done.wanted) {
            let mut entry = entry(encoded)?;
            entry.along = entry.along.map(|along| Along { mark, ..along });
            return self.insist(|| async { bus.append(entry.clone()).await.map(drop) }).await;
        }
        let mut ops = Vec::with_capacity(3);
        if let Some((key, ttl)) = mark {
            ops.push(Op::Set { key, value: Bytes::new(), ttl: Some(ttl), when: When::Always });
        }
        if let Some(claim) = claim {
            let remembered = (sound && done.reply.result.is_ok()).then(|| encoded.clone());
            ops.extend(claim.finish(remembered, config.calls.memo_ttl));
        }
        if done.wanted {
            ops.push(reply::op(entry(encoded)?));
        }
        if ops.is_empty() {
            return Ok(());
        }
        self.insist(|| async { bus.store().apply(ops.clone()).await.map(drop) }).await
    }

    /// Tries again for as long as the server is out of reach and somebody waits.
    async fn insist<T, F: Future<Output = Result<T>>>(&self, attempt: impl Fn() -> F) -> Result<T> {
        let clock = self.shared.bus.clock();
        let least = self.shared.bus.config().publish_timeout;
        let give_up = clock.now().saturating_add(self.left().unwrap_or(least).max(least));
        let mut pause = Duration::from_millis(20);
        loop {
            match attempt().await {
                Err(error) if error.retryable() && clock.now() + pause < give_up => {
                    tracing::debug!(%error, call = self.request.tool_name, "trying again");
                    clock.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                done => return done,
            }
        }
    }
}

/// How long after its deadline a request may still come again without being expired: clocks differ.
const ANSWERED: Duration = Duration::from_secs(10);

fn unknown(shared: &Shared, name: &str) -> Failure {
    let names = shared.names().join(", ");
    let served = if names.is_empty() { "nothing".to_owned() } else { names };
    let text = format!(
        "nothing is called {name:?} here; this server serves {served}. Servers of one service must serve the same names"
    );
    Failure::new(code::UNKNOWN, text)
}

//! Reading what was said to an instance, by id: also after the process that began to wait is gone.

use std::time::Duration;

use tracing::warn;

use super::{RedisPlatform, id};
use crate::envelope::{Limits, Map, Value, json};
use crate::error::Result;
use crate::store::{Entry, EntryId, Op};
use crate::topology::{Name, field as fields};
use crate::transport::field;

/// One thing that was said.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// Where it stands in its stream: what comes next is read after this.
    pub id: EntryId,
    /// What is said: `type` and the members of that type, see `docs/redis-platform.md`.
    pub body: Map,
    /// Trace id of the turn it belongs to, `""` for none.
    pub trace_id: String,
}

impl Reply {
    /// `message`, `file`, `reaction` or `turn_complete`.
    pub fn kind(&self) -> &str {
        self.body.text("type").unwrap_or_default()
    }
}

/// Replies, and where to read on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Replies {
    /// In the order in which they were said. What cannot be read is left out, with a warning.
    pub items: Vec<Reply>,
    /// The last id that was read: that of the call when there was nothing.
    pub next: EntryId,
    /// What was read up to is not kept any more, so something behind it may be gone as well.
    pub gap: bool,
}

impl RedisPlatform {
    /// What was said to an instance after an id, at most `count` (1 to 1000). Waits for the first as long as `wait`; with
    /// zero, or when there is any, not at all. The oldest of the last 1000 or so go (`replies_max_len`), all after a day
    /// of silence (`replies_ttl`).
    pub async fn replies(&self, instance_id: &str, after: EntryId, count: usize, wait: Duration) -> Result<Replies> {
        if !id::may_exist(instance_id) {
            return Ok(Replies { items: Vec::new(), next: after, gap: false });
        }
        self.read_replies(&self.config.names.replies(instance_id), after, count, wait).await
    }

    /// What was said to an instance in one turn, read as [`RedisPlatform::replies`]. With a nonce in its message the last
    /// one is of type `turn_complete`. Kept for a quarter of an hour after the last one (`turn_ttl`).
    pub async fn turn_replies(
        &self,
        instance_id: &str,
        trace_id: &str,
        after: EntryId,
        count: usize,
        wait: Duration,
    ) -> Result<Replies> {
        if !id::may_exist(instance_id) {
            return Ok(Replies { items: Vec::new(), next: after, gap: false });
        }
        let turn = self.config.names.turn(instance_id, &id::in_key(trace_id));
        self.read_replies(&turn, after, count, wait).await
    }

    /// Where an instance's replies end now: what is read after it is said later.
    pub async fn last_reply(&self, instance_id: &str) -> Result<EntryId> {
        if !id::may_exist(instance_id) {
            return Ok(EntryId::ZERO);
        }
        self.store.log_last(&self.config.names.replies(instance_id)).await
    }

    async fn read_replies(&self, stream: &Name, after: EntryId, count: usize, wait: Duration) -> Result<Replies> {
        let read = |after, count| Op::LogRead { stream: stream.clone(), after, count };
        let mut answers = self.apply_again(vec![read(after.before(), 1), read(after, count)]).await?;
        let there = answers.next()?.entries()?.first().is_some_and(|entry| entry.id == after);
        let mut entries = answers.next()?.entries()?;
        if entries.is_empty() && !wait.is_zero() {
            entries = self.store.log_tail(stream, after, count, wait).await?;
        }
        let next = entries.last().map_or(after, |entry| entry.id);
        let read = |entry: Entry| {
            reply(&entry).inspect_err(|error| warn!(stream = &**stream, id = %entry.id, %error, "not a reply")).ok()
        };
        let gap = after != EntryId::ZERO && !there;
        Ok(Replies { items: entries.into_iter().filter_map(read).collect(), next, gap })
    }
}

fn reply(entry: &Entry) -> Result<Reply> {
    let text = |name| field(&entry.fields, name).map(|value| String::from_utf8_lossy(value).into_owned());
    let data = field(&entry.fields, fields::DATA).cloned().unwrap_or_default();
    let body = match json::decode(&data, &Limits::WIDEST)? {
        Value::Map(body) => body,
        other => {
            let text = format!("a reply must be an object, found {}", other.type_name());
            return Err(crate::error::Error::malformed(text));
        }
    };
    Ok(Reply { id: entry.id, body, trace_id: text(fields::TRACE_ID).unwrap_or_default() })
}

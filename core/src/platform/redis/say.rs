//! Saying something to an instance: kept in its streams, told on the original's channel, once.
//!
//! One batch checks that there is the instance, that the same was not said before (by its message key, remembered for a
//! day), keeps what is said in the stream of the instance and in that of the turn, keeps the file, and rings. So a reply
//! whose answer was lost may be sent again, and an instance that is being deleted gets nothing more.

use std::time::Duration;

use bytes::Bytes;
use tracing::debug;

use super::access::{bytes, if_registered, unknown};
use super::reply::{Said, Writer};
use super::{RedisPlatform, id};
use crate::envelope::File;
use crate::error::Result;
use crate::platform::SendContext;
use crate::store::{LogOptions, Op, When, unmet};
use crate::topology::field;

/// How long it is remembered what was said: as long as a gateway remembers it.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is remembered when only this call can repeat it.
const REMEMBERED_SHORTLY: Duration = Duration::from_secs(60);
/// Belongings that are over are looked for that many at a time.
const SWEPT: usize = 100;
/// How long after their end, in milliseconds: our clock may go ahead of the server's.
const SWEPT_AFTER: u64 = 5 * 60 * 1000;

impl RedisPlatform {
    /// Says it; gives what is answered, or what was answered when it was said before. `NotFound` without such an instance.
    pub(super) async fn say(
        &self,
        instance: &str,
        said: &Said,
        answer: &str,
        context: &SendContext,
        file: Option<(&str, &File)>,
    ) -> Result<String> {
        if !id::may_exist(instance) {
            return Err(unknown(instance));
        }
        let (config, names) = (&self.config, &self.config.names);
        let known_by = known_by(context);
        let marker = names.said(instance, &known_by);
        let remembered = if context.message_key.is_some() { REMEMBERED } else { REMEMBERED_SHORTLY };
        let wall = self.publisher.clock().wall_ms();
        let mut ops = vec![
            if_registered(instance),
            Op::Exists { key: marker.clone() }.required(false),
            Op::Set { key: marker.clone(), value: bytes(answer), ttl: Some(remembered), when: When::Always },
        ];
        let mut belongings = Vec::new();
        let mut keep = |what: String, ttl: Duration| {
            #[allow(clippy::cast_precision_loss)] // exact until the year 287396
            let end = (wall + u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX / 2)) as f64;
            belongings.push((Bytes::from(what), end));
        };
        keep(format!("said:{known_by}"), remembered);
        let fields = vec![
            (Bytes::from_static(field::DATA.as_bytes()), bytes(&said.json)),
            (Bytes::from_static(field::TRACE_ID.as_bytes()), bytes(&context.trace_id)),
        ];
        let options = |max_len, ttl| LogOptions { max_len: Some(max_len), approximate: true, ttl: Some(ttl) };
        ops.push(Op::LogAppend {
            stream: names.replies(instance),
            fields: fields.clone(),
            options: options(config.replies_max_len, config.replies_ttl),
        });
        if !context.trace_id.is_empty() {
            let turn = id::in_key(&context.trace_id);
            ops.push(Op::LogAppend {
                stream: names.turn(instance, &turn),
                fields,
                options: options(config.turn_max_len, config.turn_ttl),
            });
            keep(format!("turn:{turn}"), config.turn_ttl);
        }
        if let Some((file_id, file)) = file {
            ops.push(self.file_op(instance, file_id, file, &self.now()));
            keep(format!("file:{file_id}"), config.file_ttl);
        }
        let (key, place) = (names.belongings(instance), ops.len() + 1);
        let ttl = config.file_ttl.max(config.turn_ttl).max(REMEMBERED);
        ops.push(Op::SortedAdd { key: key.clone(), members: belongings, ttl: Some(ttl) });
        #[allow(clippy::cast_precision_loss)]
        let over = wall.saturating_sub(SWEPT_AFTER) as f64;
        ops.push(Op::SortedRange { key: key.clone(), from: 0.0, to: over, count: SWEPT });
        if said.is_original() {
            ops.push(Op::Notify { channel: names.response_channel(instance), payload: bytes(&said.json) });
        }
        let mut answers = match self.apply_again(ops).await {
            Ok(answers) => answers,
            Err(error) => {
                return match unmet(&error) {
                    Some(0) => Err(unknown(instance)),
                    Some(_) => self.answered_before(instance, &marker, answer).await,
                    None => Err(error.with_context("instance_id", instance)),
                };
            }
        };
        answers.skip(place)?;
        let over: Vec<Bytes> = answers.next()?.scored()?.into_iter().map(|(member, _)| member).collect();
        if !over.is_empty() {
            // They are gone by themselves; what stays here is swept next time.
            let swept = self.apply(vec![Op::SortedRemove { key, members: over }]).await;
            if let Err(error) = swept {
                debug!(instance, %error, "belongings were not swept");
            }
        }
        Ok(answer.to_owned())
    }

    /// What was answered when it was said.
    async fn answered_before(&self, instance: &str, marker: &crate::topology::Name, ours: &str) -> Result<String> {
        debug!(instance, "said before");
        let before = self.apply_again(vec![Op::Get { key: marker.clone() }]).await?.next()?.value()?;
        Ok(before.map_or_else(|| ours.to_owned(), |before| String::from_utf8_lossy(&before).into_owned()))
    }

    /// Writes what is said now.
    pub(super) fn written(&self, write: impl FnOnce(&Writer<'_>) -> Said) -> Said {
        write(&Writer { names: &self.config.names, now: &self.now() })
    }
}

/// By what it is remembered.
fn known_by(context: &SendContext) -> String {
    match context.message_key.as_deref() {
        Some(key) => format!("key:{}", id::in_key(key)),
        None => format!("once:{}", id::new()),
    }
}

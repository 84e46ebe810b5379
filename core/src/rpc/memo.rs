//! What finished calls are remembered as, and what tells of one that runs.
//!
//! A memo is a key of the store. While the call runs it holds the mark of whoever runs it, for as long as that one says that
//! it lives; afterwards it holds the answer. So of two equal calls one runs, and the other one gets its answer.

use std::time::Duration;

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use uuid::Uuid;

use super::cancel::{Cancel, CancelReason};
use super::options::Memo;
use crate::envelope::{Envelope, Limits, Map, ToolReply, Value, codec};
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::store::{Answer, Op, Store};
use crate::topology::{self, Name};
use crate::transport::When;

/// First byte of a mark; no answer begins with it (an answer is a map).
const MARK: u8 = b'r';

/// The name of a call's memo; `None` where it has none. Counts the call, in a delivery.
pub(super) fn name(bus: &Publisher, memo: &Memo, call: &str, arguments: &Map) -> Result<Option<String>> {
    let turn = || bus.origin().map(|origin| origin.turn.clone());
    let (turn, id) = match memo {
        Memo::Off => return Ok(None),
        Memo::Auto => match bus.origin() {
            None => return Ok(None),
            Some(origin) => {
                let nth = origin.count(&digest([call], arguments)?);
                (origin.turn.clone(), format!("#{nth}"))
            }
        },
        Memo::Call(id) => {
            let outside = || {
                Error::invalid("only a call made in a delivery has a turn; give the turn, too")
                    .with_context("field", "memo")
            };
            (turn().ok_or_else(outside)?, id.clone())
        }
        Memo::Key { turn, call } => (turn.clone(), call.clone()),
    };
    digest([&turn, &id, call], arguments).map(Some)
}

/// A name for some texts and arguments; the order of keys in a map does not count.
fn digest<'a>(texts: impl IntoIterator<Item = &'a str>, arguments: &Map) -> Result<String> {
    let mut context = Context::new(&SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let sorted = sorted(&Value::Map(arguments.clone()));
    context.update(&codec::encode(&sorted, &Limits::default())?);
    let hash = context.finish();
    let hex = hash.as_ref()[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
        use std::fmt::Write;
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(hex)
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Map(pairs.into_iter().collect())
        }
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The answer that is remembered, if there is one.
pub(super) async fn look(store: &Store, key: &Name, limits: &Limits) -> Result<Option<ToolReply>> {
    match store.get(key).await? {
        Some(value) if value.first() != Some(&MARK) => ToolReply::decode_with(&value, limits).map(Some),
        _ => Ok(None),
    }
}

/// Whose turn it is.
pub(super) enum Claimed {
    /// Ours: run it, and say how it ended.
    Ours(Claim),
    /// It was run.
    Done(ToolReply),
    /// It was cancelled, or its deadline passed, while somebody else ran it.
    Ended(CancelReason),
}

/// Claims a call under a mark, or waits for whoever runs it. The claim stands for a lease unless it is kept. Claimed again
/// under the same mark it is the same claim.
pub(super) async fn claim(
    bus: &Publisher,
    key: &Name,
    mark: &Bytes,
    lease: Duration,
    deadline: Duration,
    cancel: &Cancel,
) -> Result<Claimed> {
    let store = bus.store();
    let mut claim = Claim { store: store.clone(), key: key.clone(), mark: mark.clone(), lease, held: false };
    let mut ear = None;
    loop {
        match claim.attempt(&bus.limits()).await? {
            Attempt::Ours => {
                claim.held = true;
                return Ok(Claimed::Ours(claim));
            }
            Attempt::Done(reply) => return Ok(Claimed::Done(reply)),
            Attempt::Runs => {}
        }
        // Whoever runs it tells when it is done. Listen first, then look once more.
        let Some(heard) = &mut ear else {
            ear = Some(store.subscribe([topology::memo_channel(key)]).await?);
            continue;
        };
        let clock = bus.clock();
        tokio::select! {
            heard = heard.next() => drop(heard?),
            reason = cancel.cancelled() => return Ok(Claimed::Ended(reason)),
            () = clock.sleep_until(deadline) => return Ok(Claimed::Ended(CancelReason::Deadline)),
            () = clock.sleep(lease / 3) => {}
        }
    }
}

/// A mark that nobody else has.
pub(super) fn mark() -> Bytes {
    let mut mark = vec![MARK];
    mark.extend_from_slice(Uuid::new_v4().as_bytes());
    mark.into()
}

enum Attempt {
    Ours,
    Runs,
    Done(ToolReply),
}

/// A call that is ours to run. Dropped before it is finished, it goes to whoever waits for it.
pub(super) struct Claim {
    store: Store,
    key: Name,
    mark: Bytes,
    lease: Duration,
    held: bool,
}

impl Claim {
    async fn attempt(&self, limits: &Limits) -> Result<Attempt> {
        let (key, value) = (self.key.clone(), self.mark.clone());
        let set = Op::Set { key: key.clone(), value, ttl: Some(self.lease), when: When::Absent };
        let answers = self.store.apply(vec![set, Op::Get { key }]).await?;
        let held = answers.into_iter().next_back().map_or(Ok(None), Answer::value)?;
        Ok(match held {
            Some(held) if held == self.mark => Attempt::Ours,
            Some(held) if held.first() == Some(&MARK) => Attempt::Runs,
            Some(answer) => Attempt::Done(ToolReply::decode_with(&answer, limits)?),
            None => Attempt::Runs,
        })
    }

    /// Keeps the claim; ends when somebody else has it.
    pub(super) async fn keep(&self, clock: &dyn crate::clock::Clock) {
        loop {
            clock.sleep(self.lease / 3).await;
            let (old, new) = (self.mark.clone(), self.mark.clone());
            match self.store.compare_and_set(&self.key, old, new, Some(self.lease)).await {
                Ok(true) => {}
                Ok(false) => return,
                // Told by the connection; the claim stands for a while.
                Err(error) => tracing::debug!(%error, "the claim of a call was not renewed"),
            }
        }
    }

    /// What is stored together with the answer: the answer to be remembered, or nothing.
    pub(super) fn finish(mut self, remembered: Option<Bytes>, ttl: Duration) -> [Op; 2] {
        self.held = false;
        self.end(remembered, ttl)
    }

    fn end(&self, remembered: Option<Bytes>, ttl: Duration) -> [Op; 2] {
        let (key, expected) = (self.key.clone(), self.mark.clone());
        let channel = topology::memo_channel(&key);
        let end = match remembered {
            Some(value) => Op::Set { key, value, ttl: Some(ttl), when: When::Equal(expected) },
            None => Op::DeleteEqual { key, expected },
        };
        [end, Op::Notify { channel, payload: Bytes::new() }]
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Where nobody is left to do it, the claim ends with its lease.
        if self.held
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (store, ops) = (self.store.clone(), self.end(None, self.lease).to_vec());
            runtime.spawn(async move {
                if let Err(error) = store.apply(ops).await {
                    tracing::debug!(%error, "the claim of a call that was given up stands for its lease");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count_and_all_else_does() {
        let of = |texts: [&str; 2], map: Map| digest(texts, &map).unwrap();
        let inner = |a: i64, b: i64| Map::from([("a", a), ("b", b)]);
        let one = of(["t", "x"], Map::from([("m", Value::Map(inner(1, 2))), ("n", Value::Nil)]));
        let turned = Map::from([("b", 2), ("a", 1)]);
        let two = of(["t", "x"], Map::from([("n", Value::Nil), ("m", Value::Map(turned))]));
        assert_eq!((&one, one.len()), (&two, 32));
        assert_ne!(one, of(["t", "x"], Map::from([("m", Value::Map(inner(2, 1))), ("n", Value::Nil)])));
        assert_ne!(of(["tx", ""], Map::new()), of(["t", "x"], Map::new()));
        assert_ne!(of(["t", "x"], Map::from([("a", 1)])), of(["t", "x"], Map::from([("a", 1.0)])));
    }
}

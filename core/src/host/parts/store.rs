//! The store: operations as plain maps, alone or in a batch; tails, and listening.
//!
//! An operation is a map with its name under `op` and its arguments beside it. Values, members and payloads are bytes or
//! text and come back as bytes; names of fields are text.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, watch};

use super::{Answer, Calls, Part};
use crate::envelope::arguments::{Arguments, bytes, map, wrong};
use crate::envelope::{Map, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{self, Entry, EntryId, Heard, LogOptions, Op, Store, Subscription, When};
use crate::topology::Name;

pub(super) struct Stored {
    store: Store,
}

impl Stored {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Calls for Stored {
    async fn call(&self, call: &str, mut take: Arguments<'_>) -> Result<Answer> {
        match call {
            "apply" => {
                let ops: Vec<Op> = take.maps("ops")?.into_iter().map(op).collect::<Result<_>>()?;
                if ops.is_empty() {
                    return Ok(Value::List(Vec::new()).into());
                }
                let answers = self.store.apply(ops).await?;
                let values: Vec<Value> = answers.into_iter().map(value).collect::<Result<_>>()?;
                Ok(Value::List(values).into())
            }
            "log_tail" => {
                let (stream, after) = (take.need_text("stream")?, take.parsed("after")?.unwrap_or(EntryId::ZERO));
                let (count, wait) = (take.number("count")?.unwrap_or(100), take.millis("wait")?.unwrap_or_default());
                Ok(entries(&self.store.log_tail(stream, after, count, wait).await?)?.into())
            }
            "subscribe" => {
                let subscription = self.store.subscribe(take.texts("channels")?).await?;
                Ok(Answer::Part(Part::of(Ear {
                    subscription: Mutex::new(subscription),
                    closed: watch::Sender::new(false),
                })))
            }
            other => Err(super::no_call(other)),
        }
    }
}

/// An open ear.
struct Ear {
    subscription: Mutex<Subscription>,
    closed: watch::Sender<bool>,
}

#[async_trait]
impl Calls for Ear {
    async fn call(&self, call: &str, _take: Arguments<'_>) -> Result<Answer> {
        if call != "next" {
            return Err(super::no_call(call));
        }
        let mut closed = self.closed.subscribe();
        let heard = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => return Ok(Value::Nil.into()),
            heard = async { self.subscription.lock().await.next().await } => heard,
        };
        let heard = match heard {
            Err(error) if error.kind() == ErrorKind::Closed => return Ok(Value::Nil.into()),
            heard => heard?,
        };
        Ok(Answer::Plain(match heard {
            Heard::Notification { channel, payload } => {
                map([("channel", channel.to_string().into()), ("payload", payload.into())])
            }
            Heard::Resubscribed => map([("resubscribed", true.into())]),
            Heard::Missed(missed) => map([("missed", missed.into())]),
        }))
    }

    fn at_once(&self, call: &str, _take: Arguments<'_>) -> Result<Value> {
        if call != "close" {
            return Err(super::no_call(call));
        }
        self.closed.send_replace(true);
        Ok(Value::Nil)
    }
}

/// An operation, and with `require` a condition of its batch.
fn op(map: &Map) -> Result<Op> {
    let mut take = Arguments::new(map);
    let name = take.need_text("op")?;
    let require = take.maybe_flag("require")?;
    let op = named(name, &mut take)?;
    take.end()?;
    Ok(match require {
        Some(is) => op.required(is),
        None => op,
    })
}

fn named(name: &str, take: &mut Arguments<'_>) -> Result<Op> {
    if matches!(name, "delete" | "notify") || name.starts_with("log_") {
        return keyless(name, take);
    }
    let key: Name = take.need_text("key")?.into();
    Ok(match name {
        "get" => Op::Get { key },
        "set" => Op::Set { key, value: take.bytes("value")?, ttl: take.millis("ttl")?, when: When::Always },
        "set_if_absent" => Op::Set { key, value: take.bytes("value")?, ttl: take.millis("ttl")?, when: When::Absent },
        "compare_and_set" => {
            let when = When::Equal(take.bytes("expected")?);
            Op::Set { key, value: take.bytes("value")?, ttl: take.millis("ttl")?, when }
        }
        "compare_and_delete" => Op::DeleteEqual { key, expected: take.bytes("expected")? },
        "increment" => Op::Increment { key, by: take.integer("by")?.unwrap_or(1), ttl: take.millis("ttl")? },
        "exists" => Op::Exists { key },
        "expire" => Op::Expire { key, ttl: take.millis("ttl")?.ok_or_else(|| wrong("ttl", "a time"))? },
        "time_to_live" => Op::TimeToLive { key },
        "hash_get" => Op::HashGet { key, field: take.bytes("field")? },
        "hash_get_all" => Op::HashGetAll { key },
        "hash_set" => Op::HashSet { key, fields: fields(take)?, ttl: take.millis("ttl")? },
        "hash_set_if_absent" => Op::HashSetAbsent { key, field: take.bytes("field")?, value: take.bytes("value")? },
        "hash_delete" => Op::HashDelete { key, fields: take.many_bytes("fields")? },
        "hash_exists" => Op::HashExists { key, field: take.bytes("field")? },
        "hash_len" => Op::HashLen { key },
        "hash_increment" => {
            Op::HashIncrement { key, field: take.bytes("field")?, by: take.integer("by")?.unwrap_or(1) }
        }
        "set_add" => Op::SetAdd { key, members: take.many_bytes("members")?, ttl: take.millis("ttl")? },
        "set_remove" => Op::SetRemove { key, members: take.many_bytes("members")? },
        "set_contains" => Op::SetContains { key, member: take.bytes("member")? },
        "set_members" => Op::SetMembers { key },
        "sorted_add" => Op::SortedAdd { key, members: scored(take)?, ttl: take.millis("ttl")? },
        "sorted_remove" => Op::SortedRemove { key, members: take.many_bytes("members")? },
        "sorted_range" => {
            let (from, to) = (take.float("from")?, take.float("to")?);
            let (from, to) = (from.unwrap_or(f64::NEG_INFINITY), to.unwrap_or(f64::INFINITY));
            Op::SortedRange { key, from, to, count: take.number("count")?.unwrap_or(1000) }
        }
        "list_push" => Op::ListPush { key, values: take.many_bytes("values")?, ttl: take.millis("ttl")? },
        "list_range" => {
            let (from, to) = (take.integer("from")?.unwrap_or(0), take.integer("to")?.unwrap_or(-1));
            Op::ListRange { key, from, to }
        }
        "list_pop" => Op::ListPop { key },
        "list_trim" => {
            let (from, to) = (take.integer("from")?.unwrap_or(0), take.integer("to")?.unwrap_or(-1));
            Op::ListTrim { key, from, to }
        }
        other => return Err(super::no_call(other)),
    })
}

fn keyless(name: &str, take: &mut Arguments<'_>) -> Result<Op> {
    if name == "delete" {
        return Ok(Op::Delete { keys: take.texts("keys")?.into_iter().map(Name::from).collect() });
    }
    if name == "notify" {
        return Ok(Op::Notify { channel: take.need_text("channel")?.into(), payload: take.bytes("payload")? });
    }
    let stream: Name = take.need_text("stream")?.into();
    Ok(match name {
        "log_append" => {
            let options = LogOptions {
                max_len: take.number("max_len")?,
                approximate: take.maybe_flag("approximate")?.unwrap_or(true),
                ttl: take.millis("ttl")?,
            };
            Op::LogAppend { stream, fields: fields(take)?, options }
        }
        "log_read" => {
            let after = take.parsed("after")?.unwrap_or(EntryId::ZERO);
            Op::LogRead { stream, after, count: take.number("count")?.unwrap_or(100) }
        }
        "log_last" => Op::LogLast { stream },
        "log_trim" => {
            let up_to = take.parsed("up_to")?.ok_or_else(|| wrong("up_to", "an id of an entry"))?;
            Op::LogTrim { stream, up_to }
        }
        other => return Err(super::no_call(other)),
    })
}

fn fields(take: &mut Arguments<'_>) -> Result<Vec<(Bytes, Bytes)>> {
    let fields = take.need_map("fields")?.iter().map(|(name, value)| {
        let value = bytes(value).ok_or_else(|| wrong("fields", "a map of bytes or texts"))?;
        Ok((Bytes::copy_from_slice(name.as_bytes()), value))
    });
    fields.collect()
}

fn scored(take: &mut Arguments<'_>) -> Result<Vec<(Bytes, f64)>> {
    let refuse = || wrong("members", "a list of members with their scores");
    let pair = |pair: &Value| match pair.as_list() {
        Some([member, score]) => bytes(member).zip(score.as_f64()).ok_or_else(refuse),
        _ => Err(refuse()),
    };
    take.take("members").and_then(Value::as_list).ok_or_else(refuse)?.iter().map(pair).collect()
}

fn value(answer: store::Answer) -> Result<Value> {
    use store::Answer as A;
    #[allow(clippy::cast_precision_loss)] // times of a server's keys are far below
    Ok(match answer {
        A::Value(value) => value.into(),
        A::Flag(flag) => flag.into(),
        A::Number(number) => number.into(),
        A::Left(left) => left.map(|left| left.as_millis() as f64).into(),
        A::Pairs(pairs) => named_pairs(&pairs)?.into(),
        A::Members(members) => members.into(),
        A::Scored(members) => {
            members.into_iter().map(|(member, score)| Value::List(vec![member.into(), score.into()])).collect()
        }
        A::Id(id) => id.to_string().into(),
        A::Entries(found) => entries(&found)?,
    })
}

fn entries(entries: &[Entry]) -> Result<Value> {
    let entry = |entry: &Entry| {
        let fields = named_pairs(&entry.fields)?;
        Ok(map([("id", entry.id.to_string().into()), ("fields", fields.into())]))
    };
    entries.iter().map(entry).collect::<Result<Vec<Value>>>().map(Value::List)
}

/// Fields with names that are text; `Malformed` otherwise.
fn named_pairs(pairs: &[(Bytes, Bytes)]) -> Result<Map> {
    let named = pairs.iter().map(|(name, value)| match std::str::from_utf8(name) {
        Ok(name) => Ok((name.to_owned(), Value::from(value.clone()))),
        Err(_) => Err(Error::malformed("the name of a field is no UTF-8")),
    });
    named.collect::<Result<Vec<_>>>().map(Map::from)
}

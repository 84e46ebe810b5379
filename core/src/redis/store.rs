//! Operations on keys: each becomes one or a few commands. A batch is one script; an operation that a single command does
//! as it should, errors of type included, is that command.

use std::collections::HashMap;
use std::time::Duration;

use ::redis::{Cmd, Value};
use bytes::Bytes;

use super::append::millis;
use super::error::wrong_type;
use super::fetch::call;
use super::link::{Failure, Link};
use super::parse;
use super::script::SCRIPTS;
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::topology::Name;
use crate::transport::{Answer, Kind, LogOptions, Op, When, check, not_met};

/// Commands that refuse a key of another kind, answer the same inside and outside of a script, and are worth it.
const PLAIN: [&str; 5] = ["GET", "HGET", "XADD", "XRANGE", "PUBLISH"];

/// One command.
struct Step<'a> {
    command: &'static str,
    key: Option<&'a Name>,
    texts: Vec<Bytes>,
}

/// Carries operations out.
pub(super) async fn apply(link: &Link, ops: &[Op]) -> Result<Vec<Answer>> {
    check::ops(ops)?;
    if let [op] = ops
        && let [step] = &steps(op)[..]
        && PLAIN.contains(&step.command)
    {
        return Ok(vec![alone(link, op, step).await?]);
    }
    let steps: Vec<Vec<Step<'_>>> = ops.iter().enumerate().map(|(place, op)| placed(steps(op), place)).collect();
    let cmd = scripted(ops, &steps);
    let mut answer = parse::Answer::new(link.scripted(&SCRIPTS.apply, &cmd).await.map_err(told)?)?;
    match answer.word.as_str() {
        "ok" => {}
        "over" => return Err(check::over(&answer.text()?).with_stored(Stored::No)),
        "unmet" => return Err(not_met(answer.text()?.parse().unwrap_or_default())),
        _ => return answer.unexpected(),
    }
    let read = |(op, steps): (&Op, &Vec<Step<'_>>)| {
        let mut replies = steps.iter().map(|_| answer.next()).collect::<Vec<_>>().into_iter();
        let first = replies.next().unwrap_or_default();
        match op {
            Op::Delete { .. } => {
                let more = replies.map(|reply| whole(&reply)).sum::<Result<i64>>()?;
                Ok(Answer::Number(whole(&first)? + more))
            }
            _ => answered(op, first),
        }
    };
    ops.iter().zip(&steps).map(read).collect()
}

/// The error of a request, with whether it may have been carried out.
fn told(failure: Failure) -> Error {
    failure.error.with_stored(failure.stored)
}

/// Tells a condition its place in the batch.
fn placed(mut steps: Vec<Step<'_>>, place: usize) -> Vec<Step<'_>> {
    if let [Step { command: "require", texts, .. }] = &mut steps[..] {
        texts.insert(0, text(place));
    }
    steps
}

/// The script call for a batch.
fn scripted(ops: &[Op], steps: &[Vec<Step<'_>>]) -> Cmd {
    let mut places: HashMap<&Name, usize> = HashMap::new();
    let mut keys: Vec<&str> = Vec::new();
    let mut kinds: Vec<&str> = Vec::new();
    for op in ops {
        for key in op.keys() {
            let place = *places.entry(key).or_insert_with(|| {
                keys.push(key);
                kinds.push("any");
                keys.len()
            });
            if let Some(kind) = op.kind() {
                kinds[place - 1] = kind.as_str();
            }
        }
    }
    let mut cmd = call(&SCRIPTS.apply, &keys);
    cmd.arg(&kinds);
    for step in steps.iter().flatten() {
        let place = step.key.and_then(|key| places.get(key)).copied().unwrap_or_default();
        cmd.arg(step.command).arg(place).arg(step.texts.len());
        for text in &step.texts {
            cmd.arg(&text[..]);
        }
    }
    cmd
}

/// An operation that is one command.
async fn alone(link: &Link, op: &Op, step: &Step<'_>) -> Result<Answer> {
    let mut cmd = ::redis::cmd(step.command);
    if let Some(key) = step.key {
        cmd.arg(&**key);
    }
    for text in &step.texts {
        cmd.arg(&text[..]);
    }
    match link.command(&cmd).await {
        Ok(reply) => answered(op, reply),
        Err(failure) => Err(match (failure.error.kind(), step.key, op.kind()) {
            (ErrorKind::Invalid, Some(key), Some(kind)) => explained(link, failure.error, key, kind).await,
            _ => told(failure),
        }),
    }
}

/// A refusal for the kind of a key, with what it holds.
pub(super) async fn explained(link: &Link, error: Error, key: &Name, wanted: Kind) -> Error {
    let mut cmd = ::redis::cmd("TYPE");
    cmd.arg(&**key);
    match link.command(&cmd).await.map_err(Error::from).and_then(parse::text) {
        Ok(found) if found != wanted.as_str() && found != "none" => wrong_type(key, &found, wanted.as_str()),
        _ => error.with_context("key", key),
    }
}

fn text(number: impl std::fmt::Display) -> Bytes {
    Bytes::from(number.to_string())
}

/// A score; there is one zero.
fn score(score: f64) -> Bytes {
    text(score + 0.0)
}

fn pairs(fields: &[(Bytes, Bytes)]) -> Vec<Bytes> {
    fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect()
}

fn on<'a>(command: &'static str, key: &'a Name, texts: Vec<Bytes>) -> Vec<Step<'a>> {
    vec![Step { command, key: Some(key), texts }]
}

/// The same, and the key lives that long from then on.
fn lasting(mut steps: Vec<Step<'_>>, ttl: Option<Duration>) -> Vec<Step<'_>> {
    if let Some(ttl) = ttl {
        let key = steps[0].key;
        steps.push(Step { command: "PEXPIRE", key, texts: vec![text(millis(ttl))] });
    }
    steps
}

/// The commands of an operation; the answer is the first one's.
#[allow(clippy::too_many_lines)] // A table: one line or two for each operation.
fn steps(op: &Op) -> Vec<Step<'_>> {
    match op {
        Op::Require { of, is } => {
            let mut asked = steps(of);
            for Step { command, texts, .. } in &mut asked {
                let told = [text(u8::from(*is)), Bytes::from_static(command.as_bytes())];
                texts.splice(..0, told);
                *command = "require";
            }
            asked
        }
        Op::Get { key } => on("GET", key, vec![]),
        Op::Set { key, value, ttl, when } => {
            let life = ttl.map(|ttl| text(millis(ttl)));
            if let When::Equal(expected) = when {
                let texts = [expected.clone(), value.clone()].into_iter().chain(life).collect();
                return on("swap", key, texts);
            }
            let mut texts = vec![value.clone()];
            texts.extend(life.into_iter().flat_map(|life| [Bytes::from_static(b"PX"), life]));
            if *when == When::Absent {
                texts.push(Bytes::from_static(b"NX"));
            }
            on("SET", key, texts)
        }
        Op::DeleteEqual { key, expected } => on("drop", key, vec![expected.clone()]),
        Op::Increment { key, by, ttl } => lasting(on("INCRBY", key, vec![text(by)]), *ttl),
        Op::Delete { keys } => keys.iter().flat_map(|key| on("DEL", key, vec![])).collect(),
        Op::Exists { key } => on("EXISTS", key, vec![]),
        Op::Expire { key, ttl } => on("PEXPIRE", key, vec![text(millis(*ttl))]),
        Op::TimeToLive { key } => on("PTTL", key, vec![]),
        Op::HashGet { key, field } => on("HGET", key, vec![field.clone()]),
        Op::HashGetAll { key } => on("HGETALL", key, vec![]),
        Op::HashSet { key, fields, ttl } => lasting(on("HSET", key, pairs(fields)), *ttl),
        Op::HashSetAbsent { key, field, value } => on("HSETNX", key, vec![field.clone(), value.clone()]),
        Op::HashDelete { key, fields } => on("HDEL", key, fields.clone()),
        Op::HashExists { key, field } => on("HEXISTS", key, vec![field.clone()]),
        Op::HashLen { key } => on("HLEN", key, vec![]),
        Op::HashIncrement { key, field, by } => on("HINCRBY", key, vec![field.clone(), text(by)]),
        Op::SetAdd { key, members, ttl } => lasting(on("SADD", key, members.clone()), *ttl),
        Op::SetRemove { key, members } => on("SREM", key, members.clone()),
        Op::SetContains { key, member } => on("SISMEMBER", key, vec![member.clone()]),
        Op::SetMembers { key } => on("SMEMBERS", key, vec![]),
        Op::SortedAdd { key, members, ttl } => {
            let texts = members.iter().flat_map(|(member, at)| [score(*at), member.clone()]).collect();
            lasting(on("ZADD", key, texts), *ttl)
        }
        Op::SortedRemove { key, members } => on("ZREM", key, members.clone()),
        Op::SortedRange { key, from, to, count } => {
            let page = ["WITHSCORES", "LIMIT", "0"].map(|word| Bytes::from_static(word.as_bytes()));
            let texts = [score(*from), score(*to)].into_iter().chain(page).chain([text(count)]).collect();
            on("ZRANGEBYSCORE", key, texts)
        }
        Op::ListPush { key, values, ttl } => lasting(on("RPUSH", key, values.clone()), *ttl),
        Op::ListRange { key, from, to } => on("LRANGE", key, vec![text(from), text(to)]),
        Op::ListPop { key } => on("LPOP", key, vec![]),
        Op::ListTrim { key, from, to } => on("LTRIM", key, vec![text(from), text(to)]),
        Op::Notify { channel, payload } => {
            let channel = Bytes::copy_from_slice(channel.as_bytes());
            vec![Step { command: "PUBLISH", key: None, texts: vec![channel, payload.clone()] }]
        }
        Op::LogAppend { stream, fields, options: LogOptions { max_len, approximate, ttl } } => {
            let mut texts = Vec::with_capacity(2 * fields.len() + 4);
            if let Some(max_len) = max_len {
                texts.extend([
                    Bytes::from_static(b"MAXLEN"),
                    Bytes::from_static(if *approximate { b"~" } else { b"=" }),
                ]);
                texts.push(text(max_len));
            }
            texts.push(Bytes::from_static(b"*"));
            texts.extend(pairs(fields));
            lasting(on("XADD", stream, texts), *ttl)
        }
        Op::LogRead { stream, after, count } => {
            let texts = vec![text(after.next()), Bytes::from_static(b"+"), Bytes::from_static(b"COUNT"), text(count)];
            on("XRANGE", stream, texts)
        }
        Op::LogLast { stream } => on("last", stream, vec![]),
        Op::LogTrim { stream, up_to } => {
            let texts = vec![Bytes::from_static(b"MINID"), text(up_to.next())];
            on("XTRIM", stream, texts)
        }
    }
}

/// A whole number; a large counter comes as text.
fn whole(reply: &Value) -> Result<i64> {
    let read = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    match reply {
        Value::Int(number) => Ok(*number),
        Value::BulkString(text) if read(text).is_some() => Ok(read(text).unwrap_or_default()),
        other => Err(Error::internal(format!("the server answered {other:?} where a number was expected"))),
    }
}

fn values(reply: Value) -> Result<Vec<Bytes>> {
    parse::array(reply)?.into_iter().map(parse::bytes).collect()
}

/// A reply as the answer to an operation.
fn answered(op: &Op, reply: Value) -> Result<Answer> {
    Ok(match op {
        Op::Get { .. } | Op::HashGet { .. } | Op::ListPop { .. } => match reply {
            Value::Nil => Answer::Value(None),
            value => Answer::Value(Some(parse::bytes(value)?)),
        },
        Op::Set { when: When::Equal(_), .. }
        | Op::DeleteEqual { .. }
        | Op::Exists { .. }
        | Op::Expire { .. }
        | Op::HashSetAbsent { .. }
        | Op::HashExists { .. }
        | Op::Require { .. }
        | Op::SetContains { .. } => Answer::Flag(whole(&reply)? == 1),
        Op::Set { .. } | Op::ListTrim { .. } => Answer::Flag(reply != Value::Nil),
        Op::TimeToLive { .. } => Answer::Left(u64::try_from(whole(&reply)?).ok().map(Duration::from_millis)),
        Op::HashGetAll { .. } => Answer::Pairs(parse::fields(parse::array(reply)?)?),
        Op::SetMembers { .. } | Op::ListRange { .. } => Answer::Members(values(reply)?),
        Op::SortedRange { .. } => {
            let scored = parse::fields(parse::array(reply)?)?.into_iter().map(|(member, at)| {
                let parsed = std::str::from_utf8(&at).ok().and_then(|at| at.parse().ok());
                parsed.map(|at| (member, at)).ok_or_else(|| Error::internal("the server answered no score"))
            });
            Answer::Scored(scored.collect::<Result<_>>()?)
        }
        Op::LogAppend { .. } | Op::LogLast { .. } => Answer::Id(parse::id(&reply)?),
        Op::LogRead { .. } => Answer::Entries(parse::entries(reply)?),
        Op::Increment { .. }
        | Op::Delete { .. }
        | Op::HashSet { .. }
        | Op::HashDelete { .. }
        | Op::HashLen { .. }
        | Op::HashIncrement { .. }
        | Op::SetAdd { .. }
        | Op::SetRemove { .. }
        | Op::SortedAdd { .. }
        | Op::SortedRemove { .. }
        | Op::ListPush { .. }
        | Op::LogTrim { .. }
        | Op::Notify { .. } => Answer::Number(whole(&reply)?),
    })
}

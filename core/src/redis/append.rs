//! Appending: the whole batch leaves as one write, in order.
//!
//! An entry without conditions is a bare `XADD`, what something is kept along with a transaction ([`super::along`]). One with a fence, a message id, a strict cap or a body beside it
//! is a script, so that the condition and the entry are one step. The body itself travels in a command of its
//! own before the script: the server takes it over as it came, where a script would copy it three times.

use std::time::Duration;

use ::redis::{Cmd, Pipeline, RedisError, Value};

use super::along;
use super::link::{Failure, Link, is_noscript, load, unwrapped};
use super::parse::{self, Answer};
use super::script::SCRIPTS;
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::policy::Durability;
use crate::transport::{Append, Appended, check};

/// The most names and values one scripted entry may have: Lua cannot spread more.
pub(super) const MAX_TEXTS: usize = 7000;

/// A body that no entry took goes after this time; the entry is the next command of the same write.
const UNCLAIMED_MS: u64 = 600_000;

/// Appends entries; one result for each. Where one waits for replicas, all do, and the connection stands still meanwhile.
/// What something is kept along with leaves apart from the rest: whoever gathers entries keeps them apart.
pub(super) async fn append(link: &Link, batch: &[Append]) -> Vec<Result<Appended>> {
    let mut results = Vec::with_capacity(batch.len());
    for run in batch.chunk_by(|one, next| one.along.is_some() == next.along.is_some()) {
        let kept_along = run.first().is_some_and(|entry| entry.along.is_some());
        results.extend(if kept_along { along::append(link, run).await } else { unaccompanied(link, run).await });
    }
    results
}

async fn unaccompanied(link: &Link, batch: &[Append]) -> Vec<Result<Appended>> {
    let mut results: Vec<Option<Result<Appended>>> = batch.iter().map(unfit).collect();
    let sent: Vec<usize> = (0..batch.len()).filter(|n| results[*n].is_none()).collect();
    let mut again = Vec::new();
    let mut mixed = sent.iter().any(|n| batch[*n].is_plain()) && sent.iter().any(|n| !batch[*n].is_plain());
    let mut pipeline = Pipeline::new();
    for n in &sent {
        add(&mut pipeline, &batch[*n], &mut mixed);
    }
    wait(&mut pipeline, batch, &sent);
    answer(link, &pipeline, batch, &sent, &mut results, &mut again).await;

    // The server has forgotten the script: load it, then send what it did not take, still in order.
    if !again.is_empty() {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(load(&SCRIPTS.append));
        for n in &again {
            add(&mut pipeline, &batch[*n], &mut false);
        }
        wait(&mut pipeline, batch, &again);
        let mut never = Vec::new();
        answer(link, &pipeline, batch, &again, &mut results, &mut never).await;
    }
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(unanswered()))).collect()
}

/// What can be refused without asking the server.
fn unfit(entry: &Append) -> Option<Result<Appended>> {
    if let Err(error) = check::append(entry) {
        return Some(Err(error));
    }
    let too_many = !entry.is_plain() && entry.fields.len() * 2 > MAX_TEXTS;
    too_many.then(|| Err(Error::invalid("an entry with conditions has too many fields").with_stored(Stored::No)))
}

fn add(pipeline: &mut Pipeline, entry: &Append, by_text: &mut bool) {
    if entry.is_plain() {
        pipeline.add_command(plain(entry));
        if entry.measure {
            let mut cmd = ::redis::cmd("XLEN");
            cmd.arg(&*entry.stream);
            pipeline.add_command(cmd);
        }
    } else {
        if let Some((key, body)) = &entry.body {
            let mut cmd = Cmd::with_capacity(6, body.len() + key.len() + 64);
            // A body that is there belongs to this very entry, from an attempt whose answer was lost.
            cmd.arg("SET").arg(&**key).arg(&body[..]).arg("PX").arg(UNCLAIMED_MS).arg("NX");
            pipeline.add_command(cmd);
        }
        // Between plain entries a forgotten script would cost the order, so the first one brings its text along.
        pipeline.add_command(scripted(entry, std::mem::take(by_text)));
    }
}

/// Has the server wait until replicas have what was sent before. It counts from the last write of the connection, so a
/// message id that was known already makes one.
fn wait(pipeline: &mut Pipeline, batch: &[Append], sent: &[usize]) {
    let wanted = || sent.iter().filter_map(|n| batch[*n].replicas);
    let Some(count) = wanted().map(|replicas| replicas.count).max() else { return };
    for dedupe in sent.iter().filter_map(|n| batch[*n].dedupe.as_ref()) {
        let mut cmd = ::redis::cmd("PEXPIRE");
        cmd.arg(&*dedupe.key).arg(millis(dedupe.window).max(1));
        pipeline.add_command(cmd);
    }
    let within = wanted().map(|replicas| replicas.within).max().unwrap_or_default();
    let mut cmd = ::redis::cmd("WAIT");
    // Nothing would wait for ever.
    cmd.arg(count).arg(millis(within).max(1));
    pipeline.add_command(cmd);
}

/// How many commands [`wait`] adds.
fn waits(batch: &[Append], sent: &[usize]) -> usize {
    let waits = sent.iter().any(|n| batch[*n].replicas.is_some());
    if waits { 1 + sent.iter().filter(|n| batch[**n].dedupe.is_some()).count() } else { 0 }
}

/// What a receipt may say, given how many replicas have confirmed.
fn confirmed(entry: &Append, appended: Appended, replicas: Option<u32>) -> Result<Appended> {
    let Some(wanted) = entry.replicas else { return Ok(appended) };
    let confirmed = replicas.unwrap_or(0);
    if confirmed >= wanted.count {
        return Ok(Appended { durability: Durability::Replicated(confirmed), ..appended });
    }
    Err(Error::new(
        ErrorKind::Timeout,
        format!(
            "the entry is stored, but {confirmed} of {} replicas confirmed it within {:?}; publish again under the same message id",
            wanted.count, wanted.within
        ),
    )
    .with_context("id", appended.id)
    .with_context("replicas", confirmed)
    .with_context("wanted", wanted.count)
    .with_stored(Stored::Unknown))
}

/// An entry without conditions.
pub(super) fn plain(entry: &Append) -> Cmd {
    let size = entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let mut cmd = Cmd::with_capacity(6 + 2 * entry.fields.len(), entry.stream.len() + size + 32);
    cmd.arg("XADD").arg(&*entry.stream);
    if let Some(max_len) = entry.max_len {
        cmd.arg("MAXLEN").arg("~").arg(max_len);
    }
    cmd.arg("*");
    for (name, value) in &entry.fields {
        cmd.arg(&name[..]).arg(&value[..]);
    }
    cmd
}

fn scripted(entry: &Append, by_text: bool) -> Cmd {
    let mut keys: Vec<&str> = vec![&entry.stream];
    let [consumers, marker, body] = [
        entry.fence.as_ref().map(|fence| &*fence.consumers),
        entry.dedupe.as_ref().map(|dedupe| &*dedupe.key),
        entry.body.as_ref().map(|(key, _)| &**key),
    ]
    .map(|key: Option<&str>| {
        key.map_or(0, |key| {
            keys.push(key);
            keys.len()
        })
    });

    let script = &SCRIPTS.append;
    let mut cmd = if by_text { ::redis::cmd("EVAL") } else { ::redis::cmd("EVALSHA") };
    cmd.arg(if by_text { &script.text } else { &script.hash }).arg(keys.len()).arg(&keys);
    let session = entry.fence.as_ref().map(|fence| &fence.session);
    cmd.arg(consumers)
        .arg(session.map_or("", |session| &session.identity))
        .arg(session.map_or("", |session| &session.fence.0))
        .arg(marker)
        .arg(entry.dedupe.as_ref().map_or(0, |dedupe| millis(dedupe.window).max(1)))
        .arg(body)
        .arg(entry.strict_cap.unwrap_or(0))
        .arg(entry.max_len.unwrap_or(0))
        .arg(u8::from(entry.measure));
    for (name, value) in &entry.fields {
        cmd.arg(&name[..]).arg(&value[..]);
    }
    cmd
}

/// Sends a pipeline that ends with the commands of the entries `sent`, and notes their results.
async fn answer(
    link: &Link,
    pipeline: &Pipeline,
    batch: &[Append],
    sent: &[usize],
    results: &mut [Option<Result<Appended>>],
    again: &mut Vec<usize>,
) {
    if sent.is_empty() {
        return;
    }
    let beside = |entry: &Append| if entry.is_plain() { entry.measure } else { entry.body.is_some() };
    let commands: usize = sent.iter().map(|n| 1 + usize::from(beside(&batch[*n]))).sum();
    let waits = waits(batch, sent);
    // What leaves together waits no longer for a connection than the first of them may; the others are sent again.
    let until = sent.iter().filter_map(|n| batch[*n].until).min();
    let (mut replies, durability) = match link.told(pipeline, until).await {
        Ok(told) => told,
        Err(Failure { error, stored }) => {
            for n in sent {
                results[*n] = Some(Err(error.clone().with_stored(stored)));
            }
            return;
        }
    };
    let replicas = replies.pop_if(|_| waits > 0).and_then(|reply| parse::number(&reply).ok());
    let replicas = replicas.map(|replicas| u32::try_from(replicas).unwrap_or(u32::MAX));
    let mut replies = replies.into_iter().skip(pipeline.len() - commands - waits);
    for n in sent {
        let entry = &batch[*n];
        let kept = entry.body.as_ref().map(|_| unwrapped(replies.next().unwrap_or_default()));
        let reply = unwrapped(replies.next().unwrap_or_default());
        if let Some(Err(refusal)) = kept {
            // The script has found no body and stored nothing.
            results[*n] = Some(Err(refused(link.explain(&refusal), entry)));
            continue;
        }
        if reply.as_ref().is_err_and(is_noscript) {
            again.push(*n);
            continue;
        }
        let result = if entry.is_plain() {
            let length = if entry.measure { replies.next() } else { None };
            appended(link, reply, length, entry)
        } else {
            decided(link, reply, entry)
        };
        let told = |appended: Appended| confirmed(entry, Appended { durability, ..appended }, replicas);
        results[*n] = Some(result.and_then(told));
    }
}

fn appended(link: &Link, reply: Result<Value, RedisError>, length: Option<Value>, entry: &Append) -> Result<Appended> {
    let reply = reply.map_err(|error| refused(link.explain(&error), entry))?;
    // The entry is stored; a length that cannot be read is left out.
    let len = length.and_then(|length| parse::number(&length).ok());
    Ok(Appended {
        id: parse::id(&reply).map_err(|e| e.with_stored(Stored::Unknown))?,
        duplicate: false,
        len,
        durability: Durability::Server,
    })
}

fn decided(link: &Link, reply: Result<Value, RedisError>, entry: &Append) -> Result<Appended> {
    decided_as(reply.map_err(|error| refused(link.explain(&error), entry))?, entry)
}

/// What the script answered for an entry.
pub(super) fn decided_as(reply: Value, entry: &Append) -> Result<Appended> {
    let mut answer = Answer::new(reply).map_err(|error| refused(error, entry))?;
    match answer.word.as_str() {
        word @ ("ok" | "dup") => {
            let duplicate = word == "dup";
            let id = answer.id().map_err(|e| e.with_stored(Stored::Unknown))?;
            Ok(Appended { id, duplicate, len: parse::number(&answer.next()).ok(), durability: Durability::Server })
        }
        "full" => Err(full(&entry.stream, parse::number(&answer.next()).unwrap_or_default())),
        "bodiless" => Err(Error::unavailable("the body was gone before its entry could be stored; publish again")
            .with_stored(Stored::No)),
        "stale" | "forgotten" => Err(Error::new(
            ErrorKind::Stale,
            "this delivery is no longer ours, so nothing is published for it; stop working on it",
        )
        .with_stored(Stored::No)),
        _ => answer.unexpected().map_err(|e| e.with_stored(Stored::Unknown)),
    }
}

pub(super) fn full(stream: &str, length: u64) -> Error {
    Error::new(ErrorKind::Full, format!("stream {stream:?} is full; wait for its readers, or widen its cap"))
        .with_context("stream", stream)
        .with_context("length", length)
        .with_stored(Stored::No)
}

/// A refused entry: not stored, and it is told which key was meant.
pub(super) fn refused(error: Error, entry: &Append) -> Error {
    let error = match error.kind() {
        ErrorKind::Invalid if !error.context().iter().any(|(key, _)| *key == "key") => {
            error.with_context("key", &entry.stream)
        }
        _ => error,
    };
    error.with_stored(Stored::No)
}

fn unanswered() -> Error {
    Error::unavailable("the server keeps forgetting its scripts; try again").with_stored(Stored::No)
}

/// Milliseconds, at most what the server can count.
pub(super) fn millis(duration: Duration) -> u64 {
    // 2^53: as far as a script can calculate.
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(1 << 53)
}

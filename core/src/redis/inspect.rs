//! Looking without changing anything: entries, bodies, lengths, pending lists, the server itself. And removing a
//! stream.

use ::redis::{Pipeline, Value};
use bytes::{Bytes, BytesMut};

use super::link::{Link, unwrapped};
use super::parse::{self, under};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::{GroupKeys, Name, groups_key, probe_key};
use crate::transport::{Entry, EntryId, GroupInfo, PendingInfo, ServerInfo, StreamInfo, is_shortage};

/// Entries are read in steps that start small and grow while the entries are: nobody knows their size before.
const FIRST_STEP: usize = 4;
const MOST_STEP: usize = 256;
const STEP_BYTES: usize = 256 * 1024;

/// A body above this many bytes is read in parts of this size, smaller ones together up to it.
const PART: u64 = 1024 * 1024;

/// How many entries the next step asks for, after one of `read` entries with `bytes` bytes.
fn next_step(step: usize, read: usize, bytes: usize) -> usize {
    let fit = STEP_BYTES * read.max(1) / bytes.max(1);
    fit.clamp(1, MOST_STEP.min(step * 4))
}

fn size(entry: &Entry) -> usize {
    entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// Entries by id.
pub(super) async fn read(link: &Link, stream: &Name, ids: &[EntryId]) -> Result<Vec<Option<Entry>>> {
    let mut found: Vec<Option<Entry>> = Vec::with_capacity(ids.len());
    let mut step = FIRST_STEP;
    while found.len() < ids.len() {
        let page = &ids[found.len()..ids.len().min(found.len() + step)];
        let mut pipeline = Pipeline::with_capacity(page.len());
        for id in page {
            let id = id.to_string();
            pipeline.cmd("XRANGE").arg(&**stream).arg(&id).arg(&id);
        }
        let from = found.len();
        for reply in run(link, &pipeline, stream).await? {
            found.push(parse::entries(reply)?.pop());
        }
        step = next_step(step, page.len(), found[from..].iter().flatten().map(size).sum());
    }
    Ok(found)
}

/// Entries between two ids.
pub(super) async fn range(link: &Link, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
    let (from, to) = (from.to_string(), to.to_string());
    in_steps(link, stream, count, |last| ["XRANGE".into(), beyond(last).unwrap_or(from.clone()), to.clone()]).await
}

/// Entries between two ids, from behind.
pub(super) async fn range_back(
    link: &Link,
    stream: &Name,
    from: EntryId,
    to: EntryId,
    count: usize,
) -> Result<Vec<Entry>> {
    let (from, to) = (from.to_string(), to.to_string());
    in_steps(link, stream, count, |last| ["XREVRANGE".into(), beyond(last).unwrap_or(to.clone()), from.clone()]).await
}

/// The end of a range that goes on where the last entry stood.
fn beyond(last: Option<EntryId>) -> Option<String> {
    last.map(|id| format!("({id}"))
}

/// Entries of a range in steps, `ask` being the command and its two ends after the entry read last.
async fn in_steps(
    link: &Link,
    stream: &Name,
    count: usize,
    ask: impl Fn(Option<EntryId>) -> [String; 3],
) -> Result<Vec<Entry>> {
    let mut found: Vec<Entry> = Vec::new();
    let mut step = FIRST_STEP;
    while found.len() < count {
        let most = step.min(count - found.len());
        let [command, start, end] = ask(found.last().map(|entry| entry.id));
        let mut pipeline = Pipeline::new();
        pipeline.cmd(&command).arg(&**stream).arg(start).arg(end).arg("COUNT").arg(most);
        let mut replies = run(link, &pipeline, stream).await?;
        let page = parse::entries(replies.pop().unwrap_or_default())?;
        let (read, bytes) = (page.len(), page.iter().map(size).sum());
        found.extend(page);
        if read < most {
            break;
        }
        step = next_step(step, read, bytes);
    }
    Ok(found)
}

/// Bodies kept beside their entries: no single command carries much more than a part.
pub(super) async fn bodies(link: &Link, keys: &[Name]) -> Result<Vec<Option<Bytes>>> {
    let mut bodies = Vec::with_capacity(keys.len());
    for (page, bytes) in by_size(link, keys).await? {
        match page {
            [key] if bytes > PART => bodies.push(in_parts(link, key, bytes).await?),
            page => {
                let mut cmd = ::redis::cmd("MGET");
                cmd.arg(page.iter().map(|key| &**key).collect::<Vec<_>>());
                let body = |reply| if reply == Value::Nil { Ok(None) } else { parse::bytes(reply).map(Some) };
                let replies = parse::array(link.command(&cmd).await?)?;
                bodies.extend(replies.into_iter().map(body).collect::<Result<Vec<_>>>()?);
            }
        }
    }
    Ok(bodies)
}

/// Removes bodies. The server frees a text while the command runs, so large ones go one by one.
pub(super) async fn unlink_bodies(link: &Link, keys: &[Name]) -> Result<()> {
    for (page, _) in by_size(link, keys).await? {
        let mut cmd = ::redis::cmd("UNLINK");
        cmd.arg(page.iter().map(|key| &**key).collect::<Vec<_>>());
        link.command(&cmd).await?;
    }
    Ok(())
}

/// Keys in their order, together as long as they hold no more than a part, and how much each page holds.
async fn by_size<'a>(link: &Link, keys: &'a [Name]) -> Result<Vec<(&'a [Name], u64)>> {
    let mut pages = Vec::new();
    for keys in keys.chunks(1000) {
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for key in keys {
            pipeline.cmd("STRLEN").arg(&**key);
        }
        // What is no text has no size: reading it finds nothing.
        let size = |reply| unwrapped(reply).map_or(Ok(0), |size| parse::number(&size));
        let sizes = link.pipeline(&pipeline).await?.into_iter().map(size).collect::<Result<Vec<_>>>()?;
        let (mut from, mut bytes) = (0, 0);
        for (n, size) in sizes.iter().enumerate() {
            if n > from && bytes + size > PART {
                pages.push((&keys[from..n], bytes));
                (from, bytes) = (n, 0);
            }
            bytes += size;
        }
        pages.push((&keys[from..], bytes));
    }
    Ok(pages)
}

/// A large body; `None` when it is removed meanwhile.
async fn in_parts(link: &Link, key: &Name, bytes: u64) -> Result<Option<Bytes>> {
    let mut body = BytesMut::with_capacity(usize::try_from(bytes).unwrap_or_default());
    while (body.len() as u64) < bytes {
        let from = body.len() as u64;
        let mut cmd = ::redis::cmd("GETRANGE");
        cmd.arg(&**key).arg(from).arg(from + PART - 1);
        let part = parse::bytes(link.command(&cmd).await?)?;
        if part.is_empty() {
            return Ok(None);
        }
        body.extend_from_slice(&part);
    }
    Ok(Some(body.freeze()))
}

/// A stream at a glance.
pub(super) async fn stream_info(link: &Link, stream: &Name) -> Result<StreamInfo> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("TYPE").arg(&**stream);
    pipeline.cmd("XINFO").arg("STREAM").arg(&**stream);
    pipeline.cmd("XINFO").arg("GROUPS").arg(&**stream);
    let mut replies = link.pipeline(&pipeline).await?.into_iter();
    let mut reply = || unwrapped(replies.next().unwrap_or_default()).map_err(|error| link.explain(&error));
    match parse::text(reply()?)?.as_str() {
        "stream" => {}
        "none" => return Err(missing("stream", stream)),
        other => return Err(Error::wrong_type(stream, other, "stream")),
    }
    at_a_glance(reply()?, reply()?)
}

/// A stream from `XINFO STREAM` and `XINFO GROUPS`.
pub(super) fn at_a_glance(about: Value, groups: Value) -> Result<StreamInfo> {
    let (about, rows) = (parse::array(about)?, parse::array(groups)?);
    let end = |name| match under(&about, name) {
        Value::Nil => Ok(None),
        entry => parse::row(entry).map(|(id, _)| Some(id)),
    };
    let (length, first, last) = (parse::number(&under(&about, "length"))?, end("first-entry")?, end("last-entry")?);
    let known = |row| {
        let mut group = group_info(row)?;
        // The server's count goes wrong when an entry is deleted before it was read; at the ends we know better.
        if last.is_none_or(|last| last <= group.last_delivered) {
            group.lag = Some(0);
        } else if first.is_some_and(|first| first > group.last_delivered) {
            group.lag = Some(length);
        }
        Ok(group)
    };
    Ok(StreamInfo {
        length,
        last_id: parse::id(&under(&about, "last-generated-id"))?,
        first_entry: first,
        groups: rows.into_iter().map(known).collect::<Result<_>>()?,
    })
}

fn group_info(row: Value) -> Result<GroupInfo> {
    let row = parse::array(row)?;
    Ok(GroupInfo {
        // A foreign group may have any name.
        name: String::from_utf8_lossy(&parse::bytes(under(&row, "name"))?).into_owned(),
        consumers: parse::number(&under(&row, "consumers"))?,
        pending: parse::number(&under(&row, "pending"))?,
        last_delivered: parse::id(&under(&row, "last-delivered-id"))?,
        // Missing before 7.0, and unknown after deletions in the middle.
        lag: match under(&row, "lag") {
            Value::Nil => None,
            lag => Some(parse::number(&lag)?),
        },
        time_to_loss: None,
    })
}

/// Pending entries of a group.
pub(super) async fn pending(link: &Link, stream: &Name, group: &Name) -> Result<PendingInfo> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XPENDING").arg(&**stream).arg(&**group);
    let mut replies = run(link, &pipeline, stream).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing("group", group).with_context("stream", stream),
        _ => error,
    })?;
    summed_up(replies.pop().unwrap_or_default())
}

/// The short form of `XPENDING`.
pub(super) fn summed_up(reply: Value) -> Result<PendingInfo> {
    let mut items = parse::array(reply)?.into_iter();
    let mut item = || items.next().unwrap_or_default();
    let count = parse::number(&item())?;
    let mut end = || match item() {
        Value::Nil => Ok(None),
        id => parse::id(&id).map(Some),
    };
    let (oldest, newest) = (end()?, end()?);
    let mut consumers = Vec::new();
    for row in parse::array(item())? {
        let mut row = parse::array(row)?.into_iter();
        let name = parse::bytes(row.next().unwrap_or_default())?;
        consumers.push((String::from_utf8_lossy(&name).into_owned(), parse::number(&row.next().unwrap_or_default())?));
    }
    Ok(PendingInfo { count, oldest, newest, consumers })
}

/// Removes a stream and what stands beside it under fixed names.
pub(super) async fn delete_stream(link: &Link, stream: &Name) -> Result<()> {
    let beside = groups_key(stream);
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HKEYS").arg(&*beside);
    let mut names = Vec::new();
    for reply in link.pipeline(&pipeline).await? {
        for name in parse::array(unwrapped(reply).map_err(|error| link.explain(&error))?)? {
            names.push(parse::text(name)?);
        }
    }
    match stream_info(link, stream).await {
        Ok(info) => names.extend(info.groups.into_iter().map(|group| group.name)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut unlink = ::redis::cmd("UNLINK");
    unlink.arg(&**stream).arg(&*beside);
    for name in names {
        let keys = GroupKeys::new(stream, &name);
        for key in [&keys.consumers, &keys.beats, &keys.lanes, &keys.tries, &keys.idle, &keys.mark] {
            unlink.arg(&**key);
        }
    }
    link.command(&unlink).await?;
    Ok(())
}

/// Whether a write that needs memory is taken: one is tried under a name where nothing is kept, in a form that does nothing
/// there. At full memory the server refuses it before it looks.
pub(super) async fn has_room(link: &Link, stream: &Name) -> Result<bool> {
    let mut cmd = ::redis::cmd("XADD");
    cmd.arg(&*probe_key(stream)).arg("NOMKSTREAM").arg("*").arg("f").arg("v");
    match link.command(&cmd).await {
        Ok(_) => Ok(true),
        Err(failure) if is_shortage(&failure.error) => Ok(false),
        Err(failure) => Err(failure.error),
    }
}

/// What the server is. What it does not say is empty.
pub(super) async fn ping(link: &Link) -> Result<ServerInfo> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let mut about = String::new();
    for reply in link.pipeline(&pipeline).await? {
        match unwrapped(reply).map_err(|error| link.explain(&error)) {
            Ok(reply) => about.push_str(&parse::text(reply)?),
            // It answers, and does not say what it is.
            Err(error) if error.kind() == ErrorKind::Auth => {}
            Err(error) => return Err(error),
        }
    }
    Ok(server(&about))
}

/// A server from its `INFO`.
pub(super) fn server(about: &str) -> ServerInfo {
    let value = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    // Valkey also gives the version of Redis that it is compatible with.
    let (name, version) = match value("valkey_version") {
        Some(version) => ("valkey", Some(version)),
        None => ("redis", value("redis_version")),
    };
    let ids = value("run_id").zip(value("master_replid"));
    ServerInfo {
        name: name.to_owned(),
        version: version.unwrap_or_default().to_owned(),
        run_id: ids.map(|(run, replication)| format!("{run}/{replication}")).unwrap_or_default(),
        primary: value("role").map(|role| role == "master"),
    }
}

/// Runs a pipeline over one stream; the first error reply is the answer.
async fn run(link: &Link, pipeline: &Pipeline, stream: &Name) -> Result<Vec<Value>> {
    let replies = link.pipeline(pipeline).await?;
    let explain = |error| {
        let error = link.explain(&error);
        if error.kind() == ErrorKind::Invalid { error.with_context("key", stream) } else { error }
    };
    replies.into_iter().map(|reply| unwrapped(reply).map_err(explain)).collect()
}

fn missing(what: &str, name: &Name) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what} {name:?}; create it first, or correct the name"))
        .with_context(if what == "stream" { "stream" } else { "group" }, name)
}

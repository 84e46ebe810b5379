//! Looking without changing anything: entries, bodies, lengths, pending lists, the server itself. And removing a
//! stream.

use ::redis::{Pipeline, Value};
use bytes::Bytes;

use super::error::wrong_type;
use super::link::{Link, unwrapped};
use super::parse::{self, under};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::{GroupKeys, Name, groups_key};
use crate::transport::{Entry, EntryId, GroupInfo, PendingInfo, ServerInfo, StreamInfo};

/// Entries by id.
pub(super) async fn read(link: &Link, stream: &Name, ids: &[EntryId]) -> Result<Vec<Option<Entry>>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::with_capacity(ids.len());
    for id in ids {
        let id = id.to_string();
        pipeline.cmd("XRANGE").arg(&**stream).arg(&id).arg(&id);
    }
    let replies = run(link, &pipeline, stream).await?;
    replies.into_iter().map(|reply| Ok(parse::entries(reply)?.pop())).collect()
}

/// Entries between two ids.
pub(super) async fn range(link: &Link, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("XRANGE").arg(&**stream).arg(from.to_string()).arg(to.to_string()).arg("COUNT").arg(count);
    let mut replies = run(link, &pipeline, stream).await?;
    parse::entries(replies.pop().unwrap_or_default())
}

/// Bodies kept beside their entries.
pub(super) async fn bodies(link: &Link, keys: &[Name]) -> Result<Vec<Option<Bytes>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut cmd = ::redis::cmd("MGET");
    for key in keys {
        cmd.arg(&**key);
    }
    let replies = parse::array(link.command(&cmd).await?)?;
    let body = |reply| if reply == Value::Nil { Ok(None) } else { parse::bytes(reply).map(Some) };
    replies.into_iter().map(body).collect()
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
        other => return Err(wrong_type(stream, other, "stream")),
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

/// What the server is.
pub(super) async fn ping(link: &Link) -> Result<ServerInfo> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let mut about = String::new();
    for reply in link.pipeline(&pipeline).await? {
        about.push_str(&parse::text(unwrapped(reply).map_err(|error| link.explain(&error))?)?);
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
    let run_id = format!("{}/{}", value("run_id").unwrap_or_default(), value("master_replid").unwrap_or_default());
    ServerInfo { name: name.to_owned(), version: version.unwrap_or_default().to_owned(), run_id }
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

//! Strays: what foreign and forgotten consumers left, and what is pending for nobody.

use ::redis::{Pipeline, Value};

use super::append::millis;
use super::fetch::{call, flag, is_acked};
use super::link::{Link, unwrapped};
use super::parse::{self, Answer};
use super::script::SCRIPTS;
use crate::error::{Error, ErrorKind, Result};
use crate::topology::{Name, groups_key};
use crate::transport::{EntryId, GONE, Gather, Gathered, Group, Refusal, Session, StrayPage};

/// One page of strays.
pub(super) async fn gather(
    link: &Link,
    group: &Group,
    session: &Session,
    request: &Gather,
) -> Result<Result<Gathered, Refusal>> {
    let page = match &request.page {
        Some(page) => Some(page.clone()),
        None => match strange(link, group).await? {
            Ok(names) => first_page(group, names.into_iter().next()),
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    let Some(page) = page else { return Ok(Ok(Gathered::default())) };
    let (keys, groups) = (&group.keys, groups_key(&group.stream));
    let mut cmd =
        call(&SCRIPTS.gather, &[&group.stream, &keys.consumers, &keys.lanes, &keys.beats, &groups, &keys.tries]);
    cmd.arg(&*group.name)
        .arg(&*session.identity)
        .arg(&*session.fence.0)
        .arg(page.of.as_deref().unwrap_or_default())
        .arg(page.after.to_string())
        .arg(millis(request.min_idle))
        .arg(group.ordering.as_str())
        .arg(flag(group.order_unaddressed))
        .arg(flag(group.notices_deletions()));
    let mut answer = Answer::new(link.script(&SCRIPTS.gather, &cmd).await?)?;
    if let Some(refusal) = answer.refusal() {
        return Ok(Err(refusal));
    }
    if answer.word != "ok" {
        return answer.unexpected();
    }
    let last = answer.text()?;
    let (taken, vanished) = (ids(answer.next())?, ids(answer.next())?);
    let next = match (last.parse(), page.of) {
        (Ok(after), of) => Some(StrayPage { of, after }),
        (Err(_), Some(done)) => match strange(link, group).await? {
            Ok(names) => first_page(group, names.into_iter().find(|name| *name > done)),
            Err(_) => None,
        },
        (Err(_), None) => None,
    };
    Ok(Ok(Gathered { next, taken, vanished }))
}

/// The first page of a consumer, or of what is pending for nobody, which comes last.
fn first_page(group: &Group, consumer: Option<Name>) -> Option<StrayPage> {
    (consumer.is_some() || is_acked(group)).then_some(StrayPage { of: consumer, after: EntryId::ZERO })
}

/// Consumers without registration that hold something, by name.
async fn strange(link: &Link, group: &Group) -> Result<Result<Vec<Name>, Refusal>> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HKEYS").arg(&*group.keys.consumers);
    pipeline.cmd("XPENDING").arg(&*group.stream).arg(&*group.name);
    let Some((registered, pending)) = look(link, group, &pipeline).await? else { return Ok(Err(Refusal::GroupLost)) };
    let rows = parse::array(pending.into_iter().nth(3).unwrap_or_default())?;
    let name = |row| Ok(parse::array(row)?.into_iter().next().unwrap_or_default());
    let names = rows.into_iter().map(name).collect::<Result<Vec<_>>>()?;
    Ok(Ok(unregistered(&registered, names)))
}

/// Those of the names that are not registered, sorted. A name that is not text is none that we could ask for.
fn unregistered(registered: &[Value], names: Vec<Value>) -> Vec<Name> {
    let mut names: Vec<Name> = names
        .into_iter()
        .filter(|name| !registered.contains(name))
        .filter_map(|name| parse::text(name).ok().map(Name::from))
        .collect();
    names.sort();
    names
}

/// The answers to the registrations and to a question about the group; nothing when there is no such group.
async fn look(link: &Link, group: &Group, pipeline: &Pipeline) -> Result<Option<(Vec<Value>, Vec<Value>)>> {
    let mut replies = link.pipeline(pipeline).await?.into_iter();
    let mut array = || -> Result<Vec<Value>> {
        let reply = unwrapped(replies.next().unwrap_or_default());
        parse::array(reply.map_err(|error| link.explain(&error).with_context("stream", &group.stream))?)
    };
    let registered = array()?;
    match array() {
        Ok(about) => Ok(Some((registered, about))),
        Err(error) if error.kind() == ErrorKind::NotFound || missing_key(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `XINFO` says "no such key" where other commands say that there is no group.
fn missing_key(error: &Error) -> bool {
    error.message().contains("no such key")
}

/// The consumers that are not registered.
pub(super) async fn survey(link: &Link, group: &Group) -> Result<Vec<Name>> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HKEYS").arg(&*group.keys.consumers);
    pipeline.cmd("XINFO").arg("CONSUMERS").arg(&*group.stream).arg(&*group.name);
    let Some((registered, rows)) = look(link, group, &pipeline).await? else { return Ok(Vec::new()) };
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for row in rows {
        let row = parse::array(row)?;
        let (pending, idle) =
            (parse::number(&parse::under(&row, "pending"))?, parse::number(&parse::under(&row, "idle"))?);
        let is_gone = pending == 0 && u128::from(idle) >= GONE.as_millis();
        if is_gone { &mut gone } else { &mut here }.push(parse::under(&row, "name"));
    }
    let (here, gone) = (unregistered(&registered, here), unregistered(&registered, gone));
    let (keys, groups) = (&group.keys, groups_key(&group.stream));
    let mut cmd = call(&SCRIPTS.survey, &[&group.stream, &keys.consumers, &keys.beats, &groups]);
    cmd.arg(&*group.name).arg(flag(!here.is_empty() || !gone.is_empty()));
    for name in gone.iter().take(100) {
        cmd.arg(&**name);
    }
    let answer = Answer::new(link.script(&SCRIPTS.survey, &cmd).await?)?;
    match answer.refusal() {
        None if answer.word != "ok" => answer.unexpected(),
        _ => Ok(here),
    }
}

/// Resets the idle times of a page.
pub(super) async fn refresh(
    link: &Link,
    group: &Group,
    session: &Session,
    after: EntryId,
) -> Result<Result<Option<EntryId>, Refusal>> {
    let mut cmd = call(&SCRIPTS.refresh, &[&group.stream, &group.keys.consumers]);
    cmd.arg(&*group.name).arg(&*session.identity).arg(&*session.fence.0).arg(after.to_string());
    let mut answer = Answer::new(link.script(&SCRIPTS.refresh, &cmd).await?)?;
    match answer.refusal() {
        Some(refusal) => Ok(Err(refusal)),
        None if answer.word == "ok" => Ok(Ok(answer.text()?.parse().ok())),
        None => answer.unexpected(),
    }
}

fn ids(reply: Value) -> Result<Vec<EntryId>> {
    parse::array(reply)?.iter().map(parse::id).collect()
}

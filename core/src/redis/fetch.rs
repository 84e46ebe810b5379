//! Fetching, and marking entries as started.

use ::redis::{Cmd, Value};

use super::append::millis;
use super::link::Link;
use super::parse::{self, Answer};
use super::plain;
use super::script::{SCRIPTS, Script};
use crate::envelope;
use crate::error::Result;
use crate::topology::{field, groups_key};
use crate::transport::{
    EntryId, Fetch, Fetched, Fields, Group, Handed, Hint, Lane, Record, Refusal, Retention, Session, check,
};

/// A script call with its keys; arguments follow.
pub(super) fn call(script: &Script, keys: &[&str]) -> Cmd {
    let mut cmd = ::redis::cmd("EVALSHA");
    cmd.arg(&script.hash).arg(keys.len()).arg(keys);
    cmd
}

/// `1` for yes.
pub(super) fn flag(on: bool) -> u8 {
    u8::from(on)
}

/// Whether entries go once they are finished.
pub(super) fn is_acked(group: &Group) -> bool {
    matches!(group.retention, Retention::Acked { .. })
}

/// Hands out entries.
pub(super) async fn fetch(
    link: &Link,
    group: &Group,
    session: &Session,
    request: &Fetch,
) -> Result<Result<Fetched, Refusal>> {
    check::fetch(request)?;
    if plain::suits(group, request) {
        let rows = plain::fetch(link, group, session, request).await?;
        if !rows.is_empty() {
            let entries = rows.into_iter().map(|(id, fields)| {
                let lane = lane_of(group, fields.as_ref());
                Handed { id, fields, lane, history: false, record: None }
            });
            return Ok(Ok(Fetched { entries: entries.collect(), hint: None }));
        }
    }
    handed_out(group, link.script(&SCRIPTS.fetch, &command(group, session, request)).await?)
}

/// The script call for a fetch.
pub(super) fn command(group: &Group, session: &Session, request: &Fetch) -> Cmd {
    let (keys, groups) = (&group.keys, groups_key(&group.stream));
    let mut cmd = call(
        &SCRIPTS.fetch,
        &[&group.stream, &keys.consumers, &keys.lanes, &keys.tries, &keys.idle, &keys.beats, &groups],
    );
    cmd.arg(&*group.name)
        .arg(&*session.identity)
        .arg(&*session.fence.0)
        .arg(request.cursor.to_string())
        .arg(request.count)
        .arg(request.max_bytes.max(1))
        .arg(flag(request.new))
        .arg(group.ordering.as_str())
        .arg(flag(group.order_unaddressed))
        .arg(&*keys.bell)
        .arg(flag(group.notices_deletions()))
        .arg(flag(request.wary));
    cmd
}

/// What a fetch was answered.
pub(super) fn handed_out(group: &Group, reply: Value) -> Result<Result<Fetched, Refusal>> {
    let mut answer = Answer::new(reply)?;
    if let Some(refusal) = answer.refusal() {
        return Ok(Err(refusal));
    }
    let nothing = |hint| Ok(Ok(Fetched { entries: Vec::new(), hint: Some(hint) }));
    match answer.word.as_str() {
        "ok" => {}
        "torn" => return nothing(Hint::Gather),
        "back" => return nothing(Hint::Back(answer.id()?)),
        _ => return answer.unexpected(),
    }
    let history = parse::number(&answer.next())?;
    let rows = parse::array(answer.next())?;
    let lanes = parse::array(answer.next())?;
    let mut records = parse::array(answer.next())?.into_iter();
    let mut entries = Vec::with_capacity(rows.len());
    for (row, lane) in rows.into_iter().zip(lanes) {
        let (id, fields) = parse::row(row)?;
        let history = (entries.len() as u64) < history;
        let record = if history { parse::record(records.next().unwrap_or_default())? } else { None };
        let lane = match lane {
            _ if !group.ordering.routes() => lane_of(group, fields.as_ref()),
            Value::Int(0) => None,
            Value::Int(_) => fields.as_deref().and_then(|f| crate::transport::field(f, field::KEY)).cloned(),
            named => Some(parse::bytes(named)?),
        };
        entries.push(Handed { id, fields, lane, history, record });
    }
    let hint = match answer.text()?.as_str() {
        "watch" => Some(Hint::Watch(answer.id()?)),
        "rest" => Some(Hint::Rest),
        _ => None,
    };
    Ok(Ok(Fetched { entries, hint }))
}

/// The lane of an entry that the server did not route by it.
fn lane_of(group: &Group, fields: Option<&Fields>) -> Option<Lane> {
    let fields = fields.filter(|_| group.ordering.keeps_lanes())?;
    envelope::lane_of(fields, group.order_unaddressed).ok().flatten()
}

/// Marks entries as started.
pub(super) async fn begin(
    link: &Link,
    group: &Group,
    session: &Session,
    starts: &[(EntryId, Record)],
) -> Result<Result<(), Refusal>> {
    check::batch(starts.len())?;
    let keys = &group.keys;
    let mut cmd = call(&SCRIPTS.begin, &[&group.stream, &keys.consumers, &keys.tries]);
    cmd.arg(&*group.name).arg(&*session.identity).arg(&*session.fence.0);
    for (id, record) in starts {
        cmd.arg(id.to_string());
        add_record(&mut cmd, record);
    }
    let answer = Answer::new(link.script(&SCRIPTS.begin, &cmd).await?)?;
    match answer.refusal() {
        Some(refusal) => Ok(Err(refusal)),
        None if answer.word == "ok" => Ok(Ok(())),
        None => answer.unexpected(),
    }
}

pub(super) fn add_record(cmd: &mut Cmd, record: &Record) {
    cmd.arg(record.starts).arg(record.flags()).arg(millis(record.due_in));
}

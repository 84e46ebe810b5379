//! Fetching and settling: the two calls on which the load lies. One round trip each.

use ::redis::{Cmd, Value};

use super::append::{MAX_TEXTS, millis};
use super::link::Link;
use super::parse::{self, Answer};
use super::script::{SCRIPTS, Script};
use crate::error::{Error, Result};
use crate::topology::{field, groups_key};
use crate::transport::{
    EntryId, Fetch, Fetched, Group, Handed, Hint, Lane, MAX_BATCH, Record, Refusal, Retention, Session, Settle,
    SettleResult, Settled, Verdict,
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

fn check_batch(size: usize) -> Result<()> {
    if size > MAX_BATCH {
        return Err(Error::invalid(format!("at most {MAX_BATCH} entries a call, not {size}")));
    }
    Ok(())
}

/// Hands out entries.
pub(super) async fn fetch(
    link: &Link,
    group: &Group,
    session: &Session,
    request: &Fetch,
) -> Result<Result<Fetched, Refusal>> {
    if request.count == 0 {
        return Err(Error::invalid(format!("count is 1 to {MAX_BATCH}, not 0")));
    }
    check_batch(request.count)?;
    let keys = &group.keys;
    let mut cmd = call(&SCRIPTS.fetch, &[&group.stream, &keys.consumers, &keys.lanes, &keys.tries, &keys.idle]);
    cmd.arg(&*group.name)
        .arg(&*session.identity)
        .arg(&*session.fence.0)
        .arg(request.cursor.to_string())
        .arg(request.count)
        .arg(request.max_bytes.max(1))
        .arg(flag(request.new))
        .arg(group.ordering.as_str())
        .arg(flag(group.order_unaddressed))
        .arg(&*keys.bell);
    let mut answer = Answer::new(link.script(&SCRIPTS.fetch, &cmd).await?)?;
    if let Some(refusal) = answer.refusal() {
        return Ok(Err(refusal));
    }
    if answer.word != "ok" {
        return answer.unexpected();
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

/// Records outcomes.
pub(super) async fn settle(
    link: &Link,
    group: &Group,
    session: &Session,
    batch: &[Settle],
) -> Result<Result<Settled, Refusal>> {
    check_batch(batch.len())?;
    let groups = groups_key(&group.stream);
    let call = SettleCall::new(group, &groups, batch)?;
    let cmd = call.command(group, session, batch);
    let mut answer = Answer::new(link.script(&SCRIPTS.settle, &cmd).await?)?;
    if let Some(refusal) = answer.refusal() {
        return Ok(Err(refusal));
    }
    if answer.word != "ok" {
        return answer.unexpected();
    }
    let letters = parse::bytes(answer.next())?;
    if letters.len() != batch.len() {
        return Err(Error::internal("a settle was answered for another number of entries"));
    }
    let result = |letter: &u8| if *letter == b's' { SettleResult::Stale } else { SettleResult::Done };
    let results = letters.iter().map(result).collect();
    let mut lanes = Vec::new();
    for (lane, count) in call.lanes.into_iter().zip(parse::array(answer.next())?) {
        let count = parse::number(&count)?;
        if count > 0 {
            lanes.push((lane.clone(), count));
        }
    }
    Ok(Ok(Settled { results, lanes }))
}

/// The parts of a settle that are named once and referred to by number.
struct SettleCall<'a> {
    keys: Vec<&'a str>,
    dead_streams: usize,
    lanes: Vec<&'a Lane>,
    /// For each entry its lane's number, from 1; 0 without lane.
    lane_of: Vec<usize>,
}

impl<'a> SettleCall<'a> {
    fn new(group: &'a Group, groups: &'a str, batch: &'a [Settle]) -> Result<Self> {
        let names = &group.keys;
        let mut keys: Vec<&str> =
            vec![&group.stream, &names.consumers, &names.lanes, &names.tries, &names.mark, groups];
        let fixed = keys.len();
        for settle in batch {
            if let Verdict::Dead { stream, fields } = &settle.verdict {
                if fields.is_empty() || fields.len() * 2 > MAX_TEXTS {
                    return Err(Error::invalid("a dead letter has no fields or too many"));
                }
                if !keys[fixed..].contains(&&**stream) {
                    keys.push(stream);
                }
            }
        }
        let dead_streams = keys.len() - fixed;
        keys.extend(batch.iter().filter_map(|settle| settle.body.as_deref()));

        let mut lanes: Vec<&Lane> = Vec::new();
        let mut numbers = std::collections::HashMap::new();
        let lane_of = batch
            .iter()
            .map(|settle| {
                settle.lane.as_ref().map_or(0, |lane| {
                    *numbers.entry(lane).or_insert_with(|| {
                        lanes.push(lane);
                        lanes.len()
                    })
                })
            })
            .collect();
        Ok(Self { keys, dead_streams, lanes, lane_of })
    }

    fn command(&self, group: &Group, session: &Session, batch: &[Settle]) -> Cmd {
        let fixed = 6;
        let looked_up = |settle: &&Settle| settle.lane.is_none() || !matches!(settle.verdict, Verdict::Ack);
        let ids = || batch.iter().filter(looked_up).map(|settle| settle.id);
        let mut cmd = call(&SCRIPTS.settle, &self.keys);
        cmd.arg(&*group.name)
            .arg(&*session.identity)
            .arg(&*session.fence.0)
            .arg(flag(is_acked(group)))
            .arg(self.dead_streams)
            .arg(self.lanes.len())
            .arg(batch.len())
            .arg(ids().min().unwrap_or_default().to_string())
            .arg(ids().max().unwrap_or_default().to_string())
            .arg(ids().count());
        for lane in &self.lanes {
            cmd.arg(&lane[..]);
        }
        let mut body = fixed + self.dead_streams;
        for (settle, lane) in batch.iter().zip(&self.lane_of) {
            cmd.arg(settle.id.to_string()).arg(lane);
            if settle.body.is_some() {
                body += 1;
                cmd.arg(body);
            } else {
                cmd.arg(0);
            }
            match &settle.verdict {
                Verdict::Ack => {
                    cmd.arg("a");
                }
                Verdict::Retry(record) => {
                    cmd.arg("r");
                    add_record(&mut cmd, record);
                }
                Verdict::Dead { stream, fields } => {
                    let streams = &self.keys[fixed..fixed + self.dead_streams];
                    let place = streams.iter().position(|key| *key == &**stream).unwrap_or_default();
                    cmd.arg("d").arg(fixed + 1 + place).arg(fields.len() * 2);
                    for (name, value) in fields {
                        cmd.arg(&name[..]).arg(&value[..]);
                    }
                }
            }
        }
        cmd
    }
}

/// Marks entries as started.
pub(super) async fn begin(
    link: &Link,
    group: &Group,
    session: &Session,
    starts: &[(EntryId, Record)],
) -> Result<Result<(), Refusal>> {
    check_batch(starts.len())?;
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

fn add_record(cmd: &mut Cmd, record: &Record) {
    cmd.arg(record.starts).arg(record.flags()).arg(millis(record.due_in));
}

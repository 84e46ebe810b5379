//! The least that a client can do: read 100, acknowledge 100; nothing decoded, no order, no retries.

use redis::Value;

use crate::Result;
use crate::lab::{Lab, Sample, expect};
use crate::load::Spread;

const BATCH: usize = 100;

pub(crate) fn batches(lab: &Lab, messages: usize) -> Result<Sample> {
    lab.fill(messages, Spread::Uniform)?;
    lab.make_group()?;
    let mut connection = redis::Client::open(lab.url())?.get_connection()?;
    let meter = lab.meter()?;
    let mut read = 0;
    loop {
        let ids = ids(fetch(lab, BATCH).query(&mut connection)?)?;
        if ids.is_empty() {
            break;
        }
        let mut ack = redis::cmd("XACK");
        ack.arg(lab.stream()).arg(lab.group());
        for id in &ids {
            ack.arg(&id[..]);
        }
        let acked: usize = ack.query(&mut connection)?;
        expect("entries of a batch that were acknowledged", acked, ids.len())?;
        read += acked;
    }
    let used = meter.stop()?;
    expect("entries read", read, messages)?;
    expect("entries pending", lab.pending()?, 0)?;
    Ok(used.over(messages, 0))
}

/// The command that reads new entries.
pub(crate) fn fetch(lab: &Lab, count: usize) -> redis::Cmd {
    let mut cmd = redis::cmd("XREADGROUP");
    cmd.arg("GROUP").arg(lab.group()).arg("bench").arg("COUNT").arg(count);
    cmd.arg("STREAMS").arg(lab.stream()).arg(">");
    cmd
}

fn ids(reply: Value) -> Result<Vec<Vec<u8>>> {
    entries(reply)?.into_iter().map(|(id, _)| Ok(id)).collect()
}

/// Id and fields of each entry that was read.
pub(crate) fn entries(reply: Value) -> Result<Vec<(Vec<u8>, Vec<Value>)>> {
    if reply == Value::Nil {
        return Ok(Vec::new());
    }
    let stream = array(reply)?.pop().ok_or("no stream in the answer")?;
    let rows = array(stream)?.pop().ok_or("no entries in the answer")?;
    let entry = |row: Value| {
        let mut row = array(row)?.into_iter();
        match (row.next(), row.next()) {
            (Some(Value::BulkString(id)), Some(fields)) => Ok((id, array(fields)?)),
            other => Err(format!("not an entry: {other:?}").into()),
        }
    };
    array(rows)?.into_iter().map(entry).collect()
}

fn array(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(format!("not a list: {other:?}").into()),
    }
}

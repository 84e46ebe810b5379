//! Operations on keys that can be carried out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;

use super::super::{Kind, MAX_BATCH_BYTES, MAX_COUNTER, MAX_ITEMS, MAX_KEY, Op, When};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::Name;

/// A batch whose names, sizes, counts and numbers are within bounds, and in which every key is of one kind.
pub(crate) fn ops(ops: &[Op]) -> Result<()> {
    items("operations", ops.len())?;
    let mut kinds: HashMap<&Name, Kind> = HashMap::new();
    let mut bytes = 0;
    for op in ops {
        bytes += size(op);
        one(op)?;
        for key in op.keys() {
            let Some(kind) = op.kind() else { continue };
            if *kinds.entry(key).or_insert(kind) != kind {
                return Err(Error::invalid(format!("one batch uses key {key:?} for two kinds of values"))
                    .with_context("key", key));
            }
        }
    }
    if bytes > MAX_BATCH_BYTES {
        let text = format!("{bytes} bytes in one batch; at most {MAX_BATCH_BYTES} are taken, so send them in parts");
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    counters(ops)
}

/// A tail that asks for something.
pub(crate) fn tail(stream: &Name, count: usize) -> Result<()> {
    name("stream", stream)?;
    asked(count)
}

/// Text that can be counted on from, as the server sees it.
pub(crate) fn is_counter(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = matches!(digits, [b'1'..=b'9', rest @ ..] if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit));
    plain || text == b"0"
}

fn one(op: &Op) -> Result<()> {
    for key in op.keys() {
        name("key", key)?;
    }
    match op {
        Op::Require { of, .. } => match &**of {
            Op::Exists { .. } | Op::HashExists { .. } | Op::SetContains { .. } => one(of),
            _ => Err(Error::invalid("a condition asks whether there is a key, a field of a hash or a member of a set")
                .with_context("argument", "of")),
        },
        Op::Delete { keys } => items("keys", keys.len()),
        Op::Set { ttl, .. } => lasting(*ttl),
        Op::Increment { by, ttl, .. } => step(*by).and_then(|()| lasting(*ttl)),
        Op::HashIncrement { by, .. } => step(*by),
        Op::Expire { ttl, .. } => lasting(Some(*ttl)),
        Op::HashSet { fields, ttl, .. } => items("fields", fields.len()).and_then(|()| lasting(*ttl)),
        Op::HashDelete { fields, .. } => items("fields", fields.len()),
        Op::SetAdd { members, ttl, .. } => items("members", members.len()).and_then(|()| lasting(*ttl)),
        Op::SetRemove { members, .. } | Op::SortedRemove { members, .. } => items("members", members.len()),
        Op::SortedAdd { members, ttl, .. } => {
            items("members", members.len())?;
            members.iter().try_for_each(|(_, score)| number("score", *score))?;
            lasting(*ttl)
        }
        Op::SortedRange { from, to, count, .. } => {
            number("from", *from)?;
            number("to", *to)?;
            asked(*count)
        }
        Op::ListPush { values, ttl, .. } => items("values", values.len()).and_then(|()| lasting(*ttl)),
        Op::Notify { channel, .. } => name("channel", channel),
        Op::LogAppend { fields, options, .. } => {
            items("fields", fields.len())?;
            if options.max_len == Some(0) {
                return Err(Error::invalid("max_len is 1 or more; leave it out to keep everything")
                    .with_context("argument", "max_len"));
            }
            lasting(options.ttl)
        }
        Op::LogRead { count, .. } => asked(*count),
        _ => Ok(()),
    }
}

/// A counter is written by one operation of a batch only, so that whether it can be is known before the first write.
fn counters(ops: &[Op]) -> Result<()> {
    let mut seen: HashSet<(&Name, Option<&Bytes>)> = HashSet::new();
    for op in ops {
        let counter = match op {
            Op::Increment { key, .. } => (key, None),
            Op::HashIncrement { key, field, .. } => (key, Some(field)),
            _ => continue,
        };
        if !seen.insert(counter) {
            return Err(twice(counter.0));
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    let touches = |key: &Name, field: Option<&Bytes>| match field {
        Some(field) => seen.contains(&(key, Some(field))),
        None => seen.iter().any(|(known, _)| *known == key),
    };
    for op in ops {
        let written = match op {
            Op::Set { key, .. } | Op::DeleteEqual { key, .. } => Some(key).filter(|key| touches(key, None)),
            Op::Delete { keys } => keys.iter().find(|key| touches(key, None)),
            Op::HashSet { key, fields, .. } => {
                Some(key).filter(|key| fields.iter().any(|(field, _)| touches(key, Some(field))))
            }
            Op::HashDelete { key, fields } => Some(key).filter(|key| fields.iter().any(|f| touches(key, Some(f)))),
            Op::HashSetAbsent { key, field, .. } => Some(key).filter(|key| touches(key, Some(field))),
            _ => None,
        };
        if let Some(key) = written {
            return Err(twice(key));
        }
    }
    Ok(())
}

fn twice(key: &Name) -> Error {
    Error::invalid(format!("one batch writes the counter in key {key:?} twice; use one operation, or two batches"))
        .with_context("key", key)
}

fn name(what: &'static str, name: &Name) -> Result<()> {
    if name.is_empty() || name.len() > MAX_KEY {
        let text = format!("the name of a {what} is text of 1 to {MAX_KEY} bytes, not of {}", name.len());
        return Err(Error::invalid(text).with_context("argument", what));
    }
    Ok(())
}

fn items(what: &'static str, len: usize) -> Result<()> {
    if len == 0 || len > MAX_ITEMS {
        let text = format!("1 to {MAX_ITEMS} {what} in one call, not {len}");
        return Err(Error::invalid(text).with_context("argument", what));
    }
    Ok(())
}

fn asked(count: usize) -> Result<()> {
    if count == 0 || count > MAX_ITEMS {
        let text = format!("count is 1 to {MAX_ITEMS}, not {count}");
        return Err(Error::invalid(text).with_context("argument", "count"));
    }
    Ok(())
}

fn lasting(ttl: Option<Duration>) -> Result<()> {
    if ttl.is_some_and(|ttl| ttl < Duration::from_millis(1)) {
        return Err(Error::invalid("ttl is a millisecond or more; leave it out to keep the key for ever")
            .with_context("argument", "ttl"));
    }
    Ok(())
}

fn step(by: i64) -> Result<()> {
    if by.unsigned_abs() > MAX_COUNTER.unsigned_abs() {
        let text = format!("by is within ±{MAX_COUNTER}, not {by}");
        return Err(Error::invalid(text).with_context("argument", "by"));
    }
    Ok(())
}

fn number(what: &'static str, value: f64) -> Result<()> {
    if value.is_nan() {
        return Err(Error::invalid(format!("{what} is a number, not NaN")).with_context("argument", what));
    }
    Ok(())
}

/// Bytes that it carries to the server.
fn size(op: &Op) -> usize {
    let pairs = |fields: &[(Bytes, Bytes)]| fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    let all = |values: &[Bytes]| values.iter().map(Bytes::len).sum();
    let names: usize = op.keys().iter().map(|key| key.len()).sum();
    let own = match op {
        Op::Require { of, .. } => return size(of),
        Op::Set { value, when, .. } => value.len() + if let When::Equal(expected) = when { expected.len() } else { 0 },
        Op::DeleteEqual { expected, .. } => expected.len(),
        Op::HashGet { field, .. } | Op::HashExists { field, .. } | Op::HashIncrement { field, .. } => field.len(),
        Op::HashSet { fields, .. } | Op::LogAppend { fields, .. } => pairs(fields),
        Op::HashSetAbsent { field, value, .. } => field.len() + value.len(),
        Op::HashDelete { fields, .. } => all(fields),
        Op::SetAdd { members, .. } | Op::SetRemove { members, .. } | Op::SortedRemove { members, .. } => all(members),
        Op::SetContains { member, .. } => member.len(),
        Op::SortedAdd { members, .. } => members.iter().map(|(member, _)| member.len() + 8).sum(),
        Op::ListPush { values, .. } => all(values),
        Op::Notify { channel, payload } => channel.len() + payload.len(),
        _ => 0,
    };
    names + own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::EntryId;

    fn set(key: &str) -> Op {
        Op::Set { key: key.into(), value: "v".into(), ttl: None, when: When::Always }
    }

    #[test]
    fn counters_are_whole_numbers_as_the_server_writes_them() {
        for good in ["0", "1", "-1", "999999999999999999", "-999999999999999999"] {
            assert!(is_counter(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "-0", "01", "+1", "1.0", " 1", "1000000000000000000", "x"] {
            assert!(!is_counter(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_names_the_argument() {
        let argument = |op: Op| ops(&[op]).unwrap_err().context()[0].1.clone();
        assert_eq!(argument(set("")), "key");
        assert_eq!(argument(Op::Delete { keys: Vec::new() }), "keys");
        assert_eq!(argument(set("k").required(true)), "of");
        assert_eq!(argument(Op::Exists { key: "".into() }.required(true)), "key");
        assert_eq!(argument(Op::Increment { key: "k".into(), by: i64::MIN, ttl: None }), "by");
        assert_eq!(argument(Op::Expire { key: "k".into(), ttl: Duration::ZERO }), "ttl");
        assert_eq!(argument(Op::LogRead { stream: "k".into(), after: EntryId::ZERO, count: 0 }), "count");
        let scored = vec![("m".into(), f64::NAN)];
        assert_eq!(argument(Op::SortedAdd { key: "k".into(), members: scored, ttl: None }), "score");
        let big = Op::Notify { channel: "c".into(), payload: vec![0; MAX_BATCH_BYTES].into() };
        assert_eq!(ops(&[big]).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_key_is_of_one_kind_and_a_counter_is_written_once() {
        let by = |field: &'static str| Op::HashIncrement { key: "h".into(), field: field.into(), by: 1 };
        ops(&[by("a"), by("b"), set("k")]).unwrap();
        assert!(ops(&[by("a"), by("a")]).is_err());
        assert!(ops(&[by("a"), Op::Delete { keys: vec!["h".into()] }]).is_err());
        assert!(ops(&[by("a"), set("h")]).is_err());
        ops(&[set("k"), Op::Delete { keys: vec!["k".into()] }, set("k")]).unwrap();
    }
}

//! Operations on keys: everything that may refuse is looked at before the first one is carried out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::keys::{Held, Score, Sorted};
use super::state::{Now, State};
use super::{Engine, look};
use crate::error::{Error, Result, Stored};
use crate::topology::Name;
use crate::transport::{Answer, EntryId, MAX_COUNTER, Op, When, check, no_memory, not_met};

/// Carries operations out.
pub(super) fn apply(engine: &Engine, state: &mut State, ops: Vec<Op>, now: Now) -> Result<Vec<Answer>> {
    check::ops(&ops)?;
    for op in &ops {
        for key in op.keys() {
            if let (Some(wanted), Some(found)) = (op.kind(), state.kind(key))
                && wanted != found
            {
                return Err(check::wrong_type(key, found.as_str(), wanted.as_str()));
            }
        }
        let (key, held, by) = match op {
            Op::Increment { key, by, .. } => (key, text(state, key), *by),
            Op::HashIncrement { key, field, by } => (key, hash(state, key).and_then(|fields| fields.get(field)), *by),
            _ => continue,
        };
        if held.is_some_and(|held| !check::is_counter(held)) {
            return Err(check::wrong_type(key, "text", "whole number"));
        }
        if counted(held).saturating_add(by).unsigned_abs() > MAX_COUNTER.unsigned_abs() {
            return Err(check::over(key).with_stored(Stored::No));
        }
    }
    let mut run = Run { engine, state, now, written: false };
    for (place, op) in ops.iter().enumerate() {
        if let Op::Require { of, is } = op
            && run.one(Op::clone(of))? != Answer::Flag(*is)
        {
            return Err(not_met(place));
        }
    }
    ops.into_iter().map(|op| run.one(op)).collect()
}

fn text<'a>(state: &'a State, key: &Name) -> Option<&'a Bytes> {
    match state.keys.held.get(key) {
        Some(Held::Text(text)) => Some(text),
        _ => None,
    }
}

fn hash<'a>(state: &'a State, key: &Name) -> Option<&'a BTreeMap<Bytes, Bytes>> {
    match state.keys.held.get(key) {
        Some(Held::Hash(fields)) => Some(fields),
        _ => None,
    }
}

fn set<'a>(state: &'a State, key: &Name) -> Option<&'a BTreeSet<Bytes>> {
    match state.keys.held.get(key) {
        Some(Held::Set(members)) => Some(members),
        _ => None,
    }
}

fn sorted<'a>(state: &'a State, key: &Name) -> Option<&'a Sorted> {
    match state.keys.held.get(key) {
        Some(Held::Sorted(members)) => Some(members),
        _ => None,
    }
}

fn list<'a>(state: &'a State, key: &Name) -> Option<&'a VecDeque<Bytes>> {
    match state.keys.held.get(key) {
        Some(Held::List(values)) => Some(values),
        _ => None,
    }
}

/// What a key holds, made as `$make` when missing. The kind has been looked at before.
macro_rules! made {
    ($run:ident, $key:expr, $kind:ident) => {
        match $run.state.keys.held.entry($key.clone()).or_insert_with(|| Held::$kind(Default::default())) {
            Held::$kind(inner) => inner,
            _ => return Err(Error::internal("a key changed its kind")),
        }
    };
}

/// A batch under way.
struct Run<'a> {
    engine: &'a Engine,
    state: &'a mut State,
    now: Now,
    /// Something was written: what follows is carried out at full memory as well, as the server does.
    written: bool,
}

impl Run<'_> {
    fn one(&mut self, op: Op) -> Result<Answer> {
        match op {
            // Judged before the batch began.
            Op::Require { is, .. } => Ok(Answer::Flag(is)),
            Op::Get { .. } | Op::Set { .. } | Op::DeleteEqual { .. } | Op::Increment { .. } => self.on_text(op),
            Op::Delete { keys } => {
                self.written = true;
                Ok(count(keys.iter().filter(|key| self.state.delete(key)).count()))
            }
            Op::Exists { key } => Ok(Answer::Flag(self.state.kind(&key).is_some())),
            Op::Expire { key, ttl } => {
                self.written = true;
                Ok(Answer::Flag(self.last(&key, Some(ttl))))
            }
            Op::TimeToLive { key } => {
                let left = self.state.keys.end(&key).map(|end| end.saturating_sub(self.now.mono));
                Ok(Answer::Left(left))
            }
            Op::SetAdd { .. } | Op::SetRemove { .. } | Op::SetContains { .. } | Op::SetMembers { .. } => {
                self.on_set(op)
            }
            Op::SortedAdd { .. } | Op::SortedRemove { .. } | Op::SortedRange { .. } => self.on_sorted(op),
            Op::ListPush { .. } | Op::ListRange { .. } | Op::ListPop { .. } | Op::ListTrim { .. } => self.on_list(op),
            Op::Notify { channel, payload } => Ok(count(self.engine.server.ears.tell(&channel, &payload))),
            Op::LogAppend { .. } | Op::LogRead { .. } | Op::LogLast { .. } | Op::LogTrim { .. } => self.on_log(op),
            _ => self.on_hash(op),
        }
    }

    /// A write that takes memory; refused when there is none and nothing was written before.
    fn grows(&mut self) -> Result<()> {
        if self.state.full && !self.written {
            return Err(no_memory("the server's memory is full; wait, or raise its limit"));
        }
        self.written = true;
        Ok(())
    }

    /// Lets a key last from now if `ttl` says so; whether there is one.
    fn last(&mut self, key: &Name, ttl: Option<Duration>) -> bool {
        let exists = self.state.kind(key).is_some();
        if exists && let Some(ttl) = ttl {
            self.state.keys.set_end(key, Some(self.now.mono.saturating_add(ttl)));
        }
        exists
    }

    /// Removes a key that holds nothing any more.
    fn tidy(&mut self, key: &Name) {
        if self.state.keys.held.get(key).is_some_and(Held::is_empty) {
            self.state.delete(key);
        }
    }

    fn on_text(&mut self, op: Op) -> Result<Answer> {
        Ok(match op {
            Op::Get { key } => Answer::Value(text(self.state, &key).cloned()),
            Op::Set { key, value, ttl, when } => {
                let before = text(self.state, &key);
                let sets = match &when {
                    When::Always => true,
                    When::Absent => before.is_none(),
                    When::Equal(expected) => before == Some(expected),
                };
                if sets || !matches!(when, When::Equal(_)) {
                    self.grows()?;
                }
                if sets {
                    self.state.keys.held.insert(key.clone(), Held::Text(value));
                    self.state.keys.set_end(&key, None);
                    self.last(&key, ttl);
                }
                Answer::Flag(sets)
            }
            Op::DeleteEqual { key, expected } => {
                let equal = text(self.state, &key) == Some(&expected);
                if equal {
                    self.written = true;
                    self.state.delete(&key);
                }
                Answer::Flag(equal)
            }
            Op::Increment { key, by, ttl } => {
                self.grows()?;
                let sum = counted(text(self.state, &key)) + by;
                self.state.keys.held.insert(key.clone(), Held::Text(sum.to_string().into()));
                self.last(&key, ttl);
                Answer::Number(sum)
            }
            other => return unexpected(&other),
        })
    }

    fn on_hash(&mut self, op: Op) -> Result<Answer> {
        Ok(match op {
            Op::HashGet { key, field } => {
                Answer::Value(hash(self.state, &key).and_then(|fields| fields.get(&field)).cloned())
            }
            Op::HashGetAll { key } => {
                let fields = hash(self.state, &key).into_iter().flatten();
                Answer::Pairs(fields.map(|(field, value)| (field.clone(), value.clone())).collect())
            }
            Op::HashSet { key, fields, ttl } => {
                self.grows()?;
                let held = made!(self, key, Hash);
                let before = held.len();
                held.extend(fields);
                let new = held.len() - before;
                self.last(&key, ttl);
                count(new)
            }
            Op::HashSetAbsent { key, field, value } => {
                self.grows()?;
                let held = made!(self, key, Hash);
                let absent = !held.contains_key(&field);
                if absent {
                    held.insert(field, value);
                }
                Answer::Flag(absent)
            }
            Op::HashDelete { key, fields } => {
                self.written = true;
                let removed = match self.state.keys.held.get_mut(&key) {
                    Some(Held::Hash(held)) => fields.iter().filter(|field| held.remove(*field).is_some()).count(),
                    _ => 0,
                };
                self.tidy(&key);
                count(removed)
            }
            Op::HashExists { key, field } => {
                Answer::Flag(hash(self.state, &key).is_some_and(|fields| fields.contains_key(&field)))
            }
            Op::HashLen { key } => count(hash(self.state, &key).map_or(0, BTreeMap::len)),
            Op::HashIncrement { key, field, by } => {
                self.grows()?;
                let held = made!(self, key, Hash);
                let sum = counted(held.get(&field)) + by;
                held.insert(field, sum.to_string().into());
                Answer::Number(sum)
            }
            other => return unexpected(&other),
        })
    }

    fn on_set(&mut self, op: Op) -> Result<Answer> {
        Ok(match op {
            Op::SetAdd { key, members, ttl } => {
                self.grows()?;
                let held = made!(self, key, Set);
                let new = members.into_iter().filter(|member| held.insert(member.clone())).count();
                self.last(&key, ttl);
                count(new)
            }
            Op::SetRemove { key, members } => {
                self.written = true;
                let removed = match self.state.keys.held.get_mut(&key) {
                    Some(Held::Set(held)) => members.iter().filter(|member| held.remove(*member)).count(),
                    _ => 0,
                };
                self.tidy(&key);
                count(removed)
            }
            Op::SetContains { key, member } => {
                Answer::Flag(set(self.state, &key).is_some_and(|members| members.contains(&member)))
            }
            Op::SetMembers { key } => Answer::Members(set(self.state, &key).into_iter().flatten().cloned().collect()),
            other => return unexpected(&other),
        })
    }

    fn on_sorted(&mut self, op: Op) -> Result<Answer> {
        Ok(match op {
            Op::SortedAdd { key, members, ttl } => {
                self.grows()?;
                let held = made!(self, key, Sorted);
                let new = members.into_iter().filter(|(member, score)| held.set(member.clone(), *score)).count();
                self.last(&key, ttl);
                count(new)
            }
            Op::SortedRemove { key, members } => {
                self.written = true;
                let removed = match self.state.keys.held.get_mut(&key) {
                    Some(Held::Sorted(held)) => members.iter().filter(|member| held.remove(member)).count(),
                    _ => 0,
                };
                self.tidy(&key);
                count(removed)
            }
            Op::SortedRange { key, from, to, count } => {
                let from = (Score(from + 0.0), Bytes::new());
                let order = sorted(self.state, &key).into_iter().flat_map(|held| held.order.range(from.clone()..));
                let within = order.take_while(|(score, _)| score.0 <= to).take(count);
                Answer::Scored(within.map(|(score, member)| (member.clone(), score.0)).collect())
            }
            other => return unexpected(&other),
        })
    }

    fn on_list(&mut self, op: Op) -> Result<Answer> {
        Ok(match op {
            Op::ListPush { key, values, ttl } => {
                self.grows()?;
                let held = made!(self, key, List);
                held.extend(values);
                let length = held.len();
                self.last(&key, ttl);
                count(length)
            }
            Op::ListRange { key, from, to } => {
                let values = list(self.state, &key);
                let (from, len) = places(values.map_or(0, VecDeque::len), from, to);
                Answer::Members(values.into_iter().flatten().skip(from).take(len).cloned().collect())
            }
            Op::ListPop { key } => {
                self.written = true;
                let value = match self.state.keys.held.get_mut(&key) {
                    Some(Held::List(held)) => held.pop_front(),
                    _ => None,
                };
                self.tidy(&key);
                Answer::Value(value)
            }
            Op::ListTrim { key, from, to } => {
                self.written = true;
                if let Some(Held::List(held)) = self.state.keys.held.get_mut(&key) {
                    let (from, len) = places(held.len(), from, to);
                    held.truncate(from + len);
                    held.drain(..from);
                }
                self.tidy(&key);
                Answer::Flag(true)
            }
            other => return unexpected(&other),
        })
    }

    fn on_log(&mut self, op: Op) -> Result<Answer> {
        Ok(match op {
            Op::LogAppend { stream, fields, options } => {
                self.grows()?;
                let log = self.state.stream(&stream);
                let id = log.append(fields, self.now.wall_ms);
                let bodies = options.max_len.map(|max_len| log.trim_to(max_len)).unwrap_or_default();
                self.state.drop_bodies(&stream, bodies);
                self.last(&stream, options.ttl);
                Answer::Id(id)
            }
            Op::LogRead { stream, after, count } => {
                Answer::Entries(look::range(self.state, &stream, after.next(), EntryId::MAX, count))
            }
            Op::LogTrim { stream, up_to } => {
                let Some(log) = self.state.streams.get_mut(&stream) else { return Ok(Answer::Number(0)) };
                let before = log.len();
                let bodies = log.trim_below(up_to.next(), usize::MAX);
                let removed = before.saturating_sub(log.len());
                self.state.drop_bodies(&stream, bodies);
                Answer::Number(i64::try_from(removed).unwrap_or(i64::MAX))
            }
            Op::LogLast { stream } => {
                Answer::Id(self.state.streams.get(&stream).map(|log| log.last_id).unwrap_or_default())
            }
            other => return unexpected(&other),
        })
    }
}

fn counted(held: Option<&Bytes>) -> i64 {
    // It was looked at before.
    held.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or_default()
}

fn count(number: usize) -> Answer {
    Answer::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

fn unexpected(op: &Op) -> Result<Answer> {
    Err(Error::internal(format!("nobody carries {op:?} out")))
}

/// Two places of a list as a start and a length.
fn places(len: usize, from: i64, to: i64) -> (usize, usize) {
    let place = |at: i64| if at < 0 { at + i64::try_from(len).unwrap_or(i64::MAX) } else { at };
    let (from, to) = (place(from).max(0), place(to));
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(len);
    // The place behind the last.
    let end = usize::try_from(to.saturating_add(1)).unwrap_or(0).min(len);
    (from, end.saturating_sub(from))
}

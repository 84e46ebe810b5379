//! The same calls with plain values: what the bindings and the program speak, so that every name is spelled once.

use bytes::Bytes;

use super::{DeadLetters, Filter, Letter, Query, ReplayOptions, ReplayReport};
use crate::envelope::arguments::{Arguments, map, wrong};
use crate::envelope::codec::as_invalid;
use crate::envelope::{Envelope, Life, Limits, Map, Value};
use crate::error::{Error, Result};
use crate::transport::EntryId;

impl DeadLetters {
    /// [`DeadLetters::perform`] with arguments and answer in msgpack.
    pub async fn perform_encoded(&self, call: &str, arguments: &[u8]) -> Result<Bytes> {
        let arguments = Value::decode_with(arguments, &Limits::default()).map_err(as_invalid)?;
        let empty = Map::with_capacity(0);
        self.perform(call, arguments.as_map().unwrap_or(&empty)).await?.write(&Limits::WIDEST)
    }

    /// A call by its name, with named arguments: `inspect`, `list`, `get`, `replay`, `discard`. `Invalid` names the
    /// argument that is wrong or not known.
    ///
    /// `inspect` and `list` take the fields of [`Filter`], `list` also `oldest_first`, `limit` and `cursor`; `get` takes
    /// `id`; `replay` and `discard` take `ids` or a filter, `replay` also `dry_run`, `limit`, `rate` and, where every
    /// letter is meant, `all`; `discard` with a filter takes the `count` of letters that it must mean.
    pub async fn perform(&self, call: &str, arguments: &Map) -> Result<Value> {
        let mut take = Arguments::new(arguments);
        match call {
            "inspect" => {
                let filter = take.filter()?;
                take.end()?;
                let summary = self.inspect(&filter).await?;
                let many = summary.many();
                let counts = |counts: std::collections::BTreeMap<String, u64>| {
                    Value::Map(counts.into_iter().map(|(name, n)| (name, Value::from(n))).collect())
                };
                Ok(map([
                    ("count", summary.count.into()),
                    ("matching", summary.matching.into()),
                    ("complete", summary.complete.into()),
                    ("oldest", summary.oldest.into()),
                    ("newest", summary.newest.into()),
                    ("reasons", counts(summary.reasons)),
                    ("streams", counts(summary.streams)),
                    ("problems", summary.problems.into()),
                    ("many", many.into()),
                ]))
            }
            "list" => {
                let query = Query {
                    filter: take.filter()?,
                    oldest_first: take.flag("oldest_first")?,
                    limit: take.number("limit")?.unwrap_or(100),
                    cursor: take.parsed("cursor")?,
                };
                take.end()?;
                let page = self.list(&query).await?;
                Ok(map([("letters", letters(&page.letters)), ("cursor", page.cursor.map(|id| id.to_string()).into())]))
            }
            "get" => {
                let id = take.parsed("id")?.ok_or_else(|| wrong("id", "an id of a dead letter"))?;
                take.end()?;
                Ok(self.get(id).await?.to_value())
            }
            "replay" => {
                let (ids, filter, all) = (take.ids()?, take.filter()?, take.flag("all")?);
                let options = ReplayOptions {
                    dry_run: take.flag("dry_run")?,
                    limit: take.number("limit")?.unwrap_or_else(|| ids.as_ref().map_or(100, |ids| ids.len().max(1))),
                    rate: take.float("rate")?,
                };
                take.end()?;
                let report = match ids {
                    Some(_) if all || !filter.is_all() => return Err(either()),
                    Some(ids) => self.replay(&ids, &options).await?,
                    None if filter.is_all() && !all => return Err(either()),
                    None => self.replay_matching(&filter, &options).await?,
                };
                Ok(report.to_value())
            }
            "discard" => {
                let (ids, filter, count) = (take.ids()?, take.filter()?, take.number("count")?);
                take.end()?;
                let removed = match (ids, count) {
                    (Some(ids), None) if filter.is_all() => self.discard(&ids).await?,
                    (None, Some(count)) => self.discard_matching(&filter, count).await?,
                    (None, None) => {
                        return Err(wrong("count", "the number of letters that the filter means; or give ids"));
                    }
                    (Some(_), _) => return Err(either()),
                };
                Ok(letters(&removed))
            }
            other => Err(Error::invalid(format!("dead letters have no call {other:?}")).with_context("field", "call")),
        }
    }
}

impl Letter {
    /// As a plain map.
    pub fn to_value(&self) -> Value {
        let (entry, life) = (&self.letter.entry, &self.letter.life);
        // What cannot be read is its problem.
        let history = self.letter.history().unwrap_or_default();
        map([
            ("id", self.id.to_string().into()),
            ("stream", life.stream.as_str().into()),
            ("entry", life.id.as_str().into()),
            ("group", life.group.as_str().into()),
            ("consumer", life.consumer.as_str().into()),
            ("reason", self.reason().into()),
            ("error", life.error.as_str().into()),
            ("attempts", life.attempt.into()),
            ("first_at", self.first_at().into()),
            ("dead_at", self.dead_at().into()),
            ("lane", self.lane().into()),
            ("message_id", entry.mid.clone().into()),
            ("trace_id", entry.trace_id.as_str().into()),
            ("traceparent", entry.traceparent.clone().into()),
            ("data", entry.data.clone().into()),
            ("body_bytes", entry.body_ref.as_ref().map_or(entry.data.len() as u64, |(_, len)| *len).into()),
            ("replays", (history.len() as u64).into()),
            ("history", Value::List(history.iter().map(past).collect())),
            ("problem", self.problem.clone().into()),
        ])
    }
}

impl ReplayReport {
    /// As a plain map.
    pub fn to_value(&self) -> Value {
        let replayed = self.replayed.iter().map(|letter| {
            map([
                ("letter", letter.letter.to_string().into()),
                ("stream", letter.stream.as_deref().map(str::to_owned).into()),
                ("id", letter.id.map(|id| id.to_string()).into()),
            ])
        });
        let failed = self.failed.iter().map(|(id, error)| {
            map([
                ("letter", id.to_string().into()),
                ("code", error.code().into()),
                ("message", error.message().into()),
                ("context", context(error)),
            ])
        });
        map([
            ("replayed", Value::List(replayed.collect())),
            ("failed", Value::List(failed.collect())),
            ("more", self.more.into()),
        ])
    }
}

fn letters(letters: &[Letter]) -> Value {
    Value::List(letters.iter().map(Letter::to_value).collect())
}

/// An earlier life.
fn past(life: &Life) -> Value {
    map([
        ("stream", life.stream.as_str().into()),
        ("entry", life.id.as_str().into()),
        ("group", life.group.as_str().into()),
        ("consumer", life.consumer.as_str().into()),
        ("reason", life.reason.as_str().into()),
        ("error", life.error.as_str().into()),
        ("attempts", life.attempt.into()),
        ("first_at", life.first_at.into()),
        ("dead_at", life.dead_at.into()),
        ("replayed_at", life.replayed_at.into()),
    ])
}

fn context(error: &Error) -> Value {
    Value::Map(error.context().iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str()))).collect())
}

fn either() -> Error {
    Error::invalid("say which letters are meant: ids, or a filter (all, if it is every one)")
        .with_context("field", "ids")
}

impl Arguments<'_> {
    fn ids(&mut self) -> Result<Option<Vec<EntryId>>> {
        let Some(value) = self.take("ids") else { return Ok(None) };
        let id = |value: &Value| value.as_str().and_then(|id| id.parse().ok());
        let ids = value.as_list().and_then(|ids| ids.iter().map(id).collect());
        ids.map(Some).ok_or_else(|| wrong("ids", "a list of ids (`milliseconds-number`)"))
    }

    fn filter(&mut self) -> Result<Filter> {
        Ok(Filter {
            stream: self.text("stream")?,
            reason: self.text("reason")?,
            lane: self.text("lane")?,
            group: self.text("group")?,
            consumer: self.text("consumer")?,
            text: self.text("text")?,
            message_id: self.text("message_id")?,
            trace_id: self.text("trace_id")?,
            since: self.number("since")?,
            until: self.number("until")?,
            min_attempts: self.number("min_attempts")?,
            replayable: self.maybe_flag("replayable")?,
        })
    }
}

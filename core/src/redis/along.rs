//! Appending what something is kept along with: plain commands in one transaction, for all that leaves together. A script
//! for each would cost the server ten times as much.
//!
//! The server carries a transaction out as a whole, also when its connection ends in the middle. One of whose commands it refuses
//! beforehand (no memory, no right to a key) it does not begin; what was not refused itself is then sent once more.
//! A user who may not use transactions has the commands carried out one by one; that is why the entry comes before its mark.

use std::collections::HashMap;

use ::redis::{Pipeline, Value};

use super::append::{millis, plain, refused};
use super::error::by_text;
use super::link::{Failure, Link, unwrapped};
use super::parse;
use crate::error::{Error, Result, Stored};
use crate::topology::Name;
use crate::transport::{Append, Appended, check};

/// Appends entries; one result for each.
pub(super) async fn append(link: &Link, batch: &[Append]) -> Vec<Result<Appended>> {
    let mut results: Vec<Option<Result<Appended>>> =
        batch.iter().map(|entry| check::append(entry).err().map(Err)).collect();
    loop {
        let open: Vec<usize> = (0..batch.len()).filter(|n| results[*n].is_none()).collect();
        if open.is_empty() {
            break;
        }
        let transaction = Transaction::of(batch, &open);
        let until = open.iter().filter_map(|n| batch[*n].until).min();
        let decided = match link.told(&transaction.pipeline, until).await {
            Ok((replies, durability)) => {
                let each = transaction.decided(link, replies);
                let durable = |result: Result<Appended>| result.map(|appended| Appended { durability, ..appended });
                each.into_iter().map(|result| result.map(durable)).collect()
            }
            Err(Failure { error, stored }) => vec![Some(Err(error.with_stored(stored))); open.len()],
        };
        for (n, result) in open.into_iter().zip(decided) {
            results[n] = result;
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(unbegun()))).collect()
}

/// Entries that leave together, and where their answers are.
struct Transaction<'a> {
    entries: Vec<(&'a Append, usize)>,
    pipeline: Pipeline,
    /// How long a stream lives, and where the answer to that is.
    streams: HashMap<&'a Name, usize>,
}

impl<'a> Transaction<'a> {
    fn of(batch: &'a [Append], open: &[usize]) -> Self {
        let mut pipeline = Pipeline::with_capacity(2 * open.len() + 3);
        let mut entries = Vec::with_capacity(open.len());
        let mut lives: HashMap<&Name, u64> = HashMap::new();
        pipeline.cmd("MULTI");
        for n in open {
            let entry = &batch[*n];
            entries.push((entry, pipeline.len()));
            pipeline.add_command(plain(entry));
            let Some(along) = &entry.along else { continue };
            if let Some((key, ttl)) = &along.mark {
                pipeline.cmd("SET").arg(&**key).arg("").arg("PX").arg(millis(*ttl).max(1));
            }
            let life = lives.entry(&entry.stream).or_default();
            *life = millis(along.ttl).max(*life);
        }
        let mut streams = HashMap::with_capacity(lives.len());
        for (stream, life) in lives {
            streams.insert(stream, pipeline.len());
            pipeline.cmd("PEXPIRE").arg(&**stream).arg(life);
        }
        pipeline.cmd("EXEC");
        Self { entries, pipeline, streams }
    }

    /// What became of each entry; nothing where it is to be sent again.
    fn decided(&self, link: &Link, mut replies: Vec<Value>) -> Vec<Option<Result<Appended>>> {
        let end = match replies.pop().unwrap_or_default() {
            // What was carried out, the transaction's beginning left out.
            Value::Array(done) => {
                let taken = |(entry, place): &(&Append, usize)| {
                    let reply = done.get(place - 1).cloned().unwrap_or_default();
                    Some(appended(link, entry, reply))
                };
                return self.entries.iter().map(taken).collect();
            }
            end => end,
        };
        // It did not begin, or there was none.
        let own = |(entry, place): &(&Append, usize)| {
            let marked = entry.along.as_ref().is_some_and(|along| along.mark.is_some());
            let places =
                [*place, place + usize::from(marked), self.streams.get(&entry.stream).copied().unwrap_or(*place)];
            let error = places.into_iter().find(|at| matches!(replies.get(*at), Some(Value::ServerError(_))));
            let reply = replies.get(error.unwrap_or(*place)).cloned().unwrap_or_default();
            (error.is_some() || parse::id(&reply).is_ok()).then(|| appended(link, entry, reply))
        };
        let decided: Vec<_> = self.entries.iter().map(own).collect();
        if decided.iter().any(Option::is_some) {
            return decided;
        }
        self.entries.iter().map(|(entry, _)| Some(Err(refused(unbegun_for(link, &end), entry)))).collect()
    }
}

fn appended(link: &Link, entry: &Append, reply: Value) -> Result<Appended> {
    let reply = unwrapped(reply).map_err(|error| refused(link.explain(&error), entry))?;
    let id = parse::id(&reply).map_err(|error| error.with_stored(Stored::Unknown))?;
    Ok(Appended { id, duplicate: false, len: None, durability: crate::policy::Durability::Server })
}

/// Why a transaction did not begin of which no command was refused.
fn unbegun_for(link: &Link, end: &Value) -> Error {
    let Value::ServerError(error) = end else { return unbegun() };
    match error.details().and_then(|text| text.split_once("because of: ")) {
        Some((_, why)) => by_text(why).with_context("server", link.target().shown()),
        None => link.explain(&error.clone().into()),
    }
}

fn unbegun() -> Error {
    Error::unavailable("the server did not begin a transaction; try again")
}

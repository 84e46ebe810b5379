//! Made-up replies of a server through every parser of this folder. For the fuzzer (feature `proving`).

use std::sync::Arc;

use ::redis::Value;

use super::parse::{self, Answer};
use super::{append, fetch, group as sessions, inspect, settle};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::Name;
use crate::transport::{Append, EntryId, Fields, Group, Lane, Ordering, Record, Retention, Settle, Verdict};

/// Which command a reply is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The script that hands out.
    Fetch,
    /// The script that settles.
    Settle,
    /// The script that renews.
    Renew,
    /// `XADD`, and the script that appends.
    Append,
    /// The other scripts, whose answer is a word.
    Word,
    /// `XRANGE`, `XREADGROUP` of one stream, `XAUTOCLAIM`.
    Entries,
    /// `XPENDING` in both forms.
    Pending,
    /// `XINFO STREAM` and `XINFO GROUPS`, as an array of both.
    Info,
    /// `HGETALL` of fences and of beats, as an array of both.
    Signs,
    /// `INFO`.
    Server,
}

impl Asked {
    /// Every command.
    pub const ALL: [Self; 10] = [
        Self::Fetch,
        Self::Settle,
        Self::Renew,
        Self::Append,
        Self::Word,
        Self::Entries,
        Self::Pending,
        Self::Info,
        Self::Signs,
        Self::Server,
    ];
}

/// Outcomes and sessions that the made-up replies answer.
const BATCH: usize = 6;

/// Reads a reply, in the bytes of the protocol, as the answer to a command. Says whether it was taken for one.
///
/// # Panics
///
/// When a parser gives what no caller could use: that is what the fuzzer looks for.
pub fn read(asked: Asked, reply: &[u8]) -> bool {
    let Ok(reply) = ::redis::parse_redis_value(reply) else { return false };
    match taken(asked, reply) {
        Ok(()) => true,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Closed, "nobody closed anything: {error}");
            assert!(!error.message().is_empty());
            false
        }
    }
}

fn taken(asked: Asked, reply: Value) -> Result<()> {
    match asked {
        Asked::Fetch => fetched(reply),
        Asked::Settle => settled(reply),
        Asked::Renew => {
            let beats = sessions::beats(reply, BATCH)?;
            assert_eq!(beats.len(), BATCH, "a session without an answer would never be renewed again");
            Ok(())
        }
        Asked::Append => appended(&reply),
        Asked::Word => {
            let mut answer = Answer::new(reply)?;
            assert!(answer.word != "type" && answer.word != "fail", "an error was taken for an answer");
            let _ = (answer.refusal(), answer.id(), answer.text(), parse::number(&answer.next()));
            Ok(())
        }
        Asked::Entries => {
            let entries = parse::entries(reply)?;
            assert!(entries.iter().all(|entry| entry.fields.capacity() <= 2 * entry.fields.len().max(4)));
            Ok(())
        }
        Asked::Pending => sessions::ids_of(reply.clone()).map(drop).or_else(|_| inspect::summed_up(reply).map(drop)),
        Asked::Info => {
            let (about, groups) = both(reply)?;
            let info = inspect::at_a_glance(about, groups)?;
            let behind = |last: EntryId| info.first_entry.is_some_and(|first| first > last);
            assert!(info.groups.iter().all(|group| !behind(group.last_delivered) || group.lag.is_some()));
            Ok(())
        }
        Asked::Signs => {
            let (fences, beats) = both(reply)?;
            let signs = sessions::paired(&parse::array(fences)?, &parse::array(beats)?)?;
            for sign in &signs {
                assert!(sign.fence.next("x").parts().0 >= sign.fence.parts().0, "a fence went back: {sign:?}");
            }
            Ok(())
        }
        Asked::Server => {
            let server = inspect::server(&parse::text(reply)?);
            let _ = super::too_old(&server.version);
            Ok(())
        }
    }
}

fn group() -> Group {
    Group::new("s".into(), "g".into(), Ordering::Lanes, Retention::Forever)
}

fn fetched(reply: Value) -> Result<()> {
    let Ok(fetched) = fetch::handed_out(&group(), reply)? else { return Ok(()) };
    let ours = fetched.entries.iter().take_while(|entry| entry.history).count();
    assert!(fetched.entries[ours..].iter().all(|entry| !entry.history && entry.record.is_none()));
    Ok(())
}

fn settled(reply: Value) -> Result<()> {
    let batch: Vec<_> = (0..BATCH as u64).map(outcome).collect();
    let Ok(settled) = settle::recorded_for(&group(), &batch, reply)? else { return Ok(()) };
    assert_eq!(settled.results.len(), batch.len());
    assert!(settled.lanes.iter().all(|(lane, left)| *left > 0 && batch.iter().any(|b| b.lane.as_ref() == Some(lane))));
    Ok(())
}

fn outcome(n: u64) -> Settle {
    let stream: Name = Arc::from("dead");
    let verdict = match n % 3 {
        0 => Verdict::Ack,
        1 => Verdict::Retry(Record::default()),
        _ => Verdict::Dead { stream, fields: vec![("a".into(), "b".into())] },
    };
    let lane = n.is_multiple_of(2).then(|| Lane::from(format!("lane {}", n % 4)));
    Settle { id: EntryId::new(1, n), lane, verdict, body: None }
}

fn appended(reply: &Value) -> Result<()> {
    let fields: Fields = vec![("data".into(), "x".into())];
    let entry = Append::new("s".into(), fields);
    append::decided_as(reply.clone(), &entry).map(drop).or_else(|_| parse::id(reply).map(drop))
}

fn both(reply: Value) -> Result<(Value, Value)> {
    let mut items = parse::array(reply)?.into_iter();
    match (items.next(), items.next()) {
        (Some(one), Some(other)) => Ok((one, other)),
        _ => Err(Error::internal("not a pair")),
    }
}

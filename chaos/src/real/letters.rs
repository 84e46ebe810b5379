//! Reading the dead letters as they come, since a server that forgets takes them along.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use stargazer_core::Bus;
use stargazer_core::envelope::DeadLetter;
use stargazer_core::transport::{Entry, EntryId};
use stargazer_tests::Reply;
use tokio::time::Instant;

use super::Failure;
use super::ground::Ground;
use crate::actor::{Pen, effect_lane, effect_number, fnv1a, lane_number};
use crate::history::{Kind, Record};

/// How often the stream is read.
const PAUSE: Duration = Duration::from_millis(150);
/// Letters of one read.
const PAGE: usize = 500;

/// A reader of the dead letters.
#[derive(Debug)]
pub(super) struct Letters {
    bus: Bus,
    after: EntryId,
    seen: HashSet<EntryId>,
    next: Instant,
}

impl Letters {
    pub(super) fn new(bus: Bus) -> Self {
        Self { bus, after: EntryId::ZERO, seen: HashSet::new(), next: Instant::now() }
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The keys that are the dead letters' own: their stream, and the big bodies that they name.
    pub(super) fn keys(&self, server: &Ground) -> Result<HashSet<String>, Failure> {
        let stream = &self.bus.topology().dead_letter_stream;
        let mut keys = HashSet::from([stream.clone()]);
        let Reply::List(letters) = server.command(&["XRANGE", stream, "-", "+"])? else { return Ok(keys) };
        for letter in &letters {
            let Reply::List(parts) = letter else { continue };
            let Some(Reply::List(fields)) = parts.get(1) else { continue };
            let fields: Vec<Bytes> = fields.iter().map(|field| field.text().into()).collect();
            let fields: Vec<_> = fields.as_chunks::<2>().0.iter().cloned().map(|[name, value]| (name, value)).collect();
            keys.extend(DeadLetter::read(&fields).entry.body_ref.map(|(key, _)| key));
        }
        Ok(keys)
    }

    /// The stream may have begun again.
    pub(super) fn start_again(&mut self) {
        self.after = EntryId::ZERO;
    }

    /// Tells of the letters that are new. A server that is away tells nothing.
    pub(super) async fn look(&mut self, pen: &Pen) -> Result<(), Failure> {
        if Instant::now() < self.next {
            return Ok(());
        }
        let stream = self.bus.topology().dead_letter_stream.clone();
        let read = self.bus.entries(&stream, self.after, PAGE);
        let read = tokio::time::timeout(PAUSE, read).await;
        self.next = Instant::now() + PAUSE;
        let Ok(Ok(entries)) = read else { return Ok(()) };
        for entry in entries {
            self.after = entry.id;
            if self.seen.insert(entry.id) {
                pen.write(&record_of(&entry, pen)?)?;
            }
        }
        Ok(())
    }
}

/// What a letter says about the entry that was given up.
fn record_of(entry: &Entry, pen: &Pen) -> Result<Record, Failure> {
    let letter = DeadLetter::read(&entry.fields);
    let mid = letter.entry.mid.as_deref().unwrap_or_default();
    let (is_answer, number) = match mid.split_at_checked(1) {
        Some(("m", number)) => (false, number),
        Some(("e", number)) => (true, number),
        _ => return Err(format!("a dead letter without a message id: {mid:?}").into()),
    };
    let number: u64 = number.parse()?;
    let lane = letter.entry.key.as_deref().and_then(lane_number).unwrap_or(0);
    let (message, lane) = if is_answer { (effect_number(number), effect_lane(lane)) } else { (number, lane) };
    let id: EntryId = letter.life.id.parse()?;
    Ok(Record {
        message,
        lane,
        attempt: u16::try_from(letter.life.attempt).unwrap_or(u16::MAX),
        entry: (id.ms, id.seq),
        hash: if is_answer { 0 } else { fnv1a(&letter.entry.data) },
        ..pen.record(Kind::DeadLetter)
    })
}

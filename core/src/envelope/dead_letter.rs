//! An entry that was given up, as it stands in the dead-letter stream.

use bytes::Bytes;

use super::codec::{Reader, Token, Writer, scan};
use super::entry::{EntryFields, Fields, number, put, text};
use super::member::{Field, field, read_map, write_map};
use super::{Limits, Map};
use crate::error::{Error, Result};
use crate::topology::field as names;

/// A dead letter: the entry with its original bytes, where it came from, and why it was given up.
///
/// The first seven fields are the original's in its order and spelling (documented), so that its replay script takes
/// ours; ours stand behind them.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The entry.
    pub entry: EntryFields,
    /// Why and where it was given up this time.
    pub life: Life,
}

/// One life of an entry, from being stored (or replayed) to being given up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Life {
    /// Stream it stood in.
    pub stream: String,
    /// Id it had there.
    pub id: String,
    /// Group that gave it up.
    pub group: String,
    /// Identity that gave it up.
    pub consumer: String,
    /// Code of the reason.
    pub reason: String,
    /// Text of the last error.
    pub error: String,
    /// How often it was started.
    pub attempt: u64,
    /// When it was stored, milliseconds since 1970.
    pub first_at: u64,
    /// When it was given up, milliseconds since 1970.
    pub dead_at: u64,
    /// When it was put back, milliseconds since 1970; 0 while it was not.
    pub replayed_at: u64,
    /// Keys that we do not know.
    pub rest: Map,
}

impl Life {
    const FIELDS: &'static [Field<Self>] = &[
        field!(Optional "original_stream" => stream: String),
        field!(Optional "original_msg_id" => id: String),
        field!(Optional "group" => group: String),
        field!(Optional "consumer" => consumer: String),
        field!(Optional "reason" => reason: String),
        field!(Optional "error" => error: String),
        field!(Optional "attempt" => attempt: u64),
        field!(Optional "first_at" => first_at: u64),
        field!(Optional "dead_at" => dead_at: u64),
        field!(Optional "replayed_at" => replayed_at: u64).unless(|life| life.replayed_at == 0),
    ];
}

impl DeadLetter {
    /// An entry that was given up.
    pub fn new(entry: EntryFields, life: Life) -> Self {
        Self { entry, life }
    }

    /// The earlier lives of the entry, oldest first; `Malformed` when the field holds something else.
    pub fn history(&self) -> Result<Vec<Life>> {
        lives(&self.entry.history)
    }

    /// The fields as they are appended to the dead letters. `Invalid` when the lane is too long or not text.
    pub fn write(&self) -> Result<Fields> {
        let mut fields = Vec::with_capacity(16);
        put(&mut fields, names::ORIGINAL_STREAM, self.life.stream.clone());
        put(&mut fields, names::ORIGINAL_MSG_ID, self.life.id.clone());
        put(&mut fields, names::ERROR, self.life.error.clone());
        put(&mut fields, names::ATTEMPT, self.life.attempt.to_string());
        put(&mut fields, names::DATA, self.entry.data.clone());
        put(&mut fields, names::TS, self.entry.ts.clone());
        put(&mut fields, names::TRACE_ID, self.entry.trace_id.clone());
        put(&mut fields, names::GROUP, self.life.group.clone());
        put(&mut fields, names::REASON, self.life.reason.clone());
        put(&mut fields, names::FIRST_AT, self.life.first_at.to_string());
        put(&mut fields, names::DEAD_AT, self.life.dead_at.to_string());
        put(&mut fields, names::CONSUMER, self.life.consumer.clone());
        self.entry.write_ours(&mut fields)?;
        fields.extend_from_slice(&self.entry.rest);
        Ok(fields)
    }

    /// Reads a dead letter, ours or the original's. Never fails: what is missing is empty.
    ///
    /// The letter's own fields stand first; one of the same name further behind belongs to the entry.
    pub fn read(fields: &[(Bytes, Bytes)]) -> Self {
        let mut entry = EntryFields::read(fields);
        let mut life = Life::default();
        let mut seen: Vec<Bytes> = Vec::new();
        entry.rest.retain(|(name, value)| {
            if seen.contains(name) {
                return true;
            }
            seen.push(name.clone());
            match std::str::from_utf8(name).unwrap_or_default() {
                names::ORIGINAL_STREAM => life.stream = text(value),
                names::ORIGINAL_MSG_ID => life.id = text(value),
                names::ERROR => life.error = text(value),
                names::ATTEMPT => life.attempt = number(value),
                names::GROUP => life.group = text(value),
                names::REASON => life.reason = text(value),
                names::FIRST_AT => life.first_at = number(value),
                names::DEAD_AT => life.dead_at = number(value),
                names::CONSUMER => life.consumer = text(value),
                _ => return true,
            }
            false
        });
        Self { entry, life }
    }

    /// The entry as it is put back: the same bytes and message id, with this life added to its history.
    ///
    /// Of more than [`MAX_LIVES`] lives the oldest are left out, of an earlier life's error the end of a long text.
    pub fn into_entry(self) -> Result<EntryFields> {
        let mut lives = self.history()?;
        lives.push(self.life);
        lives.drain(..lives.len().saturating_sub(MAX_LIVES));
        for life in &mut lives {
            life.error.truncate(cut(&life.error, MAX_PAST_ERROR).len());
        }
        let mut writer = Writer::new(&Limits::default());
        writer.list(lives.len());
        writer.inside(|writer| lives.iter().for_each(|life| write_map(writer, life, Life::FIELDS, &life.rest)));
        Ok(EntryFields { history: writer.finish()?, ..self.entry })
    }
}

/// Earlier lives that an entry carries along.
pub const MAX_LIVES: usize = 50;

/// Bytes of the error of an earlier life.
const MAX_PAST_ERROR: usize = 1024;

/// The beginning of a text, at most so many bytes: the error of a dead letter is for people.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// How many lives a history field counts, without reading them; none where it is something else.
pub(crate) fn count_lives(history: &[u8]) -> u32 {
    if history.is_empty() {
        return 0;
    }
    match Reader::new(history).token() {
        Ok(Token::List(n)) => n,
        _ => 0,
    }
}

/// The id that an entry had in the oldest life of a history field; none where it is something else.
pub(crate) fn first_life(history: &Bytes) -> Option<String> {
    lives(history).ok()?.into_iter().next().map(|life| life.id).filter(|id| !id.is_empty())
}

/// The lives in a history field; none when it is empty.
fn lives(history: &Bytes) -> Result<Vec<Life>> {
    if history.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |e: Error| e.with_context("field", names::HISTORY);
    scan(history, &Limits::default()).map_err(wrong)?;
    let mut reader = Reader::new(history);
    let Token::List(n) = reader.token()? else {
        return Err(wrong(Error::malformed("the history of a dead letter must be a list")));
    };
    let mut lives = Vec::new();
    for _ in 0..n {
        let mut life = Life::default();
        life.rest = read_map(&mut reader, &mut life, Life::FIELDS).map_err(wrong)?;
        lives.push(life);
    }
    Ok(lives)
}

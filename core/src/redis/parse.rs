//! Replies of the server as our types. Bulk strings become [`Bytes`] without a copy.

use ::redis::Value;
use bytes::Bytes;

use super::error::by_text;
use crate::error::{Error, Result};
use crate::transport::{Entry, EntryId, Fields, Record, Refusal};

/// The answer of a script: the word that says how it went, and what follows it.
pub(super) struct Answer {
    pub(super) word: String,
    rest: std::vec::IntoIter<Value>,
}

impl Answer {
    /// Takes a reply apart; `type` and `fail` are errors.
    pub(super) fn new(reply: Value) -> Result<Self> {
        let mut rest = array(reply)?.into_iter();
        let word = text(rest.next().unwrap_or_default())?;
        let mut answer = Self { word, rest };
        match answer.word.as_str() {
            "type" => {
                let (key, found, wanted) = (answer.text()?, answer.text()?, answer.text()?);
                Err(Error::wrong_type(&key, &found, &wanted))
            }
            "fail" => Err(by_text(&answer.text()?)),
            _ => Ok(answer),
        }
    }

    /// The refusal that the word stands for, if it does.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        refusal(&self.word)
    }

    /// An answer whose word nobody expects.
    pub(super) fn unexpected<T>(&self) -> Result<T> {
        Err(Error::internal(format!("a script answered {:?}", self.word)))
    }

    /// The next item.
    pub(super) fn next(&mut self) -> Value {
        self.rest.next().unwrap_or_default()
    }

    /// The next item, as text.
    pub(super) fn text(&mut self) -> Result<String> {
        text(self.next())
    }

    /// The next item, as an entry id.
    pub(super) fn id(&mut self) -> Result<EntryId> {
        id(&self.next())
    }
}

/// The refusal that a word stands for.
pub(super) fn refusal(word: &str) -> Option<Refusal> {
    match word {
        "stale" => Some(Refusal::Stale),
        "forgotten" => Some(Refusal::Forgotten),
        "lost" => Some(Refusal::GroupLost),
        _ => None,
    }
}

fn misfit<T>(wanted: &str, found: &Value) -> Result<T> {
    // The content may be a payload; its kind says enough.
    let kind = match found {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "text",
        Value::Array(_) => "an array",
        _ => "something else",
    };
    Err(Error::internal(format!("the server answered {kind} where {wanted} was expected")))
}

/// An array; nothing is an empty one, a map is its names and values in turn.
pub(super) fn array(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()),
        Value::Nil => Ok(Vec::new()),
        other => misfit("an array", &other),
    }
}

/// Bytes, without a copy.
pub(super) fn bytes(value: Value) -> Result<Bytes> {
    match value {
        Value::BulkString(data) => Ok(Bytes::from(data)),
        Value::SimpleString(text) => Ok(Bytes::from(text)),
        Value::Okay => Ok(Bytes::from_static(b"OK")),
        Value::Int(number) => Ok(Bytes::from(number.to_string())),
        other => misfit("text", &other),
    }
}

/// Text that we or the server wrote.
pub(super) fn text(value: Value) -> Result<String> {
    match value {
        Value::BulkString(data) => {
            String::from_utf8(data).map_err(|_| Error::internal("the server answered text that is not UTF-8"))
        }
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text),
        Value::Okay => Ok("OK".to_owned()),
        Value::Int(number) => Ok(number.to_string()),
        other => misfit("text", &other),
    }
}

/// A count.
pub(super) fn number(value: &Value) -> Result<u64> {
    let parsed = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(data) => std::str::from_utf8(data).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    parsed.map_or_else(|| misfit("a count", value), Ok)
}

/// An entry id.
pub(super) fn id(value: &Value) -> Result<EntryId> {
    match value {
        Value::BulkString(data) => match std::str::from_utf8(data) {
            Ok(text) => text.parse(),
            Err(_) => misfit("an entry id", value),
        },
        Value::SimpleString(text) => text.parse(),
        other => misfit("an entry id", other),
    }
}

/// Fields of an entry, from names and values in turn.
pub(super) fn fields(items: Vec<Value>) -> Result<Fields> {
    let mut fields = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        fields.push((bytes(name)?, bytes(value)?));
    }
    Ok(fields)
}

/// An entry's id and its fields, which are missing when it was deleted.
pub(super) fn row(value: Value) -> Result<(EntryId, Option<Fields>)> {
    let mut items = array(value)?.into_iter();
    let id = id(&items.next().unwrap_or_default())?;
    match items.next() {
        None | Some(Value::Nil) => Ok((id, None)),
        Some(body) => Ok((id, Some(fields(array(body)?)?))),
    }
}

/// Name and entries of each stream that was read: a map comes as names and entries in turn, an array as pairs.
pub(super) fn streams(read: Value) -> Result<Vec<(Value, Value)>> {
    let mut streams = Vec::new();
    let mut items = array(read)?.into_iter();
    while let Some(first) = items.next() {
        streams.push(match first {
            Value::Array(pair) => {
                let mut pair = pair.into_iter();
                (pair.next().unwrap_or_default(), pair.next().unwrap_or_default())
            }
            name => (name, items.next().unwrap_or_default()),
        });
    }
    Ok(streams)
}

/// Entries of a range.
pub(super) fn entries(value: Value) -> Result<Vec<Entry>> {
    let rows = array(value)?.into_iter().map(row);
    rows.map(|row| row.map(|(id, fields)| Entry { id, fields: fields.unwrap_or_default() })).collect()
}

/// `starts:flags:milliseconds left`.
pub(super) fn record(value: Value) -> Result<Option<Record>> {
    if matches!(value, Value::Int(_) | Value::Nil) {
        return Ok(None);
    }
    let line = text(value)?;
    let mut parts = line.split(':');
    let (starts, flags, due) = (parts.next(), parts.next(), parts.next());
    let parsed = starts.and_then(|s| s.parse().ok()).zip(due.and_then(|d| d.parse().ok()));
    let (starts, due) = parsed.ok_or_else(|| Error::internal(format!("not a record of starts: {line:?}")))?;
    Ok(Some(Record::parse(starts, flags.unwrap_or_default(), std::time::Duration::from_millis(due))))
}

/// The value under a name in a list of names and values in turn.
pub(super) fn under(items: &[Value], name: &str) -> Value {
    let mut pairs = items.chunks_exact(2);
    let found = pairs.find(|pair| matches!(&pair[0], Value::BulkString(key) if key == name.as_bytes()));
    found.map(|pair| pair[1].clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn bytes_are_not_copied() {
        let data = vec![7; 100];
        let place = data.as_ptr();
        assert_eq!(bytes(Value::BulkString(data)).unwrap().as_ptr(), place);
    }

    #[test]
    fn a_deleted_entry_has_no_fields() {
        let whole = Value::Array(vec![bulk("1-2"), Value::Array(vec![bulk("data"), bulk("x")])]);
        let (id, fields) = row(whole).unwrap();
        assert_eq!(id, EntryId::new(1, 2));
        assert_eq!(fields.unwrap(), [(Bytes::from("data"), Bytes::from("x"))]);
        assert_eq!(row(Value::Array(vec![bulk("1-2"), Value::Nil])).unwrap(), (EntryId::new(1, 2), None));
    }

    #[test]
    fn records_come_with_what_is_left_of_their_pause() {
        let parsed = record(bulk("3:rccl:1500")).unwrap().unwrap();
        assert_eq!((parsed.starts, parsed.due_in), (3, Duration::from_millis(1500)));
        assert!(parsed.running && (parsed.deaths, parsed.lone_deaths) == (2, 1) && !parsed.alone);
        assert_eq!(record(Value::Int(0)).unwrap(), None);
        assert_eq!(record(bulk("x")).unwrap_err().kind(), ErrorKind::Internal);
    }

    #[test]
    fn answers_that_are_errors_become_errors() {
        let answer = |items: &[&str]| Answer::new(Value::Array(items.iter().map(|i| bulk(i)).collect()));
        assert_eq!(answer(&["type", "k", "string", "hash"]).err().unwrap().kind(), ErrorKind::Invalid);
        assert_eq!(answer(&["fail", "OOM command not allowed"]).err().unwrap().kind(), ErrorKind::Full);
        assert_eq!(answer(&["lost"]).unwrap().refusal(), Some(Refusal::GroupLost));
        assert_eq!(answer(&["ok"]).unwrap().refusal(), None);
    }
}

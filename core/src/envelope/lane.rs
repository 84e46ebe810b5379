//! The lane (ordering key) of an entry, found from its fields alone.

use bytes::Bytes;

use super::Limits;
use super::codec::{Reader, Token, scan};
use super::entry::field;
use crate::error::{Error, Result};
use crate::topology::field as names;

/// The longest lane, in bytes; more is malformed.
pub const MAX_LANE_BYTES: usize = 512;

/// Bodies longer than this are not read for their lane; writers of ours put the field `key`.
pub const MAX_READ_FOR_LANE: usize = 64 * 1024;

/// The lane of an entry: its field `key`; where an older writer put none, `channel_key` of the envelope, else its
/// `channel_id`. An empty one is none.
///
/// Unaddressed messages (field `ua`, or `is_addressed` false in an envelope without `key`) have none unless
/// `order_unaddressed`: the original takes its channel lock only for addressed ones.
///
/// `Malformed` when what should be the lane is not text, is longer than [`MAX_LANE_BYTES`], or cannot be read. Whoever
/// only hands entries out takes that for "no lane": the one who decodes the body will tell.
pub fn lane_of(fields: &[(Bytes, Bytes)], order_unaddressed: bool) -> Result<Option<Bytes>> {
    if !order_unaddressed && field(fields, names::UNADDRESSED).is_some_and(|ua| ua.as_ref() == b"1") {
        return Ok(None);
    }
    let lane = match field(fields, names::KEY) {
        Some(key) if std::str::from_utf8(key).is_err() => return Err(wrong(names::KEY, "bytes that are not UTF-8")),
        Some(key) => Some(key.clone()),
        None => match field(fields, names::DATA) {
            Some(data) if (1..=MAX_READ_FOR_LANE).contains(&data.len()) => of_body(data, order_unaddressed)?,
            _ => None,
        },
    };
    match lane {
        Some(lane) if lane.len() > MAX_LANE_BYTES => Err(wrong("lane", &format!("{} bytes", lane.len()))),
        lane => Ok(lane.filter(|lane| !lane.is_empty())),
    }
}

/// The channel of a message, as locks are named after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// `channel_id` of the envelope.
    pub id: Option<Bytes>,
    /// `channel_key` of the envelope, else the field `key` of the entry.
    pub key: Option<Bytes>,
    /// Whether the message is addressed to the bot, as far as is known.
    pub addressed: bool,
}

/// The channel of an entry; what cannot be read is not known.
pub fn channel_of(fields: &[(Bytes, Bytes)]) -> Channel {
    let body = field(fields, names::DATA).and_then(|data| channel_of_body(data).ok().flatten());
    let mut channel = body.unwrap_or(Channel { id: None, key: None, addressed: true });
    channel.key = channel.key.or_else(|| field(fields, names::KEY).cloned());
    channel.addressed &= field(fields, names::UNADDRESSED).is_none_or(|ua| ua.as_ref() != b"1");
    channel
}

/// The lane that the body names.
fn of_body(data: &Bytes, order_unaddressed: bool) -> Result<Option<Bytes>> {
    let channel = channel_of_body(data)?.filter(|channel| channel.addressed || order_unaddressed);
    Ok(channel.and_then(|channel| channel.key.or(channel.id)))
}

/// What the body says; nothing when it is no map.
fn channel_of_body(data: &Bytes) -> Result<Option<Channel>> {
    scan(data, &Limits::default())?;
    let mut reader = Reader::new(data);
    let Token::Map(pairs) = reader.token()? else { return Ok(None) };
    let (mut key, mut id, mut addressed) = (None, None, true);
    for _ in 0..pairs {
        let name = reader.key()?;
        let value = reader.clone().token()?;
        match name {
            "channel_key" => key = text(name, &value)?,
            "channel_id" => id = text(name, &value)?,
            "is_addressed" => addressed = !matches!(value, Token::Bool(false) | Token::Int(0)),
            _ => {}
        }
        reader.skip()?;
    }
    let text = |text: Option<&str>| text.map(|text| data.slice_ref(text.as_bytes()));
    Ok(Some(Channel { id: text(id), key: text(key), addressed }))
}

/// The text of a token; nil and the empty text are none.
fn text<'a>(name: &str, token: &Token<'a>) -> Result<Option<&'a str>> {
    let text = match token {
        Token::Text(text) => Some(*text),
        Token::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        Token::Nil => Some(""),
        _ => None,
    };
    match text {
        Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        None => Err(wrong(name, token.type_name())),
    }
}

#[cold]
fn wrong(field: &str, found: &str) -> Error {
    let expected = format!("text of at most {MAX_LANE_BYTES} bytes");
    Error::malformed(format!("`{field}` orders the messages and must be {expected}, found {found}"))
        .with_context("field", field)
        .with_context("expected", expected)
        .with_context("found", found)
}

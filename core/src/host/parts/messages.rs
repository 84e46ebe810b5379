//! Messages as adapters know them, as plain maps with the names of their members; the bytes of files are bytes.

use crate::envelope::arguments::{Arguments, map};
use crate::envelope::codec::as_invalid;
use crate::envelope::{Attachment, Envelope, HistoricalMessage, Inbound, IncomingMessage, Limits, Map, Value, codec};
use crate::error::{Error, Result};
use crate::platform::{MessageUpdate, UpdateKind};

/// Between messages and envelopes.
pub(super) fn convert(name: &str, mut take: Arguments<'_>) -> Result<Value> {
    match name {
        "to_inbound_envelope" => incoming(take.need_map("message")?)?.to_inbound_envelope()?.to_value(),
        "from_inbound_envelope" => {
            incoming_value(&IncomingMessage::from_inbound_envelope(&inbound(take.need_map("envelope")?)?)?)
        }
        "update_of_inbound" => match MessageUpdate::of_inbound(&inbound(take.need_map("envelope")?)?) {
            Some(update) => update.map(|update| update_value(&update)),
            None => Ok(Value::Nil),
        },
        other => Err(super::no_call(other)),
    }
}

/// An envelope that somebody read: as tolerant as reading is.
pub(super) fn inbound(map: &Map) -> Result<Inbound> {
    let limits = Limits::WIDEST;
    Inbound::decode_with(&codec::encode_map(map, &limits)?, &limits)
}

/// A message. `Invalid` naming the member that is wrong or not known.
pub(super) fn incoming(map: &Map) -> Result<IncomingMessage> {
    let mut take = Arguments::new(map);
    let (platform, channel) = (take.some_text("platform")?, take.need_text("channel_id")?);
    let (user, name, text) = (take.need_text("user_id")?, take.some_text("user_name")?, take.some_text("text")?);
    let written = take.float("timestamp")?.unwrap_or_default();
    let mut message = IncomingMessage::new_at(platform, channel, user, name, text, written);
    message.is_addressed = take.maybe_flag("is_addressed")?.unwrap_or(true);
    message.attachments = attachments(&mut take)?;
    message.channel_name = take.some_text("channel_name")?;
    message.message_id = take.some_text("message_id")?;
    message.reply_to_id = take.some_text("reply_to_id")?;
    message.extra = take.map("extra")?;
    message.reactions = take.some_text("reactions")?;
    message.unified_user_id = take.text("unified_user_id")?;
    message.user_aliases = take.texts("user_aliases")?;
    take.end()?;
    Ok(message)
}

pub(super) fn attachments(take: &mut Arguments<'_>) -> Result<Vec<Attachment>> {
    let maps = take.maps("attachments")?;
    maps.into_iter().map(|map| Attachment::from_map(map).map_err(as_invalid)).collect()
}

pub(super) fn incoming_value(message: &IncomingMessage) -> Result<Value> {
    let attachment = |attachment: &Attachment| {
        let mut map = attachment.to_map()?;
        map.insert("data", attachment.data.clone());
        Ok(map)
    };
    let attachments: Vec<Map> = message.attachments.iter().map(attachment).collect::<Result<_>>()?;
    Ok(map([
        ("platform", message.platform.as_str().into()),
        ("channel_id", message.channel_id.as_str().into()),
        ("user_id", message.user_id.as_str().into()),
        ("user_name", message.user_name.as_str().into()),
        ("text", message.text.as_str().into()),
        ("is_addressed", message.is_addressed.into()),
        ("attachments", attachments.into()),
        ("channel_name", message.channel_name.as_str().into()),
        ("timestamp", message.timestamp.into()),
        ("message_id", message.message_id.as_str().into()),
        ("reply_to_id", message.reply_to_id.as_str().into()),
        ("extra", message.extra.clone().into()),
        ("reactions", message.reactions.as_str().into()),
        ("unified_user_id", message.unified_user_id.clone().into()),
        ("user_aliases", message.user_aliases.clone().into()),
    ]))
}

/// A change of a message. `Invalid` naming the member that is wrong or not known.
pub(super) fn update(map: &Map) -> Result<MessageUpdate> {
    let mut take = Arguments::new(map);
    let kind: UpdateKind = take.need_text("kind")?.parse()?;
    let (channel, id) = (take.need_text("channel_id")?, take.need_text("message_id")?);
    let mut update = match kind {
        UpdateKind::Edited => MessageUpdate::edited(channel, id, take.some_text("text")?),
        UpdateKind::Deleted => MessageUpdate::deleted(channel, id),
        UpdateKind::Reactions => MessageUpdate::reactions(channel, id, take.some_text("reactions")?),
    };
    update = update.by(take.some_text("user_id")?, take.some_text("user_name")?);
    update = update.at(take.float("timestamp")?.unwrap_or_default());
    update.extra = take.map("extra")?;
    // What does not belong to the kind must be empty.
    for name in ["text", "reactions"] {
        if !take.some_text(name)?.is_empty() {
            let text = format!("an update of kind {} has no {name}", kind.as_str());
            return Err(Error::invalid(text).with_context("field", name));
        }
    }
    take.end()?;
    Ok(update)
}

fn update_value(update: &MessageUpdate) -> Value {
    map([
        ("kind", update.kind.as_str().into()),
        ("channel_id", update.channel_id.as_str().into()),
        ("message_id", update.message_id.as_str().into()),
        ("user_id", update.user_id.as_str().into()),
        ("user_name", update.user_name.as_str().into()),
        ("text", update.text.as_str().into()),
        ("reactions", update.reactions.as_str().into()),
        ("timestamp", update.timestamp.into()),
        ("extra", update.extra.clone().into()),
    ])
}

/// Messages of the past.
pub(super) fn history_value(messages: &[HistoricalMessage]) -> Result<Value> {
    let maps: Vec<Map> = messages.iter().map(HistoricalMessage::to_map).collect::<Result<_>>()?;
    Ok(maps.into())
}

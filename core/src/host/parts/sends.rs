//! What an adapter is told about a send, as plain maps; and the calls that every adapter has.

use crate::envelope::arguments::{Arguments, map};
use crate::envelope::codec::as_invalid;
use crate::envelope::{Button, File, Map, Value};
use crate::error::{Error, Result};
use crate::platform::{Adapter, SendContext, TurnEnd};

use super::messages::history_value;

/// A call of [`Adapter`] by its name; `None` when it has none of that name.
pub(super) async fn call(adapter: &dyn Adapter, name: &str, mut take: Arguments<'_>) -> Result<Option<Value>> {
    let value = match name {
        "is_running" => adapter.is_running().await.into(),
        "bot_identity" => adapter.bot_identity().await?.to_map().into(),
        "send" => {
            let (channel, text, context) =
                (take.need_text("channel_id")?, take.need_text("text")?, context(&mut take)?);
            adapter.send(channel, text, &context).await?.into()
        }
        "send_file" => {
            let (channel, file, context) = (take.need_text("channel_id")?, file(&mut take)?, context(&mut take)?);
            adapter.send_file(channel, &file, &context).await?.into()
        }
        "send_with_buttons" => {
            let (channel, text, buttons) =
                (take.need_text("channel_id")?, take.need_text("text")?, buttons(&mut take)?);
            adapter.send_with_buttons(channel, text, &buttons, &context(&mut take)?).await?.into()
        }
        "react" => {
            let (channel, message) = (take.need_text("channel_id")?, take.need_text("message_id")?);
            let emoji = take.need_text("emoji")?;
            adapter.react(channel, message, emoji, &context(&mut take)?).await?;
            Value::Nil
        }
        "typing" => {
            adapter.typing(take.need_text("channel_id")?).await?;
            Value::Nil
        }
        "presence" => {
            adapter.presence(take.need_text("status")?, take.as_text("emoji")?).await?;
            Value::Nil
        }
        "turn_complete" => {
            let (channel, end) = (take.need_text("channel_id")?, turn_end(take.need_map("end")?)?);
            adapter.turn_complete(channel, &end).await?;
            Value::Nil
        }
        "fetch_history" => {
            let limit = take.number("limit")?.unwrap_or(100);
            history_value(&adapter.fetch_history(take.need_text("channel_id")?, limit).await?)?
        }
        "is_channel_valid" => adapter.is_channel_valid(take.need_text("channel_id")?).await?.into(),
        "should_skip_channel_heartbeat" => {
            adapter.should_skip_channel_heartbeat(take.need_text("channel_id")?).await?.into()
        }
        "call" => adapter.call(take.need_text("method")?, &take.map("params")?).await?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// About a send; nothing is the first try of something without a key.
fn context(take: &mut Arguments<'_>) -> Result<SendContext> {
    let Some(map) = take.maybe_map("context")? else { return Ok(SendContext::new()) };
    let mut take = Arguments::new(map);
    let mut context = SendContext::new().with_trace_id(take.some_text("trace_id")?);
    context.message_key = take.text("message_key")?;
    context.may_be_repeat = take.flag("may_be_repeat")?;
    context.attempt = take.number("attempt")?.unwrap_or(1);
    context.reply_to = take.text("reply_to")?;
    context.caption = take.some_text("caption")?;
    context.rest = take.map("rest")?;
    take.end()?;
    Ok(context)
}

pub(super) fn file(take: &mut Arguments<'_>) -> Result<File> {
    let mut take = Arguments::new(take.need_map("file")?);
    let file = File {
        filename: take.need_text("filename")?.to_owned(),
        mimetype: take.text("mimetype")?.unwrap_or_else(|| File::default().mimetype),
        data: take.bytes("data")?,
    };
    take.end()?;
    Ok(file)
}

fn buttons(take: &mut Arguments<'_>) -> Result<Vec<Button>> {
    take.maps("buttons")?
        .into_iter()
        .map(|map| {
            let mut take = Arguments::new(map);
            let button = Button::new(take.need_text("label")?, take.need_text("custom_id")?);
            let button = take.text("emoji")?.into_iter().fold(button, Button::with_emoji);
            take.end()?;
            Ok(button)
        })
        .collect()
}

fn turn_end(map: &Map) -> Result<TurnEnd> {
    let mut take = Arguments::new(map);
    let nonce = take.need_text("nonce")?;
    let end = match take.as_text("error")? {
        Some(error) => TurnEnd::failed(nonce, error),
        None => TurnEnd::completed(nonce),
    };
    let end = end.with_trace_id(take.some_text("trace_id")?);
    take.end()?;
    Ok(end)
}

/// What somebody says who is not asked for it: the trouble is with the call.
pub(super) fn given<T>(result: Result<T>) -> Result<T> {
    result.map_err(as_invalid)
}

/// There is no such call.
pub(super) fn or_none(value: Option<Value>, call: &str) -> Result<Value> {
    value.ok_or_else(|| -> Error { super::no_call(call) })
}

/// What the host is told about a send.
pub(super) fn context_value(context: &SendContext) -> Value {
    map([
        ("message_key", context.message_key.clone().into()),
        ("may_be_repeat", context.may_be_repeat.into()),
        ("attempt", context.attempt.into()),
        ("reply_to", context.reply_to.clone().into()),
        ("caption", context.caption.as_str().into()),
        ("trace_id", context.trace_id.as_str().into()),
        ("rest", context.rest.clone().into()),
    ])
}

pub(super) fn file_value(file: &File) -> Value {
    map([
        ("filename", file.filename.as_str().into()),
        ("mimetype", file.mimetype.as_str().into()),
        ("data", file.data.clone().into()),
    ])
}

pub(super) fn buttons_value(buttons: &[Button]) -> Value {
    let button = |button: &Button| {
        let mut map = Map::from([("label", button.label.as_str()), ("custom_id", button.custom_id.as_str())]);
        if let Some(emoji) = &button.emoji {
            map.insert("emoji", emoji.as_str());
        }
        map
    };
    buttons.iter().map(button).collect::<Vec<Map>>().into()
}

pub(super) fn turn_end_value(end: &TurnEnd) -> Value {
    map([
        ("nonce", end.nonce.as_str().into()),
        ("error", end.error.clone().into()),
        ("trace_id", end.trace_id.as_str().into()),
    ])
}

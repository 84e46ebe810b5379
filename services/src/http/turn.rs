//! A turn as an answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stargazer_core::envelope::{Action, Outbound};

use crate::roles::webchat::{Status, Turn, TurnState};

/// Where a turn is found.
pub(super) fn location(turn: &Turn) -> String {
    format!("/api/v1/turns/{}", turn.id)
}

/// What has become of a message so far.
pub(super) fn body(turn: &Turn, state: &TurnState) -> Value {
    let mut body = json!({
        "turn_id": turn.id,
        "message_id": turn.message_id,
        "trace_id": turn.id,
        "status": word(&state.status),
        "replies": state.replies.iter().map(reply).collect::<Vec<_>>(),
        "elapsed_ms": u64::try_from(state.elapsed.as_millis()).unwrap_or(u64::MAX),
    });
    if let Status::Failed(error) = &state.status {
        body["error"] = error.as_str().into();
    }
    body
}

/// What a message is told right after it was taken.
pub(super) fn queued(turn: &Turn) -> Value {
    json!({"turn_id": turn.id, "message_id": turn.message_id, "trace_id": turn.id, "status": "queued"})
}

fn word(status: &Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Completed => "completed",
        Status::Failed(_) => "failed",
    }
}

fn reply(action: &Outbound) -> Value {
    let mut reply = json!({"type": action.action.type_name(), "channel_id": action.channel_id});
    match &action.action {
        Action::Message(message) => {
            reply["text"] = action.text.as_str().into();
            reply["reply_to"] = message.reply_to.as_deref().into();
        }
        Action::File(file) => {
            reply["filename"] = file.filename.as_str().into();
            reply["mimetype"] = file.mimetype.as_str().into();
            reply["size"] = file.data.len().into();
            reply["data"] = STANDARD.encode(&file.data).into();
            reply["text"] = action.text.as_str().into();
        }
        Action::Buttons(buttons) => {
            let button = |button: &stargazer_core::envelope::Button| json!({"label": button.label, "emoji": button.emoji, "custom_id": button.custom_id});
            reply["text"] = action.text.as_str().into();
            reply["buttons"] = buttons.view.iter().map(button).collect();
        }
        Action::Reaction(reaction) => {
            reply["message_id"] = reaction.message_id.as_str().into();
            reply["emoji"] = reaction.emoji.as_str().into();
        }
        // These are not kept as replies.
        _ => {}
    }
    reply["message_key"] = action.message_key.as_deref().into();
    reply
}

//! What is said to an instance: JSON in the original's form, byte for byte as Python's `json.dumps` writes it.
//!
//! `message`, `file` and `turn_complete` are told on the original's channel. Their types and what they carry are
//! documented, the names of the members are inferred; the settings have them. Members of ours (`reply_to`, `buttons`,
//! `text` beside a file, `status`, `error`) stand only where there is something to say. `reaction` is a type of ours: a
//! reader of the original's channel might take it for a reply, so it is found in the streams only.

use crate::envelope::{Button, Map, Value, json};
use crate::platform::{SendContext, TurnEnd};
use crate::topology::redis_platform::{RedisPlatformNames, member};

/// One thing that is said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    /// `message`, `file`, `reaction` or `turn_complete`.
    pub kind: &'static str,
    /// Its JSON.
    pub json: String,
}

impl Said {
    /// Whether readers of the original know this type.
    pub(super) fn is_original(&self) -> bool {
        matches!(self.kind, MESSAGE | FILE | TURN_COMPLETE)
    }

    fn new(kind: &'static str, members: Map) -> Self {
        let mut all = Map::from([("type", kind)]);
        all.extend(members);
        Self { kind, json: json::encode(&Value::Map(all)) }
    }
}

const MESSAGE: &str = "message";
const FILE: &str = "file";
const REACTION: &str = "reaction";
pub(super) const TURN_COMPLETE: &str = "turn_complete";

/// Writes what is said.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub names: &'a RedisPlatformNames,
    /// UTC, ISO 8601.
    pub now: &'a str,
}

impl Writer<'_> {
    /// A text, with buttons below it or none.
    pub(super) fn message(&self, id: &str, text: &str, buttons: &[Button], context: &SendContext) -> Said {
        let mut members = Map::from([(self.names.reply_message_id.as_str(), id), ("text", text)]);
        self.end(&mut members, context);
        if !buttons.is_empty() {
            members.insert("buttons", buttons.iter().map(button).collect::<Value>());
        }
        Said::new(MESSAGE, members)
    }

    /// A file, which is fetched under its address.
    pub(super) fn file(
        &self,
        (id, url): (&str, &str),
        (filename, mimetype): (&str, &str),
        size: usize,
        context: &SendContext,
    ) -> Said {
        let mut members = Map::from([
            (self.names.reply_file_id.as_str(), id),
            (member::FILENAME, filename),
            (member::MIMETYPE, mimetype),
        ]);
        members.insert(member::SIZE, size as u64);
        members.insert(self.names.reply_url.as_str(), url);
        self.end(&mut members, context);
        if !context.caption.is_empty() {
            members.insert("text", context.caption.as_str());
        }
        Said::new(FILE, members)
    }

    /// A reaction to a message.
    pub(super) fn reaction(&self, message_id: &str, emoji: &str) -> Said {
        let mut members = Map::from([(self.names.reply_message_id.as_str(), message_id), ("emoji", emoji)]);
        self.end(&mut members, &SendContext::default());
        Said::new(REACTION, members)
    }

    /// That a turn is over.
    pub(super) fn turn_complete(&self, end: &TurnEnd) -> Said {
        let mut members = Map::from([(self.names.reply_nonce.as_str(), end.nonce.as_str()), ("status", end.status())]);
        if let Some(error) = &end.error {
            members.insert("error", error.as_str());
        }
        self.end(&mut members, &SendContext::default());
        Said::new(TURN_COMPLETE, members)
    }

    fn end(&self, members: &mut Map, context: &SendContext) {
        members.insert(member::TIMESTAMP, self.now);
        if let Some(reply_to) = &context.reply_to {
            members.insert("reply_to", reply_to.as_str());
        }
    }
}

fn button(button: &Button) -> Value {
    let mut map = Map::from([("label", button.label.as_str())]);
    map.insert("emoji", button.emoji.clone());
    map.insert("custom_id", button.custom_id.as_str());
    map.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00+00:00";

    fn said(write: impl FnOnce(&Writer<'_>) -> Said) -> String {
        write(&Writer { names: &RedisPlatformNames::default(), now: NOW }).json
    }

    #[test]
    fn the_originals_types() {
        let plain = SendContext::new();
        assert_eq!(
            said(|w| w.message("m1", "Tromsø", &[], &plain)),
            r#"{"type": "message", "message_id": "m1", "text": "Troms\u00f8", "timestamp": "2026-01-01T00:00:00+00:00"}"#
        );
        assert_eq!(
            said(|w| w.file(("f1", "/files/f1/a.txt"), ("a.txt", "text/plain"), 3, &plain)),
            concat!(
                r#"{"type": "file", "file_id": "f1", "filename": "a.txt", "mimetype": "text/plain", "size": 3, "#,
                r#""url": "/files/f1/a.txt", "timestamp": "2026-01-01T00:00:00+00:00"}"#
            )
        );
        assert_eq!(
            said(|w| w.turn_complete(&TurnEnd::completed("n1"))),
            concat!(
                r#"{"type": "turn_complete", "nonce": "n1", "status": "completed", "#,
                r#""timestamp": "2026-01-01T00:00:00+00:00"}"#
            )
        );
    }

    #[test]
    fn what_is_ours_stands_behind() {
        let answer = SendContext::new().with_reply_to("q1").with_caption("look");
        let text = said(|w| w.message("m1", "Which?", &[Button::new("A", "a").with_emoji("🅰")], &answer));
        let ours = concat!(
            r#""timestamp": "2026-01-01T00:00:00+00:00", "reply_to": "q1", "#,
            r#""buttons": [{"label": "A", "emoji": "\ud83c\udd70", "custom_id": "a"}]}"#
        );
        assert!(text.ends_with(ours), "{text}");
        let file = said(|w| w.file(("f", "u"), ("n", "t"), 0, &answer));
        assert!(file.ends_with(r#""reply_to": "q1", "text": "look"}"#), "{file}");
        let failed = said(|w| w.turn_complete(&TurnEnd::failed("n1", "gone")));
        assert!(failed.contains(r#""status": "failed", "error": "gone""#), "{failed}");
    }

    #[test]
    fn only_the_originals_types_ring() {
        let names = RedisPlatformNames::default();
        let writer = Writer { names: &names, now: NOW };
        assert!(writer.message("m", "", &[], &SendContext::new()).is_original());
        assert!(writer.turn_complete(&TurnEnd::completed("n")).is_original());
        assert!(!writer.reaction("m", "👍").is_original());
    }
}

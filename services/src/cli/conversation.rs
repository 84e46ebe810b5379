//! The conversation of `stargazer dev --demo`: 30 messages in five channels, and what their answers must hold.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A message and what its answer must hold.
#[derive(Debug)]
pub(super) struct Line {
    pub channel: &'static str,
    pub user: &'static str,
    pub text: &'static str,
    pub expected: Expected,
}

/// What an answer must hold.
#[derive(Debug)]
pub(super) enum Expected {
    /// Exactly this text.
    Exactly(&'static str),
    /// A text with this in it.
    Holds(&'static str),
    /// A text of more than 4 kB.
    Long,
    /// A text, and behind it the file that was sent.
    File,
}

/// The file of the conversation: the smallest PNG there is.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8,
    4, 0, 0, 0, 0xb5, 0x1c, 0x0c, 0x02, 0, 0, 0, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x64, 0xf8, 0x0f, 0,
    0x01, 0x05, 0x01, 0x01, 0x27, 0x18, 0xe3, 0x66, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// The channels; a channel's messages are said one after the other.
pub(super) const CHANNELS: [&str; 5] = ["garden", "kitchen", "harbour", "library", "observatory"];

const fn line(channel: usize, user: &'static str, text: &'static str, expected: Expected) -> Line {
    Line { channel: CHANNELS[channel], user, text, expected }
}

use Expected::{Exactly, File, Holds, Long};

/// The messages.
pub(super) const LINES: [Line; 30] = [
    line(0, "ann", "Good morning, everybody!", Holds("Good morning, everybody!")),
    line(0, "ann", "echo The roses are in bloom.", Exactly("The roses are in bloom.")),
    line(0, "bo", "What is the weather in Berlin?", Holds("Berlin: ")),
    line(0, "bo", "Then I shall water the tomatoes 🍅", Holds("water the tomatoes 🍅")),
    line(0, "ann", "fail twice, like my first two bean plants", Holds("like my first two bean plants")),
    line(0, "bo", "echo Third time lucky 🌱", Exactly("Third time lucky 🌱")),
    line(1, "chidi", "Who has the recipe for soup?", Holds("recipe for soup?")),
    line(1, "chidi", "long recipe, please", Long),
    line(1, "dara", "echo สวัสดี ข้าวผัด", Exactly("สวัสดี ข้าวผัด")),
    line(1, "dara", "How much salt? 🧂", Holds("How much salt? 🧂")),
    line(1, "chidi", "echo a pinch  and   a half", Exactly("a pinch  and   a half")),
    line(1, "dara", "Dinner is at eight.", Holds("Dinner is at eight.")),
    line(2, "eirik", "Skipið er komið í höfn", Holds("Skipið er komið í höfn")),
    line(2, "eirik", "weather in Reykjavík", Holds("Reykjavík: ")),
    line(2, "fatima", "echo السلام عليكم", Exactly("السلام عليكم")),
    line(2, "fatima", "Here is the flag", File),
    line(2, "eirik", "echo 👩‍👩‍👧‍👦 aboard", Exactly("👩‍👩‍👧‍👦 aboard")),
    line(2, "fatima", "We sail at dawn.", Holds("We sail at dawn.")),
    line(3, "gal", "echo שלום וברכה", Exactly("שלום וברכה")),
    line(3, "hana", "この本を返したいです", Holds("この本を返したいです")),
    line(3, "hana", "echo 图书馆", Exactly("图书馆")),
    line(3, "gal", "long list of new books", Long),
    line(3, "hana", "e\u{301}te\u{301} means summer", Holds("e\u{301}te\u{301} means summer")),
    line(3, "gal", "Silence, please 🤫", Holds("Silence, please 🤫")),
    line(4, "ines", "Clear sky tonight?", Holds("Clear sky tonight?")),
    line(4, "ines", "weather in Atacama", Holds("Atacama: ")),
    line(4, "jun", "fail twice, the dome is stuck", Holds("the dome is stuck")),
    line(4, "jun", "echo Saturn ♄ is up", Exactly("Saturn ♄ is up")),
    line(4, "ines", "Look at this plate", File),
    line(4, "jun", "Good night, stargazers ✨", Holds("Good night, stargazers ✨")),
];

impl Line {
    /// The body that says it.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({"text": self.text, "user": self.user, "channel": self.channel});
        if matches!(self.expected, File) {
            body["attachments"] = json!([
                {"filename": "plate.png", "mimetype": "image/png", "data": STANDARD.encode(PNG)}
            ]);
        }
        body
    }

    /// What is wrong with the replies; nothing if nothing is.
    pub(super) fn fault(&self, replies: &[Value]) -> Option<String> {
        let text = replies.first().filter(|reply| reply["type"] == "message").and_then(|reply| reply["text"].as_str());
        let Some(text) = text else { return Some("there is no text in the answer".into()) };
        let files = usize::from(matches!(self.expected, File));
        if replies.len() != 1 + files {
            return Some(format!("{} replies instead of {}", replies.len(), 1 + files));
        }
        let fits = match self.expected {
            Exactly(expected) => text == expected,
            Holds(expected) => text.contains(expected),
            Long => text.len() > 4096 && text.contains(self.text),
            File => text.contains(self.text) && replies[1]["data"] == STANDARD.encode(PNG),
        };
        (!fits).then(|| format!("an answer that does not fit: {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_part() {
        for channel in CHANNELS {
            assert_eq!(LINES.iter().filter(|line| line.channel == channel).count(), 6, "{channel}");
        }
    }

    #[test]
    fn a_wrong_answer_is_found() {
        let message = |text: &str| json!({"type": "message", "text": text});
        let echo = &LINES[1];
        assert_eq!(echo.fault(&[message("The roses are in bloom.")]), None);
        assert!(echo.fault(&[message("The roses are in bloom")]).is_some());
        assert!(echo.fault(&[message("The roses are in bloom."), message("again")]).is_some());
        assert!(echo.fault(&[]).is_some());
        let file = LINES.iter().find(|line| matches!(line.expected, File)).unwrap();
        let with = |data: &str| [message(file.text), json!({"type": "file", "data": data})];
        assert_eq!(file.fault(&with(&STANDARD.encode(PNG))), None);
        assert!(file.fault(&with("AAAA")).is_some());
    }
}

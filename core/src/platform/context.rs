//! What an adapter is told about a send besides what is to be sent.

use crate::envelope::Map;

/// About one send.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct SendContext {
    /// Key of the send, the same whenever it is tried: what a platform with keys of its own is to be given. Opaque;
    /// `None` when the sender gave none.
    pub message_key: Option<String>,
    /// Whether it may have been sent before: an earlier try began, and how it ended nobody knows. An adapter that can
    /// look on its platform looks.
    pub may_be_repeat: bool,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Id of the message it answers.
    pub reply_to: Option<String>,
    /// Text beside a file, `""` for none.
    pub caption: String,
    /// Trace id, `""` for none.
    pub trace_id: String,
    /// What else the sender said, in its order.
    pub rest: Map,
}

impl SendContext {
    /// The first try of something without a key.
    pub fn new() -> Self {
        Self { attempt: 1, ..Self::default() }
    }

    /// Sets the key.
    pub fn with_message_key(mut self, key: impl Into<String>) -> Self {
        self.message_key = Some(key.into());
        self
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = id.into();
        self
    }

    /// Makes it the answer to a message.
    pub fn with_reply_to(mut self, message_id: impl Into<String>) -> Self {
        self.reply_to = Some(message_id.into());
        self
    }

    /// Sets the text beside a file.
    pub fn with_caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Says that it may have been sent before.
    pub fn with_may_be_repeat(mut self, may_be: bool) -> Self {
        self.may_be_repeat = may_be;
        self
    }
}

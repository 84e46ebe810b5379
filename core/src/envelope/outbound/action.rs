//! What can be done on a platform: the types of outbound envelopes with their own fields (inferred).

use bytes::Bytes;

use crate::envelope::Map;
use crate::envelope::codec::{Reader, Token, Writer};
use crate::envelope::member::{Field, Member, field, read_map, read_one, specs, write_fields, write_map};
use crate::envelope::schema::{Shape, Spec};
use crate::error::Result;

/// What is to be done, told apart by the field `type`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// `message`: send a text.
    Message(Message),
    /// `file`: send a file.
    File(File),
    /// `buttons`: send a text with buttons.
    Buttons(Buttons),
    /// `reaction`: react to a message.
    Reaction(Reaction),
    /// `typing`: show that an answer is being written.
    Typing(Typing),
    /// `presence`: show a status.
    Presence(Presence),
    /// `rpc`: call the adapter.
    Rpc(Rpc),
}

/// Fields of `message` beside the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// Id of the message it answers; left out when there is none.
    pub reply_to: Option<String>,
}

/// Fields of `file`.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Its name.
    pub filename: String,
    /// Its type; `application/octet-stream` when nobody said.
    pub mimetype: String,
    /// Its bytes: base64 text on the wire.
    pub data: Bytes,
}

/// Fields of `buttons` beside the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buttons {
    /// The buttons.
    pub view: Vec<Button>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Button {
    /// What it says.
    pub label: String,
    /// A picture on it.
    pub emoji: Option<String>,
    /// What is sent back when it is pressed.
    pub custom_id: String,
    /// Keys that we do not know.
    pub rest: Map,
}

/// Fields of `reaction`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reaction {
    /// The message reacted to.
    pub message_id: String,
    /// The reaction.
    pub emoji: String,
}

/// `typing` has no fields of its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Typing {}

/// Fields of `presence` beside the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presence {
    /// A picture beside the status.
    pub emoji: Option<String>,
}

/// Fields of `rpc`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rpc {
    /// `execute_tool`, `is_channel_valid`, `should_skip_channel_heartbeat`, `fetch_history`, …
    pub method: String,
    /// Its arguments by name.
    pub params: Map,
    /// Where the answer goes.
    pub reply_to: String,
    /// What the answer names, so that the caller finds it.
    pub correlation_id: String,
    /// Milliseconds since 1970 after which nobody waits any more; ours, left out when there is none.
    pub deadline_ms: Option<u64>,
}

impl Default for File {
    fn default() -> Self {
        Self { filename: String::new(), mimetype: "application/octet-stream".to_owned(), data: Bytes::new() }
    }
}

impl Button {
    /// A button without a picture.
    pub fn new(label: impl Into<String>, custom_id: impl Into<String>) -> Self {
        Self { label: label.into(), custom_id: custom_id.into(), ..Self::default() }
    }

    /// Puts a picture on it.
    pub fn with_emoji(mut self, emoji: impl Into<String>) -> Self {
        self.emoji = Some(emoji.into());
        self
    }
}

/// The fields of a type.
trait Fields: Sized + 'static {
    const FIELDS: &'static [Field<Self>];
    const SPECS: &'static [Spec];
}

macro_rules! fields {
    ($action:ty, $n:literal: $($field:expr),*) => {
        impl Fields for $action {
            const FIELDS: &'static [Field<Self>] = &[$($field),*];
            const SPECS: &'static [Spec] = &specs::<Self, $n>(&[$($field),*]);
        }
    };
}

fields!(Message, 1: field!(Optional "reply_to" => reply_to: Option<String>).unless(|a| a.reply_to.is_none()));
fields!(File, 3:
    field!(Written "filename" => filename: String),
    field!(Optional "mimetype" => mimetype: String),
    field!(Written "data" => data: Bytes)
);
fields!(Buttons, 1: field!(Written "view" => view: Vec<Button>));
fields!(Button, 3:
    field!(Written "label" => label: String),
    field!(Optional "emoji" => emoji: Option<String>),
    field!(Written "custom_id" => custom_id: String)
);
fields!(Reaction, 2:
    field!(Written "message_id" => message_id: String),
    field!(Written "emoji" => emoji: String)
);
fields!(Typing, 0:);
fields!(Presence, 1: field!(Optional "emoji" => emoji: Option<String>));
fields!(Rpc, 5:
    field!(Written "method" => method: String),
    field!(Optional "params" => params: Map),
    field!(Written "reply_to" => reply_to: String),
    field!(Written "correlation_id" => correlation_id: String),
    field!(Optional "deadline_ms" => deadline_ms: Option<u64>).unless(|a| a.deadline_ms.is_none())
);

impl Member for Vec<Button> {
    const SHAPE: Shape = Shape::Items(Button::SPECS);

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let n = if let Token::List(n) = reader.token()? { n } else { 0 };
        for _ in 0..n {
            let mut button = Button::default();
            button.rest = read_map(reader, &mut button, Button::FIELDS)?;
            self.push(button);
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.list(self.len());
        writer.inside(|writer| {
            for button in self {
                write_map(writer, button, Button::FIELDS, &button.rest);
            }
        });
    }
}

/// Runs the same expression on the fields of whichever type it is.
macro_rules! each {
    ($action:expr, $fields:ident => $run:expr) => {
        match $action {
            Action::Message($fields) => $run,
            Action::File($fields) => $run,
            Action::Buttons($fields) => $run,
            Action::Reaction($fields) => $run,
            Action::Typing($fields) => $run,
            Action::Presence($fields) => $run,
            Action::Rpc($fields) => $run,
        }
    };
}

impl Action {
    /// The types, as an error message lists them.
    pub(super) const KNOWN: &'static str = "message, file, buttons, reaction, typing, presence, rpc";

    /// The value of the field `type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::File(_) => "file",
            Self::Buttons(_) => "buttons",
            Self::Reaction(_) => "reaction",
            Self::Typing(_) => "typing",
            Self::Presence(_) => "presence",
            Self::Rpc(_) => "rpc",
        }
    }

    /// The type of that name without its fields.
    pub(super) fn empty(name: &str) -> Option<Self> {
        Some(match name {
            "message" => Message::default().into(),
            "file" => File::default().into(),
            "buttons" => Buttons::default().into(),
            "reaction" => Reaction::default().into(),
            "typing" => Typing::default().into(),
            "presence" => Presence::default().into(),
            "rpc" => Rpc::default().into(),
            _ => return None,
        })
    }

    /// Whether it needs a channel.
    pub(super) const fn in_channel(&self) -> bool {
        !matches!(self, Self::Presence(_) | Self::Rpc(_))
    }

    /// Whether it needs a text.
    pub(super) const fn speaks(&self) -> bool {
        matches!(self, Self::Message(_) | Self::Buttons(_))
    }

    pub(super) fn specs(&self) -> &'static [Spec] {
        fn of<A: Fields>(_: &A) -> &'static [Spec] {
            A::SPECS
        }
        each!(self, a => of(a))
    }

    /// Reads a field if it is one of the type's own.
    pub(super) fn read(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<bool> {
        fn one<A: Fields>(of: &mut A, name: &str, reader: &mut Reader<'_>) -> Result<bool> {
            read_one(of, A::FIELDS, name, reader)
        }
        each!(self, a => one(a, name, reader))
    }

    /// How many of the type's own fields will be written.
    pub(super) fn count(&self) -> usize {
        fn present<A: Fields>(of: &A) -> usize {
            A::FIELDS.iter().filter(|f| f.present(of)).count()
        }
        each!(self, a => present(a))
    }

    /// Writes the type's own fields.
    pub(super) fn write(&self, writer: &mut Writer) {
        fn all<A: Fields>(of: &A, writer: &mut Writer) {
            write_fields(writer, of, A::FIELDS);
        }
        each!(self, a => all(a, writer));
    }
}

impl Default for Action {
    fn default() -> Self {
        Self::Message(Message::default())
    }
}

macro_rules! from_fields {
    ($($action:ident),*) => {$(
        impl From<$action> for Action {
            fn from(fields: $action) -> Self {
                Self::$action(fields)
            }
        }
    )*};
}
from_fields!(Message, File, Buttons, Reaction, Typing, Presence, Rpc);

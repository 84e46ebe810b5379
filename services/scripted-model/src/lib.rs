//! A language model by rules: the same question gets the same answer, no network and no clock are involved.
//!
//! It has the shape of a real model, so that what is built around it is real: an answer comes in [`Step`]s, text in
//! pieces with a pause before each; a step may ask for a tool, upon which the caller runs the tool and asks again with
//! its result; and it may fail. The rules, the first that fits counts:
//!
//! | the text | the answer |
//! |---|---|
//! | `echo …` | the rest, unchanged |
//! | `weather in X` (anywhere) | asks for the tool `weather`, then says its result and the whole text |
//! | `fail twice …` | fails at the first two attempts, then answers |
//! | `fail always …` | fails at every attempt |
//! | `long …` | an answer over 4 kB |
//! | anything else | an answer that holds the whole text |
//!
//! Files that came with the message are sent back behind the text, in their order.

mod pace;
mod rules;

use std::fmt;
use std::time::Duration;

pub use pace::Pace;

/// What the model is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    /// The message.
    pub text: String,
    /// How many files came with it.
    pub files: usize,
    /// Which attempt at this message it is, from 1.
    pub attempt: u32,
    /// The tools' results so far, in the order in which they were asked for.
    pub results: Vec<String>,
}

impl Prompt {
    /// The first attempt at a text without files.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), attempt: 1, ..Self::default() }
    }

    /// Sets the number of files.
    pub fn with_files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// Sets the attempt.
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How long the model takes before it.
    pub after: Duration,
    /// The part.
    pub part: Part,
}

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The next piece of the text.
    Text(String),
    /// A tool is to be run; ask again with its result. Always the last step.
    Tool(ToolCall),
    /// The file of the message with this number, from 0, is to be sent back.
    File(usize),
}

/// A tool that the model wants to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Its name.
    pub name: String,
    /// Its arguments, by name.
    pub arguments: Vec<(String, String)>,
}

/// The model failed; asking again may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelError {
    message: String,
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ModelError {}

/// The model.
#[derive(Debug, Clone, Default)]
pub struct ScriptedModel {
    pace: Pace,
}

impl ScriptedModel {
    /// A model that answers at this pace.
    pub fn new(pace: Pace) -> Self {
        Self { pace }
    }

    /// What it calls itself.
    pub fn name(&self) -> &'static str {
        "scripted"
    }

    /// The steps of its answer.
    ///
    /// # Errors
    /// The rule says that this attempt fails.
    pub fn answer(&self, prompt: &Prompt) -> Result<Vec<Step>, ModelError> {
        match rules::apply(prompt)? {
            rules::Said::Text(text) => {
                let mut steps = self.pace.speak(&text);
                steps.extend((0..prompt.files).map(|n| Step { after: Duration::ZERO, part: Part::File(n) }));
                Ok(steps)
            }
            rules::Said::Tool(call) => Ok(vec![Step { after: self.pace.piece, part: Part::Tool(call) }]),
        }
    }
}

#[cfg(test)]
mod tests;

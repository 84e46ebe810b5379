//! The turn of a message: model and tools in turns, and the answer through the bus.
//!
//! A turn may run again, wholly or in part: after a failure, or after a crash. Everything it says has a key that is the
//! same whenever it runs (see [`ProxyAdapter`]), so what was stored before is not stored again.

mod tools;

use std::fmt;

use stargazer_core::envelope::{Attachment, Inbound, Outbound};
use stargazer_core::platform::ProxyAdapter;
use stargazer_core::{Error, Publisher};
use stargazer_scripted_model::{ModelError, Part, Prompt, ScriptedModel};

pub use tools::{ToolError, Tools};

/// How often the model may ask for tools in one turn.
const TOOL_ROUNDS: usize = 8;

/// Why a turn failed.
#[derive(Debug)]
pub enum TurnError {
    /// The model failed; another attempt may help.
    Model(ModelError),
    /// The model kept asking for tools.
    TooManyTools,
    /// The bus refused what was said, or the message cannot be read.
    Bus(Error),
}

impl TurnError {
    /// Whether the same message may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Model(_) => true,
            Self::TooManyTools => false,
            Self::Bus(error) => error.retryable() || error.kind() == stargazer_core::ErrorKind::Stale,
        }
    }
}

impl fmt::Display for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::TooManyTools => write!(f, "the model asked for tools more than {TOOL_ROUNDS} times"),
            Self::Bus(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TurnError {}

impl From<Error> for TurnError {
    fn from(error: Error) -> Self {
        Self::Bus(error)
    }
}

/// Answers messages.
#[derive(Debug, Default)]
pub struct Processor {
    model: ScriptedModel,
    tools: Tools,
}

impl Processor {
    /// A processor with this model and these tools.
    pub fn new(model: ScriptedModel, tools: Tools) -> Self {
        Self { model, tools }
    }

    /// Answers one message through `bus`: one text, then the files; `attempt` counts from 1. Ends with the sign that
    /// the turn is complete for those who asked for it.
    pub async fn answer(&self, message: &Inbound, attempt: u32, bus: Publisher) -> Result<(), TurnError> {
        let mut files = message.attachments.iter().map(Attachment::from_map).collect::<Result<Vec<_>, _>>()?;
        let mut prompt = Prompt::new(message.content.clone()).with_files(files.len()).with_attempt(attempt);
        let (text, numbers) = self.generate(&mut prompt).await?;
        let proxy = ProxyAdapter::for_message(bus, message);
        proxy.perform(Outbound::message("", text).with_reply_to(&message.message_id)).await?;
        for number in numbers {
            let Some(file) = files.get_mut(number).map(std::mem::take) else { continue };
            proxy.perform(Outbound::file("", file.filename, file.mimetype, file.data)).await?;
        }
        proxy.end(None).await?;
        Ok(())
    }

    /// Runs the model, and the tools that it asks for, to the end of its answer: the text, and the files it sends back.
    async fn generate(&self, prompt: &mut Prompt) -> Result<(String, Vec<usize>), TurnError> {
        for _ in 0..=TOOL_ROUNDS {
            let (mut text, mut files, mut call) = (String::new(), Vec::new(), None);
            for step in self.model.answer(prompt).map_err(TurnError::Model)? {
                if !step.after.is_zero() {
                    tokio::time::sleep(step.after).await;
                }
                match step.part {
                    Part::Text(piece) => text.push_str(&piece),
                    Part::File(number) => files.push(number),
                    Part::Tool(wanted) => call = Some(wanted),
                }
            }
            let Some(call) = call else { return Ok((text, files)) };
            // A tool that fails is told to the model, which decides what to say about it.
            let result = self.tools.run(&call).unwrap_or_else(|error| format!("the tool failed: {error}"));
            prompt.results.push(result);
        }
        Err(TurnError::TooManyTools)
    }
}

#[cfg(test)]
mod tests;

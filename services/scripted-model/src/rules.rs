//! The rules: which answer a text gets.

use crate::{ModelError, Prompt, ToolCall};

/// What a rule decides.
pub(crate) enum Said {
    Text(String),
    Tool(ToolCall),
}

/// Attempts at a `fail twice` message that fail.
const FAILURES: u32 = 2;

/// What a `long` answer is made of.
const LONG: &str = "A long answer has many words, and every one of them has to arrive. ";
/// So often: over 4 kB.
const LONG_TIMES: usize = 70;

/// Decides by the first rule that fits.
pub(crate) fn apply(prompt: &Prompt) -> Result<Said, ModelError> {
    let text = prompt.text.as_str();
    if let Some(rest) = text.strip_prefix("echo ") {
        return Ok(Said::Text(rest.to_owned()));
    }
    if let Some(city) = city(text) {
        return Ok(match prompt.results.first() {
            None => Said::Tool(ToolCall { name: "weather".into(), arguments: vec![("city".into(), city.into())] }),
            Some(result) => Said::Text(format!("{result}. You asked: {text}")),
        });
    }
    if text.starts_with("fail twice") {
        if prompt.attempt <= FAILURES {
            return Err(error(format!("the model failed at attempt {} as the script says", prompt.attempt)));
        }
        return Ok(Said::Text(format!("It worked at last. You wrote: {text}")));
    }
    if text.starts_with("fail always") {
        return Err(error("the model fails at every attempt as the script says".into()));
    }
    if text.starts_with("long") {
        return Ok(Said::Text(format!("You wrote: {text}\n\n{}", LONG.repeat(LONG_TIMES))));
    }
    Ok(Said::Text(match (text.is_empty(), prompt.files) {
        (true, 0) => "You wrote nothing.".to_owned(),
        (true, 1) => "Here is your file.".to_owned(),
        (true, files) => format!("Here are your {files} files."),
        (false, _) => format!("You wrote: {text}"),
    }))
}

/// The X of `weather in X`: up to the end of the sentence.
fn city(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("weather in ")?;
    let city = rest.split(['?', '!', '.', ',', '\n']).next().unwrap_or_default().trim();
    (!city.is_empty()).then_some(city)
}

fn error(message: String) -> ModelError {
    ModelError { message }
}

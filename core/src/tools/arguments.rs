//! The check of a call's arguments, and how it is told when it fails.

use super::{Fault, Schema, ToolDefinition};
use crate::envelope::Map;
use crate::error::{Error, Result};

/// The arguments that one tool takes.
#[derive(Debug)]
pub struct Arguments {
    tool: String,
    schema: Schema,
}

impl Arguments {
    /// Those of a definition, which is checked on the way. `Invalid` naming the field.
    pub fn of(tool: &ToolDefinition) -> Result<Self> {
        Ok(Self { tool: tool.name.clone(), schema: tool.compile()? })
    }

    /// `Invalid` when the arguments do not fit: the message names every place with what was expected there and what was
    /// found; context `tool`, and of the first fault `field`, `expected`, `found`.
    pub fn check(&self, arguments: &Map) -> Result<()> {
        let faults = self.schema.faults(arguments);
        let Some(first) = faults.first() else { return Ok(()) };
        let told: Vec<String> = faults.iter().map(Fault::to_string).collect();
        Err(Error::invalid(format!("arguments of `{}`: {}", self.tool, told.join("; ")))
            .with_context("tool", &self.tool)
            .with_context("field", &first.path)
            .with_context("expected", &first.expected)
            .with_context("found", &first.found))
    }

    /// The compiled schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

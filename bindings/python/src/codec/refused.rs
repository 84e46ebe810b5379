//! Why an object cannot stand in a body, and where it was found.

use std::fmt::Write;

use pyo3::prelude::*;
use stargazer_core as sg;

/// A refusal on its way up: each container adds its own step, so that the good path pays nothing for the message.
pub(super) struct Refused(Box<Details>);

struct Details {
    expected: &'static str,
    found: String,
    too_deep: bool,
    /// From the inside out.
    steps: Vec<Step>,
    /// Addresses of the containers passed, from the inside out: the same one twice is a cycle.
    passed: Vec<usize>,
}

pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What a body may hold, for messages.
const ANYTHING: &str =
    "None, bool, int, float, str, bytes, list, tuple, dict, aware datetime, dataclass, model, struct or Ext";

impl Refused {
    #[cold]
    pub(super) fn new(expected: &'static str, found: impl Into<String>) -> Self {
        let (steps, passed) = (Vec::new(), Vec::new());
        Self(Box::new(Details { expected, found: found.into(), too_deep: false, steps, passed }))
    }

    /// An object of a type that no body holds.
    #[cold]
    pub(super) fn unknown(object: &Bound<'_, PyAny>) -> Self {
        Self::new(ANYTHING, Self::type_of(object))
    }

    pub(super) fn type_of(object: &Bound<'_, PyAny>) -> String {
        object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
    }

    #[cold]
    pub(super) fn too_deep() -> Self {
        let mut refused = Self::new("fewer levels", "more levels");
        refused.0.too_deep = true;
        refused
    }

    /// Notes a container that the refusal passes on its way up.
    pub(super) fn through(mut self, step: Step, container: &Bound<'_, PyAny>) -> Self {
        self.0.steps.push(step);
        self.0.passed.push(container.as_ptr() as usize);
        self
    }

    /// The error as the core would tell it.
    pub(super) fn into_error(self) -> sg::Error {
        self.0.into_error()
    }
}

impl Details {
    /// `attachments[0].data`; nothing for the object itself.
    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Index(index) => {
                    // Writing to a string cannot fail.
                    let _ = write!(path, "[{index}]");
                }
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
            }
        }
        path
    }

    fn is_cycle(&self) -> bool {
        let mut seen = self.passed.clone();
        seen.sort_unstable();
        seen.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn into_error(self) -> sg::Error {
        let error = if self.too_deep && self.is_cycle() {
            sg::Error::invalid("the body holds itself; it must be a tree").with_context("expected", "a tree")
        } else if self.too_deep {
            // A path of this length helps nobody.
            let limit = self.passed.len() - 1;
            let text = format!("lists and dicts inside each other more than {limit} deep");
            sg::Error::new(sg::ErrorKind::TooLarge, text).with_context("limit", "max_depth")
        } else {
            let path = self.path();
            let place = if path.is_empty() { "the body".to_owned() } else { format!("`{path}`") };
            sg::Error::invalid(format!("{place} must be {}, found {}", self.expected, self.found))
                .with_context("field", path)
                .with_context("expected", self.expected)
                .with_context("found", self.found)
        };
        error.with_stored(sg::Stored::No)
    }
}

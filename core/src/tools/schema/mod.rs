//! JSON Schema as far as arguments of tools need it: compiled once, checked before every call.
//!
//! What holds: every keyword of the drafts 7 and 2020-12 that says what a value must be is either checked, or named by
//! [`Schema::unchecked`] (patterns with look-around, `unevaluatedProperties`, `unevaluatedItems`, `$dynamicRef`), never
//! passed over in silence. References stay within the schema: one that leads out of it, or nowhere, is refused.
//! `format` is a remark, as in the standard. A check ends: patterns take time in proportion to the text, and a schema
//! that refers to itself without end, or whose alternatives multiply, is told as such.
//!
//! Why not a crate: the kept ones cost two to four megabytes in every binding
//! (`docs/decisions/0006-own-schema-check.md`).

mod check;
mod compile;
mod fault;
mod number;

use regex_lite::Regex;

pub use self::fault::Fault;
use crate::envelope::{Map, Value};
use crate::error::Result;

/// A compiled schema of the arguments of a tool. Cheap to share, not to make.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    unchecked: Vec<String>,
}

impl Schema {
    /// Compiles a schema whose root describes a map. `Invalid` naming the place of what is wrong (`at`, a JSON
    /// pointer).
    pub fn compile(schema: &Map) -> Result<Self> {
        compile::compile(schema)
    }

    /// What is wrong with the arguments; empty when they fit. At most [`Fault::MOST`] are told.
    pub fn faults(&self, arguments: &Map) -> Vec<Fault> {
        check::faults(self, arguments)
    }

    /// Places of the schema (JSON pointers) that are not checked, so that the tool itself has to.
    pub fn unchecked(&self) -> &[String] {
        &self.unchecked
    }
}

/// Where a subschema stands in [`Schema::nodes`].
type Id = usize;

/// One schema: what it asks of a value.
#[derive(Debug, Default)]
struct Node {
    /// `false`: nothing fits.
    never: bool,
    types: Option<Types>,
    /// Raw bytes stand where text is meant: `format` is `binary` or `byte`, or there is a `contentEncoding`.
    takes_bytes: bool,
    constant: Option<Value>,
    choices: Option<Vec<Value>>,
    bounds: Vec<(Bound, Value)>,
    multiple_of: Option<Value>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<(String, Regex)>,
    prefix: Vec<Id>,
    items: Option<Id>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    unique: bool,
    contains: Option<(Id, u64, Option<u64>)>,
    properties: Vec<(String, Id)>,
    matching: Vec<(Regex, Id)>,
    additional: Option<Id>,
    names: Option<Id>,
    required: Vec<String>,
    requires: Vec<(String, Vec<String>)>,
    implies: Vec<(String, Id)>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    reference: Option<Id>,
    all: Vec<Id>,
    any: Option<Vec<Id>>,
    one: Option<Vec<Id>>,
    not: Option<Id>,
    condition: Option<(Id, Option<Id>, Option<Id>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
}

/// A set of the types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Types(u8);

impl Types {
    /// The standard's words and ours (those of [`Value::type_name`]), in the order in which they are told.
    const WORDS: [(&'static str, &'static str); 7] = [
        ("string", "text"),
        ("integer", "integer"),
        ("number", "number"),
        ("boolean", "boolean"),
        ("array", "list"),
        ("object", "map"),
        ("null", "nil"),
    ];

    fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().position(|(standard, _)| *standard == word).map(|n| Self(1 << n))
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, word: &str) -> bool {
        Self::of(word).is_some_and(|one| self.0 & one.0 != 0)
    }

    /// As a phrase: `text`, `integer or nil`.
    fn phrase(self) -> String {
        let words = Self::WORDS.iter().filter(|(standard, _)| self.has(standard)).map(|(_, ours)| (*ours).to_owned());
        fault::either(words)
    }

    /// Whether a value is of one of them. A whole float is an integer, as in the standard.
    fn take(self, value: &Value, takes_bytes: bool) -> bool {
        match value {
            Value::Nil => self.has("null"),
            Value::Bool(_) => self.has("boolean"),
            Value::Int(_) | Value::UInt(_) => self.has("integer") || self.has("number"),
            Value::Float(x) => x.is_finite() && (self.has("number") || (self.has("integer") && x.fract() == 0.0)),
            Value::Text(_) => self.has("string"),
            Value::Bytes(_) => takes_bytes && self.has("string"),
            Value::List(_) => self.has("array"),
            Value::Map(_) => self.has("object"),
            Value::Ext(..) => false,
        }
    }
}

#[cfg(test)]
mod tests;

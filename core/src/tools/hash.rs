//! The hash of a set of tools: equal wherever the same tools are defined, in whatever order and language.
//!
//! SHA-256, as hex, of the JSON text of the list of `{allow_repeat, description, name, no_background, parameters}` of all
//! tools sorted by name, with the keys of every map sorted, written as Python's `json.dumps` does by default; a whole
//! float is written as the integer it is, since not every language can tell them apart. The recipe of the original is
//! not documented beyond "name, description, parameters, flags, sorted by name" (inferred); its readers copy the hash
//! from the catalog and do not compute it.

use std::fmt::Write;

use ring::digest::{SHA256, digest};

use super::ToolDefinition;
use crate::envelope::{Map, Value, json};

/// The hash of these tools.
pub fn schema_hash<'a>(tools: impl IntoIterator<Item = &'a ToolDefinition>) -> String {
    let mut tools: Vec<&ToolDefinition> = tools.into_iter().collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    let described = |tool: &&ToolDefinition| {
        Value::from([
            ("allow_repeat", Value::from(tool.allow_repeat)),
            ("description", tool.description.as_str().into()),
            ("name", tool.name.as_str().into()),
            ("no_background", tool.no_background.into()),
            ("parameters", sorted(&Value::Map(tool.parameters.clone()))),
        ])
    };
    let text = json::encode(&Value::List(tools.iter().map(described).collect()));
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The value with the keys of every map in order, and whole floats as integers.
pub(super) fn sorted(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        Value::Map(map) => {
            let mut keys: Vec<&str> = map.keys().collect();
            keys.sort_unstable();
            keys.dedup();
            let pairs = keys.into_iter().map(|key| (key.to_owned(), map.get(key).map_or(Value::Nil, sorted)));
            Value::Map(pairs.collect::<Map>())
        }
        #[allow(clippy::cast_possible_truncation)] // whole, and within what a float holds exactly
        Value::Float(x) if x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_991.0 => Value::Int(*x as i64),
        other => other.clone(),
    }
}

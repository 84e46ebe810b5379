//! What is wrong with an argument, in words that a person, or a model that made the call, can act on.

use std::fmt;

use super::number::compare;
use crate::envelope::{Value, json};

/// Something that does not fit: where, what was expected there, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which argument: `city`, `days[2].from`; empty for the arguments as a whole.
    pub path: String,
    /// What the schema asks for.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// What could be meant instead of a name that is not known.
    pub meant: Option<String>,
}

impl Fault {
    /// How many are told of one call.
    pub const MOST: usize = 8;

    pub(super) fn new(path: &Path<'_>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: path.to_string(), expected: expected.into(), found: found.into(), meant: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str("the arguments")?,
            path => write!(f, "`{path}`")?,
        }
        if self.found == MISSING {
            return write!(f, " is missing; it must be {}", self.expected);
        }
        write!(f, " must be {}, found {}", self.expected, self.found)?;
        match &self.meant {
            Some(meant) => write!(f, "; is `{meant}` meant?"),
            None => Ok(()),
        }
    }
}

/// What is found where nothing is.
pub(super) const MISSING: &str = "nothing";

/// A place in the arguments, linked to the one it stands in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Path::Root, key) => f.write_str(key),
            Self::Key(outer, key) => write!(f, "{outer}.{key}"),
            Self::Item(outer, n) => write!(f, "{outer}[{n}]"),
        }
    }
}

/// A value as a fault tells it: its type and, where that helps and is short, the value.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".into(),
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Text(_) => {
            format!("{} {}", value.type_name(), short(value))
        }
        Value::List(items) => format!("list of {}", items.len()),
        _ => value.type_name().into(),
    }
}

/// A scalar in JSON, cut when it is long.
pub(super) fn short(value: &Value) -> String {
    const MOST: usize = 40;
    match value {
        Value::Text(text) if text.chars().count() > MOST => {
            let cut: String = text.chars().take(MOST).collect();
            format!("\"{cut}…\"")
        }
        Value::Text(text) => format!("\"{text}\""),
        Value::List(_) | Value::Map(_) => shown(value),
        scalar => json::encode(scalar),
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn either(words: impl IntoIterator<Item = String>) -> String {
    let mut words: Vec<String> = words.into_iter().collect();
    let mut seen = Vec::new();
    words.retain(|word| {
        !seen.contains(word) && {
            seen.push(word.clone());
            true
        }
    });
    match words.pop() {
        None => "nothing at all".into(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
    }
}

/// `1 character`, `2 characters`.
pub(super) fn count(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// The known name that an unknown one was probably meant to be: at most two letters away, and fewer than half of it.
pub(super) fn likely<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = known.map(|other| (distance(name, other), other)).min()?;
    (near.0 <= 2 && near.0 * 2 < name.chars().count().max(2)).then(|| near.1.to_owned())
}

/// Letters to be changed, added or taken away to get from one word to the other; words of reasonable length only.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let here = row[j + 1];
            row[j + 1] = (here + 1).min(row[j] + 1).min(before + usize::from(x != y));
            before = here;
        }
    }
    row[b.len()]
}

/// Whether a bound is kept.
pub(super) fn keeps(bound: super::Bound, limit: &Value, value: &Value) -> bool {
    use super::Bound::{AtLeast, AtMost, LessThan, MoreThan};
    match compare(value, limit) {
        None => false,
        Some(order) => match bound {
            AtLeast => order.is_ge(),
            MoreThan => order.is_gt(),
            AtMost => order.is_le(),
            LessThan => order.is_lt(),
        },
    }
}

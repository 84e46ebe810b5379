//! Named arguments in a plain map, taken one by one. One that is wrong, missing or not known is `Invalid` and named.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

use super::{Map, Value};
use crate::error::{Error, Result};

/// What is left of the arguments of a call.
pub(crate) struct Arguments<'a> {
    left: Vec<(&'a str, &'a Value)>,
}

impl<'a> Arguments<'a> {
    /// What is nothing was not given.
    pub(crate) fn new(arguments: &'a Map) -> Self {
        let given = arguments.iter().filter(|(_, value)| *value != Value::Nil);
        Self { left: given.map(|(name, value)| (name.as_str(), value)).collect() }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<&'a Value> {
        let at = self.left.iter().position(|(given, _)| *given == name)?;
        Some(self.left.swap_remove(at).1)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(given, _)| *given == name)
    }

    /// Refuses what nobody took.
    pub(crate) fn end(self) -> Result<()> {
        self.left.first().map_or(Ok(()), |(name, _)| {
            Err(Error::invalid(format!("there is no argument {name:?}")).with_context("field", name))
        })
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        self.as_text(name).map(|text| text.map(str::to_owned))
    }

    pub(crate) fn as_text(&mut self, name: &'static str) -> Result<Option<&'a str>> {
        self.take(name).map(|value| value.as_str().ok_or_else(|| wrong(name, "text"))).transpose()
    }

    /// A text that must be given.
    pub(crate) fn need_text(&mut self, name: &'static str) -> Result<&'a str> {
        self.as_text(name)?.ok_or_else(|| wrong(name, "text"))
    }

    /// A text; `""` where none is given.
    pub(crate) fn some_text(&mut self, name: &'static str) -> Result<String> {
        self.text(name).map(Option::unwrap_or_default)
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<String>> {
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        let texts =
            value.as_list().and_then(|texts| texts.iter().map(|text| text.as_str().map(str::to_owned)).collect());
        texts.ok_or_else(|| wrong(name, "a list of texts"))
    }

    /// True or false; false where nothing is given.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool> {
        self.maybe_flag(name).map(Option::unwrap_or_default)
    }

    pub(crate) fn maybe_flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.take(name).map(|value| value.as_bool().ok_or_else(|| wrong(name, "true or false"))).transpose()
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self, name: &'static str) -> Result<Option<T>> {
        let number = |value: &Value| value.as_u64().and_then(|n| T::try_from(n).ok());
        self.take(name).map(|value| number(value).ok_or_else(|| wrong(name, "a whole number from 0 up"))).transpose()
    }

    pub(crate) fn integer(&mut self, name: &'static str) -> Result<Option<i64>> {
        self.take(name).map(|value| value.as_i64().ok_or_else(|| wrong(name, "a whole number"))).transpose()
    }

    pub(crate) fn float(&mut self, name: &'static str) -> Result<Option<f64>> {
        self.take(name).map(|value| value.as_f64().ok_or_else(|| wrong(name, "a number"))).transpose()
    }

    /// A time in milliseconds, whole or not.
    pub(crate) fn millis(&mut self, name: &'static str) -> Result<Option<Duration>> {
        let time = |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).map_err(|_| wrong(name, "a time from 0 up"));
        self.float(name)?.map(time).transpose()
    }

    /// A text in a form of its own, such as an id.
    pub(crate) fn parsed<T: FromStr<Err = Error>>(&mut self, name: &'static str) -> Result<Option<T>> {
        self.as_text(name)?.map(|text| text.parse().map_err(|e: Error| e.with_context("field", name))).transpose()
    }

    /// Bytes, or the bytes of a text.
    pub(crate) fn bytes(&mut self, name: &'static str) -> Result<Bytes> {
        self.take(name).and_then(bytes).ok_or_else(|| wrong(name, "bytes or text"))
    }

    pub(crate) fn many_bytes(&mut self, name: &'static str) -> Result<Vec<Bytes>> {
        let items = self.take(name).and_then(Value::as_list).map(|items| items.iter().map(bytes).collect());
        items.flatten().ok_or_else(|| wrong(name, "a list of bytes or texts"))
    }

    pub(crate) fn map(&mut self, name: &'static str) -> Result<Map> {
        self.maybe_map(name).map(|map| map.cloned().unwrap_or_default())
    }

    pub(crate) fn need_map(&mut self, name: &'static str) -> Result<&'a Map> {
        self.maybe_map(name)?.ok_or_else(|| wrong(name, "a map"))
    }

    pub(crate) fn maybe_map(&mut self, name: &'static str) -> Result<Option<&'a Map>> {
        self.take(name).map(|value| value.as_map().ok_or_else(|| wrong(name, "a map"))).transpose()
    }

    /// Maps in a list; none where nothing is given.
    pub(crate) fn maps(&mut self, name: &'static str) -> Result<Vec<&'a Map>> {
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        let maps = value.as_list().and_then(|items| items.iter().map(Value::as_map).collect());
        maps.ok_or_else(|| wrong(name, "a list of maps"))
    }
}

/// The bytes of a value that has any.
pub(crate) fn bytes(value: &Value) -> Option<Bytes> {
    match value {
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Text(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
        _ => None,
    }
}

/// A plain map of these.
pub(crate) fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// An argument is wrong, or not there.
pub(crate) fn wrong(name: &'static str, expected: &str) -> Error {
    Error::invalid(format!("{name} must be {expected}")).with_context("field", name).with_context("expected", expected)
}

//! The walk before decoding.

use super::{Reader, Token};
use crate::envelope::Limits;
use crate::error::{Error, ErrorKind, Result};

/// Checks that the bytes are one whole value within the limits. `Malformed` or `TooLarge` if not.
pub fn scan(bytes: &[u8], limits: &Limits) -> Result<()> {
    let mut scan = Scan::new(bytes.len(), limits)?;
    let mut reader = Reader::new(bytes);
    if bytes.is_empty() {
        return Err(empty());
    }
    scan.value(&mut reader, 0)?;
    Scan::end(&reader)
}

/// The walk, in pieces: what it has counted so far and what is open.
pub(crate) struct Scan<'l> {
    limits: &'l Limits,
    values: usize,
    open: Vec<Open>,
}

/// A list or map that the walk is inside of.
struct Open {
    left: u32,
    map: bool,
}

impl<'l> Scan<'l> {
    /// A walk over a body of `size` bytes.
    pub(crate) fn new(size: usize, limits: &'l Limits) -> Result<Self> {
        if size > limits.max_bytes() {
            return Err(too_large(&format!("a body of {size} bytes exceeds the limit of {}", limits.max_bytes()))
                .with_context("limit", "max_bytes"));
        }
        Ok(Self { limits, values: 0, open: Vec::new() })
    }

    /// Walks over one value that stands inside `outer` lists and maps.
    pub(crate) fn value(&mut self, reader: &mut Reader<'_>, outer: usize) -> Result<()> {
        self.open.clear();
        loop {
            let token = reader.token()?;
            self.enter(&token, outer + self.open.len())?;
            match token {
                Token::List(left) => self.open.push(Open { left, map: false }),
                Token::Map(left) => self.open.push(Open { left, map: true }),
                _ => {}
            }
            while self.open.last().is_some_and(|open| open.left == 0) {
                self.open.pop();
            }
            let Some(open) = self.open.last_mut() else { return Ok(()) };
            open.left -= 1;
            if open.map {
                reader.key()?;
            }
        }
    }

    /// Counts a value whose head was just read inside `outer` lists and maps.
    pub(crate) fn enter(&mut self, token: &Token<'_>, outer: usize) -> Result<()> {
        self.values += 1;
        if self.values > self.limits.max_values() {
            return Err(too_large(&format!("a body of more than {} values", self.limits.max_values()))
                .with_context("limit", "max_values"));
        }
        if outer >= self.limits.max_depth() && matches!(token, Token::List(_) | Token::Map(_)) {
            return Err(too_large(&format!(
                "lists and maps inside each other more than {} deep",
                self.limits.max_depth()
            ))
            .with_context("limit", "max_depth"));
        }
        Ok(())
    }

    /// Nothing may stand behind the value.
    pub(crate) fn end(reader: &Reader<'_>) -> Result<()> {
        match reader.left() {
            0 => Ok(()),
            n => {
                Err(Error::malformed(format!("{n} bytes stand behind the value")).with_context("at", reader.position()))
            }
        }
    }
}

/// The error for a body without a byte.
#[cold]
pub(crate) fn empty() -> Error {
    Error::malformed("the body is empty").with_context("at", 0)
}

#[cold]
fn too_large(message: &str) -> Error {
    Error::new(ErrorKind::TooLarge, message)
}

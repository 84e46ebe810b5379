//! Reading: one token at a time from borrowed bytes.

use bytes::Bytes;
use rmp::Marker;

use crate::envelope::{Map, Value};
use crate::error::{Error, Result};

/// The next thing in the bytes. Of a list or map only the head: its items follow as tokens of their own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    /// Nothing.
    Nil,
    /// Yes or no.
    Bool(bool),
    /// A whole number that fits in 64 bits with a sign.
    Int(i64),
    /// A whole number above `i64::MAX`.
    UInt(u64),
    /// A floating point number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Raw bytes.
    Bytes(&'a [u8]),
    /// An extension: its type and its bytes.
    Ext(i8, &'a [u8]),
    /// Head of a list: as many values follow.
    List(u32),
    /// Head of a map: as many pairs of key and value follow.
    Map(u32),
}

impl Token<'_> {
    /// What it is, in the words of error messages.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::UInt(_) => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Ext(..) => "extension",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }
}

/// Takes tokens off borrowed bytes.
///
/// Every error is `Malformed` and says at which byte. Nesting and total size are not its business: [`super::scan`]
/// looks at them first.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of the bytes.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.input.len() - self.at
    }

    /// The next token.
    #[inline]
    pub fn token(&mut self) -> Result<Token<'a>> {
        let start = self.at;
        let [byte] = self.array()?;
        Ok(match Marker::from_u8(byte) {
            Marker::FixPos(n) => Token::Int(n.into()),
            Marker::FixNeg(n) => Token::Int(n.into()),
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::U8 => Token::Int(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Token::Int(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Token::Int(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => {
                let n = u64::from_be_bytes(self.array()?);
                i64::try_from(n).map_or(Token::UInt(n), Token::Int)
            }
            Marker::I8 => Token::Int(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Token::Int(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Token::Int(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Token::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(n) => self.text(start, n.into())?,
            Marker::Str8 => self.len8().and_then(|n| self.text(start, n))?,
            Marker::Str16 => self.len16().and_then(|n| self.text(start, n))?,
            Marker::Str32 => self.len32().and_then(|n| self.text(start, n))?,
            Marker::Bin8 => Token::Bytes(self.len8().and_then(|n| self.take(start, n))?),
            Marker::Bin16 => Token::Bytes(self.len16().and_then(|n| self.take(start, n))?),
            Marker::Bin32 => Token::Bytes(self.len32().and_then(|n| self.take(start, n))?),
            Marker::FixArray(n) => self.list(start, n.into())?,
            Marker::Array16 => self.len16().and_then(|n| self.list(start, n))?,
            Marker::Array32 => self.len32().and_then(|n| self.list(start, n))?,
            Marker::FixMap(n) => self.map(start, n.into())?,
            Marker::Map16 => self.len16().and_then(|n| self.map(start, n))?,
            Marker::Map32 => self.len32().and_then(|n| self.map(start, n))?,
            Marker::FixExt1 => self.ext(start, 1)?,
            Marker::FixExt2 => self.ext(start, 2)?,
            Marker::FixExt4 => self.ext(start, 4)?,
            Marker::FixExt8 => self.ext(start, 8)?,
            Marker::FixExt16 => self.ext(start, 16)?,
            Marker::Ext8 => self.len8().and_then(|n| self.ext(start, n))?,
            Marker::Ext16 => self.len16().and_then(|n| self.ext(start, n))?,
            Marker::Ext32 => self.len32().and_then(|n| self.ext(start, n))?,
            Marker::Reserved => return Err(at("the byte c1 starts no value", start)),
        })
    }

    /// The next key of a map: text, or bytes that are UTF-8.
    #[inline]
    pub fn key(&mut self) -> Result<&'a str> {
        let start = self.at;
        match self.token()? {
            Token::Text(key) => Ok(key),
            Token::Bytes(key) => {
                std::str::from_utf8(key).map_err(|_| at("a map key must be text; these bytes are not UTF-8", start))
            }
            other => Err(at(&format!("a map key must be text, found {}", other.type_name()), start)
                .with_context("expected", "text")
                .with_context("found", other.type_name())),
        }
    }

    /// Takes the next key if it is this one in the form that writers put it: the way of an expected order.
    #[inline]
    pub(crate) fn take_key(&mut self, key: &str) -> bool {
        let Ok(len @ 0..32) = u8::try_from(key.len()) else { return false };
        let rest = self.input.get(self.at..).unwrap_or_default();
        let taken = rest.first() == Some(&Marker::FixStr(len).to_u8()) && rest[1..].starts_with(key.as_bytes());
        self.at += if taken { 1 + key.len() } else { 0 };
        taken
    }

    /// Passes over the next value, whatever is inside it.
    pub fn skip(&mut self) -> Result<()> {
        // Every value met adds its own parts to those still to be passed.
        let mut left = 1_u64;
        while left > 0 {
            left -= 1;
            match self.token()? {
                Token::List(n) => left += u64::from(n),
                Token::Map(n) => left += 2 * u64::from(n),
                _ => {}
            }
        }
        Ok(())
    }

    /// The next value, whole. Recursive: only for bytes that were scanned.
    pub fn value(&mut self) -> Result<Value> {
        Ok(match self.token()? {
            Token::Nil => Value::Nil,
            Token::Bool(b) => Value::Bool(b),
            Token::Int(n) => Value::Int(n),
            Token::UInt(n) => Value::UInt(n),
            Token::Float(x) => Value::Float(x),
            Token::Text(s) => Value::Text(s.to_owned()),
            Token::Bytes(b) => Value::Bytes(Bytes::copy_from_slice(b)),
            Token::Ext(tag, b) => Value::Ext(tag, Bytes::copy_from_slice(b)),
            Token::List(n) => {
                let mut items = Vec::with_capacity(n as usize);
                for _ in 0..n {
                    items.push(self.value()?);
                }
                Value::List(items)
            }
            Token::Map(n) => Value::Map(self.pairs(n)?),
        })
    }

    /// The pairs of a map whose head has been read. Recursive: only for bytes that were scanned.
    pub fn pairs(&mut self, n: u32) -> Result<Map> {
        let mut map = Map::with_capacity(n as usize);
        for _ in 0..n {
            let key = self.key()?.to_owned();
            map.push(key, self.value()?);
        }
        Ok(map)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some(bytes) = self.input.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) else {
            return Err(at("the bytes end in the middle of a value", self.input.len()));
        };
        self.at += N;
        Ok(*bytes)
    }

    fn len8(&mut self) -> Result<u32> {
        Ok(u8::from_be_bytes(self.array()?).into())
    }

    fn len16(&mut self) -> Result<u32> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn len32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn take(&mut self, start: usize, n: u32) -> Result<&'a [u8]> {
        match self.input.get(self.at..).and_then(|rest| rest.get(..n as usize)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.declares(start, n, "bytes")),
        }
    }

    fn text(&mut self, start: usize, n: u32) -> Result<Token<'a>> {
        std::str::from_utf8(self.take(start, n)?).map(Token::Text).map_err(|_| at("text must be UTF-8", start))
    }

    fn ext(&mut self, start: usize, n: u32) -> Result<Token<'a>> {
        let tag = i8::from_be_bytes(self.array()?);
        Ok(Token::Ext(tag, self.take(start, n)?))
    }

    /// A value takes at least one byte, so a longer list cannot be.
    fn list(&self, start: usize, n: u32) -> Result<Token<'a>> {
        if n as usize > self.left() { Err(self.declares(start, n, "items")) } else { Ok(Token::List(n)) }
    }

    /// A pair takes at least two bytes, so a longer map cannot be.
    fn map(&self, start: usize, n: u32) -> Result<Token<'a>> {
        if n as usize > self.left() / 2 { Err(self.declares(start, n, "pairs")) } else { Ok(Token::Map(n)) }
    }

    #[cold]
    fn declares(&self, start: usize, n: u32, what: &str) -> Error {
        at(&format!("a value declares {n} {what}, but only {} bytes follow", self.left()), start)
    }
}

#[cold]
fn at(message: &str, position: usize) -> Error {
    Error::malformed(message).with_context("at", position)
}

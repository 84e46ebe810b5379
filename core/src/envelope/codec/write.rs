//! Writing: appends values in the form that msgpack-python would choose.

use bytes::Bytes;
use rmp::Marker;

use crate::envelope::{Limits, Map, Value};
use crate::error::{Error, ErrorKind, Result};

/// Appends values to a buffer.
///
/// A breach of the limits is remembered and told by [`Writer::finish`], so that the calls in between need no check.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    limits: Limits,
    outer: usize,
    refused: Option<Error>,
}

impl Writer {
    /// An empty buffer. The limits hold for what is written through [`Writer::value`] and for the whole size.
    pub fn new(limits: &Limits) -> Self {
        Self { out: Vec::with_capacity(512), limits: *limits, outer: 0, refused: None }
    }

    /// Nothing.
    pub fn nil(&mut self) {
        self.marker(Marker::Null);
    }

    /// Yes or no.
    pub fn bool(&mut self, value: bool) {
        self.marker(if value { Marker::True } else { Marker::False });
    }

    /// A whole number, in its shortest form.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // each branch knows that it fits
    pub fn int(&mut self, n: i64) {
        match n {
            0.. => self.uint(n as u64),
            -0x20..0 => self.marker(Marker::FixNeg(n as i8)),
            -0x80..-0x20 => self.with(Marker::I8, &(n as i8).to_be_bytes()),
            -0x8000..-0x80 => self.with(Marker::I16, &(n as i16).to_be_bytes()),
            -0x8000_0000..-0x8000 => self.with(Marker::I32, &(n as i32).to_be_bytes()),
            _ => self.with(Marker::I64, &n.to_be_bytes()),
        }
    }

    /// A whole number without a sign, in its shortest form.
    #[allow(clippy::cast_possible_truncation)] // each branch knows that it fits
    pub fn uint(&mut self, n: u64) {
        match n {
            0..=0x7f => self.marker(Marker::FixPos(n as u8)),
            0x80..=0xff => self.with(Marker::U8, &(n as u8).to_be_bytes()),
            0x100..=0xffff => self.with(Marker::U16, &(n as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.with(Marker::U32, &(n as u32).to_be_bytes()),
            _ => self.with(Marker::U64, &n.to_be_bytes()),
        }
    }

    /// A float, always with 64 bits.
    pub fn float(&mut self, x: f64) {
        self.with(Marker::F64, &x.to_be_bytes());
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        match self.length(text.len()) {
            n @ 0..32 => self.marker(Marker::FixStr(low8(n))),
            n @ 32..=0xff => self.with(Marker::Str8, &[low8(n)]),
            n @ 0x100..=0xffff => self.with(Marker::Str16, &low16(n)),
            n => self.with(Marker::Str32, &n.to_be_bytes()),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Raw bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        match self.length(bytes.len()) {
            n @ 0..=0xff => self.with(Marker::Bin8, &[low8(n)]),
            n @ 0x100..=0xffff => self.with(Marker::Bin16, &low16(n)),
            n => self.with(Marker::Bin32, &n.to_be_bytes()),
        }
        self.out.extend_from_slice(bytes);
    }

    /// An extension.
    pub fn ext(&mut self, tag: i8, bytes: &[u8]) {
        match self.length(bytes.len()) {
            1 => self.marker(Marker::FixExt1),
            2 => self.marker(Marker::FixExt2),
            4 => self.marker(Marker::FixExt4),
            8 => self.marker(Marker::FixExt8),
            16 => self.marker(Marker::FixExt16),
            n @ 0..=0xff => self.with(Marker::Ext8, &[low8(n)]),
            n @ 0x100..=0xffff => self.with(Marker::Ext16, &low16(n)),
            n => self.with(Marker::Ext32, &n.to_be_bytes()),
        }
        self.out.extend_from_slice(&tag.to_be_bytes());
        self.out.extend_from_slice(bytes);
    }

    /// Head of a list of `n` values, which the caller writes next.
    pub fn list(&mut self, n: usize) {
        match self.length(n) {
            n @ 0..16 => self.marker(Marker::FixArray(low8(n))),
            n @ 16..=0xffff => self.with(Marker::Array16, &low16(n)),
            n => self.with(Marker::Array32, &n.to_be_bytes()),
        }
    }

    /// Head of a map of `n` pairs, which the caller writes next: key, value, key, value.
    pub fn map(&mut self, n: usize) {
        match self.length(n) {
            n @ 0..16 => self.marker(Marker::FixMap(low8(n))),
            n @ 16..=0xffff => self.with(Marker::Map16, &low16(n)),
            n => self.with(Marker::Map32, &n.to_be_bytes()),
        }
    }

    /// A whole value.
    pub fn value(&mut self, value: &Value) {
        self.nested(value, self.outer);
    }

    /// A whole map.
    pub fn map_value(&mut self, map: &Map) {
        self.nested_map(map, self.outer);
    }

    /// Runs `write` one level deeper: for callers that wrote the head of a list or map themselves.
    pub fn inside(&mut self, write: impl FnOnce(&mut Self)) {
        self.outer += 1;
        write(self);
        self.outer -= 1;
    }

    /// The bytes, or `TooLarge` when a limit was breached on the way.
    pub fn finish(self) -> Result<Bytes> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        if self.out.len() > self.limits.max_bytes() {
            return Err(too_large(
                format!("a body of {} bytes exceeds the limit of {}", self.out.len(), self.limits.max_bytes()),
                "max_bytes",
            ));
        }
        Ok(self.out.into())
    }

    fn nested(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Nil => self.nil(),
            Value::Bool(b) => self.bool(*b),
            Value::Int(n) => self.int(*n),
            Value::UInt(n) => self.uint(*n),
            Value::Float(x) => self.float(*x),
            Value::Text(s) => self.text(s),
            Value::Bytes(b) => self.bytes(b),
            Value::Ext(tag, b) => self.ext(*tag, b),
            Value::Map(map) => self.nested_map(map, depth),
            Value::List(items) => {
                if self.fits(depth) {
                    self.list(items.len());
                    for item in items {
                        self.nested(item, depth + 1);
                    }
                }
            }
        }
    }

    fn nested_map(&mut self, map: &Map, depth: usize) {
        if self.fits(depth) {
            self.map(map.len());
            for (key, value) in map {
                self.text(key);
                self.nested(value, depth + 1);
            }
        }
    }

    /// Whether one more list or map may be opened inside `depth` others; if not, that is what `finish` tells.
    fn fits(&mut self, depth: usize) -> bool {
        let limit = self.limits.max_depth();
        if depth >= limit {
            self.refused.get_or_insert_with(|| {
                too_large(format!("lists and maps inside each other more than {limit} deep"), "max_depth")
            });
        }
        depth < limit
    }

    /// A length as the format has it; longer than that is remembered as refused.
    fn length(&mut self, n: usize) -> u32 {
        u32::try_from(n).unwrap_or_else(|_| {
            self.refused.get_or_insert_with(|| too_large(format!("a value of {n} bytes or items"), "max_bytes"));
            0
        })
    }

    fn marker(&mut self, marker: Marker) {
        self.out.push(marker.to_u8());
    }

    fn with(&mut self, marker: Marker, rest: &[u8]) {
        self.marker(marker);
        self.out.extend_from_slice(rest);
    }
}

/// The low byte; only called where the rest is zero.
const fn low8(n: u32) -> u8 {
    n.to_be_bytes()[3]
}

/// The low two bytes; only called where the rest is zero.
const fn low16(n: u32) -> [u8; 2] {
    let [_, _, high, low] = n.to_be_bytes();
    [high, low]
}

#[cold]
fn too_large(message: String, limit: &'static str) -> Error {
    Error::new(ErrorKind::TooLarge, message).with_context("limit", limit)
}

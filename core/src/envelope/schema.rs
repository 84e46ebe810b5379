//! What a kind of envelope must look like, and the check of bytes against it.
//!
//! The check is one walk over the bytes: limits, well-formedness, types, required fields. It allocates nothing for a
//! good envelope but the list of open containers, and nothing per field.

use super::base64;
use super::codec::{Reader, Scan, Token, as_invalid, empty};
use super::limits::Limits;
use crate::error::{Error, Result};

/// Who is asking: readers are tolerant, writers strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Bytes that came from a stream. What is wrong is `Malformed`.
    Read,
    /// Bytes about to be published. What is wrong is `Invalid`.
    Write,
}

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Float,
    /// A whole number from 0 up.
    Natural,
    Bool,
    Base64,
    Map,
    Any,
    Texts,
    Maps,
    /// A list of maps that have fields of their own.
    Items(&'static [Spec]),
    /// A map that has fields of its own; readers take a bare text instead.
    Described(&'static [Spec]),
}

impl Shape {
    /// In the words of error messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Float => "number",
            Self::Natural => "natural number",
            Self::Bool => "boolean",
            Self::Base64 => "base64 text or bytes",
            Self::Map | Self::Described(_) => "map",
            Self::Any => "anything",
            Self::Texts => "list of text",
            Self::Maps | Self::Items(_) => "list of maps",
        }
    }

    fn accepts(self, token: &Token<'_>, side: Side) -> bool {
        match (self, token) {
            (Self::Any, _)
            | (Self::Text, Token::Text(_))
            | (Self::Float, Token::Float(_) | Token::Int(_) | Token::UInt(_))
            | (Self::Natural, Token::Int(0..) | Token::UInt(_))
            | (Self::Bool, Token::Bool(_))
            | (Self::Base64, Token::Bytes(_))
            | (Self::Map | Self::Described(_), Token::Map(_))
            | (Self::Texts | Self::Maps | Self::Items(_), Token::List(_)) => true,
            (Self::Base64, Token::Text(text)) => base64::is_valid(text),
            // What the original's validation also takes (inferred: pydantic's lax mode).
            (Self::Text, Token::Bytes(bytes)) => side == Side::Read && std::str::from_utf8(bytes).is_ok(),
            (Self::Described(_), Token::Text(_)) | (Self::Bool, Token::Int(0 | 1)) => side == Side::Read,
            _ => false,
        }
    }
}

/// Whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Always.
    Required,
    /// Our writers must write it; readers take its absence for the default. For fields whose name or presence in the
    /// original is inferred.
    Written,
    /// Absent means the default.
    Optional,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) need: Need,
    /// Whether nil may stand for "none". Readers take it for every field that is not required.
    pub(crate) nullable: bool,
}

impl Spec {
    /// A place to be filled.
    pub(crate) const NONE: Self = Self { name: "", shape: Shape::Any, need: Need::Optional, nullable: true };
}

/// The fields of a kind; at most 64, the width of the record of what was seen.
pub(crate) trait Specs {
    /// Number of fields.
    fn count(&self) -> usize;
    /// The field at an index below [`Specs::count`].
    fn spec(&self, index: usize) -> &Spec;

    /// The index of a field by name.
    fn find(&self, name: &str) -> Option<usize> {
        (0..self.count()).find(|&i| self.spec(i).name == name)
    }

    /// The key that comes next, and its field if there is one. `expected` is the field that stands next if the
    /// writer kept the documented order.
    fn key<'a>(&self, reader: &mut Reader<'a>, expected: usize) -> Result<(&'a str, Option<usize>)> {
        if expected < self.count() {
            let name = self.spec(expected).name;
            if reader.take_key(name) {
                return Ok((name, Some(expected)));
            }
        }
        let name = reader.key()?;
        Ok((name, self.find(name)))
    }
}

impl Specs for &[Spec] {
    fn count(&self) -> usize {
        self.len()
    }

    fn spec(&self, index: usize) -> &Spec {
        &self[index]
    }
}

/// Names under which trouble is told.
#[derive(Clone, Copy)]
struct Place<'p> {
    kind: &'static str,
    path: &'p str,
}

impl Place<'_> {
    fn field(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// Checks a body. `see` is shown every plain field of the outer map that is fine, in the order of the bytes.
pub(crate) fn check<'a>(
    bytes: &'a [u8],
    kind: &'static str,
    specs: &dyn Specs,
    limits: &Limits,
    side: Side,
    see: impl FnMut(&'a str, &Token<'a>),
) -> Result<()> {
    let checked = Check::new(bytes, limits, side).and_then(|mut check| {
        if bytes.is_empty() {
            return Err(empty());
        }
        let place = Place { kind, path: "" };
        check.map(specs, place, 0, see)?;
        Scan::end(&check.reader)
    });
    checked.map_err(|e| told_to(e.with_context("kind", kind), side))
}

/// The error as the side must hear it.
fn told_to(error: Error, side: Side) -> Error {
    match side {
        Side::Read => error,
        Side::Write => as_invalid(error),
    }
}

struct Check<'a, 'l> {
    reader: Reader<'a>,
    scan: Scan<'l>,
    side: Side,
}

impl<'a, 'l> Check<'a, 'l> {
    fn new(bytes: &'a [u8], limits: &'l Limits, side: Side) -> Result<Self> {
        Ok(Self { reader: Reader::new(bytes), scan: Scan::new(bytes.len(), limits)?, side })
    }

    /// A map with the given fields, inside `outer` containers.
    fn map(
        &mut self,
        specs: &dyn Specs,
        place: Place<'_>,
        outer: usize,
        mut see: impl FnMut(&'a str, &Token<'a>),
    ) -> Result<()> {
        let token = self.reader.token()?;
        self.scan.enter(&token, outer)?;
        let Token::Map(pairs) = token else { return Err(not_a_map(place, &token)) };
        let (mut seen, mut expected) = (0_u64, 0);
        for _ in 0..pairs {
            let (name, index) = specs.key(&mut self.reader, expected)?;
            let Some(index) = index else {
                let mut ahead = self.reader.clone();
                see(name, &ahead.token()?);
                self.scan.value(&mut self.reader, outer + 1)?;
                continue;
            };
            if seen & (1 << index) != 0 {
                return Err(Error::malformed(format!("`{}` is given twice", place.field(name)))
                    .with_context("field", place.field(name)));
            }
            seen |= 1 << index;
            expected = index + 1;
            let token = self.field(specs.spec(index), place, outer + 1)?;
            see(name, &token);
        }
        for index in 0..specs.count() {
            let spec = specs.spec(index);
            let needed = spec.need == Need::Required || (spec.need == Need::Written && self.side == Side::Write);
            if needed && seen & (1 << index) == 0 {
                return Err(missing(place, spec));
            }
        }
        Ok(())
    }

    /// The value of a field; gives its head.
    fn field(&mut self, spec: &Spec, place: Place<'_>, outer: usize) -> Result<Token<'a>> {
        let mut ahead = self.reader.clone();
        let token = ahead.token()?;
        if token == Token::Nil && (spec.nullable || (self.side == Side::Read && spec.need != Need::Required)) {
            self.scan.enter(&token, outer)?;
            self.reader = ahead;
            return Ok(token);
        }
        if !spec.shape.accepts(&token, self.side) {
            return Err(mismatch(&place.field(spec.name), place.kind, spec.shape, &token));
        }
        match (spec.shape, token) {
            (Shape::Texts | Shape::Maps | Shape::Items(_), Token::List(n)) => {
                self.scan.enter(&token, outer)?;
                self.reader = ahead;
                self.items(spec, place, n, outer + 1)?;
            }
            (Shape::Described(specs), Token::Map(_)) => {
                self.map(&specs, Place { path: &place.field(spec.name), ..place }, outer, |_, _| ())?;
            }
            (_, Token::List(_) | Token::Map(_)) => self.scan.value(&mut self.reader, outer)?,
            _ => {
                self.scan.enter(&token, outer)?;
                self.reader = ahead;
            }
        }
        Ok(token)
    }

    /// The items of a list, each of the shape that the list is of.
    fn items(&mut self, spec: &Spec, place: Place<'_>, n: u32, outer: usize) -> Result<()> {
        let shape = if matches!(spec.shape, Shape::Texts) { Shape::Text } else { Shape::Map };
        for i in 0..n {
            let token = self.reader.clone().token()?;
            let name = || place.field(&format!("{}[{i}]", spec.name));
            if !shape.accepts(&token, self.side) {
                return Err(mismatch(&name(), place.kind, shape, &token));
            }
            match spec.shape {
                Shape::Items(specs) => self.map(&specs, Place { path: &name(), ..place }, outer, |_, _| ())?,
                _ => self.scan.value(&mut self.reader, outer)?,
            }
        }
        Ok(())
    }
}

#[cold]
fn mismatch(field: &str, kind: &'static str, shape: Shape, token: &Token<'_>) -> Error {
    let found = match (shape, token) {
        (Shape::Base64, Token::Text(_)) => "text that is not base64",
        _ => token.type_name(),
    };
    Error::malformed(format!("`{field}` of {kind} must be {}, found {found}", shape.name()))
        .with_context("field", field)
        .with_context("expected", shape.name())
        .with_context("found", found)
}

#[cold]
fn missing(place: Place<'_>, spec: &Spec) -> Error {
    let field = place.field(spec.name);
    Error::malformed(format!("`{field}` of {} is missing; it must be {}", place.kind, spec.shape.name()))
        .with_context("field", field)
        .with_context("expected", spec.shape.name())
        .with_context("found", "nothing")
}

#[cold]
fn not_a_map(place: Place<'_>, token: &Token<'_>) -> Error {
    Error::malformed(format!("the body of {} must be a map, found {}", place.kind, token.type_name()))
        .with_context("expected", "map")
        .with_context("found", token.type_name())
}

/// The error for a field whose value is of the right type but not one we know.
#[cold]
pub(crate) fn unknown_value(field: &str, kind: &'static str, found: &str, known: &str, side: Side) -> Error {
    let error = Error::malformed(format!("`{field}` of {kind} must be one of {known}, found {found}"))
        .with_context("field", field)
        .with_context("kind", kind)
        .with_context("expected", known)
        .with_context("found", found);
    told_to(error, side)
}

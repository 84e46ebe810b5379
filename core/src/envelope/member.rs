//! How each Rust type stands in a body: the one place that pairs reading with writing.

use bytes::Bytes;

use super::codec::{Reader, Token, Writer, encode_map};
use super::schema::{Shape, Side, Spec, Specs, check};
use super::{Limits, Map, Value, base64};
use crate::error::{Error, Result};

/// A type that a field may have.
///
/// Reading happens after the check of [`super::schema`], so a wrong type does not occur here; it is an error all the
/// same, never a panic.
pub(crate) trait Member {
    const SHAPE: Shape;
    const NULLABLE: bool = false;
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()>;
    fn write(&self, writer: &mut Writer);
}

/// A field of `E`: what it must look like, and how it gets in and out.
pub(crate) struct Field<E> {
    pub(crate) spec: Spec,
    pub(crate) read: fn(&mut E, &mut Reader<'_>) -> Result<()>,
    pub(crate) write: fn(&E, &mut Writer),
    /// Whether the field is left out when it has nothing to say.
    pub(crate) absent: Option<fn(&E) -> bool>,
}

impl<E> Specs for &[Field<E>] {
    fn count(&self) -> usize {
        self.len()
    }

    fn spec(&self, index: usize) -> &Spec {
        &self[index].spec
    }
}

impl<E> Field<E> {
    /// Written only when `absent` says no.
    pub(crate) const fn unless(mut self, absent: fn(&E) -> bool) -> Self {
        self.absent = Some(absent);
        self
    }

    /// Whether it is written for this envelope.
    pub(crate) fn present(&self, of: &E) -> bool {
        self.absent.is_none_or(|absent| !absent(of))
    }
}

/// `field!(Required "wire_name" => member: Type)`: the [`Field`] of a member.
macro_rules! field {
    ($need:ident $name:literal => $member:ident: $ty:ty) => {
        $crate::envelope::member::Field {
            spec: $crate::envelope::schema::Spec {
                name: $name,
                shape: <$ty as $crate::envelope::member::Member>::SHAPE,
                need: $crate::envelope::schema::Need::$need,
                nullable: <$ty as $crate::envelope::member::Member>::NULLABLE,
            },
            read: |of: &mut Self, reader| $crate::envelope::member::Member::read(&mut of.$member, reader),
            write: |of: &Self, writer| $crate::envelope::member::Member::write(&of.$member, writer),
            absent: None,
        }
    };
}
pub(crate) use field;

/// Only what the checks need of a table of fields.
pub(crate) const fn specs<E, const N: usize>(fields: &[Field<E>; N]) -> [Spec; N] {
    let mut specs = [Spec::NONE; N];
    let mut i = 0;
    while i < N {
        specs[i] = fields[i].spec;
        i += 1;
    }
    specs
}

/// Reads a map of checked bytes into `of`; gives the pairs that no field claims, in their order.
pub(crate) fn read_map<E>(reader: &mut Reader<'_>, of: &mut E, fields: &[Field<E>]) -> Result<Map> {
    let mut rest = Map::new();
    let mut expected = 0;
    for _ in 0..map_head(reader)? {
        let (name, index) = fields.key(reader, expected)?;
        if let Some(index) = index {
            (fields[index].read)(of, reader)?;
            expected = index + 1;
        } else {
            rest.push(name.to_owned(), reader.value()?);
        }
    }
    Ok(rest)
}

/// Reads the value that comes next into a field, if there is one of that name.
pub(crate) fn read_one<E>(of: &mut E, fields: &[Field<E>], name: &str, reader: &mut Reader<'_>) -> Result<bool> {
    let Some(field) = fields.iter().find(|f| f.spec.name == name) else { return Ok(false) };
    (field.read)(of, reader).map(|()| true)
}

/// Writes the fields that are present, then the pairs that no field claimed.
pub(crate) fn write_map<E>(writer: &mut Writer, of: &E, fields: &[Field<E>], rest: &Map) {
    writer.map(fields.iter().filter(|f| f.present(of)).count() + rest.len());
    writer.inside(|writer| {
        write_fields(writer, of, fields);
        write_rest(writer, rest);
    });
}

/// A small record from a plain map; `Malformed` naming the field.
pub(crate) fn from_map<E: Default>(map: &Map, what: &'static str, fields: &'static [Field<E>]) -> Result<(E, Map)> {
    let bytes = encode_map(map, &Limits::WIDEST)?;
    check(&bytes, what, &fields, &Limits::WIDEST, Side::Read, |_, _| ())?;
    let mut record = E::default();
    let rest = read_map(&mut Reader::new(&bytes), &mut record, fields)?;
    Ok((record, rest))
}

/// A small record as a plain map.
pub(crate) fn to_map<E>(of: &E, fields: &[Field<E>], rest: &Map) -> Result<Map> {
    let mut writer = Writer::new(&Limits::WIDEST);
    write_map(&mut writer, of, fields, rest);
    let bytes = writer.finish()?;
    let mut reader = Reader::new(&bytes);
    let pairs = map_head(&mut reader)?;
    reader.pairs(pairs)
}

/// Writes the fields that are present, without a head.
pub(crate) fn write_fields<E>(writer: &mut Writer, of: &E, fields: &[Field<E>]) {
    for field in fields.iter().filter(|f| f.present(of)) {
        writer.text(field.spec.name);
        (field.write)(of, writer);
    }
}

/// Writes the pairs that no field claimed, without a head.
pub(crate) fn write_rest(writer: &mut Writer, rest: &Map) {
    for (key, value) in rest {
        writer.text(key);
        writer.value(value);
    }
}

/// The number of pairs of the map that comes next.
pub(crate) fn map_head(reader: &mut Reader<'_>) -> Result<u32> {
    match reader.token()? {
        Token::Map(n) => Ok(n),
        other => Err(unexpected("map", &other)),
    }
}

/// The number of items of the list that comes next; nil is none.
fn list_head(reader: &mut Reader<'_>) -> Result<Option<u32>> {
    match reader.token()? {
        Token::List(n) => Ok(Some(n)),
        Token::Nil => Ok(None),
        other => Err(unexpected("list", &other)),
    }
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a str>> {
    let token = reader.token()?;
    match token {
        Token::Text(text) => Ok(Some(text)),
        Token::Bytes(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| unexpected("text", &token)),
        Token::Nil => Ok(None),
        other => Err(unexpected("text", &other)),
    }
}

#[cold]
fn unexpected(expected: &'static str, found: &Token<'_>) -> Error {
    Error::malformed(format!("a field must be {expected}, found {}", found.type_name()))
        .with_context("expected", expected)
        .with_context("found", found.type_name())
}

impl Member for String {
    const SHAPE: Shape = Shape::Text;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        if let Some(text) = text(reader)? {
            text.clone_into(self);
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.text(self);
    }
}

impl Member for Option<String> {
    const SHAPE: Shape = Shape::Text;
    const NULLABLE: bool = true;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        *self = text(reader)?.map(str::to_owned);
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Some(text) => writer.text(text),
            None => writer.nil(),
        }
    }
}

impl Member for f64 {
    const SHAPE: Shape = Shape::Float;

    #[allow(clippy::cast_precision_loss)] // an integer where a float is meant
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        match reader.token()? {
            Token::Float(x) => *self = x,
            Token::Int(n) => *self = n as Self,
            Token::UInt(n) => *self = n as Self,
            Token::Nil => {}
            other => return Err(unexpected("number", &other)),
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.float(*self);
    }
}

impl Member for u64 {
    const SHAPE: Shape = Shape::Natural;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let token = reader.token()?;
        match token {
            Token::Int(n) => *self = Self::try_from(n).map_err(|_| unexpected("natural number", &token))?,
            Token::UInt(n) => *self = n,
            Token::Nil => {}
            other => return Err(unexpected("natural number", &other)),
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.uint(*self);
    }
}

impl Member for Option<u64> {
    const SHAPE: Shape = Shape::Natural;
    const NULLABLE: bool = true;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        if reader.clone().token()? == Token::Nil {
            return reader.skip();
        }
        self.insert(0).read(reader)
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Some(n) => writer.uint(*n),
            None => writer.nil(),
        }
    }
}

impl Member for bool {
    const SHAPE: Shape = Shape::Bool;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        match reader.token()? {
            Token::Bool(b) => *self = b,
            Token::Int(n @ (0 | 1)) => *self = n == 1,
            Token::Nil => {}
            other => return Err(unexpected("boolean", &other)),
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.bool(*self);
    }
}

impl Member for Vec<String> {
    const SHAPE: Shape = Shape::Texts;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        for _ in 0..list_head(reader)?.unwrap_or(0) {
            self.push(text(reader)?.unwrap_or_default().to_owned());
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.list(self.len());
        for text in self {
            writer.text(text);
        }
    }
}

impl Member for Map {
    const SHAPE: Shape = Shape::Map;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        match reader.token()? {
            Token::Map(n) => *self = reader.pairs(n)?,
            Token::Nil => {}
            other => return Err(unexpected("map", &other)),
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.map_value(self);
    }
}

impl Member for Vec<Map> {
    const SHAPE: Shape = Shape::Maps;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        for _ in 0..list_head(reader)?.unwrap_or(0) {
            let n = map_head(reader)?;
            self.push(reader.pairs(n)?);
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.list(self.len());
        writer.inside(|writer| self.iter().for_each(|map| writer.map_value(map)));
    }
}

impl Member for Option<Vec<Map>> {
    const SHAPE: Shape = Shape::Maps;
    const NULLABLE: bool = true;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        if reader.clone().token()? == Token::Nil {
            return reader.skip();
        }
        self.insert(Vec::new()).read(reader)
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Some(maps) => maps.write(writer),
            None => writer.nil(),
        }
    }
}

impl Member for Value {
    const SHAPE: Shape = Shape::Any;
    const NULLABLE: bool = true;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        *self = reader.value()?;
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.value(self);
    }
}

/// Bytes of a file: written as base64 text, read from text or bytes.
impl Member for Bytes {
    const SHAPE: Shape = Shape::Base64;

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let token = reader.token()?;
        match token {
            Token::Bytes(bytes) => *self = Self::copy_from_slice(bytes),
            Token::Text(text) => *self = base64::decode(text).ok_or_else(|| unexpected("base64 text", &token))?,
            Token::Nil => {}
            other => return Err(unexpected("base64 text or bytes", &other)),
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.text(&base64::encode(self));
    }
}

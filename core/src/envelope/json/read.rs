//! Reading JSON as `json.loads` does. Recursive, as deep as the limits allow.

use crate::envelope::{Limits, Map, Value};
use crate::error::{Error, ErrorKind, Result};

/// A whole text.
pub(super) fn document(text: &str, limits: &Limits) -> Result<Value> {
    if text.len() > limits.max_bytes() {
        return Err(too_large(format!("a body of {} bytes exceeds the limit of {}", text.len(), limits.max_bytes()))
            .with_context("limit", "max_bytes"));
    }
    let mut parser = Parser { text, at: 0, values: 0, limits };
    parser.space();
    let value = parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.wrong("nothing more"));
    }
    Ok(value)
}

struct Parser<'t, 'l> {
    text: &'t str,
    at: usize,
    values: usize,
    limits: &'l Limits,
}

impl Parser<'_, '_> {
    fn value(&mut self, depth: usize) -> Result<Value> {
        self.values += 1;
        if self.values > self.limits.max_values() {
            return Err(too_large(format!("a body of more than {} values", self.limits.max_values()))
                .with_context("limit", "max_values"));
        }
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::Text),
            _ => self.word().map_or_else(|| self.number(), Ok),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value> {
        self.open(depth)?;
        let mut map = Map::new();
        if self.closes(b'}') {
            return Ok(Value::Map(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes"));
            }
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
            map.push(key, self.value(depth + 1)?);
            if self.closes(b'}') {
                return Ok(Value::Map(map));
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        self.open(depth)?;
        let mut items = Vec::new();
        if self.closes(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.closes(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn open(&mut self, depth: usize) -> Result<()> {
        let limit = self.limits.max_depth();
        if depth >= limit {
            return Err(too_large(format!("lists and maps inside each other more than {limit} deep"))
                .with_context("limit", "max_depth"));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether the bracket comes next, which is then taken.
    fn closes(&mut self, bracket: u8) -> bool {
        self.space();
        let closes = self.peek() == Some(bracket);
        self.at += usize::from(closes);
        closes
    }

    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(n) = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < b' ') else {
                self.at = self.text.len();
                return Err(self.wrong("a closing quote"));
            };
            out.push_str(&rest[..n]);
            self.at += n;
            match rest.as_bytes()[n] {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => out.push(self.escape()?),
                _ => return Err(self.wrong("an escaped control character")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let Some(&letter) = self.text.as_bytes().get(self.at + 1) else { return Err(self.wrong("an escape")) };
        let plain = match letter {
            b'"' | b'\\' | b'/' => letter.into(),
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => return self.unicode(),
            _ => return Err(self.wrong("a known escape")),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\uXXXX`, or two of them where the character needs it.
    fn unicode(&mut self) -> Result<char> {
        let start = self.at;
        let first = self.unit()?;
        let second = if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            Some(self.unit()?)
        } else {
            None
        };
        let units = [first, second.unwrap_or(0)];
        let mut chars = char::decode_utf16(units.into_iter().take(1 + usize::from(second.is_some())));
        if let (Some(Ok(c)), None) = (chars.next(), chars.next()) {
            return Ok(c);
        }
        self.at = start;
        Err(self.wrong("a whole character, not half a surrogate pair"))
    }

    fn unit(&mut self) -> Result<u16> {
        let digits = self.text.get(self.at + 2..self.at + 6).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|d| u16::from_str_radix(d, 16).ok());
        let unit = unit.ok_or_else(|| self.wrong("four hexadecimal digits"))?;
        self.at += 6;
        Ok(unit)
    }

    fn word(&mut self) -> Option<Value> {
        const WORDS: [(&str, Value); 6] = [
            ("null", Value::Nil),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        let rest = &self.text[self.at..];
        let (word, value) = WORDS.into_iter().find(|(word, _)| rest.starts_with(word))?;
        self.at += word.len();
        Some(value)
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let zero = self.peek() == Some(b'0');
        let digits = if zero { 1 } else { self.digits() };
        if digits == 0 {
            self.at = start;
            return Err(self.wrong("a value"));
        }
        self.at += usize::from(zero);
        let whole = self.at;
        self.fraction();
        self.exponent();
        let number = &self.text[start..self.at];
        let value = if self.at > whole {
            number.parse().map(Value::Float).ok()
        } else {
            number.parse().map(Value::Int).ok().or_else(|| number.parse().map(Value::UInt).ok())
        };
        value.ok_or_else(|| {
            self.at = start;
            self.wrong("a whole number of 64 bits")
        })
    }

    fn fraction(&mut self) {
        let point = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                self.at = point;
            }
        }
    }

    fn exponent(&mut self) {
        let start = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                self.at = start;
            }
        }
    }

    /// Passes over digits; how many there were.
    fn digits(&mut self) -> usize {
        let n = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        self.at += n;
        n
    }

    fn space(&mut self) {
        self.at += self.text[self.at..].bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(&format!("`{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn wrong(&self, expected: &str) -> Error {
        Error::malformed(format!("not JSON: expected {expected}")).with_context("at", self.at)
    }
}

#[cold]
fn too_large(message: String) -> Error {
    Error::new(ErrorKind::TooLarge, message)
}

//! Writing JSON in Python's form.

use std::fmt::Write;

use crate::envelope::{Map, Value};

pub(super) fn value(out: &mut String, value: &Value) {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(n) => plain(out, n),
        Value::UInt(n) => plain(out, n),
        Value::Float(x) => float(out, *x),
        Value::Text(s) => text(out, s),
        Value::Bytes(b) => text(out, &bytes_repr(b)),
        Value::List(items) => list(out, items),
        Value::Map(pairs) => map(out, pairs),
        // msgpack-python's `ExtType` is a named tuple, so it goes as a list of its parts.
        Value::Ext(tag, b) => {
            out.push('[');
            plain(out, tag);
            out.push_str(", ");
            text(out, &bytes_repr(b));
            out.push(']');
        }
    }
}

fn list(out: &mut String, items: &[Value]) {
    out.push('[');
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        value(out, item);
    }
    out.push(']');
}

fn map(out: &mut String, pairs: &Map) {
    out.push('{');
    for (n, (key, item)) in pairs.iter().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        text(out, key);
        out.push_str(": ");
        value(out, item);
    }
    out.push('}');
}

fn text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    plain(out, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// `repr(float)`: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e16.
fn float(out: &mut String, x: f64) {
    if !x.is_finite() {
        out.push_str(if x.is_nan() {
            "NaN"
        } else if x > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
        return;
    }
    let scientific = format!("{x:e}");
    // Rust always writes an exponent here.
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        plain(out, format_args!("{x:?}"));
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        plain(out, format_args!("{mantissa}e{sign}{:02}", exponent.abs()));
    }
}

/// `str(bytes)`, which is what `default=str` makes of them.
fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\'' if quote == '\'' => out.push_str("\\'"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(byte.into()),
            _ => plain(&mut out, format_args!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
    out
}

/// Appends what displays itself; a `String` takes everything.
fn plain(out: &mut String, what: impl std::fmt::Display) {
    let _ = write!(out, "{what}");
}

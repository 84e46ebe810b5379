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

/// `repr(float)`: the fewest digits that read back the same, with an exponent below 1e-4 and from 1e16.
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
    let scientific = scientific(x.abs());
    // Rust always writes an exponent here.
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if x.is_sign_negative() {
        out.push('-');
    }
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        plain(out, format_args!("{mantissa}e{sign}{:02}", exponent.abs()));
        return;
    }
    let digits = mantissa.replace('.', "");
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let (whole, fraction) = digits.split_at(digits.len().min(exponent + 1));
            let zeros = exponent + 1 - whole.len();
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            plain(out, format_args!("{whole}{:0<zeros$}.{fraction}", ""));
        }
        Err(_) => plain(out, format_args!("0.{:0<1$}{digits}", "", exponent.unsigned_abs() as usize - 1)),
    }
}

/// The fewest digits that read back the same. Where two are equally near, Rust takes the upper one and Python the
/// even one: the formatting with a given number of digits does as Python.
fn scientific(x: f64) -> String {
    let shortest = format!("{x:e}");
    let digits = shortest.bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{x:.*e}", digits - 1);
    if even.parse() == Ok(x) { even } else { shortest }
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

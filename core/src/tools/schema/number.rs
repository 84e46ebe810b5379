//! Numbers and values compared as JSON means them: `1` and `1.0` are equal, whole numbers keep all their digits.

use std::cmp::Ordering;

use crate::envelope::{Map, Value};

/// The order of two numbers; `None` when one is none, or is not a number at all (`NaN`).
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return Some(a.cmp(&b));
    }
    a.as_f64()?.partial_cmp(&b.as_f64()?)
}

/// A whole number, also one that is written as a float.
#[allow(clippy::cast_possible_truncation)] // within ±2^63, where a whole float has an exact i128
fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(n) => Some((*n).into()),
        Value::UInt(n) => Some((*n).into()),
        Value::Float(x) if x.fract() == 0.0 && x.abs() < 9.3e18 => Some(*x as i128),
        _ => None,
    }
}

/// Whether a number is a whole multiple of another one, which is not zero.
pub(super) fn is_multiple(of: &Value, value: &Value) -> bool {
    if let (Some(of), Some(value)) = (whole(of), whole(value)) {
        return of != 0 && value % of == 0;
    }
    let (Some(of), Some(value)) = (of.as_f64(), value.as_f64()) else { return false };
    // 0.3 is a multiple of 0.1 for people, though not for floats.
    let times = value / of;
    times.is_finite() && (times - times.round()).abs() <= times.abs().max(1.0) * 1e-9
}

/// Equal as JSON has it.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b),
        (Value::Int(_) | Value::UInt(_) | Value::Float(_), Value::Int(_) | Value::UInt(_) | Value::Float(_)) => {
            compare(a, b) == Some(Ordering::Equal)
        }
        _ => a == b,
    }
}

fn equal_maps(a: &Map, b: &Map) -> bool {
    let within = |a: &Map, b: &Map| {
        a.keys().all(|key| match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => equal(a, b),
            _ => false,
        })
    };
    within(a, b) && b.keys().all(|key| a.contains_key(key))
}

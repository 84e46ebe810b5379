//! The walk before decoding, against the decoder.

use stargazer_core::ErrorKind;
use stargazer_core::envelope::codec::{self, Reader};
use stargazer_core::envelope::{Limits, Map, Value};

use super::same;

/// Bytes that a value takes in memory for each byte of its body; a list of nils is the worst.
const SPREAD: usize = size_of::<Value>();

/// The first two bytes choose the limits, the rest is a body.
///
/// Holds: the walk takes exactly what the decoder takes and what serde takes; what it took is within the limits,
/// and so is the memory it costs; what it refuses can be looked at without harm.
pub fn scan(bytes: &[u8]) -> bool {
    let [depth, values, body @ ..] = bytes else { return false };
    let limits = limits(*depth, *values);
    let mut passed = Reader::new(body);
    let skipped = passed.skip();
    if let Err(error) = codec::scan(body, &limits) {
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{error}");
        let decoded = codec::decode(body, &limits).err().map(|error| error.kind());
        assert_eq!(decoded, Some(error.kind()), "the decoder takes what the walk refuses");
        assert!(codec::from_slice::<Value>(body, &limits).is_err());
        return false;
    }
    assert!(skipped.is_ok() && passed.left() == 0, "a walked body cannot be passed over: {skipped:?}");
    let value = match codec::decode(body, &limits) {
        Ok(value) => value,
        Err(error) => panic!("walked, but not decoded: {error}"),
    };
    match codec::from_slice::<Value>(body, &limits) {
        Ok(typed) => assert!(same(&typed, &value), "serde reads {typed:?}, we read {value:?}"),
        Err(error) => panic!("walked, but serde refuses it: {error}"),
    }
    let size = Size::of(&value, 0);
    assert!(size.depth <= limits.max_depth() && size.values <= limits.max_values(), "{size:?} exceeds {limits:?}");
    assert!(size.bytes <= SPREAD * body.len().max(2), "{size:?} in memory for a body of {} bytes", body.len());
    true
}

/// Small ones, and those that everybody has.
fn limits(depth: u8, values: u8) -> Limits {
    if (depth, values) == (0, 0) {
        return Limits::default();
    }
    let narrow = Limits::new(1 << 16, usize::from(depth).max(1));
    narrow.and_then(|limits| limits.with_max_values(usize::from(values) * 4 + 1)).unwrap_or_default()
}

/// What a value costs.
#[derive(Debug, Default)]
struct Size {
    depth: usize,
    values: usize,
    /// Beside the value itself.
    bytes: usize,
}

impl Size {
    fn of(value: &Value, outer: usize) -> Self {
        let mut size = match value {
            Value::List(items) => {
                let own = Self { depth: outer + 1, bytes: items.capacity() * size_of::<Value>(), values: 0 };
                items.iter().fold(own, |sum, item| sum.and(&Self::of(item, outer + 1)))
            }
            Value::Map(map) => Self::of_map(map, outer),
            Value::Text(text) => Self { bytes: text.capacity(), ..Self::default() },
            Value::Bytes(bytes) | Value::Ext(_, bytes) => Self { bytes: bytes.len(), ..Self::default() },
            _ => Self::default(),
        };
        size.values += 1;
        size
    }

    fn of_map(map: &Map, outer: usize) -> Self {
        let own = Self { depth: outer + 1, bytes: map.len() * size_of::<(String, Value)>(), values: 0 };
        map.iter().fold(own, |sum, (key, item)| {
            let mut sum = sum.and(&Self::of(item, outer + 1));
            sum.bytes += key.capacity();
            sum
        })
    }

    fn and(self, other: &Self) -> Self {
        Self { depth: self.depth.max(other.depth), values: self.values + other.values, bytes: self.bytes + other.bytes }
    }
}

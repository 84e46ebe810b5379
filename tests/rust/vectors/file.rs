//! Reading `tests/vectors/`: rows in their order, values without loss.

use stargazer_core::envelope::{Limits, Map, Value, json};

/// The rows of a section of a file.
pub(super) fn rows(file: &str, section: &str) -> Vec<Row> {
    let path = format!("{}/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap();
    let all = json::decode(&text, &Limits::default()).unwrap();
    let rows = all.get(section).and_then(Value::as_list).unwrap_or_else(|| panic!("{path} has no {section}"));
    assert!(!rows.is_empty(), "{path} has nothing in {section}");
    rows.iter().map(|row| Row(row.as_map().unwrap().clone())).collect()
}

/// One row.
#[derive(Debug)]
pub(super) struct Row(Map);

impl Row {
    /// Text of a column, `""` when there is none.
    pub(super) fn text(&self, column: &str) -> &str {
        self.0.text(column).unwrap_or_default()
    }

    /// The column, if it is there and not null.
    pub(super) fn get(&self, column: &str) -> Option<&Value> {
        self.0.get(column).filter(|value| !value.is_nil())
    }

    /// Bytes spelled as hex.
    pub(super) fn hex(&self, column: &str) -> Vec<u8> {
        unhex(self.0.text(column).unwrap_or_else(|| panic!("no {column} in {self:?}")))
    }

    /// A value with its tags resolved.
    pub(super) fn value(&self, column: &str) -> Value {
        untagged(self.0.get(column).unwrap_or_else(|| panic!("no {column} in {self:?}")))
    }

    /// The body: spelled as hex, or built from `[start, unit, count, end]`.
    pub(super) fn body(&self) -> Vec<u8> {
        let Some(built) = self.get("built").and_then(Value::as_list) else { return self.hex("hex") };
        let [start, unit, count, end] = built else { panic!("{self:?}") };
        let part = |value: &Value| unhex(value.as_str().unwrap());
        let count = usize::try_from(count.as_u64().unwrap()).unwrap();
        [part(start), part(unit).repeat(count), part(end)].concat()
    }
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A value of which the tags (`$bytes`, `$ext`, `$float`, `$int`, `$repeat`) are resolved.
pub(super) fn untagged(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(untagged).collect()),
        Value::Map(map) => match map.iter().next() {
            Some((tag, of)) if map.len() == 1 && tag.starts_with('$') => tagged(tag, of),
            _ => Value::Map(map.iter().map(|(key, value)| (key.as_str(), untagged(value))).collect()),
        },
        plain => plain.clone(),
    }
}

fn tagged(tag: &str, of: &Value) -> Value {
    let text = || of.as_str().unwrap();
    match tag {
        "$bytes" => Value::Bytes(unhex(text()).into()),
        "$float" => Value::Float(text().parse().unwrap()),
        "$int" => text().parse::<i64>().map_or_else(|_| Value::UInt(text().parse().unwrap()), Value::Int),
        "$ext" => {
            let [tag, bytes] = of.as_list().unwrap() else { panic!("{of:?}") };
            let tag = i8::try_from(tag.as_i64().unwrap()).unwrap();
            Value::Ext(tag, unhex(bytes.as_str().unwrap()).into())
        }
        "$repeat" => {
            let [unit, count] = of.as_list().unwrap() else { panic!("{of:?}") };
            let count = usize::try_from(count.as_u64().unwrap()).unwrap();
            match untagged(unit) {
                Value::Text(unit) => Value::Text(unit.repeat(count)),
                Value::Bytes(unit) => Value::Bytes(unit.repeat(count).into()),
                Value::List(unit) => Value::List(vec![unit[0].clone(); count]),
                other => panic!("{other:?} cannot be repeated"),
            }
        }
        other => panic!("unknown tag {other}"),
    }
}

//! A map with text keys that keeps the order in which they were written.

use super::Value;

/// An ordered map with text keys.
///
/// Small maps are looked up by walking them, which for envelopes is faster than hashing. Two maps are equal when
/// they hold equal values under the same keys, whatever the order. Bytes that give a key twice keep both pairs (so
/// that nothing is lost on the way through) and the last one counts, as in Python.
#[derive(Debug, Clone, Default)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// An empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty map with room for `n` pairs.
    pub fn with_capacity(n: usize) -> Self {
        Self(Vec::with_capacity(n))
    }

    /// Number of pairs.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The value under a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.iter_mut().rev().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The text under a key, if it is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a key: in its place if it is there, at the end otherwise. Gives the value it had.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let key = key.into();
        if let Some(slot) = self.get_mut(&key) {
            return Some(std::mem::replace(slot, value.into()));
        }
        self.0.push((key, value.into()));
        None
    }

    /// Removes a key and gives its value; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let mut last = None;
        while let Some(at) = self.0.iter().rposition(|(k, _)| k == key) {
            let (_, value) = self.0.remove(at);
            last.get_or_insert(value);
        }
        last
    }

    /// The pairs in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (String, Value)> {
        self.0.iter()
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(k, _)| k.as_str())
    }

    /// The pairs.
    pub fn into_pairs(self) -> Vec<(String, Value)> {
        self.0
    }

    /// Appends a pair without looking whether the key is there.
    pub(crate) fn push(&mut self, key: String, value: Value) {
        self.0.push((key, value));
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        let within = |a: &Self, b: &Self| a.keys().all(|key| a.get(key) == b.get(key));
        // In the same order, the usual case, one walk is enough.
        self.0 == other.0 || (within(self, other) && other.keys().all(|key| self.contains_key(key)))
    }
}

impl From<Vec<(String, Value)>> for Map {
    fn from(pairs: Vec<(String, Value)>) -> Self {
        Self(pairs)
    }
}

impl<K: Into<String>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Map {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl<K: Into<String>, V: Into<Value>> Extend<(K, V)> for Map {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (String, Value);
    type IntoIter = std::slice::Iter<'a, (String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

//! Names of streams, groups and keys, made of ids that may be any text.

use std::collections::HashMap;

use stargazer_core::topology::{GroupKeys, Name, Topology, body_key, encode, groups_key, message_id_key};

/// Lines of text, taken for ids in pairs.
///
/// Holds: an encoded id consists of letters, digits and `_-%` only, and can be decoded; different ids give different
/// names, and no two things of ours ever share a key.
pub fn keys(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let ids: Vec<&str> = text.split('\n').take(8).collect();
    let topology = Topology::default();
    let mut owners = Owners::default();
    for id in &ids {
        let encoded = encode(id);
        assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-%".contains(&b)), "{id:?}: {encoded}");
        assert_eq!(decoded(&encoded).as_deref(), Some(*id), "{encoded} stands for another id as well");
        owners.claim(&topology.outbound_stream(id), &["outbound", id]);
        owners.claim(&topology.gateway_group(id), &["gateway", id]);
        owners.claim(&topology.tools_reply_stream(id), &["reply", id]);
    }
    for stream in &ids {
        owners.claim(&groups_key(stream), &["groups", stream]);
        for other in &ids {
            let keys = GroupKeys::new(stream, other);
            let named = [
                (keys.consumers, "consumers"),
                (keys.beats, "beats"),
                (keys.lanes, "lanes"),
                (keys.tries, "tries"),
                (keys.idle, "idle"),
                (keys.mark, "mark"),
            ];
            for (key, what) in named {
                owners.claim(&key, &[what, stream, other]);
            }
            owners.claim(&message_id_key(stream, other), &["mid", stream, other]);
            owners.claim(&body_key(stream, other), &["body", stream, other]);
        }
    }
    !text.is_empty()
}

/// Who has which key.
#[derive(Default)]
struct Owners(HashMap<Name, Vec<String>>);

impl Owners {
    fn claim(&mut self, key: &Name, owner: &[&str]) {
        let before = self.0.entry(key.clone()).or_insert_with(|| owner.iter().map(|part| (*part).to_owned()).collect());
        assert_eq!(before, owner, "{key:?} belongs to both");
    }
}

/// The id behind an encoded one.
fn decoded(encoded: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

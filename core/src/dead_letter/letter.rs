//! A dead letter as it is listed.

use crate::envelope::{DeadLetter, MAX_LANE_BYTES};
use crate::topology::{Name, field as names, is_body_key};
use crate::transport::{Entry, EntryId, field};

/// The reason of a letter that names none: the original's have no reason.
pub const UNKNOWN_REASON: &str = "unknown";

/// A dead letter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Letter {
    /// Its id among the dead letters.
    pub id: EntryId,
    /// The entry, and why and where it was given up.
    pub letter: DeadLetter,
    /// Why it cannot be put back, if so.
    pub problem: Option<String>,
}

impl Letter {
    /// Reads an entry of the stream `letters`. Never fails: what is wrong with it is its problem.
    pub(super) fn read(letters: &Name, entry: &Entry) -> Self {
        let letter = DeadLetter::read(&entry.fields);
        let problem = problem(letters, &letter, entry);
        Self { id: entry.id, letter, problem }
    }

    /// Code of the reason, [`UNKNOWN_REASON`] when it names none.
    pub fn reason(&self) -> &str {
        Some(self.letter.life.reason.as_str()).filter(|reason| !reason.is_empty()).unwrap_or(UNKNOWN_REASON)
    }

    /// The lane of the entry, if it has one.
    pub fn lane(&self) -> Option<String> {
        let lane = self.letter.entry.lane(true).ok()??;
        String::from_utf8(lane.into()).ok()
    }

    /// When it was given up, milliseconds since 1970.
    pub fn dead_at(&self) -> u64 {
        if self.letter.life.dead_at > 0 { self.letter.life.dead_at } else { self.id.ms }
    }

    /// When the entry was stored, milliseconds since 1970; 0 when it does not say.
    pub fn first_at(&self) -> u64 {
        let life = &self.letter.life;
        if life.first_at > 0 { life.first_at } else { life.id.parse().map_or(0, |id: EntryId| id.ms) }
    }

    /// Key of its big body, where that stands beside the letters and goes with it.
    pub(super) fn own_body(&self, letters: &Name) -> Option<Name> {
        let (key, _) = self.letter.entry.body_ref.as_ref()?;
        is_body_key(letters, key).then(|| key.as_str().into())
    }
}

/// What keeps a letter from being put back.
fn problem(letters: &Name, letter: &DeadLetter, entry: &Entry) -> Option<String> {
    let stream = &letter.life.stream;
    if stream.is_empty() || stream.len() > 512 || stream.contains('\u{fffd}') {
        return Some(format!("it does not name the stream it came from ({})", names::ORIGINAL_STREAM));
    }
    if field(&entry.fields, names::DATA).is_none() && letter.entry.body_ref.is_none() {
        return Some(format!("it has no body ({})", names::DATA));
    }
    if let Some(key) = &letter.entry.key
        && (key.len() > MAX_LANE_BYTES || std::str::from_utf8(key).is_err())
    {
        return Some(format!("its lane is not text of at most {MAX_LANE_BYTES} bytes ({})", names::KEY));
    }
    if let Some((key, _)) = &letter.entry.body_ref
        && !is_body_key(letters, key)
        && !is_body_key(stream, key)
    {
        return Some(format!("the key of its big body does not stand beside a stream of its own ({})", names::REF));
    }
    letter.history().err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(pairs: &[(&'static str, &'static [u8])]) -> Letter {
        let fields = pairs.iter().map(|(k, v)| (Bytes::from_static(k.as_bytes()), Bytes::from_static(v))).collect();
        Letter::read(&"d".into(), &Entry { id: EntryId::new(9, 1), fields })
    }

    #[test]
    fn a_letter_of_the_original_has_all_it_needs() {
        let letter =
            read(&[("original_stream", b"s"), ("original_msg_id", b"7-0"), ("data", b"\x80"), ("error", b"x")]);
        assert_eq!((letter.problem.as_deref(), letter.reason()), (None, UNKNOWN_REASON));
        assert_eq!((letter.first_at(), letter.dead_at()), (7, 9));
    }

    #[test]
    fn what_cannot_be_put_back_says_why() {
        let base: [(&str, &[u8]); 2] = [("original_stream", b"s"), ("data", b"\x80")];
        let with = |name, value| read(&[base[0], base[1], (name, value)]).problem.unwrap_or_default();
        assert!(read(&base[1..]).problem.unwrap().contains("original_stream"));
        assert!(read(&[("original_stream", b"\xff"), base[1]]).problem.unwrap().contains("original_stream"));
        assert!(read(&base[..1]).problem.unwrap().contains("data"));
        assert!(with("key", b"\xff").contains("key"));
        assert!(with("history", b"\x80").contains("history"));
        assert!(with("ref", b"somebody:else").contains("ref"));
        assert_eq!((with("ref", b"d:body:#s%3Ag%3A1-0"), with("ref", b"s:body:#m")), (String::new(), String::new()));
    }
}

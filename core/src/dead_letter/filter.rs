//! Which letters are meant.

use super::letter::Letter;
use crate::error::{Error, Result};
use crate::transport::EntryId;

/// Which letters are meant: those for which everything that is set holds. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Name of the stream that the entry came from.
    pub stream: Option<String>,
    /// Code of the reason; `unknown` for letters without one.
    pub reason: Option<String>,
    /// The entry's lane.
    pub lane: Option<String>,
    /// The group that gave it up.
    pub group: Option<String>,
    /// The consumer that gave it up: its name, or its identity with the random end.
    pub consumer: Option<String>,
    /// A text in the error, in any case.
    pub text: Option<String>,
    /// The entry's message id.
    pub message_id: Option<String>,
    /// The entry's trace id.
    pub trace_id: Option<String>,
    /// Given up at this time or later, milliseconds since 1970, by the server's clock.
    pub since: Option<u64>,
    /// Given up before this time, milliseconds since 1970, by the server's clock.
    pub until: Option<u64>,
    /// Started at least this often.
    pub min_attempts: Option<u64>,
    /// Only those that can be put back, or only those that cannot.
    pub replayable: Option<bool>,
}

impl Filter {
    /// Whether every letter is meant.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// `Invalid` when no letter can be meant.
    pub(super) fn check(&self) -> Result<()> {
        match (self.since, self.until) {
            (Some(since), Some(until)) if since >= until => {
                Err(Error::invalid(format!("since ({since}) must be before until ({until}): no letter can be meant"))
                    .with_context("field", "since"))
            }
            _ => Ok(()),
        }
    }

    /// The ids between which letters are meant. A letter's id is the time at which it was given up.
    pub(super) fn range(&self) -> (EntryId, EntryId) {
        let from = EntryId::new(self.since.unwrap_or(0), 0);
        (from, self.until.map_or(EntryId::MAX, |until| EntryId::new(until, 0).before()))
    }

    /// Whether this letter, which stands between those ids, is meant. `stream` is the full name of the one asked for.
    pub(super) fn matches(&self, letter: &Letter, stream: Option<&str>) -> bool {
        let (entry, life) = (&letter.letter.entry, &letter.letter.life);
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        let by = |name: &str| {
            let rest = life.consumer.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        is(stream, &life.stream)
            && is(self.reason.as_deref(), letter.reason())
            && is(self.group.as_deref(), &life.group)
            && is(self.message_id.as_deref(), entry.mid.as_deref().unwrap_or_default())
            && is(self.trace_id.as_deref(), &entry.trace_id)
            && self.consumer.as_deref().is_none_or(by)
            && self.min_attempts.is_none_or(|least| life.attempt >= least)
            && self.replayable.is_none_or(|wanted| wanted == letter.problem.is_none())
            && self.lane.as_ref().is_none_or(|lane| letter.lane().as_ref() == Some(lane))
            && self.text.as_ref().is_none_or(|text| life.error.to_lowercase().contains(&text.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::transport::Entry;

    fn letter() -> Letter {
        let pairs: [(&str, &str); 8] = [
            ("original_stream", "sg:stream:inbound"),
            ("data", "\u{0}"),
            ("error", "Boom ÄH"),
            ("attempt", "3"),
            ("group", "g"),
            ("reason", "rejected"),
            ("consumer", "w-1a2b"),
            ("key", "web:c1"),
        ];
        let fields = pairs.iter().map(|(k, v)| (Bytes::from(*k), Bytes::from(*v))).collect();
        Letter::read(&"d".into(), &Entry { id: EntryId::new(9, 1), fields })
    }

    #[test]
    fn everything_that_is_set_must_hold() {
        type Set = fn(&mut Filter, &str);
        let table: [(Set, &str, &str); 6] = [
            (|f, v| f.reason = Some(v.into()), "rejected", "crashed"),
            (|f, v| f.lane = Some(v.into()), "web:c1", "web:c"),
            (|f, v| f.group = Some(v.into()), "g", "h"),
            (|f, v| f.consumer = Some(v.into()), "w", "w-1a"),
            (|f, v| f.text = Some(v.into()), "boom äh", "bang"),
            (|f, v| f.min_attempts = v.parse().ok(), "3", "4"),
        ];
        let mut all = Filter::default();
        for (set, right, wrong) in table {
            set(&mut all, right);
            assert!(all.matches(&letter(), None), "{all:?}");
            let mut one = Filter::default();
            set(&mut one, wrong);
            assert!(!one.matches(&letter(), None), "{one:?}");
        }
        assert!(all.matches(&letter(), Some("sg:stream:inbound")) && !all.matches(&letter(), Some("inbound")));
        assert!(Filter { consumer: Some("w-1a2b".into()), ..Filter::default() }.matches(&letter(), None));
        assert!(!Filter { replayable: Some(false), ..Filter::default() }.matches(&letter(), None));
        assert!(!Filter { message_id: Some("m".into()), ..Filter::default() }.matches(&letter(), None));
    }

    #[test]
    fn times_are_ids() {
        let times = |since, until| Filter { since, until, ..Filter::default() };
        assert_eq!(times(None, None).range(), (EntryId::ZERO, EntryId::MAX));
        assert_eq!(times(Some(5), Some(9)).range(), (EntryId::new(5, 0), EntryId::new(8, u64::MAX)));
        assert!(times(Some(5), Some(9)).check().is_ok());
        assert!(times(Some(9), Some(9)).check().is_err());
    }
}

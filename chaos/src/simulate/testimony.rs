//! What can only be seen when a simulation is over: the dead letters, and what is left in the server.

use stargazer_core::policy::Retention;
use stargazer_core::topology::field as names;
use stargazer_core::transport::{EntryId, Fields, Transport, field};

use super::message;
use super::network::at_once;
use super::world::{DEAD, STREAM, World};
use crate::history::{Figure, Kind};

impl World<'_> {
    /// Writes down what is there at the end.
    pub(super) fn testify(&mut self) {
        let letters = at_once(self.engine.range(&DEAD.into(), EntryId::ZERO, EntryId::MAX, usize::MAX));
        for letter in letters.and_then(Result::ok).into_iter().flatten() {
            let Some((message, _)) = message::read(&letter.fields) else { continue };
            let Some(entry) = original(&letter.fields) else { continue };
            let lane = self.entries.get(&entry).map_or(message::NO_LANE, |(_, lane)| *lane);
            let hash = message::hash(&letter.fields);
            let group = field(&letter.fields, names::GROUP);
            let group = self.groups.iter().position(|other| Some(other.name.as_bytes()) == group.map(|g| &g[..]));
            self.record(Kind::DeadLetter, 0, |record| {
                (record.message, record.lane, record.hash) = (message, lane, hash);
                record.entry = (entry.ms, entry.seq);
                record.extra = group.and_then(|group| u32::try_from(group).ok()).unwrap_or(u32::MAX);
            });
        }
        let mut left = [
            (Figure::Entries, 0),
            (Figure::Pending, 0),
            (Figure::Consumers, 0),
            (Figure::Lanes, 0),
            (Figure::Tries, 0),
        ];
        if let Some(Ok(info)) = at_once(self.engine.stream_info(&STREAM.into())) {
            left[0].1 = info.length;
            left[1].1 = info.groups.iter().map(|group| group.pending).sum();
        }
        for group in self.groups.clone() {
            left[2].1 += at_once(self.engine.signs(&group)).and_then(Result::ok).map_or(0, |signs| signs.len() as u64);
            let (lanes, tries) = self.engine.kept(&group).unwrap_or_default();
            left[3].1 += lanes as u64;
            left[4].1 += tries as u64;
        }
        let keeps = !matches!(self.plan.retention, Retention::Acked { .. });
        for (figure, value) in left {
            // What is kept on purpose is no more than before.
            let base = if figure == Figure::Entries && keeps { value } else { 0 };
            self.record(Kind::Measured, 0, |record| {
                (record.detail, record.message, record.token) = (figure as u8, value, base);
            });
        }
    }
}

/// The entry that a dead letter was.
fn original(fields: &Fields) -> Option<EntryId> {
    std::str::from_utf8(field(fields, names::ORIGINAL_MSG_ID)?).ok()?.parse().ok()
}

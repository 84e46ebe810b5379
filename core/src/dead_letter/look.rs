//! Looking at dead letters: a summary, a page, one.

use std::collections::BTreeMap;

use super::{DeadLetters, Filter, Letter};
use crate::config::MANY_DEAD_LETTERS;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{EntryId, MAX_BATCH};

/// Letters that are read at once.
const STEP: usize = 100;

/// Letters that one call looks at.
const MOST: usize = 20_000;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which letters.
    pub filter: Filter,
    /// The oldest first instead of the newest.
    pub oldest_first: bool,
    /// At most this many, 1 to 1000.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<EntryId>,
}

impl Default for Query {
    fn default() -> Self {
        Self { filter: Filter::default(), oldest_first: false, limit: 100, cursor: None }
    }
}

/// Some letters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The letters. A page may be short, or empty, although more follow: a call looks at so many letters only.
    pub letters: Vec<Letter>,
    /// Where the next page begins; `None` at the end.
    pub cursor: Option<EntryId>,
}

/// Dead letters at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many there are in all.
    pub count: u64,
    /// How many of those looked at match.
    pub matching: u64,
    /// Whether all of them were looked at; if not, the newest are counted.
    pub complete: bool,
    /// When the oldest match was given up, milliseconds since 1970.
    pub oldest: Option<u64>,
    /// When the newest match was given up, milliseconds since 1970.
    pub newest: Option<u64>,
    /// Matches by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Matches by the stream they came from, `""` where that is not known.
    pub streams: BTreeMap<String, u64>,
    /// Matches that cannot be put back.
    pub problems: u64,
}

impl Summary {
    /// Whether there are so many that somebody should act: they are kept until then.
    pub fn many(&self) -> bool {
        self.count >= MANY_DEAD_LETTERS
    }
}

impl DeadLetters {
    /// How many there are, since when, and why. No stream at all is no letter.
    pub async fn inspect(&self, filter: &Filter) -> Result<Summary> {
        let count = match self.bus.transport().stream_info(&self.stream).await {
            Ok(info) => info.length,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let mut summary = Summary {
            count,
            matching: 0,
            complete: true,
            oldest: None,
            newest: None,
            reasons: BTreeMap::new(),
            streams: BTreeMap::new(),
            problems: 0,
        };
        let mut walk = Walk::new(self, filter, true, None)?;
        while walk.examined < MOST {
            let Some(letters) = walk.step().await? else { return Ok(summary) };
            for letter in letters {
                summary.matching += 1;
                summary.problems += u64::from(letter.problem.is_some());
                summary.newest = summary.newest.max(Some(letter.id.ms));
                summary.oldest = Some(summary.oldest.map_or(letter.id.ms, |at| at.min(letter.id.ms)));
                *summary.reasons.entry(letter.reason().to_owned()).or_default() += 1;
                *summary.streams.entry(letter.letter.life.stream).or_default() += 1;
            }
        }
        summary.complete = false;
        Ok(summary)
    }

    /// A page of letters, without the big bodies.
    pub async fn list(&self, query: &Query) -> Result<Page> {
        if !(1..=MAX_BATCH).contains(&query.limit) {
            return Err(limit_out_of_range(query.limit, MAX_BATCH));
        }
        let mut walk = Walk::new(self, &query.filter, !query.oldest_first, query.cursor)?;
        let mut page = Page { letters: Vec::new(), cursor: None };
        while walk.examined < MOST {
            let Some(letters) = walk.step().await? else { return Ok(page) };
            let room = query.limit - page.letters.len();
            let full = letters.len() >= room;
            page.letters.extend(letters.into_iter().take(room));
            if full {
                page.cursor = page.letters.last().map(|letter| letter.id);
                return Ok(page);
            }
        }
        page.cursor = walk.last;
        Ok(page)
    }

    /// One letter with its whole body; `NotFound` when there is none of this id.
    pub async fn get(&self, id: EntryId) -> Result<Letter> {
        let mut letter = self.read(&[id]).await?.pop().flatten().ok_or_else(|| self.missing(id))?;
        if let Some((key, _)) = &letter.letter.entry.body_ref
            && letter.problem.is_none()
        {
            match self.bus.transport().bodies(&[key.as_str().into()]).await?.pop().flatten() {
                Some(body) => letter.letter.entry.data = body,
                None => letter.problem = Some("its big body is gone".into()),
            }
        }
        Ok(letter)
    }

    /// Letters by id; `None` for those that are not there.
    pub(super) async fn read(&self, ids: &[EntryId]) -> Result<Vec<Option<Letter>>> {
        self.bus.ensure_open()?;
        let entries = self.bus.transport().read(&self.stream, ids).await?;
        Ok(entries.iter().map(|entry| Some(Letter::read(&self.stream, entry.as_ref()?))).collect())
    }

    pub(super) fn missing(&self, id: EntryId) -> Error {
        Error::new(ErrorKind::NotFound, "there is no such dead letter; it was put back or discarded, or never was")
            .with_context("id", id)
            .with_context("stream", &self.stream)
    }
}

pub(super) fn limit_out_of_range(limit: usize, most: usize) -> Error {
    Error::invalid(format!("limit is {limit}; it must be 1 to {most}")).with_context("field", "limit")
}

/// A walk over the letters that a filter means, in steps.
pub(super) struct Walk<'a> {
    letters: &'a DeadLetters,
    filter: &'a Filter,
    stream: Option<String>,
    back: bool,
    /// What is left of the range; `None` at the end.
    range: Option<(EntryId, EntryId)>,
    /// The last letter that was looked at.
    pub(super) last: Option<EntryId>,
    /// How many were looked at.
    pub(super) examined: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        letters: &'a DeadLetters,
        filter: &'a Filter,
        back: bool,
        after: Option<EntryId>,
    ) -> Result<Self> {
        letters.bus.ensure_open()?;
        filter.check()?;
        let (mut from, mut to) = filter.range();
        match after {
            Some(after) if back => to = to.min(after.before()),
            Some(after) => from = from.max(next(after)),
            None => {}
        }
        let stream = filter.stream.as_deref().map(|name| letters.bus.topology().named_stream(name).to_string());
        let nothing = from > to || after == Some(if back { EntryId::ZERO } else { EntryId::MAX });
        Ok(Self { letters, filter, stream, back, range: (!nothing).then_some((from, to)), last: after, examined: 0 })
    }

    /// Ends the walk at what stands there now, so that letters which come while it goes on are not met.
    pub(super) async fn until_now(mut self) -> Result<Self> {
        if let Some((_, to)) = &mut self.range {
            let newest = self.letters.bus.transport().range_back(&self.letters.stream, EntryId::ZERO, *to, 1).await?;
            match newest.first() {
                Some(newest) => *to = newest.id,
                None => self.range = None,
            }
        }
        Ok(self)
    }

    /// The matches among the next letters; `None` at the end.
    pub(super) async fn step(&mut self) -> Result<Option<Vec<Letter>>> {
        let Some((from, to)) = self.range else { return Ok(None) };
        let (transport, stream) = (self.letters.bus.transport(), &self.letters.stream);
        let entries = if self.back {
            transport.range_back(stream, from, to, STEP).await?
        } else {
            transport.range(stream, from, to, STEP).await?
        };
        let Some(last) = entries.last().map(|entry| entry.id) else {
            self.range = None;
            return Ok(None);
        };
        self.last = Some(last);
        self.examined += entries.len();
        self.range = if entries.len() < STEP {
            None
        } else if self.back {
            (last > from).then(|| (from, last.before()))
        } else {
            (last < to).then(|| (next(last), to))
        };
        let read = entries.iter().map(|entry| Letter::read(stream, entry));
        Ok(Some(read.filter(|letter| self.filter.matches(letter, self.stream.as_deref())).collect()))
    }
}

/// The id just above.
fn next(id: EntryId) -> EntryId {
    match id.seq.checked_add(1) {
        Some(seq) => EntryId { seq, ..id },
        None => EntryId::new(id.ms.saturating_add(1), 0),
    }
}

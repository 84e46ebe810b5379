//! Throwing letters away. What was removed is the answer, so that it can still be written down.

use std::time::Duration;

use super::look::{Walk, limit_out_of_range};
use super::{DeadLetters, Filter, Letter};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{Discard, EntryId, MAX_BATCH};

/// Letters that are read and removed at once.
const STEP: usize = 100;

impl DeadLetters {
    /// Removes letters by id, at most 1000 in one call; gives those that were there.
    pub async fn discard(&self, ids: &[EntryId]) -> Result<Vec<Letter>> {
        if ids.len() > MAX_BATCH {
            return Err(Error::invalid(format!("at most {MAX_BATCH} letters in one call, not {}", ids.len())));
        }
        let mut removed = Vec::new();
        for ids in ids.chunks(STEP) {
            let letters = self.read(ids).await?.into_iter().flatten().collect();
            removed.extend(self.remove(letters).await?);
        }
        Ok(removed)
    }

    /// Removes the letters that a filter means, if they are exactly `count`, which is 1 to 1000; else `Conflict`, and
    /// nothing is removed. So that nobody throws away more than was looked at.
    pub async fn discard_matching(&self, filter: &Filter, count: usize) -> Result<Vec<Letter>> {
        if !(1..=MAX_BATCH).contains(&count) {
            return Err(limit_out_of_range(count, MAX_BATCH).with_context("field", "count"));
        }
        let mut walk = Walk::new(self, filter, false, None)?.until_now().await?;
        let mut found = Vec::new();
        while let Some(letters) = walk.step().await? {
            found.extend(letters);
            if found.len() > count {
                break;
            }
        }
        if found.len() != count {
            let at_least = if found.len() > count { "at least " } else { "" };
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the filter means {at_least}{} letters, not {count}; look again, nothing was removed",
                    found.len()
                ),
            )
            .with_context("stream", &self.stream)
            .with_context("found", found.len()));
        }
        let mut removed = Vec::new();
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(STEP));
            removed.extend(self.remove(std::mem::replace(&mut found, rest)).await?);
        }
        Ok(removed)
    }

    /// Removes letters that were just read; those that were still there.
    async fn remove(&self, mut letters: Vec<Letter>) -> Result<Vec<Letter>> {
        let batch: Vec<_> =
            letters.iter().map(|letter| Discard { id: letter.id, body: letter.own_body(&self.stream) }).collect();
        let clock = self.bus.clock();
        let give_up = clock.now() + self.bus.config().publish_timeout;
        let mut pause = Duration::from_millis(10);
        // After a lost answer, what is gone was removed by the request before.
        let mut lost = false;
        let was_there = loop {
            match self.bus.transport().discard(&self.stream, &batch).await {
                Ok(was_there) => break was_there,
                Err(error)
                    if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
                        && clock.now() + pause < give_up =>
                {
                    lost = true;
                    clock.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(200));
                }
                Err(error) => return Err(error),
            }
        };
        let mut was_there = was_there.into_iter();
        letters.retain(|_| was_there.next().unwrap_or(false) || lost);
        Ok(letters)
    }
}

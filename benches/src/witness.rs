//! What a handler saw: each message once, and each channel in order.

use crate::Result;
use crate::lab::expect;
use crate::load::Spread;

/// Counts messages by what [`crate::load::Load::body`] wrote into them.
#[derive(Debug)]
pub(crate) struct Witness {
    seen: Vec<bool>,
    /// One more than the number of the latest message of each channel.
    latest: Vec<usize>,
    count: usize,
    disorder: usize,
    foreign: usize,
}

impl Witness {
    pub(crate) fn new(messages: usize, spread: Spread) -> Self {
        Self { seen: vec![false; messages], latest: vec![0; spread.channels()], count: 0, disorder: 0, foreign: 0 }
    }

    pub(crate) fn note(&mut self, channel_id: &str, message_id: &str) {
        let channel = channel_id.strip_prefix('c').and_then(|number| number.parse::<usize>().ok());
        let place = channel.and_then(|channel| self.latest.get_mut(channel));
        let number = message_id.parse::<usize>().ok();
        let (Some(latest), Some(number)) = (place, number.filter(|number| *number < self.seen.len())) else {
            self.foreign += 1;
            return;
        };
        self.count += usize::from(!std::mem::replace(&mut self.seen[number], true));
        if number < *latest {
            self.disorder += 1;
        } else {
            *latest = number + 1;
        }
    }

    /// Messages handled after a later one of their channel; an error when not every message was seen.
    pub(crate) fn disorder(&self) -> Result<usize> {
        expect("messages that were never sent", self.foreign, 0)?;
        expect("messages handled", self.count, self.seen.len())?;
        Ok(self.disorder)
    }
}

//! What can be seen from outside, in words.

use std::fmt::Write;
use std::time::{Duration, Instant};

use stargazer_core::topology::body_key;
use stargazer_core::transport::EntryId;

use super::side::{Side, in_words, said};

/// An answer that is slower than this does not tell well enough when an entry was handed out.
const PROMPT: Duration = Duration::from_millis(5);

impl Side {
    pub(super) async fn held(&mut self, seat: usize, count: usize) -> String {
        let Some(seat) = self.seat(seat).map(|seat| &self.seats[seat]) else { return String::new() };
        let (group, after) = (seat.group, seat.handed.first().map_or(EntryId::ZERO, |(id, ..)| *id));
        let held = self.lab.transport.held(&self.groups[group], &seat.session.identity, after, count).await;
        let stream = self.stream_of(group);
        said(held, |held| self.tags(stream, held))
    }

    pub(super) async fn sweep(&mut self, group: usize) -> String {
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            match self.lab.transport.sweep(&self.groups[group], at).await {
                Ok(next) => cursor = next,
                Err(error) => return in_words(&error),
            }
        }
        "swept".into()
    }

    pub(super) async fn read(&mut self, stream: usize, picks: &[usize]) -> String {
        let ids: Vec<_> = picks.iter().filter_map(|pick| self.seen[stream].iter().rev().nth(*pick).copied()).collect();
        let entries = said(self.lab.transport.read(&self.streams[stream], &ids).await, |entries| {
            let fields: Vec<_> = entries.into_iter().map(|entry| entry.map(|entry| entry.fields)).collect();
            format!("{fields:?}")
        });
        let keys: Vec<_> = (1..=self.published).map(|n| body_key(&self.streams[stream], &format!("b{n}"))).collect();
        let keys: Vec<_> = keys.iter().rev().take(40).cloned().collect();
        let bodies = said(self.lab.transport.bodies(&keys).await, |bodies| format!("{bodies:?}"));
        format!("{entries}\n  {bodies}")
    }

    pub(super) async fn range(&mut self, stream: usize, count: usize, back: bool) -> String {
        let (transport, name) = (&self.lab.transport, &self.streams[stream]);
        let range = if back {
            transport.range_back(name, EntryId::ZERO, EntryId::MAX, count).await
        } else {
            transport.range(name, EntryId::ZERO, EntryId::MAX, count).await
        };
        said(range, |entries| {
            let entries: Vec<_> = entries.into_iter().map(|e| (self.tag(stream, e.id), e.fields)).collect();
            format!("{entries:?}")
        })
    }

    pub(super) async fn info(&mut self, stream: usize, lags: &mut Vec<Option<u64>>) -> String {
        let info = self.lab.transport.stream_info(&self.streams[stream]).await;
        said(info, |info| {
            let ends = self.tags(stream, [info.last_id, info.first_entry.unwrap_or_default()]);
            let mut text = format!("{} entries, last and first {ends}", info.length);
            for group in info.groups {
                lags.push(group.lag.filter(|_| !self.tampered[stream]));
                let last = self.tag(stream, group.last_delivered);
                write!(text, "\n  {} {} {} {last}", group.name, group.consumers, group.pending).unwrap();
            }
            text
        })
    }

    pub(super) async fn pending(&mut self, group: usize) -> String {
        let stream = self.stream_of(group);
        let of = &self.groups[group];
        said(self.lab.transport.pending(&of.stream, &of.name).await, |pending| {
            let ends = self.tags(stream, pending.oldest.into_iter().chain(pending.newest));
            format!("{} {ends} {:?}", pending.count, pending.consumers)
        })
    }

    /// The pending list with hand-outs, and between which pauses each entry was handed out last.
    pub(super) fn inspect(&mut self, group: usize) -> String {
        let stream = self.stream_of(group);
        let (pending, now) = loop {
            let before = Instant::now();
            let pending = self.lab.pending(&self.groups[group]);
            if before.elapsed() < PROMPT {
                break (pending, before);
            }
        };
        let (lanes, records) = self.lab.kept(&self.groups[group]);
        let mut text = format!("{lanes} lanes and {records} records");
        for entry in pending {
            let at = now.checked_sub(entry.idle).unwrap();
            let moment = self.pauses.iter().filter(|pause| **pause <= at).count();
            let tag = self.tag(stream, entry.id);
            write!(text, "\n  {tag} {} {} times, last in {moment}", entry.consumer, entry.deliveries).unwrap();
        }
        text
    }
}

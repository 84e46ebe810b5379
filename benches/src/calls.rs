//! The calls of a consumer without the consumer: fetch 64, settle 64, and again, one after the other. What the server
//! needs for a message in each ordering mode shows here without anything in between.

use std::sync::Arc;

use stargazer_core::Ordering;
use stargazer_core::clock::SystemClock;
use stargazer_core::redis::{ConnectOptions, RedisTransport};
use stargazer_core::topology::Name;
use stargazer_core::transport::{EntryId, Fetch, Group, Handed, Session, Settle, Transport, Verdict};

use crate::Result;
use crate::lab::{CAP, Lab, Sample, expect, runtime};
use crate::load::Spread;

/// Entries of one call.
const CALL: usize = 64;

/// A group of its own, read by one session.
pub(crate) struct Reader {
    transport: RedisTransport,
    group: Group,
    session: Session,
    cursor: EntryId,
}

pub(crate) fn calls(lab: &Lab, messages: usize, ordering: Ordering) -> Result<Sample> {
    lab.fill(messages, Spread::Uniform)?;
    let used = runtime()?.block_on(async {
        let mut reader = Reader::open(lab, ordering).await?;
        let meter = lab.meter()?;
        reader.take(messages).await?;
        let used = meter.stop()?;
        reader.close().await;
        Ok::<_, Box<dyn std::error::Error>>(used)
    })?;
    expect("entries left", lab.length()?, 0)?;
    expect("entries pending", lab.pending()?, 0)?;
    Ok(used.over(messages, 0))
}

impl Reader {
    pub(crate) async fn open(lab: &Lab, ordering: Ordering) -> Result<Self> {
        let transport = RedisTransport::connect(&lab.url(), ConnectOptions::default(), SystemClock::shared()).await?;
        let (stream, name): (Name, Name) = (lab.stream().into(), lab.group().into());
        let group = Group::new(stream, name, ordering, CAP);
        transport.recreate(&group).await?;
        let session = transport.register(&group, &Arc::from("calls"), "first").await?.map_err(refused)?;
        Ok(Self { transport, group, session, cursor: EntryId::ZERO })
    }

    /// Fetches and settles exactly so many.
    pub(crate) async fn take(&mut self, messages: usize) -> Result<()> {
        let mut done = 0;
        while done < messages {
            let count = CALL.min(messages - done);
            let request =
                Fetch { cursor: self.cursor, count, max_bytes: 1 << 20, unweighed: done > 0, new: true, wary: true };
            let fetched = self.transport.fetch(&self.group, &self.session, &request).await?;
            let entries = fetched.map_err(refused)?.entries;
            self.cursor = entries.last().ok_or("entries are missing")?.id;
            let ack = |entry: Handed| Settle { id: entry.id, lane: entry.lane, verdict: Verdict::Ack, body: None };
            let batch: Vec<_> = entries.into_iter().map(ack).collect();
            self.transport.settle(&self.group, &self.session, &batch).await?.map_err(refused)?;
            done += batch.len();
        }
        Ok(())
    }

    pub(crate) async fn close(self) {
        self.transport.close().await;
    }
}

fn refused(refusal: stargazer_core::transport::Refusal) -> String {
    format!("the session was refused: {refusal:?}")
}

//! The calls of a consumer without the consumer: fetch 64, settle 64, and again, one after the other. What the server
//! needs for a message in each ordering mode shows here without anything in between.

use std::sync::Arc;

use stargazer_core::clock::SystemClock;
use stargazer_core::redis::{ConnectOptions, RedisTransport};
use stargazer_core::topology::Name;
use stargazer_core::transport::{EntryId, Fetch, Group, Settle, Transport, Verdict};
use stargazer_core::{Ordering, Retention};

use crate::Result;
use crate::lab::{Lab, Sample, expect, runtime};
use crate::load::Spread;

/// Entries of one call.
const CALL: usize = 64;

pub(crate) fn calls(lab: &Lab, messages: usize, ordering: Ordering) -> Result<Sample> {
    lab.fill(messages, Spread::Uniform)?;
    let used = runtime()?.block_on(async {
        let transport = RedisTransport::connect(&lab.url(), ConnectOptions::default(), SystemClock::shared()).await?;
        let (stream, name): (Name, Name) = (lab.stream().into(), lab.group().into());
        let group = Group::new(stream, name, ordering, Retention::Acked { cap: 1_000_000 });
        transport.recreate(&group).await?;
        let session = transport.register(&group, &Arc::from("calls"), "first").await?.map_err(refused)?;
        let meter = lab.meter()?;
        let (mut cursor, mut done) = (EntryId::ZERO, 0);
        while done < messages {
            let request = Fetch { cursor, count: CALL, max_bytes: 1 << 20, new: true, wary: true };
            let entries = transport.fetch(&group, &session, &request).await?.map_err(refused)?.entries;
            cursor = entries.last().ok_or("entries are missing")?.id;
            let ack = |entry: stargazer_core::transport::Handed| Settle {
                id: entry.id,
                lane: entry.lane,
                verdict: Verdict::Ack,
                body: None,
            };
            let batch: Vec<_> = entries.into_iter().map(ack).collect();
            transport.settle(&group, &session, &batch).await?.map_err(refused)?;
            done += batch.len();
        }
        let used = meter.stop()?;
        transport.close().await;
        Ok::<_, Box<dyn std::error::Error>>(used)
    })?;
    expect("entries left", lab.length()?, 0)?;
    expect("entries pending", lab.pending()?, 0)?;
    Ok(used.over(messages, 0))
}

fn refused(refusal: stargazer_core::transport::Refusal) -> String {
    format!("the session was refused: {refusal:?}")
}

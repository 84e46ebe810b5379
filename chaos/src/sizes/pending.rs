//! Calls on a group with a very long pending list and very many lanes.

use std::time::Duration;

use stargazer_core::Result;
use stargazer_core::topology::Name;
use stargazer_core::transport::{BATCH, EntryId, Fetch, Handed, Record, Retention, Settle, Transport, Verdict};

use super::Options;
use super::meter::Meter;
use super::seed::{append, connect, fetch, fetch_all, group, in_force, join, outcome};

/// Outcomes and starts that one call of a consumer carries.
const BATCHES: [usize; 3] = [1, 100, BATCH];

pub(super) async fn measure(meter: &mut Meter<'_>, options: &Options) -> Result<()> {
    let transport = connect(meter).await?;
    let (stream, of): (Name, _) = ("s".into(), group("g"));
    let holder = join(&transport, &of, "holder").await?;
    append(meter, options.entries, options.lanes)?;
    meter.call("fetch 192 new entries", fetch(&transport, &of, &holder, page(EntryId::ZERO, 192))).await??;
    let most = format!("fetch {BATCH} new entries");
    meter.call(&most, fetch(&transport, &of, &holder, page(EntryId::ZERO, BATCH))).await??;
    fetch_all(&transport, &of, &holder).await?;

    // Somebody else's look, and the adoption.
    let other = join(&transport, &of, "other").await?;
    meter.call("register", transport.register(&of, &"third".into(), "third")).await??.ok();
    meter.call("renew", transport.renew(&of, &[holder.clone(), other.clone()])).await??;
    let signs = meter.call("signs of life", transport.signs(&of)).await??;
    let Some(sign) = signs.into_iter().find(|sign| sign.identity == holder.identity) else { return Ok(()) };
    let Some(heir) = meter.call("adopt", transport.adopt(&of, &sign, "heir")).await?? else { return Ok(()) };
    let mut cursor = EntryId::ZERO;
    let mut entries: Vec<Handed> = Vec::new();
    for _ in 0..50 {
        let request = Fetch { new: false, ..page(cursor, 64) };
        let read = meter.call("fetch 64 of an adopted identity", fetch(&transport, &of, &heir, request)).await??;
        cursor = read.last().map_or(cursor, |entry| entry.id);
        entries.extend(read);
    }
    while entries.len() < 6000 {
        let read = fetch(&transport, &of, &heir, Fetch { new: false, ..page(cursor, 1000) }).await?;
        cursor = read.last().map_or(cursor, |entry| entry.id);
        entries.extend(read);
    }
    meter.call("empty fetch", fetch(&transport, &of, &other, page(EntryId::ZERO, 192))).await??;
    meter.call("retire with entries pending", transport.retire(&of, &heir)).await??.ok();
    let held = transport.held(&of, &heir.identity, EntryId::ZERO, 1000);
    meter.call("compare what is held, a page", held).await??;
    let held = transport.held(&of, &heir.identity, cursor, 1000);
    meter.call("compare what is held, a page", held).await??;

    // Outcomes.
    let mut rest = entries.as_slice();
    for batch in BATCHES {
        let starts: Vec<_> = rest[..batch]
            .iter()
            .map(|entry| (entry.id, Record { starts: 2, running: true, ..Record::default() }))
            .collect();
        meter.call(&format!("begin {batch}"), transport.begin(&of, &heir, &starts)).await??.ok();
        let retry = Record { starts: 1, due_in: Duration::from_secs(1), ..Record::default() };
        let letter = Verdict::Dead { stream: "dead".into(), fields: vec![("data".into(), "x".into())] };
        for (name, verdict) in [("ack", Verdict::Ack), ("retry", Verdict::Retry(retry)), ("dead-letter", letter)] {
            let (now, after) = rest.split_at(batch);
            rest = after;
            let settles: Vec<Settle> = now.iter().map(|entry| outcome(entry, verdict.clone())).collect();
            let name = format!("settle {batch} × {name}");
            in_force(meter.call(&name, transport.settle(&of, &heir, &settles)).await??)?;
            if rest.len() < 4000 {
                let read = fetch(&transport, &of, &heir, Fetch { new: false, ..page(cursor, 1000) }).await?;
                cursor = read.last().map_or(cursor, |entry| entry.id);
                entries = rest.iter().cloned().chain(read).collect();
                rest = entries.as_slice();
            }
        }
    }

    // The janitor, with one group and with a second one that makes the mark and the trimming work.
    sweep_all(meter, &transport, &of, "sweep, a page").await?;
    meter.call("pending, at a glance", transport.pending(&stream, &of.name)).await??;
    meter.call("stream, at a glance", transport.stream_info(&stream)).await??;
    meter.call("recreate a group that is there", transport.recreate(&of)).await??;
    let range = transport.range(&stream, EntryId::ZERO, EntryId::MAX, 1000);
    meter.call("range of 1000", range).await??;
    let ids: Vec<EntryId> = rest.iter().take(1000).map(|entry| entry.id).collect();
    meter.call("read 1000 bodies again", transport.read(&stream, &ids)).await??;
    let second = group("second");
    let reader = join(&transport, &second, "reader").await?;
    let acks: Vec<Settle> = rest[..100].iter().map(|entry| outcome(entry, Verdict::Ack)).collect();
    in_force(meter.call("settle 100 × ack, two groups and a mark", transport.settle(&of, &heir, &acks)).await??)?;
    for _ in 0..3 {
        let entries = fetch(&transport, &second, &reader, page(EntryId::ZERO, 1000)).await?;
        let acks: Vec<Settle> = entries.iter().map(|entry| outcome(entry, Verdict::Ack)).collect();
        in_force(transport.settle(&second, &reader, &acks).await?)?;
    }
    sweep_all(meter, &transport, &second, "sweep that trims for two groups, a page").await?;

    // The group is lost.
    meter.ask(&["XGROUP", "DESTROY", "s", "g"])?;
    meter.call("recreate a lost group", transport.recreate(&of)).await??;
    let forever = stargazer_core::transport::Group { retention: Retention::Forever, ..group("third") };
    meter.call("recreate another group", transport.recreate(&forever)).await??;
    meter.call("stop", transport.stop(&second, &[reader])).await??;
    meter.call("delete the stream", transport.delete_stream(&stream)).await??;
    Ok(())
}

fn page(cursor: EntryId, count: usize) -> Fetch {
    Fetch { cursor, count, max_bytes: 1 << 20, unweighed: false, new: true, wary: true }
}

async fn sweep_all(
    meter: &mut Meter<'_>,
    transport: &stargazer_core::redis::RedisTransport,
    of: &stargazer_core::transport::Group,
    name: &str,
) -> Result<()> {
    let mut next = Some(0);
    while let Some(cursor) = next {
        next = meter.call(name, transport.sweep(of, cursor)).await??;
    }
    Ok(())
}

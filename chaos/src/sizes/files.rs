//! Calls on a stream of large files: kept beside their entries, as our publishers do, and inside them, as others may.

use bytes::Bytes;
use stargazer_core::Result;
use stargazer_core::topology::{Name, body_key, field, message_id_key};
use stargazer_core::transport::{
    Append, Dedupe, EntryId, Fetch, Fields, Handed, Settle, Transport, Verdict, field as value,
};

use super::Options;
use super::meter::Meter;
use super::seed::{connect, fetch, group, in_force, join, outcome};

const INSIDE: &str = "a body of this size inside its entry is copied by the server itself";

pub(super) async fn measure(meter: &mut Meter<'_>, options: &Options) -> Result<()> {
    let transport = connect(meter).await?;
    let of = group("g");
    let session = join(&transport, &of, "a").await?;
    let file = Bytes::from(vec![0x61; options.file_bytes]);

    for n in 0..options.files {
        let append = transport.append(vec![beside(n, &file)]);
        for appended in meter.call("publish a file, kept beside its entry", append).await? {
            appended?;
        }
    }
    let entries = collect(meter, &transport, "fetch, files beside their entries", None, &session).await?;
    let keys: Vec<Name> = entries.iter().filter_map(body_of).collect();
    let bodies = meter.call("read 8 bodies", transport.bodies(&keys[..8.min(keys.len())])).await??;
    drop(bodies);
    // As a consumer reports: the outcome of a large entry goes alone.
    for (n, entry) in entries.iter().enumerate() {
        let (name, verdict) = if n % 4 == 0 {
            let place = body_key("dead", &format!("s:g:{}", entry.id));
            let fields: Fields = vec![("data".into(), Bytes::new()), (field::REF.into(), place.to_string().into())];
            ("settle 1 × dead-letter of a file", Verdict::Dead { stream: "dead".into(), fields })
        } else {
            ("settle 1 × ack of a file", Verdict::Ack)
        };
        let batch = [Settle { body: body_of(entry), ..outcome(entry, verdict) }];
        in_force(meter.call(name, transport.settle(&of, &session, &batch)).await??)?;
    }

    for n in 0..options.files {
        let fields: Fields = vec![("data".into(), file.clone()), ("key".into(), format!("lane{}", n % 10).into())];
        let append = transport.append(vec![Append::new("s".into(), fields)]);
        for appended in meter.shown("publish a file inside its entry", INSIDE, append).await? {
            appended?;
        }
    }
    let entries = collect(meter, &transport, "fetch, files inside their entries", Some(INSIDE), &session).await?;
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).take(8).collect();
    meter.shown("read 8 files inside their entries again", INSIDE, transport.read(&of.stream, &ids)).await??;
    let range = transport.range(&of.stream, EntryId::ZERO, EntryId::MAX, 8);
    meter.shown("range of 8 files inside their entries", INSIDE, range).await??;
    for entry in &entries {
        let batch = [outcome(entry, Verdict::Ack)];
        let settle = transport.settle(&of, &session, &batch);
        in_force(meter.call("settle 1 × ack of a file inside its entry", settle).await??)?;
    }
    Ok(())
}

fn beside(n: usize, file: &Bytes) -> Append {
    let id = format!("m{n}");
    let (key, stream): (Name, Name) = (body_key("s", &id), "s".into());
    let fields: Fields = vec![
        (field::DATA.into(), Bytes::new()),
        (field::REF.into(), key.to_string().into()),
        (field::KEY.into(), format!("lane{}", n % 10).into()),
    ];
    let dedupe = Dedupe { key: message_id_key("s", &id), window: std::time::Duration::from_secs(600) };
    Append { body: Some((key, file.clone())), dedupe: Some(dedupe), ..Append::new(stream, fields) }
}

fn body_of(entry: &Handed) -> Option<Name> {
    let key = value(entry.fields.as_ref()?, field::REF)?;
    std::str::from_utf8(key).ok().map(Name::from)
}

/// Fetches until nothing is left.
async fn collect(
    meter: &mut Meter<'_>,
    transport: &stargazer_core::redis::RedisTransport,
    name: &str,
    excused: Option<&'static str>,
    session: &stargazer_core::transport::Session,
) -> Result<Vec<Handed>> {
    let of = group("g");
    let (mut all, mut cursor): (Vec<Handed>, EntryId) = (Vec::new(), EntryId::ZERO);
    loop {
        let request = Fetch { cursor, count: 192, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
        let entries = meter.timed(name, excused, fetch(transport, &of, session, request)).await??;
        let Some(last) = entries.last() else { return Ok(all) };
        cursor = last.id;
        all.extend(entries);
    }
}

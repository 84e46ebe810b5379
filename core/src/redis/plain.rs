//! Fetching what is new around the script, where nothing is routed: the server hands bodies over as it keeps them, while
//! a script would make values of its language of them and an answer again, which costs it more than everything else.
//!
//! A small script looks before the read whether the session may read without more ado, and a transaction makes one step
//! of both: the connection watches the stream, and the script touches it where it may not. Then nothing was read, and the
//! script for everything answers. So it does for whatever else is unusual.

use ::redis::{Pipeline, Value};

use super::fetch::flag;
use super::link::Link;
use super::parse;
use super::script::SCRIPTS;
use crate::error::Result;
use crate::topology::groups_key;
use crate::transport::{EntryId, Fetch, Fields, Group, Session};

/// Entries as they stand in a stream.
type Rows = Vec<(EntryId, Option<Fields>)>;

/// Whether a fetch may try it.
pub(super) fn suits(group: &Group, request: &Fetch) -> bool {
    request.unweighed && request.new && !group.ordering.routes()
}

/// New entries; none where the script has to answer.
pub(super) async fn fetch(link: &Link, group: &Group, session: &Session, request: &Fetch) -> Result<Rows> {
    let (keys, groups) = (&group.keys, groups_key(&group.stream));
    let names: [&str; 7] = [&group.stream, &keys.consumers, &keys.lanes, &keys.tries, &keys.idle, &keys.beats, &groups];
    let mut pipeline = Pipeline::with_capacity(5);
    pipeline.cmd("WATCH").arg(&*group.stream);
    // By its text: where the server had forgotten it, a hash would let the read go ahead unasked.
    pipeline
        .cmd("EVAL")
        .arg(&SCRIPTS.plain.text)
        .arg(names.len())
        .arg(&names)
        .arg(&*group.name)
        .arg(&*session.identity)
        .arg(&*session.fence.0)
        .arg(request.cursor.to_string())
        .arg(flag(group.ordering.has_holder()))
        .arg(flag(group.notices_deletions()));
    pipeline.cmd("MULTI");
    pipeline.cmd("XREADGROUP").arg("GROUP").arg(&*group.name).arg(&*session.identity);
    pipeline.arg("COUNT").arg(request.count).arg("STREAMS").arg(&*group.stream).arg(">");
    pipeline.cmd("EXEC");
    let mut replies = link.pipeline(&pipeline).await?;
    let done = replies.pop().unwrap_or_default();
    let mut refused = replies.iter().chain(match &done {
        Value::Array(results) => &results[..],
        other => std::slice::from_ref(other),
    });
    if let Some(Value::ServerError(error)) = refused.find(|reply| matches!(reply, Value::ServerError(_))) {
        tracing::debug!(%error, "a read around the script was refused");
        return Ok(Rows::new());
    }
    let read = parse::array(done)?.pop().unwrap_or_default();
    let Some((_, entries)) = parse::streams(read)?.pop() else { return Ok(Rows::new()) };
    parse::array(entries)?.into_iter().map(parse::row).collect()
}

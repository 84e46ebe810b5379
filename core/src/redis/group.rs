//! The life of sessions and groups: register, renew, adopt, retire, stop, recreate, and the janitor.

use std::time::Duration;

use ::redis::Value;

use super::append::millis;
use super::fetch::{call, flag, is_acked};
use super::inspect::unlink_bodies;
use super::link::{Link, unwrapped};
use super::parse::{self, Answer};
use super::script::SCRIPTS;
use crate::error::{Error, ErrorKind, Result};
use crate::topology::{GroupKeys, Name, groups_key, is_body_key};
use crate::transport::{EntryId, FenceToken, Group, Missing, Recreated, Refusal, Session, Sign, check};

/// A group without a sign of life for this long does not count for safe trimming any more.
const SILENT: Duration = Duration::from_secs(24 * 60 * 60);

/// The cursor of a sweep that has only trimming left to do. No cursor of the server is that large.
const TRIM_ONLY: u64 = u64::MAX;

/// Set in the cursor of a page of records. No cursor of the server is that large.
const OF_RECORDS: u64 = 1 << 63;

/// Creates a session.
pub(super) async fn register(
    link: &Link,
    group: &Group,
    identity: &Name,
    suffix: &str,
) -> Result<Result<Session, Refusal>> {
    check::identity(identity)?;
    let keys = &group.keys;
    let mode = group.mode_text();
    let session = Session { identity: identity.clone(), fence: FenceToken::first(suffix) };
    let groups = groups_key(&group.stream);
    let mut cmd = call(&SCRIPTS.register, &[&group.stream, &keys.consumers, &keys.beats, &groups]);
    cmd.arg(&*group.name).arg(&**identity).arg(&*session.fence.0).arg(&mode);
    cmd.arg(&*FenceToken::lost().0).arg(flag(group.ordering.has_holder()));
    let mut answer = Answer::new(link.script(&SCRIPTS.register, &cmd).await?)?;
    match answer.word.as_str() {
        "ok" => Ok(Ok(session)),
        "conflict" => {
            let theirs = answer.text()?;
            Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "group {:?} runs as {theirs:?}, not as {mode:?}; use the same settings in all its consumers, or another group",
                    group.name
                ),
            )
            .with_context("group", &group.name)
            .with_context("mode", mode)
            .with_context("running", theirs))
        }
        "taken" => Err(Error::new(ErrorKind::Conflict, "this identity is registered; an identity is never used again")
            .with_context("identity", identity)),
        _ => answer.refusal().map_or_else(|| answer.unexpected(), |refusal| Ok(Err(refusal))),
    }
}

/// Raises beats.
pub(super) async fn renew(link: &Link, group: &Group, sessions: &[Session]) -> Result<Vec<Result<u64, Refusal>>> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    check::batch(sessions.len())?;
    let groups = groups_key(&group.stream);
    let mut cmd = call(&SCRIPTS.renew, &[&group.keys.consumers, &group.keys.beats, &groups]);
    cmd.arg(&*group.name);
    for session in sessions {
        cmd.arg(&*session.identity).arg(&*session.fence.0);
    }
    beats(link.script(&SCRIPTS.renew, &cmd).await?, sessions.len())
}

/// What a renewal of so many sessions was answered.
pub(super) fn beats(reply: Value, sessions: usize) -> Result<Vec<Result<u64, Refusal>>> {
    let mut answer = Answer::new(reply)?;
    if answer.word != "ok" {
        return answer.unexpected();
    }
    let mut results = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        results.push(match answer.next() {
            Value::Int(beat) => Ok(beat.unsigned_abs()),
            word => {
                let word = parse::text(word)?;
                Err(parse::refusal(&word).ok_or_else(|| Error::internal(format!("a renewal answered {word:?}")))?)
            }
        });
    }
    Ok(results)
}

/// Signs of life of all identities.
pub(super) async fn signs(link: &Link, group: &Group) -> Result<Vec<Sign>> {
    let mut pipeline = ::redis::pipe();
    pipeline.cmd("HGETALL").arg(&*group.keys.consumers).cmd("HGETALL").arg(&*group.keys.beats);
    let mut replies = link.pipeline(&pipeline).await?.into_iter();
    let mut hash = |key: &Name| -> Result<Vec<Value>> {
        let reply = unwrapped(replies.next().unwrap_or_default());
        parse::array(reply.map_err(|error| link.explain(&error).with_context("key", key))?)
    };
    paired(&hash(&group.keys.consumers)?, &hash(&group.keys.beats)?)
}

/// The identities of a group, each with its fence and its beat, from the two hashes that hold them.
pub(super) fn paired(consumers: &[Value], beats: &[Value]) -> Result<Vec<Sign>> {
    let mut numbers = std::collections::HashMap::new();
    for pair in beats.chunks_exact(2) {
        let identity = parse::text(pair[0].clone())?;
        if !identity.starts_with(GroupKeys::NO_IDENTITY) {
            numbers.insert(identity, parse::number(&pair[1])?);
        }
    }
    let mut signs = Vec::with_capacity(consumers.len() / 2);
    let mut holder = None;
    for pair in consumers.chunks_exact(2) {
        let (field, text) = (parse::text(pair[0].clone())?, parse::text(pair[1].clone())?);
        match field.as_str() {
            GroupKeys::MODE_FIELD => {}
            GroupKeys::HOLDER_FIELD => holder = Some(text),
            identity => {
                let beat = numbers.get(identity).copied().unwrap_or_default();
                signs.push(Sign { identity: identity.into(), fence: FenceToken(text.into()), beat, holder: false });
            }
        }
    }
    if let Some(sign) = signs.iter_mut().find(|sign| holder.as_deref() == Some(&*sign.identity)) {
        sign.holder = true;
    }
    signs.sort_by(|a, b| a.identity.cmp(&b.identity));
    Ok(signs)
}

/// Takes an identity over.
pub(super) async fn adopt(link: &Link, group: &Group, seen: &Sign, suffix: &str) -> Result<Option<Session>> {
    let fence = seen.fence.next(suffix);
    let mut cmd = call(&SCRIPTS.adopt, &[&group.keys.consumers, &group.keys.beats]);
    cmd.arg(&*seen.identity).arg(&*seen.fence.0).arg(seen.beat).arg(&*fence.0);
    let answer = Answer::new(link.script(&SCRIPTS.adopt, &cmd).await?)?;
    match answer.word.as_str() {
        "ok" => Ok(Some(Session { identity: seen.identity.clone(), fence })),
        "moved" => Ok(None),
        _ => answer.unexpected(),
    }
}

/// Removes a session with nothing pending.
pub(super) async fn retire(link: &Link, group: &Group, session: &Session) -> Result<Result<bool, Refusal>> {
    let (keys, groups) = (&group.keys, groups_key(&group.stream));
    let mut cmd = call(&SCRIPTS.retire, &[&group.stream, &keys.consumers, &keys.beats, &keys.idle, &groups]);
    cmd.arg(&*group.name)
        .arg(&*session.identity)
        .arg(&*session.fence.0)
        .arg(&*keys.bell)
        .arg(flag(group.notices_deletions()));
    let answer = Answer::new(link.script(&SCRIPTS.retire, &cmd).await?)?;
    match answer.word.as_str() {
        "ok" => Ok(Ok(true)),
        "kept" => Ok(Ok(false)),
        _ => answer.refusal().map_or_else(|| answer.unexpected(), |refusal| Ok(Err(refusal))),
    }
}

/// Gives identities up.
pub(super) async fn stop(link: &Link, group: &Group, sessions: &[Session]) -> Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    check::batch(sessions.len())?;
    let mut cmd = call(&SCRIPTS.stop, &[&group.keys.consumers, &group.keys.idle]);
    cmd.arg(&*group.keys.bell);
    for session in sessions {
        let left = session.fence.next(FenceToken::LEFT);
        cmd.arg(&*session.identity).arg(&*session.fence.0).arg(&*left.0);
    }
    let answer = Answer::new(link.script(&SCRIPTS.stop, &cmd).await?)?;
    if answer.word == "ok" { Ok(()) } else { answer.unexpected() }
}

/// Makes sure that stream and group exist.
pub(super) async fn recreate(link: &Link, group: &Group) -> Result<Recreated> {
    let keys = &group.keys;
    let groups = groups_key(&group.stream);
    let mut cmd = call(
        &SCRIPTS.recreate,
        &[&group.stream, &keys.consumers, &keys.beats, &keys.lanes, &keys.tries, &keys.idle, &keys.mark, &groups],
    );
    cmd.arg(&*group.name).arg(flag(is_acked(group)));
    let mut answer = Answer::new(link.script(&SCRIPTS.recreate, &cmd).await?)?;
    match answer.word.as_str() {
        "ok" => Ok(Recreated::Existed),
        "made" => {
            let from = answer.id()?;
            let missing = if parse::number(&answer.next())? == 1 { Missing::Group } else { Missing::Stream };
            Ok(Recreated::Created { from, missing })
        }
        _ => answer.unexpected(),
    }
}

/// One page of the janitor.
pub(super) async fn sweep(link: &Link, group: &Group, cursor: u64) -> Result<Option<u64>> {
    let (groups, keys) = (groups_key(&group.stream), &group.keys);
    let mut cmd =
        call(&SCRIPTS.sweep, &[&group.stream, &keys.consumers, &keys.lanes, &groups, &keys.beats, &keys.tries]);
    let page = match cursor {
        TRIM_ONLY => "-".to_owned(),
        OF_RECORDS.. => format!("r{}", cursor ^ OF_RECORDS),
        _ => format!("l{cursor}"),
    };
    cmd.arg(&*group.name).arg(page).arg(flag(is_acked(group))).arg(millis(SILENT));
    let mut answer = Answer::new(link.script(&SCRIPTS.sweep, &cmd).await?)?;
    if answer.word != "ok" {
        return answer.refusal().map_or_else(|| answer.unexpected(), |_| Ok(None));
    }
    let page = answer.text()?;
    let more_to_trim = parse::number(&answer.next())? == 1;
    let bodies = parse::array(answer.next())?;
    // An entry may name any key; only what stands beside its stream is a body.
    let bodies = bodies.into_iter().filter_map(|body| parse::text(body).ok());
    let bodies: Vec<Name> = bodies.filter(|key| is_body_key(&group.stream, key)).map(Name::from).collect();
    unlink_bodies(link, &bodies).await?;
    let (what, next) = page.split_at(1.min(page.len()));
    match (what, next.parse::<u64>()) {
        ("l", Ok(next)) => Ok(Some(next)),
        ("r", Ok(next)) => Ok(Some(next | OF_RECORDS)),
        _ if more_to_trim => Ok(Some(TRIM_ONLY)),
        _ => Ok(None),
    }
}

/// Ids that are pending for an identity.
pub(super) async fn held(
    link: &Link,
    group: &Group,
    identity: &Name,
    after: EntryId,
    count: usize,
) -> Result<Vec<EntryId>> {
    let mut cmd = ::redis::cmd("XPENDING");
    cmd.arg(&*group.stream).arg(&*group.name).arg(format!("({after}")).arg("+").arg(count).arg(&**identity);
    ids_of(link.command(&cmd).await?)
}

/// The ids in the long form of `XPENDING`.
pub(super) fn ids_of(rows: Value) -> Result<Vec<EntryId>> {
    parse::array(rows)?.into_iter().map(|row| parse::id(parse::array(row)?.first().unwrap_or(&Value::Nil))).collect()
}

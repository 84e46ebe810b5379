//! Dead letters: put back in one step, or thrown away.

use super::append::{MAX_TEXTS, full, millis};
use super::fetch::call;
use super::link::Link;
use super::parse::{self, Answer};
use super::script::SCRIPTS;
use crate::error::{Error, Result, Stored};
use crate::topology::Name;
use crate::transport::{Discard, Replay, Replayed, check};

/// Makes a dead letter an entry again.
pub(super) async fn replay(link: &Link, replay: &Replay) -> Result<Replayed> {
    let Replay { letters, id, entry, receipt, body } = replay;
    check::append(entry)?;
    if entry.fields.len() * 2 > MAX_TEXTS {
        return Err(Error::invalid("a dead letter has too many fields to be put back").with_stored(Stored::No));
    }
    let mut keys: Vec<&str> = vec![letters, &entry.stream, &receipt.key];
    keys.extend(entry.dedupe.as_ref().map(|dedupe| &*dedupe.key));
    let marker = if entry.dedupe.is_some() { keys.len() } else { 0 };
    keys.extend(body.iter().flat_map(|(from, to)| [&**from, &**to]));
    let from = if body.is_some() { keys.len() - 1 } else { 0 };
    let mut cmd = call(&SCRIPTS.replay, &keys);
    cmd.arg(id.to_string())
        .arg(millis(receipt.window).max(1))
        .arg(marker)
        .arg(from)
        .arg(entry.strict_cap.unwrap_or(0))
        .arg(entry.max_len.unwrap_or(0));
    for (name, value) in &entry.fields {
        cmd.arg(&name[..]).arg(&value[..]);
    }
    let mut answer = Answer::new(link.script(&SCRIPTS.replay, &cmd).await?)?;
    match answer.word.as_str() {
        "ok" => Ok(Replayed::Stored(answer.id()?)),
        "gone" => Ok(Replayed::Gone),
        "nobody" => Ok(Replayed::BodyGone),
        "full" => Err(full(&entry.stream, parse::number(&answer.next()).unwrap_or_default())),
        _ => answer.unexpected(),
    }
}

/// Throws dead letters away.
pub(super) async fn discard(link: &Link, letters: &Name, batch: &[Discard]) -> Result<Vec<bool>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    check::batch(batch.len())?;
    let mut keys: Vec<&str> = vec![letters];
    keys.extend(batch.iter().filter_map(|letter| letter.body.as_deref()));
    let mut cmd = call(&SCRIPTS.discard, &keys);
    let mut place = 1;
    for letter in batch {
        place += usize::from(letter.body.is_some());
        cmd.arg(letter.id.to_string()).arg(if letter.body.is_some() { place } else { 0 });
    }
    let mut answer = Answer::new(link.script(&SCRIPTS.discard, &cmd).await?)?;
    if answer.word != "ok" {
        return answer.unexpected();
    }
    batch.iter().map(|_| Ok(parse::number(&answer.next())? == 1)).collect()
}

//! Locks as the original's workers take them: a key with a token and a time to live, given up and prolonged only by
//! whoever knows the token.

use std::time::Duration;

use super::append::millis;
use super::fetch::call;
use super::link::Link;
use super::parse::{self, Answer};
use super::script::{SCRIPTS, Script};
use crate::error::Result;
use crate::topology::{Name, lock_channel};
use crate::transport::check;

/// Takes a lock that nobody else holds.
pub(super) async fn lock(link: &Link, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
    check::lock(ttl)?;
    held(link, &SCRIPTS.lock, key, token, &millis(ttl).to_string()).await
}

/// Prolongs a lock that is held.
pub(super) async fn renew(link: &Link, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
    check::lock(ttl)?;
    held(link, &SCRIPTS.renew_lock, key, token, &millis(ttl).to_string()).await
}

/// Gives a lock up that is held, and tells those who wait for it.
pub(super) async fn unlock(link: &Link, key: &Name, token: &str) -> Result<bool> {
    held(link, &SCRIPTS.unlock, key, token, &lock_channel(key)).await
}

async fn held(link: &Link, script: &Script, key: &Name, token: &str, last: &str) -> Result<bool> {
    let mut cmd = call(script, &[key]);
    cmd.arg(token).arg(last);
    let mut answer = Answer::new(link.script(script, &cmd).await?)?;
    if answer.word != "ok" {
        return answer.unexpected();
    }
    Ok(parse::number(&answer.next())? == 1)
}

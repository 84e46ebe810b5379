//! May we run the commands that are needed? They are tried on a key that does not exist, in a form that does nothing
//! without one, so that nothing is changed.

use ::redis::{Pipeline, Value};

use super::error::by_code;
use super::link::Link;
use crate::error::{ErrorKind, Result};
use crate::topology::{Name, probe_key};
use crate::transport::{Finding, Level};

/// Commands that scripts and requests use, in a form that does nothing to a key that is not there. `SADD`, `RPUSH` and
/// `HSETNX` have no such form.
const TRIED: &[&[&str]] = &[
    &["EVAL", "return 1", "0"],
    &["EVALSHA", "0000000000000000000000000000000000000000", "0"],
    &["SCRIPT", "EXISTS", "0000000000000000000000000000000000000000"],
    &["XADD", KEY, "NOMKSTREAM", "*", "f", "v"],
    &["XREADGROUP", "GROUP", "g", "c", "STREAMS", KEY, ">"],
    &["XREAD", "COUNT", "1", "STREAMS", KEY, "0"],
    &["XACK", KEY, "g", "0-1"],
    &["XCLAIM", KEY, "g", "c", "0", "0-1"],
    &["XDEL", KEY, "0-1"],
    &["XTRIM", KEY, "MAXLEN", "0"],
    &["XLEN", KEY],
    &["XRANGE", KEY, "-", "+", "COUNT", "1"],
    &["XPENDING", KEY, "g"],
    &["XINFO", "STREAM", KEY],
    &["XGROUP", "CREATE", KEY, "g", "0"],
    &["XGROUP", "CREATECONSUMER", KEY, "g", "c"],
    &["XGROUP", "DELCONSUMER", KEY, "g", "c"],
    &["TYPE", KEY],
    &["EXISTS", KEY],
    &["GET", KEY],
    &["MGET", KEY],
    &["SET", KEY, "v", "XX"],
    &["STRLEN", KEY],
    &["GETRANGE", KEY, "0", "1"],
    &["PEXPIRE", KEY, "1"],
    &["PERSIST", KEY],
    &["PTTL", KEY],
    &["DEL", KEY],
    &["RENAME", KEY, KEY],
    &["COPY", KEY, KEY],
    &["UNLINK", KEY],
    &["SREM", KEY, "m"],
    &["SISMEMBER", KEY, "m"],
    &["SMEMBERS", KEY],
    &["LPOP", KEY],
    &["LRANGE", KEY, "0", "1"],
    &["LTRIM", KEY, "0", "1"],
    &["HGET", KEY, "f"],
    &["HMGET", KEY, "f"],
    &["HGETALL", KEY],
    &["HKEYS", KEY],
    &["HLEN", KEY],
    &["HEXISTS", KEY, "f"],
    &["HSCAN", KEY, "0"],
    &["HDEL", KEY, "f"],
    // With words like these they do nothing; who may not run them is told first.
    &["HSET", KEY, "f", "v", "odd"],
    &["HINCRBY", KEY, "f", "no number"],
    &["INCRBY", KEY, "no number"],
    &["ZADD", KEY, "XX", "1", "m"],
    &["ZREM", KEY, "m"],
    &["ZCARD", KEY],
    &["ZCOUNT", KEY, "0", "1"],
    &["ZRANGE", KEY, "0", "1"],
    &["ZRANGEBYSCORE", KEY, "0", "1"],
    &["ZREMRANGEBYSCORE", KEY, "0", "1"],
    &["ZSCORE", KEY, "m"],
    &["PUBLISH", KEY, ""],
    &["WAIT", "0", "1"],
    &["WATCH", KEY],
    &["MULTI"],
    &["EXEC"],
];

/// Stands for the key that is tried.
const KEY: &str = "";

/// Tries every command that is needed. Subscribing and blocking are left out: they would change the connection.
pub(super) async fn examine(link: &Link, stream: &Name) -> Result<Finding> {
    let key = probe_key(stream);
    let mut pipeline = Pipeline::with_capacity(TRIED.len());
    for words in TRIED {
        let (name, rest) = words.split_first().unwrap_or((&"PING", &[]));
        let cmd = pipeline.cmd(name);
        for word in rest {
            cmd.arg(if *word == KEY { &*key } else { word });
        }
    }
    let replies = link.pipeline(&pipeline).await?;
    let mut missing: Vec<String> = Vec::new();
    for (words, reply) in TRIED.iter().zip(&replies) {
        if let Value::ServerError(error) = reply
            && by_code(error.code(), error.details().unwrap_or_default()).kind() == ErrorKind::Auth
        {
            missing.push(name_of(words));
        }
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(Finding::ok("rights", format!("all {} commands that are needed", TRIED.len())));
    }
    let advice = format!("let this user run them on keys and channels that begin with {stream:?}");
    Ok(Finding::new("rights", Level::Bad, format!("not allowed: {}", missing.join(", ")), advice))
}

/// As people write it: with the subcommand, where it has one.
fn name_of(words: &[&str]) -> String {
    match words {
        [name @ ("XGROUP" | "XINFO" | "SCRIPT"), sub, ..] => format!("{name} {sub}"),
        [name, ..] => (*name).to_owned(),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{TRIED, name_of};

    #[test]
    fn every_subcommand_of_the_scripts_is_tried() {
        for script in crate::redis::script::SCRIPTS.all() {
            for call in script.text.split("call('XGROUP', '").skip(1) {
                let name = format!("XGROUP {}", &call[..call.find('\'').unwrap()]);
                assert!(TRIED.iter().any(|words| name_of(words) == name), "{name} of {}", script.name);
            }
        }
    }

    #[test]
    fn every_command_of_the_scripts_is_tried() {
        for script in crate::redis::script::SCRIPTS.all() {
            // Called by name, or put together in a table first.
            let called = script.text.split("call('").skip(1).chain(script.text.split("{ '").skip(1));
            for call in called {
                let name = &call[..call.find('\'').unwrap()];
                if !name.chars().all(|letter| letter.is_ascii_uppercase()) {
                    continue;
                }
                assert!(name == "TIME" || TRIED.iter().any(|words| words[0] == name), "{name} of {}", script.name);
            }
        }
    }
}

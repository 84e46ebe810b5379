//! `stargazer dead-letters`: looks at the entries that were given up, puts them back, throws them away.
//!
//! Ends with 1 when a letter that was meant could not be put back or removed: a script should know.

use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json, json};
use stargazer_core::dead_letter::UNKNOWN_REASON;
use stargazer_core::envelope::{self, Envelope, Limits, Value};
use stargazer_core::{Bus, DeadLetters};

use super::args::{LetterArgs, LetterCommand, MeantArgs, OutputFormat};
use super::role::server_of;
use super::{Failure, screen};
use crate::settings::Environment;

/// Runs the command.
pub(super) async fn run(options: LetterArgs, environment: Environment) -> Result<ExitCode, Failure> {
    let url = server_of(options.server, &environment)?;
    let bus = Bus::connect(url).config(environment.bus).await.map_err(|error| error.to_string())?;
    let letters = options.stream.as_deref().map_or_else(|| bus.dead_letters(), |stream| bus.dead_letters_in(stream));
    let result = carry_out(&letters, options.command, options.output, bus.clock().wall_ms()).await;
    bus.close().await.map_err(|error| error.to_string())?;
    result
}

async fn carry_out(
    letters: &DeadLetters,
    command: LetterCommand,
    output: OutputFormat,
    now_ms: u64,
) -> Result<ExitCode, Failure> {
    let text = output == OutputFormat::Text;
    let (call, arguments, named) = arguments(command, now_ms);
    let answer = letters.perform(call, &arguments).await.map_err(|error| error.to_string())?;
    let answer = plain(&answer);
    if !text {
        screen::line(&answer.to_string());
    }
    let mut failed = false;
    match call {
        "inspect" if text => summary(&answer),
        "list" if text => page(&answer),
        "get" if text => one(&answer),
        "replay" => {
            failed = !rows(&answer["failed"]).is_empty();
            if text {
                report(&answer);
            }
        }
        "discard" => {
            let removed = rows(&answer);
            failed = named.is_some_and(|named| removed.len() < named);
            if text {
                removed.iter().for_each(row);
                screen::note(&format!("{} removed", removed.len()));
            }
            if failed {
                screen::error("not every letter that was named is there");
            }
        }
        _ => {}
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The call, its arguments, and how many letters were named.
fn arguments(command: LetterCommand, now_ms: u64) -> (&'static str, envelope::Map, Option<usize>) {
    let mut map = envelope::Map::with_capacity(0);
    match command {
        LetterCommand::Count(options) => {
            meant(&mut map, options.filter, now_ms);
            ("inspect", map, None)
        }
        LetterCommand::List(options) => {
            meant(&mut map, options.filter, now_ms);
            map.insert("oldest_first", options.oldest_first);
            map.insert("limit", options.limit);
            map.insert("cursor", options.cursor);
            ("list", map, None)
        }
        LetterCommand::Show { id } => {
            map.insert("id", id);
            ("get", map, None)
        }
        LetterCommand::Replay(options) => {
            let named = ids(&mut map, options.ids);
            meant(&mut map, options.filter, now_ms);
            map.insert("all", options.all);
            map.insert("dry_run", options.dry_run);
            map.insert("limit", options.limit);
            map.insert("rate", options.rate);
            ("replay", map, named)
        }
        LetterCommand::Discard(options) => {
            let named = ids(&mut map, options.ids);
            meant(&mut map, options.filter, now_ms);
            map.insert("count", options.count);
            ("discard", map, named)
        }
    }
}

fn ids(map: &mut envelope::Map, ids: Vec<String>) -> Option<usize> {
    let named = (!ids.is_empty()).then_some(ids.len());
    if named.is_some() {
        map.insert("ids", Value::List(ids.into_iter().map(Value::from).collect()));
    }
    named
}

fn meant(map: &mut envelope::Map, filter: MeantArgs, now_ms: u64) {
    let ago = |time: Duration| now_ms.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    map.insert("stream", filter.from);
    map.insert("reason", filter.reason);
    map.insert("lane", filter.lane);
    map.insert("group", filter.group);
    map.insert("consumer", filter.consumer);
    map.insert("text", filter.text);
    map.insert("message_id", filter.message_id);
    map.insert("trace_id", filter.trace_id);
    map.insert("since", filter.newer_than.map(ago));
    map.insert("until", filter.older_than.map(ago));
    map.insert("min_attempts", filter.min_attempts);
    map.insert("replayable", filter.replayable);
}

/// As JSON: a body that can be read as a value under `body`, any other as base64 under `data`.
fn plain(value: &Value) -> Json {
    match value {
        Value::Map(map) => {
            let mut pairs: Map<String, Json> = map
                .iter()
                .filter(|(name, _)| name != "data")
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect();
            if let Some(Value::Bytes(data)) = map.get("data") {
                match Value::decode_with(data, &Limits::default()) {
                    Ok(body) => pairs.insert("body".into(), plain(&body)),
                    Err(_) => pairs.insert("data".into(), BASE64.encode(data).into()),
                };
            }
            Json::Object(pairs)
        }
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Bytes(bytes) => BASE64.encode(bytes).into(),
        Value::Ext(tag, bytes) => json!({ "ext": tag, "data": BASE64.encode(bytes) }),
        Value::Nil => Json::Null,
        Value::Bool(on) => (*on).into(),
        Value::Int(number) => (*number).into(),
        Value::UInt(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
    }
}

fn rows(list: &Json) -> &[Json] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(row: &'a Json, name: &str) -> &'a str {
    row[name].as_str().unwrap_or("-")
}

/// One line for one letter.
fn row(letter: &Json) {
    let problem = letter["problem"].as_str().map(|problem| format!("  [cannot be put back: {problem}]"));
    screen::line(&format!(
        "{}  {}  {}  {}  attempts {}  {}{}",
        text(letter, "id"),
        text(letter, "reason"),
        text(letter, "stream"),
        text(letter, "lane"),
        letter["attempts"],
        text(letter, "error").lines().next().unwrap_or_default(),
        problem.unwrap_or_default(),
    ));
}

fn page(page: &Json) {
    rows(&page["letters"]).iter().for_each(row);
    match page["cursor"].as_str() {
        Some(cursor) => screen::note(&format!("more: --cursor {cursor}")),
        None if rows(&page["letters"]).is_empty() => screen::note("no such dead letters"),
        None => {}
    }
}

fn summary(summary: &Json) {
    screen::line(&format!("{} letters, {} match", summary["count"], summary["matching"]));
    for (what, name) in [("reason", "reasons"), ("stream", "streams")] {
        for (value, count) in summary[name].as_object().into_iter().flatten() {
            let value = if value.is_empty() { UNKNOWN_REASON } else { value };
            screen::line(&format!("{what} {value}: {count}"));
        }
    }
    if summary["complete"] == false {
        screen::note("there are too many to look at all of them: the newest are counted");
    }
}

fn one(letter: &Json) {
    for (name, value) in letter.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        screen::line(&format!("{name}: {value}"));
    }
}

fn report(report: &Json) {
    for letter in rows(&report["replayed"]) {
        let (stream, id) = (text(letter, "stream"), letter["id"].as_str());
        screen::line(&match id {
            Some(id) => format!("{}  back in {stream} as {id}", text(letter, "letter")),
            None => format!("{}  would go back to {stream}", text(letter, "letter")),
        });
    }
    for letter in rows(&report["failed"]) {
        screen::error(&format!("{}: {}: {}", text(letter, "letter"), text(letter, "code"), text(letter, "message")));
    }
    if report["more"] == true {
        screen::note("more letters may be left; call again");
    }
}

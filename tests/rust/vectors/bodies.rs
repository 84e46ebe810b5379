//! Our bytes equal those of the independent encoder, and what must be refused is.

use bytes::Bytes;
use stargazer_core::envelope::{
    Attachment, DeadLetter, Envelope, Inbound, IncomingMessage, Kind, Life, LifecycleEvent, Limits, Map, Outbound,
    ToolReply, ToolRequest, Value, codec,
};
use stargazer_core::{Error, Result};

use super::file::{Row, rows, unhex, untagged};

const FILE: &str = "envelope.json";

fn limits() -> Limits {
    Limits::default()
}

/// A value as its bytes tell it apart: NaN from NaN too, and the order of keys.
fn bits(value: &Value) -> Bytes {
    codec::encode(value, &limits()).unwrap()
}

fn context<'e>(error: &'e Error, key: &str) -> &'e str {
    error.context().iter().find(|(k, _)| *k == key).map_or("", |(_, v)| v)
}

/// What a body of a kind is read as, as a plain value, and what it is written as again.
fn read(kind: Kind, body: &[u8]) -> Result<(Value, Bytes)> {
    fn typed<E: Envelope>(body: &[u8]) -> Result<(Value, Bytes)> {
        let envelope = E::decode(body)?;
        Ok((envelope.to_value()?, envelope.encode()?))
    }
    match kind {
        Kind::Inbound => typed::<Inbound>(body),
        Kind::Outbound => typed::<Outbound>(body),
        Kind::ToolRequest => typed::<ToolRequest>(body),
        Kind::ToolReply => typed::<ToolReply>(body),
        Kind::LifecycleEvent => typed::<LifecycleEvent>(body),
        _ => typed::<Value>(body),
    }
}

/// What a publisher of a plain map gets.
fn publish(kind: Kind, map: &Map) -> Result<Bytes> {
    match kind {
        Kind::Inbound => Inbound::from_map(map)?.encode(),
        Kind::Outbound => Outbound::from_map(map)?.encode(),
        Kind::ToolRequest => ToolRequest::from_map(map)?.encode(),
        Kind::ToolReply => ToolReply::from_map(map)?.encode(),
        Kind::LifecycleEvent => LifecycleEvent::from_map(map)?.encode(),
        _ => Value::Map(map.clone()).encode(),
    }
}

fn kind(row: &Row) -> Kind {
    row.text("kind").parse().unwrap()
}

#[test]
fn values_are_written_as_msgpack_python_does() {
    for row in rows(FILE, "values") {
        let (name, value) = (row.text("name"), row.value("value"));
        let bytes = codec::encode(&value, &limits()).unwrap();
        if row.get("hex").is_some() {
            assert_eq!(bytes, row.hex("hex"), "{name}");
        } else {
            let head = row.hex("head");
            assert_eq!(bytes[..head.len()], head, "{name}");
            assert_eq!(Some(bytes.len() as u64), row.get("length").and_then(Value::as_u64), "{name}");
        }
        assert_eq!(bits(&codec::decode(&bytes, &limits()).unwrap()), bytes, "{name}");
    }
}

#[test]
fn other_forms_are_read_and_written_in_ours() {
    for row in rows(FILE, "other_forms") {
        let value = codec::decode(&row.hex("hex"), &limits()).unwrap();
        assert_eq!(bits(&value), bits(&row.value("value")), "{}", row.text("name"));
        assert_eq!(bits(&value), row.hex("written"), "{}", row.text("name"));
    }
}

#[test]
fn bodies_of_every_kind_have_the_originals_bytes() {
    let rows = rows(FILE, "accepted");
    for row in &rows {
        let (name, kind, body, value) = (row.text("name"), kind(row), row.hex("hex"), row.value("value"));
        kind.validate(&body, &limits()).unwrap_or_else(|e| panic!("{kind}, {name}: {e}"));
        let (read, written) = read(kind, &body).unwrap_or_else(|e| panic!("{kind}, {name}: {e}"));
        assert_eq!(bits(&read), bits(&value), "{kind}, {name}");
        assert_eq!(written, body, "{kind}, {name}");
        assert_eq!(publish(kind, value.as_map().unwrap()).unwrap(), body, "{kind}, {name}");
    }
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::LifecycleEvent) {
        assert!(rows.iter().any(|row| row.text("kind") == kind.as_str()), "no vector for {kind}");
    }
    for action in ["message", "file", "buttons", "reaction", "typing", "presence", "rpc"] {
        assert!(rows.iter().any(|row| row.value("value").get("type") == Some(&action.into())), "none for {action}");
    }
}

#[test]
fn readers_tolerate_what_writers_may_not_put() {
    for row in rows(FILE, "tolerated") {
        let (name, kind, body) = (row.text("name"), kind(&row), row.hex("hex"));
        let (read, written) = read(kind, &body).unwrap_or_else(|e| panic!("{kind}, {name}: {e}"));
        assert_eq!(bits(&read), bits(&row.value("value")), "{kind}, {name}");
        assert_eq!(written, row.hex("written"), "{kind}, {name}");
        let published = kind.validate(&body, &limits()).map_err(|e| e.code()).err();
        assert_eq!(published, row.get("publish").and_then(Value::as_str), "{kind}, {name}");
    }
}

#[test]
fn bad_bodies_are_refused_with_code_and_field() {
    for row in rows(FILE, "refused") {
        let (name, kind, body) = (row.text("name"), kind(&row), row.body());
        let readers = read(kind, &body).map_err(|e| (e.code(), context(&e, "field").to_owned())).err();
        let publishers = kind.validate(&body, &limits()).unwrap_err();
        assert_eq!(Some(publishers.code()), row.get("publish").and_then(Value::as_str), "{kind}, {name}: {publishers}");
        assert_eq!(context(&publishers, "kind"), if kind == Kind::Plain { "" } else { kind.as_str() }, "{name}");
        if let Some(field) = row.get("field").and_then(Value::as_str) {
            assert_eq!(context(&publishers, "field"), field, "{kind}, {name}");
        }
        match row.get("read").and_then(Value::as_str) {
            Some(code) => {
                let (found, field) = readers.unwrap_or_else(|| panic!("{kind}, {name} was read"));
                assert_eq!(found, code, "{kind}, {name}");
                assert_eq!(field, context(&publishers, "field"), "{kind}, {name}");
            }
            // Read, but not to be written again.
            None => assert!(kind.check(&body, &limits()).is_ok(), "{kind}, {name}"),
        }
    }
}

#[test]
fn bodies_at_the_limits_are_taken() {
    for row in rows(FILE, "just_fit") {
        let body = row.body();
        assert!(kind(&row).validate(&body, &limits()).is_ok(), "{}", row.text("name"));
        assert_eq!(
            codec::scan(&[&body[..], b"\xc0"].concat(), &limits()).unwrap_err().code(),
            match row.text("name") {
                "16 MiB" => "too_large",
                _ => "malformed",
            }
        );
    }
}

#[test]
fn events_are_written_as_json_dumps_does() {
    for row in rows(FILE, "events") {
        let (name, text) = (row.text("name"), row.text("text"));
        let value = row.value("value");
        let event = LifecycleEvent::from_map(value.as_map().unwrap()).unwrap();
        assert_eq!(std::str::from_utf8(&event.encode().unwrap()).unwrap(), text, "{name}");
        // What JSON cannot hold stays the text that it became.
        let (_, again) = read(Kind::LifecycleEvent, text.as_bytes()).unwrap();
        assert_eq!(std::str::from_utf8(&again).unwrap(), text, "{name}");
        Kind::LifecycleEvent.validate(text.as_bytes(), &limits()).unwrap();
    }
}

#[test]
fn bad_events_are_refused() {
    for row in rows(FILE, "refused_events") {
        let error = LifecycleEvent::decode(row.text("text").as_bytes()).unwrap_err();
        let told = (error.code(), context(&error, "field"), context(&error, "kind"));
        assert_eq!(told, (row.text("read"), row.text("field"), "lifecycle_event"), "{}", row.text("name"));
        assert_eq!(
            Kind::LifecycleEvent.validate(row.text("text").as_bytes(), &limits()).unwrap_err().code(),
            "invalid"
        );
    }
}

#[test]
fn a_message_and_its_envelope_give_each_other() {
    for row in rows(FILE, "messages") {
        let (name, body, of) = (row.text("name"), row.hex("hex"), row.value("message"));
        let text = |key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let seconds = of.get("timestamp").and_then(Value::as_f64).unwrap();
        let mut message = IncomingMessage::new_at(
            text("platform"),
            text("channel_id"),
            text("user_id"),
            text("user_name"),
            text("text"),
            seconds,
        );
        message.is_addressed = of.get("is_addressed").and_then(Value::as_bool).unwrap();
        message.channel_name = text("channel_name");
        message.message_id = text("message_id");
        message.reply_to_id = text("reply_to_id");
        message.reactions = text("reactions");
        message.unified_user_id = of.get("unified_user_id").and_then(Value::as_str).map(str::to_owned);
        message.extra = of.get("extra").and_then(Value::as_map).unwrap().clone();
        for alias in of.get("user_aliases").and_then(Value::as_list).unwrap() {
            message.user_aliases.push(alias.as_str().unwrap().to_owned());
        }
        for file in of.get("attachments").and_then(Value::as_list).unwrap() {
            message.attachments.push(Attachment::from_map(file.as_map().unwrap()).unwrap());
        }
        assert_eq!(message.to_inbound_envelope().unwrap().encode().unwrap(), body, "{name}");
        let envelope = Inbound::decode(&body).unwrap();
        assert_eq!(IncomingMessage::from_inbound_envelope(&envelope).unwrap(), message, "{name}");
    }
}

#[test]
fn dead_letters_are_read_and_written_back() {
    for row in rows(FILE, "dead_letters") {
        let name = row.text("name");
        let fields: Vec<(Bytes, Bytes)> = row
            .get("fields")
            .and_then(Value::as_list)
            .unwrap()
            .iter()
            .map(|pair| {
                let [name, value] = pair.as_list().unwrap() else { panic!("{pair:?}") };
                (Bytes::from(name.as_str().unwrap().to_owned()), unhex(value.as_str().unwrap()).into())
            })
            .collect();
        let letter = DeadLetter::read(&fields);
        assert_eq!(letter.life, life(&row.value("life")), "{name}");
        let history: Vec<_> = row.get("history").and_then(Value::as_list).unwrap().iter().map(life).collect();
        assert_eq!(letter.history().unwrap(), history, "{name}");
        assert!(letter.entry.envelope::<Inbound>(&limits()).is_ok(), "{name}");
        let written = letter.write().unwrap();
        assert_eq!(written[..7], fields[..7], "{name}: the original's fields stand first");
        assert_eq!(DeadLetter::read(&written), letter, "{name}");
        if history.is_empty() {
            continue;
        }
        assert_eq!(written, fields, "{name}");
        // Our list of lives has the bytes of the independent encoder.
        let mut before = letter.clone();
        before.entry.history = Bytes::new();
        assert_eq!(before.into_entry().unwrap().history, letter.entry.history, "{name}");
    }
}

fn life(value: &Value) -> Life {
    let value = untagged(value);
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    Life {
        stream: text("original_stream"),
        id: text("original_msg_id"),
        group: text("group"),
        consumer: text("consumer"),
        reason: text("reason"),
        error: text("error"),
        attempt: number("attempt"),
        first_at: number("first_at"),
        dead_at: number("dead_at"),
        replayed_at: number("replayed_at"),
        rest: Map::new(),
    }
}

use super::*;

fn message() -> IncomingMessage {
    let mut message = IncomingMessage::new_at("redis", "i1", "u1", "Ann", "hi 👋", 1_767_225_600.5);
    message.attachments = vec![
        Attachment::new(vec![0_u8, 255, 16], "image/png", "a.png").with_source_url("https://example.org/a"),
        Attachment::new(Bytes::new(), "text/plain", "empty.txt"),
    ];
    message.channel_name = "lobby".into();
    message.message_id = "m1".into();
    message.reply_to_id = "m0".into();
    message.reactions = "👍×3".into();
    message.unified_user_id = Some("uuid".into());
    message.user_aliases = vec!["redis:u1".into(), "web:7".into()];
    message.extra = Map::from([
        ("_response_nonce", Value::from("n-1")),
        ("guild_id", "g1".into()),
        ("is_dm", true.into()),
        ("member_roles", vec!["admin"].into()),
        ("embeds", Value::List(vec![Map::from([("title", "t")]).into()])),
        ("trace_id", "trace".into()),
        ("thread", 5.into()),
    ]);
    message
}

#[test]
fn a_message_comes_back_from_its_envelope() {
    let message = message();
    let envelope = message.to_inbound_envelope().unwrap();
    assert_eq!((envelope.channel_key.as_str(), envelope.username.as_str()), ("redis:i1", "Ann"));
    assert_eq!((envelope.guild_id.as_deref(), envelope.is_dm), (Some("g1"), true));
    assert_eq!(envelope.extra, Map::from([("_response_nonce", Value::from("n-1")), ("thread", 5.into())]));
    assert_eq!(envelope.attachments[0].text("data"), Some("AP8Q"));
    let travelled = Inbound::decode(&envelope.encode().unwrap()).unwrap();
    assert_eq!(IncomingMessage::from_inbound_envelope(&travelled).unwrap(), message);
}

#[test]
fn an_envelope_comes_back_from_its_message() {
    let mut envelope = Inbound::new_at("web", "c", "u", "hi", 2.5).with_room_name("lobby").with_reply_to("m0");
    envelope.display_name = Some("Ann".into());
    envelope.embeds = Some(Vec::new());
    envelope.channel_key = "elsewhere".into();
    envelope.strangler_route = "shadow".into();
    envelope.extra = Map::from([("_response_nonce", "n")]);
    envelope.attachments = vec![Attachment::new(vec![1_u8], "a/b", "c").to_map().unwrap()];
    let message = IncomingMessage::from_inbound_envelope(&envelope).unwrap();
    assert_eq!(message.extra.text("_response_nonce"), Some("n"));
    assert_eq!(message.to_inbound_envelope().unwrap(), envelope);
}

#[test]
fn what_does_not_fit_a_field_stays_in_extra() {
    let mut message = IncomingMessage::new_at("web", "c", "u", "n", "", 0.0);
    message.extra = Map::from([
        ("guild_id", Value::Int(5)),
        ("is_dm", false.into()),
        ("trace_id", "".into()),
        ("member_roles", Value::List(vec![1.into()])),
        ("embeds", "none".into()),
        ("channel_key", "web:c".into()),
        ("enqueued_at", 3.into()),
    ]);
    let envelope = message.to_inbound_envelope().unwrap();
    assert_eq!((&envelope.extra, &envelope.guild_id, envelope.is_dm), (&message.extra, &None, false));
    assert_eq!(IncomingMessage::from_inbound_envelope(&envelope).unwrap(), message);
}

#[test]
fn a_bad_attachment_is_named() {
    let mut envelope = Inbound::new_at("web", "c", "u", "", 0.0);
    envelope.attachments = vec![Map::from([("data", "no base64!")])];
    let error = IncomingMessage::from_inbound_envelope(&envelope).unwrap_err();
    assert_eq!(
        (error.kind(), context(&error, "field"), context(&error, "kind")),
        (ErrorKind::Malformed, "data", "attachment")
    );
    let odd = Map::from([("url", Value::from("u")), ("data", Value::Bytes(vec![1, 2].into()))]);
    let attachment = Attachment::from_map(&odd).unwrap();
    assert_eq!((&attachment.data[..], attachment.rest.text("url")), (&[1_u8, 2][..], Some("u")));
}

#[test]
fn history_comes_back() {
    let mut past = HistoricalMessage::new("u", "n", "t", 1.5);
    past.is_bot = true;
    past.rest = Map::from([("pinned", true)]);
    assert_eq!(HistoricalMessage::from_map(&past.to_map().unwrap()).unwrap(), past);
    let error = HistoricalMessage::from_map(&Map::new()).unwrap_err();
    assert_eq!((error.kind(), context(&error, "field")), (ErrorKind::Malformed, "user_id"));
}

use super::*;

fn sample() -> Inbound {
    Inbound::new_at("web", "c1", "u1", "Berlin?", 1_767_225_600.25)
}

#[test]
fn the_helper_fills_what_a_message_needs() {
    let message = Inbound::new("web", "c1", "u1", "Berlin?");
    assert_eq!(message.channel_key, "web:c1");
    assert_eq!((message.username.as_str(), message.strangler_route.as_str()), ("u1", "microservice"));
    assert_eq!((message.message_id.len(), message.trace_id.len()), (36, 32));
    assert!(message.is_addressed && message.timestamp > 1.7e9);
    assert_eq!(message.timestamp.to_bits(), message.enqueued_at.to_bits());
    assert_ne!(message.message_id, Inbound::new("web", "c1", "u1", "").message_id);
}

#[test]
fn inbound_writes_the_documented_fields_in_their_order() {
    let value = sample().with_extra(Map::from([("_response_nonce", "n")])).to_value().unwrap();
    let keys: Vec<_> = value.as_map().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "channel_key",
            "platform",
            "channel_id",
            "user_id",
            "username",
            "display_name",
            "content",
            "message_id",
            "timestamp",
            "attachments",
            "reply_to",
            "embeds",
            "room_name",
            "is_dm",
            "guild_id",
            "member_roles",
            "trace_id",
            "enqueued_at",
            "is_addressed",
            "strangler_route",
            "user_aliases",
            "unified_user_id",
            "reactions",
            "extra",
        ]
    );
    assert_eq!(sample().to_value().unwrap().as_map().unwrap().len(), 23);
}

#[test]
fn a_head_that_is_known_is_the_one_that_a_look_at_the_bytes_finds() {
    let limits = Limits::default();
    let mut full = sample().with_addressed(false).with_reply_to("m0").with_reactions("👍×3");
    full.member_roles = vec!["a".into(); 40];
    full.user_aliases = vec![String::new()];
    for message in [sample(), Inbound::default(), full] {
        let bytes = message.write(&limits).unwrap();
        assert_eq!(message.known_head(&limits), Some(Kind::Inbound.inspect(&bytes, &limits).unwrap()));
        assert_eq!(Inbound::decode_checked(&bytes, &limits).unwrap(), Inbound::decode_with(&bytes, &limits).unwrap());
    }
    let long = "x".repeat(MAX_LANE_BYTES + 1);
    let refused = Inbound::new("web", &long, "u1", "");
    assert_eq!(refused.known_head(&limits), None);
    assert!(refused.encode().is_err());
    let mut doubled = sample();
    doubled.rest = Map::from([("content", "again")]);
    assert_eq!(doubled.known_head(&limits), None);
    let mut many = sample();
    many.member_roles = vec![String::new(); 50];
    let few = limits.with_max_values(60).unwrap();
    assert_eq!(many.known_head(&few), None);
    assert_eq!(sample().known_head(&Limits::new(1 << 20, 1).unwrap()), None);
}

#[test]
fn unknown_keys_come_back_in_their_order() {
    let mut message = sample();
    message.rest = Map::from([("zeta", Value::Ext(7, b"\x01".as_slice().into())), ("alpha", vec![1, 2].into())]);
    let bytes = message.encode().unwrap();
    let back = Inbound::decode(&bytes).unwrap();
    assert_eq!(back.rest.keys().collect::<Vec<_>>(), ["zeta", "alpha"]);
    assert_eq!((&back, back.encode().unwrap()), (&message, bytes));
}

#[test]
fn readers_are_tolerant() {
    let mut writer = codec::Writer::new(&limits());
    writer.map(11);
    for key in ["trace_id", "reactions"] {
        writer.text(key);
        writer.nil();
    }
    for (key, text) in [("user_id", "u"), ("username", "n"), ("content", ""), ("message_id", "m"), ("platform", "web")]
    {
        writer.bytes(key.as_bytes());
        writer.text(text);
    }
    writer.text("channel_id");
    writer.bytes(b"c");
    writer.text("timestamp");
    writer.int(12);
    writer.text("is_addressed");
    writer.int(0);
    writer.text("member_roles");
    writer.nil();
    let bytes = writer.finish().unwrap();
    let message = Inbound::decode(&bytes).unwrap();
    assert_eq!((message.channel_key.as_str(), message.channel_id.as_str()), ("web:c", "c"));
    assert!(!message.is_addressed && (message.timestamp - 12.0).abs() < f64::EPSILON);
    // A writer has to be exact about the same bytes.
    assert_eq!(Inbound::validate(&bytes).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn errors_name_field_kind_and_types() {
    let mut map = sample().to_value().unwrap().as_map().unwrap().clone();
    map.insert("channel_id", 5);
    let bytes = codec::encode_map(&map, &limits()).unwrap();
    for (error, kind) in [
        (Inbound::decode(&bytes).unwrap_err(), ErrorKind::Malformed),
        (Inbound::validate(&bytes).unwrap_err(), ErrorKind::Invalid),
        (Inbound::from_map(&map).unwrap_err(), ErrorKind::Invalid),
    ] {
        assert_eq!(error.kind(), kind);
        assert_eq!(error.message(), "`channel_id` of inbound must be text, found integer");
        let told = ["kind", "field", "expected", "found"].map(|key| context(&error, key));
        assert_eq!(told, ["inbound", "channel_id", "text", "integer"]);
    }
    map.remove("channel_id");
    let error = Inbound::from_map(&map).unwrap_err();
    assert_eq!(error.message(), "`channel_id` of inbound is missing; it must be text");
    map.insert("channel_id", "c");
    map.insert("member_roles", Value::List(vec!["a".into(), 1.into()]));
    assert_eq!(context(&Inbound::from_map(&map).unwrap_err(), "field"), "member_roles[1]");
}

#[test]
fn a_field_given_twice_is_refused() {
    let mut message = sample();
    message.rest.insert("channel_id", "other");
    let bytes = message.write(&limits()).unwrap();
    assert_eq!(context(&Inbound::decode(&bytes).unwrap_err(), "field"), "channel_id");
    assert_eq!(message.encode().unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_lane_that_is_too_long_is_refused_before_it_is_published() {
    let fits = "c".repeat(MAX_LANE_BYTES - "web:".len());
    assert!(Inbound::new("web", fits.as_str(), "u", "").encode().is_ok());
    let error = Inbound::new("web", format!("{fits}c"), "u", "").encode().unwrap_err();
    assert_eq!((error.kind(), context(&error, "field")), (ErrorKind::Invalid, "channel_key"));
    let error = Outbound::message("c".repeat(513), "").encode().unwrap_err();
    assert_eq!((error.kind(), context(&error, "field")), (ErrorKind::Invalid, "channel_id"));
}

#[test]
fn the_head_tells_what_a_publisher_needs() {
    let message = sample().with_addressed(false).with_message_id("m1");
    let bytes = message.encode().unwrap();
    let head = Kind::Inbound.inspect(&bytes, &limits()).unwrap();
    assert_eq!(head.lane(Kind::Inbound), Some("web:c1"));
    assert_eq!((head.message_id, head.trace_id), (Some("m1"), Some(message.trace_id.as_str())));
    assert!(head.unaddressed() && message.unaddressed());

    let bytes = Outbound::message("c1", "hi").with_platform("web").encode().unwrap();
    let head = Kind::Outbound.inspect(&bytes, &limits()).unwrap();
    assert_eq!((head.action, head.platform, head.lane(Kind::Outbound)), (Some("message"), Some("web"), Some("c1")));
}

/// One outbound envelope of each type.
fn outbounds() -> Vec<Outbound> {
    vec![
        Outbound::message("c", "hi").with_reply_to("m1"),
        Outbound::file("c", "a.png", "image/png", vec![0_u8, 255, 16]).with_text("look"),
        Outbound::buttons("c", "choose", [Button::new("Yes", "y").with_emoji("👍"), Button::new("No", "n")]),
        Outbound::reaction("c", "m1", "🔥"),
        Outbound::typing("c"),
        Outbound::presence("thinking", Some("💭".into())),
        Outbound::rpc("fetch_history", Map::from([("limit", 5)]), "reply", "corr"),
    ]
}

#[test]
fn every_type_of_outbound_comes_back() {
    for mut envelope in outbounds() {
        envelope = envelope.with_platform("web").with_trace_id("t").with_message_key("t:x:1");
        envelope.rest.insert("colour", 3);
        let bytes = envelope.encode().unwrap();
        let back = Outbound::decode(&bytes).unwrap();
        assert_eq!((&back, back.encode().unwrap()), (&envelope, bytes));
        assert_eq!(Outbound::from_map(envelope.to_value().unwrap().as_map().unwrap()).unwrap(), envelope);
    }
}

#[test]
fn the_type_decides_what_must_be_there() {
    let map = |pairs: Vec<(&str, Value)>| pairs.into_iter().collect::<Map>();
    let cases = [
        (map(vec![("channel_id", "c".into())]), "type"),
        (map(vec![("type", 1.into())]), "type"),
        (map(vec![("type", "massage".into())]), "type"),
        (map(vec![("type", "message".into()), ("text", "t".into())]), "channel_id"),
        (map(vec![("channel_id", "c".into()), ("type", "message".into())]), "text"),
        (map(vec![("channel_id", "c".into()), ("type", "reaction".into()), ("emoji", "x".into())]), "message_id"),
        (map(vec![("channel_id", "c".into()), ("type", "file".into()), ("filename", "f".into())]), "data"),
        (
            map(vec![
                ("channel_id", "c".into()),
                ("type", "file".into()),
                ("filename", "f".into()),
                ("data", "?".into()),
            ]),
            "data",
        ),
        (
            map(vec![
                ("channel_id", "c".into()),
                ("type", "buttons".into()),
                ("text", "t".into()),
                ("view", Value::List(vec![Map::from([("label", 1)]).into()])),
            ]),
            "view[0].label",
        ),
        (map(vec![("type", "rpc".into()), ("method", "m".into()), ("reply_to", "r".into())]), "correlation_id"),
    ];
    for (map, field) in cases {
        let error = Outbound::from_map(&map).unwrap_err();
        assert_eq!((error.kind(), context(&error, "field")), (ErrorKind::Invalid, field), "{error}");
    }
    // A key that means something for one type is a stranger to another, and kept.
    let kept = map(vec![("channel_id", "c".into()), ("type", "typing".into()), ("emoji", 5.into())]);
    assert_eq!(Outbound::from_map(&kept).unwrap().rest, Map::from([("emoji", 5)]));
}

#[test]
fn tool_calls_come_back() {
    let request = ToolRequest::new("weather", Map::from([("city", "Berlin")]), "reply")
        .with_caller(&sample())
        .with_schema_hash("abc")
        .with_deadline_ms(1_767_225_600_000);
    assert_eq!(ToolRequest::decode(&request.encode().unwrap()).unwrap(), request);
    assert_eq!((request.platform.as_str(), request.trace_id.len()), ("web", 32));

    let files = Value::List(vec![Map::from([("data", Value::Bytes(vec![0, 159, 255].into()))]).into()]);
    let writeback = Map::from([("sent_files", files)]);
    for reply in [
        ToolReply::ok("corr", "21 °C").with_writeback(writeback.clone()),
        ToolReply::ok("corr", Value::Nil),
        ToolReply::error("corr", ToolError::new("CATALOG_STALE", "load it again")).with_writeback(writeback),
    ] {
        let bytes = reply.encode().unwrap();
        assert_eq!(ToolReply::decode(&bytes).unwrap(), reply);
    }
}

#[test]
fn a_reply_says_one_thing() {
    let neither = Map::from([("correlation_id", "c")]);
    assert_eq!(context(&ToolReply::from_map(&neither).unwrap_err(), "field"), "result");
    // An error as a bare text, and a result of nil beside it.
    let map = Map::from([("error", Value::from("boom")), ("result", Value::Nil), ("correlation_id", "c".into())]);
    let bytes = codec::encode_map(&map, &limits()).unwrap();
    assert_eq!(ToolReply::decode(&bytes).unwrap().result, Err(ToolError::new("", "boom")));
    let map = Map::from([("result", Value::from(1)), ("error", Value::Nil), ("correlation_id", "c".into())]);
    assert_eq!(ToolReply::from_map(&map).unwrap().result, Ok(Value::Int(1)));
}

#[test]
fn files_are_read_as_text_or_bytes() {
    for data in [Value::from("AP8Q"), "AP8Q\n".into(), "A P8Q".into(), Value::Bytes(vec![0, 255, 16].into())] {
        let map = Map::from([
            ("channel_id", "c".into()),
            ("type", "file".into()),
            ("filename", "f".into()),
            ("data", data.clone()),
        ]);
        let Action::File(file) = Outbound::from_map(&map).unwrap().action else { panic!("not a file") };
        assert_eq!((&file.data[..], file.mimetype.as_str()), (&[0_u8, 255, 16][..], "application/octet-stream"));
    }
    for (text, fine) in
        [("", true), ("QQ==", true), ("QQ", true), ("QUI=", true), ("Q", false), ("Q=Q=", false), ("QQ-_", false)]
    {
        assert_eq!(base64::is_valid(text), fine, "{text}");
        assert_eq!(base64::decode(text).is_some(), fine, "{text}");
    }
}

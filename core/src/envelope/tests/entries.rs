use super::*;

fn pairs(fields: &[(&str, &[u8])]) -> Fields {
    fields.iter().map(|(k, v)| (Bytes::copy_from_slice(k.as_bytes()), Bytes::copy_from_slice(v))).collect()
}

fn names(fields: &Fields) -> Vec<&str> {
    fields.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect()
}

fn body(pairs: &[(&str, Value)]) -> Vec<u8> {
    let map: Map = pairs.iter().cloned().collect();
    codec::encode_map(&map, &limits()).unwrap().to_vec()
}

fn lane(fields: &Fields) -> Result<Option<String>> {
    let lane = lane_of(fields, false)?;
    assert_eq!(EntryFields::read(fields).lane(false).unwrap(), lane, "both ways tell the same");
    Ok(lane.map(|lane| String::from_utf8(lane.to_vec()).unwrap()))
}

#[test]
fn an_entry_is_written_in_one_form() {
    let message = Inbound::new_at("web", "c", "u", "hi", 1.0).with_addressed(false).with_trace_id("t");
    let entry = EntryFields::of(&message, 1_767_225_600_042, &limits()).unwrap();
    let fields = entry.clone().with_mid("m1").with_trace_context("00-a-b-01", "").write().unwrap();
    assert_eq!(names(&fields), ["data", "ts", "trace_id", "key", "mid", "ua", "tp"]);
    let values: Vec<_> = fields[1..].iter().map(|(_, v)| std::str::from_utf8(v).unwrap()).collect();
    assert_eq!(values, ["1767225600.042", "t", "web:c", "m1", "1", "00-a-b-01"]);
    assert_eq!(Inbound::decode(&fields[0].1).unwrap(), message);

    let bytes = message.encode().unwrap();
    let head = Kind::Inbound.inspect(&bytes, &limits()).unwrap();
    assert_eq!(EntryFields::of_bytes(bytes.clone(), Kind::Inbound, &head, 1_767_225_600_042), entry);
    // Something without a channel says that it has no lane, so that nobody looks for one in the body.
    let presence = EntryFields::of(&Outbound::presence("busy", None), 0, &limits()).unwrap();
    assert_eq!((presence.key.clone(), presence.lane(true).unwrap()), (Some(Bytes::new()), None));
}

#[test]
fn a_reader_takes_any_order_and_keeps_strangers() {
    let fields = pairs(&[
        ("new", b"\xff"),
        ("key", b"k"),
        ("ua", b"1"),
        ("ref", b"s:body:m"),
        ("len", b"70000"),
        ("ts", b"soon"),
    ]);
    let entry = EntryFields::read(&fields);
    assert_eq!((entry.data.len(), entry.trace_id.as_str(), entry.ts.as_str()), (0, "", "soon"));
    assert_eq!((entry.body_ref.clone(), entry.published_at()), (Some(("s:body:m".into(), 70_000)), None));
    assert_eq!(names(&entry.write().unwrap()), ["data", "ts", "trace_id", "key", "ua", "ref", "len", "new"]);
    assert_eq!(EntryFields::read(&entry.write().unwrap()), entry);
    assert_eq!(entry.envelope::<Inbound>(&limits()).unwrap_err().kind(), ErrorKind::Malformed);
    let old = EntryFields::read(&pairs(&[("ts", b"1767225600.5")]));
    assert_eq!((old.key.clone(), old.published_at()), (None, Some(1_767_225_600.5)));
}

#[test]
fn a_big_body_leaves_its_name_and_length() {
    let mut entry = EntryFields::new(Bytes::from(vec![0; 70_000]), 0).with_key("k");
    let body = entry.take_body("s:body:m1");
    assert_eq!((body.len(), entry.data.len()), (70_000, 0));
    assert_eq!(EntryFields::read(&entry.write().unwrap()).body_ref, Some(("s:body:m1".into(), 70_000)));
}

#[test]
fn the_key_is_the_lane_else_the_envelope_says() {
    let (key, id) = (("channel_key", Value::from("web:c")), ("channel_id", Value::from("c")));
    let data = |pairs_: &[(&str, Value)]| pairs(&[("data", &body(pairs_))]);
    let cases = [
        (pairs(&[("key", "ключ".as_bytes()), ("data", &body(std::slice::from_ref(&id)))]), Some("ключ")),
        (pairs(&[("key", b""), ("data", &body(std::slice::from_ref(&id)))]), None),
        (pairs(&[("key", b"k"), ("ua", b"1")]), None),
        (pairs(&[("key", b"k"), ("ua", b"0")]), Some("k")),
        (data(&[key.clone(), id.clone()]), Some("web:c")),
        (data(&[id.clone(), ("channel_key", Value::Nil)]), Some("c")),
        (data(&[("is_addressed", false.into()), key.clone()]), None),
        (data(&[("is_addressed", true.into()), key.clone()]), Some("web:c")),
        (data(&[("channel_id", Value::Bytes("c2".into()))]), Some("c2")),
        (data(&[]), None),
        (pairs(&[("data", &[0x91, 0x01])]), None),
        (pairs(&[("data", &body(&[id.clone(), ("z", "z".repeat(MAX_READ_FOR_LANE).into())]))]), None),
        (pairs(&[]), None),
    ];
    for (fields, expected) in cases {
        assert_eq!(lane(&fields).unwrap().as_deref(), expected, "{fields:?}");
    }
    let unaddressed = data(&[("is_addressed", false.into()), key]);
    assert_eq!(lane_of(&unaddressed, true).unwrap().unwrap(), "web:c");
    assert_eq!(lane_of(&pairs(&[("key", b"k"), ("ua", b"1")]), true).unwrap().unwrap(), "k");
}

#[test]
fn a_lane_that_is_none_is_malformed() {
    let long = "k".repeat(MAX_LANE_BYTES + 1);
    for fields in [
        pairs(&[("key", long.as_bytes())]),
        pairs(&[("key", b"\xff")]),
        pairs(&[("data", &body(&[("channel_key", long.as_str().into())]))]),
        pairs(&[("data", &body(&[("channel_key", 5.into()), ("channel_id", "c".into())]))]),
        pairs(&[("data", b"\xc1")]),
        pairs(&[("data", b"\x81\xaachannel_id\xa1c\x00")]),
    ] {
        assert_eq!(lane_of(&fields, false).unwrap_err().kind(), ErrorKind::Malformed, "{fields:?}");
    }
    for key in [long.into_bytes(), vec![0xff]] {
        let error = EntryFields::new(Bytes::new(), 0).with_key(key).write().unwrap_err();
        assert_eq!((error.kind(), context(&error, "field")), (ErrorKind::Invalid, "key"));
    }
}

#[test]
fn a_dead_letter_keeps_everything_and_can_be_put_back() {
    let message = Inbound::new_at("web", "c", "u", "hi", 1.0).with_addressed(false);
    let entry = EntryFields::of(&message, 5, &limits()).unwrap().with_mid("m1").with_trace_context("tp", "ts");
    let life = Life {
        stream: "s".into(),
        id: "5-0".into(),
        group: "g".into(),
        consumer: "w-1".into(),
        reason: "rejected".into(),
        error: "boom ☂".into(),
        attempt: 3,
        first_at: 5,
        dead_at: 9,
        replayed_at: 0,
        rest: Map::new(),
    };
    let letter = DeadLetter::new(entry.clone(), life.clone());
    let fields = letter.write().unwrap();
    let original = ["original_stream", "original_msg_id", "error", "attempt", "data", "ts", "trace_id"];
    assert_eq!(names(&fields)[..7], original);
    assert_eq!(fields[3].1, "3");
    assert_eq!(DeadLetter::read(&fields), letter);

    let again = letter.into_entry().unwrap();
    assert_eq!(EntryFields { history: Bytes::new(), ..again.clone() }, entry);
    let second = Life { id: "8-0".into(), reason: "attempts".into(), ..life.clone() };
    let letter =
        DeadLetter::read(&DeadLetter::new(EntryFields::read(&again.write().unwrap()), second.clone()).write().unwrap());
    assert_eq!((letter.history().unwrap(), &letter.life), (vec![life.clone()], &second));
    let third = DeadLetter::new(letter.into_entry().unwrap(), life.clone());
    assert_eq!(third.history().unwrap(), [life, second]);
}

#[test]
fn the_originals_dead_letters_are_read() {
    let fields = pairs(&[
        ("original_stream", b"s"),
        ("original_msg_id", b"1-0"),
        ("error", b"boom"),
        ("attempt", b"3"),
        ("data", b"\x80"),
        ("ts", b"1.5"),
        ("trace_id", b""),
    ]);
    let letter = DeadLetter::read(&fields);
    assert_eq!((letter.life.attempt, letter.life.reason.as_str(), letter.entry.data.as_ref()), (3, "", &b"\x80"[..]));
    let bad =
        DeadLetter { entry: EntryFields { history: Bytes::from_static(b"\x80"), ..letter.entry }, life: letter.life };
    let error = bad.history().unwrap_err();
    assert_eq!((error.kind(), context(&error, "field")), (ErrorKind::Malformed, "history"));
}

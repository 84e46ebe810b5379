//! The lane of an entry, from its fields or from the envelope of an older writer.

use bytes::Bytes;
use stargazer_core::transport::{Append, Fields, Group, Lane, MAX_LANE};

use super::lab::{Lab, fields};
use super::player::Player;

/// The lanes that entries with these fields have.
async fn lanes(lab: &Lab, group: &Group, entries: &[Fields]) -> Vec<Option<Lane>> {
    let mut a = Player::join(lab, group, "a").await;
    for fields in entries {
        lab.append(Append::new("s".into(), fields.clone())).await;
    }
    let fresh = a.fetch(1000).await;
    a.cursor = stargazer_core::transport::EntryId::ZERO;
    let again = a.fetch(1000).await;
    let of = |handed: &[stargazer_core::transport::Handed]| handed.iter().map(|e| e.lane.clone()).collect::<Vec<_>>();
    assert_eq!(of(&fresh), of(&again), "the pending list tells the same lanes");
    of(&fresh)
}

fn texts(lanes: &[Option<Lane>]) -> Vec<Option<&str>> {
    lanes.iter().map(|lane| lane.as_ref().map(|lane| std::str::from_utf8(lane).unwrap_or("not text"))).collect()
}

fn data(bytes: &[u8]) -> Fields {
    vec![(Bytes::from_static(b"data"), Bytes::copy_from_slice(bytes))]
}

/// msgpack of a map with text keys and values that are msgpack already.
fn map(pairs: &[(&str, &[u8])]) -> Fields {
    let mut bytes = vec![0x80 | u8::try_from(pairs.len()).unwrap()];
    for (name, value) in pairs {
        bytes.extend(text(name));
        bytes.extend_from_slice(value);
    }
    data(&bytes)
}

/// msgpack of a short text.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xa0 | u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

const FALSE: &[u8] = &[0xc2];
const TRUE: &[u8] = &[0xc3];
const NIL: &[u8] = &[0xc0];

pub(super) async fn the_key_is_the_lane(lab: Lab) {
    let group = lab.group().await;
    let longest = "k".repeat(MAX_LANE);
    let too_long = "k".repeat(MAX_LANE + 1);
    let envelope = map(&[("channel_id", &text("c"))])[0].1.clone();
    let with = |key: &str| {
        vec![
            (Bytes::from_static(b"data"), envelope.clone()),
            (Bytes::from_static(b"key"), Bytes::copy_from_slice(key.as_bytes())),
        ]
    };
    let entries = [with("a|ü\u{0}\n€😀"), with(&longest), with(&too_long), with("")];
    assert_eq!(texts(&lanes(&lab, &group, &entries).await), [Some("a|ü\u{0}\n€😀"), Some(&*longest), None, None]);
}

pub(super) async fn older_entries_have_the_lane_of_their_envelope(lab: Lab) {
    let group = lab.group().await;
    let (c, k) = (text("c1"), text("k1"));
    let mut nested = vec![0x92, 0x81, 0xa1, b'x', 0xcb];
    nested.extend(1.5_f64.to_be_bytes());
    nested.extend([0xcd, 0x01, 0x00]);
    let mut binary = vec![0xc4, 2];
    binary.extend(b"c2");
    let seen = lanes(
        &lab,
        &group,
        &[
            map(&[("channel_id", &c)]),
            map(&[("channel_id", &c), ("channel_key", &k)]),
            map(&[("channel_key", &k), ("channel_id", &c)]),
            map(&[("channel_key", NIL), ("channel_id", &c)]),
            map(&[("list", &nested), ("channel_id", &c), ("is_addressed", TRUE)]),
            map(&[("channel_id", &binary)]),
            map(&[("channel_key", &text("")), ("channel_id", &c)]),
            map(&[("is_addressed", NIL), ("channel_id", &c)]),
        ],
    )
    .await;
    assert_eq!(texts(&seen), ["c1", "k1", "k1", "c1", "c1", "c2", "c1", "c1"].map(Some));
}

pub(super) async fn unaddressed_entries_have_none_unless_asked_for(lab: Lab) {
    let entries = [
        fields(&[("key", "k"), ("ua", "1")]),
        fields(&[("key", "k"), ("ua", "0")]),
        map(&[("channel_id", &text("c")), ("is_addressed", FALSE)]),
        map(&[("channel_id", &text("c")), ("is_addressed", &[0])]),
        map(&[("channel_id", &text("c")), ("is_addressed", FALSE), ("body", &[0xc4, 1, 0])]),
    ];
    let group = lab.group().await;
    assert_eq!(texts(&lanes(&lab, &group, &entries).await), [None, Some("k"), None, None, None]);
    let other = Group::new("s".into(), "h".into(), group.ordering, group.retention);
    let other = Group { order_unaddressed: true, ..other };
    lab.transport.recreate(&other).await.unwrap();
    let seen = lanes(&lab, &other, &[]).await;
    assert_eq!(texts(&seen), ["k", "k", "c", "c", "c"].map(Some));
}

pub(super) async fn what_cannot_be_read_has_none(lab: Lab) {
    let group = lab.group().await;
    let whole = map(&[("channel_id", &text("c")), ("z", &text("text"))])[0].1.clone();
    let mut too_long = vec![0xda, 2, 1];
    too_long.extend([b'c'; MAX_LANE + 1]);
    let entries = [
        data(b""),
        data(b"not msgpack"),
        data(&whole[..whole.len() - 1]),
        data(&text("channel_id")),
        data(&[0x91, 0xa1, b'c']),
        map(&[("channel_id", &[7])]),
        map(&[("channel_id", &text(""))]),
        map(&[("channel_id", &[0xa1, 0xff])]),
        map(&[("channel_key", &[7]), ("channel_id", &text("c"))]),
        vec![(Bytes::from_static(b"key"), Bytes::from_static(b"\xff"))],
        map(&[("channel_id", &too_long)]),
        map(&[("other", &text("c"))]),
        data(&[0xdf, 0xff, 0xff, 0xff, 0xff]),
        fields(&[("other", "c")]),
    ];
    let seen = lanes(&lab, &group, &entries).await;
    assert_eq!(texts(&seen), vec![None; entries.len()]);
}

pub(super) async fn an_envelope_over_the_limit_has_none(lab: Lab) {
    let group = lab.group().await;
    let sized = |size: usize| {
        let mut bytes = map(&[("channel_id", &text("c")), ("body", &[])])[0].1.to_vec();
        let body = size - bytes.len() - 5;
        bytes.push(0xc6);
        bytes.extend(u32::try_from(body).unwrap().to_be_bytes());
        bytes.resize(size, 0);
        data(&bytes)
    };
    let seen = lanes(&lab, &group, &[sized(64 * 1024), sized(64 * 1024 + 1)]).await;
    assert_eq!(texts(&seen), [Some("c"), None]);
}

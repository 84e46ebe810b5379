use super::*;
use crate::envelope::codec::{Reader, Token, Writer, decode, encode, from_slice, from_value, scan, to_bytes, to_value};

/// A small generator, so that failures repeat.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) ^ (self.0 >> 12)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn bytes(&mut self, n: u64) -> Vec<u8> {
        (0..self.below(n)).map(|_| self.next().to_be_bytes()[7]).collect()
    }

    fn text(&mut self) -> String {
        (0..self.below(40)).filter_map(|_| char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap())).collect()
    }

    fn value(&mut self, depth: u64) -> Value {
        let shift = self.below(64);
        match self.below(if depth == 0 { 8 } else { 10 }) {
            0 => Value::Nil,
            1 => Value::Bool(self.below(2) == 1),
            2 => Value::from(self.next().wrapping_mul(self.next()) >> shift),
            3 => Value::Int(self.next().wrapping_mul(self.next()).cast_signed() >> shift),
            4 => Value::Float(f64::from_bits(self.next().wrapping_mul(self.next()))),
            5 => self.text().into(),
            6 => Value::Bytes(self.bytes(300).into()),
            7 => Value::Ext(self.next().to_be_bytes()[7].cast_signed(), self.bytes(40).into()),
            8 => (0..self.below(20)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let mut map = Map::new();
                for _ in 0..self.below(20) {
                    map.insert(self.text(), self.value(depth - 1));
                }
                map.into()
            }
        }
    }
}

/// Floats compare by their bits, so that NaN equals itself.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && same(a, b))
        }
        _ => a == b,
    }
}

#[test]
fn random_values_survive_unchanged() {
    let mut random = Random(1);
    for _ in 0..3000 {
        let value = random.value(4);
        let bytes = encode(&value, &limits()).unwrap();
        let back = decode(&bytes, &limits()).unwrap();
        assert!(same(&back, &value), "{value:?}");
        assert_eq!(encode(&back, &limits()).unwrap(), bytes);
        let typed: Value = from_slice(&bytes, &limits()).unwrap();
        assert!(same(&typed, &value), "through serde: {value:?}");
        assert_eq!(to_bytes(&value, &limits()).unwrap(), bytes, "serde writes the same bytes");
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(2);
    let mut accepted = 0;
    for _ in 0..30_000 {
        let bytes = random.bytes(40);
        let (scanned, decoded) = (scan(&bytes, &limits()), decode(&bytes, &limits()));
        assert_eq!(scanned.is_ok(), decoded.is_ok(), "{bytes:02x?}");
        accepted += u32::from(decoded.is_ok());
        for kind in Kind::ALL {
            let _ = kind.validate(&bytes, &limits());
        }
    }
    assert!(accepted > 300, "only {accepted} were values at all");
}

#[test]
fn damaged_envelopes_never_panic() {
    let mut random = Random(3);
    let whole =
        Inbound::new_at("web", "c", "u", "text", 1.5).with_extra(Map::from([("a", vec![1, 2])])).encode().unwrap();
    for _ in 0..20_000 {
        let mut bytes = whole.to_vec();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[at] = random.next().to_be_bytes()[7];
        }
        bytes.truncate(bytes.len() - usize::try_from(random.below(3)).unwrap());
        let checked = Kind::Inbound.head(&bytes, &limits(), super::schema::Side::Read).map(drop);
        let decoded = Inbound::decode(&bytes);
        assert_eq!(checked.is_ok(), decoded.is_ok(), "the check and the decoder disagree on {bytes:02x?}");
        if let Err(error) = decoded {
            assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{error}");
        }
    }
}

#[test]
fn a_million_levels_are_refused_at_the_limit() {
    for opener in [0x91_u8, 0x81] {
        let mut deep = Vec::new();
        for _ in 0..1_000_000 {
            deep.push(opener);
            if opener == 0x81 {
                deep.extend_from_slice(b"\xa1k");
            }
        }
        deep.push(0xc0);
        let error = scan(&deep, &limits()).unwrap_err();
        assert_eq!((error.kind(), context(&error, "limit")), (ErrorKind::TooLarge, "max_depth"));
        assert_eq!(Inbound::decode(&deep).unwrap_err().code(), if opener == 0x81 { "too_large" } else { "malformed" });
        // Cut off a little later it is refused for the same reason: what comes after the limit is not looked at.
        let error = scan(&deep[..1000], &limits()).unwrap_err();
        assert_eq!((error.kind(), context(&error, "limit")), (ErrorKind::TooLarge, "max_depth"));
    }
}

#[test]
fn each_limit_holds_to_the_last_step() {
    let nested = |n: usize| [vec![0x91; n - 1], vec![0x90]].concat();
    assert!(decode(&nested(64), &limits()).is_ok());
    assert_eq!(decode(&nested(65), &limits()).unwrap_err().code(), "too_large");
    let deepest = Limits::new(1 << 20, Limits::DEEPEST).unwrap();
    let value = decode(&nested(512), &deepest).unwrap();
    assert_eq!(encode(&value, &deepest).unwrap(), nested(512));
    assert_eq!(encode(&value, &limits()).unwrap_err().kind(), ErrorKind::TooLarge);

    let small = Limits::new(10, 2).unwrap();
    assert!(encode(&"123456789".into(), &small).is_ok());
    let error = encode(&"1234567890".into(), &small).unwrap_err();
    assert_eq!((error.kind(), context(&error, "limit")), (ErrorKind::TooLarge, "max_bytes"));
    assert_eq!(decode(b"\xaa1234567890", &small).unwrap_err().code(), "too_large");

    let few = limits().with_max_values(3).unwrap();
    assert!(decode(&[0x92, 0xc0, 0xc0], &few).is_ok());
    assert_eq!(context(&decode(&[0x93, 0xc0, 0xc0, 0xc0], &few).unwrap_err(), "limit"), "max_values");

    for (bytes, depth) in [(0, 64), (usize::MAX, 64), (1, 0), (1, 513)] {
        assert_eq!(Limits::new(bytes, depth).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn an_envelope_counts_its_own_levels() {
    let tower = |n: usize| (1..n).fold(Value::List(Vec::new()), |inner, _| Value::List(vec![inner]));
    let fits = Inbound::new_at("web", "c", "u", "", 0.0).with_extra(Map::from([("deep", tower(62))]));
    assert_eq!(Inbound::decode(&fits.encode().unwrap()).unwrap(), fits);
    let beyond = fits.clone().with_extra(Map::from([("deep", tower(63))]));
    assert_eq!(beyond.encode().unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(beyond.write(&Limits::new(1 << 20, 64).unwrap()).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn lengths_are_not_believed() {
    for bytes in [
        b"\xdd\xff\xff\xff\xff".as_slice(),
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\x92\xc0",
        b"\x81\xa1a",
    ] {
        assert_eq!(decode(bytes, &limits()).unwrap_err().kind(), ErrorKind::Malformed, "{bytes:02x?}");
    }
}

#[test]
fn tokens_can_be_walked_by_hand() {
    let mut writer = Writer::new(&limits());
    writer.map(1);
    writer.text("list");
    writer.list(2);
    writer.int(-1);
    writer.float(2.0);
    let bytes = writer.finish().unwrap();
    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.token().unwrap(), Token::Map(1));
    assert_eq!(reader.key().unwrap(), "list");
    let list = reader.position();
    reader.skip().unwrap();
    assert_eq!(reader.left(), 0);
    let mut again = Reader::new(&bytes[list..]);
    assert_eq!(again.value().unwrap(), Value::List(vec![Value::Int(-1), Value::Float(2.0)]));
}

#[test]
fn user_types_stand_as_maps() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Place {
        city: String,
        at: Option<(f64, f64)>,
        more: Map,
    }
    let city = Place { city: "Berlin".into(), at: Some((52.5, 13.4)), more: Map::from([("x", 1)]) };
    let value = to_value(&city).unwrap();
    assert_eq!(value.get("city").and_then(Value::as_str), Some("Berlin"));
    assert_eq!(value.get("at"), Some(&Value::from(vec![52.5, 13.4])));
    assert_eq!(from_value::<Place>(&value).unwrap(), city);
    assert_eq!(from_value::<Place>(&Value::Nil).unwrap_err().kind(), ErrorKind::Malformed);
    let refused = to_bytes(&std::collections::BTreeMap::from([(1, 2)]), &limits()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn an_envelope_stands_in_user_types_and_in_json() {
    let message = Inbound::new_at("web", "c", "u", "hi", 1.5);
    let json = serde_json::to_value(&message).unwrap();
    assert_eq!((json["content"].as_str(), json["timestamp"].as_f64()), (Some("hi"), Some(1.5)));
    assert_eq!(serde_json::from_value::<Inbound>(json).unwrap(), message);
    assert_eq!(from_value::<Inbound>(&to_value(&message).unwrap()).unwrap(), message);
}

#[test]
fn maps_keep_order_and_compare_without_it() {
    let mut map = Map::from([("b", 1), ("a", 2)]);
    assert_eq!(map.insert("b", 3), Some(Value::Int(1)));
    assert_eq!(map.insert("c", 4), None);
    assert_eq!(map.keys().collect::<Vec<_>>(), ["b", "a", "c"]);
    assert_eq!(map, Map::from([("c", 4), ("a", 2), ("b", 3)]));
    assert_ne!(map, Map::from([("a", 2), ("b", 3)]));
    assert_ne!(Map::from([("a", 2), ("b", 3)]), map);
    assert_eq!(map.remove("a"), Some(Value::Int(2)));
    assert_eq!((map.get("a"), map.len()), (None, 2));
    // A key given twice: both stay, the last counts.
    let twice = decode(b"\x82\xa1a\x01\xa1a\x02", &limits()).unwrap();
    assert_eq!(twice.get("a"), Some(&Value::Int(2)));
    assert_eq!(&encode(&twice, &limits()).unwrap()[..], b"\x82\xa1a\x01\xa1a\x02");
}

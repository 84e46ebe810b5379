//! Decoding and encoding again.

use stargazer_core::envelope::{
    Envelope, Inbound, Kind, LifecycleEvent, Limits, Map, Outbound, ToolReply, ToolRequest, Value, codec, json,
};

use super::same;

/// No field of ours starts like this, so such a key is one that we do not know.
const UNKNOWN: char = 'x';

/// The first byte chooses the kind of envelope, the rest is its body.
///
/// Holds: decoding and encoding again keeps every key that we do not know, with its value and in its order, at every
/// depth that we look into; bodies of the user's own come back to the last bit; and encoding what was encoded before
/// changes nothing any more.
pub fn round_trip(bytes: &[u8]) -> bool {
    let Some((choice, body)) = bytes.split_first() else { return false };
    match Kind::ALL[usize::from(*choice) % Kind::ALL.len()] {
        Kind::Inbound => there_and_back::<Inbound>(body),
        Kind::Outbound => there_and_back::<Outbound>(body),
        Kind::ToolRequest => there_and_back::<ToolRequest>(body),
        Kind::ToolReply => there_and_back::<ToolReply>(body),
        Kind::LifecycleEvent => there_and_back::<LifecycleEvent>(body),
        _ => there_and_back::<Value>(body),
    }
}

fn there_and_back<E: Envelope>(body: &[u8]) -> bool {
    let limits = Limits::default();
    let Ok(envelope) = E::decode_with(body, &limits) else { return false };
    let Ok(written) = envelope.write(&limits) else { return false };
    let Ok(back) = E::decode_with(&written, &limits) else { panic!("what was written cannot be read") };
    let again = back.write(&limits);
    assert_eq!(again.ok().as_ref(), Some(&written), "written twice, it is another body");

    let (came, went) = (plain::<E>(body), plain::<E>(&written));
    if E::KIND == Kind::Plain {
        assert!(same(&came, &went), "{came:?} became {went:?}");
    }
    kept(&came, &went);
    true
}

/// The body without any meaning.
fn plain<E: Envelope>(body: &[u8]) -> Value {
    let limits = Limits::default();
    let value =
        if E::KIND == Kind::LifecycleEvent { json::decode(body, &limits) } else { codec::decode(body, &limits) };
    value.unwrap_or_default()
}

/// Every unknown key of one is in the other, here and inside what both have.
fn kept(came: &Value, went: &Value) {
    match (came, went) {
        (Value::Map(came), Value::Map(went)) => {
            let (before, after) = (unknown(came), unknown(went));
            assert_eq!(before.len(), after.len(), "unknown keys of {came:?} became those of {went:?}");
            for ((name, before), (other, after)) in before.into_iter().zip(after) {
                assert!(name == other && same(before, after), "{name}: {before:?} became {other}: {after:?}");
            }
            for (name, value) in came.iter().filter(|(name, _)| !name.starts_with(UNKNOWN)) {
                went.get(name).iter().for_each(|after| kept(value, after));
            }
        }
        (Value::List(came), Value::List(went)) => came.iter().zip(went).for_each(|(came, went)| kept(came, went)),
        _ => {}
    }
}

fn unknown(map: &Map) -> Vec<(&str, &Value)> {
    map.iter().filter(|(name, _)| name.starts_with(UNKNOWN)).map(|(name, value)| (name.as_str(), value)).collect()
}

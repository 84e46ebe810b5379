//! Bodies and fields of entries, as every reader and checker of them sees them.

use bytes::Bytes;
use stargazer_core::envelope::{
    DeadLetter, EntryFields, Envelope, Inbound, Kind, Life, LifecycleEvent, Limits, Outbound, ToolReply, ToolRequest,
    Value, lane_of,
};
use stargazer_core::{Error, ErrorKind};

/// The first byte chooses the kind of envelope, the rest is its body.
///
/// Holds: the check and the decoder give the same verdict; what a publisher may write, a reader takes; what was taken
/// can be written again, and a publisher is told of it what its bytes say; refusals are of the kinds they may be.
pub fn envelope(bytes: &[u8]) -> bool {
    let Some((choice, body)) = bytes.split_first() else { return false };
    fields(body);
    match Kind::ALL[usize::from(*choice) % Kind::ALL.len()] {
        Kind::Inbound => body_of::<Inbound>(body),
        Kind::Outbound => body_of::<Outbound>(body),
        Kind::ToolRequest => body_of::<ToolRequest>(body),
        Kind::ToolReply => body_of::<ToolReply>(body),
        Kind::LifecycleEvent => body_of::<LifecycleEvent>(body),
        _ => body_of::<Value>(body),
    }
}

fn body_of<E: Envelope>(body: &[u8]) -> bool {
    let limits = Limits::default();
    let checked = E::KIND.check(body, &limits);
    let writable = E::KIND.inspect(body, &limits);
    let decoded = E::decode_with(body, &limits);
    if let Err(error) = &writable {
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge), "{error}");
    }
    let envelope = match (checked, decoded) {
        (Ok(()), Ok(envelope)) => envelope,
        (Err(checked), Err(decoded)) => {
            assert!(matches!(checked.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{checked}");
            assert_eq!(checked.kind(), decoded.kind(), "{checked} / {decoded}");
            assert!(writable.is_err(), "a writer may write what readers refuse: {checked}");
            return false;
        }
        (checked, decoded) => panic!("check and decoder disagree: {checked:?} / {decoded:?}"),
    };
    if let Ok(head) = &writable {
        assert_eq!(head.lane(E::KIND), envelope.lane(), "lane of a body that may be published");
    }
    written_again(&envelope, &limits);
    true
}

fn written_again<E: Envelope>(envelope: &E, limits: &Limits) {
    let fits = |error: &Error| matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge);
    let known = envelope.known_head(limits);
    let bytes = match envelope.encode_with(limits) {
        Ok(bytes) => bytes,
        Err(error) => {
            assert!(fits(&error) && known.is_none(), "{error}");
            return;
        }
    };
    match E::KIND.inspect(&bytes, limits) {
        Ok(seen) => assert!(known.is_none_or(|known| known == seen), "not what its bytes say: {seen:?}"),
        Err(error) => panic!("encoded, but not to be published: {error}"),
    }
    assert!(E::decode_with(&bytes, limits).is_ok(), "what was written cannot be read");
    assert!(envelope.to_value().is_ok());
}

/// The body as fields of an entry: names and values of the lengths that its first bytes say.
fn fields(body: &[u8]) {
    let mut rest = body;
    let mut fields = Vec::new();
    while let Some((size, tail)) = rest.split_first() {
        let (name, tail) = tail.split_at(tail.len().min(usize::from(size % 16)));
        let (value, tail) = tail.split_at(tail.len().min(usize::from(size / 16 * 8)));
        fields.push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value)));
        rest = tail;
    }
    for order_unaddressed in [false, true] {
        if let Ok(Some(lane)) = lane_of(&fields, order_unaddressed) {
            assert!(!lane.is_empty() && std::str::from_utf8(&lane).is_ok());
        }
    }
    let entry = EntryFields::read(&fields);
    if let Ok(written) = entry.write() {
        assert_eq!(EntryFields::read(&written).write().ok(), Some(written), "an entry changes as it is written");
    }
    assert!(entry.published_at().is_none_or(f64::is_finite));
    let letter = DeadLetter::read(&fields);
    if let Ok(written) = letter.write() {
        assert_eq!(DeadLetter::read(&written).write().ok(), Some(written), "a dead letter changes as it is written");
    }
    if let Ok(entry) = letter.into_entry() {
        assert!(DeadLetter::new(entry, Life::default()).history().is_ok_and(|lives| !lives.is_empty()));
    }
}

//! The lane of an entry: whose turn it takes.
//!
//! The field `key` decides; entries of older writers have none, there the envelope is read. What cannot be read, is
//! no text or is too long has no lane: such an entry goes to whoever reads it, who finds out what is wrong with it.

use bytes::Bytes;

use crate::topology::field as names;
use crate::transport::{Group, Lane, MAX_LANE, Ordering, field};

/// Envelopes longer than this are not read for their lane.
const MAX_ENVELOPE: usize = 64 * 1024;

/// Envelopes nested deeper than this are not read.
const MAX_DEPTH: usize = 64;

const NIL: u8 = 0xc0;
const FALSE: u8 = 0xc2;

/// The lane of an entry in a group.
pub(super) fn lane_of(group: &Group, fields: &[(Bytes, Bytes)]) -> Option<Lane> {
    if group.ordering == Ordering::None {
        return None;
    }
    if !group.order_unaddressed && field(fields, names::UNADDRESSED).is_some_and(|v| v.as_ref() == b"1") {
        return None;
    }
    let lane = match field(fields, names::KEY) {
        Some(key) => key.clone(),
        None => from_envelope(field(fields, names::DATA)?, group.order_unaddressed)?,
    };
    (lane.len() <= MAX_LANE).then_some(lane)
}

/// `channel_key`, else `channel_id`, of a msgpack map.
fn from_envelope(data: &Bytes, order_unaddressed: bool) -> Option<Lane> {
    if data.len() > MAX_ENVELOPE {
        return None;
    }
    let mut reader = Reader { bytes: data, at: 0 };
    let entries = reader.map_len()?;
    let (mut addressed, mut key, mut id) = (true, None, None);
    for _ in 0..entries {
        let name = reader.text();
        if name.is_none() {
            reader.skip(MAX_DEPTH)?;
        }
        let start = reader.at;
        reader.skip(MAX_DEPTH)?;
        match name.map(|range| &data[range]) {
            Some(b"is_addressed") => addressed = data[start] != FALSE,
            Some(b"channel_key") => key = (data[start] != NIL).then(|| Reader { bytes: data, at: start }.text()),
            Some(b"channel_id") => id = Reader { bytes: data, at: start }.text(),
            _ => {}
        }
    }
    if reader.at != data.len() || !(addressed || order_unaddressed) {
        return None;
    }
    key.unwrap_or(id).map(|range| data.slice(range))
}

/// Walks msgpack without building anything.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn uint(&mut self, width: usize) -> Option<usize> {
        let bytes = self.bytes.get(self.at..self.at + width)?;
        self.at += width;
        Some(bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    fn advance(&mut self, by: usize) -> Option<()> {
        self.at = self.at.checked_add(by).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn map_len(&mut self) -> Option<usize> {
        match self.uint(1)? {
            marker @ 0x80..=0x8f => Some(marker & 0x0f),
            0xde => self.uint(2),
            0xdf => self.uint(4),
            _ => None,
        }
    }

    /// Where a text (or binary, as the oldest writers had it) stands; does not move when there is none.
    fn text(&mut self) -> Option<std::ops::Range<usize>> {
        let start = self.at;
        let range = (|| {
            let len = match self.uint(1)? {
                marker @ 0xa0..=0xbf => marker & 0x1f,
                0xc4 | 0xd9 => self.uint(1)?,
                0xc5 | 0xda => self.uint(2)?,
                0xc6 | 0xdb => self.uint(4)?,
                _ => return None,
            };
            let from = self.at;
            self.advance(len)?;
            Some(from..self.at)
        })();
        if range.is_none() {
            self.at = start;
        }
        range
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let (children, bytes) = match self.uint(1)? {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (0, 0),
            marker @ 0x80..=0x8f => ((marker & 0x0f) * 2, 0),
            marker @ 0x90..=0x9f => (marker & 0x0f, 0),
            marker @ 0xa0..=0xbf => (0, marker & 0x1f),
            0xcc | 0xd0 => (0, 1),
            0xcd | 0xd1 | 0xd4 => (0, 2),
            0xd5 => (0, 3),
            0xca | 0xce | 0xd2 => (0, 4),
            0xd6 => (0, 5),
            0xcb | 0xcf | 0xd3 => (0, 8),
            0xd7 => (0, 9),
            0xd8 => (0, 17),
            0xc4 | 0xd9 => (0, self.uint(1)?),
            0xc5 | 0xda => (0, self.uint(2)?),
            0xc6 | 0xdb => (0, self.uint(4)?),
            0xc7 => (0, self.uint(1)? + 1),
            0xc8 => (0, self.uint(2)? + 1),
            0xc9 => (0, self.uint(4)? + 1),
            0xdc => (self.uint(2)?, 0),
            0xdd => (self.uint(4)?, 0),
            0xde => (self.uint(2)? * 2, 0),
            0xdf => (self.uint(4)?.checked_mul(2)?, 0),
            _ => return None,
        };
        self.advance(bytes)?;
        (0..children).try_for_each(|_| self.skip(depth))
    }
}

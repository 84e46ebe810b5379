//! Bursts on their way to JavaScript: receipts and deliveries, each as one buffer and an array of numbers.

use napi::bindgen_prelude::{Buffer, Uint32Array};
use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::envelope::Limits;
use stargazer_core::envelope::codec::Writer;
use stargazer_core::{Delivery, Receipt};

use crate::error::Failure;

/// Receipts of a burst.
#[napi(object, object_from_js = false)]
pub struct Receipts {
    /// For each: the number of its publish, and twice its place, plus one when it was a duplicate.
    pub marks: Uint32Array,
    /// The ids, with a comma between.
    pub ids: String,
    /// Streams and durabilities that occur: name, durability, name, durability, …
    pub places: Vec<String>,
}

/// A publish that failed.
#[napi(object, object_from_js = false)]
pub struct Refusal {
    /// The number of the publish.
    pub token: u32,
    /// Why.
    pub failure: Failure,
}

/// Gathers receipts.
#[derive(Default)]
pub(crate) struct Gathered {
    marks: Vec<u32>,
    ids: String,
    places: Vec<String>,
    pub(crate) refusals: Vec<Refusal>,
}

impl Gathered {
    /// Adds what became of one publish.
    pub(crate) fn add(&mut self, token: u32, result: sg::Result<Receipt>) {
        let receipt = match result {
            Ok(receipt) => receipt,
            Err(error) => return self.refusals.push(Refusal { token, failure: error.into() }),
        };
        let durability = receipt.durability.to_string();
        let known = self.places.chunks_exact(2).position(|at| *at[0] == *receipt.stream && at[1] == durability);
        let place = known.unwrap_or_else(|| {
            self.places.extend([receipt.stream.to_string(), durability]);
            self.places.len() / 2 - 1
        });
        let place = u32::try_from(place).unwrap_or(0);
        self.marks.extend([token, place * 2 + u32::from(receipt.duplicate)]);
        if !self.ids.is_empty() {
            self.ids.push(',');
        }
        self.ids.push_str(&receipt.id.to_string());
    }

    /// What crosses; nothing when there was no receipt.
    pub(crate) fn receipts(&mut self) -> Option<Receipts> {
        let Self { marks, ids, places, .. } = std::mem::take(self);
        (!marks.is_empty()).then(|| Receipts { marks: marks.into(), ids, places })
    }
}

/// Deliveries of a burst.
#[napi(object, object_from_js = false)]
pub struct Deliveries {
    /// `[id, lane, trace id, message id, replays, traceparent, tracestate]` and body of each, in turn.
    pub bytes: Buffer,
    /// For each: its number; eight times its attempt, plus one when it was redelivered, plus two when it should end
    /// already, plus four when it has to be begun; where its head ends; where its body ends.
    pub marks: Uint32Array,
}

/// Deliveries as they leave the I/O thread.
pub(crate) struct Packed {
    bytes: Vec<u8>,
    marks: Vec<u32>,
}

impl From<Packed> for Deliveries {
    fn from(Packed { bytes, marks }: Packed) -> Self {
        Self { bytes: bytes.into(), marks: marks.into() }
    }
}

/// Packs deliveries under the numbers they are known by from here on.
pub(crate) fn pack<'a>(deliveries: impl Iterator<Item = (u32, &'a Delivery)>) -> sg::Result<Packed> {
    let limits = Limits::default();
    let (mut bytes, mut marks) = (Vec::new(), Vec::new());
    for (number, delivery) in deliveries {
        let mut head = Writer::new(&limits);
        head.list(7);
        head.inside(|head| {
            head.text(&delivery.id().to_string());
            maybe(head, delivery.lane());
            head.text(delivery.trace_id());
            maybe(head, delivery.message_id());
            head.int(delivery.replays().into());
            maybe(head, delivery.traceparent());
            maybe(head, delivery.tracestate());
        });
        bytes.extend_from_slice(&head.finish()?);
        let end = offset(bytes.len())?;
        bytes.extend_from_slice(&delivery.raw());
        let flags = u32::from(delivery.redelivered())
            + 2 * u32::from(delivery.is_cancelled())
            + 4 * u32::from(delivery.is_suspect());
        let attempt = delivery.attempt().saturating_mul(8) | flags;
        marks.extend([number, attempt, end, offset(bytes.len())?]);
    }
    Ok(Packed { bytes, marks })
}

fn maybe(head: &mut Writer, text: Option<&str>) {
    match text {
        Some(text) => head.text(text),
        None => head.nil(),
    }
}

fn offset(n: usize) -> sg::Result<u32> {
    u32::try_from(n).map_err(|_| sg::Error::internal("a batch of deliveries exceeds 4 GiB"))
}

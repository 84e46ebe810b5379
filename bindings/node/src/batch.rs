//! Bursts on their way to JavaScript: receipts and deliveries, each as one buffer and an array of numbers.

use std::fmt::Write;
use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Uint32Array};
use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::envelope::Limits;
use stargazer_core::envelope::codec::Writer;
use stargazer_core::topology::Name;
use stargazer_core::{Delivery, Durability, Receipt};

use crate::error::Failure;

/// What became of bursts of publishes.
#[napi(object, object_from_js = false)]
pub struct Receipts {
    /// The numbers of the bursts.
    pub bursts: Uint32Array,
    /// For each publish, burst by burst: twice its place, plus one when it was a duplicate; the greatest number when it failed.
    pub marks: Uint32Array,
    /// The ids of those that did not, with a comma between.
    pub ids: String,
    /// Streams and durabilities that occur: name, durability, name, durability, …
    pub places: Vec<String>,
}

/// Gathers what became of publishes.
#[derive(Default)]
pub(crate) struct Gathered {
    bursts: Vec<u32>,
    marks: Vec<u32>,
    ids: String,
    known: Vec<(Name, Durability)>,
    refusals: Vec<Failure>,
}

impl Gathered {
    /// Begins the next burst.
    pub(crate) fn begin(&mut self, burst: u32) {
        self.bursts.push(burst);
    }

    /// Adds what became of one publish of the burst.
    pub(crate) fn add(&mut self, result: sg::Result<Receipt>) {
        let receipt = match result {
            Ok(receipt) => receipt,
            Err(error) => {
                self.marks.push(u32::MAX);
                return self.refusals.push(error.into());
            }
        };
        let known = self.known.iter().rposition(|(stream, durability)| {
            *durability == receipt.durability && (Arc::ptr_eq(stream, &receipt.stream) || *stream == receipt.stream)
        });
        let place = known.unwrap_or_else(|| {
            self.known.push((receipt.stream, receipt.durability));
            self.known.len() - 1
        });
        self.marks.push(u32::try_from(place).unwrap_or(0) * 2 + u32::from(receipt.duplicate));
        if !self.ids.is_empty() {
            self.ids.push(',');
        }
        // Writing to a text cannot fail.
        let _ = write!(self.ids, "{}", receipt.id);
    }

    /// What crosses, with the failures in their order; nothing when there was no burst.
    pub(crate) fn into_parts(self) -> (Option<Receipts>, Vec<Failure>) {
        let Self { bursts, marks, ids, known, refusals } = self;
        let place = |(stream, durability): (Name, Durability)| [stream.to_string(), durability.to_string()];
        let places = known.into_iter().flat_map(place).collect();
        let receipts =
            (!bursts.is_empty()).then(|| Receipts { bursts: bursts.into(), marks: marks.into(), ids, places });
        (receipts, refusals)
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

//! What core knows of envelopes and TypeScript has to know as well: what stands for a field that is missing.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use sg::envelope::{Envelope, Inbound, Limits, Map, Outbound};
use stargazer_core as sg;

use crate::error::Failure;

/// Bodies whose fields are the defaults, as msgpack.
#[napi(object, object_from_js = false)]
pub struct Defaults {
    /// An inbound envelope.
    pub inbound: Buffer,
    /// An outbound envelope of each type.
    pub outbound: Vec<Buffer>,
    /// Why there are none.
    pub failure: Option<Failure>,
}

/// What readers take for the fields that an envelope does not have.
#[napi]
pub fn defaults() -> Defaults {
    match written() {
        Ok((inbound, outbound)) => Defaults { inbound, outbound, failure: None },
        Err(error) => Defaults { inbound: Buffer::default(), outbound: Vec::new(), failure: Some(error.into()) },
    }
}

fn written() -> sg::Result<(Buffer, Vec<Buffer>)> {
    let outbound = [
        Outbound::message("", ""),
        Outbound::file("", "", sg::envelope::File::default().mimetype, Vec::new()),
        Outbound::buttons("", "", []),
        Outbound::reaction("", "", ""),
        Outbound::typing(""),
        Outbound::presence("", None),
        Outbound::rpc("", Map::new(), "", ""),
    ];
    let outbound = outbound.iter().map(bytes).collect::<sg::Result<_>>()?;
    Ok((bytes(&Inbound::default())?, outbound))
}

fn bytes<E: Envelope>(envelope: &E) -> sg::Result<Buffer> {
    Ok(envelope.write(&Limits::default())?.to_vec().into())
}

/// The key of a channel across platforms, which is its lane.
#[napi]
pub fn channel_key(platform: String, channel: String) -> String {
    Inbound::new_at(platform, channel, "", "", 0.0).channel_key
}

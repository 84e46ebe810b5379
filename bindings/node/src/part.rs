//! Parts of the core that are called by name with plain values: the store, the Redis platform, proxies, ways in.

// Arguments of what JavaScript calls are taken out of its values, hence owned.
#![allow(clippy::needless_pass_by_value)]

use napi::bindgen_prelude::{Buffer, ClassInstance};
use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::config::ConsumerConfig;
use stargazer_core::host;

use crate::error::Failure;
use crate::port::{Answer, Queue, ask};
use crate::settings::ConsumerSettings;

/// A part of the core.
#[napi]
pub struct Part {
    inner: host::Part,
    queue: Queue,
}

impl Part {
    pub(crate) fn new(inner: host::Part, queue: Queue) -> Self {
        Self { inner, queue }
    }

    /// A gateway, with the names and numbers of functions that answer calls.
    pub(crate) fn gateway(
        bus: &sg::Publisher,
        queue: Queue,
        errands: &host::Errands,
        parts: &[ClassInstance<'_, Self>],
        methods: Vec<(String, u32)>,
        given: (ConsumerSettings, &[u8]),
    ) -> OpenedPart {
        let adapters: Vec<_> = parts.iter().map(|part| part.inner.clone()).collect();
        let opened = gateway_consumers(given.0)
            .and_then(|consumer| host::Part::gateway(bus, errands, &adapters, methods, Some(consumer), given.1));
        match opened {
            Ok(part) => OpenedPart { part: Some(Self::new(part, queue)), failure: None },
            Err(error) => OpenedPart { part: None, failure: Some(error.into()) },
        }
    }

    pub(crate) fn open(bus: &sg::Publisher, queue: Queue, name: &str, arguments: &[u8]) -> OpenedPart {
        match host::Part::open(bus, name, arguments) {
            Ok(part) => OpenedPart { part: Some(Self::new(part, queue)), failure: None },
            Err(error) => OpenedPart { part: None, failure: Some(error.into()) },
        }
    }
}

#[napi]
impl Part {
    /// A call with its arguments in msgpack; the answer is plain, a part, or a receipt with something plain beside it.
    #[napi]
    pub fn perform(&self, token: u32, call: String, arguments: &[u8]) {
        let (part, arguments) = (self.inner.clone(), arguments.to_vec());
        ask(&self.queue, token, async move {
            Ok(match part.perform(&call, &arguments).await? {
                host::Given::Plain(value) => Answer::Plain(value),
                host::Given::Part(part) => Answer::Part(part),
                host::Given::Stored(receipt, value) => Answer::Stored(receipt, value),
            })
        });
    }

    /// A call that waits for nothing.
    #[napi]
    pub fn at_once(&self, call: String, arguments: &[u8]) -> Converted {
        self.inner.perform_at_once(&call, arguments).into()
    }
}

fn gateway_consumers(settings: ConsumerSettings) -> sg::Result<ConsumerConfig> {
    let named = settings.name.is_some();
    let (group, mut config) = settings.into_parts()?;
    if group.is_some() {
        let text = "the consumers of a gateway read in its own group; leave `group` out";
        return Err(sg::Error::invalid(text).with_context("field", "group"));
    }
    if !named {
        config.name = host::gateway_consumer().name;
    }
    Ok(config)
}

/// A part, or why there is none: JavaScript makes the error.
#[napi]
pub struct OpenedPart {
    part: Option<Part>,
    failure: Option<Failure>,
}

#[napi]
impl OpenedPart {
    /// Why it was not opened; once.
    #[napi]
    pub fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// The part; once.
    #[napi]
    pub fn part(&mut self) -> Option<Part> {
        self.part.take()
    }
}

/// A plain value in msgpack, or why there is none.
#[napi(object, object_from_js = false)]
pub struct Converted {
    /// The value.
    pub value: Option<Buffer>,
    /// Why there is none.
    pub failure: Option<Failure>,
}

impl From<sg::Result<bytes::Bytes>> for Converted {
    fn from(result: sg::Result<bytes::Bytes>) -> Self {
        match result {
            Ok(value) => Self { value: Some(value.to_vec().into()), failure: None },
            Err(error) => Self { value: None, failure: Some(error.into()) },
        }
    }
}

/// A conversion that belongs to no bus, with its arguments in msgpack.
#[napi]
pub fn convert(name: String, arguments: &[u8]) -> Converted {
    host::convert(&name, arguments).into()
}

/// What was stored.
#[napi(object, object_from_js = false)]
pub struct StoredReceipt {
    /// The entry's id.
    pub id: String,
    /// The stream.
    pub stream: String,
    /// How safe it is.
    pub durability: String,
    /// The message id had been published before.
    pub duplicate: bool,
}

impl From<sg::Receipt> for StoredReceipt {
    fn from(receipt: sg::Receipt) -> Self {
        Self {
            id: receipt.id.to_string(),
            stream: receipt.stream.to_string(),
            durability: receipt.durability.to_string(),
            duplicate: receipt.duplicate,
        }
    }
}

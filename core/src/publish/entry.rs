//! From an encoded body to the entry that is appended.

use bytes::Bytes;
use uuid::Uuid;

use super::{Origin, Publisher};
use crate::config::BIG_BODY;
use crate::envelope::{EntryFields, Envelope, Head, Kind, Value};
use crate::error::{Error, Result};
use crate::topology::{self, Name};
use crate::transport::{Append, Dedupe, Replicas, Retention, check};

/// Where something is published, which also says what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The inbound stream: an inbound envelope.
    Inbound,
    /// A platform's outbound stream: an outbound envelope.
    Outbound {
        /// The platform.
        platform: String,
    },
    /// The tools stream: a tool request.
    ToolsRequest,
    /// The stream of a service's requests: a tool request.
    Service {
        /// The service.
        name: String,
    },
    /// A reply stream: a tool reply.
    ToolsReply {
        /// Its name, as the request gave it.
        stream: String,
    },
    /// Any other stream: any map.
    Stream {
        /// Its name, see [`crate::topology::Topology::named_stream`].
        name: String,
    },
}

/// What may be said about one publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishOptions {
    /// Publishing again under the same id inside the dedupe window stores nothing twice.
    pub message_id: Option<String>,
    /// The lane; by default that of the envelope's channel.
    pub key: Option<String>,
    /// Trace id; by default the envelope's.
    pub trace_id: Option<String>,
    /// W3C `traceparent`.
    pub traceparent: Option<String>,
    /// W3C `tracestate`.
    pub tracestate: Option<String>,
    /// Replicas that must confirm it; by default as the bus is set. Publishes that ask for different numbers keep their
    /// order only when one is awaited before the next.
    pub wait_replicas: Option<u32>,
}

/// An encoded body and where it goes.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Where to.
    pub target: Target,
    /// msgpack of the envelope.
    pub data: Bytes,
    /// Options.
    pub options: PublishOptions,
}

impl Publisher {
    /// The entry; `known` is what its body is known to say, else that is looked at and checked.
    pub(super) fn prepare(&self, outgoing: Outgoing, known: Option<Head<'_>>) -> Result<Append> {
        let Outgoing { target, mut data, options } = outgoing;
        let (config, topology) = (self.config(), self.topology());
        let (stream, kind, retention): (Name, Kind, Retention) = match &target {
            Target::Inbound => (self.inbound_stream(), Kind::Inbound, config.retention),
            Target::Outbound { platform } => {
                if platform.is_empty() {
                    return Err(Error::invalid("a platform must be named").with_context("field", "platform"));
                }
                if !config.unchecked_envelopes {
                    data = self.with_platform(data, platform)?;
                }
                (topology.outbound_stream(platform), Kind::Outbound, config.retention)
            }
            Target::ToolsRequest => (topology.tools_stream.as_str().into(), Kind::ToolRequest, config.retention),
            Target::Service { name } => {
                (topology.service_stream(Some(name.as_str())), Kind::ToolRequest, config.retention)
            }
            Target::ToolsReply { stream } => (check_name(stream)?, Kind::ToolReply, config.reply_retention),
            Target::Stream { name } => {
                check_name(name)?;
                (topology.named_stream(name), Kind::Plain, config.retention)
            }
        };
        let head = match known {
            Some(head) => head,
            None if config.unchecked_envelopes => Kind::Plain.inspect(&data, &self.limits())?,
            None => kind.inspect(&data, &self.limits())?,
        };
        let mut entry = EntryFields::of_bytes(data.clone(), kind, &head, self.clock().wall_ms());
        if let Some(lane) = options.key {
            entry.key = Some(lane.into());
        }
        if let Some(trace_id) = options.trace_id {
            entry.trace_id = trace_id;
        }
        // What is published in the name of a delivery belongs to its trace.
        let origin = self.origin().filter(|_| entry.trace_id.is_empty());
        if let Some(origin) = origin {
            entry.trace_id.clone_from(&origin.trace_id);
        }
        (entry.traceparent, entry.tracestate) =
            Origin::context(origin.map(AsRef::as_ref), options.traceparent, options.tracestate);
        self.trace_publish(&target, &stream, &entry.trace_id);
        let big = data.len() > BIG_BODY && !config.inline_bodies && matches!(retention, Retention::Acked { .. });
        entry.mid = options.message_id.or_else(|| big.then(|| Uuid::new_v4().simple().to_string()));
        let mut append = Append::new(stream.clone(), Vec::new());
        if let Some(id) = &entry.mid {
            if id.is_empty() || id.len() > topology::MAX_MESSAGE_ID_BYTES {
                return Err(Error::invalid("a message id has 1 to 256 bytes").with_context("field", "message_id"));
            }
            let key = topology::message_id_key(&stream, id);
            append.dedupe = Some(Dedupe { key, window: config.dedupe_window });
            if big {
                // Of its own, whatever the message id: one that is published again after its window has another body.
                let key = topology::body_key(&stream, &Uuid::new_v4().simple().to_string());
                let body = entry.take_body(&*key);
                append.body = Some((key, body));
            }
        }
        append.replicas = match options.wait_replicas.unwrap_or(config.wait_replicas) {
            0 => None,
            count => {
                config.check_replica_timeout()?;
                Some(Replicas { count, within: config.replica_timeout })
            }
        };
        append.fence.clone_from(&self.fence);
        append.fields = entry.write()?;
        match retention {
            Retention::Acked { cap } if config.strict_cap => append.strict_cap = Some(cap),
            Retention::Capped { max_len } => append.max_len = Some(max_len),
            Retention::Acked { .. } | Retention::Forever => {}
        }
        Ok(append)
    }

    /// An outbound envelope that names no platform, or another one, gets the one of its stream; what else it says, or does not say,
    /// stays as it is.
    fn with_platform(&self, data: Bytes, platform: &str) -> Result<Bytes> {
        let named = Kind::Plain.inspect(&data, &self.limits())?.platform == Some(platform);
        if named {
            return Ok(data);
        }
        let envelope = Value::decode_with(&data, &self.limits()).map_err(crate::envelope::codec::as_invalid)?;
        // What is no map is refused where it is looked at.
        let Value::Map(mut fields) = envelope else { return Ok(data) };
        fields.insert("platform", platform);
        Value::Map(fields).write(&self.limits())
    }
}

fn check_name(stream: &str) -> Result<Name> {
    check::name("stream", stream)?;
    Ok(stream.into())
}

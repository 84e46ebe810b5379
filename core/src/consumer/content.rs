//! Looking at what was fetched before the machine sees it: big bodies are brought in, bad ones are found out.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::machine::{Arrived, Content};
use crate::envelope::{self, Kind, Limits, MAX_LANE_BYTES};
use crate::error::{Error, Result};
use crate::topology::{Name, channel_lock, field as name, is_body_key};
use crate::transport::{Fields, Handed, Lane, LockId, Transport, field};

/// What a consumer expects of a body.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    /// The stream that it reads: only keys beside it can be bodies of its entries.
    pub stream: Name,
    pub kind: Kind,
    pub limits: Limits,
    /// What locks are named after, where entries need one.
    pub locks: Option<LockId>,
}

impl Judge {
    /// Turns fetched entries into arrived ones.
    pub(super) async fn arrive(&self, transport: &dyn Transport, entries: Vec<Handed>) -> Result<Vec<Arrived>> {
        let bodies = self.bring(transport, entries.iter().filter_map(|entry| entry.fields.as_ref())).await?;
        let arrive = |mut entry: Handed| {
            let body = entry.fields.as_ref().and_then(|fields| self.reference(fields));
            let content = self.content(entry.fields.take(), body.as_ref(), &bodies);
            let locks = self.locks(&content, entry.lane.as_ref());
            let Handed { id, lane, history, record, .. } = entry;
            Arrived { id, lane, history, record, content, body, locks }
        };
        Ok(entries.into_iter().map(arrive).collect())
    }

    /// The contents of entries that were read again.
    pub(super) async fn contents(
        &self,
        transport: &dyn Transport,
        entries: Vec<Option<crate::transport::Entry>>,
    ) -> Result<Vec<Content>> {
        let bodies = self.bring(transport, entries.iter().flatten().map(|entry| &entry.fields)).await?;
        let judge = |entry: Option<crate::transport::Entry>| {
            let body = entry.as_ref().and_then(|entry| self.reference(&entry.fields));
            self.content(entry.map(|entry| entry.fields), body.as_ref(), &bodies)
        };
        Ok(entries.into_iter().map(judge).collect())
    }

    fn content(&self, fields: Option<Fields>, body: Option<&Name>, bodies: &HashMap<Name, Option<Bytes>>) -> Content {
        let Some(mut fields) = fields else { return Content::Vanished };
        if let Some(key) = body {
            let Some(Some(bytes)) = bodies.get(key) else {
                let error = Error::malformed("the entry's body is gone: the key it names does not exist")
                    .with_context("key", key);
                return Content::Bad(error, Arc::new(fields));
            };
            fields.retain(|(k, _)| k != name::REF.as_bytes() && k != name::DATA.as_bytes());
            fields.push((Bytes::from_static(name::DATA.as_bytes()), bytes.clone()));
        } else if let Some(key) = field(&fields, name::REF).filter(|key| !key.is_empty()) {
            let error = Error::malformed("the entry names a key as its body that does not stand beside its stream")
                .with_context("key", String::from_utf8_lossy(key));
            return Content::Bad(error, Arc::new(fields));
        }
        match self.check(&fields) {
            Ok(()) => Content::Good(Arc::new(fields)),
            Err(error) => Content::Bad(error, Arc::new(fields)),
        }
    }

    /// Names of the locks that an entry needs: none without a lane, and none for an unaddressed message.
    fn locks(&self, content: &Content, lane: Option<&Lane>) -> Arc<[Name]> {
        let (Some(by), Some(lane), Content::Good(fields)) = (self.locks, lane, content) else { return Arc::default() };
        let channel = envelope::channel_of(fields);
        if !channel.addressed {
            return Arc::default();
        }
        let name = |id: Option<&Bytes>| channel_lock(&String::from_utf8_lossy(id.unwrap_or(lane)));
        let (id, key) = (name(channel.id.as_ref()), name(channel.key.as_ref()));
        match by {
            LockId::ChannelId => [id].into(),
            LockId::ChannelKey => [key].into(),
            LockId::Both if id == key => [id].into(),
            LockId::Both => [id, key].into(),
        }
    }

    fn check(&self, fields: &Fields) -> Result<()> {
        if field(fields, name::KEY).is_some_and(|key| key.len() > MAX_LANE_BYTES || std::str::from_utf8(key).is_err()) {
            return Err(Error::malformed(format!("the lane must be text of at most {MAX_LANE_BYTES} bytes"))
                .with_context("field", name::KEY));
        }
        match field(fields, name::DATA) {
            Some(data) => self.kind.check(data, &self.limits),
            // The original reads an entry without body as an empty one; only plain consumers can make sense of it.
            None if self.kind == Kind::Plain => Ok(()),
            None => Err(Error::malformed("the entry has no body").with_context("field", name::DATA)),
        }
    }

    /// The key of the big body. Whoever may write to the stream could name any key, and a body goes with its entry.
    fn reference(&self, fields: &Fields) -> Option<Name> {
        let key = field(fields, name::REF).and_then(|key| std::str::from_utf8(key).ok())?;
        is_body_key(&self.stream, key).then(|| Name::from(key))
    }

    /// Fetches the big bodies that entries refer to.
    async fn bring(
        &self,
        transport: &dyn Transport,
        entries: impl Iterator<Item = &Fields>,
    ) -> Result<HashMap<Name, Option<Bytes>>> {
        let keys: Vec<Name> = entries.filter_map(|fields| self.reference(fields)).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let bodies = transport.bodies(&keys).await?;
        Ok(keys.into_iter().zip(bodies).collect())
    }
}

//! The Redis platform.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Answer, Calls, Part, messages, sends};
use crate::envelope::arguments::{Arguments, map};
use crate::envelope::{Map, Value};
use crate::error::Result;
use crate::platform::Adapter;
use crate::platform::redis::{
    DeletedInstance, Injection, Instance, Listing, NewInstance, RedisPlatform, RedisPlatformConfig, Replies,
    StoredFile, User,
};
use crate::publish::Publisher;
use crate::store::EntryId;

/// With settings by the names of [`RedisPlatformConfig::from_map`].
pub(super) fn open(bus: &Publisher, settings: &Map) -> Result<Part> {
    let given: Map = settings.iter().filter(|(_, value)| !value.is_nil()).cloned().collect();
    let platform = RedisPlatform::new(bus.clone(), RedisPlatformConfig::from_map(&given)?)?;
    Ok(Part::of(Platform(Arc::new(platform))))
}

struct Platform(Arc<RedisPlatform>);

#[async_trait]
impl Calls for Platform {
    async fn call(&self, call: &str, mut take: Arguments<'_>) -> Result<Answer> {
        let platform = &*self.0;
        let value = match call {
            "create_instance" => {
                let mut new = NewInstance::new().with_display_name(take.some_text("display_name")?);
                (new.instance_id, new.api_key) = (take.text("instance_id")?, take.text("api_key")?);
                new.metadata = take.map("metadata")?;
                take.end()?;
                let made = platform.create_instance(new).await?;
                map([("instance_id", made.instance_id.into()), ("api_key", made.api_key.into())])
            }
            "validate_api_key" => {
                platform.validate_api_key(take.need_text("instance_id")?, take.need_text("api_key")?).await?.into()
            }
            "instance_exists" => platform.instance_exists(take.need_text("instance_id")?).await?.into(),
            "list_instances" => listing(&platform.list_instances().await?, instance),
            "get_instance" => {
                let found = platform.get_instance(take.need_text("instance_id")?).await?;
                found.as_ref().map_or(Value::Nil, instance)
            }
            "update_instance" => {
                let (id, name) = (take.need_text("instance_id")?, take.as_text("display_name")?);
                let metadata = take.map("metadata")?;
                take.end()?;
                platform.update_instance(id, name, &metadata).await?.into()
            }
            "delete_instance" => {
                let deleted: DeletedInstance = platform.delete_instance(take.need_text("instance_id")?).await?;
                deleted.to_map().into()
            }
            "register_user" => {
                let (id, user) = (take.need_text("instance_id")?, take.need_text("user_id")?);
                let (name, metadata) = (take.need_text("display_name")?, take.map("metadata")?);
                take.end()?;
                platform.register_user(id, user, name, metadata).await?.to_map().into()
            }
            "list_users" => {
                listing(&platform.list_users(take.need_text("instance_id")?).await?, |user| User::to_map(user).into())
            }
            "get_user" => {
                let found = platform.get_user(take.need_text("instance_id")?, take.need_text("user_id")?).await?;
                found.map(|user| user.to_map()).into()
            }
            "delete_user" => {
                platform.delete_user(take.need_text("instance_id")?, take.need_text("user_id")?).await?.into()
            }
            "user_exists" => {
                platform.user_exists(take.need_text("instance_id")?, take.need_text("user_id")?).await?.into()
            }
            "has_users" => platform.has_users(take.need_text("instance_id")?).await?.into(),
            "inject_message" => {
                let injected = platform.inject_message(injection(take)?).await?;
                let ids = [("message_id", injected.message_id.into()), ("trace_id", injected.trace_id.into())];
                return Ok(Answer::Stored(injected.receipt, map(ids)));
            }
            "incoming" => messages::incoming_value(&platform.incoming(injection(take)?).await?)?,
            "replies" => {
                let (id, (after, count, wait)) = (take.need_text("instance_id")?, page(&mut take)?);
                replies(platform.replies(id, after, count, wait).await?)
            }
            "turn_replies" => {
                let (id, trace_id) = (take.need_text("instance_id")?, take.need_text("trace_id")?);
                let (after, count, wait) = page(&mut take)?;
                replies(platform.turn_replies(id, trace_id, after, count, wait).await?)
            }
            "last_reply" => platform.last_reply(take.need_text("instance_id")?).await?.to_string().into(),
            "get_file" => platform.get_file(take.need_text("file_id")?).await?.map_or(Value::Nil, file),
            other => sends::or_none(sends::call(platform, other, take).await?, other)?,
        };
        Ok(value.into())
    }

    fn at_once(&self, call: &str, mut take: Arguments<'_>) -> Result<Value> {
        match call {
            "file_url" => Ok(self.0.file_url(take.need_text("file_id")?, take.need_text("filename")?).into()),
            other => Err(super::no_call(other)),
        }
    }

    fn adapter(&self) -> Option<Arc<dyn Adapter>> {
        Some(self.0.clone())
    }
}

fn injection(mut take: Arguments<'_>) -> Result<Injection> {
    let (id, text, user) = (take.need_text("instance_id")?, take.need_text("text")?, take.need_text("user_id")?);
    let mut injection = Injection::new(id, text, user)
        .with_user_name(take.some_text("user_name")?)
        .with_message_id(take.some_text("message_id")?)
        .with_response_nonce(take.some_text("response_nonce")?);
    injection.is_addressed = take.maybe_flag("is_addressed")?.unwrap_or(true);
    injection.attachments = messages::attachments(&mut take)?;
    injection.channel_name = take.some_text("channel_name")?;
    injection.reply_to_id = take.some_text("reply_to_id")?;
    injection.extra = take.map("extra")?;
    injection.reactions = take.some_text("reactions")?;
    take.end()?;
    Ok(injection)
}

/// Where to read on, how many, and how long to wait.
fn page(take: &mut Arguments<'_>) -> Result<(EntryId, usize, Duration)> {
    let after = take.parsed("after")?.unwrap_or(EntryId::ZERO);
    Ok((after, take.number("count")?.unwrap_or(100), take.millis("wait")?.unwrap_or_default()))
}

fn instance(instance: &Instance) -> Value {
    map([
        ("instance_id", instance.instance_id.as_str().into()),
        ("display_name", instance.display_name.as_str().into()),
        ("created_at", instance.created_at.as_str().into()),
        ("metadata", instance.metadata.clone().into()),
    ])
}

fn listing<T>(listing: &Listing<T>, item: impl Fn(&T) -> Value) -> Value {
    let skipped =
        listing.skipped.iter().map(|one| Map::from([("id", one.id.as_str()), ("reason", one.reason.as_str())]));
    map([("items", listing.items.iter().map(item).collect()), ("skipped", skipped.collect::<Vec<Map>>().into())])
}

fn replies(replies: Replies) -> Value {
    let items = replies.items.into_iter().map(|reply| {
        map([("id", reply.id.to_string().into()), ("body", reply.body.into()), ("trace_id", reply.trace_id.into())])
    });
    map([
        ("items", Value::List(items.collect())),
        ("next", replies.next.to_string().into()),
        ("gap", replies.gap.into()),
    ])
}

fn file(file: StoredFile) -> Value {
    map([
        ("file_id", file.file_id.into()),
        ("filename", file.filename.into()),
        ("mimetype", file.mimetype.into()),
        ("timestamp", file.timestamp.into()),
        ("channel_id", file.channel_id.into()),
        ("data", file.data.into()),
    ])
}

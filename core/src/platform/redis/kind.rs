//! The platform by name: its settings as a configuration spells them.

use std::sync::Arc;
use std::time::Duration;

use super::{PLATFORM, RedisPlatform, RedisPlatformConfig};
use crate::envelope::{Map, Value};
use crate::error::{Error, Result};
use crate::platform::AdapterKinds;

/// Where a setting goes.
enum Slot<'a> {
    Flag(&'a mut bool),
    Milliseconds(&'a mut Duration),
    Size(&'a mut usize),
    Count(&'a mut u64),
    Text(&'a mut String),
    Texts(&'a mut Vec<String>),
}

impl RedisPlatformConfig {
    /// The settings of a plain map: the names of this struct's fields and of [`crate::topology::redis_platform::RedisPlatformNames`],
    /// durations as whole milliseconds under a name that ends in `_ms`. `Invalid` naming a setting that is unknown or of the
    /// wrong type.
    pub fn from_map(map: &Map) -> Result<Self> {
        let mut config = Self::default();
        for (name, value) in map {
            let Some((_, slot)) = config.slots().into_iter().find(|(known, _)| known == name) else {
                let known: Vec<&str> = Self::default().slots().into_iter().map(|(name, _)| name).collect();
                let text = format!("the redis platform has no setting {name:?}; known are: {}", known.join(", "));
                return Err(Error::invalid(text).with_context("setting", name));
            };
            if let Err(expected) = slot.set(value) {
                let text = format!("{name} must be {expected}, found {}", value.type_name());
                return Err(Error::invalid(text).with_context("setting", name));
            }
        }
        config.validate()?;
        Ok(config)
    }

    fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        let names = &mut self.names;
        vec![
            ("legacy_writes", Slot::Flag(&mut self.legacy_writes)),
            ("file_ttl_ms", Slot::Milliseconds(&mut self.file_ttl)),
            ("max_file_bytes", Slot::Size(&mut self.max_file_bytes)),
            ("file_url", Slot::Text(&mut self.file_url)),
            ("replies_max_len", Slot::Count(&mut self.replies_max_len)),
            ("replies_ttl_ms", Slot::Milliseconds(&mut self.replies_ttl)),
            ("turn_max_len", Slot::Count(&mut self.turn_max_len)),
            ("turn_ttl_ms", Slot::Milliseconds(&mut self.turn_ttl)),
            ("max_metadata_bytes", Slot::Size(&mut self.max_metadata_bytes)),
            ("bot_id", Slot::Text(&mut self.bot_id)),
            ("bot_name", Slot::Text(&mut self.bot_name)),
            ("plain_ids", Slot::Flag(&mut names.plain_ids)),
            ("file_field", Slot::Text(&mut names.file_field)),
            ("wait_lock", Slot::Text(&mut names.wait_lock)),
            ("channel_state", Slot::Texts(&mut names.channel_state)),
            ("reply_message_id", Slot::Text(&mut names.reply_message_id)),
            ("reply_file_id", Slot::Text(&mut names.reply_file_id)),
            ("reply_url", Slot::Text(&mut names.reply_url)),
            ("reply_nonce", Slot::Text(&mut names.reply_nonce)),
        ]
    }
}

impl Slot<'_> {
    fn set(self, value: &Value) -> Result<(), &'static str> {
        match self {
            Self::Flag(flag) => *flag = value.as_bool().ok_or("a truth value")?,
            Self::Milliseconds(duration) => {
                *duration = value.as_u64().map(Duration::from_millis).ok_or("a whole number of milliseconds")?;
            }
            Self::Size(size) => {
                let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
                *size = number.ok_or("a whole number of bytes")?;
            }
            Self::Count(count) => *count = value.as_u64().ok_or("a whole number")?,
            Self::Text(text) => value.as_str().ok_or("text")?.clone_into(text),
            Self::Texts(texts) => {
                let items = value.as_list().ok_or("a list of texts")?;
                let read: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                *texts = read.ok_or("a list of texts")?;
            }
        }
        Ok(())
    }
}

/// Adds the kind `redis`.
pub(crate) fn register(kinds: &mut AdapterKinds) -> Result<()> {
    kinds.register(PLATFORM, |bus, settings| {
        let config = RedisPlatformConfig::from_map(settings)?;
        Ok(Arc::new(RedisPlatform::new(bus.clone(), config)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_by_their_names() {
        let map = Map::from([
            ("legacy_writes", Value::from(true)),
            ("turn_ttl_ms", 5000.into()),
            ("max_file_bytes", 10.into()),
            ("channel_state", vec!["goals:{id}"].into()),
            ("reply_nonce", "response_nonce".into()),
        ]);
        let config = RedisPlatformConfig::from_map(&map).unwrap();
        assert!(config.legacy_writes && config.turn_ttl == Duration::from_secs(5) && config.max_file_bytes == 10);
        assert_eq!(config.names.channel_state, ["goals:{id}"]);
        assert_eq!(config.names.reply_nonce, "response_nonce");
    }

    #[test]
    fn what_is_no_setting_is_refused_by_name() {
        for (name, value) in [
            ("turn_ttl", Value::from(5)),
            ("turn_ttl_ms", 1.5.into()),
            ("turn_ttl_ms", 0.into()),
            ("legacy_writes", "yes".into()),
            ("channel_state", vec![5].into()),
            ("channel_state", vec!["all"].into()),
        ] {
            let error = RedisPlatformConfig::from_map(&Map::from([(name, value)])).unwrap_err();
            assert_eq!(error.code(), "invalid");
            assert!(error.context()[0].1.starts_with(name.trim_end_matches("_ms")), "{error}");
        }
    }
}

//! Settings of the Redis platform, with their defaults; checked when the platform is made.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::topology::redis_platform::RedisPlatformNames;

/// Settings of the Redis platform.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RedisPlatformConfig {
    /// Inferred names of the original.
    pub names: RedisPlatformNames,
    /// Write what processes of the original read: keys in clear in the instance's hash, files as base64 text, ids in key
    /// names as they are (setting `wire.legacy_platform_writes`). No.
    pub legacy_writes: bool,
    /// How long a file is kept. 24 hours.
    pub file_ttl: Duration,
    /// Bytes of the largest file. 16 MiB.
    pub max_file_bytes: usize,
    /// Address of a file: this, its id, its name, with slashes between. `/redis-platform/files`.
    pub file_url: String,
    /// Replies kept of an instance, about. 1000.
    pub replies_max_len: u64,
    /// How long after the last one an instance's replies are kept. 24 hours.
    pub replies_ttl: Duration,
    /// Replies kept of a turn, about. 1000.
    pub turn_max_len: u64,
    /// How long after its last reply a turn is kept. 15 minutes.
    pub turn_ttl: Duration,
    /// Bytes of metadata that an instance or a user may carry, names included. 64 KiB.
    pub max_metadata_bytes: usize,
    /// Id of the bot on this platform. `star`.
    pub bot_id: String,
    /// Name of the bot on this platform. `Star`.
    pub bot_name: String,
}

impl Default for RedisPlatformConfig {
    fn default() -> Self {
        Self {
            names: RedisPlatformNames::default(),
            legacy_writes: false,
            file_ttl: Duration::from_secs(24 * 60 * 60),
            max_file_bytes: 16 * 1024 * 1024,
            file_url: "/redis-platform/files".into(),
            replies_max_len: 1000,
            replies_ttl: Duration::from_secs(24 * 60 * 60),
            turn_max_len: 1000,
            turn_ttl: Duration::from_secs(15 * 60),
            max_metadata_bytes: 64 * 1024,
            bot_id: "star".into(),
            bot_name: "Star".into(),
        }
    }
}

impl RedisPlatformConfig {
    /// Checks every range; `Invalid` naming the setting.
    pub fn validate(&self) -> Result<()> {
        let second = Duration::from_secs(1);
        for (name, value) in
            [("file_ttl", self.file_ttl), ("replies_ttl", self.replies_ttl), ("turn_ttl", self.turn_ttl)]
        {
            if value < second {
                return Err(wrong(name, format!("{value:?}"), "at least 1 s"));
            }
        }
        for (name, value) in [("replies_max_len", self.replies_max_len), ("turn_max_len", self.turn_max_len)] {
            if value == 0 {
                return Err(wrong(name, 0, "at least 1"));
            }
        }
        for (name, value) in [("max_file_bytes", self.max_file_bytes), ("max_metadata_bytes", self.max_metadata_bytes)]
        {
            if value == 0 {
                return Err(wrong(name, 0, "at least 1 byte"));
            }
        }
        for (name, value) in [
            ("bot_id", &self.bot_id),
            ("bot_name", &self.bot_name),
            ("file_field", &self.names.file_field),
            ("wait_lock", &self.names.wait_lock),
            ("reply_message_id", &self.names.reply_message_id),
            ("reply_file_id", &self.names.reply_file_id),
            ("reply_url", &self.names.reply_url),
            ("reply_nonce", &self.names.reply_nonce),
        ] {
            if value.is_empty() {
                return Err(wrong(name, "\"\"", "at least one character"));
            }
        }
        // A template without the id would delete what belongs to all.
        if let Some(template) = self.names.channel_state.iter().find(|template| !template.contains("{id}")) {
            return Err(wrong("channel_state", format!("{template:?}"), "a name with {id} in it"));
        }
        Ok(())
    }
}

fn wrong(name: &str, value: impl std::fmt::Display, range: &str) -> Error {
    Error::invalid(format!("{name} is {value}; it must be {range}")).with_context("setting", name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn defaults_are_valid_and_ranges_are_named() {
        RedisPlatformConfig::default().validate().unwrap();
        let mut config = RedisPlatformConfig { turn_ttl: Duration::ZERO, ..RedisPlatformConfig::default() };
        assert!(config.validate().unwrap_err().message().starts_with("turn_ttl"));
        config.turn_ttl = Duration::from_secs(1);
        config.names.channel_state.push("channel_goals".into());
        let error = config.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("{id}"), "{error}");
    }
}

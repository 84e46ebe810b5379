//! Who the bot is on a platform.

use crate::envelope::{Map, Value};
use crate::error::{Error, Result};

/// The bot on one platform. `platform` and `user_id` are documented for the original; the others are left out of its map
/// where a platform has none.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct BotIdentity {
    /// The platform.
    pub platform: String,
    /// The bot's id there, `""` for unknown.
    pub user_id: String,
    /// Its name as people see it.
    pub display_name: Option<String>,
    /// What people write to address it.
    pub mention: Option<String>,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

impl BotIdentity {
    /// A bot of which only the platform is known.
    pub fn new(platform: impl Into<String>) -> Self {
        Self { platform: platform.into(), ..Self::default() }
    }

    /// Sets its id.
    pub fn with_user_id(mut self, id: impl Into<String>) -> Self {
        self.user_id = id.into();
        self
    }

    /// Sets its name.
    pub fn with_display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// Sets what people write to address it.
    pub fn with_mention(mut self, mention: impl Into<String>) -> Self {
        self.mention = Some(mention.into());
        self
    }

    /// As a plain map.
    pub fn to_map(&self) -> Map {
        let mut map = Map::from([("platform", self.platform.as_str()), ("user_id", self.user_id.as_str())]);
        for (key, text) in [("display_name", &self.display_name), ("mention", &self.mention)] {
            if let Some(text) = text {
                map.insert(key, text.as_str());
            }
        }
        map.extend(self.rest.iter().map(|(key, value)| (key.clone(), value.clone())));
        map
    }

    /// From a plain map. `Malformed` naming the key that is missing or no text.
    pub fn from_map(map: &Map) -> Result<Self> {
        let mut identity = Self::default();
        for (key, value) in map {
            match (key.as_str(), value) {
                ("platform", value) => identity.platform = text(key, value)?,
                ("user_id", value) => identity.user_id = text(key, value)?,
                ("display_name" | "mention", Value::Nil) => {}
                ("display_name", value) => identity.display_name = Some(text(key, value)?),
                ("mention", value) => identity.mention = Some(text(key, value)?),
                _ => identity.rest.push(key.clone(), value.clone()),
            }
        }
        if identity.platform.is_empty() {
            return Err(Error::malformed("`platform` of bot_identity is missing").with_context("field", "platform"));
        }
        Ok(identity)
    }
}

fn text(key: &str, value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| {
        let found = value.type_name();
        Error::malformed(format!("`{key}` of bot_identity must be text, found {found}")).with_context("field", key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_and_back() {
        let bot = BotIdentity::new("web").with_user_id("42").with_mention("@star");
        assert_eq!(BotIdentity::from_map(&bot.to_map()).unwrap(), bot);
        let mut more = bot.to_map();
        more.insert("avatar", "star.png");
        assert_eq!(BotIdentity::from_map(&more).unwrap().to_map(), more);
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for map in [Map::new(), Map::from([("platform", Value::from(5))])] {
            assert_eq!(BotIdentity::from_map(&map).unwrap_err().code(), "malformed");
        }
    }
}

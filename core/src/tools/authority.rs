//! Who may call what. Asked by the side that runs a tool, whatever the caller says of itself.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::ToolDefinition;
use crate::error::Result;
use crate::rpc::Identity;

/// Knows what callers are allowed.
///
/// A caller is who wrote the message that a call is made for, as the request names it. Requests are not signed: whoever may
/// write to the bus may name anybody. What is protected is one user of a platform from another one.
#[async_trait]
pub trait Authority: Send + Sync {
    /// Whether a caller has a permission. An error refuses the call, too, and is told as itself.
    async fn allows(&self, caller: &Identity, permission: &str) -> Result<bool>;
}

/// A fixed table: user to permissions.
///
/// A user is named `platform:user_id` (`discord:12345`), all users `*`, all permissions `*`.
///
/// ```
/// # use stargazer_core::tools::Grants;
/// let grants = Grants::new().with("discord:12345", ["admin", "voice"]).with("*", ["voice"]);
/// assert!(grants.has("discord", "9", "voice") && !grants.has("discord", "9", "admin"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<String, BTreeSet<String>>);

impl Grants {
    /// Nobody is allowed anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a user more.
    pub fn with<I: IntoIterator<Item: Into<String>>>(mut self, user: impl Into<String>, permissions: I) -> Self {
        self.0.entry(user.into()).or_default().extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Whether a user of a platform has a permission.
    pub fn has(&self, platform: &str, user_id: &str, permission: &str) -> bool {
        let of = |user: &str| self.0.get(user).is_some_and(|all| all.contains(permission) || all.contains("*"));
        of("*") || of(&format!("{platform}:{user_id}"))
    }
}

#[async_trait]
impl Authority for Grants {
    async fn allows(&self, caller: &Identity, permission: &str) -> Result<bool> {
        Ok(self.has(&caller.platform, &caller.user_id, permission))
    }
}

/// The first permission that a caller lacks for a tool.
pub(super) async fn lacking<'t>(
    authority: &dyn Authority,
    caller: &Identity,
    tool: &'t ToolDefinition,
) -> Result<Option<&'t str>> {
    for permission in &tool.permissions {
        if !authority.allows(caller, permission).await? {
            return Ok(Some(permission));
        }
    }
    Ok(None)
}

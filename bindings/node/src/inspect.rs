//! What looking at a bus gives, as plain data.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use stargazer_core::transport;

/// A stream at a glance.
#[napi(object, object_from_js = false)]
pub struct StreamInfo {
    /// Entries in it.
    pub length: f64,
    /// The last id it ever gave.
    pub last_id: String,
    /// Its first entry.
    pub first_entry: Option<String>,
    /// Its groups.
    pub groups: Vec<GroupInfo>,
}

/// A group at a glance.
#[napi(object, object_from_js = false)]
pub struct GroupInfo {
    /// Name.
    pub name: String,
    /// Consumers.
    pub consumers: f64,
    /// Entries handed out and not finished.
    pub pending: f64,
    /// The last id handed out.
    pub last_delivered: String,
    /// Entries not handed out yet; absent when the server does not know.
    pub lag: Option<f64>,
    /// Milliseconds until its oldest unfinished entry is trimmed; absent when that is not known.
    pub time_to_loss_ms: Option<f64>,
}

/// Pending entries of a group.
#[napi(object, object_from_js = false)]
pub struct PendingInfo {
    /// How many.
    pub count: f64,
    /// The oldest.
    pub oldest: Option<String>,
    /// The newest.
    pub newest: Option<String>,
    /// How many each consumer holds.
    pub consumers: Vec<Holding>,
}

/// What one consumer holds.
#[napi(object, object_from_js = false)]
pub struct Holding {
    /// Its identity.
    pub name: String,
    /// Entries.
    pub count: f64,
}

/// The result of one check of a server.
#[napi(object, object_from_js = false)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// `ok`, `unknown`, `warning` or `bad`.
    pub level: String,
    /// What is there.
    pub found: String,
    /// What to do.
    pub advice: String,
}

impl From<transport::Finding> for Finding {
    fn from(finding: transport::Finding) -> Self {
        let transport::Finding { check, level, found, advice, .. } = finding;
        Self { check: check.into(), level: level.as_str().into(), found, advice }
    }
}

/// An entry as it stands in a stream.
#[napi(object, object_from_js = false)]
pub struct RawEntry {
    /// Its id.
    pub id: String,
    /// Names of its fields.
    pub names: Vec<String>,
    /// Their values.
    pub values: Vec<Buffer>,
}

/// Exact up to 2^53.
#[allow(clippy::cast_precision_loss)]
fn count(n: u64) -> f64 {
    n as f64
}

impl From<transport::StreamInfo> for StreamInfo {
    fn from(info: transport::StreamInfo) -> Self {
        Self {
            length: count(info.length),
            last_id: info.last_id.to_string(),
            first_entry: info.first_entry.map(|id| id.to_string()),
            groups: info.groups.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<transport::GroupInfo> for GroupInfo {
    fn from(info: transport::GroupInfo) -> Self {
        Self {
            name: info.name,
            consumers: count(info.consumers),
            pending: count(info.pending),
            last_delivered: info.last_delivered.to_string(),
            lag: info.lag.map(count),
            time_to_loss_ms: info.time_to_loss.map(|time| time.as_secs_f64() * 1000.0),
        }
    }
}

impl From<transport::PendingInfo> for PendingInfo {
    fn from(info: transport::PendingInfo) -> Self {
        Self {
            count: count(info.count),
            oldest: info.oldest.map(|id| id.to_string()),
            newest: info.newest.map(|id| id.to_string()),
            consumers: info.consumers.into_iter().map(|(name, n)| Holding { name, count: count(n) }).collect(),
        }
    }
}

impl From<transport::Entry> for RawEntry {
    fn from(entry: transport::Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            names: entry.fields.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect(),
            values: entry.fields.into_iter().map(|(_, value)| value.to_vec().into()).collect(),
        }
    }
}

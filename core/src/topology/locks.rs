//! Keys of locks and leases, and the channels on which it is told that one is free.

use super::{Name, encode};

/// The original's lock of a channel, by the channel's id or key; holds the token of whoever runs the channel.
pub fn channel_lock(id: &str) -> Name {
    format!("sg:lock:channel:{id}").into()
}

/// The key of a lock by the name given. A name with a colon is taken as it is, so that every lock of the original's can
/// be reached.
pub fn named_lock(name: &str) -> Name {
    if name.contains(':') { name.into() } else { format!("sg:lock:{name}").into() }
}

/// Channel on which it is told that a lock was given up.
pub fn lock_channel(key: &str) -> Name {
    format!("{key}:free").into()
}

/// The key of a lease; holds the token of whoever leads.
pub fn lease_key(name: &str) -> Name {
    format!("sg:lease:{}", encode(name)).into()
}

/// Counter: the last fencing number that a lease gave. Has no time to live.
pub fn fence_key(name: &str) -> Name {
    format!("sg:lease:{}:fence", encode(name)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_stand_where_the_original_has_them() {
        assert_eq!(&*channel_lock("web:c1"), "sg:lock:channel:web:c1");
        assert_eq!(&*named_lock("report"), "sg:lock:report");
        assert_eq!(named_lock("sg:lock:channel:c1"), channel_lock("c1"));
        assert_eq!(&*lock_channel("sg:lock:report"), "sg:lock:report:free");
    }

    #[test]
    fn no_two_leases_share_a_key() {
        assert_eq!((&*lease_key("a:b"), &*fence_key("a:b")), ("sg:lease:a%3Ab", "sg:lease:a%3Ab:fence"));
        assert_ne!(lease_key("a:fence"), fence_key("a"));
    }
}

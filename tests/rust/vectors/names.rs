//! Keys by the names given for them.

use stargazer_core::topology::{channel_lock, fence_key, lease_key, named_lock, trace_key};

use super::file::rows;

#[test]
fn names_stand_under_their_keys() {
    const FILE: &str = "names.json";
    for row in rows(FILE, "locks") {
        assert_eq!(&*named_lock(row.text("name")), row.text("key"));
    }
    for row in rows(FILE, "channel_locks") {
        assert_eq!(&*channel_lock(row.text("name")), row.text("key"));
    }
    for row in rows(FILE, "leases") {
        assert_eq!(&*lease_key(row.text("name")), row.text("key"));
        assert_eq!(&*fence_key(row.text("name")), row.text("fence"));
    }
    for row in rows(FILE, "traces") {
        assert_eq!(&*trace_key(row.text("name")), row.text("key"));
    }
}
